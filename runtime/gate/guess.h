/* guess.h -- which limits a request will ask for, guessed from the last ones of its kind.
 *
 * What applies is known only after the first loads, and how much of it is used would cost another
 * way to the database.  Mostly it is what applied to the same action of the same principal before;
 * a guess is asked for with the first loads and compared with what does apply, so a wrong one costs
 * a query and decides nothing.  A kind whose limits change from one request to the next (one for
 * each supplier, say) is not guessed.
 *
 * Memory is bounded: kinds share places by their hash.  Thread: that of the gate.
 */
#ifndef REEVE_RUNTIME_GATE_GUESS_H
#define REEVE_RUNTIME_GATE_GUESS_H

#include "runtime/base/json.h"

struct rv_guesses;

struct rv_guesses *rv_guesses_create(void);
void rv_guesses_destroy(struct rv_guesses *guesses);

/* The arguments of limit_use_load, a reference of the caller's own; NULL: no guess. */
json_t *rv_guess_limits(const struct rv_guesses *guesses, int32_t tenant, const char *action,
                        const char *principal);
/* What applied; an empty array where nothing did. */
void rv_guess_learn(struct rv_guesses *guesses, int32_t tenant, const char *action,
                    const char *principal, json_t *args);

#endif
