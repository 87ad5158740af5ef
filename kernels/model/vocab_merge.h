/* vocab_merge.h -- symbols side by side, merged in the order the vocabulary was built.
 *
 * Of all neighbours that have a merge, the pair of the lowest order goes first, the leftmost of
 * equals; until none is left.  That is both byte-level BPE (order: the rank of the merge) and
 * SentencePiece (order: the score of the result, highest first).  Short words are searched in
 * place; long ones keep their pairs in a heap, so that n symbols cost O(n log n) whatever they are.
 *
 * Sources: Sennrich, Haddow, Birch, "Neural Machine Translation of Rare Words with Subword Units"
 * (2016); Kudo, Richardson, "SentencePiece" (2018).  Private to kernels.
 */
#ifndef REEVE_KERNELS_MODEL_VOCAB_MERGE_H
#define REEVE_KERNELS_MODEL_VOCAB_MERGE_H

#include "kernels/model/vocab_table.h"

struct vocab_symbol {
    uint32_t token; /* VOCAB_NONE: has no token, merges with nothing */
    uint32_t at;    /* the caller's: that of a merge's left part stays */
};
struct vocab_link {
    uint32_t before, after;
};
struct vocab_candidate {
    uint32_t order, at; /* of the left symbol */
    uint32_t left, right, merged;
};
/* One word at work and its memory; zero-initialised is empty. */
struct vocab_word {
    struct vocab_symbol *symbol;
    uint32_t count, room;
    struct vocab_link *link; /* of long words */
    struct vocab_candidate *heap;
    uint32_t links_room, heap_count, heap_room;
};
void vocab_word_push(struct vocab_word *word, uint32_t token, uint32_t at);
/* Merges `symbol`; `count` becomes what is left. */
void vocab_word_merge(struct vocab_word *word, const struct vocab_pairs *pairs);
void vocab_word_free(struct vocab_word *word);

#endif
