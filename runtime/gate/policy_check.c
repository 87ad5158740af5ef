/* policy_check.c -- what can be known of a bundle without a request: rules that cannot work,
 * approvals that cannot be given, limits that cannot bite.
 *
 *   error    unknown-action, unknown-members, quorum, requester-only, sod
 *   warning  dead-condition, dead-permit, shadowed-permit, nothing-permitted, limit-never-bites,
 *            split-below-approval, two-types, escalation-role, one-fact-for-many
 *   note     no-permit (an action of the catalogue that is always denied)
 *
 * Sound, not complete: each finding is right and carries a witness; a condition beyond a
 * conjunction of comparisons is not looked into.  The witness is the other rule, the action or the
 * role.
 */
#include "runtime/gate/policy_private.h"
#include "runtime/gate/stages.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { CHECK_ATOMS_MAX = 64 };

struct check {
    const struct rv_policy *policy;
    const char *const *actions;
    const json_t *people;
    json_t *findings;
};

static void find(struct check *check, const char *severity, const struct policy_rule *rule,
                 const char *finding, const char *witness)
{
    int line = rule == NULL ? 0 : check->policy->lines[rule - check->policy->rules];
    json_array_append_new(check->findings, json_pack("{s:s,s:s,s:i,s:s,s:s}", "severity", severity,
                                                     "rule", rule == NULL ? "-" : rule->id, "line",
                                                     line, "finding", finding, "witness", witness));
}

/* ---- sets of actions and of principals ---- */

static const json_t *actions_of(const struct policy_rule *rule)
{
    return json_object_get(rule->source, "actions");
}

static bool mentions(const struct policy_rule *rule, const char *action)
{
    size_t i;
    json_t *pattern;
    json_array_foreach(policy_json(actions_of(rule)), i, pattern)
    {
        if (policy_pattern_matches(json_string_value(pattern), action)) {
            return true;
        }
    }
    return false;
}

/* Every action `narrow` names is one of `wide` (a pattern counts as its own text: sound for
 * prefixes). */
static bool actions_cover(const struct policy_rule *wide, const struct policy_rule *narrow)
{
    size_t i;
    json_t *action;
    json_array_foreach(policy_json(actions_of(narrow)), i, action)
    {
        if (!mentions(wide, json_string_value(action))) {
            return false;
        }
    }
    return true;
}

static bool actions_meet(const struct check *check, const struct policy_rule *a,
                         const struct policy_rule *b)
{
    for (const char *const *action = check->actions; action != NULL && *action != NULL; action++) {
        if (mentions(a, *action) && mentions(b, *action)) {
            return true;
        }
    }
    return actions_cover(a, b) || actions_cover(b, a);
}

static bool group_covers(const json_t *wide, const json_t *narrow)
{
    static const char *const lists[] = {"ids", "roles"};
    if (narrow == NULL || (json_is_string(wide) && wide != NULL)) {
        return true;
    }
    if (wide == NULL || json_is_string(narrow)) {
        return false;
    }
    for (size_t k = 0; k < 2; k++) {
        size_t i;
        json_t *name;
        json_array_foreach(json_object_get(narrow, lists[k]), i, name)
        {
            bool found = false;
            for (size_t n = 0; n < json_array_size(json_object_get(wide, lists[k])); n++) {
                found =
                    found || json_equal(name, json_array_get(json_object_get(wide, lists[k]), n));
            }
            if (!found) {
                return false;
            }
        }
    }
    return true;
}

static bool who_covers(const struct policy_rule *wide, const struct policy_rule *narrow)
{
    static const char *const groups[] = {"agents", "persons", "system"};
    const json_t *outer = json_object_get(wide->source, "who");
    const json_t *inner = json_object_get(narrow->source, "who");
    if (outer == NULL || inner == NULL) {
        return outer == NULL;
    }
    for (size_t i = 0; i < 3; i++) {
        const json_t *a = json_object_get(outer, groups[i]);
        const json_t *b = json_object_get(inner, groups[i]);
        if (i == 2 ? (b != NULL && a == NULL) : !group_covers(a, b)) {
            return false;
        }
    }
    return true;
}

/* ---- conditions as conjunctions ---- */

struct atoms {
    const json_t *list[CHECK_ATOMS_MAX];
    int count;
    bool whole; /* the condition is nothing but their conjunction */
};

static void collect(struct atoms *atoms, const json_t *when)
{
    enum policy_op op = policy_op_from_name(rv_json_str(when, "op", ""));
    if (op == POLICY_ALL) {
        size_t i;
        json_t *child;
        json_array_foreach(json_object_get(when, "of"), i, child)
        {
            collect(atoms, child);
        }
    } else if (op > POLICY_NONE_OF && atoms->count < CHECK_ATOMS_MAX) {
        atoms->list[atoms->count++] = when;
    } else {
        atoms->whole = false;
    }
}

static struct atoms atoms_of(const struct policy_rule *rule)
{
    struct atoms atoms = {.whole = true};
    const json_t *when = json_object_get(rule->source, "when");
    if (when != NULL) {
        collect(&atoms, when);
    }
    return atoms;
}

/* Whatever makes `narrow` yes makes `wide` yes: each atom of `wide` stands in `narrow`. */
static bool condition_covers(const struct policy_rule *wide, const struct policy_rule *narrow)
{
    const json_t *outer = json_object_get(wide->source, "when");
    const json_t *inner = json_object_get(narrow->source, "when");
    if (outer == NULL || (inner != NULL && json_equal(outer, inner))) {
        return true;
    }
    struct atoms a = atoms_of(wide);
    struct atoms b = atoms_of(narrow);
    for (int i = 0; i < a.count; i++) {
        bool found = false;
        for (int k = 0; k < b.count; k++) {
            found = found || json_equal(a.list[i], b.list[k]);
        }
        if (!found) {
            return false;
        }
    }
    return a.whole;
}

/* The numbers one attribute may have under a conjunction. */
struct range {
    const char *attr;
    const char *currency;
    int64_t low, high;
};

static void narrow_range(struct range *range, const char *op, int64_t number)
{
    bool below = strcmp(op, "lt") == 0;
    bool above = strcmp(op, "gt") == 0;
    bool equal = strcmp(op, "eq") == 0;
    if (below || equal || strcmp(op, "le") == 0) {
        int64_t high = below && number > INT64_MIN ? number - 1 : number;
        range->high = high < range->high ? high : range->high;
    }
    if (above || equal || strcmp(op, "ge") == 0) {
        int64_t low = above && number < INT64_MAX ? number + 1 : number;
        range->low = low > range->low ? low : range->low;
    }
}

static bool atom_number(const json_t *atom, int64_t *number, const char **currency)
{
    const json_t *value = json_object_get(atom, "value");
    *currency = rv_json_str(value, "currency", "");
    *number = json_is_integer(value) ? json_integer_value(value) : rv_json_int(value, "minor", 0);
    return json_is_integer(value) || json_is_object(value);
}

static struct range range_of(const struct atoms *atoms, const char *attr)
{
    struct range range = {.attr = attr, .low = INT64_MIN, .high = INT64_MAX, .currency = ""};
    for (int i = 0; i < atoms->count; i++) {
        int64_t number = 0;
        const char *currency = "";
        if (strcmp(rv_json_str(atoms->list[i], "attr", ""), attr) == 0 &&
            atom_number(atoms->list[i], &number, &currency)) {
            range.currency = currency;
            narrow_range(&range, rv_json_str(atoms->list[i], "op", ""), number);
        }
    }
    return range;
}

static bool contradicts(const struct atoms *atoms, const char **witness)
{
    for (int i = 0; i < atoms->count; i++) {
        const char *attr = rv_json_str(atoms->list[i], "attr", "");
        const json_t *value = json_object_get(atoms->list[i], "value");
        bool is_eq = strcmp(rv_json_str(atoms->list[i], "op", ""), "eq") == 0;
        struct range range = range_of(atoms, attr);
        *witness = attr;
        if (range.low > range.high) {
            return true;
        }
        for (int k = 0; k < atoms->count && is_eq && json_is_string(value); k++) {
            const json_t *other = json_object_get(atoms->list[k], "value");
            const char *op = rv_json_str(atoms->list[k], "op", "");
            bool same_attr = strcmp(attr, rv_json_str(atoms->list[k], "attr", "")) == 0;
            if (same_attr && json_is_string(other) &&
                ((strcmp(op, "eq") == 0 && !json_equal(value, other)) ||
                 (strcmp(op, "ne") == 0 && json_equal(value, other)))) {
                return true;
            }
        }
    }
    return false;
}

/* ---- findings ---- */

static void check_actions(struct check *check)
{
    const struct rv_policy *policy = check->policy;
    for (const char *const *action = check->actions; *action != NULL; action++) {
        bool permitted = false;
        for (int i = 0; i < policy->rule_count && !permitted; i++) {
            permitted =
                policy->rules[i].kind == POLICY_PERMIT && mentions(&policy->rules[i], *action);
        }
        if (!permitted) {
            find(check, "note", NULL, "no-permit: nobody may do this, it is always denied",
                 *action);
        }
    }
    for (int i = 0; i < policy->rule_count; i++) {
        size_t k;
        json_t *pattern;
        json_array_foreach(policy_json(actions_of(&policy->rules[i])), k, pattern)
        {
            bool known = false;
            for (const char *const *action = check->actions; *action != NULL && !known; action++) {
                known = policy_pattern_matches(json_string_value(pattern), *action);
            }
            if (!known) {
                find(check, "error", &policy->rules[i],
                     "unknown-action: the catalogue has no such action",
                     json_string_value(pattern));
            }
        }
    }
}

static int64_t holders(const struct check *check, const char *role)
{
    int64_t count = 0;
    size_t i;
    json_t *person;
    json_array_foreach(policy_json(check->people), i, person)
    {
        size_t k;
        json_t *held;
        json_array_foreach(json_object_get(person, "roles"), k, held)
        {
            count += strcmp(json_string_value(held), role) == 0;
        }
    }
    return count;
}

static bool holds_any(const json_t *person, const json_t *roles)
{
    size_t i;
    json_t *held;
    json_array_foreach(json_object_get(person, "roles"), i, held)
    {
        size_t k;
        json_t *role;
        json_array_foreach(policy_json(roles), k, role)
        {
            if (json_equal(held, role)) {
                return true;
            }
        }
    }
    return false;
}

/* Nobody agrees to what he asks himself: where only people of some roles ask, is anybody left? */
static void check_requesters(struct check *check, const struct policy_rule *rule)
{
    const json_t *who = json_object_get(rule->source, "who");
    const json_t *asking = json_object_get(json_object_get(who, "persons"), "roles");
    if (json_object_get(who, "agents") != NULL || json_array_size(asking) == 0) {
        return;
    }
    bool any = false;
    size_t i;
    json_t *person;
    json_array_foreach(policy_json(check->people), i, person)
    {
        if (!holds_any(person, asking)) {
            continue;
        }
        json_t *left = rv_stages_unfilled(rule->ask.stages, check->people, rule->ask.escalate_to,
                                          rv_json_str(person, "person", ""));
        bool possible = json_array_size(left) == 0;
        json_decref(left);
        if (possible) {
            return;
        }
        any = true;
    }
    if (any) {
        find(check, "error", rule,
             "requester-only: whoever may ask is also needed to agree, and nobody agrees to what "
             "he asks himself",
             json_string_value(json_array_get(asking, 0)));
    }
}

/* An approval that nobody could give, if all said yes: an error, and only a warning where those to
 * whom it escalates could. */
static void check_people(struct check *check)
{
    for (int i = 0; i < check->policy->rule_count; i++) {
        const struct policy_rule *rule = &check->policy->rules[i];
        if (json_array_size(rule->ask.stages) == 0) {
            continue;
        }
        const char *also = rule->ask.escalate_to;
        json_t *now = rv_stages_unfilled(rule->ask.stages, check->people, NULL, NULL);
        json_t *later = rv_stages_unfilled(rule->ask.stages, check->people, also, NULL);
        const char *severity = json_array_size(later) > 0 ? "error" : "warning";
        for (size_t k = 0; k < json_array_size(now); k++) {
            const json_t *stage = json_array_get(now, k);
            const char *role = rv_json_str(stage, "role", "");
            if (holders(check, role) == 0) {
                find(check, severity, rule,
                     severity[0] == 'e' ? "unknown-members: nobody holds the role, so that every "
                                          "such request expires"
                                        : "unknown-members: nobody holds the role, so that every "
                                          "such request waits until it escalates",
                     role);
            } else {
                find(check, severity, rule,
                     severity[0] == 'e'
                         ? "quorum: fewer people hold the role than must agree"
                         : "quorum: fewer people hold the role than must agree, until it escalates",
                     role);
            }
        }
        if (json_array_size(later) == 0) {
            check_requesters(check, rule);
        }
        if (also != NULL && holders(check, also) == 0) {
            find(check, "warning", rule, "escalation-role: nobody holds the role it escalates to",
                 also);
        }
        json_decref(now);
        json_decref(later);
    }
}

static void check_conditions(struct check *check)
{
    for (int i = 0; i < check->policy->rule_count; i++) {
        struct atoms atoms = atoms_of(&check->policy->rules[i]);
        const char *witness = NULL;
        if (contradicts(&atoms, &witness)) {
            find(check, "warning", &check->policy->rules[i],
                 "dead-condition: it contradicts itself and can never be true", witness);
        }
    }
}

/* A permit under an unconditional forbid; a permit inside a wider one; a restriction of nothing. */
static void check_pairs(struct check *check)
{
    const struct rv_policy *policy = check->policy;
    for (int i = 0; i < policy->rule_count; i++) {
        const struct policy_rule *rule = &policy->rules[i];
        bool restrains_something = rule->kind == POLICY_PERMIT || rule->kind == POLICY_SOD;
        for (int k = 0; k < policy->rule_count; k++) {
            const struct policy_rule *other = &policy->rules[k];
            if (i == k) {
                continue;
            }
            restrains_something = restrains_something || (other->kind == POLICY_PERMIT &&
                                                          actions_meet(check, rule, other));
            if (rule->kind != POLICY_PERMIT || !actions_cover(other, rule) ||
                !who_covers(other, rule) || !condition_covers(other, rule)) {
                continue;
            }
            bool mutual = other->kind == POLICY_PERMIT && actions_cover(rule, other) &&
                          who_covers(rule, other) && condition_covers(rule, other);
            if (other->kind == POLICY_FORBID) {
                find(check, "warning", rule, "dead-permit: a forbid always wins over it",
                     other->id);
            } else if (other->kind == POLICY_PERMIT && (!mutual || i > k)) {
                find(check, "warning", rule, "shadowed-permit: a wider permit makes it superfluous",
                     other->id);
            }
        }
        if (!restrains_something) {
            find(check, "warning", rule, "nothing-permitted: no permit allows what it restricts",
                 json_string_value(json_array_get(actions_of(rule), 0)));
        }
    }
}

/* The most one request may add to a sum before a forbid stops it; INT64_MAX when nothing does. */
static int64_t largest_single(const struct check *check, const struct policy_rule *limit,
                              const char *sum)
{
    int64_t largest = INT64_MAX;
    for (int i = 0; i < check->policy->rule_count; i++) {
        const struct policy_rule *rule = &check->policy->rules[i];
        struct atoms atoms = atoms_of(rule);
        struct range range = range_of(&atoms, sum);
        const char *currency = rv_json_str(json_object_get(limit->source, "cap"), "currency", "");
        bool stops = rule->kind == POLICY_FORBID && atoms.count == 1 && atoms.whole &&
                     range.low > 0 && range.high == INT64_MAX &&
                     strcmp(range.currency, currency) == 0 && actions_cover(rule, limit) &&
                     who_covers(rule, limit);
        if (stops && range.low - 1 < largest) {
            largest = range.low - 1;
        }
    }
    return largest;
}

static bool same_per(const struct policy_rule *a, const struct policy_rule *b)
{
    return json_equal(json_object_get(a->source, "per"), json_object_get(b->source, "per")) != 0;
}

/* max single x max count below the cap: the sum can never be reached. */
static void check_limits(struct check *check)
{
    const struct rv_policy *policy = check->policy;
    for (int i = 0; i < policy->rule_count; i++) {
        const struct policy_rule *limit = &policy->rules[i];
        const char *sum =
            limit->kind == POLICY_LIMIT ? rv_json_str(limit->source, "sum", NULL) : NULL;
        for (int k = 0; sum != NULL && k < policy->rule_count; k++) {
            const struct policy_rule *count = &policy->rules[k];
            if (count->kind != POLICY_LIMIT || count->sum != POLICY_NONE || count->when >= 0 ||
                count->window_s < limit->window_s || !same_per(count, limit) ||
                !actions_cover(count, limit) || !who_covers(count, limit) ||
                count->ask.stages != NULL) {
                continue;
            }
            int64_t single = largest_single(check, limit, sum);
            int64_t most = 0;
            if (!__builtin_mul_overflow(single, count->cap.number, &most) &&
                most < limit->cap.number) {
                find(check, "warning", limit,
                     "limit-never-bites: the largest single amount times the largest count stays "
                     "below "
                     "the cap",
                     count->id);
            }
        }
    }
}

/* An approval above an amount, and nothing that adds up smaller ones: splitting goes around it. */
static void check_splits(struct check *check)
{
    const struct rv_policy *policy = check->policy;
    for (int i = 0; i < policy->rule_count; i++) {
        const struct policy_rule *rule = &policy->rules[i];
        struct atoms atoms = atoms_of(rule);
        bool guards = rule->kind == POLICY_APPROVE || rule->kind == POLICY_FORBID;
        for (int k = 0; guards && k < atoms.count; k++) {
            const char *attr = rv_json_str(atoms.list[k], "attr", "");
            const char *op = rv_json_str(atoms.list[k], "op", "");
            bool above = strcmp(op, "gt") == 0 || strcmp(op, "ge") == 0;
            bool is_money = json_is_object(json_object_get(atoms.list[k], "value"));
            bool summed = false;
            for (int n = 0; n < policy->rule_count && above && is_money; n++) {
                const struct policy_rule *limit = &policy->rules[n];
                summed =
                    summed || (limit->kind == POLICY_LIMIT && actions_meet(check, limit, rule) &&
                               strcmp(rv_json_str(limit->source, "sum", ""), attr) == 0);
            }
            if (above && is_money && !summed) {
                find(check, "warning", rule,
                     "split-below-approval: no limit adds up the smaller amounts", attr);
            }
        }
    }
}

static const char *type_name(const json_t *atom)
{
    const json_t *value = json_object_get(atom, "value");
    if (json_is_array(value)) {
        value = json_array_get(value, 0);
    }
    return json_is_object(value)    ? "money"
           : json_is_integer(value) ? "integer"
           : json_is_string(value)  ? "text"
           : json_is_boolean(value) ? "boolean"
                                    : NULL;
}

/* One attribute compared as money here and as a text there: one of the two always errs. */
static void check_types(struct check *check)
{
    json_t *seen = json_object();
    for (int i = 0; i < check->policy->rule_count; i++) {
        struct atoms atoms = atoms_of(&check->policy->rules[i]);
        for (int k = 0; k < atoms.count; k++) {
            const char *attr = rv_json_str(atoms.list[k], "attr", "");
            const char *type = type_name(atoms.list[k]);
            const char *before = rv_json_str(seen, attr, type);
            bool in_list = strcmp(rv_json_str(atoms.list[k], "op", ""), "contains") == 0;
            if (type == NULL || in_list) {
                continue;
            }
            if (strcmp(type, before) != 0) {
                find(check, "warning", &check->policy->rules[i],
                     "two-types: the attribute is compared as another type elsewhere", attr);
            }
            json_object_set_new(seen, attr, json_string(before));
        }
    }
    json_decref(seen);
}

/* Several arguments that pass when they equal one fact: an IBAN would do for a name. */
static void check_sinks(struct check *check)
{
    for (int i = 0; i < check->policy->rule_count; i++) {
        const struct policy_rule *sink = &check->policy->rules[i];
        if (sink->kind == POLICY_SINK && sink->sink_count > 1 && sink->endorse != POLICY_NONE) {
            find(
                check, "warning", sink,
                "one-fact-for-many: each of several arguments passes when it equals the same fact; "
                "write one sink for each",
                check->policy->slots[sink->endorse].path);
        }
    }
}

/* ---- segregation of duties: one role or name may do two conflicting things ---- */

/* `duties`: {"persons role clerk": {"party.register": true, …}} */
static void add_duties(json_t *duties, const char *group, const json_t *who, const char *action)
{
    static const char *const lists[] = {"roles", "ids"};
    const json_t *one = json_object_get(who, group);
    for (size_t k = 0; k < 2 && one != NULL; k++) {
        size_t count =
            json_is_string(one) ? 1 - k : json_array_size(json_object_get(one, lists[k]));
        for (size_t i = 0; i < count; i++) {
            const char *name =
                json_is_string(one)
                    ? "*"
                    : json_string_value(json_array_get(json_object_get(one, lists[k]), i));
            char key[160];
            snprintf(key, sizeof key, "%s %s\"%s\"", group, k == 0 && *name != '*' ? "role" : "",
                     name);
            json_t *set = json_object_get(duties, key);
            if (set == NULL) {
                set = json_object();
                json_object_set_new(duties, key, set);
            }
            json_object_set_new(set, action, json_true());
        }
    }
}

static void check_sod(struct check *check, const struct policy_rule *sod)
{
    json_t *duties = json_object();
    size_t i;
    json_t *action;
    json_array_foreach(policy_json(actions_of(sod)), i, action)
    {
        for (int k = 0; k < check->policy->rule_count; k++) {
            const struct policy_rule *permit = &check->policy->rules[k];
            if (permit->kind == POLICY_PERMIT && mentions(permit, json_string_value(action))) {
                const json_t *who = json_object_get(permit->source, "who");
                add_duties(duties, "agents", who, json_string_value(action));
                add_duties(duties, "persons", who, json_string_value(action));
            }
        }
    }
    const char *name;
    json_t *set;
    json_object_foreach(duties, name, set)
    {
        if (json_object_size(set) > 1) {
            find(check, "error", sod, "sod: one and the same may do conflicting things", name);
        }
    }
    json_decref(duties);
}

json_t *rv_policy_check(const struct rv_policy *policy, const char *const *actions,
                        const json_t *people)
{
    struct check check = {
        .policy = policy, .actions = actions, .people = people, .findings = json_array()};
    if (actions != NULL) {
        check_actions(&check);
    }
    if (people != NULL) {
        check_people(&check);
    }
    check_conditions(&check);
    check_pairs(&check);
    check_limits(&check);
    check_splits(&check);
    check_types(&check);
    check_sinks(&check);
    for (int i = 0; i < policy->rule_count; i++) {
        if (policy->rules[i].kind == POLICY_SOD) {
            check_sod(&check, &policy->rules[i]);
        }
    }
    return check.findings;
}
