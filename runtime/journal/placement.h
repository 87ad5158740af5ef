/* placement.h -- which serving node drives which company, when there are several.
 *
 * No coordinator: the database proposes (reeve_placement_propose: weights and active runs), the
 * owner lets go, the epoch decides.  After each beat a serving node
 *
 *   says who it is (once per lease)  ->  compares what it drives with what it owns
 *                                    ->  notes what its companies weigh  ->  asks what to give away
 *
 * A move: no new work for the company here (drain), then one statement gives it to the other node,
 * behind the transaction in flight; that node finds it at its next beat, or at once when it is told
 * (rv_placement_look).  A drain that takes long is not waited for: the epoch refuses what is late.
 *
 * Thread: the loop's.
 */
#ifndef REEVE_RUNTIME_JOURNAL_PLACEMENT_H
#define REEVE_RUNTIME_JOURNAL_PLACEMENT_H

#include "runtime/journal/lease.h"

struct rv_placement;

enum {
    RV_PLACEMENT_MOVES_MAX = 16,  /* companies on their way at once */
    RV_PLACEMENT_SAMPLE_BEATS = 3 /* every so many beats the weights are noted */
};

/* What the others may know of this node; texts are borrowed, "" for none. */
struct rv_node_face {
    int64_t boot; /* of this process: never used again */
    const char *link;
    const char *link_mark;
    const char *api;
    const char *version;
};

struct rv_placement_options {
    struct rv_loop *loop;
    struct rv_db *db;
    struct rv_lease *lease;
    int64_t lease_ms;
    struct rv_node_face face;
    const int32_t *weighted; /* companies with a weight ... */
    const int32_t *weights;  /* ... of their own; the others have 1 */
    int weight_count;
    /* Ends the company's work here, then calls `drained`, soon in any case. */
    void (*drain)(void *data, int32_t tenant, void (*drained)(void *data), void *drained_data);
    void (*passed)(void *data, int64_t to_node); /* 0: whoever comes */
    /* Somebody else serves under this node's name: nothing is right until one of the two ends. */
    void (*refused)(void *data, const struct rv_error *err);
    void *data;
};

struct rv_placement *rv_placement_create(const struct rv_placement_options *options);
/* From the lease's `beaten`. */
void rv_placement_beaten(struct rv_placement *placement);
/* Something may have been given to us. */
void rv_placement_look(struct rv_placement *placement);
/* Before the lease is closed: nothing is begun any more. */
void rv_placement_stop(struct rv_placement *placement);
/* After the database is closed. */
void rv_placement_destroy(struct rv_placement *placement); /* NULL is fine */

/* Who serves under `name`, waiting: RV_CONFLICT naming it, since when and what to do.  One that
 * was killed on this machine is buried, one whose lock is free (lease.h) has no lease any more;
 * else, one that does not move any more is waited for until its lease ends. */
RV_MUST enum rv_code rv_placement_name_free(struct rv_db_session *session, const char *name,
                                            struct rv_error *err);

#endif
