/* zone.c -- TZif on disk -> sorted changes in memory -> stretches; the footer's rule after them.
 *
 * The file (RFC 8536 section 3): a version 1 block with 32-bit times that we skip, the version 2
 * block with 64-bit times, then the footer "\n<POSIX TZ string>\n".
 */
#include "runtime/schedule/zone.h"

#include "runtime/base/check.h"
#include "runtime/base/clock.h"
#include "runtime/schedule/zone_posix.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    HEADER_BYTES = 44,
    TYPES_MAX = 256, /* an index of one byte */
    FOOTER_MAX = 128,
    PATH_TEXT = 512,
    OFFSET_MAX_S = 26 * 3600, /* RFC 8536: should be within -25 h and +26 h */
    LOOK_AROUND_S = OFFSET_MAX_S,
    LISTED_TO_YEAR = 2100, /* the rule's changes are listed so far: asking a list is faster */
    LISTED_MAX = 400
};

static const char default_directory[] = "/usr/share/zoneinfo";

struct rv_zone {
    char name[RV_ZONE_NAME_MAX];
    size_t count;
    int64_t *at_s;     /* changes, rising */
    int32_t *offset_s; /* the offset from at_s[i] on */
    int32_t before_s;  /* the offset before the first change */
    bool has_rule;
    struct rv_posix_zone rule;
};

/* ---- names ---- */

static bool is_one_of(const char *name, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(name, list[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* NULL: a zone may have this name. */
static const char *what_is_wrong(const char *name)
{
    static const char *const abbreviations[] = {"CET", "EET", "EST", "HST", "MET", "MST", "WET"};
    static const char *const others[] = {"Factory", "leapseconds", "localtime", "posixrules"};
    size_t length =
        strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/");
    if (name[length] != '\0' || length == 0 || length >= RV_ZONE_NAME_MAX) {
        return "has characters that no zone has, or too many or none";
    }
    if (name[0] == '/' || name[length - 1] == '/' || strstr(name, "//") != NULL) {
        return "has a / where no zone has one";
    }
    if (is_one_of(name, abbreviations, RV_COUNT(abbreviations))) {
        return "is a rule to some programs and the abbreviation of a fixed offset to others";
    }
    if (is_one_of(name, others, RV_COUNT(others)) || strncmp(name, "posix/", 6) == 0 ||
        strncmp(name, "right/", 6) == 0) {
        return "stands in the folder of the zones and is none of them";
    }
    return NULL;
}

static enum rv_code check_name(const char *name, struct rv_error *err)
{
    const char *wrong = what_is_wrong(name);
    if (wrong == NULL) {
        return RV_OK;
    }
    rv_fail(err, RV_INVALID, "zone \"%.60s\" %s", name, wrong);
    rv_hint(err, "Use a name of the time zone database, such as \"Europe/Berlin\", "
                 "\"America/New_York\" or \"UTC\".");
    return RV_INVALID;
}

/* ---- reading ---- */

struct reader {
    const unsigned char *at, *end;
};

static int64_t read_int(const unsigned char *at, int bytes)
{
    uint64_t value = (at[0] & 0x80) != 0 ? UINT64_MAX : 0;
    for (int i = 0; i < bytes; i++) {
        value = value << 8 | at[i];
    }
    return (int64_t)value;
}

struct counts {
    uint32_t isut, isstd, leap, time, type, chars;
};

static bool read_header(struct reader *in, struct counts *counts, char *version)
{
    if (in->end - in->at < HEADER_BYTES || memcmp(in->at, "TZif", 4) != 0) {
        return false;
    }
    *version = (char)in->at[4];
    uint32_t *fields[] = {&counts->isut, &counts->isstd, &counts->leap,
                          &counts->time, &counts->type,  &counts->chars};
    for (size_t i = 0; i < RV_COUNT(fields); i++) {
        int64_t value = read_int(in->at + 20 + 4 * i, 4);
        if (value < 0 || value > RV_ZONE_FILE_MAX) {
            return false;
        }
        *fields[i] = (uint32_t)value;
    }
    in->at += HEADER_BYTES;
    return true;
}

static size_t block_bytes(const struct counts *counts, size_t time_bytes)
{
    return counts->time * (time_bytes + 1) + counts->type * (size_t)6 + counts->chars +
           counts->leap * (time_bytes + 4) + counts->isstd + counts->isut;
}

static const char *read_block(struct reader *in, const struct counts *counts, struct rv_zone *zone)
{
    const unsigned char *times = in->at;
    const unsigned char *indexes = times + counts->time * (size_t)8;
    const unsigned char *types = indexes + counts->time;
    int32_t offsets[TYPES_MAX];
    for (uint32_t i = 0; i < counts->type; i++) {
        int64_t offset = read_int(types + i * (size_t)6, 4);
        if (offset < -OFFSET_MAX_S || offset > OFFSET_MAX_S) {
            return "an offset is out of range";
        }
        offsets[i] = (int32_t)offset;
    }
    zone->count = counts->time;
    zone->at_s = rv_alloc_array(zone->count + 1, sizeof zone->at_s[0]);
    zone->offset_s = rv_alloc_array(zone->count + 1, sizeof zone->offset_s[0]);
    zone->before_s = offsets[0];
    for (size_t i = 0; i < zone->count; i++) {
        zone->at_s[i] = read_int(times + i * 8, 8);
        if (indexes[i] >= counts->type) {
            return "a change names a type that is not there";
        }
        if (i > 0 && zone->at_s[i] <= zone->at_s[i - 1]) {
            return "the changes do not rise";
        }
        zone->offset_s[i] = offsets[indexes[i]];
    }
    in->at += block_bytes(counts, 8);
    return NULL;
}

static const char *read_footer(struct reader *in, struct rv_zone *zone)
{
    char text[FOOTER_MAX];
    if (in->at >= in->end || *in->at++ != '\n') {
        return "the footer is missing";
    }
    const unsigned char *stop = memchr(in->at, '\n', (size_t)(in->end - in->at));
    if (stop == NULL || stop - in->at >= FOOTER_MAX) {
        return "the footer does not end";
    }
    size_t length = (size_t)(stop - in->at);
    memcpy(text, in->at, length);
    text[length] = '\0';
    zone->has_rule = length > 0;
    return length == 0 || rv_posix_parse(text, &zone->rule) ? NULL
                                                            : "the footer breaks its grammar";
}

/* Appends the changes that the rule makes after the last listed one. */
static void list_changes(struct rv_zone *zone)
{
    int64_t end_s = rv_days_from_civil(LISTED_TO_YEAR, 1, 1) * 86400;
    if (zone->count == 0 || !zone->has_rule || !zone->rule.changes) {
        return;
    }
    size_t most = zone->count + LISTED_MAX;
    zone->at_s = rv_realloc(zone->at_s, most * sizeof zone->at_s[0]);
    zone->offset_s = rv_realloc(zone->offset_s, most * sizeof zone->offset_s[0]);
    struct rv_zone_stretch stretch = rv_posix_stretch(&zone->rule, zone->at_s[zone->count - 1]);
    zone->offset_s[zone->count - 1] = stretch.offset_s; /* from the last listed one on, the rule */
    while (stretch.end_s < end_s && zone->count < most) {
        int64_t at_s = stretch.end_s;
        stretch = rv_posix_stretch(&zone->rule, at_s);
        zone->at_s[zone->count] = at_s;
        zone->offset_s[zone->count++] = stretch.offset_s;
    }
}

static const char *read_file(struct reader *in, struct rv_zone *zone)
{
    struct counts counts;
    char version;
    if (!read_header(in, &counts, &version)) {
        return "it does not begin as a TZif file";
    }
    if (version < '2') {
        return "it is of version 1, which ends in 2037";
    }
    if ((size_t)(in->end - in->at) < block_bytes(&counts, 4)) {
        return "it ends too early";
    }
    in->at += block_bytes(&counts, 4);
    if (!read_header(in, &counts, &version)) {
        return "the second header is missing";
    }
    if ((size_t)(in->end - in->at) < block_bytes(&counts, 8)) {
        return "it ends too early";
    }
    if (counts.type == 0 || counts.type > TYPES_MAX) {
        return "it has no types or too many";
    }
    if (counts.leap != 0) {
        return "it counts leap seconds";
    }
    const char *why = read_block(in, &counts, zone);
    why = why != NULL ? why : read_footer(in, zone);
    if (why == NULL) {
        list_changes(zone);
    }
    return why;
}

enum rv_code rv_zone_parse(const char *name, const void *bytes, size_t length, struct rv_zone **out,
                           struct rv_error *err)
{
    struct reader in = {bytes, (const unsigned char *)bytes + length};
    struct rv_zone *zone = rv_alloc(sizeof *zone);
    snprintf(zone->name, sizeof zone->name, "%s", name);
    const char *why = read_file(&in, zone);
    if (why != NULL) {
        rv_zone_destroy(zone);
        rv_fail(err, RV_CORRUPT, "the file of zone \"%.60s\" cannot be used: %s", name, why);
        rv_hint(err, "Install the package tzdata again.");
        return RV_CORRUPT;
    }
    *out = zone;
    return RV_OK;
}

enum rv_code rv_zone_load(const char *directory, const char *name, struct rv_zone **out,
                          struct rv_error *err)
{
    char path[PATH_TEXT];
    enum rv_code code = check_name(name, err);
    if (code != RV_OK) {
        return code;
    }
    snprintf(path, sizeof path, "%s/%s", directory != NULL ? directory : default_directory, name);
    FILE *file = fopen(path, "rb");
    unsigned char *bytes = rv_alloc(RV_ZONE_FILE_MAX);
    size_t length = file != NULL ? fread(bytes, 1, RV_ZONE_FILE_MAX, file) : 0;
    if (file == NULL || ferror(file)) {
        code = rv_fail(err, RV_NOT_FOUND, "this machine knows no zone \"%s\"", name);
        rv_detail(err, "%s: %s", path, strerror(errno));
        rv_hint(err,
                "Check the spelling against `ls /usr/share/zoneinfo`; install the package tzdata.");
    } else {
        code = rv_zone_parse(name, bytes, length, out, err);
    }
    if (file != NULL) {
        fclose(file);
    }
    rv_free(bytes);
    return code;
}

void rv_zone_destroy(struct rv_zone *zone)
{
    if (zone != NULL) {
        rv_free(zone->at_s);
        rv_free(zone->offset_s);
        rv_free(zone);
    }
}

const char *rv_zone_name(const struct rv_zone *zone)
{
    return zone->name;
}

/* ---- answering ---- */

struct rv_zone_stretch rv_zone_stretch_at(const struct rv_zone *zone, int64_t instant_s)
{
    size_t low = 0, high = zone->count; /* the number of changes at or before the instant */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (zone->at_s[middle] <= instant_s) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    int64_t start = low > 0 ? zone->at_s[low - 1] : INT64_MIN;
    if (low == zone->count && zone->has_rule) {
        struct rv_zone_stretch stretch = rv_posix_stretch(&zone->rule, instant_s);
        stretch.start_s = stretch.start_s > start ? stretch.start_s : start;
        return stretch;
    }
    return (struct rv_zone_stretch){.start_s = start,
                                    .end_s = low < zone->count ? zone->at_s[low] : INT64_MAX,
                                    .offset_s = low > 0 ? zone->offset_s[low - 1] : zone->before_s};
}

int32_t rv_zone_offset(const struct rv_zone *zone, int64_t instant_s)
{
    return rv_zone_stretch_at(zone, instant_s).offset_s;
}

/* Walks over the stretches around: in each the wall time has one candidate, and it counts when it
 * falls into that stretch.  None at all is a gap: the change that was jumped over is the answer. */
struct rv_wall rv_zone_wall(const struct rv_zone *zone, int64_t wall_s)
{
    struct rv_wall wall = {.kind = RV_WALL_GAP};
    struct rv_zone_stretch stretch = rv_zone_stretch_at(zone, wall_s - LOOK_AROUND_S);
    int found = 0;
    for (;;) {
        int64_t instant = wall_s - stretch.offset_s;
        if (instant >= stretch.start_s && instant < stretch.end_s) {
            wall.first_s = found == 0 ? instant : wall.first_s;
            wall.last_s = instant;
            found++;
        } else if (found == 0 && instant >= stretch.end_s) {
            wall.first_s = stretch.end_s; /* overwritten while the candidates are still behind */
            wall.last_s = instant;
        }
        if (stretch.end_s > wall_s + LOOK_AROUND_S) {
            break;
        }
        stretch = rv_zone_stretch_at(zone, stretch.end_s);
    }
    if (found > 0) {
        wall.kind = found == 1 ? RV_WALL_ONCE : RV_WALL_FOLD;
    }
    return wall;
}

void rv_zone_version(const char *directory, char out[RV_ZONE_VERSION_TEXT])
{
    char path[PATH_TEXT], version[RV_ZONE_VERSION_TEXT];
    snprintf(out, RV_ZONE_VERSION_TEXT, "unknown");
    snprintf(path, sizeof path, "%s/tzdata.zi", directory != NULL ? directory : default_directory);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return;
    }
    if (fscanf(file, "# version %15s", version) == 1) {
        snprintf(out, RV_ZONE_VERSION_TEXT, "%s", version);
    }
    fclose(file);
}
