/* policy_compile.c -- from the canonical form to flat tables that a decision can walk without
 * thinking.
 *
 *   symbols   every literal text, role and id once, with a number
 *   slots     every attribute once; "res.vendor.iban" hangs below "res.vendor"
 *   nodes     conditions; the children of a group lie side by side
 *   buckets   (action or pattern, principal) -> rules
 *
 * The index: a request looks into the buckets of its action (and of the few patterns that match it)
 * for everybody, for its kind of principal, its id and each of its roles.  Rules about other
 * actions or other roles are never touched, so cost follows the rules that apply and not the
 * bundle's size.
 */
#include "runtime/gate/policy_table.h"

#include <stdlib.h>
#include <string.h>

enum {
    COMPILE_ARENA_MAX = 1 << 30, /* above what the three limits below can need */
    COMPILE_ACTIONS_MAX = 4096,  /* distinct exact names; a catalogue has a hundred */
    COMPILE_PATTERNS_MAX = 256,
    COMPILE_ENTRIES_MAX = 1 << 20 /* rules x actions x names of principals */
};

/* ---- growing ---- */

static void *grow(void *memory, uint32_t count, uint32_t *capacity, size_t size)
{
    if (count < *capacity) {
        return memory;
    }
    *capacity = *capacity == 0 ? 64 : *capacity * 2;
    return rv_realloc(memory, *capacity * size);
}

/* ---- symbols ---- */

/* FNV-1a over eight bytes at a time, then over the rest: short texts, no attacker-chosen set. */
static uint32_t hash_bytes(const char *text, size_t length)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ length;
    while (length >= 8) {
        uint64_t word;
        memcpy(&word, text, 8);
        hash = (hash ^ word) * UINT64_C(0x9E3779B97F4A7C15);
        hash ^= hash >> 29;
        text += 8;
        length -= 8;
    }
    for (; length > 0; length--, text++) {
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    }
    return (uint32_t)(hash ^ (hash >> 32));
}

int32_t policy_symbol_find(const struct rv_policy *policy, const char *text, size_t length)
{
    uint32_t hash = hash_bytes(text, length);
    for (uint32_t at = hash & policy->symbol_mask;; at = (at + 1) & policy->symbol_mask) {
        int32_t symbol = policy->symbol_table[at];
        if (symbol < 0) {
            return -1;
        }
        const struct policy_symbol *known = &policy->symbols[symbol];
        if (known->hash == hash && known->length == length &&
            memcmp(known->text, text, length) == 0) {
            return symbol;
        }
    }
}

static void symbol_table_resize(struct rv_policy *policy, uint32_t size)
{
    rv_free(policy->symbol_table);
    policy->symbol_table = rv_alloc_array(size, sizeof *policy->symbol_table);
    memset(policy->symbol_table, 0xff, size * sizeof *policy->symbol_table);
    policy->symbol_mask = size - 1;
    for (int32_t i = 0; i < policy->symbol_count; i++) {
        uint32_t at = policy->symbols[i].hash & policy->symbol_mask;
        while (policy->symbol_table[at] >= 0) {
            at = (at + 1) & policy->symbol_mask;
        }
        policy->symbol_table[at] = i;
    }
}

/* `text` lives as long as the canonical form. */
static int32_t symbol_of(struct rv_policy *policy, const char *text)
{
    size_t length = strlen(text);
    int32_t found = policy_symbol_find(policy, text, length);
    if (found >= 0) {
        return found;
    }
    if ((uint32_t)policy->symbol_count * 2 >= policy->symbol_mask) {
        symbol_table_resize(policy, (policy->symbol_mask + 1) * 2);
    }
    uint32_t capacity = (uint32_t)policy->symbol_capacity;
    policy->symbols =
        grow(policy->symbols, (uint32_t)policy->symbol_count, &capacity, sizeof *policy->symbols);
    policy->symbol_capacity = (int32_t)capacity;
    struct policy_symbol symbol = {text, (uint32_t)length, hash_bytes(text, length)};
    policy->symbols[policy->symbol_count] = symbol;
    uint32_t at = symbol.hash & policy->symbol_mask;
    while (policy->symbol_table[at] >= 0) {
        at = (at + 1) & policy->symbol_mask;
    }
    policy->symbol_table[at] = policy->symbol_count;
    return policy->symbol_count++;
}

uint32_t policy_currency(const char *text)
{
    return text == NULL || strlen(text) != 3
               ? 0
               : (uint32_t)(unsigned char)text[0] << 16 | (uint32_t)(unsigned char)text[1] << 8 |
                     (uint32_t)(unsigned char)text[2];
}

/* ---- slots ---- */

static int root_of(const char *path)
{
    return strncmp(path, "me", 2) == 0    ? POLICY_ROOT_ME
           : strncmp(path, "arg", 3) == 0 ? POLICY_ROOT_ARG
           : strncmp(path, "run", 3) == 0 ? POLICY_ROOT_RUN
                                          : POLICY_ROOT_RES;
}

/* Where the path stands, or the free place it would take. */
static uint16_t *slot_place(const struct rv_policy *policy, const char *path)
{
    uint32_t at = hash_bytes(path, strlen(path)) % POLICY_SLOT_PLACES;
    while (policy->slot_table[at] != 0 &&
           strcmp(policy->slots[policy->slot_table[at] - 1].path, path) != 0) {
        at = (at + 1) % POLICY_SLOT_PLACES;
    }
    return &policy->slot_table[at];
}

/* The slot of a path, made with its parents; POLICY_NONE when there are too many. */
static uint16_t slot_of(struct rv_policy *policy, const char *path)
{
    uint16_t known = *slot_place(policy, path);
    if (known != 0) {
        return (uint16_t)(known - 1);
    }
    const char *dot = strrchr(path, '.');
    uint16_t parent = POLICY_NONE;
    if (dot != NULL) {
        parent = slot_of(policy, rv_arena_strndup(policy->arena, path, (size_t)(dot - path)));
        if (parent == POLICY_NONE) {
            return POLICY_NONE;
        }
    }
    if (policy->slot_count == POLICY_SLOTS_MAX) {
        return POLICY_NONE;
    }
    const char *own = rv_arena_strdup(policy->arena, path);
    const char *key = dot == NULL ? own : own + (dot - path) + 1;
    policy->slots[policy->slot_count] = (struct policy_slot){.parent = parent,
                                                             .root = (uint8_t)root_of(path),
                                                             .key = key,
                                                             .path = own,
                                                             .key_length = (uint32_t)strlen(key)};
    *slot_place(policy, path) = (uint16_t)(policy->slot_count + 1);
    return (uint16_t)policy->slot_count++;
}

/* ---- conditions ---- */

static uint32_t nodes_reserve(struct rv_policy *policy, uint32_t count)
{
    uint32_t first = policy->node_count;
    for (uint32_t i = 0; i < count; i++) {
        policy->nodes =
            grow(policy->nodes, policy->node_count, &policy->node_capacity, sizeof *policy->nodes);
        policy->nodes[policy->node_count++] = (struct policy_node){0};
    }
    return first;
}

static void literal_add(struct rv_policy *policy, int64_t value)
{
    policy->literals = grow(policy->literals, policy->literal_count, &policy->literal_capacity,
                            sizeof *policy->literals);
    policy->literals[policy->literal_count++] = value;
}

static void set_literal(struct rv_policy *policy, struct policy_node *node, const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_STRING:
        node->type = POLICY_TEXT;
        node->text = json_string_value(value);
        node->length = (uint32_t)json_string_length(value);
        node->symbol = symbol_of(policy, node->text);
        break;
    case JSON_INTEGER:
        node->type = POLICY_INT;
        node->number = json_integer_value(value);
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        node->type = POLICY_BOOL;
        node->number = json_is_true(value);
        break;
    case JSON_OBJECT:
        node->type = POLICY_MONEY;
        node->number = rv_json_int(value, "minor", 0);
        node->text = rv_json_str(value, "currency", "");
        node->currency = policy_currency(node->text);
        break;
    case JSON_ARRAY:
        node->type = json_is_string(json_array_get(value, 0)) ? POLICY_TEXT : POLICY_INT;
        node->first = policy->literal_count;
        node->count = (uint32_t)json_array_size(value);
        for (size_t i = 0; i < json_array_size(value); i++) {
            const json_t *item = json_array_get(value, i);
            literal_add(policy, node->type == POLICY_TEXT
                                    ? symbol_of(policy, json_string_value(item))
                                    : json_integer_value(item));
        }
        break;
    case JSON_REAL:
    case JSON_NULL: RV_UNREACHABLE("the canonical form has no such literal");
    }
}

/* Cheap conditions first: a group stops at the first that decides, and its order means nothing. */
static int cost_of(const json_t *source)
{
    enum policy_op op = policy_op_from_name(rv_json_str(source, "op", ""));
    return op <= POLICY_NONE_OF                         ? 4
           : op == POLICY_CONTAINS                      ? 3
           : op == POLICY_ONE_OF || op == POLICY_PREFIX ? 2
                                                        : 1;
}

static bool compile_condition(struct rv_policy *policy, uint32_t at, const json_t *source);

static bool compile_children(struct rv_policy *policy, uint32_t first, const json_t *of)
{
    bool ok = true;
    size_t count = json_array_size(of);
    size_t left = count;
    for (int cost = 1; cost <= 4 && left > 0; cost++) {
        for (size_t i = 0; ok && i < count; i++) {
            const json_t *child = json_array_get(of, i);
            if (cost_of(child) == cost) {
                ok = compile_condition(policy, first++, child);
                left--;
            }
        }
    }
    return ok;
}

static bool compile_condition(struct rv_policy *policy, uint32_t at, const json_t *source)
{
    struct policy_node node = {.slot = POLICY_NONE, .other = POLICY_NONE, .symbol = -1};
    node.op = (uint8_t)policy_op_from_name(rv_json_str(source, "op", ""));
    RV_ASSERT(node.op < POLICY_OPS);
    bool ok = true;
    if (node.op <= POLICY_NONE_OF) {
        const json_t *of = json_object_get(source, "of");
        node.count = (uint32_t)json_array_size(of);
        node.first = nodes_reserve(policy, node.count);
        ok = compile_children(policy, node.first, of);
    } else {
        const char *other = rv_json_str(source, "other", NULL);
        node.slot = slot_of(policy, rv_json_str(source, "attr", ""));
        ok = node.slot != POLICY_NONE;
        if (other != NULL) {
            node.other = slot_of(policy, other);
            ok = ok && node.other != POLICY_NONE;
        } else if (node.op != POLICY_HAS) {
            set_literal(policy, &node, json_object_get(source, "value"));
        }
    }
    policy->nodes[at] = node;
    return ok;
}

/* ---- rules ---- */

static void compile_ask(struct rv_policy *policy, struct policy_rule *rule)
{
    const json_t *ask = json_object_get(rule->source, "ask");
    if (ask == NULL) {
        return;
    }
    rule->ask = (struct policy_ask){
        .stages = json_object_get(ask, "stages"),
        .never = json_object_get(ask, "never"),
        .expires_s = rv_json_int(ask, "expires_s", 0),
        .escalate_after_s = rv_json_int(ask, "escalate_after_s", 0),
        .escalate_to = rv_json_str(ask, "escalate_to", NULL),
    };
    if (rule->ask.escalate_to != NULL) {
        rule->ask.escalate_symbol = symbol_of(policy, rule->ask.escalate_to);
    }
    rule->ask.count = (int)json_array_size(rule->ask.stages);
    rule->ask.list =
        rv_arena_alloc(policy->arena, ((size_t)rule->ask.count + 1) * sizeof *rule->ask.list);
    for (int i = 0; i < rule->ask.count; i++) {
        const json_t *stage = json_array_get(rule->ask.stages, (size_t)i);
        const char *role = rv_json_str(stage, "role", "");
        rule->ask.list[i] =
            (struct policy_stage){role, symbol_of(policy, role), rv_json_int(stage, "n", 1)};
    }
}

static bool compile_limit(struct rv_policy *policy, struct policy_rule *rule)
{
    const char *sum = rv_json_str(rule->source, "sum", NULL);
    rule->sum = sum != NULL ? slot_of(policy, sum) : POLICY_NONE;
    bool ok = sum == NULL || rule->sum != POLICY_NONE;
    rule->cap = policy_value_of(policy, json_object_get(rule->source, "cap"));
    rule->window_s = rv_json_int(rule->source, "window_s", 0);
    rule->bucket_s = (rule->window_s + POLICY_BUCKETS - 1) / POLICY_BUCKETS;
    const json_t *per = json_object_get(rule->source, "per");
    for (size_t i = 0; i < json_array_size(per); i++) {
        struct policy_per *part = &rule->per[rule->per_count++];
        part->name = json_string_value(json_array_get(per, i));
        part->kind = strcmp(part->name, "agent") == 0    ? POLICY_PER_AGENT
                     : strcmp(part->name, "action") == 0 ? POLICY_PER_ACTION
                                                         : POLICY_PER_SLOT;
        part->slot = part->kind == POLICY_PER_SLOT ? slot_of(policy, part->name) : POLICY_NONE;
        ok = ok && (part->kind != POLICY_PER_SLOT || part->slot != POLICY_NONE);
    }
    return ok;
}

static bool compile_sink(struct rv_policy *policy, struct policy_rule *rule)
{
    const json_t *args = json_object_get(rule->source, "args");
    const char *endorse = rv_json_str(rule->source, "endorse", NULL);
    rule->sink_count = (int)json_array_size(args);
    rule->sink_slots = rv_arena_alloc(policy->arena, (size_t)rule->sink_count * sizeof(uint16_t));
    rule->sink_names = rv_arena_alloc(policy->arena, (size_t)rule->sink_count * sizeof(char *));
    bool ok = true;
    for (int i = 0; i < rule->sink_count; i++) {
        rule->sink_names[i] = json_string_value(json_array_get(args, (size_t)i));
        rule->sink_slots[i] =
            slot_of(policy, rv_arena_printf(policy->arena, "arg.%s", rule->sink_names[i]));
        ok = ok && rule->sink_slots[i] != POLICY_NONE;
    }
    rule->endorse = endorse != NULL ? slot_of(policy, endorse) : POLICY_NONE;
    rule->need = policy_label_rank(rv_json_str(rule->source, "need", ""));
    return ok && (endorse == NULL || rule->endorse != POLICY_NONE);
}

static enum rv_code compile_rule(struct rv_policy *policy, int index, const json_t *source,
                                 int line, struct rv_error *err)
{
    struct policy_rule *rule = &policy->rules[index];
    *rule = (struct policy_rule){.when = -1,
                                 .source = source,
                                 .sum = POLICY_NONE,
                                 .endorse = POLICY_NONE,
                                 .id = rv_json_str(source, "id", "")};
    rule->kind = (uint8_t)policy_kind_from_name(rv_json_str(source, "kind", ""));
    RV_ASSERT(rule->kind < POLICY_KINDS);
    policy->lines[index] = line;
    policy->of_kind[rule->kind][index / 64] |= UINT64_C(1) << (index % 64);
    compile_ask(policy, rule);
    bool ok = true;
    const json_t *when = json_object_get(source, "when");
    if (when != NULL) {
        uint32_t root = nodes_reserve(policy, 1);
        rule->when = (int32_t)root;
        ok = compile_condition(policy, root, when);
    }
    if (rule->kind == POLICY_LIMIT) {
        ok = compile_limit(policy, rule) && ok;
    } else if (rule->kind == POLICY_SINK) {
        ok = compile_sink(policy, rule) && ok;
    }
    if (!ok) {
        rv_fail(err, RV_LIMIT, "%s:%d: rule \"%s\": the bundle uses more than %d attributes",
                policy->file, line, rule->id, POLICY_SLOTS_MAX);
        rv_hint(err, "Use the same attribute names in all rules, or split the bundle.");
        return RV_LIMIT;
    }
    return RV_OK;
}

/* ---- the index ---- */

bool policy_pattern_matches(const char *pattern, const char *action)
{
    const char *star = strchr(pattern, '*');
    if (star == NULL) {
        return strcmp(pattern, action) == 0;
    }
    size_t before = (size_t)(star - pattern);
    size_t after = strlen(star + 1);
    size_t length = strlen(action);
    return length >= before + after && memcmp(pattern, action, before) == 0 &&
           memcmp(star + 1, action + length - after, after) == 0;
}

static uint64_t bucket_key(uint32_t action, enum policy_selector selector, int32_t symbol)
{
    return (uint64_t)(action + 1) << 35 | (uint64_t)selector << 32 | (uint32_t)symbol;
}

static uint32_t bucket_hash(uint64_t key)
{
    key *= UINT64_C(0x9E3779B97F4A7C15);
    return (uint32_t)(key >> 32);
}

const struct policy_bucket *policy_bucket_find(const struct rv_policy *policy, uint32_t action,
                                               enum policy_selector selector, int32_t symbol)
{
    uint64_t key = bucket_key(action, selector, symbol);
    for (uint32_t at = bucket_hash(key) & policy->bucket_mask;;
         at = (at + 1) & policy->bucket_mask) {
        const struct policy_bucket *bucket = &policy->buckets[at];
        if (bucket->key == key) {
            return bucket;
        }
        if (bucket->key == 0) {
            return NULL;
        }
    }
}

/* One rule seen from one action and one selector. */
struct entry {
    uint64_t key;
    uint32_t rule;
};

struct entries {
    struct entry *list;
    uint32_t count, capacity;
    bool full;
};

static void entry_add(struct entries *entries, uint64_t key, uint32_t rule)
{
    if (entries->count == COMPILE_ENTRIES_MAX) {
        entries->full = true;
        return;
    }
    entries->list = grow(entries->list, entries->count, &entries->capacity, sizeof *entries->list);
    entries->list[entries->count++] = (struct entry){key, rule};
}

static void enter_group(struct rv_policy *policy, struct entries *entries, uint32_t action,
                        uint32_t rule, const json_t *group, enum policy_selector any)
{
    static const char *const lists[] = {"ids", "roles"};
    if (json_is_string(group)) {
        entry_add(entries, bucket_key(action, any, 0), rule);
        return;
    }
    for (int k = 0; k < 2; k++) {
        size_t i;
        json_t *name;
        json_array_foreach(json_object_get(group, lists[k]), i, name)
        {
            int32_t symbol = symbol_of(policy, json_string_value(name));
            entry_add(entries, bucket_key(action, (enum policy_selector)(any + 1 + k), symbol),
                      rule);
        }
    }
}

static void enter_rule(struct rv_policy *policy, struct entries *entries, uint32_t action,
                       uint32_t rule)
{
    const json_t *who = json_object_get(policy->rules[rule].source, "who");
    if (who == NULL) {
        entry_add(entries, bucket_key(action, POLICY_EVERYBODY, 0), rule);
        return;
    }
    _Static_assert(POLICY_AGENT_ID == POLICY_AGENT_ANY + 1 &&
                       POLICY_AGENT_ROLE == POLICY_AGENT_ANY + 2 &&
                       POLICY_PERSON_ROLE == POLICY_PERSON_ANY + 2,
                   "enter_group counts from the first of a group");
    enter_group(policy, entries, action, rule, json_object_get(who, "agents"), POLICY_AGENT_ANY);
    enter_group(policy, entries, action, rule, json_object_get(who, "persons"), POLICY_PERSON_ANY);
    if (json_object_get(who, "system") != NULL) {
        entry_add(entries, bucket_key(action, POLICY_SYSTEM, 0), rule);
    }
}

/* Exact names first, then patterns; {name: number}. */
static json_t *number_actions(struct rv_policy *policy)
{
    json_t *numbers = json_object();
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < policy->rule_count; i++) {
            size_t k;
            json_t *action;
            json_array_foreach(json_object_get(policy->rules[i].source, "actions"), k, action)
            {
                const char *name = json_string_value(action);
                if ((strchr(name, '*') != NULL) == (pass == 1) &&
                    json_object_get(numbers, name) == NULL) {
                    json_object_set_new(numbers, name, json_integer(policy->action_count));
                    policy->action_count++;
                }
            }
        }
        if (pass == 0) {
            policy->exact_count = policy->action_count;
        }
    }
    return numbers;
}

static void make_actions(struct rv_policy *policy, const json_t *numbers)
{
    policy->actions =
        rv_arena_alloc(policy->arena, (policy->action_count + 1) * sizeof *policy->actions);
    const char *name;
    json_t *number;
    json_object_foreach(policy_json(numbers), name, number)
    {
        policy->actions[json_integer_value(number)].name = rv_arena_strdup(policy->arena, name);
    }
    for (uint32_t i = 0; i < policy->exact_count; i++) {
        struct policy_action *action = &policy->actions[i];
        uint32_t patterns = policy->action_count - policy->exact_count;
        action->patterns = rv_arena_alloc(policy->arena, (patterns + 1) * sizeof(uint32_t));
        for (uint32_t k = policy->exact_count; k < policy->action_count; k++) {
            if (policy_pattern_matches(policy->actions[k].name, action->name)) {
                action->patterns[action->pattern_count++] = k;
            }
        }
        symbol_of(policy, action->name);
    }
}

static int compare_entries(const void *a, const void *b)
{
    const struct entry *left = a;
    const struct entry *right = b;
    if (left->key != right->key) {
        return left->key < right->key ? -1 : 1;
    }
    return left->rule < right->rule ? -1 : left->rule > right->rule;
}

static void make_buckets(struct rv_policy *policy, struct entries *entries)
{
    uint32_t size = 16;
    while (size < entries->count * 2 + 1) {
        size *= 2;
    }
    policy->buckets = rv_arena_alloc(policy->arena, size * sizeof *policy->buckets);
    policy->bucket_mask = size - 1;
    policy->bucket_rules =
        rv_arena_alloc(policy->arena, ((size_t)entries->count + 1) * sizeof(uint32_t));
    if (entries->count > 0) {
        qsort(entries->list, entries->count, sizeof *entries->list, compare_entries);
    }
    struct policy_bucket *bucket = NULL;
    for (uint32_t i = 0; i < entries->count; i++) {
        uint64_t key = entries->list[i].key;
        if (bucket == NULL || bucket->key != key) {
            uint32_t at = bucket_hash(key) & policy->bucket_mask;
            while (policy->buckets[at].key != 0) {
                at = (at + 1) & policy->bucket_mask;
            }
            bucket = &policy->buckets[at];
            *bucket = (struct policy_bucket){.key = key, .first = i};
        }
        policy->bucket_rules[bucket->first + bucket->count++] = entries->list[i].rule;
    }
}

static enum rv_code build_index(struct rv_policy *policy, struct rv_error *err)
{
    struct entries entries = {0};
    json_t *numbers = number_actions(policy);
    if (policy->exact_count > COMPILE_ACTIONS_MAX ||
        policy->action_count - policy->exact_count > COMPILE_PATTERNS_MAX) {
        json_decref(numbers);
        return rv_fail(err, RV_LIMIT, "%s: the bundle names more than %d actions or %d patterns",
                       policy->file, COMPILE_ACTIONS_MAX, COMPILE_PATTERNS_MAX);
    }
    make_actions(policy, numbers);
    for (int i = 0; i < policy->rule_count && !entries.full; i++) {
        if (policy->rules[i].kind == POLICY_SOD) {
            continue; /* speaks about roles, not about requests */
        }
        size_t k;
        json_t *action;
        json_array_foreach(json_object_get(policy->rules[i].source, "actions"), k, action)
        {
            enter_rule(policy, &entries,
                       (uint32_t)rv_json_int(numbers, json_string_value(action), 0), (uint32_t)i);
        }
    }
    make_buckets(policy, &entries);
    rv_free(entries.list);
    json_decref(numbers);
    if (entries.full) {
        rv_fail(err, RV_LIMIT, "%s: rules times actions times names is more than %d", policy->file,
                COMPILE_ENTRIES_MAX);
        rv_hint(err,
                "Use roles instead of lists of names, and patterns instead of lists of actions.");
        return RV_LIMIT;
    }
    policy->action_of_symbol =
        rv_arena_alloc(policy->arena, ((size_t)policy->symbol_count + 1) * sizeof(int32_t));
    memset(policy->action_of_symbol, 0xff, (size_t)policy->symbol_count * sizeof(int32_t));
    for (uint32_t i = 0; i < policy->exact_count; i++) {
        const char *name = policy->actions[i].name;
        policy->action_of_symbol[policy_symbol_find(policy, name, strlen(name))] = (int32_t)i;
    }
    return RV_OK;
}

/* ---- the bundle ---- */

static enum rv_code compile(struct rv_policy *policy, const json_t *lines, struct rv_error *err)
{
    const json_t *rules = json_object_get(policy->canonical, "rules");
    policy->rule_count = (int)json_array_size(rules);
    size_t count = (size_t)policy->rule_count + 1;
    policy->words = policy->rule_count / 64 + 1;
    for (int kind = 0; kind < POLICY_KINDS; kind++) {
        policy->of_kind[kind] =
            rv_arena_alloc(policy->arena, (size_t)policy->words * sizeof(uint64_t));
    }
    policy->rules = rv_arena_alloc(policy->arena, count * sizeof *policy->rules);
    policy->lines = rv_arena_alloc(policy->arena, count * sizeof *policy->lines);
    policy->slots = rv_arena_alloc(policy->arena, POLICY_SLOTS_MAX * sizeof *policy->slots);
    policy->slot_table =
        rv_arena_alloc(policy->arena, POLICY_SLOT_PLACES * sizeof *policy->slot_table);
    symbol_table_resize(policy, 64);
    for (int i = 0; i < policy->rule_count; i++) {
        const json_t *source = json_array_get(rules, (size_t)i);
        int line = (int)rv_json_int(lines, rv_json_str(source, "id", ""), 0);
        enum rv_code code = compile_rule(policy, i, source, line, err);
        if (code != RV_OK) {
            return code;
        }
    }
    enum rv_code code = build_index(policy, err);
    if (code != RV_OK) {
        return code;
    }
    policy_tables_make(policy);
    struct rv_buf text;
    rv_buf_init(&text, RV_JSON_TEXT_MAX);
    code = rv_json_canonical(policy->canonical, &text, err);
    if (code == RV_OK) {
        policy->hash = rv_sha256(text.data, text.length);
        policy->canonical_text = rv_buf_take(&text);
    }
    rv_buf_fini(&text);
    return code;
}

enum rv_code policy_compile(json_t *canonical, const json_t *lines, json_t *tests, const char *file,
                            struct rv_policy **out, struct rv_error *err)
{
    struct rv_policy *policy = rv_alloc(sizeof *policy);
    policy->arena = rv_arena_create("policy", COMPILE_ARENA_MAX);
    policy->canonical = canonical;
    policy->tests = tests;
    policy->name = rv_json_str(canonical, "name", "");
    policy->file = rv_arena_strdup(policy->arena, file);
    enum rv_code code = compile(policy, lines, err);
    if (code != RV_OK) {
        rv_policy_destroy(policy);
        return code;
    }
    *out = policy;
    return RV_OK;
}

enum rv_code rv_policy_load(const char *source, size_t length, const char *name,
                            struct rv_policy **out, struct rv_error *err)
{
    json_t *tree = NULL;
    json_t *canonical = NULL;
    json_t *lines = NULL;
    json_t *tests = NULL;
    enum rv_code code = policy_read_lua(source, length, name, &tree, err);
    if (code != RV_OK) {
        return code;
    }
    code = policy_canonical(tree, name, &canonical, &lines, &tests, err);
    json_decref(tree);
    if (code != RV_OK) {
        return code;
    }
    code = policy_compile(canonical, lines, tests, name, out, err);
    json_decref(lines);
    return code;
}

void rv_policy_destroy(struct rv_policy *policy)
{
    if (policy == NULL) {
        return;
    }
    json_decref(policy->canonical);
    json_decref(policy->tests);
    rv_free(policy->canonical_text);
    rv_free(policy->symbols);
    rv_free(policy->symbol_table);
    rv_free(policy->nodes);
    rv_free(policy->literals);
    rv_arena_destroy(policy->arena);
    rv_free(policy);
}

struct rv_hash rv_policy_hash(const struct rv_policy *policy)
{
    return policy->hash;
}

const char *rv_policy_canonical(const struct rv_policy *policy)
{
    return policy->canonical_text;
}

const char *rv_policy_name(const struct rv_policy *policy)
{
    return policy->name;
}
