/* plan.c -- one Lua state per run, sealed and capped; see plan.h.
 *
 * Why a state per run and not coroutines in a shared one: the memory cap is exact, nothing leaks from
 * run to run, closing is one call; it costs some tens of microseconds a start.  States are short-lived:
 * a waiting run gives up its state and is rebuilt by replay.
 *
 * The caps cannot be escaped: the allocator refuses above the limit; the count hook raises an error and,
 * once the limit is reached, arms itself for every instruction, so that a pcall which swallows one error
 * meets the next at its first instruction.
 */
#include "runtime/lua/plan.h"

#include "lua_assets.h"
#include "runtime/base/check.h"
#include "runtime/lua/values.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HOOK_EVERY = 1000, HANDLES_MAX = 64, USES_MAX = 64, NAME_LENGTH_MAX = 64 };

struct caps {
    size_t memory_used;
    size_t memory_max;
    int64_t instructions;
    int64_t instructions_max;
    bool killed;
};

struct rv_agent {
    char *source;
    size_t length;
    char name[NAME_LENGTH_MAX];
    struct rv_hash hash;
    json_t *manifest;
    bool has_review;
};

struct rv_plan {
    struct caps caps;
    lua_State *lua;    /* owner of everything */
    lua_State *thread; /* the coroutine that runs */
    int arguments;     /* on the thread's stack for the first resume */
    json_t *request_args;
    char request_name[32];
    int request_line;
    bool requested;
    char agent[NAME_LENGTH_MAX];
};

/* ---- caps ---- */

static void *capped_alloc(void *data, void *block, size_t old_size, size_t new_size)
{
    struct caps *caps = data;
    size_t old = block != NULL ? old_size : 0;
    if (new_size == 0) {
        caps->memory_used -= old;
        free(block);
        return NULL;
    }
    if (new_size > old && caps->memory_used + (new_size - old) > caps->memory_max) {
        return NULL;
    }
    void *memory = realloc(block, new_size); /* style: an allocator of Lua may fail */
    if (memory != NULL) {
        caps->memory_used = caps->memory_used - old + new_size;
    }
    return memory;
}

static struct caps *caps_of(lua_State *lua)
{
    void *data = NULL;
    lua_getallocf(lua, &data);
    return data;
}

static void on_count(lua_State *lua, lua_Debug *debug)
{
    (void)debug;
    struct caps *caps = caps_of(lua);
    caps->instructions += caps->killed ? 1 : HOOK_EVERY;
    if (caps->instructions > caps->instructions_max) {
        caps->killed = true;
        lua_sethook(lua, on_count, LUA_MASKCOUNT, 1);
        luaL_error(lua, "limit \"instructions\": the run used more than %I instructions",
                   (LUAI_UACINT)caps->instructions_max);
    }
}

/* ---- what C gives to the prelude ---- */

static struct rv_plan *plan_of(lua_State *lua)
{
    return lua_touserdata(lua, lua_upvalueindex(1));
}

static int host_request(lua_State *lua)
{
    struct rv_plan *plan = plan_of(lua);
    char problem[256];
    snprintf(plan->request_name, sizeof plan->request_name, "%s", luaL_checkstring(lua, 1));
    json_decref(plan->request_args);
    plan->request_args = values_to_json(lua, 2, problem, sizeof problem);
    plan->request_line = (int)luaL_checkinteger(lua, 3);
    if (plan->request_args == NULL) {
        return luaL_error(lua, "%s: %s", plan->request_name, problem);
    }
    plan->requested = true;
    return lua_yield(lua, 0);
}

static int host_check(lua_State *lua)
{
    char problem[256];
    json_t *value = values_to_json(lua, 1, problem, sizeof problem);
    if (value == NULL) {
        luaL_where(lua, 2);
        lua_pushfstring(lua, "%s%s: %s", lua_tostring(lua, -1), luaL_checkstring(lua, 2), problem);
        return lua_error(lua);
    }
    json_decref(value);
    return 0;
}

/* The line of the agent's own text that is being run: the innermost frame that belongs to it. */
static int host_line(lua_State *lua)
{
    const struct rv_plan *plan = plan_of(lua);
    lua_Debug debug;
    int line = 0;
    for (int level = 1; line == 0 && lua_getstack(lua, level, &debug) != 0; level++) {
        if (lua_getinfo(lua, "Sl", &debug) != 0 && strcmp(debug.source + 1, plan->agent) == 0) {
            line = debug.currentline;
        }
    }
    lua_pushinteger(lua, line);
    return 1;
}

static int host_array(lua_State *lua)
{
    if (lua_isnoneornil(lua, 1)) {
        lua_settop(lua, 0);
        lua_newtable(lua);
    } else {
        luaL_checktype(lua, 1, LUA_TTABLE);
        lua_settop(lua, 1);
    }
    values_mark_array(lua);
    return 1;
}

static int host_object(lua_State *lua)
{
    lua_settop(lua, 0);
    lua_newtable(lua);
    return 1;
}

static void push_host(lua_State *lua, struct rv_plan *plan, int64_t seed)
{
    static const luaL_Reg functions[] = {{"request", host_request}, {"check", host_check},
                                         {"line", host_line},       {"array", host_array},
                                         {"object", host_object},   {NULL, NULL}};
    lua_newtable(lua);
    lua_pushlightuserdata(lua, plan);
    luaL_setfuncs(lua, functions, 1);
    lua_pushinteger(lua, seed);
    lua_setfield(lua, -2, "seed");
    lua_pushinteger(lua, RV_PLAN_ACTIONS_MAX);
    lua_setfield(lua, -2, "actions_max");
}

/* ---- opening a state ---- */

static void open_libraries(lua_State *lua)
{
    static const luaL_Reg libraries[] = {{LUA_GNAME, luaopen_base},
                                         {LUA_TABLIBNAME, luaopen_table},
                                         {LUA_STRLIBNAME, luaopen_string},
                                         {LUA_MATHLIBNAME, luaopen_math},
                                         {LUA_UTF8LIBNAME, luaopen_utf8}};
    for (size_t i = 0; i < RV_COUNT(libraries); i++) {
        luaL_requiref(lua, libraries[i].name, libraries[i].func, 1);
        lua_pop(lua, 1);
    }
}

struct opening {
    struct rv_plan *plan;
    const char *source;
    size_t length;
    const char *name;
    int64_t seed;
};

/* Leaves: enter function, agent table. */
static int open_agent(lua_State *lua)
{
    struct opening *opening = lua_touserdata(lua, 1);
    const struct rv_asset *prelude = rv_asset_find(rv_lua_assets, "prelude.lua");
    RV_ASSERT(prelude != NULL);
    open_libraries(lua);
    if (luaL_loadbufferx(lua, prelude->bytes, rv_asset_size(prelude), "=prelude", "t") != LUA_OK) {
        return lua_error(lua);
    }
    push_host(lua, opening->plan, opening->seed);
    lua_call(lua, 1, 2); /* environment, enter */
    char chunk[NAME_LENGTH_MAX + 2];
    snprintf(chunk, sizeof chunk, "=%s", opening->name);
    if (luaL_loadbufferx(lua, opening->source, opening->length, chunk, "t") != LUA_OK) {
        return lua_error(lua);
    }
    lua_pushvalue(lua, -3);
    RV_ASSERT(lua_setupvalue(lua, -2, 1) != NULL); /* _ENV */
    lua_call(lua, 0, 1);
    if (!lua_istable(lua, -1)) {
        return luaL_error(lua, "%s does not return its agent table", opening->name);
    }
    return 2;
}

static enum rv_code lua_failure(lua_State *lua, int status, const struct caps *caps,
                                const char *name, struct rv_error *err)
{
    const char *text = lua_tostring(lua, -1);
    if (status == LUA_ERRMEM) {
        return rv_fail(err, RV_LIMIT, "%s: limit \"memory\": the run needs more than %zu bytes", name,
                       caps->memory_max);
    }
    if (caps->killed) {
        return rv_fail(err, RV_LIMIT,
                       "%s: limit \"instructions\": the run used more than %lld instructions", name,
                       (long long)caps->instructions_max);
    }
    if (text == NULL) {
        return rv_fail(err, RV_INVALID, "%s: an error object that is no text was raised", name);
    }
    if (strncmp(text, name, strlen(name)) != 0) {
        return rv_fail(err, RV_INVALID, "%s: %s", name, text);
    }
    return rv_fail(err, RV_INVALID, "%s", text);
}

static enum rv_code plan_open(const char *source, size_t length, const char *name, int64_t seed,
                              size_t memory_max, struct rv_plan **out, struct rv_error *err)
{
    struct rv_plan *plan = rv_alloc(sizeof *plan);
    plan->caps = (struct caps){.memory_max = memory_max, .instructions_max = RV_PLAN_INSTRUCTIONS_MAX};
    snprintf(plan->agent, sizeof plan->agent, "%s", name);
    plan->lua = lua_newstate(capped_alloc, &plan->caps);
    RV_ASSERT(plan->lua != NULL);
    lua_gc(plan->lua, LUA_GCGEN, 0, 0);
    lua_sethook(plan->lua, on_count, LUA_MASKCOUNT, HOOK_EVERY);
    struct opening opening = {plan, source, length, plan->agent, seed};
    lua_pushcfunction(plan->lua, open_agent);
    lua_pushlightuserdata(plan->lua, &opening);
    int status = lua_pcall(plan->lua, 1, 2, 0);
    if (status != LUA_OK) {
        enum rv_code code = lua_failure(plan->lua, status, &plan->caps, name, err);
        rv_plan_destroy(plan);
        return code;
    }
    *out = plan;
    return RV_OK;
}

void rv_plan_destroy(struct rv_plan *plan)
{
    if (plan != NULL) {
        lua_close(plan->lua);
        json_decref(plan->request_args);
        rv_free(plan);
    }
}

/* ---- the manifest ---- */

/* The line where the manifest names a field, for messages; 1 when it does not. */
static int line_of(const char *source, const char *field)
{
    int line = 1;
    size_t length = strlen(field);
    for (const char *at = source; *at != '\0'; at++) {
        if (*at == '\n') {
            line++;
        } else if (strncmp(at, field, length) == 0 && at[length + strspn(at + length, " ")] == '=') {
            return line;
        }
    }
    return 1;
}

static enum rv_code bad_field(const struct rv_agent *agent, const char *field, const char *rule,
                              struct rv_error *err)
{
    rv_fail(err, RV_INVALID, "%s:%d: field \"%s\" %s", agent->name, line_of(agent->source, field),
            field, rule);
    rv_hint(err, "See agents/README.md for the manifest.");
    return RV_INVALID;
}

static bool is_text_list(const json_t *list, size_t most)
{
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)(uintptr_t)list, i, item)
    {
        if (!json_is_string(item)) {
            return false;
        }
    }
    return json_is_array(list) && json_array_size(list) <= most;
}

static enum rv_code check_manifest(const struct rv_agent *agent, struct rv_error *err)
{
    static const char *const known_limits[] = {"steps", "calls", "tokens", "money_minor", "wall_ms",
                                               "depth"};
    const json_t *manifest = agent->manifest;
    const char *name = rv_json_str(manifest, "name", "");
    if (*name == '\0' || strlen(name) >= NAME_LENGTH_MAX) {
        return bad_field(agent, "name", "must be a short text", err);
    }
    if (rv_json_str(manifest, "version", NULL) == NULL) {
        return bad_field(agent, "version", "must be a text like \"1.0\"", err);
    }
    if (!is_text_list(json_object_get(manifest, "handles"), HANDLES_MAX)) {
        return bad_field(agent, "handles", "must be a list of exception codes like {\"F01\"}", err);
    }
    if (!is_text_list(json_object_get(manifest, "uses"), USES_MAX)) {
        return bad_field(agent, "uses", "must be a list of actions like {\"invoice.hold\"}", err);
    }
    const char *key;
    json_t *value;
    json_object_foreach(json_object_get(manifest, "limits"), key, value)
    {
        bool known = false;
        for (size_t i = 0; i < RV_COUNT(known_limits); i++) {
            known = known || strcmp(known_limits[i], key) == 0;
        }
        if (!known || !json_is_integer(value) || json_integer_value(value) < 0) {
            return bad_field(agent, "limits",
                             "may hold steps, calls, tokens, money_minor, wall_ms, depth, each an "
                             "integer >= 0",
                             err);
        }
    }
    return RV_OK;
}

static enum rv_code read_manifest(struct rv_agent *agent, lua_State *lua, struct rv_error *err)
{
    static const char *const fields[] = {"name", "version", "summary", "handles", "uses", "limits"};
    char problem[256];
    agent->manifest = json_object();
    for (size_t i = 0; i < RV_COUNT(fields); i++) {
        lua_pushstring(lua, fields[i]);
        lua_rawget(lua, -2);
        if (!lua_isnil(lua, -1)) {
            json_t *value = values_to_json(lua, -1, problem, sizeof problem);
            if (value == NULL) {
                return bad_field(agent, fields[i], problem, err);
            }
            json_object_set_new(agent->manifest, fields[i], value);
        }
        lua_pop(lua, 1);
    }
    lua_pushstring(lua, "plan");
    lua_rawget(lua, -2);
    bool has_plan = lua_isfunction(lua, -1);
    lua_pushstring(lua, "review");
    lua_rawget(lua, -3);
    agent->has_review = lua_isfunction(lua, -1);
    lua_pop(lua, 2);
    if (!has_plan) {
        return bad_field(agent, "plan", "is missing: function agent.plan(ctx, exception)", err);
    }
    return check_manifest(agent, err);
}

enum rv_code rv_agent_load(const char *source, size_t length, const char *name,
                           struct rv_agent **out, struct rv_error *err)
{
    if (length > RV_AGENT_SOURCE_MAX) {
        return rv_fail(err, RV_LIMIT, "agent \"%s\" is larger than %d bytes", name,
                       RV_AGENT_SOURCE_MAX);
    }
    struct rv_plan *plan = NULL;
    enum rv_code code = plan_open(source, length, name, 0, RV_PLAN_MEMORY_MAX, &plan, err);
    if (code != RV_OK) {
        return code;
    }
    struct rv_agent *agent = rv_alloc(sizeof *agent);
    agent->source = rv_strndup(source, length);
    agent->length = length;
    agent->hash = rv_sha256(source, length);
    snprintf(agent->name, sizeof agent->name, "%s", name);
    code = read_manifest(agent, plan->lua, err);
    rv_plan_destroy(plan);
    if (code != RV_OK) {
        rv_agent_destroy(agent);
        return code;
    }
    *out = agent;
    return RV_OK;
}

void rv_agent_destroy(struct rv_agent *agent)
{
    if (agent != NULL) {
        json_decref(agent->manifest);
        rv_free(agent->source);
        rv_free(agent);
    }
}

const json_t *rv_agent_manifest(const struct rv_agent *agent)
{
    return agent->manifest;
}

struct rv_hash rv_agent_hash(const struct rv_agent *agent)
{
    return agent->hash;
}

bool rv_agent_has_review(const struct rv_agent *agent)
{
    return agent->has_review;
}

/* ---- a run ---- */

struct starting {
    struct rv_plan *plan;
    const char *entry;
    const json_t *input;
};

/* Stack before: environment is gone; enter, agent.  Makes the coroutine with its arguments. */
static int make_thread(lua_State *lua)
{
    struct starting *starting = lua_touserdata(lua, 3);
    lua_State *thread = lua_newthread(lua);
    lua_sethook(thread, on_count, LUA_MASKCOUNT, HOOK_EVERY);
    lua_pushvalue(lua, 1);
    lua_pushvalue(lua, 2);
    lua_pushstring(lua, starting->entry);
    values_push(lua, starting->input);
    lua_xmove(lua, thread, 4);
    starting->plan->thread = thread;
    starting->plan->arguments = 3;
    return 1;
}

enum rv_code rv_plan_start(struct rv_agent *agent, const char *entry, const json_t *input,
                           struct rv_plan **out, struct rv_error *err)
{
    struct rv_plan *plan = NULL;
    enum rv_code code = plan_open(agent->source, agent->length, agent->name,
                                  rv_json_int(input, "seed", 0), RV_PLAN_MEMORY_MAX, &plan, err);
    if (code != RV_OK) {
        return code;
    }
    struct starting starting = {plan, entry, input};
    lua_pushcfunction(plan->lua, make_thread);
    lua_insert(plan->lua, 1);
    lua_pushlightuserdata(plan->lua, &starting);
    int status = lua_pcall(plan->lua, 3, 1, 0);
    if (status != LUA_OK) {
        code = lua_failure(plan->lua, status, &plan->caps, agent->name, err);
        rv_plan_destroy(plan);
        return code;
    }
    *out = plan;
    return RV_OK;
}

static int push_answer(lua_State *lua)
{
    values_push(lua, lua_touserdata(lua, 1));
    return 1;
}

enum rv_plan_status rv_plan_step(struct rv_plan *plan, const json_t *answer,
                                 struct rv_plan_request *request, json_t **result,
                                 struct rv_error *err)
{
    lua_State *thread = plan->thread;
    int arguments = plan->arguments;
    if (arguments == 0) {
        /* converting may run out of memory: under pcall of the owner, then moved over */
        lua_pushcfunction(plan->lua, push_answer);
        lua_pushlightuserdata(plan->lua, (void *)(uintptr_t)answer);
        int status = lua_pcall(plan->lua, 1, 1, 0);
        if (status != LUA_OK) {
            lua_failure(plan->lua, status, &plan->caps, plan->agent, err);
            return RV_PLAN_FAILED;
        }
        lua_xmove(plan->lua, thread, 1);
        arguments = 1;
    }
    plan->arguments = 0;
    plan->requested = false;
    int results = 0;
    int status = lua_resume(thread, plan->lua, arguments, &results);
    if (status == LUA_YIELD) {
        RV_ASSERT(plan->requested && results == 0);
        *request = (struct rv_plan_request){
            .name = plan->request_name, .args = plan->request_args, .line = plan->request_line};
        return RV_PLAN_REQUEST;
    }
    if (status != LUA_OK) {
        lua_failure(thread, status, &plan->caps, plan->agent, err);
        return RV_PLAN_FAILED;
    }
    char problem[256];
    json_t *value = values_to_json(thread, -1, problem, sizeof problem);
    if (value == NULL) {
        rv_fail(err, RV_INVALID, "%s: the result: %s", plan->agent, problem);
        return RV_PLAN_FAILED;
    }
    if (json_is_object(value) && json_is_object(json_object_get(value, "actions"))) {
        json_object_set_new(value, "actions", json_array()); /* an empty plan is an empty list */
    }
    *result = value;
    return RV_PLAN_DONE;
}

size_t rv_plan_memory_bytes(const struct rv_plan *plan)
{
    return plan->caps.memory_used;
}

int64_t rv_plan_instructions(const struct rv_plan *plan)
{
    return plan->caps.instructions;
}
