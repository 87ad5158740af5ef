/* private_postgres.h -- reeve's own PostgreSQL: made, started and stopped without anybody
 * configuring it.
 *
 * Where no database setting is given, reeve keeps a cluster in its state directory and reaches it
 * by a unix socket; it listens nowhere else.  The server runs in a session of its own and stays
 * between commands; `stop` ends it cleanly.  A server that was killed starts again by itself on
 * next use.
 *
 * It never runs as root: for root it belongs to the account `postgres`, or else `nobody`.  Calls
 * fork and wait (about 1 s to make a cluster, 0.1 s to start, milliseconds when running); the
 * worker allocates after the fork, which glibc allows also where there are threads.  Two callers at
 * once are fine; the second waits for the first.
 */
#ifndef REEVE_RUNTIME_DB_PRIVATE_POSTGRES_H
#define REEVE_RUNTIME_DB_PRIVATE_POSTGRES_H

#include "runtime/base/error.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    RV_PRIVATE_POSTGRES_MAJOR_MIN = 15, /* MERGE, security_invoker, and what the migrations use */
    RV_PRIVATE_PATH_MAX = 1024
};

enum rv_private_postgres_state {
    RV_PRIVATE_ABSENT, /* no cluster was made yet */
    RV_PRIVATE_STOPPED,
    RV_PRIVATE_RUNNING
};

struct rv_private_postgres_options {
    const char *state_dir; /* made when missing; the cluster is in its folder "postgres" */
    const char
        *bin_dir; /* where initdb and postgres are; NULL or "": the newest that is installed */
    int64_t timeout_ms; /* for the server to accept connections or to end; 0: 60 s */
};

struct rv_private_postgres_status {
    enum rv_private_postgres_state state;
    bool changed;  /* this very call made, started or stopped it */
    int pid;       /* 0 unless running */
    int major;     /* of the cluster; 0 when absent */
    char user[64]; /* the account it runs as */
    char data[RV_PRIVATE_PATH_MAX];
    char log[RV_PRIVATE_PATH_MAX];
    char uri[RV_PRIVATE_PATH_MAX + 64]; /* database "reeve" as "reeve", who owns nothing in it */
    char admin_uri[RV_PRIVATE_PATH_MAX + 64]; /* the same as its superuser: migrations, backups */
};

/* Makes the cluster when there is none, starts it when it does not run, gives its URI.
 * Fails: RV_UNAVAILABLE (not installed, did not come up: detail has the end of its log), RV_IO and
 * RV_DENIED (the place cannot be written or belongs to somebody else), RV_CONFLICT (in use from
 * elsewhere, e.g. another container), RV_TIMEOUT. */
RV_MUST enum rv_code rv_private_postgres_start(const struct rv_private_postgres_options *options,
                                               struct rv_private_postgres_status *out,
                                               struct rv_error *err);
/* Ends it as PostgreSQL's "fast" shutdown does: clients are cut off, everything committed is safe.
 * Not running is fine (`out->changed` is false). */
RV_MUST enum rv_code rv_private_postgres_stop(const struct rv_private_postgres_options *options,
                                              struct rv_private_postgres_status *out,
                                              struct rv_error *err);
/* Changes nothing. */
RV_MUST enum rv_code rv_private_postgres_status(const struct rv_private_postgres_options *options,
                                                struct rv_private_postgres_status *out,
                                                struct rv_error *err);

/* Stops it and deletes the cluster with everything in it.  RV_NOT_FOUND when there is none. */
RV_MUST enum rv_code rv_private_postgres_remove(const struct rv_private_postgres_options *options,
                                                struct rv_private_postgres_status *out,
                                                struct rv_error *err);

/* Clusters that lie outside their state directory (root's, see private_postgres.c), one call each;
 * `state_dir` is "" when an older version made it and did not say for whom, `gone` when that folder
 * is there no more: then nobody will ever use the cluster again.  None where there are none. */
struct rv_private_postgres_spare {
    const char *place;
    const char *state_dir;
    bool gone;
};
void rv_private_postgres_spares(void (*each)(void *data,
                                             const struct rv_private_postgres_spare *spare),
                                void *data);

const char *rv_private_postgres_state_name(enum rv_private_postgres_state state);

#endif
