/* api_intents.c -- what agents do outside: which intents stand, one with its log, and a person's
 * word about one of which nothing else knows. */
#include "effect_sql.h"
#include "runtime/effect/effect.h"
#include "runtime/http/call.h"

#include "http_sql.h"

#include <string.h>

void rv_api_intents_list(struct rv_call *call)
{
    struct rv_args *args = rv_call_page(call, &rv_sql_api_intents, "status", rv_effect_state_words);
    if (args != NULL) {
        rv_call_read(call, &rv_sql_api_intents, args, "intent");
    }
}

/* False: answered. */
static bool read_names(struct rv_call *call, int64_t *run, int32_t *seq)
{
    *run = rv_call_id(call, 0, "run");
    int64_t step = *run != 0 ? rv_call_id(call, 1, "intent") : 0;
    if (step > INT32_MAX) {
        struct rv_error err = {.code = RV_OK};
        rv_fail(&err, RV_NOT_FOUND, "no such intent");
        rv_call_fail(call, &err, NULL);
        return false;
    }
    *seq = (int32_t)step;
    return step != 0;
}

void rv_api_intent_show(struct rv_call *call)
{
    int64_t run = 0;
    int32_t seq = 0;
    if (read_names(call, &run, &seq)) {
        struct rv_args *args = rv_args_create(&rv_sql_effect_show);
        rv_args_i32(args, 1, call->caller->tenant);
        rv_args_i64(args, 2, run);
        rv_args_i32(args, 3, seq);
        rv_call_read(call, &rv_sql_effect_show, args, "intent");
    }
}

void rv_api_intent_resolve(struct rv_call *call)
{
    int64_t run = 0;
    int32_t seq = 0;
    struct rv_error err = {.code = RV_OK};
    const char *outcome = NULL;
    const char *reason = NULL;
    if (!read_names(call, &run, &seq)) {
        return;
    }
    if (rv_json_need_str(call->body, "body", "outcome", &outcome, &err) != RV_OK ||
        (strcmp(outcome, "done") != 0 && strcmp(outcome, "failed") != 0)) {
        rv_fail(&err, RV_INVALID, "outcome must be \"done\" or \"failed\"");
        rv_call_fail(call, &err, "outcome");
        return;
    }
    if (rv_json_need_str(call->body, "body", "reason", &reason, &err) != RV_OK ||
        reason[0] == '\0' || strlen(reason) > RV_API_COMMENT_MAX) {
        rv_fail(&err, RV_INVALID, "reason must say how you know, in 1 to %d bytes",
                RV_API_COMMENT_MAX);
        rv_call_fail(call, &err, "reason");
        return;
    }
    bool done = strcmp(outcome, "done") == 0;
    struct rv_args *args =
        rv_effect_said(call->caller->tenant, run, seq, done, call->caller->person, reason);
    json_t *about = json_pack("{s:I,s:i,s:s,s:s,s:s}", "run", (json_int_t)run, "step", (int)seq,
                              "outcome", outcome, "reason", reason, "channel", "http");
    rv_call_act(call, "intent.resolve", about, &rv_sql_effect_resolve, args,
                json_pack("{s:s}", "state", outcome), "intent that waits for a person");
}
