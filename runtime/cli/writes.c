/* writes.c -- see writes.h. */
#include "runtime/cli/writes.h"

#include "approval_sql.h"
#include "audit_sql.h"
#include "effect_sql.h"
#include "erp/command/command.h"
#include "erp_command_sql.h"
#include "gate_sql.h"
#include "hooks_sql.h"
#include "journal_sql.h"
#include "run_sql.h"
#include "runtime/base/check.h"

#include <string.h>

enum { WRITES_MAX = 200 };

static const struct rv_statement *const first_writes[] = {
    &rv_sql_policy_bundle_put,  &rv_sql_policy_activate,  &rv_sql_plan_source_put,
    &rv_sql_agent_activate,     &rv_sql_agent_canary_set, &rv_sql_run_migrate,
    &rv_sql_run_insert,         &rv_sql_run_input_insert, &rv_sql_blob_insert,
    &rv_sql_blob_parts_insert,  &rv_sql_blob_use_put,     &rv_sql_run_fork_copy,
    &rv_sql_journal_append,     &rv_sql_run_status_set,   &rv_sql_run_result_put,
    &rv_sql_run_claim_set,      &rv_sql_run_parent_wake,  &rv_sql_run_children_stop,
    &rv_sql_run_revival_put,    &rv_sql_run_signal_carry, &rv_sql_run_update_put,
    &rv_sql_run_once_put,       &rv_sql_run_signal_put,   &rv_sql_run_signal_wake,
    &rv_sql_run_signal_consume, &rv_sql_run_claim_rest,   &rv_sql_run_claim_pass,
    &rv_sql_run_flow_put,       &rv_sql_run_flow_take,    &rv_sql_run_flow_move,
    &rv_sql_run_flow_end,       &rv_sql_agent_memory_put, &rv_sql_event_append,
    &rv_sql_command_log_append, &rv_sql_effect_intend,    &rv_sql_effect_move,
    &rv_sql_effect_log_append,  &rv_sql_effect_wake};
static const struct rv_statement *const last_writes[] = {
    &rv_sql_limit_use_add,          &rv_sql_approval_insert,     &rv_sql_approval_vote_append,
    &rv_sql_approval_status_set,    &rv_sql_approval_answer_set, &rv_sql_approval_claim_stop,
    &rv_sql_approval_escalate_set,  &rv_sql_outbox_append,       &rv_sql_audit_append,
    &rv_sql_audit_checkpoint_append};

static bool listed(const struct rv_statement *const *list, int count,
                   const struct rv_statement *one)
{
    for (int i = 0; i < count; i++) {
        if (list[i] == one) {
            return true;
        }
    }
    return false;
}

const struct rv_statement **node_writes_make(void)
{
    const struct rv_statement **order = rv_alloc_array(WRITES_MAX, sizeof *order);
    int count = 0;
    for (size_t i = 0; i < RV_COUNT(first_writes); i++) {
        order[count++] = first_writes[i];
    }
    for (const struct erp_event_type *type = erp_event_types; type->name != NULL; type++) {
        if (type->projection != NULL && !listed(order, count, type->projection)) {
            order[count++] = type->projection;
        }
    }
    for (size_t i = 0; i < RV_COUNT(last_writes); i++) {
        order[count++] = last_writes[i];
    }
    RV_ASSERT(count < WRITES_MAX);
    return order;
}

const struct rv_statement **node_wakes_make(void)
{
    static const struct rv_statement *const own[] = {
        &rv_sql_run_insert,      &rv_sql_run_signal_put,      &rv_sql_run_children_stop,
        &rv_sql_run_parent_wake, &rv_sql_approval_answer_set, &rv_sql_effect_wake,
        &rv_sql_run_flow_end};
    const struct rv_statement **wakes = rv_alloc_array(WRITES_MAX, sizeof *wakes);
    int count = 0;
    for (size_t i = 0; i < RV_COUNT(own); i++) {
        wakes[count++] = own[i];
    }
    for (const struct erp_event_type *type = erp_event_types; type->name != NULL; type++) {
        if (strncmp(type->name, "exception.", strlen("exception.")) == 0 &&
            type->projection != NULL && !listed(wakes, count, type->projection)) {
            wakes[count++] = type->projection;
        }
    }
    RV_ASSERT(count < WRITES_MAX);
    return wakes;
}
