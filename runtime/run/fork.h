/* fork.h -- a new run that begins where another one once was: time travel forwards.
 *
 * The new run has the journal of the old one up to a step, as answered: none of it is asked again,
 * no effect of it is performed again, and should the new run fail, none of it is taken back (it is
 * the old run's).  From there on it is a run like any other, under its own id, budget and claim; it
 * may have another version of the agent and changed input, as long as those do the same up to the
 * step.  Where it comes from stands in its input, `forked`: {run, at, name, now_us, seed}; name,
 * time and chance of the first run are what its plan sees, so that the copied part replays.
 */
#ifndef REEVE_RUNTIME_RUN_FORK_H
#define REEVE_RUNTIME_RUN_FORK_H

#include "runtime/run/request.h"

struct rv_run_fork {
    int64_t run;
    int32_t at;          /* the last step that is taken over; 0: none */
    const char *version; /* of the agent: its name, or the beginning of its hash; NULL: as it was */
    const json_t *input; /* members of the exception that are replaced; NULL: none */
    /* Of a dead letter (reeve run revive): the gate hears mode "revive" and the reason, and what
     * the old run had not taken of its signals goes to the new one. */
    bool revive;
    const char *reason; /* NULL: none */
    /* Of a revival: the new run gets another message than the one that the first took there. */
    struct {
        int32_t step;       /* where it was taken */
        int64_t id;         /* which it is; found by revive.h */
        const json_t *body; /* any JSON; NULL: as it was */
    } message;
};

/* Whether it may be: `facts` is the one row of statement run_fork_look.  RV_NOT_FOUND, RV_CONFLICT
 * (the run is open, was taken back; a revival would do again what stands) or RV_INVALID (the step),
 * saying which step could be. */
RV_MUST enum rv_code rv_fork_check(const json_t *facts, const struct rv_run_fork *fork,
                                   struct rv_error *err);
/* The input of the new run; new reference. */
json_t *rv_fork_input(const json_t *facts, const struct rv_run_fork *fork);

/* Through the gate as run.start with mode "fork"; `done` gets the new run.  RV_CONFLICT also: a run
 * holds the claim on the same business. */
void rv_run_fork(struct rv_gate *gate, struct rv_db *db, int32_t tenant,
                 const struct rv_principal *principal, const struct rv_run_fork *fork,
                 rv_run_asked done, void *data);

#endif
