/* lib_table.c -- table: a stable sort, a length that is the same everywhere, and work that is
 * counted.
 *
 * Lua's own sort picks pivots by clock and address for large lists, and says "invalid order
 * function" or loops oddly with a careless comparator.  A merge sort is stable, asks the comparator
 * a number of times that depends on the list only, and cannot go wrong.
 */
#include "runtime/base/check.h"
#include "runtime/lua/length.h"
#include "runtime/lua/libs.h"
#include "runtime/lua/sealed.h"

#include <lauxlib.h>
#include <lualib.h>

/* ---- sort ---- */

enum { LIST = 1, LESS = 2, FROM = 3, TO = 4 }; /* places on the stack */

/* Whether item j of FROM comes before item i. */
static bool comes_before(lua_State *lua, lua_Integer j, lua_Integer i)
{
    bool own_order = lua_isnil(lua, LESS);
    if (!own_order) {
        lua_pushvalue(lua, LESS);
    }
    lua_rawgeti(lua, FROM, j);
    lua_rawgeti(lua, FROM, i);
    bool less = false;
    if (own_order) {
        less = lua_compare(lua, -2, -1, LUA_OPLT) != 0;
        lua_pop(lua, 2);
    } else {
        lua_call(lua, 2, 1); /* cannot yield from here: a request inside says so by name */
        less = lua_toboolean(lua, -1) != 0;
        lua_pop(lua, 1);
    }
    return less;
}

static void move_item(lua_State *lua, int from, lua_Integer i, int to, lua_Integer k)
{
    lua_rawgeti(lua, from, i);
    lua_rawseti(lua, to, k);
}

/* Merges the runs [left, middle) and [middle, right) of FROM into TO. */
static void merge(lua_State *lua, lua_Integer left, lua_Integer middle, lua_Integer right)
{
    lua_Integer i = left;
    lua_Integer j = middle;
    for (lua_Integer k = left; k < right; k++) {
        bool second = i >= middle || (j < right && comes_before(lua, j, i));
        move_item(lua, FROM, second ? j++ : i++, TO, k);
    }
}

static void check_items(lua_State *lua, lua_Integer count)
{
    int wanted = LUA_TNONE;
    for (lua_Integer i = 1; i <= count; i++) {
        int type = lua_rawgeti(lua, LIST, i);
        lua_pop(lua, 1);
        wanted = i == 1 ? type : wanted;
        if (type != wanted || (type != LUA_TNUMBER && type != LUA_TSTRING)) {
            luaL_error(lua, "sort: item %I is a %s: give a function that orders such items",
                       (LUAI_UACINT)i, lua_typename(lua, type));
        }
    }
}

static lua_Integer smaller(lua_Integer a, lua_Integer b)
{
    return a < b ? a : b;
}

static int stable_sort(lua_State *lua)
{
    luaL_checktype(lua, LIST, LUA_TTABLE);
    lua_settop(lua, 2);
    if (!lua_isnil(lua, LESS)) {
        luaL_checktype(lua, LESS, LUA_TFUNCTION);
    }
    lua_Integer count = length_of(lua, LIST);
    if (lua_isnil(lua, LESS)) {
        check_items(lua, count);
    }
    lua_createtable(lua, (int)count, 0);
    lua_createtable(lua, (int)count, 0);
    for (lua_Integer i = 1; i <= count; i++) {
        move_item(lua, LIST, i, FROM, i);
    }
    for (lua_Integer width = 1; width < count; width *= 2) {
        sealed_charge(lua, count * 4);
        for (lua_Integer left = 1; left <= count; left += 2 * width) {
            merge(lua, left, smaller(left + width, count + 1),
                  smaller(left + 2 * width, count + 1));
        }
        lua_pushvalue(lua, FROM);
        lua_copy(lua, TO, FROM);
        lua_replace(lua, TO);
    }
    for (lua_Integer i = 1; i <= count; i++) {
        move_item(lua, FROM, i, LIST, i);
    }
    return 0;
}

/* ---- insert, remove: by our length, see length.h; metamethods guard what is frozen ---- */

static lua_Integer charged_length(lua_State *lua)
{
    luaL_checktype(lua, 1, LUA_TTABLE);
    lua_Integer length = length_of(lua, 1);
    sealed_charge(lua, length * 2);
    return length;
}

static int insert(lua_State *lua)
{
    luaL_checktype(lua, 1, LUA_TTABLE);
    if (lua_gettop(lua) == 2) { /* appending moves nothing */
        lua_seti(lua, 1, length_of(lua, 1) + 1);
        return 0;
    }
    if (lua_gettop(lua) != 3) {
        return luaL_error(lua, "insert: needs a list, perhaps a position, and a value");
    }
    lua_Integer end = charged_length(lua) + 1;
    lua_Integer position = luaL_checkinteger(lua, 2);
    luaL_argcheck(lua, position >= 1 && position <= end, 2, "position out of bounds");
    for (lua_Integer i = end; i > position; i--) {
        lua_geti(lua, 1, i - 1);
        lua_seti(lua, 1, i);
    }
    lua_seti(lua, 1, position);
    return 0;
}

static int take_out(lua_State *lua)
{
    luaL_checktype(lua, 1, LUA_TTABLE);
    lua_Integer length = lua_gettop(lua) == 1 ? length_of(lua, 1) : charged_length(lua);
    lua_Integer position = luaL_optinteger(lua, 2, length);
    luaL_argcheck(lua, position == length || (position >= 1 && position <= length + 1), 2,
                  "position out of bounds");
    lua_geti(lua, 1, position);
    for (; position < length; position++) {
        lua_geti(lua, 1, position + 1);
        lua_seti(lua, 1, position);
    }
    lua_pushnil(lua);
    lua_seti(lua, 1, position);
    return 1;
}

/* ---- stock functions, told where the list ends ---- */

static int run_stock(lua_State *lua)
{
    lua_CFunction stock = lua_tocfunction(lua, lua_upvalueindex(1));
    return stock(lua);
}

/* Gives the argument that says the end, when the plan did not. */
static lua_Integer end_argument(lua_State *lua, int index)
{
    if (lua_isnoneornil(lua, index)) {
        lua_settop(lua, index - 1);
        lua_pushinteger(lua, length_of(lua, 1));
    }
    return luaL_checkinteger(lua, index);
}

static int concat(lua_State *lua)
{
    charged_length(lua);
    end_argument(lua, 4);
    return run_stock(lua);
}

static int unpack(lua_State *lua)
{
    luaL_checktype(lua, 1, LUA_TTABLE);
    lua_Integer from = luaL_optinteger(lua, 2, 1);
    lua_Integer to = end_argument(lua, 3);
    if (to >= from && (lua_Unsigned)to - (lua_Unsigned)from >= LIBS_UNPACK_MAX) {
        return luaL_error(lua, "unpack: more than %d values", LIBS_UNPACK_MAX);
    }
    return run_stock(lua);
}

static const struct libs_function table_functions[] = {
    {"concat", NULL}, /* charged, as insert and remove in the middle */
    {"insert", insert},    {"pack", NULL}, {"remove", take_out},
    {"sort", stable_sort}, /* stable; without a function: numbers or texts only */
    {"unpack", NULL},      /* at most 200 values */
    {NULL, NULL}};

static void wrap(lua_State *lua, const char *name, lua_CFunction around)
{
    lua_getfield(lua, -1, name);
    RV_ASSERT(lua_iscfunction(lua, -1));
    lua_pushcclosure(lua, around, 1);
    lua_setfield(lua, -2, name);
}

void libs_push_table(lua_State *lua)
{
    luaL_requiref(lua, LUA_TABLIBNAME, luaopen_table, 0);
    libs_select(lua, table_functions);
    wrap(lua, "concat", concat);
    wrap(lua, "unpack", unpack);
}
