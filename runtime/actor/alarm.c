/* alarm.c -- the timers of a core: a binary heap, and one timer of the loop for its top. */
#include "runtime/actor/core_time.h"
#include "runtime/actor/mail.h"

static bool earlier(const struct alarm *a, const struct alarm *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static void sift_up(struct alarm *heap, int i)
{
    while (i > 0 && earlier(&heap[i], &heap[(i - 1) / 2])) {
        struct alarm other = heap[i];
        heap[i] = heap[(i - 1) / 2];
        heap[(i - 1) / 2] = other;
        i = (i - 1) / 2;
    }
}

static void sift_down(struct alarm *heap, int count, int i)
{
    for (;;) {
        int least = i;
        for (int child = 2 * i + 1; child <= 2 * i + 2 && child < count; child++) {
            least = earlier(&heap[child], &heap[least]) ? child : least;
        }
        if (least == i) {
            return;
        }
        struct alarm other = heap[i];
        heap[i] = heap[least];
        heap[least] = other;
        i = least;
    }
}

static void arm_timer(struct core *core)
{
    int64_t at_us = core->alarm_count > 0 ? core->alarms[0].at_us : INT64_MAX;
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

void core_alarm(struct core *core, struct rv_ref ref, int64_t delay_ms, uint64_t token)
{
    if (core->alarm_count == core->alarm_capacity) {
        core->alarm_capacity = core->alarm_capacity == 0 ? 64 : core->alarm_capacity * 2;
        core->alarms =
            rv_realloc(core->alarms, (size_t)core->alarm_capacity * sizeof *core->alarms);
    }
    core->alarms[core->alarm_count] =
        (struct alarm){.at_us = rv_mono_us(core->clock) + (delay_ms > 0 ? delay_ms : 0) * 1000,
                       .order = ++core->alarm_order,
                       .ref = ref,
                       .token = token};
    sift_up(core->alarms, core->alarm_count++);
    arm_timer(core);
}

void core_alarm_cancel(struct core *core, struct rv_ref ref, uint64_t token)
{
    for (int i = 0; i < core->alarm_count; i++) {
        if (core->alarms[i].ref.id == ref.id && core->alarms[i].token == token) {
            core->alarms[i] = core->alarms[--core->alarm_count];
            if (i < core->alarm_count) {
                sift_down(core->alarms, core->alarm_count, i);
                sift_up(core->alarms, i);
            }
            break;
        }
    }
    arm_timer(core);
}

void core_fire_due(struct core *core)
{
    int64_t now_us = core_note(core); /* the loop may have slept: what comes due is queued now */
    while (core->alarm_count > 0 && core->alarms[0].at_us <= now_us) {
        struct alarm alarm = core->alarms[0];
        core->alarms[0] = core->alarms[--core->alarm_count];
        sift_down(core->alarms, core->alarm_count, 0);
        struct rv_actor *actor = core_find(core, alarm.ref);
        if (actor == NULL) {
            continue; /* it ended; its alarms die with it */
        }
        if (alarm.token == TOKEN_RESTART) {
            actor_restart_now(actor);
            continue;
        }
        struct rv_message message = {.kind = RV_MESSAGE_TIMEOUT};
        message.body.numbers[0] = (int64_t)alarm.token;
        core_deliver(core, envelope_make(core, alarm.ref, &message, RV_OK));
    }
    core->timer_us = -1; /* the loop's timer has fired or is stale */
    arm_timer(core);
}

void core_on_timer(void *core)
{
    core_fire_due(core);
}
