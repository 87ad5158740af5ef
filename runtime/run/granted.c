/* granted.c -- looks, presents each, counts the answers; see granted.h. */
#include "runtime/run/granted.h"

#include "gate_sql.h"
#include "runtime/base/check.h"
#include "runtime/base/log.h"

#include <inttypes.h>
#include <string.h>

enum { GRANTED_ARENA_MAX = 8 << 20 };

struct round {
    struct rv_gate *gate;
    int32_t tenant;
    int open; /* requests at the gate, and one for the look itself */
    int executed;
    void (*done)(void *data, int executed);
    void *data;
};

struct grant {
    struct rv_gate_request request;
    struct round *round;
    struct rv_arena *arena;
    json_t *args;
    json_t *roles;
    json_t *evidence;
};

static void round_less(struct round *round)
{
    if (--round->open > 0) {
        return;
    }
    if (round->done != NULL) {
        round->done(round->data, round->executed);
    }
    rv_free(round);
}

static void on_done(struct rv_gate_request *request, enum rv_code code,
                    const struct rv_gate_outcome *outcome, const struct rv_error *err)
{
    struct grant *grant = request->data;
    struct round *round = grant->round;
    bool executed = code == RV_OK && outcome->result == RV_GATE_EXECUTED;
    if (!executed && (code != RV_OK || outcome->result != RV_GATE_REPEATED)) {
        rv_log(RV_LOG_WARN, "gate", "GRANT-NOT-EXECUTED",
               "tenant=%d approval=%" PRId64 " action=%s %s", round->tenant, request->approval,
               request->action,
               code != RV_OK              ? err->message
               : outcome->message != NULL ? outcome->message
                                          : "");
    }
    round->executed += executed;
    json_decref(grant->args);
    json_decref(grant->roles);
    json_decref(grant->evidence);
    rv_arena_destroy(grant->arena);
    rv_free(grant);
    round_less(round);
}

static void present(struct round *round, const struct rv_result *result, int row)
{
    struct grant *grant = rv_alloc(sizeof *grant);
    grant->round = round;
    grant->arena = rv_arena_create("granted request", GRANTED_ARENA_MAX);
    grant->args = rv_result_json(result, row, 3);
    grant->roles = rv_result_json(result, row, 5);
    grant->evidence = rv_result_json(result, row, 7);
    const char *who = rv_result_text(result, row, 4); /* "person:clerk" */
    const char *colon = strchr(who, ':');
    RV_ASSERT(colon != NULL);
    grant->request = (struct rv_gate_request){
        .tenant = round->tenant,
        .principal = {.kind = strncmp(who, "person:", 7) == 0 ? RV_PRINCIPAL_PERSON
                                                              : RV_PRINCIPAL_SYSTEM,
                      .id = rv_arena_strdup(grant->arena, colon + 1),
                      .roles = grant->roles},
        .action = rv_arena_strdup(grant->arena, rv_result_text(result, row, 2)),
        .args = grant->args,
        .command_id = rv_arena_strdup(grant->arena, rv_result_text(result, row, 1)),
        .reason = rv_result_is_null(result, row, 6)
                      ? NULL
                      : rv_arena_strdup(grant->arena, rv_result_text(result, row, 6)),
        .evidence = grant->evidence,
        .approval = rv_result_i64(result, row, 0),
        .done = on_done,
        .data = grant,
    };
    round->open++;
    rv_gate_submit(round->gate, &grant->request);
}

static void on_look(void *data, enum rv_code code, const struct rv_result *result,
                    const struct rv_error *err)
{
    struct round *round = data;
    if (code != RV_OK) {
        rv_log(RV_LOG_WARN, "gate", "LOOK-FAILED", "%s", err->message);
    }
    for (int row = 0; code == RV_OK && row < rv_result_rows(result); row++) {
        present(round, result, row);
    }
    round_less(round);
}

void rv_granted_execute(struct rv_gate *gate, struct rv_db *db, int32_t tenant,
                        void (*done)(void *data, int executed), void *data)
{
    struct round *round = rv_alloc(sizeof *round);
    *round = (struct round){.gate = gate, .tenant = tenant, .open = 1, .done = done, .data = data};
    rv_db_query(db, tenant, &rv_sql_approvals_granted, rv_args_create(&rv_sql_approvals_granted),
                on_look, round);
}
