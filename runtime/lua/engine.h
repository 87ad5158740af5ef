/* engine.h -- what an agent and its runs are made of.  Private to runtime/lua.
 *
 *     agent.c   rv_agent: source -> checked manifest, compiled code, hash
 *     plan.c    rv_plan: one run, from start to its last step
 *     source.c  what is read over before compiling: # and ^; length.c: what became of #
 *     host.c    the functions in C that the prelude (assets/prelude.lua) is made of
 *
 * One Lua state for each run, not coroutines in a state that an agent's or a company's runs share.
 * `reeve bench lua` measures both (cases state_for_each and one_state, 1,000 runs, an x86
 * server core): a state of its own costs 47 us more at the start (81 against 34) and 22 KB more
 * while the run is awake (36 against 14).  For that the memory cap is exact, one run's garbage
 * never stops another (a full collection of the shared heap stops everybody for 4.9 ms), nothing
 * can leak from run to run through a metatable, and the end is one call of 16 us where a shared
 * heap needs 2.2 ms to get a run's memory back.  A parked run keeps no state at all, so the 22 KB
 * count only for runs that are awake, and the 47 us are less than the commit that follows.
 * Compiling is done once: a run loads the bytecode that its agent keeps; a load costs five times a
 * start, so keep agents while they are used.
 */
#ifndef REEVE_RUNTIME_LUA_ENGINE_H
#define REEVE_RUNTIME_LUA_ENGINE_H

#include "runtime/lua/plan.h"
#include "runtime/lua/sealed.h"

enum { ENGINE_NAME_BYTES = 64, ENGINE_CODE_MAX = 4 << 20 };

/* The prelude's bytecode, which we made ourselves and which never leaves the process; agents of one
 * loop share it (rv_agent_load_beside). */
struct prelude {
    struct rv_buf code;
    int users;
};

struct rv_agent {
    char *source;
    char name[ENGINE_NAME_BYTES]; /* for messages */
    struct rv_hash hash;
    json_t *manifest;
    bool has_review;
    struct prelude *prelude;
    struct rv_buf code; /* as the prelude's */
};

struct rv_plan {
    struct sealed sealed;
    const struct rv_agent *agent;
    lua_State *thread; /* the coroutine that runs; NULL while opening */
    uint64_t chance;   /* state of math.random */
    int arguments;     /* on the thread's stack, for the first resume */
    bool over;
    /* the request that stands */
    char request_name[24];
    json_t *request_args;
    json_t *request_retry; /* NULL: none */
    int request_line;
    bool requested;
};

/* Opens a state and runs the agent's text in its sealed environment.  On RV_OK the main thread's
 * stack holds: enter, the agent's table. */
RV_MUST enum rv_code engine_open(struct rv_plan *plan, const struct rv_agent *agent,
                                 struct rv_error *err);
void engine_close(struct rv_plan *plan);

/* Pushes the table of functions that the prelude gets. */
void host_push(lua_State *lua, struct rv_plan *plan);

#endif
