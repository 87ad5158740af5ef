/* row.h -- one schedule as it is stored, for computing its fires.  Private to the room. */
#ifndef REEVE_RUNTIME_SCHEDULE_ROW_H
#define REEVE_RUNTIME_SCHEDULE_ROW_H

#include "runtime/schedule/schedule.h"

struct rv_schedule_row {
    char name[RV_SCHEDULE_NAME_MAX + 1];
    char zone[RV_ZONE_NAME_MAX];
    struct rv_cron cron;
    enum rv_cron_gap gap;
    enum rv_cron_fold fold;
    enum rv_schedule_overlap overlap; /* schedule_get only */
    struct rv_dates except;
    int64_t window_s, jitter_s;
    bool has_last;
    int64_t next_us, last_us; /* next_us is 0 while there is none */
};

/* From the columns of schedule_get and schedule_due. */
RV_MUST enum rv_code rv_schedule_row_read(const struct rv_result *result, int row,
                                          struct rv_schedule_row *out, struct rv_error *err);

#endif
