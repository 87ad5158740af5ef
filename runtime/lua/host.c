/* host.c -- the few functions in C behind the prelude.
 *
 * Messages name the line of the agent's own text: the nearest frame whose chunk is the agent,
 * however many frames of the prelude or of helpers in C lie above it.
 */
#include "runtime/base/check.h"
#include "runtime/lua/engine.h"
#include "runtime/lua/libs.h"
#include "runtime/lua/values.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

static struct rv_plan *plan_of(lua_State *lua)
{
    return lua_touserdata(lua, lua_upvalueindex(1));
}

/* 0 when no frame of the agent is left (a tail call gave it up). */
static int agent_line(lua_State *lua, const struct rv_plan *plan)
{
    lua_Debug frame;
    for (int level = 0; lua_getstack(lua, level, &frame) != 0; level++) {
        lua_getinfo(lua, "Sl", &frame);
        if (frame.source[0] == '=' && strcmp(frame.source + 1, plan->agent->name) == 0) {
            return frame.currentline;
        }
    }
    return 0;
}

static int fail_with(lua_State *lua, const struct rv_plan *plan, const char *what,
                     const char *problem)
{
    int line = agent_line(lua, plan);
    if (line > 0) {
        lua_pushfstring(lua, "%s:%d: %s%s", plan->agent->name, line, what, problem);
    } else {
        lua_pushfstring(lua, "%s: %s%s", plan->agent->name, what, problem);
    }
    return lua_error(lua);
}

/* fail(message): an error at the agent's line. */
static int host_fail(lua_State *lua)
{
    return fail_with(lua, plan_of(lua), luaL_checkstring(lua, 1), "");
}

/* check(value, what): an error when value is no plain data. */
static int host_check(lua_State *lua)
{
    char problem[VALUES_PROBLEM_BYTES];
    json_t *value = values_to_json(lua, 1, problem);
    if (value == NULL) {
        lua_pushfstring(lua, "%s: ", luaL_checkstring(lua, 2));
        return fail_with(lua, plan_of(lua), lua_tostring(lua, -1), problem);
    }
    json_decref(value);
    return 0;
}

/* line(): the agent's line that runs now. */
static int host_line(lua_State *lua)
{
    lua_pushinteger(lua, agent_line(lua, plan_of(lua)));
    return 1;
}

/* request(name, args, retry?): stands still until there is an answer, and gives it. */
static int host_request(lua_State *lua)
{
    struct rv_plan *plan = plan_of(lua);
    const char *name = luaL_checkstring(lua, 1);
    char problem[VALUES_PROBLEM_BYTES];
    if (plan->thread == NULL) {
        return fail_with(lua, plan, name,
                         ": nothing can be asked while the agent loads; ask in plan");
    }
    if (lua_isyieldable(lua) == 0) {
        return fail_with(lua, plan, name,
                         ": cannot wait inside a sort or gsub function; ask before, or after");
    }
    json_t *args = values_to_json(lua, 2, problem);
    if (args == NULL) {
        lua_pushfstring(lua, "%s: ", name);
        return fail_with(lua, plan, lua_tostring(lua, -1), problem);
    }
    json_decref(plan->request_args);
    json_decref(plan->request_retry);
    plan->request_args = args;
    plan->request_retry = lua_isnoneornil(lua, 3) ? NULL : values_to_json(lua, 3, problem);
    plan->request_line = agent_line(lua, plan);
    snprintf(plan->request_name, sizeof plan->request_name, "%s", name);
    plan->requested = true;
    return lua_yield(lua, 0);
}

/* array(list): marks a table as a list, so that an empty one stays one. */
static int host_array(lua_State *lua)
{
    lua_settop(lua, 1);
    if (lua_isnil(lua, 1)) {
        lua_newtable(lua);
    } else if (!lua_istable(lua, 1)) {
        return fail_with(lua, plan_of(lua), "json.array: ", "the argument must be a table");
    }
    values_mark_array(lua);
    return 1;
}

/* setmetatable(table, metatable): for the prelude only; agents never see it. */
static int host_setmetatable(lua_State *lua)
{
    luaL_checktype(lua, 1, LUA_TTABLE);
    lua_settop(lua, 2);
    lua_setmetatable(lua, 1);
    return 1;
}

/* random(low, high): SplitMix64 (Steele, Lea, Flood 2014), seeded by the run. */
static int host_random(lua_State *lua)
{
    struct rv_plan *plan = plan_of(lua);
    lua_Integer low = luaL_checkinteger(lua, 1);
    lua_Integer high = luaL_checkinteger(lua, 2);
    if (plan->thread == NULL) {
        return fail_with(lua, plan, "math.random: ", "there is no chance while the agent loads");
    }
    if (low > high) {
        return fail_with(lua, plan, "math.random: ", "the interval is empty");
    }
    uint64_t z = plan->chance += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    z ^= z >> 31;
    uint64_t span = (uint64_t)high - (uint64_t)low + 1;
    lua_pushinteger(lua, (lua_Integer)((uint64_t)low + (span == 0 ? z : z % span)));
    return 1;
}

void host_push(lua_State *lua, struct rv_plan *plan)
{
    static const luaL_Reg functions[] = {{"fail", host_fail},
                                         {"check", host_check},
                                         {"line", host_line},
                                         {"request", host_request},
                                         {"array", host_array},
                                         {"random", host_random},
                                         {"setmetatable", host_setmetatable},
                                         {NULL, NULL}};
    lua_newtable(lua);
    lua_pushlightuserdata(lua, plan);
    luaL_setfuncs(lua, functions, 1);
    lua_pushinteger(lua, RV_PLAN_ACTIONS_MAX);
    lua_setfield(lua, -2, "actions_max");
    libs_push_base(lua);
    lua_setfield(lua, -2, "base");
    libs_push_table(lua);
    lua_setfield(lua, -2, "table");
    libs_push_string(lua);
    lua_setfield(lua, -2, "string");
    libs_push_math(lua);
    lua_setfield(lua, -2, "math");
    libs_push_utf8(lua);
    lua_setfield(lua, -2, "utf8");
}
