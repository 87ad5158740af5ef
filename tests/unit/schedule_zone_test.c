/* schedule_zone_test.c -- zones: known instants, gaps and folds, hostile files. */
#include "runtime/schedule/zone.h"

#include "runtime/base/check.h"
#include "runtime/base/clock.h"
#include "runtime/base/random.h"
#include "runtime/schedule/zone_posix.h"
#include "tests/support/test.h"

enum { HOUR_S = 3600, DAY_S = 86400 };

static struct rv_zone *load(const char *name)
{
    struct rv_zone *zone = NULL;
    struct rv_error err = {.code = RV_OK};
    ck_assert_msg(rv_zone_load(NULL, name, &zone, &err) == RV_OK, "%s", err.message);
    return zone;
}

static int64_t at(int year, int month, int day, int hour, int minute)
{
    return rv_days_from_civil(year, month, day) * DAY_S + hour * HOUR_S + minute * 60;
}

TEST(utc_is_utc)
{
    struct rv_zone *zone = load("UTC");
    ck_assert_int_eq(rv_zone_offset(zone, 0), 0);
    ck_assert_int_eq(rv_zone_offset(zone, at(2400, 1, 1, 0, 0)), 0);
    ck_assert_int_eq(rv_zone_wall(zone, 12345).first_s, 12345);
    rv_zone_destroy(zone);
}

TEST(berlin_has_winter_and_summer_also_after_the_last_listed_change)
{
    struct rv_zone *zone = load("Europe/Berlin");
    for (int year = 2000; year < 2100; year++) {
        ck_assert_int_eq(rv_zone_offset(zone, at(year, 1, 15, 12, 0)), HOUR_S);
        ck_assert_int_eq(rv_zone_offset(zone, at(year, 7, 15, 12, 0)), 2 * HOUR_S);
    }
    ck_assert_int_eq(rv_zone_offset(zone, at(2026, 3, 29, 1, 0) - 1), HOUR_S);
    ck_assert_int_eq(rv_zone_offset(zone, at(2026, 3, 29, 1, 0)), 2 * HOUR_S);
    ck_assert_int_eq(rv_zone_offset(zone, at(2026, 10, 25, 1, 0) - 1), 2 * HOUR_S);
    ck_assert_int_eq(rv_zone_offset(zone, at(2026, 10, 25, 1, 0)), HOUR_S);
    rv_zone_destroy(zone);
}

TEST(half_past_two_does_not_exist_on_the_last_sunday_of_march_in_berlin)
{
    struct rv_zone *zone = load("Europe/Berlin");
    struct rv_wall wall = rv_zone_wall(zone, at(2026, 3, 29, 2, 30));
    ck_assert_int_eq(wall.kind, RV_WALL_GAP);
    ck_assert_int_eq(wall.first_s, at(2026, 3, 29, 1, 0));
    ck_assert_int_eq(wall.last_s, at(2026, 3, 29, 1, 30));
    wall = rv_zone_wall(zone, at(2026, 3, 29, 3, 0));
    ck_assert_int_eq(wall.kind, RV_WALL_ONCE);
    ck_assert_int_eq(wall.first_s, at(2026, 3, 29, 1, 0));
    rv_zone_destroy(zone);
}

TEST(half_past_two_comes_twice_on_the_last_sunday_of_october_in_berlin)
{
    struct rv_zone *zone = load("Europe/Berlin");
    struct rv_wall wall = rv_zone_wall(zone, at(2026, 10, 25, 2, 30));
    ck_assert_int_eq(wall.kind, RV_WALL_FOLD);
    ck_assert_int_eq(wall.first_s, at(2026, 10, 25, 0, 30));
    ck_assert_int_eq(wall.last_s, at(2026, 10, 25, 1, 30));
    rv_zone_destroy(zone);
}

TEST(apia_skipped_a_whole_day)
{
    struct rv_zone *zone = load("Pacific/Apia");
    struct rv_wall wall = rv_zone_wall(zone, at(2011, 12, 30, 12, 0));
    ck_assert_int_eq(wall.kind, RV_WALL_GAP);
    ck_assert_int_eq(wall.first_s, at(2011, 12, 30, 10, 0));
    rv_zone_destroy(zone);
}

TEST(every_instant_comes_back_from_its_wall_time)
{
    static const char *const names[] = {"Europe/Dublin",        "Australia/Lord_Howe",
                                        "America/Sao_Paulo",    "Africa/Casablanca",
                                        "America/Scoresbysund", "Asia/Kathmandu"};
    struct rv_random random = {.state = 7};
    for (size_t i = 0; i < RV_COUNT(names); i++) {
        struct rv_zone *zone = load(names[i]);
        for (int n = 0; n < 20000; n++) {
            int64_t instant = (int64_t)rv_random_below(&random, (uint64_t)at(2150, 1, 1, 0, 0));
            struct rv_zone_stretch stretch = rv_zone_stretch_at(zone, instant);
            struct rv_wall wall = rv_zone_wall(zone, instant + stretch.offset_s);
            ck_assert(stretch.start_s <= instant && instant < stretch.end_s);
            ck_assert_int_ne(wall.kind, RV_WALL_GAP);
            ck_assert(wall.first_s == instant || wall.last_s == instant);
        }
        rv_zone_destroy(zone);
    }
}

TEST(every_name_of_the_database_is_accepted)
{
    static const struct {
        const char *name;
        int hours; /* in January */
    } zones[] = {{"Etc/UTC", 0},     {"Etc/GMT+5", -5}, {"Etc/GMT-14", 14},
                 {"US/Eastern", -5}, {"GMT", 0},        {"GMT+0", 0},
                 {"EST5EDT", -5},    {"Japan", 9},      {"America/Port-au-Prince", -5}};
    for (size_t i = 0; i < RV_COUNT(zones); i++) {
        struct rv_zone *zone = load(zones[i].name);
        ck_assert_int_eq(rv_zone_offset(zone, at(2026, 1, 15, 12, 0)), zones[i].hours * HOUR_S);
        rv_zone_destroy(zone);
    }
}

TEST(other_names_are_refused)
{
    static const char *const refused[] = {"",
                                          "CET",
                                          "EST",
                                          "HST",
                                          "posix/Europe/Berlin",
                                          "right/UTC",
                                          "localtime",
                                          "Factory",
                                          "leapseconds",
                                          "posixrules",
                                          "zone.tab",
                                          "Europe//Berlin",
                                          "Europe/",
                                          "Europe/../UTC",
                                          "/etc/passwd",
                                          "Europe/Berlin\n"};
    for (size_t i = 0; i < RV_COUNT(refused); i++) {
        struct rv_zone *zone = NULL;
        struct rv_error err = {.code = RV_OK};
        ck_assert_int_eq(rv_zone_load(NULL, refused[i], &zone, &err), RV_INVALID);
        ck_assert_ptr_nonnull(strstr(err.hint, "Europe/Berlin"));
    }
    struct rv_zone *zone = NULL;
    struct rv_error err = {.code = RV_OK};
    ck_assert_int_eq(rv_zone_load(NULL, "Europe/Atlantis", &zone, &err), RV_NOT_FOUND);
    ck_assert_int_eq(rv_zone_load(NULL, "utc", &zone, NULL), RV_NOT_FOUND);
    ck_assert_int_eq(rv_zone_load(NULL, "America/Argentina", &zone, NULL), RV_NOT_FOUND);
}

TEST(a_damaged_file_is_refused_and_never_read_beyond_its_end)
{
    FILE *file = fopen("/usr/share/zoneinfo/Europe/Berlin", "rb");
    ck_assert_ptr_nonnull(file);
    unsigned char whole[8192];
    size_t length = fread(whole, 1, sizeof whole, file);
    fclose(file);
    for (size_t cut = 0; cut < length; cut++) {
        unsigned char *part = malloc(cut + 1); /* exact size, so that the sanitizer sees overruns */
        struct rv_zone *zone = NULL;
        memcpy(part, whole, cut);
        part = realloc(part, cut > 0 ? cut : 1);
        ck_assert_int_eq(rv_zone_parse("x", part, cut, &zone, NULL), RV_CORRUPT);
        free(part);
    }
    struct rv_random random = {.state = 3};
    for (int n = 0; n < 20000; n++) {
        unsigned char damaged[sizeof whole];
        struct rv_zone *zone = NULL;
        memcpy(damaged, whole, length);
        for (int i = 0; i < 4; i++) {
            damaged[rv_random_below(&random, length)] = (unsigned char)rv_random_next(&random);
        }
        if (rv_zone_parse("x", damaged, length, &zone, NULL) == RV_OK) {
            (void)rv_zone_offset(zone, (int64_t)rv_random_below(&random, UINT32_MAX));
            rv_zone_destroy(zone);
        }
    }
}

TEST(the_footers_grammar)
{
    static const char *const good[] = {"UTC0",
                                       "CET-1CEST,M3.5.0,M10.5.0/3",
                                       "<-03>3<-02>,M3.5.0/-2,M10.5.0/-1",
                                       "XXX3EDT4,0/0,J365/23",
                                       "IST-1GMT0,M10.5.0,M3.5.0/1",
                                       "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0"};
    static const char *const bad[] = {"",
                                      "CE-1",
                                      "CET",
                                      "CET-1CEST",
                                      "CET-1CEST,M3.5.0",
                                      "CET-1CEST,M13.5.0,M10.5.0",
                                      "CET-1CEST,M3.6.0,M10.5.0",
                                      "CET-25",
                                      "<+03-3",
                                      "CET-1CEST,M3.5.0,M10.5.0/3x",
                                      "CET-1CEST,J0,J365",
                                      "CET-1CEST,M3.5.0/168,M10.5.0"};
    struct rv_posix_zone zone;
    for (size_t i = 0; i < RV_COUNT(good); i++) {
        ck_assert_msg(rv_posix_parse(good[i], &zone), "%s", good[i]);
    }
    for (size_t i = 0; i < RV_COUNT(bad); i++) {
        ck_assert_msg(!rv_posix_parse(bad[i], &zone), "%s", bad[i]);
    }
    /* RFC 8536 section 3.3.1: daylight time all the year round */
    ck_assert(rv_posix_parse("XXX3EDT4,0/0,J365/23", &zone));
    for (int day = 0; day < 800; day++) {
        ck_assert_int_eq(rv_posix_stretch(&zone, at(2027, 1, 1, 0, 0) + day * DAY_S).offset_s,
                         -4 * HOUR_S);
    }
}

TEST(the_version_of_tzdata_is_told)
{
    char version[RV_ZONE_VERSION_TEXT];
    rv_zone_version(NULL, version);
    ck_assert_int_eq(strncmp(version, "20", 2), 0);
    rv_zone_version("/nowhere", version);
    ck_assert_str_eq(version, "unknown");
}

TEST_MAIN()
