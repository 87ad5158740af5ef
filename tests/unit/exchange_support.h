/* exchange_support.h -- what the tests of erp/exchange share: the folder of real files, which is
 * beside the repository and may be absent, a sink that keeps calls, and short ways to read. */
#ifndef REEVE_TESTS_UNIT_EXCHANGE_SUPPORT_H
#define REEVE_TESTS_UNIT_EXCHANGE_SUPPORT_H

#include "erp/exchange/import.h"
#include "runtime/base/check.h"
#include "tests/support/memory_source.h"
#include "tests/support/test.h"

#include <dirent.h>
#include <sys/stat.h>

/* "../shared/data/erp" or $REEVE_SHARED/data/erp; NULL (and says so) when it is not there. */
static inline const char *shared_erp(char *out, size_t size)
{
    const char *root = getenv("REEVE_SHARED");
    snprintf(out, size, "%s/data/erp", root != NULL ? root : "../shared");
    struct stat status;
    if (stat(out, &status) != 0) {
        printf("SKIP: no real files at %s (set REEVE_SHARED)\n", out);
        return NULL;
    }
    return out;
}

struct kept_call {
    const char *command;
    json_t *args;
};

struct kept {
    struct kept_call *calls;
    int count;
};

static inline enum rv_code keep_call(void *self, const struct erp_exchange_call *call,
                                     struct rv_error *err)
{
    (void)err;
    struct kept *kept = self;
    kept->calls = rv_realloc(kept->calls, (size_t)(kept->count + 1) * sizeof *kept->calls);
    kept->calls[kept->count++] =
        (struct kept_call){.command = call->command, .args = json_incref(call->args)};
    return RV_OK;
}

static inline void kept_free(struct kept *kept)
{
    for (int i = 0; i < kept->count; i++) {
        json_decref(kept->calls[i].args);
    }
    rv_free(kept->calls);
    *kept = (struct kept){0};
}

static inline enum rv_code read_path(const char *path, struct kept *kept,
                                     struct erp_exchange_report *report, struct rv_error *err)
{
    *kept = (struct kept){0};
    *err = (struct rv_error){.code = RV_OK};
    struct erp_exchange_sink sink = {.call = keep_call, .self = kept};
    return erp_exchange_read_file(path, &sink, report, err);
}

static inline enum rv_code read_bytes(const void *bytes, size_t length, struct kept *kept,
                                      struct erp_exchange_report *report, struct rv_error *err)
{
    *kept = (struct kept){0};
    *err = (struct rv_error){.code = RV_OK};
    struct erp_exchange_sink sink = {.call = keep_call, .self = kept};
    struct memory_source memory;
    struct erp_source *source = memory_source(&memory, "test", bytes, length);
    return erp_exchange_read(source, &sink, report, err);
}

static inline char *file_text(const char *path, size_t *out_length)
{
    FILE *file = fopen(path, "rb");
    ck_assert_msg(file != NULL, "cannot open %s", path);
    ck_assert_int_eq(fseek(file, 0, SEEK_END), 0);
    long size = ftell(file);
    rewind(file);
    char *text = rv_alloc((size_t)size + 1);
    ck_assert_uint_eq(fread(text, 1, (size_t)size, file), (size_t)size);
    fclose(file);
    *out_length = (size_t)size;
    return text;
}

/* Names of the files of a folder, sorted; free with names_free. */
static inline int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static inline int folder_names(const char *folder, char ***out)
{
    *out = NULL;
    DIR *dir = opendir(folder);
    if (dir == NULL) {
        return 0;
    }
    int count = 0;
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        if (entry->d_name[0] != '.') {
            *out = rv_realloc(*out, (size_t)(count + 1) * sizeof **out);
            (*out)[count++] = rv_strdup(entry->d_name);
        }
    }
    closedir(dir);
    if (count > 0) {
        qsort(*out, (size_t)count, sizeof **out, compare_names);
    }
    return count;
}

static inline void names_free(char **names, int count)
{
    for (int i = 0; i < count; i++) {
        rv_free(names[i]);
    }
    rv_free(names);
}

/* "BR-CO-10! RV-LINE-NET" : rules of the findings, fatal ones marked. */
static inline const char *rules_of(const json_t *document, char *out, size_t size)
{
    out[0] = '\0';
    size_t i = 0;
    json_t *finding = NULL;
    json_array_foreach(json_object_get(document, "findings"), i, finding)
    {
        size_t n = strlen(out);
        snprintf(out + n, size - n, "%s%s%s", n > 0 ? " " : "", rv_json_str(finding, "rule", "?"),
                 rv_json_bool(finding, "fatal", false) ? "!" : "");
    }
    return out;
}

#endif
