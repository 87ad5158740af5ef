// matrix.cuh -- weights as the GPU keeps them: planes instead of blocks.
//
// A file mixes codes and scales in blocks of 18 to 210 bytes, which no wide load can read.  Here each row is cut
// into groups of 32 weights (the last one filled up with zeros), and the parts of all groups lie in planes of
// their own:
//
//     type                 codes of a group      high bits   scale of a group         super, per 8 groups
//     F32, F16, BF16       128, 64, 64 bytes     -           -                        -
//     Q8_0                 32 x int8             -           half d                   -
//     Q4_0, Q5_0           16 bytes              -, 4        half d                   -
//     Q4_1, Q5_1           16 bytes              -, 4        half d, half m           -
//     Q4_K, Q5_K           16 bytes              -, 4        u8 scale, u8 minimum     half d, half dmin
//     Q6_K                 16 bytes              8           int8, int8 (16 each)     half d
//
// In 16 bytes of codes byte j holds weight j (low half) and j + 16 (high half); high bits follow the weights.
// What a code means stands in kernels/model/quant.c; the arithmetic here is the same, to the bit.
#ifndef REEVE_KERNELS_CUDA_MATRIX_CUH
#define REEVE_KERNELS_CUDA_MATRIX_CUH

#include "kernels/cuda/device.cuh"

extern "C" {
#include "kernels/model/tensor.h"
}

enum { GROUP = 32, SUPER = 8 /* groups */ };

// Pointers into the GPU's memory.
struct cuda_matrix {
    const uint8_t *codes, *high, *scale, *super;
    uint32_t rows, columns, groups; // groups of a row
    int type;                       // enum kernel_type
};

__host__ __device__ constexpr int code_bytes(int type)
{
    return type == KERNEL_F32                          ? 128
           : type == KERNEL_F16 || type == KERNEL_BF16 ? 64
           : type == KERNEL_Q8_0                       ? 32
                                                       : 16;
}
__host__ __device__ constexpr int high_bytes(int type)
{
    return type == KERNEL_Q6_K                                                      ? 8
           : type == KERNEL_Q5_0 || type == KERNEL_Q5_1 || type == KERNEL_Q5_K ? 4
                                                                                    : 0;
}
__host__ __device__ constexpr int scale_bytes(int type)
{
    return type == KERNEL_F32 || type == KERNEL_F16 || type == KERNEL_BF16 ? 0
           : type == KERNEL_Q4_1 || type == KERNEL_Q5_1                    ? 4
                                                                           : 2;
}
__host__ __device__ constexpr int super_bytes(int type)
{
    return type == KERNEL_Q4_K || type == KERNEL_Q5_K ? 4 : type == KERNEL_Q6_K ? 2 : 0;
}
__host__ __device__ constexpr uint32_t supers(uint32_t groups)
{
    return (groups + SUPER - 1) / SUPER;
}

// One group in registers.
template <int TYPE> struct group_bits {
    uint4 code[code_bytes(TYPE) / 16];
    uint32_t high[2], scale, super;
};

template <int TYPE>
__device__ __forceinline__ void group_fetch(const struct cuda_matrix &m, uint32_t row, uint32_t group,
                                            group_bits<TYPE> &bits)
{
    constexpr int words = code_bytes(TYPE) / 16;
    size_t at = (size_t)row * m.groups + group;
    const uint4 *code = (const uint4 *)m.codes + at * words;
#pragma unroll
    for (int i = 0; i < words; i++) {
        bits.code[i] = lanes_stream(code + i);
    }
    if constexpr (high_bytes(TYPE) == 4) {
        bits.high[0] = ((const uint32_t *)m.high)[at];
    } else if constexpr (high_bytes(TYPE) == 8) {
        bits.high[0] = ((const uint32_t *)m.high)[at * 2];
        bits.high[1] = ((const uint32_t *)m.high)[at * 2 + 1];
    }
    if constexpr (scale_bytes(TYPE) == 2) {
        bits.scale = ((const uint16_t *)m.scale)[at];
    } else if constexpr (scale_bytes(TYPE) == 4) {
        bits.scale = ((const uint32_t *)m.scale)[at];
    }
    size_t over = (size_t)row * supers(m.groups) + group / SUPER;
    if constexpr (super_bytes(TYPE) == 2) {
        bits.super = ((const uint16_t *)m.super)[over];
    } else if constexpr (super_bytes(TYPE) == 4) {
        bits.super = ((const uint32_t *)m.super)[over];
    }
}

// Four bits of weight i of a group.
__device__ __forceinline__ uint32_t four_bits(const uint4 &code, int i)
{
    const uint32_t words[] = {code.x, code.y, code.z, code.w};
    return words[i % 16 / 4] >> (i % 4 * 8 + i / 16 * 4) & 15;
}

template <int TYPE>
__device__ __forceinline__ void group_expand(const group_bits<TYPE> &bits, float (&out)[GROUP])
{
    float d = lanes_half((uint16_t)(super_bytes(TYPE) > 0 ? bits.super : bits.scale));
#pragma unroll
    for (int i = 0; i < GROUP; i++) {
        if constexpr (code_bytes(TYPE) == 128) {
            const uint32_t w[] = {bits.code[i / 4].x, bits.code[i / 4].y, bits.code[i / 4].z, bits.code[i / 4].w};
            out[i] = __uint_as_float(w[i % 4]);
        } else if constexpr (code_bytes(TYPE) == 64) {
            const uint32_t w[] = {bits.code[i / 8].x, bits.code[i / 8].y, bits.code[i / 8].z, bits.code[i / 8].w};
            uint32_t word = w[i % 8 / 2];
            if constexpr (TYPE == KERNEL_BF16) {
                out[i] = i % 2 == 0 ? bf16_low(word) : bf16_high(word);
            } else {
                out[i] = lanes_half((uint16_t)(i % 2 == 0 ? word : word >> 16));
            }
        } else if constexpr (TYPE == KERNEL_Q8_0) {
            const uint32_t w[] = {bits.code[i / 16].x, bits.code[i / 16].y, bits.code[i / 16].z, bits.code[i / 16].w};
            out[i] = times(d, (float)(int8_t)(w[i % 16 / 4] >> (i % 4 * 8)));
        } else {
            int code = (int)four_bits(bits.code[0], i);
            if constexpr (high_bytes(TYPE) == 4) {
                code |= (int)(bits.high[0] >> i & 1) << 4;
            } else if constexpr (high_bytes(TYPE) == 8) {
                code |= (int)(bits.high[i / 16] >> (i % 16 * 2) & 3) << 4;
            }
            if constexpr (TYPE == KERNEL_Q4_0 || TYPE == KERNEL_Q5_0) {
                out[i] = times(d, (float)(code - (TYPE == KERNEL_Q4_0 ? 8 : 16)));
            } else if constexpr (TYPE == KERNEL_Q4_1 || TYPE == KERNEL_Q5_1) {
                out[i] = plus(times(d, (float)code), lanes_half((uint16_t)(bits.scale >> 16)));
            } else if constexpr (TYPE == KERNEL_Q6_K) {
                float step = times(d, (float)(int8_t)(bits.scale >> (i / 16 * 8)));
                out[i] = times(step, (float)(code - 32));
            } else {
                float step = times(d, (float)(bits.scale & 255));
                float offset = times(lanes_half((uint16_t)(bits.super >> 16)), (float)(bits.scale >> 8));
                out[i] = minus(times(step, (float)code), offset);
            }
        }
    }
}

// The same as 16 words of two bf16 each.
template <int TYPE>
__device__ __forceinline__ void group_pack(const group_bits<TYPE> &bits, uint32_t (&out)[GROUP / 2])
{
    if constexpr (TYPE == KERNEL_BF16) {
#pragma unroll
        for (int i = 0; i < 4; i++) {
            out[i * 4] = bits.code[i].x;
            out[i * 4 + 1] = bits.code[i].y;
            out[i * 4 + 2] = bits.code[i].z;
            out[i * 4 + 3] = bits.code[i].w;
        }
    } else {
        float w[GROUP];
        group_expand<TYPE>(bits, w);
#pragma unroll
        for (int i = 0; i < GROUP / 2; i++) {
            out[i] = lanes_pack(w[2 * i], w[2 * i + 1]);
        }
    }
}

// CALL(type) for the type at hand: a kernel is compiled for each.
#define CUDA_EACH_TYPE(type, CALL)                                                                 \
    switch (type) {                                                                                \
    case KERNEL_F32: CALL(KERNEL_F32); break;                                                      \
    case KERNEL_F16: CALL(KERNEL_F16); break;                                                      \
    case KERNEL_BF16: CALL(KERNEL_BF16); break;                                                    \
    case KERNEL_Q8_0: CALL(KERNEL_Q8_0); break;                                                    \
    case KERNEL_Q4_0: CALL(KERNEL_Q4_0); break;                                                    \
    case KERNEL_Q4_1: CALL(KERNEL_Q4_1); break;                                                    \
    case KERNEL_Q5_0: CALL(KERNEL_Q5_0); break;                                                    \
    case KERNEL_Q5_1: CALL(KERNEL_Q5_1); break;                                                    \
    case KERNEL_Q4_K: CALL(KERNEL_Q4_K); break;                                                    \
    case KERNEL_Q5_K: CALL(KERNEL_Q5_K); break;                                                    \
    case KERNEL_Q6_K: CALL(KERNEL_Q6_K); break;                                                    \
    default: break;                                                                                \
    }

// Bytes of all planes of a tensor of that shape, each plane aligned to 256.
size_t cuda_matrix_bytes(int type, uint32_t rows, uint32_t columns);
// Fills `memory` (cuda_matrix_bytes) from the tensor's bytes as the file has them; `raw` is room on the GPU for
// `raw_bytes` of them at a time, a row at least.
void cuda_matrix_fill(struct cuda_device *device, const struct kernel_tensor *tensor, void *memory, void *raw,
                      size_t raw_bytes, struct cuda_matrix *out);

#endif
