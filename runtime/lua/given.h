/* given.h -- may a plan be given this value?  Asked before it is kept, so that nobody's run dies of
 * what it was begun with.
 *
 * A sealed state refuses what is too large in one piece (sealed.h): a text or a name, the items of
 * a list, the members of an object.
 */
#ifndef REEVE_RUNTIME_LUA_GIVEN_H
#define REEVE_RUNTIME_LUA_GIVEN_H

#include "runtime/base/error.h"
#include "runtime/base/json.h"

enum {
    RV_GIVEN_TEXT_MAX = (256 << 10) - 64, /* bytes: one piece, with the head of a text */
    RV_GIVEN_LIST_MAX = (256 << 10) / 16, /* items */
    RV_GIVEN_OBJECT_MAX = 8 << 10         /* members */
};

/* RV_INVALID: names the place as a JSON pointer below `field`, its size and what may be. */
RV_MUST enum rv_code rv_plan_may_get(const char *field, const json_t *value, struct rv_error *err);

#endif
