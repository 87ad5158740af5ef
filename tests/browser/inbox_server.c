/* inbox_server.c -- the real HTTP stack with a day's worth of approvals, for the browser test and
 * for looking at the inbox by hand:  ./inbox_server [port]
 *
 * Prints "READY <port>", serves until its standard input ends; the line "new" adds one approval. */
#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/http/people.h"
#include "tests/support/http_fixture.h"
#include "tests/support/postgres.h"

#include "test_http_sql.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const approvals[] = {
    "{\"id\": 9007199254740993, \"run\": 501, \"action\": \"payment.release\", \"tier\": 3, "
    "\"amount\": 4860000, \"currency\": \"EUR\","
    " \"minutes_left\": 50, \"age_minutes\": 190, \"resource\": \"payment:881\", \"agent\": "
    "\"payment_planner\", \"rules\": [\"money_leaves\", \"large_payment\"],"
    " \"stages\": [{\"role\": \"controller\", \"n\": 1}, {\"role\": \"treasurer\", \"n\": 1}], "
    "\"exception\": \"aa\","
    " \"reason\": \"Due on 24 November; paying today keeps the 2 % discount of 972.00 EUR. Bank "
    "details equal the last three payments.\","
    " \"evidence\": [\"invoice RE-2026-1187 of 10 November\", \"terms: 2 % within 14 days\", "
    "\"IBAN unchanged since 2024-02-01\"],"
    " \"facts\": {\"supplier\": {\"name\": \"Hallmann Maschinenbau GmbH\", \"vat_id\": "
    "\"DE811907980\", \"iban_changed\": false}, \"open_minor\": 4860000, \"discount_minor\": "
    "97200, \"currency\": \"EUR\"},"
    " \"args\": {\"payment\": 881, \"payee\": \"Hallmann Maschinenbau GmbH\", \"iban\": "
    "\"DE89370400440532013000\", \"amount_minor\": 4860000, \"currency\": \"EUR\", \"on\": "
    "\"2026-11-23\", \"reference\": \"RE-2026-1187\"},"
    " \"effect\": {\"books\": [{\"account\": \"1600\", \"name\": \"Trade payables\", \"debit\": "
    "4860000, \"credit\": 0, \"currency\": \"EUR\"},"
    " {\"account\": \"5736\", \"name\": \"Discounts received\", \"debit\": 0, \"credit\": 97200, "
    "\"currency\": \"EUR\"},"
    " {\"account\": \"1200\", \"name\": \"Bank, current account\", \"debit\": 0, \"credit\": "
    "4762800, \"currency\": \"EUR\"}]}}",
    "{\"id\": 9007199254740995, \"run\": 502, \"action\": \"invoice.accept_variance\", \"tier\": "
    "2, \"amount\": 12450, \"currency\": \"EUR\","
    " \"resource\": \"invoice:4711\", \"agent\": \"price_variance\", \"rules\": "
    "[\"variance_over_tolerance\"], \"stages\": [{\"role\": \"controller\", \"n\": 1}],"
    " \"reason\": \"Unit price 2.08 against 2.00 EUR on the order: above the 2 % tolerance, within "
    "the index clause of the frame contract.\","
    " \"facts\": {\"supplier\": {\"name\": \"Nordkabel <b>AS</b> & Sons\"}, \"order\": "
    "\"PO-3310\", \"variance_minor\": 12450, \"currency\": \"EUR\"},"
    " \"evidence\": [\"order PO-3310 line 2: 2.00\", \"invoice 4711 line 1: 2.08\", "
    "\"<script>document.title='owned'</script>\"],"
    " \"args\": {\"invoice\": 4711, \"line\": 1, \"accepted_minor\": 12450, \"currency\": \"EUR\"},"
    " \"effect\": {\"books\": [{\"account\": \"5400\", \"name\": \"Price differences\", \"debit\": "
    "12450, \"credit\": 0, \"currency\": \"EUR\"}, {\"account\": \"1600\", \"name\": \"Trade "
    "payables\", \"debit\": 0, \"credit\": 12450, \"currency\": \"EUR\"}]}}",
    "{\"id\": 9007199254740997, \"action\": \"invoice.release\", \"tier\": 2, \"amount\": 238000, "
    "\"currency\": \"EUR\", \"minutes_left\": 200,"
    " \"resource\": \"invoice:4720\", \"agent\": \"invoice_matcher\", \"rules\": "
    "[\"three_way_match_by_hand\"], \"stages\": [{\"role\": \"controller\", \"n\": 1}],"
    " \"reason\": \"Receipt is four days late, quantity and price agree.\", \"facts\": "
    "{\"supplier\": {\"name\": \"Papierhaus Lindner KG\"}}, \"args\": {\"invoice\": 4720}}",
    "{\"id\": 9007199254740999, \"action\": \"credit_note.request\", \"tier\": 1, \"amount\": "
    "4990, \"currency\": \"EUR\","
    " \"resource\": \"invoice:4698\", \"agent\": \"short_delivery\", \"rules\": "
    "[\"letter_to_supplier\"], \"stages\": [{\"role\": \"controller\", \"n\": 1}],"
    " \"reason\": \"Two of forty boxes are missing on the receipt.\", \"facts\": {\"supplier\": "
    "{\"name\": \"Büromarkt Süd\"}}, \"args\": {\"invoice\": 4698, \"boxes\": 2}}",
    "{\"id\": 9007199254741001, \"action\": \"payment.release\", \"tier\": 3, \"amount\": 1250000, "
    "\"currency\": \"JPY\", \"minutes_left\": 1500,"
    " \"resource\": \"payment:882\", \"agent\": \"payment_planner\", \"rules\": "
    "[\"money_leaves\"], \"stages\": [{\"role\": \"controller\", \"n\": 1}],"
    " \"reason\": \"Monthly licence.\", \"facts\": {\"supplier\": {\"name\": \"Kawamura Sensor "
    "K.K.\"}}, \"args\": {\"payment\": 882, \"amount_minor\": 1250000, \"currency\": \"JPY\"}}",
    "{\"id\": 9007199254741003, \"action\": \"journal.reverse\", \"tier\": 2, \"amount\": 71900, "
    "\"currency\": \"EUR\","
    " \"resource\": \"journal:9931\", \"requested_by\": \"person:controller\", \"never\": "
    "[\"person:controller\"], \"rules\": [\"reversal\"], \"stages\": [{\"role\": \"treasurer\", "
    "\"n\": 1}],"
    " \"reason\": \"Posted into the wrong period.\", \"args\": {\"entry\": 9931}}",
    "{\"id\": 9007199254741005, \"action\": \"invoice.reject\", \"tier\": 2, \"amount\": 99900, "
    "\"currency\": \"EUR\","
    " \"resource\": \"invoice:4733\", \"agent\": \"duplicate_guard\", \"rules\": "
    "[\"possible_duplicate\"], \"stages\": [{\"role\": \"controller\", \"n\": 1}],"
    " \"reason\": \"Same supplier, amount and reference as invoice 4701, twelve days apart.\", "
    "\"facts\": {\"supplier\": {\"name\": \"Elektro Brandt e.K.\"}}, \"args\": {\"invoice\": 4733, "
    "\"because\": \"duplicate of 4701\"}}",
};

static const char later[] =
    "{\"id\": %" PRId64 ", \"action\": \"payment.release\", \"tier\": 3, \"amount\": 9900000, "
    "\"currency\": \"EUR\", \"minutes_left\": 30,"
    " \"resource\": \"payment:901\", \"agent\": \"payment_planner\", \"rules\": "
    "[\"money_leaves\"], \"stages\": [{\"role\": \"controller\", \"n\": 1}],"
    " \"reason\": \"Arrived while you were looking.\", \"facts\": {\"supplier\": {\"name\": "
    "\"Werft Ostsee AG\"}}, \"args\": {\"payment\": 901}}";

static const char journal[] =
    "[{\"kind\": 1, \"name\": \"invoice.get\", \"out\": {\"number\": \"RE-2026-1187\", "
    "\"gross_minor\": 4860000, \"currency\": \"EUR\"}},"
    " {\"kind\": 2, \"name\": \"llm.decide\", \"out\": {\"choice\": \"pay_with_discount\", "
    "\"reason\": \"The discount is worth more than the float.\"}},"
    " {\"kind\": 6, \"name\": \"plan\", \"out\": {\"reason\": \"Release payment 881 with "
    "discount\"}},"
    " {\"kind\": 7, \"name\": \"payment.release\", \"out\": {\"result\": \"held\"}}]";

static void add_run(struct http_fixture *fixture, int64_t id, const char *agent, const char *status,
                    const char *waiting)
{
    struct rv_args *args = rv_args_create(&rv_sql_fixture_run);
    rv_args_i32(args, 1, fixture->tenant);
    rv_args_i64(args, 2, id);
    rv_args_text(args, 3, agent);
    rv_args_text(args, 4, status);
    rv_args_text(args, 5, waiting);
    rv_args_json_text(args, 6, journal, sizeof journal - 1);
    http_fixture_run(fixture, fixture->tenant, &rv_sql_fixture_run, args, NULL, NULL);
}

static void add_exception(struct http_fixture *fixture, uint8_t key, const char *type,
                          const char *summary, int64_t money)
{
    struct rv_args *args = rv_args_create(&rv_sql_fixture_exception);
    rv_args_i32(args, 1, fixture->tenant);
    rv_args_bytes(args, 2, &key, 1);
    rv_args_text(args, 3, type);
    rv_args_text(args, 4, "invoice:4711:line:1");
    rv_args_text(args, 5, summary);
    rv_args_i64(args, 6, money);
    http_fixture_run(fixture, fixture->tenant, &rv_sql_fixture_exception, args, NULL, NULL);
}

int main(int argc, char **argv)
{
    struct http_fixture fixture;
    rv_log_level(RV_LOG_WARN);
    test_postgres_start(TEST_PG_FAST);
    http_fixture_open(&fixture, argc > 1 ? atoi(argv[1]) : 0);
    add_exception(&fixture, 0xaa, "F21", "Discount is lost after 24 November", 97200);
    add_exception(&fixture, 0xab, "F01", "Unit price 2.08 is above the order's 2.00", 12450);
    add_run(&fixture, 501, "payment_planner", "waiting", "approval");
    add_run(&fixture, 502, "price_variance", "waiting", "approval");
    add_run(&fixture, 503, "short_delivery", "done", NULL);
    for (size_t i = 0; i < RV_COUNT(approvals); i++) {
        http_fixture_approval(&fixture, fixture.tenant, approvals[i]);
    }
    http_fixture_approval(&fixture, fixture.other, approvals[2]);
    printf("READY %d\n", fixture.port);
    fflush(stdout);
    for (int64_t made = 0;;) {
        struct pollfd input = {.fd = 0, .events = POLLIN};
        rv_loop_run_once(fixture.loop, 20);
        if (poll(&input, 1, 0) > 0) {
            char line[64];
            ssize_t count = read(0, line, sizeof line - 1);
            if (count <= 0) {
                break;
            }
            line[count] = '\0';
            if (strncmp(line, "new", 3) == 0) {
                char text[1024];
                snprintf(text, sizeof text, later, INT64_C(9007199254742001) + 2 * made++);
                http_fixture_approval(&fixture, fixture.tenant, text);
            }
        }
    }
    http_fixture_close(&fixture);
    return EXIT_SUCCESS;
}
