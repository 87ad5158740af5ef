/* sealed.c -- see sealed.h.
 *
 * Why sticky: a plain count hook is defeated by `while true do pcall(f) end`, because each error it
 * raises is caught and the next comes a full interval later.  Here the first refusal arms the hook
 * for every instruction, so the first instruction after a pcall raises again, until nothing is
 * left.
 *
 * The allocator may not raise.  It refuses, and arms the hook the same way; lua_sethook only sets
 * fields and is made to be called at any moment.  After a refusal Lua collects all garbage and asks
 * once more: the second refusal in a row is the end.  Making it final also closes the hole where a
 * loop catches "not enough memory" and makes Lua collect a full heap each time round.
 */
#include "runtime/lua/sealed.h"

#include "runtime/base/check.h"
#include "runtime/base/clock.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

static void on_count(lua_State *lua, lua_Debug *debug);

static void arm(struct sealed *sealed)
{
    if (sealed->running != NULL) {
        lua_sethook(sealed->running, on_count, LUA_MASKCOUNT, 1);
    }
}

static void kill_with(struct sealed *sealed, enum sealed_limit limit)
{
    if (sealed->limit == SEALED_NONE) {
        sealed->limit = limit;
    }
    arm(sealed);
}

/* ---- the allocator ---- */

static void *refuse(struct sealed *sealed)
{
    if (++sealed->refusals >= 2) {
        kill_with(sealed, SEALED_MEMORY);
    }
    return NULL;
}

/* Counts an object that the program makes.  Not the parts of tables: how large they are depends on
 * where texts hash, and filling them costs instructions anyway.  Not short texts: whether one is
 * made or still there from before depends on the collector.  A count with either in it would let a
 * run pass here that fails there. */
static void count_object(struct sealed *sealed, size_t kind, size_t size)
{
    if (kind == 0 || (kind == LUA_TSTRING && size <= SEALED_SHORT_TEXT)) {
        return;
    }
    sealed->work += SEALED_BLOCK_WORK + (int64_t)(size / SEALED_BYTES_PER_WORK);
    if (sealed->work > sealed->work_max) {
        arm(sealed);
    }
}

static void *allocate(void *data, void *block, size_t old_size, size_t new_size)
{
    struct sealed *sealed = data;
    size_t old = block != NULL ? old_size : 0; /* without a block, old_size is the kind of object */
    if (new_size == 0) {
        sealed->memory_used -= old;
        heap_free(&sealed->heap, block, old);
        return NULL;
    }
    if (new_size > old) {
        if (new_size > SEALED_BLOCK_MAX ||
            sealed->memory_used + (new_size - old) > sealed->memory_max) {
            return refuse(sealed);
        }
        sealed->refusals = 0;
        count_object(sealed, block == NULL ? old_size : 0, new_size);
    }
    void *memory = heap_resize(&sealed->heap, block, old, new_size);
    sealed->memory_used = sealed->memory_used - old + new_size;
    return memory;
}

/* ---- the count ---- */

static const char *const limit_texts[] = {
    [SEALED_MEMORY] = "limit \"memory\": the run needs more than it may have",
    [SEALED_INSTRUCTIONS] = "limit \"instructions\": the run does more work than it may",
    [SEALED_CPU] = "limit \"cpu\": one turn took more processor time than it may",
};

static void check_caps(lua_State *lua, struct sealed *sealed)
{
    if (sealed->limit == SEALED_NONE) {
        if (sealed->work > sealed->work_max) {
            kill_with(sealed, SEALED_INSTRUCTIONS);
        } else if (rv_thread_cpu_us() - sealed->turn_began_us > SEALED_TURN_CPU_US) {
            kill_with(sealed, SEALED_CPU);
        }
    }
    if (sealed->limit != SEALED_NONE) {
        arm(sealed);
        luaL_error(lua, "%s", limit_texts[sealed->limit]);
    }
}

static void on_count(lua_State *lua, lua_Debug *debug)
{
    (void)debug;
    struct sealed *sealed = sealed_of(lua);
    sealed->work += SEALED_HOOK_EVERY;
    check_caps(lua, sealed);
}

void sealed_charge(lua_State *lua, int64_t work)
{
    struct sealed *sealed = sealed_of(lua);
    sealed->work += work;
    if (sealed->limit != SEALED_NONE || sealed->work > sealed->work_max) {
        check_caps(lua, sealed);
    }
}

int64_t sealed_left(const struct sealed *sealed)
{
    return sealed->work < sealed->work_max ? sealed->work_max - sealed->work : 0;
}

struct sealed *sealed_of(lua_State *lua)
{
    void *data = NULL;
    lua_getallocf(lua, &data);
    return data;
}

/* ---- life ---- */

void sealed_open(struct sealed *sealed, size_t memory_max, int64_t work_max)
{
    *sealed = (struct sealed){.memory_max = memory_max, .work_max = work_max};
    sealed->lua = lua_newstate(allocate, sealed);
    RV_ASSERT(sealed->lua != NULL); /* some kilobytes; memory_max is megabytes */
    sealed_turn(sealed, sealed->lua);
}

void sealed_turn(struct sealed *sealed, lua_State *thread)
{
    sealed->turn_began_us = rv_thread_cpu_us();
    if (sealed->running != thread) { /* else the count goes on where the last turn left it */
        sealed->running = thread;
        lua_sethook(thread, on_count, LUA_MASKCOUNT, SEALED_HOOK_EVERY);
    }
    if (sealed->limit != SEALED_NONE || sealed->work > sealed->work_max) {
        arm(sealed);
    }
}

void sealed_close(struct sealed *sealed)
{
    sealed->running = NULL;
    if (!heap_is_whole(&sealed->heap)) {
        lua_close(sealed->lua);
        RV_ASSERT(sealed->memory_used == 0);
    }
    heap_drop(&sealed->heap); /* nothing of a state needs a good-bye: it holds only memory */
}

enum rv_code sealed_failure(const struct sealed *sealed, lua_State *lua, int status,
                            const char *name, struct rv_error *err)
{
    if (sealed->limit == SEALED_MEMORY || status == LUA_ERRMEM) {
        return rv_fail(err, RV_LIMIT,
                       "%s: limit \"memory\": more than %zu bytes, or %d in one piece", name,
                       sealed->memory_max, SEALED_BLOCK_MAX);
    }
    if (sealed->limit == SEALED_INSTRUCTIONS) {
        return rv_fail(err, RV_LIMIT, "%s: limit \"instructions\": more than %lld in one run", name,
                       (long long)sealed->work_max);
    }
    if (sealed->limit == SEALED_CPU) {
        return rv_fail(err, RV_LIMIT, "%s: limit \"cpu\": more than %d ms in one turn", name,
                       SEALED_TURN_CPU_US / 1000);
    }
    if (lua_type(lua, -1) != LUA_TSTRING) {
        return rv_fail(err, RV_INVALID, "%s: an error object that is no text was raised: a %s",
                       name, luaL_typename(lua, -1));
    }
    const char *text = lua_tostring(lua, -1);
    bool placed = strncmp(text, name, strlen(name)) == 0;
    return rv_fail(err, RV_INVALID, "%s%s%s", placed ? "" : name, placed ? "" : ": ", text);
}
