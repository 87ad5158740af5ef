/* The comparison of backends, tried on the reference itself: it agrees with itself, and a backend
 * that is wrong somewhere is found out. */
#include "kernels/model/forward.h"
#include "kernels/serve/sample.h"
#include "tests/support/kernel_ops.h"
#include "tests/support/test.h"

#include <math.h>

TEST(the_reference_agrees_with_itself)
{
    const struct kernel_ops_options options = {.operations = &kernel_operations_ref,
                                               .same_bits = true};
    ck_assert_int_eq(kernel_ops_compare(&options), 0);
}

static void (*true_silu)(struct kernel_backend_state *state, const float *gate, const float *up,
                         uint32_t rows, uint32_t width, float *out);

static void nearly_silu(struct kernel_backend_state *state, const float *gate, const float *up,
                        uint32_t rows, uint32_t width, float *out)
{
    true_silu(state, gate, up, rows, width, out);
    out[(size_t)rows * width / 2] *= 1.001F;
}

TEST(a_backend_that_is_wrong_somewhere_is_found_out)
{
    struct kernel_operations wrong = kernel_operations_ref;
    const struct kernel_ops_options options = {.operations = &wrong, .seed = 7};
    true_silu = wrong.silu_multiply;
    wrong.name = "wrong";
    wrong.silu_multiply = nearly_silu;
    ck_assert_int_gt(kernel_ops_compare(&options), 0);
}

/* The most probable where another was drawn, and no word of alternatives. */
static enum kernel_status always_greedy(struct kernel_backend_state *state, const float *logits,
                                        uint32_t vocabulary, const struct kernel_pick *picks,
                                        uint32_t count, struct kernel_picked *out,
                                        struct kernel_error *error)
{
    const struct kernel_sampling greedy = {.temperature = 0};
    (void)state;
    (void)error;
    for (uint32_t i = 0; i < count; i++) {
        const float *row = logits + (size_t)picks[i].row * vocabulary;
        uint32_t bad = kernel_not_finite(row, vocabulary);
        int32_t token = kernel_sample(row, vocabulary, picks[i].mask, &greedy, 0);
        out[i] =
            (struct kernel_picked){.token = bad > 0 ? KERNEL_PICK_NONE : token, .not_finite = bad};
    }
    return KERNEL_OK;
}

TEST(a_backend_that_takes_wrong_tokens_is_found_out)
{
    struct kernel_operations wrong = kernel_operations_ref;
    const struct kernel_ops_options options = {.operations = &wrong, .seed = 7};
    wrong.name = "wrong";
    wrong.pick = always_greedy;
    ck_assert_int_gt(kernel_ops_compare(&options), 50);
}

TEST_MAIN()
