/* circle.c -- see circle.h. */
#include "runtime/run/circle.h"

#include <stdio.h>
#include <string.h>

static bool asks_same(const struct rv_step *a, const struct rv_step *b)
{
    return a->kind == b->kind && memcmp(a->digest, b->digest, sizeof a->digest) == 0 &&
           strcmp(a->name, b->name) == 0;
}

static const json_t *learned(const struct rv_step *step)
{
    const json_t *value = json_object_get(step->out, "value");
    const json_t *choice = json_object_get(value, "choice");
    return step->kind == RV_STEP_MODEL && choice != NULL ? choice : step->out;
}

static bool is_same(const struct rv_step *a, const struct rv_step *b)
{
    return asks_same(a, b) && json_equal(learned(a), learned(b));
}

int rv_circle_find(const struct rv_step *steps, int count, const struct rv_step *next)
{
    for (int length = 1; length <= RV_CIRCLE_LENGTH_MAX; length++) {
        int first = count - RV_CIRCLE_ROUNDS * length;
        if (first < 0) {
            return 0;
        }
        if (!asks_same(&steps[count - length], next)) {
            continue;
        }
        int i = count - length - 1; /* from the newest: what differs is most often there */
        while (i >= first && is_same(&steps[i], &steps[i + length])) {
            i--;
        }
        if (i < first) {
            return length;
        }
    }
    return 0;
}

/* A question whose like does not stand before it.  What a plan says itself is no news to it. */
static bool is_new(const struct rv_step *steps, int at)
{
    int i = at - 1;
    while (i >= 0 && !asks_same(&steps[i], &steps[at])) {
        i--;
    }
    return i < 0;
}

void rv_circle_mark_nap(json_t *out, int64_t seconds)
{
    if (seconds < RV_CIRCLE_PATIENCE_S) {
        json_object_set_new(out, "nap", json_true());
    }
}

static bool is_patience(const struct rv_step *step)
{
    bool came = step->kind == RV_STEP_SIGNAL || step->kind == RV_STEP_CHILD;
    return came ? rv_json_bool(step->out, "ok", false)
                : step->kind == RV_STEP_TIMER && !rv_json_bool(step->out, "nap", false);
}

int rv_circle_repeats(const struct rv_step *steps, int count, const struct rv_step *next)
{
    int repeats = 0;
    bool goes_on = true;
    for (int i = count - 1; i >= 0 && goes_on; i--) {
        bool asks = steps[i].kind == RV_STEP_READ || steps[i].kind == RV_STEP_MODEL;
        repeats += asks_same(&steps[i], next);
        goes_on =
            next->kind == RV_STEP_START || (!is_patience(&steps[i]) && !(asks && is_new(steps, i)));
    }
    return repeats;
}

void rv_circle_say(const struct rv_step *steps, int count, int length, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (int i = count - length; i < count && used < size; i++) {
        used += (size_t)snprintf(out + used, size - used, "%s%s %s", used > 0 ? ", " : "",
                                 rv_step_kind_name(steps[i].kind), steps[i].name);
    }
}
