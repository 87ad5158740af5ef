/* length.c -- see length.h.
 *
 * The operator is a userdata whose __pow is the length.  Of all binary operators only ^ binds
 * tighter than #, and it is right associative, so `LENGTH ^ x` stands wherever `# x` may stand and
 * means the same; see source.h for who writes it.
 */
#include "runtime/lua/length.h"

#include <lauxlib.h>
#include <stdbool.h>

enum { FARTHEST = 1 << 30 }; /* no table of a run has as many values, see SEALED_BLOCK_MAX */

static bool is_there(lua_State *lua, int index, lua_Integer key)
{
    int type = lua_rawgeti(lua, index, key);
    lua_pop(lua, 1);
    return type != LUA_TNIL;
}

lua_Integer length_of(lua_State *lua, int index)
{
    index = lua_absindex(lua, index);
    lua_Integer there = 0;
    lua_Integer absent = 1;
    while (absent < FARTHEST && is_there(lua, index, absent)) {
        there = absent;
        absent *= 2;
    }
    while (absent - there > 1) {
        lua_Integer middle = there + (absent - there) / 2;
        if (is_there(lua, index, middle)) {
            there = middle;
        } else {
            absent = middle;
        }
    }
    return there;
}

static int length_operator(lua_State *lua)
{
    switch (lua_type(lua, 2)) {
    case LUA_TTABLE: lua_pushinteger(lua, length_of(lua, 2)); return 1;
    case LUA_TSTRING: lua_pushinteger(lua, (lua_Integer)lua_rawlen(lua, 2)); return 1;
    default: return luaL_error(lua, "attempt to get length of a %s value", luaL_typename(lua, 2));
    }
}

void length_push(lua_State *lua)
{
    lua_newuserdatauv(lua, 0, 0);
    lua_createtable(lua, 0, 2);
    lua_pushcfunction(lua, length_operator);
    lua_setfield(lua, -2, "__pow");
    lua_pushboolean(lua, 0);
    lua_setfield(lua, -2, "__metatable");
    lua_setmetatable(lua, -2);
}
