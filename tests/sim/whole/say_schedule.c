/* say_schedule.c -- runtime/schedule/sql: the service's turns. */
#include "tests/sim/whole/base.h"

#include "runtime/base/check.h"
#include "runtime/base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct schedule_row *find_schedule(struct base *base, int32_t tenant, const char *name)
{
    BASE_EACH(base, T_SCHEDULE, schedule_row, schedule)
    {
        if (schedule->tenant == tenant && strcmp(schedule->name, name) == 0) {
            return schedule;
        }
    }
    return NULL;
}

static bool lease_is_over(struct base *base, const struct fire_row *fire)
{
    return fire->has_lease && fire->lease_us <= base_now_us(base);
}

static bool has_work(struct base *base, int32_t tenant, int64_t at_us, const char *version)
{
    bool work = false;
    BASE_EACH(base, T_SCHEDULE, schedule_row, s)
    {
        bool active = base_is(s->status, "active");
        work = work || (s->tenant == tenant &&
                        ((active && s->has_due && s->due_us <= at_us) ||
                         (base_is(s->status, "paused") && s->has_paused && s->paused_us <= at_us) ||
                         (active && s->tzdata[0] == '\0') ||
                         (version != NULL && active && strcmp(s->tzdata, version) != 0)));
    }
    BASE_EACH(base, T_FIRE, fire_row, fire)
    {
        work = work || (fire->tenant == tenant &&
                        (base_is(fire->state, "waiting") ||
                         ((base_is(fire->state, "running") || base_is(fire->state, "terminated")) &&
                          lease_is_over(base, fire))));
    }
    return work;
}

static void schedule_work(struct base_call *call)
{
    struct base *base = call->base;
    int64_t at_us = base_time_us(call, 1, 0);
    const char *version = base_text(call, 2, 0);
    BASE_EACH(base, T_TENANT, tenant_row, tenant)
    {
        if (has_work(base, tenant->tenant, at_us, version)) {
            base_row(call);
            base_out_int(call, tenant->tenant);
            base_out_null(call);
            base_out_time(call, base_now_us(base));
        }
    }
    int64_t next_us = INT64_MAX;
    BASE_EACH(base, T_SCHEDULE, schedule_row, s)
    {
        if (base_is(s->status, "active") && s->has_due && s->due_us > at_us &&
            s->due_us < next_us) {
            next_us = s->due_us;
        }
        if (s->has_backfill && s->backfill_us > at_us && s->backfill_us < next_us) {
            next_us = s->backfill_us;
        }
    }
    base_row(call);
    base_out_int(call, 0);
    if (next_us == INT64_MAX) {
        base_out_null(call);
    } else {
        base_out_time(call, next_us);
    }
    base_out_time(call, base_now_us(base));
}

/* ---- failures in a row ---- */

struct strike {
    struct schedule_row *schedule;
    int failed;
    bool succeeded;
    const char *why;
};
enum { STRIKES_MAX = 16 };

static struct strike *strike_of(struct base_call *call, struct strike *list, const char *name)
{
    struct schedule_row *s = find_schedule(call->base, call->tenant, name);
    RV_ASSERT(s != NULL);
    int i = 0;
    while (list[i].schedule != NULL && list[i].schedule != s) {
        RV_ASSERT(++i < STRIKES_MAX);
    }
    list[i].schedule = s;
    return &list[i];
}

static void count_failure(struct strike *strike, const char *why)
{
    strike->failed++;
    if (why != NULL && (strike->why == NULL || strcmp(why, strike->why) > 0)) {
        strike->why = why;
    }
}

/* reeve_schedule_strike; a schedule that comes to rest is a row of the answer. */
static void strike(struct base_call *call, const struct strike *strike)
{
    struct schedule_row *s = strike->schedule;
    base_touch(call, T_SCHEDULE, s);
    s->failures = (strike->succeeded ? 0 : s->failures) + strike->failed;
    if (s->pause_after > 0 && s->failures >= s->pause_after && base_is(s->status, "active")) {
        s->status = "paused";
        s->has_paused = false;
        s->has_next = false;
        s->has_due = false;
        s->reason =
            rv_arena_printf(call->base->arena, "%d failures in a row; the last: %s", s->failures,
                            strike->why != NULL ? strike->why : "no reason given");
        base_row(call);
        base_out_text(call, s->name);
        base_out_text(call, s->reason);
    }
}

static int by_name(const void *a, const void *b)
{
    const struct strike *left = a;
    const struct strike *right = b;
    return strcmp(left->schedule->name, right->schedule->name);
}

static void strike_all(struct base_call *call, struct strike *strikes)
{
    size_t count = 0;
    while (count < STRIKES_MAX && strikes[count].schedule != NULL) {
        count++;
    }
    qsort(strikes, count, sizeof strikes[0], by_name);
    for (size_t i = 0; i < count; i++) {
        if (strikes[i].failed > 0 || strikes[i].schedule->failures > 0) {
            strike(call, &strikes[i]);
        }
    }
}

/* How often it is lost when it is now: one that has begun its run only watches it. */
static int losses_now(struct base_call *call, const struct fire_row *fire)
{
    return fire->losses + (base_run(call->base, call->tenant, fire->id) == NULL ? 1 : 0);
}

/* Its node is silent. */
static bool is_lost(struct base_call *call, const struct fire_row *fire)
{
    return fire->tenant == call->tenant && base_is(fire->state, "running") &&
           lease_is_over(call->base, fire);
}

/* ... and so is what it began. */
static bool is_untold(struct base_call *call, const struct fire_row *fire)
{
    return fire->tenant == call->tenant && base_is(fire->state, "terminated") &&
           lease_is_over(call->base, fire);
}

/* There are no calendars. */
static bool has_rested(const struct base_call *call, const struct schedule_row *schedule,
                       int64_t now_us)
{
    return schedule->tenant == call->tenant && base_is(schedule->status, "paused") &&
           schedule->has_paused && schedule->paused_us <= now_us;
}

static int by_its_name(const void *a, const void *b)
{
    return strcmp((*(const struct schedule_row *const *)a)->name,
                  (*(const struct schedule_row *const *)b)->name);
}

static void schedule_refresh(struct base_call *call)
{
    struct base *base = call->base;
    int64_t now_us = base_time_us(call, 2, 0);
    int lost = 0;
    BASE_EACH(base, T_FIRE, fire_row, fire)
    {
        bool again = losses_now(call, fire) < base_int(call, 3, 0);
        if (is_untold(call, fire) && !again) {
            base_touch(call, T_FIRE, fire);
            fire->has_lease = false;
        }
        if (!is_lost(call, fire)) {
            continue;
        }
        if (fire->stop || again) {
            base_touch(call, T_FIRE, fire);
            fire->losses = losses_now(call, fire);
            fire->state = again ? "waiting" : "cancelled";
            fire->reason = again ? NULL : "its node was lost while it was asked to stop";
            fire->has_lease = false;
        } else {
            lost++;
        }
    }
    int rested = 0;
    BASE_EACH(base, T_SCHEDULE, schedule_row, s)
    {
        rested += has_rested(call, s, now_us);
    }
    base_row(call);
    base_out_null(call);
    base_out_null(call);
    base_out_null(call);
    base_out_int(call, lost);
    base_out_int(call, rested);
}

static void schedule_rested(struct base_call *call)
{
    enum { RESTED_MAX = 64 };
    struct schedule_row *found[RESTED_MAX];
    size_t count = 0;
    BASE_EACH(call->base, T_SCHEDULE, schedule_row, s)
    {
        if (has_rested(call, s, base_time_us(call, 2, 0))) {
            RV_ASSERT(count < RESTED_MAX);
            found[count++] = s;
        }
    }
    qsort(found, count, sizeof found[0], by_its_name);
    for (size_t i = 0; i < count; i++) {
        char until[RV_TIME_TEXT];
        char why[64];
        rv_time_text(found[i]->paused_us, until);
        snprintf(why, sizeof why, "it was paused until %.19sZ", until);
        base_row(call);
        base_out_text(call, found[i]->name);
        base_out_text(call, why);
        base_touch(call, T_SCHEDULE, found[i]);
        found[i]->status = "active";
        found[i]->has_paused = false;
        found[i]->reason = NULL;
        found[i]->failures = 0;
    }
}

static void schedule_lost(struct base_call *call)
{
    struct strike strikes[STRIKES_MAX] = {{.schedule = NULL}};
    BASE_EACH(call->base, T_FIRE, fire_row, fire)
    {
        if (is_lost(call, fire) && !fire->stop && fire->losses >= base_int(call, 2, 0) - 1 &&
            base_run(call->base, call->tenant, fire->id) == NULL) {
            base_touch(call, T_FIRE, fire);
            fire->state = "failed";
            fire->reason = "the node that ran it was lost, every time";
            fire->has_lease = false;
            count_failure(strike_of(call, strikes, fire->schedule), fire->reason);
        }
    }
    strike_all(call, strikes);
}

static int by_due(const void *a, const void *b)
{
    const struct schedule_row *left = *(const struct schedule_row *const *)a;
    const struct schedule_row *right = *(const struct schedule_row *const *)b;
    return left->due_us != right->due_us ? (left->due_us < right->due_us ? -1 : 1)
                                         : strcmp(left->name, right->name);
}

static void out_time_or_null(struct base_call *call, bool has, int64_t time_us)
{
    if (has) {
        base_out_time(call, time_us);
    } else {
        base_out_null(call);
    }
}

static void schedule_due(struct base_call *call)
{
    enum { DUE_MAX = 64 };
    const struct schedule_row *found[DUE_MAX];
    size_t count = 0;
    int64_t now_us = base_time_us(call, 2, 0);
    const char *version = base_text(call, 3, 0);
    BASE_EACH(call->base, T_SCHEDULE, schedule_row, s)
    {
        bool stale = s->tzdata[0] == '\0' || (version != NULL && strcmp(s->tzdata, version) != 0);
        if (s->tenant == call->tenant && base_is(s->status, "active") && s->has_due &&
            (s->due_us <= now_us || stale)) {
            RV_ASSERT(count < DUE_MAX);
            found[count++] = s;
        }
    }
    qsort(found, count, sizeof found[0], by_due);
    for (size_t i = 0; i < count && i < (size_t)base_int(call, 4, 0); i++) {
        base_row(call);
        base_out_text(call, found[i]->name);
        base_out_text(call, found[i]->cron);
        base_out_text(call, found[i]->zone);
        base_out_text(call, found[i]->gap);
        base_out_text(call, found[i]->fold);
        base_out_int(call, found[i]->window_s);
        base_out_int(call, found[i]->jitter_s);
        out_time_or_null(call, found[i]->has_next, found[i]->next_us);
        out_time_or_null(call, found[i]->has_last, found[i]->last_us);
        base_out_text(call, "");
        base_out_int(call, found[i]->most);
        base_out_null(call); /* calendar */
        base_out_text(call, found[i]->action);
        base_out_json(call, json_incref(found[i]->input));
    }
}

/* ---- claims ---- */

static bool has_fire(struct base *base, int32_t tenant, const char *schedule, int64_t instant_us)
{
    BASE_EACH(base, T_FIRE, fire_row, fire)
    {
        if (fire->tenant == tenant && strcmp(fire->schedule, schedule) == 0 &&
            fire->instant_us == instant_us) {
            return true;
        }
    }
    return false;
}

/* One that waits or runs, among the first `count` rows. */
static bool has_open_fire(struct base *base, int32_t tenant, const char *schedule, int count)
{
    for (int i = 0; i < count; i++) {
        const struct fire_row *fire = base->tables[T_FIRE].rows[i];
        if (!fire->gone && fire->tenant == tenant && strcmp(fire->schedule, schedule) == 0 &&
            (base_is(fire->state, "waiting") || base_is(fire->state, "running"))) {
            return true;
        }
    }
    return false;
}

/* The unique index schedule_fire_alone: does another one run that wants to be alone, too? */
static bool alone_hurt(struct base *base, const struct fire_row *fire)
{
    BASE_EACH(base, T_FIRE, fire_row, other)
    {
        if (other != fire && fire->exclusive && other->exclusive &&
            base_is(fire->state, "running") && base_is(other->state, "running") &&
            other->tenant == fire->tenant && strcmp(other->schedule, fire->schedule) == 0) {
            return true;
        }
    }
    return false;
}

static bool has_id(struct base *base, const struct fire_row *fire)
{
    BASE_EACH(base, T_FIRE, fire_row, other)
    {
        if (other != fire && other->tenant == fire->tenant && other->id == fire->id) {
            return true;
        }
    }
    return false;
}

/* Fires of the claim for the schedule `s`; `before` were there when the statement began. */
static bool make_fires(struct base_call *call, const struct schedule_row *s, int before)
{
    struct base *base = call->base;
    for (int i = 0; i < base_count(call, 9); i++) {
        int64_t instant_us = base_time_us(call, 10, i);
        if (!base_is(base_text(call, 8, i), s->name) ||
            has_fire(base, call->tenant, s->name, instant_us)) {
            continue;
        }
        bool starts = base_bool(call, 13, i) && !has_open_fire(base, call->tenant, s->name, before);
        struct fire_row *fire = base_insert(call, T_FIRE);
        *fire = (struct fire_row){.tenant = call->tenant,
                                  .id = base_int(call, 9, i),
                                  .schedule = s->name,
                                  .instant_us = instant_us,
                                  .state = starts ? "running" : base_text(call, 11, i),
                                  .reason = base_text(call, 12, i),
                                  .attempt = starts ? 1 : 0,
                                  .has_lease = starts,
                                  .exclusive = !base_is(s->overlap, "allow_all")};
        if (starts) {
            fire->lease_us = base_now_us(base) + base_int(call, 14, 0) * 1000;
        }
        if (has_id(base, fire)) {
            base_fail(call, "23505", "schedule_fire_pkey");
            return false;
        }
        if (alone_hurt(base, fire)) {
            base_fail(call, "23505", "schedule_fire_alone");
            return false;
        }
        if (base_is(fire->state, "running")) {
            base_row(call);
            base_out_int(call, fire->id);
        }
    }
    return true;
}

/* What was over, and older than 30 days, when the statement began. */
static void forget_fires(struct base_call *call, const struct schedule_row *s, int64_t expected_us,
                         int before)
{
    const int64_t kept_us = INT64_C(30) * 24 * 3600 * 1000000;
    for (int i = 0; i < before; i++) {
        struct fire_row *fire = call->base->tables[T_FIRE].rows[i];
        if (!fire->gone && fire->tenant == call->tenant && strcmp(fire->schedule, s->name) == 0 &&
            !base_is(fire->state, "waiting") && !base_is(fire->state, "running") &&
            !fire->backfill && fire->instant_us < expected_us - kept_us) {
            base_delete(call, T_FIRE, fire);
        }
    }
}

static void schedule_claim(struct base_call *call)
{
    struct base *base = call->base;
    int before = base->tables[T_FIRE].count;
    for (int i = 0; i < base_count(call, 3); i++) {
        struct schedule_row *s = find_schedule(base, call->tenant, base_text(call, 3, i));
        if (s == NULL || !base_is(s->status, "active") || !s->has_next ||
            s->next_us != base_time_us(call, 4, i)) {
            continue;
        }
        int64_t expected_us = s->next_us;
        base_touch(call, T_SCHEDULE, s);
        s->has_next = !base_null(call, 5, i);
        s->next_us = s->has_next ? base_time_us(call, 5, i) : 0;
        s->has_due = !base_null(call, 6, i);
        s->due_us = s->has_due ? base_time_us(call, 6, i) : 0;
        s->tzdata = base_text(call, 2, 0);
        if (!base_null(call, 7, i)) {
            s->has_last = true;
            s->last_us = base_time_us(call, 7, i);
        }
        s->status = s->has_next ? s->status : "ended";
        if (!make_fires(call, s, before)) {
            return;
        }
        forget_fires(call, s, expected_us, before);
    }
}

static void schedule_break(struct base_call *call)
{
    struct schedule_row *s = find_schedule(call->base, call->tenant, base_text(call, 2, 0));
    if (s != NULL && base_is(s->status, "active")) {
        base_touch(call, T_SCHEDULE, s);
        s->status = "broken";
        s->reason = base_text(call, 3, 0);
        s->has_next = false;
        s->has_due = false;
    }
}

/* ---- overlap policies ---- */

struct candidate {
    struct fire_row *fire;
    struct schedule_row *schedule;
    const char *overlap;
    bool busy, busy_regular, interrupted;
    int place, newer, rated; /* as in schedule.sql */
    const char *verdict;
};

static bool is_later(const struct fire_row *a, const struct fire_row *b)
{
    return a->instant_us != b->instant_us ? a->instant_us > b->instant_us : a->id > b->id;
}

/* The order within one schedule: the regular ones, interrupted ones first; then what is filled in.
 */
static bool is_before(const struct fire_row *a, const struct fire_row *b)
{
    if (a->backfill != b->backfill) {
        return !a->backfill;
    }
    if ((a->attempt > 0) != (b->attempt > 0)) {
        return a->attempt > 0;
    }
    return is_later(b, a);
}

static int by_instant(const void *a, const void *b)
{
    const struct fire_row *left = ((const struct candidate *)a)->fire;
    const struct fire_row *right = ((const struct candidate *)b)->fire;
    return is_later(left, right) ? 1 : is_later(right, left) ? -1 : 0;
}

static bool runs_of(const struct fire_row *fire, const struct schedule_row *schedule)
{
    return fire->tenant == schedule->tenant && base_is(fire->state, "running") &&
           strcmp(fire->schedule, schedule->name) == 0;
}

static void place_among(struct candidate *list, int count, int i)
{
    struct candidate *c = &list[i];
    const struct fire_row *first = c->fire;
    c->place = 1;
    c->rated = 1;
    for (int k = 0; k < count; k++) {
        const struct fire_row *other = list[k].fire;
        if (k == i || list[k].schedule != c->schedule) {
            continue;
        }
        c->place += is_before(other, c->fire);
        first = is_before(other, first) ? other : first;
        c->newer += other->backfill == c->fire->backfill && is_later(other, c->fire);
        c->rated += (other->gap_ms == 0) == (c->fire->gap_ms == 0) && is_later(c->fire, other);
    }
    c->interrupted = first->attempt > 0;
}

static int find_candidates(struct base_call *call, struct candidate *out, int max)
{
    struct base *base = call->base;
    int count = 0;
    BASE_EACH(base, T_FIRE, fire_row, fire)
    {
        if (fire->tenant != call->tenant || !base_is(fire->state, "waiting")) {
            continue;
        }
        struct schedule_row *s = find_schedule(base, call->tenant, fire->schedule);
        if (s == NULL || (!fire->manual && fire->attempt == 0 && base_is(s->status, "paused"))) {
            continue;
        }
        RV_ASSERT(count < max);
        out[count++] =
            (struct candidate){.fire = fire,
                               .schedule = s,
                               .overlap = fire->overlap != NULL ? fire->overlap : s->overlap};
    }
    BASE_EACH(base, T_FIRE, fire_row, running)
    {
        for (int i = 0; base_is(running->state, "running") && i < count; i++) {
            bool busy = runs_of(running, out[i].schedule);
            out[i].busy = out[i].busy || busy;
            out[i].busy_regular = out[i].busy_regular || (busy && !running->backfill);
        }
    }
    for (int i = 0; i < count; i++) {
        place_among(out, count, i);
    }
    return count;
}

static const char *judge(const struct candidate *c, int64_t now_us, int64_t buffer)
{
    bool in_time = !c->schedule->has_backfill || c->schedule->backfill_us <= now_us;
    if (c->fire->gap_ms != 0 && (c->rated > 1 || !in_time)) {
        return "wait";
    }
    if (base_is(c->overlap, "allow_all")) {
        return "start";
    }
    bool ends_others =
        base_is(c->overlap, "cancel_other") || base_is(c->overlap, "terminate_other");
    if (ends_others && c->interrupted && !c->busy) {
        return c->place == 1 ? "start" : c->newer > 0 ? "replaced" : "wait";
    }
    if (base_is(c->overlap, "cancel_other")) {
        return c->newer > 0 ? "replaced" : c->busy ? "cancel" : "start";
    }
    if (base_is(c->overlap, "terminate_other")) {
        return c->newer > 0 ? "replaced" : "start";
    }
    if (c->place == 1 && !c->busy) {
        return "start";
    }
    if (base_is(c->overlap, "skip") && c->place == 1 && !c->fire->backfill && !c->busy_regular) {
        return "wait";
    }
    if (base_is(c->overlap, "skip") ||
        (base_is(c->overlap, "buffer_one") && c->place > (c->busy ? 1 : 2))) {
        return "skip";
    }
    return base_is(c->overlap, "buffer_all") && !c->fire->backfill && c->place > buffer ? "full"
                                                                                        : "wait";
}

static void out_stopped(struct base_call *call, const char *what, const struct fire_row *fire)
{
    base_row(call);
    base_out_text(call, what);
    base_out_int(call, fire->id);
    base_out_int(call, fire->attempt);
    base_out_text(call, fire->schedule);
    base_out_null(call);
    base_out_null(call);
    base_out_null(call);
}

/* What runs and is to stop; in both answers they come before those that start. */
static void stop_others(struct base_call *call, const struct candidate *c)
{
    bool over = base_is(c->verdict, "chosen") && base_is(c->overlap, "terminate_other");
    bool asks = base_is(c->verdict, "cancel");
    if (!over && !asks) {
        return;
    }
    BASE_EACH(call->base, T_FIRE, fire_row, fire)
    {
        if (!runs_of(fire, c->schedule)) {
            continue;
        }
        if (over) {
            base_touch(call, T_FIRE, fire);
            fire->state = "terminated";
            fire->reason = "the next one was due (overlap terminate_other)";
            out_stopped(call, "terminate", fire);
        } else if (asks && !fire->stop) {
            base_touch(call, T_FIRE, fire);
            fire->stop = true;
            out_stopped(call, "cancel", fire);
        }
    }
}

static void out_begun(struct base_call *call, const char *what, const struct fire_row *fire,
                      const struct schedule_row *schedule)
{
    base_row(call);
    base_out_text(call, what);
    base_out_int(call, fire->id);
    base_out_int(call, fire->attempt);
    base_out_text(call, fire->schedule);
    base_out_text(call, schedule->action);
    base_out_json(call, json_incref(schedule->input));
    base_out_time(call, fire->instant_us);
}

static void keep(struct base_call *call, struct fire_row *fire, int64_t lease_ms)
{
    base_touch(call, T_FIRE, fire);
    fire->has_lease = true;
    fire->lease_us = base_now_us(call->base) + lease_ms * 1000;
}

/* What was terminated while its node was lost is taken up to hear of it; those that are terminated
 * by this statement are not. */
static void tell_untold(struct base_call *call)
{
    int64_t room = base_int(call, 2, 0);
    BASE_EACH(call->base, T_FIRE, fire_row, fire)
    {
        const struct schedule_row *s =
            is_untold(call, fire) ? find_schedule(call->base, call->tenant, fire->schedule) : NULL;
        if (s != NULL && room-- > 0) {
            keep(call, fire, base_int(call, 3, 0));
            fire->attempt++;
            fire->losses = losses_now(call, fire);
            out_begun(call, "tell", fire, s);
        }
    }
}

static bool start_fire(struct base_call *call, const struct candidate *c)
{
    struct fire_row *fire = c->fire;
    base_touch(call, T_FIRE, fire);
    fire->state = "running";
    fire->attempt++;
    fire->exclusive = !base_is(c->overlap, "allow_all");
    keep(call, fire, base_int(call, 3, 0));
    if (alone_hurt(call->base, fire)) {
        base_fail(call, "23505", "schedule_fire_alone");
        return false;
    }
    if (fire->gap_ms != 0) {
        base_touch(call, T_SCHEDULE, c->schedule);
        c->schedule->has_backfill = true;
        c->schedule->backfill_us = base_time_us(call, 4, 0) + fire->gap_ms * INT64_C(1000);
    }
    out_begun(call, fire->stop ? "stop" : "start", fire, c->schedule);
    return true;
}

static void skip_fire(struct base_call *call, const struct candidate *c)
{
    base_touch(call, T_FIRE, c->fire);
    c->fire->state = "skipped";
    c->fire->reason = rv_arena_printf(call->base->arena, "%s (overlap %s)",
                                      base_is(c->verdict, "replaced") ? "a later one took its place"
                                      : base_is(c->verdict, "full")   ? "too many wait already"
                                                                      : "the one before still runs",
                                      c->overlap);
}

static void schedule_start(struct base_call *call)
{
    enum { CANDIDATES_MAX = 8192 };
    static struct candidate found[CANDIDATES_MAX];
    int count = find_candidates(call, found, CANDIDATES_MAX);
    qsort(found, (size_t)count, sizeof found[0], by_instant);
    int64_t room = base_int(call, 2, 0);
    for (int i = 0; i < count; i++) {
        found[i].verdict = judge(&found[i], base_time_us(call, 4, 0), base_int(call, 5, 0));
        if (base_is(found[i].verdict, "start")) {
            found[i].verdict = room-- > 0 ? "chosen" : "wait";
        }
    }
    tell_untold(call);
    for (int i = 0; i < count; i++) {
        stop_others(call, &found[i]);
    }
    for (int i = 0; i < count; i++) {
        if (base_is(found[i].verdict, "chosen")) {
            if (!start_fire(call, &found[i])) {
                return;
            }
        } else if (!base_is(found[i].verdict, "wait") && !base_is(found[i].verdict, "cancel")) {
            skip_fire(call, &found[i]);
        }
    }
}

/* ---- what runs ---- */

static struct fire_row *find_fire(struct base *base, int32_t tenant, int64_t id)
{
    BASE_EACH(base, T_FIRE, fire_row, fire)
    {
        if (fire->tenant == tenant && fire->id == id) {
            return fire;
        }
    }
    return NULL;
}

static bool is_own(const struct fire_row *fire, int64_t attempt)
{
    return fire != NULL && fire->attempt == attempt && base_is(fire->state, "running");
}

static bool is_being_told(const struct fire_row *fire, int64_t attempt)
{
    return fire != NULL && fire->attempt == attempt && base_is(fire->state, "terminated") &&
           fire->has_lease;
}

/* Of one that is not the asker's own any more. */
static const char *beat_word(const struct fire_row *fire, int64_t attempt)
{
    return fire == NULL                         ? "removed"
           : fire->attempt != attempt           ? "lost"
           : base_is(fire->state, "terminated") ? "terminate"
           : fire->stop                         ? "cancel"
                                                : "lost";
}

static void schedule_beat(struct base_call *call)
{
    for (int i = 0; i < base_count(call, 2); i++) {
        struct fire_row *fire = find_fire(call->base, call->tenant, base_int(call, 2, i));
        int64_t attempt = base_int(call, 3, i);
        bool own = is_own(fire, attempt);
        bool told = is_being_told(fire, attempt);
        if (own || told) {
            keep(call, fire, base_int(call, 4, 0));
        }
        if (!own || fire->stop) {
            base_row(call);
            base_out_int(call, base_int(call, 2, i));
            base_out_int(call, attempt);
            base_out_text(call, own ? "cancel" : beat_word(fire, attempt));
            base_out_bool(call, !own && !told);
        }
    }
}

static void schedule_release(struct base_call *call)
{
    for (int i = 0; i < base_count(call, 2); i++) {
        struct fire_row *fire = find_fire(call->base, call->tenant, base_int(call, 2, i));
        bool told = is_being_told(fire, base_int(call, 3, i));
        if (!told && !is_own(fire, base_int(call, 3, i))) {
            continue;
        }
        base_touch(call, T_FIRE, fire);
        fire->has_lease = told;
        fire->lease_us = base_now_us(call->base);
        fire->state = told ? fire->state : "waiting";
    }
}

static void schedule_done(struct base_call *call)
{
    struct strike strikes[STRIKES_MAX] = {{.schedule = NULL}};
    for (int i = 0; i < base_count(call, 2); i++) {
        struct fire_row *fire = find_fire(call->base, call->tenant, base_int(call, 2, i));
        if (is_being_told(fire, base_int(call, 3, i))) {
            base_touch(call, T_FIRE, fire);
            fire->has_lease = false;
        }
        if (!is_own(fire, base_int(call, 3, i))) {
            continue;
        }
        base_touch(call, T_FIRE, fire);
        fire->state = base_text(call, 4, i);
        fire->reason = base_text(call, 5, i);
        fire->has_lease = false;
        if (base_is(fire->state, "done")) {
            strike_of(call, strikes, fire->schedule)->succeeded = true;
        } else if (base_is(fire->state, "failed")) {
            count_failure(strike_of(call, strikes, fire->schedule), fire->reason);
        }
    }
    strike_all(call, strikes);
}

const struct base_word base_words_schedule[] = {
    {"schedule_work", schedule_work},     {"schedule_refresh", schedule_refresh},
    {"schedule_rested", schedule_rested}, {"schedule_lost", schedule_lost},
    {"schedule_due", schedule_due},       {"schedule_claim", schedule_claim},
    {"schedule_break", schedule_break},   {"schedule_start", schedule_start},
    {"schedule_beat", schedule_beat},     {"schedule_release", schedule_release},
    {"schedule_done", schedule_done},     {NULL, NULL},
};
