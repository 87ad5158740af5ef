/* journal.h -- the rows of runs: typed appends into a transaction of the committer.
 *
 * A step's output is stored as a version byte and compact JSON; a large one as a blob (blob.h) and
 * its hash, which readers of the table turn back with reeve_journal_out.  (run, seq) is the primary
 * key: two owners can never both commit the same step, whatever their leases say.
 */
#ifndef REEVE_RUNTIME_JOURNAL_JOURNAL_H
#define REEVE_RUNTIME_JOURNAL_JOURNAL_H

#include "runtime/db/db.h"
#include "runtime/journal/commit.h"

enum {
    RV_JOURNAL_DIGEST_BYTES = 16,
    RV_JOURNAL_OUT_JSON = 1, /* first byte of `out`: compact JSON text follows */
    RV_JOURNAL_OUT_BLOB = 2, /* ... the SHA-256 of that text follows: it is a blob */
    /* In the row; above 2 KB PostgreSQL keeps it beside the page (TOAST), which costs less than the
     * three rows of a blob; above this a blob, once for all entries that say the same. */
    RV_JOURNAL_INLINE_MAX = 32 << 10,
    RV_JOURNAL_OUT_MAX = 8 << 20, /* one step's output: as much as a plan can hold; else a blob */
    /* As JSON.  An input of so many bytes stands in the run's row, where every change of the status
     * copies it; a row of its own costs 75 bytes more than what it holds. */
    RV_RUN_INPUT_NEAR = 128
};

/* Nothing was appended, and the unit must be refused, with RV_LIMIT: `out` is larger than
 * RV_JOURNAL_OUT_MAX; with RV_INVALID: it is no JSON (NULL: made of text that is not UTF-8). */
RV_MUST enum rv_code rv_journal_append(struct rv_batch *batch, int64_t run, int32_t seq, int kind,
                                       const char *name,
                                       const uint8_t digest[RV_JOURNAL_DIGEST_BYTES],
                                       const json_t *out);

struct rv_run_new {
    int64_t id;
    const char *agent;
    const struct rv_hash *plan_hash;
    const char *business_key; /* claim: at most one open run per key; NULL none */
    int64_t parent;           /* 0 none */
    int depth;
    const char *close; /* of a child: "cancel" "abandon" "wait" "handoff"; NULL without a parent */
    bool shares;       /* the claim is held by a run above */
    const json_t *budget; /* what the parent gave; NULL none */
    const json_t *input;
};
/* A small input without a budget and without a trace (those are looked for in run_input) stands in
 * the run's row, any other in run_input; readers ask the function run_given. */
void rv_journal_run_new(struct rv_batch *batch, const struct rv_run_new *run);

struct rv_run_status {
    int64_t run;
    const char *status;
    const char *waiting_on; /* NULL none */
    int64_t wake_us;        /* 0 none */
    const char *error_code; /* NULL: unchanged */
    const char *error_text;
    int32_t steps;
};
void rv_journal_run_status(struct rv_batch *batch, const struct rv_run_status *status);

/* Decodes a step's output from a result column; new reference. */
RV_MUST enum rv_code rv_journal_out_decode(const struct rv_result *result, int row, int column,
                                           json_t **out, struct rv_error *err);

#endif
