/* search.h -- the words that a search of runs takes (`reeve run list`, GET /v1/runs), and what is
 * said of those that it does not know.
 *
 * What runs wait for is a kind (rv_run_wait_words), or a role: the people whose answer is missing.
 * A role is one that the company has: somebody holds it, its active policy asks it or an open
 * question does; the statement run_role_known says so.
 */
#ifndef REEVE_RUNTIME_RUN_SEARCH_H
#define REEVE_RUNTIME_RUN_SEARCH_H

#include "runtime/base/error.h"

#include <stdbool.h>

extern const char rv_run_status_words[]; /* with a space between two */
extern const char rv_run_wait_words[];

/* Whether `word` is one of `words`. */
bool rv_run_is_word(const char *word, const char *words);
/* `parameter`, as it was written, must be one of `words`; "" is no wish at all. */
enum rv_code rv_run_need_word(const char *parameter, const char *word, const char *words,
                              struct rv_error *err);
/* Says that the company has no such role: gives RV_INVALID.  `roles`: those that it has, for
 * people; `waits`: a kind would have been taken, too. */
enum rv_code rv_run_no_role(const char *parameter, const char *word, bool waits, const char *roles,
                            struct rv_error *err);

#endif
