/* prove.c -- proofs as JSON: made from the database, checked by themselves; see audit.h. */
#include "audit_sql.h"
#include "runtime/audit/audit_private.h"
#include "runtime/audit/proof.h"
#include "runtime/audit/verify.h"
#include "runtime/base/check.h"

#include <inttypes.h>
#include <string.h>

static const char inclusion_word[] = "inclusion";
static const char consistency_word[] = "consistency";

/* ---- making ---- */

struct leaves {
    struct rv_hash *hashes;
    int64_t count, wanted;
};

static enum rv_code take_leaf(void *data, const struct rv_result *result, int row,
                              struct rv_error *err)
{
    struct leaves *leaves = data;
    if (rv_result_i64(result, row, 0) != leaves->count ||
        rv_result_length(result, row, 1) != 2 + 2 * RV_HASH_BYTES) {
        rv_fail(err, RV_CORRUPT, "record %" PRId64 " is missing or damaged", leaves->count);
        rv_hint(err, "`reeve audit verify` says what is wrong.");
        return RV_CORRUPT;
    }
    rv_result_bytes(result, row, 1, leaves->hashes[leaves->count++].bytes, RV_HASH_BYTES);
    return RV_OK;
}

static enum rv_code take_body(void *data, const struct rv_result *result, int row,
                              struct rv_error *err)
{
    (void)err;
    *(char **)data = rv_strdup(rv_result_text(result, row, 0));
    return RV_OK;
}

/* All leaves below `size`, which must give `root`. */
static enum rv_code read_leaves(struct rv_db_session *session, int32_t tenant, int64_t size,
                                const struct rv_hash *root, struct leaves *leaves,
                                struct rv_error *err)
{
    struct rv_args *args = rv_args_create(&rv_sql_audit_leaves);
    rv_args_i32(args, 1, tenant);
    rv_args_i64(args, 2, size);
    leaves->hashes = rv_alloc_array((size_t)size, sizeof *leaves->hashes);
    leaves->count = 0;
    enum rv_code code =
        rv_db_session_stream(session, tenant, &rv_sql_audit_leaves, args, take_leaf, leaves, err);
    struct rv_hash found = proof_root(leaves->hashes, leaves->count);
    if (code == RV_OK && (leaves->count != size || !rv_hash_equal(&found, root))) {
        code = rv_fail(err, RV_CORRUPT, "the record does not give the root of checkpoint %" PRId64,
                       size);
        rv_hint(err, "`reeve audit verify` says what is wrong.");
    }
    return code;
}

static json_t *proof_json(const struct proof *proof)
{
    json_t *list = json_array();
    for (int i = 0; i < proof->count; i++) {
        char hex[RV_HASH_HEX];
        rv_hash_hex(&proof->hashes[i], hex);
        json_array_append_new(list, json_string(hex));
    }
    return list;
}

/* The newest checkpoint and what it says; our own signature needs no check here. */
static enum rv_code newest(const char *uri, int32_t tenant, const struct rv_audit *audit,
                           char note[RV_AUDIT_NOTE_TEXT], int64_t *size, struct rv_hash *root,
                           struct rv_error *err)
{
    enum rv_code code = rv_audit_checkpoint(uri, tenant, audit, note, err);
    return code == RV_OK ? note_read(note, size, root, err) : code;
}

enum rv_code rv_audit_prove_record(const char *uri, int32_t tenant, int64_t seq,
                                   const struct rv_audit *audit, json_t **proof,
                                   struct rv_error *err)
{
    char note[RV_AUDIT_NOTE_TEXT];
    int64_t size = 0;
    struct rv_hash root;
    struct rv_db_session *session = NULL;
    struct leaves leaves = {.hashes = NULL};
    char *body = NULL;
    enum rv_code code = newest(uri, tenant, audit, note, &size, &root, err);
    if (code == RV_OK && (seq < 0 || seq >= size)) {
        code = rv_fail(err, RV_NOT_FOUND, "record %" PRId64 " is not under checkpoint %" PRId64,
                       seq, size);
        rv_hint(err, "Records count from 0; the newest are signed within a minute of the next.");
    }
    if (code == RV_OK) {
        code = rv_db_session_open(uri, &session, err);
    }
    if (code == RV_OK) {
        code = read_leaves(session, tenant, size, &root, &leaves, err);
    }
    if (code == RV_OK) {
        struct rv_args *args = rv_args_create(&rv_sql_audit_record_one);
        rv_args_i32(args, 1, tenant);
        rv_args_i64(args, 2, seq);
        code = rv_db_session_query(session, tenant, &rv_sql_audit_record_one, args, take_body,
                                   &body, err);
    }
    if (code == RV_OK) {
        struct proof path;
        proof_inclusion(leaves.hashes, size, seq, &path);
        *proof = json_pack("{s:s,s:i,s:I,s:s,s:o,s:s}", "proof", inclusion_word, "tenant",
                           (int)tenant, "seq", (json_int_t)seq, "record", body, "path",
                           proof_json(&path), "checkpoint", note);
    }
    rv_free(body);
    rv_free(leaves.hashes);
    rv_db_session_close(session);
    return code;
}

enum rv_code rv_audit_prove_growth(const char *uri, int32_t tenant, const char *since,
                                   const struct rv_audit *audit, const struct rv_audit_trust *trust,
                                   json_t **proof, struct rv_error *err)
{
    char note[RV_AUDIT_NOTE_TEXT];
    int64_t first = 0;
    int64_t second = 0;
    struct rv_hash first_root;
    struct rv_hash second_root;
    struct rv_db_session *session = NULL;
    struct leaves leaves = {.hashes = NULL};
    enum rv_code code =
        note_verify(trust->keys, trust->count, tenant, since, &first, &first_root, err);
    if (code == RV_OK) {
        code = newest(uri, tenant, audit, note, &second, &second_root, err);
    }
    if (code == RV_OK && (first <= 0 || first > second)) {
        code = rv_fail(err, RV_CORRUPT,
                       "the checkpoint is of size %" PRId64 ", the record here of %" PRId64, first,
                       second);
        rv_hint(err, "The record was rolled back, or this is another database.");
    }
    if (code == RV_OK) {
        code = rv_db_session_open(uri, &session, err);
    }
    if (code == RV_OK) {
        code = read_leaves(session, tenant, second, &second_root, &leaves, err);
    }
    if (code == RV_OK) {
        struct proof path;
        proof_consistency(leaves.hashes, first, second, &path);
        *proof =
            json_pack("{s:s,s:i,s:o,s:s,s:s}", "proof", consistency_word, "tenant", (int)tenant,
                      "path", proof_json(&path), "from", since, "checkpoint", note);
    }
    rv_free(leaves.hashes);
    rv_db_session_close(session);
    return code;
}

/* ---- checking ---- */

static enum rv_code read_path(const json_t *json, struct proof *out, struct rv_error *err)
{
    const json_t *list = json_object_get(json, "path");
    out->count = 0;
    if (!json_is_array(list) || json_array_size(list) > PROOF_MAX) {
        return rv_fail(err, RV_INVALID, "the proof's \"path\" is no list of at most %d hashes",
                       PROOF_MAX);
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *hex = json_string_value(json_array_get(list, i));
        if (hex == NULL || !rv_hash_from_hex(hex, &out->hashes[out->count++])) {
            return rv_fail(err, RV_INVALID, "hash %zu of the proof's \"path\" is none", i);
        }
    }
    return RV_OK;
}

/* What the proof leads to must not contradict what was kept: same size, same root. */
static bool contradicts(const struct rv_audit_trust *trust, int32_t tenant, const char *notes,
                        int64_t size, const struct rv_hash *root, enum rv_code *code,
                        struct rv_error *err)
{
    struct verify kept;
    bool found = false;
    verify_begin(&kept, tenant, trust);
    *code = verify_outside(&kept, notes, err);
    for (int i = 0; i < kept.checkpoint_count; i++) {
        found = found || (kept.checkpoints[i].size == size &&
                          !rv_hash_equal(&kept.checkpoints[i].root, root));
    }
    verify_free(&kept);
    return found;
}

struct proven {
    int32_t tenant;
    int64_t size, from;
    struct rv_hash root, from_root;
    const char *finding; /* NULL: the proof holds */
};

static enum rv_code check_inclusion(const json_t *json, const struct proof *path,
                                    struct proven *proven, struct rv_error *err)
{
    const char *record = NULL;
    int64_t seq = 0;
    enum rv_code code = rv_json_need_str(json, "proof", "record", &record, err);
    if (code == RV_OK) {
        code = rv_json_need_int(json, "proof", "seq", &seq, err);
    }
    if (code != RV_OK) {
        return code;
    }
    struct rv_hash leaf = rv_merkle_leaf(record, strlen(record));
    json_t *body = NULL;
    bool fits = rv_json_parse(record, strlen(record), "record", &body, NULL) == RV_OK &&
                rv_json_int(body, "seq", -1) == seq &&
                rv_json_int(body, "tenant", -1) == proven->tenant;
    json_decref(body);
    if (!fits || !proof_includes(path, &leaf, seq, proven->size, &proven->root)) {
        proven->finding = "this record, as it stands here, is not in the tree that was signed";
    }
    return RV_OK;
}

static enum rv_code check_growth(const json_t *json, const struct proof *path,
                                 const struct rv_audit_trust *trust, struct proven *proven,
                                 struct rv_error *err)
{
    const char *from = NULL;
    enum rv_code code = rv_json_need_str(json, "proof", "from", &from, err);
    if (code != RV_OK) {
        return code;
    }
    struct rv_error why = {.code = RV_OK};
    if (note_verify(trust->keys, trust->count, proven->tenant, from, &proven->from,
                    &proven->from_root, &why) != RV_OK) {
        proven->finding = "the earlier checkpoint is not signed by a key that is trusted";
    } else if (!proof_consistent(path, proven->from, &proven->from_root, proven->size,
                                 &proven->root)) {
        proven->finding = "the later checkpoint does not continue the earlier one";
    }
    return RV_OK;
}

enum rv_code rv_audit_verify_proof(const json_t *json, const struct rv_audit_trust *trust,
                                   const struct rv_audit_kept *kept, json_t **report,
                                   struct rv_error *err)
{
    struct proven proven = {.tenant = (int32_t)rv_json_int(json, "tenant", 0)};
    struct proof path;
    const char *note = NULL;
    const char *kind = rv_json_str(json, "proof", "");
    struct rv_error why = {.code = RV_OK};
    bool inclusion = strcmp(kind, inclusion_word) == 0;
    if (!inclusion && strcmp(kind, consistency_word) != 0) {
        rv_fail(err, RV_INVALID, "the file is no proof about an audit record");
        rv_hint(err, "`reeve audit prove` makes one.");
        return RV_INVALID;
    }
    enum rv_code code = rv_json_need_str(json, "proof", "checkpoint", &note, err);
    if (code == RV_OK) {
        code = read_path(json, &path, err);
    }
    if (code == RV_OK && note_verify(trust->keys, trust->count, proven.tenant, note, &proven.size,
                                     &proven.root, &why) != RV_OK) {
        proven.finding = "the checkpoint is not signed by a key that is trusted";
    } else if (code == RV_OK) {
        code = inclusion ? check_inclusion(json, &path, &proven, err)
                         : check_growth(json, &path, trust, &proven, err);
    }
    if (code == RV_OK && proven.finding == NULL && kept != NULL && kept->checkpoints != NULL &&
        (contradicts(trust, proven.tenant, kept->checkpoints, proven.size, &proven.root, &code,
                     err) ||
         (!inclusion && contradicts(trust, proven.tenant, kept->checkpoints, proven.from,
                                    &proven.from_root, &code, err)))) {
        proven.finding = "a checkpoint that was kept says another root for the same size";
    }
    if (code == RV_OK) {
        *report = json_pack("{s:b,s:s,s:i,s:I,s:s*}", "ok", proven.finding == NULL, "proof", kind,
                            "tenant", (int)proven.tenant, "size", (json_int_t)proven.size,
                            "finding", proven.finding);
        if (inclusion) {
            json_object_set(*report, "seq", json_object_get(json, "seq"));
            json_object_set(*report, "record", json_object_get(json, "record"));
        } else {
            json_object_set_new(*report, "from", json_integer(proven.from));
        }
    }
    return code;
}
