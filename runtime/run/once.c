/* once.c -- see once.h; request.c asks and writes. */
#include "runtime/run/once.h"

#include "runtime/base/check.h"

#include <string.h>

enum rv_code rv_once_check(const char *what, const char *key, struct rv_error *err)
{
    size_t length = strlen(key);
    bool good = length >= 1 && length <= RV_RUN_ONCE_KEY_MAX;
    for (size_t i = 0; good && i < length; i++) {
        good = key[i] >= 0x20 && key[i] < 0x7f;
    }
    if (good) {
        return RV_OK;
    }
    rv_fail(err, RV_INVALID, "%s must be 1 to %d printable characters of ASCII", what,
            RV_RUN_ONCE_KEY_MAX);
    rv_hint(err, "Choose one for each request, such as a UUID, and send it again with that only.");
    return RV_INVALID;
}

struct rv_hash rv_once_digest(const json_t *asked)
{
    char *text = json_dumps(asked, JSON_COMPACT | JSON_SORT_KEYS); /* fractions are allowed here */
    RV_ASSERT(text != NULL);
    struct rv_hash digest = rv_sha256(text, strlen(text));
    rv_free(text);
    return digest;
}

enum rv_code rv_once_same(const char *key, const char *before, const struct rv_hash *digest,
                          struct rv_error *err)
{
    struct rv_hash was;
    if (rv_hash_from_hex(before, &was) && rv_hash_equal(&was, digest)) {
        return RV_OK;
    }
    rv_fail(err, RV_CONFLICT, "the key \"%.80s\" was used for another request", key);
    rv_hint(err, "Nothing was done.  Give each request a key of its own; the same one only to send "
                 "the same again.");
    return RV_CONFLICT;
}
