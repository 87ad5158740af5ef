/* perform_http.c -- one request, or one look at a status; what an answer means stands below, pure.
 *
 * A redirect is not followed: it is an answer that did not do what was asked.  What a gateway says
 * (500, 502, 504) leaves open whether the machine behind it has done it; 503 and 429 say that it
 * has not.
 */
#include "runtime/base/check.h"
#include "runtime/base/hash.h"
#include "runtime/effect/connector.h"
#include "runtime/effect/effect_private.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { HEADER_MAX = RV_CONNECTOR_SECRET_MAX + 256 };

/* ---- what an answer means ---- */

static bool type_is(const char *type, const char *wanted)
{
    size_t length = strlen(wanted);
    return strncasecmp(type, wanted, length) == 0 && strchr("; ", type[length]) != NULL;
}

/* JSON as JSON, with fractions as the plan will see them; text as text; anything else by its hash.
 */
static json_t *answer_of(const struct rv_post_result *post)
{
    json_t *answer = json_pack("{s:i}", "status", post->status);
    json_t *body = NULL;
    if (post->cut) {
        json_object_set_new(answer, "cut", json_true());
    } else if (type_is(post->type, "application/json")) {
        if (rv_json_parse(post->body, post->length, "the answer", &body, NULL) == RV_OK) {
            body = rv_json_plain(body);
            json_object_set_new(answer, "body", body);
        }
    } else if (type_is(post->type, "text/plain") && memchr(post->body, 0, post->length) == NULL) {
        json_object_set_new(answer, "text",
                            json_stringn(post->body, post->length)); /* UTF-8 only */
    }
    if (body == NULL && post->length > 0 && !post->cut) {
        char hex[RV_HASH_HEX];
        struct rv_hash hash = rv_sha256(post->body, post->length);
        rv_hash_hex(&hash, hex);
        json_object_set_new(answer, "sha256", json_string(hex));
        json_object_set_new(answer, "bytes", json_integer((json_int_t)post->length));
    }
    return answer;
}

void effect_http_judge(const struct rv_post_result *post, struct effect_result *result)
{
    int status = post->status;
    *result = (struct effect_result){.wait_ms = post->retry_after_s * 1000};
    if (status >= 200 && status < 300) {
        result->verdict = EFFECT_HAPPENED;
        result->answer = answer_of(post);
    } else if (status == 408 || status == 425 || status == 429 || status == 503) {
        effect_result_set(result, EFFECT_NOT_YET, RV_UNAVAILABLE, "it answered %d: not now",
                          status);
    } else if (status >= 500) {
        effect_result_set(result, EFFECT_UNKNOWN, RV_UNAVAILABLE, "it answered %d", status);
    } else if (status >= 300) {
        effect_result_set(result, EFFECT_REFUSED, RV_INVALID, "it answered %d: refused", status);
    } else if (post->refused_address) {
        effect_result_set(result, EFFECT_REFUSED, RV_DENIED, "%s", post->error);
    } else {
        effect_result_set(result, post->sent ? EFFECT_UNKNOWN : EFFECT_NOT_YET, RV_UNAVAILABLE,
                          "%s", post->error);
    }
}

void effect_http_judge_look(const struct rv_post_result *post, struct effect_result *result)
{
    int status = post->status;
    *result = (struct effect_result){.wait_ms = 0};
    if (status >= 200 && status < 300) {
        result->verdict = EFFECT_HAPPENED;
        result->answer = answer_of(post);
    } else if (status == 404 || status == 410) {
        effect_result_set(result, EFFECT_NOT_YET, RV_UNAVAILABLE,
                          "the status address says that it did not happen (%d)", status);
    } else {
        effect_result_set(result, EFFECT_UNKNOWN, RV_UNAVAILABLE,
                          "the status address gives no answer to it (%d%s%s)", status,
                          post->error[0] != '\0' ? ", " : "", post->error);
    }
}

/* ---- asking ---- */

static void on_posted(void *data, const struct rv_post_result *post)
{
    struct effect_call *call = data;
    struct effect_result result;
    (call->look ? effect_http_judge_look : effect_http_judge)(post, &result);
    call->done(call->data, &result);
}

/* "Authorization: Bearer ..." or whatever header the connector names; "" without a secret. */
static void secret_header(const struct effect_intent *intent, const struct rv_buf *secret,
                          char out[HEADER_MAX])
{
    const char *header = rv_json_str(intent->settings, "header", NULL);
    if (secret->length == 0) {
        out[0] = '\0';
    } else if (header != NULL) {
        snprintf(out, HEADER_MAX, "%s: %s", header, secret->data);
    } else {
        snprintf(out, HEADER_MAX, "Authorization: Bearer %s", secret->data);
    }
}

static void ask(struct rv_effects *effects, struct effect_call *call, const char *url,
                const char *body)
{
    const struct effect_intent *intent = call->intent;
    struct rv_buf secret;
    struct effect_result result = {.answer = NULL};
    rv_buf_init(&secret, RV_CONNECTOR_SECRET_MAX);
    if (!effect_secret(effects, intent, &secret, &result)) {
        rv_buf_fini(&secret);
        if (call->look) {
            result.verdict = EFFECT_UNKNOWN;
        }
        call->done(call->data, &result);
        return;
    }
    char authorization[HEADER_MAX];
    char key[RV_EFFECT_KEY_TEXT + 32];
    secret_header(intent, &secret, authorization);
    snprintf(key, sizeof key, "Idempotency-Key: %s", intent->key);
    char trace[RV_TRACE_HEADER_MAX] = "";
    if (intent->trace[0] != '\0') {
        rv_trace_header(intent->trace, intent->key, trace);
    }
    const char *secret_or_none = authorization[0] != '\0' ? authorization : NULL;
    const char *method = call->look ? "GET" : rv_json_str(intent->args, "method", "POST");
    struct rv_post post = {
        .url = url,
        .headers = {"Content-Type: application/json", key,
                    "Expect:", "Accept: application/json, text/plain",
                    trace[0] != '\0' ? trace : secret_or_none,
                    trace[0] != '\0' ? secret_or_none : NULL},
        .body = body,
        .length = strlen(body),
        .allow_private = rv_json_bool(intent->settings, "allow_private", false),
        .timeout_ms = effect_setting(intent, "timeout_ms", 0),
        .method = method,
        .once = !call->look,
        .answer_max = (size_t)effect_setting(intent, "answer_max", RV_CONNECTOR_ANSWER_DEFAULT),
        .ca_file = rv_json_str(intent->settings, "ca", NULL)};
    rv_poster_send(effect_poster(effects), &post, on_posted, call);
    sodium_memzero(authorization, sizeof authorization);
    sodium_memzero(secret.data, secret.length);
    rv_buf_fini(&secret);
}

static void attempt(struct rv_effects *effects, struct effect_call *call)
{
    const struct effect_intent *intent = call->intent;
    struct rv_buf url;
    rv_buf_init(&url, RV_CONNECTOR_URL_MAX + 2000);
    rv_buf_printf(&url, "%s%s", intent->target, rv_json_str(intent->args, "path", ""));
    const json_t *body = json_object_get(intent->args, "body");
    char *text = body != NULL ? rv_json_text(body) : rv_strdup("");
    ask(effects, call, url.data, text);
    rv_free(text);
    rv_buf_fini(&url);
}

static void look(struct rv_effects *effects, struct effect_call *call)
{
    static const char mark[] = "{key}";
    const struct effect_intent *intent = call->intent;
    const char *status = rv_json_str(intent->settings, "status", mark);
    const char *at = strstr(status, mark);
    struct rv_buf url;
    rv_buf_init(&url, 2 * RV_CONNECTOR_URL_MAX + RV_EFFECT_KEY_TEXT);
    RV_ASSERT(at != NULL); /* connector.c */
    rv_buf_printf(&url, "%s%.*s%s%s", intent->target, (int)(at - status), status, intent->key,
                  at + strlen(mark));
    ask(effects, call, url.data, "");
    rv_buf_fini(&url);
}

void effect_http_begin(struct rv_effects *effects, struct effect_call *call)
{
    (call->look ? look : attempt)(effects, call);
}
