/* blob.h -- what is too large for a row: by its content, in parts, once for each company.
 *
 *   upload   parts as they come, each in its own short transaction; the name (SHA-256) at the end
 *   append   a finished content of at most some MiB, in the transaction of a journal entry
 *   slice    read where it is needed, never whole: whoever holds a blob holds its handle
 *
 * A handle is plain data, {"blob": hex, "size", "media"}: it travels in inputs, signals and
 * answers. The parts of a content never change, so what a slice gives depends on the handle alone.
 * A blob that runs refer to stays; any other goes a day after it was last put (statement
 * blob_prune).
 *
 * Thread: the loop's; rv_blob_append the committer's, inside decide.
 */
#ifndef REEVE_RUNTIME_JOURNAL_BLOB_H
#define REEVE_RUNTIME_JOURNAL_BLOB_H

#include "runtime/base/hash.h"
#include "runtime/db/db.h"
#include "runtime/journal/commit.h"

enum {
    RV_BLOB_MAX = 64 << 20,
    RV_BLOB_PART_BYTES = 256 << 10, /* also in blob_slice: a row that TOAST stores in 132 pieces */
    RV_BLOB_MEDIA_MAX = 100,
    RV_BLOB_KEEP_S = 86400,  /* without a reference: time enough to send the handle to a run */
    RV_BLOB_PRUNE_MAX = 1000 /* at once: a transaction of seconds, not of minutes */
};

/* RV_LIMIT naming size, limit and what to do; for whoever learns the size of something. */
RV_MUST enum rv_code rv_blob_check_size(const char *what, uint64_t size, struct rv_error *err);
/* 1 to RV_BLOB_MEDIA_MAX bytes like "text/plain; charset=utf-8"; RV_INVALID else. */
RV_MUST enum rv_code rv_blob_check_media(const char *media, struct rv_error *err);
/* New reference. */
json_t *rv_blob_handle(const struct rv_hash *hash, uint64_t size, const char *media);
/* The hash of a handle; false when it is none. */
bool rv_blob_of_handle(const json_t *handle, struct rv_hash *hash);

/* The content, and that `run` refers to it, with the rest of the batch.  Returns its name. */
struct rv_hash rv_blob_append(struct rv_batch *batch, int64_t run, const void *bytes, size_t length,
                              const char *media);
/* That `run` refers to every blob whose handle stands somewhere in `value`. */
void rv_blob_use(struct rv_batch *batch, int64_t run, const json_t *value);

/* ---- upload ---- */

struct rv_blob_upload;

struct rv_blob_upload *rv_blob_upload_create(int32_t tenant);
void rv_blob_upload_destroy(struct rv_blob_upload *upload); /* NULL is fine */
/* The arguments of statement blob_part_put for the next part; every part but the last has
 * RV_BLOB_PART_BYTES.  NULL, with RV_LIMIT in err: the content is larger than RV_BLOB_MAX.  Parts
 * of an upload that does not end go with a later pruning. */
struct rv_args *rv_blob_upload_part(struct rv_blob_upload *upload, const void *bytes, size_t length,
                                    struct rv_error *err);
/* The arguments of statement blob_upload_end, when all parts are stored: its execution gives the
 * content its name, best as an act that is recorded (runtime/audit/act.h). */
struct rv_args *rv_blob_upload_end(struct rv_blob_upload *upload, const char *media,
                                   const char *made_by, struct rv_hash *hash, uint64_t *size);

#endif
