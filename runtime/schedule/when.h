/* when.h -- an instant as a person writes it.
 *
 *     2026-12-25            midnight, the beginning of that day
 *     2026-12-25T08:00[:30] that time; a blank may stand for the T
 *     ...Z                  in UTC; without the Z in the zone of the schedule
 *
 * A time that a change of clocks leaves out is the change itself; one that comes twice is the
 * first.  Pure.
 */
#ifndef REEVE_RUNTIME_SCHEDULE_WHEN_H
#define REEVE_RUNTIME_SCHEDULE_WHEN_H

#include "runtime/schedule/zone.h"

/* Errors name the text and the rule. */
RV_MUST enum rv_code rv_when_read(const char *text, const struct rv_zone *zone, int64_t *out_us,
                                  struct rv_error *err);

#endif
