/* gguf_inner.h -- what gguf.c has read and gguf_look.c looks up.  Private to those two. */
#ifndef REEVE_KERNELS_MODEL_GGUF_INNER_H
#define REEVE_KERNELS_MODEL_GGUF_INNER_H

#include "kernels/model/gguf.h"

#include <pthread.h>

/* Numbers of the specification. */
enum gguf_type {
    GGUF_U8,
    GGUF_I8,
    GGUF_U16,
    GGUF_I16,
    GGUF_U32,
    GGUF_I32,
    GGUF_F32,
    GGUF_BOOL,
    GGUF_TEXT,
    GGUF_ARRAY,
    GGUF_U64,
    GGUF_I64,
    GGUF_F64,
    GGUF_TYPES
};

struct gguf_key {
    char *name;
    enum gguf_type type; /* of the elements, where `array` */
    bool array;
    uint64_t count;             /* 1 where not `array` */
    const unsigned char *value; /* in the mapping; of a text: its length, then its bytes */
    uint64_t *texts;            /* array of texts: where each begins, from `value` */
};

struct kernel_gguf {
    const unsigned char *bytes;
    size_t length;
    bool mapped;
    uint32_t alignment;
    struct gguf_key *keys; /* in the order of the file */
    uint32_t key_count;
    const struct gguf_key **keys_by_name;
    struct kernel_tensor *tensors;
    uint32_t tensor_count;
    const struct kernel_tensor **tensors_by_name;
    pthread_mutex_t hash_lock;
    bool hashed;
    uint8_t hash[32];
};

/* Bytes of a number of that type; 0: not a number. */
size_t gguf_type_bytes(uint32_t type);
const char *gguf_type_name(uint32_t type);
const struct gguf_key *gguf_find(const struct kernel_gguf *file, const char *key);

#endif
