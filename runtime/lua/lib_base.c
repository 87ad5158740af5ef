/* lib_base.c -- base, math and utf8: mostly a choice; and sorted pairs.  See libs.h.
 *
 * Why pairs is sorted: Lua's order depends on a seed made of addresses and the time, so the same
 * plan would ask in another order on every start.  Sorting in C rather than in Lua also keeps the
 * count of instructions the same: a sort in Lua takes another number of steps for each order it is
 * given.
 */
#include "runtime/base/check.h"
#include "runtime/lua/libs.h"
#include "runtime/lua/sealed.h"

#include <lauxlib.h>
#include <lualib.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- choosing from a stock library ---- */

void libs_select(lua_State *lua, const struct libs_function *functions)
{
    lua_newtable(lua);
    for (; functions->name != NULL; functions++) {
        if (functions->own != NULL) {
            lua_pushcfunction(lua, functions->own);
        } else {
            lua_getfield(lua, -2, functions->name);
            RV_ASSERT(!lua_isnil(lua, -1));
        }
        lua_setfield(lua, -2, functions->name);
    }
    lua_remove(lua, -2);
}

/* Counts the bytes of the texts among the arguments: for stock functions that walk over them. */
static void charge_texts(lua_State *lua)
{
    int64_t bytes = 0;
    for (int i = lua_gettop(lua); i > 0; i--) {
        bytes += lua_type(lua, i) == LUA_TSTRING ? (int64_t)lua_rawlen(lua, i) : 0;
    }
    sealed_charge(lua, bytes / 4);
}

/* Stock functions run in our frame, so that their errors name the caller's line. */
static int run_stock(lua_State *lua)
{
    charge_texts(lua);
    lua_CFunction stock = lua_tocfunction(lua, lua_upvalueindex(1));
    return stock(lua);
}

/* Stack: library table.  Replaces its function by the charged one. */
static void charge_function(lua_State *lua, const char *name)
{
    lua_getfield(lua, -1, name);
    RV_ASSERT(lua_iscfunction(lua, -1));
    lua_pushcclosure(lua, run_stock, 1);
    lua_setfield(lua, -2, name);
}

/* ---- pairs ---- */

struct key { /* small: all keys of the largest table must fit into one block, SEALED_BLOCK_MAX */
    uint8_t kind; /* Lua's type, which is the order of kinds: booleans, numbers, texts */
    bool integer;
    int32_t place;
    union {
        lua_Integer whole;
        lua_Number number;
        const char *text; /* alive while the table holds the key */
    };
    size_t length;
};

static lua_Number number_of(const struct key *key)
{
    return key->integer ? (lua_Number)key->whole : key->number;
}

static int compare_numbers(const struct key *a, const struct key *b)
{
    if (a->integer && b->integer) {
        return (a->whole > b->whole) - (a->whole < b->whole);
    }
    int order = (number_of(a) > number_of(b)) - (number_of(a) < number_of(b));
    return order != 0 ? order : (int)b->integer - (int)a->integer;
}

static int compare_keys(const void *x, const void *y)
{
    const struct key *a = x;
    const struct key *b = y;
    if (a->kind != b->kind) {
        return a->kind - b->kind;
    }
    if (a->kind != LUA_TSTRING) {
        return compare_numbers(a, b);
    }
    int order = memcmp(a->text, b->text, a->length < b->length ? a->length : b->length);
    return order != 0 ? order : (a->length > b->length) - (a->length < b->length);
}

static void read_key(lua_State *lua, int index, struct key *key)
{
    key->kind = (uint8_t)lua_type(lua, index);
    switch (key->kind) {
    case LUA_TBOOLEAN:
        key->integer = true;
        key->whole = lua_toboolean(lua, index);
        break;
    case LUA_TNUMBER:
        key->integer = lua_isinteger(lua, index) != 0;
        if (key->integer) {
            key->whole = lua_tointeger(lua, index);
        } else {
            key->number = lua_tonumber(lua, index);
        }
        break;
    case LUA_TSTRING: key->text = lua_tolstring(lua, index, &key->length); break;
    default:
        luaL_error(lua,
                   "pairs: a %s as a key has no order that is the same everywhere; use its id, "
                   "a text or a number",
                   luaL_typename(lua, index));
    }
}

static int pairs_next(lua_State *lua)
{
    lua_Integer place = lua_tointeger(lua, lua_upvalueindex(3));
    lua_settop(lua, 0);
    for (;;) {
        lua_settop(lua, 0);
        if (lua_rawgeti(lua, lua_upvalueindex(1), ++place) == LUA_TNIL) {
            return 1;
        }
        lua_pushvalue(lua, -1);
        if (lua_rawget(lua, lua_upvalueindex(2)) != LUA_TNIL) {
            break; /* else it was removed while we iterate */
        }
        sealed_charge(lua, 1);
    }
    lua_pushinteger(lua, place);
    lua_replace(lua, lua_upvalueindex(3));
    return 2;
}

static int sorted_pairs(lua_State *lua)
{
    luaL_checktype(lua, 1, LUA_TTABLE);
    lua_settop(lua, 1);
    lua_Integer count = 0;
    for (lua_pushnil(lua); lua_next(lua, 1) != 0; lua_pop(lua, 1)) {
        count++;
    }
    sealed_charge(lua, count * 10);
    lua_createtable(lua, (int)count, 0); /* 2: keys as met */
    struct key *keys = lua_newuserdatauv(lua, (size_t)(count + 1) * sizeof *keys, 0); /* 3 */
    int32_t place = 0;
    for (lua_pushnil(lua); lua_next(lua, 1) != 0;) {
        lua_pop(lua, 1);
        keys[place] = (struct key){.place = place + 1};
        read_key(lua, -1, &keys[place++]);
        lua_pushvalue(lua, -1);
        lua_rawseti(lua, 2, place);
    }
    qsort(keys, (size_t)count, sizeof *keys, compare_keys);
    lua_createtable(lua, (int)count, 0); /* 4: keys in order */
    for (lua_Integer i = 0; i < count; i++) {
        lua_rawgeti(lua, 2, keys[i].place);
        lua_rawseti(lua, 4, i + 1);
    }
    lua_pushvalue(lua, 1);
    lua_pushinteger(lua, 0);
    lua_pushcclosure(lua, pairs_next, 3);
    return 1;
}

/* ---- tostring ---- */

/* As Lua's, but what has an address shows its type instead; and no metamethod is asked. */
static int plain_tostring(lua_State *lua)
{
    luaL_checkany(lua, 1);
    switch (lua_type(lua, 1)) {
    case LUA_TSTRING: lua_settop(lua, 1); break;
    case LUA_TNUMBER:
        if (!lua_isinteger(lua, 1) && isnan(lua_tonumber(lua, 1))) {
            lua_pushliteral(lua, "nan"); /* its sign differs by machine */
            break;
        }
        lua_settop(lua, 1);
        lua_tolstring(lua, 1, NULL);
        break;
    case LUA_TBOOLEAN: lua_pushstring(lua, lua_toboolean(lua, 1) ? "true" : "false"); break;
    default: lua_pushstring(lua, luaL_typename(lua, 1));
    }
    return 1;
}

/* ---- the tables ---- */

static const struct libs_function base_functions[] = {
    {"assert", NULL},
    {"error", NULL},
    {"ipairs", NULL},
    {"pairs",
     sorted_pairs}, /* false, true, numbers, texts, each in order; other keys are refused */
    {"pcall", NULL},
    {"select", NULL},
    {"tonumber", NULL},           /* charged */
    {"tostring", plain_tostring}, /* tables and functions give their type, never an address */
    {"type", NULL},               /* xpcall is the prelude's */
    {NULL, NULL}};

void libs_push_base(lua_State *lua)
{
    luaL_requiref(lua, LUA_GNAME, luaopen_base, 0);
    libs_select(lua, base_functions);
    charge_function(lua, "tonumber");
}

static const struct libs_function
    math_functions[] = {{"abs", NULL},        {"ceil", NULL}, {"floor", NULL}, {"fmod", NULL},
                        {"huge", NULL},       {"max", NULL},  {"min", NULL},   {"maxinteger", NULL},
                        {"mininteger", NULL}, {"type", NULL}, {"ult", NULL},   {"tointeger", NULL},
                        {NULL, NULL}}; /* math.random comes from the host: seeded by the run */

void libs_push_math(lua_State *lua)
{
    luaL_requiref(lua, LUA_MATHLIBNAME, luaopen_math, 0);
    libs_select(lua, math_functions);
}

static const struct libs_function utf8_functions[] = {
    {"char", NULL},      {"charpattern", NULL}, {"codes", NULL},
    {"codepoint", NULL}, /* charged, as the next two */
    {"len", NULL},       {"offset", NULL},      {NULL, NULL}};

void libs_push_utf8(lua_State *lua)
{
    luaL_requiref(lua, LUA_UTF8LIBNAME, luaopen_utf8, 0);
    libs_select(lua, utf8_functions);
    charge_function(lua, "codepoint");
    charge_function(lua, "len");
    charge_function(lua, "offset");
}
