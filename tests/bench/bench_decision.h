/* bench_decision.h -- the case "approval" of `park`: from a person's decision to the plan's next
 * journal entry; see bench_decision.c. */
#ifndef REEVE_TESTS_BENCH_BENCH_DECISION_H
#define REEVE_TESTS_BENCH_BENCH_DECISION_H

#include "tests/bench/bench.h"

void bench_decision_run(const struct bench_run *run);

#endif
