/* policy_private.h -- the compiled form of a bundle; private to runtime/gate/policy_*.c.
 *
 *   Lua text --load--> tree (JSON as written) --canonical--> canonical JSON --compile--> rv_policy
 *                                                     hash ^        decide, limits, explain
 *
 * The compiled form is flat: slots (attributes), nodes (conditions), rules, and an index from
 * (action, principal) to rules.  Literal texts are interned, so that a text comparison at decision
 * is a comparison of two integers.  Nothing here changes after compile.
 */
#ifndef REEVE_RUNTIME_GATE_POLICY_PRIVATE_H
#define REEVE_RUNTIME_GATE_POLICY_PRIVATE_H

#include "runtime/base/check.h"
#include "runtime/gate/policy.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    POLICY_SLOTS_MAX = 1024,      /* distinct attributes and the objects that hold them */
    POLICY_CONDITION_DEPTH = 16,  /* nesting of all/any/none; people cannot read deeper either */
    POLICY_ONE_OF_MAX = 10000,    /* members of one list; more are data, not policy */
    POLICY_PER_MAX = 4,           /* parts of a limit's key */
    POLICY_STAGE_SLOTS_MAX = 16,  /* people one approval may need; RV_APPROVAL_SLOTS_MAX */
    POLICY_ROLES_MERGED_MAX = 64, /* distinct roles one merged hold may ask; more denies */
    POLICY_BUCKETS = 24,          /* a window is counted in so many buckets, width rounded up */
    POLICY_EXPIRES_DEFAULT_S = 86400, /* limit and sink approvals that name no expiry */
    POLICY_EXPIRES_MAX_S = 90 * 86400,
    POLICY_WINDOW_MAX_S = 366 * 86400,
    POLICY_ID_MAX = 64,
    POLICY_SLOT_PLACES = 4 * POLICY_SLOTS_MAX,
    POLICY_NONE = 0xffff /* no slot */
};

/* ---- values ---- */

enum policy_type {
    POLICY_UNRESOLVED, /* not looked up yet in this request */
    POLICY_ABSENT,     /* missing or null */
    POLICY_TEXT,
    POLICY_INT,
    POLICY_BOOL,
    POLICY_MONEY,
    POLICY_LIST,
    POLICY_OTHER /* an object or a fraction: nothing can be compared with it */
};

struct policy_value {
    uint8_t type;
    int32_t symbol; /* text: its number among the bundle's literals, -1 when it is none of them */
    uint32_t currency; /* money: three letters packed */
    uint32_t length;   /* text */
    int64_t number;    /* int, bool, money in minor units */
    const char *text;
    const json_t *json; /* as found; NULL in literals */
};

/* An attribute is a path; its parent is a slot too, so that shared prefixes are looked up once. */
enum policy_root {
    POLICY_ROOT_ME,
    POLICY_ROOT_ARG,
    POLICY_ROOT_RES,
    POLICY_ROOT_RUN,
    POLICY_ROOTS
};
struct policy_slot {
    uint16_t parent; /* POLICY_NONE: a root */
    uint8_t root;
    uint32_t key_length;
    const char *key;  /* last part of the path */
    const char *path; /* "res.vendor.status" */
};

/* ---- conditions ---- */

enum policy_op {
    POLICY_ALL,
    POLICY_ANY,
    POLICY_NONE_OF,
    POLICY_HAS,
    POLICY_EQ,
    POLICY_NE,
    POLICY_LT,
    POLICY_LE,
    POLICY_GT,
    POLICY_GE,
    POLICY_ONE_OF,
    POLICY_CONTAINS,
    POLICY_PREFIX,
    POLICY_OPS
};
extern const char *const policy_op_names[POLICY_OPS];
extern const char *const policy_op_signs[POLICY_OPS]; /* as people read them */
enum policy_op policy_op_from_name(const char *name); /* POLICY_OPS when unknown */

struct policy_node {
    uint8_t op;
    uint8_t type; /* of the literal */
    uint16_t slot;
    uint16_t other; /* slot on the right, or POLICY_NONE */
    int32_t symbol;
    uint32_t currency;
    uint32_t length;
    uint32_t first, count; /* all/any/none: children in nodes; one_of: literals */
    int64_t number;
    const char *text;
};

enum policy_truth { POLICY_NO, POLICY_YES, POLICY_ERROR };

/* ---- rules ---- */

enum policy_kind {
    POLICY_PERMIT,
    POLICY_FORBID,
    POLICY_LIMIT,
    POLICY_APPROVE,
    POLICY_SINK,
    POLICY_SOD, /* static only: policy_check */
    POLICY_KINDS
};
extern const char *const policy_kind_names[POLICY_KINDS];
enum policy_kind policy_kind_from_name(const char *name);

struct policy_stage {
    const char *role;
    int32_t symbol; /* of the role */
    int64_t n;
};

/* What a restricting rule wants instead of "no". */
struct policy_ask {
    const json_t *stages;      /* borrowed from the canonical form; NULL: it wants "no" */
    struct policy_stage *list; /* the same */
    int count;
    const json_t *never;
    int64_t expires_s;
    int64_t escalate_after_s;
    const char *escalate_to;
    int32_t escalate_symbol;
};

/* Parts of a limit's key. */
struct policy_per {
    const char *name; /* "agent", "res.vendor.id" */
    uint16_t slot;
    enum { POLICY_PER_AGENT, POLICY_PER_ACTION, POLICY_PER_SLOT } kind;
};

struct policy_rule {
    uint8_t kind;
    int32_t when; /* root node, or -1: always */
    const char *id;
    const json_t *source; /* canonical object */
    struct policy_ask ask;
    /* limit */
    uint16_t sum; /* slot, or POLICY_NONE: counts */
    struct policy_value cap;
    int64_t window_s, bucket_s;
    struct policy_per per[POLICY_PER_MAX];
    int per_count;
    /* sink */
    uint16_t *sink_slots;
    const char **sink_names;
    int sink_count;
    int need;         /* least label, see policy_labels */
    uint16_t endorse; /* slot or POLICY_NONE */
};

/* ---- the index ---- */

/* Whom a bucket is for; roles and ids carry a symbol. */
enum policy_selector {
    POLICY_EVERYBODY,
    POLICY_AGENT_ANY,
    POLICY_AGENT_ID,
    POLICY_AGENT_ROLE,
    POLICY_PERSON_ANY,
    POLICY_PERSON_ID,
    POLICY_PERSON_ROLE,
    POLICY_SYSTEM
};

struct policy_bucket {
    uint64_t key;               /* policy_key; 0: empty */
    uint32_t first, count;      /* in policy->bucket_rules */
    struct policy_table *table; /* of a bucket with many rules, see policy_table.c; or NULL */
};

struct policy_action {
    const char *name;   /* exact name or pattern */
    uint32_t *patterns; /* exact names: the patterns that match it (action numbers) */
    uint32_t pattern_count;
};

struct policy_symbol {
    const char *text;
    uint32_t length;
    uint32_t hash;
};

struct rv_policy {
    struct rv_arena *arena;
    json_t *canonical; /* owned; everything below borrows its texts */
    char *canonical_text;
    struct rv_hash hash;
    json_t *tests; /* owned; as written, see policy_test.c */
    const char *name;
    const char *file;

    struct policy_slot *slots;
    int slot_count;
    uint16_t *slot_table; /* by path, open addressing, slot + 1; POLICY_SLOT_PLACES */
    struct policy_node *nodes;
    uint32_t node_count, node_capacity;
    int64_t *literals; /* members of one_of: symbols or integers */
    uint32_t literal_count, literal_capacity;
    struct policy_rule *rules; /* sorted by id */
    int *lines;                /* of the source, same index */
    int rule_count;
    int words;                       /* of a set of rules, one bit each */
    uint64_t *of_kind[POLICY_KINDS]; /* the rules of a kind */

    struct policy_symbol *symbols; /* symbol number -> text */
    int32_t symbol_count, symbol_capacity;
    int32_t *symbol_table; /* open addressing, -1 empty; power of two */
    uint32_t symbol_mask;

    struct policy_action *actions; /* exact names first, then patterns */
    uint32_t action_count, exact_count;
    int32_t *action_of_symbol;     /* symbol -> exact action, -1 */
    struct policy_bucket *buckets; /* open addressing */
    uint32_t bucket_mask;
    uint32_t *bucket_rules;
};

struct rv_policy_facts {
    const struct rv_policy *policy;
    const char *action;
    const json_t *roots[POLICY_ROOTS];
    const json_t *labels;
    const char *id; /* of the principal */
    bool is_agent;
    uint64_t *candidates;        /* one bit a rule */
    uint64_t *yes, *error;       /* candidates that a table has settled; NULL: none */
    struct policy_value *values; /* by slot, looked up on first use */
};

#define POLICY_FOR_EACH_CANDIDATE(facts, index)                                                    \
    for (int index = policy_next_candidate((facts), 0); index >= 0;                                \
         index = policy_next_candidate((facts), index + 1))

static inline int policy_next_candidate(const struct rv_policy_facts *facts, int from)
{
    int words = facts->policy->words;
    int word = from / 64;
    if (word >= words) {
        return -1;
    }
    uint64_t bits = facts->candidates[word] & (~UINT64_C(0) << (from % 64));
    while (bits == 0) {
        if (++word == words) {
            return -1;
        }
        bits = facts->candidates[word];
    }
    return word * 64 + __builtin_ctzll(bits);
}

/* ---- between the files ---- */

/* policy_load.c: runs `source` in the sandbox; `out` is the tree as written, see there. */
RV_MUST enum rv_code policy_read_lua(const char *source, size_t length, const char *name,
                                     json_t **out, struct rv_error *err);

/* policy_terms.c: the small parts of a rule, from the tree to the canonical form.  A place says
 * where we are, for messages: file:line, rule, field. */
struct policy_place {
    const char *file;
    const char *rule; /* id, or NULL */
    int line;
    struct rv_error *err;
};
/* RV_INVALID: `default.lua:12: rule "over5k": field "expires" is missing`, and what to do. */
enum rv_code policy_complain(const struct policy_place *place, const char *field,
                             const char *problem, const char *remedy);
const char *policy_word(const json_t *tree); /* its "$", or "" */
/* New references, NULL after a complaint. */
json_t *policy_term_condition(const struct policy_place *place, const char *field,
                              const json_t *tree, int depth);
json_t *policy_term_texts(const struct policy_place *place, const char *field, const json_t *tree,
                          const char *remedy);
/* "90s" "10m" "24h" "7d" -> seconds; 0 when it is none of these. */
int64_t policy_term_duration(const json_t *tree);
/* money"…" or "12.50 EUR" -> {"minor","currency"}; NULL when it is neither. */
json_t *policy_term_money(const json_t *tree, const char **problem);
/* Checks a path: me.* is a closed list, arg.* and res.* are open.  False after a complaint. */
bool policy_term_path(const struct policy_place *place, const char *field, const char *path);
void policy_sort(json_t *list); /* by canonical text, duplicates removed: order means nothing */

/* policy_canonical.c.  Outputs are new references; `lines` is {rule id: line}. */
RV_MUST enum rv_code policy_canonical(const json_t *tree, const char *file, json_t **canonical,
                                      json_t **lines, json_t **tests, struct rv_error *err);
/* One test{} entry checked; texts like "12.50 EUR" in arg, res and used become money. */
RV_MUST enum rv_code policy_canonical_test(const json_t *item, const char *file, json_t **out,
                                           struct rv_error *err);
/* "7200.00 EUR". */
void policy_money_text(int64_t minor, const char *currency, char out[48]);

/* policy_compile.c: takes canonical and tests, also on failure. */
RV_MUST enum rv_code policy_compile(json_t *canonical, const json_t *lines, json_t *tests,
                                    const char *file, struct rv_policy **out, struct rv_error *err);
int32_t policy_symbol_find(const struct rv_policy *policy, const char *text, size_t length);
const struct policy_bucket *policy_bucket_find(const struct rv_policy *policy, uint32_t action,
                                               enum policy_selector selector, int32_t symbol);
bool policy_pattern_matches(const char *pattern, const char *action);
uint32_t policy_currency(const char *text);

/* policy_decide.c */
/* As rv_policy_facts_make, without tables: all rules about the request stay candidates, and values
 * may be changed afterwards. */
RV_MUST enum rv_code policy_facts_plain(const struct rv_policy *policy,
                                        const struct rv_policy_request *request,
                                        struct rv_arena *arena, struct rv_policy_facts **out,
                                        struct rv_error *err);
const struct policy_value *policy_resolve(const struct rv_policy_facts *facts, uint16_t slot);
enum policy_truth policy_evaluate(const struct rv_policy_facts *facts, uint32_t index);
enum policy_truth policy_condition(const struct rv_policy_facts *facts,
                                   const struct policy_rule *rule);
/* YES: every argument is trusted enough; NO: `argument` is not. */
enum policy_truth policy_sink_clean(const struct rv_policy_facts *facts,
                                    const struct policy_rule *rule, const char **argument);
int policy_argument_rank(const struct rv_policy_facts *facts, const char *argument);
struct policy_value policy_value_of(const struct rv_policy *policy, const json_t *json);

/* policy_limits.c: does this limit rule apply, and how much does the request add? */
enum policy_truth policy_limit_adds(const struct rv_policy_facts *facts,
                                    const struct policy_rule *rule, int64_t *adds);
/* Would `used` + `adds` pass the cap? */
bool policy_limit_over(const struct policy_rule *rule, int64_t used, int64_t adds);

extern const char *const policy_labels[]; /* weakest first: external, model, user, erp, system */
int policy_label_rank(const char *label); /* unknown: external */

static inline json_t *policy_json(const json_t *borrowed) /* jansson's API is not const-correct */
{
    return (json_t *)(uintptr_t)borrowed;
}

#endif
