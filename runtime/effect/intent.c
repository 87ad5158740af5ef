/* intent.c -- an intent with its connector, read from one row; see effect_private.h. */
#include "effect_sql.h"
#include "runtime/base/check.h"
#include "runtime/base/clock.h"
#include "runtime/base/random.h"
#include "runtime/effect/connector.h"
#include "runtime/effect/effect_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const states[] = {"intended", "attempting", "retry", "unclear",
                                     "person",   "done",       "failed"};
_Static_assert(RV_COUNT(states) == EFFECT_STATE_COUNT, "every state has its name");
static const char *const rules[] = {"person", "repeat", "status", "look"};
static const char *const kinds[] = {"http", "mail", "file"};

const char *effect_state_name(enum effect_state state)
{
    RV_ASSERT(state < EFFECT_STATE_COUNT);
    return states[state];
}

static int index_of(const char *word, const char *const *words, int count)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(words[i], word) == 0) {
            return i;
        }
    }
    RV_UNREACHABLE("the table checks its words");
}

void rv_effect_key(int32_t tenant, int64_t run, int32_t seq, char out[RV_EFFECT_KEY_TEXT])
{
    snprintf(out, RV_EFFECT_KEY_TEXT, "reeve-%" PRId32 "-r%" PRId64 "-%" PRId32, tenant, run, seq);
}

void rv_effect_intend(struct rv_batch *batch, int64_t run, int32_t seq, const char *action,
                      const json_t *args)
{
    char key[RV_EFFECT_KEY_TEXT];
    rv_effect_key(rv_batch_tenant(batch), run, seq, key);
    struct rv_args *rows = rv_batch_rows(batch, &rv_sql_effect_intend);
    rv_args_i64(rows, 2, run);
    rv_args_i32(rows, 3, seq);
    rv_args_text(rows, 4, key);
    rv_args_text(rows, 5, action);
    rv_args_text(rows, 6, rv_json_str(args, "connector", ""));
    rv_args_json(rows, 7, args);
}

const char rv_effect_state_words[] = "intended attempting retry unclear person done failed";

struct rv_args *rv_effect_said(int32_t tenant, int64_t run, int32_t seq, bool done,
                               const char *person, const char *reason)
{
    const char *state = effect_state_name(done ? EFFECT_DONE : EFFECT_FAILED);
    json_t *outcome = json_pack("{s:b,s:s,s:s,s:s,s:s,s:s}", "ok", done, "state", state, "how",
                                "person", "person", person, "reason", reason, "message", reason);
    if (done) {
        json_object_set_new(outcome, "answer", json_pack("{s:s}", "said_by", person));
    } else {
        json_object_set_new(outcome, "code", json_string("refused"));
    }
    struct rv_args *args = rv_args_create(&rv_sql_effect_resolve);
    rv_args_i32(args, 1, tenant);
    rv_args_i64(args, 2, run);
    rv_args_i32(args, 3, seq);
    rv_args_text(args, 4, state);
    rv_args_json(args, 5, outcome);
    rv_args_i64(args, 6, rv_id_make(rv_now_us(rv_clock_system())));
    rv_args_json(args, 7, outcome);
    json_decref(outcome);
    return args;
}

/* ---- reading ---- */

static void read_connector(struct effect_intent *out, const struct rv_result *result)
{
    out->has_connector = !rv_result_is_null(result, 0, 10) && rv_result_bool(result, 0, 16);
    if (rv_result_is_null(result, 0, 10)) {
        return;
    }
    out->connector = rv_result_i64(result, 0, 10);
    out->kind = (enum effect_kind)index_of(rv_result_text(result, 0, 11), kinds, RV_COUNT(kinds));
    out->target = rv_strdup(rv_result_text(result, 0, 12));
    out->rule = (enum effect_rule)index_of(rv_result_text(result, 0, 13), rules, RV_COUNT(rules));
    out->settings = rv_result_json(result, 0, 14);
    size_t length = rv_result_length(result, 0, 15);
    if (!rv_result_is_null(result, 0, 15) && length < 2 * RV_CONNECTOR_SEALED_MAX) {
        uint8_t bytes[RV_CONNECTOR_SEALED_MAX];
        rv_buf_add(&out->sealed, bytes, rv_result_bytes(result, 0, 15, bytes, sizeof bytes));
    }
}

bool effect_intent_read(struct effect_intent *out, const struct rv_result *result)
{
    if (rv_result_rows(result) == 0) {
        return false;
    }
    rv_buf_init(&out->sealed, RV_CONNECTOR_SEALED_MAX);
    out->key = rv_strdup(rv_result_text(result, 0, 0));
    out->action = rv_strdup(rv_result_text(result, 0, 1));
    out->name = rv_strdup(rv_result_text(result, 0, 2));
    out->args = rv_result_json(result, 0, 3);
    out->state =
        (enum effect_state)index_of(rv_result_text(result, 0, 4), states, EFFECT_STATE_COUNT);
    out->attempt = (int)rv_result_i64(result, 0, 5);
    out->looks = (int)rv_result_i64(result, 0, 6);
    out->until_us = rv_result_is_null(result, 0, 7) ? 0 : rv_result_time_us(result, 0, 7);
    out->cancel = rv_result_is_null(result, 0, 8) ? NULL : rv_strdup(rv_result_text(result, 0, 8));
    out->outcome = rv_result_json(result, 0, 9);
    out->now_us = rv_result_time_us(result, 0, 17);
    if (!rv_result_is_null(result, 0, 18)) {
        snprintf(out->trace, sizeof out->trace, "%s", rv_result_text(result, 0, 18));
    }
    read_connector(out, result);
    return true;
}

void effect_intent_fini(struct effect_intent *intent)
{
    rv_free(intent->key);
    rv_free(intent->action);
    rv_free(intent->name);
    rv_free(intent->cancel);
    rv_free(intent->target);
    json_decref(intent->args);
    json_decref(intent->outcome);
    json_decref(intent->settings);
    rv_buf_fini(&intent->sealed);
    *intent = (struct effect_intent){.run = 0};
}

int64_t effect_setting(const struct effect_intent *intent, const char *name, int64_t otherwise)
{
    return rv_json_int(intent->settings, name, otherwise);
}

/* Nothing was sent where it does not open: another time, when somebody has brought the key back. */
bool effect_secret(struct rv_effects *effects, const struct effect_intent *intent,
                   struct rv_buf *out, struct effect_result *result)
{
    const struct rv_hook_vault *vault = NULL;
    struct rv_error err = {.code = RV_OK};
    if (intent->sealed.length == 0) {
        return true;
    }
    enum rv_code code = effect_vault(effects, &vault, &err);
    if (code == RV_OK && !rv_hook_unseal_connector(vault, intent->tenant, intent->connector,
                                                   (const uint8_t *)intent->sealed.data,
                                                   intent->sealed.length, out)) {
        code = rv_fail(&err, RV_CORRUPT,
                       "the secret of connector \"%s\" does not open with this node's hook key",
                       intent->name);
    }
    if (code != RV_OK) {
        effect_result_set(result, EFFECT_NOT_YET, code, "%s", err.message);
    }
    return code == RV_OK;
}
