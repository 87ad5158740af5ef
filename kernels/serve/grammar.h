/* grammar.h -- inside of a compiled schema: rules that call each other.
 *
 *     rule = alternatives, each a literal set or number (a machine), a string (a machine between
 *            quotes, with lengths), an array of rules, an object of rules
 *
 * Every rule that is there can be satisfied, and says within how many containers (`height`): so a
 * state never runs into a dead end, neither against a pattern nor against the depth limit.
 *
 * Private to kernels/serve.
 */
#ifndef REEVE_KERNELS_SERVE_GRAMMAR_H
#define REEVE_KERNELS_SERVE_GRAMMAR_H

#include "kernels/serve/trie.h"

#include <pthread.h>

enum { RULE_NONE = UINT32_MAX, GRAMMAR_RULES_MAX = 50000, GRAMMAR_CACHE = 128 };

enum alt_kind { ALT_SCALAR, ALT_STRING, ALT_ARRAY, ALT_OBJECT };

struct property {
    struct kernel_text name; /* decoded, UTF-8 */
    uint32_t rule;
    bool required;
};
struct other_rule { /* the value of a key that only patterns or nobody names */
    uint64_t label;
    uint32_t rule;
};

struct alt {
    enum alt_kind kind;
    const struct machine *machine; /* SCALAR, STRING; of the grammar or of the trie */
    uint32_t least, most;          /* characters, items, properties; UINT32_MAX: no end */
    uint32_t height;               /* containers this needs at least, itself included */
    uint64_t bytes;                /* a shortest text, about */
    /* ARRAY */
    uint32_t *prefix;
    uint32_t prefix_count;
    uint32_t rest;
    /* OBJECT: properties in the order in which they are written */
    struct property *properties;
    uint32_t property_count;
    const struct machine *names;  /* `name":`, labelled with the property */
    uint32_t *reach_at, *reach;   /* [names->states + 1]: properties below each state */
    uint32_t *sorted;             /* properties by name */
    uint32_t *required_at;        /* [count + 1]: the next required one from here on */
    uint32_t *required_left;      /* [count + 1]: how many from here on */
    const struct machine *others; /* inside of other keys; NULL: none */
    struct other_rule *other_rules;
    uint32_t other_count;
    uint64_t other_capacity;   /* how many other keys there are, UINT64_MAX: no end */
    struct chars *other_chars; /* while compiling */
};

struct rule {
    struct alt *alts;
    uint32_t count;
    uint32_t height;
    uint64_t bytes;
};

struct cache_entry { /* a mask by everything that the state is */
    uint64_t hash;
    char *key;
    size_t key_length;
    uint64_t *mask;
};

struct kernel_grammar {
    const struct kernel_trie *trie;
    struct rule *rules;
    uint32_t count, room;
    struct machine **machines; /* owned */
    uint32_t machine_count, machine_room;
    size_t bytes;
    pthread_mutex_t lock; /* of the cache */
    struct cache_entry cache[GRAMMAR_CACHE];
};

/* The property of that name; -1: none. */
int32_t grammar_property(const struct alt *object, struct kernel_text name);
uint32_t grammar_other(const struct alt *object, uint64_t label);
uint32_t grammar_item(const struct alt *array, uint32_t index);
void grammar_keep(struct kernel_grammar *grammar, struct machine *machine);
/* Heights, and what cannot be satisfied taken out; false: nothing is left of rule 0, or too large,
 * or too much work. */
bool grammar_settle(struct kernel_grammar *grammar, struct work *work, bool *large);

#endif
