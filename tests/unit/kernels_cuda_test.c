/* The CUDA backend's own code, thread by thread on this machine's processor
 * (tests/support/cuda_on_host.h): operations as the reference computes them, the same bits in any
 * company, whole models within their bands. What it cannot show is said in kernels/README.md. */
#include "kernels/cuda/plugin.h"
#include "tests/support/kernel_company.h"
#include "tests/support/kernel_ops.h"
#include "tests/support/kernel_truth.h"
#include "tests/support/test.h"

static const struct kernel_operations *cuda(void)
{
    const struct kernel_operations *operations = reeve_cuda_operations(REEVE_CUDA_VERSION);
    ck_assert_ptr_nonnull(operations);
    return operations;
}

static void compare(bool same_bytes)
{
    const struct kernel_engine_options engine = {.same_bytes = same_bytes};
    const struct kernel_ops_options options = {
        .operations = cuda(),
        .engine = &engine,
        .float_precision = KERNEL_PRECISION_F32,
        .half_precision = KERNEL_PRECISION_BF16,
        .block_precision = KERNEL_PRECISION_BF16,
        .attention_precision = KERNEL_PRECISION_BF16,
        .same_bits = same_bytes,
    };
    ck_assert_int_eq(kernel_ops_compare(&options), 0);
}

TEST(operations_agree_with_the_reference_and_with_themselves)
{
    compare(true);
}

TEST(operations_agree_with_the_reference_where_a_library_multiplies)
{
    compare(false);
}

TEST(a_sequence_has_the_same_bits_in_any_company)
{
    const struct kernel_engine_options engine = {.same_bytes = true};
    ck_assert_int_eq(kernel_company_check("tiny-llama/Q8_0", cuda(), &engine, 0), 0);
}

static void meets(const char *name, enum kernel_precision precision)
{
    const struct kernel_engine_options engine = {.same_bytes = true};
    ck_assert_int_eq(kernel_truth_check(name, cuda(), &engine, precision), 0);
}

TEST(models_meet_the_truth)
{
    if (!kernel_truth_there()) {
        return;
    }
    /* the cache is bf16 whatever the weights are; block types are rounded to it as well */
    meets("tiny-llama-f32", KERNEL_PRECISION_BF16);
    meets("tiny-llama-Q5_K_M", KERNEL_PRECISION_INT8);
    meets("tiny-qwen2-Q4_K_M", KERNEL_PRECISION_INT8);
    meets("tiny-qwen3-f32", KERNEL_PRECISION_BF16);
    meets("tiny-llama-f32+lora-b", KERNEL_PRECISION_BF16);
}

TEST(a_plug_in_of_another_version_is_not_used)
{
    ck_assert_ptr_null(reeve_cuda_operations(REEVE_CUDA_VERSION + 1));
}

TEST_MAIN()
