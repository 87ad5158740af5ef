/* bench_lua_states.h -- the part of `reeve-bench lua` that compares a Lua state for each run with
 * one state for many: cases "state_for_each" and "one_state". */
#ifndef REEVE_TESTS_BENCH_BENCH_LUA_STATES_H
#define REEVE_TESTS_BENCH_BENCH_LUA_STATES_H

#include "tests/bench/bench.h"

void bench_lua_states(const struct bench_run *run);

#endif
