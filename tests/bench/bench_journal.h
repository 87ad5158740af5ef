/* bench_journal.h -- what a gated step of the journal benchmark is; replaceable, so that the same
 * runs can be driven through the real door. */
#ifndef REEVE_TESTS_BENCH_BENCH_JOURNAL_H
#define REEVE_TESTS_BENCH_BENCH_JOURNAL_H

#include "runtime/journal/commit.h"

/* One run of the benchmark: its unit is submitted again as soon as its step is durable. */
struct bench_step {
    struct rv_unit unit; /* first: the committer's pointer is ours */
    int64_t run;
    int32_t seq;      /* of the step being written */
    char key[32];     /* "run:<id>" */
    char subject[32]; /* "invoice:<id>": what a gated step acts on */
    json_t *args;     /* of the first load */
    int64_t started_us;
    void *world;
};

/* Fills in loads and decide of a step. */
struct bench_step_kind {
    void (*prepare)(struct bench_step *step);
    enum rv_code (*decide)(struct rv_unit *unit, struct rv_batch *batch, struct rv_error *err);
};

#endif
