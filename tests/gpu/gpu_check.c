/* gpu_check.c -- the CUDA plug-in on a real GPU: `reeve-gpu-check [--seed N] [--tiny]`.
 *
 * Every operation against the reference on fresh random numbers, with and without cuBLASLt; a
 * sequence in changing company; whole models against values computed elsewhere, where ../shared is
 * there.  `--tiny`: one small model, for compute-sanitizer.  Needs no test library, so that it runs
 * on a bare GPU machine; scripts/check-gpu calls it.
 *
 * Exit codes: 0 all well, 1 complaints (each printed), 2 no GPU or wrong arguments.
 */
#include "kernels/cuda/plugin.h"
#include "tests/support/kernel_company.h"
#include "tests/support/kernel_ops.h"
#include "tests/support/kernel_truth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int compare(const struct kernel_operations *cuda, bool same_bytes, uint64_t seed)
{
    const struct kernel_engine_options engine = {.same_bytes = same_bytes};
    const struct kernel_ops_options options = {
        .operations = cuda,
        .engine = &engine,
        .float_precision = KERNEL_PRECISION_F32,
        .half_precision = KERNEL_PRECISION_BF16,
        .block_precision = KERNEL_PRECISION_BF16,
        .attention_precision = KERNEL_PRECISION_BF16,
        .same_bits = same_bytes,
        .seed = seed,
    };
    return kernel_ops_compare(&options);
}

static int truths(const struct kernel_operations *cuda)
{
    static const struct {
        const char *name;
        enum kernel_precision precision;
    } models[] = {
        {"tiny-llama-f32", KERNEL_PRECISION_BF16},
        {"tiny-llama-F16", KERNEL_PRECISION_BF16},
        {"tiny-llama-Q8_0", KERNEL_PRECISION_INT8},
        {"tiny-llama-Q6_K", KERNEL_PRECISION_INT8},
        {"tiny-llama-Q5_K_M", KERNEL_PRECISION_INT8},
        {"tiny-llama-Q4_K_M", KERNEL_PRECISION_INT8},
        {"tiny-llama-Q4_0", KERNEL_PRECISION_INT8},
        {"tiny-qwen2-f32", KERNEL_PRECISION_BF16},
        {"tiny-qwen2-Q8_0", KERNEL_PRECISION_INT8},
        {"tiny-qwen2-Q4_K_M", KERNEL_PRECISION_INT8},
        {"tiny-qwen3-f32", KERNEL_PRECISION_BF16},
        {"tiny-llama-f32+lora-a", KERNEL_PRECISION_BF16},
        {"tiny-llama-f32+lora-b", KERNEL_PRECISION_BF16},
    };
    int complaints = 0;
    for (size_t i = 0; kernel_truth_there() && i < sizeof models / sizeof models[0]; i++) {
        complaints += kernel_truth_check(models[i].name, cuda, NULL, models[i].precision);
    }
    return complaints;
}

int main(int argc, char **argv)
{
    const struct kernel_engine_options same = {.same_bytes = true};
    const struct kernel_operations *cuda = NULL;
    struct kernel_error error;
    uint64_t seed = 0;
    bool tiny = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
            seed = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--tiny") == 0) {
            tiny = true;
        } else {
            fprintf(stderr, "usage: reeve-gpu-check [--seed N] [--tiny]\n");
            return 2;
        }
    }
    if (kernel_operations_cuda(NULL, &cuda, &error) != KERNEL_OK) {
        fprintf(stderr, "reeve-gpu-check: %s\n", error.message);
        return 2;
    }
    int complaints = kernel_company_check("tiny-llama/Q8_0", cuda, &same, seed);
    if (!tiny) {
        complaints += compare(cuda, true, seed);
        complaints += compare(cuda, false, seed);
        complaints += truths(cuda);
    }
    printf("%d complaints\n", complaints);
    return complaints > 0;
}
