/* schedule_golden_test.c -- our zones against PostgreSQL's AT TIME ZONE, 2000 to 2037: every change
 * of every accepted zone from both sides, and a dense sample of difficult ones. */
#include "runtime/base/check.h"
#include "runtime/base/clock.h"
#include "runtime/base/random.h"
#include "runtime/db/db.h"
#include "runtime/schedule/zone.h"
#include "tests/support/postgres.h"
#include "tests/support/test.h"

#include "test_schedule_sql.h"

enum { BATCH = 20000, NAMES_MAX = 1500, DENSE_STEP_S = 6871 /* prime: all times of day */ };

static const struct rv_migration *const rooms[] = {NULL};

struct golden {
    struct rv_db_session *session;
    struct rv_zone *zone;
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
    must(rv_db_session_query(golden->session, 0, &rv_sql_golden_offsets, golden->offsets,
                             compare_offset, golden, &err),
         &err);
    must(rv_db_session_query(golden->session, 0, &rv_sql_golden_walls, golden->walls, compare_wall,
                             golden, &err),
         &err);
    golden->count = 0;
}

/* One number, compared as an instant and as a wall time. */
static void add(struct golden *golden, int64_t value)
{
    if (golden->count == 0) {
        golden->offsets = rv_args_create(&rv_sql_golden_offsets);
        golden->walls = rv_args_create(&rv_sql_golden_walls);
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

TEST(every_change_of_every_accepted_zone_agrees_with_postgresql)
{
    static struct names names;
    char *uri = NULL;
    struct golden golden = open_golden(&uri);
    struct rv_error err = {.code = RV_OK};
    struct rv_random random = {.state = 20};
    int64_t from = rv_days_from_civil(2000, 1, 1) * 86400;
    int64_t to = rv_days_from_civil(2038, 1, 1) * 86400;
    int accepted = 0;
    must(
        rv_db_session_query(golden.session, 0, &rv_sql_golden_names, NULL, take_name, &names, &err),
        &err);
    for (int i = 0; i < names.count; i++) {
        enum rv_code code = rv_zone_load(NULL, names.list[i], &golden.zone, NULL);
        rv_free(names.list[i]);
        if (code == RV_OK) {
            for (int n = 0; n < 50; n++) {
                add(&golden, from + (int64_t)rv_random_below(&random, (uint64_t)(to - from)));
            }
            add_changes(&golden, from, to);
            flush(&golden);
            rv_zone_destroy(golden.zone);
            accepted++;
        }
    }
    printf("zones %d of %d names\n", accepted, names.count);
    ck_assert_int_gt(accepted, 400);
    close_golden(&golden, uri);
}

TEST_MAIN_WITH(test_postgres_start(TEST_PG_FAST))
