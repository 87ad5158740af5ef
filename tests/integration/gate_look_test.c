/* gate_look_test.c -- a command that looks before it acts is one action at the door: decided once,
 * answered once, whatever the number of its transactions; and who may not act makes nobody look. */
#include "gate_sql.h"
#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/cli/node.h"
#include "runtime/gate/policy.h"
#include "tests/support/key_file.h"
#include "tests/support/postgres.h"
#include "tests/support/test.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FOUND = 600, LOOK_MS = 400, WAIT_MS = 20000 };

static const char bundle[] =
    "return bundle { name = 'look', schema = 'erp.v1',\n"
    "  permit { id = 'operator', persons = role 'operator', action = 'exception.detect' },\n"
    "  permit { id = 'trainee', persons = role 'trainee', action = 'exception.detect' },\n"
    "  approve { id = 'trainee.asks', persons = role 'trainee', action = 'exception.detect',\n"
    "    stages = { { role = 'operator' } }, expires = '1h' },\n"
    "  limit { id = 'once', persons = role 'operator', action = 'exception.detect', count = true,\n"
    "    per = { 'principal' }, window = '1d', cap = 1, over = 'deny' },\n"
    "}\n";

struct door {
    struct node *node;
    char *uri;
    char *superuser;
    char key[KEY_FILE_NAME];
    /* of the last request */
    bool done;
    enum rv_code code;
    enum rv_gate_result result;
    json_t *answer;
    char message[256];
    int64_t first_event, last_event, approval;
};

static int64_t number(struct door *door, const char *sql)
{
    PGconn *conn = PQconnectdb(door->superuser);
    PGresult *result = PQexec(conn, sql);
    ck_assert_msg(PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1, "%s: %s",
                  sql, PQerrorMessage(conn));
    int64_t found = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
    PQclear(result);
    PQfinish(conn);
    return found;
}

static void activate(struct door *door, const char *source)
{
    struct rv_error err = {.code = RV_OK};
    struct rv_policy *policy = NULL;
    ck_assert_msg(rv_policy_load(source, strlen(source), "look", &policy, &err) == RV_OK, "%s (%s)",
                  err.message, err.hint);
    struct rv_hash hash = rv_policy_hash(policy);
    rv_policy_destroy(policy);
    struct rv_db_session *session = NULL;
    ck_assert(rv_db_session_open(door->uri, &session, &err) == RV_OK);
    struct rv_args *put = rv_args_create(&rv_sql_policy_bundle_put);
    rv_args_bytes(put, 2, hash.bytes, RV_HASH_BYTES);
    rv_args_text(put, 3, "look");
    rv_args_text(put, 4, source);
    rv_args_text(put, 5, "");
    rv_args_text(put, 6, "person:tester");
    ck_assert_msg(
        rv_db_session_query(session, 1, &rv_sql_policy_bundle_put, put, NULL, NULL, &err) == RV_OK,
        "%s", err.message);
    struct rv_args *active = rv_args_create(&rv_sql_policy_activate);
    rv_args_bytes(active, 2, hash.bytes, RV_HASH_BYTES);
    ck_assert_msg(
        rv_db_session_query(session, 1, &rv_sql_policy_activate, active, NULL, NULL, &err) == RV_OK,
        "%s", err.message);
    rv_db_session_close(session);
}

static void door_open(struct door *door)
{
    *door = (struct door){.uri = test_postgres_database(node_migrations)};
    rv_log_level(RV_LOG_SILENT);
    door->superuser = test_postgres_superuser(door->uri);
    test_postgres_execute(door->superuser, "SELECT reeve_tenant_create('one', '{}')");
    char sql[900];
    snprintf(sql, sizeof sql,
             "CREATE OR REPLACE FUNCTION detect_f12(tenant int, today date) RETURNS SETOF finding"
             " LANGUAGE plpgsql STABLE AS $$ BEGIN PERFORM pg_sleep(%d / 1000.0);"
             " RETURN QUERY SELECT 'F12', 1, 'invoice:' || g || ':bank', 'invoice:' || g,"
             " NULL::bigint, 'Invoice ' || g, '{}'::jsonb, g::bigint, 'EUR'"
             " FROM generate_series(1, %d) AS g; END $$",
             LOOK_MS, FOUND);
    test_postgres_execute(door->superuser, sql);
    activate(door, bundle);
    struct rv_error err = {.code = RV_OK};
    key_file_name(door->key);
    ck_assert_msg(node_open(&(struct node_options){.uri = door->uri, .audit_key = door->key},
                            &door->node, &err) == RV_OK,
                  "%s", err.message);
}

static void door_close(struct door *door)
{
    node_close(door->node);
    key_file_remove(door->key);
    json_decref(door->answer);
    rv_free(door->uri);
    rv_free(door->superuser);
}

static void on_done(struct rv_gate_request *request, enum rv_code code,
                    const struct rv_gate_outcome *outcome, const struct rv_error *err)
{
    struct door *door = request->data;
    ck_assert(!door->done); /* exactly once */
    door->done = true;
    door->code = code;
    json_decref(door->answer);
    door->answer = NULL;
    if (outcome != NULL) {
        door->result = outcome->result;
        door->answer = outcome->answer == NULL ? NULL : json_deep_copy(outcome->answer);
        door->first_event = outcome->first_event;
        door->last_event = outcome->last_event;
        door->approval = outcome->approval;
    }
    snprintf(door->message, sizeof door->message, "%s",
             code != RV_OK              ? err->message
             : outcome->message != NULL ? outcome->message
                                        : "");
}

/* Asks for a detection; returns how long it took in milliseconds. */
static int64_t ask_with(struct door *door, const char *role, const char *command_id, bool dry_run,
                        int64_t approval)
{
    json_t *args = json_pack("{s:[s],s:s}", "types", "F12", "as_of", "2026-01-01");
    json_t *roles = json_pack("[s]", role);
    struct rv_gate_request request = {
        .tenant = 1,
        .principal = {.kind = RV_PRINCIPAL_PERSON, .id = role, .roles = roles},
        .action = "exception.detect",
        .args = args,
        .command_id = command_id,
        .dry_run = dry_run,
        .approval = approval,
        .done = on_done,
        .data = door};
    int64_t begin_us = rv_mono_us(rv_clock_system());
    door->done = false;
    rv_gate_submit(door->node->gate, &request);
    ck_assert(node_wait(door->node, &door->done, WAIT_MS));
    json_decref(args);
    json_decref(roles);
    return (rv_mono_us(rv_clock_system()) - begin_us) / 1000;
}

static int64_t ask(struct door *door, const char *role, const char *command_id, bool dry_run)
{
    return ask_with(door, role, command_id, dry_run, 0);
}

TEST(a_detection_of_many_portions_is_one_action)
{
    struct door door;
    door_open(&door);
    ck_assert_int_ge(ask(&door, "operator", "first", false), LOOK_MS);
    ck_assert_msg(door.code == RV_OK && door.result == RV_GATE_EXECUTED, "%s", door.message);
    ck_assert_int_eq(rv_json_int(door.answer, "raised", -1), FOUND);
    ck_assert_int_eq(door.last_event - door.first_event, 2); /* three portions of at most 250 */
    ck_assert_int_eq(number(&door, "SELECT count(*) FROM exception WHERE state = 'open'"), FOUND);
    /* one decision, one outcome, one answer, one use of the limit */
    ck_assert_int_eq(number(&door, "SELECT count(*) FROM audit_record WHERE kind = 'decision'"), 1);
    ck_assert_int_eq(number(&door, "SELECT count(*) FROM audit_record WHERE kind = 'outcome'"), 1);
    ck_assert_int_eq(number(&door, "SELECT count(*) FROM command_log"), 1);
    ck_assert_int_eq(number(&door, "SELECT (answer->>'raised')::int FROM command_log"), FOUND);
    ck_assert_int_eq(number(&door, "SELECT last_seq - first_seq FROM command_log"), 2);
    ck_assert_int_eq(number(&door, "SELECT sum(used) FROM limit_use"), 1);
    ck_assert_int_eq(number(&door, "SELECT count(DISTINCT command_id) FROM event"), 1);
    /* the same id again is that answer, at once; another id is over the limit, and nobody looks */
    ck_assert_int_lt(ask(&door, "operator", "first", false), LOOK_MS);
    ck_assert_int_eq(door.result, RV_GATE_REPEATED);
    ck_assert_int_eq(rv_json_int(door.answer, "raised", -1), FOUND);
    ck_assert_int_lt(ask(&door, "operator", "second", false), LOOK_MS);
    ck_assert_int_eq(door.result, RV_GATE_DENIED);
    door_close(&door);
}

TEST(who_may_not_detect_makes_nobody_look)
{
    struct door door;
    door_open(&door);
    ck_assert_int_lt(ask(&door, "visitor", "v", false), LOOK_MS);
    ck_assert_int_eq(door.result, RV_GATE_DENIED);
    ck_assert_int_eq(number(&door, "SELECT count(*) FROM audit_record WHERE kind = 'decision'"), 1);
    ck_assert_int_eq(number(&door, "SELECT count(*) FROM event"), 0);
    door_close(&door);
}

TEST(a_dry_run_and_a_held_request_write_nothing_of_it)
{
    struct door door;
    door_open(&door);
    ask(&door, "operator", "dry", true);
    ck_assert_int_eq(door.result, RV_GATE_EXECUTED);
    ck_assert_int_eq(rv_json_int(door.answer, "raised", -1), FOUND);
    ck_assert_int_eq(number(&door, "SELECT count(*) FROM audit_record"), 0);
    ask(&door, "trainee", "held", false);
    ck_assert_int_eq(door.result, RV_GATE_HELD);
    ck_assert_int_eq(number(&door, "SELECT count(*) FROM approval WHERE status = 'requested'"), 1);
    ck_assert_int_eq(number(&door, "SELECT count(*) FROM event"), 0);
    ck_assert_int_eq(number(&door, "SELECT count(*) FROM exception"), 0);
    door_close(&door);
}

static void on_vote(void *data, enum rv_code code, const json_t *status, const struct rv_error *err)
{
    (void)status;
    ck_assert_msg(code == RV_OK, "%s", err->message);
    *(bool *)data = true;
}

/* Whoever said yes said it to one rule; when that rule has come to want more people, it is asked
 * again, also when its name is still the same. */
TEST(a_rule_that_wants_more_people_voids_what_was_approved)
{
    struct door door;
    door_open(&door);
    test_postgres_execute(door.superuser, "INSERT INTO person (tenant_id, name, roles) VALUES"
                                          " (1, 'boss', '{operator}')");
    ask(&door, "trainee", "held", false);
    ck_assert_int_eq(door.result, RV_GATE_HELD);
    int64_t approval = door.approval;
    bool voted = false;
    struct rv_vote vote = {
        .tenant = 1, .approval = approval, .person = "boss", .approve = true, .channel = "cli"};
    rv_approval_vote(door.node->approvals, &vote, on_vote, &voted);
    ck_assert(node_wait(door.node, &voted, WAIT_MS));
    char tighter[sizeof bundle + 16];
    const char *at = strstr(bundle, "{ role = 'operator' }");
    snprintf(tighter, sizeof tighter, "%.*s{ role = 'operator', n = 2 }%s", (int)(at - bundle),
             bundle, at + strlen("{ role = 'operator' }"));
    activate(&door, tighter);
    ask_with(&door, "trainee", "again", false, approval);
    ck_assert_int_eq(door.result, RV_GATE_VOID);
    ck_assert_int_eq(number(&door, "SELECT count(*) FROM event"), 0);
    ck_assert_int_eq(number(&door, "SELECT count(*) FROM approval WHERE status = 'void'"), 1);
    door_close(&door);
}

TEST(a_look_that_fails_leaves_nothing_and_says_why)
{
    struct door door;
    door_open(&door);
    test_postgres_execute(door.superuser,
                          "CREATE OR REPLACE FUNCTION detect_f12(tenant int, today date)"
                          " RETURNS SETOF finding LANGUAGE plpgsql STABLE AS $$ BEGIN"
                          " RAISE EXCEPTION 'a detector broke'; END $$");
    ask(&door, "operator", "broken", false);
    ck_assert_int_ne(door.code, RV_OK);
    ck_assert_str_ne(door.message, "");
    ck_assert_int_eq(number(&door, "SELECT count(*) FROM event"), 0);
    ck_assert_int_eq(number(&door, "SELECT count(*) FROM command_log"), 0);
    door_close(&door);
}

/* Which limits apply is guessed from the last requests; what is used of them is always counted. */
TEST(a_guess_about_limits_decides_nothing)
{
    static const char renamed[] =
        "return bundle { name = 'look', schema = 'erp.v1',\n"
        "  permit { id = 'operator', persons = role 'operator', action = 'exception.detect' },\n"
        "  limit { id = 'again', persons = role 'operator', action = 'exception.detect',\n"
        "    count = true, per = { 'principal' }, window = '1h', cap = 1, over = 'deny' },\n"
        "}\n";
    static const char *const ids[] = {"r1", "r2", "r3"};
    struct door door;
    door_open(&door);
    for (size_t i = 0; i < RV_COUNT(ids); i++) { /* from the third on it is guessed */
        ask(&door, "operator", ids[i], true);
        ck_assert_int_eq(door.result, RV_GATE_EXECUTED);
    }
    ask(&door, "operator", "first", false);
    ck_assert_int_eq(door.result, RV_GATE_EXECUTED);
    ask(&door, "operator", "second", false); /* guessed, and used up */
    ck_assert_int_eq(door.result, RV_GATE_DENIED);
    activate(&door, renamed);
    ask(&door, "operator", "third", false); /* another limit than was guessed: nothing used */
    ck_assert_int_eq(door.result, RV_GATE_EXECUTED);
    ask(&door, "operator", "fourth", false);
    ck_assert_int_eq(door.result, RV_GATE_DENIED);
    ck_assert_int_eq(number(&door, "SELECT sum(used) FROM limit_use WHERE rule = 'once'"), 1);
    ck_assert_int_eq(number(&door, "SELECT sum(used) FROM limit_use WHERE rule = 'again'"), 1);
    door_close(&door);
}

TEST_MAIN_WITH(test_postgres_start(TEST_PG_FAST))
