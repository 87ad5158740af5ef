/* state_machine.h -- a state machine is an enum, a table and one mover.
 *
 * The owner declares which moves are legal as bit sets; rv_state_move asserts.  Nobody assigns a
 * state in any other way, so the picture in the owner's essay can be read off its table.
 */
#ifndef REEVE_RUNTIME_BASE_STATE_MACHINE_H
#define REEVE_RUNTIME_BASE_STATE_MACHINE_H

#include "runtime/base/check.h"

#include <stdbool.h>
#include <stdint.h>

#define RV_TO(state) (1u << (state))

struct rv_state_table {
    const char *machine;      /* e.g. "run" */
    const char *const *names; /* by state */
    const uint32_t *moves;    /* by state: set of RV_TO(next) */
    int count;
};

static inline bool rv_state_may(const struct rv_state_table *table, int from, int to)
{
    RV_ASSERT(from >= 0 && from < table->count && to >= 0 && to < table->count);
    return (table->moves[from] & RV_TO(to)) != 0;
}

static inline void rv_state_move(const struct rv_state_table *table, int *state, int to)
{
    RV_ASSERT(rv_state_may(table, *state, to));
    *state = to;
}

#endif
