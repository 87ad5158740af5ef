/* spell.h -- code points, UTF-8 and JSON's spelling of text.  Private to kernels/serve. */
#ifndef REEVE_KERNELS_SERVE_SPELL_H
#define REEVE_KERNELS_SERVE_SPELL_H

#include "kernels/kernel.h"

/* The code point at `*at`, which moves on; U+FFFD and one byte on where it is none. */
uint32_t spell_read_utf8(struct kernel_text text, size_t *at);
/* 1 to 4 bytes into `out`. */
uint32_t spell_utf8(uint32_t point, char *out);
/* The code point that JSON text inside quotes spells at `*at`: escapes and surrogate pairs read. */
uint32_t spell_read_json(struct kernel_text text, size_t *at);
/* One character as JSON writes it inside quotes, shortest; up to 6 bytes. */
uint32_t spell_json(uint32_t point, char *out);

/* Bytes that grow. */
struct spell_bytes {
    char *at;
    size_t length, room;
};
void spell_add(struct spell_bytes *bytes, const void *data, size_t length);
void spell_add_quoted(struct spell_bytes *bytes, struct kernel_text text); /* with the quotes */

#endif
