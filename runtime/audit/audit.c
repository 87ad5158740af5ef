/* audit.c -- appending and sealing inside the committer's transaction; see audit.h.
 *
 * Why no hash chain per row: the one head lock of the batch orders records already, and a tree
 * gives short proofs.  A batch pays one SHA-256 per record and, when due, one signature.
 */
#include "runtime/audit/audit.h"

#include "audit_sql.h"
#include "runtime/audit/audit_private.h"
#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/db/args.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum rv_code rv_audit_open(const char *key_path, struct rv_audit **out, struct rv_error *err)
{
    struct rv_audit *audit = rv_alloc(sizeof *audit);
    char *public_path = audit_public_path(key_path);
    enum rv_code code = RV_OK;
    if (access(key_path, F_OK) != 0 && errno == ENOENT && access(public_path, F_OK) == 0) {
        code = rv_fail(err, RV_CORRUPT, "the audit key \"%s\" is gone, its public half is there",
                       key_path);
        rv_hint(
            err,
            "Restore the key from its backup.  To go on with a new one, rename %s and give it to "
            "`reeve audit verify --key` together with the new one.",
            public_path);
    }
    rv_free(public_path);
    if (code == RV_OK) {
        code = note_key_open(key_path, &audit->key, err);
    }
    if (code == RV_OK) {
        code = audit_trust_keep(key_path, &audit->key.verifier, err);
    }
    if (code != RV_OK) {
        rv_audit_close(audit);
        return code;
    }
    *out = audit;
    return RV_OK;
}

void rv_audit_close(struct rv_audit *audit)
{
    if (audit != NULL) {
        note_key_wipe(&audit->key);
        rv_free(audit);
    }
}

void rv_audit_public_key(const struct rv_audit *audit, char out[RV_AUDIT_KEY_TEXT])
{
    _Static_assert((int)RV_AUDIT_KEY_TEXT == NOTE_VERIFIER_TEXT, "the public half as text");
    note_verifier_text(&audit->key.verifier, out);
}

/* ---- what a record can hold ---- */

/* {"sha256","bytes"} of the canonical text of `value`, which has no fractions. */
static json_t *digest_of(const json_t *value)
{
    struct rv_buf text;
    char hex[RV_HASH_HEX];
    rv_buf_init(&text, RV_JSON_TEXT_MAX);
    json_t *digest = NULL;
    if (rv_json_canonical(value, &text, NULL) == RV_OK) {
        struct rv_hash hash = rv_sha256(text.data, text.length);
        rv_hash_hex(&hash, hex);
        digest = json_pack("{s:s,s:I}", "sha256", hex, "bytes", (json_int_t)text.length);
    } else {
        digest = json_pack("{s:i}", "bytes_above", (int)RV_JSON_TEXT_MAX);
    }
    rv_buf_fini(&text);
    return digest;
}

static size_t size_of(const json_t *value)
{
    struct rv_buf text;
    rv_buf_init(&text, RV_AUDIT_VALUE_MAX);
    size_t size = rv_json_canonical(value, &text, NULL) == RV_OK ? text.length : SIZE_MAX;
    rv_buf_fini(&text);
    return size;
}

/* Members that are too large become digests: as deep as they lie, and then what holds too many. */
static void digest_large(json_t *object)
{
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value)
    {
        if (size_of(value) <= RV_AUDIT_VALUE_MAX) {
            continue;
        }
        if (json_is_object(value)) {
            digest_large(value);
        }
        if (size_of(value) > RV_AUDIT_VALUE_MAX) {
            json_object_set_new(object, key, digest_of(value));
        }
    }
}

static void add_frame(json_t *body, const struct rv_head *head, const char *kind, int32_t tenant,
                      int64_t run, int step)
{
    json_object_set_new(body, "seq", json_integer(head->audit_size));
    json_object_set_new(body, "at_us", json_integer(head->now_us));
    json_object_set_new(body, "kind", json_string(kind));
    json_object_set_new(body, "tenant", json_integer(tenant));
    if (run != 0) {
        json_object_set_new(body, "run", json_integer(run));
    }
    if (step >= 0) {
        json_object_set_new(body, "step", json_integer(step));
    }
}

enum rv_code audit_record_text(json_t *body, struct rv_buf *out, struct rv_error *err)
{
    if (!json_is_object(body)) {
        return rv_fail(err, RV_INVALID, "a record was made of text that is not UTF-8");
    }
    enum rv_code code = rv_json_canonical(body, out, NULL);
    if (code == RV_OK && out->length <= RV_AUDIT_VALUE_MAX) {
        return RV_OK;
    }
    json_t *copy = rv_json_plain(json_deep_copy(body));
    digest_large(copy);
    rv_buf_fini(out);
    rv_buf_init(out, AUDIT_BODY_MAX);
    code = rv_json_canonical(copy, out, err);
    json_decref(copy);
    return code;
}

int64_t rv_audit_append(struct rv_batch *batch, const char *kind, int64_t run, int step,
                        json_t *body)
{
    struct rv_head *head = rv_batch_head(batch);
    int64_t seq = head->audit_size;
    add_frame(body, head, kind, rv_batch_tenant(batch), run, step);
    struct rv_buf text;
    struct rv_error err = {.code = RV_OK};
    rv_buf_init(&text, AUDIT_BODY_MAX);
    if (audit_record_text(body, &text, &err) != RV_OK) {
        rv_wrap(&err, err.code, "the audit record (%s)", kind);
        rv_batch_spoil(batch, &err);
        rv_buf_fini(&text);
        return -1;
    }
    struct rv_hash leaf = rv_merkle_leaf(text.data, text.length);
    _Static_assert(sizeof(struct rv_hash) == RV_HASH_BYTES, "a frontier is an array of hashes");
    struct rv_hash frontier[64];
    memcpy(frontier, head->audit_frontier, (size_t)head->audit_frontier_count * RV_HASH_BYTES);
    rv_merkle_push(&head->audit_size, frontier, &head->audit_frontier_count, &leaf);
    memcpy(head->audit_frontier, frontier, (size_t)head->audit_frontier_count * RV_HASH_BYTES);

    struct rv_args *rows = rv_batch_rows(batch, &rv_sql_audit_append);
    rv_args_i64(rows, 2, seq);
    rv_args_time(rows, 3, head->now_us);
    rv_args_text(rows, 4, kind);
    rv_args_i64(rows, 5, run);
    rv_args_i32(rows, 6, step);
    rv_args_textn(rows, 7, text.data, text.length);
    rv_args_bytes(rows, 8, leaf.bytes, RV_HASH_BYTES);
    rv_buf_fini(&text);
    return seq;
}

enum rv_code rv_audit_seal(void *data, struct rv_batch *batch, struct rv_error *err)
{
    (void)err;
    const struct rv_audit *audit = data;
    struct rv_head *head = rv_batch_head(batch);
    bool many = head->audit_size - head->checkpoint_size >= RV_CHECKPOINT_RECORDS;
    bool late = head->audit_size > head->checkpoint_size &&
                head->now_us - head->checkpoint_at_us >= RV_CHECKPOINT_S * INT64_C(1000000);
    bool asked = head->audit_size > head->checkpoint_size && head->seal_now;
    if (!many && !late && !asked) {
        return RV_OK;
    }
    struct rv_hash root = rv_merkle_root((const struct rv_hash *)(const void *)head->audit_frontier,
                                         head->audit_frontier_count);
    char note[NOTE_TEXT_MAX];
    note_sign(&audit->key, rv_batch_tenant(batch), head->audit_size, &root, note);
    struct rv_args *rows = rv_batch_rows(batch, &rv_sql_audit_checkpoint_append);
    rv_args_i64(rows, 2, head->audit_size);
    rv_args_bytes(rows, 3, root.bytes, RV_HASH_BYTES);
    rv_args_text(rows, 4, note);
    rv_args_time(rows, 5, head->now_us);
    head->checkpoint_size = head->audit_size;
    head->checkpoint_at_us = head->now_us;
    return RV_OK;
}

static enum rv_code seal_decide(struct rv_unit *unit, struct rv_batch *batch, struct rv_error *err)
{
    (void)unit;
    (void)err;
    rv_batch_head(batch)->seal_now = true;
    return RV_OK;
}

static void seal_done(struct rv_unit *unit, enum rv_code code, const struct rv_error *err)
{
    if (code != RV_OK && code != RV_CANCELED) { /* the next write seals */
        rv_log_error("audit", "NOT-SEALED", err);
    }
    rv_free(unit);
}

void rv_audit_seal_soon(struct rv_committer *committer, int32_t tenant)
{
    struct rv_unit *unit = rv_alloc(sizeof *unit);
    unit->tenant = tenant;
    unit->needs_head = true;
    unit->decide = seal_decide;
    unit->done = seal_done;
    rv_commit(committer, unit);
}
