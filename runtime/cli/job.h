/* job.h -- the main job: find discrepancies, book what nobody objects to, let the agents work.
 *
 *   round:  exception.detect > post every clean document > exception.detect > start runs > wait for
 * them
 *
 * Rounds follow each other while they move something, because one agent's match or one posting may
 * clear or raise the next: what was posted may now match the bank, what was matched is no exception
 * any more. `reeve exception run` and the nightly schedules do the same.  Every step passes the
 * gate under a command id made from `id`: the same job again after a crash finds its earlier steps
 * answered and does only the rest.  Where another node drives the company, that one starts the runs
 * and the job waits for them.
 *
 * Thread: the main core's.
 */
#ifndef REEVE_RUNTIME_CLI_JOB_H
#define REEVE_RUNTIME_CLI_JOB_H

#include "runtime/cli/node.h"

enum {
    JOB_ROUNDS_MAX = 5,
    JOB_POSTS_AT_ONCE = 256, /* requests at the gate: one batch of the committer */
    JOB_COUNT_MS = 100,      /* how often the runs are counted */
    JOB_LOOK_MS = 30000,     /* a look whose orchestrator was restarted never ends: ask again */
    JOB_RENEWALS = 2,        /* of a lease: it is another node's */
    JOB_WATCH_COUNTS =
        40 /* another node's work is over when so many counts in a row find nothing */
};

struct job_counts {
    int64_t left, all, asking,
        over; /* runs: can move by themselves, ever, wait for people, ended */
};

struct job_report {
    json_t *found; /* answer of the last detection, borrowed; NULL when there was none */
    int64_t posted;
    int64_t refused; /* documents that the gate or the books did not let pass, at the last try */
    const char *why; /* one of the refusals, for people; "" when none */
    int rounds;
    bool watched; /* another node did the work */
};

struct job;

struct job_options {
    struct node *node;
    int32_t tenant;
    struct rv_principal
        principal;  /* who asks for the detection; copied.  Posting is the system's. */
    const char *id; /* copied; at most 60 bytes */
    bool detect;
    bool post;
    bool start; /* runs for exceptions that have none; false: only those that are under way go on */
    /* The counts changed.  May be NULL. */
    void (*progress)(void *data, const struct job_counts *counts);
    /* Exactly once, never inside job_start.  A detection that was not allowed ends the job with its
     * code; a document that could not be posted does not. */
    void (*done)(void *data, enum rv_code code, const struct job_report *report,
                 const struct rv_error *err);
    void *data;
};

struct job *job_start(const struct job_options *options);
/* Ends it with RV_CANCELED, at once or when the step that is under way is answered. */
void job_cancel(struct job *job);

#endif
