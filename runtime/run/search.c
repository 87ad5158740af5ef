/* search.c -- see search.h. */
#include "runtime/run/search.h"

#include <string.h>

const char rv_run_status_words[] = "open over stuck retrying people created planning executing "
                                   "waiting reviewing compensating done failed cancelled "
                                   "compensated diverged";
/* as the function run_find knows them */
const char rv_run_wait_words[] =
    "person people approval timer signal model child run effect intent "
    "budget lock slot rate";

bool rv_run_is_word(const char *word, const char *words)
{
    size_t length = strlen(word);
    for (const char *at = words; *at != '\0';) {
        size_t here = strcspn(at, " ");
        if (here == length && strncmp(at, word, here) == 0) {
            return true;
        }
        at += here + (at[here] == ' ');
    }
    return false;
}

enum rv_code rv_run_need_word(const char *parameter, const char *word, const char *words,
                              struct rv_error *err)
{
    if (word[0] == '\0' || rv_run_is_word(word, words)) {
        return RV_OK;
    }
    rv_fail(err, RV_INVALID, "%s: \"%.80s\" is none", parameter, word);
    rv_hint(err, "Write one of: %s.", words);
    return RV_INVALID;
}

enum rv_code rv_run_no_role(const char *parameter, const char *word, bool waits, const char *roles,
                            struct rv_error *err)
{
    rv_fail(err, RV_INVALID, "%s: \"%.80s\" is %s", parameter, word,
            waits ? "neither something that runs wait for nor a role of this company"
                  : "no role of this company");
    rv_hint(err, "Write one of: %s%s%.200s.", waits ? rv_run_wait_words : "",
            waits ? "; or a role: " : "", roles);
    return RV_INVALID;
}
