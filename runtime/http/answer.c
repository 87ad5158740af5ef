/* answer.c -- see answer.h. */
#include "runtime/http/answer.h"

#include <inttypes.h>
#include <string.h>

static const struct {
    int status;
    const char *reason;
} reasons[] = {
    {100, "Continue"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Content"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {499, "Client Closed Request"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
};

static const char protection[] =
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; manifest-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "X-Frame-Options: DENY\r\n"
    "Referrer-Policy: no-referrer\r\n"
    "Cross-Origin-Opener-Policy: same-origin\r\n"
    "Cross-Origin-Resource-Policy: same-origin\r\n"
    "Permissions-Policy: camera=(), microphone=(), geolocation=()\r\n";

const char *rv_http_reason(int status)
{
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        if (reasons[i].status == status) {
            return reasons[i].reason;
        }
    }
    return "Unknown";
}

void rv_http_answer_head(struct rv_buf *out, int status, const char *type, int64_t length,
                         const char *fields, bool keep_alive, bool tls)
{
    rv_buf_printf(out, "HTTP/1.1 %d %s\r\n", status, rv_http_reason(status));
    if (type != NULL) {
        rv_buf_printf(out, "Content-Type: %s\r\n", type);
    }
    if (length == RV_HTTP_CHUNKED) {
        rv_buf_str(out, "Transfer-Encoding: chunked\r\n");
    } else if (status != 204 && status != 304) {
        rv_buf_printf(out, "Content-Length: %" PRId64 "\r\n", length);
    }
    rv_buf_str(out, protection);
    if (tls) {
        rv_buf_str(out, "Strict-Transport-Security: max-age=31536000\r\n");
    }
    if (strstr(fields, "Cache-Control:") == NULL) { /* business data: nobody keeps a copy */
        rv_buf_str(out, "Cache-Control: no-store\r\n");
    }
    rv_buf_str(out, fields);
    rv_buf_str(out, keep_alive ? "\r\n" : "Connection: close\r\n\r\n");
}
