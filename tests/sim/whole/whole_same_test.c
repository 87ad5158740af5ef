/* whole_same_test.c -- does the simulated database say what PostgreSQL says?
 *
 * Both get the same statements in the same random order, with parameters from so small a world that
 * keys collide, things are found, and unique keys are hurt.  Rows, errors and constraints must
 * agree; instants are looked at only in what follows from them, and where PostgreSQL gives more
 * members of a JSON object than the simulation (an exception has thirty columns), those are not
 * looked at.  WHOLE_SAME_SEED=7 in the environment is another order.
 */
#include "runtime/base/check.h"
#include "runtime/base/clock.h"
#include "runtime/base/random.h"
#include "runtime/db/db.h"
#include "runtime/run/run.h"
#include "tests/sim/whole/base.h"
#include "tests/sim/whole/effect_rows.h"
#include "tests/support/postgres.h"
#include "tests/support/test.h"

#include "approval_sql.h"
#include "audit_sql.h"
#include "cluster_sql.h"
#include "db_sql.h"
#include "effect_sql.h"
#include "erp_command_sql.h"
#include "erp_exception_sql.h"
#include "gate_sql.h"
#include "hooks_sql.h"
#include "journal_sql.h"
#include "run_sql.h"
#include "schedule_sql.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STATEMENTS = 2000, TENANT = 1, CELLS_MAX = 4096, IDS = 4 };

const struct base_word base_words_books[] = {{NULL, NULL}}; /* there is no such table there */

static const struct rv_migration *const rooms[] = {
    rv_journal_migrations,     rv_gate_migrations,
    rv_db_migrations,          rv_hooks_migrations,
    rv_run_migrations,         rv_effect_migrations,
    rv_erp_command_migrations, rv_erp_exception_migrations,
    rv_schedule_migrations,    NULL};

static const struct rv_statement *const compared[] = {&rv_sql_head_lock,
                                                      &rv_sql_head_fence,
                                                      &rv_sql_writer_register,
                                                      &rv_sql_journal_append,
                                                      &rv_sql_run_insert,
                                                      &rv_sql_run_input_insert,
                                                      &rv_sql_run_status_set,
                                                      &rv_sql_node_here,
                                                      &rv_sql_node_presence,
                                                      &rv_sql_node_absence,
                                                      &rv_sql_nodes_gone,
                                                      &rv_sql_wake_listen,
                                                      &rv_sql_wake_tell,
                                                      &rv_sql_lease_take,
                                                      &rv_sql_lease_held,
                                                      &rv_sql_lease_release,
                                                      &rv_sql_lease_pass,
                                                      &rv_sql_node_serve,
                                                      &rv_sql_cluster_peers,
                                                      &rv_sql_placement_sample,
                                                      &rv_sql_placement_propose,
                                                      &rv_sql_run_images,
                                                      &rv_sql_run_image_page,
                                                      &rv_sql_company_look,
                                                      &rv_sql_company_look,
                                                      &rv_sql_company_sweep,
                                                      &rv_sql_run_signal_next,
                                                      &rv_sql_run_signal_consume,
                                                      &rv_sql_run_signal_put,
                                                      &rv_sql_run_signal_wake,
                                                      &rv_sql_run_status,
                                                      &rv_sql_run_child_look,
                                                      &rv_sql_run_child_end,
                                                      &rv_sql_run_claim_holder,
                                                      &rv_sql_run_claim_holder,
                                                      &rv_sql_run_claim_holder,
                                                      &rv_sql_run_claim_look,
                                                      &rv_sql_run_claim_set,
                                                      &rv_sql_run_claim_rest,
                                                      &rv_sql_run_claim_pass,
                                                      &rv_sql_run_flow_put,
                                                      &rv_sql_run_flow_put,
                                                      &rv_sql_run_flow_end,
                                                      &rv_sql_run_flow_look,
                                                      &rv_sql_run_flow_look,
                                                      &rv_sql_run_flow_take,
                                                      &rv_sql_run_flow_move,
                                                      &rv_sql_run_flow_move,
                                                      &rv_sql_run_parent_wake,
                                                      &rv_sql_run_children_stop,
                                                      &rv_sql_approval_status_get,
                                                      &rv_sql_agent_memory_get,
                                                      &rv_sql_agent_memory_put,
                                                      &rv_sql_run_result_put,
                                                      &rv_sql_run_values,
                                                      &rv_sql_run_update_look,
                                                      &rv_sql_run_update_put,
                                                      &rv_sql_run_update_get,
                                                      &rv_sql_run_once_look,
                                                      &rv_sql_run_once_put,
                                                      &rv_sql_run_once_answer,
                                                      &rv_sql_journal_append,
                                                      &rv_sql_journal_append,
                                                      &rv_sql_journal_append,
                                                      &rv_sql_run_fork_look,
                                                      &rv_sql_run_fork_look,
                                                      &rv_sql_run_fork_copy,
                                                      &rv_sql_run_revival_put,
                                                      &rv_sql_run_signal_carry,
                                                      &rv_sql_plan_source_put,
                                                      &rv_sql_agent_activate,
                                                      &rv_sql_agent_canary_set,
                                                      &rv_sql_agents_active,
                                                      &rv_sql_run_migrate,
                                                      &rv_sql_exceptions_waiting,
                                                      &rv_sql_exception_open,
                                                      &rv_sql_gate_load,
                                                      &rv_sql_gate_log_load,
                                                      &rv_sql_gate_approval_load,
                                                      &rv_sql_limit_use_load,
                                                      &rv_sql_limit_use_add,
                                                      &rv_sql_approval_insert,
                                                      &rv_sql_approvals_granted,
                                                      &rv_sql_approval_status_set,
                                                      &rv_sql_approval_answer_set,
                                                      &rv_sql_approval_claim_stop,
                                                      &rv_sql_approval_escalate_set,
                                                      &rv_sql_approval_vote_load,
                                                      &rv_sql_approval_vote_append,
                                                      &rv_sql_outbox_append,
                                                      &rv_sql_audit_append,
                                                      &rv_sql_audit_checkpoint_append,
                                                      &rv_sql_policy_active_get,
                                                      &rv_sql_event_append,
                                                      &rv_sql_command_log_append,
                                                      &rv_sql_load_connector,
                                                      &rv_sql_effect_load,
                                                      &rv_sql_effect_load,
                                                      &rv_sql_effect_now,
                                                      &rv_sql_effect_intend,
                                                      &rv_sql_effect_intend,
                                                      &rv_sql_effect_move,
                                                      &rv_sql_effect_move,
                                                      &rv_sql_effect_log_append,
                                                      &rv_sql_effect_wake,
                                                      &rv_sql_effect_resolve,
                                                      &rv_sql_hook_tenants,
                                                      &rv_sql_hook_fan_out,
                                                      &rv_sql_hook_claim,
                                                      &rv_sql_hook_outcome,
                                                      &rv_sql_schedule_refresh,
                                                      &rv_sql_schedule_rested,
                                                      &rv_sql_schedule_lost,
                                                      &rv_sql_schedule_due,
                                                      &rv_sql_schedule_claim,
                                                      &rv_sql_schedule_break,
                                                      &rv_sql_schedule_start,
                                                      &rv_sql_schedule_beat,
                                                      &rv_sql_schedule_release,
                                                      &rv_sql_schedule_done,
                                                      &rv_sql_schedule_work,
                                                      &rv_sql_hook_disable};

static struct rv_random chance;

static int64_t below(int64_t bound)
{
    return (int64_t)rv_random_below(&chance, (uint64_t)bound);
}

/* ---- parameters, by their names ---- */

#define PICK(...) pick((const char *const[]){__VA_ARGS__, NULL})
static const char *pick(const char *const *words)
{
    int64_t count = 0;
    while (words[count] != NULL) {
        count++;
    }
    return words[below(count)];
}

static const char key_hex[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/* Of the journal entries whose names are asked for next. */
static int kinds[2];

static const char *a_text(const struct rv_statement *statement, const char *name, int row)
{
    static char text[128];
    if (strcmp(name, "name") == 0 && statement == &rv_sql_journal_append) {
        return kinds[row] == RV_STEP_PUBLISH ? PICK("publish.state", "publish.other")
               : kinds[row] == RV_STEP_REPLY ? PICK("reply.u1", "reply.u2")
                                             : PICK("end", "text");
    }
    if (strcmp(name, "name") == 0 && statement == &rv_sql_run_values) {
        return PICK("state", "state", "nothing");
    }
    if (strcmp(name, "id") == 0) {
        return PICK("u1", "u2");
    }
    if (strcmp(name, "status") == 0) {
        if (strncmp(statement->name, "approval", 8) == 0) {
            return PICK("requested", "approved", "approved", "rejected", "expired", "void");
        }
        return statement == &rv_sql_hook_outcome
                   ? PICK("pending", "delivered", "dead")
                   : PICK("planning", "executing", "waiting", "waiting", "waiting", "reviewing",
                          "done", "failed", "cancelled", "compensated");
    }
    if (strcmp(name, "waiting_on") == 0 && statement == &rv_sql_run_flow_move) {
        return below(3) == 0 ? NULL : PICK("slot", "rate");
    }
    if (strcmp(name, "waiting_on") == 0) {
        return PICK("slot", "approval", "timer", "signal", "signal", "run", "budget", "lock",
                    "effect", "intent");
    }
    if (strcmp(name, "business_key") == 0) {
        snprintf(text, sizeof text, "exception:%s", key_hex);
        return PICK("other", text, text);
    }
    if (strcmp(name, "state") == 0) {
        return PICK("intended", "attempting", "retry", "unclear", "person", "done", "done",
                    "failed");
    }
    if (strcmp(name, "cancel") == 0) {
        return below(2) == 0 ? NULL : PICK("because", "another");
    }
    if (strcmp(name, "connector") == 0) {
        return PICK("one", "nowhere");
    }
    if (strcmp(name, "action") == 0) {
        return PICK("text", "run.start");
    }
    if (strcmp(name, "resource") == 0) {
        snprintf(text, sizeof text, "exception:%s", key_hex);
        return PICK("other", text);
    }
    if (statement == &rv_sql_wake_tell) {
        return "1";
    }
    if (strcmp(name, "name") == 0 &&
        (statement == &rv_sql_agent_activate || statement == &rv_sql_agent_canary_set)) {
        return row == 0 ? "agent one" : "agent two";
    }
    if (strcmp(name, "what") == 0) {
        return PICK("publish", "activate", "promote", "rollback");
    }
    if (strcmp(name, "kind") == 0 && statement == &rv_sql_audit_append) {
        return PICK("decision", "decision", "decision", "outcome");
    }
    if (strcmp(name, "body") == 0 && statement == &rv_sql_audit_append) {
        static const char *who; /* one: which record of several is found does not matter */
        who = who != NULL ? who : PICK("person:clerk", "system:orchestrator");
        snprintf(text, sizeof text, "{\"action\":\"%s\",\"principal\":\"%s\"}",
                 PICK("run.start", "run.start", "run.start", "run.cancel"), who);
        return text;
    }
    if (strcmp(name, "key") == 0 && statement == &rv_sql_run_claim_holder) {
        snprintf(text, sizeof text, "exception:%s", key_hex);
        return text;
    }
    if (strcmp(name, "key") == 0) {
        return statement == &rv_sql_exception_open ? PICK(key_hex, "zz", "") : PICK("k", "l");
    }
    if (strcmp(name, "command") == 0) {
        snprintf(text, sizeof text, "command %d", (int)below(IDS) + row * IDS);
        return text;
    }
    if (strcmp(name, "names") == 0 || strcmp(name, "fires") == 0 ||
        statement == &rv_sql_schedule_break) {
        return row == 0 ? PICK("skip", "one", "all") : PICK("cancel", "terminate", "free");
    }
    if (strcmp(name, "states") == 0) {
        return statement == &rv_sql_schedule_done ? PICK("done", "failed", "failed", "cancelled")
                                                  : PICK("waiting", "waiting", "skipped");
    }
    if (strcmp(name, "stream") == 0) {
        snprintf(text, sizeof text, "case:%d", (int)below(2) + row * 2);
        return text;
    }
    return strcmp(name, "agent") == 0   ? PICK("agent one", "agent two")
           : strcmp(name, "close") == 0 ? PICK("cancel", "wait", "abandon", "handoff")
           : strcmp(name, "name") == 0  ? PICK("go", "go", "$cancel", "stop", "merge", "$update.go")
           : strcmp(name, "person") == 0       ? PICK("clerk", "controller", "manager")
           : strcmp(name, "role") == 0         ? "[\"controller\"]"
           : strcmp(name, "decision") == 0     ? PICK("approve", "reject")
           : strcmp(name, "outcome") == 0      ? PICK("applied", "refused")
           : strcmp(name, "requested_by") == 0 ? PICK("person:clerk", "agent:agent one")
           : strcmp(name, "version") == 0      ? (statement == &rv_sql_approval_insert ? NULL : "1")
           : strcmp(name, "tzdata") == 0       ? PICK("tz", "tz", "")
           : strcmp(name, "reason") == 0 || strcmp(name, "reasons") == 0 ||
                   strcmp(name, "escalate_to") == 0 || strcmp(name, "error_code") == 0 ||
                   strcmp(name, "error_text") == 0 || strcmp(name, "last_error") == 0
               ? PICK("because", "because", "another")
               : "text";
}

/* Some must have a place of a few keys to begin. */
static json_t *an_input(void)
{
    json_t *input = json_pack("{s:i}", "found_seq", (int)below(3));
    if (below(2) == 0) {
        json_object_set_new(input, "flow",
                            json_pack("{s:i,s:[{s:s,s:i},{s:s,s:i,s:i}]}", "ahead_s",
                                      (int)below(2) * 60, "keys", "key", PICK("slot a", "slot b"),
                                      "most", 1 + (int)below(2), "key", "rate/60 a", "most", 1,
                                      "seconds", 60));
    }
    return input;
}

static json_t *a_json(const struct rv_statement *statement, const char *name)
{
    int id = 1 + (int)below(IDS);
    if (statement == &rv_sql_gate_log_load || statement == &rv_sql_gate_approval_load) {
        char command[24];
        snprintf(command, sizeof command, "command %d", (int)below(IDS));
        return below(2) == 0 ? json_pack("{s:s}", "command", command)
                             : json_pack("{s:s,s:i}", "command", command, "approval", id);
    }
    if (statement == &rv_sql_approval_vote_load) {
        return json_pack("{s:i,s:s}", "id", id, "person", PICK("clerk", "controller", "nobody"));
    }
    if (statement == &rv_sql_run_claim_look) {
        char key[128];
        snprintf(key, sizeof key, "exception:%s", key_hex);
        return json_pack("{s:s,s:s}", "key", PICK("other", "nobody's", key, key), "claims",
                         PICK("first", "ask"));
    }
    if (statement == &rv_sql_approval_insert && strcmp(name, "args") == 0) {
        char holder[32];
        snprintf(holder, sizeof holder, "r_%d", id);
        return json_pack("{s:s}", "holder", holder);
    }
    if (statement == &rv_sql_effect_now) {
        return json_pack("{s:i,s:i}", "run", id, "seq", 1 + (int)below(IDS));
    }
    if (statement == &rv_sql_load_connector) {
        return json_pack("{s:s}", "connector", PICK("one", "nowhere"));
    }
    if (statement == &rv_sql_run_flow_look) {
        return json_pack("{s:i,s:i}", "marked", 100, "line", 1 + (int)below(3));
    }
    if (statement == &rv_sql_limit_use_load) {
        return json_pack("[{s:s,s:s,s:i,s:i},{s:s,s:s,s:i,s:i}]", "rule", "text", "key", "k",
                         "window_s", 36000, "bucket_s", 60, "rule", "text", "key", "l", "window_s",
                         60, "bucket_s", 60);
    }
    return strcmp(name, "rules") == 0    ? json_pack("[s]", "a rule")
           : strcmp(name, "stages") == 0 ? json_pack("[{s:s}]", "role", "controller")
           : strcmp(name, "never") == 0 || strcmp(name, "limits") == 0 ||
                   strcmp(name, "evidence") == 0
               ? json_array()
           : strcmp(name, "input") == 0 ? an_input()
                                        : json_pack("{s:i,s:s}", "number", id, "word", "x");
}

static void put_bytes(struct rv_args *args, const struct rv_statement *statement, int index,
                      const char *name, int row)
{
    uint8_t bytes[RV_HASH_BYTES];
    memset(bytes, 0xaa, sizeof bytes);
    if (strcmp(name, "out") == 0) { /* a wait for a signal or a child, as it is journaled */
        char out[256];
        int length =
            snprintf(out, sizeof out,
                     "%c{\"name\":\"%s\",\"run\":\"r_%d\",\"ok\":%s,\"value\":{\"run\":\"r_%d\"},"
                     "\"result\":\"%s\",\"published\":%d,\"state\":\"answered\"}",
                     1, PICK("go", "stop"), 1 + (int)below(IDS), PICK("true", "false"),
                     1 + (int)below(IDS), PICK("executed", "repeated", "refused"), (int)below(100));
        rv_args_bytes(args, index, out, (size_t)length);
    } else if (statement == &rv_sql_journal_append) {
        rv_args_bytes(args, index, bytes, 16);
    } else {
        bytes[0] = (uint8_t)(0xaa + row);
        rv_args_bytes(args, index, bytes, sizeof bytes);
    }
}

static int64_t a_number(const struct rv_statement *statement, const char *name, int row)
{
    static const int some[] = {RV_STEP_READ,         RV_STEP_PLAN,  RV_STEP_ACTION, RV_STEP_START,
                               RV_STEP_COMPENSATION, RV_STEP_CHILD, RV_STEP_REPLY,  RV_STEP_PUBLISH,
                               RV_STEP_OUTCOME,      RV_STEP_EFFECT};
    if (strcmp(name, "kind") == 0 && statement == &rv_sql_journal_append) {
        kinds[row] = some[below((int64_t)RV_COUNT(some))];
        return kinds[row];
    }
    return strcmp(name, "lease_ms") == 0 ? PICK("0", "1")[0] == '0' ? 0 : 1000000
           : strcmp(name, "epoch") == 0  ? below(4)
           : strcmp(name, "parent") == 0 ? below(2) * (1 + below(IDS))
           : strcmp(name, "unit") == 0   ? row
           : strcmp(name, "limit") == 0  ? 128
           : strcmp(name, "attempts") == 0 && strstr(statement->params, "attempts int4[]") != NULL
               ? 1 + below(2)
           : strcmp(name, "percent") == 0                                  ? below(3) * 50
           : strcmp(name, "buffer") == 0                                   ? 1
           : strcmp(name, "place") == 0                                    ? 1 + below(2)
           : strcmp(name, "most") == 0 || strcmp(name, "room") == 0        ? 5
           : strcmp(name, "only_tenant") == 0                              ? 0
           : strcmp(name, "attempts") == 0 || strcmp(name, "lease_s") == 0 ? 3
           : strcmp(name, "wait_ms") == 0 ? PICK("0", "1")[0] == '0' ? -1000 : 1000000
           : strcmp(name, "kind") == 0 || strcmp(name, "depth") == 0 || strcmp(name, "tier") == 0 ||
                   strcmp(name, "last_status") == 0
               ? 1
           : strcmp(name, "step") == 0 && statement == &rv_sql_audit_append ? below(4) / 3
           : strcmp(name, "seq") == 0 && statement == &rv_sql_audit_append  ? below(200) + row * 200
           : strcmp(name, "seq") == 0 && statement == &rv_sql_event_append
               ? below(60) + row * 60
               : 1 + below(IDS) + row * IDS;
}

/* Instants of schedules, in two places of which one is in the past. */
static int64_t a_turn(const char *name, int row)
{
    static const int64_t past_us = INT64_C(1700000000000000);
    static const int64_t future_us = INT64_C(4000000000000000);
    if (strcmp(name, "instants") == 0) {
        return past_us + (below(6) + row * 6) * 1000000;
    }
    return below(3) > 0 ? past_us : future_us;
}

/* "tenant int4, run int8[]" -> values; every array gets `rows`. */
static struct rv_args *make_args(const struct rv_statement *statement, int rows)
{
    struct rv_args *args = rv_args_create(statement);
    const char *at = statement->params;
    int64_t now_us = rv_now_us(rv_clock_system());
    for (int i = 1; i <= statement->param_count; i++) {
        char name[32] = "";
        char type[32] = "";
        int used = 0;
        RV_ASSERT(sscanf(at, " %31[^ ] %31[^,]%n", name, type, &used) == 2);
        at += used;
        at += strspn(at, " ,");
        bool array = strstr(type, "[]") != NULL;
        for (int row = 0; row < (array ? rows : 1); row++) {
            if (i == 1 && strcmp(name, "tenant") == 0 && strcmp(type, "text") != 0) {
                rv_args_i32(args, i, TENANT);
            } else if (strncmp(type, "int8", 4) == 0) {
                rv_args_i64(args, i, a_number(statement, name, row));
            } else if (strncmp(type, "int", 3) == 0) {
                rv_args_i32(args, i, (int32_t)a_number(statement, name, row));
            } else if (strncmp(type, "text", 4) == 0) {
                rv_args_text(args, i, a_text(statement, name, row));
            } else if (strncmp(type, "bool", 4) == 0) {
                rv_args_bool(args, i, below(2) == 0);
            } else if (strncmp(type, "jsonb", 5) == 0) {
                bool far = statement == &rv_sql_run_insert && below(2) == 0;
                json_t *json = far ? NULL : a_json(statement, name);
                rv_args_json(args, i, json);
                json_decref(json);
            } else if (strncmp(type, "date", 4) == 0) {
                rv_args_date(args, i, 20000);
            } else if (strncmp(type, "timestamptz", 11) == 0) {
                bool bucket = strcmp(name, "bucket") == 0;
                bool fixed = statement == &rv_sql_schedule_claim;
                int64_t off_us = (below(2) == 0 ? -1 : 1) * INT64_C(3000000000);
                rv_args_time(args, i,
                             strcmp(name, "now") == 0 ? now_us
                             : fixed                  ? a_turn(name, row)
                             : bucket ? (now_us - now_us % 60000000) + below(2) * 60000000
                                      : now_us + off_us);
            } else {
                put_bytes(args, statement, i, name, row);
            }
        }
    }
    return args;
}

/* ---- both answers ---- */

struct answer {
    int rows, columns, count;
    char *cells[CELLS_MAX]; /* NULL: NULL */
};

static enum rv_code take_row(void *data, const struct rv_result *result, int row,
                             struct rv_error *err)
{
    (void)err;
    struct answer *answer = data;
    answer->columns = rv_result_columns(result);
    answer->rows = row + 1;
    for (int i = 0; i < answer->columns && answer->count < CELLS_MAX; i++) {
        answer->cells[answer->count++] =
            rv_result_is_null(result, row, i) ? NULL : rv_strdup(rv_result_text(result, row, i));
    }
    return RV_OK;
}

static bool is_instant(const char *text)
{
    return strlen(text) >= 19 && text[4] == '-' && text[7] == '-' && text[13] == ':';
}

static bool covers(const json_t *real, const json_t *simulated);

/* What is aggregated without an order may come in any. */
static bool has_all(const json_t *real, const json_t *simulated)
{
    size_t i;
    json_t *value;
    bool same = json_array_size(real) == json_array_size(simulated);
    json_array_foreach((json_t *)(uintptr_t)simulated, i, value)
    {
        size_t k;
        json_t *other;
        bool found = false;
        json_array_foreach((json_t *)(uintptr_t)real, k, other)
        {
            found = found || covers(other, value);
        }
        same = same && found;
    }
    return same;
}

/* Does the real value have everything that the simulated one says? */
static bool covers(const json_t *real, const json_t *simulated)
{
    if (json_is_array(simulated) && json_is_array(real)) {
        return has_all(real, simulated);
    }
    if (json_is_string(simulated) && json_is_string(real) &&
        is_instant(json_string_value(simulated)) && is_instant(json_string_value(real))) {
        return true;
    }
    if (!json_is_object(simulated) || !json_is_object(real)) {
        return json_equal(real, simulated) != 0;
    }
    const char *key;
    json_t *value;
    bool same = true;
    json_object_foreach((json_t *)(uintptr_t)simulated, key, value)
    {
        json_t *other = json_object_get(real, key);
        bool time = strcmp(key, "created_us") == 0 || strcmp(key, "now_us") == 0 ||
                    strcmp(key, "turn") == 0 || strcmp(key, "back_us") == 0;
        if (time && json_is_integer(other) && json_is_integer(value)) {
            continue;
        }
        same = same && other != NULL && covers(other, value);
    }
    return same;
}

static bool same_cell(const char *real, const char *simulated)
{
    if (real == NULL || simulated == NULL) {
        return real == simulated;
    }
    if (strcmp(real, simulated) == 0 || (is_instant(real) && is_instant(simulated))) {
        return true;
    }
    json_t *left = json_loads(real, JSON_DECODE_ANY, NULL);
    json_t *right = json_loads(simulated, JSON_DECODE_ANY, NULL);
    bool same = (json_is_object(right) || json_is_array(right)) && covers(left, right);
    json_decref(left);
    json_decref(right);
    return same;
}

static int64_t real_now(void *data)
{
    (void)data;
    return rv_now_us(rv_clock_system());
}

static bool nobody_else(void *data, const struct base_session *session, int64_t key)
{
    (void)data;
    (void)session;
    (void)key;
    return false;
}

static void simulate(struct base_session *session, const struct rv_statement *statement,
                     struct base_message *message, struct base_reply *reply)
{
    session->begun = true;
    session->tenant = TENANT;
    RV_ASSERT(base_execute(session, message, reply) == BASE_DONE);
    (void)statement;
    if (!reply->failed) {
        session->begun = false;
    }
    base_sync(session);
}

/* ---- the same beginning ---- */

static const char setup[] =
    "SELECT reeve_tenant_create('one', '{}');"
    "INSERT INTO person (tenant_id, name, roles) VALUES (1, 'clerk', '{clerk}'),"
    " (1, 'controller', '{controller}'), (1, 'manager', '{manager,controller}');"
    "INSERT INTO plan_source (tenant_id, hash, agent, version, manifest, source, published_by)"
    " VALUES (1, decode(repeat('aa', 32), 'hex'), 'agent one', '1', '{\"handles\": [\"X\"]}', "
    "'source', 'x');"
    "INSERT INTO agent (tenant_id, name, active_hash, owner)"
    " VALUES (1, 'agent one', decode(repeat('aa', 32), 'hex'), 'clerk');"
    "INSERT INTO exception (tenant_id, key, type, subject, rule_version, resource, summary, "
    "evidence,"
    " tier, state, opened_seq, found_seq, opened_on, version)"
    " VALUES (1, decode(repeat('aa', 32), 'hex'), 'X', 'a', 1, 'case:1', 's', '{}', 1, 'open', 1, "
    "1,"
    " '2026-01-01', 1), (1, decode(repeat('bb', 32), 'hex'), 'Y', 'b', 1, 'case:1', 's', '{}', 1, "
    "'open',"
    " 2, 2, '2026-01-01', 1), (1, decode(repeat('cc', 32), 'hex'), 'X', 'c', 1, 'case:2', 's', "
    "'{}', 1,"
    " 'open', 3, 3, '2026-01-01', 1);"
    "INSERT INTO hook_endpoint (tenant_id, id, url, secret, created_at)"
    " VALUES (1, 1, 'https://receiver.example/', decode('aabb', 'hex'), '2000-01-01');"
    "INSERT INTO connector (tenant_id, name, id, kind, target, reconcile, settings)"
    " VALUES (1, 'one', 7, 'http', 'https://outside.example', 'person', '{\"host\": "
    "\"outside.example\"}');"
    "INSERT INTO schedule (tenant_id, name, cron, zone, gap, fold, overlap, catch_up_window_s, "
    "jitter_s,"
    " action, input, next_at, due_at, tzdata, pause_after)"
    " SELECT 1, n, '* * * * *', 'UTC', 'boundary', 'first', o, 3600, 0, 'look', '{}',"
    " to_timestamp(1700000000), to_timestamp(1700000000), 'tz', p"
    " FROM (VALUES ('skip', 'skip', 3), ('one', 'buffer_one', 0), ('all', 'buffer_all', 0),"
    " ('cancel', 'cancel_other', 2), ('terminate', 'terminate_other', 0), ('free', 'allow_all', 0)"
    ") AS v (n, o, p);"
    "UPDATE schedule SET status = 'paused', paused_until = '2020-01-01T00:00:00Z' WHERE name = "
    "'one';"
    "INSERT INTO schedule_fire (tenant_id, id, schedule, instant, state, exclusive, attempt, stop, "
    "lease_until)"
    " VALUES (1, 100, 'one', to_timestamp(1), 'running', true, 3, false, '2020-01-01'),"
    " (1, 101, 'all', to_timestamp(1), 'running', true, 3, false, '2020-01-01'),"
    " (1, 102, 'cancel', to_timestamp(1), 'running', true, 1, true, '2020-01-01'),"
    " (1, 103, 'terminate', to_timestamp(1), 'running', true, 1, false, '2020-01-01');";

/* Just after the server's start no node is taken for dead. */
static const char grace[] =
    "SELECT pg_sleep(greatest(0, 3.1 - extract(epoch FROM clock_timestamp() "
    "- pg_postmaster_start_time())))";

static void make_schedules(struct base_call *call)
{
    static const struct {
        const char *name, *overlap;
        int pause_after;
    } schedules[] = {{"skip", "skip", 3},
                     {"one", "buffer_one", 0},
                     {"all", "buffer_all", 0},
                     {"cancel", "cancel_other", 2},
                     {"terminate", "terminate_other", 0},
                     {"free", "allow_all", 0}};
    for (size_t i = 0; i < RV_COUNT(schedules); i++) {
        bool paused = i == 1;
        *(struct schedule_row *)base_insert(call, T_SCHEDULE) =
            (struct schedule_row){.tenant = 1,
                                  .name = schedules[i].name,
                                  .status = paused ? "paused" : "active",
                                  .cron = "* * * * *",
                                  .zone = "UTC",
                                  .gap = "boundary",
                                  .fold = "first",
                                  .overlap = schedules[i].overlap,
                                  .action = "look",
                                  .tzdata = "tz",
                                  .window_s = 3600,
                                  .most = 1000,
                                  .pause_after = schedules[i].pause_after,
                                  .input = base_keep(call->base, json_object()),
                                  .has_paused = paused,
                                  .paused_us = INT64_C(1577836800000000), /* 2020-01-01 */
                                  .has_next = true,
                                  .has_due = true,
                                  .next_us = INT64_C(1700000000000000),
                                  .due_us = INT64_C(1700000000000000)};
    }
    for (int i = 1; i <= 4; i++) {
        *(struct fire_row *)base_insert(call, T_FIRE) =
            (struct fire_row){.tenant = 1,
                              .id = 99 + i,
                              .schedule = schedules[i].name,
                              .instant_us = 1000000,
                              .exclusive = true,
                              .state = "running",
                              .attempt = i <= 2 ? 3 : 1,
                              .stop = i == 3,
                              .has_lease = true,
                              .lease_us = 1};
    }
}

static void make_same(struct base *base)
{
    struct base_call call = {.base = base};
    *(struct tenant_row *)base_insert(&call, T_TENANT) =
        (struct tenant_row){.tenant = 1, .name = "one", .company = base_keep(base, json_object())};
    *(struct head_row *)base_insert(&call, T_HEAD) =
        (struct head_row){.tenant = 1, .checkpoint_at_us = INT64_MIN};
    static const char *const people[][3] = {
        {"clerk", "clerk"}, {"controller", "controller"}, {"manager", "manager", "controller"}};
    for (size_t i = 0; i < RV_COUNT(people); i++) {
        json_t *roles = json_pack("[s]", people[i][1]);
        if (people[i][2] != NULL) {
            json_array_append_new(roles, json_string(people[i][2]));
        }
        *(struct person_row *)base_insert(&call, T_PERSON) = (struct person_row){
            .tenant = 1, .name = people[i][0], .roles = base_keep(base, roles), .enabled = true};
    }
    struct plan_row *plan = base_insert(&call, T_PLAN);
    plan->tenant = 1;
    memset(plan->hash, 0xaa, RV_HASH_BYTES);
    plan->agent = "agent one";
    plan->version = "1";
    plan->manifest = base_keep(base, json_pack("{s:[s]}", "handles", "X"));
    plan->source = "source";
    struct agent_row *agent = base_insert(&call, T_AGENT);
    agent->tenant = 1;
    agent->name = "agent one";
    memset(agent->hash, 0xaa, RV_HASH_BYTES);
    agent->owner = "clerk";
    agent->enabled = true;
    for (int i = 0; i < 3; i++) {
        struct exception_row *exception = base_insert(&call, T_EXCEPTION);
        exception->tenant = 1;
        memset(exception->key, 0xaa + 0x11 * i, RV_HASH_BYTES);
        exception->type = i == 1 ? "Y" : "X";
        exception->subject = i == 0 ? "a" : i == 1 ? "b" : "c";
        exception->resource = i < 2 ? "case:1" : "case:2";
        exception->summary = "s";
        exception->state = "open";
        exception->evidence = base_keep(base, json_object());
        exception->opened_seq = i + 1;
        exception->found_seq = i + 1;
    }
    struct endpoint_row *endpoint = base_insert(&call, T_ENDPOINT);
    *endpoint = (struct endpoint_row){.tenant = 1,
                                      .id = 1,
                                      .url = "https://receiver.example/",
                                      .secret = {0xaa, 0xbb},
                                      .secret_length = 2};
    struct connector_row *connector = base_insert(&call, T_CONNECTOR);
    *connector = (struct connector_row){
        .tenant = 1,
        .id = 7,
        .name = "one",
        .kind = "http",
        .target = "https://outside.example",
        .reconcile = "person",
        .settings = base_keep(base, json_pack("{s:s}", "host", "outside.example")),
        .version = 1,
        .enabled = true};
    make_schedules(&call);
}

/* ---- the comparison ---- */

struct both {
    struct rv_db_session *session;
    struct base *base;
    struct base_session *simulated;
    int answered, refused;
};

static bool same_row(const struct rv_statement *statement, const struct answer *real, int at,
                     const struct base_reply *reply, int other)
{
    for (int column = 0; column < real->columns; column++) {
        bool skip = statement == &rv_sql_head_lock && column >= 7; /* the time, the transaction */
        const char *one = real->cells[at * real->columns + column];
        const char *two = reply->cells[other * reply->columns + column].bytes;
        if (statement == &rv_sql_company_look && column == 1 &&
            strcmp(real->cells[at * real->columns], "7") == 0) { /* ms until something is due */
            skip = llabs(strtoll(one, NULL, 10) - strtoll(two, NULL, 10)) < 2000;
        }
        if (statement == &rv_sql_run_claim_holder && column == 5 && one != NULL && two != NULL) {
            skip = strncmp(one, two, strlen(two)) == 0 || strcmp(two, "slot") == 0 ||
                   strcmp(two, "rate") == 0; /* in fewer words */
        }
        if (!skip && !same_cell(one, two)) {
            return false;
        }
    }
    return true;
}

/* Each real row is among the simulated ones. */
static const char *difference(const struct rv_statement *statement, const struct answer *real,
                              const struct base_reply *reply, char *out, size_t size)
{
    if (real->rows != reply->rows) {
        snprintf(out, size, "%d rows and %d", real->rows, reply->rows);
        return out;
    }
    for (int row = 0; row < real->rows; row++) {
        bool found = false;
        for (int other = 0; other < reply->rows; other++) {
            found = found || same_row(statement, real, row, reply, other);
        }
        if (!found) {
            int used = snprintf(out, size, "row %d:", row);
            for (int i = 0; i < 2 * real->columns && used < (int)size; i++) {
                int column = i / 2;
                const char *text = i % 2 == 0 ? real->cells[row * real->columns + column]
                                              : reply->cells[row * real->columns + column].bytes;
                used += snprintf(out + used, size - (size_t)used, " %s%.1800s",
                                 i % 2 == 0 ? "| " : "<> ", text != NULL ? text : "NULL");
            }
            return out;
        }
    }
    return NULL;
}

static void compare(struct both *both, const struct rv_statement *statement, int number)
{
    static struct answer real;
    real = (struct answer){.rows = 0};
    struct base_reply reply = {.rows = 0};
    struct rv_error err = {.code = RV_OK};
    bool arrays = strstr(statement->params, "[]") != NULL;
    struct rv_args *args =
        statement->param_count > 0 ? make_args(statement, arrays && below(4) == 0 ? 2 : 1) : NULL;
    struct base_message *message = base_message_make(statement, args, 0);
    enum rv_code code =
        rv_db_session_query(both->session, TENANT, statement, args, take_row, &real, &err);
    simulate(both->simulated, statement, message, &reply);
    char text[4000] = "";
    const char *found = NULL;
    if ((code != RV_OK) != reply.failed) {
        snprintf(text, sizeof text, "PostgreSQL: %s %s; simulated: %s %s",
                 code != RV_OK ? err.message : "fine", err.detail,
                 reply.failed ? reply.state : "fine", reply.constraint);
        found = text;
    } else if (code != RV_OK) {
        both->refused++;
        found = strstr(err.detail, reply.constraint) == NULL ? err.detail : NULL;
    } else {
        both->answered++;
        found = difference(statement, &real, &reply, text, sizeof text);
    }
    ck_assert_msg(found == NULL, "statement %d, %s: PostgreSQL and the simulation differ: %s",
                  number, statement->name, found != NULL ? found : "");
    for (int i = 0; i < real.count; i++) {
        rv_free(real.cells[i]);
    }
    base_message_free(message);
    base_reply_fini(&reply);
}

TEST(the_simulated_database_says_what_postgresql_says)
{
    const char *seed = getenv("WHOLE_SAME_SEED");
    chance.state = seed != NULL ? strtoull(seed, NULL, 10) : 1;
    char *uri = test_postgres_database(rooms);
    char *superuser = test_postgres_superuser(uri);
    test_postgres_execute(superuser, setup);
    test_postgres_execute(superuser, grace);
    struct both both = {.base = base_create()};
    struct rv_error err = {.code = RV_OK};
    both.base->now_us = real_now;
    both.base->lock_taken = nobody_else;
    make_same(both.base);
    both.simulated = base_session_open(both.base, 1);
    ck_assert_int_eq(rv_db_session_open(uri, &both.session, &err), RV_OK);
    for (int i = 0; i < STATEMENTS; i++) {
        compare(&both, compared[below(RV_COUNT(compared))], i);
    }
    printf("same: %d statements answered alike, %d refused alike\n", both.answered, both.refused);
    ck_assert_int_gt(both.answered, STATEMENTS / 2);
    ck_assert_int_gt(both.refused, STATEMENTS / 100);
    rv_db_session_close(both.session);
    base_session_close(both.simulated);
    base_destroy(both.base);
    rv_free(superuser);
    rv_free(uri);
}

TEST_MAIN_WITH(test_postgres_start(TEST_PG_FAST))
