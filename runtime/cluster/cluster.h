/* cluster.h -- how nodes of one database tell each other to look, and ask each other.
 *
 * Never truth: every fact is in PostgreSQL, where each node looks by itself twice a second or once;
 * what comes over a line only makes it look sooner.  Losing all of it costs latency and nothing
 * else, which is also what is tested.
 *
 *   rv_cluster_wake    something happened in a company that somebody else may drive
 *   rv_cluster_leases  look at what you own: a company was given to you
 *   rv_cluster_ask     a question to one process, answered within a time or not
 *
 * Peers are the living rows of table node that have a line; the table is read once a second and
 * when a stranger speaks.  What is said while a message is on its way goes with the next one, all
 * together; the same wake-up twice is one.  Messages are sealed and numbered (wire.h); what comes
 * from a process that is not in the table, was seen before or does not open is counted and dropped.
 *
 * Thread: the loop's.
 */
#ifndef REEVE_RUNTIME_CLUSTER_CLUSTER_H
#define REEVE_RUNTIME_CLUSTER_CLUSTER_H

#include "runtime/base/json.h"
#include "runtime/cluster/key.h"
#include "runtime/cluster/line.h"
#include "runtime/db/db.h"

struct rv_cluster;

enum {
    RV_CLUSTER_PEERS_MAX = 64,
    RV_CLUSTER_ASKS_MAX = 256,
    RV_CLUSTER_WAKES_MAX = 256,        /* companies in one message; more wait for the next look */
    RV_CLUSTER_WAKES_ROOM = 64 * 1024, /* of a message, which questions and answers leave free */
    RV_CLUSTER_PEERS_MS = 1000         /* so often the table is read */
};

/* A question from another node; answer it once, on the loop, whenever. */
struct rv_cluster_question;

struct rv_cluster_options {
    struct rv_loop *loop;
    struct rv_db *db;
    int64_t boot;                     /* of this process */
    const char *host;                 /* to listen at */
    int port;                         /* 0: any */
    const struct rv_cluster_key *key; /* copied */
    struct rv_line_tls tls;
    void (*wake)(void *data, int32_t tenant);
    void (*leases)(void *data);
    void (*ask)(void *data, struct rv_cluster_question *question, const json_t *body);
    void *data;
};

/* Opens the port, see rv_line_open. */
RV_MUST enum rv_code rv_cluster_open(const struct rv_cluster_options *options,
                                     struct rv_cluster **out, struct rv_error *err);
int rv_cluster_port(const struct rv_cluster *cluster);
/* Before the database is closed: hangs up, ends every question with RV_CANCELED, says nothing more.
 */
void rv_cluster_stop(struct rv_cluster *cluster);
/* After the database is closed and every question answered. */
void rv_cluster_destroy(struct rv_cluster *cluster); /* NULL is fine */

void rv_cluster_wake(struct rv_cluster *cluster, int32_t tenant);
void rv_cluster_leases(struct rv_cluster *cluster);

/* `answered` is called exactly once; inside the call only with RV_LIMIT (too many) or RV_CANCELED
 * (stopping); else with RV_NOT_FOUND (no line to that process), RV_TIMEOUT, or what the other node
 * said; `answer` is borrowed. */
void rv_cluster_ask(struct rv_cluster *cluster, int64_t boot, const json_t *body,
                    int64_t timeout_ms,
                    void (*answered)(void *data, enum rv_code code, const json_t *answer,
                                     const struct rv_error *err),
                    void *data);
/* Takes the question; `answer` is borrowed, NULL: `err` says why not. */
void rv_cluster_answer(struct rv_cluster_question *question, const json_t *answer,
                       const struct rv_error *err);

/* Nothing of ours is on its way. */
bool rv_cluster_quiet(const struct rv_cluster *cluster);

/* For people: one object a peer {name, boot, link, sent, lost, received, heard_ms}. New reference.
 */
json_t *rv_cluster_peers(const struct rv_cluster *cluster);

struct rv_cluster_stats {
    int64_t sent, lost, received;
    int64_t refused; /* strangers, other keys, replays, nonsense */
};
void rv_cluster_stats(const struct rv_cluster *cluster, struct rv_cluster_stats *out);

#endif
