/* make.h -- the pieces of a made model's file.  Private to make.c, make_vocab.c, make_weights.c. */
#ifndef REEVE_KERNELS_MODEL_MAKE_H
#define REEVE_KERNELS_MODEL_MAKE_H

#include "kernels/model/gguf_inner.h"
#include "kernels/model/model.h"

/* SplitMix64 (Steele, Lea and Flood 2014): every seed gives another sequence. */
static inline uint64_t make_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

/* Bytes of a file that grow. */
struct make_sink {
    unsigned char *at;
    size_t length, room;
};
void make_put(struct make_sink *sink, const void *bytes, size_t length);
void make_put_text(struct make_sink *sink, const char *bytes, size_t length);
void make_put_key(struct make_sink *sink, const char *key, enum gguf_type type);
/* Key, element type and count of an array; the elements follow. */
void make_put_array(struct make_sink *sink, const char *key, enum gguf_type type, uint64_t count);

/* make_vocab.c: the tokenizer.ggml.* keys of a vocabulary of that size; returns their number. */
uint32_t make_put_vocab(struct make_sink *sink, uint32_t size, uint64_t seed);

/* make_weights.c: random weights, as a quick copy of patterns where tensors are large. */
struct make_patterns;
struct make_patterns *make_patterns_create(uint64_t seed);
void make_patterns_destroy(struct make_patterns *patterns);
/* A matrix of that type whose values have about the given spread. */
void make_matrix(struct make_patterns *patterns, enum kernel_type type, uint32_t columns,
                 uint32_t rows, float spread, unsigned char *out);
/* f32: middle + spread * a random number. */
void make_vector(struct make_patterns *patterns, uint32_t count, float middle, float spread,
                 unsigned char *out);

#endif
