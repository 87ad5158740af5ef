/* kernel_ops_inner.h -- two backends side by side: the reference and the one that is compared.
 * Private to kernel_ops*.c. */
#ifndef REEVE_TESTS_SUPPORT_KERNEL_OPS_INNER_H
#define REEVE_TESTS_SUPPORT_KERNEL_OPS_INNER_H

#include "tests/support/kernel_ops.h"

enum { REF, TESTED, SIDES };

struct ops {
    const struct kernel_ops_options *options;
    const struct kernel_operations *of[SIDES];
    struct kernel_backend_state *state[SIDES];
    uint64_t random;
    int complaints, comparisons;
};

/* The same numbers in both memories. */
struct pair {
    float *at[SIDES];
    size_t floats;
};

/* A tensor of random values and what both made of it. */
struct weight {
    struct kernel_tensor tensor;
    void *memory;
    struct kernel_weight *at[SIDES];
};

uint64_t ops_draw(struct ops *ops);
float ops_number(struct ops *ops); /* about normal */

/* Fresh states with a cache for `shape`. */
void ops_open(struct ops *ops, const struct kernel_shape *shape, uint32_t blocks);
void ops_close(struct ops *ops);

struct pair ops_pair(struct ops *ops, size_t floats, float spread);
void ops_pair_copy(struct ops *ops, struct pair *to, const struct pair *from);
void ops_pair_close(struct ops *ops, struct pair *pair);
float *ops_fetch(struct ops *ops, const struct pair *pair, int side); /* free() */

struct weight ops_weight(struct ops *ops, enum kernel_type type, enum kernel_use use,
                         uint32_t columns, uint32_t rows);
/* The struct does not move from here on. */
void ops_weight_load(struct ops *ops, struct weight *weight, enum kernel_use use);
void ops_weight_close(struct ops *ops, struct weight *weight);

enum kernel_precision ops_precision(const struct ops *ops, enum kernel_type type);
/* What one operation of that precision may differ by. */
double ops_band(enum kernel_precision precision);
void ops_compare_pair(struct ops *ops, const struct pair *pair, double band, const char *what);
/* The same where a number is the sum of `terms` products of numbers about 1: a few such sums can
 * all be near 0, while the errors are those of their summands; and the mean of few squared errors
 * may be far from what is expected of it. */
void ops_compare_sums(struct ops *ops, const struct pair *pair, double band, uint32_t terms,
                      const char *what);
/* Floats `from` .. of `whole` are to the bit floats 0 .. of `part`, on the compared side. */
void ops_same_bits(struct ops *ops, const struct pair *whole, size_t from, const struct pair *part,
                   const char *what);

/* kernel_ops_sequence.c: what needs positions, blocks or adapters. */
void ops_check_attention(struct ops *ops);
void ops_check_adapters(struct ops *ops);
/* kernel_ops_pick.c: tokens out of rows, where the backend takes them. */
void ops_check_picks(struct ops *ops);

#endif
