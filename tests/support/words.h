/* words.h -- vocabularies for tests of the constraint engine: made up ones, and the real one of a
 * GGUF file where it lies (gzip is asked of the system's gunzip). */
#ifndef REEVE_TESTS_SUPPORT_WORDS_H
#define REEVE_TESTS_SUPPORT_WORDS_H

#include "kernels/serve/trie.h"

struct words {
    struct trie_token *tokens;
    uint32_t count, room;
};
/* All bytes, one end, then `more` tokens of random JSON-like text. */
void words_make(struct words *words, uint32_t more, uint64_t seed);
/* The byte-level vocabulary of a .gguf.gz; false where it cannot be read. */
bool words_read(struct words *words, const char *path);
void words_free(struct words *words);
struct kernel_trie *words_trie(const struct words *words);

static inline uint64_t words_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state * 0x2545f4914f6cdd1du >> 16;
}

#endif
