/* schedule.h -- administration of schedules, for the command line and start-up.
 *
 * A schedule fires an action ("exceptions.run") with an input at the instants of a cron pattern in
 * a time zone; cron.h and due.h hold the specification of time, service.h runs it.  What happens
 * when a fire is due while the one before still runs: skip        it does not run buffer_one  one
 * waits and starts when the running one ends; further ones do not run allow       they run side by
 * side
 *
 * Blocking (rv_db_session); never on a loop thread.  Times are microseconds since 1970, UTC.
 */
#ifndef REEVE_RUNTIME_SCHEDULE_SCHEDULE_H
#define REEVE_RUNTIME_SCHEDULE_SCHEDULE_H

#include "runtime/db/db.h"
#include "runtime/schedule/cron.h"

enum rv_schedule_overlap { RV_OVERLAP_SKIP, RV_OVERLAP_BUFFER_ONE, RV_OVERLAP_ALLOW };

enum {
    RV_SCHEDULE_NAME_MAX = 63,       /* it is a word on command lines */
    RV_SCHEDULE_ACTION_MAX = 100,    /* the name of an agent or a built-in action */
    RV_SCHEDULE_CATCH_UP_S = 3600,   /* the default window */
    RV_SCHEDULE_CATCH_UP_MIN_S = 10, /* less would lose fires to a slow look */
    RV_SCHEDULE_CATCH_UP_MAX_S = 366 * 86400,
    RV_SCHEDULE_JITTER_MAX_S = 86400, /* more moves a fire into another business day */
    RV_SCHEDULE_NEXT_MAX = 1000,      /* fires shown at once */
    RV_SCHEDULE_BACKFILL_MAX = 1000   /* fires made afterwards at once */
};

struct rv_schedule {
    const char *name; /* lower-case letters, digits, ".", "_", "-" */
    const char *cron, *zone;
    enum rv_cron_gap gap;
    enum rv_cron_fold fold;
    enum rv_schedule_overlap overlap;
    int32_t catch_up_window_s; /* 0: RV_SCHEDULE_CATCH_UP_S */
    int32_t jitter_s;
    const char *action;
    const json_t *input; /* NULL: {} */
    const char *except;  /* days without a fire, see dates.h; NULL: none */
};

/* What shall be another; NULL (numbers: -1) stays as it is. */
struct rv_schedule_change {
    const char *cron, *zone, *gap, *fold, *overlap, *except;
    int32_t catch_up_window_s, jitter_s;
};

/* RV_CONFLICT when the name is taken; RV_INVALID also for a pattern that never fires. */
RV_MUST enum rv_code rv_schedule_add(struct rv_db_session *session, int32_t tenant,
                                     const struct rv_schedule *schedule, int64_t now_us,
                                     int64_t *next_us, struct rv_error *err);
/* In place: fires, pauses and history stay; the next fire is computed anew.  One that had ended or
 * was broken goes on. `next_us` 0: none while it is paused. */
RV_MUST enum rv_code rv_schedule_set(struct rv_db_session *session, int32_t tenant,
                                     const char *name, const struct rv_schedule_change *change,
                                     int64_t now_us, int64_t *next_us, struct rv_error *err);
typedef enum rv_code (*rv_schedule_each)(void *data, const struct rv_result *result, int row,
                                         struct rv_error *err);
/* Columns 0..11: name, status (active|paused|ended|broken), cron, zone, action, next_at, last_at,
 * overlap, paused_until, reason, number of running fires, days without a fire. */
RV_MUST enum rv_code rv_schedule_list(struct rv_db_session *session, int32_t tenant,
                                      rv_schedule_each each, void *data, struct rv_error *err);
/* `until_us` 0: until somebody resumes it.  What runs goes on running; a fire that waits behind it
 * (buffer_one) starts when the pause is over. */
RV_MUST enum rv_code rv_schedule_pause(struct rv_db_session *session, int32_t tenant,
                                       const char *name, int64_t until_us, const char *reason,
                                       int64_t now_us, struct rv_error *err);
/* What was missed meanwhile is not caught up.  RV_CONFLICT when it is active. */
RV_MUST enum rv_code rv_schedule_resume(struct rv_db_session *session, int32_t tenant,
                                        const char *name, int64_t now_us, struct rv_error *err);
RV_MUST enum rv_code rv_schedule_remove(struct rv_db_session *session, int32_t tenant,
                                        const char *name, struct rv_error *err);
/* The next `most` instants of a schedule; `count` may be less when the pattern ends. */
RV_MUST enum rv_code rv_schedule_next(struct rv_db_session *session, int32_t tenant,
                                      const char *name, int64_t now_us, int most, int64_t *out_us,
                                      int *count, struct rv_error *err);
/* Makes the fires of from_us <= instant < to_us, which must be past, wait now: they run one after
 * the other (overlap allow: side by side), also while the schedule is paused, and are never
 * skipped. Those that are recorded already are left alone; `made` counts the new ones. */
RV_MUST enum rv_code rv_schedule_backfill(struct rv_db_session *session, int32_t tenant,
                                          const char *name, int64_t from_us, int64_t to_us,
                                          int64_t now_us, int *made, struct rv_error *err);
/* Due at once, on the node that looks next, also while paused.  RV_CONFLICT when the overlap policy
 * is skip and one runs. */
RV_MUST enum rv_code rv_schedule_run_now(struct rv_db_session *session, int32_t tenant,
                                         const char *name, int64_t now_us, int64_t *fire_id,
                                         struct rv_error *err);

RV_MUST enum rv_code rv_schedule_overlap_from(const char *name, enum rv_schedule_overlap *out,
                                              struct rv_error *err);

#endif
