/* erp_world.c -- see erp_world.h. */
#include "tests/support/erp_world.h"

#include "db_sql.h"
#include "erp_command_sql.h"
#include "erp_exception_sql.h"
#include "gate_sql.h"
#include "journal_sql.h"
#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/db/db.h"
#include "runtime/gate/books.h"
#include "runtime/gate/gate_events.h"
#include "runtime/loop/loop.h"
#include "tests/support/postgres.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <inttypes.h>
#include <libpq-fe.h>

static const struct rv_migration *const rooms[] = {
    rv_journal_migrations,     rv_gate_migrations,          rv_db_migrations,
    rv_erp_command_migrations, rv_erp_exception_migrations, NULL};

/* Not Check's assertions: benchmarks use this file too. */
#define MUST(expression, ...)                                                                      \
    ((expression) ? (void)0 : (fprintf(stderr, __VA_ARGS__), fputc('\n', stderr), abort()))

enum { EVENT_TYPES_MAX = 64, ARENA_MAX = 64 << 20, LOOK_MS = 600 * 1000 };

static const struct rv_statement *write_order[EVENT_TYPES_MAX + 3];

static void fill_write_order(void)
{
    int count = 0;
    write_order[count++] = &rv_sql_event_append;
    for (const struct erp_event_type *type = erp_event_types; type->name != NULL; type++) {
        RV_ASSERT(count < EVENT_TYPES_MAX);
        write_order[count++] = type->projection;
    }
    write_order[count++] = &rv_sql_command_log_append;
    write_order[count] = NULL;
}

void erp_world_open(struct erp_world *world)
{
    *world = (struct erp_world){.today = 20454 /* 2026-01-01 */};
    rv_log_level(RV_LOG_SILENT);
    fill_write_order();
    world->uri = test_postgres_database(rooms);
    world->superuser = test_postgres_superuser(world->uri);
    erp_exec(world, "SELECT reeve_tenant_create('one', '{}')");
    world->loop = rv_loop_create(rv_clock_system());
    world->committer = rv_committer_create(&(struct rv_committer_options){
        .loop = world->loop, .database_uri = world->uri, .write_order = write_order});
    world->db = rv_db_create(&(struct rv_db_options){.loop = world->loop, .uri = world->uri});
}

void erp_world_close(struct erp_world *world)
{
    rv_committer_close(world->committer, NULL, NULL);
    rv_db_close(world->db, NULL, NULL);
    rv_loop_run(world->loop);
    rv_loop_destroy(world->loop);
    json_decref(world->answer);
    json_decref(world->books);
    rv_free(world->uri);
    rv_free(world->superuser);
}

/* ---- one command ---- */

struct act {
    struct rv_unit unit; /* first */
    struct erp_world *world;
    const struct erp_command *command;
    json_t *args;
    struct rv_arena *arena;
    struct rv_arena *step;
    struct erp_outcome outcome;
    int64_t *done_us;
    json_t *portions; /* of a command with a look */
    size_t portion;
    json_t *look_args;
    json_t *sum;
    int64_t began_us;
};

static void act_commit(struct act *act)
{
    json_t *args = act->args;
    if (act->command->look != NULL) {
        json_decref(act->look_args);
        args = act->look_args = json_pack("{s:O,s:O}", "args", args, "look",
                                          json_array_get(act->portions, act->portion));
    }
    act->unit.loads[0] = (struct rv_load){.statement = act->command->load, .args = args};
    act->began_us = rv_mono_us(rv_clock_system());
    rv_commit(act->world->committer, &act->unit);
}

static void act_looked(void *data, enum rv_code code, const struct rv_result *result,
                       const struct rv_error *err)
{
    struct act *act = data;
    MUST(code == RV_OK, "%s: %s (%s)", act->command->name, err->message, err->detail);
    act->portions = json_array();
    for (int row = 0; row < rv_result_rows(result); row++) {
        json_array_append_new(act->portions, rv_result_json(result, row, 0));
    }
    if (act->world->looked != NULL) {
        act->world->looked(act->world, act->world->looked_data);
        if (act->world->pending > 1) {
            act->world->held = act;
            return;
        }
    }
    act_commit(act);
}

static void release_held(struct erp_world *world)
{
    if (world->held != NULL && world->pending == 1) {
        struct act *held = world->held;
        world->held = NULL;
        act_commit(held);
    }
}

static enum rv_code act_decide(struct rv_unit *unit, struct rv_batch *batch, struct rv_error *err)
{
    struct act *act = (struct act *)unit;
    struct rv_head *head = rv_batch_head(batch);
    const json_t *state = unit->loads[0].state;
    erp_outcome_fini(&act->outcome);
    rv_arena_reset(act->step);
    if (state == NULL) {
        return rv_fail(err, RV_NOT_FOUND, "the subject of \"%s\" does not exist",
                       act->command->name);
    }
    struct erp_context context = {
        .tenant = unit->tenant,
        .now_us = head->now_us,
        .today = act->world->today,
        .first_id = (head->event_seq + 1) * 16,
        .actor = "person:tester",
        .arena = act->step,
    };
    enum rv_code code = act->command->decide(&context, act->args, state, &act->outcome, err);
    if (code == RV_OK) {
        int64_t first = 0;
        int64_t last = 0;
        rv_gate_append_events(batch, &act->outcome, context.actor,
                              rv_arena_printf(act->step, "test:%" PRId64, head->event_seq), &first,
                              &last);
    }
    return code;
}

static void act_done(struct rv_unit *unit, enum rv_code code, const struct rv_error *err)
{
    struct act *act = (struct act *)unit;
    struct erp_world *world = act->world;
    if (act->portions != NULL) {
        int64_t took_us = rv_mono_us(rv_clock_system()) - act->began_us;
        world->portion_us = took_us > world->portion_us ? took_us : world->portion_us;
        if (code == RV_OK && act->sum != NULL) {
            act->command->join(act->sum, act->outcome.answer);
            json_decref(act->outcome.answer);
            act->outcome.answer = act->sum;
            act->sum = NULL;
        }
        if (code == RV_OK && ++act->portion < json_array_size(act->portions)) {
            act->sum = json_deep_copy(act->outcome.answer);
            act_commit(act);
            return;
        }
    }
    world->code = code;
    world->commands++;
    world->pending--;
    json_decref(world->answer);
    json_decref(world->books);
    world->answer = NULL;
    world->books = NULL;
    world->events = 0;
    if (code == RV_OK) {
        world->answer = json_incref(act->outcome.answer);
        world->books = act->outcome.books == NULL ? NULL : json_incref(act->outcome.books);
        world->events = act->outcome.event_count;
    } else {
        world->refused++;
        world->err = *err;
    }
    if (act->done_us != NULL) {
        *act->done_us = rv_mono_us(rv_clock_system());
    }
    erp_outcome_fini(&act->outcome);
    rv_arena_destroy(act->step);
    rv_arena_destroy(act->arena);
    json_decref(act->args);
    json_decref(act->portions);
    json_decref(act->look_args);
    json_decref(act->sum);
    rv_free(act);
    if (world->after != NULL) {
        world->after(world, world->after_data);
    }
    release_held(world);
    if (world->pending == 0) {
        rv_loop_stop(world->loop);
    }
}

void erp_queue(struct erp_world *world, const char *name, json_t *args, int64_t *done_us)
{
    struct rv_error err = {.code = RV_OK};
    const struct erp_command *command = erp_command_find(name);
    MUST(command != NULL, "no command %s", name);
    enum rv_code code = erp_command_check(command, args, &err);
    if (code != RV_OK) {
        world->code = code;
        world->err = err;
        world->refused++;
        json_decref(world->answer);
        world->answer = NULL;
        json_decref(args);
        return;
    }
    struct act *act = rv_alloc(sizeof *act);
    act->world = world;
    act->command = command;
    act->args = args;
    act->arena = rv_arena_create("command", ARENA_MAX);
    act->step = rv_arena_create("step", ARENA_MAX);
    act->done_us = done_us;
    erp_outcome_init(&act->outcome);
    act->unit = (struct rv_unit){
        .tenant = 1, .needs_head = true, .load_count = 1, .decide = act_decide, .done = act_done};
    const char *keys[ERP_KEYS_MAX] = {NULL};
    int count = command->keys(args, act->arena, keys);
    MUST(count <= ERP_KEYS_MAX, "%s has too many keys", name);
    for (int i = 0; i < count; i++) {
        act->unit.keys[i] = keys[i];
    }
    world->pending++;
    if (command->look == NULL) {
        act_commit(act);
        return;
    }
    struct rv_args *look = rv_args_create(command->look);
    rv_args_json(look, 2, args);
    rv_db_query_within(world->db, 1, command->look, look, LOOK_MS, act_looked, act);
}

void erp_drain(struct erp_world *world)
{
    if (world->pending > 0) {
        rv_loop_run(world->loop);
    }
}

enum rv_code erp_try(struct erp_world *world, const char *command, json_t *args)
{
    rv_error_clear(&world->err);
    world->code = RV_OK;
    erp_queue(world, command, args, NULL);
    erp_drain(world);
    return world->code;
}

const json_t *erp_do(struct erp_world *world, const char *command, json_t *args)
{
    enum rv_code code = erp_try(world, command, args);
    MUST(code == RV_OK, "%s: %s (%s) %s", command, world->err.message, world->err.detail,
         world->err.hint);
    return world->answer;
}

json_t *erp_json(const char *format, ...)
{
    char text[16384];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    MUST(length < (int)sizeof text, "too long");
    for (char *at = text; *at != '\0'; at++) {
        *at = *at == '\'' ? '"' : *at;
    }
    json_t *value = NULL;
    struct rv_error err = {.code = RV_OK};
    MUST(rv_json_parse(text, strlen(text), "test", &value, &err) == RV_OK, "%s: %s", err.message,
         text);
    return value;
}

/* ---- looking behind row-level security ---- */

char *erp_text(struct erp_world *world, const char *sql)
{
    PGconn *conn = PQconnectdb(world->superuser);
    PGresult *result = PQexec(conn, sql);
    MUST(PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1, "%s: %s", sql,
         PQerrorMessage(conn));
    char *text = rv_strdup(PQgetvalue(result, 0, 0));
    PQclear(result);
    PQfinish(conn);
    return text;
}

int64_t erp_number(struct erp_world *world, const char *sql)
{
    char *text = erp_text(world, sql);
    int64_t value = strtoll(text, NULL, 10);
    rv_free(text);
    return value;
}

void erp_exec(struct erp_world *world, const char *sql)
{
    PGconn *conn = PQconnectdb(world->superuser);
    PGresult *result = PQexec(conn, sql);
    MUST(PQresultStatus(result) == PGRES_TUPLES_OK || PQresultStatus(result) == PGRES_COMMAND_OK,
         "%s: %s", sql, PQerrorMessage(conn));
    PQclear(result);
    PQfinish(conn);
}

/* ---- reading ---- */

static struct rv_db_session *session_open(struct erp_world *world)
{
    struct rv_db_session *session = NULL;
    struct rv_error err = {.code = RV_OK};
    MUST(rv_db_session_open(world->uri, &session, &err) == RV_OK, "%s", err.message);
    return session;
}

static void
run(struct rv_db_session *session, const struct rv_statement *statement, struct rv_args *args,
    enum rv_code (*each)(void *data, const struct rv_result *result, int row, struct rv_error *err),
    void *data)
{
    struct rv_error err = {.code = RV_OK};
    MUST(rv_db_session_query(session, 1, statement, args, each, data, &err) == RV_OK, "%s: %s %s",
         statement->name, err.message, err.detail);
}

static enum rv_code put_value(void *data, const struct rv_result *result, int row,
                              struct rv_error *err)
{
    (void)err;
    *(json_t **)data = rv_result_json(result, row, 0);
    return RV_OK;
}

json_t *erp_read(struct erp_world *world, const char *name, json_t *input)
{
    struct rv_db_session *session = session_open(world);
    json_t *value = NULL;
    struct rv_args *args = rv_args_create(&rv_sql_erp_read);
    rv_args_text(args, 2, name);
    rv_args_json(args, 3, input);
    run(session, &rv_sql_erp_read, args, put_value, &value);
    rv_db_session_close(session);
    json_decref(input);
    return value;
}

/* ---- proof ---- */

json_t *erp_check(struct erp_world *world)
{
    struct rv_books *books = NULL;
    json_t *report = NULL;
    struct rv_error err = {.code = RV_OK};
    MUST(rv_books_open(world->uri, 1, &books, &err) == RV_OK, "%s: %s", err.message, err.detail);
    MUST(rv_books_check(books, &report, &err) == RV_OK, "%s: %s", err.message, err.detail);
    rv_books_close(books);
    return report;
}

void erp_check_green(struct erp_world *world)
{
    json_t *report = erp_check(world);
    char *text = rv_json_text(report);
    MUST(rv_json_bool(report, "ok", false) &&
             rv_json_int(report, "events", -1) ==
                 erp_number(world, "SELECT event_seq FROM tenant_head WHERE tenant_id = 1"),
         "%s", text);
    rv_free(text);
    json_decref(report);
}
