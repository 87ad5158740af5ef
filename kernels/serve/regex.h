/* regex.h -- ECMA-262 patterns as JSON Schema uses them, to automata over code points.
 *
 * Known: everything that is regular: alternatives, groups (also named), classes, escapes, greedy
 * and lazy repetition, ^ and $ anywhere.  A pattern is searched for, as the standard has it, unless
 * it is anchored.  \d \w \s are ASCII (\s with the white space of ECMA-262), "." is no line end.
 * Refused by name: look-around, back references, word boundaries, Unicode properties, flags.
 *
 *     text --parse--> tree --Thompson--> nfa --subsets--> chars
 *
 * Sources: ECMA-262 section 22.2; Thompson 1968; subset construction.  Private to kernels/serve.
 */
#ifndef REEVE_KERNELS_SERVE_REGEX_H
#define REEVE_KERNELS_SERVE_REGEX_H

#include "kernels/serve/chars.h"

enum {
    REGEX_BYTES_MAX = 16 << 10,
    REGEX_DEPTH_MAX = 64,    /* of groups */
    REGEX_REPEAT_MAX = 4096, /* {n,m} */
    REGEX_NODES_MAX = 20000  /* of the nfa, repetition written out */
};

/* KERNEL_UNSUPPORTED or KERNEL_INVALID with what and where. */
enum kernel_status regex_chars(struct kernel_text pattern, struct work *work, struct chars **out,
                               struct kernel_error *error);

/* ---- between regex_parse.c and regex.c ---- */

struct regex_set { /* of code points: sorted, apart */
    uint32_t count, room;
    uint32_t (*range)[2];
};
void regex_set_add(struct regex_set *set, uint32_t low, uint32_t high);
void regex_set_sort(struct regex_set *set);
void regex_set_invert(struct regex_set *set);

enum regex_kind {
    REGEX_EMPTY,
    REGEX_SET,
    REGEX_ROW,
    REGEX_EITHER,
    REGEX_REPEAT,
    REGEX_BEGIN,
    REGEX_END
};
struct regex_tree {
    enum regex_kind kind;
    struct regex_set set;
    struct regex_tree *child, *last, *beside; /* children of ROW, EITHER, REPEAT */
    uint32_t least, most;                     /* of REPEAT; UINT32_MAX: no end */
};
enum kernel_status regex_parse(struct kernel_text pattern, struct regex_tree **out,
                               struct kernel_error *error);
void regex_tree_destroy(struct regex_tree *tree);

#endif
