/* http_request_fuzz.c -- any bytes, cut anywhere: the parser never crashes, and reads the same
 * requests whether the bytes come at once or one by one.  The first byte chooses the body limit. */
#include "runtime/base/check.h"
#include "runtime/http/request.h"

#include <string.h>

enum { TRACE_MAX = 1 << 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Writes down what was read: method, path, fields, body, and how it ended. */
static void read_all(const char *bytes, size_t length, size_t step, size_t body_max,
                     struct rv_buf *trace)
{
    struct rv_http_parser *parser = rv_http_parser_create();
    size_t at = 0;
    enum rv_http_progress progress = RV_HTTP_MORE;
    while (at < length && progress != RV_HTTP_REFUSED) {
        size_t used = 0;
        size_t part = length - at < step ? length - at : step;
        progress = rv_http_parser_feed(parser, bytes + at, part, &used);
        RV_ASSERT(used <= part && (used > 0 || progress != RV_HTTP_MORE));
        at += used;
        if (progress == RV_HTTP_HEAD) {
            progress = rv_http_parser_allow_body(parser, body_max);
        }
        if (progress == RV_HTTP_COMPLETE) {
            const struct rv_http_request *request = rv_http_parser_request(parser);
            char value[64];
            RV_ASSERT(request->body.length <= body_max && request->path[0] == '/');
            rv_buf_printf(trace, "%s %s?%s %d %zu\n", request->method, request->path,
                          request->query, request->field_count, request->body.length);
            rv_buf_add(trace, request->body.data, request->body.length);
            rv_http_query(request, "a", value, sizeof value);
            rv_http_parser_reset(parser);
        }
    }
    if (progress == RV_HTTP_REFUSED) {
        rv_buf_printf(trace, "refused %d\n", rv_http_parser_status(parser));
    }
    rv_http_parser_destroy(parser);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rv_buf whole, dripped;
    if (size < 1) {
        return 0;
    }
    rv_buf_init(&whole, TRACE_MAX);
    rv_buf_init(&dripped, TRACE_MAX);
    read_all((const char *)data + 1, size - 1, size, data[0], &whole);
    read_all((const char *)data + 1, size - 1, 1, data[0], &dripped);
    RV_ASSERT(whole.length == dripped.length &&
              memcmp(whole.data, dripped.data, whole.length) == 0);
    rv_buf_fini(&whole);
    rv_buf_fini(&dripped);
    return 0;
}
