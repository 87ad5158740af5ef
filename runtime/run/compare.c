/* compare.c -- see compare.h. */
#include "runtime/run/compare.h"

#include "runtime/base/check.h"
#include "runtime/base/text.h"

#include <stdio.h>

enum { PATH_MAX_BYTES = 256 };

static void differ(const json_t *left, const json_t *right, const char *path, json_t *out)
{
    if (json_array_size(out) >= RV_COMPARE_MAX) {
        return;
    }
    json_t *entry = json_pack("{s:s}", "path", path);
    if (left != NULL) {
        json_object_set(entry, "left", (json_t *)(uintptr_t)left);
    }
    if (right != NULL) {
        json_object_set(entry, "right", (json_t *)(uintptr_t)right);
    }
    json_array_append_new(out, entry);
}

static void inside(char *out, size_t size, const char *path, const char *key)
{
    snprintf(out, size, "%.180s%s%.60s", path, path[0] != '\0' ? "." : "", key);
    rv_text_mend(out);
}

static bool objects(const json_t *left, const json_t *right, const char *path, json_t *out)
{
    bool same = true;
    const char *key;
    json_t *value;
    char at[PATH_MAX_BYTES];
    json_object_foreach((json_t *)(uintptr_t)left, key, value)
    {
        inside(at, sizeof at, path, key);
        same = rv_json_compare(value, json_object_get(right, key), at, out) && same;
    }
    json_object_foreach((json_t *)(uintptr_t)right, key, value)
    {
        if (json_object_get(left, key) == NULL) {
            inside(at, sizeof at, path, key);
            same = rv_json_compare(NULL, value, at, out) && same;
        }
    }
    return same;
}

static bool arrays(const json_t *left, const json_t *right, const char *path, json_t *out)
{
    bool same = true;
    size_t count = json_array_size(left);
    count = json_array_size(right) > count ? json_array_size(right) : count;
    for (size_t i = 0; i < count; i++) {
        char at[PATH_MAX_BYTES];
        snprintf(at, sizeof at, "%.230s[%zu]", path, i);
        rv_text_mend(at);
        same = rv_json_compare(json_array_get(left, i), json_array_get(right, i), at, out) && same;
    }
    return same;
}

bool rv_json_compare(const json_t *left, const json_t *right, const char *path, json_t *out)
{
    if (json_is_object(left) && json_is_object(right)) {
        return objects(left, right, path, out);
    }
    if (json_is_array(left) && json_is_array(right)) {
        return arrays(left, right, path, out);
    }
    if (left == right || (left != NULL && right != NULL && json_equal(left, right))) {
        return true;
    }
    differ(left, right, path, out);
    return false;
}
