/* zone.h -- a time zone: what the clock on the wall shows at an instant, and the way back.
 *
 * Reads TZif files (RFC 8536, version 2 or later, with the POSIX rule of their footer) below
 * /usr/share/zoneinfo.  The process's own zone is never asked or changed; a loaded zone is
 * immutable and may be shared between threads.
 *
 * Every name of the time zone database is accepted but CET, EET, EST, HST, MET, MST and WET: those
 * are abbreviations to some programs (PostgreSQL takes them as a fixed offset) and rules to others.
 *
 * Units: seconds since 1970-01-01 UTC for instants; a wall time is written as the seconds that the
 * same digits would have in UTC (rv_days_from_civil * 86400 + seconds of the day).
 */
#ifndef REEVE_RUNTIME_SCHEDULE_ZONE_H
#define REEVE_RUNTIME_SCHEDULE_ZONE_H

#include "runtime/base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct rv_zone;

enum {
    RV_ZONE_NAME_MAX = 48,      /* the longest name of tzdata has 32 bytes */
    RV_ZONE_FILE_MAX = 1 << 18, /* the largest file of tzdata has 4 KiB; "fat" ones 10 KiB */
    RV_ZONE_VERSION_TEXT = 16
};

/* `directory` NULL is /usr/share/zoneinfo.  RV_INVALID for a name that is not accepted,
 * RV_NOT_FOUND for one that the machine does not know, RV_CORRUPT for a damaged file. */
RV_MUST enum rv_code rv_zone_load(const char *directory, const char *name, struct rv_zone **out,
                                  struct rv_error *err);
/* The same from the bytes of a file; `name` is for messages. */
RV_MUST enum rv_code rv_zone_parse(const char *name, const void *bytes, size_t length,
                                   struct rv_zone **out, struct rv_error *err);
void rv_zone_destroy(struct rv_zone *zone); /* NULL is fine */
const char *rv_zone_name(const struct rv_zone *zone);

/* A stretch of time with one offset: start <= t < end.  The first and the last stretch reach to
 * INT64_MIN and INT64_MAX. */
struct rv_zone_stretch {
    int64_t start_s, end_s;
    int32_t offset_s; /* wall = instant + offset */
};
struct rv_zone_stretch rv_zone_stretch_at(const struct rv_zone *zone, int64_t instant_s);
int32_t rv_zone_offset(const struct rv_zone *zone, int64_t instant_s);

enum rv_wall_kind {
    RV_WALL_ONCE, /* the usual case: first == last */
    RV_WALL_GAP,  /* the clock jumped over it: first is the jump itself, last is as if the clock had
                     not jumped (what PostgreSQL gives) */
    RV_WALL_FOLD  /* the clock showed it more than once: first and last */
};
struct rv_wall {
    enum rv_wall_kind kind;
    int64_t first_s, last_s;
};
struct rv_wall rv_zone_wall(const struct rv_zone *zone, int64_t wall_s);

/* The version of the machine's tzdata ("2025b", first line of tzdata.zi); "unknown" without one. */
void rv_zone_version(const char *directory, char out[RV_ZONE_VERSION_TEXT]);

#endif
