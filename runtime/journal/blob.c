/* blob.c -- see blob.h. */
#include "runtime/journal/blob.h"

#include "journal_sql.h"
#include "runtime/base/check.h"
#include "runtime/base/clock.h"
#include "runtime/base/random.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- names ---- */

enum rv_code rv_blob_check_size(const char *what, uint64_t size, struct rv_error *err)
{
    if (size <= RV_BLOB_MAX) {
        return RV_OK;
    }
    rv_fail(err, RV_LIMIT, "%s is larger than %d bytes (64 MiB): %" PRIu64 " bytes so far", what,
            RV_BLOB_MAX, size);
    rv_hint(err, "Send it in several blobs, and the list of their handles to the run.");
    return RV_LIMIT;
}

enum rv_code rv_blob_check_media(const char *media, struct rv_error *err)
{
    size_t length = strlen(media);
    bool ok = length > 0 && length <= RV_BLOB_MEDIA_MAX && strchr(media, '/') != NULL;
    for (size_t i = 0; i < length; i++) {
        ok = ok && media[i] >= ' ' && media[i] <= '~';
    }
    if (!ok) {
        rv_fail(err, RV_INVALID, "the media type must be like text/plain, at most %d bytes",
                RV_BLOB_MEDIA_MAX);
        rv_hint(err, "Without one it is application/octet-stream.");
        return RV_INVALID;
    }
    return RV_OK;
}

json_t *rv_blob_handle(const struct rv_hash *hash, uint64_t size, const char *media)
{
    char hex[RV_HASH_HEX];
    rv_hash_hex(hash, hex);
    return json_pack("{s:s,s:I,s:s}", "blob", hex, "size", (json_int_t)size, "media", media);
}

bool rv_blob_of_handle(const json_t *handle, struct rv_hash *hash)
{
    return rv_hash_from_hex(rv_json_str(handle, "blob", ""), hash);
}

/* ---- with a journal entry ---- */

static void refer(struct rv_batch *batch, int64_t run, const struct rv_hash *hash)
{
    struct rv_args *uses = rv_batch_rows(batch, &rv_sql_blob_use_put);
    rv_args_bytes(uses, 2, hash->bytes, RV_HASH_BYTES);
    rv_args_i64(uses, 3, run);
}

struct rv_hash rv_blob_append(struct rv_batch *batch, int64_t run, const void *bytes, size_t length,
                              const char *media)
{
    struct rv_hash hash = rv_sha256(bytes, length);
    int64_t content = rv_id_make(rv_now_us(rv_clock_system()));
    struct rv_args *rows = rv_batch_rows(batch, &rv_sql_blob_insert);
    rv_args_bytes(rows, 2, hash.bytes, RV_HASH_BYTES);
    rv_args_i64(rows, 3, (int64_t)length);
    rv_args_i64(rows, 4, content);
    rv_args_text(rows, 5, media);
    rv_args_text(rows, 6, "run");
    struct rv_args *parts = rv_batch_rows(batch, &rv_sql_blob_parts_insert);
    for (size_t at = 0; at < length; at += RV_BLOB_PART_BYTES) {
        size_t size = length - at < RV_BLOB_PART_BYTES ? length - at : RV_BLOB_PART_BYTES;
        rv_args_i64(parts, 2, content);
        rv_args_i32(parts, 3, (int32_t)(at / RV_BLOB_PART_BYTES));
        rv_args_bytes(parts, 4, (const char *)bytes + at, size);
    }
    refer(batch, run, &hash);
    return hash;
}

void rv_blob_use(struct rv_batch *batch, int64_t run, const json_t *value)
{
    struct rv_hash hash;
    const char *key;
    size_t i;
    json_t *item;
    if (json_is_object(value)) {
        if (rv_blob_of_handle(value, &hash)) {
            refer(batch, run, &hash);
        }
        json_object_foreach((json_t *)(uintptr_t)value, key, item)
        {
            rv_blob_use(batch, run, item);
        }
    } else if (json_is_array(value)) {
        json_array_foreach((json_t *)(uintptr_t)value, i, item)
        {
            rv_blob_use(batch, run, item);
        }
    }
}

/* ---- upload ---- */

struct rv_blob_upload {
    int32_t tenant;
    int64_t content;
    int parts;
    uint64_t size;
    struct rv_hash_stream *stream;
};

struct rv_blob_upload *rv_blob_upload_create(int32_t tenant)
{
    struct rv_blob_upload *upload = rv_alloc(sizeof *upload);
    upload->tenant = tenant;
    upload->content = rv_id_make(rv_now_us(rv_clock_system()));
    upload->stream = rv_sha256_begin();
    return upload;
}

void rv_blob_upload_destroy(struct rv_blob_upload *upload)
{
    if (upload != NULL) {
        rv_sha256_end(upload->stream, NULL);
        rv_free(upload);
    }
}

struct rv_args *rv_blob_upload_part(struct rv_blob_upload *upload, const void *bytes, size_t length,
                                    struct rv_error *err)
{
    RV_ASSERT(length <= RV_BLOB_PART_BYTES && upload->size % RV_BLOB_PART_BYTES == 0);
    if (rv_blob_check_size("the content", upload->size + length, err) != RV_OK) {
        return NULL;
    }
    upload->size += length;
    rv_sha256_add(upload->stream, bytes, length);
    struct rv_args *args = rv_args_create(&rv_sql_blob_part_put);
    rv_args_i32(args, 1, upload->tenant);
    rv_args_i64(args, 2, upload->content);
    rv_args_i32(args, 3, upload->parts++);
    rv_args_bytes(args, 4, bytes, length);
    return args;
}

struct rv_args *rv_blob_upload_end(struct rv_blob_upload *upload, const char *media,
                                   const char *made_by, struct rv_hash *hash, uint64_t *size)
{
    rv_sha256_end(upload->stream, hash);
    upload->stream = rv_sha256_begin();
    *size = upload->size;
    struct rv_args *args = rv_args_create(&rv_sql_blob_upload_end);
    rv_args_i32(args, 1, upload->tenant);
    rv_args_bytes(args, 2, hash->bytes, RV_HASH_BYTES);
    rv_args_i64(args, 3, (int64_t)upload->size);
    rv_args_i64(args, 4, upload->content);
    rv_args_text(args, 5, media);
    rv_args_text(args, 6, made_by);
    return args;
}
