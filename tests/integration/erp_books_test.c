/* erp_books_test.c -- the books on a real PostgreSQL: documents in, postings out, taken back,
 * replayed. */
#include "erp/domain/money.h"
#include "erp/domain/norm.h"
#include "erp_command_sql.h"
#include "runtime/base/check.h"
#include "runtime/base/random.h"
#include "runtime/gate/books.h"
#include "tests/support/erp_documents.h"
#include "tests/support/postgres.h"
#include "tests/support/test.h"

#include <inttypes.h>

static const char ledger_zero[] = "SELECT count(*) FROM (SELECT je_id, currency FROM jl GROUP BY "
                                  "1, 2 HAVING sum(amount) <> 0) AS x";
static const char ap_agrees[] =
    "SELECT coalesce((SELECT sum(open) FROM open_item WHERE side = 'AP'), 0)"
    " + coalesce((SELECT sum(debit - credit) FROM balance WHERE account = '1600'), 0)";
static const char balances_agree[] = "SELECT count(*) FROM (SELECT account, currency, sum(debit - "
                                     "credit) AS s FROM balance GROUP BY 1, 2) b"
                                     " FULL JOIN (SELECT account, currency, sum(amount) AS s FROM "
                                     "jl GROUP BY 1, 2) l USING (account, currency)"
                                     " WHERE b.s IS DISTINCT FROM l.s";
static const char numbers_have_gaps[] =
    "SELECT count(*) FROM (SELECT number - row_number() OVER (PARTITION BY series, left(period, 4)"
    " ORDER BY number) AS gap FROM je) AS x WHERE gap <> 0";

static void check_books(struct erp_world *world)
{
    ck_assert_int_eq(erp_number(world, ledger_zero), 0);
    ck_assert_int_eq(erp_number(world, ap_agrees), 0);
    ck_assert_int_eq(erp_number(world, balances_agree), 0);
    ck_assert_int_eq(erp_number(world, numbers_have_gaps), 0);
}

static int64_t posted_invoice(struct erp_world *world, const char *number, int64_t net,
                              int64_t *item)
{
    int64_t invoice =
        rv_json_int(erp_do(world, "invoice.register", an_invoice(number, NULL, "10", "10.00", net)),
                    "invoice", 0);
    const json_t *answer =
        erp_do(world, "invoice.post", erp_json("{'invoice':%" PRId64 "}", invoice));
    *item = rv_json_int(answer, "open_item", 0);
    return invoice;
}

TEST(a_document_of_an_unknown_supplier_makes_an_unverified_party)
{
    struct erp_world world;
    erp_world_open(&world);
    const json_t *answer =
        erp_do(&world, "invoice.register", an_invoice("I-1", "O-1", "10", "10.00", 10000));
    ck_assert(rv_json_bool(answer, "party_created", false));
    ck_assert_int_eq(world.events, 2);
    char *row =
        erp_text(&world, "SELECT status || ' ' || (iban IS NULL) || ' ' || vat_norm FROM party");
    ck_assert_str_eq(row, "unverified true DE123456789");
    rv_free(row);
    answer = erp_do(&world, "order.register", an_order("O-1", "10", "10.00", 10000));
    ck_assert(!rv_json_bool(answer, "party_created", true));
    ck_assert_int_eq(erp_number(&world, "SELECT count(*) FROM party"), 1);
    /* the order came after the invoice that names it: they found each other */
    ck_assert_int_eq(
        erp_number(&world, "SELECT count(*) FROM invoice_line l JOIN order_line o USING (order_id)"
                           " WHERE l.order_pos = o.pos"),
        1);
    erp_world_close(&world);
}

TEST(the_same_file_twice_changes_nothing)
{
    struct erp_world world;
    erp_world_open(&world);
    const char *hash = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    for (int i = 0; i < 2; i++) {
        json_t *doc = an_invoice("I-1", NULL, "10", "10.00", 10000);
        json_object_set_new(doc, "file_sha256", json_string(hash));
        erp_do(&world, "invoice.register", doc);
        ck_assert_int_eq(world.events, i == 0 ? 2 : 0);
    }
    ck_assert_int_eq(erp_number(&world, "SELECT count(*) FROM invoice"), 1);
    erp_world_close(&world);
}

TEST(an_invoice_is_posted_paid_and_cleared)
{
    struct erp_world world;
    erp_world_open(&world);
    make_chart(&world);
    make_supplier(&world);
    erp_do(&world, "order.register", an_order("O-1", "10", "10.00", 10000));
    erp_do(&world, "receipt.register", a_receipt("R-1", "O-1", "10"));
    int64_t invoice = rv_json_int(
        erp_do(&world, "invoice.register", an_invoice("I-1", "O-1", "10", "10.00", 10000)),
        "invoice", 0);
    const json_t *answer =
        erp_do(&world, "invoice.post", erp_json("{'invoice':%" PRId64 "}", invoice));
    int64_t item = rv_json_int(answer, "open_item", 0);
    ck_assert_int_eq(json_array_size(world.books), 3);
    check_books(&world);
    ck_assert_int_eq(erp_number(&world, "SELECT debit FROM balance WHERE account = '1700'"), 10000);
    /* a posted invoice is not posted twice, nor its twin from another channel */
    ck_assert_int_eq(erp_try(&world, "invoice.post", erp_json("{'invoice':%" PRId64 "}", invoice)),
                     RV_CONFLICT);
    int64_t twin = rv_json_int(
        erp_do(&world, "invoice.register", an_invoice("i 0001", "O-1", "10", "10.00", 10000)),
        "invoice", 0);
    (void)twin;
    int64_t twin2 = rv_json_int(
        erp_do(&world, "invoice.register", an_invoice("00I1", "O-1", "10", "10.00", 10000)),
        "invoice", 0);
    ck_assert_int_eq(erp_try(&world, "invoice.post", erp_json("{'invoice':%" PRId64 "}", twin2)),
                     RV_CONFLICT);
    ck_assert_ptr_nonnull(strstr(world.err.message, "posted already"));
    /* pay it */
    answer = erp_do(&world, "payment.propose",
                    erp_json("{'items':[{'open_item':%" PRId64 "}],'account':'1200'}", item));
    int64_t payment = rv_json_int(answer, "payment", 0);
    ck_assert_int_eq(rv_json_int(answer, "amount_minor", 0), 11900);
    ck_assert_int_eq(
        erp_try(&world, "payment.propose",
                erp_json("{'items':[{'open_item':%" PRId64 "}],'account':'1200'}", item)),
        RV_CONFLICT);
    erp_do(&world, "payment.release", erp_json("{'payment':%" PRId64 "}", payment));
    ck_assert_int_eq(erp_number(&world, "SELECT count(*) FROM invoice WHERE state = 'paid'"), 1);
    check_books(&world);
    /* the bank says so */
    erp_do(
        &world, "bank_statement.import",
        erp_json(
            "{'kind':'bank_statement','statement_id':'7','account_iban':'DE89370400440532013000',"
            "'currency':'EUR','opening_minor':50000,'closing_minor':38100,'entry_count':1}"));
    erp_do(&world, "bank_statement.lines",
           erp_json("{'statement_id':'7','account_iban':'DE89370400440532013000','lines':[{'no':1,"
                    "'booked':'2026-01-02','amount_minor':-11900,'currency':'EUR','counterparty':'"
                    "Northwind',"
                    "'counterparty_iban':'GB82WEST12345698765432','remittance':'I-1','occurrence':"
                    "1,'fingerprint':"
                    "'00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff'}]}"));
    answer = erp_do(
        &world, "bank_statement.close",
        erp_json(
            "{'statement_id':'7','account_iban':'DE89370400440532013000','state':'imported'}"));
    ck_assert_str_eq(rv_json_str(answer, "state", ""), "imported");
    int64_t line = erp_number(&world, "SELECT id FROM bank_line");
    erp_do(&world, "bank_line.match",
           erp_json("{'bank_line':%" PRId64 ",'targets':[{'payment':%" PRId64
                    "}],'rule':'payment','score':100}",
                    line, payment));
    ck_assert_int_eq(
        erp_number(&world, "SELECT debit - credit FROM balance WHERE account = '1290'"), 0);
    ck_assert_int_eq(
        erp_number(&world, "SELECT debit - credit FROM balance WHERE account = '1200'"), -11900);
    check_books(&world);
    /* and it can be taken back in one step */
    erp_do(&world, "bank_line.unmatch",
           erp_json("{'bank_line':%" PRId64 ",'reason':'wrong'}", line));
    ck_assert_int_eq(erp_number(&world, "SELECT count(*) FROM payment WHERE state = 'released'"),
                     1);
    check_books(&world);
    erp_check_green(&world);
    erp_world_close(&world);
}

TEST(a_changed_byte_in_the_log_is_found_and_named)
{
    struct erp_world world;
    erp_world_open(&world);
    make_chart(&world);
    erp_exec(&world,
             "ALTER TABLE event DISABLE TRIGGER ALL;"
             " UPDATE event SET body = jsonb_set(body, '{name}', '\"Banc\"') WHERE seq = 4");
    json_t *report = erp_check(&world);
    ck_assert(!rv_json_bool(report, "ok", true));
    ck_assert_int_eq(rv_json_int(report, "events", 0), 3);
    ck_assert_str_eq(rv_json_str(report, "finding", ""), "the body of event 4 was changed");
    ck_assert_ptr_null(json_object_get(report, "differences"));
    json_decref(report);
    erp_world_close(&world);
}

TEST(a_log_that_was_cut_is_found)
{
    struct erp_world world;
    erp_world_open(&world);
    make_chart(&world);
    erp_exec(&world, "ALTER TABLE event DISABLE TRIGGER ALL;"
                     " DELETE FROM event WHERE seq = (SELECT max(seq) FROM event)");
    json_t *report = erp_check(&world);
    ck_assert(!rv_json_bool(report, "ok", true));
    ck_assert_ptr_nonnull(strstr(rv_json_str(report, "finding", ""), "the log ends at event "));
    json_decref(report);
    erp_exec(&world, "UPDATE tenant_head SET event_seq = (SELECT max(seq) FROM event)");
    report = erp_check(&world);
    ck_assert_str_eq(rv_json_str(report, "finding", ""),
                     "the head of the log is not the hash of its last event");
    json_decref(report);
    erp_world_close(&world);
}

static enum rv_code take_rows(void *data, const struct rv_result *result, int row,
                              struct rv_error *err)
{
    (void)err;
    *(int64_t *)data = rv_result_i64(result, row, 1);
    return RV_OK;
}

/* Stages and repairs; `meanwhile` may be NULL. */
static enum rv_code repair(struct erp_world *world, void (*meanwhile)(struct erp_world *world),
                           int64_t *rows)
{
    struct rv_books *books = NULL;
    struct rv_db_session *session = NULL;
    json_t *report = NULL;
    struct rv_error err = {.code = RV_OK};
    *rows = 0;
    ck_assert_int_eq(rv_books_open(world->uri, 1, &books, &err), RV_OK);
    ck_assert_int_eq(rv_books_check(books, &report, &err), RV_OK);
    ck_assert_int_eq(rv_books_stage(books, rows, &err), RV_OK);
    ck_assert_int_eq(*rows, rv_json_int(report, "differences", -1));
    if (meanwhile != NULL) {
        meanwhile(world);
    }
    ck_assert_int_eq(rv_db_session_open(world->uri, &session, &err), RV_OK);
    enum rv_code code =
        rv_db_session_query(session, 1, &rv_sql_rebuild_repair, NULL, take_rows, rows, &err);
    rv_db_session_close(session);
    rv_books_close(books);
    json_decref(report);
    return code;
}

static void another_event(struct erp_world *world)
{
    make_supplier(world);
}

TEST(a_projection_that_was_changed_by_hand_is_named_and_rebuilt)
{
    struct erp_world world;
    erp_world_open(&world);
    make_chart(&world);
    int64_t item = 0;
    posted_invoice(&world, "I-1", 10000, &item);
    posted_invoice(&world, "I-2", 20000, &item);
    erp_check_green(&world);
    char *before =
        erp_text(&world, "SELECT string_agg(t::text, ' ' ORDER BY t::text) FROM invoice t");
    erp_exec(&world, "UPDATE balance SET debit = debit + 1 WHERE account = '1600';"
                     " DELETE FROM invoice WHERE number = 'I-2';"
                     " UPDATE invoice SET payable = 1 WHERE number = 'I-1';"
                     " INSERT INTO tolerance SELECT 1, 'made.up', 0, 0, 0, 1");
    json_t *report = erp_check(&world);
    ck_assert(!rv_json_bool(report, "ok", true));
    ck_assert_int_ge(rv_json_int(report, "differences", 0), 4);
    ck_assert_str_eq(rv_json_str(report, "finding", ""), "tolerance has a row that no event made");
    ck_assert_str_eq(
        rv_json_str(json_object_get(json_object_get(report, "first"), "key"), "key", ""),
        "made.up");
    json_decref(report);
    int64_t rows = 0;
    /* an event that came in between stops the repair */
    ck_assert_int_eq(repair(&world, another_event, &rows), RV_CONFLICT);
    ck_assert_int_eq(erp_number(&world, "SELECT count(*) FROM tolerance WHERE key = 'made.up'"), 1);
    ck_assert_int_eq(repair(&world, NULL, &rows), RV_OK);
    ck_assert_int_ge(rows, 4);
    erp_check_green(&world);
    check_books(&world);
    char *after =
        erp_text(&world, "SELECT string_agg(t::text, ' ' ORDER BY t::text) FROM invoice t");
    ck_assert_str_eq(before, after);
    ck_assert_int_eq(erp_number(&world, "SELECT count(*) FROM projection_repair"), 0);
    ck_assert_int_eq(repair(&world, NULL, &rows), RV_OK);
    ck_assert_int_eq(rows, 0);
    rv_free(before);
    rv_free(after);
    erp_world_close(&world);
}

TEST(a_statement_comes_once_and_an_unbalanced_one_is_put_aside)
{
    static const char account[] = "'account_iban':'DE89370400440532013000'";
    struct erp_world world;
    erp_world_open(&world);
    make_chart(&world);
    for (int round = 0; round < 2; round++) {
        erp_do(
            &world, "bank_statement.import",
            erp_json(
                "{'kind':'bank_statement','statement_id':'A',%s,'currency':'EUR','opening_minor':0,"
                "'closing_minor':-600,'entry_count':3}",
                account));
        const json_t *answer =
            erp_do(&world, "bank_statement.lines",
                   erp_json("{'statement_id':'A',%s,'lines':["
                            "{'booked':'2026-01-02','amount_minor':-200,'currency':'EUR','"
                            "occurrence':1,'fingerprint':'%064d'},"
                            "{'booked':'2026-01-02','amount_minor':-200,'currency':'EUR','"
                            "occurrence':2,'fingerprint':'%064d'},"
                            "{'booked':'2026-01-02','amount_minor':-200,'currency':'EUR','"
                            "occurrence':1,'fingerprint':'%064d'}]}",
                            account, 1, 1, 2));
        ck_assert_int_eq(rv_json_int(answer, "added", -1), round == 0 ? 3 : 0);
        answer = erp_do(&world, "bank_statement.close",
                        erp_json("{'statement_id':'A',%s,'state':'imported'}", account));
        ck_assert_str_eq(rv_json_str(answer, "state", ""), "imported");
    }
    ck_assert_int_eq(erp_number(&world, "SELECT count(*) FROM bank_line"), 3);
    /* the same lines inside another statement are counted, not stored again */
    erp_do(&world, "bank_statement.import",
           erp_json(
               "{'kind':'bank_statement','statement_id':'B',%s,'currency':'EUR','opening_minor':0,"
               "'closing_minor':-399,'entry_count':2}",
               account));
    erp_do(&world, "bank_statement.lines",
           erp_json("{'statement_id':'B',%s,'lines':["
                    "{'booked':'2026-01-02','amount_minor':-200,'currency':'EUR','occurrence':1,'"
                    "fingerprint':'%064d'},"
                    "{'booked':'2026-01-02','amount_minor':-200,'currency':'EUR','occurrence':1,'"
                    "fingerprint':'%064d'}]}",
                    account, 2, 3));
    const json_t *answer = erp_do(&world, "bank_statement.close",
                                  erp_json("{'statement_id':'B',%s,'state':'imported'}", account));
    ck_assert_str_eq(rv_json_str(answer, "state", ""), "quarantined");
    ck_assert_int_eq(rv_json_int(answer, "difference_minor", 0), 1);
    ck_assert_ptr_nonnull(strstr(rv_json_str(answer, "reason", ""), "0.01 EUR"));
    ck_assert_int_eq(erp_number(&world, "SELECT count(*) FROM bank_line"), 4);
    ck_assert_int_eq(
        erp_try(&world, "bank_statement.lines",
                erp_json("{'statement_id':'A',%s,'lines':[{'booked':'2026-01-02','amount_minor':-1,"
                         "'currency':'EUR','occurrence':1,'fingerprint':'%064d'}]}",
                         account, 9)),
        RV_CONFLICT);
    erp_world_close(&world);
}

static void bring_statement(struct erp_world *world, const char *id, int from, const char *close)
{
    const char *account = "'account_iban':'DE02120300000000202051'";
    erp_do(world, "bank_statement.import",
           erp_json("{'kind':'bank_statement','statement_id':'%s',%s,'currency':'EUR',"
                    "'opening_minor':0,'closing_minor':-400,'entry_count':2}",
                    id, account));
    erp_do(world, "bank_statement.lines",
           erp_json("{'statement_id':'%s',%s,'lines':[{'booked':'2026-01-02','amount_minor':-200,"
                    "'currency':'EUR','occurrence':1,'fingerprint':'%064d'},{'booked':'2026-01-02',"
                    "'amount_minor':-200,'currency':'EUR','occurrence':1,'fingerprint':'%064d'}]}",
                    id, account, from, from + 1));
    const json_t *answer =
        erp_do(world, "bank_statement.close",
               erp_json("{'statement_id':'%s',%s,'state':'imported'}", id, account));
    ck_assert_str_eq(rv_json_str(answer, "state", ""), close);
}

static json_t *kept_statement(void)
{
    return erp_json("{'statement_id':'A','account_iban':'DE02120300000000202051'}");
}

TEST(a_statement_of_an_unregistered_account_is_kept_and_released)
{
    struct erp_world world;
    erp_world_open(&world);
    make_chart(&world);
    bring_statement(&world, "A", 1, "quarantined");
    ck_assert_int_eq(erp_try(&world, "bank_statement.release", kept_statement()), RV_NOT_FOUND);
    int64_t line = erp_number(&world, "SELECT min(id) FROM bank_line");
    ck_assert_int_eq(erp_try(&world, "bank_line.post_to",
                             erp_json("{'bank_line':%d,'account':'4900'}", (int)line)),
                     RV_CONFLICT);
    erp_do(&world, "account.register",
           erp_json("{'number':'1299','name':'Second bank','kind':'asset','role':'bank',"
                    "'currency':'EUR','iban':'DE02120300000000202051'}"));
    bring_statement(&world, "B", 2, "imported"); /* shares a line with the one that is kept */
    const json_t *answer = erp_do(&world, "bank_statement.release", kept_statement());
    ck_assert_str_eq(rv_json_str(answer, "state", ""), "imported");
    ck_assert_str_eq(rv_json_str(answer, "account", ""), "1299");
    ck_assert_int_eq(erp_number(&world, "SELECT count(*) FROM bank_line WHERE account = '1299'"),
                     3);
    ck_assert_int_eq(erp_number(&world, "SELECT known_count FROM bank_statement WHERE "
                                        "statement_ref = 'A' AND state = 'imported'"),
                     1);
    answer = erp_do(&world, "bank_statement.release", kept_statement());
    ck_assert(!rv_json_bool(answer, "changed", true));
    check_books(&world);
    erp_world_close(&world);
}

TEST(entries_that_do_not_balance_and_closed_periods_are_refused)
{
    struct erp_world world;
    erp_world_open(&world);
    make_chart(&world);
    ck_assert_int_eq(
        erp_try(
            &world, "journal.post",
            erp_json("{'memo':'x','lines':[{'account':'4900','amount_minor':100,'currency':'EUR'},"
                     "{'account':'1700','amount_minor':-99,'currency':'EUR'}]}")),
        RV_INVALID);
    ck_assert_int_eq(
        erp_try(
            &world, "journal.post",
            erp_json("{'memo':'x','lines':[{'account':'4900','amount_minor':100,'currency':'EUR'},"
                     "{'account':'1700','amount_minor':-100,'currency':'USD'}]}")),
        RV_INVALID);
    erp_do(&world, "period.lock", erp_json("{'class':'GL','period':'2025-12','state':'hard'}"));
    json_t *late =
        erp_json("{'memo':'x','date':'2025-12-31','lines':[{'account':'4900','amount_minor':100,"
                 "'currency':'EUR'},{'account':'1700','amount_minor':-100,'currency':'EUR'}]}");
    ck_assert_int_eq(erp_try(&world, "journal.post", json_incref(late)), RV_CONFLICT);
    json_object_set_new(late, "date", json_string("2026-01-01"));
    erp_do(&world, "journal.post", late);
    ck_assert_int_eq(erp_try(&world, "period.lock",
                             erp_json("{'class':'GL','period':'2025-12','state':'open'}")),
                     RV_CONFLICT);
    check_books(&world);
    erp_world_close(&world);
}

TEST(agents_read_without_floats_and_texts_normalise_alike_in_c_and_sql)
{
    static const char *const numbers[] = {"00-inv/0012", "A00095678", "000", "-/-",
                                          "R\xc3\xbc 7", "0x",        ""};
    static const char *const currencies[] = {"EUR", "JPY", "KWD", "CLF", "GBP", "TND", "VND"};
    struct erp_world world;
    erp_world_open(&world);
    struct rv_arena *arena = rv_arena_create("test", 1 << 16);
    char sql[400];
    for (size_t i = 0; i < RV_COUNT(numbers); i++) {
        snprintf(sql, sizeof sql, "SELECT erp_norm_number('%s')", numbers[i]);
        char *text = erp_text(&world, sql);
        ck_assert_str_eq(text, erp_norm_number(arena, numbers[i]));
        rv_free(text);
    }
    for (size_t i = 0; i < RV_COUNT(currencies); i++) {
        int64_t unit = 1;
        for (int k = 0; k < erp_currency_digits(currencies[i]); k++) {
            unit *= 10;
        }
        snprintf(sql, sizeof sql, "SELECT erp_minor('%s')::bigint", currencies[i]);
        ck_assert_int_eq(erp_number(&world, sql), unit);
    }
    erp_do(&world, "order.register", an_order("O-1", "10.5", "9.99", 10490));
    int64_t id = rv_json_int(
        erp_do(&world, "invoice.register", an_invoice("I-1", "O-1", "10.5", "9.99", 10490)),
        "invoice", 0);
    json_t *order =
        erp_read(&world, "erp.get", erp_json("{'kind':'invoice','id':%" PRId64 "}", id));
    const json_t *line = json_array_get(json_object_get(order, "lines"), 0);
    ck_assert_str_eq(rv_json_str(line, "qty", ""), "10.500000");
    json_decref(order);
    json_t *list =
        erp_read(&world, "erp.find", erp_json("{'kind':'order','filter':{'number_norm':'O1'}}"));
    ck_assert_int_eq(json_array_size(list), 1);
    json_decref(list);
    list = erp_read(&world, "erp.history", erp_json("{'kind':'invoice','id':%" PRId64 "}", id));
    ck_assert_str_eq(rv_json_str(json_array_get(list, 0), "type", ""), "invoice.registered.v1");
    json_decref(list);
    list = erp_read(&world, "erp.get", erp_json("{'kind':'invoice','id':1}"));
    ck_assert_ptr_null(list);
    json_decref(list);
    rv_arena_destroy(arena);
    erp_world_close(&world);
}

/* ---- do and undo ---- */

/* Everything the books are about, without what only grows (entries, versions, numbers). */
static char *books_now(struct erp_world *world)
{
    return erp_text(
        world,
        "SELECT (SELECT coalesce(string_agg(account || currency || s, ' ' ORDER BY account, "
        "currency), '') FROM"
        " (SELECT account, currency, sum(debit - credit) AS s FROM balance GROUP BY 1, 2) b WHERE "
        "s <> 0)"
        " || '|' || (SELECT coalesce(string_agg(id || state || coalesce(hold_code, '') || "
        "coalesce(order_id, 0) ||"
        " distinct_from::text, ' ' ORDER BY id), '') FROM invoice)"
        " || '|' || (SELECT coalesce(string_agg(invoice_id || accepted::text || "
        "coalesce(order_pos, 0), ' ' ORDER BY invoice_id, pos), '') FROM invoice_line)"
        " || '|' || (SELECT coalesce(string_agg(doc_kind || doc_id || ' ' || open || ' ' || "
        "reserved, ' ' ORDER BY doc_kind, doc_id), '')"
        "            FROM open_item WHERE NOT reversed)"
        " || '|' || (SELECT coalesce(string_agg(qty || ' ' || price, ' ' ORDER BY order_id, pos), "
        "'') FROM order_line)"
        " || '|' || (SELECT count(*) FROM payment WHERE state = 'proposed')"
        " || '|' || (SELECT coalesce(string_agg(id || state, ' ' ORDER BY id), '') FROM bank_line)"
        " || '|' || (SELECT count(*) FROM credit_request WHERE state = 'open')"
        " || '|' || (SELECT coalesce(string_agg(number || name || active, ' ' ORDER BY number), "
        "'') FROM account WHERE active)");
}

struct done {
    const struct erp_command *command;
    json_t *args;
    json_t *answer;
};

static void undo(struct erp_world *world, struct done *done)
{
    const char *name = NULL;
    json_t *args = NULL;
    ck_assert_msg(done->command->compensate(done->args, done->answer, &name, &args), "%s",
                  done->command->name);
    erp_do(world, name, args);
}

TEST(what_is_done_in_any_order_is_undone_in_reverse)
{
    struct erp_world world;
    erp_world_open(&world);
    make_chart(&world);
    make_supplier(&world);
    int64_t order = rv_json_int(
        erp_do(&world, "order.register", an_order("O-1", "10", "10.00", 10000)), "order", 0);
    erp_do(&world, "receipt.register", a_receipt("R-1", "O-1", "8"));
    int64_t item = 0;
    int64_t paid = posted_invoice(&world, "P-1", 5000, &item);
    int64_t open = rv_json_int(
        erp_do(&world, "invoice.register", an_invoice("I-1", NULL, "10", "11.00", 11000)),
        "invoice", 0);
    int64_t note =
        rv_json_int(erp_do(&world, "credit_note.register", a_credit_note("C-1", "P-1", 1000)),
                    "credit_note", 0);
    erp_do(
        &world, "bank_statement.import",
        erp_json(
            "{'kind':'bank_statement','statement_id':'7','account_iban':'DE89370400440532013000',"
            "'currency':'EUR','opening_minor':0,'closing_minor':-700,'entry_count':1}"));
    erp_do(&world, "bank_statement.lines",
           erp_json("{'statement_id':'7','account_iban':'DE89370400440532013000','lines':[{'booked'"
                    ":'2026-01-02',"
                    "'amount_minor':-700,'currency':'EUR','occurrence':1,'fingerprint':'%064d'}]}",
                    5));
    erp_do(&world, "bank_statement.close",
           erp_json(
               "{'statement_id':'7','account_iban':'DE89370400440532013000','state':'imported'}"));
    int64_t line = erp_number(&world, "SELECT id FROM bank_line");

    struct rv_random random = {.state = 20260101};
    for (int round = 0; round < 12; round++) {
        char *before = books_now(&world);
        struct done done[40];
        int count = 0;
        for (int step = 0; step < 25; step++) {
            const char *name = NULL;
            json_t *args = NULL;
            int64_t version = erp_number(&world, "SELECT version FROM purchase_order");
            switch (rv_random_below(&random, 16)) {
            case 0:
                name = "invoice.hold";
                args = erp_json("{'invoice':%" PRId64 ",'code':'price','reason':'r'}", open);
                break;
            case 1:
                name = "invoice.release";
                args = erp_json("{'invoice':%" PRId64 ",'reason':'r'}", open);
                break;
            case 2:
                name = "invoice.link_order";
                args = erp_json("{'invoice':%" PRId64 ",'order':%" PRId64 ",'reason':'r'}", open,
                                order);
                break;
            case 3:
                name = "invoice.accept_variance";
                args = erp_json("{'invoice':%" PRId64 ",'line':'1','variance':'PP','amount':{'"
                                "minor':1000,'currency':'EUR'},'reason':'r'}",
                                open);
                break;
            case 4:
                name = "invoice.post";
                args = erp_json("{'invoice':%" PRId64 "}", open);
                break;
            case 5:
                name = "order.change";
                args = erp_json("{'order':%" PRId64 ",'base_version':%" PRId64
                                ",'reason':'r','lines':[{'no':'1','price':'%d.50'}]}",
                                order, version, 9 + step % 3);
                break;
            case 6:
                name = "credit_note.request";
                args = erp_json("{'invoice':%" PRId64
                                ",'amount':{'minor':100,'currency':'EUR'},'reason':'r'}",
                                open);
                break;
            case 7:
                name = "credit_note.post";
                args = erp_json("{'credit_note':%" PRId64 "}", note);
                break;
            case 8:
                name = "payment.propose";
                args = erp_json("{'items':[{'open_item':%" PRId64
                                ",'amount_minor':1000}],'account':'1200'}",
                                item);
                break;
            case 9:
                name = "bank_line.post_to";
                args = erp_json("{'bank_line':%" PRId64 ",'account':'4970'}", line);
                break;
            case 10:
                name = "bank_line.match";
                args = erp_json("{'bank_line':%" PRId64 ",'targets':[{'open_item':%" PRId64
                                ",'amount_minor':700}]}",
                                line, item);
                break;
            case 11:
                name = "journal.post";
                args =
                    erp_json("{'memo':'m','lines':[{'account':'4900','amount_minor':100,'currency':"
                             "'EUR'},{'account':'1700','amount_minor':-100,'currency':'EUR'}]}");
                break;
            case 12:
                name = "invoice.confirm_distinct";
                args = erp_json("{'invoice':%" PRId64 ",'other':%" PRId64 ",'reason':'r'}", open,
                                paid);
                break;
            case 13:
                name = "account.register";
                args = erp_json("{'number':'49%d0','name':'Costs %d','kind':'expense'}", step % 3,
                                step);
                break;
            case 14:
                name = "tolerance.set";
                args = erp_json("{'key':'PP','pct_bp':%d,'amount':500,'days':0}", 100 + step);
                break;
            default:
                name = "invoice.reject";
                args = erp_json("{'invoice':%" PRId64 ",'reason':'r'}", open);
                break;
            }
            json_t *kept = json_deep_copy(args);
            const struct erp_command *command = erp_command_find(name);
            ck_assert_int_eq(erp_command_check(command, kept, NULL), RV_OK);
            if (erp_try(&world, name, args) != RV_OK || world.events == 0 ||
                strcmp(name, "invoice.reject") ==
                    0) { /* reject loses the hold it ends: undone at once below */
                json_t *answer = world.answer == NULL ? NULL : json_incref(world.answer);
                if (world.code == RV_OK && world.events > 0) {
                    bool was_held = json_object_get(answer, "was_held") != NULL;
                    struct done one = {command, kept, answer};
                    undo(&world, &one);
                    if (was_held) {
                        erp_do(
                            &world, "invoice.hold",
                            erp_json("{'invoice':%" PRId64 ",'code':'price','reason':'r'}", open));
                    }
                }
                json_decref(answer);
                json_decref(kept);
                continue;
            }
            done[count++] = (struct done){command, kept, json_incref(world.answer)};
            check_books(&world);
        }
        while (count > 0) {
            undo(&world, &done[--count]);
            json_decref(done[count].args);
            json_decref(done[count].answer);
        }
        char *after = books_now(&world);
        ck_assert_str_eq(before, after);
        rv_free(before);
        rv_free(after);
        check_books(&world);
    }
    erp_check_green(&world);
    erp_world_close(&world);
}

TEST(many_at_once_on_the_same_items_never_overdraw_them)
{
    struct erp_world world;
    erp_world_open(&world);
    make_chart(&world);
    make_supplier(&world);
    int64_t items[10];
    char list[400] = "";
    for (int i = 0; i < 10; i++) {
        char number[16];
        snprintf(number, sizeof number, "M-%d", i);
        posted_invoice(&world, number, 1000 + i, &items[i]);
        snprintf(list + strlen(list), sizeof list - strlen(list), "%s{'open_item':%" PRId64 "}",
                 i > 0 ? "," : "", items[i]);
    }
    for (int i = 0; i < 20; i++) { /* ten items: more than the keys a command has */
        erp_queue(&world, "payment.propose", erp_json("{'items':[%s],'account':'1200'}", list),
                  NULL);
    }
    erp_drain(&world);
    ck_assert_int_eq(world.refused, 19);
    ck_assert_int_eq(erp_number(&world, "SELECT count(*) FROM payment"), 1);
    ck_assert_int_eq(erp_number(&world, "SELECT count(*) FROM open_item WHERE reserved <> open"),
                     0);
    erp_world_close(&world);
}

TEST_MAIN_WITH(test_postgres_start(TEST_PG_FAST))
