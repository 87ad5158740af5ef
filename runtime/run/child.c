/* child.c -- see child.h. */
#include "runtime/run/child.h"

#include "runtime/base/check.h"
#include "runtime/run/canary.h"
#include "runtime/run/claim.h"
#include "runtime/run/flow.h"
#include "runtime/run/run_trace.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ID_CHANCE_BITS = 22 }; /* as in rv_id_make: milliseconds, then these */

void rv_child_fini(struct rv_child *child)
{
    json_decref(child->input);
    json_decref(child->budget);
    *child = (struct rv_child){.id = 0};
}

int64_t rv_child_number(const char *name)
{
    return strncmp(name, "r_", 2) == 0 ? strtoll(name + 2, NULL, 10) : 0;
}

/* Each step is one millisecond later: children of one run never meet, and sort behind it. */
int64_t rv_child_id(int64_t parent, int32_t seq)
{
    char text[64];
    int length = snprintf(text, sizeof text, "child:%" PRId64 ":%d", parent, seq);
    struct rv_hash hash = rv_sha256(text, (size_t)length);
    int64_t low = 0;
    for (int i = 0; i < 3; i++) {
        low = low << 8 | hash.bytes[i];
    }
    int64_t mask = (INT64_C(1) << ID_CHANCE_BITS) - 1;
    return (((parent >> ID_CHANCE_BITS) + seq) << ID_CHANCE_BITS) | (low & mask);
}

static bool is_handoff(const struct rv_run_act *act)
{
    return strcmp(act->action, "handoff") == 0;
}

/* ---- loops ---- */

static const char *key_at(const json_t *chain, size_t i)
{
    return rv_json_str(json_array_get(chain, i), "key", "");
}

/* A key says what the work is; without one the input does. */
static bool is_same_work(const json_t *above, const char *key)
{
    return strcmp(rv_json_str(above, "key", ""), key) == 0 &&
           (key[0] != '\0' || rv_json_bool(above, "same", false));
}

/* A -> B -> A: the names from the oldest run that is part of the loop down to the one asked for. */
static enum rv_code check_loop(const struct rv_run_act *act, const json_t *chain, const char *key,
                               const char *agent, struct rv_error *err)
{
    size_t found = json_array_size(chain);
    for (size_t i = 0; i < json_array_size(chain); i++) {
        const json_t *above = json_array_get(chain, i);
        if (strcmp(rv_json_str(above, "agent", ""), agent) == 0 && is_same_work(above, key)) {
            found = i;
        }
    }
    if (found == json_array_size(chain)) {
        return RV_OK;
    }
    char way[256] = "";
    for (size_t i = found + 1; i-- > 0;) {
        size_t used = strlen(way);
        snprintf(way + used, sizeof way - used, "%s -> ",
                 rv_json_str(json_array_get(chain, i), "agent", ""));
    }
    rv_fail(err, RV_LIMIT, "\"%s\" would go in a circle over %.100s: %.200s%s (r_%" PRId64 ")",
            act->action, key[0] != '\0' ? key : "the same work", way, agent,
            rv_json_int(json_array_get(chain, found), "run", 0));
    rv_hint(err, "Let the plan ask people, or start the agent for another exception%s.",
            key[0] != '\0' ? "" : " or with another input");
    return RV_LIMIT;
}

/* ---- budgets ---- */

static int64_t least(int64_t a, int64_t b)
{
    return a < 0 ? b : b < 0 || a < b ? a : b; /* negative: no limit */
}

/* How much of one budget the child gets; -1: no limit. */
static enum rv_code share(const struct rv_run_act *act, const json_t *manifest, const char *name,
                          int64_t left, int64_t own_default, int64_t *out, struct rv_error *err)
{
    const json_t *asked = json_object_get(json_object_get(act->args, "budget"), name);
    int64_t own = rv_json_int(json_object_get(manifest, "limits"), name, own_default);
    int64_t wanted = json_is_integer(asked) ? json_integer_value(asked) : -1;
    if (left >= 0 && wanted > left) {
        rv_fail(err, RV_LIMIT,
                "field \"budget.%s\": %" PRId64 " asked, the run has %" PRId64 " left", name,
                wanted, left);
        rv_hint(err, "Ask for less, or raise limits.%s in the manifest of agent %s.", name,
                act->agent);
        return RV_LIMIT;
    }
    if (wanted < 0 && left >= 0) {
        wanted = is_handoff(act) ? left : left / 2;
    }
    *out = least(own, wanted);
    return RV_OK;
}

static int64_t left_of(int64_t limit, int64_t used)
{
    return limit < 0 ? -1 : limit > used ? limit - used : 0;
}

/* ---- money: by currency, named by its code ---- */

/* A limit of the child's own manifest; -1: it has none at all. */
static int64_t own_money(const json_t *limits, const char *currency, bool home)
{
    const json_t *money = json_object_get(limits, "money");
    int64_t named = rv_json_int(money, currency, -1);
    int64_t plain = home ? rv_json_int(limits, "money_minor", -1) : -1;
    bool limited = money != NULL || json_object_get(limits, "money_minor") != NULL;
    return named >= 0 ? named : plain >= 0 ? plain : limited ? 0 : -1;
}

static enum rv_code give_money(const struct rv_run_act *act, const json_t *limits,
                               const char *currency, const char *home, json_t *out,
                               struct rv_error *err)
{
    bool is_home = strcmp(currency, home) == 0;
    const json_t *asked =
        json_object_get(json_object_get(json_object_get(act->args, "budget"), "money"), currency);
    int64_t left = rv_budget_money_left(act->budget, currency, is_home);
    int64_t wanted = json_is_integer(asked) ? json_integer_value(asked) : -1;
    if (json_object_get(out, currency) != NULL) {
        return RV_OK;
    }
    if (left >= 0 && wanted > left) {
        rv_fail(err, RV_LIMIT,
                "field \"budget.money.%s\": %" PRId64 " asked, the run has %" PRId64 " left",
                currency, wanted, left);
        rv_hint(err, "Ask for less, or raise limits.money in the manifest of agent %s.",
                act->agent);
        return RV_LIMIT;
    }
    if (wanted < 0 && left >= 0) {
        wanted = is_handoff(act) ? left : left / 2;
    }
    int64_t given = least(own_money(limits, currency, is_home), wanted);
    if (given >= 0 && json_object_size(out) < RV_BUDGET_MONEY_MAX) {
        json_object_set_new(out, currency, json_integer(given));
    }
    return RV_OK;
}

/* Every currency that the run, the request or the child's manifest names; the run's first. */
static enum rv_code reserve_money(const struct rv_run_act *act, const json_t *limits,
                                  const char *home, struct rv_child *out, struct rv_error *err)
{
    json_t *money = json_object();
    enum rv_code code = RV_OK;
    for (int i = 0; i < act->budget->money_count && code == RV_OK; i++) {
        const char *currency = act->budget->money[i].currency;
        code = give_money(act, limits, currency[0] != '\0' ? currency : home, home, money, err);
    }
    json_t *const named[] = {
        json_object_get(json_object_get(act->args, "budget"), "money"),
        json_object_get(limits, "money"),
    };
    for (size_t i = 0; i < RV_COUNT(named); i++) {
        const char *currency;
        json_t *value;
        json_object_foreach(named[i], currency, value)
        {
            code = code == RV_OK ? give_money(act, limits, currency, home, money, err) : code;
        }
    }
    if (code == RV_OK && json_object_get(limits, "money_minor") != NULL) {
        code = give_money(act, limits, home, home, money, err);
    }
    if (code == RV_OK && json_object_size(money) > 0) {
        json_object_set(out->budget, "money", money);
        json_object_set_new(out->budget, "home", json_string(home));
    }
    json_decref(money);
    return code;
}

static enum rv_code reserve(const struct rv_run_act *act, const json_t *manifest, const char *home,
                            int64_t now_us, struct rv_child *out, struct rv_error *err)
{
    const struct rv_budget *budget = act->budget;
    const json_t *limits = json_object_get(manifest, "limits");
    const struct {
        const char *name;
        int64_t left, own;
    } rows[] = {
        /* the start itself is a step of the run */
        {"steps", left_of(budget->steps_limit, budget->steps_used + 1), RV_RUN_STEPS_DEFAULT},
        {"calls", left_of(budget->calls_limit, budget->calls_used), RV_RUN_CALLS_DEFAULT},
        {"tokens", left_of(budget->tokens_limit, budget->tokens_used), RV_RUN_TOKENS_DEFAULT},
        {"risk", left_of(budget->risk_limit, budget->risk_used), -1},
    };
    out->budget = json_object();
    for (size_t i = 0; i < RV_COUNT(rows); i++) {
        int64_t given = 0;
        if (share(act, manifest, rows[i].name, rows[i].left, rows[i].own, &given, err) != RV_OK) {
            return RV_LIMIT;
        }
        if (given >= 0) {
            json_object_set_new(out->budget, rows[i].name, json_integer(given));
        }
    }
    if (rv_json_int(out->budget, "steps", 0) < 1) {
        rv_fail(err, RV_LIMIT, "budget \"steps\" leaves nothing for a child of agent \"%s\"",
                out->agent);
        rv_hint(err, "Raise limits.steps in the manifest of agent %s.", act->agent);
        return RV_LIMIT;
    }
    if (reserve_money(act, limits, home, out, err) != RV_OK) {
        return RV_LIMIT;
    }
    int64_t depth = least(budget->depth_limit, rv_json_int(limits, "depth", RV_RUN_DEPTH_DEFAULT));
    json_object_set_new(out->budget, "depth", json_integer(depth));
    int64_t wall_ms = least(rv_json_int(limits, "wall_ms", -1),
                            rv_json_int(json_object_get(act->args, "budget"), "wall_ms", -1));
    if (wall_ms > 0) {
        json_object_set_new(out->budget, "wall_ms", json_integer(wall_ms));
    }
    if (budget->wall_deadline_us != 0 && strcmp(out->close, "abandon") != 0) {
        json_object_set_new(out->budget, "until_us", json_integer(budget->wall_deadline_us));
    }
    struct rv_budget next = *budget;
    next.depth_limit = depth;
    next.depth_used = out->depth;
    next.children_used++;
    return rv_budget_check(&next, 1, 0, 0, 0, NULL, now_us, err);
}

/* ---- the child ---- */

static void name_key(const struct rv_run_act *act, const json_t *chain, struct rv_child *out)
{
    const char *given = rv_json_str(json_object_get(act->args, "input"), "key", NULL);
    if (given != NULL) {
        snprintf(out->key, sizeof out->key, "exception:%s", given);
    } else {
        snprintf(out->key, sizeof out->key, "%s", key_at(chain, 0));
    }
    out->claims = out->key[0] != '\0';
    for (size_t i = 0; i < json_array_size(chain); i++) {
        bool open = rv_json_bool(json_array_get(chain, i), "open", false);
        out->claims = out->claims && !(open && strcmp(key_at(chain, i), out->key) == 0);
    }
}

enum rv_code rv_child_plan(const struct rv_run_act *act, const json_t *look, int64_t now_us,
                           struct rv_child *out, struct rv_error *err)
{
    const json_t *agent = json_object_get(look, "agent");
    const json_t *chain = json_object_get(look, "chain");
    *out = (struct rv_child){.id = rv_child_id(act->run, act->seq),
                             .agent = rv_json_str(act->args, "agent", ""),
                             .close = is_handoff(act) ? "handoff"
                                                      : rv_json_str(act->args, "close", "cancel"),
                             .depth = (int)act->budget->depth_used + 1};
    if (!json_is_object(agent)) {
        rv_fail(err, RV_NOT_FOUND, "field \"agent\": no active agent is named \"%.80s\"",
                out->agent);
        rv_hint(err, "See the active agents: reeve agent list.");
        return RV_NOT_FOUND;
    }
    if (strlen(rv_json_str(json_object_get(act->args, "input"), "key", "")) >= RV_HASH_HEX) {
        rv_fail(err, RV_INVALID, "field \"input.key\" is not the key of an exception");
        rv_hint(err, "It has 64 hexadecimal digits; leave it out to work on the same exception.");
        return RV_INVALID;
    }
    name_key(act, chain, out);
    const json_t *version = rv_canary_pick(agent, out->key, out->id, NULL);
    RV_ASSERT(rv_hash_from_hex(rv_json_str(version, "hash", ""), &out->plan_hash));
    enum rv_code code = check_loop(act, chain, out->key, out->agent, err);
    if (code == RV_OK) {
        code = reserve(act, json_object_get(version, "manifest"),
                       rv_json_str(look, "currency", "EUR"), now_us, out, err);
    }
    if (code != RV_OK) {
        rv_child_fini(out);
        return code;
    }
    json_t *manifest = json_object_get(version, "manifest");
    char trace[RV_TRACE_TEXT];
    rv_trace_text(rv_run_trace(act->tenant, act->run, act->input), trace);
    out->input =
        json_pack("{s:O,s:s}", "exception", json_object_get(act->args, "input"), "trace", trace);
    json_t *flow =
        rv_flow_of(manifest, out->agent, json_object_get(act->args, "input"),
                   out->key[0] != '\0' ? out->key : NULL, rv_claim_priority(manifest, -1));
    if (flow != NULL) {
        json_object_set_new(out->input, "flow", flow);
    }
    if (act->doubt != NULL) {
        json_object_set(out->input, "doubt", (json_t *)(uintptr_t)act->doubt);
    }
    json_t *found = json_object_get(act->input, "found_seq");
    if (found != NULL && !out->claims) {
        json_object_set(out->input, "found_seq", found); /* the same evidence */
    }
    return RV_OK;
}

json_t *rv_child_answer(const struct rv_run_act *act, const struct rv_child *child)
{
    char run[32];
    snprintf(run, sizeof run, "r_%" PRId64, child->id);
    json_t *value = json_pack("{s:s,s:s}", "run", run, "agent", child->agent);
    json_t *as = json_object_get(act->args, "as");
    if (as != NULL) {
        json_object_set(value, "as", as);
    }
    return json_pack("{s:b,s:o,s:s,s:O}", "ok", 1, "value", value, "close", child->close, "budget",
                     child->budget);
}

json_t *rv_child_question(const struct rv_run_act *act)
{
    json_t *question = json_pack("{s:s,s:s}", "agent", rv_json_str(act->args, "agent", ""), "mode",
                                 is_handoff(act) ? "handoff" : "start");
    json_t *type = json_object_get(json_object_get(act->args, "input"), "code");
    if (json_is_string(type)) {
        json_object_set(question, "type", type);
    }
    return question;
}

json_t *rv_child_outcome(int64_t run, const char *status, const char *error_code,
                         const char *error_text, const json_t *result)
{
    char name[32];
    snprintf(name, sizeof name, "r_%" PRId64, run);
    json_t *value = json_pack("{s:s,s:s}", "run", name, "status", status);
    static const char *const parts[] = {"summary", "outcome", "review"};
    for (size_t i = 0; i < RV_COUNT(parts); i++) {
        json_t *part = json_object_get(result, parts[i]);
        if (part != NULL && !json_is_null(part)) {
            json_object_set(value, parts[i], part);
        }
    }
    if (error_code != NULL) {
        json_object_set_new(value, "error",
                            json_pack("{s:s,s:s}", "code", error_code, "message",
                                      error_text != NULL ? error_text : ""));
    }
    json_t *spent = json_object_get(result, "spent");
    return json_pack("{s:o,s:o,s:O*}", "value", value, "spent",
                     spent != NULL ? json_incref(spent) : json_object(), "doubt",
                     json_object_get(result, "doubt"));
}
