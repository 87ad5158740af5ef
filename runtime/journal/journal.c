/* journal.c -- see journal.h. */
#include "runtime/journal/journal.h"

#include "journal_sql.h"
#include "runtime/base/check.h"
#include "runtime/journal/blob.h"

#include <string.h>

static int add_text(const char *bytes, size_t size, void *data)
{
    rv_buf_add(data, bytes, size);
    return 0;
}

enum rv_code rv_journal_append(struct rv_batch *batch, int64_t run, int32_t seq, int kind,
                               const char *name, const uint8_t digest[RV_JOURNAL_DIGEST_BYTES],
                               const json_t *out)
{
    struct rv_buf bytes;
    rv_buf_init(&bytes, RV_JOURNAL_OUT_MAX);
    rv_buf_char(&bytes, RV_JOURNAL_OUT_JSON);
    bool text = name != NULL && out != NULL &&
                json_dump_callback(out, add_text, &bytes, JSON_COMPACT | JSON_ENCODE_ANY) == 0;
    enum rv_code code = !text ? RV_INVALID : bytes.overflowed ? RV_LIMIT : RV_OK;
    if (code == RV_OK) {
        struct rv_args *rows = rv_batch_rows(batch, &rv_sql_journal_append);
        rv_args_i64(rows, 2, run);
        rv_args_i32(rows, 3, seq);
        rv_args_i32(rows, 4, kind);
        rv_args_text(rows, 5, name);
        rv_args_bytes(rows, 6, digest, RV_JOURNAL_DIGEST_BYTES);
        if (bytes.length <= RV_JOURNAL_INLINE_MAX) {
            rv_args_bytes(rows, 7, bytes.data, bytes.length);
        } else {
            uint8_t name_of[1 + RV_HASH_BYTES] = {RV_JOURNAL_OUT_BLOB};
            struct rv_hash hash =
                rv_blob_append(batch, run, bytes.data + 1, bytes.length - 1, "application/json");
            memcpy(name_of + 1, hash.bytes, RV_HASH_BYTES);
            rv_args_bytes(rows, 7, name_of, sizeof name_of);
        }
    }
    rv_buf_fini(&bytes);
    return code;
}

void rv_journal_run_new(struct rv_batch *batch, const struct rv_run_new *run)
{
    struct rv_args *rows = rv_batch_rows(batch, &rv_sql_run_insert);
    rv_args_i64(rows, 2, run->id);
    rv_args_text(rows, 3, run->agent);
    rv_args_bytes(rows, 4, run->plan_hash->bytes, RV_HASH_BYTES);
    rv_args_text(rows, 5, run->business_key);
    rv_args_i64(rows, 6, run->parent);
    rv_args_i32(rows, 7, run->depth);
    rv_args_text(rows, 8, run->close);
    rv_args_bool(rows, 9, run->shares);
    char *input = rv_json_text(run->input);
    size_t length = strlen(input);
    if (length <= RV_RUN_INPUT_NEAR && run->budget == NULL &&
        json_object_get(run->input, "trace") == NULL) {
        rv_args_json_text(rows, 10, input, length);
    } else {
        rv_args_null(rows, 10);
        struct rv_args *inputs = rv_batch_rows(batch, &rv_sql_run_input_insert);
        rv_args_i64(inputs, 2, run->id);
        rv_args_json_text(inputs, 3, input, length);
        rv_args_json(inputs, 4, run->budget);
    }
    rv_free(input);
}

void rv_journal_run_status(struct rv_batch *batch, const struct rv_run_status *status)
{
    struct rv_args *rows = rv_batch_rows(batch, &rv_sql_run_status_set);
    rv_args_i64(rows, 2, status->run);
    rv_args_text(rows, 3, status->status);
    rv_args_text(rows, 4, status->waiting_on);
    if (status->wake_us != 0) {
        rv_args_time(rows, 5, status->wake_us);
    } else {
        rv_args_null(rows, 5);
    }
    rv_args_text(rows, 6, status->error_code);
    rv_args_text(rows, 7, status->error_text);
    rv_args_i32(rows, 8, status->steps);
}

enum rv_code rv_journal_out_decode(const struct rv_result *result, int row, int column,
                                   json_t **out, struct rv_error *err)
{
    size_t length = rv_result_length(result, row, column) / 2;
    char *bytes = rv_alloc(length + 1);
    size_t used = rv_result_bytes(result, row, column, bytes, length);
    enum rv_code code = RV_CORRUPT;
    if (used >= 1 && bytes[0] == RV_JOURNAL_OUT_JSON) {
        code = rv_json_parse(bytes + 1, used - 1, "a journal entry", out, err);
    } else {
        rv_fail(err, RV_CORRUPT, "a journal entry has an unknown version");
    }
    rv_free(bytes);
    return code;
}
