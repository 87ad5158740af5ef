/* schedule_golden_test.c -- our zones and fires against PostgreSQL's AT TIME ZONE, 2000 to 2037.
 *
 * Every change of every zone of tzdb from both sides, with its gap or fold; a dense sample of
 * difficult zones; and a daily fire on every day of these years for a sample of zones that a seed
 * chooses: REEVE_GOLDEN=all takes all of them (a minute or two: with CK_TIMEOUT_MULTIPLIER=10),
 * REEVE_GOLDEN=N another seed. */
#include "runtime/base/check.h"
#include "runtime/base/clock.h"
#include "runtime/base/random.h"
#include "runtime/db/db.h"
#include "runtime/schedule/cron.h"
#include "tests/support/postgres.h"
#include "tests/support/test.h"

#include "test_schedule_sql.h"

#include <stdlib.h>
#include <string.h>

enum { BATCH = 20000, NAMES_MAX = 1500, DENSE_STEP_S = 6871 /* prime: all times of day */ };

static const struct rv_migration *const rooms[] = {NULL};

struct golden {
    struct rv_db_session *session;
    struct rv_zone *zone;
    bool by_setting; /* AT TIME ZONE takes this name for an abbreviation */
    struct rv_args *offsets, *walls;
    int count;
    int64_t compared, different;
};

static void must(enum rv_code code, const struct rv_error *err)
{
    ck_assert_msg(code == RV_OK, "%s (%s)", err->message, err->detail);
}

static void tell(struct golden *golden, const char *what, int64_t value, int64_t ours,
                 int64_t theirs)
{
    if (ours != theirs && golden->different++ < 20) {
        printf("%s %s %lld: ours %lld, PostgreSQL %lld\n", rv_zone_name(golden->zone), what,
               (long long)value, (long long)ours, (long long)theirs);
    }
    golden->compared++;
}

static enum rv_code compare_offset(void *data, const struct rv_result *result, int row,
                                   struct rv_error *err)
{
    (void)err;
    struct golden *golden = data;
    int64_t instant = rv_result_i64(result, row, 0);
    tell(golden, "instant", instant, rv_zone_offset(golden->zone, instant),
         rv_result_i64(result, row, 1));
    return RV_OK;
}

/* PostgreSQL takes the later of two and goes on as if the clock had not jumped. */
static enum rv_code compare_wall(void *data, const struct rv_result *result, int row,
                                 struct rv_error *err)
{
    (void)err;
    struct golden *golden = data;
    int64_t wall = rv_result_i64(result, row, 0);
    tell(golden, "wall", wall, rv_zone_wall(golden->zone, wall).last_s,
         rv_result_i64(result, row, 1));
    return RV_OK;
}

static void flush(struct golden *golden)
{
    struct rv_error err = {.code = RV_OK};
    if (golden->count == 0) {
        return;
    }
    rv_args_text(golden->offsets, 1, rv_zone_name(golden->zone));
    rv_args_text(golden->walls, 1, rv_zone_name(golden->zone));
    must(rv_db_session_query(golden->session, 0,
                             golden->by_setting ? &rv_sql_golden_set_offsets
                                                : &rv_sql_golden_offsets,
                             golden->offsets, compare_offset, golden, &err),
         &err);
    must(rv_db_session_query(golden->session, 0,
                             golden->by_setting ? &rv_sql_golden_set_walls : &rv_sql_golden_walls,
                             golden->walls, compare_wall, golden, &err),
         &err);
    golden->count = 0;
}

/* One number, compared as an instant and as a wall time. */
static void add(struct golden *golden, int64_t value)
{
    if (golden->count == 0) {
        golden->offsets = rv_args_create(golden->by_setting ? &rv_sql_golden_set_offsets
                                                            : &rv_sql_golden_offsets);
        golden->walls =
            rv_args_create(golden->by_setting ? &rv_sql_golden_set_walls : &rv_sql_golden_walls);
    }
    rv_args_i64(golden->offsets, 2, value);
    rv_args_i64(golden->walls, 2, value);
    if (++golden->count == BATCH) {
        flush(golden);
    }
}

static void add_changes(struct golden *golden, int64_t from, int64_t to)
{
    struct rv_zone_stretch stretch = rv_zone_stretch_at(golden->zone, from);
    while (stretch.end_s < to) {
        int64_t at = stretch.end_s;
        struct rv_zone_stretch next = rv_zone_stretch_at(golden->zone, at);
        int64_t before = at + stretch.offset_s, after = at + next.offset_s;
        for (int i = -1; i <= 1; i++) {
            add(golden, at + i);
            add(golden, before + i);
            add(golden, after + i);
        }
        add(golden, (before + after) / 2);
        stretch = next;
    }
}

static struct golden open_golden(char **uri)
{
    struct golden golden = {.count = 0};
    struct rv_error err = {.code = RV_OK};
    *uri = test_postgres_database(rooms);
    must(rv_db_session_open(*uri, &golden.session, &err), &err);
    return golden;
}

static void close_golden(struct golden *golden, char *uri)
{
    rv_db_session_close(golden->session);
    rv_free(uri);
    printf("compared %lld, different %lld\n", (long long)golden->compared,
           (long long)golden->different);
    ck_assert_int_eq(golden->different, 0);
}

TEST(difficult_zones_agree_with_postgresql_all_day_long)
{
    static const char *const names[] = {
        "UTC",
        "Europe/Berlin",
        "Europe/Dublin", /* winter time is the "daylight" one */
        "Europe/Istanbul",
        "Europe/Volgograd",
        "Australia/Lord_Howe", /* half an hour */
        "America/New_York",
        "America/Sao_Paulo", /* jumps at midnight */
        "America/Havana",    /* jumps at midnight, now */
        "America/Caracas",
        "America/Scoresbysund",
        "America/Nuuk", /* changes before midnight of the day before */
        "Asia/Beirut",  /* jumps at midnight */
        "Asia/Tehran",
        "Asia/Gaza",
        "Asia/Pyongyang",
        "Asia/Kathmandu",
        "Africa/Cairo",      /* jumps at midnight */
        "Africa/Casablanca", /* four changes a year, listed to 2087 */
        "Antarctica/Troll",  /* two hours */
        "Pacific/Apia",      /* skipped a day */
        "Pacific/Chatham"};
    char *uri = NULL;
    struct golden golden = open_golden(&uri);
    int64_t from = rv_days_from_civil(2000, 1, 1) * 86400;
    int64_t to = rv_days_from_civil(2038, 1, 1) * 86400;
    for (size_t i = 0; i < RV_COUNT(names); i++) {
        struct rv_error err = {.code = RV_OK};
        must(rv_zone_load(NULL, names[i], &golden.zone, &err), &err);
        for (int64_t at = from; at < to; at += DENSE_STEP_S * 4) {
            add(&golden, at);
        }
        add_changes(&golden, from, to);
        flush(&golden);
        rv_zone_destroy(golden.zone);
    }
    ck_assert_int_gt(golden.compared, 1000000);
    close_golden(&golden, uri);
}

struct names {
    char *list[NAMES_MAX];
    int count;
};

static enum rv_code take_name(void *data, const struct rv_result *result, int row,
                              struct rv_error *err)
{
    (void)err;
    struct names *names = data;
    ck_assert_int_lt(names->count, NAMES_MAX);
    names->list[names->count++] = rv_strdup(rv_result_text(result, row, 0));
    return RV_OK;
}

/* Any zone of tzdb, also those whose names schedules refuse. */
static bool open_zone(struct golden *golden, const char *name)
{
    char path[200];
    static unsigned char bytes[RV_ZONE_FILE_MAX];
    golden->by_setting = rv_zone_load(NULL, name, &golden->zone, NULL) != RV_OK;
    if (!golden->by_setting) {
        return true;
    }
    snprintf(path, sizeof path, "/usr/share/zoneinfo/%s", name);
    FILE *file = fopen(path, "rb");
    size_t length = file != NULL ? fread(bytes, 1, sizeof bytes, file) : 0;
    if (file != NULL) {
        fclose(file);
    }
    return length > 0 && rv_zone_parse(name, bytes, length, &golden->zone, NULL) == RV_OK;
}

static int load_names(struct golden *golden, struct names *names)
{
    struct rv_error err = {.code = RV_OK};
    must(
        rv_db_session_query(golden->session, 0, &rv_sql_golden_names, NULL, take_name, names, &err),
        &err);
    return names->count;
}

/* As the specification has them; every other name must be taken. */
static bool is_refused(const char *name)
{
    static const char *const refused[] = {"CET", "EET", "EST",     "HST",       "MET",
                                          "MST", "WET", "Factory", "localtime", "posixrules"};
    for (size_t i = 0; i < RV_COUNT(refused); i++) {
        if (strcmp(name, refused[i]) == 0) {
            return true;
        }
    }
    return strncmp(name, "posix/", 6) == 0 || strncmp(name, "right/", 6) == 0;
}

TEST(every_change_of_every_zone_agrees_with_postgresql)
{
    static struct names names;
    char *uri = NULL;
    struct golden golden = open_golden(&uri);
    struct rv_random random = {.state = 20};
    int64_t from = rv_days_from_civil(2000, 1, 1) * 86400;
    int64_t to = rv_days_from_civil(2038, 1, 1) * 86400;
    int refused = 0, unknown = 0;
    load_names(&golden, &names);
    for (int i = 0; i < names.count; i++) {
        if (open_zone(&golden, names.list[i])) {
            for (int n = 0; n < 50; n++) {
                add(&golden, from + (int64_t)rv_random_below(&random, (uint64_t)(to - from)));
            }
            add_changes(&golden, from, to);
            flush(&golden);
            rv_zone_destroy(golden.zone);
            refused += golden.by_setting ? 1 : 0;
            ck_assert_msg(golden.by_setting == is_refused(names.list[i]), "%s", names.list[i]);
        } else {
            printf("no file for %s\n", names.list[i]);
            unknown++;
        }
        rv_free(names.list[i]);
    }
    printf("zones %d, of them %d with names that schedules refuse\n", names.count, refused);
    ck_assert_int_gt(names.count, 400);
    ck_assert_int_eq(unknown, 0);
    close_golden(&golden, uri);
}

/* ---- fires ---- */

struct sums {
    int64_t count, sum, order;
};

static enum rv_code take_sums(void *data, const struct rv_result *result, int row,
                              struct rv_error *err)
{
    (void)err;
    *(struct sums *)data =
        (struct sums){rv_result_i64(result, row, 0), rv_result_i64(result, row, 1),
                      rv_result_i64(result, row, 2)};
    return RV_OK;
}

/* "minute hour * * *" with gap shift and fold last is what AT TIME ZONE makes of a date and time.
 */
static void compare_daily(struct golden *golden, int minute)
{
    struct rv_error err = {.code = RV_OK};
    struct rv_cron cron;
    struct sums ours = {.count = 0}, theirs = {.count = -1};
    char text[32];
    struct rv_cron_rules rules = {
        .zone = golden->zone, .gap = RV_CRON_GAP_SHIFT, .fold = RV_CRON_FOLD_LAST};
    snprintf(text, sizeof text, "%d %d * * *", minute % 60, minute / 60);
    must(rv_cron_parse(text, &cron, &err), &err);
    int64_t first = rv_days_from_civil(2000, 1, 1) * 86400;
    int64_t last = rv_days_from_civil(2038, 1, 1) * 86400 - 1;
    int64_t at_s = rv_zone_wall(golden->zone, first).first_s - 1;
    int64_t end_s = rv_zone_wall(golden->zone, last).last_s;
    while (rv_cron_next(&cron, &rules, at_s, &at_s) && at_s <= end_s) {
        ours.count++;
        ours.sum += at_s;
        ours.order = (ours.order + at_s % 1000003 * ours.count) % 1000000007;
    }
    struct rv_args *args = rv_args_create(&rv_sql_golden_daily);
    rv_args_text(args, 1, rv_zone_name(golden->zone));
    rv_args_i32(args, 2, minute);
    must(rv_db_session_query(golden->session, 0, &rv_sql_golden_daily, args, take_sums, &theirs,
                             &err),
         &err);
    golden->compared += ours.count;
    if (memcmp(&ours, &theirs, sizeof ours) != 0) {
        golden->different++;
        printf("%s at %d:%02d: ours %lld fires, PostgreSQL %lld\n", rv_zone_name(golden->zone),
               minute / 60, minute % 60, (long long)ours.count, (long long)theirs.count);
    }
}

TEST(a_daily_fire_is_what_postgresql_makes_of_the_date_and_time)
{
    static struct names names;
    static const char *const always[] = {
        "Europe/Berlin",     "Australia/Lord_Howe", "America/Sao_Paulo", "America/Havana",
        "Asia/Beirut",       "Africa/Cairo",        "Pacific/Apia",      "Antarctica/Troll",
        "Africa/Casablanca", "America/Nuuk",        "Asia/Gaza",         "Asia/Pyongyang"};
    static const int minutes[] = {0, 15, 30, 90, 150, 165, 180, 1410};
    enum { SAMPLE = 30 };
    char *uri = NULL;
    struct golden golden = open_golden(&uri);
    const char *wanted = getenv("REEVE_GOLDEN");
    bool all = wanted != NULL && strcmp(wanted, "all") == 0;
    struct rv_random random = {.state = wanted != NULL ? strtoull(wanted, NULL, 10) : 3};
    int zones = 0;
    int count = load_names(&golden, &names);
    for (size_t i = 0; i < RV_COUNT(always); i++) {
        ck_assert(open_zone(&golden, always[i]));
        for (size_t m = 0; m < RV_COUNT(minutes); m += 2) {
            compare_daily(&golden, minutes[m]);
        }
        rv_zone_destroy(golden.zone);
    }
    for (int i = 0; i < count; i++) {
        bool chosen = all || (int)rv_random_below(&random, (uint64_t)count) < SAMPLE;
        if (chosen && open_zone(&golden, names.list[i])) {
            for (size_t m = 0; m < RV_COUNT(minutes) && !golden.by_setting; m += all ? 1 : 3) {
                compare_daily(&golden, minutes[m]);
            }
            rv_zone_destroy(golden.zone);
            zones++;
        }
        rv_free(names.list[i]);
    }
    printf("zones %d of %d\n", zones, count);
    close_golden(&golden, uri);
}

TEST_MAIN_WITH(test_postgres_start(TEST_PG_FAST))
