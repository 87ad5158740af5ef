/* unicode.h -- characters out of bytes, and whether they are letters, numbers or white space.
 *
 * Sources: RFC 3629 (UTF-8), The Unicode Standard 3.9 table 3-7 (well-formed sequences) and
 * "Best Practices for Using U+FFFD" (a maximal subpart is one replacement character); categories
 * from UnicodeData.txt by scripts/unicode.lua.
 *
 * Private to kernels.
 */
#ifndef REEVE_KERNELS_MODEL_UNICODE_H
#define REEVE_KERNELS_MODEL_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum unicode_kind { UNICODE_OTHER, UNICODE_LETTER, UNICODE_NUMBER, UNICODE_SPACE };

struct unicode_range {
    uint32_t first, last;
    enum unicode_kind kind;
};
extern const struct unicode_range unicode_ranges[]; /* in order, apart */
extern const uint32_t unicode_range_count;

enum unicode_kind unicode_kind(uint32_t code);

enum { UNICODE_REPLACEMENT = 0xFFFD, UNICODE_INCOMPLETE = -1, UNICODE_WRONG = -2 };
/* The character at `bytes` (length > 0).  `*taken`: its bytes.  Not one: WRONG, and `*taken` is
 * the maximal subpart (1 to 3 bytes); or INCOMPLETE, when all the bytes are the beginning of a
 * character whose rest is missing. */
int32_t unicode_next(const char *bytes, size_t length, size_t *taken);

#endif
