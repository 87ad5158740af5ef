/* say_versions.c -- runtime/run/sql/versions.sql: plans, agents, canaries, and open runs that go on
 * with another version. */
#include "tests/sim/whole/base.h"

#include "runtime/base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VERSION = 12 }; /* the kind of a note */

struct plan_row *base_plan(struct base *base, int32_t tenant, const uint8_t *hash)
{
    BASE_EACH(base, T_PLAN, plan_row, plan)
    {
        if (plan->tenant == tenant && memcmp(plan->hash, hash, RV_HASH_BYTES) == 0) {
            return plan;
        }
    }
    return NULL;
}

struct agent_row *base_agent(struct base *base, int32_t tenant, const char *name)
{
    BASE_EACH(base, T_AGENT, agent_row, agent)
    {
        if (agent->tenant == tenant && strcmp(agent->name, name) == 0) {
            return agent;
        }
    }
    return NULL;
}

json_t *base_hex(const uint8_t *hash)
{
    struct rv_hash value;
    char hex[RV_HASH_HEX];
    memcpy(value.bytes, hash, RV_HASH_BYTES);
    rv_hash_hex(&value, hex);
    return json_string(hex);
}

static void plan_source_put(struct base_call *call)
{
    for (int i = 0; i < base_count(call, 2); i++) {
        uint8_t hash[RV_HASH_BYTES];
        base_hash(call, 2, i, hash);
        if (base_plan(call->base, call->tenant, hash) == NULL) {
            struct plan_row *plan = base_insert(call, T_PLAN);
            plan->tenant = call->tenant;
            memcpy(plan->hash, hash, sizeof hash);
            plan->agent = base_text(call, 3, i);
            plan->version = base_text(call, 4, i);
            plan->manifest = base_json(call, 5, i);
            plan->source = base_text(call, 6, i);
        }
    }
}

/* None given: it keeps the one it has. */
static void set_owner(struct base_call *call, int index, int row, struct agent_row *agent)
{
    const char *owner = base_text(call, index, row);
    agent->owner = owner != NULL ? owner : agent->owner;
}

static void agent_activate(struct base_call *call)
{
    for (int i = 0; i < base_count(call, 2); i++) {
        const char *name = base_text(call, 2, i);
        struct agent_row *agent = base_agent(call->base, call->tenant, name);
        if (agent == NULL) {
            agent = base_insert(call, T_AGENT);
            agent->tenant = call->tenant;
            agent->name = name;
            agent->owner = base_text(call, 6, i);
        } else {
            base_touch(call, T_AGENT, agent);
        }
        set_owner(call, 4, i, agent);
        base_hash(call, 3, i, agent->hash);
        agent->enabled = true;
        agent->percent = 0; /* whoever activates has decided */
    }
}

static void agent_canary_set(struct base_call *call)
{
    for (int i = 0; i < base_count(call, 2); i++) {
        struct agent_row *agent = base_agent(call->base, call->tenant, base_text(call, 2, i));
        if (agent != NULL) {
            base_touch(call, T_AGENT, agent);
            base_hash(call, 3, i, agent->canary);
            agent->percent = (int)base_int(call, 4, i);
            set_owner(call, 5, i, agent);
        }
    }
}

json_t *base_canary(struct base *base, const struct agent_row *agent)
{
    const struct plan_row *plan =
        agent->percent > 0 ? base_plan(base, agent->tenant, agent->canary) : NULL;
    return plan == NULL ? NULL
                        : json_pack("{s:o,s:i,s:O}", "hash", base_hex(plan->hash), "percent",
                                    agent->percent, "manifest", plan->manifest);
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const struct agent_row *const *)a)->name,
                  (*(const struct agent_row *const *)b)->name);
}

static void agents_active(struct base_call *call)
{
    enum { AGENTS_MAX = 64 };
    const struct agent_row *found[AGENTS_MAX];
    size_t count = 0;
    BASE_EACH(call->base, T_AGENT, agent_row, agent)
    {
        if (agent->tenant == call->tenant && agent->enabled && count < AGENTS_MAX) {
            found[count++] = agent;
        }
    }
    qsort(found, count, sizeof found[0], by_name);
    for (size_t i = 0; i < count; i++) {
        const struct plan_row *plan = base_plan(call->base, call->tenant, found[i]->hash);
        if (plan != NULL) {
            base_row(call);
            base_out_text(call, found[i]->name);
            base_out_bytes(call, found[i]->hash, RV_HASH_BYTES);
            base_out_json(call, json_incref(plan->manifest));
            base_out_text(call, found[i]->owner);
            base_out_json(call, base_canary(call->base, found[i]));
        }
    }
}

/* ---- open runs ---- */

/* Where the run has written an entry of that number meanwhile, it stays as it is. */
static void migrate_one(struct base_call *call, struct run_row *run, const struct plan_row *plan,
                        int32_t seq, const char *by)
{
    struct rv_hash digest = rv_sha256(plan->hash, RV_HASH_BYTES);
    json_t *from = base_hex(run->plan);
    json_t *to = base_hex(plan->hash);
    json_t *note = json_pack("{s:s,s:o,s:o,s:s}", "by", by, "from", from, "plan", to, "version",
                             plan->version != NULL ? plan->version : "");
    char *text = json_dumps(note, 0); /* as a jsonb is written */
    struct step_row *step = base_insert(call, T_STEP);
    step->tenant = call->tenant;
    step->run = run->id;
    step->seq = seq;
    step->kind = VERSION;
    step->name = "version";
    memcpy(step->digest, digest.bytes, sizeof step->digest);
    step->out_length = strlen(text) + 1;
    uint8_t *out = rv_arena_alloc(call->base->arena, step->out_length);
    out[0] = 1;
    memcpy(out + 1, text, step->out_length - 1);
    step->out = out;
    step->json = base_keep(call->base, note);
    rv_free(text);
    base_touch(call, T_RUN, run);
    memcpy(run->plan, plan->hash, RV_HASH_BYTES);
}

static void run_migrate(struct base_call *call)
{
    for (int i = 0; i < base_count(call, 2); i++) {
        struct run_row *run = base_run(call->base, call->tenant, base_int(call, 2, i));
        int32_t seq = (int32_t)base_int(call, 3, i);
        uint8_t hash[RV_HASH_BYTES];
        base_hash(call, 4, i, hash);
        const struct plan_row *plan = base_plan(call->base, call->tenant, hash);
        bool still = run != NULL &&
                     (base_is(run->status, "created") || base_is(run->status, "waiting")) &&
                     memcmp(run->plan, hash, RV_HASH_BYTES) != 0;
        if (still && plan != NULL && base_step(call->base, run->id, seq) == NULL) {
            migrate_one(call, run, plan, seq, base_text(call, 5, i));
        }
    }
}

const struct base_word base_words_versions[] = {
    {"plan_source_put", plan_source_put},   {"agent_activate", agent_activate},
    {"agent_canary_set", agent_canary_set}, {"agents_active", agents_active},
    {"run_migrate", run_migrate},           {NULL, NULL},
};
