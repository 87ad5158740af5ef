/* openai_record.c -- what made each choice of an answer of the API, kept so that it can be made
 * again: model, file, adapter, template, sampler, seed and token counts.  No text, and nothing of
 * who asked.
 */
#include "model_sql.h"
#include "runtime/base/log.h"
#include "runtime/http/openai_call.h"

static void on_kept(void *data, enum rv_code code, const struct rv_result *result,
                    const struct rv_error *err)
{
    (void)data;
    (void)result;
    if (code != RV_OK) {
        rv_log_error("http", "ANSWER-LOST", err);
    }
}

void rv_openai_record(struct rv_api *api, int32_t tenant, const struct rv_openai_made *made,
                      const json_t *body)
{
    const json_t *model = json_object_get(body, "model");
    const json_t *usage = json_object_get(body, "usage");
    const json_t *adapter = json_object_get(model, "adapter");
    if (model == NULL || usage == NULL || api->stopped) {
        return; /* it never began */
    }
    struct rv_args *args = rv_args_create(&rv_sql_model_answer_add);
    rv_args_i32(args, 1, tenant);
    rv_args_text(args, 2, made->id);
    rv_args_i32(args, 3, made->choice);
    rv_args_text(args, 4, made->outcome);
    rv_args_text(args, 5, rv_json_str(model, "name", ""));
    rv_args_text(args, 6, rv_json_str(model, "hash", ""));
    if (adapter != NULL) {
        rv_args_text(args, 7, rv_json_str(adapter, "name", ""));
        rv_args_text(args, 8, rv_json_str(adapter, "hash", ""));
    } else {
        rv_args_null(args, 7);
        rv_args_null(args, 8);
    }
    rv_args_text(args, 9, rv_json_str(model, "template", ""));
    rv_args_text(args, 10, rv_json_str(model, "sampler", ""));
    if (made->has_seed) {
        rv_args_i64(args, 11, made->seed);
    } else {
        rv_args_null(args, 11);
    }
    rv_args_i64(args, 12, made->prompt_tokens);
    rv_args_i64(args, 13, made->cached_tokens);
    rv_args_i64(args, 14, rv_json_int(usage, "answer", 0));
    rv_args_i64(args, 15, rv_json_int(usage, "thinking", 0));
    rv_db_query(api->options.db, tenant, &rv_sql_model_answer_add, args, on_kept, NULL);
}

void rv_api_answer_show(struct rv_call *call)
{
    struct rv_args *args = rv_args_create(&rv_sql_model_answer);
    rv_args_i32(args, 1, call->caller->tenant);
    rv_args_text(args, 2, call->match.parts[0]);
    rv_call_read(call, &rv_sql_model_answer, args, "answer");
}
