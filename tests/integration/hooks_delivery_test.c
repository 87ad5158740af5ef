/* hooks_delivery_test.c -- the outbox reaches a real receiver over real sockets: signed, retried,
 * given up, disabled, never redirected and never sent to private addresses unless allowed. */
#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/hooks/endpoint.h"
#include "runtime/hooks/sender.h"
#include "tests/support/hook_key.h"
#include "tests/support/http_fixture.h"
#include "tests/support/postgres.h"
#include "tests/support/test.h"

#include "hooks_sql.h"
#include "test_http_sql.h"

#include <inttypes.h>

enum { ATTEMPTS_MAX = 64 };

struct attempt {
    char path[64];
    char id[80], timestamp[32], signature[400];
    char body[600];
    int64_t at_us;
};

struct world {
    struct http_fixture fixture;
    struct rv_http_server *receiver;
    struct rv_hooks *hooks;
    struct attempt attempts[ATTEMPTS_MAX];
    int attempt_count;
    int fail_first; /* so many answers are 503 */
    struct rv_exchange *held;
    bool hooks_closed, receiver_closed;
};

/* ---- the receiver: the path says how it behaves ---- */

static void receiver_admit(void *data, struct rv_exchange *exchange, size_t *body_max)
{
    (void)data;
    (void)exchange;
    *body_max = 100000;
}

static void keep(char *out, size_t size, const struct rv_exchange *exchange, const char *name)
{
    const char *value = rv_http_field(rv_exchange_request(exchange), name);
    snprintf(out, size, "%s", value != NULL ? value : "");
}

static void receiver_handle(void *data, struct rv_exchange *exchange)
{
    struct world *world = data;
    const struct rv_http_request *request = rv_exchange_request(exchange);
    RV_ASSERT(world->attempt_count < ATTEMPTS_MAX);
    struct attempt *attempt = &world->attempts[world->attempt_count++];
    snprintf(attempt->path, sizeof attempt->path, "%s", request->path);
    snprintf(attempt->body, sizeof attempt->body, "%s", request->body.data);
    keep(attempt->id, sizeof attempt->id, exchange, "webhook-id");
    keep(attempt->timestamp, sizeof attempt->timestamp, exchange, "webhook-timestamp");
    keep(attempt->signature, sizeof attempt->signature, exchange, "webhook-signature");
    attempt->at_us = rv_mono_us(rv_clock_system());
    if (strcmp(request->path, "/redirect") == 0) {
        rv_exchange_field(exchange, "Location", "/good");
        rv_exchange_answer(exchange, 302, "text/plain", "", 0);
    } else if (strcmp(request->path, "/gone") == 0) {
        rv_exchange_answer(exchange, 410, "text/plain", "", 0);
    } else if (strcmp(request->path, "/hang") == 0) {
        world->held = exchange;
    } else if (strcmp(request->path, "/busy") == 0 && world->attempt_count == 1) {
        rv_exchange_field(exchange, "Retry-After", "1");
        rv_exchange_answer(exchange, 429, "text/plain", "", 0);
    } else if (strcmp(request->path, "/flood") == 0) {
        static char much[1 << 20];
        memset(much, 'x', sizeof much);
        rv_exchange_answer(exchange, 200, "text/plain", much, sizeof much);
    } else if (world->attempt_count <= world->fail_first) {
        rv_exchange_answer(exchange, 503, "text/plain", "", 0);
    } else {
        rv_exchange_answer(exchange, 200, "text/plain", "ok", 2);
    }
}

/* ---- a world with a sender that retries within milliseconds ---- */

static const int64_t quick[] = {20, 40, 60};

static void world_open(struct world *world)
{
    struct rv_error err = {.code = RV_OK};
    *world = (struct world){.fail_first = 0};
    rv_log_level(RV_LOG_SILENT);
    http_fixture_open(&world->fixture, 0);
    struct rv_http_options options = {.loop = world->fixture.loop,
                                      .admit = receiver_admit,
                                      .handle = receiver_handle,
                                      .data = world};
    ck_assert_int_eq(rv_http_server_create(&options, &world->receiver, &err), RV_OK);
    world->hooks = rv_hooks_create(&(struct rv_hooks_options){.loop = world->fixture.loop,
                                                              .db = world->fixture.db,
                                                              .vault = world->fixture.vault,
                                                              .retry_ms = quick,
                                                              .retry_count = RV_COUNT(quick),
                                                              .timeout_ms = 400,
                                                              .look_ms = 50});
}

static void on_hooks_closed(void *data)
{
    ((struct world *)data)->hooks_closed = true;
}

static void on_receiver_closed(void *data)
{
    ((struct world *)data)->receiver_closed = true;
}

static void world_close(struct world *world)
{
    if (world->held != NULL) {
        rv_exchange_answer(world->held, 200, "text/plain", "", 0);
    }
    rv_hooks_close(world->hooks, on_hooks_closed, world);
    rv_http_server_close(world->receiver, on_receiver_closed, world);
    while (!world->hooks_closed || !world->receiver_closed) {
        rv_loop_run_once(world->fixture.loop, 100);
    }
    http_fixture_close(&world->fixture);
}

static struct rv_hook_endpoint_keys add_endpoint(struct world *world, const char *path,
                                                 const char *events, bool allow_private)
{
    struct rv_error err = {.code = RV_OK};
    struct rv_hook_endpoint_keys made;
    char url[120];
    snprintf(url, sizeof url, "%s://127.0.0.1:%d%s", allow_private ? "http" : "https",
             rv_http_server_port(world->receiver), path);
    struct rv_hook_endpoint endpoint = {
        .url = url, .events = events, .allow_private = allow_private};
    ck_assert_int_eq(rv_hook_endpoint_add(world->fixture.session, world->fixture.tenant,
                                          world->fixture.vault, &endpoint,
                                          rv_now_us(rv_clock_system()), &made, &err),
                     RV_OK);
    return made;
}

static void say(struct world *world, int64_t id, const char *event)
{
    struct rv_args *args = rv_args_create(&rv_sql_fixture_outbox);
    json_t *body = json_pack("{s:I, s:s}", "approval", (json_int_t)INT64_C(9007199254740993),
                             "text", "\xc3\xa4 \"quoted\"");
    rv_args_i32(args, 1, world->fixture.tenant);
    rv_args_i64(args, 2, id);
    rv_args_text(args, 3, event);
    rv_args_json(args, 4, body);
    json_decref(body);
    http_fixture_run(&world->fixture, world->fixture.tenant, &rv_sql_fixture_outbox, args, NULL,
                     NULL);
}

struct counts {
    int64_t delivered, dead, pending, attempts;
};

static enum rv_code take_counts(void *data, const struct rv_result *result, int row,
                                struct rv_error *err)
{
    (void)err;
    *(struct counts *)data =
        (struct counts){rv_result_i64(result, row, 0), rv_result_i64(result, row, 1),
                        rv_result_i64(result, row, 2), rv_result_i64(result, row, 3)};
    return RV_OK;
}

static struct counts count(struct world *world)
{
    struct counts counts = {0};
    struct rv_args *args = rv_args_create(&rv_sql_fixture_deliveries);
    rv_args_i32(args, 1, world->fixture.tenant);
    http_fixture_run(&world->fixture, world->fixture.tenant, &rv_sql_fixture_deliveries, args,
                     take_counts, &counts);
    return counts;
}

/* Runs the loop until so many deliveries are settled, at most 8 s. */
static struct counts settle(struct world *world, int64_t settled)
{
    struct counts counts = {0};
    for (int i = 0; i < 400; i++) {
        rv_loop_run_once(world->fixture.loop, 20);
        if (i % 4 == 3) {
            counts = count(world);
            if (counts.delivered + counts.dead >= settled) {
                break;
            }
        }
    }
    return counts;
}

static bool signs(const struct attempt *attempt, const char *secret_text)
{
    uint8_t secret[RV_HOOK_SECRET_MAX];
    size_t length = 0;
    struct rv_hook_message message = {attempt->id, attempt->timestamp, attempt->body,
                                      strlen(attempt->body)};
    ck_assert(hook_key_read("whsec_", secret_text, secret, &length));
    struct rv_hook_keys keys = {.secret = secret, .secret_length = length};
    return rv_hook_verify(&keys, &message, attempt->signature);
}

static void check_signature(const struct attempt *attempt, const char *secret_text)
{
    ck_assert(signs(attempt, secret_text));
    ck_assert(rv_hook_is_fresh(attempt->timestamp, rv_now_us(rv_clock_system())));
}

/* ---- tests ---- */

TEST(messages_are_delivered_once_to_those_who_want_them)
{
    static struct world world;
    world_open(&world);
    struct rv_hook_endpoint_keys all = add_endpoint(&world, "/all", "", true);
    add_endpoint(&world, "/approvals", "approval.*", true);
    add_endpoint(&world, "/runs", "run.failed", true);
    say(&world, 101, "approval.requested");
    say(&world, 102, "run.failed");
    struct counts counts = settle(&world, 4);
    ck_assert_int_eq((int)counts.delivered, 4);
    ck_assert_int_eq(world.attempt_count, 4);
    for (int i = 0; i < 4; i++) {
        const struct attempt *attempt = &world.attempts[i];
        if (strcmp(attempt->path, "/all") == 0) {
            check_signature(attempt, all.secret);
            ck_assert_ptr_nonnull(strstr(attempt->signature, "v1a,"));
        }
        ck_assert_ptr_nonnull(strstr(attempt->body, "\"approval\": \"9007199254740993\""));
        ck_assert(strstr(attempt->path, "runs") == NULL ||
                  strstr(attempt->body, "run.failed") != NULL);
        ck_assert(strncmp(attempt->id, "msg_", 4) == 0);
    }
    world_close(&world);
}

TEST(an_event_that_is_never_announced_is_refused_with_those_that_are)
{
    static const char *const good[] = {"", "approval.*", "run.failed", "approval.void,run.*"};
    static const char *const wrong[] = {"run.done", "runs.*",      "approval",
                                        ".*",       "approval.*,", "approval.void, run.failed"};
    for (size_t i = 0; i < RV_COUNT(good); i++) {
        struct rv_error err = {.code = RV_OK};
        ck_assert_int_eq(rv_hook_events_check(good[i], &err), RV_OK);
    }
    for (size_t i = 0; i < RV_COUNT(wrong); i++) {
        struct rv_error err = {.code = RV_OK};
        ck_assert_int_eq(rv_hook_events_check(wrong[i], &err), RV_INVALID);
        ck_assert(strstr(err.hint, "approval.requested") != NULL);
    }
}

TEST(a_failing_receiver_gets_the_same_message_again)
{
    static struct world world;
    world_open(&world);
    world.fail_first = 2;
    struct rv_hook_endpoint_keys made = add_endpoint(&world, "/shaky", "", true);
    say(&world, 101, "approval.requested");
    struct counts counts = settle(&world, 1);
    ck_assert_int_eq((int)counts.delivered, 1);
    ck_assert_int_eq((int)counts.attempts, 3);
    ck_assert_int_eq(world.attempt_count, 3);
    ck_assert_str_eq(world.attempts[0].id, world.attempts[2].id);
    check_signature(&world.attempts[2], made.secret);
    world_close(&world);
}

TEST(after_the_last_failure_it_is_a_dead_letter_that_can_be_sent_again)
{
    static struct world world;
    struct rv_error err = {.code = RV_OK};
    int again = 0;
    world_open(&world);
    world.fail_first = 4;
    add_endpoint(&world, "/down", "", true);
    say(&world, 101, "approval.requested");
    struct counts counts = settle(&world, 1);
    ck_assert_int_eq((int)counts.dead, 1);
    ck_assert_int_eq(world.attempt_count, 4);
    ck_assert_int_eq(rv_hook_redrive(world.fixture.session, world.fixture.tenant, 0, &again, &err),
                     RV_OK);
    ck_assert_int_eq(again, 1);
    counts = settle(&world, 1);
    ck_assert_int_eq((int)counts.delivered, 1);
    world_close(&world);
}

static enum rv_code take_bool(void *data, const struct rv_result *result, int row,
                              struct rv_error *err)
{
    (void)err;
    *(bool *)data = rv_result_bool(result, row, 0);
    return RV_OK;
}

TEST(gone_disables_the_endpoint)
{
    static struct world world;
    bool enabled = true;
    world_open(&world);
    struct rv_hook_endpoint_keys made = add_endpoint(&world, "/gone", "", true);
    say(&world, 101, "approval.requested");
    ck_assert_int_eq((int)settle(&world, 1).dead, 1);
    ck_assert_int_eq(world.attempt_count, 1);
    for (int i = 0; i < 50 && enabled; i++) {
        rv_loop_run_once(world.fixture.loop, 20);
        struct rv_args *args = rv_args_create(&rv_sql_fixture_endpoint_enabled);
        rv_args_i32(args, 1, world.fixture.tenant);
        rv_args_i64(args, 2, made.id);
        http_fixture_run(&world.fixture, world.fixture.tenant, &rv_sql_fixture_endpoint_enabled,
                         args, take_bool, &enabled);
    }
    ck_assert(!enabled);
    world_close(&world);
}

TEST(redirects_are_failures_and_never_followed)
{
    static struct world world;
    world_open(&world);
    add_endpoint(&world, "/redirect", "", true);
    say(&world, 101, "approval.requested");
    ck_assert_int_eq((int)settle(&world, 1).dead, 1);
    for (int i = 0; i < world.attempt_count; i++) {
        ck_assert_str_eq(world.attempts[i].path, "/redirect");
    }
    world_close(&world);
}

TEST(private_addresses_are_refused_unless_the_endpoint_allows_them)
{
    static struct world world;
    world_open(&world);
    add_endpoint(&world, "/secret", "", false);
    say(&world, 101, "approval.requested");
    ck_assert_int_eq((int)settle(&world, 1).dead, 1);
    ck_assert_int_eq(world.attempt_count, 0);
    world_close(&world);
}

TEST(a_receiver_that_hangs_times_out_and_one_that_floods_counts)
{
    static struct world world;
    world_open(&world);
    add_endpoint(&world, "/hang", "run.*", true);
    add_endpoint(&world, "/flood", "approval.*", true);
    say(&world, 101, "approval.requested");
    ck_assert_int_eq((int)settle(&world, 1).delivered, 1); /* 200 was said; the rest is not read */
    say(&world, 102, "run.failed");
    for (int i = 0; i < 40 && count(&world).attempts < 2; i++) {
        rv_loop_run_once(world.fixture.loop, 50);
    }
    ck_assert_int_ge((int)count(&world).attempts, 2);
    world_close(&world);
}

TEST(retry_after_is_respected)
{
    static struct world world;
    world_open(&world);
    add_endpoint(&world, "/busy", "", true);
    say(&world, 101, "approval.requested");
    ck_assert_int_eq((int)settle(&world, 1).delivered, 1);
    ck_assert_int_eq(world.attempt_count, 2);
    ck_assert_int_ge((int)((world.attempts[1].at_us - world.attempts[0].at_us) / 1000), 900);
    world_close(&world);
}

TEST(after_a_rotation_both_secrets_sign)
{
    static struct world world;
    struct rv_error err = {.code = RV_OK};
    char fresh[RV_HOOK_KEY_TEXT];
    world_open(&world);
    struct rv_hook_endpoint_keys made = add_endpoint(&world, "/rotated", "", true);
    ck_assert_int_eq(rv_hook_endpoint_rotate(world.fixture.session, world.fixture.tenant,
                                             world.fixture.vault, made.id, RV_HOOK_OVERLAP_S, fresh,
                                             &err),
                     RV_OK);
    say(&world, 101, "approval.requested");
    ck_assert_int_eq((int)settle(&world, 1).delivered, 1);
    check_signature(&world.attempts[0], made.secret);
    check_signature(&world.attempts[0], fresh);
    /* a stolen one ends at once: only the newest signs */
    char newest[RV_HOOK_KEY_TEXT];
    ck_assert_int_eq(rv_hook_endpoint_rotate(world.fixture.session, world.fixture.tenant,
                                             world.fixture.vault, made.id, 0, newest, &err),
                     RV_OK);
    say(&world, 102, "approval.requested");
    ck_assert_int_eq((int)settle(&world, 2).delivered, 2);
    check_signature(&world.attempts[1], newest);
    ck_assert(!signs(&world.attempts[1], fresh));
    world_close(&world);
}

/* ---- secrets at rest ---- */

static void intrude(struct world *world, const char *sql)
{
    char *uri = test_postgres_superuser(world->fixture.uri);
    test_postgres_execute(uri, sql);
    rv_free(uri);
}

static enum rv_code is_bare(void *data, const struct rv_result *result, int row,
                            struct rv_error *err)
{
    (void)err;
    *(bool *)data = rv_result_length(result, row, 1) <= 2 + 2 * (size_t)RV_HOOK_SECRET_MAX ||
                    rv_result_length(result, row, 3) <= 2 + 2 * (size_t)RV_HOOK_SECRET_MAX;
    return RV_OK;
}

static bool stored_bare(struct world *world)
{
    bool bare = false;
    struct rv_args *args = rv_args_create(&rv_sql_hook_secrets);
    rv_args_i32(args, 1, world->fixture.tenant);
    http_fixture_run(&world->fixture, world->fixture.tenant, &rv_sql_hook_secrets, args, is_bare,
                     &bare);
    return bare;
}

TEST(what_an_earlier_version_stored_bare_is_sealed_and_goes_on_signing)
{
    static struct world world;
    struct rv_error err = {.code = RV_OK};
    char sql[300];
    int sealed = 0;
    world_open(&world);
    struct rv_hook_endpoint_keys made = add_endpoint(&world, "/old", "", true);
    ck_assert(!stored_bare(&world));
    snprintf(sql, sizeof sql,
             "UPDATE hook_endpoint SET secret = decode(substr('%s', 7), 'base64'), sign_seed = "
             "decode(repeat('07', 32), 'hex')",
             made.secret);
    intrude(&world, sql);
    ck_assert(stored_bare(&world));
    ck_assert_int_eq(rv_hook_endpoints_seal(world.fixture.session, world.fixture.tenant,
                                            world.fixture.vault, &sealed, &err),
                     RV_OK);
    ck_assert_int_eq(sealed, 1);
    ck_assert(!stored_bare(&world));
    ck_assert_int_eq(rv_hook_endpoints_seal(world.fixture.session, world.fixture.tenant,
                                            world.fixture.vault, &sealed, &err),
                     RV_OK);
    ck_assert_int_eq(sealed, 0);
    say(&world, 101, "run.failed");
    ck_assert_int_eq((int)settle(&world, 1).delivered, 1);
    check_signature(&world.attempts[0], made.secret);
    world_close(&world);
}

TEST(a_secret_that_does_not_open_sends_nothing_and_is_named)
{
    static struct world world;
    struct rv_error err = {.code = RV_OK};
    int sealed = 0;
    world_open(&world);
    add_endpoint(&world, "/one", "", true);
    add_endpoint(&world, "/two", "", true);
    /* another row's secret in this row: what somebody with the database in hand would try */
    intrude(
        &world,
        "UPDATE hook_endpoint SET secret = (SELECT secret FROM hook_endpoint ORDER BY id LIMIT 1)");
    ck_assert_int_eq(rv_hook_endpoints_seal(world.fixture.session, world.fixture.tenant,
                                            world.fixture.vault, &sealed, &err),
                     RV_CORRUPT);
    ck_assert_ptr_nonnull(strstr(err.hint, "reeve hook rotate"));
    say(&world, 101, "run.failed");
    ck_assert_int_eq((int)settle(&world, 2).delivered, 1);
    ck_assert_int_eq((int)world.attempt_count, 1);
    /* a bare one that somebody wrote is not believed either */
    intrude(&world, "UPDATE hook_endpoint SET secret = decode(repeat('01', 32), 'hex')");
    say(&world, 102, "run.failed");
    settle(&world, 4);
    ck_assert_int_eq((int)world.attempt_count, 1);
    world_close(&world);
}

TEST(many_messages_go_out_side_by_side_and_none_is_lost)
{
    static struct world world;
    world_open(&world);
    add_endpoint(&world, "/many", "", true);
    for (int i = 0; i < 50; i++) {
        say(&world, 1000 + i, "run.failed");
    }
    ck_assert_int_eq((int)settle(&world, 50).delivered, 50);
    ck_assert_int_eq(world.attempt_count, 50);
    world_close(&world);
}

TEST(the_schedule_is_the_specifications)
{
    struct rv_post_result failed = {.status = 500}, slow = {.status = 503, .retry_after_s = 7200};
    int64_t wait = 0, sum = 0;
    ck_assert_int_eq(rv_hook_schedule_count, 9);
    for (int attempt = 1; attempt <= 9; attempt++) {
        ck_assert_int_eq(rv_hook_decide(&failed, attempt, rv_hook_schedule_ms, 9, 12345u, &wait),
                         RV_HOOK_RETRY);
        ck_assert_int_ge((int)(wait / 100), (int)(rv_hook_schedule_ms[attempt - 1] * 9 / 1000));
        ck_assert_int_le((int)(wait / 100), (int)(rv_hook_schedule_ms[attempt - 1] * 11 / 1000));
        sum += rv_hook_schedule_ms[attempt - 1];
    }
    ck_assert_int_eq((int)(sum / 1000), 75 * 3600 + 35 * 60 + 5);
    ck_assert_int_eq(rv_hook_decide(&failed, 10, rv_hook_schedule_ms, 9, 1, &wait), RV_HOOK_DEAD);
    ck_assert_int_eq(rv_hook_decide(&slow, 1, rv_hook_schedule_ms, 9, 1, &wait), RV_HOOK_RETRY);
    ck_assert_int_eq((int)wait, 7200000);
}

int main(int argc, char **argv)
{
    test_postgres_start(TEST_PG_FAST);
    return test_main(argc, argv);
}
