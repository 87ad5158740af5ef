/* args.c -- PostgreSQL's binary formats for parameters and one-dimensional arrays.
 *
 * Array wire format (src/backend/utils/adt/arrayfuncs.c describes it): int32 dimensions, int32 has
 * nulls, int32 element oid, int32 length, int32 lower bound, then per element int32 size and bytes
 * (-1 for NULL).  The header is written when the statement is sent.
 */
#include "runtime/db/args_private.h"

#include "runtime/base/check.h"

#include <string.h>

enum { ARGS_BYTES_MAX = 256 << 20 };
#define POSTGRES_EPOCH_DAYS INT64_C(10957) /* 2000-01-01 */
#define POSTGRES_EPOCH_US   (POSTGRES_EPOCH_DAYS * 86400 * 1000000)

static const struct {
    const char *name;
    Oid oid;
    Oid array;
} types[] = {
    {"bool", 16, 1000},    {"int2", 21, 1005},   {"int4", 23, 1007},
    {"int8", 20, 1016},    {"text", 25, 1009},   {"bytea", 17, 1001},
    {"jsonb", 3802, 3807}, {"date", 1082, 1182}, {"timestamptz", 1184, 1185},
};

static void parse_type(struct rv_arg *arg, const char *word, size_t length)
{
    bool array = length > 2 && memcmp(word + length - 2, "[]", 2) == 0;
    length -= array ? 2 : 0;
    for (size_t i = 0; i < RV_COUNT(types); i++) {
        if (strlen(types[i].name) == length && memcmp(types[i].name, word, length) == 0) {
            arg->array = array;
            arg->element = types[i].oid;
            arg->oid = array ? types[i].array : types[i].oid;
            return;
        }
    }
    RV_UNREACHABLE("a params line names an unknown type");
}

/* "tenant int4, run int8[]" -> types */
static void parse_params(struct rv_args *args)
{
    const char *at = args->statement->params;
    for (int i = 0; i < args->count; i++) {
        at += strspn(at, " ,");
        size_t name = strcspn(at, " ");
        at += name;
        at += strspn(at, " ");
        size_t type = strcspn(at, " ,");
        parse_type(&args->items[i], at, type);
        at += type;
    }
}

struct rv_args *rv_args_create(const struct rv_statement *statement)
{
    struct rv_args *args = rv_alloc(sizeof *args);
    args->statement = statement;
    args->count = statement->param_count;
    RV_ASSERT(args->count <= RV_ARGS_MAX);
    parse_params(args);
    for (int i = 0; i < args->count; i++) {
        rv_buf_init(&args->items[i].bytes, ARGS_BYTES_MAX);
    }
    rv_args_reset(args);
    return args;
}

void rv_args_destroy(struct rv_args *args)
{
    if (args == NULL) {
        return;
    }
    for (int i = 0; i < args->count; i++) {
        rv_buf_fini(&args->items[i].bytes);
    }
    rv_free(args);
}

void rv_args_reset(struct rv_args *args)
{
    for (int i = 0; i < args->count; i++) {
        struct rv_arg *arg = &args->items[i];
        rv_buf_reset(&arg->bytes);
        arg->rows = 0;
        arg->nulls = false;
        arg->set = false;
        if (arg->array) { /* room for the header, filled in by rv_args_seal */
            static const char header[RV_ARRAY_HEADER] = {0};
            rv_buf_add(&arg->bytes, header, sizeof header);
        }
    }
}

static struct rv_arg *begin(struct rv_args *args, int index, Oid element)
{
    RV_ASSERT(index >= 1 && index <= args->count);
    struct rv_arg *arg = &args->items[index - 1];
    RV_ASSERT(element == 0 || arg->element == element);
    RV_ASSERT(arg->array || !arg->set);
    arg->set = true;
    arg->rows++;
    return arg;
}

static void put_size(struct rv_arg *arg, size_t length)
{
    RV_ASSERT(length <= INT32_MAX);
    if (arg->array) {
        rv_buf_be32(&arg->bytes, (uint32_t)length);
    }
}

void rv_args_bool(struct rv_args *args, int index, bool value)
{
    struct rv_arg *arg = begin(args, index, 16);
    put_size(arg, 1);
    rv_buf_char(&arg->bytes, value ? 1 : 0);
}

void rv_args_i32(struct rv_args *args, int index, int32_t value)
{
    struct rv_arg *arg = begin(args, index, 0);
    if (arg->element == 21) {
        RV_ASSERT(value >= INT16_MIN && value <= INT16_MAX);
        put_size(arg, 2);
        rv_buf_be16(&arg->bytes, (uint16_t)value);
        return;
    }
    RV_ASSERT(arg->element == 23);
    put_size(arg, 4);
    rv_buf_be32(&arg->bytes, (uint32_t)value);
}

void rv_args_i64(struct rv_args *args, int index, int64_t value)
{
    struct rv_arg *arg = begin(args, index, 20);
    put_size(arg, 8);
    rv_buf_be64(&arg->bytes, (uint64_t)value);
}

void rv_args_null(struct rv_args *args, int index)
{
    struct rv_arg *arg = begin(args, index, 0);
    if (arg->array) {
        arg->nulls = true;
        rv_buf_be32(&arg->bytes, UINT32_MAX);
    } else {
        arg->set = false;
    }
}

void rv_args_textn(struct rv_args *args, int index, const char *text, size_t length)
{
    struct rv_arg *arg = begin(args, index, 25);
    put_size(arg, length);
    rv_buf_add(&arg->bytes, text, length);
}

void rv_args_text(struct rv_args *args, int index, const char *text)
{
    if (text == NULL) {
        rv_args_null(args, index);
    } else {
        rv_args_textn(args, index, text, strlen(text));
    }
}

void rv_args_bytes(struct rv_args *args, int index, const void *bytes, size_t length)
{
    struct rv_arg *arg = begin(args, index, 17);
    put_size(arg, length);
    rv_buf_add(&arg->bytes, bytes, length);
}

void rv_args_json_text(struct rv_args *args, int index, const char *text, size_t length)
{
    struct rv_arg *arg = begin(args, index, 3802);
    put_size(arg, length + 1);
    rv_buf_char(&arg->bytes, 1); /* jsonb version */
    rv_buf_add(&arg->bytes, text, length);
}

static int add_json(const char *bytes, size_t size, void *data)
{
    struct rv_arg *arg = data;
    rv_buf_add(&arg->bytes, bytes, size);
    return 0;
}

void rv_args_json(struct rv_args *args, int index, const json_t *value)
{
    if (value == NULL) {
        rv_args_null(args, index);
        return;
    }
    struct rv_arg *arg = begin(args, index, 3802);
    size_t at = arg->bytes.length;
    put_size(arg, 0);
    size_t start = arg->bytes.length;
    rv_buf_char(&arg->bytes, 1);
    RV_ASSERT(json_dump_callback(value, add_json, arg, JSON_COMPACT | JSON_ENCODE_ANY) == 0);
    if (arg->array) {
        uint32_t size = (uint32_t)(arg->bytes.length - start);
        for (int i = 0; i < 4; i++) {
            arg->bytes.data[at + (size_t)i] = (char)(size >> (24 - 8 * i));
        }
    }
}

void rv_args_date(struct rv_args *args, int index, int64_t days_since_1970)
{
    struct rv_arg *arg = begin(args, index, 1082);
    put_size(arg, 4);
    rv_buf_be32(&arg->bytes, (uint32_t)(int32_t)(days_since_1970 - POSTGRES_EPOCH_DAYS));
}

void rv_args_time(struct rv_args *args, int index, int64_t time_us)
{
    struct rv_arg *arg = begin(args, index, 1184);
    put_size(arg, 8);
    rv_buf_be64(&arg->bytes, (uint64_t)(time_us - POSTGRES_EPOCH_US));
}

static void put_be32(char *at, uint32_t value)
{
    for (int i = 0; i < 4; i++) {
        at[i] = (char)(value >> (24 - 8 * i));
    }
}

void rv_args_seal(struct rv_args *args)
{
    for (int i = 0; i < args->count; i++) {
        struct rv_arg *arg = &args->items[i];
        RV_ASSERT(!arg->bytes.overflowed);
        if (!arg->array) {
            continue;
        }
        char *header = arg->bytes.data;
        put_be32(header, 1);
        put_be32(header + 4, arg->nulls ? 1 : 0);
        put_be32(header + 8, arg->element);
        put_be32(header + 12, (uint32_t)arg->rows);
        put_be32(header + 16, 1);
    }
}

bool rv_args_even(const struct rv_args *args)
{
    int rows = -1;
    for (int i = 0; i < args->count; i++) {
        const struct rv_arg *arg = &args->items[i];
        if (arg->array && rows >= 0 && arg->rows != rows) {
            return false;
        }
        rows = arg->array ? arg->rows : rows;
    }
    return true;
}

size_t rv_args_bytes_used(const struct rv_args *args)
{
    size_t total = 0;
    for (int i = 0; i < args->count; i++) {
        total += args->items[i].bytes.length;
    }
    return total;
}
