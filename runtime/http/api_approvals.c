/* api_approvals.c -- the inbox: list, one approval, a vote; and votes that come as signed
 * callbacks.
 *
 * A vote carries the digest of what its person saw.  The person is the authenticated one; a name in
 * the body is nobody.
 */
#include "runtime/base/check.h"
#include "runtime/http/call.h"

#include "http_sql.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void rv_api_approvals_list(struct rv_call *call)
{
    struct rv_args *args =
        rv_call_page(call, &rv_sql_api_approvals, "status", rv_approval_status_words);
    if (args != NULL) {
        rv_call_read(call, &rv_sql_api_approvals, args, "approval");
    }
}

void rv_api_approval_show(struct rv_call *call)
{
    int64_t id = rv_call_id(call, 0, "approval");
    if (id == 0) {
        return;
    }
    struct rv_args *args = rv_args_create(&rv_sql_api_approval);
    rv_args_i32(args, 1, call->caller->tenant);
    rv_args_i64(args, 2, id);
    rv_args_text(args, 3, call->caller->person);
    rv_call_read(call, &rv_sql_api_approval, args, "approval");
}

static enum rv_code read_decision(struct rv_call *call, struct rv_vote *vote, const char **field,
                                  struct rv_error *err)
{
    const char *decision = NULL;
    *field = "decision";
    enum rv_code code = rv_json_need_str(call->body, "body", "decision", &decision, err);
    if (code != RV_OK) {
        return code;
    }
    vote->approve = strcmp(decision, "approve") == 0;
    if (!vote->approve && strcmp(decision, "reject") != 0) {
        return rv_fail(err, RV_INVALID, "decision must be \"approve\" or \"reject\"");
    }
    *field = "digest";
    code = rv_json_need_str(call->body, "body", "digest", &vote->digest_hex, err);
    if (code != RV_OK) {
        return code;
    }
    struct rv_hash unused;
    if (!rv_hash_from_hex(vote->digest_hex, &unused)) {
        rv_fail(err, RV_INVALID, "digest must be 64 hexadecimal digits");
        rv_hint(err, "Send the digest that GET /v1/approvals/{id} gave for what you saw.");
        return RV_INVALID;
    }
    *field = "comment";
    vote->comment = rv_json_str(call->body, "comment", "");
    if (strlen(vote->comment) > RV_API_COMMENT_MAX) {
        return rv_fail(err, RV_INVALID, "comment is longer than %d bytes", RV_API_COMMENT_MAX);
    }
    if (!vote->approve && vote->comment[strspn(vote->comment, " \t\r\n")] == '\0') {
        rv_fail(err, RV_INVALID, "a rejection needs a comment");
        rv_hint(err, "Say in one sentence why, for those who have to correct it.");
        return RV_INVALID;
    }
    return RV_OK;
}

/* The status with its id as text, as everywhere in this interface. */
static void on_voted(void *data, enum rv_code code, const json_t *status,
                     const struct rv_error *err)
{
    char id[24];
    if (code != RV_OK) {
        rv_call_fail(data, err, NULL);
        return;
    }
    json_t *answer = json_copy((json_t *)(uintptr_t)status);
    snprintf(id, sizeof id, "%" PRId64, rv_json_int(status, "id", 0));
    json_object_set_new(answer, "id", json_string(id));
    rv_call_done(data, RV_OK, answer, NULL);
    json_decref(answer);
}

static void on_callback_voted(void *data, enum rv_code code, const json_t *status,
                              const struct rv_error *err)
{
    struct rv_call *call = data;
    if (code == RV_DENIED) {
        rv_auth_note_failure(call->api->auth, rv_exchange_peer(call->exchange));
    }
    on_voted(data, code, status, err);
}

void rv_api_approval_decide(struct rv_call *call)
{
    struct rv_error err = {.code = RV_OK};
    struct rv_vote *vote = rv_arena_alloc(rv_exchange_arena(call->exchange), sizeof *vote);
    const char *field = NULL;
    vote->approval = rv_call_id(call, 0, "approval");
    if (vote->approval == 0) {
        return;
    }
    if (read_decision(call, vote, &field, &err) != RV_OK) {
        rv_call_fail(call, &err, field);
        return;
    }
    vote->tenant = call->caller->tenant;
    vote->person = call->caller->person;
    vote->channel = call->caller->csrf != NULL ? "inbox" : "api";
    rv_approval_vote(call->api->options.approvals, vote, on_voted, call);
}

void rv_api_hook_callback(struct rv_call *call)
{
    const struct rv_http_request *request = rv_exchange_request(call->exchange);
    struct rv_hook_callback message = {
        .id = rv_http_field(request, "webhook-id"),
        .timestamp = rv_http_field(request, "webhook-timestamp"),
        .signature = rv_http_field(request, "webhook-signature"),
        .body = request->body.data,
        .body_length = request->body.length,
    };
    char endpoint[64] = "";
    if (call->api->options.callbacks == NULL ||
        !rv_http_query(request, "endpoint", endpoint, sizeof endpoint)) {
        rv_exchange_refuse(call->exchange, 404, "not_found", "no such callback endpoint",
                           "Post to /v1/hooks/callback?endpoint=rve_<tenant>_<id>.");
        return;
    }
    struct rv_auth_refusal refusal;
    if (rv_auth_is_limited(call->api->auth, rv_exchange_peer(call->exchange), &refusal)) {
        rv_call_refuse_caller(call, &refusal);
        return;
    }
    message.endpoint = rv_arena_strdup(rv_exchange_arena(call->exchange), endpoint);
    rv_hook_callback_receive(call->api->options.callbacks, &message, on_callback_voted, call);
}
