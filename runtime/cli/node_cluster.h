/* node_cluster.h -- a serving node among others: its line, its place in the placement, and what the
 * wake-ups do.
 *
 *   somebody outside a run commits (a vote, a signal, a new run)
 *     company driven here -> its orchestrator looks now (node.c)
 *     driven elsewhere    -> a wake-up over the lines, beside the database's notification (lease.h)
 *   a wake-up comes in    -> the orchestrator looks, when the company is ours
 *   a company was given to us -> the lease looks
 *
 * Without the setting cluster.listen there is no port, and everything else is the same.
 *
 * Thread: the main core's.
 */
#ifndef REEVE_RUNTIME_CLI_NODE_CLUSTER_H
#define REEVE_RUNTIME_CLI_NODE_CLUSTER_H

#include "runtime/cli/actors_api.h"
#include "runtime/cluster/cluster.h"
#include "runtime/http/api.h"

struct node;
struct node_cluster;

struct node_cluster_options {
    struct node *node;
    const char *host; /* to listen at; "": no line */
    int port;
    const char *address; /* for the other nodes, HOST:PORT; "": where we listen */
    const char *key_file;
    struct rv_line_tls tls;
    const char *api; /* address of the HTTP interface, for people */
    const char *version;
    /* Another living node has our name. */
    void (*refused)(void *data, const struct rv_error *err);
    void *data;
};

/* Before node_drive.  Opens the port where there is one.  Texts are copied. */
RV_MUST enum rv_code node_cluster_open(const struct node_cluster_options *options,
                                       struct rv_error *err);
/* node.c calls these. */
void node_cluster_begin(struct node_cluster *cluster); /* the lease is there */
void node_cluster_beaten(struct node_cluster *cluster);
void node_cluster_committed(struct node_cluster *cluster, int32_t tenant); /* driven elsewhere */
void node_cluster_leave(struct node_cluster *cluster); /* before the lease is given back */
void node_cluster_left(struct node_cluster *cluster);  /* after: tells the others, hangs up */
void node_cluster_close(struct node_cluster *cluster); /* after the database; NULL is fine */

/* Answers with the company's owner's view of its actors, or with ours and the owner's name. */
void node_cluster_actors(struct node *node, const struct actors_question *question,
                         rv_api_done done, void *data);
/* This process; for `reeve node list` and the API. */
int64_t node_cluster_boot(const struct node_cluster *cluster);
json_t *node_cluster_peers(const struct node_cluster *cluster); /* new reference */

#endif
