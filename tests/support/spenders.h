/* spenders.h -- runs that want more than they may have, with the real program on its own
 * PostgreSQL; what they got is added up from the journal afterwards, by SQL that knows nothing of
 * the program's own accounts.
 *
 *   crowd    plans drawn from a seed: each asks, reads, notes, thinks, posts, starts, awaits and
 *            hands over far beyond its limits of steps, calls, tokens, money, risk, children and
 *            depth; six agents with other limits, which stop or go on without
 *   family   one run gives `children` of them, all open at once, what it may spend in all
 *
 * The program is killed (SIGKILL) and started again while they are at it, `kills` times.
 */
#ifndef REEVE_TESTS_SUPPORT_SPENDERS_H
#define REEVE_TESTS_SUPPORT_SPENDERS_H

#include <stdbool.h>
#include <stdint.h>

enum spender_budget {
    SPENDER_STEPS,
    SPENDER_CALLS,
    SPENDER_ANSWERS, /* tokens that a model wrote: what a run keeps back before it asks */
    SPENDER_TOKENS,  /* these and the ones it read, which the engine counts */
    SPENDER_MONEY,
    SPENDER_RISK,
    SPENDER_CHILDREN,
    SPENDER_DEPTH,
    SPENDER_BUDGETS
};
extern const char *const spender_budgets[SPENDER_BUDGETS];

struct spenders_wish {
    const char *program; /* reeve */
    int64_t runs;        /* at least so many in all */
    int children;        /* of the family */
    int kills;
    int64_t seed;
    bool quiet; /* says only what is wrong, and on standard error */
};

struct spenders_result {
    int64_t runs, calls; /* that were there, and that were made */
    int64_t open;        /* that did not end */
    int64_t kills;
    int64_t family;                  /* children of the one that has most */
    int64_t family_at_once;          /* of these that were open at once, as far as was looked */
    int64_t spent[SPENDER_BUDGETS];  /* by all; of depth: the deepest */
    int64_t wanted[SPENDER_BUDGETS]; /* refusals that name it */
    int64_t past[SPENDER_BUDGETS];   /* beyond a limit of the run, or of one above it */
    double seconds;
};

/* From the repository's root.  A mistake in the world itself ends the program with its message. */
void spenders_run(const struct spenders_wish *wish, struct spenders_result *out);

#endif
