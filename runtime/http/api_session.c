/* api_session.c -- sign in, sign out, who am I. */
#include "runtime/base/check.h"
#include "runtime/http/call.h"

#include <stdio.h>
#include <string.h>

enum { COOKIE_TEXT = RV_CREDENTIAL_TEXT + 120 };

static json_t *role_list(const char *roles)
{
    json_t *list = json_array();
    while (*roles != '\0') {
        size_t length = strcspn(roles, ",");
        json_array_append_new(list, json_stringn(roles, length));
        roles += length + (roles[length] == ',');
    }
    return list;
}

/* What the pages need to know about the person; never more than the caller's own. */
static void answer_caller(struct rv_call *call, const struct rv_caller *caller, int status)
{
    json_t *body = json_pack("{s:i, s:s, s:o, s:b, s:b, s:b, s:b}", "tenant", (int)caller->tenant,
                             "person", caller->person, "roles", role_list(caller->roles),
                             "may_read", (caller->permissions & RV_MAY_READ) != 0, "may_decide",
                             (caller->permissions & RV_MAY_DECIDE) != 0, "may_operate",
                             (caller->permissions & RV_MAY_OPERATE) != 0, "may_administer",
                             (caller->permissions & RV_MAY_ADMINISTER) != 0);
    RV_ASSERT(body != NULL);
    if (caller->csrf != NULL) {
        json_object_set_new(body, "csrf", json_string(caller->csrf));
    }
    rv_exchange_json(call->exchange, status, body);
    json_decref(body);
}

static void set_cookie(struct rv_call *call, const char *value, int seconds)
{
    char cookie[COOKIE_TEXT];
    snprintf(cookie, sizeof cookie,
             RV_SESSION_COOKIE "=%s; Path=/; HttpOnly; SameSite=Strict; Max-Age=%d%s", value,
             seconds, rv_exchange_is_tls(call->exchange) ? "; Secure" : "");
    rv_exchange_field(call->exchange, "Set-Cookie", cookie);
}

static void on_signed_in(void *data, const struct rv_caller *caller, const char *cookie,
                         const struct rv_auth_refusal *refusal)
{
    struct rv_call *call = data;
    if (caller == NULL) {
        rv_call_refuse_caller(call, refusal);
        return;
    }
    set_cookie(call, cookie, RV_SESSION_SECONDS);
    answer_caller(call, caller, 201);
}

void rv_api_sign_in(struct rv_call *call)
{
    static const char *const needed[] = {"tenant", "name", "password"};
    const char *values[RV_COUNT(needed)];
    struct rv_error err = {.code = RV_OK};
    for (size_t i = 0; i < RV_COUNT(needed); i++) {
        if (rv_json_need_str(call->body, "body", needed[i], &values[i], &err) != RV_OK) {
            rv_call_fail(call, &err, needed[i]);
            return;
        }
    }
    rv_auth_sign_in(call->api->auth, values[0], values[1], values[2],
                    rv_exchange_peer(call->exchange), on_signed_in, call);
}

static void on_signed_out(void *data, enum rv_code code)
{
    struct rv_call *call = data;
    if (code != RV_OK) {
        struct rv_error err = {.code = RV_OK};
        rv_fail(&err, RV_UNAVAILABLE, "the session could not be ended");
        rv_hint(&err, "Try again in a moment; it ends by itself after 12 hours.");
        rv_call_fail(call, &err, NULL);
        return;
    }
    set_cookie(call, "", 0);
    rv_exchange_answer(call->exchange, 204, NULL, "", 0);
}

void rv_api_sign_out(struct rv_call *call)
{
    if (call->caller->csrf == NULL) {
        struct rv_error err = {.code = RV_OK};
        rv_fail(&err, RV_INVALID, "an API token has no session to end");
        rv_hint(&err, "Revoke the token with \"reeve token revoke\".");
        rv_call_fail(call, &err, NULL);
        return;
    }
    rv_auth_sign_out(call->api->auth, call->caller, on_signed_out, call);
}

void rv_api_me(struct rv_call *call)
{
    answer_caller(call, call->caller, 200);
}
