/* request.c -- the strict skin over llhttp, in the order a request is read: head, rules, body. */
#include "runtime/http/request.h"

#include "runtime/base/check.h"
#include "runtime/base/text.h"
#include "runtime/base/words.h"

#include <ctype.h>
#include <llhttp.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum state { STATE_HEAD, STATE_HEAD_DONE, STATE_BODY, STATE_COMPLETE, STATE_REFUSED };

struct span {
    size_t at, length;
};

struct rv_http_parser {
    llhttp_t machine;
    enum state state;
    bool head_complete; /* llhttp saw the blank line */
    bool body_complete;
    size_t body_max;
    size_t body_seen;
    char too_large[80];
    struct rv_buf head;
    int skipped; /* bytes of the one empty line that may stand before a request */
    struct span name[RV_HTTP_FIELDS_MAX];
    struct span value[RV_HTTP_FIELDS_MAX];
    struct rv_http_request request;
    int status;
    const char *why;
};

static enum rv_http_progress refuse(struct rv_http_parser *parser, int status, const char *why)
{
    if (parser->state != STATE_REFUSED) {
        parser->state = STATE_REFUSED;
        parser->status = status;
        parser->why = why;
    }
    return RV_HTTP_REFUSED;
}

static enum rv_http_progress refuse_size(struct rv_http_parser *parser)
{
    snprintf(parser->too_large, sizeof parser->too_large,
             "the body is larger than the %zu bytes that this route allows", parser->body_max);
    return refuse(parser, 413, parser->too_large);
}

/* ---- what llhttp tells us ---- */

static int on_headers_complete(llhttp_t *machine)
{
    struct rv_http_parser *parser = machine->data;
    parser->head_complete = true;
    machine->upgrade = 0; /* "Upgrade: h2c" may be ignored (RFC 9110 7.8), and is */
    return 0;
}

static int on_body(llhttp_t *machine, const char *at, size_t length)
{
    struct rv_http_parser *parser = machine->data;
    parser->body_seen += length;
    if (parser->body_seen > parser->body_max) {
        refuse_size(parser);
        return HPE_USER;
    }
    rv_buf_add(&parser->request.body, at, length);
    return 0;
}

static int on_field(llhttp_t *machine, const char *at, size_t length)
{
    (void)at;
    (void)length;
    struct rv_http_parser *parser = machine->data;
    if (parser->head_complete) {
        refuse(parser, 400, "trailer fields are not accepted");
        return HPE_USER;
    }
    return 0;
}

static int on_extension(llhttp_t *machine, const char *at, size_t length)
{
    (void)at;
    (void)length;
    refuse(machine->data, 400, "chunk extensions are not accepted");
    return HPE_USER;
}

static int on_message_complete(llhttp_t *machine)
{
    struct rv_http_parser *parser = machine->data;
    parser->body_complete = true;
    return HPE_PAUSED; /* so that llhttp_execute stops at the boundary of a pipelined request */
}

static const llhttp_settings_t settings = {
    .on_headers_complete = on_headers_complete,
    .on_header_field = on_field,
    .on_body = on_body,
    .on_chunk_extension_name = on_extension,
    .on_message_complete = on_message_complete,
};

/* ---- life ---- */

struct rv_http_parser *rv_http_parser_create(void)
{
    struct rv_http_parser *parser = rv_alloc(sizeof *parser);
    rv_buf_init(&parser->head, RV_HTTP_HEAD_MAX);
    rv_buf_init(&parser->request.body, RV_HTTP_BODY_MAX);
    rv_http_parser_reset(parser);
    return parser;
}

void rv_http_parser_destroy(struct rv_http_parser *parser)
{
    if (parser != NULL) {
        rv_buf_fini(&parser->head);
        rv_buf_fini(&parser->request.body);
        rv_free(parser);
    }
}

void rv_http_parser_reset(struct rv_http_parser *parser)
{
    llhttp_init(&parser->machine, HTTP_REQUEST, &settings);
    parser->machine.data = parser;
    parser->state = STATE_HEAD;
    parser->head_complete = false;
    parser->body_complete = false;
    parser->body_max = 0;
    parser->body_seen = 0;
    parser->status = 0;
    parser->why = "";
    parser->skipped = 0;
    rv_buf_reset(&parser->head);
    struct rv_buf body = parser->request.body;
    if (body.capacity > RV_HTTP_HEAD_MAX) { /* do not keep a large body's memory on an idle line */
        rv_buf_fini(&body);
        rv_buf_init(&body, RV_HTTP_BODY_MAX);
    } else {
        rv_buf_reset(&body);
    }
    parser->request = (struct rv_http_request){.body = body};
}

/* ---- the head: our own rules on the raw bytes, before llhttp sees them ---- */

static bool is_token(unsigned char c)
{
    return isalnum(c) || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool is_field_byte(unsigned char c)
{
    return c == '\t' || (c >= ' ' && c != 0x7f);
}

static const char *check_request_line(const char *line, size_t length)
{
    int spaces = 0;
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)line[i];
        if (c == ' ') {
            spaces++;
        } else if (c < 0x21 || c > 0x7e) {
            return "the request line contains a byte that is not printable ASCII";
        }
    }
    return spaces == 2 ? NULL : "the request line is not method, target and version";
}

/* Notes where name and value of one field stand. */
static const char *check_field(struct rv_http_parser *parser, size_t at, size_t length)
{
    const char *line = parser->head.data + at;
    size_t colon = 0;
    while (colon < length && is_token((unsigned char)line[colon])) {
        colon++;
    }
    if (colon == 0 && (line[0] == ' ' || line[0] == '\t')) {
        return "folded fields are not accepted";
    }
    if (colon == 0 || colon == length || line[colon] != ':') {
        return "a field name is not a token directly followed by a colon";
    }
    size_t start = colon + 1;
    size_t end = length;
    while (start < end && (line[start] == ' ' || line[start] == '\t')) {
        start++;
    }
    while (end > start && (line[end - 1] == ' ' || line[end - 1] == '\t')) {
        end--;
    }
    for (size_t i = start; i < end; i++) {
        if (!is_field_byte((unsigned char)line[i])) {
            return "a field value contains a control character";
        }
    }
    int index = parser->request.field_count++;
    parser->name[index] = (struct span){at, colon};
    parser->value[index] = (struct span){at + start, end - start};
    return NULL;
}

static enum rv_http_progress check_lines(struct rv_http_parser *parser)
{
    const char *head = parser->head.data;
    size_t at = 0;
    for (bool first = true;; first = false) {
        const char *end = memchr(head + at, '\n', parser->head.length - at);
        RV_ASSERT(end != NULL); /* the head ends in CRLF CRLF */
        size_t length = (size_t)(end - head) - at;
        if (length == 0 || head[at + length - 1] != '\r') {
            return refuse(parser, 400, "a line does not end in CR LF");
        }
        length--;
        const char *why = NULL;
        if (first) {
            why = check_request_line(head + at, length);
        } else if (length == 0) {
            return RV_HTTP_MORE;
        } else if (parser->request.field_count == RV_HTTP_FIELDS_MAX) {
            return refuse(parser, 431, "too many header fields");
        } else {
            why = check_field(parser, at, length);
        }
        if (why != NULL) {
            return refuse(parser, 400, why);
        }
        at += length + 2;
    }
}

/* Ends names and values in place; only after llhttp has read the bytes. */
static void split_fields(struct rv_http_parser *parser)
{
    struct rv_http_request *request = &parser->request;
    char *head = parser->head.data;
    for (int i = 0; i < request->field_count; i++) {
        char *name = head + parser->name[i].at;
        char *value = head + parser->value[i].at;
        for (size_t k = 0; k < parser->name[i].length; k++) {
            name[k] = (char)tolower((unsigned char)name[k]);
        }
        name[parser->name[i].length] = '\0';
        value[parser->value[i].length] = '\0';
        request->fields[i] = (struct rv_http_field){name, value};
    }
    char *method = head;
    char *target = strchr(method, ' ');
    *target++ = '\0';
    *strchr(target, ' ') = '\0';
    char *query = strchr(target, '?');
    if (query != NULL) {
        *query++ = '\0';
    }
    request->method = method;
    request->path = target;
    request->query = query != NULL ? query : "";
}

static int count_fields(const struct rv_http_request *request, const char *name)
{
    int count = 0;
    for (int i = 0; i < request->field_count; i++) {
        count += strcmp(request->fields[i].name, name) == 0;
    }
    return count;
}

static enum rv_http_progress check_meaning(struct rv_http_parser *parser)
{
    const struct rv_http_request *request = &parser->request;
    const char *coding = rv_http_field(request, "transfer-encoding");
    const char *expect = rv_http_field(request, "expect");
    if (parser->machine.http_major != 1 || parser->machine.http_minor != 1) {
        return refuse(parser, 505, "only HTTP/1.1 is spoken here");
    }
    if (request->path[0] != '/') {
        return refuse(parser, 400, "the request target must be a path");
    }
    if (strlen(request->path) + strlen(request->query) > RV_HTTP_TARGET_MAX) {
        return refuse(parser, 414, "the request target is too long");
    }
    if (count_fields(request, "host") != 1) {
        return refuse(parser, 400, "exactly one Host field is required");
    }
    if (count_fields(request, "content-length") > 1 ||
        count_fields(request, "transfer-encoding") > 1 ||
        (coding != NULL && rv_http_field(request, "content-length") != NULL)) {
        return refuse(parser, 400, "the length of the body is stated twice");
    }
    if (coding != NULL && strcasecmp(coding, "chunked") != 0) {
        return refuse(parser, 501, "the only transfer coding accepted is \"chunked\"");
    }
    if (expect != NULL && strcasecmp(expect, "100-continue") != 0) {
        return refuse(parser, 417, "the only expectation accepted is \"100-continue\"");
    }
    return RV_HTTP_MORE;
}

static enum rv_http_progress finish_head(struct rv_http_parser *parser)
{
    if (check_lines(parser) == RV_HTTP_REFUSED) {
        return RV_HTTP_REFUSED;
    }
    llhttp_errno_t result =
        llhttp_execute(&parser->machine, parser->head.data, parser->head.length);
    if (parser->state == STATE_REFUSED) {
        return RV_HTTP_REFUSED;
    }
    if (result == HPE_INVALID_METHOD) {
        return refuse(parser, 501, "the method is not known");
    }
    if (result == HPE_INVALID_VERSION) {
        return refuse(parser, 505, "only HTTP/1.1 is spoken here");
    }
    if ((result != HPE_OK && result != HPE_PAUSED) || !parser->head_complete) {
        return refuse(parser, 400, "the request is malformed");
    }
    split_fields(parser);
    if (check_meaning(parser) == RV_HTTP_REFUSED) {
        return RV_HTTP_REFUSED;
    }
    parser->request.keep_alive = llhttp_should_keep_alive(&parser->machine) != 0;
    parser->request.expects_continue = rv_http_field(&parser->request, "expect") != NULL;
    if (parser->body_complete) {
        parser->state = STATE_COMPLETE;
        return RV_HTTP_COMPLETE;
    }
    parser->state = STATE_HEAD_DONE;
    return RV_HTTP_HEAD;
}

/* Copies bytes up to and including the blank line; `used` counts what was taken. */
static enum rv_http_progress feed_head(struct rv_http_parser *parser, const char *bytes,
                                       size_t length, size_t *used)
{
    struct rv_buf *head = &parser->head;
    size_t skip = 0;
    while (head->length == 0 && parser->skipped < 2 && skip < length &&
           bytes[skip] == "\r\n"[parser->skipped]) { /* RFC 9112 2.2 */
        parser->skipped++;
        skip++;
    }
    if (parser->skipped == 1 && skip < length) {
        return refuse(parser, 400, "a line does not end in CR LF");
    }
    size_t room = RV_HTTP_HEAD_MAX - head->length;
    size_t take = length - skip < room ? length - skip : room;
    size_t search = head->length > 3 ? head->length - 3 : 0;
    size_t before = head->length;
    rv_buf_add(head, bytes + skip, take);
    const char *end = memmem(head->data + search, head->length - search, "\r\n\r\n", 4);
    if (end == NULL) {
        *used = skip + take;
        return head->length == RV_HTTP_HEAD_MAX ? refuse(parser, 431, "the header is too large")
                                                : RV_HTTP_MORE;
    }
    size_t head_length = (size_t)(end - head->data) + 4;
    *used = skip + head_length - before;
    head->length = head_length;
    head->data[head_length] = '\0';
    return finish_head(parser);
}

/* ---- the body ---- */

enum rv_http_progress rv_http_parser_allow_body(struct rv_http_parser *parser, size_t max)
{
    RV_ASSERT(max <= RV_HTTP_BODY_MAX);
    return rv_http_parser_stream_body(parser, max);
}

enum rv_http_progress rv_http_parser_stream_body(struct rv_http_parser *parser, size_t max)
{
    RV_ASSERT(parser->state == STATE_HEAD_DONE);
    parser->body_max = max;
    if (parser->machine.content_length > max &&
        rv_http_field(&parser->request, "content-length") != NULL) {
        return refuse_size(parser);
    }
    parser->state = STATE_BODY;
    return RV_HTTP_MORE;
}

void rv_http_parser_take_body(struct rv_http_parser *parser, size_t length)
{
    rv_buf_consume(&parser->request.body, length);
}

static enum rv_http_progress feed_body(struct rv_http_parser *parser, const char *bytes,
                                       size_t length, size_t *used)
{
    llhttp_errno_t result = llhttp_execute(&parser->machine, bytes, length);
    if (parser->state == STATE_REFUSED) {
        return RV_HTTP_REFUSED;
    }
    if (parser->body_complete) {
        *used = result == HPE_PAUSED ? (size_t)(llhttp_get_error_pos(&parser->machine) - bytes)
                                     : length;
        parser->state = STATE_COMPLETE;
        return RV_HTTP_COMPLETE;
    }
    *used = length;
    return result == HPE_OK ? RV_HTTP_MORE : refuse(parser, 400, "the body is malformed");
}

enum rv_http_progress rv_http_parser_feed(struct rv_http_parser *parser, const char *bytes,
                                          size_t length, size_t *used)
{
    *used = 0;
    switch (parser->state) {
    case STATE_HEAD: return length == 0 ? RV_HTTP_MORE : feed_head(parser, bytes, length, used);
    case STATE_BODY: return length == 0 ? RV_HTTP_MORE : feed_body(parser, bytes, length, used);
    case STATE_REFUSED: return RV_HTTP_REFUSED;
    case STATE_HEAD_DONE:
    case STATE_COMPLETE:
    default: RV_UNREACHABLE("fed between two requests");
    }
}

/* ---- reading a request ---- */

bool rv_http_parser_started(const struct rv_http_parser *parser)
{
    return parser->state != STATE_HEAD || parser->head.length > 0;
}

const struct rv_http_request *rv_http_parser_request(const struct rv_http_parser *parser)
{
    return &parser->request;
}

int rv_http_parser_status(const struct rv_http_parser *parser)
{
    return parser->status;
}

const char *rv_http_parser_why(const struct rv_http_parser *parser)
{
    return parser->why;
}

const char *rv_http_field(const struct rv_http_request *request, const char *name)
{
    for (int i = 0; i < request->field_count; i++) {
        if (strcmp(request->fields[i].name, name) == 0) {
            return request->fields[i].value;
        }
    }
    return NULL;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool rv_http_decode(const char *text, size_t length, bool plus_is_space, char *out, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < length; i++) {
        int c = (unsigned char)text[i];
        if (c == '%') {
            int high = i + 2 < length ? hex_digit(text[i + 1]) : -1;
            int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
            c = high >= 0 && low >= 0 ? high * 16 + low : 0;
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        if (c == 0 || n + 1 >= size) {
            return false;
        }
        out[n++] = (char)c;
    }
    out[n] = '\0';
    return true;
}

bool rv_http_query(const struct rv_http_request *request, const char *name, char *out, size_t size)
{
    size_t name_length = strlen(name);
    for (const char *at = request->query; *at != '\0';) {
        size_t length = strcspn(at, "&");
        if (length > name_length && at[name_length] == '=' && memcmp(at, name, name_length) == 0) {
            return rv_http_decode(at + name_length + 1, length - name_length - 1, true, out, size);
        }
        at += length + (at[length] == '&');
    }
    return false;
}

/* ---- what a query may have ---- */

static bool stands_before(const char *query, const char *name, size_t length)
{
    for (const char *at = query; at < name; at += strcspn(at, "&") + 1) {
        if (strcspn(at, "=&") == length && memcmp(at, name, length) == 0) {
            return true;
        }
    }
    return false;
}

enum rv_code rv_http_query_only(const struct rv_http_request *request, const char *names,
                                char field[RV_HTTP_PARAMETER_TEXT], struct rv_error *err)
{
    char value[RV_HTTP_PARAMETER_MAX + 1];
    for (const char *at = request->query; *at != '\0';) {
        size_t length = strcspn(at, "&");
        size_t name = strcspn(at, "=&");
        size_t shown = name < RV_HTTP_PARAMETER_TEXT ? name : RV_HTTP_PARAMETER_TEXT - 1;
        snprintf(field, RV_HTTP_PARAMETER_TEXT, "%.*s", (int)shown, at);
        if (length > 0 && !rv_words_have_n(names, at, name)) {
            rv_fail(err, RV_INVALID, "there is no parameter \"%s\" here", field);
            rv_hint(err, "Its parameters: %s.", names);
            return RV_INVALID;
        }
        if (length > 0 && stands_before(request->query, at, name)) {
            rv_fail(err, RV_INVALID, "parameter \"%s\" stands there twice", field);
            rv_hint(err, "Give it once.");
            return RV_INVALID;
        }
        if (name < length &&
            !rv_http_decode(at + name + 1, length - name - 1, true, value, sizeof value)) {
            rv_fail(err, RV_INVALID, "the value of parameter \"%s\" cannot be read", field);
            rv_hint(err, "At most %d bytes; a byte is written as %%XX.", RV_HTTP_PARAMETER_MAX);
            return RV_INVALID;
        }
        if (name < length && !rv_text_utf8(value, strlen(value))) {
            rv_fail(err, RV_INVALID, "the value of parameter \"%s\" is not valid UTF-8", field);
            rv_hint(err, "Write its bytes in UTF-8, each as %%XX: \"\xC3\xBC\" is %%C3%%BC.");
            return RV_INVALID;
        }
        at += length + (at[length] == '&');
    }
    return RV_OK;
}
