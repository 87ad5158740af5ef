/* The reference backend meets values that were computed in float64 by others' programs. */
#include "tests/support/kernel_truth.h"
#include "tests/support/test.h"

/* The truth holds for exactly dequantised weights, and the reference rounds no activation: so its
 * band is the narrow one for every type. */
static void meets(const char *name)
{
    ck_assert_int_eq(kernel_truth_check(name, &kernel_operations_ref, NULL, KERNEL_PRECISION_F32),
                     0);
}

TEST(llama_f32_meets_the_truth)
{
    meets("tiny-llama-f32");
}
TEST(llama_f16_meets_the_truth)
{
    meets("tiny-llama-F16");
}
TEST(llama_q8_0_meets_the_truth)
{
    meets("tiny-llama-Q8_0");
}
TEST(llama_q6_k_meets_the_truth)
{
    meets("tiny-llama-Q6_K");
}
TEST(llama_q5_k_m_meets_the_truth)
{
    meets("tiny-llama-Q5_K_M");
}
TEST(llama_q4_k_m_meets_the_truth)
{
    meets("tiny-llama-Q4_K_M");
}
TEST(llama_q4_0_meets_the_truth)
{
    meets("tiny-llama-Q4_0");
}
TEST(qwen2_f32_meets_the_truth)
{
    meets("tiny-qwen2-f32");
}
TEST(qwen2_q8_0_meets_the_truth)
{
    meets("tiny-qwen2-Q8_0");
}
TEST(qwen2_q4_k_m_meets_the_truth)
{
    meets("tiny-qwen2-Q4_K_M");
}
TEST(qwen3_f32_meets_the_truth)
{
    meets("tiny-qwen3-f32");
}
TEST(an_adapter_of_some_weights_meets_the_truth)
{
    meets("tiny-llama-f32+lora-a");
}
TEST(an_adapter_of_all_weights_meets_the_truth)
{
    meets("tiny-llama-f32+lora-b");
}

TEST_MAIN_WITH(if (!kernel_truth_there()) { return TEST_SKIP_STATUS; })
