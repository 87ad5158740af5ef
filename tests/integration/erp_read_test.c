/* erp_read_test.c -- what agents ask costs the same in a large company: every kind by every field
 * that may be asked goes by an index, results are bounded and in one order, and a wrong question is
 * told. */
#include "erp/command/read.h"
#include "runtime/base/buf.h"
#include "runtime/base/check.h"
#include "tests/support/erp_world.h"
#include "tests/support/postgres.h"
#include "tests/support/test.h"

#include <inttypes.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    READ_MAX_MS = 250, /* of any read, on a busy machine; most take one or two */
    FIND_MAX = 200,
    LINES_MAX = 500
};

static const char *const fill[] = {
    "INSERT INTO party (tenant_id, id, kind, name, name_norm, vat_id, vat_norm, ext_id, iban, "
    "status,"
    " version) SELECT 1, g, 'supplier', 'Supplier ' || g, 'SUPPLIER' || g, 'DE' || g, 'DE' || g,"
    " 'X' || g, 'IBAN' || g, 'active', 1 FROM generate_series(1, 1000) AS g",
    "INSERT INTO purchase_order (tenant_id, id, number, number_norm, party, issued, currency, net,"
    " state, version) SELECT 1, g, 'PO-' || g, 'PO' || g, 1 + g % 1000, date '2025-01-01', 'EUR',"
    " 20000, 'open', 1 FROM generate_series(1, 120000) AS g",
    "INSERT INTO order_line (tenant_id, order_id, pos, no, qty, price, net)"
    " SELECT 1, g, 1, '1', 10, 10, 10000 FROM generate_series(1, 120000) AS g",
    "INSERT INTO receipt (tenant_id, id, kind, number, number_norm, party, issued, order_id, "
    "version)"
    " SELECT 1, g, 'receipt', 'GR-' || g, 'GR' || g, 1 + g % 1000, date '2025-01-01', g, 1"
    " FROM generate_series(1, 120000) AS g",
    "INSERT INTO receipt_line (tenant_id, receipt_id, pos, no, counts, order_id, order_pos, qty)"
    " SELECT 1, g, 1, '1', true, g, 1, 10 FROM generate_series(1, 120000) AS g",
    "INSERT INTO invoice (tenant_id, id, number, number_norm, party, issued, due, registered,"
    " currency, order_id, net, tax, gross, payable, state, version)"
    " SELECT 1, g, 'R-' || g, 'R' || g, CASE WHEN g % 2 = 0 THEN 7 ELSE 1 + g % 1000 END,"
    " date '2025-01-05', date '2025-02-05', date '2025-01-06', 'EUR', g, 10000, 1900, 11900, 11900,"
    " CASE WHEN g % 1000 = 0 THEN 'held' ELSE 'posted' END, 1 FROM generate_series(1, 120000) AS g",
    "INSERT INTO invoice_line (tenant_id, invoice_id, pos, no, order_id, order_pos, qty, price, "
    "net)"
    " SELECT 1, g, 1, '1', g, 1, 10, 10, 10000 FROM generate_series(1, 120000) AS g",
    "INSERT INTO invoice_line (tenant_id, invoice_id, pos, no, order_id, order_pos, qty, price, "
    "net)"
    " SELECT 1, 5, p, p::text, 5, 1, 1, 1, 100 FROM generate_series(2, 2000) AS p",
    "INSERT INTO invoice_tax (tenant_id, invoice_id, pos, category, rate, base, tax)"
    " SELECT 1, g, 1, 'S', 19, 10000, 1900 FROM generate_series(1, 120000) AS g",
    "INSERT INTO credit_note (tenant_id, id, number, number_norm, party, issued, registered, "
    "currency,"
    " invoice_id, net, tax, gross, payable, state, version)"
    " SELECT 1, g, 'C-' || g, 'C' || g, 1 + g % 1000, date '2025-01-05', date '2025-01-06', 'EUR', "
    "g,"
    " 100, 19, 119, 119, 'registered', 1 FROM generate_series(1, 120000) AS g",
    "INSERT INTO credit_request (tenant_id, id, invoice_id, party, amount, currency, reason, state,"
    " version) SELECT 1, g, g, 1 + g % 1000, 100, 'EUR', 'r', 'open', 1"
    " FROM generate_series(1, 120000) AS g",
    "INSERT INTO open_item (tenant_id, id, party, side, doc_kind, doc_id, ref, ref_norm, due, "
    "currency,"
    " amount, open, je_id) SELECT 1, g, CASE WHEN g % 2 = 0 THEN 7 ELSE 1 + g % 1000 END, 'AP',"
    " 'invoice', g, 'R-' || g, 'R' || g, date '2025-06-01', 'EUR', 10000 + g / 100, 10000 + g / "
    "100, g"
    " FROM generate_series(1, 120000) AS g",
    "INSERT INTO payment (tenant_id, id, party, currency, amount, pay_on, account, reference, "
    "state,"
    " version) SELECT 1, g, 1 + g % 1000, 'EUR', g, date '2025-06-01', '1200', 'r',"
    " CASE WHEN g % 1000 = 0 THEN 'proposed' ELSE 'cleared' END, 1"
    " FROM generate_series(1, 120000) AS g",
    "INSERT INTO bank_statement (tenant_id, id, account, statement_ref, currency, state, version)"
    " SELECT 1, g, '1200', 'S' || g, 'EUR', 'imported', 1 FROM generate_series(1, 1200) AS g",
    "INSERT INTO bank_line (tenant_id, id, statement_id, account, fp, occ, booked, amount, "
    "currency,"
    " counterparty, counterparty_iban, memo, state, version)"
    " SELECT 1, g, 1 + g / 100, '1200', decode(lpad(to_hex(g), 64, '0'), 'hex'), 1,"
    " date '2025-06-10', -(10000 + g / 100), 'EUR', 'S', 'IBAN' || CASE WHEN g % 2 = 0 THEN 7 ELSE"
    " 1 + g % 1000 END, 'Invoice R-' || g || ' of the year 2025, thank you',"
    " CASE WHEN g % 1000 = 0 THEN 'open' ELSE 'posted' END, 1 FROM generate_series(1, 120000) AS g",
    "INSERT INTO remittance (tenant_id, id, number, number_norm, party, issued, currency, total, "
    "version)"
    " SELECT 1, g, 'RA-' || g, 'RA' || g, 1 + g % 1000, date '2025-06-01', 'EUR', 100, 1"
    " FROM generate_series(1, 1200) AS g",
    "INSERT INTO remittance_line (tenant_id, remittance_id, pos, party, invoice_ref, "
    "invoice_ref_norm,"
    " paid, currency, paid_on) SELECT 1, 1 + g / 100, 1 + g % 100, 1 + g % 1000, 'R-' || g, 'R' || "
    "g,"
    " 100, 'EUR', date '2025-06-01' FROM generate_series(0, 119899) AS g",
    "INSERT INTO exception (tenant_id, key, type, subject, rule_version, resource, party, summary,"
    " evidence, tier, state, opened_seq, found_seq, opened_on, version)"
    " SELECT 1, sha256(g::text::bytea), 'F0' || 1 + g % 9, 's' || g, 1, 'invoice:' || g, 1 + g % "
    "1000,"
    " 'x', '{}', 1, CASE WHEN g % 1000 = 0 THEN 'open' ELSE 'resolved' END, g, g, date "
    "'2025-06-01', 1"
    " FROM generate_series(1, 120000) AS g",
    "INSERT INTO event (tenant_id, seq, stream, version, type, occurred_on, recorded_at, actor,"
    " command_id, body, body_hash, hash) SELECT 1, g, CASE WHEN g % 2 = 0 THEN 'invoice:5' ELSE"
    " 'invoice:' || g END, g, 'invoice.held.v1', date '2025-01-01', now(), 'a', 'c', '{}', '', ''"
    " FROM generate_series(1, 120000) AS g",
    "VACUUM ANALYZE",
};

static struct erp_world *large(void)
{
    static struct erp_world world;
    erp_world_open(&world);
    for (size_t i = 0; i < RV_COUNT(fill); i++) {
        erp_exec(&world, fill[i]);
    }
    return &world;
}

static PGconn *service(struct erp_world *world)
{
    PGconn *conn = PQconnectdb(world->uri);
    PQclear(PQexec(conn, "SELECT set_config('reeve.tenant', '1', false)"));
    PQclear(PQexec(conn, "SET jit = off"));
    PQclear(PQexec(conn, "SET ROLE reeve_app"));
    return conn;
}

static char *plan_of(PGconn *conn, const char *kind, const char *filter)
{
    char sql[600];
    snprintf(sql, sizeof sql,
             "DO $$ DECLARE plan text := ''; line text; BEGIN FOR line IN EXECUTE 'EXPLAIN ' ||"
             " replace(replace(replace(erp_find_sql('%s', '%s'), '$1', '1'), '$2',"
             " quote_literal('%s') || '::jsonb'), '$3', '200') LOOP plan := plan || line || E'\\n';"
             " END LOOP; PERFORM set_config('reeve.plan', plan, false); END $$",
             kind, filter, filter);
    PGresult *result = PQexec(conn, sql);
    ck_assert_msg(PQresultStatus(result) == PGRES_COMMAND_OK, "%s %s: %s", kind, filter,
                  PQerrorMessage(conn));
    PQclear(result);
    result = PQexec(conn, "SELECT current_setting('reeve.plan')");
    char *plan = rv_strdup(PQgetvalue(result, 0, 0));
    PQclear(result);
    return plan;
}

/* Every kind by every field of its list. */
static const struct {
    const char *kind;
    const char *filter;
} questions[] = {
    {"invoice", "{\"id\":77}"},
    {"invoice", "{\"number\":\"R-77\"}"},
    {"invoice", "{\"number_norm\":\"R77\"}"},
    {"invoice", "{\"party\":8}"},
    {"invoice", "{\"order_id\":77}"},
    {"invoice", "{\"state\":\"held\"}"},
    {"invoice", "{\"state\":\"held\",\"currency\":\"EUR\",\"due\":\"2025-02-05\"}"},
    {"order", "{\"id\":77}"},
    {"order", "{\"number\":\"PO-77\"}"},
    {"order", "{\"number_norm\":\"PO77\"}"},
    {"order", "{\"party\":8,\"state\":\"open\"}"},
    {"receipt", "{\"id\":77}"},
    {"receipt", "{\"number\":\"GR-77\"}"},
    {"receipt", "{\"party\":8}"},
    {"receipt", "{\"order_id\":77}"},
    {"credit_note", "{\"id\":77}"},
    {"credit_note", "{\"number\":\"C-77\"}"},
    {"credit_note", "{\"party\":8}"},
    {"credit_note", "{\"invoice_id\":77}"},
    {"credit_request", "{\"id\":77}"},
    {"credit_request", "{\"invoice_id\":77}"},
    {"credit_request", "{\"party\":8}"},
    {"payment", "{\"id\":77}"},
    {"payment", "{\"party\":8}"},
    {"payment", "{\"state\":\"proposed\"}"},
    {"bank_line", "{\"id\":77}"},
    {"bank_line", "{\"statement_id\":77}"},
    {"bank_line", "{\"state\":\"open\"}"},
    {"bank_line", "{\"counterparty_iban\":\"IBAN8\"}"},
    {"open_item", "{\"id\":77}"},
    {"open_item", "{\"party\":8}"},
    {"open_item", "{\"doc_id\":77}"},
    {"open_item", "{\"ref\":\"R-77\"}"},
    {"remittance", "{\"remittance_id\":77}"},
    {"remittance", "{\"party\":8}"},
    {"remittance", "{\"invoice_ref\":\"R-77\"}"},
    {"exception", "{\"type\":\"F01\"}"},
    {"exception", "{\"resource\":\"invoice:77\"}"},
    {"exception", "{\"party\":8}"},
    {"exception", "{\"state\":\"open\"}"},
    {"exception", "{\"key\":\"00\"}"},
    {"invoice", "{}"},
    {"bank_line", "{}"},
    {"exception", "{}"},
};

/* The best of three: somebody else may use the machine. */
static json_t *timed(struct erp_world *world, const char *name, json_t *args)
{
    char *text = rv_json_text(args);
    json_t *value = NULL;
    int64_t took_ms = INT64_MAX;
    for (int i = 0; i < 3 && took_ms >= READ_MAX_MS; i++) {
        json_decref(value);
        int64_t begin_us = rv_mono_us(rv_clock_system());
        value = erp_read(world, name, json_incref(args));
        took_ms = (rv_mono_us(rv_clock_system()) - begin_us) / 1000;
    }
    ck_assert_msg(took_ms < READ_MAX_MS, "%s %s took %" PRId64 " ms", name, text, took_ms);
    rv_free(text);
    json_decref(args);
    return value;
}

/* Arguments that fit every command: what names something names the 777th of it. */
static const char any_args[] =
    "{\"invoice\":777,\"credit_note\":777,\"request\":777,\"order\":777,\"payment\":777,"
    "\"bank_line\":777,\"entry\":777,\"key\":\"00\",\"account_iban\":\"X\",\"statement_id\":\"S5\","
    "\"kind\":\"invoice\",\"number\":\"R-77\",\"supplier\":{\"name\":\"Supplier 7\"},\"party\":7,"
    "\"targets\":[{\"open_item\":777},{\"payment\":777}],\"items\":[{\"open_item\":777}],"
    "\"lines\":[{\"fingerprint\":\"00\",\"occurrence\":1,\"account\":\"1200\"}],"
    "\"account\":\"1200\",\"class\":\"ap\",\"period\":\"2025-01\",\"line\":\"1\"}";

/* What commands load is read by index too: behind row-level security that is easily lost. */
static void loads_go_by_index(PGconn *conn)
{
    PQclear(PQexec(conn, "SET plan_cache_mode = force_generic_plan"));
    for (int i = 0; erp_commands[i] != NULL; i++) {
        const struct rv_statement *load = erp_commands[i]->load;
        struct rv_buf sql;
        if (load == NULL || erp_commands[i]->look != NULL || erp_commands[i]->outside) {
            continue; /* a look goes over everything, that is its work; connectors are few */
        }
        rv_buf_init(&sql, 1 << 20);
        rv_buf_printf(&sql, "PREPARE load%d (int4, int4[], jsonb[]) AS %s", i, load->text);
        PGresult *result = PQexec(conn, sql.data);
        ck_assert_msg(PQresultStatus(result) == PGRES_COMMAND_OK, "%s: %s", load->name,
                      PQerrorMessage(conn));
        PQclear(result);
        rv_buf_fini(&sql);
        rv_buf_init(&sql, 1 << 20);
        rv_buf_printf(&sql, "EXPLAIN EXECUTE load%d (1, '{0,1}', array_fill('%s'::jsonb, '{2}'))",
                      i, any_args);
        result = PQexec(conn, sql.data);
        ck_assert_msg(PQresultStatus(result) == PGRES_TUPLES_OK, "%s: %s", load->name,
                      PQerrorMessage(conn));
        static const char *const large_tables[] = {
            "invoice",    "invoice_line", "credit_note",  "credit_request", "purchase_order",
            "order_line", "receipt",      "receipt_line", "open_item",      "payment",
            "bank_line",  "exception",    "event"};
        for (int row = 0; row < PQntuples(result); row++) {
            const char *at = strstr(PQgetvalue(result, row, 0), "Seq Scan on ");
            for (size_t k = 0; at != NULL && k < RV_COUNT(large_tables); k++) {
                size_t length = strlen(large_tables[k]);
                const char *table = at + strlen("Seq Scan on ");
                ck_assert_msg(strncmp(table, large_tables[k], length) != 0 || table[length] != ' ',
                              "%s reads all of %s", load->name, large_tables[k]);
            }
        }
        PQclear(result);
        rv_buf_fini(&sql);
    }
}

TEST(what_agents_ask_goes_by_an_index_and_is_bounded)
{
    struct erp_world *world = large();
    PGconn *conn = service(world);
    loads_go_by_index(conn);
    PQclear(PQexec(conn, "RESET plan_cache_mode"));
    for (size_t i = 0; i < RV_COUNT(questions); i++) {
        char *plan = plan_of(conn, questions[i].kind, questions[i].filter);
        ck_assert_msg(strstr(plan, "Seq Scan") == NULL, "%s %s:\n%s", questions[i].kind,
                      questions[i].filter, plan);
        rv_free(plan);
        json_t *args = json_pack("{s:s,s:o,s:i}", "kind", questions[i].kind, "filter",
                                 json_loads(questions[i].filter, 0, NULL), "limit", 10000);
        json_t *rows = timed(world, "erp.find", args);
        ck_assert_msg(json_array_size(rows) <= FIND_MAX, "%s", questions[i].filter);
        ck_assert_msg(json_array_size(rows) > 0 || strstr(questions[i].filter, "key") != NULL,
                      "%s %s", questions[i].kind, questions[i].filter);
        json_decref(rows);
    }
    PQfinish(conn);
    /* the same order every time: by id */
    json_t *rows =
        timed(world, "erp.find", erp_json("{'kind':'invoice','filter':{'party':7},'limit':200}"));
    ck_assert_int_eq(json_array_size(rows), FIND_MAX);
    int64_t before = 0;
    size_t i;
    json_t *row;
    json_array_foreach(rows, i, row)
    {
        ck_assert_int_gt(rv_json_int(row, "id", 0), before);
        before = rv_json_int(row, "id", 0);
    }
    json_decref(rows);

    /* documents: an invoice of 2,000 lines, a supplier with 60,000 open items */
    json_t *invoice = timed(world, "erp.get", erp_json("{'kind':'invoice','id':5}"));
    ck_assert_int_eq(json_array_size(json_object_get(invoice, "lines")), LINES_MAX);
    ck_assert_int_eq(rv_json_int(invoice, "line_count", 0), 2000);
    json_decref(invoice);
    json_t *supplier = timed(world, "erp.get", erp_json("{'kind':'supplier','id':7}"));
    ck_assert_int_eq(json_array_size(json_object_get(supplier, "open_items")), FIND_MAX);
    ck_assert_int_eq(rv_json_int(supplier, "invoices", 0), 10000);
    json_decref(supplier);
    json_t *line = timed(world, "erp.get", erp_json("{'kind':'bank_line','id':1000}"));
    const json_t *best = json_array_get(json_object_get(line, "candidates"), 0);
    ck_assert_int_eq(rv_json_int(best, "open_item", 0), 1000);
    ck_assert_int_eq(rv_json_int(best, "score", 0), 100);
    ck_assert_int_le(json_array_size(json_object_get(line, "candidates")), 5);
    json_decref(line);
    json_t *remittance = timed(world, "erp.get", erp_json("{'kind':'remittance','id':2}"));
    ck_assert_int_eq(json_array_size(json_object_get(remittance, "lines")), 100);
    json_decref(remittance);
    /* a history of 60,000 events: the last 50, oldest of these first */
    json_t *history = timed(world, "erp.history", erp_json("{'kind':'invoice','id':5}"));
    ck_assert_int_eq(json_array_size(history), 50);
    ck_assert_int_eq(rv_json_int(json_array_get(history, 49), "seq", 0), 120000);
    json_decref(history);
    erp_world_close(world);
}

static char *names_in(struct erp_world *world, const char *question)
{
    PGconn *conn = service(world);
    const char *values[] = {question};
    PGresult *result =
        PQexecParams(conn, "SELECT erp_names_in(1, $1::jsonb)", 1, NULL, values, NULL, NULL, 0);
    ck_assert_msg(PQresultStatus(result) == PGRES_TUPLES_OK, "%s", PQerrorMessage(conn));
    char *text = rv_strdup(PQgetvalue(result, 0, 0));
    PQclear(result);
    PQfinish(conn);
    return text;
}

TEST(names_of_the_master_record_are_found_in_a_question)
{
    struct erp_world world;
    erp_world_open(&world);
    erp_exec(&world,
             "INSERT INTO party (tenant_id, id, kind, name, name_norm, status, version)"
             " SELECT 1, g, 'supplier', n, erp_norm(n), 'active', 1 FROM unnest(ARRAY["
             "'Muster Pumpen GmbH & Co. KG', 'J\xc3\xb6rg M\xc3\xbcller', 'X', 'Absent AG'])"
             " WITH ORDINALITY AS t(n, g)");
    char *found =
        names_in(&world, "{\"question\":\"Ask\\nMUSTER-PUMPEN GmbH Co KG?\",\"options\":[\"x\","
                         "\"y\"],\"untrusted\":{\"note\":[\"von J\xc3\xb6rg  M\xc3\xbcller\"]}}");
    ck_assert_str_eq(found, "[\"J\xc3\xb6rg M\xc3\xbcller\", \"Muster Pumpen GmbH & Co. KG\"]");
    rv_free(found);
    found = names_in(&world, "{\"question\":\"Pumpen GmbH\",\"facts\":{\"n\":5}}");
    ck_assert_str_eq(found, "[]");
    rv_free(found);
    erp_world_close(&world);
}

static void refused(struct erp_world *world, const char *args, const char *words)
{
    PGconn *conn = service(world);
    char sql[400];
    snprintf(sql, sizeof sql, "SELECT erp_read(1, 'erp.find', '%s')", args);
    PGresult *result = PQexec(conn, sql);
    ck_assert_msg(PQresultStatus(result) == PGRES_FATAL_ERROR, "%s was answered", args);
    ck_assert_str_eq(PQresultErrorField(result, PG_DIAG_SQLSTATE), "P0001");
    ck_assert_msg(strstr(PQerrorMessage(conn), words) != NULL, "%s: %s", args,
                  PQerrorMessage(conn));
    PQclear(result);
    PQfinish(conn);
}

TEST(a_wrong_question_is_told_with_the_words_that_are_right)
{
    struct erp_world world;
    erp_world_open(&world);
    refused(&world, "{\"kind\":\"tenant\"}", "kinds are: account, bank_line");
    refused(&world, "{\"kind\":\"invoice\",\"filter\":{\"numbr\":\"1\"}}",
            "name one of: id, number");
    refused(&world, "{\"kind\":\"invoice\",\"filter\":{\"currency\":\"EUR\"}}", "needs one of: id");
    refused(&world, "{\"kind\":\"invoice\",\"filter\":{\"tenant_id\":2}}", "cannot be found by");
    refused(&world, "{\"kind\":\"invoice\",\"filter\":{\"party\":\"x\"}}", "wrong form");
    refused(&world, "{\"kind\":\"invoice\",\"filter\":{\"party\":8,\"due\":\"soon\"}}",
            "wrong form");
    refused(&world, "{\"kind\":\"invoice\",\"filter\":{\"party\":[1]}}", "one value");
    refused(&world, "{\"kind\":\"invoice\",\"filter\":{\"findings\":null}}", "cannot be found by");
    refused(&world, "{\"kind\":\"exception\",\"filter\":{\"key\":\"zz\"}}", "wrong form");
    refused(&world, "{\"kind\":\"invoice\",\"filter\":[1]}", "table of fields");
    json_t *none = erp_read(&world, "erp.find", erp_json("{'kind':'invoice','filter':[]}"));
    ck_assert_int_eq(json_array_size(none), 0);
    json_decref(none);
    none = erp_read(&world, "erp.get", erp_json("{'kind':'exception','id':'nonsense'}"));
    ck_assert(none == NULL || json_is_null(none));
    json_decref(none);
    erp_world_close(&world);
}

TEST(what_the_program_says_can_be_read_is_what_the_database_answers)
{
    struct erp_world world;
    erp_world_open(&world);
    char *known =
        erp_text(&world, "SELECT string_agg(kind || ':' || array_to_string(fields, ','), ' '"
                         " ORDER BY kind) FROM erp_read_kinds()");
    char mine[2000] = "";
    for (const struct erp_read_kind *at = erp_read_kinds; at->name != NULL; at++) {
        strcat(strcat(mine, *mine == '\0' ? "" : " "), at->name);
        for (int i = 0; at->fields[i] != NULL; i++) {
            strcat(strcat(mine, i == 0 ? ":" : ","), at->fields[i]);
        }
    }
    ck_assert_str_eq(mine, known);
    rv_free(known);
    erp_world_close(&world);
}

TEST_MAIN_WITH(test_postgres_start(TEST_PG_FAST))
