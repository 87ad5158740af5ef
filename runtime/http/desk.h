/* desk.h -- administration that waits for the database, away from the loop.
 *
 * The rules of schedules, calendars and dead letters are written for a session that waits
 * (rv_db_session), because the command line has one.  The desk runs them for a call: on a thread of
 * the work pool, with a session of its own; what they change goes through the door of
 * runtime/audit/door.h to the committer of the loop, so that act and record are one transaction.
 *
 *   call (loop) -> [waits for a place] -> work (pool thread) -> answer (loop)
 *                                            | change
 *                                            v
 *                                     committer (loop), the thread waits
 *
 * Few at a time: the pool also checks passwords.
 *
 * Thread: the loop's, but for the work itself.
 */
#ifndef REEVE_RUNTIME_HTTP_DESK_H
#define REEVE_RUNTIME_HTTP_DESK_H

#include "runtime/http/call.h"

enum {
    RV_DESK_PLACES = 2,       /* at work; half of the pool */
    RV_DESK_WAITING_MAX = 64, /* more are refused with 503: somebody's program runs in a circle */
    RV_DESK_FIELD_TEXT = 80
};

/* One piece of work.  `call` may be read: its path, body and caller. */
struct rv_asked {
    struct rv_call *call;
    struct rv_db_session *session; /* with the door of the act */
    int32_t tenant;
    int64_t now_us;
    json_t *answer; /* out: owned by the desk */
    int status;     /* out, of a success: 200 */
    /* out, of a failure: the member of the body (or query) that was wrong; NULL: none.  What is
     * wrong in a member is answered with 422. */
    const char *field;
    char field_text[RV_DESK_FIELD_TEXT]; /* room for a name that is made */
    int field_status;                    /* out: another status than 422; 0: none */
    /* out, of a success: goes on with the call, on the loop, instead of an answer.  `data` is the
     * work's own and belongs to `then` from here on. */
    void (*then)(struct rv_call *call, void *data);
    void *data;
};
typedef enum rv_code (*rv_desk_work)(struct rv_asked *asked, struct rv_error *err);

/* Reads: nothing is changed, nothing is on record. */
void rv_desk_read(struct rv_call *call, rv_desk_work how);
/* At most one change; the record says `what`, the caller and the members of `about` (taken). */
void rv_desk_act(struct rv_call *call, const char *what, json_t *about, rv_desk_work how);

/* Answers with the error, `status` when it is about a member; 0: 422. */
void rv_desk_refuse(struct rv_call *call, const struct rv_error *err, const char *field,
                    int status);

struct rv_desk *rv_desk_create(struct rv_loop *loop, const char *uri,
                               struct rv_committer *committer);
/* Those that wait for a place are refused, and what works changes nothing any more. */
void rv_desk_stop(struct rv_desk *desk);
void rv_desk_destroy(struct rv_desk *desk); /* after stop; NULL is fine */

#endif
