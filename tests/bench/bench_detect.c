/* bench_detect.c -- all detectors over a large company: how long a night takes, and is it exact?
 *
 * 1,000,000 invoice lines on 500,000 invoices, as many order and receipt lines, 100,000 bank lines,
 * 200,000 open items, generated in the database from a seed with planted discrepancies of known
 * number.  The projections are filled directly (they are what detectors read); every detector runs
 * as the service role under row-level security, then the command exception.detect raises all it
 * may, while another command of the same company is written over and over: "stood" is the longest
 * that one of these took, "portion" the longest time the company's head was held for the detection.
 */
#include "tests/bench/bench_erp.h"

#include "runtime/base/check.h"
#include "tests/support/erp_documents.h"
#include "tests/support/postgres.h"

#include <libpq-fe.h>
#include <stdio.h>

/* Every 1000th invoice line is overpriced, every 2000th over-invoiced, every 5000th invoice is a
 * copy of an earlier one, every 4000th has wrong tax, every 10000th another bank account. */
static const char *const fill[] = {
    "INSERT INTO party (tenant_id, id, kind, name, name_norm, iban, status, version)"
    " SELECT 1, g, 'supplier', 'Supplier ' || g, 'SUPPLIER' || g, 'IBAN' || g, 'active', 1"
    " FROM generate_series(1, 2000) AS g",
    "INSERT INTO purchase_order (tenant_id, id, number, number_norm, party, issued, currency, net, "
    "state, version)"
    " SELECT 1, g, 'PO-' || g, 'PO' || g, 1 + g % 2000, date '2025-01-01' + g % 300, 'EUR', 20000, "
    "'open', 1"
    " FROM generate_series(1, 500000) AS g",
    "INSERT INTO order_line (tenant_id, order_id, pos, no, item, qty, price, base_qty, net)"
    " SELECT 1, g, p, p::text, 'I-' || (g + p) % 5000, 10, 10, 1, 10000"
    " FROM generate_series(1, 500000) AS g, generate_series(1, 2) AS p",
    "INSERT INTO receipt_line (tenant_id, receipt_id, pos, no, counts, order_id, order_pos, qty, "
    "short_qty, rejected_qty)"
    " SELECT 1, g, p, p::text, true, g, p, CASE WHEN p = 1 AND g % 1000 = 7 THEN 8 ELSE 10 END, 0, "
    "0"
    " FROM generate_series(1, 500000) AS g, generate_series(1, 2) AS p",
    "INSERT INTO invoice (tenant_id, id, number, number_norm, party, issued, due, registered, "
    "currency, order_ref,"
    " order_ref_norm, order_id, pay_iban, net, tax, gross, payable, state, version)"
    " SELECT 1, g, CASE WHEN g % 5000 = 11 THEN 'R-' || g - 2000 ELSE 'R-' || g END,"
    " CASE WHEN g % 5000 = 11 THEN 'R' || g - 2000 ELSE 'R' || g END, 1 + g % 2000, date "
    "'2025-01-05' + g % 300,"
    " date '2025-02-05' + g % 300, date '2025-01-06' + g % 300, 'EUR', 'PO-' || g, 'PO' || g, g,"
    " CASE WHEN g % 10000 = 13 THEN 'IBANX' ELSE 'IBAN' || 1 + g % 2000 END, a, t, a + t, a + t, "
    "'registered', 1"
    " FROM (SELECT g, CASE WHEN g % 5000 = 11 THEN 20000 + (g - 2000) / 2000 ELSE 20000 + g / 2000 "
    "END AS a,"
    "       round((CASE WHEN g % 5000 = 11 THEN 20000 + (g - 2000) / 2000 ELSE 20000 + g / 2000 "
    "END) * 0.19)::bigint AS t"
    " FROM generate_series(1, 500000) AS g) AS x",
    "INSERT INTO invoice_line (tenant_id, invoice_id, pos, no, order_id, order_pos, item, qty, "
    "price, base_qty, net,"
    " tax_category, tax_rate)"
    " SELECT 1, g, p, p::text, g, p, 'I-' || (g + p) % 5000, 10, CASE WHEN p = 2 AND g % 500 = 3 "
    "THEN 12 ELSE 10 END, 1,"
    " 10000, 'S', 19 FROM generate_series(1, 500000) AS g, generate_series(1, 2) AS p",
    "INSERT INTO invoice_tax (tenant_id, invoice_id, pos, category, rate, base, tax)"
    " SELECT 1, i.id, 1, 'S', 19, i.net, i.tax + CASE WHEN i.id % 4000 = 17 THEN 100 ELSE 0 END "
    "FROM invoice i",
    "UPDATE invoice SET tax = tax + 100 WHERE id % 4000 = 17",
    "INSERT INTO open_item (tenant_id, id, party, side, doc_kind, doc_id, ref, ref_norm, due, "
    "currency, amount, open, je_id)"
    " SELECT 1, g, 1 + g % 2000, 'AP', 'invoice', g, 'R-' || 100000 + g, 'R' || 100000 + g, date "
    "'2025-06-01', 'EUR',"
    " 10000 + g, 10000 + g, g FROM generate_series(1, 200000) AS g",
    "INSERT INTO bank_statement (tenant_id, id, account, statement_ref, currency, opening, "
    "closing, state, version)"
    " VALUES (1, 1, '1200', 'S', 'EUR', 0, 0, 'imported', 1)",
    "INSERT INTO bank_line (tenant_id, id, statement_id, account, fp, occ, booked, amount, "
    "currency, counterparty,"
    " counterparty_iban, memo, state, version)"
    " SELECT 1, g, 1, '1200', decode(lpad(to_hex(g), 64, '0'), 'hex'), 1, date '2025-06-10' + g % "
    "100,"
    " -(10000 + g) + CASE WHEN g % 100 = 1 THEN 50 ELSE 0 END, 'EUR', 'Supplier ' || 1 + g % 2000,"
    " 'IBAN' || 1 + g % 2000, 'Invoice R-' || 100000 + g || ' thank you', 'open', 1"
    " FROM generate_series(1, 100000) AS g",
    "VACUUM ANALYZE",
};

static const struct {
    const char *name;
    const char *call;
    int64_t planted; /* -1: not counted exactly */
} detectors[] = {
    {"F01", "detect_f01(1, '2026-01-01')", 1000},
    {"F02", "detect_f02(1, '2026-01-01')", 500},
    {"F04", "detect_f04(1, '2026-01-01')", 0},
    {"F07", "detect_f07(1, '2026-01-01')", 99},
    {"F08", "detect_f08(1, '2026-01-01')", -1},
    {"F09", "detect_f09(1, '2026-01-01')", 0},
    {"F10", "detect_f10(1, '2026-01-01')", 125},
    {"F12", "detect_f12(1, '2026-01-01')", 50},
    {"F19", "detect_f19(1, '2026-01-01')", 0},
    {"F21", "detect_f21(1, '2026-01-01')", -1},
    {"F22_F23", "detect_bank(1, '2026-01-01')", 100000},
};

static PGconn *service(struct erp_world *world)
{
    PGconn *conn = PQconnectdb(world->uri);
    PQclear(PQexec(conn, "SELECT set_config('reeve.tenant', '1', false)"));
    PQclear(PQexec(conn, "SET ROLE reeve_app"));
    return conn;
}

/* ---- the command, and who else writes meanwhile ---- */

struct others {
    int64_t detected_us; /* 0 while the detection runs */
    int64_t done_us;
    int64_t asked_us;
    int64_t longest_us;
    int64_t count;
};

static void write_other(struct erp_world *world, struct others *others)
{
    others->asked_us = rv_mono_us(rv_clock_system());
    others->done_us = 0;
    erp_queue(world, "account.register",
              erp_json("{'number':'9%04d','name':'Other','kind':'expense'}",
                       (int)(others->count % 10000)),
              &others->done_us);
}

static void other_done(struct erp_world *world, void *data)
{
    struct others *others = data;
    if (others->done_us == 0) {
        return; /* it was the detection */
    }
    int64_t took_us = others->done_us - others->asked_us;
    others->longest_us = took_us > others->longest_us ? took_us : others->longest_us;
    others->count++;
    if (others->detected_us == 0) {
        write_other(world, others);
    }
}

static void measure_command(const struct bench_run *run, struct erp_world *world, const char *name)
{
    struct others others = {.count = 0};
    int64_t begin = rv_mono_us(rv_clock_system());
    world->portion_us = 0;
    world->after = other_done;
    world->after_data = &others;
    erp_queue(world, "exception.detect",
              erp_json("{'as_of':'2026-01-01','limit':10000,'types':['F01','F02','F04','F07','F08',"
                       "'F09','F10','F12','F19','F21']}"),
              &others.detected_us);
    write_other(world, &others);
    erp_drain(world);
    world->after = NULL;
    bench_report(run, "detect", name, "seconds", (double)(others.detected_us - begin) / 1e6, "s");
    bench_report(run, "detect", name, "portion", (double)world->portion_us / 1e3, "ms");
    bench_report(run, "detect", name, "stood", (double)others.longest_us / 1e3, "ms");
    bench_report(run, "detect", name, "written_meanwhile", (double)others.count, "");
}

static void run_detect(const struct bench_run *run)
{
    test_postgres_start(TEST_PG_FAST);
    struct erp_world world;
    erp_world_open(&world);
    make_chart(&world);
    int64_t begin = rv_mono_us(rv_clock_system());
    for (size_t i = 0; i < RV_COUNT(fill); i++) {
        erp_exec(&world, fill[i]);
    }
    bench_report(run, "detect", "generate", "seconds",
                 (double)(rv_mono_us(rv_clock_system()) - begin) / 1e6, "s");
    PGconn *conn = service(&world);
    double total = 0;
    for (size_t i = 0; i < RV_COUNT(detectors); i++) {
        char sql[160];
        snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", detectors[i].call);
        begin = rv_mono_us(rv_clock_system());
        PGresult *result = PQexec(conn, sql);
        RV_ASSERT(PQntuples(result) == 1);
        double seconds = (double)(rv_mono_us(rv_clock_system()) - begin) / 1e6;
        double found = strtod(PQgetvalue(result, 0, 0), NULL);
        PQclear(result);
        total += seconds;
        bench_report(run, "detect", detectors[i].name, "seconds", seconds, "s");
        bench_report(run, "detect", detectors[i].name, "found", found, "");
        if (detectors[i].planted >= 0) {
            bench_report(run, "detect", detectors[i].name, "missed_or_extra",
                         found - (double)detectors[i].planted, "");
        }
    }
    PQfinish(conn);
    bench_report(run, "detect", "all", "seconds", total, "s");
    measure_command(run, &world, "command");
    bench_report(run, "detect", "command", "raised",
                 (double)erp_number(&world, "SELECT count(*) FROM exception"), "");
    measure_command(run, &world, "again");
    erp_do(&world, "exception.detect", erp_json("{'as_of':'2026-01-01','types':['F12']}"));
    bench_report(run, "detect", "again", "raised", (double)rv_json_int(world.answer, "raised", -1),
                 "");
    erp_world_close(&world);
}

const struct bench bench_detect = {
    .name = "detect",
    .summary = "all detectors over a million invoice lines",
    .run = run_detect,
};
