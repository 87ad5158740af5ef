/* answer.h -- the head of an answer: status line, security headers, own fields.
 *
 * Every answer carries the same protective headers: nothing is sniffed, framed, cached by shared
 * caches or allowed to run inline script or style, and no page of ours tells others where it was.
 */
#ifndef REEVE_RUNTIME_HTTP_ANSWER_H
#define REEVE_RUNTIME_HTTP_ANSWER_H

#include "runtime/base/buf.h"

enum { RV_HTTP_CHUNKED = -1 };

const char *rv_http_reason(int status);
/* Appends status line and fields up to the blank line.  `length` is the body's size in bytes or
 * RV_HTTP_CHUNKED; `fields` are ready-made lines "Name: value\r\n" or "". */
void rv_http_answer_head(struct rv_buf *out, int status, const char *type, int64_t length,
                         const char *fields, bool keep_alive, bool tls);

#endif
