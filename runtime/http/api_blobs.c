/* api_blobs.c -- POST /v1/blobs: a large content, stored while it arrives; GET /v1/blobs lists
 * them.
 *
 *   a part is here -> stored -> the next one is read -> ... -> last -> named, with its audit record
 *
 * The connection is not read while a part is stored, so an upload needs two parts of memory,
 * whatever its size and however slow the database.
 */
#include "runtime/base/check.h"
#include "runtime/http/call.h"
#include "runtime/journal/blob.h"

#include "http_sql.h"
#include "journal_sql.h"

#include <stdio.h>
#include <string.h>

_Static_assert((int)RV_HTTP_PART_BYTES == (int)RV_BLOB_PART_BYTES, "a part is stored as it comes");

struct put {
    struct rv_call *call;
    struct rv_blob_upload *upload;
    const char *media;
    bool last;
};

static void on_part(void *data, enum rv_http_part part, const void *bytes, size_t length);

/* The media type as sent, in the arena; what is longer or strange is refused. */
static const char *media_of(struct rv_call *call)
{
    const char *type = rv_http_field(rv_exchange_request(call->exchange), "content-type");
    struct rv_error err = {.code = RV_OK};
    if (type == NULL) {
        return "application/octet-stream";
    }
    if (rv_blob_check_media(type, &err) != RV_OK) {
        rv_call_fail(call, &err, "Content-Type");
        return NULL;
    }
    return rv_arena_strdup(rv_exchange_arena(call->exchange), type);
}

static void forget(void *data)
{
    struct put *put = data;
    rv_blob_upload_destroy(put->upload);
}

void rv_api_blob_put(struct rv_call *call)
{
    const char *media = media_of(call);
    if (media == NULL) {
        return;
    }
    if (!rv_exchange_has_parts(call->exchange)) {
        struct rv_error err = {.code = RV_OK};
        rv_fail(&err, RV_INVALID, "the body is empty: there is nothing to keep");
        rv_call_fail(call, &err, NULL);
        return;
    }
    struct rv_arena *arena = rv_exchange_arena(call->exchange);
    struct put *put = rv_arena_alloc(arena, sizeof *put);
    *put = (struct put){call, rv_blob_upload_create(call->caller->tenant), media, false};
    rv_arena_cleanup(arena, forget, put);
    rv_exchange_read_part(call->exchange, on_part, put);
}

static void end(struct put *put)
{
    struct rv_hash hash;
    uint64_t size = 0;
    struct rv_args *args =
        rv_blob_upload_end(put->upload, put->media, put->call->caller->person, &hash, &size);
    json_t *handle = rv_blob_handle(&hash, size, put->media);
    json_t *about = json_copy(handle);
    json_object_set_new(about, "channel", json_string("http"));
    rv_call_act(put->call, "blob.put", about, &rv_sql_blob_upload_end, args, handle, "upload");
}

static void on_stored(void *data, enum rv_code code, const struct rv_result *result,
                      const struct rv_error *err)
{
    (void)result;
    struct put *put = data;
    if (code != RV_OK) {
        rv_call_fail(put->call, err, NULL);
    } else if (put->last) {
        end(put);
    } else {
        rv_exchange_read_part(put->call->exchange, on_part, put);
    }
}

static void on_part(void *data, enum rv_http_part part, const void *bytes, size_t length)
{
    struct put *put = data;
    struct rv_error err = {.code = RV_OK};
    if (part == RV_HTTP_PART_NONE) {
        rv_exchange_refuse_body(put->call->exchange);
        return;
    }
    put->last = part == RV_HTTP_PART_LAST;
    struct rv_args *args = rv_blob_upload_part(put->upload, bytes, length, &err);
    if (args == NULL) { /* the route's own limit is the same: this is for a wrong program */
        rv_call_fail(put->call, &err, NULL);
        return;
    }
    rv_db_query(put->call->api->options.db, put->call->caller->tenant, &rv_sql_blob_part_put, args,
                on_stored, put);
}

void rv_api_blobs_list(struct rv_call *call)
{
    struct rv_args *args = rv_call_page(call, &rv_sql_api_blobs, NULL, NULL);
    if (args != NULL) {
        rv_call_read(call, &rv_sql_api_blobs, args, "blob");
    }
}
