/* kernel_file.h -- model files for hostile tests: the bytes of a made model, to be changed. */
#ifndef REEVE_TESTS_SUPPORT_KERNEL_FILE_H
#define REEVE_TESTS_SUPPORT_KERNEL_FILE_H

#include "kernels/model/model.h"

struct kernel_file {
    unsigned char *at; /* free() */
    size_t length;
    size_t header; /* bytes before the tensors' data */
};

/* "tiny-llama", "Q8_0": a made model. */
void kernel_file_make(struct kernel_file *file, const char *shape, const char *type);
/* The one at `path`, and as a new one; a file system that does not work fails loudly. */
void kernel_file_read(struct kernel_file *file, const char *path);
void kernel_file_write(const struct kernel_file *file, const char *path);
/* Just behind the first place that has the text (a key's or a tensor's name); fails loudly. */
unsigned char *kernel_file_behind(struct kernel_file *file, const char *text);
/* Replaces a text by one of the same length. */
void kernel_file_rename(struct kernel_file *file, const char *from, const char *to);
/* Of a made model: a chat template that nobody knows, or (`gone`) none. */
void kernel_file_spoil_chat(struct kernel_file *file, bool gone);
/* More keys in front of the others. */
void kernel_file_add_text(struct kernel_file *file, const char *key, const char *value);
void kernel_file_add_f32(struct kernel_file *file, const char *key, float value);
void kernel_file_add_u32(struct kernel_file *file, const char *key, uint32_t value);
void kernel_file_add_bool(struct kernel_file *file, const char *key, bool value);
/* Opens a copy of exactly these bytes as a model without a vocabulary, and closes it again. */
enum kernel_status kernel_file_try(const struct kernel_file *file, struct kernel_error *error);

/* A LoRA adapter for the shape, with random weights that F16 has, too, as most that are published;
 * for the parts in `parts` (bits by kernel_part); as a file at `path`. */
void kernel_file_write_adapter(const char *path, const char *arch, const struct kernel_shape *shape,
                               uint32_t rank, uint32_t parts, uint64_t seed);

#endif
