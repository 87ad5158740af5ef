// attention.cuh -- positions, the cache of keys and values, and attention over it.
//
// The cache is bf16: [layer][block][kv head]{ keys [16 tokens][head], values [head][16 tokens] }.  Values lie on
// their side so that the tensor cores find what they sum over (tokens) side by side.
#ifndef REEVE_KERNELS_CUDA_ATTENTION_CUH
#define REEVE_KERNELS_CUDA_ATTENTION_CUH

#include "kernels/cuda/device.cuh"

extern "C" {
#include "kernels/backend.h"
}

enum {
    CUDA_TILE_ROWS = 16, // query rows of a warp: some tokens times the heads that share keys
    CUDA_SPLIT = 128     // positions that are summed up on their own
};

// One step, as the kernels see it; arrays are on the GPU.
struct cuda_step {
    const int32_t *position, *token_sequence, *block, *tile_first, *tile_count;
    uint32_t tokens, blocks_max, tiles;
    uint32_t splits; // 0: a warp takes a tile through all positions; else so many warps share it
};

struct cuda_attention_shape {
    uint32_t heads, kv_heads, head_width;
    float scale;
};

// Tokens of a tile: of one sequence, neighbours.
uint32_t cuda_tile_tokens(uint32_t heads, uint32_t kv_heads);
// Floats of `partial` that a step with splits needs.
size_t cuda_partial_floats(uint32_t tokens, uint32_t heads, uint32_t head_width, uint32_t splits);

struct cuda_rope {
    float *q, *k;
    const float *v;
    const float *q_norm, *k_norm; // NULL: none
    float epsilon;
    const double *turn; // [rope_width / 2] radians a position
    uint32_t rope_width;
    bool halves;
};

void cuda_rope_store(struct cuda_device *device, const struct cuda_step *step, const struct cuda_attention_shape *shape,
                     const struct cuda_rope *rope, uint16_t *cache_of_layer);
void cuda_attention(struct cuda_device *device, const struct cuda_step *step, const struct cuda_attention_shape *shape,
                    const uint16_t *cache_of_layer, const float *q, float *partial, float *out);

#endif
