/* work.h -- how much work the compiling of one schema may be.
 *
 * Every stage takes its steps from one sum before it makes them: conjunctions tried, subschemas
 * merged, values compared, states and edges made, rules swept.  A step is one to three nanoseconds,
 * so the worst schema is refused in well under a second.  The thread that takes a request gives it
 * a few milliseconds of that; what needs more is compiled on a thread for it (compile.c), where
 * nobody waits but whose schema is behind it.  The steps depend on the schema alone: what compiles
 * once compiles everywhere.
 *
 * Private to kernels/serve.
 */
#ifndef REEVE_KERNELS_SERVE_WORK_H
#define REEVE_KERNELS_SERVE_WORK_H

#include <stdbool.h>
#include <stdint.h>

enum { WORK_MAX = 120000000 };

struct work {
    uint64_t left;
    bool spent; /* more was asked for than was left */
};

/* Takes `steps`; false, from then on for ever, where they are more than what is left. */
static inline bool work_take(struct work *work, uint64_t steps)
{
    work->spent = work->spent || steps > work->left;
    work->left = work->spent ? 0 : work->left - steps;
    return !work->spent;
}

#endif
