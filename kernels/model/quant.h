/* quant.h -- rows of weights from their stored types to f32 and back.
 *
 * The block formats are those of ggml (types and layouts as the GGUF files use them).  Reading is
 * exact: each value is the f32 that the format's definition gives, in its order of operations.
 * Writing rounds simply (nearest step between the extremes of a block); it is meant for made models
 * and tests, and searches no better scales as a quantiser for real weights would.
 *
 * Thread: any.  Private to kernels.
 */
#ifndef REEVE_KERNELS_MODEL_QUANT_H
#define REEVE_KERNELS_MODEL_QUANT_H

#include "kernels/model/tensor.h"

enum { KERNEL_K_BLOCK = 256, KERNEL_K_SCALES = 12 };

/* `columns` values, a whole number of blocks; `row` may have any alignment. */
void kernel_dequantise(enum kernel_type type, const void *row, float *out, uint32_t columns);
void kernel_quantise(enum kernel_type type, const float *row, void *out, uint32_t columns);

float kernel_half_to_float(uint16_t half);
uint16_t kernel_float_to_half(float value); /* to nearest, ties to even */
float kernel_bf16_to_float(uint16_t half);
uint16_t kernel_float_to_bf16(float value); /* to nearest, ties to even */

/* Scale and minimum (6 bits each) of 32 values of a Q4_K or Q5_K block; `i` from 0 to 7. */
void kernel_k_scale(const unsigned char scales[KERNEL_K_SCALES], int i, unsigned *scale,
                    unsigned *minimum);

#endif
