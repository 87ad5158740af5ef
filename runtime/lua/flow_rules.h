/* flow_rules.h -- is what an agent says about its flow a list of rules?  What becomes of it says
 * runtime/run/flow.h.  Thread: any; pure.
 */
#ifndef REEVE_RUNTIME_LUA_FLOW_RULES_H
#define REEVE_RUNTIME_LUA_FLOW_RULES_H

#include "runtime/base/json.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    FLOW_RULES_MAX = 8,        /* a run takes one place after the other, each under the lock */
    FLOW_MOST_MAX = 10000,     /* places of a key are counted whenever one is given */
    FLOW_SECONDS_MAX = 2678400 /* 31 days: a row is kept for each start within that time */
};

/* NULL `flow` is well.  Else `field` says which, as in "flow[2].seconds", and the result the rule
 * that it breaks, both in `out` or constant. */
const char *flow_rules_problem(const json_t *flow, char *field, size_t field_size, char *out,
                               size_t size);

#endif
