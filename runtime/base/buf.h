/* buf.h -- an owned, growing run of bytes that is born with a maximum.
 *
 * Invariants: `data` is never NULL after init and always NUL-terminated; `length <= max`.
 * Growing beyond `max` sets `overflowed`, drops the append and every later one: check once at the
 * end with rv_buf_ok.  Low-level: calls nothing above runtime/base.
 */
#ifndef REEVE_RUNTIME_BASE_BUF_H
#define REEVE_RUNTIME_BASE_BUF_H

#include "runtime/base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct rv_buf {
    char *data;
    size_t length;
    size_t capacity;
    size_t max;
    bool overflowed;
};

void rv_buf_init(struct rv_buf *buf, size_t max_bytes);
void rv_buf_fini(struct rv_buf *buf);  /* safe on a zeroed or finished buffer */
void rv_buf_reset(struct rv_buf *buf); /* empties, keeps the memory */

void rv_buf_add(struct rv_buf *buf, const void *bytes, size_t length);
void rv_buf_str(struct rv_buf *buf, const char *text);
void rv_buf_char(struct rv_buf *buf, char c);
void rv_buf_printf(struct rv_buf *buf, const char *format, ...) RV_PRINTF(2, 3);
/* Text as the inside of a JSON string (quotes not added). */
void rv_buf_json_escape(struct rv_buf *buf, const char *text, size_t length);
/* Big-endian integers, as libpq's binary format and our hashes want them. */
void rv_buf_be16(struct rv_buf *buf, uint16_t value);
void rv_buf_be32(struct rv_buf *buf, uint32_t value);
void rv_buf_be64(struct rv_buf *buf, uint64_t value);
void rv_buf_consume(struct rv_buf *buf, size_t length); /* drops bytes from the front */

/* RV_LIMIT naming `what` when the buffer overflowed. */
RV_MUST enum rv_code rv_buf_ok(const struct rv_buf *buf, const char *what, struct rv_error *err);
/* Gives the bytes to the caller (free with rv_free); the buffer is empty and usable after. */
char *rv_buf_take(struct rv_buf *buf);

#endif
