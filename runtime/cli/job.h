/* job.h -- the main job up to the agents: find discrepancies, book what nobody objects to, find again.
 *
 *   exception.detect > post every clean document > exception.detect > done
 *
 * What was posted may now match the bank, or owe too much: therefore the second look.  `reeve exception
 * run` and the nightly schedules do the same.  Every step passes the gate under a command id made from
 * `id`: the same job again after a crash finds its earlier steps answered and does only the rest.
 *
 * Thread: the main core's.
 */
#ifndef REEVE_RUNTIME_CLI_JOB_H
#define REEVE_RUNTIME_CLI_JOB_H

#include "runtime/cli/node.h"

enum { JOB_POSTS_AT_ONCE = 256 /* requests at the gate: one batch of the committer */ };

struct job_report {
    json_t *found;    /* answer of the last detection, borrowed; NULL when there was none */
    int64_t posted;
    int64_t refused;  /* documents that the gate or the books did not let pass */
    const char *why;  /* one of the refusals, for people; "" when none */
};

struct job_options {
    struct node *node;
    int32_t tenant;
    struct rv_principal principal; /* who asks for the detection; copied.  Posting is the system's. */
    const char *id;                /* copied; at most 60 bytes */
    bool detect;
    bool post;
    /* Exactly once, never inside job_start.  A detection that was not allowed ends the job with its
     * code; a document that could not be posted does not. */
    void (*done)(void *data, enum rv_code code, const struct job_report *report,
                 const struct rv_error *err);
    void *data;
};

void job_start(const struct job_options *options);

#endif
