/* link.h -- one connection on the loop, in pipeline mode, that comes back by itself.
 *
 *   DOWN --back-off--> CONNECTING --> SETUP --> UP --lost--> DOWN
 *
 * The user sends statements and ends a transaction with a sync; results arrive in order with the
 * tag they were sent with.  When a transaction failed, the link rolls back before it reports
 * `synced`. When the connection is lost everything outstanding is forgotten and `down` is told
 * once; the user decides what to send again.  Private to runtime/db and the committer.
 */
#ifndef REEVE_RUNTIME_DB_LINK_H
#define REEVE_RUNTIME_DB_LINK_H

#include "runtime/db/pq.h"
#include "runtime/loop/loop.h"

struct rv_link;

struct rv_link_events {
    void (*up)(void *data);
    void (*down)(void *data, const struct rv_error *err);
    /* One call per statement that had a tag >= 0, success or failure; `result` only for the call.
     * Statements after a failed one in the same transaction are reported as `aborted`. */
    void (*result)(void *data, int tag, const struct rv_result *result);
    void (*failed)(void *data, int tag, enum rv_code code, const char *sqlstate,
                   const struct rv_error *err);
    void (*synced)(void *data); /* the transaction is over, one way or the other */
    /* A notification on a channel that this connection listens to.  May be NULL. */
    void (*notified)(void *data, const char *channel, const char *payload);
};

struct rv_link *rv_link_create(struct rv_loop *loop, const char *uri,
                               const struct rv_link_events *events, void *data);
void rv_link_close(struct rv_link *link, void (*closed)(void *data), void *data);
bool rv_link_is_up(const struct rv_link *link);

/* No event fires inside these calls.  tag < 0: only a failure is reported (as tag -1).  `args` is
 * borrowed for the call; on a link that is not up nothing happens (`down` has told or will tell).
 */
void rv_link_send(struct rv_link *link, const struct rv_statement *statement, struct rv_args *args,
                  int tag);
/* Hands what was sent so far to the server and asks for the results; the transaction stays open.
 * The server knows that it now waits for us and ends the transaction when nothing comes for longer
 * than idle_in_transaction_session_timeout (protocol: a Sync inside an explicit transaction; after
 * a mere Flush no limit of the server holds, and a stopped process would keep its locks). */
void rv_link_flush(struct rv_link *link);
void rv_link_sync(struct rv_link *link); /* end of transaction */
/* Something hangs: drop the connection and start again. */
void rv_link_kill(struct rv_link *link, const char *why);

#endif
