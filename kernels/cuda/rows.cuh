// rows.cuh -- what works number by number or row by row.
#ifndef REEVE_KERNELS_CUDA_ROWS_CUH
#define REEVE_KERNELS_CUDA_ROWS_CUH

#include "kernels/cuda/matrix.cuh"

void cuda_embed(struct cuda_device *device, const struct cuda_matrix *table, const int32_t *token, uint32_t tokens,
                float *out);
void cuda_norm(struct cuda_device *device, float *x, const float *delta, const float *weight, float epsilon,
               uint32_t rows, uint32_t width, float *out);
void cuda_silu_multiply(struct cuda_device *device, const float *gate, const float *up, size_t count, float *out);
void cuda_gather(struct cuda_device *device, const float *x, const int32_t *output, uint32_t outputs, uint32_t width,
                 float *out);

#endif
