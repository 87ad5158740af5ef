/* claim.h -- two pieces of work want the same business key: who gets it?
 *
 * A run that is begun with a key holds the claim on it while it is open.  Whoever comes second is
 * judged by what its own agent says (`claims` in agent.lua), in the transaction that would begin
 * it, under the lock of the company's head: two never see the same key free.
 *
 *   first      (when left out)  refused: who holds the key, since when, who began it, what it waits
 *              for
 *   merge      the holder gets the input as the signal RV_CLAIM_SIGNAL, and the caller its number.
 *              Refused where the holder is another agent's, or is stopping.  What a holder has not
 *              taken when it ends is not lost: the oldest begins a run of its own, under the number
 *              of its request, which gets the rest.
 *   priority   whoever has a higher one than the holder, and than all that wait, waits for the key
 *              (waiting on "lock", durable like any wait), and the holder is asked to stop as by
 *              `run cancel`; else refused.  When the holder ends, runs that work under its claim
 *              come first (child.h), then those that wait, the highest first.
 *   ask        waits for the key as well, while people are asked (runtime/approval): whom, and
 *              until when, says an `approve` rule of the policy for run.start, which sees the
 *              holder as res.holder, and so do they: also who began it.  Refused where no rule
 * does, and while somebody else waits for the key: one question at a time.  Yes: the holder is
 * asked to stop as above, and this run is the first of those that wait.  No, or no answer in time:
 * this run is asked to stop, with who keeps the key and why, and has never begun.  The question is
 * about these two runs and this key; it is void, and this run only waits, as soon as the holder has
 * ended or was asked to stop, whoever did that.
 *
 * A run has one key, so no two can wait for each other and there is no order to keep.  Runs for
 * exceptions and runs that a run starts are always "first".
 *
 * Thread: any; pure.
 */
#ifndef REEVE_RUNTIME_RUN_CLAIM_H
#define REEVE_RUNTIME_RUN_CLAIM_H

#include "runtime/db/db.h"
#include "runtime/gate/gate.h"

/* Name of the signal with the input of a merged request.  A plan takes it: ctx:signal("merge"). */
#define RV_CLAIM_SIGNAL "merge"
/* What a run waits on while another one holds its key. */
#define RV_CLAIM_LOCK "lock"

enum { RV_CLAIM_PRIORITY_MAX = 100 }; /* 0 is the lowest; also bounds how many wait for one key */

enum rv_claim_way {
    RV_CLAIM_BEGIN, /* the key is free */
    RV_CLAIM_REFUSE,
    RV_CLAIM_MERGE,
    RV_CLAIM_OUTRANK, /* waits for the key, and the holder is asked to stop */
    RV_CLAIM_ASK,     /* waits for people */
    RV_CLAIM_WAIT     /* the holder is stopping already */
};

/* `manifest` is that of the agent that wants the key; `look` the state of the statement
 * run_claim_look, NULL where nobody holds it.  *why, for people, may be NULL: more than that
 * somebody has it, borrowed for ever. */
enum rv_claim_way rv_claim_decide(const char *agent, const json_t *manifest, int priority,
                                  const json_t *look, const char **why);

/* What people are asked with the state of run_claim_look, for the new run `run` of that agent that
 * `who` wants with `input`: see struct rv_gate_question. */
void rv_claim_question(const json_t *look, const char *agent, int64_t run, const char *who,
                       const char *key, const json_t *input, struct rv_gate_question *out);

/* What the run weighs: `asked`, or with -1 what its agent says. */
int rv_claim_priority(const json_t *manifest, int asked);

/* The holder for whoever came second: {"run", "agent", "since", "status", "waiting_on"?, "waits"?,
 * "priority", "begun_by"?} from a row of the statement run_claim_holder; new reference, NULL
 * without a row.  `begun_by`: the run "r_1" that started it, "exception" where one was found, or
 * who asked for it ("person:clerk"). */
json_t *rv_claim_holder(const struct rv_result *result);
enum { RV_CLAIM_SAID_MAX = 320 };
/* The same in words: ": r_1 of agent A since T (begun by person:P), which waits for ..."; empty for
 * NULL. */
void rv_claim_say(const json_t *holder, char *out, size_t size);

#endif
