/* zone_posix.h -- the rule in the footer of a TZif file: what holds after the last listed change.
 *
 * POSIX.1 TZ strings with the extensions of RFC 8536 section 3.3.1: hours from -167 to 167 and
 * daylight time all the year.  Private to zone.c.
 */
#ifndef REEVE_RUNTIME_SCHEDULE_ZONE_POSIX_H
#define REEVE_RUNTIME_SCHEDULE_ZONE_POSIX_H

#include "runtime/schedule/zone.h"

struct rv_posix_day {
    char form; /* 'M' month.week.weekday, 'J' day 1..365 without 29 February, '0' day 0..365 */
    int month, week, weekday, day;
    int32_t time_s; /* wall time of the change */
};

struct rv_posix_zone {
    int32_t standard_s, daylight_s; /* offsets, east positive */
    bool changes;                   /* has daylight time */
    struct rv_posix_day start, end; /* of daylight time */
};

/* False when the text breaks the grammar. */
bool rv_posix_parse(const char *text, struct rv_posix_zone *out);
struct rv_zone_stretch rv_posix_stretch(const struct rv_posix_zone *zone, int64_t instant_s);

#endif
