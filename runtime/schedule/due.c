/* due.c -- see due.h. */
#include "runtime/schedule/due.h"

#include "runtime/base/hash.h"

#include <string.h>

enum { FIRST_SPAN_S = 60 };

/* How many fires lie in first_s..last_s, `first_s` being one; stops counting above `most`. */
static int64_t count_fires(const struct rv_cron *cron, const struct rv_cron_rules *rules,
                           int64_t first_s, int64_t last_s, int64_t most)
{
    int64_t count = 0;
    for (bool more = true; more && first_s <= last_s && count <= most; count++) {
        more = rv_cron_next(cron, rules, first_s, &first_s);
    }
    return count;
}

/* The first of the newest `most` fires up to last_s, of which there are more since first_s.  Looks
 * back over twice the time until there are enough: what lies before costs nothing. */
static int64_t newest(const struct rv_cron *cron, const struct rv_cron_rules *rules,
                      int64_t first_s, int64_t last_s, int64_t most)
{
    for (int64_t span_s = FIRST_SPAN_S;; span_s *= 2) {
        int64_t at_s = last_s - span_s > first_s ? last_s - span_s : first_s;
        if (!rv_cron_next(cron, rules, at_s - 1, &at_s) || at_s > last_s) {
            continue;
        }
        int64_t count = count_fires(cron, rules, at_s, last_s, INT64_MAX - 1);
        if (count >= most) {
            for (; count > most; count--) {
                (void)rv_cron_next(cron, rules, at_s, &at_s);
            }
            return at_s;
        }
    }
}

void rv_due_compute(const struct rv_cron *cron, const struct rv_cron_rules *rules,
                    const struct rv_due_policy *policy, int64_t expected_s, int64_t now_s,
                    struct rv_due *out)
{
    int64_t last_s = now_s - policy->delay_s;
    int64_t oldest_s = last_s - policy->window_s;
    int64_t instant_s = expected_s;
    bool more = true;
    *out = (struct rv_due){.missed = expected_s < oldest_s ? RV_MISSED_WINDOW : RV_MISSED_NONE};
    if (out->missed != RV_MISSED_NONE) {
        more = rv_cron_next(cron, rules, oldest_s - 1, &instant_s);
    }
    if (more && count_fires(cron, rules, instant_s, last_s, policy->most) > policy->most) {
        out->missed = out->missed != RV_MISSED_NONE ? out->missed : RV_MISSED_MOST;
        instant_s = newest(cron, rules, instant_s, last_s, policy->most);
    }
    while (more && instant_s <= last_s && out->count < RV_DUE_MAX) {
        out->instants_s[out->count++] = instant_s;
        more = rv_cron_next(cron, rules, instant_s, &instant_s);
    }
    out->has_next = more;
    out->next_s = more ? instant_s : 0;
}

int64_t rv_due_delay(int32_t tenant, const char *name, int64_t jitter_s)
{
    if (jitter_s == 0) {
        return 0;
    }
    struct rv_span spans[] = {{&tenant, sizeof tenant}, {name, strlen(name)}};
    struct rv_hash hash = rv_sha256_spans(spans, 2);
    uint64_t number = 0;
    for (int i = 0; i < 8; i++) {
        number = number << 8 | hash.bytes[i];
    }
    return (int64_t)(number % (uint64_t)(jitter_s + 1));
}
