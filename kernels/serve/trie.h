/* trie.h -- inside of a vocabulary as a trie: the flat tree, and the tokens sorted by what they do
 * inside a string.
 *
 *     tokens   "a" "an" "and" "b"     nodes, depth first:  a . n . d . b    `skip` leaps over
 *                                     depth                1   2   3   1    what is below
 *
 * Inside a string whose next characters are free, most of a vocabulary is allowed, and always the
 * same tokens ("slices", llguidance):
 *
 *     plain   whole characters, no quote, backslash or control: allowed as far as length allows
 *     closing plain text, a quote, and what follows it: allowed as the `rest` is, and there are
 *             only some hundred different rests
 *     odd     the others (backslash, control, a part of a character): walked
 *
 * Thread: read only after creation.  Private to kernels/serve.
 */
#ifndef REEVE_KERNELS_SERVE_TRIE_H
#define REEVE_KERNELS_SERVE_TRIE_H

#include "kernels/serve/constraint.h"
#include "kernels/serve/machine.h"

enum {
    TRIE_TOKEN_BYTES_MAX = 1024, /* longer tokens (runs of blanks in code models) are never used */
    TRIE_SLICES = 24             /* plain tokens of at most 1 .. 24 characters have masks ready */
};

struct trie_node {
    uint32_t skip; /* the node after everything below this one */
    int32_t token; /* -1: none ends here */
    uint16_t depth;
    uint8_t byte;
};
struct trie_tree {
    uint32_t count;
    struct trie_node *nodes; /* nodes[0] is the root; depth of the others from 1 */
    uint32_t depth;
};

struct trie_closing { /* a token that closes a string */
    int32_t token;
    uint32_t characters; /* before the quote */
    uint32_t bytes;      /* the same in bytes */
};

struct kernel_trie {
    uint32_t tokens, words;
    struct kernel_text *bytes; /* of every token; into `text` */
    char *text;
    bool *usable; /* [tokens]: in the trie */
    struct trie_tree all, odd;
    struct trie_tree rests; /* what follows the quote; `token` is the number of the rest */
    uint32_t rest_count;
    uint32_t *closing_at;             /* [rest_count + 1] */
    struct trie_closing *closing;     /* by rest */
    int32_t *same;                    /* [tokens]: another token of the same bytes, or -1 */
    uint64_t *slice[TRIE_SLICES + 1]; /* [k]: plain tokens of 1 .. k characters; [0]: all plain */
    uint32_t *plain_at;               /* [plain_longest + 2]: by characters */
    int32_t *plain;
    uint32_t plain_longest;
    uint64_t *ends;
    /* what every schema shares */
    struct machine *string, *number, *integer;
};

struct trie_token {
    struct kernel_text bytes;
    bool special, end;
};
enum kernel_status trie_create(const struct trie_token *tokens, uint32_t count,
                               struct kernel_trie **out, struct kernel_error *error);

static inline void trie_set(const struct kernel_trie *trie, uint64_t *mask, int32_t token)
{
    for (; token >= 0; token = trie->same[token]) {
        mask[token / 64] |= UINT64_C(1) << (token % 64);
    }
}
/* Plain tokens of at most so many characters; UINT32_MAX: all. */
void trie_plain(const struct kernel_trie *trie, uint32_t characters, uint64_t *mask);

#endif
