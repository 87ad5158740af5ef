/* vocab.h -- text to tokens and back, exactly as the model was taught.
 *
 * Built from a model file's metadata (tokenizer.ggml.*): byte-level BPE ("gpt2", with the
 * pre-tokenizers gpt-2, llama-bpe, qwen2, deepseek-r1-qwen) and SentencePiece ("llama").  Others
 * are refused by name.
 *
 * Text never becomes a special token: those exist only by kernel_vocab_special, that is, where the
 * chat format puts them (and in the `specials` mode, for tests against other engines).
 *
 * Thread: read only after create, from any thread.  Private to kernels.
 */
#ifndef REEVE_KERNELS_MODEL_VOCAB_H
#define REEVE_KERNELS_MODEL_VOCAB_H

#include "kernels/kernel.h"

struct kernel_gguf;
struct kernel_vocab;

enum kernel_status kernel_vocab_create(const struct kernel_gguf *file, struct kernel_vocab **out,
                                       struct kernel_error *error);
void kernel_vocab_destroy(struct kernel_vocab *vocab);

enum {
    KERNEL_TOKEN_NONE = -1,
    KERNEL_TOKEN_BYTES_MAX = 1024, /* of one token; 256 are known of, runs of spaces */
    KERNEL_DECODE_MAX = 3 * (KERNEL_TOKEN_BYTES_MAX + 4) /* what one token may become as text */
};

uint32_t kernel_vocab_size(const struct kernel_vocab *vocab);
/* The bytes a token stands for (byte-level and byte tokens decoded; a leading-space marker is a
 * space); empty for special and unused tokens. */
struct kernel_text kernel_vocab_bytes(const struct kernel_vocab *vocab, int32_t token);
/* Control, unused or padding: never sampled as text. */
bool kernel_vocab_is_special(const struct kernel_vocab *vocab, int32_t token);
/* Ends an answer: EOS, EOT and the chat formats' own ends. */
bool kernel_vocab_is_end(const struct kernel_vocab *vocab, int32_t token);
int32_t
kernel_vocab_bos(const struct kernel_vocab *vocab); /* NONE: the model wants none in front */
int32_t kernel_vocab_eos(const struct kernel_vocab *vocab);
/* By its name as the file writes it: "<|im_start|>"; NONE when absent. */
int32_t kernel_vocab_special(const struct kernel_vocab *vocab, const char *name);
/* The first special token's name in `text` from `at` on; where several begin, the longest.
 * Returns the token, its place in `*found` and its `*length`; NONE: there is none. */
int32_t kernel_vocab_find_special(const struct kernel_vocab *vocab, struct kernel_text text,
                                  size_t at, size_t *found, size_t *length);

/* A list of tokens that grows; zero-initialised is empty; free(tokens.at) ends it. */
struct kernel_tokens {
    int32_t *at;
    uint32_t count, room;
};
void kernel_tokens_push(struct kernel_tokens *tokens, int32_t token);
/* Appends the tokens of `text` (less than 2 GiB).  Any bytes are accepted, valid UTF-8 or not.
 * `specials`: names of special tokens in the text become them. */
void kernel_vocab_encode(const struct kernel_vocab *vocab, struct kernel_text text, bool specials,
                         struct kernel_tokens *out);

/* Tokens to text, one at a time, never splitting a character: what is incomplete waits here. */
struct kernel_decoder {
    unsigned char kept[4];
    uint32_t kept_count;
    bool begun; /* SentencePiece: the first token's space is not the text's */
};
/* Writes the whole characters that are certain now into `out` (room for KERNEL_DECODE_MAX);
 * returns their length.  What can never become a character is U+FFFD, one for each maximal
 * subpart.  token NONE: the end; the decoder may then begin again. */
size_t kernel_decode(const struct kernel_vocab *vocab, struct kernel_decoder *decoder,
                     int32_t token, char *out);

#endif
