/* values.h -- Lua values and JSON.  Private to runtime/lua.
 *
 * Integers stay integers; a float is refused (amounts are integers, quantities are text).  A table with
 * items 1..n is an array; an empty table is an array when it came from json.array or from JSON, else an
 * object.  Keys are text.
 */
#ifndef REEVE_RUNTIME_LUA_VALUES_H
#define REEVE_RUNTIME_LUA_VALUES_H

#include "runtime/base/json.h"

#include <lua.h>

enum { VALUES_DEPTH_MAX = 32, VALUES_ITEMS_MAX = 100000 };

/* New reference; or NULL with `problem` in words naming the field. */
json_t *values_to_json(lua_State *lua, int index, char *problem, size_t problem_size);
/* Pushes one value; may raise a memory error. */
void values_push(lua_State *lua, const json_t *value);
/* Marks the table on top of the stack as an array. */
void values_mark_array(lua_State *lua);

#endif
