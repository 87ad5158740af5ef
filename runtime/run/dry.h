/* dry.h -- what would become of an agent's open runs if they went on with another version?
 *
 * Every open run is replayed from its journal with the other version's text, as in replay.h:
 * nothing is asked, nothing is written.
 *
 *   has it     it is on that version already
 *   safe       everything so far is the same, and it stands still: it may go on with the version
 *   pinned     nothing differs, but it stays on its own version: it moves just now, or the version
 *              does not handle its type of exception, would end it as failed, could not be tried,
 *              allows less than it has spent; or an update waits that its own version has checked
 *   diverges   the version does something else at a step that is over: it stays on its own version
 *
 * Pages of runs are shared out to threads, each with its own connection and its own compiled plan.
 *
 * Thread: the caller's; waits for the threads it makes.
 */
#ifndef REEVE_RUNTIME_RUN_DRY_H
#define REEVE_RUNTIME_RUN_DRY_H

#include "runtime/base/hash.h"
#include "runtime/base/json.h"
#include "runtime/db/db.h"

enum {
    RV_DRY_PAGE = 64,        /* runs that a thread reads at once */
    RV_DRY_THREADS_MAX = 16, /* and connections */
    RV_DRY_RUNS_MAX = 1000000
};

enum rv_dry_verdict { RV_DRY_HAS_IT, RV_DRY_SAFE, RV_DRY_PINNED, RV_DRY_DIVERGES, RV_DRY_VERDICTS };

struct rv_dry_run {
    int64_t run;
    enum rv_dry_verdict verdict;
    int32_t seq;    /* number of its newest journal entry */
    int32_t step;   /* where it diverges */
    char *why;      /* of pinned; NULL */
    char *expected; /* of diverges: what the journal has there, ... */
    char *now;      /* ... and what the version does */
};

struct rv_dry_options {
    const char *uri;
    int32_t tenant;
    const char *agent;
    const char *source; /* of the version that is tried */
    size_t length;
    int threads; /* 0: one per processor */
};

struct rv_dry_report {
    struct rv_dry_run *runs; /* by name */
    int count;
    int of[RV_DRY_VERDICTS];
    int64_t took_us;
};

/* RV_INVALID: the text does not load; RV_LIMIT: too many open runs.  rv_dry_report_fini in any
 * case. */
RV_MUST enum rv_code rv_dry_replay(const struct rv_dry_options *options,
                                   struct rv_dry_report *report, struct rv_error *err);
void rv_dry_report_fini(struct rv_dry_report *report);

const char *rv_dry_verdict_name(enum rv_dry_verdict verdict);

/* {"open", "has_it", "safe", "pinned", "diverges", "took_ms", "groups": [{"verdict", "runs",
 * "why"?, "step"?, "expected"?, "now"?, "example"}], "runs"?: [{"run", "verdict", ...}]}; new
 * reference. */
json_t *rv_dry_report_json(const struct rv_dry_report *report, bool with_runs);

#endif
