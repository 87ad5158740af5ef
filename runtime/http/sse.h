/* sse.h -- the text of server-sent events (HTML standard, 9.2.6); pure. */
#ifndef REEVE_RUNTIME_HTTP_SSE_H
#define REEVE_RUNTIME_HTTP_SSE_H

#include "runtime/base/buf.h"

/* One event; every line break in `data` starts a new "data:" line, so that text cannot forge
 * fields.  `event` must be a word without line breaks; id 0 writes none. */
void rv_sse_event(struct rv_buf *out, int64_t id, const char *event, const char *data);
/* A comment line: keeps proxies from closing an idle stream, clients ignore it. */
void rv_sse_comment(struct rv_buf *out, const char *text);
/* How a stream begins: the id it starts after, which the client shows as Last-Event-ID even when it
 * is cut before the first event, and how long to wait before it connects again. */
void rv_sse_begin(struct rv_buf *out, int64_t id, int retry_ms);

#endif
