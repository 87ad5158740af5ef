/* private_place.h -- where reeve's own PostgreSQL lives, and the steps of private_postgres.c that
 * run as its account.  Private to runtime/db. */
#ifndef REEVE_RUNTIME_DB_PRIVATE_PLACE_H
#define REEVE_RUNTIME_DB_PRIVATE_PLACE_H

#include "runtime/db/private_postgres.h"

#include <sys/types.h>

#define PRIVATE_SPARE_ROOT  "/var/lib/reeve"
#define PRIVATE_SPARE_BEGIN "private-"
#define PRIVATE_OWNER_FILE  "state-dir" /* in a spare place: whose it is */

enum { PRIVATE_GROUPS_MAX = 64 }; /* more than that are left out: the server needs none */

struct private_place {
    uid_t uid; /* of the server, never 0 */
    gid_t gid;
    gid_t groups[PRIVATE_GROUPS_MAX]; /* looked up before the fork: threads may hold NSS's locks */
    int group_count;
    char user[64];
    char caller[64];                /* the account that runs reeve, "root" or the same as `user` */
    char base[RV_PRIVATE_PATH_MAX]; /* real path; holds data, logs, locks and the socket */
    char data[RV_PRIVATE_PATH_MAX];
    char fresh[RV_PRIVATE_PATH_MAX];  /* data.new: a cluster being made */
    char socket[RV_PRIVATE_PATH_MAX]; /* folder of the socket: base, or in /tmp when base is too
                                         long */
    char start_log[RV_PRIVATE_PATH_MAX];
    char bin[RV_PRIVATE_PATH_MAX]; /* "" until private_find_programs */
    int64_t timeout_ms;
};

/* All of these run as the server's account (see private_postgres.c) and return reports by `err`. */

/* The major version of the cluster, 0 when none was made. */
int private_cluster_major(const struct private_place *place);
/* Fills place->bin: `bin_dir`, or the installed version that fits the cluster, or the newest. */
RV_MUST enum rv_code private_find_programs(struct private_place *place, const char *bin_dir,
                                           struct rv_error *err);
/* initdb and first SQL in data.new, synced, then renamed: a half-made cluster is never taken for
 * one. */
RV_MUST enum rv_code private_make_cluster(const struct private_place *place, struct rv_error *err);

/* The postmaster of this cluster, 0 when it does not run (zombies do not count). */
pid_t private_server_pid(const struct private_place *place);
/* `lock_fd` from private_server_sweep; the server inherits a copy of it. */
RV_MUST enum rv_code private_server_launch(const struct private_place *place, int lock_fd,
                                           struct rv_error *err);
RV_MUST enum rv_code private_server_end(const struct private_place *place, pid_t pid,
                                        struct rv_error *err);
/* Ends what outlived a killed postmaster, makes sure that nobody uses the cluster from elsewhere,
 * and removes the leftovers.  `out_lock_fd`: the lock that says so; goes with the process. */
RV_MUST enum rv_code private_server_sweep(const struct private_place *place, int *out_lock_fd,
                                          struct rv_error *err);

/* Runs a program with a clean environment, output appended to the start log, `input` (may be NULL)
 * on its standard input; gives its exit status, 128 + n for signal n. */
int private_run(const struct private_place *place, const char *const argv[], const char *input);
/* In a forked child, before exec: nothing of the caller is left but standard input and output. */
void private_child(const struct private_place *place, int input_fd, int keep_fd);
extern char *private_environment[];
/* The last lines of the start log as the error's detail. */
void private_log_tail(const struct private_place *place, struct rv_error *err);
/* Joins two parts; a wrong program when it does not fit (lengths are checked before). */
void private_join(char out[RV_PRIVATE_PATH_MAX], const char *folder, const char *name);
void private_pause_ms(int ms);

#endif
