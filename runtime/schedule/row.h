/* row.h -- one schedule as it is stored, for computing its fires.  Private to the room. */
#ifndef REEVE_RUNTIME_SCHEDULE_ROW_H
#define REEVE_RUNTIME_SCHEDULE_ROW_H

#include "runtime/schedule/due.h"
#include "runtime/schedule/schedule.h"

/* What decides about its times. */
struct rv_schedule_row {
    char name[RV_SCHEDULE_NAME_MAX + 1];
    char zone[RV_ZONE_NAME_MAX];
    char calendar[RV_CALENDAR_NAME_MAX + 1]; /* empty: none */
    struct rv_cron cron;
    enum rv_cron_gap gap;
    enum rv_cron_fold fold;
    struct rv_dates except;
    int64_t window_s, jitter_s, most;
    bool has_last;
    int64_t next_us, last_us; /* next_us is 0 while there is none */
};

/* From the columns 0 to 11 of schedule_get and schedule_due. */
RV_MUST enum rv_code rv_schedule_row_read(const struct rv_result *result, int row,
                                          struct rv_schedule_row *out, struct rv_error *err);
/* `zone` and `calendar` (NULL: none) are the row's. */
struct rv_cron_rules rv_schedule_rules(const struct rv_schedule_row *row,
                                       const struct rv_zone *zone,
                                       const struct rv_calendar *calendar);
/* Two columns: weekend and days with commas. */
RV_MUST enum rv_code rv_calendar_row_read(const struct rv_result *result, int row, int column,
                                          struct rv_calendar *out, struct rv_error *err);

/* All of it, as administration needs it; fini frees. */
struct rv_schedule_whole {
    struct rv_schedule_row row;
    char cron[RV_CRON_TEXT_MAX];
    char except[RV_DATES_MAX * 11 + 1];
    char action[RV_SCHEDULE_ACTION_MAX + 1];
    enum rv_schedule_overlap overlap;
    int32_t pause_after;
    bool paused;
    int64_t paused_until_us; /* 0: until somebody resumes it */
    struct rv_calendar calendar;
    struct rv_zone *zone;
    struct rv_cron_rules rules;
};

/* RV_NOT_FOUND when there is none. */
RV_MUST enum rv_code rv_schedule_load(struct rv_db_session *session, int32_t tenant,
                                      const char *name, struct rv_schedule_whole *out,
                                      struct rv_error *err);
void rv_schedule_whole_fini(struct rv_schedule_whole *whole);
RV_MUST enum rv_code rv_schedule_load_calendar(struct rv_db_session *session, int32_t tenant,
                                               const char *name, struct rv_calendar *out,
                                               struct rv_error *err);
/* The first fire after `from_us` that was not due before: a clock that jumped back repeats nothing.
 */
bool rv_schedule_after(const struct rv_schedule_whole *whole, int64_t from_us, int64_t *next_s);
/* The same from the end of its pause on: a fire at that very instant happens. */
bool rv_schedule_after_rest(const struct rv_schedule_whole *whole, int64_t until_us,
                            int64_t *next_s);

struct rv_args *rv_schedule_args(const struct rv_statement *statement, int32_t tenant,
                                 const char *name);
enum rv_code rv_schedule_no_such(const char *name, struct rv_error *err);
const char *rv_schedule_overlap_name(enum rv_schedule_overlap overlap);
/* Runs a change that returns one row when it happened. */
RV_MUST enum rv_code rv_schedule_change_row(struct rv_db_session *session, int32_t tenant,
                                            const struct rv_statement *statement,
                                            struct rv_args *args, bool *happened,
                                            struct rv_error *err);
/* Counts into an int, also when the rows come anew. */
enum rv_code rv_schedule_count_row(void *data, const struct rv_result *result, int row,
                                   struct rv_error *err);
/* Two timestamptz parameters: the next fire, and that with the schedule's own delay. */
void rv_schedule_put_times(struct rv_args *args, int index, bool has_next, int64_t next_s,
                           int64_t delay_s);
int64_t rv_schedule_floor_s(int64_t time_us);
/* Says which member is looked at now; `wrong` may be NULL. */
static inline void rv_schedule_mark(const char **wrong, const char *member)
{
    if (wrong != NULL) {
        *wrong = member;
    }
}
/* The same rule for schedules and calendars. */
RV_MUST enum rv_code rv_schedule_check_name(const char *what, const char *name,
                                            struct rv_error *err);

#endif
