/* replay.h -- executes a recorded run again, without a world: every answer comes from its journal.
 *
 * The very actor that ran it first runs it again (run_actor.c), on a port that has only the
 * document.  Nothing is read from a database, nothing is written, no gate is asked, no model is
 * called.  The first request that the journal does not answer is the end.
 *
 * Thread: any; it makes its own loop.  Takes as long as the plan takes.
 */
#ifndef REEVE_RUNTIME_RUN_REPLAY_H
#define REEVE_RUNTIME_RUN_REPLAY_H

#include "runtime/run/history_pages.h"

enum rv_replay_verdict {
    RV_REPLAY_SAME,    /* every entry, the end and the result are as recorded */
    RV_REPLAY_OPEN,    /* the run is not over; as far as it went, all is the same */
    RV_REPLAY_DIFFERS, /* `difference` says where and how */
    RV_REPLAY_STOPPED  /* a cap of processor time on a busy machine: says nothing; try again */
};

struct rv_replay_report {
    enum rv_replay_verdict verdict;
    int steps;      /* journal entries that were taken */
    char text[512]; /* of the verdict, for people */
    /* {"step", "recorded"?: {kind,name,digest,out}, "now"?: {kind,name,digest,args,line},
     *  "differences"?: as rv_json_compare, left is recorded}; NULL unless it differs */
    json_t *difference;
    json_t *next; /* of an open run: what it waits for or would do next {kind,name,args}; or NULL */
    enum rv_run_state end; /* what it ends as now; RV_RUN_STATE_COUNT: it does not end */
    char over[256];        /* why it may not go on with what it has spent; "" it may */
    int64_t deadline_us;   /* of its wall time by this version; 0 none */
    json_t *result;        /* {outcome, review} as computed now; NULL when it did not come so far */
    /* Of everything computed now: plan, each entry's kind, name and digest, end and result.  Equal
     * on two machines: they did the same, byte for byte. */
    struct rv_hash hash;
};

/* `source` NULL: the run's own plan; else the Lua text that should be tried on its journal.
 * RV_INVALID: the plan does not load.  The report is filled in on RV_OK; rv_replay_report_fini
 * in any case. */
RV_MUST enum rv_code rv_replay(const json_t *history, const char *source,
                               struct rv_replay_report *report, struct rv_error *err);
/* The same of a journal of any length, from one checkpoint to the next: in memory is what the run
 * itself has there while it works.  `head` is a document without its journal. */
RV_MUST enum rv_code rv_replay_pages(const json_t *head, const struct rv_history_pages *pages,
                                     const char *source, struct rv_replay_report *report,
                                     struct rv_error *err);
void rv_replay_report_fini(struct rv_replay_report *report);
/* The same for an open run as a store loads it, without a document: takes `image`, whose source is
 * what is tried.  `agents`: where many are tried, compiled plans of this thread. */
RV_MUST enum rv_code rv_replay_image(struct rv_run_image *image, int64_t run,
                                     struct rv_agents *agents, struct rv_replay_report *report,
                                     struct rv_error *err);

/* For redaction: goes the same way over changed answers and puts the arguments' new digests, the
 * new plan and the new outcome into `history`.  The report tells where it could not. */
RV_MUST enum rv_code rv_replay_rebase(json_t *history, struct rv_replay_report *report,
                                      struct rv_error *err);

const char *rv_replay_verdict_name(enum rv_replay_verdict verdict);

#endif
