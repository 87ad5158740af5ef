/* Every level of the CPU backend that this machine has meets values that others' programs computed
 * in float64. */
#include "kernels/cpu/cpu.h"
#include "tests/support/kernel_truth.h"
#include "tests/support/test.h"

static void meets(const char *name, enum kernel_precision precision)
{
    const struct kernel_engine_options engine = {.threads = 2};
    for (enum cpu_level level = CPU_PLAIN; level <= cpu_level_best(); level++) {
        ck_assert_int_eq(kernel_truth_check(name, cpu_operations_at(level), &engine, precision), 0);
    }
}

TEST(llama_f32_meets_the_truth)
{
    meets("tiny-llama-f32", KERNEL_PRECISION_F32);
}
TEST(llama_f16_meets_the_truth)
{
    meets("tiny-llama-F16", KERNEL_PRECISION_BF16);
}
TEST(llama_q8_0_meets_the_truth)
{
    meets("tiny-llama-Q8_0", KERNEL_PRECISION_INT8);
}
TEST(llama_q6_k_meets_the_truth)
{
    meets("tiny-llama-Q6_K", KERNEL_PRECISION_INT8);
}
TEST(llama_q5_k_m_meets_the_truth)
{
    meets("tiny-llama-Q5_K_M", KERNEL_PRECISION_INT8);
}
TEST(llama_q4_k_m_meets_the_truth)
{
    meets("tiny-llama-Q4_K_M", KERNEL_PRECISION_INT8);
}
TEST(llama_q4_0_meets_the_truth)
{
    meets("tiny-llama-Q4_0", KERNEL_PRECISION_INT8);
}
TEST(qwen2_f32_meets_the_truth)
{
    meets("tiny-qwen2-f32", KERNEL_PRECISION_F32);
}
TEST(qwen2_q8_0_meets_the_truth)
{
    meets("tiny-qwen2-Q8_0", KERNEL_PRECISION_INT8);
}
TEST(qwen2_q4_k_m_meets_the_truth)
{
    meets("tiny-qwen2-Q4_K_M", KERNEL_PRECISION_INT8);
}
TEST(qwen3_f32_meets_the_truth)
{
    meets("tiny-qwen3-f32", KERNEL_PRECISION_F32);
}
TEST(an_adapter_of_some_weights_meets_the_truth)
{
    meets("tiny-llama-f32+lora-a", KERNEL_PRECISION_F32);
}
TEST(an_adapter_of_all_weights_meets_the_truth)
{
    meets("tiny-llama-f32+lora-b", KERNEL_PRECISION_F32);
}

TEST_MAIN_WITH(if (!kernel_truth_there()) { return TEST_SKIP_STATUS; })
