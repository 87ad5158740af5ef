/* policy_load.c -- runs a bundle's Lua once, in a sandbox that can only build a tree.
 *
 * The bundle sees the words of the policy language and ipairs, nothing else: no library, no global
 * to write, no metatable, no string method (a pattern match can run for hours inside one
 * instruction), no pcall that could swallow a limit.  Budgets end it by name: instructions, memory,
 * length of one text, what the tree may hold, and time.  Time is the processor's, so that a busy
 * machine refuses no honest bundle; nothing in here can wait for anything.
 *
 * The result is the tree "as written", plain JSON.  What a word builds is an object with "$":
 *
 *     permit{…}           {"$":"permit","line":12,"body":{…}}      (also bundle, test, … )
 *     arg.amount:le(x)    {"$":"condition","op":"le","attr":"arg.amount","value":…}
 *     all{…}              {"$":"group","op":"all","of":[…]}
 *     role"x" is"X" approval"x" any_of{…} money"5 EUR"      {"$":"role","value":…}
 *     arg.amount          {"$":"attribute","path":"arg.amount"}
 *
 * A table with fields and items keeps its items under "#".  Meaning is given to all this, and
 * refused, in policy_canonical.c.
 */
#include "runtime/gate/policy_private.h"

#include "runtime/base/clock.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdlib.h>
#include <string.h>

enum {
    LOAD_MEMORY_MAX = 64 << 20,       /* 20,000 rules need about 40 MB */
    LOAD_INSTRUCTIONS_MAX = 20000000, /* 1,000 for each of the most rules a bundle may have */
    LOAD_TEXT_MAX = 64 << 10,         /* longer texts are no policy; keeps comparing them cheap */
    LOAD_TIME_US = 500000,            /* 20,000 rules need half of it, and more with their source */
    LOAD_TIME_US_PER_KIB = 1000,
    LOAD_HOOK_EVERY = 250,    /* the dearest instruction compares two texts of 64 KiB: 0.1 ms */
    LOAD_DEPTH_MAX = 40,      /* tables in tables: conditions need 2 levels each */
    LOAD_ITEMS_MAX = 1000000, /* JSON values; a table used twice counts twice */
    LOAD_TREE_TEXT_MAX = 16 << 20, /* bytes of texts in them; a text used twice counts twice */
    LOAD_PATH_MAX = 128            /* an attribute's path */
};

struct budget {
    size_t used_bytes;
    int64_t instructions;
    int64_t deadline_us;
    int items;
    size_t text_bytes;
    const char *spent; /* which budget is gone; NULL while none is */
};

struct job {
    const char *source;
    size_t length;
    const char *name;
    struct budget budget;
    json_t *tree;
    const char *problem; /* why a value is no data */
};

static int run(lua_State *lua);
static void open_words(lua_State *lua);
static json_t *take_value(lua_State *lua, struct job *job, int depth);

/* ---- budgets ---- */

static void *limited_alloc(void *data, void *block, size_t old_size, size_t new_size)
{
    struct budget *budget = data;
    size_t old = block != NULL ? old_size : 0;
    if (new_size == 0) {
        budget->used_bytes -= old;
        free(block);
        return NULL;
    }
    bool is_text = block == NULL && old_size == LUA_TSTRING; /* Lua says what a new block is for */
    if (is_text && new_size > LOAD_TEXT_MAX) {
        budget->spent = "a text longer than 64 KiB";
        return NULL;
    }
    if (new_size > old && new_size - old > LOAD_MEMORY_MAX - budget->used_bytes) {
        budget->spent = "more than 64 MiB of memory";
        return NULL;
    }
    void *memory = realloc(block, new_size); /* style: an allocator of Lua may fail */
    if (memory != NULL) {
        budget->used_bytes = budget->used_bytes - old + new_size;
    }
    return memory;
}

static void count_instructions(lua_State *lua, lua_Debug *debug)
{
    (void)debug;
    void *data = NULL;
    lua_getallocf(lua, &data);
    struct budget *budget = data;
    budget->instructions += LOAD_HOOK_EVERY;
    if (budget->instructions > LOAD_INSTRUCTIONS_MAX) {
        budget->spent = "more than 20,000,000 instructions";
    } else if (rv_thread_cpu_us() > budget->deadline_us) {
        budget->spent = "more than half a second of processor time (and 1 ms a KiB of its text)";
    }
    if (budget->spent != NULL) {
        luaL_error(lua, "the bundle needs %s", budget->spent);
    }
}

/* ---- the load ---- */

enum rv_code policy_read_lua(const char *source, size_t length, const char *name, json_t **out,
                             struct rv_error *err)
{
    if (length > RV_POLICY_SOURCE_MAX) {
        rv_fail(err, RV_LIMIT, "%s: the bundle is longer than %d bytes", name,
                RV_POLICY_SOURCE_MAX);
        rv_hint(err, "Split it, or build repeated rules in a loop.");
        return RV_LIMIT;
    }
    struct job job = {.source = source, .length = length, .name = name};
    job.budget.deadline_us =
        rv_thread_cpu_us() + LOAD_TIME_US + (int64_t)(length >> 10) * LOAD_TIME_US_PER_KIB;
    lua_State *lua = lua_newstate(limited_alloc, &job.budget);
    RV_ASSERT(lua != NULL);
    lua_sethook(lua, count_instructions, LUA_MASKCOUNT, LOAD_HOOK_EVERY);
    lua_pushcfunction(lua, run);
    lua_pushlightuserdata(lua, &job);
    int status = lua_pcall(lua, 1, 0, 0);
    enum rv_code code = RV_OK;
    if (job.budget.spent != NULL) {
        code = rv_fail(err, RV_LIMIT, "%s: the bundle needs %s", name, job.budget.spent);
        rv_hint(err, "A bundle only lists rules; look for a loop that does not end.");
    } else if (status != LUA_OK) {
        const char *text = lua_tostring(lua, -1);
        bool deep = text != NULL && strstr(text, "overflow") != NULL;
        code = deep ? rv_fail(err, RV_LIMIT, "%s: the bundle is nested too deep: %s", name, text)
                    : rv_fail(err, RV_INVALID, "%s", text != NULL ? text : "not a bundle");
        rv_hint(err, "See policies/README.md for the words of the language.");
    } else if (job.tree == NULL || job.problem != NULL) {
        code = rv_fail(err, RV_INVALID, "%s: the bundle holds %s", name, job.problem);
        rv_hint(err, "Use texts, whole numbers, true and false, tables and money\"12.50 EUR\".");
    }
    lua_close(lua);
    if (code != RV_OK) {
        json_decref(job.tree);
        return code;
    }
    *out = job.tree;
    return RV_OK;
}

static int run(lua_State *lua)
{
    struct job *job = lua_touserdata(lua, 1);
    open_words(lua); /* leaves the environment on the stack */
    lua_pushfstring(lua, "=%s", job->name);
    if (luaL_loadbufferx(lua, job->source, job->length, lua_tostring(lua, -1), "t") != LUA_OK) {
        return lua_error(lua);
    }
    lua_pushvalue(lua, -3);
    if (lua_setupvalue(lua, -2, 1) == NULL) { /* _ENV; a chunk without free names has none */
        lua_pop(lua, 1);
    }
    lua_call(lua, 0, 1);
    job->tree = lua_isnil(lua, -1) ? json_null() : take_value(lua, job, 0);
    return 0;
}

/* ---- words ---- */

/* What a word builds carries its kind under this key of the registry-like "$" field. */
static int build(lua_State *lua, const char *kind, const char *field)
{
    luaL_checkany(lua, 1);
    lua_createtable(lua, 0, 3);
    lua_pushstring(lua, kind);
    lua_setfield(lua, -2, "$");
    lua_pushvalue(lua, 1);
    lua_setfield(lua, -2, field);
    return 1;
}

/* bundle, permit, forbid, limit, approve, sink, sod, test, cases: upvalue 1 is the word. */
static int word_block(lua_State *lua)
{
    const char *kind = lua_tostring(lua, lua_upvalueindex(1));
    if (!lua_istable(lua, 1)) {
        return luaL_error(lua, "%s needs a table: %s{ … }", kind, kind);
    }
    build(lua, kind, "body");
    lua_Debug debug;
    if (lua_getstack(lua, 1, &debug) != 0 && lua_getinfo(lua, "l", &debug) != 0) {
        lua_pushinteger(lua, debug.currentline);
        lua_setfield(lua, -2, "line");
    }
    return 1;
}

/* role, is, approval, any_of, money. */
static int word_value(lua_State *lua)
{
    const char *kind = lua_tostring(lua, lua_upvalueindex(1));
    bool takes_list = strcmp(kind, "any_of") == 0 || strcmp(kind, "approval") == 0;
    if (!(lua_type(lua, 1) == LUA_TSTRING && strcmp(kind, "any_of") != 0) &&
        !(takes_list && lua_istable(lua, 1))) {
        return luaL_error(lua, "%s needs %s", kind,
                          strcmp(kind, "any_of") == 0 ? "a list: any_of{ \"a\", \"b\" }"
                                                      : "a text in quotes");
    }
    return build(lua, kind, "value");
}

static int word_group(lua_State *lua)
{
    const char *op = lua_tostring(lua, lua_upvalueindex(1));
    if (!lua_istable(lua, 1)) {
        return luaL_error(lua, "%s needs a list of conditions: %s{ … }", op, op);
    }
    build(lua, "group", "of");
    lua_pushstring(lua, op);
    lua_setfield(lua, -2, "op");
    return 1;
}

/* ---- attributes: me.id, arg.amount, res.vendor.status ---- */

static const char attribute_type[] = "attribute";

static const char *to_attribute(lua_State *lua, int index)
{
    return luaL_testudata(lua, index, attribute_type);
}

static int push_attribute(lua_State *lua, const char *parent, const char *key)
{
    size_t length = strlen(parent) + strlen(key) + 2;
    if (length > LOAD_PATH_MAX) {
        return luaL_error(lua, "the attribute path \"%s.…\" is longer than %d letters", parent,
                          LOAD_PATH_MAX);
    }
    char *path = lua_newuserdatauv(lua, length, 0);
    snprintf(path, length, "%s%s%s", parent, *parent == '\0' ? "" : ".", key);
    luaL_setmetatable(lua, attribute_type);
    return 1;
}

/* arg.amount:le(value); upvalue 1 is the operator. */
static int attribute_compare(lua_State *lua)
{
    const char *op = lua_tostring(lua, lua_upvalueindex(1));
    const char *path = to_attribute(lua, 1);
    if (path == NULL) {
        return luaL_error(lua, "%s is called with a colon: arg.amount:%s(…)", op, op);
    }
    bool has = strcmp(op, "has") == 0;
    if (has ? lua_gettop(lua) > 1 : lua_gettop(lua) != 2 || lua_isnil(lua, 2)) {
        return luaL_error(lua, "%s:%s needs %s", path, op, has ? "no value" : "one value");
    }
    lua_createtable(lua, 0, 4);
    lua_pushliteral(lua, "condition");
    lua_setfield(lua, -2, "$");
    lua_pushstring(lua, op);
    lua_setfield(lua, -2, "op");
    lua_pushstring(lua, path);
    lua_setfield(lua, -2, "attr");
    if (!has) {
        lua_pushvalue(lua, 2);
        lua_setfield(lua, -2, "value");
    }
    return 1;
}

/* upvalue 1: operators by name. */
static int attribute_index(lua_State *lua)
{
    const char *path = to_attribute(lua, 1);
    RV_ASSERT(path != NULL);
    if (lua_type(lua, 2) != LUA_TSTRING) {
        return luaL_error(lua, "attribute names are words: %s.name", path);
    }
    lua_pushvalue(lua, 2);
    if (lua_rawget(lua, lua_upvalueindex(1)) == LUA_TFUNCTION) {
        return 1;
    }
    const char *key = lua_tostring(lua, 2);
    if (*key == '\0' || strpbrk(key, ". *\"#$") != NULL) {
        return luaL_error(lua, "\"%s\" is no attribute name", key);
    }
    return push_attribute(lua, path, key);
}

static int attribute_assign(lua_State *lua)
{
    return luaL_error(lua, "the attribute \"%s\" cannot be assigned", to_attribute(lua, 1));
}

/* `arg.amount == 5`, `arg.amount < 5`, `arg.amount + 1`: meant well, mean nothing. */
static int attribute_operator(lua_State *lua)
{
    return luaL_error(lua, "attributes are compared with words: arg.amount:le(money\"5 EUR\")");
}

static void open_attributes(lua_State *lua)
{
    luaL_newmetatable(lua, attribute_type);
    lua_newtable(lua);
    for (int op = POLICY_HAS; op < POLICY_OPS; op++) {
        lua_pushstring(lua, policy_op_names[op]);
        lua_pushcclosure(lua, attribute_compare, 1);
        lua_setfield(lua, -2, policy_op_names[op]);
    }
    lua_pushcclosure(lua, attribute_index, 1);
    lua_setfield(lua, -2, "__index");
    lua_pushcfunction(lua, attribute_assign);
    lua_setfield(lua, -2, "__newindex");
    static const char *const operators[] = {"__eq",  "__lt",  "__le",  "__add",    "__sub", "__mul",
                                            "__div", "__unm", "__len", "__concat", "__call"};
    for (size_t i = 0; i < RV_COUNT(operators); i++) {
        lua_pushcfunction(lua, attribute_operator);
        lua_setfield(lua, -2, operators[i]);
    }
    lua_pop(lua, 1);
}

/* ---- the environment ---- */

/* upvalue 1: the words. */
static int word_find(lua_State *lua)
{
    lua_pushvalue(lua, 2);
    if (lua_rawget(lua, lua_upvalueindex(1)) == LUA_TNIL) {
        return luaL_error(lua, "there is no word \"%s\" in the policy language",
                          luaL_tolstring(lua, 2, NULL));
    }
    return 1;
}

static int word_assign(lua_State *lua)
{
    return luaL_error(lua, "\"%s\" is not declared: write local %s = …",
                      luaL_tolstring(lua, 2, NULL), lua_tostring(lua, 2));
}

static void add_words(lua_State *lua, lua_CFunction make, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        lua_pushstring(lua, names[i]);
        lua_pushcclosure(lua, make, 1);
        lua_setfield(lua, -2, names[i]);
    }
}

static void open_words(lua_State *lua)
{
    static const char *const blocks[] = {"bundle", "permit", "forbid", "limit", "approve",
                                         "sink",   "sod",    "test",   "cases"};
    static const char *const values[] = {"role", "is", "approval", "any_of", "money"};
    static const char *const groups[] = {"all", "any", "none"};
    static const char *const roots[] = {"me", "arg", "res", "run"};
    lua_newtable(lua); /* the environment: empty, so that every name asks its metatable */
    lua_newtable(lua);
    lua_newtable(lua); /* the words */
    open_attributes(lua);
    for (size_t i = 0; i < RV_COUNT(roots); i++) {
        push_attribute(lua, "", roots[i]);
        lua_setfield(lua, -2, roots[i]);
    }
    add_words(lua, word_block, blocks, RV_COUNT(blocks));
    add_words(lua, word_value, values, RV_COUNT(values));
    add_words(lua, word_group, groups, RV_COUNT(groups));
    luaL_requiref(lua, LUA_GNAME, luaopen_base, 0);
    lua_getfield(lua, -1, "ipairs");
    lua_setfield(lua, -3, "ipairs");
    lua_pop(lua, 1);
    lua_pushcclosure(lua, word_find, 1);
    lua_setfield(lua, -2, "__index");
    lua_pushcfunction(lua, word_assign);
    lua_setfield(lua, -2, "__newindex");
    lua_setmetatable(lua, -2);
}

/* ---- Lua values to the tree; raises nothing, so that nothing leaks ---- */

static json_t *fail(struct job *job, const char *problem)
{
    if (job->problem == NULL) {
        job->problem = problem;
    }
    return NULL;
}

static json_t *spend(struct job *job, const char *budget)
{
    job->budget.spent = budget;
    return fail(job, budget);
}

/* Items 1..n of the table on top, into `list` (borrowed). */
static bool take_items(lua_State *lua, struct job *job, json_t *list, int depth)
{
    lua_Integer count = (lua_Integer)lua_rawlen(lua, -1);
    for (lua_Integer i = 1; i <= count; i++) {
        lua_rawgeti(lua, -1, i);
        json_t *item = take_value(lua, job, depth + 1);
        lua_pop(lua, 1);
        if (item == NULL) {
            return false;
        }
        json_array_append_new(list, item);
    }
    return true;
}

/* Fields of the table on top, into `object` (borrowed). */
static bool take_fields(lua_State *lua, struct job *job, json_t *object, int depth)
{
    lua_Integer count = (lua_Integer)lua_rawlen(lua, -1);
    lua_pushnil(lua);
    while (lua_next(lua, -2) != 0) {
        bool is_item = lua_isinteger(lua, -2) && lua_tointeger(lua, -2) >= 1 &&
                       lua_tointeger(lua, -2) <= count;
        json_t *value = NULL;
        if (!is_item && lua_type(lua, -2) != LUA_TSTRING) {
            fail(job, "a table key that is no name");
        } else if (!is_item) {
            value = take_value(lua, job, depth + 1);
        }
        if (value != NULL && json_object_set_new(object, lua_tostring(lua, -2), value) != 0) {
            fail(job, "a name that is not UTF-8");
        }
        lua_pop(lua, 1);
        if (job->problem != NULL) {
            lua_pop(lua, 1);
            return false;
        }
    }
    return true;
}

static json_t *take_table(lua_State *lua, struct job *job, int depth)
{
    json_t *items = json_array();
    json_t *fields = json_object();
    bool ok = take_items(lua, job, items, depth) && take_fields(lua, job, fields, depth);
    if (ok && json_object_get(fields, "#") != NULL) {
        fail(job, "a field named \"#\"");
        ok = false;
    }
    if (!ok) {
        json_decref(items);
        json_decref(fields);
        return NULL;
    }
    if (json_object_size(fields) == 0) {
        json_decref(fields);
        return items; /* also {}: an empty list */
    }
    if (json_array_size(items) > 0) {
        json_object_set(fields, "#", items);
    }
    json_decref(items);
    return fields;
}

/* The value on top of the stack, which stays there.  NULL: job->problem says why. */
static json_t *take_value(lua_State *lua, struct job *job, int depth)
{
    if (depth > LOAD_DEPTH_MAX || lua_checkstack(lua, 8) == 0) {
        return fail(job, "tables nested too deep");
    }
    if (++job->budget.items > LOAD_ITEMS_MAX) {
        return spend(job, "more than 1,000,000 values");
    }
    switch (lua_type(lua, -1)) {
    case LUA_TBOOLEAN: return json_boolean(lua_toboolean(lua, -1));
    case LUA_TNUMBER:
        return lua_isinteger(lua, -1)
                   ? json_integer(lua_tointeger(lua, -1))
                   : fail(job, "a fraction (amounts are written money\"12.50 EUR\")");
    case LUA_TSTRING: {
        size_t length = 0;
        const char *text = lua_tolstring(lua, -1, &length);
        job->budget.text_bytes += length;
        if (job->budget.text_bytes > LOAD_TREE_TEXT_MAX) {
            return spend(job, "more than 16 MiB of texts");
        }
        json_t *value = memchr(text, '\0', length) == NULL ? json_stringn(text, length) : NULL;
        return value != NULL ? value : fail(job, "a text that is not UTF-8");
    }
    case LUA_TTABLE: return take_table(lua, job, depth);
    case LUA_TUSERDATA: {
        const char *path = to_attribute(lua, -1);
        return path != NULL ? json_pack("{s:s,s:s}", "$", "attribute", "path", path)
                            : fail(job, "a value that is no data");
    }
    default: return fail(job, "a value that is no data (a function, or nil in a list)");
    }
}
