/* tensor.h -- a matrix as a model file keeps it: a type, a shape, bytes.
 *
 * Rows are stored one after another, each a whole number of blocks of its type.  GGUF writes
 * dimensions in reverse: `columns` is ne[0], the length of a row.
 */
#ifndef REEVE_KERNELS_MODEL_TENSOR_H
#define REEVE_KERNELS_MODEL_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The numbers are those of GGUF. */
enum kernel_type {
    KERNEL_F32 = 0,
    KERNEL_F16 = 1,
    KERNEL_Q4_0 = 2,
    KERNEL_Q4_1 = 3,
    KERNEL_Q5_0 = 6,
    KERNEL_Q5_1 = 7,
    KERNEL_Q8_0 = 8,
    KERNEL_Q4_K = 12,
    KERNEL_Q5_K = 13,
    KERNEL_Q6_K = 14,
    KERNEL_BF16 = 30
};

struct kernel_type_facts {
    enum kernel_type type;
    const char *name;
    uint32_t block; /* elements of a block */
    uint32_t block_bytes;
};
/* NULL: unknown. */
const struct kernel_type_facts *kernel_type_facts(uint32_t type);
const struct kernel_type_facts *kernel_type_named(const char *name); /* "Q8_0", any case */
/* What others call a type that is not known here, for messages; "?" where nobody knows it. */
const char *kernel_type_guess(uint32_t type);
#define KERNEL_TYPES "F32 F16 BF16 Q8_0 Q4_0 Q4_1 Q5_0 Q5_1 Q4_K Q5_K Q6_K"

struct kernel_tensor {
    const char *name; /* NUL-terminated */
    enum kernel_type type;
    uint32_t columns; /* elements of a row */
    uint32_t rows;    /* product of the other dimensions */
    uint32_t dimension[4];
    const void *data; /* in the mapping, or in a backend's memory */
    size_t bytes;
    bool in_file; /* pages of the mapping may be dropped: they come back from the file */
};

#endif
