/* vocab_table.h -- two hash tables of a vocabulary: text to token, and pair of tokens to their
 * merge.  Built once, then only read.
 *
 * Open addressing with linear probing, at most half full.  Private to kernels.
 */
#ifndef REEVE_KERNELS_MODEL_VOCAB_TABLE_H
#define REEVE_KERNELS_MODEL_VOCAB_TABLE_H

#include <stddef.h>
#include <stdint.h>

enum { VOCAB_NONE = UINT32_MAX }; /* no token */

struct vocab_name {
    const char *text; /* borrowed; NULL: free */
    uint32_t length;
    uint32_t token;
};
struct vocab_names {
    struct vocab_name *slot;
    uint32_t mask, count;
};
void vocab_names_put(struct vocab_names *names, const char *text, size_t length, uint32_t token);
uint32_t vocab_names_get(const struct vocab_names *names, const char *text, size_t length);
void vocab_names_free(struct vocab_names *names);

/* `left` and `right` side by side become `merged`; the lowest `order` goes first. */
struct vocab_pair {
    uint32_t left, right; /* left NONE: free */
    uint32_t order, merged;
};
struct vocab_pairs {
    struct vocab_pair *slot;
    uint32_t mask, count;
    uint32_t shift; /* of the hash: its upper bits are the place */
};
/* A pair that is there already stays as it is. */
void vocab_pairs_put(struct vocab_pairs *pairs, const struct vocab_pair *pair);
const struct vocab_pair *vocab_pairs_get(const struct vocab_pairs *pairs, uint32_t left,
                                         uint32_t right); /* or NULL */
void vocab_pairs_free(struct vocab_pairs *pairs);

#endif
