/* due.c -- see due.h. */
#include "runtime/schedule/due.h"

#include "runtime/base/hash.h"

#include <string.h>

void rv_due_compute(const struct rv_cron *cron, const struct rv_cron_rules *rules,
                    int64_t expected_s, int64_t delay_s, int64_t window_s, int64_t now_s,
                    struct rv_due *out)
{
    int64_t oldest_s = now_s - delay_s - window_s;
    int64_t instant_s = expected_s;
    bool more = true;
    *out = (struct rv_due){.missed = expected_s < oldest_s};
    if (out->missed) {
        more = rv_cron_next(cron, rules, oldest_s - 1, &instant_s);
    }
    while (more && instant_s + delay_s <= now_s && out->count < RV_DUE_MAX) {
        out->instants_s[out->count++] = instant_s;
        more = rv_cron_next(cron, rules, instant_s, &instant_s);
    }
    out->has_next = more;
    out->next_s = more ? instant_s : 0;
}

int64_t rv_due_delay(int32_t tenant, const char *name, int64_t jitter_s)
{
    struct rv_span spans[] = {{&tenant, sizeof tenant}, {name, strlen(name)}};
    struct rv_hash hash = rv_sha256_spans(spans, 2);
    uint64_t number = 0;
    for (int i = 0; i < 8; i++) {
        number = number << 8 | hash.bytes[i];
    }
    return (int64_t)(number % (uint64_t)(jitter_s + 1));
}
