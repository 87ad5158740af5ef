/* gguf_look.c -- answers about a model file that has been read: keys, tensors, what it all is. */
#include "kernels/model/gguf.h"

#include "kernels/base/fail.h"
#include "kernels/model/gguf_inner.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    SHOWN_MAX = 120,   /* bytes of a value that a person is shown */
    SHOWN_ELEMENTS = 3 /* of an array */
};

size_t gguf_type_bytes(uint32_t type)
{
    static const unsigned char bytes[GGUF_TYPES] = {
        [GGUF_U8] = 1,  [GGUF_I8] = 1,  [GGUF_U16] = 2, [GGUF_I16] = 2,
        [GGUF_U32] = 4, [GGUF_I32] = 4, [GGUF_F32] = 4, [GGUF_BOOL] = 1,
        [GGUF_U64] = 8, [GGUF_I64] = 8, [GGUF_F64] = 8,
    };
    return type < GGUF_TYPES ? bytes[type] : 0;
}

const char *gguf_type_name(uint32_t type)
{
    static const char *const names[GGUF_TYPES] = {"u8",  "i8",  "u16",  "i16",  "u32",
                                                  "i32", "f32", "bool", "text", "array",
                                                  "u64", "i64", "f64"};
    return type < GGUF_TYPES ? names[type] : "unknown";
}

static int compare_key(const void *name, const void *key)
{
    return strcmp(name, (*(const struct gguf_key *const *)key)->name);
}

const struct gguf_key *gguf_find(const struct kernel_gguf *file, const char *key)
{
    const struct gguf_key **found = file->key_count == 0
                                        ? NULL
                                        : bsearch(key, file->keys_by_name, file->key_count,
                                                  sizeof *file->keys_by_name, compare_key);
    return found == NULL ? NULL : *found;
}

bool kernel_gguf_has(const struct kernel_gguf *file, const char *key)
{
    return gguf_find(file, key) != NULL;
}

static const struct gguf_key *find_one(const struct kernel_gguf *file, const char *key)
{
    const struct gguf_key *found = gguf_find(file, key);
    return found == NULL || found->array ? NULL : found;
}

/* Element i as an integer: false where it is none, or beyond what int64_t holds. */
static bool integer_at(const struct gguf_key *key, uint64_t i, int64_t *out)
{
    const unsigned char *at = key->value + i * gguf_type_bytes(key->type);
    uint64_t wide = 0;
    memcpy(&wide, at, gguf_type_bytes(key->type));
    switch (key->type) {
    case GGUF_I8: *out = (int64_t)(wide ^ 0x80) - 0x80; return true; /* sign extended */
    case GGUF_I16: *out = (int16_t)wide; return true;
    case GGUF_I32: *out = (int32_t)wide; return true;
    case GGUF_I64: *out = (int64_t)wide; return true;
    case GGUF_U8:
    case GGUF_U16:
    case GGUF_U32: *out = (int64_t)wide; return true;
    case GGUF_U64: *out = (int64_t)wide; return wide <= INT64_MAX;
    default: return false;
    }
}

static bool number_at(const struct gguf_key *key, uint64_t i, double *out)
{
    const unsigned char *at = key->value + i * gguf_type_bytes(key->type);
    if (key->type == GGUF_F32) {
        float narrow = 0;
        memcpy(&narrow, at, sizeof narrow);
        *out = narrow;
        return true;
    }
    if (key->type == GGUF_F64) {
        memcpy(out, at, sizeof *out);
        return true;
    }
    return false;
}

static struct kernel_text text_at(const struct gguf_key *key, uint64_t i)
{
    const unsigned char *at = key->value + (key->array ? key->texts[i] : 0);
    uint64_t length = 0;
    memcpy(&length, at, sizeof length);
    return (struct kernel_text){(const char *)at + sizeof length, (size_t)length};
}

bool kernel_gguf_u32(const struct kernel_gguf *file, const char *key, uint32_t *out)
{
    const struct gguf_key *found = find_one(file, key);
    int64_t value = 0;
    if (found == NULL || !integer_at(found, 0, &value) || value < 0 || value > UINT32_MAX) {
        return false;
    }
    *out = (uint32_t)value;
    return true;
}

bool kernel_gguf_f32(const struct kernel_gguf *file, const char *key, float *out)
{
    const struct gguf_key *found = find_one(file, key);
    double value = 0;
    if (found == NULL || !number_at(found, 0, &value)) {
        return false;
    }
    *out = (float)value;
    return true;
}

bool kernel_gguf_bool(const struct kernel_gguf *file, const char *key, bool *out)
{
    const struct gguf_key *found = find_one(file, key);
    if (found == NULL || found->type != GGUF_BOOL) {
        return false;
    }
    *out = found->value[0] == 1;
    return true;
}

bool kernel_gguf_text(const struct kernel_gguf *file, const char *key, struct kernel_text *out)
{
    const struct gguf_key *found = find_one(file, key);
    if (found == NULL || found->type != GGUF_TEXT) {
        return false;
    }
    *out = text_at(found, 0);
    return true;
}

bool kernel_gguf_array(const struct kernel_gguf *file, const char *key, uint64_t *count)
{
    const struct gguf_key *found = gguf_find(file, key);
    if (found == NULL || !found->array) {
        return false;
    }
    *count = found->count;
    return true;
}

static const struct gguf_key *find_element(const struct kernel_gguf *file, const char *key,
                                           uint64_t i)
{
    const struct gguf_key *found = gguf_find(file, key);
    return found == NULL || !found->array || i >= found->count ? NULL : found;
}

bool kernel_gguf_text_at(const struct kernel_gguf *file, const char *key, uint64_t i,
                         struct kernel_text *out)
{
    const struct gguf_key *found = find_element(file, key, i);
    if (found == NULL || found->type != GGUF_TEXT) {
        return false;
    }
    *out = text_at(found, i);
    return true;
}

bool kernel_gguf_f32_at(const struct kernel_gguf *file, const char *key, uint64_t i, float *out)
{
    const struct gguf_key *found = find_element(file, key, i);
    double value = 0;
    if (found == NULL || !number_at(found, i, &value)) {
        return false;
    }
    *out = (float)value;
    return true;
}

bool kernel_gguf_i32_at(const struct kernel_gguf *file, const char *key, uint64_t i, int32_t *out)
{
    const struct gguf_key *found = find_element(file, key, i);
    int64_t value = 0;
    if (found == NULL || !integer_at(found, i, &value) || value < INT32_MIN || value > INT32_MAX) {
        return false;
    }
    *out = (int32_t)value;
    return true;
}

uint64_t kernel_gguf_tensor_count(const struct kernel_gguf *file)
{
    return file->tensor_count;
}

const struct kernel_tensor *kernel_gguf_tensor_at(const struct kernel_gguf *file, uint64_t i)
{
    KERNEL_ASSERT(i < file->tensor_count);
    return &file->tensors[i];
}

static int compare_tensor(const void *name, const void *tensor)
{
    return strcmp(name, (*(const struct kernel_tensor *const *)tensor)->name);
}

const struct kernel_tensor *kernel_gguf_tensor(const struct kernel_gguf *file, const char *name)
{
    const struct kernel_tensor **found =
        file->tensor_count == 0 ? NULL
                                : bsearch(name, file->tensors_by_name, file->tensor_count,
                                          sizeof *file->tensors_by_name, compare_tensor);
    return found == NULL ? NULL : *found;
}

/* Appends at most what fits; what is not visible ASCII is a dot. */
static size_t show_text(char *out, size_t room, struct kernel_text text)
{
    size_t length = text.length < room - 1 ? text.length : room - 1;
    for (size_t i = 0; i < length; i++) {
        out[i] = text.bytes[i] >= ' ' && text.bytes[i] <= '~' ? text.bytes[i] : '.';
    }
    out[length] = '\0';
    return length;
}

static size_t show_element(char *out, size_t room, const struct gguf_key *key, uint64_t i)
{
    int64_t integer = 0;
    double number = 0;
    int length = 0;
    if (key->type == GGUF_TEXT) {
        return show_text(out, room, text_at(key, i));
    }
    if (key->type == GGUF_BOOL) {
        length = snprintf(out, room, "%s", key->value[i] != 0 ? "true" : "false");
    } else if (number_at(key, i, &number)) {
        length = snprintf(out, room, "%.9g", number);
    } else if (integer_at(key, i, &integer)) {
        length = snprintf(out, room, "%" PRId64, integer);
    } else {
        length = snprintf(out, room, "over %" PRId64, INT64_MAX);
    }
    return (size_t)length < room ? (size_t)length : room - 1;
}

void kernel_gguf_keys(const struct kernel_gguf *file,
                      void (*each)(void *data, const char *key, const char *type,
                                   const char *shown),
                      void *data)
{
    for (uint32_t k = 0; k < file->key_count; k++) {
        const struct gguf_key *key = &file->keys[k];
        char type[48];
        char shown[SHOWN_MAX];
        if (!key->array) {
            snprintf(type, sizeof type, "%s", gguf_type_name(key->type));
            show_element(shown, sizeof shown, key, 0);
        } else {
            snprintf(type, sizeof type, "%s[%" PRIu64 "]", gguf_type_name(key->type), key->count);
            size_t length = 0;
            shown[0] = '\0';
            for (uint64_t i = 0; i < key->count && i < SHOWN_ELEMENTS; i++) {
                if (i > 0 && length + 2 < sizeof shown) {
                    length += show_text(shown + length, sizeof shown - length,
                                        (struct kernel_text){", ", 2});
                }
                length += show_element(shown + length, sizeof shown - length, key, i);
            }
            if (key->count > SHOWN_ELEMENTS) {
                show_text(shown + length, sizeof shown - length, (struct kernel_text){", ...", 5});
            }
        }
        each(data, key->name, type, shown);
    }
}

void kernel_gguf_hash(struct kernel_gguf *file, uint8_t out[32])
{
    pthread_mutex_lock(&file->hash_lock);
    if (!file->hashed) {
        unsigned int length = sizeof file->hash;
        int done = EVP_Digest(file->bytes, file->length, file->hash, &length, EVP_sha256(), NULL);
        KERNEL_ASSERT(done == 1 && length == sizeof file->hash);
        file->hashed = true;
        if (file->mapped) { /* all of it was read once: nobody needs it resident for that */
            madvise((void *)(uintptr_t)file->bytes, file->length, MADV_DONTNEED);
        }
    }
    memcpy(out, file->hash, sizeof file->hash);
    pthread_mutex_unlock(&file->hash_lock);
}

uint64_t kernel_gguf_bytes(const struct kernel_gguf *file)
{
    return file->length;
}

const void *kernel_gguf_image(const struct kernel_gguf *file)
{
    return file->bytes;
}
