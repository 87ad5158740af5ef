/* random_plan.h -- agents in Lua by chance, and a world that answers them, for tests of replay.
 *
 * A plan does what stock Lua answers differently from start to start, and tells what it saw: tables
 * with holes and texts as keys, erasing while it iterates, sorts with ties, patterns, closures,
 * pcall, chance, the clock, integers and floats.
 */
#ifndef REEVE_TESTS_SUPPORT_RANDOM_PLAN_H
#define REEVE_TESTS_SUPPORT_RANDOM_PLAN_H

#include <jansson.h>
#include <stdint.h>

/* The text of an agent; the caller frees it with rv_free. */
char *random_plan(uint64_t seed);
json_t *random_plan_input(uint64_t seed);
/* What the world says to request `number` of that plan; new reference. */
json_t *random_plan_answer(uint64_t seed, int number, const char *request);

#endif
