/* inspect.c -- see inspect.h. */
#include "runtime/model/inspect.h"

#include "kernels/kernel.h"
#include "runtime/base/check.h"
#include "runtime/model/request.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { READ_BYTES = 1 << 20 };

static enum rv_code refuse(const struct kernel_error *error, struct rv_error *err)
{
    switch (error->status) {
    case KERNEL_INVALID:
    case KERNEL_UNSUPPORTED: return rv_fail(err, RV_INVALID, "%s", error->message);
    case KERNEL_LIMIT: return rv_fail(err, RV_LIMIT, "%s", error->message);
    case KERNEL_CORRUPT: return rv_fail(err, RV_CORRUPT, "%s", error->message);
    default: return rv_fail(err, RV_IO, "%s", error->message);
    }
}

enum { KERNEL_PATH_SHOWN = 160 /* bytes of a path in a message of kernels/ */ };

static json_t *facts_of(const struct kernel_model *model)
{
    struct kernel_model_facts facts;
    kernel_model_facts(model, &facts);
    return rv_kernel_facts(&facts);
}

enum rv_code rv_model_inspect(const char *path, const char *template, json_t **out,
                              struct rv_error *err)
{
    struct kernel_model *model = NULL;
    struct kernel_error error = {.status = KERNEL_OK};
    enum kernel_status status = kernel_model_open(path, &model, &error);
    if (status == KERNEL_OK && template != NULL) {
        status = kernel_model_use_chat(model, template, &error);
    }
    if (status != KERNEL_OK) {
        size_t named = strnlen(path, KERNEL_PATH_SHOWN); /* some errors do; who asked does too */
        if (strncmp(error.message, path, named) == 0 &&
            strncmp(error.message + named, ": ", 2) == 0) {
            memmove(error.message, error.message + named + 2,
                    strlen(error.message + named + 2) + 1);
        }
        kernel_model_close(model);
        return refuse(&error, err);
    }
    *out = facts_of(model);
    kernel_model_close(model);
    return RV_OK;
}

enum rv_code rv_model_can_chat(const json_t *facts, struct rv_error *err)
{
    const char *fault = rv_json_str(facts, "chat_fault", NULL);
    if (fault == NULL) {
        return RV_OK;
    }
    rv_fail(err, RV_INVALID, "%s", fault);
    rv_hint(err, "reeve model check, load and chat take --template NAME; /v1/completions and "
                 "/v1/embeddings need none.");
    return RV_INVALID;
}

enum rv_code rv_model_make(const char *shape, const char *type, int64_t seed, const char *path,
                           json_t **facts, struct rv_error *err)
{
    struct kernel_model *model = NULL;
    struct kernel_error error = {.status = KERNEL_OK};
    enum kernel_status status = kernel_model_make(shape, type, (uint64_t)seed, &model, &error);
    if (status == KERNEL_OK) {
        status = kernel_model_write(model, path, &error);
    }
    if (status == KERNEL_OK) {
        *facts = facts_of(model);
    }
    kernel_model_close(model);
    return status == KERNEL_OK ? RV_OK : refuse(&error, err);
}

enum rv_code rv_model_file_hash(const char *path, char out[RV_HASH_HEX], struct rv_error *err)
{
    FILE *file = fopen(path, "rbe");
    if (file == NULL) {
        return rv_fail_errno(err, errno, "read %.200s", path);
    }
    struct rv_hash_stream *stream = rv_sha256_begin();
    struct rv_hash hash;
    char *bytes = rv_alloc(READ_BYTES);
    size_t got = 0;
    while ((got = fread(bytes, 1, READ_BYTES, file)) > 0) {
        rv_sha256_add(stream, bytes, got);
    }
    int failure = ferror(file) != 0 ? errno : 0;
    rv_sha256_end(stream, &hash);
    rv_free(bytes);
    fclose(file);
    if (failure != 0) {
        return rv_fail_errno(err, failure, "read %.200s", path);
    }
    rv_hash_hex(&hash, out);
    return RV_OK;
}

const char *rv_model_shape(int index)
{
    return kernel_shape_name((uint32_t)index);
}
