/* erp_detect_test.c -- planted discrepancies are found, once, explained, and close with their
 * cause. */
#include "erp/exception/catalogue.h"
#include "erp/exchange/import.h"
#include "runtime/base/check.h"
#include "tests/support/erp_documents.h"
#include "tests/support/postgres.h"
#include "tests/support/test.h"

#include <inttypes.h>
#include <unistd.h>

static char *found(struct erp_world *world)
{
    return erp_text(
        world, "SELECT coalesce(string_agg(type || ' ' || money, ', ' ORDER BY type, money), '')"
               " FROM exception WHERE state = 'open'");
}

static void expect_found(struct erp_world *world, const char *wanted)
{
    char *text = found(world);
    ck_assert_str_eq(text, wanted);
    rv_free(text);
}

static int64_t detect(struct erp_world *world, const char *member)
{
    return rv_json_int(erp_do(world, "exception.detect", erp_json("{'as_of':'2026-01-01'}")),
                       member, -1);
}

/* A chain like the well-known one, with numbers of our own: 40 drums at 25.00 stated as 25.00, 36
 * received, 40 invoiced at 0.25 with an allowance the tax forgot, paid at once, credited later. */
static void import_chain(struct erp_world *world)
{
    erp_do(world, "order.register", an_order("PO-900", "40", "25.00", 2500));
    erp_do(world, "receipt.register", a_receipt("GR-1", "PO-900", "36"));
    json_t *despatch = a_receipt("DN-1", "PO-900", "36");
    json_object_set_new(despatch, "kind", json_string("despatch"));
    erp_do(world, "receipt.register", despatch);
    erp_do(
        world, "invoice.register",
        erp_json(
            "{'kind':'invoice','number':'RG-77','issue_date':'2025-11-21','due_date':'2025-12-21',"
            "'currency':'EUR','supplier':" SUPPLIER
            ",'order_ref':'PO-900','payment':{'account':'4711'},"
            "'lines':[{'no':'A','order_line':'1','item':'P-80','qty':'40','price':'0.25','net_"
            "minor':1000,"
            "'tax_category':'S','tax_rate':'20'}],'allowances':[{'charge':false,'amount_minor':100}"
            "],"
            "'tax':[{'category':'S','base_minor':1000,'tax_minor':200}],"
            "'totals':{'lines_minor':1000,'allowances_minor':100,'net_minor':900,'tax_minor':200,"
            "'gross_minor':1100,'payable_minor':1100}}"));
    erp_do(world, "remittance.register",
           erp_json("{'kind':'remittance','number':'RA-5','issue_date':'2025-11-22','currency':'"
                    "EUR','supplier':" SUPPLIER ",'total_minor':1100,'lines':[{'invoice':'RG-77','"
                    "paid_minor':1100,'date':'2025-11-22'}]}"));
    erp_do(world, "credit_note.register",
           erp_json(
               "{'kind':'credit_note','number':'GS-3','issue_date':'2025-11-25','currency':'EUR','"
               "supplier':" SUPPLIER
               ",'preceding_invoice':'RG-77','lines':[],'totals':{'net_minor':900,'tax_minor':200,"
               "'payable_minor':1100}}"));
}

TEST(a_chain_of_documents_shows_exactly_its_five_discrepancies)
{
    struct erp_world world;
    erp_world_open(&world);
    world.today = 20454;
    import_chain(&world);
    ck_assert_int_eq(detect(&world, "raised"), 5);
    /* price 40 x (25.00 - 0.25); 4 of 40 not received; order line; tax 200 for 180; debit */
    expect_found(&world, "F01 99000, F02 100, F09 97500, F10 20, F19 1100");
    char *line = erp_text(&world, "SELECT summary FROM exception WHERE type = 'F10'");
    ck_assert_str_eq(line, "Invoice RG-77: tax 2.00 EUR, expected 1.80 EUR");
    rv_free(line);
    line = erp_text(
        &world, "SELECT evidence#>>'{paid_before_due,0,number}' FROM exception WHERE type = 'F19'");
    ck_assert_str_eq(line, "RG-77");
    rv_free(line);
    /* a second look finds the same and says nothing */
    ck_assert_int_eq(detect(&world, "raised"), 0);
    ck_assert_int_eq(world.events, 0);
    erp_world_close(&world);
}

TEST(an_exception_closes_with_its_cause_and_comes_back_with_it)
{
    struct erp_world world;
    erp_world_open(&world);
    import_chain(&world);
    detect(&world, "raised");
    int64_t order = erp_number(&world, "SELECT id FROM purchase_order");
    int64_t invoice = erp_number(&world, "SELECT id FROM invoice");
    /* the order is put right: price 0.25, amount 10.00 */
    erp_do(
        &world, "order.change",
        erp_json("{'order':%" PRId64
                 ",'base_version':1,'reason':'agreed price','lines':[{'no':'1','price':'0.25'}]}",
                 order));
    const json_t *answer = erp_do(&world, "exception.detect", erp_json("{'as_of':'2026-01-01'}"));
    ck_assert_int_eq(rv_json_int(answer, "closed", -1), 2);
    expect_found(&world, "F02 100, F10 20, F19 1100");
    /* quantity accepted by a person in its exact amount, and resolved */
    ck_assert_int_eq(
        erp_try(&world, "invoice.accept_variance",
                erp_json("{'invoice':%" PRId64 ",'line':'A','variance':'DQ','amount':{'minor':99,"
                         "'currency':'EUR'},'reason':'r'}",
                         invoice)),
        RV_CONFLICT);
    erp_do(&world, "invoice.accept_variance",
           erp_json("{'invoice':%" PRId64
                    ",'line':'A','variance':'DQ','amount':{'minor':100,'currency':'EUR'},"
                    "'reason':'r'}",
                    invoice));
    detect(&world, "closed");
    expect_found(&world, "F10 20, F19 1100");
    erp_do(&world, "order.change",
           erp_json("{'order':%" PRId64
                    ",'base_version':2,'reason':'no','lines':[{'no':'1','price':'25.00'}]}",
                    order));
    ck_assert_int_eq(detect(&world, "raised"), 1);
    expect_found(&world, "F01 99000, F10 20, F19 1100");
    ck_assert_int_eq(erp_number(&world, "SELECT count(*) FROM exception WHERE type = 'F01'"), 1);
    /* resolved stays resolved, whatever the cause does; only legal resolutions are taken */
    char *key = erp_text(&world, "SELECT encode(key, 'hex') FROM exception WHERE type = 'F10'");
    ck_assert_int_eq(
        erp_try(&world, "exception.resolve",
                erp_json("{'key':'%s','resolution':'payment.release','reason':'r'}", key)),
        RV_INVALID);
    erp_do(&world, "exception.note", erp_json("{'key':'%s','text':'supplier was called'}", key));
    erp_do(&world, "exception.resolve",
           erp_json("{'key':'%s','resolution':'invoice.hold','reason':'r'}", key));
    ck_assert_int_eq(detect(&world, "raised"), 0);
    expect_found(&world, "F01 99000, F19 1100");
    rv_free(key);
    /* snoozed: silent until the day, then open again */
    key = erp_text(&world, "SELECT encode(key, 'hex') FROM exception WHERE type = 'F19'");
    erp_do(&world, "exception.snooze",
           erp_json("{'key':'%s','until':'2026-01-10','reason':'r'}", key));
    ck_assert_int_eq(detect(&world, "raised"), 0);
    ck_assert_int_eq(
        rv_json_int(erp_do(&world, "exception.detect", erp_json("{'as_of':'2026-01-10'}")),
                    "raised", 0),
        1);
    rv_free(key);
    erp_check_green(&world);
    erp_world_close(&world);
}

TEST(a_hostile_document_does_not_stop_detection)
{
    struct erp_world world;
    erp_world_open(&world);
    /* as large as quantities and prices may be */
    erp_do(&world, "order.register", an_order("PO-9", "999999999999", "999999999999", 1));
    erp_do(&world, "invoice.register",
           an_invoice("I-9", "PO-9", "999999999999", "111111111111", 80000000000000));
    import_chain(&world);
    detect(&world, "raised");
    ck_assert_int_gt(
        erp_number(&world, "SELECT count(*) FROM exception WHERE summary LIKE '%I-9%'"), 0);
    ck_assert_int_eq(erp_number(&world, "SELECT count(*) FROM exception WHERE type = 'F10'"
                                        " AND summary LIKE '%RG-77%'"),
                     1);
    /* amounts that would not add up in 64 bits are refused at the door */
    ck_assert_int_eq(
        erp_try(&world, "invoice.register", an_invoice("I-10", "PO-9", "1", "1", 100000000000001)),
        RV_INVALID);
    ck_assert_msg(strstr(world.err.message, "net_minor") != NULL, "%s", world.err.message);
    erp_world_close(&world);
}

/* ---- the look, and what happens before it is written ---- */

/* Makes a look that finds `count` exceptions and takes as long as a large company's. */
static void slow_detector(struct erp_world *world, double seconds, int count)
{
    char sql[900];
    snprintf(sql, sizeof sql,
             "CREATE OR REPLACE FUNCTION detect_f12(tenant int, today date) RETURNS SETOF finding"
             " LANGUAGE plpgsql STABLE AS $$ BEGIN PERFORM pg_sleep(%.2f);"
             " RETURN QUERY SELECT 'F12', 1, 'invoice:' || g || ':bank', 'invoice:' || g,"
             " NULL::bigint, 'Invoice ' || g, '{}'::jsonb, g::bigint, 'EUR'"
             " FROM generate_series(1, %d) AS g; END $$",
             seconds, count);
    erp_exec(world, sql);
}

static void account(struct erp_world *world, const char *number, int64_t *done_us)
{
    erp_queue(world, "account.register",
              erp_json("{'number':'%s','name':'Other','kind':'expense'}", number), done_us);
}

TEST(others_of_the_company_write_while_a_long_detection_looks)
{
    struct erp_world world;
    erp_world_open(&world);
    slow_detector(&world, 1.5, 600);
    erp_do(&world, "account.register", erp_json("{'number':'7001','name':'A','kind':'expense'}"));
    int64_t begin_us = rv_mono_us(rv_clock_system());
    int64_t detected_us = 0;
    int64_t written_us = 0;
    erp_queue(&world, "exception.detect", erp_json("{'as_of':'2026-01-01','types':['F12']}"),
              &detected_us);
    account(&world, "7000", &written_us);
    erp_drain(&world);
    ck_assert_int_gt(detected_us - begin_us, 1500000);
    ck_assert_int_lt(written_us - begin_us, 200000);
    ck_assert_int_lt(world.portion_us, 500000);
    ck_assert_int_eq(rv_json_int(world.answer, "raised", -1), 600);
    ck_assert_int_eq(rv_json_int(json_object_get(world.answer, "by_type"), "F12", -1), 600);
    /* 600 in portions of 250: three events, one answer; the chain and the replay hold */
    ck_assert_int_eq(
        erp_number(&world, "SELECT count(*) FROM event WHERE type = 'exceptions.detected.v1'"), 3);
    ck_assert_int_eq(erp_number(&world, "SELECT max(jsonb_array_length(body->'raised')) FROM event"
                                        " WHERE type = 'exceptions.detected.v1'"),
                     250);
    erp_check_green(&world);
    erp_world_close(&world);
}

TEST(two_detections_at_once_raise_nothing_twice)
{
    struct erp_world world;
    erp_world_open(&world);
    slow_detector(&world, 0.3, 300);
    erp_queue(&world, "exception.detect", erp_json("{'as_of':'2026-01-01','types':['F12']}"), NULL);
    erp_queue(&world, "exception.detect", erp_json("{'as_of':'2026-01-01','types':['F12']}"), NULL);
    erp_drain(&world);
    ck_assert_int_eq(erp_number(&world, "SELECT count(*) FROM exception"), 300);
    ck_assert_int_eq(erp_number(&world, "SELECT sum(jsonb_array_length(body->'raised')) FROM event"
                                        " WHERE type = 'exceptions.detected.v1'"),
                     300);
    erp_world_close(&world);
}

TEST(a_limit_bounds_what_is_raised_and_says_that_there_is_more)
{
    struct erp_world world;
    erp_world_open(&world);
    slow_detector(&world, 0, 700);
    const json_t *answer = erp_do(&world, "exception.detect",
                                  erp_json("{'as_of':'2026-01-01','types':['F12'],'limit':600}"));
    ck_assert_int_eq(rv_json_int(answer, "raised", -1), 600);
    ck_assert_int_eq(rv_json_int(answer, "found", -1), 700);
    ck_assert(rv_json_bool(answer, "more", false));
    /* largest money first */
    ck_assert_int_eq(erp_number(&world, "SELECT min(money) FROM exception"), 101);
    answer = erp_do(&world, "exception.detect",
                    erp_json("{'as_of':'2026-01-01','types':['F12'],'limit':600}"));
    ck_assert_int_eq(rv_json_int(answer, "raised", -1), 100);
    ck_assert(!rv_json_bool(answer, "more", true));
    /* all causes gone: all closed, in portions too */
    slow_detector(&world, 0, 0);
    answer = erp_do(&world, "exception.detect", erp_json("{'as_of':'2026-01-01','types':['F12']}"));
    ck_assert_int_eq(rv_json_int(answer, "closed", -1), 700);
    ck_assert_int_eq(erp_number(&world, "SELECT count(*) FROM exception WHERE state = 'open'"), 0);
    erp_world_close(&world);
}

static void hold_the_invoice(struct erp_world *world, void *data)
{
    erp_queue(
        world, "invoice.hold",
        erp_json("{'invoice':%" PRId64 ",'code':'%s','reason':'r'}", *(int64_t *)data, "price"),
        NULL);
}

static void reject_the_invoice(struct erp_world *world, void *data)
{
    erp_queue(world, "invoice.reject",
              erp_json("{'invoice':%" PRId64 ",'reason':'r'}", *(int64_t *)data), NULL);
}

static void resolve_the_exception(struct erp_world *world, void *data)
{
    erp_queue(world, "exception.resolve",
              erp_json("{'key':'%s','resolution':'no_action','reason':'r'}", (const char *)data),
              NULL);
}

TEST(what_changes_between_look_and_write_is_left_to_the_next_detection)
{
    struct erp_world world;
    erp_world_open(&world);
    import_chain(&world);
    int64_t invoice = erp_number(&world, "SELECT id FROM invoice");
    /* a new finding whose invoice is written to after the look */
    world.looked = hold_the_invoice;
    world.looked_data = &invoice;
    const json_t *answer = erp_do(&world, "exception.detect", erp_json("{'as_of':'2026-01-01'}"));
    ck_assert_int_eq(world.refused, 0);
    ck_assert_int_eq(rv_json_int(answer, "changed", -1), 3);
    expect_found(&world, "F09 97500, F19 1100");
    world.looked = NULL;
    ck_assert_int_eq(detect(&world, "raised"), 3);
    expect_found(&world, "F01 99000, F02 100, F09 97500, F10 20, F19 1100");
    /* answered by a person after the look said that its cause is gone: stays answered */
    char *key = erp_text(&world, "SELECT encode(key, 'hex') FROM exception WHERE type = 'F09'");
    int64_t order = erp_number(&world, "SELECT id FROM purchase_order");
    erp_do(
        &world, "order.change",
        erp_json("{'order':%" PRId64
                 ",'base_version':1,'reason':'agreed price','lines':[{'no':'1','price':'0.25'}]}",
                 order));
    world.looked = resolve_the_exception;
    world.looked_data = key;
    ck_assert_int_eq(detect(&world, "closed"), 1); /* F01; F09 was resolved */
    char *state = erp_text(&world, "SELECT state FROM exception WHERE type = 'F09'");
    ck_assert_str_eq(state, "resolved");
    rv_free(state);
    rv_free(key);
    /* its cause vanishes after the look: nothing is lost, the next detection closes it */
    world.looked = reject_the_invoice;
    world.looked_data = &invoice;
    detect(&world, "closed");
    ck_assert_int_eq(world.refused, 0);
    world.looked = NULL;
    detect(&world, "closed");
    ck_assert_int_eq(erp_number(&world, "SELECT count(*) FROM exception WHERE state = 'open'"
                                        " AND type IN ('F01', 'F02', 'F10')"),
                     0);
    erp_world_close(&world);
}

TEST(duplicates_exact_and_probable)
{
    struct erp_world world;
    erp_world_open(&world);
    make_supplier(&world);
    erp_do(&world, "party.register",
           erp_json("{'name':'Northwind Paper','vat_id':'DE 123 456 789','ext_id':'S-17',"
                    "'country':'DE','iban':'GB82WEST12345698765432','expense_account':'4900'}"));
    int64_t first = rv_json_int(
        erp_do(&world, "invoice.register", an_invoice("INV-1001", NULL, "1", "50.00", 5000)),
        "invoice", 0);
    int64_t copy = rv_json_int(
        erp_do(&world, "invoice.register", an_invoice("inv 1001", NULL, "1", "50.00", 5000)),
        "invoice", 0);
    json_t *near =
        an_invoice("INV-1010", NULL, "1", "50.00", 5000); /* two digits swapped, another day */
    json_object_set_new(near, "issue_date", json_string("2025-11-27"));
    int64_t like = rv_json_int(erp_do(&world, "invoice.register", near), "invoice", 0);
    json_t *far = an_invoice("INV-2385", NULL, "1", "50.00", 5000); /* next month's bill */
    json_object_set_new(far, "issue_date", json_string("2025-12-29"));
    erp_do(&world, "invoice.register", far);
    ck_assert_int_eq(detect(&world, "raised"), 2);
    expect_found(&world, "F07 5950, F08 5950");
    ck_assert_int_eq(
        erp_number(&world, "SELECT (evidence->>'other')::bigint FROM exception WHERE type = 'F07'"),
        first);
    ck_assert_int_eq(
        erp_number(&world,
                   "SELECT (evidence->>'invoice')::bigint FROM exception WHERE type = 'F07'"),
        copy);
    ck_assert_int_eq(
        erp_number(&world,
                   "SELECT (evidence->>'invoice')::bigint FROM exception WHERE type = 'F08'"),
        like);
    erp_do(
        &world, "invoice.reject",
        erp_json("{'invoice':%" PRId64 ",'reason':'dup','duplicate_of':%" PRId64 "}", copy, first));
    erp_do(&world, "invoice.confirm_distinct",
           erp_json("{'invoice':%" PRId64 ",'other':%" PRId64 ",'reason':'r'}", like,
                    erp_number(
                        &world,
                        "SELECT (evidence->>'other')::bigint FROM exception WHERE type = 'F08'")));
    detect(&world, "closed");
    /* the nearest twin is gone; the one before it is still there */
    int64_t left = erp_number(&world, "SELECT count(*) FROM exception WHERE state = 'open'");
    ck_assert_int_le(left, 1);
    erp_world_close(&world);
}

TEST(bank_details_that_differ_and_orders_that_are_missing)
{
    struct erp_world world;
    erp_world_open(&world);
    make_supplier(&world);
    json_t *doc = an_invoice("B-1", "NO-SUCH", "1", "50.00", 5000);
    json_object_set_new(json_object_get(doc, "payment"), "iban",
                        json_string("DE89370400440532013000"));
    erp_do(&world, "invoice.register", doc);
    ck_assert_int_eq(detect(&world, "raised"), 2);
    expect_found(&world, "F04 5950, F12 5950");
    char *line = erp_text(&world, "SELECT summary FROM exception WHERE type = 'F12'");
    ck_assert_str_eq(line, "Invoice B-1 of Northwind Paper names bank account DE89...3000, master "
                           "data says GB82...5432");
    rv_free(line);
    erp_world_close(&world);
}

TEST(bank_lines_say_what_they_could_be)
{
    static const char account[] = "'account_iban':'DE89370400440532013000'";
    struct erp_world world;
    erp_world_open(&world);
    make_chart(&world);
    make_supplier(&world);
    int64_t items[3];
    for (int i = 0; i < 3; i++) {
        char number[16];
        snprintf(number, sizeof number, "RG-50%d", i);
        int64_t invoice =
            rv_json_int(erp_do(&world, "invoice.register",
                               an_invoice(number, NULL, "1", "10.00", 1000 + 100 * i)),
                        "invoice", 0);
        items[i] = rv_json_int(
            erp_do(&world, "invoice.post", erp_json("{'invoice':%" PRId64 "}", invoice)),
            "open_item", 0);
    }
    /* exact with reference; reference but 1.00 short; nothing known */
    erp_do(&world, "bank_statement.import",
           erp_json(
               "{'kind':'bank_statement','statement_id':'9',%s,'currency':'EUR','opening_minor':0,"
               "'closing_minor':-2899,'entry_count':3}",
               account));
    erp_do(&world, "bank_statement.lines",
           erp_json("{'statement_id':'9',%s,'lines':["
                    "{'booked':'2026-01-02','amount_minor':-1190,'currency':'EUR','remittance':'"
                    "Rechnung RG 500','occurrence':1,'fingerprint':'%064d'},"
                    "{'booked':'2026-01-02','amount_minor':-1209,'currency':'EUR','remittance':'RG-"
                    "501 abzgl.','occurrence':1,'fingerprint':'%064d'},"
                    "{'booked':'2026-01-03','amount_minor':-500,'currency':'EUR','remittance':'"
                    "Gebuehr','occurrence':1,'fingerprint':'%064d'}]}",
                    account, 1, 2, 3));
    erp_do(&world, "bank_statement.close",
           erp_json("{'statement_id':'9',%s,'state':'imported'}", account));
    const json_t *answer = erp_do(&world, "exception.detect",
                                  erp_json("{'as_of':'2026-01-04','types':['F22','F23']}"));
    ck_assert_int_eq(rv_json_int(answer, "raised", 0), 3);
    expect_found(&world, "F22 500, F22 1190, F23 100");
    ck_assert_int_eq(
        erp_number(&world,
                   "SELECT (evidence->>'best_score')::int FROM exception WHERE money = 1190"),
        95);
    ck_assert_int_eq(
        erp_number(
            &world,
            "SELECT (evidence#>>'{candidates,0,id}')::bigint FROM exception WHERE money = 1190"),
        items[0]);
    ck_assert_int_eq(
        erp_number(
            &world,
            "SELECT (evidence#>>'{candidates,0,id}')::bigint FROM exception WHERE type = 'F23'"),
        items[1]);
    /* act on them: match, match with the rest to an account, post */
    erp_do(&world, "bank_line.match",
           erp_json("{'bank_line':%" PRId64 ",'targets':[{'open_item':%" PRId64 "}],'score':95}",
                    erp_number(&world, "SELECT id FROM bank_line WHERE amount = -1190"), items[0]));
    erp_do(&world, "bank_line.match",
           erp_json("{'bank_line':%" PRId64 ",'targets':[{'open_item':%" PRId64
                    "}],'account':'4970'}",
                    erp_number(&world, "SELECT id FROM bank_line WHERE amount = -1209"), items[1]));
    erp_do(&world, "bank_line.post_to",
           erp_json("{'bank_line':%" PRId64 ",'account':'4970'}",
                    erp_number(&world, "SELECT id FROM bank_line WHERE amount = -500")));
    ck_assert_int_eq(
        rv_json_int(erp_do(&world, "exception.detect", erp_json("{'as_of':'2026-01-04'}")),
                    "closed", 0),
        3);
    ck_assert_int_eq(erp_number(&world, "SELECT count(*) FROM open_item WHERE open = 0"), 2);
    ck_assert_int_eq(
        erp_number(
            &world,
            "SELECT count(*) FROM (SELECT je_id FROM jl GROUP BY 1 HAVING sum(amount) <> 0) x"),
        0);
    erp_world_close(&world);
}

TEST(money_that_left_twice)
{
    static const char account[] = "'account_iban':'DE89370400440532013000'";
    struct erp_world world;
    erp_world_open(&world);
    make_chart(&world);
    erp_do(&world, "bank_statement.import",
           erp_json(
               "{'kind':'bank_statement','statement_id':'9',%s,'currency':'EUR','opening_minor':0,"
               "'closing_minor':-2400,'entry_count':3}",
               account));
    erp_do(&world, "bank_statement.lines",
           erp_json("{'statement_id':'9',%s,'lines':["
                    "{'booked':'2025-12-02','amount_minor':-800,'currency':'EUR','counterparty_"
                    "iban':'X1','occurrence':1,'fingerprint':'%064d'},"
                    "{'booked':'2025-12-09','amount_minor':-800,'currency':'EUR','counterparty_"
                    "iban':'X1','occurrence':1,'fingerprint':'%064d'},"
                    "{'booked':'2025-12-30','amount_minor':-800,'currency':'EUR','counterparty_"
                    "iban':'X1','occurrence':1,'fingerprint':'%064d'}]}",
                    account, 1, 2, 3));
    erp_do(&world, "bank_statement.close",
           erp_json("{'statement_id':'9',%s,'state':'imported'}", account));
    for (int i = 0; i < 2; i++) {
        erp_do(&world, "remittance.register",
               erp_json("{'kind':'remittance','number':'RA-%d','issue_date':'2025-12-0%d','"
                        "currency':'EUR','supplier':" SUPPLIER
                        ",'lines':[{'invoice':'T-1','paid_minor':5950}]}",
                        i, i + 1));
    }
    erp_do(&world, "invoice.register", an_invoice("T-1", NULL, "1", "50.00", 5000));
    erp_do(&world, "exception.detect", erp_json("{'as_of':'2025-12-31','types':['F21']}"));
    expect_found(&world, "F21 800, F21 5950");
    erp_world_close(&world);
}

TEST(every_type_that_is_detected_is_in_the_catalogue_with_real_commands)
{
    for (const struct erp_exception_type *type = erp_exception_types; type->code != NULL; type++) {
        ck_assert_ptr_nonnull(type->title);
        ck_assert_ptr_nonnull(type->resolutions[0]);
        for (int i = 0; type->resolutions[i] != NULL; i++) {
            ck_assert_msg(erp_command_find(type->resolutions[i]) != NULL, "%s: %s", type->code,
                          type->resolutions[i]);
        }
    }
}

/* ---- real documents, where they are ---- */

/* "../shared/data/erp" or $REEVE_SHARED/data/erp; NULL (and says so) when it is not there. */
static const char *shared_erp(char *out, size_t size)
{
    const char *root = getenv("REEVE_SHARED");
    snprintf(out, size, "%s/data/erp", root != NULL ? root : "../shared");
    if (access(out, R_OK) != 0) {
        printf("SKIP: no real files at %s (set REEVE_SHARED)\n", out);
        return NULL;
    }
    return out;
}

static enum rv_code sink_call(void *self, const struct erp_exchange_call *call,
                              struct rv_error *err)
{
    struct erp_world *world = self;
    enum rv_code code = erp_try(world, call->command, json_deep_copy(call->args));
    if (code != RV_OK && err != NULL) {
        *err = world->err;
    }
    return code;
}

TEST(the_oasis_chain_shows_exactly_its_five_discrepancies)
{
    static const char *const files[] = {
        "Order",   "OrderResponseSimple", "DespatchAdvice", "ReceiptAdvice",
        "Invoice", "RemittanceAdvice",    "CreditNote"};
    char folder[400];
    if (shared_erp(folder, sizeof folder) == NULL) {
        return;
    }
    struct erp_world world;
    erp_world_open(&world);
    struct erp_exchange_sink sink = {.call = sink_call, .self = &world};
    for (size_t i = 0; i < RV_COUNT(files); i++) {
        char path[600];
        snprintf(path, sizeof path, "%s/chain-oasis20/UBL-%s-2.0-Example.xml", folder, files[i]);
        struct erp_exchange_report report;
        struct rv_error err = {.code = RV_OK};
        ck_assert_msg(erp_exchange_read_file(path, &sink, &report, &err) == RV_OK, "%s: %s %s",
                      path, err.message, err.hint);
    }
    detect(&world, "raised");
    expect_found(&world, "F01 990000, F02 1000, F09 990000, F10 175, F19 10750");
    erp_world_close(&world);
}

TEST_MAIN_WITH(test_postgres_start(TEST_PG_FAST))
