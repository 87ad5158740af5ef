/* kernel_file.c -- see kernel_file.h. */
#include "tests/support/kernel_file.h"

#include "kernels/base/fail.h"
#include "kernels/model/make.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { FIRST_KEY = 24, KEY_COUNT = 16, ALIGNMENT = 64 };

void kernel_file_make(struct kernel_file *file, const char *shape, const char *type)
{
    struct kernel_error error;
    struct kernel_gguf *read = NULL;
    void *image = NULL;
    size_t bytes = 0;
    enum kernel_status status = kernel_make_image(shape, type, 1, &image, &bytes, &error);
    KERNEL_ASSERT(status == KERNEL_OK);
    status = kernel_gguf_read(image, bytes, &read, &error);
    KERNEL_ASSERT(status == KERNEL_OK);
    *file = (struct kernel_file){.at = kernel_allocate(bytes, 1), .length = bytes};
    memcpy(file->at, image, bytes);
    file->header =
        (size_t)((const char *)kernel_gguf_tensor_at(read, 0)->data - (const char *)image);
    kernel_gguf_close(read);
    munmap(image, bytes);
}

void kernel_file_read(struct kernel_file *file, const char *path)
{
    struct kernel_error error;
    struct kernel_gguf *read = NULL;
    enum kernel_status status = kernel_gguf_open(path, &read, &error);
    KERNEL_ASSERT(status == KERNEL_OK);
    const char *image = kernel_gguf_image(read);
    size_t bytes = kernel_gguf_bytes(read);
    *file = (struct kernel_file){.at = kernel_allocate(bytes, 1), .length = bytes};
    memcpy(file->at, image, bytes);
    file->header = (size_t)((const char *)kernel_gguf_tensor_at(read, 0)->data - image);
    kernel_gguf_close(read);
}

void kernel_file_write(const struct kernel_file *file, const char *path)
{
    FILE *out = fopen(path, "wbx");
    KERNEL_ASSERT(out != NULL && fwrite(file->at, 1, file->length, out) == file->length);
    KERNEL_ASSERT(fclose(out) == 0);
}

unsigned char *kernel_file_behind(struct kernel_file *file, const char *text)
{
    unsigned char *found = memmem(file->at, file->header, text, strlen(text));
    KERNEL_ASSERT(found != NULL);
    return found + strlen(text);
}

void kernel_file_rename(struct kernel_file *file, const char *from, const char *to)
{
    KERNEL_ASSERT(strlen(from) == strlen(to));
    memcpy(kernel_file_behind(file, from) - strlen(from), to, strlen(to));
}

void kernel_file_spoil_chat(struct kernel_file *file, bool gone)
{
    static const char mark[] = "<|im_start|>"; /* twice in the template, once in the vocabulary */
    if (gone) {
        kernel_file_rename(file, "tokenizer.chat_template", "tokenizer.chat-template");
        return;
    }
    unsigned char *at = kernel_file_behind(file, "tokenizer.chat_template");
    for (int i = 0; i < 2; i++) {
        size_t left = file->header - (size_t)(at - file->at);
        at = memmem(at, left, mark, sizeof mark - 1);
        KERNEL_ASSERT(at != NULL);
        memcpy(at, "<|im_befor|>", sizeof mark - 1);
    }
}

/* The keys grow by a multiple of the alignment, so that the data stays where the offsets say. */
static void add_key(struct kernel_file *file, struct make_sink *key)
{
    static int filler;
    char name[32];
    char text[2 * ALIGNMENT] = "";
    uint64_t count = 0;
    snprintf(name, sizeof name, "filler.%d", filler++);
    make_put_key(key, name, GGUF_TEXT);
    make_put_text(key, text, (ALIGNMENT - (key->length + sizeof(uint64_t)) % ALIGNMENT));
    unsigned char *bytes = kernel_allocate(file->length + key->length, 1);
    memcpy(bytes, file->at, FIRST_KEY);
    memcpy(bytes + FIRST_KEY, key->at, key->length);
    memcpy(bytes + FIRST_KEY + key->length, file->at + FIRST_KEY, file->length - FIRST_KEY);
    memcpy(&count, bytes + KEY_COUNT, sizeof count);
    count += 2;
    memcpy(bytes + KEY_COUNT, &count, sizeof count);
    free(file->at);
    file->at = bytes;
    file->length += key->length;
    file->header += key->length;
    free(key->at);
}

void kernel_file_add_text(struct kernel_file *file, const char *key, const char *value)
{
    struct make_sink sink = {0};
    make_put_key(&sink, key, GGUF_TEXT);
    make_put_text(&sink, value, strlen(value));
    add_key(file, &sink);
}

void kernel_file_add_f32(struct kernel_file *file, const char *key, float value)
{
    struct make_sink sink = {0};
    make_put_key(&sink, key, GGUF_F32);
    make_put(&sink, &value, sizeof value);
    add_key(file, &sink);
}

void kernel_file_add_u32(struct kernel_file *file, const char *key, uint32_t value)
{
    struct make_sink sink = {0};
    make_put_key(&sink, key, GGUF_U32);
    make_put(&sink, &value, sizeof value);
    add_key(file, &sink);
}

void kernel_file_add_bool(struct kernel_file *file, const char *key, bool value)
{
    struct make_sink sink = {0};
    unsigned char byte = value;
    make_put_key(&sink, key, GGUF_BOOL);
    make_put(&sink, &byte, sizeof byte);
    add_key(file, &sink);
}

enum kernel_status kernel_file_try(const struct kernel_file *file, struct kernel_error *error)
{
    struct kernel_gguf *read = NULL;
    struct kernel_model *model = NULL;
    unsigned char *copy = kernel_allocate(file->length, 1); /* its end is where the file's is */
    memcpy(copy, file->at, file->length);
    enum kernel_status status = kernel_gguf_read(copy, file->length, &read, error);
    if (status == KERNEL_OK) {
        status = kernel_model_bare(read, &model, error);
        kernel_model_bare_close(model);
    }
    free(copy);
    return status;
}

void kernel_file_write_adapter(const char *path, const char *arch, const struct kernel_shape *shape,
                               uint32_t rank, uint32_t parts, uint64_t seed)
{
    struct make_sink sink = {0};
    uint32_t version = 3;
    uint64_t keys = 4;
    uint64_t tensors = 2 * (uint64_t)__builtin_popcount(parts) * shape->layers;
    uint64_t offset = 0;
    float alpha = 2 * (float)rank;
    make_put(&sink, "GGUF", 4);
    make_put(&sink, &version, sizeof version);
    make_put(&sink, &tensors, sizeof tensors);
    make_put(&sink, &keys, sizeof keys);
    make_put_key(&sink, "general.type", GGUF_TEXT);
    make_put_text(&sink, "adapter", 7);
    make_put_key(&sink, "general.architecture", GGUF_TEXT);
    make_put_text(&sink, arch, strlen(arch));
    make_put_key(&sink, "adapter.type", GGUF_TEXT);
    make_put_text(&sink, "lora", 4);
    make_put_key(&sink, "adapter.lora.alpha", GGUF_F32);
    make_put(&sink, &alpha, sizeof alpha);
    for (uint32_t i = 0; i < 2 * KERNEL_PARTS * shape->layers; i++) {
        enum kernel_part part = (enum kernel_part)(i / 2 % KERNEL_PARTS);
        char name[96];
        uint32_t two = 2;
        uint32_t type = KERNEL_F32;
        bool b = i % 2 == 1;
        uint64_t columns = b ? rank : kernel_part_columns(shape, part);
        uint64_t rows = b ? kernel_part_rows(shape, part) : rank;
        if ((parts >> part & 1) == 0) {
            continue;
        }
        snprintf(name, sizeof name, "blk.%" PRIu32 ".%s.weight.lora_%c", i / 2 / KERNEL_PARTS,
                 kernel_part_names[part], b ? 'b' : 'a');
        make_put_text(&sink, name, strlen(name));
        make_put(&sink, &two, sizeof two);
        make_put(&sink, &columns, sizeof columns);
        make_put(&sink, &rows, sizeof rows);
        make_put(&sink, &type, sizeof type);
        make_put(&sink, &offset, sizeof offset);
        offset += (columns * rows * sizeof(float) + 31) / 32 * 32;
    }
    static const unsigned char zeros[32];
    make_put(&sink, zeros, (32 - sink.length % 32) % 32);
    size_t header = sink.length;
    while (sink.length < header + offset) {
        float value = (float)((double)(make_random(&seed) >> 54) * 0x1p-10 - 0.5) * 0.25F;
        make_put(&sink, &value, sizeof value);
    }
    FILE *file = fopen(path, "wb");
    KERNEL_ASSERT(file != NULL && fwrite(sink.at, 1, sink.length, file) == sink.length);
    fclose(file);
    free(sink.at);
}
