/* schedule.h -- administration of schedules: the rules, for the command line and the HTTP edge.
 *
 * A schedule fires an action ("exceptions.run", or the name of an agent) with an input at the
 * instants of a cron pattern in a time zone.  README.md beside this file is the specification: what
 * is said of time is in cron.h and due.h, of overlap below and in service.h.
 *
 * What happens when a fire is due while another of its schedule is under way:
 *   skip             it does not run
 *   buffer_one       one waits and starts when the running one ends; further ones do not run
 *   buffer_all       all wait and run one after the other, oldest first
 *   cancel_other     the running one is asked to stop and ends at its next step; then the newest
 *                    that waits starts, older ones do not run
 *   terminate_other  the running one is over at once, whatever it still does; the newest starts
 *   allow_all        they run side by side
 *
 * Blocking (rv_db_session); never on a loop thread.  Times are microseconds since 1970, UTC.
 *
 * `wrong`, where a struct has it, may be NULL.  After a failure it names the member that the error
 * is about, as a program writes it ("cron", "catch_up_max"), or is NULL when it is about none.
 */
#ifndef REEVE_RUNTIME_SCHEDULE_SCHEDULE_H
#define REEVE_RUNTIME_SCHEDULE_SCHEDULE_H

#include "runtime/db/db.h"
#include "runtime/schedule/cron.h"

/* What a schedule may stand at, with a space between two. */
extern const char rv_schedule_status_words[];

enum rv_schedule_overlap {
    RV_OVERLAP_SKIP,
    RV_OVERLAP_BUFFER_ONE,
    RV_OVERLAP_BUFFER_ALL,
    RV_OVERLAP_CANCEL_OTHER,
    RV_OVERLAP_TERMINATE_OTHER,
    RV_OVERLAP_ALLOW_ALL
};

enum {
    RV_SCHEDULE_NAME_MAX = 63,       /* it is a word on command lines */
    RV_SCHEDULE_REASON_MAX = 2000,   /* why somebody paused it: a paragraph */
    RV_SCHEDULE_ID_MAX = 100,        /* the asker's own name of a request */
    RV_SCHEDULE_ACTION_MAX = 100,    /* the name of an agent or a built-in action */
    RV_SCHEDULE_CATCH_UP_S = 3600,   /* the default window */
    RV_SCHEDULE_CATCH_UP_MIN_S = 10, /* less would lose fires to a slow look */
    RV_SCHEDULE_CATCH_UP_MAX_S = 366 * 86400,
    RV_SCHEDULE_CATCH_UP = 1000,       /* the default cap */
    RV_SCHEDULE_CATCH_UP_MOST = 10000, /* more is a backfill, which has a rate */
    RV_SCHEDULE_JITTER_MAX_S = 86400,  /* more moves a fire into another business day */
    RV_SCHEDULE_PAUSE_AFTER_MAX = 1000,
    RV_SCHEDULE_NEXT_MAX = 1000,     /* fires shown at once */
    RV_SCHEDULE_BACKFILL_MAX = 1000, /* fires made afterwards at once */
    RV_SCHEDULE_RATE_MAX = 600       /* fires a minute: ten a second is as good as no rate */
};

/* What a schedule does that names no agent. */
#define RV_SCHEDULE_EXCEPTIONS "exceptions.run"

struct rv_schedule {
    const char *name; /* lower-case letters, digits, ".", "_", "-" */
    const char *cron, *zone;
    enum rv_cron_gap gap;
    enum rv_cron_fold fold;
    enum rv_schedule_overlap overlap;
    int32_t catch_up_window_s; /* 0: RV_SCHEDULE_CATCH_UP_S */
    int32_t catch_up_max;      /* 0: RV_SCHEDULE_CATCH_UP */
    int32_t jitter_s;
    int32_t pause_after; /* failures in a row; 0: never */
    const char *action;
    const json_t *input;  /* NULL: {} */
    const char *except;   /* days without a fire, see dates.h; NULL: none */
    const char *calendar; /* business calendar of the company; NULL: Monday to Friday */
    const char **wrong;
};

/* What shall be another; NULL (numbers: -1) stays as it is. */
struct rv_schedule_change {
    const char *cron, *zone, *gap, *fold, *overlap, *except;
    const char *calendar; /* "none" takes it away */
    int32_t catch_up_window_s, catch_up_max, jitter_s, pause_after;
    const char *agent;   /* "none": exceptions are found and handled, without an input */
    const json_t *input; /* instead of the whole one before */
    const char **wrong;
};

/* What it runs: `agent` NULL is the handling of exceptions, which takes no input.  RV_NOT_FOUND
 * for an agent that is not active: a name that means nothing would be noticed at two in the
 * morning. */
RV_MUST enum rv_code rv_schedule_take_action(struct rv_db_session *session, int32_t tenant,
                                             const char *agent, const json_t *input,
                                             struct rv_schedule *out, struct rv_error *err);
/* The zone of a schedule that names none: the company's, UTC where that has none. */
RV_MUST enum rv_code rv_schedule_company_zone(struct rv_db_session *session, int32_t tenant,
                                              char out[RV_ZONE_NAME_MAX], struct rv_error *err);
/* RV_CONFLICT when the name is taken; RV_NOT_FOUND for an unknown calendar; RV_INVALID also for a
 * pattern that never fires. */
RV_MUST enum rv_code rv_schedule_add(struct rv_db_session *session, int32_t tenant,
                                     const struct rv_schedule *schedule, int64_t now_us,
                                     int64_t *next_us, struct rv_error *err);
/* In place: fires, pauses and history stay; the next fire is computed anew.  One that had ended or
 * was broken goes on.  A fire that starts from now on, also one of a backfill, runs the agent and
 * has the input that stand then; agent and input are checked as rv_schedule_take_action says.
 * `next_us` 0: none while it is paused. */
RV_MUST enum rv_code rv_schedule_set(struct rv_db_session *session, int32_t tenant,
                                     const char *name, const struct rv_schedule_change *change,
                                     int64_t now_us, int64_t *next_us, struct rv_error *err);
typedef enum rv_code (*rv_schedule_each)(void *data, const struct rv_result *result, int row,
                                         struct rv_error *err);
/* `name` NULL: all of them.  Columns by name: name, status (active|paused|ended|broken), cron,
 * zone, action, next_at, last_at, overlap, paused_until, paused_by, reason, running, except,
 * calendar, gap, fold, catch_up_window_s, catch_up_max, jitter_s, pause_after, failures, due_at,
 * waiting, last_outcome, last_reason, last_instant, last_ended of the newest fire that is over, and
 * input.  look.h has them as JSON. */
RV_MUST enum rv_code rv_schedule_list(struct rv_db_session *session, int32_t tenant,
                                      const char *name, rv_schedule_each each, void *data,
                                      struct rv_error *err);
/* An instant as a person writes it (when.h), in the schedule's zone. */
RV_MUST enum rv_code rv_schedule_when(struct rv_db_session *session, int32_t tenant,
                                      const char *name, const char *text, int64_t *out_us,
                                      struct rv_error *err);

struct rv_schedule_rest {
    int64_t until_us;   /* 0: until somebody resumes it */
    const char *reason; /* NULL: "paused by hand" */
    const char *person; /* who wants it; NULL: nobody is named */
    const char **wrong;
};
/* What runs goes on running; a fire that waits behind it starts when the pause is over.  One that
 * rests already rests from now on for this reason. */
RV_MUST enum rv_code rv_schedule_pause(struct rv_db_session *session, int32_t tenant,
                                       const char *name, const struct rv_schedule_rest *rest,
                                       int64_t now_us, struct rv_error *err);
/* What was missed meanwhile is not caught up.  RV_CONFLICT when it is active. */
RV_MUST enum rv_code rv_schedule_resume(struct rv_db_session *session, int32_t tenant,
                                        const char *name, int64_t now_us, struct rv_error *err);
/* What runs goes on, as with a pause, `running` of them; what waits is forgotten. */
RV_MUST enum rv_code rv_schedule_remove(struct rv_db_session *session, int32_t tenant,
                                        const char *name, int64_t *running, struct rv_error *err);
/* The next `most` instants of a schedule, of one that is paused until some time those after it;
 * `count` may be less when the pattern ends. */
RV_MUST enum rv_code rv_schedule_next(struct rv_db_session *session, int32_t tenant,
                                      const char *name, int64_t now_us, int most, int64_t *out_us,
                                      int *count, struct rv_error *err);

/* The same of a pattern that is stored nowhere: of `schedule` its cron, zone, gap, fold, except and
 * calendar; the same errors as rv_schedule_add.  `session` may be NULL where it has no calendar. */
RV_MUST enum rv_code rv_schedule_next_of(struct rv_db_session *session, int32_t tenant,
                                         const struct rv_schedule *schedule, int64_t now_us,
                                         int most, int64_t *out_us, int *count,
                                         struct rv_error *err);

struct rv_schedule_backfill {
    int64_t from_us, to_us; /* from <= instant < to; both past */
    /* skip, buffer_all or allow_all: the others would drop what was asked for */
    enum rv_schedule_overlap overlap;
    int32_t per_minute; /* starts at most so many; 0: no limit */
    const char **wrong;
};
/* Makes the fires of that time wait now, by the expressions that were valid then (before the first
 * one, by that one), also while the schedule is paused; what is regular goes first.  Fires that
 * are recorded already are left alone; `made` counts the new ones. */
RV_MUST enum rv_code rv_schedule_fill(struct rv_db_session *session, int32_t tenant,
                                      const char *name, const struct rv_schedule_backfill *backfill,
                                      int64_t now_us, int *made, struct rv_error *err);
/* The same without making them: the instants that have no fire yet, oldest first; `out_us` has room
 * for RV_SCHEDULE_BACKFILL_MAX. */
RV_MUST enum rv_code rv_schedule_fill_preview(struct rv_db_session *session, int32_t tenant,
                                              const char *name,
                                              const struct rv_schedule_backfill *backfill,
                                              int64_t now_us, int64_t *out_us, int *count,
                                              struct rv_error *err);
/* Due at once, on the node that looks next, also while paused.  RV_CONFLICT when the overlap policy
 * is skip and one runs.  `id` (1 to RV_SCHEDULE_ID_MAX bytes; NULL: none) is the asker's name for
 * this request: the same one again makes no second fire and gives the first one's, for as long as
 * fires are kept. */
RV_MUST enum rv_code rv_schedule_run_now(struct rv_db_session *session, int32_t tenant,
                                         const char *name, const char *id, int64_t now_us,
                                         int64_t *fire_id, struct rv_error *err);

RV_MUST enum rv_code rv_schedule_overlap_from(const char *name, enum rv_schedule_overlap *out,
                                              struct rv_error *err);

/* ---- business calendars of a company ---- */

struct rv_calendar_change {
    const char *weekend; /* "SAT,SUN"; NULL stays */
    const int64_t *days; /* holidays to put in, days since 1970, with a label each */
    const char *const *labels;
    int day_count;
    const struct rv_dates *gone; /* days to take out; NULL: none */
};

/* `weekend` NULL: SAT,SUN.  RV_CONFLICT when the name is taken. */
RV_MUST enum rv_code rv_calendar_add(struct rv_db_session *session, int32_t tenant,
                                     const char *name, const char *weekend, struct rv_error *err);
/* Schedules that use it are computed anew; what was due before stays due. */
RV_MUST enum rv_code rv_calendar_set(struct rv_db_session *session, int32_t tenant,
                                     const char *name, const struct rv_calendar_change *change,
                                     struct rv_error *err);

/* The whole of one: what it has beside this goes.  `created` says that there was none. */
struct rv_calendar_whole {
    const char *weekend; /* NULL: SAT,SUN */
    const int64_t *days; /* with a label each */
    const char *const *labels;
    int day_count;
    const char **wrong;
};
/* RV_LIMIT: no calendar has so many. */
enum rv_code rv_calendar_too_many(int count, struct rv_error *err);
RV_MUST enum rv_code rv_calendar_put(struct rv_db_session *session, int32_t tenant,
                                     const char *name, const struct rv_calendar_whole *whole,
                                     bool *created, struct rv_error *err);
/* RV_CONFLICT while a schedule has it, also in the history of its expressions. */
RV_MUST enum rv_code rv_calendar_remove(struct rv_db_session *session, int32_t tenant,
                                        const char *name, struct rv_error *err);
/* Columns: name, weekend (bits, Sunday is 0), number of holidays, first, last, schedules. */
RV_MUST enum rv_code rv_calendar_list(struct rv_db_session *session, int32_t tenant,
                                      rv_schedule_each each, void *data, struct rv_error *err);
/* Columns: day, label.  RV_NOT_FOUND when there is no such calendar. */
RV_MUST enum rv_code rv_calendar_days(struct rv_db_session *session, int32_t tenant,
                                      const char *name, uint8_t *weekend, rv_schedule_each each,
                                      void *data, struct rv_error *err);

#endif
