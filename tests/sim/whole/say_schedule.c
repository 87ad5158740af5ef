/* say_schedule.c -- runtime/schedule/sql: the service's turns. */
#include "tests/sim/whole/base.h"

#include "runtime/base/check.h"

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

static bool has_work(struct base *base, int32_t tenant, int64_t at_us, const char *version)
{
    bool work = false;
    BASE_EACH(base, T_SCHEDULE, schedule_row, s)
    {
        bool active = base_is(s->status, "active");
        work = work || (s->tenant == tenant &&
                        ((active && s->has_due && s->due_us <= at_us) ||
                         (base_is(s->status, "paused") && s->has_paused && s->paused_us <= at_us) ||
                         (version != NULL && active && strcmp(s->tzdata, version) != 0)));
    }
    BASE_EACH(base, T_FIRE, fire_row, fire)
    {
        work = work ||
               (fire->tenant == tenant && (base_is(fire->state, "waiting") ||
                                           (base_is(fire->state, "running") && fire->has_lease &&
                                            fire->lease_us <= base_now_us(base))));
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
        }
    }
    int64_t next_us = INT64_MAX;
    BASE_EACH(base, T_SCHEDULE, schedule_row, s)
    {
        if (base_is(s->status, "active") && s->has_due && s->due_us > at_us &&
            s->due_us < next_us) {
            next_us = s->due_us;
        }
    }
    base_row(call);
    base_out_int(call, 0);
    if (next_us == INT64_MAX) {
        base_out_null(call);
    } else {
        base_out_time(call, next_us);
    }
}

static void schedule_refresh(struct base_call *call)
{
    struct base *base = call->base;
    int64_t now_us = base_time_us(call, 2, 0);
    BASE_EACH(base, T_SCHEDULE, schedule_row, s)
    {
        if (s->tenant == call->tenant && base_is(s->status, "paused") && s->has_paused &&
            s->paused_us <= now_us) {
            base_touch(call, T_SCHEDULE, s);
            s->status = "active";
            s->has_paused = false;
            s->reason = NULL;
        }
    }
    BASE_EACH(base, T_FIRE, fire_row, fire)
    {
        if (fire->tenant == call->tenant && base_is(fire->state, "running") && fire->has_lease &&
            fire->lease_us <= base_now_us(base)) {
            base_touch(call, T_FIRE, fire);
            bool again = fire->attempt < base_int(call, 3, 0);
            fire->state = again ? "waiting" : "failed";
            fire->reason = again ? NULL : "the node that ran it was lost, every time";
        }
    }
}

static int by_due(const void *a, const void *b)
{
    const struct schedule_row *left = *(const struct schedule_row *const *)a;
    const struct schedule_row *right = *(const struct schedule_row *const *)b;
    return left->due_us != right->due_us ? (left->due_us < right->due_us ? -1 : 1)
                                         : strcmp(left->name, right->name);
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
        if (s->tenant == call->tenant && base_is(s->status, "active") &&
            (s->due_us <= now_us || (version != NULL && strcmp(s->tzdata, version) != 0))) {
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
        if (found[i]->has_next) {
            base_out_time(call, found[i]->next_us);
        } else {
            base_out_null(call);
        }
        if (found[i]->has_last) {
            base_out_time(call, found[i]->last_us);
        } else {
            base_out_null(call);
        }
        base_out_text(call, "");
    }
}

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

static void schedule_claim(struct base_call *call)
{
    struct base *base = call->base;
    struct schedule_row *s = find_schedule(base, call->tenant, base_text(call, 2, 0));
    if (s == NULL || !base_is(s->status, "active") || !s->has_next ||
        s->next_us != base_time_us(call, 3, 0)) {
        return;
    }
    base_touch(call, T_SCHEDULE, s);
    s->has_next = !base_null(call, 4, 0);
    s->next_us = s->has_next ? base_time_us(call, 4, 0) : 0;
    s->has_due = !base_null(call, 5, 0);
    s->due_us = s->has_due ? base_time_us(call, 5, 0) : 0;
    s->tzdata = base_text(call, 6, 0);
    if (!base_null(call, 7, 0)) {
        s->has_last = true;
        s->last_us = base_time_us(call, 7, 0);
    }
    s->status = s->has_next ? s->status : "ended";
    for (int i = 0; i < base_count(call, 8); i++) {
        int64_t instant_us = base_time_us(call, 9, i);
        if (has_fire(base, call->tenant, s->name, instant_us)) {
            continue;
        }
        struct fire_row *fire = base_insert(call, T_FIRE);
        *fire = (struct fire_row){.tenant = call->tenant,
                                  .id = base_int(call, 8, i),
                                  .schedule = s->name,
                                  .instant_us = instant_us,
                                  .state = base_text(call, 10, i),
                                  .reason = base_text(call, 11, i),
                                  .exclusive = !base_is(s->overlap, "allow")};
    }
    base_row(call);
    base_out_text(call, s->name);
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

struct candidate {
    struct fire_row *fire;
    const struct schedule_row *schedule;
    bool busy;
    int place;
    bool chosen;
};

/* The order within one schedule: interrupted ones, then the real ones, then what is filled in. */
static bool before(const struct fire_row *a, const struct fire_row *b)
{
    if ((a->attempt > 0) != (b->attempt > 0)) {
        return a->attempt > 0;
    }
    if (a->backfill != b->backfill) {
        return !a->backfill;
    }
    if (a->attempt != b->attempt) {
        return a->attempt > b->attempt;
    }
    return a->instant_us != b->instant_us ? a->instant_us < b->instant_us : a->id < b->id;
}

static int by_instant(const void *a, const void *b)
{
    const struct fire_row *left = ((const struct candidate *)a)->fire;
    const struct fire_row *right = ((const struct candidate *)b)->fire;
    if (left->instant_us != right->instant_us) {
        return left->instant_us < right->instant_us ? -1 : 1;
    }
    return left->id < right->id ? -1 : left->id > right->id;
}

static int find_candidates(struct base_call *call, struct candidate *out, int max)
{
    struct base *base = call->base;
    int count = 0;
    BASE_EACH(base, T_FIRE, fire_row, fire)
    {
        const struct schedule_row *s = find_schedule(base, call->tenant, fire->schedule);
        if (fire->tenant != call->tenant || !base_is(fire->state, "waiting") || s == NULL ||
            (!fire->manual && base_is(s->status, "paused"))) {
            continue;
        }
        RV_ASSERT(count < max);
        out[count++] = (struct candidate){.fire = fire, .schedule = s, .place = 1};
    }
    for (int i = 0; i < count; i++) {
        for (int k = 0; k < count; k++) {
            out[i].place +=
                k != i && out[k].schedule == out[i].schedule && before(out[k].fire, out[i].fire);
        }
        BASE_EACH(base, T_FIRE, fire_row, other)
        {
            out[i].busy =
                out[i].busy || (other->tenant == call->tenant && base_is(other->state, "running") &&
                                strcmp(other->schedule, out[i].fire->schedule) == 0);
        }
    }
    return count;
}

static void schedule_start(struct base_call *call)
{
    enum { CANDIDATES_MAX = 512 };
    static struct candidate found[CANDIDATES_MAX];
    int count = find_candidates(call, found, CANDIDATES_MAX);
    qsort(found, (size_t)count, sizeof found[0], by_instant);
    int64_t room = base_int(call, 2, 0);
    for (int i = 0; i < count; i++) {
        struct candidate *c = &found[i];
        const char *overlap = c->schedule->overlap;
        c->chosen = room > 0 && (base_is(overlap, "allow") || (c->place == 1 && !c->busy));
        room -= c->chosen;
        bool skip = !c->fire->backfill &&
                    ((base_is(overlap, "skip") && (c->busy || c->place > 1)) ||
                     (base_is(overlap, "buffer_one") && c->place > (c->busy ? 1 : 2)));
        if (skip || c->chosen) {
            base_touch(call, T_FIRE, c->fire);
        }
        if (c->chosen) {
            c->fire->state = "running";
            c->fire->attempt++;
            c->fire->has_lease = true;
            c->fire->lease_us = base_now_us(call->base) + base_int(call, 3, 0) * 1000;
            base_row(call);
            base_out_int(call, c->fire->id);
            base_out_int(call, c->fire->attempt);
            base_out_text(call, c->schedule->name);
            base_out_text(call, c->schedule->action);
            base_out_json(call, json_incref(c->schedule->input));
            base_out_time(call, c->fire->instant_us);
        } else if (skip) {
            c->fire->state = "skipped";
            c->fire->reason = "the one before still runs";
        }
    }
}

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

static void schedule_beat(struct base_call *call)
{
    for (int i = 0; i < base_count(call, 2); i++) {
        struct fire_row *fire = find_fire(call->base, call->tenant, base_int(call, 2, i));
        if (fire != NULL && base_is(fire->state, "running")) {
            base_touch(call, T_FIRE, fire);
            fire->has_lease = true;
            fire->lease_us = base_now_us(call->base) + base_int(call, 3, 0) * 1000;
        }
    }
}

static void schedule_done(struct base_call *call)
{
    struct fire_row *fire = find_fire(call->base, call->tenant, base_int(call, 2, 0));
    if (fire != NULL && fire->attempt == base_int(call, 3, 0) && base_is(fire->state, "running")) {
        base_touch(call, T_FIRE, fire);
        fire->state = base_text(call, 4, 0);
        fire->reason = base_text(call, 5, 0);
        fire->has_lease = false;
    }
}

const struct base_word base_words_schedule[] = {
    {"schedule_work", schedule_work},
    {"schedule_refresh", schedule_refresh},
    {"schedule_due", schedule_due},
    {"schedule_claim", schedule_claim},
    {"schedule_break", schedule_break},
    {"schedule_start", schedule_start},
    {"schedule_beat", schedule_beat},
    {"schedule_done", schedule_done},
    {NULL, NULL},
};
