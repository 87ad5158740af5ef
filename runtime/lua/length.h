/* length.h -- how long a list is, the same everywhere.  Private to runtime/lua.
 *
 * Lua's own # may give any border of a list with holes, and which one depends on how much room the
 * table happens to have; that depends on where texts hash, and so on addresses and the time.  Ours
 * looks at keys alone: it doubles an index while there is a value, then halves the interval.  For a
 * list without holes both give the same.
 */
#ifndef REEVE_RUNTIME_LUA_LENGTH_H
#define REEVE_RUNTIME_LUA_LENGTH_H

#include <lua.h>

/* Of the table at `index`; raw, as no table of a plan has a metatable that would say otherwise. */
lua_Integer length_of(lua_State *lua, int index);

/* Pushes the value that source.c writes for the operator: `LENGTH ^ x` is # of x. */
void length_push(lua_State *lua);

#endif
