/* look.h -- schedules as JSON, for whoever looks at them: the command line and the HTTP edge.
 *
 * Blocking (rv_db_session); never on a loop thread.
 */
#ifndef REEVE_RUNTIME_SCHEDULE_LOOK_H
#define REEVE_RUNTIME_SCHEDULE_LOOK_H

#include "runtime/schedule/schedule.h"

enum {
    RV_SCHEDULE_LOOK_NEXT = 5,       /* next fires, where nobody says how many */
    RV_SCHEDULE_LOOK_NEXT_MAX = 100, /* a screen or two */
    RV_SCHEDULE_LOOK_LAST = 5        /* fires that are over, wait or run */
};

struct rv_schedule_look {
    const char *name; /* NULL: all of them */
    int next;         /* so many next fires of each; 0: none, and no member "next" */
    int last;         /* so many last fires of each; 0: none, and no member "last_fires" */
};

/* An array of objects with the columns of rv_schedule_list; beside them "next" (instants, empty for
 * one that rests, has ended or is broken) and "last_fires", the newest first.  The caller releases
 * it, also after a failure.  RV_NOT_FOUND when `name` is none. */
RV_MUST enum rv_code rv_schedule_looked(struct rv_db_session *session, int32_t tenant,
                                        const struct rv_schedule_look *look, int64_t now_us,
                                        json_t **out, struct rv_error *err);
/* The next fires of one, however it stands. */
RV_MUST enum rv_code rv_schedule_next_json(struct rv_db_session *session, int32_t tenant,
                                           const char *name, int64_t now_us, int most, json_t **out,
                                           struct rv_error *err);
RV_MUST enum rv_code rv_schedule_next_of_json(struct rv_db_session *session, int32_t tenant,
                                              const struct rv_schedule *schedule, int64_t now_us,
                                              int most, json_t **out, struct rv_error *err);
/* The instants of rv_schedule_fill_preview. */
RV_MUST enum rv_code rv_schedule_fill_json(struct rv_db_session *session, int32_t tenant,
                                           const char *name,
                                           const struct rv_schedule_backfill *backfill,
                                           int64_t now_us, json_t **out, struct rv_error *err);
/* "2026-12-25T02:00:00Z"; null for 0. */
json_t *rv_schedule_time_json(int64_t time_us);

/* {"name","weekend","holidays":[{"day","label"}]}.  RV_NOT_FOUND when there is none. */
RV_MUST enum rv_code rv_calendar_looked(struct rv_db_session *session, int32_t tenant,
                                        const char *name, json_t **out, struct rv_error *err);
/* An array of {"name","weekend","holidays" (their number),"first","last","schedules"}. */
RV_MUST enum rv_code rv_calendars_looked(struct rv_db_session *session, int32_t tenant,
                                         json_t **out, struct rv_error *err);

#endif
