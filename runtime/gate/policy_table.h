/* policy_table.h -- tables for the buckets of the index that hold many rules; private to
 * runtime/gate/policy_*.c. */
#ifndef REEVE_RUNTIME_GATE_POLICY_TABLE_H
#define REEVE_RUNTIME_GATE_POLICY_TABLE_H

#include "runtime/gate/policy_private.h"

/* After the index is built; tables live as long as the policy. */
void policy_tables_make(struct rv_policy *policy);
const uint64_t *policy_table_members(const struct policy_table *table);
/* Takes the candidates that do not hold away, and marks those that do (or err) where the table
 * knows. */
void policy_table_settle(const struct policy_table *table, struct rv_policy_facts *facts,
                         struct rv_arena *arena);

#endif
