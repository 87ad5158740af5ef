/* bench_gate.c -- how long a decision takes: the whole question, and the decision alone.
 *
 *   rules_10, rules_100, rules_1000   rules over 40 actions and 20 roles, as in a company's bundle
 *   one_action_1000                   the worst case of the index: 1,000 rules about one action and
 *                                     everybody, so that every one of them is looked at
 *
 *   durable, durable_1                decision, reservation in a rolling limit and sealed audit
 * record, acknowledged by a private server with fsync on: 64 agents of one tenant, each with one
 * request in flight; and one alone
 *
 * Each rule has six conditions (text, set of texts, money, list, prefix, integer).  Timed for
 * The request (per_s, p50_us, p99_us): reset the arena, prepare the facts of a fresh request, find
 * its limits, decide.  Timed for "decide": the same prepared facts again.  "load" is Lua to
 * compiled bundle, the median of several; "first_load" the first one of the process.
 */
#include "runtime/base/check.h"
#include "runtime/base/random.h"
#include "runtime/gate/policy.h"
#include "tests/bench/bench.h"
#include "tests/bench/gate_world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

extern const struct bench bench_gate;

enum { ACTIONS = 40, ROLES = 20, REQUESTS = 256, SAMPLES_MAX = 4000000, LOADS = 9, SEED = 7 };

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* ---- the bundle ---- */

static int by_value(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a;
    int32_t y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

static void conditions(struct rv_buf *out, struct rv_random *random, bool usual)
{
    rv_buf_printf(out,
                  "when=all{ res.vendor.status:eq'%s', arg.country:one_of{'DE','AT','FR','C%d'}, "
                  "arg.amount:le(money'%d EUR'), res.tags:contains'%s', arg.number:prefix'%s', "
                  "res.vendor.score:ge(%d) }",
                  usual ? "active" : "blocked", (int)rv_random_below(random, 50),
                  (int)rv_random_below(random, 90000) + 1000, usual ? "verified" : "new",
                  usual ? "RE-" : "XX-", (int)rv_random_below(random, 40));
}

static void rule(struct rv_buf *out, struct rv_random *random, int number, bool one_action)
{
    int kind = number % 20; /* 14 permits, 3 forbids, 2 approvals, 1 limit in 20 */
    char what[128];
    if (one_action) {
        snprintf(what, sizeof what, "agents='*', action='area.action0'");
    } else {
        snprintf(what, sizeof what, "agents=role'role%d', action='area.action%d'",
                 (int)rv_random_below(random, ROLES), number % ACTIONS);
    }
    rv_buf_printf(out, "%s{id='r%d', %s, ",
                  kind < 14   ? "permit"
                  : kind < 17 ? "forbid"
                  : kind < 19 ? "approve"
                              : "limit",
                  number, what);
    conditions(out, random, kind < 14 || kind > 16);
    if (kind == 17 || kind == 18) {
        rv_buf_str(out, ", stages={{role='manager'}}, expires='24h'");
    } else if (kind == 19) {
        rv_buf_str(out,
                   ", sum=arg.amount, per={'agent','vendor'}, window='1d', cap=money'900000 EUR'");
    }
    rv_buf_str(out, "},\n");
}

void bench_gate_rules(struct rv_buf *out, int rules, bool one_action)
{
    struct rv_random random = {SEED};
    /* at most 16 limits can apply to one request: the worst case has as many, and permits instead
     */
    for (int i = 0; i < rules; i++) {
        bool limit_too_many = one_action && i % 20 == 19 && i / 20 >= RV_POLICY_LIMITS_MAX;
        rule(out, &random, limit_too_many ? i * 20 : i, one_action);
    }
}

static struct rv_policy *make_bundle(int rules, bool one_action, double *load_ms,
                                     double *first_load_ms)
{
    struct rv_buf source;
    rv_buf_init(&source, RV_POLICY_SOURCE_MAX);
    rv_buf_str(&source, "return bundle{ name='bench',\n");
    bench_gate_rules(&source, rules, one_action);
    rv_buf_str(&source, "}");
    RV_ASSERT(rv_buf_ok(&source, "the bundle", NULL) == RV_OK);
    struct rv_policy *policy = NULL;
    int32_t times_us[LOADS];
    for (int i = 0; i < LOADS; i++) {
        rv_policy_destroy(policy);
        struct rv_error err = {.code = RV_OK};
        int64_t start = now_ns();
        if (rv_policy_load(source.data, source.length, "bench.lua", &policy, &err) != RV_OK) {
            fprintf(stderr, "bench_gate: %s\n", err.message);
            abort();
        }
        times_us[i] = (int32_t)((now_ns() - start) / 1000);
    }
    *first_load_ms = times_us[0] / 1000.0;
    qsort(times_us, LOADS, sizeof times_us[0], by_value);
    *load_ms = times_us[LOADS / 2] / 1000.0;
    rv_buf_fini(&source);
    return policy;
}

/* ---- requests ---- */

struct request {
    struct rv_policy_request question;
    json_t *me, *args, *res;
    char action[32];
};

static void make_request(struct request *request, struct rv_random *random, bool one_action)
{
    static const char *const countries[] = {"DE", "AT", "FR", "NL"};
    snprintf(request->action, sizeof request->action, "area.action%d",
             one_action ? 0 : (int)rv_random_below(random, ACTIONS));
    char role[2][16];
    char id[16];
    for (int i = 0; i < 2; i++) {
        snprintf(role[i], sizeof role[i], "role%d", (int)rv_random_below(random, ROLES));
    }
    snprintf(id, sizeof id, "agent%d", (int)rv_random_below(random, 50));
    request->me = json_pack("{s:s,s:s,s:s,s:[s,s],s:i}", "kind", "agent", "id", id, "owner",
                            "chief", "roles", role[0], role[1], "tenant", 1);
    request->args = json_pack("{s:{s:i,s:s},s:s,s:s,s:i,s:s}", "amount", "minor",
                              (int)rv_random_below(random, 8000000), "currency", "EUR", "country",
                              countries[rv_random_below(random, 4)], "number", "RE-2024-00417",
                              "invoice", 4711, "reason", "as agreed with the supplier");
    request->res =
        json_pack("{s:{s:i,s:s,s:i,s:s},s:[s,s,s],s:s,s:i}", "vendor", "id",
                  (int)rv_random_below(random, 500), "status", "active", "score",
                  (int)rv_random_below(random, 100), "iban", "DE89370400440532013000", "tags",
                  "known", "verified", "domestic", "state", "registered", "version", 3);
    request->question = (struct rv_policy_request){
        .action = request->action, .me = request->me, .args = request->args, .res = request->res};
}

/* ---- measuring ---- */

/* `prefix` is "" for the whole request, "decide_" for the decision alone. */
static void report(const struct bench_run *run, const char *name, const char *prefix, int32_t *ns,
                   size_t count, double seconds)
{
    char metric[64];
    qsort(ns, count, sizeof *ns, by_value);
    snprintf(metric, sizeof metric, "%sper_s", prefix);
    bench_report(run, "gate", name, metric, (double)count / seconds, "1/s");
    snprintf(metric, sizeof metric, "%sp50_us", prefix);
    bench_report(run, "gate", name, metric, ns[count / 2] / 1000.0, "us");
    snprintf(metric, sizeof metric, "%sp99_us", prefix);
    bench_report(run, "gate", name, metric, ns[count - 1 - count / 100] / 1000.0, "us");
}

static struct rv_verdict decide_once(const struct rv_policy *policy,
                                     const struct rv_policy_facts *facts, int limits,
                                     struct rv_arena *arena)
{
    static const int64_t unused[RV_POLICY_LIMITS_MAX] = {0};
    struct rv_verdict verdict;
    rv_policy_decide(policy, facts, unused, limits, arena, &verdict);
    return verdict;
}

static void measure(const struct bench_run *run, const char *name, int rules, bool one_action)
{
    if (!bench_wants(run, name)) {
        return;
    }
    double load_ms = 0;
    double first_load_ms = 0;
    struct rv_policy *policy = make_bundle(rules, one_action, &load_ms, &first_load_ms);
    struct request *requests = rv_alloc_array(REQUESTS, sizeof *requests);
    struct rv_random random = {SEED + 1};
    for (int i = 0; i < REQUESTS; i++) {
        make_request(&requests[i], &random, one_action);
    }
    struct rv_arena *arena = rv_arena_create("bench", 16 << 20);
    int32_t *samples = rv_alloc_array(SAMPLES_MAX, sizeof *samples);
    int64_t verdicts[3] = {0};
    size_t count = 0;
    int64_t begin = now_ns();
    int64_t end = begin + (int64_t)(run->seconds * 1e9);
    int64_t at = begin;
    while (at < end && count < SAMPLES_MAX) {
        rv_arena_reset(arena);
        struct rv_policy_facts *facts = NULL;
        struct rv_policy_limit limits[RV_POLICY_LIMITS_MAX];
        RV_ASSERT(rv_policy_facts_make(policy, &requests[count % REQUESTS].question, arena, &facts,
                                       NULL) == RV_OK);
        int limit_count = rv_policy_limits(policy, facts, arena, limits);
        verdicts[decide_once(policy, facts, limit_count, arena).kind]++;
        int64_t now = now_ns();
        samples[count++] = (int32_t)(now - at);
        at = now;
    }
    report(run, name, "", samples, count, (double)(at - begin) / 1e9);
    rv_arena_reset(arena);
    struct rv_policy_facts *facts[REQUESTS];
    int limit_counts[REQUESTS];
    for (int i = 0; i < REQUESTS; i++) {
        struct rv_policy_limit limits[RV_POLICY_LIMITS_MAX];
        RV_ASSERT(rv_policy_facts_make(policy, &requests[i].question, arena, &facts[i], NULL) ==
                  RV_OK);
        limit_counts[i] = rv_policy_limits(policy, facts[i], arena, limits);
    }
    struct rv_arena *merges = rv_arena_create("bench merges", 16 << 20);
    begin = at = now_ns();
    end = begin + (int64_t)(run->seconds * 1e9);
    for (count = 0; at < end && count < SAMPLES_MAX; count++) {
        rv_arena_reset(merges);
        decide_once(policy, facts[count % REQUESTS], limit_counts[count % REQUESTS], merges);
        int64_t now = now_ns();
        samples[count] = (int32_t)(now - at);
        at = now;
    }
    report(run, name, "decide_", samples, count, (double)(at - begin) / 1e9);
    bench_report(run, "gate", name, "load", load_ms, "ms");
    bench_report(run, "gate", name, "first_load", first_load_ms, "ms");
    int64_t all = verdicts[RV_ALLOW] + verdicts[RV_HOLD] + verdicts[RV_DENY];
    bench_report(run, "gate", name, "allowed", 100.0 * (double)verdicts[RV_ALLOW] / (double)all,
                 "%");
    bench_report(run, "gate", name, "held", 100.0 * (double)verdicts[RV_HOLD] / (double)all, "%");
    for (int i = 0; i < REQUESTS; i++) {
        json_decref(requests[i].me);
        json_decref(requests[i].args);
        json_decref(requests[i].res);
    }
    rv_arena_destroy(merges);
    rv_arena_destroy(arena);
    rv_free(samples);
    rv_free(requests);
    rv_policy_destroy(policy);
}

/* ---- durable: the real gate and committer ---- */

enum { AGENTS = 64, COMPANY_RULES = 100, WARM_UP_MS = 500 };

struct durable;
struct durable_agent {
    struct durable *durable;
    struct rv_gate_pass pass;
    struct rv_budget budget;
    char id[16];
    int64_t started_us;
};

struct durable {
    struct gate_world world;
    struct durable_agent agents[AGENTS];
    struct bench_samples samples;
    int64_t next_run;
    int running;
    bool stopping;
};

static void durable_submit(struct durable_agent *agent)
{
    agent->started_us = rv_mono_us(rv_clock_system());
    rv_gate_pass(agent->durable->world.gate, &agent->pass);
}

static void durable_done(struct rv_gate_pass *pass, enum rv_code code, const struct rv_error *err)
{
    struct durable_agent *agent = pass->data;
    struct durable *durable = agent->durable;
    if (code != RV_OK) {
        fprintf(stderr, "durable: %s (%s)\n", err->message, err->detail);
        exit(EXIT_FAILURE);
    }
    bench_sample(&durable->samples, rv_mono_us(rv_clock_system()) - agent->started_us);
    if (!durable->stopping) {
        durable_submit(agent);
    } else if (--durable->running == 0) {
        rv_loop_stop(durable->world.loop);
    }
}

static void durable_case(struct durable *durable, const struct bench_run *run, const char *name,
                         int agents)
{
    if (!bench_wants(run, name)) {
        return;
    }
    durable->stopping = false;
    durable->running = agents;
    for (int i = 0; i < agents; i++) {
        durable_submit(&durable->agents[i]);
    }
    gate_world_run(&durable->world, WARM_UP_MS);
    durable->samples.count = 0;
    int64_t begin = rv_mono_us(rv_clock_system());
    gate_world_run(&durable->world, (int64_t)(run->seconds * 1000));
    double seconds = (double)(rv_mono_us(rv_clock_system()) - begin) / 1e6;
    double count = (double)durable->samples.count;
    durable->stopping = true;
    rv_loop_run(durable->world.loop);
    double p50_ms = bench_percentile_ms(&durable->samples, 50);
    bench_report(run, "gate", name, "per_s", count / seconds, "1/s");
    bench_report(run, "gate", name, "p50_us", p50_ms * 1000, "us");
    bench_report(run, "gate", name, "p50_ms", p50_ms, "ms");
    bench_report(run, "gate", name, "p99_ms", bench_percentile_ms(&durable->samples, 99), "ms");
}

static void run_durable(const struct bench_run *run)
{
    if (!bench_wants(run, "durable") && !bench_wants(run, "durable_1")) {
        return;
    }
    struct durable *durable = rv_alloc(sizeof *durable);
    gate_world_open(&durable->world, run, "gate");
    struct rv_buf source;
    rv_buf_init(&source, RV_POLICY_SOURCE_MAX);
    rv_buf_str(&source, "return bundle{ name='bench',\n"
                        "permit{id='think', agents='*', action='llm.decide'},\n"
                        "limit{id='day', agents='*', action='llm.decide', sum=arg.cost, "
                        "per={'agent'}, window='1d', cap=money'1000000000 EUR', over='deny'},\n");
    bench_gate_rules(&source, COMPANY_RULES, false);
    rv_buf_str(&source, "}");
    gate_world_policy(&durable->world, source.data);
    rv_buf_fini(&source);
    json_t *args =
        json_pack("{s:s,s:{s:i,s:s}}", "schema", "variance", "cost", "minor", 3, "currency", "EUR");
    for (int i = 0; i < AGENTS; i++) {
        struct durable_agent *agent = &durable->agents[i];
        agent->durable = durable;
        snprintf(agent->id, sizeof agent->id, "agent%d", i);
        agent->budget = (struct rv_budget){
            .steps_limit = 1000, .calls_limit = 1000, .tokens_limit = 1000, .depth_limit = 4};
        agent->pass = (struct rv_gate_pass){
            .tenant = GATE_WORLD_TENANT,
            .principal = {.kind = RV_PRINCIPAL_AGENT, .id = agent->id, .owner = "ap.manager"},
            .action = "llm.decide",
            .args = args,
            .budget = &agent->budget,
            .tokens = 100,
            .done = durable_done,
            .data = agent};
    }
    durable_case(durable, run, "durable", AGENTS);
    durable_case(durable, run, "durable_1", 1);
    gate_world_close(&durable->world);
    json_decref(args);
    bench_samples_free(&durable->samples);
    rv_free(durable);
}

static void run_gate(const struct bench_run *run)
{
    measure(run, "rules_10", 10, false);
    measure(run, "rules_100", 100, false);
    measure(run, "rules_1000", 1000, false);
    measure(run, "one_action_1000", 1000, true);
    run_durable(run);
}

const struct bench bench_gate = {.name = "gate",
                                 .summary = "policy decisions: 10 to 1,000 rules, and durable ones",
                                 .run = run_gate};
