/* search.h -- the words that a search of runs takes (`reeve run list`, GET /v1/runs, and what acts
 * on many runs), and what is said of those that it does not know.
 *
 * What runs wait for is a kind (rv_run_wait_words), or a role: the people whose answer is missing.
 * A role is one that the company has: somebody holds it, its active policy asks it or an open
 * question does; the statement run_role_known says so.  An agent is one that was published in the
 * company once, or that has runs: run_agent_known.  A name that is neither is a mistake, and not
 * one of which there are no runs.
 */
#ifndef REEVE_RUNTIME_RUN_SEARCH_H
#define REEVE_RUNTIME_RUN_SEARCH_H

#include "runtime/db/db.h"

#include <stdbool.h>

extern const char rv_run_status_words[]; /* with a space between two */
extern const char rv_run_wait_words[];
/* What a run's last error may be; plans make no others: what they raise is "invalid". */
extern const char rv_run_error_words[];
extern const char rv_run_dead_words[];      /* classes of dead letters */
extern const char rv_run_exception_words[]; /* what an exception may stand at */

/* Says that the company has no such role: gives RV_INVALID.  `roles`: those that it has, for
 * people; `waits`: a kind would have been taken, too. */
enum rv_code rv_run_no_role(const char *parameter, const char *word, bool waits, const char *roles,
                            struct rv_error *err);
/* Says that there was never such an agent: gives RV_NOT_FOUND. */
enum rv_code rv_run_no_agent(const char *parameter, const char *name, struct rv_error *err);

/* RV_NOT_FOUND when there was never an agent `name`; NULL and "" are no wish.  Blocking. */
RV_MUST enum rv_code rv_run_need_agent(struct rv_db_session *session, int32_t tenant,
                                       const char *parameter, const char *name,
                                       struct rv_error *err);

/* How the members of a filter are called where somebody wrote them. */
struct rv_run_filter_names {
    const char *waiting_on, *role, *agent;
};
/* Whether role and agent of a filter, as the function run_find takes it, are those of the company;
 * what waits is a kind or a role.  *field, may be NULL: the name of the one that is wrong.
 * Blocking. */
RV_MUST enum rv_code rv_run_filter_check(struct rv_db_session *session, int32_t tenant,
                                         const json_t *filter,
                                         const struct rv_run_filter_names *names,
                                         const char **field, struct rv_error *err);

#endif
