/* request.h -- bytes become one HTTP/1.1 request, or a refusal; no I/O, no time.
 *
 * llhttp (Node's parser) finds the framing; this file adds what it lets pass.  A request is refused
 * unless: the version is HTTP/1.1; every line ends in CRLF; field names are tokens and touch their
 * colon; nothing is folded (RFC 9112 5.2); there is exactly one Host; Content-Length stands at most
 * once and never beside Transfer-Encoding; a transfer coding is exactly "chunked", without chunk
 * extensions or trailers.  Each rule closes a way in which two servers can read one byte stream
 * differently (request smuggling), or a way to make us hold memory.
 *
 *   HEAD --blank line--> BODY --last byte--> COMPLETE        any --rule broken--> REFUSED
 *
 * Between HEAD and BODY the caller says how large a body this request may have.
 */
#ifndef REEVE_RUNTIME_HTTP_REQUEST_H
#define REEVE_RUNTIME_HTTP_REQUEST_H

#include "runtime/base/buf.h"
#include "runtime/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    RV_HTTP_HEAD_MAX = 16 * 1024,       /* request line and fields; browsers stay below 8 KiB */
    RV_HTTP_TARGET_MAX = 2048,          /* path and query */
    RV_HTTP_FIELDS_MAX = 64,            /* browsers send about 20 */
    RV_HTTP_BODY_MAX = 8 * 1024 * 1024, /* in memory; a route that allows more takes it in parts */
    RV_HTTP_PART_BYTES = 256 * 1024,
    RV_HTTP_PARAMETER_MAX = 256, /* of the query, decoded */
    RV_HTTP_PARAMETER_TEXT = 64  /* of its name, where it is shown */
};

struct rv_http_field {
    const char *name;  /* lower case */
    const char *value; /* without surrounding white space */
};

/* Valid until the parser is reset or destroyed. */
struct rv_http_request {
    const char *method; /* "GET" "HEAD" "POST" "PUT" "DELETE" "PATCH" "OPTIONS" */
    const char *path;   /* as sent, starts with "/", without the query */
    const char *query;  /* as sent, "" when absent */
    struct rv_http_field fields[RV_HTTP_FIELDS_MAX];
    int field_count;
    bool keep_alive;
    bool expects_continue; /* wants "100 Continue" before it sends its body */
    struct rv_buf body;
};

/* NULL when absent; `name` in lower case.  Repeated fields give the first. */
const char *rv_http_field(const struct rv_http_request *request, const char *name);
/* One parameter of the query, percent-decoded into `out`; false when absent, malformed or longer
 * than `size` - 1. */
bool rv_http_query(const struct rv_http_request *request, const char *name, char *out, size_t size);
/* Whether every parameter of the query is one of `names` (with a space between two), stands there
 * once and can be read into RV_HTTP_PARAMETER_MAX + 1 bytes.  Otherwise RV_INVALID, and `field`
 * names the first that does not. */
enum rv_code rv_http_query_only(const struct rv_http_request *request, const char *names,
                                char field[RV_HTTP_PARAMETER_TEXT], struct rv_error *err);
/* Decodes percent escapes; false on a bad escape, an escaped NUL or lack of room. */
bool rv_http_decode(const char *text, size_t length, bool plus_is_space, char *out, size_t size);

enum rv_http_progress {
    RV_HTTP_MORE,     /* feed more bytes */
    RV_HTTP_HEAD,     /* once per request with a body: the head is complete, body not yet read */
    RV_HTTP_COMPLETE, /* the request may be answered; reset before feeding again */
    RV_HTTP_REFUSED   /* answer rv_http_parser_status and close: the framing is lost */
};

struct rv_http_parser;

struct rv_http_parser *rv_http_parser_create(void);
void rv_http_parser_destroy(struct rv_http_parser *parser); /* NULL is fine */
void rv_http_parser_reset(struct rv_http_parser *parser);
/* Consumes some of `bytes`, says how many in `used`.  Stops at each step other than MORE. */
enum rv_http_progress rv_http_parser_feed(struct rv_http_parser *parser, const char *bytes,
                                          size_t length, size_t *used);
/* After RV_HTTP_HEAD: bodies above `max` bytes are refused with 413; RV_HTTP_REFUSED when the
 * announced length is above it already. */
enum rv_http_progress rv_http_parser_allow_body(struct rv_http_parser *parser, size_t max);
/* The same for a body that is taken while it arrives: whoever feeds takes it out of the request. */
enum rv_http_progress rv_http_parser_stream_body(struct rv_http_parser *parser, size_t max);
void rv_http_parser_take_body(struct rv_http_parser *parser, size_t length);
/* Whether a byte of the current request has arrived. */
bool rv_http_parser_started(const struct rv_http_parser *parser);
const struct rv_http_request *rv_http_parser_request(const struct rv_http_parser *parser);
/* After RV_HTTP_REFUSED: the status to answer and one sentence of why. */
int rv_http_parser_status(const struct rv_http_parser *parser);
const char *rv_http_parser_why(const struct rv_http_parser *parser);

#endif
