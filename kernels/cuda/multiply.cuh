// multiply.cuh -- products of weights and activations.
#ifndef REEVE_KERNELS_CUDA_MULTIPLY_CUH
#define REEVE_KERNELS_CUDA_MULTIPLY_CUH

#include "kernels/cuda/matrix.cuh"

enum {
    CUDA_PRODUCTS_MAX = 3, /* of one input: q, k, v */
    CUDA_LOW_MAX = 32      /* adapters of a launch */
};

struct cuda_product {
    struct cuda_matrix weight;
    const float *bias; // NULL: none
    float *out;        // [tokens][rows]
};

// What products need beside their operands; all on the GPU.
struct cuda_scratch {
    uint16_t *staged;   // activations as bf16: cuda_staged_bytes
    uint16_t *expanded; // a matrix as bf16, for the library; NULL: it is not used
    size_t expanded_bytes;
    float *low; // [tokens][KERNEL_RANK_MAX]
};
size_t cuda_staged_bytes(uint32_t tokens, uint32_t columns);

// x is [tokens][columns].  The library may be faster for many tokens, but a row's bits then depend on how many
// there are.
void cuda_multiply(struct cuda_device *device, const struct cuda_scratch *scratch, const struct cuda_product *products,
                   uint32_t count, const float *x, uint32_t tokens, bool library);

// One adapter; NULL matrices: it does not touch this product.
struct cuda_low_rank {
    const struct cuda_matrix *a, *b; // on the GPU
    uint32_t rank;
    float scale;
};
struct cuda_low_ranks {
    struct cuda_low_rank of[CUDA_LOW_MAX];
    int32_t first, count; // adapters first .. first + count - 1
};
// out[t] += scale b (a x[t]) for the tokens whose sequence has one of these adapters.
void cuda_adapt(struct cuda_device *device, const struct cuda_scratch *scratch, const struct cuda_low_ranks *low,
                uint32_t rank_max, uint32_t columns, uint32_t rows, const int32_t *token_adapter, uint32_t tokens,
                const float *x, float *out);

#endif
