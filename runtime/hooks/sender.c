/* sender.c -- look, fan out, claim, sign, post, record. */
#include "runtime/hooks/sender.h"

#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/base/random.h"
#include "runtime/hooks/column.h"
#include "runtime/hooks/sign.h"

#include "hooks_sql.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)

/* Standard Webhooks: attempt at once, then after 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24
 * h. */
const int64_t rv_hook_schedule_ms[] = {5 * SECOND, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR,
                                       10 * HOUR,  14 * HOUR,  20 * HOUR,   24 * HOUR};
const int rv_hook_schedule_count = RV_COUNT(rv_hook_schedule_ms);

enum { HEADER_TEXT = 600, ID_TEXT = 64, SIGNATURES_MAX = 1024, JITTER_PERCENT = 10 };

struct rv_hooks {
    struct rv_hooks_options options;
    struct rv_poster *poster;
    struct rv_timer *timer;
    struct rv_random random;
    struct tenant_work *tenants; /* tenants being worked on now */
    struct delivery *deliveries; /* in flight */
    int in_flight;
    int queries; /* database answers still to come */
    bool looking;
    bool closing, poster_closed;
    void (*closed)(void *data);
    void *closed_data;
};

/* One tenant's turn: fan out, claim, send; removed when nothing is left. */
struct tenant_work {
    struct rv_hooks *hooks;
    struct tenant_work *next;
    int32_t tenant;
    bool again; /* poked meanwhile */
    bool busy;  /* a query is on its way */
    int in_flight;
};

struct delivery {
    struct rv_hooks *hooks;
    struct delivery *previous, *next;
    struct tenant_work *work;
    int32_t tenant;
    int64_t message, endpoint;
    int attempt;
};

static void fan_out(struct tenant_work *work);
static void claim(struct tenant_work *work);

/* ---- pure ---- */

enum rv_hook_next rv_hook_decide(const struct rv_post_result *result, int attempt,
                                 const int64_t *retry_ms, int retry_count, uint64_t random,
                                 int64_t *wait_ms)
{
    *wait_ms = 0;
    if (result->status >= 200 && result->status < 300) {
        return RV_HOOK_DELIVERED;
    }
    if (result->status == 410) {
        return RV_HOOK_GONE;
    }
    if (attempt > retry_count) {
        return RV_HOOK_DEAD;
    }
    int64_t wait = retry_ms[attempt - 1];
    int64_t spread = wait * JITTER_PERCENT / 100;
    wait += spread > 0 ? (int64_t)(random % (uint64_t)(2 * spread + 1)) - spread : 0;
    int64_t asked = result->retry_after_s < 24 * 3600 ? result->retry_after_s * SECOND : 24 * HOUR;
    *wait_ms = asked > wait ? asked : wait;
    return RV_HOOK_RETRY;
}

/* ---- ending ---- */

static void release(struct rv_hooks *hooks)
{
    if (!hooks->closing || !hooks->poster_closed || hooks->queries > 0) {
        return;
    }
    while (hooks->tenants != NULL) {
        struct tenant_work *next = hooks->tenants->next;
        rv_free(hooks->tenants);
        hooks->tenants = next;
    }
    void (*closed)(void *data) = hooks->closed;
    void *data = hooks->closed_data;
    rv_free(hooks);
    if (closed != NULL) {
        closed(data);
    }
}

static void on_poster_closed(void *data)
{
    struct rv_hooks *hooks = data;
    hooks->poster_closed = true;
    release(hooks);
}

static void unlink_delivery(struct delivery *delivery)
{
    struct rv_hooks *hooks = delivery->hooks;
    if (delivery->previous != NULL) {
        delivery->previous->next = delivery->next;
    } else {
        hooks->deliveries = delivery->next;
    }
    if (delivery->next != NULL) {
        delivery->next->previous = delivery->previous;
    }
    hooks->in_flight--;
    delivery->work->in_flight--;
}

void rv_hooks_close(struct rv_hooks *hooks, void (*closed)(void *data), void *data)
{
    if (hooks == NULL) {
        if (closed != NULL) {
            closed(data);
        }
        return;
    }
    hooks->closing = true;
    hooks->closed = closed;
    hooks->closed_data = data;
    rv_timer_close(hooks->timer);
    while (hooks->deliveries != NULL) {
        struct delivery *delivery = hooks->deliveries;
        unlink_delivery(delivery);
        rv_free(delivery);
    }
    rv_poster_close(hooks->poster, on_poster_closed, hooks);
}

/* Common to all database answers: counts, logs, and says whether to go on. */
static bool may_go_on(struct rv_hooks *hooks, enum rv_code code, const struct rv_error *err)
{
    hooks->queries--;
    if (code != RV_OK && !hooks->closing) {
        rv_log_error("hooks", "HOOK-DB", err); /* the next look tries again */
    }
    return code == RV_OK && !hooks->closing;
}

/* ---- recording an attempt ---- */

static void on_recorded(void *data, enum rv_code code, const struct rv_result *result,
                        const struct rv_error *err)
{
    (void)result;
    struct rv_hooks *hooks = data;
    may_go_on(hooks, code, err); /* a lost record means another delivery: at least once */
    release(hooks);
}

static void record(struct rv_hooks *hooks, const struct delivery *delivery, const char *status,
                   int64_t wait_ms, const struct rv_post_result *result)
{
    struct rv_args *args = rv_args_create(&rv_sql_hook_outcome);
    rv_args_i32(args, 1, delivery->tenant);
    rv_args_i64(args, 2, delivery->message);
    rv_args_i64(args, 3, delivery->endpoint);
    rv_args_text(args, 4, status);
    rv_args_i64(args, 5, wait_ms);
    rv_args_i32(args, 6, result->status);
    rv_args_text(args, 7, result->error[0] != '\0' ? result->error : NULL);
    hooks->queries++;
    rv_db_query(hooks->options.db, delivery->tenant, &rv_sql_hook_outcome, args, on_recorded,
                hooks);
}

static void disable(struct rv_hooks *hooks, const struct delivery *delivery)
{
    struct rv_args *args = rv_args_create(&rv_sql_hook_disable);
    rv_args_i32(args, 1, delivery->tenant);
    rv_args_i64(args, 2, delivery->endpoint);
    rv_args_text(args, 3, "the receiver answered 410 Gone");
    hooks->queries++;
    rv_db_query(hooks->options.db, delivery->tenant, &rv_sql_hook_disable, args, on_recorded,
                hooks);
}

static void on_posted(void *data, const struct rv_post_result *result)
{
    struct delivery *delivery = data;
    struct rv_hooks *hooks = delivery->hooks;
    struct tenant_work *work = delivery->work;
    int64_t wait_ms = 0;
    switch (rv_hook_decide(result, delivery->attempt, hooks->options.retry_ms,
                           hooks->options.retry_count, rv_random_next(&hooks->random), &wait_ms)) {
    case RV_HOOK_DELIVERED: record(hooks, delivery, "delivered", 0, result); break;
    case RV_HOOK_RETRY:
        rv_log(RV_LOG_WARN, "hooks", "HOOK-RETRY",
               "delivery failed tenant=%d endpoint=%" PRId64
               " attempt=%d status=%d wait_ms=%" PRId64 " reason=\"%s\"",
               (int)delivery->tenant, delivery->endpoint, delivery->attempt, result->status,
               wait_ms, result->error);
        record(hooks, delivery, "pending", wait_ms, result);
        break;
    case RV_HOOK_GONE:
        disable(hooks, delivery);
        record(hooks, delivery, "dead", 0, result);
        break;
    case RV_HOOK_DEAD:
        rv_log(RV_LOG_ERROR, "hooks", "HOOK-DEAD",
               "delivery given up tenant=%d endpoint=%" PRId64 " message=%" PRId64
               " status=%d; send it again with \"reeve hook redrive\"",
               (int)delivery->tenant, delivery->endpoint, delivery->message, result->status);
        record(hooks, delivery, "dead", 0, result);
        break;
    default: RV_UNREACHABLE("unknown next step of a delivery");
    }
    unlink_delivery(delivery);
    rv_free(delivery);
    claim(work); /* there may be more */
}

/* ---- sending ---- */

static void send_one(struct tenant_work *work, const struct rv_result *result, int row)
{
    struct rv_hooks *hooks = work->hooks;
    uint8_t secret[RV_HOOK_SECRET_MAX], old_secret[RV_HOOK_SECRET_MAX], seed[RV_HOOK_SECRET_MAX];
    struct rv_hook_keys keys = {.secret = secret, .old_secret = old_secret, .seed = seed};
    struct rv_hook_message message = {.body = rv_result_text(result, row, 8),
                                      .length = rv_result_length(result, row, 8)};
    char id[ID_TEXT], timestamp[ID_TEXT], headers[3][HEADER_TEXT + SIGNATURES_MAX];
    char trace[RV_TRACE_HEADER_MAX] = "";
    struct rv_buf signatures;
    struct delivery *delivery = rv_alloc(sizeof *delivery);
    *delivery = (struct delivery){.hooks = hooks,
                                  .work = work,
                                  .tenant = work->tenant,
                                  .message = rv_result_i64(result, row, 0),
                                  .endpoint = rv_result_i64(result, row, 1),
                                  .attempt = (int)rv_result_i64(result, row, 2),
                                  .next = hooks->deliveries};
    if (delivery->next != NULL) {
        delivery->next->previous = delivery;
    }
    hooks->deliveries = delivery;
    hooks->in_flight++;
    work->in_flight++;
    const struct rv_hook_vault *vault = hooks->options.vault;
    keys.secret_length = rv_hook_column_open(vault, work->tenant, delivery->endpoint,
                                             RV_HOOK_FIELD_SECRET, result, row, 5, secret);
    keys.old_secret_length = rv_hook_column_open(vault, work->tenant, delivery->endpoint,
                                                 RV_HOOK_FIELD_SECRET, result, row, 6, old_secret);
    keys.old_secret = keys.old_secret_length > 0 ? old_secret : NULL;
    keys.seed = rv_hook_column_open(vault, work->tenant, delivery->endpoint, RV_HOOK_FIELD_SEED,
                                    result, row, 7, seed) == RV_HOOK_SEED_BYTES
                    ? seed
                    : NULL;
    if (keys.secret_length == 0) { /* unsigned it must not go out */
        static const struct rv_post_result unopened = {
            .error = "the endpoint's secret does not open with this node's hook key"};
        on_posted(delivery, &unopened);
        return;
    }
    snprintf(id, sizeof id, "msg_%" PRId32 "_%" PRId64, work->tenant, delivery->message);
    snprintf(timestamp, sizeof timestamp, "%" PRId64,
             rv_now_us(rv_loop_clock(hooks->options.loop)) / 1000000);
    message.id = id;
    message.timestamp = timestamp;
    rv_buf_init(&signatures, SIGNATURES_MAX);
    rv_hook_sign(&keys, &message, &signatures);
    sodium_memzero(secret, sizeof secret);
    sodium_memzero(old_secret, sizeof old_secret);
    sodium_memzero(seed, sizeof seed);
    snprintf(headers[0], sizeof headers[0], "webhook-id: %s", id);
    snprintf(headers[1], sizeof headers[1], "webhook-timestamp: %s", timestamp);
    snprintf(headers[2], sizeof headers[2], "webhook-signature: %s", signatures.data);
    rv_buf_fini(&signatures);
    if (!rv_result_is_null(result, row, 9)) {
        rv_trace_header(rv_result_text(result, row, 9), id, trace);
    }
    struct rv_post post = {.url = rv_result_text(result, row, 3),
                           .headers = {"Content-Type: application/json", headers[0], headers[1],
                                       headers[2], "Expect:", trace[0] != '\0' ? trace : NULL},
                           .body = message.body,
                           .length = message.length,
                           .allow_private = rv_result_bool(result, row, 4),
                           .timeout_ms = hooks->options.timeout_ms};
    rv_poster_send(hooks->poster, &post, on_posted, delivery);
}

/* ---- one tenant's turn ---- */

static void end_turn(struct tenant_work *work)
{
    struct rv_hooks *hooks = work->hooks;
    if (work->again) {
        work->again = false;
        fan_out(work);
        return;
    }
    if (work->in_flight > 0) {
        return; /* the last answer comes back here */
    }
    for (struct tenant_work **at = &hooks->tenants; *at != NULL; at = &(*at)->next) {
        if (*at == work) {
            *at = work->next;
            rv_free(work);
            return;
        }
    }
}

static void on_claimed(void *data, enum rv_code code, const struct rv_result *result,
                       const struct rv_error *err)
{
    struct tenant_work *work = data;
    struct rv_hooks *hooks = work->hooks;
    work->busy = false;
    if (!may_go_on(hooks, code, err)) {
        if (hooks->closing) {
            release(hooks);
        } else {
            end_turn(work);
        }
        return;
    }
    int rows = rv_result_rows(result);
    work->busy = true; /* one that fails at once must not end the turn under our feet */
    for (int row = 0; row < rows; row++) {
        send_one(work, result, row);
    }
    work->busy = false;
    if (rows == 0) {
        end_turn(work);
    } else if (work->in_flight == 0) {
        claim(work);
    }
}

static void claim(struct tenant_work *work)
{
    struct rv_hooks *hooks = work->hooks;
    int room = RV_HOOK_PER_TENANT_MAX - work->in_flight;
    int left = RV_HOOK_IN_FLIGHT_MAX - hooks->in_flight;
    room = room < left ? room : left;
    if (work->busy || hooks->closing) {
        return;
    }
    if (room <= 0) {
        end_turn(work); /* the next look comes back */
        return;
    }
    work->busy = true;
    struct rv_args *args = rv_args_create(&rv_sql_hook_claim);
    rv_args_i32(args, 1, work->tenant);
    rv_args_i32(args, 2, room);
    rv_args_i32(args, 3, RV_HOOK_LEASE_S);
    hooks->queries++;
    rv_db_query(hooks->options.db, work->tenant, &rv_sql_hook_claim, args, on_claimed, work);
}

static void on_fanned_out(void *data, enum rv_code code, const struct rv_result *result,
                          const struct rv_error *err)
{
    struct tenant_work *work = data;
    struct rv_hooks *hooks = work->hooks;
    work->busy = false;
    if (!may_go_on(hooks, code, err)) {
        if (hooks->closing) {
            release(hooks);
        } else {
            end_turn(work);
        }
        return;
    }
    if (rv_result_rows(result) == RV_HOOK_FAN_OUT_ROWS) {
        work->again = true;
    }
    claim(work);
}

static void fan_out(struct tenant_work *work)
{
    struct rv_hooks *hooks = work->hooks;
    if (work->busy || hooks->closing) {
        work->again = true;
        return;
    }
    work->busy = true;
    struct rv_args *args = rv_args_create(&rv_sql_hook_fan_out);
    rv_args_i32(args, 1, work->tenant);
    rv_args_i32(args, 2, RV_HOOK_FAN_OUT_ROWS);
    hooks->queries++;
    rv_db_query(hooks->options.db, work->tenant, &rv_sql_hook_fan_out, args, on_fanned_out, work);
}

void rv_hooks_timeout(struct rv_hooks *hooks, int64_t timeout_ms)
{
    hooks->options.timeout_ms = timeout_ms;
}

static void poke(struct rv_hooks *hooks, int32_t tenant)
{
    if (hooks->closing) {
        return;
    }
    for (struct tenant_work *one = hooks->tenants; one != NULL; one = one->next) {
        if (one->tenant == tenant) {
            fan_out(one);
            return;
        }
    }
    struct tenant_work *work = rv_alloc(sizeof *work);
    *work = (struct tenant_work){.hooks = hooks, .tenant = tenant, .next = hooks->tenants};
    hooks->tenants = work;
    fan_out(work);
}

/* ---- looking at all tenants ---- */

static void on_looked(void *data, enum rv_code code, const struct rv_result *result,
                      const struct rv_error *err)
{
    struct rv_hooks *hooks = data;
    hooks->looking = false;
    if (may_go_on(hooks, code, err)) {
        for (int row = 0; row < rv_result_rows(result); row++) {
            poke(hooks, (int32_t)rv_result_i64(result, row, 0));
        }
    }
    release(hooks);
}

static void on_timer(void *data)
{
    struct rv_hooks *hooks = data;
    rv_timer_start(hooks->timer, hooks->options.look_ms);
    if (!hooks->looking) {
        hooks->looking = true;
        hooks->queries++;
        rv_db_query(hooks->options.db, 0, &rv_sql_hook_tenants, NULL, on_looked, hooks);
    }
}

struct rv_hooks *rv_hooks_create(const struct rv_hooks_options *options)
{
    struct rv_hooks *hooks = rv_alloc(sizeof *hooks);
    hooks->options = *options;
    if (options->retry_ms == NULL) {
        hooks->options.retry_ms = rv_hook_schedule_ms;
        hooks->options.retry_count = rv_hook_schedule_count;
    }
    if (options->look_ms <= 0) {
        hooks->options.look_ms = RV_HOOK_LOOK_MS;
    }
    RV_ASSERT(options->vault != NULL);
    rv_random_secret(&hooks->random, sizeof hooks->random);
    hooks->poster = rv_poster_create(options->loop);
    hooks->timer = rv_timer_create(options->loop, on_timer, hooks);
    rv_timer_start(hooks->timer, 0);
    return hooks;
}
