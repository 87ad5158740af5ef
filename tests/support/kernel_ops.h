/* kernel_ops.h -- every operation of a backend against the reference, over awkward shapes and fresh
 * random numbers.
 *
 * Needs neither Check nor files: test programs, and the self-test on a machine with a GPU, call it.
 */
#ifndef REEVE_TESTS_SUPPORT_KERNEL_OPS_H
#define REEVE_TESTS_SUPPORT_KERNEL_OPS_H

#include "kernels/backend.h"

/* How a backend keeps activations where it multiplies: decides what may differ. */
enum kernel_precision {
    KERNEL_PRECISION_F32,  /* f32, sums in f32 or better */
    KERNEL_PRECISION_F16,  /* weights of more bits are kept as f16 */
    KERNEL_PRECISION_BF16, /* rounded to bf16 (or the cache is) */
    KERNEL_PRECISION_INT8  /* 8 bits with a scale for each 32 or so */
};

struct kernel_ops_options {
    const struct kernel_operations *operations;
    const struct kernel_engine_options *engine; /* may be NULL */
    /* of products with F32, with F16 and BF16, and with block-quantised weights */
    enum kernel_precision float_precision, half_precision, block_precision;
    enum kernel_precision attention_precision; /* of the cache */
    bool same_bits; /* rows must not depend on the batch: required on the CPU */
    uint64_t seed;  /* 0: a fresh one, printed */
};

/* Returns the number of complaints, each printed. */
int kernel_ops_compare(const struct kernel_ops_options *options);

#endif
