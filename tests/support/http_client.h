/* http_client.h -- a blocking HTTP client of a few lines, for tests that drive the real server from
 * a second thread: one request, one connection, the whole answer as text. */
#ifndef REEVE_TESTS_SUPPORT_HTTP_CLIENT_H
#define REEVE_TESTS_SUPPORT_HTTP_CLIENT_H

#include "runtime/base/json.h"

struct answer {
    int status;
    char text[1 << 17]; /* head and body */
    const char *body;
    json_t *json; /* NULL when the body is no JSON; owned */
};

/* Connects to 127.0.0.1; -1 on failure. Reads time out after 10 s. */
int http_client_dial(int port);
/* `headers` are whole lines each ended by CR LF, may be ""; `body` may be NULL. */
void http_client_call(int port, const char *method, const char *path, const char *headers,
                      const char *body, struct answer *answer);
/* The value of an answer's field, copied into `out`; "" when absent. */
void http_client_field(const struct answer *answer, const char *name, char *out, size_t size);
void http_client_forget(struct answer *answer);

#endif
