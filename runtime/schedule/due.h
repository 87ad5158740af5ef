/* due.h -- pure: given a schedule and the time, which fires are due and what comes after.
 *
 * Catch-up: after a standstill the fires that are not older than the window run, oldest first, of
 * them at most the newest `most`; the others are missed.  Jitter: every schedule has its own fixed
 * delay, so that a thousand companies' "0 6 * * *" do not start in the same second, and the
 * distance between its fires stays the same.
 *
 * A clock that jumps back makes nothing due: the expected fire only moves forward.  One that jumps
 * forward is a standstill.
 */
#ifndef REEVE_RUNTIME_SCHEDULE_DUE_H
#define REEVE_RUNTIME_SCHEDULE_DUE_H

#include "runtime/schedule/cron.h"

enum {
    RV_DUE_MAX = 100 /* fires of one schedule taken at once; the rest follows in the next turn */
};

struct rv_due_policy {
    int64_t delay_s; /* from rv_due_delay */
    int64_t window_s;
    int64_t most; /* at least 1 */
};

enum rv_due_missed { RV_MISSED_NONE, RV_MISSED_WINDOW, RV_MISSED_MOST };

struct rv_due {
    int64_t instants_s[RV_DUE_MAX];
    int count;
    enum rv_due_missed missed; /* the expected fire, and perhaps others: why */
    bool has_next;
    int64_t next_s; /* the fire after all these; may be due already when `count` is RV_DUE_MAX */
};

/* `expected_s` is the stored next fire; `now_s` rounded down. */
void rv_due_compute(const struct rv_cron *cron, const struct rv_cron_rules *rules,
                    const struct rv_due_policy *policy, int64_t expected_s, int64_t now_s,
                    struct rv_due *out);
/* 0 .. jitter_s, always the same for a schedule. */
int64_t rv_due_delay(int32_t tenant, const char *name, int64_t jitter_s);

#endif
