/* trace_sender.h -- finished runs, sent as traces to a collector: OTLP/HTTP with JSON.
 *
 *   a run is over --> queue (its number) --> batch --> statement trace_runs --> spans --> POST
 *                        | full: dropped                             ^ 429, 502, 503, 504, none:
 * again | later, at most RV_TRACE_TRIES
 *
 * Work never waits for it: a run that ends leaves its number and goes on; what it was is read from
 * the journal afterwards, by a reading connection, one batch at a time.  The queue is bounded and
 * lies in memory: what is in it when the process ends, and what a collector does not take in time,
 * is not sent; it is counted (rv_trace_sender_stats) and can be exported by `reeve run trace` as
 * long as the journal is there.  A run is sent once by the node that drove it to its end, or twice
 * when an answer was lost: its spans have the same ids then.
 *
 * Thread: the loop's.
 */
#ifndef REEVE_RUNTIME_OBSERVE_TRACE_SENDER_H
#define REEVE_RUNTIME_OBSERVE_TRACE_SENDER_H

#include "runtime/db/db.h"
#include "runtime/loop/loop.h"

enum {
    RV_TRACE_QUEUE = 8192,          /* runs: the endings of some seconds at full speed */
    RV_TRACE_BATCH_RUNS = 64,       /* of one company, in one request ... */
    RV_TRACE_BATCH_BYTES = 4 << 20, /* ... of about so much at most, but one run always */
    RV_TRACE_DELAY_MS = 1000,       /* a run that ends waits so long for others */
    RV_TRACE_TRIES = 6, /* 1, 2, 4, 8, 16 seconds between them, or what Retry-After says */
    RV_TRACE_RETRY_MAX_S = 60,
    RV_TRACE_HEADER_TEXT = 4096
};

struct rv_trace_sender;

struct rv_trace_sender_options {
    struct rv_loop *loop;
    struct rv_db *db;
    const char *endpoint;    /* http(s)://host[:port][/path]; without a path: /v1/traces */
    const char *header_file; /* one line "Name: value", for nobody else to read; NULL or "": none */
    const char *version;     /* of the program */
    const char *node;        /* its name */
    int64_t timeout_ms;      /* of one request; 0: 15 s */
    int64_t retry_ms;        /* the first wait; 0: 1 s */
};

struct rv_trace_sender_stats {
    int64_t queued;   /* runs that wait, the batch on its way included */
    int64_t runs;     /* taken by the collector */
    int64_t spans;    /* of these */
    int64_t dropped;  /* runs that were not sent: no room, or refused, or tried often enough */
    int64_t rejected; /* spans that the collector took no part of, as it said */
    int64_t retries;  /* requests sent again */
};

/* RV_INVALID: what is wrong with the endpoint or the header; RV_DENIED: others may read its file;
 * RV_NOT_FOUND, RV_IO.  All texts are copied. */
RV_MUST enum rv_code rv_trace_sender_create(const struct rv_trace_sender_options *options,
                                            struct rv_trace_sender **out, struct rv_error *err);
/* What is queued is not sent any more; `closed` (may be NULL) when nothing is outstanding. */
void rv_trace_sender_close(struct rv_trace_sender *sender, void (*closed)(void *data), void *data);
/* The run is over.  The loop's thread. */
void rv_trace_sender_add(struct rv_trace_sender *sender, int32_t tenant, int64_t run);
void rv_trace_sender_stats(const struct rv_trace_sender *sender, struct rv_trace_sender_stats *out);

#endif
