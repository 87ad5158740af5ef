/* vocab_inner.h -- what the files of a vocabulary share.  Private to vocab*.c. */
#ifndef REEVE_KERNELS_MODEL_VOCAB_INNER_H
#define REEVE_KERNELS_MODEL_VOCAB_INNER_H

#include "kernels/model/vocab.h"
#include "kernels/model/vocab_split.h"
#include "kernels/model/vocab_table.h"

enum vocab_kind { VOCAB_BPE, VOCAB_SENTENCEPIECE };

/* The numbers are those of tokenizer.ggml.token_type. */
enum vocab_type {
    VOCAB_NORMAL = 1,
    VOCAB_UNKNOWN = 2,
    VOCAB_CONTROL = 3,
    VOCAB_USER_DEFINED = 4,
    VOCAB_UNUSED = 5,
    VOCAB_BYTE = 6
};

struct kernel_vocab {
    enum vocab_kind kind;
    enum vocab_split split; /* BPE */
    bool whole_words;  /* BPE: a piece that is a token is that token, whatever the merges say */
    bool space_prefix; /* SentencePiece: a text begins with a space that is not its own */
    bool words_alone;  /* SentencePiece: no token goes on behind a word's end */
    uint32_t size;

    char *text;       /* of all tokens; tokens' bytes, a special one's name */
    uint32_t *offset; /* [size + 1] into text */
    uint8_t *type;    /* [size], enum vocab_type */
    bool *end;        /* [size] */

    struct vocab_names words; /* what text may become; SentencePiece: and its lone characters */
    struct vocab_pairs pairs;
    uint32_t byte_token[256];
    uint32_t character[128]; /* SentencePiece: of ASCII, as words has it */

    /* Tokens with a name: specials, and texts that are one token wherever they stand. */
    struct vocab_names marks;
    bool mark_begins[256]; /* some mark begins with this byte */
    uint32_t *mark_length; /* the lengths there are, longest first */
    uint32_t mark_lengths;
    bool plain_marks; /* some of them are matched in any text */

    int32_t bos, eos, unknown;
    bool add_bos;
};

/* A token that only a chat format may write: everything named but words of the user's own. */
bool vocab_is_mark(const struct kernel_vocab *vocab, uint32_t token);

#endif
