/* bench_model.c -- `reeve-bench model`: the embedded engine; each group of cases has a file of its
 * own (bench_model_*.c). */
#include "tests/bench/bench_model_cpu.h"

static void run_model(const struct bench_run *run)
{
    bench_model_cpu(run);
}

const struct bench bench_model = {"model", "the embedded engine on the CPU", run_model};
