/* chars.h -- a deterministic automaton over code points: what a pattern, a format or a least length
 * says about the decoded text of a string.
 *
 *     pattern --regex--> chars --product--> chars --machine_string--> bytes as JSON spells them
 *
 * The alphabet is cut into classes of code points that no transition tells apart.  Source: the
 * textbook product and subset constructions (Hopcroft, Motwani, Ullman, chapter 4).
 *
 * Thread: read only after it was made.  Private to kernels/serve.
 */
#ifndef REEVE_KERNELS_SERVE_CHARS_H
#define REEVE_KERNELS_SERVE_CHARS_H

#include "kernels/kernel.h"
#include "kernels/serve/work.h"

enum {
    CHARS_END = 0x110000,
    CHARS_DEAD = 0,
    CHARS_START = 1,
    CHARS_STATES_MAX = 20000,  /* of one automaton */
    CHARS_CELLS_MAX = 4000000, /* states times classes: 16 MB */
    CHARS_PRODUCT_MAX = 32     /* automata side by side: one bit each in a label */
};

struct chars {
    uint32_t classes;
    uint32_t *cut; /* [classes + 1]; class c is cut[c] .. cut[c + 1] - 1 */
    uint32_t states;
    uint32_t *next;   /* [states * classes] */
    uint64_t *accept; /* [states]; 0: not here */
};

/* Room for `states`, all transitions dead. */
struct chars *chars_create(uint32_t states, uint32_t classes);
void chars_destroy(struct chars *chars);
struct chars *chars_any(void);
/* At least so many code points. */
struct chars *chars_at_least(uint32_t count);

/* All of them at once.  `labels`: what accepts is told apart, bit i for automaton i, and a text
 * that none accepts is accepted with bit 63 alone; otherwise only what all accept.  NULL: too
 * large. */
struct chars *chars_product(const struct chars *const *parts, uint32_t count, bool labels,
                            struct work *work);
/* Adds to `there` [states] every state from which one of them is reached, over `classes` alone
 * (NULL: all). */
void chars_spread(const struct chars *chars, const bool *classes, bool *there);
/* States from which nothing is accepted become dead; false: nothing is accepted at all. */
bool chars_trim(struct chars *chars);
uint32_t chars_class(const struct chars *chars, uint32_t point);
/* The label of a text in UTF-8; 0: refused. */
uint64_t chars_match(const struct chars *chars, struct kernel_text text);
/* How many texts each state accepts from there on, UINT64_MAX: no end; [states], to be freed. */
uint64_t *chars_ways(const struct chars *chars);

#endif
