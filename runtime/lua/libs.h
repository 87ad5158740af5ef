/* libs.h -- what agents get of Lua's libraries.  Private to runtime/lua.
 *
 * Each file has one table whose comments are the reference: what is offered, and how it differs from
 * the manual's.  Functions marked "stock" are Lua's own, unchanged; "charged" ones are Lua's own, and
 * first count the bytes or items they will walk over.  What is not offered, and why:
 *   coroutine      a plan is a coroutine already; a second level would hide its requests from replay
 *   next           its order is that of the hash seed; pairs is sorted
 *   setmetatable, getmetatable, raw*   the sealed tables and the text methods stay what they are
 *   load, require, dofile   a plan is one text, pinned by one hash
 *   os, io, debug, package, print, collectgarbage   a plan asks for the world through erp, llm, ctx
 *   stock xpcall   its handler runs while hooks are off: the prelude has one that runs it afterwards
 *   string.dump, pack, unpack; table.move; transcendental functions (the last bit differs by machine)
 */
#ifndef REEVE_RUNTIME_LUA_LIBS_H
#define REEVE_RUNTIME_LUA_LIBS_H

#include <lua.h>

enum {
    LIBS_TEXT_MAX = 256 << 10, /* of string.rep, before it begins; see SEALED_BLOCK_MAX */
    LIBS_UNPACK_MAX = 200    /* values on the stack at once */
};

/* One entry of a library: `own`, or the stock function of that name. */
struct libs_function {
    const char *name;
    lua_CFunction own;
};

/* Stack: stock library table -> new table with `functions` from it or from us. */
void libs_select(lua_State *lua, const struct libs_function *functions);
/* The stock function of that name in the library table on top: pushed as upvalue later. */
lua_CFunction libs_stock(lua_State *lua, const char *name);

/* Each pushes one table. */
void libs_push_base(lua_State *lua);
void libs_push_table(lua_State *lua);
void libs_push_string(lua_State *lua);
void libs_push_math(lua_State *lua);
void libs_push_utf8(lua_State *lua);

#endif
