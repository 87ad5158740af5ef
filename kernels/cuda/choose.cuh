// choose.cuh -- one token out of each row of logits, where the logits are: a copy of some bytes instead of a row
// of half a million.
#ifndef REEVE_KERNELS_CUDA_CHOOSE_CUH
#define REEVE_KERNELS_CUDA_CHOOSE_CUH

#include "kernels/cuda/device.cuh"

extern "C" {
#include "kernels/backend.h"
}

// A struct kernel_pick as the GPU reads it.
struct cuda_pick {
    double temperature, least, top_p, chance, measured;
    uint32_t row, top_k, alternatives;
    int32_t mask; // which of the masks; -1: all may come
};

// All pointers are into the GPU's memory; `masks`: (vocabulary + 63) / 64 words each.
void cuda_choose(struct cuda_device *device, const float *logits, uint32_t vocabulary, const uint64_t *masks,
                 const struct cuda_pick *picks, uint32_t count, struct kernel_picked *out);

#endif
