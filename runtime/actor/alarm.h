/* alarm.h -- the timers of a core.  Each belongs to one life of one actor and ends with it.  On the
 * core's thread only. */
#ifndef REEVE_RUNTIME_ACTOR_ALARM_H
#define REEVE_RUNTIME_ACTOR_ALARM_H

#include <stdint.h>

struct alarm;
struct core;
struct rv_actor;

/* An entry of a core's heap. */
struct due {
    int64_t at_us;
    struct alarm *alarm;
};

void actor_alarm(struct rv_actor *actor, int64_t delay_ms, uint64_t token);
/* One with that token, also when it is due and not heard yet; none: nothing. */
void actor_alarm_cancel(struct rv_actor *actor, uint64_t token);
void actor_alarms_end(struct rv_actor *actor); /* all of its life */
int64_t core_next_due_us(const struct core *core);
void core_arm_timer(struct core *core);
int64_t core_alarm_bytes(const struct core *core);
void core_fire_due(struct core *core);
void core_on_timer(void *core);

#endif
