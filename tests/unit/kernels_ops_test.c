/* The comparison of backends, tried on the reference itself: it agrees with itself, and a backend
 * that is wrong somewhere is found out. */
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

TEST_MAIN()
