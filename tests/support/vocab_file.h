/* vocab_file.h -- model files of nothing but metadata, for tests of vocabularies: written in
 * memory, or read (gzipped or not) from the folder of shared data beside the checkout.
 */
#ifndef REEVE_TESTS_SUPPORT_VOCAB_FILE_H
#define REEVE_TESTS_SUPPORT_VOCAB_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ../shared/data/llm/PATH, inflated; free() it.  NULL: not there. */
char *vocab_file_shared(const char *path, size_t *length);

/* A GGUF file of keys; zero-initialised is empty; free(file.at) ends it. */
struct vocab_file {
    unsigned char *at;
    size_t length, room;
    uint64_t keys;
};
struct vocab_file_text {
    const char *at;
    size_t length;
};
void vocab_file_text(struct vocab_file *file, const char *key, const char *text);
void vocab_file_u32(struct vocab_file *file, const char *key, uint32_t number);
void vocab_file_bool(struct vocab_file *file, const char *key, bool value);
void vocab_file_texts(struct vocab_file *file, const char *key, const struct vocab_file_text *texts,
                      size_t count);
void vocab_file_i32s(struct vocab_file *file, const char *key, const int32_t *numbers,
                     size_t count);
void vocab_file_f32s(struct vocab_file *file, const char *key, const float *numbers, size_t count);

/* A byte-level vocabulary: 256 bytes, what the merges make ("t h"), the marks.  NULL ends lists. */
struct vocab_recipe {
    const char *pre;
    const char *const *merges;
    const char *const *marks;
    int32_t mark_type;
};
enum { VOCAB_FILE_MERGES = 256 }; /* the token of the first merge; the marks follow the merges */
void vocab_file_bpe(struct vocab_file *file, const struct vocab_recipe *recipe);
/* How GPT-2 writes a byte as a character; returns its length, 1 or 2. */
size_t vocab_file_byte_character(unsigned char byte, char out[2]);

#endif
