/* gguf.h -- a model file, mapped and believed in nothing: GGUF version 3.
 *
 * Source: the GGUF specification (ggml project, docs/gguf.md).  Every count, length, offset and
 * type is checked against the file before it is used; an error names the field.  After gguf_open
 * every name, text and tensor lies inside the mapping, tensors do not overlap the header, and their
 * byte sizes follow from type and shape.
 *
 * Thread: read only after gguf_open, from any thread.  Private to kernels.
 */
#ifndef REEVE_KERNELS_MODEL_GGUF_H
#define REEVE_KERNELS_MODEL_GGUF_H

#include "kernels/kernel.h"
#include "kernels/model/tensor.h"

enum {
    KERNEL_GGUF_KEYS_MAX = 4096,
    KERNEL_GGUF_TENSORS_MAX = 65536,
    KERNEL_GGUF_NAME_MAX = 128,      /* bytes of a tensor's name */
    KERNEL_GGUF_ARRAY_MAX = 16 << 20 /* elements */
};

struct kernel_gguf;

enum kernel_status kernel_gguf_open(const char *path, struct kernel_gguf **out,
                                    struct kernel_error *error);
/* The same over bytes that the caller keeps until close: models made in memory, tests, fuzzers. */
enum kernel_status kernel_gguf_read(const void *bytes, size_t length, struct kernel_gguf **out,
                                    struct kernel_error *error);
void kernel_gguf_close(struct kernel_gguf *file); /* NULL is fine */

/* Metadata.  Absent or of another type: false and `*out` untouched. */
bool kernel_gguf_has(const struct kernel_gguf *file, const char *key);
bool kernel_gguf_u32(const struct kernel_gguf *file, const char *key,
                     uint32_t *out); /* any integer */
bool kernel_gguf_f32(const struct kernel_gguf *file, const char *key, float *out);
bool kernel_gguf_bool(const struct kernel_gguf *file, const char *key, bool *out);
bool kernel_gguf_text(const struct kernel_gguf *file, const char *key, struct kernel_text *out);
/* Arrays: of texts, of f32, of i32 (any integers that fit). */
bool kernel_gguf_array(const struct kernel_gguf *file, const char *key, uint64_t *count);
bool kernel_gguf_text_at(const struct kernel_gguf *file, const char *key, uint64_t i,
                         struct kernel_text *out); /* constant time */
bool kernel_gguf_f32_at(const struct kernel_gguf *file, const char *key, uint64_t i, float *out);
bool kernel_gguf_i32_at(const struct kernel_gguf *file, const char *key, uint64_t i, int32_t *out);

uint64_t kernel_gguf_tensor_count(const struct kernel_gguf *file);
const struct kernel_tensor *kernel_gguf_tensor_at(const struct kernel_gguf *file, uint64_t i);
const struct kernel_tensor *kernel_gguf_tensor(const struct kernel_gguf *file, const char *name);
/* All keys and tensors in the order of the file, for `reeve model check`. */
void kernel_gguf_keys(const struct kernel_gguf *file,
                      void (*each)(void *data, const char *key, const char *type,
                                   const char *shown),
                      void *data);
/* SHA-256 of the whole file; computed once, on demand. */
void kernel_gguf_hash(struct kernel_gguf *file, uint8_t out[32]);
uint64_t kernel_gguf_bytes(const struct kernel_gguf *file);
const void *kernel_gguf_image(const struct kernel_gguf *file); /* all of them */

#endif
