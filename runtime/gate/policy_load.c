/* policy_load.c -- runs the bundle's Lua once, in a sandbox that can only build tables.
 *
 * No libraries but the prelude's words and a few pure functions; a memory cap and an instruction cap
 * that ends the load for good (the state is thrown away, so pcall cannot help: it is not offered).
 * The result is turned into JSON; everything that is no plain data is refused.
 */
#include "gate_assets.h"
#include "runtime/gate/policy_private.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdlib.h>
#include <string.h>

enum {
    LOAD_MEMORY_MAX = 64 << 20,
    LOAD_INSTRUCTIONS_MAX = 50000000,
    LOAD_HOOK_EVERY = 1000,
    LOAD_ITEMS_MAX = 2000000
};

struct budget {
    size_t used;
    int64_t instructions;
    int64_t items;
};

static void *limited_alloc(void *data, void *block, size_t old_size, size_t new_size)
{
    struct budget *budget = data;
    size_t old = block != NULL ? old_size : 0;
    if (new_size == 0) {
        budget->used -= old;
        free(block);
        return NULL;
    }
    if (new_size > old && budget->used + (new_size - old) > LOAD_MEMORY_MAX) {
        return NULL;
    }
    void *memory = realloc(block, new_size);
    if (memory != NULL) {
        budget->used = budget->used - old + new_size;
    }
    return memory;
}

static struct budget *budget_of(lua_State *lua)
{
    void *data = NULL;
    lua_getallocf(lua, &data);
    return data;
}

static void on_count(lua_State *lua, lua_Debug *debug)
{
    (void)debug;
    struct budget *budget = budget_of(lua);
    budget->instructions += LOAD_HOOK_EVERY;
    if (budget->instructions > LOAD_INSTRUCTIONS_MAX) {
        luaL_error(lua, "the bundle runs longer than %d instructions", LOAD_INSTRUCTIONS_MAX);
    }
}

static int line_of_caller(lua_State *lua)
{
    lua_Debug debug;
    int level = (int)luaL_checkinteger(lua, 1);
    int line = 0;
    if (lua_getstack(lua, level, &debug) != 0 && lua_getinfo(lua, "l", &debug) != 0) {
        line = debug.currentline;
    }
    lua_pushinteger(lua, line);
    return 1;
}

static int locked(lua_State *lua)
{
    return luaL_error(lua, "global \"%s\" assigned: declare it local", luaL_tolstring(lua, 2, NULL));
}

static int unknown(lua_State *lua)
{
    return luaL_error(lua, "unknown word \"%s\"", luaL_tolstring(lua, 2, NULL));
}

/* ---- Lua values to JSON ---- */

static json_t *to_json(lua_State *lua, int index, int depth, const char **problem);

/* A list becomes an array, names become an object, both become an object whose "items" is the list. */
static json_t *table_to_json(lua_State *lua, int index, int depth, const char **problem)
{
    lua_Integer length = (lua_Integer)lua_rawlen(lua, index);
    json_t *items = json_array();
    json_t *fields = json_object();
    for (lua_Integer i = 1; i <= length && *problem == NULL; i++) {
        lua_rawgeti(lua, index, i);
        json_t *item = to_json(lua, lua_gettop(lua), depth + 1, problem);
        lua_pop(lua, 1);
        if (item != NULL) {
            json_array_append_new(items, item);
        }
    }
    lua_pushnil(lua);
    while (*problem == NULL && lua_next(lua, index) != 0) {
        if (lua_type(lua, -2) == LUA_TSTRING) {
            json_t *item = to_json(lua, lua_gettop(lua), depth + 1, problem);
            if (item != NULL) {
                json_object_set_new(fields, lua_tostring(lua, -2), item);
            }
        } else if (!lua_isinteger(lua, -2)) {
            *problem = "a table key that is no name";
        }
        lua_pop(lua, 1);
    }
    if (length > 0 && json_object_size(fields) > 0) {
        json_object_set_new(fields, "items", items);
        return fields;
    }
    json_t *value = length > 0 ? items : fields;
    json_decref(length > 0 ? fields : items);
    if (*problem != NULL) {
        json_decref(value);
        return NULL;
    }
    return value;
}

static json_t *to_json(lua_State *lua, int index, int depth, const char **problem)
{
    if (depth > RV_JSON_DEPTH_MAX || lua_checkstack(lua, 4) == 0 ||
        ++budget_of(lua)->items > LOAD_ITEMS_MAX) {
        *problem = "a table that is too deep or too large";
        return NULL;
    }
    switch (lua_type(lua, index)) {
    case LUA_TBOOLEAN:
        return json_boolean(lua_toboolean(lua, index));
    case LUA_TNUMBER:
        if (lua_isinteger(lua, index)) {
            return json_integer(lua_tointeger(lua, index));
        }
        *problem = "a fraction; write amounts as money\"12.50 EUR\" and counts as integers";
        return NULL;
    case LUA_TSTRING: {
        size_t length = 0;
        const char *text = lua_tolstring(lua, index, &length);
        json_t *string = json_stringn(text, length);
        if (string == NULL) {
            *problem = "text that is not UTF-8";
        }
        return string;
    }
    case LUA_TTABLE:
        return table_to_json(lua, index, depth, problem);
    default:
        *problem = "a function or another value that is no data";
        return NULL;
    }
}

/* ---- the run ---- */

static void open_words(lua_State *lua)
{
    static const luaL_Reg safe[] = {{LUA_TABLIBNAME, luaopen_table}, {LUA_STRLIBNAME, luaopen_string}};
    luaL_requiref(lua, LUA_GNAME, luaopen_base, 1);
    lua_pop(lua, 1);
    for (size_t i = 0; i < RV_COUNT(safe); i++) {
        luaL_requiref(lua, safe[i].name, safe[i].func, 1);
        lua_pop(lua, 1);
    }
    lua_pushcfunction(lua, line_of_caller);
    lua_setglobal(lua, "line_of_caller");
}

/* The bundle's own environment: the words, ipairs, and nothing else. */
static void push_environment(lua_State *lua)
{
    static const char *const pure[] = {"ipairs", "tostring"};
    for (size_t i = 0; i < RV_COUNT(pure); i++) {
        lua_getglobal(lua, pure[i]);
        lua_setfield(lua, -2, pure[i]);
    }
    /* the words become the __index of an empty table that cannot be written */
    lua_newtable(lua); /* environment */
    lua_newtable(lua); /* its metatable */
    lua_pushvalue(lua, -3);
    lua_newtable(lua);
    lua_pushcfunction(lua, unknown);
    lua_setfield(lua, -2, "__index");
    lua_setmetatable(lua, -2);
    lua_setfield(lua, -2, "__index");
    lua_pushcfunction(lua, locked);
    lua_setfield(lua, -2, "__newindex");
    lua_pushboolean(lua, 0);
    lua_setfield(lua, -2, "__metatable");
    lua_setmetatable(lua, -2);
    lua_remove(lua, -2);
}

struct job {
    const char *source;
    size_t length;
    const char *name;
    json_t *bundle;
    const char *problem;
};

static int run(lua_State *lua)
{
    struct job *job = lua_touserdata(lua, 1);
    const struct rv_asset *prelude = rv_asset_find(rv_gate_assets, "policy_prelude.lua");
    RV_ASSERT(prelude != NULL);
    open_words(lua);
    if (luaL_loadbufferx(lua, prelude->bytes, rv_asset_size(prelude), "=prelude", "t") != LUA_OK) {
        return lua_error(lua);
    }
    lua_call(lua, 0, 1);
    push_environment(lua);
    lua_pushfstring(lua, "=%s", job->name);
    if (luaL_loadbufferx(lua, job->source, job->length, lua_tostring(lua, -1), "t") != LUA_OK) {
        return lua_error(lua);
    }
    lua_remove(lua, -2);
    lua_pushvalue(lua, -2);
    RV_ASSERT(lua_setupvalue(lua, -2, 1) != NULL); /* _ENV */
    lua_call(lua, 0, 1);
    if (!lua_istable(lua, -1)) {
        return luaL_error(lua, "%s does not return bundle{…}", job->name);
    }
    job->bundle = to_json(lua, lua_gettop(lua), 0, &job->problem);
    return 0;
}

enum rv_code policy_read_lua(const char *source, size_t length, const char *name, json_t **bundle,
                             struct rv_error *err)
{
    if (length > RV_POLICY_SOURCE_MAX) {
        return rv_fail(err, RV_LIMIT, "policy \"%s\" is larger than %d bytes", name,
                       RV_POLICY_SOURCE_MAX);
    }
    struct budget budget = {0};
    lua_State *lua = lua_newstate(limited_alloc, &budget);
    RV_ASSERT(lua != NULL);
    lua_sethook(lua, on_count, LUA_MASKCOUNT, LOAD_HOOK_EVERY);
    struct job job = {.source = source, .length = length, .name = name};
    lua_pushcfunction(lua, run);
    lua_pushlightuserdata(lua, &job);
    int status = lua_pcall(lua, 1, 0, 0);
    enum rv_code code = RV_OK;
    if (status == LUA_ERRMEM) {
        code = rv_fail(err, RV_LIMIT, "policy \"%s\" needs more than %d bytes to load", name,
                       LOAD_MEMORY_MAX);
    } else if (status != LUA_OK) {
        const char *text = lua_tostring(lua, -1);
        code = rv_fail(err, RV_INVALID, "policy: %s", text != NULL ? text : "failed to load");
    } else if (job.bundle == NULL) {
        code = rv_fail(err, RV_INVALID, "policy \"%s\" contains %s", name, job.problem);
    }
    lua_close(lua);
    if (code != RV_OK) {
        json_decref(job.bundle);
        return code;
    }
    *bundle = job.bundle;
    return RV_OK;
}
