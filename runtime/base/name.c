/* name.c -- see name.h. */
#include "runtime/base/name.h"

#include <string.h>

enum rv_code rv_name_check(const char *what, const char *name, struct rv_error *err)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t length = strspn(name, allowed);
    if (length > 0 && length <= RV_NAME_MAX && name[length] == '\0' &&
        strchr("._-", name[0]) == NULL) {
        return RV_OK;
    }
    rv_fail(err, RV_INVALID, "%s: \"%.80s\" is no name", what, name);
    rv_hint(err, "Use up to %d letters, digits, \".\", \"_\" or \"-\", a letter or digit first.",
            RV_NAME_MAX);
    return RV_INVALID;
}
