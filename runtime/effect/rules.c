/* rules.c -- what follows from the state of an intent and from what an attempt gave; pure.
 *
 * The one rule that matters: an attempt is made only of what is known not to have happened, or
 * where the receiver itself drops repeats.
 */
#include "runtime/effect/effect_private.h"

#include "runtime/base/check.h"
#include "runtime/base/text.h"

#include <stdio.h>

enum { ATTEMPTS_DEFAULT = 5, BACKOFF_DEFAULT_MS = 2000, LOOK_AGAIN_MS = 2000, SHIFT_MAX = 20 };

void effect_result_set(struct effect_result *result, enum effect_verdict verdict, enum rv_code code,
                       const char *format, ...)
{
    va_list args;
    va_start(args, format);
    result->verdict = verdict;
    snprintf(result->code, sizeof result->code, "%s", rv_code_name(code));
    vsnprintf(result->message, sizeof result->message, format, args);
    rv_text_mend(result->message);
    va_end(args);
}

/* ---- what to do now ---- */

static bool exhausted(const struct effect_intent *intent)
{
    return intent->attempt >= effect_setting(intent, "attempts", ATTEMPTS_DEFAULT);
}

/* An attempt of which nobody knows whether it happened. */
static enum effect_next reconcile(const struct effect_intent *intent)
{
    if (!intent->has_connector) {
        return NEXT_PERSON;
    }
    switch (intent->rule) {
    case EFFECT_REPEAT: return exhausted(intent) ? NEXT_PERSON : NEXT_ATTEMPT;
    case EFFECT_STATUS:
    case EFFECT_LOOK: return NEXT_LOOK;
    case EFFECT_ASK_PERSON: break;
    }
    return NEXT_PERSON;
}

enum effect_next effect_next(const struct effect_intent *intent, bool cancel)
{
    bool due = intent->until_us <= intent->now_us;
    switch (intent->state) {
    case EFFECT_DONE:
    case EFFECT_FAILED: return NEXT_GIVE;
    case EFFECT_PERSON: return NEXT_WAIT;
    case EFFECT_INTENDED:
    case EFFECT_RETRY:
        if (cancel) {
            return NEXT_WITHDRAW;
        }
        if (!due) {
            return NEXT_WAIT;
        }
        return intent->has_connector ? NEXT_ATTEMPT : NEXT_REFUSE;
    case EFFECT_ATTEMPTING:
    case EFFECT_UNCLEAR: return due ? reconcile(intent) : NEXT_WAIT;
    case EFFECT_STATE_COUNT: break;
    }
    RV_UNREACHABLE("an intent without a state");
}

/* ---- what comes of it ---- */

static int64_t backoff_ms(const struct effect_intent *intent, const struct effect_result *result)
{
    int64_t wait_ms = effect_setting(intent, "backoff_ms", BACKOFF_DEFAULT_MS);
    for (int i = 1; i < intent->attempt && i < SHIFT_MAX; i++) {
        wait_ms = wait_ms * 2 < RV_EFFECT_BACKOFF_MAX_MS ? wait_ms * 2 : RV_EFFECT_BACKOFF_MAX_MS;
    }
    int64_t asked = result->wait_ms < RV_EFFECT_BACKOFF_MAX_MS ? result->wait_ms
                                                               : (int64_t)RV_EFFECT_BACKOFF_MAX_MS;
    return asked > wait_ms ? asked : wait_ms;
}

/* A repeat was not done, or not taken: that says nothing of the attempt before it. */
static struct effect_move still_unclear(const struct effect_intent *intent,
                                        const struct effect_result *result)
{
    if (result->verdict == EFFECT_REFUSED || exhausted(intent)) {
        return (struct effect_move){EFFECT_PERSON, 0};
    }
    return (struct effect_move){EFFECT_UNCLEAR, backoff_ms(intent, result)};
}

struct effect_move effect_after_attempt(const struct effect_intent *intent,
                                        const struct effect_result *result)
{
    if (intent->doubt && (result->verdict == EFFECT_REFUSED || result->verdict == EFFECT_NOT_YET)) {
        return still_unclear(intent, result);
    }
    switch (result->verdict) {
    case EFFECT_HAPPENED: return (struct effect_move){EFFECT_DONE, 0};
    case EFFECT_REFUSED: return (struct effect_move){EFFECT_FAILED, 0};
    case EFFECT_NOT_YET:
        return exhausted(intent) ? (struct effect_move){EFFECT_FAILED, 0}
                                 : (struct effect_move){EFFECT_RETRY, backoff_ms(intent, result)};
    case EFFECT_UNKNOWN: break;
    }
    if (intent->rule == EFFECT_ASK_PERSON || (intent->rule == EFFECT_REPEAT && exhausted(intent))) {
        return (struct effect_move){EFFECT_PERSON, 0};
    }
    return (struct effect_move){
        EFFECT_UNCLEAR, intent->rule == EFFECT_REPEAT ? backoff_ms(intent, result) : LOOK_AGAIN_MS};
}

struct effect_move effect_after_look(const struct effect_intent *intent,
                                     const struct effect_result *result)
{
    switch (result->verdict) {
    case EFFECT_HAPPENED: return (struct effect_move){EFFECT_DONE, 0};
    case EFFECT_REFUSED:
    case EFFECT_NOT_YET: /* it did not happen: another attempt, as far as the policy goes */
        return (struct effect_move){exhausted(intent) ? EFFECT_FAILED : EFFECT_RETRY, 0};
    case EFFECT_UNKNOWN: break;
    }
    if (intent->looks + 1 >= RV_EFFECT_LOOKS_MAX) {
        return (struct effect_move){EFFECT_PERSON, 0};
    }
    int64_t wait_ms = (int64_t)LOOK_AGAIN_MS << intent->looks;
    return (struct effect_move){EFFECT_UNCLEAR, wait_ms};
}
