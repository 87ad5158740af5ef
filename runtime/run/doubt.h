/* doubt.h -- the least sure answer of a run's model: measured when it was journaled, never claimed.
 *
 *   {"margin": 3, "choice": "hold", "probability"?: {"hold": "0.5100", "claim": "0.4800"}}
 *
 * margin: whole points between the two likeliest options, 1 to 100 (runtime/model/model.h).  An
 * answer that was not measured (0), a text for a schema and a question that failed leave no doubt.
 * The policy sees the margin as run.margin with every action of the run.
 *
 * Of the whole run, not of what came since its last action: a plan returns all its actions at the
 * end, so each may rest on any answer, and only the plan knows on which.  It follows from the
 * journal: a checkpoint keeps it, a fork takes the entries over.  A child begins with its parent's,
 * and what a child hears a parent that learns its outcome has heard.  What takes back an action
 * carries none: nobody asked a model whether to.  Not followed: what a run tells others by its
 * memory, its published values and signals.
 */
#ifndef REEVE_RUNTIME_RUN_DOUBT_H
#define REEVE_RUNTIME_RUN_DOUBT_H

#include "runtime/base/json.h"

/* What the answer to a question leaves: `args` of the entry's request and its `out`.  New reference
 * or NULL. */
json_t *rv_doubt_of(const json_t *args, const json_t *out);
/* The lower margin of the two stays, the earlier where they are alike.  `*doubt` is owned and may
 * be NULL, as may `other` (borrowed). */
void rv_doubt_join(json_t **doubt, const json_t *other);
int rv_doubt_margin(const json_t *doubt); /* 0: none */
/* `evidence` (borrowed, may be NULL) with the doubt as its first line, for people.  New reference;
 * NULL where there is neither. */
json_t *rv_doubt_evidence(const json_t *doubt, const json_t *evidence);

#endif
