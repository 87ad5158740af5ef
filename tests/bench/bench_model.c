/* bench_model.c -- `reeve-bench model`: the embedded engine; each group of cases has a file of its
 * own (bench_model_*.c). */
#include "tests/bench/bench_model_cpu.h"
#include "tests/bench/bench_model_encode.h"
#include "tests/bench/bench_model_goals.h"
#include "tests/bench/bench_model_gpu.h"
#include "tests/bench/bench_model_mask.h"
#include "tests/bench/bench_model_sample.h"
#include "tests/bench/bench_model_serve.h"

#include <stdio.h>

static void run_model(const struct bench_run *run)
{
    if (run->gpu) {
        bench_model_gpu(run);
        return;
    }
    bench_model_cpu(run);
    bench_model_serve(run);
    bench_model_goals(run);
    bench_model_sample(run);
    if (bench_wants(run, "encode")) {
        bench_model_encode(run, "kernels/nano/nano.gguf");
    }
    if (bench_wants(run, "mask") || bench_wants(run, "compile")) {
        if (!bench_model_mask(run, "../shared/data/llm/vocab/vocab-qwen2.gguf.gz",
                              "../shared/data/jsonschema/maskbench-sample.jsonl")) {
            fprintf(stderr, "model: mask and compile need the vocabulary and the schemas in "
                            "../shared/data, from the repository's root\n");
        }
    }
}

const struct bench bench_model = {
    "model", "the embedded engine: processor, serving, tokens, masks and schemas", run_model};
