/* alarm.c -- the timers of a core: a binary heap, and one timer of the loop for its top.
 *
 * An alarm belongs to one life of one actor, which holds a list of its own: canceling looks at that
 * list only, and an alarm knows its place in the heap.  So the cost of a call that is answered long
 * before its deadline does not grow with the timers of others.
 */
#include "runtime/actor/alarm.h"
#include "runtime/actor/core_time.h"
#include "runtime/actor/mail.h"

struct alarm {
    struct alarm *next; /* of its actor, newest first */
    struct alarm **link;
    struct rv_actor *actor;
    uint64_t order; /* same time: first armed, first fired */
    uint64_t token;
    int place; /* in the heap */
};

static bool earlier(const struct due *a, const struct due *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->alarm->order < b->alarm->order;
}

static void put(struct due *heap, int i, struct due due)
{
    heap[i] = due;
    due.alarm->place = i;
}

static void sift_up(struct due *heap, int i)
{
    struct due due = heap[i];
    for (; i > 0 && earlier(&due, &heap[(i - 1) / 2]); i = (i - 1) / 2) {
        put(heap, i, heap[(i - 1) / 2]);
    }
    put(heap, i, due);
}

static void sift_down(struct due *heap, int count, int i)
{
    struct due due = heap[i];
    for (int child; (child = 2 * i + 1) < count; i = child) {
        child += child + 1 < count && earlier(&heap[child + 1], &heap[child]);
        if (!earlier(&heap[child], &due)) {
            break;
        }
        put(heap, i, heap[child]);
    }
    put(heap, i, due);
}

int64_t core_next_due_us(const struct core *core)
{
    int64_t at_us = core->alarm_count > 0 ? core->alarms[0].at_us : INT64_MAX;
    return core->draining && core->drain_deadline_us < at_us ? core->drain_deadline_us : at_us;
}

void core_arm_timer(struct core *core)
{
    int64_t at_us = core_next_due_us(core);
    if (at_us == core->timer_us) {
        return;
    }
    core->timer_us = at_us;
    if (at_us == INT64_MAX) {
        rv_timer_stop(core->timer);
        return;
    }
    int64_t wait_us = at_us - rv_mono_us(core->clock);
    rv_timer_start(core->timer, wait_us > 0 ? (wait_us + 999) / 1000 : 0);
}

void actor_alarm(struct rv_actor *actor, int64_t delay_ms, uint64_t token)
{
    struct core *core = actor->core;
    struct extra *extra = actor_extra(actor);
    struct alarm *alarm = rv_alloc(sizeof *alarm);
    *alarm = (struct alarm){.next = extra->alarms,
                            .link = &extra->alarms,
                            .actor = actor,
                            .order = ++core->alarm_order,
                            .token = token};
    if (alarm->next != NULL) {
        alarm->next->link = &alarm->next;
    }
    extra->alarms = alarm;
    if (core->alarm_count == core->alarm_capacity) {
        core->alarm_capacity = core->alarm_capacity == 0 ? 64 : core->alarm_capacity * 2;
        core->alarms =
            rv_realloc(core->alarms, (size_t)core->alarm_capacity * sizeof *core->alarms);
    }
    core->alarms[core->alarm_count] = (struct due){
        .at_us = rv_mono_us(core->clock) + (delay_ms > 0 ? delay_ms : 0) * 1000, .alarm = alarm};
    sift_up(core->alarms, core->alarm_count++);
    core_arm_timer(core);
}

static void drop(struct core *core, struct alarm *alarm)
{
    int place = alarm->place;
    struct due last = core->alarms[--core->alarm_count];
    if (last.alarm != alarm) {
        put(core->alarms, place, last);
        sift_down(core->alarms, core->alarm_count, place);
        sift_up(core->alarms, last.alarm->place);
    }
    *alarm->link = alarm->next;
    if (alarm->next != NULL) {
        alarm->next->link = alarm->link;
    }
    rv_free(alarm);
}

/* Those that were due already and are not heard yet: with that token, or all.  How many. */
static int drop_fired(struct rv_actor *actor, const uint64_t *token, int most)
{
    struct lane kept = {.last = NULL};
    struct envelope *envelope;
    int dropped = 0;
    while ((envelope = lane_pop(&actor->system)) != NULL) {
        if (envelope->message.kind == RV_MESSAGE_TIMEOUT && dropped < most &&
            (token == NULL || (uint64_t)envelope->message.body.numbers[0] == *token)) {
            envelope_free(actor->core, envelope);
            dropped++;
        } else {
            lane_push(&kept, envelope);
        }
    }
    actor->system = kept;
    return dropped;
}

void actor_alarm_cancel(struct rv_actor *actor, uint64_t token)
{
    struct alarm *alarm = actor->extra != NULL ? actor->extra->alarms : NULL;
    if (actor->system.last != NULL && drop_fired(actor, &token, 1) > 0) {
        return;
    }
    while (alarm != NULL && alarm->token != token) {
        alarm = alarm->next;
    }
    if (alarm != NULL) {
        drop(actor->core, alarm);
        core_arm_timer(actor->core);
    }
}

void actor_alarms_end(struct rv_actor *actor)
{
    drop_fired(actor, NULL, INT32_MAX);
    if (actor->extra == NULL || actor->extra->alarms == NULL) {
        return;
    }
    while (actor->extra->alarms != NULL) {
        drop(actor->core, actor->extra->alarms);
    }
    core_arm_timer(actor->core);
}

void core_fire_due(struct core *core)
{
    int64_t now_us = core_note(core); /* the loop may have slept: what comes due is queued now */
    while (core->alarm_count > 0 && core->alarms[0].at_us <= now_us) {
        struct alarm *alarm = core->alarms[0].alarm;
        struct rv_actor *actor = alarm->actor;
        uint64_t token = alarm->token;
        drop(core, alarm);
        if (token == TOKEN_RESTART) {
            actor_restart_now(actor);
            continue;
        }
        struct rv_message message = {.kind = RV_MESSAGE_TIMEOUT};
        message.body.numbers[0] = (int64_t)token;
        core_deliver(core, envelope_make(core, actor->ref, &message, RV_OK));
    }
    core_drain_check(core);
    core->timer_us = -1; /* the loop's timer has fired or is stale */
    core_arm_timer(core);
}

void core_on_timer(void *core)
{
    core_fire_due(core);
}

int64_t core_alarm_bytes(const struct core *core)
{
    return (int64_t)((size_t)core->alarm_capacity * sizeof *core->alarms +
                     (size_t)core->alarm_count * sizeof(struct alarm));
}
