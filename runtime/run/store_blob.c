/* store_blob.c -- blob.read: one slice of a large content, as text or as hexadecimal digits.
 *
 * The slice becomes the answer of a step like any other, so that a replay needs no blob.  Text ends
 * at a whole character: `next` says where the following slice begins.
 */
#include "journal_sql.h"
#include "runtime/base/check.h"
#include "runtime/journal/blob.h"
#include "runtime/run/store_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct slice_op {
    json_t *args;
    rv_port_done done;
    void *data;
};

/* Bytes at the end that begin a character whose rest lies in the next slice. */
static size_t cut_short(const char *bytes, size_t length)
{
    for (size_t back = 1; back <= 3 && back <= length; back++) {
        unsigned char c = (unsigned char)bytes[length - back];
        if (c >= 0xC0) {
            size_t needs = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;
            return needs > back ? back : 0;
        }
        if (c < 0x80) {
            return 0;
        }
    }
    return 0;
}

static json_t *hex_of(const char *bytes, size_t length)
{
    static const char digits[] = "0123456789abcdef";
    char *text = rv_alloc(2 * length + 1);
    for (size_t i = 0; i < length; i++) {
        text[2 * i] = digits[(unsigned char)bytes[i] >> 4];
        text[2 * i + 1] = digits[(unsigned char)bytes[i] & 15];
    }
    json_t *value = json_stringn(text, 2 * length);
    rv_free(text);
    return value;
}

static enum rv_code slice_value(const json_t *args, int64_t size, const char *bytes, size_t length,
                                json_t **out, struct rv_error *err)
{
    bool hex = strcmp(rv_json_str(args, "as", ""), "hex") == 0;
    int64_t from = rv_json_int(args, "from", 0);
    bool more = from + (int64_t)length < size;
    length -= !hex && more ? cut_short(bytes, length) : 0;
    json_t *value = NULL;
    if (hex) {
        value = hex_of(bytes, length);
    } else if (memchr(bytes, '\0', length) == NULL) {
        value = json_stringn(bytes, length); /* NULL when it is not UTF-8 */
    }
    if (value == NULL) {
        return rv_fail(err, RV_INVALID,
                       "the bytes from %" PRId64
                       " are no text: ask with as = \"hex\", or begin at a whole character",
                       from);
    }
    *out = json_pack("{s:o,s:I}", hex ? "hex" : "text", value, "size", (json_int_t)size);
    if (more && length > 0) {
        json_object_set_new(*out, "next", json_integer(from + (int64_t)length));
    }
    return RV_OK;
}

static void on_slice(void *data, enum rv_code code, const struct rv_result *result,
                     const struct rv_error *err)
{
    struct slice_op *op = data;
    struct rv_error why = {.code = RV_OK};
    json_t *value = NULL;
    if (code == RV_OK && rv_result_rows(result) == 0) {
        code = rv_fail(&why, RV_NOT_FOUND, "there is no blob %.64s in this company",
                       rv_json_str(op->args, "blob", ""));
        err = &why;
    } else if (code == RV_OK) {
        size_t most = rv_result_length(result, 0, 1) / 2;
        char *bytes = rv_alloc(most + 1);
        size_t length = rv_result_bytes(result, 0, 1, bytes, most);
        code = slice_value(op->args, rv_result_i64(result, 0, 0), bytes, length, &value, &why);
        err = &why;
        rv_free(bytes);
    }
    op->done(op->data, code, value, err);
    json_decref(op->args);
    rv_free(op);
}

void rv_store_blob_read(struct rv_store *store, int32_t tenant, const json_t *args,
                        rv_port_done done, void *data)
{
    struct slice_op *op = rv_alloc(sizeof *op);
    *op = (struct slice_op){json_incref((json_t *)(uintptr_t)args), done, data};
    struct rv_hash hash = {{0}}; /* of no content: a name that is none finds nothing */
    rv_blob_of_handle(args, &hash);
    struct rv_args *params = rv_args_create(&rv_sql_blob_slice);
    rv_args_bytes(params, 2, hash.bytes, RV_HASH_BYTES);
    rv_args_i64(params, 3, rv_json_int(args, "from", 0));
    rv_args_i32(params, 4, (int32_t)rv_json_int(args, "length", 0));
    rv_db_query(store->options.db, tenant, &rv_sql_blob_slice, params, on_slice, op);
}
