/* schedule_world.h -- schedules in a real database, with several services at one loop; business
 * time is a clock of the test.  For the tests of one file: everything is static.
 */
#ifndef REEVE_TESTS_INTEGRATION_SCHEDULE_WORLD_H
#define REEVE_TESTS_INTEGRATION_SCHEDULE_WORLD_H

#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/schedule/due.h"
#include "runtime/schedule/schedule.h"
#include "runtime/schedule/service.h"
#include "tests/support/postgres.h"
#include "tests/support/test.h"

#include "audit_sql.h"
#include "db_sql.h"
#include "gate_sql.h"
#include "http_sql.h"
#include "journal_sql.h"
#include "runtime/journal/commit.h"
#include "schedule_sql.h"
#include "test_schedule_sql.h"

#include <libpq-fe.h>

/* The numbers of a change that changes none. */
#define AS_IT_IS  .catch_up_window_s = -1, .catch_up_max = -1, .jitter_s = -1, .pause_after = -1
#define SECOND_US INT64_C(1000000)
#define MINUTE_US (60 * SECOND_US)
#define HOUR_US   (60 * MINUTE_US)
#define DAY_US    (24 * HOUR_US)

static const struct rv_migration *const rooms[] = {rv_journal_migrations, rv_gate_migrations,
                                                   rv_db_migrations, rv_schedule_migrations, NULL};
static const struct rv_statement *const write_order[] = {&rv_sql_audit_append, NULL};

enum { NODES_MAX = 2, FIRES_MAX = 400 };

struct seen {
    int node;
    int32_t tenant;
    int64_t id;
    char name[64], action[64];
    int64_t amount;
};

struct world {
    struct rv_clock clock; /* `now` is told, timers are real */
    int64_t now_us;
    struct rv_loop *loop;
    struct rv_db *db;
    struct rv_committer *committer;
    struct rv_db_session *session;
    char *uri;
    int32_t tenant;
    struct node {
        struct world *world;
        int number;
        bool away; /* takes on nothing new */
        struct rv_schedule_service *service;
    } nodes[NODES_MAX];
    int node_count;
    bool end_at_once, stop_at_once, database_clock;
    int64_t stopped[FIRES_MAX];
    int stop_count;
    char why[100]; /* of the last one */
    int64_t lost;  /* the last one that was taken from its node */
    int lost_count;
    struct seen seen[FIRES_MAX];
    int seen_count;
    int closed;
};

static inline void must(enum rv_code code, const struct rv_error *err)
{
    ck_assert_msg(code == RV_OK, "%s: %s (%s)", rv_code_name(code), err->message, err->detail);
}

static inline int64_t told_now(void *self)
{
    return ((struct world *)self)->now_us;
}

static inline int64_t real_mono(void *self)
{
    (void)self;
    return rv_mono_us(rv_clock_system());
}

static inline int64_t utc(int year, int month, int day, int hour, int minute)
{
    return (rv_days_from_civil(year, month, day) * 1440 + hour * 60 + minute) * MINUTE_US;
}

static inline void on_fire(void *data, int32_t tenant, const char *name, const char *action,
                           const json_t *input, int64_t fire_id)
{
    struct node *node = data;
    struct world *world = node->world;
    ck_assert_int_lt(world->seen_count, FIRES_MAX);
    struct seen *seen = &world->seen[world->seen_count++];
    *seen = (struct seen){.node = node->number,
                          .tenant = tenant,
                          .id = fire_id,
                          .amount = rv_json_int(input, "amount", 0)};
    snprintf(seen->name, sizeof seen->name, "%s", name);
    snprintf(seen->action, sizeof seen->action, "%s", action);
    if (world->end_at_once) {
        rv_schedule_done(node->service, tenant, fire_id, RV_OK, NULL);
    }
}

static inline void on_stop(void *data, int32_t tenant, int64_t fire_id, const char *why)
{
    struct node *node = data;
    struct world *world = node->world;
    ck_assert_int_lt(world->stop_count, FIRES_MAX);
    world->stopped[world->stop_count++] = fire_id;
    snprintf(world->why, sizeof world->why, "%s", why);
    if (world->stop_at_once) {
        rv_schedule_done(node->service, tenant, fire_id, RV_CANCELED, "asked to");
    }
}

static inline void on_lost(void *data, int32_t tenant, int64_t fire_id)
{
    (void)tenant;
    struct node *node = data;
    node->world->lost = fire_id;
    node->world->lost_count++;
}

static inline bool drives(void *data, int32_t tenant)
{
    (void)tenant;
    return !((const struct node *)data)->away;
}

static inline enum rv_code take_number(void *data, const struct rv_result *result, int row,
                                       struct rv_error *err)
{
    (void)err;
    *(int64_t *)data = rv_result_i64(result, row, 0);
    return RV_OK;
}

static inline int32_t make_tenant(struct world *world, const char *name)
{
    struct rv_error err = {.code = RV_OK};
    int64_t id = 0;
    struct rv_args *args = rv_args_create(&rv_sql_tenant_create);
    rv_args_text(args, 1, name);
    rv_args_json_text(args, 2, "{}", 2);
    must(
        rv_db_session_query(world->session, 0, &rv_sql_tenant_create, args, take_number, &id, &err),
        &err);
    return (int32_t)id;
}

static inline void world_open(struct world *world, int64_t now_us)
{
    struct rv_error err = {.code = RV_OK};
    rv_log_level(RV_LOG_SILENT);
    *world = (struct world){.now_us = now_us, .end_at_once = true};
    world->clock = (struct rv_clock){told_now, real_mono, world};
    world->uri = test_postgres_database(rooms);
    must(rv_db_session_open(world->uri, &world->session, &err), &err);
    world->tenant = make_tenant(world, "north");
    world->loop = rv_loop_create(&world->clock);
    world->db = rv_db_create(&(struct rv_db_options){.loop = world->loop, .uri = world->uri});
    world->committer = rv_committer_create(&(struct rv_committer_options){
        .loop = world->loop, .database_uri = world->uri, .write_order = write_order});
}

static inline struct node *add_node(struct world *world, int64_t lease_ms)
{
    struct node *node = &world->nodes[world->node_count++];
    node->world = world;
    node->number = world->node_count;
    node->service = rv_schedule_service_create(
        &(struct rv_schedule_options){.loop = world->loop,
                                      .db = world->db,
                                      .committer = world->committer,
                                      .drives = drives,
                                      .fire = on_fire,
                                      .stop = on_stop,
                                      .lost = on_lost,
                                      .data = node,
                                      .look_ms = 20,
                                      .lease_ms = lease_ms,
                                      .database_clock = world->database_clock});
    return node;
}

static inline void on_closed(void *data)
{
    ((struct world *)data)->closed++;
}

static inline void close_node(struct world *world, struct node *node)
{
    int expected = world->closed + 1;
    rv_schedule_service_close(node->service, on_closed, world);
    node->service = NULL;
    while (world->closed < expected) {
        rv_loop_run_once(world->loop, 100);
    }
}

static inline void world_close(struct world *world)
{
    for (int i = 0; i < world->node_count; i++) {
        if (world->nodes[i].service != NULL) {
            close_node(world, &world->nodes[i]);
        }
    }
    int expected = world->closed + 2;
    rv_committer_close(world->committer, on_closed, world);
    rv_db_close(world->db, on_closed, world);
    while (world->closed < expected) {
        rv_loop_run_once(world->loop, 100);
    }
    rv_loop_destroy(world->loop);
    rv_db_session_close(world->session);
    rv_free(world->uri);
}

static inline void run_ms(struct world *world, int64_t duration_ms)
{
    int64_t end_us = real_mono(NULL) + duration_ms * 1000;
    while (real_mono(NULL) < end_us) {
        rv_loop_run_once(world->loop, 10);
    }
}

static inline void rest(struct world *world, int64_t until_us, const char *reason)
{
    struct rv_error err = {.code = RV_OK};
    struct rv_schedule_rest wanted = {.until_us = until_us, .reason = reason};
    must(rv_schedule_pause(world->session, world->tenant, "morning", &wanted, world->now_us, &err),
         &err);
}

/* Runs until so many fires were handed over (at most 10 s), then a little longer to see too many.
 */
static inline void run_until(struct world *world, int fires)
{
    int64_t end_us = real_mono(NULL) + 10 * SECOND_US;
    while (world->seen_count < fires && real_mono(NULL) < end_us) {
        rv_loop_run_once(world->loop, 10);
    }
    run_ms(world, 150);
    ck_assert_int_eq(world->seen_count, fires);
}

static inline void run_at(struct world *world, int64_t now_us, int fires)
{
    world->now_us = now_us;
    run_until(world, fires);
}

static inline struct rv_schedule morning(void)
{
    return (struct rv_schedule){.name = "morning",
                                .cron = "30 6 * * *",
                                .zone = "Europe/Berlin",
                                .action = "exceptions.run"};
}

static inline int64_t add(struct world *world, const struct rv_schedule *schedule)
{
    struct rv_error err = {.code = RV_OK};
    int64_t next_us = 0;
    must(rv_schedule_add(world->session, world->tenant, schedule, world->now_us, &next_us, &err),
         &err);
    return next_us;
}

static inline enum rv_code take_text(void *data, const struct rv_result *result, int row,
                                     struct rv_error *err)
{
    (void)err;
    snprintf(data, 100, "%s", rv_result_text(result, row, 0));
    return RV_OK;
}

static inline enum rv_code take_long_text(void *data, const struct rv_result *result, int row,
                                          struct rv_error *err)
{
    (void)err;
    snprintf(data, 400, "%s", rv_result_text(result, row, 0));
    return RV_OK;
}

static inline struct rv_args *named(const struct rv_statement *statement, int32_t tenant,
                                    const char *name)
{
    struct rv_args *args = rv_args_create(statement);
    rv_args_i32(args, 1, tenant);
    rv_args_text(args, 2, name);
    return args;
}

static inline const char *fires_of(struct world *world, const char *name)
{
    static char text[100];
    struct rv_error err = {.code = RV_OK};
    must(rv_db_session_query(world->session, world->tenant, &rv_sql_golden_fire_counts,
                             named(&rv_sql_golden_fire_counts, world->tenant, name), take_text,
                             text, &err),
         &err);
    return text;
}

struct stored {
    int64_t records; /* that say that it rests, or goes on, by itself */
    char status[20], tzdata[20], reason[100];
    int64_t next_us, last_us, due_us;
};

static inline enum rv_code take_stored(void *data, const struct rv_result *result, int row,
                                       struct rv_error *err)
{
    (void)err;
    struct stored *stored = data;
    snprintf(stored->status, sizeof stored->status, "%s", rv_result_text(result, row, 0));
    snprintf(stored->tzdata, sizeof stored->tzdata, "%s", rv_result_text(result, row, 3));
    snprintf(stored->reason, sizeof stored->reason, "%s", rv_result_text(result, row, 5));
    stored->next_us = rv_result_is_null(result, row, 1) ? 0 : rv_result_time_us(result, row, 1);
    stored->last_us = rv_result_is_null(result, row, 2) ? 0 : rv_result_time_us(result, row, 2);
    stored->due_us = rv_result_is_null(result, row, 4) ? 0 : rv_result_time_us(result, row, 4);
    stored->records = rv_result_i64(result, row, 6);
    return RV_OK;
}

static inline struct stored stored(struct world *world, const char *name)
{
    struct stored out = {.next_us = 0};
    struct rv_error err = {.code = RV_OK};
    must(rv_db_session_query(world->session, world->tenant, &rv_sql_golden_schedule,
                             named(&rv_sql_golden_schedule, world->tenant, name), take_stored, &out,
                             &err),
         &err);
    return out;
}

#endif
