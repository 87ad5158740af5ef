/* http_fixture.c -- see http_fixture.h; composes the edge as the program's main does. */
#include "tests/support/http_fixture.h"

#include "runtime/base/check.h"
#include "runtime/http/people.h"
#include "tests/support/key_file.h"
#include "tests/support/postgres.h"
#include "tests/support/votes.h"

#include "db_sql.h"
#include "effect_sql.h"
#include "hooks_sql.h"
#include "http_sql.h"
#include "journal_sql.h"
#include "model_sql.h"
#include "test_erp_sql.h"
#include "test_gate_sql.h"
#include "test_http_sql.h"
#include "web_assets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct rv_migration *const rooms[] = {
    rv_journal_migrations,  rv_model_migrations,  rv_test_gate_migrations,
    rv_db_migrations,       rv_http_migrations,   rv_hooks_migrations,
    rv_test_erp_migrations, rv_effect_migrations, NULL};

static void must(enum rv_code code, const struct rv_error *err)
{
    if (code != RV_OK) {
        fprintf(stderr, "%s: %s (%s)\n", rv_code_name(code), err->message, err->detail);
        abort();
    }
}

void http_fixture_run(struct http_fixture *fixture, int32_t tenant,
                      const struct rv_statement *statement, struct rv_args *args,
                      enum rv_code (*each)(void *data, const struct rv_result *result, int row,
                                           struct rv_error *err),
                      void *data)
{
    struct rv_error err = {.code = RV_OK};
    must(rv_db_session_query(fixture->session, tenant, statement, args, each, data, &err), &err);
}

static enum rv_code take_number(void *data, const struct rv_result *result, int row,
                                struct rv_error *err)
{
    (void)err;
    *(int64_t *)data = rv_result_i64(result, row, 0);
    return RV_OK;
}

static int32_t make_tenant(struct http_fixture *fixture, const char *name)
{
    int64_t id = 0;
    json_t *company = json_object();
    struct rv_args *args = rv_args_create(&rv_sql_tenant_create);
    rv_args_text(args, 1, name);
    rv_args_json(args, 2, company);
    json_decref(company);
    http_fixture_run(fixture, 0, &rv_sql_tenant_create, args, take_number, &id);
    return (int32_t)id;
}

static void make_person(struct http_fixture *fixture, int32_t tenant, const char *name,
                        const char *roles)
{
    struct rv_error err = {.code = RV_OK};
    int ends[2];
    RV_ASSERT(pipe(ends) == 0);
    RV_ASSERT(write(ends[1], TEST_PASSWORD "\n", sizeof TEST_PASSWORD) ==
              (ssize_t)sizeof TEST_PASSWORD);
    close(ends[1]);
    must(rv_person_set(fixture->session, tenant, name, roles, ends[0], &err), &err);
    close(ends[0]);
}

void http_fixture_approval(struct http_fixture *fixture, int32_t tenant, const char *text)
{
    struct rv_args *args = rv_args_create(&rv_sql_fixture_approval);
    rv_args_i32(args, 1, tenant);
    rv_args_json_text(args, 2, text, strlen(text));
    http_fixture_run(fixture, tenant, &rv_sql_fixture_approval, args, NULL, NULL);
}

/* Runs by echo: what the run room would be asked to do. */
struct echo {
    struct http_fixture *fixture;
    json_t *answer;
    rv_api_done done;
    void *data;
};

static void echo_back(void *data)
{
    struct echo *echo = data;
    echo->done(echo->data, RV_OK, echo->answer, NULL);
    json_decref(echo->answer);
    rv_free(echo);
}

static void echo_later(struct http_fixture *fixture, json_t *answer, rv_api_done done, void *data)
{
    struct echo *echo = rv_alloc(sizeof *echo);
    *echo = (struct echo){fixture, answer, done, data};
    rv_loop_post(fixture->loop, echo_back, echo);
}

static void echo_start(void *self, const struct rv_caller *caller, const struct rv_api_start *asked,
                       rv_api_done done, void *data)
{
    echo_later(self,
               json_pack("{s:s, s:i, s:s, s:s*, s:s, s:s*, s:s*, s:O*}", "id", "777", "tenant",
                         (int)caller->tenant, "person", caller->person, "exception",
                         asked->exception, "agent", asked->agent != NULL ? asked->agent : "",
                         "traceparent", asked->traceparent, "key", asked->key, "input",
                         asked->input),
               done, data);
}

static void echo_signal(void *self, const struct rv_caller *caller, int64_t run, const char *name,
                        const json_t *body, const char *once, rv_api_done done, void *data)
{
    (void)once;
    (void)caller;
    (void)body;
    echo_later(self, json_pack("{s:I, s:s}", "run", (json_int_t)run, "name", name), done, data);
}

static void echo_cancel(void *self, const struct rv_caller *caller, int64_t run, const char *reason,
                        rv_api_done done, void *data)
{
    (void)caller;
    echo_later(self, json_pack("{s:I, s:s}", "run", (json_int_t)run, "reason", reason), done, data);
}

void http_fixture_open(struct http_fixture *fixture, int port)
{
    struct rv_error err = {.code = RV_OK};
    *fixture = (struct http_fixture){.uri = test_postgres_database(rooms)};
    must(rv_db_session_open(fixture->uri, &fixture->session, &err), &err);
    fixture->tenant = make_tenant(fixture, "northwind");
    fixture->other = make_tenant(fixture, "other");
    make_person(fixture, fixture->tenant, "controller", "controller");
    make_person(fixture, fixture->tenant, "clerk", "auditor");
    make_person(fixture, fixture->tenant, "operator", "operator,admin");
    make_person(fixture, fixture->tenant, "treasurer", "treasurer");
    make_person(fixture, fixture->other, "stranger", "controller");
    fixture->loop = rv_loop_create(rv_clock_system());
    fixture->db = rv_db_create(&(struct rv_db_options){.loop = fixture->loop, .uri = fixture->uri});
    fixture->approvals = test_votes_create(fixture->db);
    char key[KEY_FILE_NAME];
    key_file_name(key);
    must(rv_hook_vault_open(key, &fixture->vault, &err), &err);
    key_file_remove(key);
    fixture->callbacks =
        rv_hook_callbacks_create(fixture->loop, fixture->db, fixture->approvals, fixture->vault);
    fixture->api = rv_api_create(&(struct rv_api_options){
        .loop = fixture->loop,
        .db = fixture->db,
        .uri = fixture->uri,
        .approvals = fixture->approvals,
        .runs = {echo_start, echo_signal, echo_cancel, fixture},
        .callbacks = fixture->callbacks,
        .assets = rv_web_assets,
    });
    struct rv_http_options options = {.loop = fixture->loop,
                                      .port = port,
                                      .admit = rv_api_admit,
                                      .refuse = rv_api_refuse,
                                      .handle = rv_api_handle,
                                      .data = fixture->api};
    must(rv_http_server_create(&options, &fixture->server, &err), &err);
    fixture->port = rv_http_server_port(fixture->server);
}

static void on_part_closed(void *data)
{
    struct http_fixture *fixture = data;
    fixture->open_parts--;
}

static void wait_closed(struct http_fixture *fixture)
{
    while (fixture->open_parts > 0) {
        rv_loop_run_once(fixture->loop, 100);
    }
}

void http_fixture_close(struct http_fixture *fixture)
{
    rv_api_stop(fixture->api);
    fixture->open_parts++;
    rv_http_server_close(fixture->server, on_part_closed, fixture);
    wait_closed(fixture);
    fixture->open_parts++;
    rv_db_close(fixture->db, on_part_closed, fixture);
    wait_closed(fixture);
    rv_api_destroy(fixture->api);
    rv_hook_callbacks_destroy(fixture->callbacks);
    rv_hook_vault_close(fixture->vault);
    test_votes_destroy(fixture->approvals);
    rv_loop_destroy(fixture->loop);
    rv_db_session_close(fixture->session);
    free(fixture->uri);
}
