/* words.h -- whether a word stands in a list of words: the values that a parameter may have, the
 * parameters that a query may have.
 *
 * A list is one text, with one space between two words.  The empty word stands in none.
 */
#ifndef REEVE_RUNTIME_BASE_WORDS_H
#define REEVE_RUNTIME_BASE_WORDS_H

#include "runtime/base/error.h"

#include <stdbool.h>
#include <stddef.h>

bool rv_words_have(const char *words, const char *word);
/* The same of a word that ends after `length` bytes. */
bool rv_words_have_n(const char *words, const char *word, size_t length);
/* `parameter`, as it was written, must be one of `words`, or "", which is no wish at all.
 * RV_INVALID names the parameter and gives the words. */
RV_MUST enum rv_code rv_words_need(const char *parameter, const char *word, const char *words,
                                   struct rv_error *err);

#endif
