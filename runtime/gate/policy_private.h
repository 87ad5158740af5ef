/* policy_private.h -- the compiled form of a bundle; private to runtime/gate/policy_*.c.
 *
 *   Lua text --policy_load.c--> canonical JSON --policy_compile.c--> struct rv_policy --decide--> verdict
 */
#ifndef REEVE_RUNTIME_GATE_POLICY_PRIVATE_H
#define REEVE_RUNTIME_GATE_POLICY_PRIVATE_H

#include "runtime/base/check.h"
#include "runtime/gate/policy.h"

enum {
    POLICY_ATTRIBUTES_MAX = 256, /* distinct me.*, arg.*, res.* in one bundle */
    POLICY_PRINCIPALS_MAX = 1024,
    POLICY_DEPTH_MAX = 16,
    POLICY_PER_MAX = 4,
    POLICY_BUCKETS = 24 /* a window is counted in so many buckets, rounded up: conservative */
};

enum value_type { VALUE_NONE, VALUE_INT, VALUE_TEXT, VALUE_BOOL, VALUE_MONEY, VALUE_LIST,
                  VALUE_OTHER /* an object: there, but not comparable */ };

struct value {
    enum value_type type;
    int64_t number; /* int, bool, minor units */
    const char *text; /* text, or the currency of money */
    const json_t *list;
};

enum op { OP_ALL, OP_ANY, OP_NONE, OP_HAS, OP_EQ, OP_NE, OP_LT, OP_LE, OP_GT, OP_GE, OP_ONE_OF,
          OP_CONTAINS, OP_PREFIX, OP_COUNT };
extern const char *const policy_op_names[OP_COUNT];

struct expression {
    enum op op;
    int attr;                 /* slot */
    int other;                /* slot on the right, or -1: `value` */
    struct value value;
    struct expression **of;   /* ALL, ANY, NONE */
    int of_count;
    const json_t *source;     /* canonical form, for explain */
};

enum rule_kind { RULE_PERMIT, RULE_FORBID, RULE_LIMIT, RULE_APPROVE, RULE_SINK, RULE_KINDS };

struct principal_match { /* which principals a rule is about */
    const json_t *source; /* {"agents":…,"persons":…,"system":…}; NULL: everybody */
};

struct rule {
    enum rule_kind kind;
    const char *id;
    int line;
    int principal; /* index of principal_match */
    const json_t *actions; /* ["invoice.pay", "invoice.*", "*"] */
    struct expression *when; /* NULL: always */
    const json_t *source;
    /* limit */
    int sum_attr; /* slot, or -1: counts */
    struct value cap;
    int per[POLICY_PER_MAX];
    const char *per_name[POLICY_PER_MAX];
    int per_count;
    int64_t window_s;
    int64_t bucket_s;
    /* approve, and what limit and sink ask for */
    const json_t *stages; /* NULL: over or otherwise means deny */
    const json_t *never;
    int64_t expires_s;
    int64_t escalate_after_s;
    const char *escalate_to;
    /* sink */
    int *sink_args;
    const char **sink_names;
    int sink_count;
    int endorse_attr; /* slot of res.*, or -1 */
};

/* All rules that could speak about one action, by its exact name. */
struct action_index {
    const char *action;
    int *rules;
    int count;
};

struct rv_policy {
    struct rv_arena *arena;
    json_t *bundle; /* canonical */
    char *canonical;
    struct rv_hash hash;
    const char *name;
    struct rule *rules;
    int rule_count;
    const char *attributes[POLICY_ATTRIBUTES_MAX];
    int attribute_count;
    struct principal_match principals[POLICY_PRINCIPALS_MAX];
    int principal_count;
    struct action_index *index; /* hash table, power of two */
    int index_size;
    int *wild;                  /* rules with a glob, in order */
    int wild_count;
};

struct rv_policy_facts {
    const struct rv_policy_request *request;
    struct rv_policy_request copy;
    const int *rules; /* candidates by exact action */
    int rule_count;
    bool *principal; /* by principal_match */
    struct value values[];
};

enum truth { TRUTH_NO, TRUTH_YES, TRUTH_ERROR };

/* policy_load.c */
RV_MUST enum rv_code policy_read_lua(const char *source, size_t length, const char *name,
                                     json_t **bundle, struct rv_error *err);
/* policy_compile.c: takes the bundle. */
RV_MUST enum rv_code policy_compile(json_t *bundle, const char *name, struct rv_policy **out,
                                    struct rv_error *err);
int policy_attribute(struct rv_policy *policy, const char *path);
/* policy_decide.c */
enum truth policy_evaluate(const struct expression *expression, const struct rv_policy_facts *facts);
bool policy_about(const struct rv_policy *policy, const struct rule *rule,
                  const struct rv_policy_facts *facts);
bool policy_action_matches(const char *pattern, const char *action);
struct value policy_value(const json_t *json);
extern const char *const policy_kind_names[RULE_KINDS];

#endif
