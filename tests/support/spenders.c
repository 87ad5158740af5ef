/* spenders.c -- see spenders.h. */
#include "tests/support/spenders.h"

#include "runtime/base/check.h"
#include "tests/support/fleet.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TENANT = 1,
    AGENTS = 6,
    FIRST = 1000,
    BATCHES = 20,
    BATCH_LEAST = 100,
    IDLE_MS = 600000, /* longer than any batch takes */
    LOOK_MS = 20,
    KILL_MS = 700, /* of work, until the next kill */
    NAP_S = 2, /* each child of the family sleeps so long, and a second for each so many of them: */
    NAP_BEGUN = 50,  /* until the last one has begun */
    BOSS = 900000000 /* its number */
};

const char *const spender_budgets[SPENDER_BUDGETS] = {"steps", "calls", "answers",  "tokens",
                                                      "money", "risk",  "children", "depth"};

/* ---- the world ---- */

static const char policy_text[] =
    "return bundle { name = 'spenders', schema = 'erp.v1',\n"
    "  permit { id = 'agents', agents = '*', action = any_of { 'journal.post', 'run.start',\n"
    "    'llm.decide' } },\n"
    "  permit { id = 'admin', persons = role 'admin', action = any_of { 'party.register',\n"
    "    'account.register', 'tolerance.set', 'policy.load', 'agent.publish' } },\n"
    "  permit { id = 'machine', system = true, action = any_of { 'run.*', 'journal.reverse' } } "
    "}\n";

/* Limits small enough that hardly a plan keeps within them; a question and its answer are some 550
 * tokens. */
static const char *const limits[AGENTS] = {
    "steps = 30, calls = 4, tokens = 2200, money = { EUR = 4000 }, risk = 10, children = 2, depth "
    "= 2",
    "steps = 12, calls = 100, tokens = 1700, money = { EUR = 100000 }, risk = 7, children = 3, "
    "depth = 3",
    "steps = 60, calls = 0, tokens = 0, money = { EUR = 0 }, risk = 100, children = 1, depth = 2",
    "steps = 25, calls = 9, tokens = 560, money = { EUR = 2500 }, risk = 12, children = 0, depth = "
    "1",
    "steps = 80, calls = 7, tokens = 4000, money = { EUR = 9000 }, risk = 4, children = 4, depth = "
    "2",
    "steps = 7, calls = 3, tokens = 520, money = { EUR = 700 }, risk = 5, children = 2, depth = 9",
};

/* Every draw follows from the seed of the run's input. */
static const char spender_text[] =
    "local agent = { name = 'spender%d', version = '1', handles = {}, uses = { 'journal.post' },\n"
    "  overrun = '%s', limits = { %s } }\n"
    "function agent.plan(ctx, x)\n"
    "  local state = x.s\n"
    "  local function draw(n)\n"
    "    state = (state * 1103515245 + 12345) %% 2147483648\n"
    "    return state // 65536 %% n + 1\n"
    "  end\n"
    "  local function gift()\n"
    "    if draw(3) == 1 then return nil end\n"
    "    return { steps = draw(40), calls = draw(6) - 1, tokens = draw(3000) - 1,\n"
    "      money = { EUR = draw(5000) - 1 }, risk = draw(12) - 1 }\n"
    "  end\n"
    "  local function start(i)\n"
    "    local close = ({ 'abandon', 'wait', 'cancel' })[draw(3)]\n"
    "    local child = ctx:start('spender' .. draw(6), { s = draw(32768) * 32768 + i },\n"
    "      { close = close, budget = gift() })\n"
    "    if child and draw(2) == 1 then ctx:await(child, 60) end\n"
    "  end\n"
    "  if x.nap then ctx:sleep(x.nap) end\n"
    "  local favourite = draw(7)\n"
    "  for i = 1, 10 + draw(30) do\n"
    "    local way = draw(3) == 1 and draw(40) or favourite\n"
    "    if way <= 2 or way > 20 then erp.get('invoice', draw(1000))\n"
    "    elseif way == 3 then ctx:note('n' .. i)\n"
    "    elseif way == 4 then ctx.memory.set('k' .. i, i)\n"
    "    elseif way <= 6 then start(i)\n"
    "    elseif way == 7 and i < 5 then break\n"
    "    elseif way == 8 then\n"
    "      llm.decide { question = 'q' .. i, options = { 'a', 'b' }, max_tokens = 8 * draw(6) }\n"
    "    elseif way == 9 then ctx:handoff('spender' .. draw(6), { s = draw(32768) },\n"
    "      { reason = 'somebody else' })\n"
    "    else pcall(erp.get, 'invoice', draw(1000)) end\n"
    "  end\n"
    "  local plan = ctx:plan()\n"
    "  for i = 1, draw(4) - 1 do\n"
    "    local minor = draw(3000)\n"
    "    plan:add('journal.post', { memo = 'posting ' .. i, lines = {\n"
    "      { account = '4000', amount_minor = minor, currency = 'EUR' },\n"
    "      { account = '4970', amount_minor = -minor, currency = 'EUR' } } }, { reason = 'more' "
    "})\n"
    "  end\n"
    "  return plan\n"
    "end\n"
    "return agent\n";

/* Gives until it is refused, waits for nobody, and tries a few more times. */
static const char boss_text[] =
    "local agent = { name = 'boss', version = '1', handles = {}, uses = {}, overrun = 'degrade',\n"
    "  limits = { steps = 9 * %d + 500, calls = %d, tokens = 600 * %d, money = { EUR = 200 * %d "
    "},\n"
    "    risk = 6 * %d, children = %d, depth = 2 } }\n"
    "function agent.plan(ctx, x)\n"
    "  for i = 1, %d + 20 do\n"
    "    ctx:start('spender' .. i %% 6 + 1, { s = x.s + 7919 * i, nap = %d }, { close = "
    "'abandon',\n"
    "      budget = { steps = 8, calls = i %% 3, tokens = 599, money = { EUR = 150 + i %% 100 }, "
    "risk = 5 + i %% 2 } "
    "})\n"
    "  end\n"
    "  return ctx:plan()\n"
    "end\n"
    "return agent\n";

static __attribute__((noreturn)) void give_up(const struct fleet *fleet, const char *what)
{
    fprintf(stderr, "spenders: %s; what was said stands in %s\n", what, fleet->state);
    exit(EXIT_FAILURE);
}

static void must(struct fleet *fleet, const char *const *words)
{
    if (fleet_reeve(fleet, words) != 0) {
        give_up(fleet, words[1]);
    }
}

static const char *write_file(const struct fleet *fleet, int number, const char *text)
{
    static char paths[AGENTS + 2][128];
    char *path = paths[number];
    snprintf(path, sizeof paths[0], "%s/%d.lua", fleet->state, number);
    FILE *file = fopen(path, "w");
    RV_ASSERT(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
    return path;
}

static void publish(struct fleet *fleet, int children)
{
    char text[4096];
    const char *words[AGENTS + 5] = {"agent", "publish", "--company=c1"};
    for (int i = 0; i < AGENTS; i++) {
        snprintf(text, sizeof text, spender_text, i + 1, i % 2 == 0 ? "degrade" : "stop",
                 limits[i]);
        words[3 + i] = write_file(fleet, i, text);
    }
    snprintf(text, sizeof text, boss_text, children, children, children, children, children,
             children, children, NAP_S + children / NAP_BEGUN);
    words[3 + AGENTS] = write_file(fleet, AGENTS, text);
    must(fleet, words);
}

static void world_open(struct fleet *fleet, const struct spenders_wish *wish)
{
    char model[128];
    fleet_open(fleet, wish->program, "spenders", 1);
    fleet->lines = false;
    fleet->quiet = wish->quiet;
    const char *policy = write_file(fleet, AGENTS + 1, policy_text);
    must(fleet, (const char *const[]){"company", "create", "c1", "--currency", "EUR", NULL});
    must(fleet, (const char *const[]){"policy", "load", policy, "--company=c1", NULL});
    must(fleet,
         (const char *const[]){"import", "scripts/demo/company/master.json", "--company=c1", NULL});
    publish(fleet, wish->children);
    snprintf(model, sizeof model, "%s/tiny.gguf", fleet->state);
    must(fleet, (const char *const[]){"model", "make", "--shape", "tiny-llama", "--quant", "Q8_0",
                                      "--seed", "7", "--out", model, NULL});
    setenv("REEVE_MODEL_PATH", model, 1);
    fleet_start(fleet, 0);
}

/* ---- at work ---- */

static const char open_runs[] =
    "SELECT count(*) FROM run WHERE status NOT IN ('done', 'failed', 'cancelled', 'compensated')";

static void wake(struct fleet *fleet)
{
    fleet_number(fleet, "SELECT 1 FROM pg_notify('reeve_wake', '%d')", TENANT);
}

/* `agent` a pattern of LIKE; the seeds follow from `seed`. */
static void begin(struct fleet *fleet, const char *agent, int64_t first, int64_t count,
                  int64_t seed)
{
    fleet_number(
        fleet,
        "WITH who AS (SELECT name, active_hash, row_number() OVER (ORDER BY name) - 1 AS n,"
        "   count(*) OVER () AS most FROM agent WHERE tenant_id = %d AND name LIKE '%s')"
        " INSERT INTO run (tenant_id, id, agent, plan_hash, status, input)"
        " SELECT %d, %" PRId64 " + i, who.name, who.active_hash, 'created',"
        "   jsonb_build_object('exception', jsonb_build_object('s',"
        "     (hashtextextended(i::text, %" PRId64 ") & 1073741823)))"
        "  FROM generate_series(0, %" PRId64 " - 1) AS i JOIN who ON who.n = i %% who.most",
        TENANT, agent, TENANT, first, seed, count);
    wake(fleet);
}

/* Until nobody is at work; kills while there is somebody. */
static void work(struct fleet *fleet, const struct spenders_wish *wish, struct spenders_result *out,
                 bool family)
{
    int64_t end_us = fleet_now_us() + IDLE_MS * INT64_C(1000);
    int64_t kill_us = fleet_now_us() + KILL_MS * INT64_C(1000);
    while (fleet_number(fleet, open_runs) > 0 && fleet_now_us() < end_us) {
        fleet_nap(LOOK_MS);
        if (family) {
            int64_t open = fleet_number(fleet,
                                        "SELECT count(*) FROM run WHERE parent = %d AND status NOT "
                                        "IN ('done', 'failed', 'cancelled', 'compensated')",
                                        BOSS);
            out->family_at_once = open > out->family_at_once ? open : out->family_at_once;
        }
        if (out->kills < wish->kills && fleet_now_us() > kill_us) {
            fleet_signal(fleet, 0, SIGKILL);
            fleet_start(fleet, 0);
            wake(fleet);
            out->kills++;
            kill_us = fleet_now_us() + KILL_MS * INT64_C(1000);
        }
    }
}

/* ---- what they got ---- */

/* Every run with its own use, and every pair of a run and one of those above it (or itself).  What
 * a plan asks and does is a step; that an ending run waits for its children is not. */
static const char accounts[] =
    "CREATE TEMP TABLE said AS SELECT j.run_id, j.seq, j.kind, j.name,"
    "   run_step_said(j.tenant_id, j.out) AS body FROM journal j WHERE j.tenant_id = 1;"
    "CREATE TEMP TABLE ending AS SELECT run_id, min(seq) AS seq FROM said"
    "  WHERE kind = 6 OR kind = 12 AND name = 'end' GROUP BY 1;"
    "CREATE TEMP TABLE own AS SELECT r.id, coalesce(r.parent, 0) AS parent, r.depth,"
    "   coalesce(i.budget, '{}') AS given, p.manifest->'limits' AS limits,"
    "   coalesce(s.steps, 0) AS steps, coalesce(s.calls, 0) AS calls,"
    "   coalesce(s.tokens, 0) AS tokens, coalesce(s.money, 0) AS money,"
    "   coalesce(s.answers, 0) AS answers, coalesce(s.posted, 0) * 5 AS risk" /* by the catalogue */
    "  FROM run r JOIN plan_source p ON p.tenant_id = r.tenant_id AND p.hash = r.plan_hash"
    "  LEFT JOIN run_input i ON i.tenant_id = r.tenant_id AND i.run_id = r.id"
    "  LEFT JOIN (SELECT d.run_id,"
    "     count(*) FILTER (WHERE kind IN (1, 2, 3, 7, 13, 20, 21)"
    "        OR kind = 4 AND name IN ('sleep', 'await.wait') AND d.seq < coalesce(e.seq, d.seq + "
    "1) OR kind = 12 AND name = 'note')"
    "       AS steps,"
    "     count(*) FILTER (WHERE kind IN (1, 2) AND NOT body ? 'budget') AS calls,"
    "     sum((body->'usage'->>'tokens')::bigint) AS tokens,"
    "     sum((body->'usage'->>'out')::bigint) AS answers,"
    "     sum((body->'money'->>'minor')::bigint) FILTER (WHERE kind = 7) AS money,"
    "     count(*) FILTER (WHERE kind = 7 AND name = 'journal.post'"
    "        AND body->>'result' = 'executed') AS posted"
    "    FROM said d LEFT JOIN ending e USING (run_id) GROUP BY 1) s ON s.run_id = r.id WHERE "
    "r.tenant_id = 1;"
    "CREATE TEMP TABLE below AS WITH RECURSIVE f AS (SELECT id AS top, id FROM own"
    "   UNION ALL SELECT f.top, c.id FROM f JOIN own c ON c.parent = f.id) SELECT * FROM f;"
    "CREATE TEMP TABLE spent AS SELECT b.top AS id, sum(o.steps) AS steps, sum(o.calls) AS calls,"
    "   sum(o.tokens) AS tokens, sum(o.answers) AS answers, sum(o.money) AS money,"
    "   sum(o.risk) AS risk FROM below b JOIN own o USING (id)"
    "  GROUP BY 1;"
    "CREATE TEMP TABLE used AS"
    "  SELECT 'steps' AS what, s.id, s.steps AS used,"
    "     coalesce(o.given->>'steps', o.limits->>'steps')::bigint AS most"
    "    FROM spent s JOIN own o USING (id)"
    "  UNION ALL SELECT 'calls', s.id, s.calls,"
    "     coalesce(o.given->>'calls', o.limits->>'calls')::bigint FROM spent s JOIN own o USING "
    "(id)"
    "  UNION ALL SELECT 'tokens', s.id, s.tokens, coalesce(o.given->>'tokens',"
    "     o.limits->>'tokens')::bigint FROM spent s JOIN own o USING (id)"
    "  UNION ALL SELECT 'answers', s.id, s.answers, coalesce(o.given->>'tokens',"
    "     o.limits->>'tokens')::bigint FROM spent s JOIN own o USING (id)"
    "  UNION ALL SELECT 'money', s.id, s.money, coalesce(o.given->'money'->>'EUR',"
    "     o.limits->'money'->>'EUR')::bigint FROM spent s JOIN own o USING (id)"
    "  UNION ALL SELECT 'risk', s.id, s.risk,"
    "     coalesce(o.given->>'risk', o.limits->>'risk')::bigint FROM spent s JOIN own o USING (id)"
    "  UNION ALL SELECT 'children', o.id, (SELECT count(*) FROM run c WHERE c.tenant_id = 1"
    "     AND c.parent = o.id), (o.limits->>'children')::bigint FROM own o"
    "  UNION ALL SELECT 'depth', o.id, o.depth, least((o.given->>'depth')::bigint,"
    "     (o.limits->>'depth')::bigint) FROM own o;"
    "CREATE TEMP TABLE refused AS SELECT body::text AS text FROM said"
    "   WHERE body->>'ok' = 'false' OR body->>'result' = 'refused'"
    "  UNION ALL SELECT error_text FROM run WHERE tenant_id = 1 AND error_code = 'limit'";

static void count(struct fleet *fleet, struct spenders_result *out)
{
    out->runs = fleet_number(fleet, "SELECT count(*) FROM run");
    out->open = fleet_number(fleet, open_runs);
    fleet_number(fleet, "ANALYZE run; ANALYZE journal; ANALYZE run_input");
    fleet_number(fleet, "%s", accounts);
    out->calls = fleet_number(fleet, "SELECT sum(calls) FROM own");
    out->family = fleet_number(
        fleet, "SELECT max(n) FROM (SELECT count(*) AS n FROM run GROUP BY parent, parent IS NULL"
               " HAVING parent IS NOT NULL) x");
    for (int i = 0; i < SPENDER_BUDGETS; i++) {
        const char *name = spender_budgets[i];
        out->past[i] = fleet_number(
            fleet, "SELECT sum(greatest(used - most, 0)) FROM used WHERE what = '%s'", name);
        out->wanted[i] = fleet_number(fleet,
                                      "SELECT count(*) FROM refused WHERE replace(text, '\\', '') ~"
                                      " '(budget \"%s\"|field \"budget.%s)'",
                                      i == SPENDER_ANSWERS ? "tokens" : name,
                                      i == SPENDER_ANSWERS ? "tokens" : name);
        out->spent[i] =
            fleet_number(fleet,
                         i == SPENDER_DEPTH      ? "SELECT max(depth) FROM own"
                         : i == SPENDER_CHILDREN ? "SELECT count(*) FROM own WHERE parent <> 0"
                                                 : "SELECT sum(%s) FROM own",
                         name);
    }
}

void spenders_run(const struct spenders_wish *wish, struct spenders_result *out)
{
    struct fleet fleet;
    int64_t first = FIRST;
    int64_t batch = wish->runs / BATCHES < BATCH_LEAST ? BATCH_LEAST : wish->runs / BATCHES;
    *out = (struct spenders_result){.runs = 0};
    world_open(&fleet, wish);
    int64_t began_us = fleet_now_us();
    if (wish->children > 0) {
        begin(&fleet, "boss", BOSS, 1, wish->seed);
        work(&fleet, wish, out, true);
    }
    while (fleet_number(&fleet, "SELECT count(*) FROM run") < wish->runs &&
           fleet_number(&fleet, open_runs) == 0) {
        begin(&fleet, "spender%", first, batch, wish->seed + first);
        work(&fleet, wish, out, false);
        first += batch;
    }
    out->seconds = (double)(fleet_now_us() - began_us) / 1e6;
    count(&fleet, out);
    fleet_close(&fleet);
}
