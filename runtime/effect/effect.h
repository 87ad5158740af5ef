/* effect.h -- what happens outside happens once: intent, attempt, outcome.
 *
 * An action such as http.request passes the gate like any other.  Its decision is not the deed but
 * a durable intent with an idempotency key, written in the gate's transaction.  The run then asks
 * for its outcome, here:
 *
 *                      (known not to have happened: connection refused, 429, 503)
 *            +---------------------- retry <-----------------+--------------------------+
 *            v                                               |                          |
 *   intended --> attempting --(2xx)--> done             (not there)               (not done)
 *                     |  \---(4xx)---> failed                |                          |
 *                     \--(no clear answer, or a crash)--> unclear --(the rule)--> person --> done
 *                                                            \--(there)--> done
 *
 * Every arrow is a transaction with its line in effect_log and its audit record; an attempt begins
 * only after "attempting" is durable.  What was found as "attempting" or "unclear" by a node that
 * does not know better goes to the rule of its connector, never to another attempt:
 *
 *   repeat   the receiver drops repeats by the key: the same request again
 *   status   GET of an address with the key in it: 2xx it happened, 404 or 410 it did not
 *   look     of files: is there one of that name with that content?
 *   person   `reeve intent resolve`
 *
 * An attempt has a deadline, and nobody asks the rule before it is over: so a process that was
 * stopped in between and goes on cannot send what another has sent meanwhile, because its own clock
 * has run out.  What an attempt gave is a fact: it is written even when another node drives the
 * company by then, as long as the intent still stands at that attempt; all else needs the epoch.
 *
 * Thread: the loop's.
 */
#ifndef REEVE_RUNTIME_EFFECT_EFFECT_H
#define REEVE_RUNTIME_EFFECT_EFFECT_H

#include "runtime/db/db.h"
#include "runtime/journal/commit.h"

enum {
    RV_EFFECT_KEY_TEXT = 80,
    RV_EFFECT_MARGIN_MS = 2000, /* between an attempt's deadline and the first look at it */
    RV_EFFECT_LATE_MS = 1000,   /* an attempt that begins so long after its record is not begun */
    RV_EFFECT_LOOKS_MAX = 8,    /* a status that stays unclear so often goes to a person */
    RV_EFFECT_BACKOFF_MAX_MS = 3600 * 1000,
    RV_EFFECT_CLOSE_MS = 5000 /* attempts on their way may end before the node does */
};

struct rv_effects;

struct rv_effects_options {
    struct rv_loop *loop;
    struct rv_db *db;
    struct rv_committer *committer;
    const char *hook_key; /* file of the key that opens the connectors' secrets */
};
struct rv_effects *rv_effects_create(const struct rv_effects_options *options);
/* Lets attempts on their way end, for a while.  What is cut off is unclear when it is looked at
 * again.  `closed` may be NULL; before the committer and the database are closed. */
void rv_effects_close(struct rv_effects *effects, void (*closed)(void *data), void *data);

/* "reeve-1-r911902230237808202-7": the same for every attempt, and for nothing else. */
void rv_effect_key(int32_t tenant, int64_t run, int32_t seq, char out[RV_EFFECT_KEY_TEXT]);
/* In the gate's transaction: the intent of the action that step `seq` of the run performs. */
void rv_effect_intend(struct rv_batch *batch, int64_t run, int32_t seq, const char *action,
                      const json_t *args);

struct rv_effect_ask {
    int32_t tenant;
    int64_t run;
    int64_t epoch;
    int32_t seq;        /* of the step whose intent it is */
    const char *cancel; /* why the run shall stop; NULL: it shall not */
};
/* Does what can be done now and gives, when that is durable, a new reference:
 *   {"ok":true,"state":"done","key","attempts","how","answer":{…}}
 *   {"ok":false,"state":"failed","key","attempts","how","code","message"}
 *   {"state":"retry"|"unclear"|"person","until_us":…}     ask again then; 0: when somebody has said
 * An outcome of an effect that somebody wanted to stop meanwhile has "cancel" with the reason: what
 * was not attempted yet is withdrawn (failed, "canceled"), the rest is waited for.
 * Exactly once, never inside the call. */
void rv_effects_advance(struct rv_effects *effects, const struct rv_effect_ask *ask,
                        void (*done)(void *data, enum rv_code code, json_t *json,
                                     const struct rv_error *err),
                        void *data);

/* What an intent may stand at, with a space between two. */
extern const char rv_effect_state_words[];

/* A person's word about an intent: the arguments of the statement effect_resolve, which gives no
 * row for what does not wait for one.  The caller runs it as an act, with its audit record. */
struct rv_args *rv_effect_said(int32_t tenant, int64_t run, int32_t seq, bool done,
                               const char *person, const char *reason);

#endif
