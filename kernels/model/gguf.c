/* gguf.c -- a model file read once, front to back, each field checked before it is used.
 *
 * The layout (GGUF specification, version 3, little-endian): magic, version, counts of tensors and
 * keys; the keys with their values; the tensors' names, shapes, types and offsets; padding to
 * general.alignment; the tensors' bytes.  A cursor that knows the end of the file does all reading,
 * so that no length in the file can lead out of it.  Counts are limited by their bounds in gguf.h
 * and by the bytes that are left, so that memory grows with the file and not with its claims.
 */
#include "kernels/model/gguf.h"

#include "kernels/base/fail.h"
#include "kernels/model/gguf_inner.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "files are used as they are mapped");

enum {
    VERSION = 3,
    KEY_NAME_MAX = 256, /* bytes; the longest in use has 50 */
    ALIGNMENT_DEFAULT = 32,
    ALIGNMENT_MAX = 1 << 20,
    DIMENSIONS_MAX = 4,
    SMALLEST_KEY = 8 + 1 + 4 + 1, /* bytes in the file */
    SMALLEST_TENSOR = 8 + 1 + 4 + 8 + 4 + 8
};
#define DIMENSION_MAX ((uint64_t)INT32_MAX)

struct cursor {
    const unsigned char *at;
    const unsigned char *end;
};

static size_t left(const struct cursor *cursor)
{
    return (size_t)(cursor->end - cursor->at);
}

static bool take(struct cursor *cursor, void *out, size_t bytes)
{
    if (left(cursor) < bytes) {
        return false;
    }
    memcpy(out, cursor->at, bytes);
    cursor->at += bytes;
    return true;
}

/* A length and so many bytes. */
static bool take_text(struct cursor *cursor, struct kernel_text *out)
{
    uint64_t length = 0;
    if (!take(cursor, &length, sizeof length) || length > left(cursor)) {
        return false;
    }
    *out = (struct kernel_text){(const char *)cursor->at, (size_t)length};
    cursor->at += length;
    return true;
}

/* Names go into messages and onto terminals: visible ASCII only. */
static char *copy_name(struct kernel_text text, size_t most)
{
    if (text.length == 0 || text.length > most) {
        return NULL;
    }
    for (size_t i = 0; i < text.length; i++) {
        if (text.bytes[i] <= ' ' || text.bytes[i] > '~') {
            return NULL;
        }
    }
    char *name = kernel_allocate(text.length + 1, 1);
    memcpy(name, text.bytes, text.length);
    return name;
}

static bool bools_are_bools(const unsigned char *bytes, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        if (bytes[i] > 1) {
            return false;
        }
    }
    return true;
}

static enum kernel_status read_texts(struct cursor *cursor, struct gguf_key *key,
                                     struct kernel_error *error)
{
    if (key->count > left(cursor) / sizeof(uint64_t)) {
        return kernel_fail(error, KERNEL_CORRUPT,
                           "key %s: %" PRIu64 " texts do not fit into the file", key->name,
                           key->count);
    }
    if (key->array) {
        key->texts = kernel_try_allocate(key->count, sizeof *key->texts);
        if (key->texts == NULL) {
            return kernel_fail(error, KERNEL_LIMIT, "key %s: no memory for %" PRIu64 " texts",
                               key->name, key->count);
        }
    }
    for (uint64_t i = 0; i < key->count; i++) {
        struct kernel_text text;
        if (key->array) {
            key->texts[i] = (uint64_t)(cursor->at - key->value);
        }
        if (!take_text(cursor, &text)) {
            return kernel_fail(error, KERNEL_CORRUPT,
                               "key %s: text %" PRIu64 " runs past the end of the file", key->name,
                               i);
        }
    }
    return KERNEL_OK;
}

static enum kernel_status read_value(struct cursor *cursor, struct gguf_key *key,
                                     struct kernel_error *error)
{
    uint32_t type = 0;
    if (!take(cursor, &type, sizeof type)) {
        return kernel_fail(error, KERNEL_CORRUPT, "key %s: the file ends before its type",
                           key->name);
    }
    key->count = 1;
    if (type == GGUF_ARRAY) {
        key->array = true;
        if (!take(cursor, &type, sizeof type) || !take(cursor, &key->count, sizeof key->count)) {
            return kernel_fail(error, KERNEL_CORRUPT,
                               "key %s: the file ends before its array's count", key->name);
        }
        if (type == GGUF_ARRAY) {
            return kernel_fail(error, KERNEL_UNSUPPORTED, "key %s: an array of arrays", key->name);
        }
        if (key->count > KERNEL_GGUF_ARRAY_MAX) {
            return kernel_fail(error, KERNEL_LIMIT,
                               "key %s: %" PRIu64 " elements, at most %d are read", key->name,
                               key->count, KERNEL_GGUF_ARRAY_MAX);
        }
    }
    if (type >= GGUF_TYPES) {
        return kernel_fail(error, KERNEL_UNSUPPORTED, "key %s: value type %" PRIu32 " is unknown",
                           key->name, type);
    }
    key->type = (enum gguf_type)type;
    key->value = cursor->at;
    if (type == GGUF_TEXT) {
        return read_texts(cursor, key, error);
    }
    size_t bytes = gguf_type_bytes(type);
    if (key->count > left(cursor) / bytes) {
        return kernel_fail(error, KERNEL_CORRUPT, "key %s: its value runs past the end of the file",
                           key->name);
    }
    if (type == GGUF_BOOL && !bools_are_bools(cursor->at, key->count)) {
        return kernel_fail(error, KERNEL_CORRUPT, "key %s: a bool is neither 0 nor 1", key->name);
    }
    cursor->at += key->count * bytes;
    return KERNEL_OK;
}

static int compare_keys(const void *a, const void *b)
{
    const struct gguf_key *const *x = a;
    const struct gguf_key *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static enum kernel_status read_keys(struct kernel_gguf *file, struct cursor *cursor, uint64_t count,
                                    struct kernel_error *error)
{
    if (count > KERNEL_GGUF_KEYS_MAX || count > left(cursor) / SMALLEST_KEY) {
        return kernel_fail(error, KERNEL_CORRUPT,
                           "metadata_kv_count: %" PRIu64 " keys, the file has room for %zu and at "
                           "most %d are read",
                           count, left(cursor) / SMALLEST_KEY, KERNEL_GGUF_KEYS_MAX);
    }
    file->keys = kernel_allocate(count, sizeof *file->keys);
    file->keys_by_name = kernel_allocate(count, sizeof(struct gguf_key *));
    for (uint64_t i = 0; i < count; i++) {
        struct gguf_key *key = &file->keys[i];
        struct kernel_text name;
        key->name = take_text(cursor, &name) ? copy_name(name, KEY_NAME_MAX) : NULL;
        if (key->name == NULL) {
            return kernel_fail(error, KERNEL_CORRUPT,
                               "key %" PRIu64 ": its name is not 1 to %d visible ASCII characters",
                               i, KEY_NAME_MAX);
        }
        file->keys_by_name[i] = key;
        file->key_count++;
        enum kernel_status status = read_value(cursor, key, error);
        if (status != KERNEL_OK) {
            return status;
        }
    }
    qsort(file->keys_by_name, count, sizeof(struct gguf_key *), compare_keys);
    for (uint64_t i = 1; i < count; i++) {
        if (compare_keys(&file->keys_by_name[i - 1], &file->keys_by_name[i]) == 0) {
            return kernel_fail(error, KERNEL_CORRUPT, "key %s appears twice",
                               file->keys_by_name[i]->name);
        }
    }
    return KERNEL_OK;
}

static enum kernel_status read_alignment(struct kernel_gguf *file, struct kernel_error *error)
{
    file->alignment = ALIGNMENT_DEFAULT;
    if (gguf_find(file, "general.alignment") == NULL) {
        return KERNEL_OK;
    }
    uint32_t alignment = 0;
    if (!kernel_gguf_u32(file, "general.alignment", &alignment) || alignment < 8 ||
        alignment > ALIGNMENT_MAX || (alignment & (alignment - 1)) != 0) {
        return kernel_fail(error, KERNEL_CORRUPT,
                           "general.alignment: %" PRIu32 " is not a power of two from 8 to %d",
                           alignment, ALIGNMENT_MAX);
    }
    file->alignment = alignment;
    return KERNEL_OK;
}

/* Shape and type of one tensor, and how many bytes follow from them. */
static enum kernel_status read_shape(struct cursor *cursor, struct kernel_tensor *tensor,
                                     struct kernel_error *error)
{
    uint32_t dimensions = 0;
    if (!take(cursor, &dimensions, sizeof dimensions) || dimensions < 1 ||
        dimensions > DIMENSIONS_MAX) {
        return kernel_fail(error, KERNEL_CORRUPT, "tensor %s: %" PRIu32 " dimensions, not 1 to %d",
                           tensor->name, dimensions, DIMENSIONS_MAX);
    }
    uint64_t rows = 1;
    for (uint32_t d = 0; d < DIMENSIONS_MAX; d++) {
        uint64_t size = 1;
        if (d < dimensions &&
            (!take(cursor, &size, sizeof size) || size < 1 || size > DIMENSION_MAX)) {
            return kernel_fail(error, KERNEL_CORRUPT,
                               "tensor %s: dimension %" PRIu32 " is %" PRIu64 ", not 1 to %" PRIu64,
                               tensor->name, d, size, DIMENSION_MAX);
        }
        tensor->dimension[d] = (uint32_t)size;
        rows = d == 0 ? 1 : rows * size;
        if (rows > DIMENSION_MAX) {
            return kernel_fail(error, KERNEL_CORRUPT, "tensor %s: more than %" PRIu64 " rows",
                               tensor->name, DIMENSION_MAX);
        }
    }
    uint32_t type = 0;
    if (!take(cursor, &type, sizeof type)) {
        return kernel_fail(error, KERNEL_CORRUPT, "tensor %s: the file ends before its type",
                           tensor->name);
    }
    const struct kernel_type_facts *facts = kernel_type_facts(type);
    if (facts == NULL) {
        return kernel_fail(error, KERNEL_UNSUPPORTED,
                           "tensor %s: type %" PRIu32 " (%s) is not known; known: " KERNEL_TYPES,
                           tensor->name, type, kernel_type_guess(type));
    }
    tensor->type = facts->type;
    tensor->columns = tensor->dimension[0];
    tensor->rows = (uint32_t)rows;
    if (tensor->columns % facts->block != 0) {
        return kernel_fail(error, KERNEL_CORRUPT,
                           "tensor %s: rows of %" PRIu32
                           " are no multiple of %s's block of %" PRIu32,
                           tensor->name, tensor->columns, facts->name, facts->block);
    }
    /* at most 2^31 * 2^31 * 4: no overflow */
    tensor->bytes = (uint64_t)(tensor->columns / facts->block) * facts->block_bytes * rows;
    return KERNEL_OK;
}

static int compare_tensors(const void *a, const void *b)
{
    const struct kernel_tensor *const *x = a;
    const struct kernel_tensor *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static int compare_places(const void *a, const void *b)
{
    const unsigned char *x = (*(const struct kernel_tensor *const *)a)->data;
    const unsigned char *y = (*(const struct kernel_tensor *const *)b)->data;
    return (x > y) - (x < y);
}

/* Offsets count from the data section, which begins at the next multiple of the alignment. */
static enum kernel_status place_tensors(struct kernel_gguf *file, const uint64_t *offsets,
                                        size_t header, struct kernel_error *error)
{
    size_t start = (header + file->alignment - 1) / file->alignment * file->alignment;
    uint64_t room = file->length > start ? file->length - start : 0;
    for (uint32_t i = 0; i < file->tensor_count; i++) {
        struct kernel_tensor *tensor = &file->tensors[i];
        if (offsets[i] % file->alignment != 0 || offsets[i] > room ||
            tensor->bytes > room - offsets[i]) {
            return kernel_fail(error, KERNEL_CORRUPT,
                               "tensor %s: offset %" PRIu64 " with %zu bytes: the file has %" PRIu64
                               " bytes of data, aligned to %" PRIu32,
                               tensor->name, offsets[i], tensor->bytes, room, file->alignment);
        }
        tensor->data = file->bytes + start + offsets[i];
    }
    const struct kernel_tensor **order = file->tensors_by_name;
    qsort(order, file->tensor_count, sizeof *order, compare_places);
    for (uint32_t i = 1; i < file->tensor_count; i++) {
        if ((const unsigned char *)order[i - 1]->data + order[i - 1]->bytes >
            (const unsigned char *)order[i]->data) {
            return kernel_fail(error, KERNEL_CORRUPT, "tensors %s and %s overlap",
                               order[i - 1]->name, order[i]->name);
        }
    }
    qsort(order, file->tensor_count, sizeof *order, compare_tensors);
    for (uint32_t i = 1; i < file->tensor_count; i++) {
        if (strcmp(order[i - 1]->name, order[i]->name) == 0) {
            return kernel_fail(error, KERNEL_CORRUPT, "tensor %s appears twice", order[i]->name);
        }
    }
    return KERNEL_OK;
}

static enum kernel_status read_tensors(struct kernel_gguf *file, struct cursor *cursor,
                                       uint64_t count, struct kernel_error *error)
{
    if (count > KERNEL_GGUF_TENSORS_MAX || count > left(cursor) / SMALLEST_TENSOR) {
        return kernel_fail(error, KERNEL_CORRUPT,
                           "tensor_count: %" PRIu64 " tensors, the file has room for %zu and at "
                           "most %d are read",
                           count, left(cursor) / SMALLEST_TENSOR, KERNEL_GGUF_TENSORS_MAX);
    }
    file->tensors = kernel_allocate(count, sizeof *file->tensors);
    file->tensors_by_name = kernel_allocate(count, sizeof(struct kernel_tensor *));
    uint64_t *offsets = kernel_allocate(count, sizeof *offsets);
    enum kernel_status status = KERNEL_OK;
    for (uint64_t i = 0; i < count && status == KERNEL_OK; i++) {
        struct kernel_tensor *tensor = &file->tensors[i];
        struct kernel_text name;
        tensor->name = take_text(cursor, &name) ? copy_name(name, KERNEL_GGUF_NAME_MAX) : NULL;
        if (tensor->name == NULL) {
            status =
                kernel_fail(error, KERNEL_CORRUPT,
                            "tensor %" PRIu64 ": its name is not 1 to %d visible ASCII characters",
                            i, KERNEL_GGUF_NAME_MAX);
            break;
        }
        file->tensors_by_name[i] = tensor;
        file->tensor_count++;
        status = read_shape(cursor, tensor, error);
        if (status == KERNEL_OK && !take(cursor, &offsets[i], sizeof offsets[i])) {
            status = kernel_fail(error, KERNEL_CORRUPT,
                                 "tensor %s: the file ends before its offset", tensor->name);
        }
    }
    if (status == KERNEL_OK) {
        status = place_tensors(file, offsets, (size_t)(cursor->at - file->bytes), error);
    }
    free(offsets);
    return status;
}

static enum kernel_status read_header(struct kernel_gguf *file, struct kernel_error *error)
{
    struct cursor cursor = {file->bytes, file->bytes + file->length};
    char magic[4] = "";
    uint32_t version = 0;
    uint64_t tensors = 0;
    uint64_t keys = 0;
    if (!take(&cursor, magic, sizeof magic) || memcmp(magic, "GGUF", sizeof magic) != 0) {
        return kernel_fail(error, KERNEL_CORRUPT, "magic: the file does not begin with GGUF");
    }
    if (!take(&cursor, &version, sizeof version)) {
        return kernel_fail(error, KERNEL_CORRUPT, "version: the file ends before it");
    }
    if (version == __builtin_bswap32(VERSION)) {
        return kernel_fail(error, KERNEL_UNSUPPORTED, "version: the file is big-endian");
    }
    if (version != VERSION) {
        return kernel_fail(error, KERNEL_UNSUPPORTED,
                           "version: %" PRIu32 ", only %d is read; convert the file", version,
                           VERSION);
    }
    if (!take(&cursor, &tensors, sizeof tensors) || !take(&cursor, &keys, sizeof keys)) {
        return kernel_fail(error, KERNEL_CORRUPT,
                           "tensor_count, metadata_kv_count: the file ends before them");
    }
    enum kernel_status status = read_keys(file, &cursor, keys, error);
    if (status == KERNEL_OK) {
        status = read_alignment(file, error);
    }
    if (status == KERNEL_OK) {
        status = read_tensors(file, &cursor, tensors, error);
    }
    return status;
}

enum kernel_status kernel_gguf_read(const void *bytes, size_t length, struct kernel_gguf **out,
                                    struct kernel_error *error)
{
    struct kernel_gguf *file = kernel_allocate(1, sizeof *file);
    file->bytes = bytes;
    file->length = length;
    pthread_mutex_init(&file->hash_lock, NULL);
    enum kernel_status status = read_header(file, error);
    if (status != KERNEL_OK) {
        kernel_gguf_close(file);
        file = NULL;
    }
    *out = file;
    return status;
}

enum kernel_status kernel_gguf_open(const char *path, struct kernel_gguf **out,
                                    struct kernel_error *error)
{
    *out = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat facts;
    if (fd < 0 || fstat(fd, &facts) != 0 || !S_ISREG(facts.st_mode)) {
        int why = fd < 0 ? errno : 0;
        if (fd >= 0) {
            close(fd);
        }
        return kernel_fail(error, KERNEL_IO, "%.160s: %s", path,
                           why != 0 ? strerrordesc_np(why) : "not a regular file");
    }
    if (facts.st_size == 0) {
        close(fd);
        return kernel_fail(error, KERNEL_CORRUPT, "%.160s: the file is empty", path);
    }
    void *bytes = mmap(NULL, (size_t)facts.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    int why = errno;
    close(fd);
    if (bytes == MAP_FAILED) {
        return kernel_fail(error, KERNEL_IO, "%.160s: cannot be mapped: %s", path,
                           strerrordesc_np(why));
    }
    enum kernel_status status = kernel_gguf_read(bytes, (size_t)facts.st_size, out, error);
    if (status != KERNEL_OK) {
        munmap(bytes, (size_t)facts.st_size);
        return status;
    }
    (*out)->mapped = true;
    for (uint32_t i = 0; i < (*out)->tensor_count; i++) {
        (*out)->tensors[i].in_file = true;
    }
    return KERNEL_OK;
}

void kernel_gguf_close(struct kernel_gguf *file)
{
    if (file == NULL) {
        return;
    }
    for (uint32_t i = 0; i < file->key_count; i++) {
        free(file->keys[i].name);
        free(file->keys[i].texts);
    }
    for (uint32_t i = 0; i < file->tensor_count; i++) {
        free((char *)(uintptr_t)file->tensors[i].name);
    }
    free(file->keys);
    free(file->keys_by_name);
    free(file->tensors);
    free(file->tensors_by_name);
    pthread_mutex_destroy(&file->hash_lock);
    if (file->mapped) {
        munmap((void *)(uintptr_t)file->bytes, file->length);
    }
    free(file);
}
