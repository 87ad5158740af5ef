/* schema.h -- inside of compiling: from JSON Schema to rules.
 *
 * The unit is a *conjunction*: a list of subschemas that must all hold of one value.  allOf, $ref
 * and its neighbours, properties that several of them name: everything becomes a longer list.  A
 * rule belongs to a conjunction and is found again by it, so recursion ends by itself.
 *
 *     conjunction --expand--> alternatives (no $ref, allOf, anyOf, oneOf left)
 *                 --merge---> types, bounds, patterns of each --build--> rule
 *
 * Private to kernels/serve.
 */
#ifndef REEVE_KERNELS_SERVE_SCHEMA_H
#define REEVE_KERNELS_SERVE_SCHEMA_H

#include "kernels/serve/grammar.h"
#include "kernels/serve/number.h"
#include "kernels/serve/work.h"

#include <jansson.h>

enum {
    SCHEMA_CHOICES_MAX = 512, /* alternatives of one value, all combinations written out */
    SCHEMA_PATTERNS_MAX = 24, /* patterns that hold of one string or one object's keys */
    SCHEMA_LEAST_MAX = 2000   /* minLength beside a pattern */
};

enum schema_type {
    TYPE_NULL = 1,
    TYPE_BOOLEAN = 2,
    TYPE_NUMBER = 4,
    TYPE_STRING = 8,
    TYPE_ARRAY = 16,
    TYPE_OBJECT = 32,
    TYPE_ALL = 63
};

struct conj { /* subschemas that must all hold; borrowed from the text or from `made` */
    json_t **at;
    uint32_t count, room;
};
struct conj_list {
    struct conj *at;
    uint32_t count, room;
};
void conj_add(struct conj *conj, json_t *schema); /* once */
struct conj conj_copy(const struct conj *conj);
void conj_free(struct conj *conj);
void conj_list_free(struct conj_list *list);

enum mark {                    /* of a part of the schema */
            MARK_BEGUN = 1,    /* is being followed, or was */
            MARK_DONE = 2,     /* followed: checked, and no circle */
            MARK_DISJOINT = 4, /* the members of this oneOf are told apart */
            MARK_RENAMED = 8   /* stands below an $id of its own */
};
struct marks { /* flags by address */
    struct {
        const json_t *one;
        uint32_t flags;
    } * at;
    uint32_t count, room;
};

struct schema {
    json_t *root;
    json_t *made; /* array: schemas that stand for others ({"const": ...}) */
    struct kernel_grammar *grammar;
    struct kernel_error *error;
    enum kernel_status status; /* of the first failure */
    struct conj *conj_of;      /* of each rule */
    uint32_t *slot;            /* rules by conjunction: hash table of rule + 1 */
    uint32_t slots;
    struct work work; /* what is left of it */
    bool starved;     /* with more of it the keyword to blame might have been found */
    json_t *memo_of;  /* machines of strings: number in `memos` by what they are made of */
    const struct machine **memos;
    uint32_t memo_count;
    struct {
        const char *text; /* of the schema */
        struct chars *chars;
    } * patterns;
    uint32_t pattern_count;
    struct marks marks;
};

/* ---- schema_fail.c ---- */

/* "/properties/a/not: ...": the first failure is kept. Always false. */
__attribute__((format(printf, 5, 6))) bool schema_fail(struct schema *schema, const json_t *where,
                                                       const char *keyword,
                                                       enum kernel_status status,
                                                       const char *format, ...);

/* Takes steps of work; false, and failed there, where too few are left. */
bool schema_work(struct schema *schema, const json_t *where, const char *keyword, uint64_t steps);

/* ---- schema_marks.c ---- */
bool schema_marked(const struct schema *schema, const json_t *one, uint32_t flag);
bool schema_mark(struct schema *schema, const json_t *one, uint32_t flag); /* was it already? */
void schema_marks_free(struct schema *schema);

/* ---- schema_ref.c ---- */

/* The subschema that the $ref of `one` leads to; NULL: failed. */
json_t *schema_resolve(struct schema *schema, json_t *one);
void schema_mark_renamed(struct schema *schema); /* once, before anything is resolved */

/* ---- schema_apart.c ---- */

/* Is no value in two of these members of `one`'s oneOf?  False: failed, with what stands in the
 * way. */
bool schema_apart(struct schema *schema, json_t *one, json_t *members);

/* ---- schema_expand.c ---- */

/* Alternatives of plain subschemas; impossible types are left out. */
bool schema_expand(struct schema *schema, const struct conj *conj, struct conj_list *out);

/* ---- schema_check.c: is everything in this subschema known and well formed? ---- */
bool schema_check(struct schema *schema, json_t *one);

/* ---- schema_merge.c ---- */

struct merged {
    uint32_t types;
    bool listed; /* enum or const: only these */
    json_t **values;
    uint32_t value_count;
    struct number_rule number;
    json_t *patterns[SCHEMA_PATTERNS_MAX];
    json_t *formats[SCHEMA_PATTERNS_MAX];
    json_t *where; /* of the last pattern or format */
    uint32_t pattern_count, format_count;
    uint32_t length_least, length_most;
    uint32_t items_least, items_most;
    uint32_t keys_least, keys_most;
};
uint32_t schema_types(const json_t *one); /* of its "type" alone */
bool schema_merge(struct schema *schema, const struct conj *plain, struct merged *out);
void merged_free(struct merged *merged);
/* What holds of the value of a key, of an item. */
bool schema_key(struct schema *schema, const struct conj *plain, const char *key, struct conj *out);
void schema_item(const struct conj *plain, uint32_t index, struct conj *out);
uint32_t schema_prefix(const struct conj *plain);   /* items with a schema of their own */
bool conj_never(const struct conj *conj);           /* has it `false`? */
bool schema_same(const json_t *a, const json_t *b); /* as JSON Schema compares: 1 is 1.0 */
uint32_t schema_weight(const json_t *value);        /* steps of comparing it, about */
struct number schema_number(const json_t *value);

/* ---- schema_string.c ---- */

/* Patterns, formats and the least length as one automaton; NULL with *any: all strings.
 * `relaxed`: formats left out. */
bool schema_chars(struct schema *schema, const struct merged *merged, bool relaxed,
                  struct chars **out);
/* Is a string as long as it must be, and in `chars` (NULL: any)? */
bool schema_string_fits(const struct merged *merged, const struct chars *chars,
                        const json_t *value);
bool schema_pattern(struct schema *schema, json_t *where, const char *keyword, const char *pattern,
                    size_t length, struct chars **out);
/* The same, made once per compilation and kept; NULL: failed. */
const struct chars *schema_pattern_kept(struct schema *schema, json_t *where, const char *keyword,
                                        const char *pattern);
bool schema_string(struct schema *schema, const struct merged *merged, struct alt *out,
                   bool *possible);
bool schema_format_known(const char *name);
enum kernel_status format_chars(const char *name, struct work *work, struct chars **out,
                                struct kernel_error *error);

/* ---- schema_object.c, schema_build.c ---- */

uint32_t schema_rule(struct schema *schema, const struct conj *conj);
bool schema_object(struct schema *schema, const struct conj *plain, const struct merged *merged,
                   struct alt *out, bool *possible);
/* Patterns of keys over all subschemas, and what holds of keys that match just these. */
struct key_patterns {
    const char *text[SCHEMA_PATTERNS_MAX];
    uint32_t count;
};
bool schema_key_patterns(struct schema *schema, const struct conj *plain, struct key_patterns *out);
void schema_labelled_key(const struct conj *plain, const struct key_patterns *patterns,
                         uint64_t label, struct conj *out);

/* ---- schema_possible.c ---- */

/* False only where provably no value satisfies all of them. */
bool schema_possible(struct schema *schema, const struct conj *conj, uint32_t depth);

/* schema_unsatisfied.c: fails with the keyword because of which nothing satisfies rule 0, after
 * heights are known and before anything is taken out. */
bool schema_unsatisfied(struct schema *schema);

#endif
