/* policy_canonical.c -- from the bundle as written to its canonical form, or a refusal that says
 * where.
 *
 *   {"format":"reeve.policy.v1","name":"ap","rules":[                      sorted by id
 *     {"id":"over5k","kind":"approve","actions":["invoice.pay"],"who":{"agents":"*"},"when":{…},
 *      "ask":{"stages":[{"role":"controller","n":1}],"never":["agent_owner","requester"],
 *             "expires_s":86400}}, …]}
 *
 * The canonical form is what is hashed, reviewed and compiled: two bundles that decide alike
 * because they differ only in order, layout or spelling of a default have one hash.  Tests are not
 * part of it.
 *
 * A bundle is refused for a field that is not known: `wehn=` beside a permit would otherwise permit
 * always.  Every refusal names file:line, rule, field, what is wrong and the remedy.
 */
#include "runtime/gate/policy_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const policy_kind_names[POLICY_KINDS] = {"permit",  "forbid", "limit",
                                                     "approve", "sink",   "sod"};
const char *const policy_labels[] = {"external", "model", "user", "erp", "system", NULL};

static const char format_name[] = "reeve.policy.v1";

/* ---- the fields a rule may have ---- */

enum {
    P = 1 << POLICY_PERMIT,
    F = 1 << POLICY_FORBID,
    L = 1 << POLICY_LIMIT,
    A = 1 << POLICY_APPROVE,
    S = 1 << POLICY_SINK,
    D = 1 << POLICY_SOD
};

static const struct {
    const char *name;
    unsigned kinds;
    const char *refused; /* known to readers of other systems, not offered here: why */
} fields[] = {
    {"id", P | F | L | A | S | D, NULL},
    {"note", P | F | L | A | S | D, NULL},
    {"agents", P | F | L | A | S, NULL},
    {"persons", P | F | L | A | S, NULL},
    {"system", P | F | L | A | S, NULL},
    {"action", P | F | L | A | S, NULL},
    {"resource", P | F | L | A | S, NULL},
    {"when", P | F | L | A | S, NULL},
    {"sum", L, NULL},
    {"count", L, NULL},
    {"per", L, NULL},
    {"window", L, NULL},
    {"cap", L, NULL},
    {"over", L, NULL},
    {"stages", A, NULL},
    {"distinct", A, NULL},
    {"never", L | A | S, NULL},
    {"expires", L | A | S, NULL},
    {"escalate", L | A | S, NULL},
    {"args", S, NULL},
    {"need", S, NULL},
    {"endorse", S, NULL},
    {"otherwise", S, NULL},
    {"conflict", D, NULL},
    {"fx", 0,
     "Amounts are never converted: another currency than the cap's denies. Write one limit a "
     "currency."},
    {"remind", 0, "There are no reminders: write escalate={after=\"8h\", to=\"role\"}."},
    {"on", 0,
     "Segregation of duties is checked on roles (reeve policy check), not on the history of one "
     "object."},
    {"within", 0,
     "Segregation of duties is checked on roles (reeve policy check), not on the history of one "
     "object."},
};

static enum rv_code refuse_field(const struct policy_place *place, enum policy_kind kind,
                                 const char *name)
{
    const char *remedy = NULL;
    char known[256] = "Fields are";
    for (size_t i = 0; i < RV_COUNT(fields); i++) {
        if (strcmp(fields[i].name, name) == 0 && fields[i].refused != NULL) {
            remedy = fields[i].refused;
        }
        if ((fields[i].kinds & (1u << kind)) != 0) {
            size_t length = strlen(known);
            snprintf(known + length, sizeof known - length, " %s", fields[i].name);
        }
    }
    return policy_complain(place, strcmp(name, "#") == 0 ? "[1]" : name,
                           remedy != NULL ? "is not offered" : "is not known here",
                           remedy != NULL ? remedy : known);
}

static enum rv_code check_fields(const struct policy_place *place, enum policy_kind kind,
                                 const json_t *body)
{
    const char *name;
    json_t *value;
    json_object_foreach(policy_json(body), name, value)
    {
        bool fits = false;
        for (size_t i = 0; i < RV_COUNT(fields) && !fits; i++) {
            fits = (fields[i].kinds & (1u << kind)) != 0 && strcmp(fields[i].name, name) == 0;
        }
        if (!fits) {
            return refuse_field(place, kind, name);
        }
    }
    return RV_OK;
}

/* ---- who ---- */

static bool add_who(json_t *ids, json_t *roles, const json_t *tree, bool *all)
{
    if (json_is_string(tree)) {
        *all = *all || strcmp(json_string_value(tree), "*") == 0;
        json_array_append(ids, policy_json(tree));
        return *json_string_value(tree) != '\0';
    }
    if (strcmp(policy_word(tree), "role") == 0) {
        json_array_append(roles, json_object_get(tree, "value"));
        return true;
    }
    if (strcmp(policy_word(tree), "any_of") == 0) {
        tree = json_object_get(tree, "value");
    }
    bool ok = json_array_size(tree) > 0;
    for (size_t i = 0; ok && i < json_array_size(tree); i++) {
        const json_t *item = json_array_get(tree, i);
        ok = !json_is_array(item) && strcmp(policy_word(item), "any_of") != 0 &&
             add_who(ids, roles, item, all);
    }
    return ok;
}

/* "*", "a1", role"payer", {…}: "*" or {"ids":[…],"roles":[…]}. */
static json_t *canonical_who(const json_t *tree)
{
    json_t *ids = json_array();
    json_t *roles = json_array();
    bool all = false;
    json_t *who = NULL;
    if (add_who(ids, roles, tree, &all)) {
        policy_sort(ids);
        policy_sort(roles);
        who = all ? json_string("*") : json_pack("{s:O,s:O}", "ids", ids, "roles", roles);
    }
    json_decref(ids);
    json_decref(roles);
    return who;
}

static enum rv_code add_principals(const struct policy_place *place, enum policy_kind kind,
                                   const json_t *body, json_t *rule)
{
    static const char *const groups[] = {"agents", "persons"};
    json_t *who = json_object();
    for (size_t i = 0; i < RV_COUNT(groups); i++) {
        const json_t *tree = json_object_get(body, groups[i]);
        json_t *one = tree != NULL ? canonical_who(tree) : NULL;
        if (one != NULL) {
            json_object_set_new(who, groups[i], one);
        } else if (tree != NULL) {
            json_decref(who);
            return policy_complain(
                place, groups[i], "names nobody",
                "Write \"*\", a name, role\"clerk\" or any_of{ role\"a\", \"b\" }.");
        }
    }
    const json_t *machine = json_object_get(body, "system");
    if (json_is_true(machine) ||
        (json_is_string(machine) && strcmp(json_string_value(machine), "*") == 0)) {
        json_object_set_new(who, "system", json_true());
    } else if (machine != NULL) {
        json_decref(who);
        return policy_complain(place, "system", "is not true",
                               "Write system=true or leave it out.");
    }
    bool nobody = json_object_size(who) == 0;
    if (!nobody) {
        json_object_set(rule, "who", who);
    }
    json_decref(who);
    return nobody && kind == POLICY_PERMIT
               ? policy_complain(place, "agents", "is missing: a permit says to whom",
                                 "Add agents=…, persons=… or system=true.")
               : RV_OK;
}

/* ---- what ---- */

static bool is_action(const char *text)
{
    size_t length = strlen(text);
    size_t letters = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789._*");
    const char *star = strchr(text, '*');
    return length > 0 && length < 100 && letters == length &&
           (star == NULL || strchr(star + 1, '*') == NULL);
}

static enum rv_code add_actions(const struct policy_place *place, const char *field,
                                const json_t *tree, json_t *rule)
{
    json_t *actions = policy_term_texts(
        place, field, tree, "Write \"invoice.pay\", \"invoice.*\", \"*\" or any_of{ … }.");
    if (actions == NULL) {
        return RV_INVALID;
    }
    size_t i;
    json_t *item;
    json_array_foreach(actions, i, item)
    {
        if (!is_action(json_string_value(item))) {
            char problem[160];
            snprintf(problem, sizeof problem, "names \"%.100s\", which is no action",
                     json_string_value(item));
            json_decref(actions);
            return policy_complain(place, field, problem,
                                   "Actions are lower case words with dots and at most one *.");
        }
    }
    json_object_set_new(rule, "actions", actions);
    return RV_OK;
}

static enum rv_code add_condition(const struct policy_place *place, const json_t *body,
                                  json_t *rule)
{
    const json_t *tree = json_object_get(body, "when");
    const json_t *resource = json_object_get(body, "resource");
    json_t *when = tree != NULL ? policy_term_condition(place, "when", tree, 0) : NULL;
    if (tree != NULL && when == NULL) {
        return RV_INVALID;
    }
    if (resource != NULL) {
        if (strcmp(policy_word(resource), "is") != 0) {
            json_decref(when);
            return policy_complain(
                place, "resource", "is no kind of resource",
                "Write resource=is\"Invoice\": the fact res.type must equal it.");
        }
        json_t *both = json_array();
        json_array_append_new(both, json_pack("{s:s,s:s,s:O}", "op", "eq", "attr", "res.type",
                                              "value", json_object_get(resource, "value")));
        if (when != NULL) {
            json_array_append_new(both, when);
        }
        policy_sort(both);
        when = json_pack("{s:s,s:o}", "op", "all", "of", both);
    }
    if (when != NULL) {
        json_object_set_new(rule, "when", when);
    }
    return RV_OK;
}

/* ---- what a restriction asks for ---- */

static json_t *canonical_stages(const struct policy_place *place, const json_t *tree)
{
    json_t *counts = json_object(); /* role -> people */
    int64_t people = 0;
    bool ok = json_is_array(tree) && json_array_size(tree) > 0;
    for (size_t i = 0; ok && i < json_array_size(tree); i++) {
        const json_t *stage = json_array_get(tree, i);
        const char *role = rv_json_str(stage, "role", "");
        const json_t *n = json_object_get(stage, "n");
        int64_t count = n == NULL ? 1 : json_integer_value(n);
        ok = *role != '\0' && count >= 1 && count <= POLICY_STAGE_SLOTS_MAX &&
             json_object_size(stage) == (n == NULL ? 1u : 2u);
        people += count;
        json_object_set_new(counts, role, json_integer(rv_json_int(counts, role, 0) + count));
    }
    if (!ok || people > POLICY_STAGE_SLOTS_MAX) {
        json_decref(counts);
        policy_complain(place, "stages", ok ? "needs more than 16 people" : "asks nobody",
                        "Write stages={ {role=\"ap.manager\", n=1}, {role=\"controller\", n=1} }.");
        return NULL;
    }
    json_t *stages = json_array();
    const char *role;
    json_t *count;
    json_object_foreach(counts, role, count)
    {
        json_array_append_new(stages, json_pack("{s:s,s:O}", "role", role, "n", count));
    }
    json_decref(counts);
    policy_sort(stages);
    return stages;
}

/* The requester and the agent's owner never decide: there is no switch for it. */
static json_t *canonical_never(const struct policy_place *place, const json_t *body)
{
    static const struct {
        const char *word, *meaning;
    } known[] = {{"requester", "requester"},
                 {"creator", "requester"},
                 {"agent_owner", "agent_owner"},
                 {"owner", "agent_owner"},
                 {"sponsor", "agent_owner"}};
    json_t *never = json_pack("[s,s]", "agent_owner", "requester");
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(body, "never"), i, item)
    {
        bool found = false;
        for (size_t k = 0; k < RV_COUNT(known); k++) {
            found = found ||
                    (json_is_string(item) && strcmp(known[k].word, json_string_value(item)) == 0);
        }
        if (!found) {
            json_decref(never);
            policy_complain(
                place, "never", "names somebody the door does not know",
                "The requester and the agent's owner never approve; others cannot be named.");
            return NULL;
        }
    }
    return never;
}

static enum rv_code add_ask(const struct policy_place *place, const json_t *body, json_t *stages,
                            int64_t default_expiry_s, json_t *rule)
{
    json_t *ask = json_pack("{s:o}", "stages", stages);
    json_object_set_new(rule, "ask", ask);
    json_t *never = canonical_never(place, body);
    if (never == NULL) {
        return RV_INVALID;
    }
    json_object_set_new(ask, "never", never);
    const json_t *expires = json_object_get(body, "expires");
    int64_t expires_s = expires == NULL ? default_expiry_s : policy_term_duration(expires);
    if (expires_s <= 0 || expires_s > POLICY_EXPIRES_MAX_S) {
        return policy_complain(place, "expires",
                               expires == NULL ? "is missing: an unanswered question ends in no"
                                               : "is no duration of at most 90d",
                               "Write expires=\"24h\" (s, m, h, d).");
    }
    json_object_set_new(ask, "expires_s", json_integer(expires_s));
    const json_t *escalate = json_object_get(body, "escalate");
    if (escalate != NULL) {
        int64_t after_s = policy_term_duration(json_object_get(escalate, "after"));
        const char *to = rv_json_str(escalate, "to", "");
        if (after_s <= 0 || after_s >= expires_s || *to == '\0' ||
            json_object_size(escalate) != 2) {
            return policy_complain(place, "escalate",
                                   "needs after= (sooner than expires) and to= a role",
                                   "Write escalate={after=\"8h\", to=\"controller\"}.");
        }
        json_object_set_new(ask, "escalate_after_s", json_integer(after_s));
        json_object_set_new(ask, "escalate_to", json_string(to));
    }
    return RV_OK;
}

/* over= and otherwise=: "deny", or approval"role" / approval{"a", "b"} (one person of each). */
static enum rv_code add_answer(const struct policy_place *place, const char *field,
                               const json_t *body, json_t *rule)
{
    const json_t *tree = json_object_get(body, field);
    if (tree == NULL || (json_is_string(tree) && strcmp(json_string_value(tree), "deny") == 0)) {
        static const char *const useless[] = {"expires", "escalate", "never"};
        for (size_t i = 0; i < RV_COUNT(useless); i++) {
            if (json_object_get(body, useless[i]) != NULL) {
                return policy_complain(place, useless[i], "means nothing where the answer is deny",
                                       "Leave it out, or ask somebody: approval\"controller\".");
            }
        }
        return RV_OK;
    }
    json_t *names = strcmp(policy_word(tree), "approval") == 0
                        ? policy_term_texts(place, field, json_object_get(tree, "value"),
                                            "Write approval\"controller\".")
                        : NULL;
    if (names == NULL) {
        return place->err != NULL && place->err->code != RV_OK
                   ? RV_INVALID
                   : policy_complain(place, field, "is neither \"deny\" nor approval\"role\"",
                                     "Write for example approval\"controller\".");
    }
    json_t *written = json_array();
    size_t i;
    json_t *name;
    json_array_foreach(names, i, name)
    {
        json_array_append_new(written, json_pack("{s:O}", "role", name));
    }
    json_t *stages = canonical_stages(place, written);
    json_decref(written);
    json_decref(names);
    return stages == NULL ? RV_INVALID
                          : add_ask(place, body, stages, POLICY_EXPIRES_DEFAULT_S, rule);
}

/* ---- kinds ---- */

static enum rv_code add_approve(const struct policy_place *place, const json_t *body, json_t *rule)
{
    const json_t *distinct = json_object_get(body, "distinct");
    if (distinct != NULL && !json_is_true(distinct)) {
        return policy_complain(place, "distinct", "cannot be switched off",
                               "One person fills one place; leave the field out.");
    }
    json_t *stages = canonical_stages(place, json_object_get(body, "stages"));
    return stages == NULL ? RV_INVALID : add_ask(place, body, stages, 0, rule);
}

/* What a limit is counted for; without per, for all together. */
static json_t *canonical_per(const struct policy_place *place, const json_t *tree)
{
    static const struct {
        const char *word, *meaning;
    } words[] = {
        {"agent", "agent"},      {"person", "agent"},         {"principal", "agent"},
        {"action", "action"},    {"owner", "me.owner"},       {"sponsor", "me.owner"},
        {"tenant", "me.tenant"}, {"vendor", "res.vendor.id"}, {"supplier", "res.vendor.id"}};
    json_t *per = json_array();
    bool ok = tree == NULL || (json_is_array(tree) && json_array_size(tree) <= POLICY_PER_MAX);
    for (size_t i = 0; ok && i < json_array_size(tree); i++) {
        const json_t *item = json_array_get(tree, i);
        const char *path =
            strcmp(policy_word(item), "attribute") == 0 ? rv_json_str(item, "path", NULL) : NULL;
        for (size_t k = 0; k < RV_COUNT(words) && json_is_string(item); k++) {
            path = strcmp(words[k].word, json_string_value(item)) == 0 ? words[k].meaning : path;
        }
        ok = path != NULL && (strchr(path, '.') == NULL || policy_term_path(place, "per", path));
        if (ok) {
            json_array_append_new(per, json_string(path));
        }
    }
    if (!ok) {
        json_decref(per);
        if (place->err == NULL || place->err->code == RV_OK) {
            policy_complain(
                place, "per", "names something unknown, or more than four things",
                "Use \"agent\", \"owner\", \"tenant\", \"vendor\", \"action\" or an attribute.");
        }
        return NULL;
    }
    policy_sort(per);
    return per;
}

static enum rv_code add_limit(const struct policy_place *place, const json_t *body, json_t *rule)
{
    const json_t *sum = json_object_get(body, "sum");
    const json_t *count = json_object_get(body, "count");
    const json_t *cap = json_object_get(body, "cap");
    const char *path =
        strcmp(policy_word(sum), "attribute") == 0 ? rv_json_str(sum, "path", "") : NULL;
    if ((sum != NULL) == (count != NULL) || (sum != NULL && path == NULL) ||
        (count != NULL && !json_is_true(count))) {
        return policy_complain(place, "sum", "or count must be given, one of them",
                               "Write sum=arg.amount or count=true.");
    }
    if (path != NULL && !policy_term_path(place, "sum", path)) {
        return RV_INVALID;
    }
    json_t *canonical_cap = strcmp(policy_word(cap), "money") == 0 ? policy_term_money(cap, NULL)
                            : json_is_integer(cap)                 ? json_incref(policy_json(cap))
                                                                   : NULL;
    bool is_money = json_is_object(canonical_cap);
    int64_t size = is_money ? rv_json_int(canonical_cap, "minor", -1)
                            : (canonical_cap == NULL ? -1 : json_integer_value(canonical_cap));
    if (size < 0 || (is_money && path == NULL)) {
        json_decref(canonical_cap);
        return policy_complain(place, "cap", path != NULL ? "is no amount" : "is no count",
                               "Write cap=money\"5000 EUR\" with sum, cap=100 with count.");
    }
    json_object_set_new(rule, "cap", canonical_cap);
    json_object_set_new(rule, path != NULL ? "sum" : "count",
                        path != NULL ? json_string(path) : json_true());
    int64_t window_s = policy_term_duration(json_object_get(body, "window"));
    if (window_s <= 0 || window_s > POLICY_WINDOW_MAX_S) {
        return policy_complain(place, "window", "is no duration of at most 366d",
                               "Write window=\"1d\" (s, m, h, d); it rolls.");
    }
    json_object_set_new(rule, "window_s", json_integer(window_s));
    json_t *per = canonical_per(place, json_object_get(body, "per"));
    if (per == NULL) {
        return RV_INVALID;
    }
    json_object_set_new(rule, "per", per);
    return add_answer(place, "over", body, rule);
}

static enum rv_code add_sink(const struct policy_place *place, const json_t *body, json_t *rule)
{
    json_t *args = policy_term_texts(place, "args", json_object_get(body, "args"),
                                     "Write args={\"iban\", \"payee\"}.");
    if (args == NULL) {
        return RV_INVALID;
    }
    json_object_set_new(rule, "args", args);
    const char *need = rv_json_str(body, "need", "");
    int rank = strcmp(need, "trusted") == 0 ? policy_label_rank("user") : policy_label_rank(need);
    if (rank <= 0) {
        return policy_complain(place, "need", "is no label of trust",
                               "Write need=\"trusted\" (or model, user, erp, system).");
    }
    json_object_set_new(rule, "need", json_string(policy_labels[rank]));
    const json_t *endorse = json_object_get(body, "endorse");
    if (endorse != NULL) {
        const json_t *exact = json_object_get(endorse, "exact");
        const char *fact = strcmp(policy_word(exact), "attribute") == 0
                               ? rv_json_str(exact, "path", "")
                               : json_string_value(exact);
        if (fact == NULL || *fact == '\0' || json_object_size(endorse) != 1 ||
            strncmp(fact, "arg.", 4) == 0 || strncmp(fact, "me.", 3) == 0 ||
            strncmp(fact, "run.", 4) == 0) {
            return policy_complain(place, "endorse", "names no fact of the system of record",
                                   "Write endorse={exact=\"vendor.iban\"}.");
        }
        char path[160];
        snprintf(path, sizeof path, "%s%s", strncmp(fact, "res.", 4) == 0 ? "" : "res.", fact);
        json_object_set_new(rule, "endorse", json_string(path));
    }
    return add_answer(place, "otherwise", body, rule);
}

static enum rv_code add_sod(const struct policy_place *place, const json_t *body, json_t *rule)
{
    enum rv_code code = add_actions(place, "conflict", json_object_get(body, "conflict"), rule);
    return code != RV_OK || json_array_size(json_object_get(rule, "actions")) > 1
               ? code
               : policy_complain(place, "conflict", "needs two actions",
                                 "Write conflict={\"party.register\", \"payment.release\"}.");
}

/* ---- rules ---- */

enum policy_kind policy_kind_from_name(const char *name)
{
    int kind = 0;
    while (kind < POLICY_KINDS && strcmp(policy_kind_names[kind], name) != 0) {
        kind++;
    }
    return (enum policy_kind)kind;
}

static bool is_id(const char *id)
{
    size_t length = strlen(id);
    return length > 0 && length <= POLICY_ID_MAX &&
           strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
               length;
}

static enum rv_code canonical_rule(struct policy_place *place, const json_t *tree, json_t *rules)
{
    const json_t *body = json_object_get(tree, "body");
    enum policy_kind kind = policy_kind_from_name(policy_word(tree));
    place->line = (int)rv_json_int(tree, "line", 0);
    place->rule = rv_json_str(body, "id", NULL);
    if (kind == POLICY_KINDS) {
        return policy_complain(
            place, policy_word(tree), "is no rule",
            "A bundle holds permit, forbid, limit, approve, sink, sod and test.");
    }
    if (place->rule == NULL || !is_id(place->rule) || strcmp(place->rule, "no_permit") == 0) {
        return policy_complain(place, "id", "is missing or no name",
                               "Give every rule its own short id: letters, digits, dot, dash.");
    }
    enum rv_code code = check_fields(place, kind, body);
    json_t *rule = json_pack("{s:s,s:s}", "id", place->rule, "kind", policy_kind_names[kind]);
    json_array_append_new(rules, rule);
    const json_t *note = json_object_get(body, "note");
    if (code == RV_OK && note != NULL) {
        json_object_set(rule, "note", policy_json(note));
        code = json_is_string(note)
                   ? RV_OK
                   : policy_complain(place, "note", "is no text", "Write a sentence.");
    }
    if (code != RV_OK || kind == POLICY_SOD) {
        return code == RV_OK ? add_sod(place, body, rule) : code;
    }
    code = add_principals(place, kind, body, rule);
    if (code == RV_OK) {
        code = add_actions(place, "action", json_object_get(body, "action"), rule);
    }
    if (code == RV_OK) {
        code = add_condition(place, body, rule);
    }
    if (code == RV_OK && kind == POLICY_APPROVE) {
        code = add_approve(place, body, rule);
    } else if (code == RV_OK && kind == POLICY_LIMIT) {
        code = add_limit(place, body, rule);
    } else if (code == RV_OK && kind == POLICY_SINK) {
        code = add_sink(place, body, rule);
    }
    return code;
}

/* ---- the bundle ---- */

static enum rv_code check_bundle(const struct policy_place *place, const json_t *tree,
                                 const json_t *body)
{
    static const char *const known[] = {"name", "schema", "note", "#"};
    if (strcmp(policy_word(tree), "bundle") != 0) {
        rv_fail(place->err, RV_INVALID, "%s: the file does not return bundle{ … }", place->file);
        rv_hint(place->err, "Begin with: return bundle{ name=\"default\", …rules… }");
        return RV_INVALID;
    }
    if (*rv_json_str(body, "name", "") == '\0') {
        return policy_complain(place, "name", "is missing",
                               "Write return bundle{ name=\"default\", … }.");
    }
    const char *schema = rv_json_str(body, "schema", "erp.v1");
    if (strcmp(schema, "erp.v1") != 0) {
        return policy_complain(place, "schema", "is not known",
                               "Write schema=\"erp.v1\" or leave it out.");
    }
    const char *name;
    json_t *value;
    json_object_foreach(policy_json(body), name, value)
    {
        bool fits = false;
        for (size_t i = 0; i < RV_COUNT(known); i++) {
            fits = fits || strcmp(known[i], name) == 0;
        }
        if (!fits) {
            return policy_complain(
                place, name, "is not known in a bundle",
                "Fields are name, schema and note; windows roll and need no zone.");
        }
    }
    return RV_OK;
}

static int compare_ids(const void *a, const void *b)
{
    return strcmp(rv_json_str(*(json_t *const *)a, "id", ""),
                  rv_json_str(*(json_t *const *)b, "id", ""));
}

static void sort_rules(json_t *rules)
{
    size_t count = json_array_size(rules);
    json_t **order = rv_alloc_array(count + 1, sizeof *order);
    for (size_t i = 0; i < count; i++) {
        order[i] = json_incref(json_array_get(rules, i));
    }
    qsort(order, count, sizeof *order, compare_ids);
    for (size_t i = 0; i < count; i++) {
        json_array_set_new(rules, i, order[i]);
    }
    rv_free(order);
}

enum rv_code policy_canonical(const json_t *tree, const char *file, json_t **canonical,
                              json_t **lines, json_t **tests, struct rv_error *err)
{
    struct rv_error own = {.code = RV_OK};
    struct policy_place place = {.file = file, .err = err != NULL ? err : &own};
    const json_t *body = json_object_get(tree, "body");
    place.line = (int)rv_json_int(tree, "line", 1);
    enum rv_code code = check_bundle(&place, tree, body);
    json_t *rules = json_array();
    *lines = json_object();
    *tests = json_array();
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(body, "#"), i, item)
    {
        if (code != RV_OK) {
            break;
        }
        if (strcmp(policy_word(item), "test") == 0) {
            json_t *test = NULL;
            code = policy_canonical_test(item, file, &test, place.err);
            if (code == RV_OK) {
                json_array_append_new(*tests, test);
            }
            continue;
        }
        if (json_array_size(rules) >= RV_POLICY_RULES_MAX) {
            code = rv_fail(err, RV_LIMIT, "%s: the bundle has more than %d rules", file,
                           RV_POLICY_RULES_MAX);
            break;
        }
        code = canonical_rule(&place, item, rules);
        if (code == RV_OK && json_object_get(*lines, place.rule) != NULL) {
            code = policy_complain(&place, "id", "is used twice", "Give every rule its own id.");
        }
        if (code == RV_OK) {
            json_object_set_new(*lines, place.rule, json_integer(place.line));
        }
    }
    if (code != RV_OK) {
        json_decref(rules);
        json_decref(*lines);
        json_decref(*tests);
        return code;
    }
    sort_rules(rules);
    *canonical = json_pack("{s:s,s:s,s:o}", "format", format_name, "name",
                           rv_json_str(body, "name", ""), "rules", rules);
    return RV_OK;
}

/* ---- tests ---- */

/* Words in test data become what the door would see; "12.50 EUR" is taken for the amount it is. */
json_t *rv_policy_data(const json_t *tree)
{
    json_t *money = policy_term_money(tree, NULL);
    if (money != NULL) {
        return money;
    }
    if (json_is_array(tree)) {
        json_t *list = json_array();
        for (size_t i = 0; i < json_array_size(tree); i++) {
            json_t *item = rv_policy_data(json_array_get(tree, i));
            if (item == NULL) {
                json_decref(list);
                return NULL;
            }
            json_array_append_new(list, item);
        }
        return list;
    }
    if (json_is_object(tree)) {
        json_t *object = *policy_word(tree) == '\0' ? json_object() : NULL;
        const char *name;
        json_t *value;
        json_object_foreach(policy_json(tree), name, value)
        {
            json_t *inner = object == NULL ? NULL : rv_policy_data(value);
            if (inner == NULL) {
                json_decref(object);
                return NULL;
            }
            json_object_set_new(object, name, inner);
        }
        return object;
    }
    return json_incref(policy_json(tree));
}

static enum rv_code check_expect(const struct policy_place *place, const json_t *expect)
{
    static const char *const verdicts[] = {"allow", "hold", "deny"};
    bool ok = json_is_object(expect) && json_object_size(expect) == 1;
    for (size_t i = 0; i < RV_COUNT(verdicts); i++) {
        ok = ok || (json_is_string(expect) && strcmp(json_string_value(expect), verdicts[i]) == 0);
    }
    return ok ? RV_OK
              : policy_complain(
                    place, "expect", "is no verdict",
                    "Write \"allow\", \"hold\", \"deny\", {hold={\"rule\"}} or {deny={\"rule\"}}.");
}

enum rv_code policy_canonical_test(const json_t *item, const char *file, json_t **out,
                                   struct rv_error *err)
{
    static const char *const known[] = {"#",     "agent",  "person", "system", "roles",
                                        "owner", "action", "arg",    "res",    "labels",
                                        "run",   "used",   "expect"};
    struct rv_error own = {.code = RV_OK};
    struct policy_place place = {.file = file, .err = err != NULL ? err : &own};
    place.line = (int)rv_json_int(item, "line", 0);
    const json_t *body = json_object_get(item, "body");
    const char *title = json_string_value(json_array_get(json_object_get(body, "#"), 0));
    place.rule = title;
    if (title == NULL) {
        return policy_complain(
            &place, "[1]", "is missing: a test says what it shows",
            "Write test{ \"10k needs two\", agent=\"a1\", action=…, expect=… }.");
    }
    const char *name;
    json_t *value;
    json_object_foreach(policy_json(body), name, value)
    {
        bool fits = false;
        for (size_t i = 0; i < RV_COUNT(known); i++) {
            fits = fits || strcmp(known[i], name) == 0;
        }
        if (!fits) {
            return policy_complain(
                &place, name, "is not known in a test",
                "Fields are agent, person, system, roles, owner, action, arg, res, "
                "labels, run, used, expect.");
        }
    }
    int principals = (json_object_get(body, "agent") != NULL) +
                     (json_object_get(body, "person") != NULL) +
                     (json_object_get(body, "system") != NULL);
    if (principals != 1 || rv_json_str(body, "action", NULL) == NULL) {
        return policy_complain(&place, "action", "or the principal is missing",
                               "Name one of agent, person, system, and the action.");
    }
    enum rv_code code = check_expect(&place, json_object_get(body, "expect"));
    json_t *data = code == RV_OK ? rv_policy_data(body) : NULL;
    if (code == RV_OK && data == NULL) {
        return policy_complain(&place, "arg", "holds a word that is no data",
                               "Use texts, integers, true, false, tables and money\"12.50 EUR\".");
    }
    if (code == RV_OK) {
        json_object_del(data, "#");
        json_object_set_new(data, "name", json_string(title));
        json_object_set_new(data, "line", json_integer(place.line));
        *out = data;
    }
    return code;
}
