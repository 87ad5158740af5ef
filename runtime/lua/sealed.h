/* sealed.h -- a Lua state that cannot take more than it was given.  Private to runtime/lua.
 *
 * Three caps, each sticky: once one is hit the state is dead, whatever pcall catches.
 *   memory        exact, in the allocator; also no single block above SEALED_BLOCK_MAX
 *   instructions  instructions of the virtual machine, plus work that C functions and new objects
 *                 charge in the same unit, so that no library call is a way around the count
 *   cpu           processor time of one turn: a watchdog for what cannot be counted (comparing two
 *                 long strings is one instruction)
 * The count of instructions depends only on the program and its input.  So does memory, but for the
 * room that tables keep after texts were erased from them: a run that lives within a few KB of the
 * cap may meet it in one process and not in another.  The watchdog does not; it stands well above
 * the time that the full count of instructions takes, so it only ever meets an attack.
 */
#ifndef REEVE_RUNTIME_LUA_SEALED_H
#define REEVE_RUNTIME_LUA_SEALED_H

#include "runtime/base/error.h"
#include "runtime/lua/heap.h"

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    SEALED_BLOCK_MAX = 256 << 10, /* the longest text or table part: bounds every single C call */
    SEALED_HOOK_EVERY = 1000,     /* instructions between two looks at the caps */
    SEALED_TURN_CPU_US = 70000,   /* the full count of instructions takes about half of it */
    SEALED_SHORT_TEXT = 72,       /* bytes: a text of up to 40 letters, with its head */
    SEALED_BLOCK_WORK = 10,       /* instructions that a new object counts as ... */
    SEALED_BYTES_PER_WORK = 16    /* ... and bytes of it, made or moved, for one instruction */
};

enum sealed_limit { SEALED_NONE, SEALED_MEMORY, SEALED_INSTRUCTIONS, SEALED_CPU };

struct sealed {
    lua_State *lua;     /* the main thread: owner of everything */
    lua_State *running; /* the thread whose hook is armed */
    size_t memory_used;
    size_t memory_max;
    int64_t work;
    int64_t work_max;
    int64_t turn_began_us;
    int refusals; /* in a row: Lua asks again after collecting; the second refusal is final */
    enum sealed_limit limit;
    struct heap heap;
};

/* A state without libraries.  `sealed` must not move until sealed_close. */
void sealed_open(struct sealed *sealed, size_t memory_max, int64_t work_max);
void sealed_close(struct sealed *sealed);

/* A turn: Lua is about to run on `thread`. */
void sealed_turn(struct sealed *sealed, lua_State *thread);

struct sealed *sealed_of(lua_State *lua);
/* Counts work done in C; raises when that was too much. */
void sealed_charge(lua_State *lua, int64_t work);
/* What is left, in the same unit; never negative. */
int64_t sealed_left(const struct sealed *sealed);

/* Turns the error on top of `lua`'s stack into `err`: RV_LIMIT naming the limit, else RV_INVALID
 * with Lua's text.  `name` is put in front where the text has no place of its own. */
enum rv_code sealed_failure(const struct sealed *sealed, lua_State *lua, int status,
                            const char *name, struct rv_error *err);

#endif
