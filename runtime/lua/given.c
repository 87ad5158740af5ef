/* given.c -- see given.h. */
#include "runtime/lua/given.h"

#include "runtime/lua/sealed.h"

#include <stdio.h>
#include <string.h>

_Static_assert((int)RV_GIVEN_TEXT_MAX < (int)SEALED_BLOCK_MAX &&
                   RV_GIVEN_LIST_MAX * 16 <= (int)SEALED_BLOCK_MAX &&
                   RV_GIVEN_OBJECT_MAX * 32 <= (int)SEALED_BLOCK_MAX,
               "what is allowed fits into one piece");

enum { PLACE_MAX = 160 }; /* a longer place is cut: it names the field all the same */

static enum rv_code piece(const char *place, const char *what, size_t size, size_t most,
                          struct rv_error *err)
{
    if (size <= most) {
        return RV_OK;
    }
    rv_fail(err, RV_INVALID, "%s: %zu %s; a plan takes at most %zu in one piece", place, size, what,
            most);
    rv_hint(err, "Keep it as a blob (reeve blob put, POST /v1/blobs) and give its handle: the plan "
                 "reads it with blob.read.");
    return RV_INVALID;
}

static enum rv_code look(char place[PLACE_MAX], const json_t *value, struct rv_error *err)
{
    size_t length = strlen(place);
    const char *name;
    size_t i;
    json_t *item;
    enum rv_code code = RV_OK;
    if (json_is_string(value)) {
        code = piece(place, "bytes of text", json_string_length(value), RV_GIVEN_TEXT_MAX, err);
    } else if (json_is_array(value)) {
        code = piece(place, "items", json_array_size(value), RV_GIVEN_LIST_MAX, err);
        for (i = 0; code == RV_OK && i < json_array_size(value); i++) {
            snprintf(place + length, PLACE_MAX - length, "/%zu", i);
            code = look(place, json_array_get(value, i), err);
        }
    } else if (json_is_object(value)) {
        code = piece(place, "members", json_object_size(value), RV_GIVEN_OBJECT_MAX, err);
        json_object_foreach((json_t *)(uintptr_t)value, name, item)
        {
            if (code == RV_OK) {
                snprintf(place + length, PLACE_MAX - length, "/%.60s", name);
                code = piece(place, "bytes of name", strlen(name), RV_GIVEN_TEXT_MAX, err);
            }
            if (code == RV_OK) {
                code = look(place, item, err);
            }
        }
    }
    place[length] = '\0';
    return code;
}

enum rv_code rv_plan_may_get(const char *field, const json_t *value, struct rv_error *err)
{
    char place[PLACE_MAX];
    snprintf(place, sizeof place, "%s", field);
    return look(place, value, err);
}
