/* perform_mail.c -- one mail to one server; its Message-ID is the idempotency key.
 *
 * Nobody can be asked whether a mail arrived.  What is sure: before the text began nothing was
 * sent, and a refusal after it means that the server did not take it.  A connection that broke in
 * between leaves it open, and a person decides.
 */
#include "runtime/base/check.h"
#include "runtime/effect/connector.h"
#include "runtime/effect/effect_private.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

enum { TO_MAX = 20, MAIL_MAX = 1 << 20, LINE_BYTES = 57 /* 76 characters of base64 */ };

/* ---- what it looks like ---- */

static void add_base64(struct rv_buf *out, const char *bytes, size_t length)
{
    char line[2 * LINE_BYTES];
    for (size_t at = 0; at < length; at += LINE_BYTES) {
        size_t part = length - at < LINE_BYTES ? length - at : LINE_BYTES;
        sodium_bin2base64(line, sizeof line, (const unsigned char *)bytes + at, part,
                          sodium_base64_VARIANT_ORIGINAL);
        rv_buf_printf(out, "%s\r\n", line);
    }
}

/* RFC 2047, in words short enough for a header line; bytes of one character stay together. */
static void add_subject(struct rv_buf *out, const char *text)
{
    enum { WORD_BYTES = 39 };
    char word[4 * WORD_BYTES];
    size_t length = strlen(text);
    bool plain = true;
    for (size_t i = 0; i < length; i++) {
        plain = plain && text[i] >= ' ' && text[i] < 0x7f;
    }
    if (plain) {
        rv_buf_printf(out, "Subject: %s\r\n", text);
        return;
    }
    rv_buf_str(out, "Subject:");
    for (size_t at = 0; at < length;) {
        size_t part = length - at < WORD_BYTES ? length - at : WORD_BYTES;
        while (at + part < length && part > 1 && ((unsigned char)text[at + part] & 0xC0) == 0x80) {
            part--;
        }
        sodium_bin2base64(word, sizeof word, (const unsigned char *)text + at, part,
                          sodium_base64_VARIANT_ORIGINAL);
        rv_buf_printf(out, " =?UTF-8?B?%s?=\r\n", word); /* the space continues the line before */
        at += part;
    }
}

static void add_date(struct rv_buf *out, int64_t now_us)
{
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    int year = 0;
    int month = 0;
    int day = 0;
    int64_t seconds = now_us / 1000000;
    rv_civil_from_days(seconds / 86400, &year, &month, &day);
    rv_buf_printf(out, "Date: %d %s %d %02d:%02d:%02d +0000\r\n", day, months[month - 1], year,
                  (int)(seconds / 3600 % 24), (int)(seconds / 60 % 60), (int)(seconds % 60));
}

void effect_mail_text(const struct effect_intent *intent, int64_t now_us, struct rv_buf *out)
{
    const char *from = rv_json_str(intent->settings, "from", "");
    const char *domain = strrchr(from, '@');
    const char *text = rv_json_str(intent->args, "text", "");
    size_t i;
    json_t *to;
    rv_buf_printf(out, "From: <%s>\r\nTo:", from);
    json_array_foreach(json_object_get(intent->args, "to"), i, to)
    {
        rv_buf_printf(out, "%s <%s>", i > 0 ? ",\r\n" : "", json_string_value(to));
    }
    rv_buf_str(out, "\r\n");
    add_subject(out, rv_json_str(intent->args, "subject", ""));
    add_date(out, now_us);
    rv_buf_printf(out, "Message-ID: <%s@%s>\r\nMIME-Version: 1.0\r\n", intent->key,
                  domain != NULL ? domain + 1 : "reeve");
    rv_buf_str(out, "Content-Type: text/plain; charset=utf-8\r\n"
                    "Content-Transfer-Encoding: base64\r\nAuto-Submitted: auto-generated\r\n\r\n");
    add_base64(out, text, strlen(text));
}

/* ---- what came of it ---- */

void effect_mail_judge(const struct rv_post_result *post, struct effect_result *result)
{
    int status = post->status;
    *result = (struct effect_result){.wait_ms = 0};
    if (post->error[0] == '\0') {
        result->verdict = EFFECT_HAPPENED;
        result->answer = json_pack("{s:i}", "status", status);
    } else if (post->refused_address) {
        effect_result_set(result, EFFECT_REFUSED, RV_DENIED, "%s", post->error);
    } else if (status >= 500 && status < 600) {
        effect_result_set(result, EFFECT_REFUSED, RV_INVALID, "the mail server refused it: %d",
                          status);
    } else if (status >= 400 && status < 500) {
        effect_result_set(result, EFFECT_NOT_YET, RV_UNAVAILABLE,
                          "the mail server said %d: not now", status);
    } else {
        effect_result_set(result, post->sent ? EFFECT_UNKNOWN : EFFECT_NOT_YET, RV_UNAVAILABLE,
                          "%s", post->error);
    }
}

static void on_sent(void *data, const struct rv_post_result *post)
{
    struct effect_call *call = data;
    struct effect_result result;
    effect_mail_judge(post, &result);
    if (result.verdict == EFFECT_HAPPENED) {
        json_object_set_new(result.answer, "message_id", json_string(call->intent->key));
    }
    call->done(call->data, &result);
}

void effect_mail_begin(struct rv_effects *effects, struct effect_call *call)
{
    const struct effect_intent *intent = call->intent;
    RV_ASSERT(!call->look); /* connector.c: a mail has no such rule */
    struct rv_buf secret;
    struct rv_buf text;
    struct effect_result result = {.answer = NULL};
    rv_buf_init(&secret, RV_CONNECTOR_SECRET_MAX);
    if (!effect_secret(effects, intent, &secret, &result)) {
        rv_buf_fini(&secret);
        call->done(call->data, &result);
        return;
    }
    const char *to[TO_MAX + 1] = {NULL};
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(intent->args, "to"), i, one)
    {
        RV_ASSERT(i < TO_MAX); /* the schema */
        to[i] = json_string_value(one);
    }
    rv_buf_init(&text, MAIL_MAX);
    effect_mail_text(intent, rv_now_us(rv_loop_clock(effect_loop(effects))), &text);
    struct rv_post post = {.url = intent->target,
                           .body = text.data,
                           .length = text.length,
                           .allow_private = rv_json_bool(intent->settings, "allow_private", false),
                           .timeout_ms = effect_setting(intent, "timeout_ms", 0),
                           .once = true,
                           .ca_file = rv_json_str(intent->settings, "ca", NULL),
                           .mail_from = rv_json_str(intent->settings, "from", ""),
                           .mail_to = to,
                           .login = secret.length > 0 ? rv_json_str(intent->settings, "login", NULL)
                                                      : NULL,
                           .password = secret.data};
    rv_poster_send(effect_poster(effects), &post, on_sent, call);
    sodium_memzero(secret.data, secret.length);
    rv_buf_fini(&secret);
    rv_buf_fini(&text);
}
