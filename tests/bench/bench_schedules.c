/* bench_schedules.c -- 60,000 schedules due in the same second, and what computing times costs.
 *
 *   one, many          all of one company; 100 each of 600 companies.  PostgreSQL with fsync on,
 * the service on one core, actions that end at once (their ends are recorded in the same time)
 *     started_s        from the second they are due to the last one started: its fire is durable as
 *                      running and the action has been asked
 *     p50_ms, p99_ms   of the same time, over all
 *     ended_s          ... to the last end recorded
 *     cpu_us           processor time of reeve and PostgreSQL for one of them
 *   next_fire          one next fire, mean and the slowest of these patterns, in Berlin
 *   year               365 days of 1,000 schedules under virtual time
 */
#include "tests/bench/bench.h"

#include "audit_sql.h"
#include "db_sql.h"
#include "gate_sql.h"
#include "journal_sql.h"
#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/journal/commit.h"
#include "runtime/schedule/due.h"
#include "runtime/schedule/service.h"
#include "schedule_sql.h"
#include "tests/support/postgres.h"

#include <inttypes.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const struct bench bench_schedules;

enum {
    SCHEDULES = 60000,
    COMPANIES = 600,
    AHEAD_S = 4, /* they are laid in before this, and the service is at rest */
    GIVE_UP_S = 120,
    NEXTS = 200000,
    YEAR_SCHEDULES = 1000,
    DAY_S = 86400
};

static const char name[] = "schedules";
static const struct rv_migration *const rooms[] = {rv_journal_migrations, rv_gate_migrations,
                                                   rv_db_migrations, rv_schedule_migrations, NULL};
static const struct rv_statement *const write_order[] = {&rv_sql_audit_append, NULL};

static void must(enum rv_code code, const struct rv_error *err)
{
    if (code != RV_OK) {
        fprintf(stderr, "schedules: %s (%s) %s\n", err->message, err->detail, err->hint);
        exit(EXIT_FAILURE);
    }
}

/* ---- starting ---- */

struct world {
    struct rv_schedule_service *service;
    struct bench_samples samples;
    int64_t due_us;
    int fires;
    bool closed;
};

static int64_t now_us(void)
{
    return rv_now_us(rv_clock_system());
}

static void on_fire(void *data, int32_t tenant, const char *schedule, const char *action,
                    const json_t *input, int64_t fire_id)
{
    (void)schedule;
    (void)action;
    (void)input;
    struct world *world = data;
    world->fires++;
    bench_sample(&world->samples, now_us() - world->due_us);
    rv_schedule_done(world->service, tenant, fire_id, RV_OK, NULL);
}

static void on_closed(void *data)
{
    ((struct world *)data)->closed = true;
}

static void wait_closed(struct rv_loop *loop, struct world *world)
{
    while (!world->closed) {
        rv_loop_run_once(loop, 10);
    }
    world->closed = false;
}

static enum rv_code take_number(void *data, const struct rv_result *result, int row,
                                struct rv_error *err)
{
    (void)err;
    *(int64_t *)data = rv_result_i64(result, row, 0);
    return RV_OK;
}

/* Companies, and their schedules of one second of this day. */
static void lay_in(const char *uri, const char *super, int companies, int64_t due_us)
{
    struct rv_db_session *session = NULL;
    struct rv_error err = {.code = RV_OK};
    char text[RV_TIME_TEXT], sql[1000];
    int64_t id = 0;
    must(rv_db_session_open(uri, &session, &err), &err);
    for (int i = 0; i < companies; i++) {
        char company[20];
        snprintf(company, sizeof company, "c%d", i);
        struct rv_args *args = rv_args_create(&rv_sql_tenant_create);
        rv_args_text(args, 1, company);
        rv_args_json_text(args, 2, "{}", 2);
        must(rv_db_session_query(session, 0, &rv_sql_tenant_create, args, take_number, &id, &err),
             &err);
    }
    rv_db_session_close(session);
    char version[RV_ZONE_VERSION_TEXT];
    rv_zone_version(NULL, version);
    rv_time_text(due_us, text);
    int hour = atoi(text + 11), minute = atoi(text + 14), second = atoi(text + 17);
    snprintf(sql, sizeof sql,
             "INSERT INTO schedule (tenant_id, name, cron, zone, gap, fold, overlap,"
             " catch_up_window_s, jitter_s, action, input, next_at, due_at, tzdata)"
             " SELECT t, 'nightly-' || n, '%d %d %d * * *', 'UTC', 'boundary', 'first', 'skip',"
             " 3600, 0, 'exceptions.run', '{}', '%s', '%s', '%s'"
             " FROM generate_series(1, %d) t, generate_series(1, %d) n",
             second, minute, hour, text, text, version, companies, SCHEDULES / companies);
    test_postgres_execute(super, sql);
    test_postgres_execute(super, "ANALYZE schedule");
    test_postgres_execute(super, "CHECKPOINT");
}

static int64_t ended(PGconn *super)
{
    PGresult *result = PQexec(super, "SELECT count(*) FROM schedule_fire WHERE state = 'done'");
    RV_ASSERT(PQresultStatus(result) == PGRES_TUPLES_OK);
    int64_t count = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
    PQclear(result);
    return count;
}

static void start_case(const struct bench_run *run, const char *which, int companies)
{
    struct world world = {.fires = 0};
    char *uri = test_postgres_database(rooms);
    char *super = test_postgres_superuser(uri);
    int64_t ahead_s = AHEAD_S + companies / 100;
    world.due_us = (now_us() / 1000000 + ahead_s) * 1000000;
    lay_in(uri, super, companies, world.due_us);
    if (now_us() > world.due_us) {
        fprintf(stderr, "schedules: laying them in took too long; this machine is busy\n");
    }
    struct rv_loop *loop = rv_loop_create(rv_clock_system());
    struct rv_db *db = rv_db_create(&(struct rv_db_options){.loop = loop, .uri = uri});
    struct rv_committer *committer = rv_committer_create(&(struct rv_committer_options){
        .loop = loop, .database_uri = uri, .write_order = write_order});
    world.service = rv_schedule_service_create(&(struct rv_schedule_options){
        .loop = loop, .db = db, .committer = committer, .fire = on_fire, .data = &world});
    int64_t cpu_us = bench_cpu_us(test_postgres_pid());
    int64_t give_up_us = world.due_us + GIVE_UP_S * INT64_C(1000000);
    while (world.fires < SCHEDULES && now_us() < give_up_us) {
        rv_loop_run_once(loop, 10);
    }
    double started_s = (double)(now_us() - world.due_us) / 1e6;
    PGconn *behind = PQconnectdb(super);
    int64_t over = 0;
    while ((over = ended(behind)) < SCHEDULES && now_us() < give_up_us) {
        for (int i = 0; i < 10; i++) {
            rv_loop_run_once(loop, 10);
        }
    }
    double ended_s = (double)(now_us() - world.due_us) / 1e6;
    cpu_us = bench_cpu_us(test_postgres_pid()) - cpu_us;
    if (world.fires == SCHEDULES && over == SCHEDULES) {
        bench_report(run, name, which, "started_s", started_s, "s");
        bench_report(run, name, which, "p50_ms", bench_percentile_ms(&world.samples, 50), "ms");
        bench_report(run, name, which, "p99_ms", bench_percentile_ms(&world.samples, 99), "ms");
        bench_report(run, name, which, "ended_s", ended_s, "s");
        bench_report(run, name, which, "cpu_us", (double)cpu_us / SCHEDULES, "us");
    } else {
        fprintf(stderr, "schedules: %d fires and %" PRId64 " ends of %d\n", world.fires, over,
                SCHEDULES);
    }
    PQfinish(behind);
    rv_schedule_service_close(world.service, on_closed, &world);
    wait_closed(loop, &world);
    rv_committer_close(committer, on_closed, &world);
    wait_closed(loop, &world);
    rv_db_close(db, on_closed, &world);
    wait_closed(loop, &world);
    rv_loop_destroy(loop);
    bench_samples_free(&world.samples);
    rv_free(super);
    rv_free(uri);
}

/* ---- computing ---- */

static const char *const patterns[] = {"0 2 * * 1-5", "*/15 * * * *", "30 6 1,15 * *",
                                       "0 2 B3 * *",  "0 22 LB * *",  "0 9 * * FRI#2",
                                       "0 0 29 2 *",  "0 4 25<B * *"};

static void next_case(const struct bench_run *run)
{
    struct rv_error err = {.code = RV_OK};
    struct rv_zone *zone = NULL;
    struct rv_calendar calendar = {.weekend = RV_CALENDAR_WEEKEND};
    double all_us = 0, worst_us = 0;
    must(rv_zone_load(NULL, "Europe/Berlin", &zone, &err), &err);
    for (int year = 2000; year < 2040; year++) {
        calendar.holidays.days[calendar.holidays.count++] = (int32_t)rv_days_from_civil(year, 1, 1);
        calendar.holidays.days[calendar.holidays.count++] =
            (int32_t)rv_days_from_civil(year, 12, 25);
    }
    struct rv_cron_rules rules = {.zone = zone, .calendar = &calendar};
    for (size_t i = 0; i < RV_COUNT(patterns); i++) {
        struct rv_cron cron;
        must(rv_cron_parse(patterns[i], &cron, &err), &err);
        int64_t begin_s = rv_days_from_civil(2026, 1, 1) * DAY_S;
        int64_t at_s = begin_s;
        int64_t begin_us = rv_thread_cpu_us();
        for (int n = 0; n < NEXTS; n++) {
            if (!rv_cron_next(&cron, &rules, at_s, &at_s)) {
                RV_UNREACHABLE("these patterns fire for ever");
            }
            at_s = at_s > begin_s + 20 * INT64_C(366) * DAY_S ? begin_s : at_s;
        }
        double us = (double)(rv_thread_cpu_us() - begin_us) / NEXTS;
        all_us += us / RV_COUNT(patterns);
        worst_us = us > worst_us ? us : worst_us;
    }
    rv_zone_destroy(zone);
    bench_report(run, name, "next_fire", "mean_us", all_us, "us");
    bench_report(run, name, "next_fire", "worst_us", worst_us, "us");
}

/* Every fire of a year, each schedule looked at when it is due. */
static void year_case(const struct bench_run *run)
{
    struct rv_error err = {.code = RV_OK};
    struct rv_zone *zone = NULL;
    int64_t from_s = rv_days_from_civil(2026, 1, 1) * DAY_S, to_s = from_s + 365 * DAY_S;
    int64_t fires = 0;
    must(rv_zone_load(NULL, "Europe/Berlin", &zone, &err), &err);
    struct rv_cron_rules rules = {.zone = zone};
    int64_t begin_us = rv_thread_cpu_us();
    for (int i = 0; i < YEAR_SCHEDULES; i++) {
        char text[32];
        struct rv_cron cron;
        struct rv_due due;
        snprintf(text, sizeof text, "%d %d * * *", i % 60, i / 60 % 24);
        must(rv_cron_parse(text, &cron, &err), &err);
        const struct rv_due_policy policy = {
            .delay_s = rv_due_delay(i, "nightly", 600), .window_s = 3600, .most = 1000};
        int64_t next_s = from_s;
        RV_ASSERT(rv_cron_next(&cron, &rules, from_s - 1, &next_s));
        while (next_s < to_s) {
            rv_due_compute(&cron, &rules, &policy, next_s, next_s + policy.delay_s, &due);
            fires += due.count;
            next_s = due.next_s;
        }
    }
    bench_report(run, name, "year", "simulated_s", (double)(rv_thread_cpu_us() - begin_us) / 1e6,
                 "s");
    bench_report(run, name, "year", "fires", (double)fires, "");
    rv_zone_destroy(zone);
}

static void schedules_run(const struct bench_run *run)
{
    if (bench_wants(run, "next_fire")) {
        next_case(run);
    }
    if (bench_wants(run, "year")) {
        year_case(run);
    }
    if (bench_wants(run, "one") || bench_wants(run, "many")) {
        rv_log_level(RV_LOG_ERROR);
        test_postgres_start(TEST_PG_FSYNC);
    }
    if (bench_wants(run, "one")) {
        start_case(run, "one", 1);
    }
    if (bench_wants(run, "many")) {
        start_case(run, "many", COMPANIES);
    }
}

const struct bench bench_schedules = {
    "schedules", "60,000 schedules due in the same second; what a next fire costs", schedules_run};
