/* http_request_test.c -- what the parser accepts, and every way of reading one stream twice that it
 * refuses; each case is fed whole and byte by byte, and both must agree. */
#include "runtime/base/check.h"
#include "runtime/http/request.h"
#include "tests/support/test.h"

/* Feeds `text` in pieces of `step` bytes; the body limit is 64 bytes. */
static enum rv_http_progress feed(struct rv_http_parser *parser, const char *text, size_t length,
                                  size_t step, size_t *consumed)
{
    enum rv_http_progress progress = RV_HTTP_MORE;
    *consumed = 0;
    while (*consumed < length && progress == RV_HTTP_MORE) {
        size_t part = length - *consumed < step ? length - *consumed : step;
        size_t used = 0;
        progress = rv_http_parser_feed(parser, text + *consumed, part, &used);
        *consumed += used;
        if (progress == RV_HTTP_HEAD) {
            progress = rv_http_parser_allow_body(parser, 64);
        }
    }
    return progress;
}

static int status_of(const char *text, size_t length, size_t step)
{
    struct rv_http_parser *parser = rv_http_parser_create();
    size_t consumed = 0;
    enum rv_http_progress progress = feed(parser, text, length, step, &consumed);
    int status = progress == RV_HTTP_COMPLETE ? 200
                 : progress == RV_HTTP_MORE   ? 100
                                              : rv_http_parser_status(parser);
    rv_http_parser_destroy(parser);
    return status;
}

static void expect(const char *text, int status)
{
    int whole = status_of(text, strlen(text), strlen(text));
    int dripped = status_of(text, strlen(text), 1);
    if (whole != status || dripped != status) {
        ck_abort_msg("got %d whole and %d dripped, wanted %d for:\n%s", whole, dripped, status,
                     text);
    }
}

TEST(plain_requests_are_accepted)
{
    expect("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 200);
    expect("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 200);
    expect("POST /v1/x?y=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}", 200);
    expect("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
           200);
    expect("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", 200);
    expect("GET / HTTP/1.1\r\nHost:a\r\nX-Empty:\r\n\r\n", 200);
    expect("GET / HTTP/1.1\r\nHost: a\r\n", 100);
}

TEST(two_readings_of_the_length_are_refused)
{
    expect("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
           400);
    expect("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n",
           400);
    expect("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400);
    expect("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}", 400);
    expect("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +2\r\n\r\n{}", 400);
    expect("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2, 2\r\n\r\n{}", 400);
    expect("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", 400);
}

TEST(odd_transfer_codings_are_refused)
{
    static const char *const codings[] = {"gzip",     "chunked, chunked", "chunked, identity",
                                          "identity", "xchunked",         "\"chunked\""};
    for (size_t i = 0; i < RV_COUNT(codings); i++) {
        char text[256];
        snprintf(text, sizeof text,
                 "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: %s\r\n\r\n0\r\n\r\n",
                 codings[i]);
        int status = status_of(text, strlen(text), strlen(text));
        if (status != 400 && status != 501) {
            ck_abort_msg("got %d for coding %s", status, codings[i]);
        }
    }
    expect("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
           "chunked\r\n\r\n0\r\n\r\n",
           400);
    expect(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\n{}\r\n0\r\n\r\n",
        400);
    expect("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX: "
           "y\r\n\r\n",
           400);
    expect("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
           400);
    expect("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n",
           400);
    expect("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\n{}\r\n0\r\n\r\n",
           400);
    expect("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}X0\r\n\r\n",
           400);
}

TEST(odd_lines_are_refused)
{
    expect("GET / HTTP/1.1\nHost: a\n\n", 100); /* never a head: the deadline ends it */
    expect("GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", 400);
    expect("GET / HTTP/1.1\r\nHost: a\r\n X: folded\r\n\r\n", 400);
    expect("GET / HTTP/1.1\r\nHost: a\r\n\tfolded\r\n\r\n", 400);
    expect("GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400);
    expect("GET / HTTP/1.1\r\nHost: a\r\n: nameless\r\n\r\n", 400);
    expect("GET / HTTP/1.1\r\nHost: a\r\nX(y): z\r\n\r\n", 400);
    expect("GET / HTTP/1.1\r\nHost: a\r\nNoColon\r\n\r\n", 400);
    expect("GET / HTTP/1.1\r\nHost: a\r\nX: a\x01"
           "b\r\n\r\n",
           400);
    expect("GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n", 400);
    expect("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400);
    expect("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400);
    expect("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400);
    char nul[] = "GET / HTTP/1.1\r\nHost: a\r\nX: a?b\r\n\r\n";
    *strchr(nul, '?') = '\0';
    ck_assert_int_eq(status_of(nul, sizeof nul - 1, sizeof nul), 400);
}

TEST(host_version_method_and_target_are_checked)
{
    expect("GET / HTTP/1.1\r\n\r\n", 400);
    expect("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400);
    expect("GET / HTTP/1.0\r\nHost: a\r\n\r\n", 505);
    expect("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505);
    expect("GET / HTTP/0.9\r\nHost: a\r\n\r\n", 505);
    expect("GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400);
    expect("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 400);
    expect("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 400);
    expect("BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 501);
    expect("GET / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n", 417);
}

TEST(limits_are_kept)
{
    struct rv_buf text;
    rv_buf_init(&text, 1 << 20);
    rv_buf_str(&text, "GET /");
    for (int i = 0; i < RV_HTTP_TARGET_MAX + 10; i++) {
        rv_buf_char(&text, 'a');
    }
    rv_buf_str(&text, " HTTP/1.1\r\nHost: a\r\n\r\n");
    expect(text.data, 414);
    rv_buf_reset(&text);
    rv_buf_str(&text, "GET / HTTP/1.1\r\nHost: a\r\n");
    for (int i = 0; i < RV_HTTP_FIELDS_MAX; i++) {
        rv_buf_printf(&text, "X-%d: y\r\n", i);
    }
    rv_buf_str(&text, "\r\n");
    expect(text.data, 431);
    rv_buf_reset(&text);
    rv_buf_str(&text, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
    for (int i = 0; i < RV_HTTP_HEAD_MAX; i++) {
        rv_buf_char(&text, 'a');
    }
    expect(text.data, 431);
    rv_buf_fini(&text);
    expect("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 65\r\n\r\n", 413);
    expect("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n41\r\n"
           "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n0\r\n\r\n",
           413);
}

TEST(pipelined_bytes_are_left_for_the_next_request)
{
    static const char two[] = "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}"
                              "GET /b?q=%41+z&empty= HTTP/1.1\r\nHost: a\r\nCookie: x=y \r\n\r\n";
    struct rv_http_parser *parser = rv_http_parser_create();
    size_t first = 0, second = 0;
    ck_assert_int_eq(feed(parser, two, sizeof two - 1, 7, &first), RV_HTTP_COMPLETE);
    ck_assert_str_eq(rv_http_parser_request(parser)->path, "/a");
    ck_assert_str_eq(rv_http_parser_request(parser)->body.data, "{}");
    rv_http_parser_reset(parser);
    ck_assert_int_eq(feed(parser, two + first, sizeof two - 1 - first, 1000, &second),
                     RV_HTTP_COMPLETE);
    const struct rv_http_request *request = rv_http_parser_request(parser);
    char value[16];
    ck_assert_int_eq((int)(first + second), (int)sizeof two - 1);
    ck_assert_str_eq(request->path, "/b");
    ck_assert_str_eq(rv_http_field(request, "cookie"), "x=y");
    ck_assert(rv_http_query(request, "q", value, sizeof value));
    ck_assert_str_eq(value, "A z");
    ck_assert(rv_http_query(request, "empty", value, sizeof value));
    ck_assert_str_eq(value, "");
    ck_assert(!rv_http_query(request, "absent", value, sizeof value));
    rv_http_parser_destroy(parser);
}

TEST(a_query_has_only_the_parameters_that_there_are)
{
    static const struct {
        const char *query, *field;
    } cases[] = {
        {"", NULL},           {"a=1&b=2", NULL},    {"b=&a=%41", NULL}, {"&&a=1&", NULL},
        {"a", NULL},          {"c=1", "c"},         {"a=1&aa=2", "aa"}, {"A=1", "A"},
        {"a=1&b=2&a=1", "a"}, {"a=%zz&b=1", "a"},   {"b=%00", "b"},     {"=1", ""},
        {"%61=1", "%61"},     {"a=1&b", NULL},      {"b&b=1", "b"},     {"a=%fc", "a"},
        {"a=%c3%bc", NULL},   {"b=m\xFCller", "b"},
    };
    for (size_t i = 0; i < RV_COUNT(cases); i++) {
        struct rv_http_request request = {.query = cases[i].query};
        struct rv_error err = {.code = RV_OK};
        char field[RV_HTTP_PARAMETER_TEXT] = "";
        enum rv_code code = rv_http_query_only(&request, "a b", field, &err);
        ck_assert_int_eq(code, cases[i].field == NULL ? RV_OK : RV_INVALID);
        ck_assert(cases[i].field == NULL || strcmp(field, cases[i].field) == 0);
        ck_assert(cases[i].field == NULL || err.hint[0] != '\0');
    }
    char query[RV_HTTP_PARAMETER_MAX + 8] = "a=";
    char field[RV_HTTP_PARAMETER_TEXT] = "";
    struct rv_http_request request = {.query = query};
    memset(query + 2, 'x', RV_HTTP_PARAMETER_MAX);
    ck_assert_int_eq(rv_http_query_only(&request, "a b", field, NULL), RV_OK);
    query[2 + RV_HTTP_PARAMETER_MAX] = 'x';
    ck_assert_int_eq(rv_http_query_only(&request, "a b", field, NULL), RV_INVALID);
}

TEST(percent_escapes_are_strict)
{
    char out[8];
    ck_assert(rv_http_decode("a%2Fb", 5, false, out, sizeof out));
    ck_assert_str_eq(out, "a/b");
    ck_assert(!rv_http_decode("%00", 3, false, out, sizeof out));
    ck_assert(!rv_http_decode("%4", 2, false, out, sizeof out));
    ck_assert(!rv_http_decode("%zz", 3, false, out, sizeof out));
    ck_assert(!rv_http_decode("12345678", 8, false, out, sizeof out));
}

TEST_MAIN()
