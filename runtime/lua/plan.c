/* plan.c -- one run: open a sealed state, start the coroutine, step it.  See plan.h, engine.h. */
#include "runtime/base/check.h"
#include "runtime/base/clock.h"
#include "runtime/lua/engine.h"
#include "runtime/lua/length.h"
#include "runtime/lua/values.h"

#include <lauxlib.h>
#include <string.h>

/* ---- opening a state ---- */

static void load_code(lua_State *lua, const struct rv_buf *code, const char *chunk)
{
    if (luaL_loadbufferx(lua, code->data, code->length, chunk, "b") != LUA_OK) {
        lua_error(lua);
    }
}

/* Leaves: enter, the agent's table. */
static int open_agent(lua_State *lua)
{
    struct rv_plan *plan = lua_touserdata(lua, 1);
    const struct rv_agent *agent = plan->agent;
    values_open(lua);
    length_push(lua);
    load_code(lua, &agent->prelude->code, "prelude");
    lua_pushvalue(lua, 2);
    host_push(lua, plan);
    lua_call(lua, 2, 2); /* environment, enter */
    load_code(lua, &agent->code, "agent");
    lua_pushvalue(lua, -3);
    RV_ASSERT(lua_setupvalue(lua, -2, 1) != NULL); /* _ENV, the one upvalue of a main chunk */
    lua_pushvalue(lua, 2);
    lua_call(lua, 1, 1);
    if (!lua_istable(lua, -1)) {
        return luaL_error(lua, "%s does not return its agent table", agent->name);
    }
    return 2;
}

enum rv_code engine_open(struct rv_plan *plan, const struct rv_agent *agent, struct rv_error *err)
{
    plan->agent = agent;
    sealed_open(&plan->sealed, RV_PLAN_MEMORY_MAX, RV_PLAN_INSTRUCTIONS_MAX);
    lua_State *lua = plan->sealed.lua;
    lua_gc(lua,
           LUA_GCSTOP); /* nothing made here is garbage soon; a refusal collects all the same */
    lua_pushcfunction(lua, open_agent);
    lua_pushlightuserdata(lua, plan);
    int status = lua_pcall(lua, 1, 2, 0);
    lua_gc(lua, LUA_GCRESTART);
    if (status == LUA_OK) {
        return RV_OK;
    }
    enum rv_code code = sealed_failure(&plan->sealed, lua, status, agent->name, err);
    engine_close(plan);
    return code;
}

void engine_close(struct rv_plan *plan)
{
    sealed_close(&plan->sealed);
    json_decref(plan->request_args);
    json_decref(plan->request_retry);
}

/* ---- start ---- */

struct starting {
    struct rv_plan *plan;
    const char *entry;
    const json_t *input;
};

/* The date of ctx.today, when the caller did not say one: a company's day may differ from UTC's. */
static void set_today(lua_State *lua, const json_t *input)
{
    if (rv_json_str(input, "today", NULL) == NULL) {
        char text[RV_TIME_TEXT];
        rv_time_text(rv_json_int(input, "now_us", 0), text);
        lua_pushlstring(lua, text, strlen("YYYY-MM-DD"));
        lua_setfield(lua, -2, "today");
    }
}

/* Stack: starting, enter, agent.  Makes the coroutine and its arguments; leaves the thread. */
static int make_thread(lua_State *lua)
{
    struct starting *starting = lua_touserdata(lua, 1);
    lua_State *thread = lua_newthread(lua);
    lua_pushvalue(lua, 2);
    lua_pushvalue(lua, 3);
    lua_pushstring(lua, starting->entry);
    values_push(lua, starting->input);
    set_today(lua, starting->input);
    values_push(lua, json_object_get(starting->plan->agent->manifest, "uses"));
    const json_t *updates = json_object_get(starting->plan->agent->manifest, "updates");
    lua_newtable(lua); /* their names */
    const char *name;
    json_t *schema;
    json_object_foreach((json_t *)(uintptr_t)updates, name, schema)
    {
        lua_pushboolean(lua, 1);
        lua_setfield(lua, -2, name);
    }
    lua_xmove(lua, thread, 6);
    starting->plan->arguments = 5;
    starting->plan->thread = thread;
    return 1;
}

enum rv_code rv_plan_start(struct rv_agent *agent, const char *entry, const json_t *input,
                           struct rv_plan **out, struct rv_error *err)
{
    bool review = strcmp(entry, "review") == 0;
    if (!review && strcmp(entry, "plan") != 0) {
        return rv_fail(err, RV_INVALID, "an agent has no entry \"%s\": plan or review", entry);
    }
    if (review && !agent->has_review) {
        return rv_fail(err, RV_NOT_FOUND, "agent \"%s\" has no review", agent->name);
    }
    struct rv_plan *plan = rv_alloc(sizeof *plan);
    plan->chance = (uint64_t)rv_json_int(input, "seed", 0);
    enum rv_code code = engine_open(plan, agent, err);
    if (code != RV_OK) {
        rv_free(plan);
        return code;
    }
    lua_State *lua = plan->sealed.lua;
    struct starting starting = {plan, entry, input};
    lua_pushcfunction(lua, make_thread);
    lua_insert(lua, 1);
    lua_pushlightuserdata(lua, &starting);
    lua_insert(lua, 2);
    int status = lua_pcall(lua, 3, 1, 0);
    if (status != LUA_OK) {
        code = sealed_failure(&plan->sealed, lua, status, agent->name, err);
        rv_plan_destroy(plan);
        return code;
    }
    *out = plan;
    return RV_OK;
}

void rv_plan_destroy(struct rv_plan *plan)
{
    if (plan != NULL) {
        engine_close(plan);
        rv_free(plan);
    }
}

/* ---- step ---- */

static int push_answer(lua_State *lua)
{
    values_push(lua, lua_touserdata(lua, 1));
    return 1;
}

/* Puts the answer on the coroutine's stack.  Converting may run out of memory, so it is done on the
 * main thread under pcall and moved over. */
static bool give_answer(struct rv_plan *plan, const json_t *answer, struct rv_error *err)
{
    lua_State *lua = plan->sealed.lua;
    lua_pushcfunction(lua, push_answer);
    lua_pushlightuserdata(lua, (void *)(uintptr_t)answer);
    int status = lua_pcall(lua, 1, 1, 0);
    if (status != LUA_OK || lua_checkstack(plan->thread, 1) == 0) {
        sealed_failure(&plan->sealed, lua, status, plan->agent->name, err);
        return false;
    }
    lua_xmove(lua, plan->thread, 1);
    plan->arguments = 1;
    return true;
}

static enum rv_plan_status finish(struct rv_plan *plan, json_t **result, struct rv_error *err)
{
    char problem[VALUES_PROBLEM_BYTES];
    json_t *value = values_to_json(plan->thread, -1, problem);
    if (value == NULL) {
        rv_fail(err, RV_INVALID, "%s: the result: %s", plan->agent->name, problem);
        return RV_PLAN_FAILED;
    }
    *result = value;
    return RV_PLAN_DONE;
}

enum rv_plan_status rv_plan_step(struct rv_plan *plan, const json_t *answer,
                                 struct rv_plan_request *request, json_t **result,
                                 struct rv_error *err)
{
    RV_ASSERT(!plan->over);
    sealed_turn(&plan->sealed, plan->thread);
    bool first = !plan->requested;
    plan->requested = false;
    if (!first && !give_answer(plan, answer, err)) {
        plan->over = true;
        return RV_PLAN_FAILED;
    }
    int count = 0;
    int status = lua_resume(plan->thread, plan->sealed.lua, plan->arguments, &count);
    if (status == LUA_YIELD) {
        RV_ASSERT(plan->requested && count == 0);
        *request = (struct rv_plan_request){.name = plan->request_name,
                                            .args = plan->request_args,
                                            .retry = plan->request_retry,
                                            .line = plan->request_line};
        return RV_PLAN_REQUEST;
    }
    plan->over = true;
    if (status != LUA_OK) {
        sealed_failure(&plan->sealed, plan->thread, status, plan->agent->name, err);
        return RV_PLAN_FAILED;
    }
    return finish(plan, result, err);
}

size_t rv_plan_memory_bytes(const struct rv_plan *plan)
{
    return plan->sealed.memory_used;
}

int64_t rv_plan_instructions(const struct rv_plan *plan)
{
    return plan->sealed.work;
}
