/* words.c -- see words.h. */
#include "runtime/base/words.h"

#include <string.h>

bool rv_words_have_n(const char *words, const char *word, size_t length)
{
    for (const char *at = words; *at != '\0' && length > 0;) {
        size_t here = strcspn(at, " ");
        if (here == length && memcmp(at, word, length) == 0) {
            return true;
        }
        at += here + (at[here] == ' ');
    }
    return false;
}

bool rv_words_have(const char *words, const char *word)
{
    return rv_words_have_n(words, word, strlen(word));
}

enum rv_code rv_words_need(const char *parameter, const char *word, const char *words,
                           struct rv_error *err)
{
    if (word[0] == '\0' || rv_words_have(words, word)) {
        return RV_OK;
    }
    rv_fail(err, RV_INVALID, "%s: \"%.80s\" is none", parameter, word);
    rv_hint(err, "Write one of: %s.", words);
    return RV_INVALID;
}
