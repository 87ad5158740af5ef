/* values.h -- Lua values and JSON.  Private to runtime/lua.
 *
 * Integers stay integers; a float is refused (amounts are integers, quantities are text).  A table with
 * items 1..n is an array.  An empty table is an object, unless it came from json.array or from JSON,
 * where it keeps its kind.  Keys are text and come out sorted, so that equal tables give equal bytes.
 * From JSON: null is absence (a key that is not there); inside an array it is false, to leave no hole.
 */
#ifndef REEVE_RUNTIME_LUA_VALUES_H
#define REEVE_RUNTIME_LUA_VALUES_H

#include "runtime/base/json.h"

#include <lua.h>

enum {
    VALUES_DEPTH_MAX = 32,      /* no ERP document nests deeper */
    VALUES_ITEMS_MAX = 10000,   /* a request is a question, not a transfer of data */
    VALUES_BYTES_MAX = 256 << 10, /* of all texts together; what is asked is journaled */
    VALUES_PROBLEM_BYTES = 256
};

/* New reference; or NULL with `problem` in words naming the field.  Never raises, allocates nothing in
 * Lua: may be called outside of pcall. */
json_t *values_to_json(lua_State *lua, int index, char problem[VALUES_PROBLEM_BYTES]);
/* Pushes one value; may raise a memory error. */
void values_push(lua_State *lua, const json_t *value);
/* Makes the metatable that marks arrays; once for each state, before the others. */
void values_open(lua_State *lua);
/* Marks the table on top of the stack as an array. */
void values_mark_array(lua_State *lua);

#endif
