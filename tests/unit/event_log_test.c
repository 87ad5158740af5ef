/* event_log_test.c -- the four files that an event log is written as, with names that want to break
 * them. */
#include "runtime/observe/event_log.h"

#include "tests/support/test.h"

#include <libxml/parser.h>

static json_t *objects(const char *type, const char *id)
{
    return json_pack("[[s,s,s],[s,s,s]]", type, id, "subject", "run", "7", "done by");
}

/* Two events of one object, hostile in every text. */
static char *written(enum rv_log_format format, const char *chosen)
{
    char *text = NULL;
    size_t length = 0;
    struct rv_error err = {.code = RV_OK};
    FILE *out = open_memstream(&text, &length);
    struct rv_log_writer *writer = rv_log_writer_create(out, format, chosen);
    for (int i = 0; i < 2; i++) {
        json_t *touched = objects("invoice", "4\"<&>\n,7");
        json_t *attributes = json_pack("{s:i,s:s,s:b,s:s}", "amount", -5 - i, "code",
                                       "]]><x a=\"1\">", "late", 1, "currency", "=HYPERLINK(1)");
        if (i == 1) { /* another type than before: an attribute has one */
            json_object_set_new(attributes, "code", json_integer(3));
        }
        struct rv_logged event = {i == 0 ? "e1" : "e2",
                                  "2026-12-01T08:00:00.000000Z",
                                  "invoice.held",
                                  "=cmd|'/c calc'!A1",
                                  touched,
                                  attributes};
        ck_assert_int_eq(rv_log_writer_add(writer, &event, &err), RV_OK);
        json_decref(touched);
        json_decref(attributes);
    }
    ck_assert_int_eq(rv_log_writer_finish(writer, &err), RV_OK);
    ck_assert_int_eq(rv_log_writer_events(writer), 2);
    rv_log_writer_destroy(writer);
    fclose(out);
    return text;
}

TEST(each_line_is_an_event)
{
    char *text = written(RV_LOG_JSONL, NULL);
    char *second = strchr(text, '\n') + 1;
    json_t *event = json_loads(second, JSON_DISABLE_EOF_CHECK, NULL);
    ck_assert_str_eq(rv_json_str(event, "actor", ""), "=cmd|'/c calc'!A1");
    ck_assert_int_eq(json_array_size(json_object_get(event, "objects")), 2);
    ck_assert_int_eq(rv_json_int(json_object_get(event, "attributes"), "code", 0), 3);
    json_decref(event);
    free(text);
}

TEST(a_spreadsheet_finds_text_and_no_formula)
{
    char *text = written(RV_LOG_CSV, "invoice");
    const char *row = strstr(text, "\r\n") + 2;
    ck_assert_str_eq(row,
                     "invoice,\"4\"\"<&>\n,7\",subject,invoice.held,2026-12-01T08:00:00.000000Z,"
                     "\"'=cmd|'/c calc'!A1\",-5,\"'=HYPERLINK(1)\",e1\r\n"
                     "invoice,\"4\"\"<&>\n,7\",subject,invoice.held,2026-12-01T08:00:00.000000Z,"
                     "\"'=cmd|'/c calc'!A1\",-6,\"'=HYPERLINK(1)\",e2\r\n");
    free(text);
}

TEST(an_object_centric_log_declares_what_it_uses)
{
    char *text = written(RV_LOG_OCEL, NULL);
    json_t *log = json_loads(text, 0, NULL);
    ck_assert_ptr_nonnull(log);
    ck_assert_int_eq(json_array_size(json_object_get(log, "events")), 2);
    ck_assert_int_eq(json_array_size(json_object_get(log, "objects")), 2);
    ck_assert_int_eq(json_array_size(json_object_get(log, "objectTypes")), 2);
    const json_t *kind = json_array_get(json_object_get(log, "eventTypes"), 0);
    ck_assert_str_eq(rv_json_str(kind, "name", ""), "invoice.held");
    ck_assert_int_eq(json_array_size(json_object_get(kind, "attributes")), 5);
    const json_t *first = json_array_get(json_object_get(log, "events"), 0);
    const json_t *second = json_array_get(json_object_get(log, "events"), 1);
    ck_assert_int_eq(json_array_size(json_object_get(first, "attributes")), 5);
    ck_assert_int_eq(json_array_size(json_object_get(second, "attributes")), 4);
    json_decref(log);
    free(text);
}

static int count(const char *text, const char *word)
{
    int found = 0;
    for (const char *at = text; (at = strstr(at, word)) != NULL; at++) {
        found++;
    }
    return found;
}

TEST(a_trace_log_has_a_trace_for_each_object)
{
    char *one = written(RV_LOG_XES, "invoice");
    char *all = written(RV_LOG_XES, NULL);
    xmlDocPtr document = xmlReadMemory(one, (int)strlen(one), NULL, NULL, XML_PARSE_NOERROR);
    ck_assert_ptr_nonnull(document);
    xmlFreeDoc(document);
    xmlCleanupParser();
    ck_assert_int_eq(count(one, "<trace>"), 1);
    ck_assert_int_eq(count(one, "<event>"), 2);
    ck_assert_int_eq(count(one, "<x "), 0);
    ck_assert_int_eq(count(all, "<trace>"), 2);
    ck_assert_int_eq(count(all, "<event>"), 4);
    free(one);
    free(all);
}

TEST(nothing_happened)
{
    for (int format = 0; format < RV_LOG_FORMATS; format++) {
        char *text = NULL;
        size_t length = 0;
        struct rv_error err = {.code = RV_OK};
        FILE *out = open_memstream(&text, &length);
        struct rv_log_writer *writer = rv_log_writer_create(out, (enum rv_log_format)format, NULL);
        ck_assert_int_eq(rv_log_writer_finish(writer, &err), RV_OK);
        rv_log_writer_destroy(writer);
        fclose(out);
        if (format == RV_LOG_OCEL) {
            json_t *log = json_loads(text, 0, NULL);
            ck_assert_int_eq(json_object_size(log), 4);
            json_decref(log);
        }
        free(text);
    }
}

TEST(a_full_disk_is_told)
{
    FILE *out = fopen("/dev/full", "we");
    struct rv_error err = {.code = RV_OK};
    struct rv_log_writer *writer = rv_log_writer_create(out, RV_LOG_CSV, NULL);
    ck_assert_int_ne(rv_log_writer_finish(writer, &err), RV_OK);
    ck_assert_ptr_nonnull(strstr(err.message, "write the log"));
    rv_log_writer_destroy(writer);
    fclose(out);
}

TEST_MAIN()
