/* text.h -- whether bytes are a text that the database, the journal and JSON can hold: UTF-8 (RFC
 * 3629: shortest forms, no surrogates, up to U+10FFFF) without U+0000.
 */
#ifndef REEVE_RUNTIME_BASE_TEXT_H
#define REEVE_RUNTIME_BASE_TEXT_H

#include "runtime/base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* U+0000 counts as UTF-8 here: it is a character, if one that a text of ours has not. */
bool rv_text_utf8(const char *bytes, size_t length);
/* What is not UTF-8 becomes "?": for texts that were cut to a size, maybe within a character. */
void rv_text_mend(char *text);
/* RV_INVALID naming `what` and, of bytes that are not UTF-8, the first. */
RV_MUST enum rv_code rv_text_check(const char *what, const char *text, struct rv_error *err);

#endif
