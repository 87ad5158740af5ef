/* bench_lua_states.c -- whose is the Lua state: the run's, or shared by the runs of an agent?
 *
 * Two ways to hold RUNS runs that all stand still in the middle of their plan, each with facts of
 * its own, as parked runs do:
 *
 *     run      a state for each run, which is what reeve does (runtime/lua/engine.h)
 *     shared   one state for all runs of an agent (or of a company: the same with more code in
 *              it), each run a coroutine with globals and copies of the library tables of its own
 *
 * Both load the same bytecode over Lua's own libraries, so the difference is the states' and
 * nothing of reeve's.  Reported: processor time of a start and of throwing one run away so that its
 * memory is free, bytes of a run that stands still, and the stop that one full collection means for
 * everybody who shares the heap.
 */
#include "tests/bench/bench_lua_states.h"
#include "runtime/base/check.h"
#include "runtime/base/clock.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdlib.h>

enum { RUNS = 1000, THROWN_AWAY = 100 };

/* begin(environment): a coroutine that stands still with the facts of twenty invoice lines */
static const char begin_text[] =
    "local function copy(from)\n"
    "  local to = {}\n"
    "  for name, value in pairs(from) do to[name] = value end\n"
    "  return to\n"
    "end\n"
    "local code = string.dump(load([[\n"
    "  local function fact(i) return { no = i, item = 'item ' .. i, minor = i * 112, open = true } "
    "end\n"
    "  local facts = {}\n"
    "  for i = 1, 20 do facts[i] = fact(i) end\n"
    "  return coroutine.yield(facts)\n"
    "]]), true)\n"
    "return function(own_globals)\n"
    "  local globals = _G\n"
    "  if own_globals then\n"
    "    globals = copy(_G)\n"
    "    for name, value in pairs(globals) do\n"
    "      if type(value) == 'table' then globals[name] = copy(value) end\n"
    "    end\n"
    "  end\n"
    "  local run = coroutine.create(load(code, 'plan', 'b', globals))\n"
    "  assert(coroutine.resume(run))\n"
    "  return run\n"
    "end\n";

static void *count_bytes(void *data, void *block, size_t old_size, size_t new_size)
{
    size_t *bytes = data;
    *bytes += new_size;
    *bytes -= block != NULL ? old_size : 0;
    if (new_size == 0) {
        free(block);
        return NULL;
    }
    void *out = realloc(block, new_size);
    RV_ASSERT(out != NULL);
    return out;
}

/* Leaves begin() on the stack. */
static lua_State *open_state(size_t *bytes)
{
    lua_State *lua = lua_newstate(count_bytes, bytes);
    RV_ASSERT(lua != NULL);
    luaL_openlibs(lua);
    RV_ASSERT(luaL_loadstring(lua, begin_text) == LUA_OK && lua_pcall(lua, 0, 1, 0) == LUA_OK);
    return lua;
}

/* Leaves the run on the stack. */
static void begin_run(lua_State *lua, bool own_globals)
{
    lua_pushvalue(lua, 1);
    lua_pushboolean(lua, own_globals);
    RV_ASSERT(lua_pcall(lua, 1, 1, 0) == LUA_OK);
}

static double collect_us(lua_State *lua)
{
    int64_t began_us = rv_thread_cpu_us();
    lua_gc(lua, LUA_GCCOLLECT);
    return (double)(rv_thread_cpu_us() - began_us);
}

struct figures {
    double start_us, end_us, bytes, collect_us;
};

static struct figures state_for_each(void)
{
    static lua_State *states[RUNS];
    struct figures figures = {.start_us = 0};
    size_t bytes = 0;
    int64_t began_us = rv_thread_cpu_us();
    for (int i = 0; i < RUNS; i++) {
        states[i] = open_state(&bytes);
        begin_run(states[i], false);
    }
    figures.start_us = (double)(rv_thread_cpu_us() - began_us) / RUNS;
    figures.bytes = (double)bytes / RUNS;
    figures.collect_us = collect_us(states[0]);
    began_us = rv_thread_cpu_us();
    for (int i = 0; i < RUNS; i++) {
        lua_close(states[i]);
    }
    figures.end_us = (double)(rv_thread_cpu_us() - began_us) / RUNS;
    RV_ASSERT(bytes == 0);
    return figures;
}

static struct figures one_state(void)
{
    struct figures figures = {.start_us = 0};
    size_t bytes = 0;
    lua_State *lua = open_state(&bytes);
    RV_ASSERT(lua_checkstack(lua, RUNS + LUA_MINSTACK));
    size_t empty = bytes;
    int64_t began_us = rv_thread_cpu_us();
    for (int i = 0; i < RUNS; i++) {
        begin_run(lua, true);
    }
    figures.start_us = (double)(rv_thread_cpu_us() - began_us) / RUNS;
    figures.collect_us = collect_us(lua);
    figures.bytes = (double)(bytes - empty) / RUNS;
    for (int i = 0; i < THROWN_AWAY; i++) { /* free at once, as a cap on memory must be able to */
        lua_pop(lua, 1);
        figures.end_us += collect_us(lua) / THROWN_AWAY;
    }
    lua_close(lua);
    RV_ASSERT(bytes == 0);
    return figures;
}

static void report(const struct bench_run *run, const char *name, struct figures figures)
{
    bench_report(run, "lua", name, "start", figures.start_us, "us");
    bench_report(run, "lua", name, "end", figures.end_us, "us");
    bench_report(run, "lua", name, "stop_of_all", figures.collect_us, "us");
    bench_report(run, "lua", name, "memory", figures.bytes, "bytes");
}

void bench_lua_states(const struct bench_run *run)
{
    if (bench_wants(run, "state_for_each")) {
        report(run, "state_for_each", state_for_each());
    }
    if (bench_wants(run, "one_state")) {
        report(run, "one_state", one_state());
    }
}
