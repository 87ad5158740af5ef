/* fleet.h -- several real `reeve serve` processes on one private PostgreSQL, on loopback, with a
 * proxy in front of each one's line that can cut it or swallow what passes; and the invariants that
 * must hold whatever was done to them.
 *
 * Companies have the demonstration documents and one agent whose runs take notes, sleep, wait for a
 * signal and end in one effect each (exception.note), so that effects can be counted.  A mistake of
 * the test's own ends the program; what is found wrong is counted in `failures`.
 */
#ifndef REEVE_TESTS_SUPPORT_FLEET_H
#define REEVE_TESTS_SUPPORT_FLEET_H

#include <libpq-fe.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { FLEET_NODES_MAX = 4, FLEET_FLOWS_MAX = 64 };

enum fleet_link {
    FLEET_PASS,
    FLEET_CUT, /* connections are closed, new ones too */
    FLEET_HOLE /* they stay, and nothing comes out */
};

struct fleet_node {
    char name[16];
    pid_t pid; /* 0: not running */
    int http_port;
    int link_port;  /* where it listens */
    int proxy_port; /* what it tells the others */
    int proxy_fd;
    _Atomic int link; /* enum fleet_link */
};

struct fleet_flow {
    int from, to; /* descriptors; from -1: free */
    int node;
};

struct fleet {
    const char *program;
    const char *test;
    char state[64];
    char uri[512];
    PGconn *conn; /* sees all companies */
    struct fleet_node nodes[FLEET_NODES_MAX];
    int node_count;
    bool lines; /* started nodes have cluster.listen */
    bool quiet; /* says only what is wrong, and on standard error */
    int companies;
    pthread_t proxy;
    _Atomic bool over;
    struct fleet_flow flows[FLEET_FLOWS_MAX];
    int failures;
};

/* Skips (status 77) where PostgreSQL is not installed.  Run from the repository's root. */
void fleet_open(struct fleet *fleet, const char *program, const char *test, int nodes);
void fleet_close(struct fleet *fleet);

/* Companies c1, c2, ... are tenants 1, 2, ... */
void fleet_company(struct fleet *fleet);
/* `count` runs of the company's agent, numbered from `first`.  `about` is JSON of what they do:
 * {"notes": N, "sleep": seconds, "wait": true}. */
void fleet_runs(struct fleet *fleet, int tenant, int64_t first, int count, const char *about);
/* A token of the company's console person (an admin); caller frees. */
char *fleet_token(struct fleet *fleet, int tenant);

void fleet_start(struct fleet *fleet, int node); /* until it answers */
void fleet_signal(struct fleet *fleet, int node,
                  int signal);                  /* SIGKILL and SIGTERM: and reaps it */
void fleet_reap(struct fleet *fleet, int node); /* one that was asked to stop by other means */
void fleet_link(struct fleet *fleet, int node, enum fleet_link link);
/* Runs the program; its exit status.  Words end with NULL. */
int fleet_reeve(struct fleet *fleet, const char *const *words);

int64_t fleet_now_us(void);
void fleet_nap(int ms);
int64_t fleet_number(struct fleet *fleet, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Until the number is at least `least`: microseconds that took; -1 after `within_ms`. */
int64_t fleet_until(struct fleet *fleet, int64_t least, int within_ms, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Index of the node that owns the company; -1: none that is running here. */
int fleet_owner(struct fleet *fleet, int tenant);
/* Companies of a node, by name. */
int fleet_owned(struct fleet *fleet, int node);
/* Until each running node has between least and most companies. */
bool fleet_balanced(struct fleet *fleet, int least, int most, int within_ms);

/* Counts and prints; gives `good` back. */
bool fleet_check(struct fleet *fleet, bool good, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Effects exactly once, no audit gap, ledger zero, books and record verify; all runs are over. */
void fleet_invariants(struct fleet *fleet);

#endif
