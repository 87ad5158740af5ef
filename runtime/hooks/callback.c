/* callback.c -- see callback.h. */
#include "runtime/hooks/callback.h"

#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/hooks/column.h"
#include "runtime/hooks/sign.h"

#include "hooks_sql.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MESSAGE_ID_MAX = 200, ARENA_MAX = 1 << 20, COMMENT_MAX = 2000 };

struct rv_hook_callbacks {
    struct rv_loop *loop;
    struct rv_db *db;
    struct rv_approvals *approvals;
    const struct rv_hook_vault *vault;
};

struct receive {
    struct rv_hook_callbacks *callbacks;
    struct rv_arena *arena;
    struct rv_hook_callback message;
    int32_t tenant;
    int64_t endpoint;
    json_t *body;
    struct rv_vote vote;
    void (*done)(void *data, enum rv_code code, const json_t *status, const struct rv_error *err);
    void *data;
};

struct rv_hook_callbacks *rv_hook_callbacks_create(struct rv_loop *loop, struct rv_db *db,
                                                   struct rv_approvals *approvals,
                                                   const struct rv_hook_vault *vault)
{
    struct rv_hook_callbacks *callbacks = rv_alloc(sizeof *callbacks);
    *callbacks = (struct rv_hook_callbacks){loop, db, approvals, vault};
    return callbacks;
}

void rv_hook_callbacks_destroy(struct rv_hook_callbacks *callbacks)
{
    rv_free(callbacks);
}

static void end(struct receive *receive, enum rv_code code, const json_t *status,
                const struct rv_error *err)
{
    receive->done(receive->data, code, status, err);
    json_decref(receive->body);
    rv_arena_destroy(receive->arena);
    rv_free(receive);
}

static void refuse(struct receive *receive)
{
    struct rv_error err = {.code = RV_OK};
    rv_fail(&err, RV_DENIED, "the callback is not authentic");
    rv_hint(&err, "Check endpoint, secret, clock, and that the body is signed exactly as sent.");
    rv_log(RV_LOG_WARN, "hooks", "HOOK-REFUSED", "callback refused endpoint=%.40s",
           receive->message.endpoint);
    end(receive, RV_DENIED, NULL, &err);
}

/* ---- the vote ---- */

static void on_forgotten(void *data, enum rv_code code, const struct rv_result *result,
                         const struct rv_error *err)
{
    (void)data;
    (void)result;
    if (code != RV_OK) {
        rv_log_error("hooks", "HOOK-SEEN", err);
    }
}

static void forget(struct receive *receive)
{
    struct rv_args *args = rv_args_create(&rv_sql_hook_seen_drop);
    rv_args_i32(args, 1, receive->tenant);
    rv_args_i64(args, 2, receive->endpoint);
    rv_args_text(args, 3, receive->message.id);
    rv_db_query(receive->callbacks->db, receive->tenant, &rv_sql_hook_seen_drop, args, on_forgotten,
                NULL);
}

static void on_voted(void *data, enum rv_code code, const json_t *status,
                     const struct rv_error *err)
{
    struct receive *receive = data;
    if (code == RV_UNAVAILABLE || code == RV_TIMEOUT || code == RV_IO || code == RV_CANCELED) {
        forget(receive);
    }
    end(receive, code, status, err);
}

static int64_t read_approval(const json_t *body)
{
    const json_t *id = json_object_get(body, "approval");
    const char *text = json_string_value(id);
    if (json_is_integer(id)) {
        return json_integer_value(id);
    }
    if (text == NULL || text[0] == '\0' || strlen(text) > 18 + 1 ||
        strspn(text, "0123456789") != strlen(text)) {
        return 0;
    }
    return strtoll(text, NULL, 10);
}

static enum rv_code read_body(struct receive *receive, struct rv_error *err)
{
    struct rv_vote *vote = &receive->vote;
    const char *decision = NULL;
    enum rv_code code = rv_json_parse(receive->message.body, receive->message.body_length,
                                      "callback body", &receive->body, err);
    if (code == RV_LIMIT) { /* of the text itself: waiting, as 429 asks for, does not help */
        err->code = RV_INVALID;
        code = RV_INVALID;
        rv_hint(err, "A decision is one flat object: approval, decision, digest, comment.");
    }
    if (code == RV_OK) {
        code = rv_json_only(receive->body, "callback body", "*approval decision digest comment",
                            NULL, err);
    }
    if (code == RV_OK) {
        code = rv_json_need_str(receive->body, "callback body", "decision", &decision, err);
    }
    if (code == RV_OK) {
        code = rv_json_need_str(receive->body, "callback body", "digest", &vote->digest_hex, err);
    }
    if (code != RV_OK) {
        return code;
    }
    vote->approve = strcmp(decision, "approve") == 0;
    if (!vote->approve && strcmp(decision, "reject") != 0) {
        return rv_fail(err, RV_INVALID, "decision must be \"approve\" or \"reject\"");
    }
    vote->approval = read_approval(receive->body);
    if (vote->approval <= 0) {
        return rv_fail(err, RV_INVALID, "approval must be the id of an approval");
    }
    vote->comment = rv_json_str(receive->body, "comment", "");
    if (strlen(vote->comment) > COMMENT_MAX) {
        return rv_fail(err, RV_INVALID, "comment is longer than %d bytes", COMMENT_MAX);
    }
    return RV_OK;
}

static void on_seen(void *data, enum rv_code code, const struct rv_result *result,
                    const struct rv_error *err)
{
    struct receive *receive = data;
    if (code != RV_OK) {
        end(receive, code, NULL, err);
        return;
    }
    if (rv_result_rows(result) == 0) {
        struct rv_error repeated = {.code = RV_OK};
        rv_fail(&repeated, RV_CONFLICT, "this message was received before");
        rv_hint(&repeated, "Nothing was done again; a new decision needs a new webhook-id.");
        end(receive, RV_CONFLICT, NULL, &repeated);
        return;
    }
    rv_approval_vote(receive->callbacks->approvals, &receive->vote, on_voted, receive);
}

/* ---- the proof ---- */

static bool is_authentic(const struct receive *receive, const struct rv_result *result)
{
    uint8_t secret[RV_HOOK_SECRET_MAX], old_secret[RV_HOOK_SECRET_MAX],
        public_key[RV_HOOK_SECRET_MAX];
    struct rv_hook_keys keys = {.secret = NULL};
    struct rv_hook_message message = {.id = receive->message.id,
                                      .timestamp = receive->message.timestamp,
                                      .body = receive->message.body,
                                      .length = receive->message.body_length};
    const struct rv_hook_vault *vault = receive->callbacks->vault;
    keys.secret_length = rv_hook_column_open(vault, receive->tenant, receive->endpoint,
                                             RV_HOOK_FIELD_SECRET, result, 0, 0, secret);
    keys.secret = keys.secret_length >= RV_HOOK_SECRET_MIN ? secret : NULL;
    keys.old_secret_length = rv_hook_column_open(vault, receive->tenant, receive->endpoint,
                                                 RV_HOOK_FIELD_SECRET, result, 0, 1, old_secret);
    keys.old_secret = keys.old_secret_length >= RV_HOOK_SECRET_MIN ? old_secret : NULL;
    if (!rv_result_is_null(result, 0, 2) &&
        rv_result_bytes(result, 0, 2, public_key, sizeof public_key) == RV_HOOK_PUBLIC_BYTES) {
        keys.public_key = public_key;
    }
    bool authentic = rv_hook_verify(&keys, &message, receive->message.signature);
    sodium_memzero(secret, sizeof secret);
    sodium_memzero(old_secret, sizeof old_secret);
    return authentic && rv_hook_is_fresh(receive->message.timestamp,
                                         rv_now_us(rv_loop_clock(receive->callbacks->loop)));
}

static void on_keys(void *data, enum rv_code code, const struct rv_result *result,
                    const struct rv_error *err)
{
    struct receive *receive = data;
    struct rv_error broken = {.code = RV_OK};
    if (code != RV_OK) {
        end(receive, code, NULL, err);
        return;
    }
    if (rv_result_rows(result) != 1 || !is_authentic(receive, result)) {
        refuse(receive);
        return;
    }
    receive->vote.tenant = receive->tenant;
    receive->vote.channel = "hook";
    receive->vote.person = rv_arena_strdup(receive->arena, rv_result_text(result, 0, 3));
    code = read_body(receive, &broken);
    if (code != RV_OK) {
        end(receive, code, NULL, &broken);
        return;
    }
    struct rv_args *args = rv_args_create(&rv_sql_hook_seen_put);
    rv_args_i32(args, 1, receive->tenant);
    rv_args_i64(args, 2, receive->endpoint);
    rv_args_text(args, 3, receive->message.id);
    rv_db_query(receive->callbacks->db, receive->tenant, &rv_sql_hook_seen_put, args, on_seen,
                receive);
}

/* "rve_<tenant>_<id>", decimal, nothing else. */
static bool read_endpoint(const char *text, int32_t *tenant, int64_t *endpoint)
{
    char again[64];
    if (text == NULL || sscanf(text, "rve_%9" SCNd32 "_%19" SCNd64, tenant, endpoint) != 2) {
        return false;
    }
    snprintf(again, sizeof again, "rve_%" PRId32 "_%" PRId64, *tenant, *endpoint);
    return *tenant > 0 && *endpoint > 0 && strcmp(again, text) == 0;
}

static bool is_complete(const struct rv_hook_callback *message)
{
    return message->id != NULL && message->timestamp != NULL && message->signature != NULL &&
           message->id[0] != '\0' && strlen(message->id) <= MESSAGE_ID_MAX &&
           strchr(message->id, '.') == NULL;
}

void rv_hook_callback_receive(struct rv_hook_callbacks *callbacks,
                              const struct rv_hook_callback *callback,
                              void (*done)(void *data, enum rv_code code, const json_t *status,
                                           const struct rv_error *err),
                              void *data)
{
    struct receive *receive = rv_alloc(sizeof *receive);
    receive->callbacks = callbacks;
    receive->arena = rv_arena_create("hook callback", ARENA_MAX);
    receive->message = *callback;
    receive->done = done;
    receive->data = data;
    if (!read_endpoint(callback->endpoint, &receive->tenant, &receive->endpoint) ||
        !is_complete(callback)) {
        refuse(receive);
        return;
    }
    struct rv_args *args = rv_args_create(&rv_sql_hook_callback_keys);
    rv_args_i32(args, 1, receive->tenant);
    rv_args_i64(args, 2, receive->endpoint);
    rv_db_query(callbacks->db, receive->tenant, &rv_sql_hook_callback_keys, args, on_keys, receive);
}
