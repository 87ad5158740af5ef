// lanes.cuh -- what the 32 threads of a warp do together, and the instructions that C++ has no word for.
//
// Everything else in this folder is plain C++ over these.  Tests compile the same files for the host
// (REEVE_CUDA_ON_HOST), where tests/support/cuda_on_host.h defines them, thread by thread: so the
// arithmetic, the layouts and the bounds are checked on machines that have no GPU.
//
// `lanes_multiply` is mma.m16n8k16 (PTX ISA, "Matrix Fragments for mma.m16n8k16"): lane 4g + t holds, of the
// 16 x 16 left side, rows g and g + 8 at columns 2t, 2t + 1 and 2t + 8, 2t + 9; of the 16 x 8 right side,
// column g at the same rows; of the 16 x 8 sum, rows g and g + 8 at columns 2t and 2t + 1.  A sum over columns
// does not care which column is which, so all code here lets lane t read neighbours instead, on both sides.
#ifndef REEVE_KERNELS_CUDA_LANES_CUH
#define REEVE_KERNELS_CUDA_LANES_CUH

#include <cstddef>
#include <cstdint>

enum { LANES = 32 };

#ifndef REEVE_CUDA_ON_HOST

#include <cuda_fp16.h>
#include <cuda_runtime.h>

#define LANES_ALL 0xffffffffU

// Two bf16 in a word, to nearest, ties to even.
__device__ __forceinline__ uint32_t lanes_pack(float low, float high)
{
    uint32_t word;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
    return word;
}

__device__ __forceinline__ float lanes_half(uint16_t bits)
{
    return __half2float(__ushort_as_half(bits));
}

// sum += left * right
__device__ __forceinline__ void lanes_multiply(float (&sum)[4], uint32_t a0, uint32_t a1, uint32_t a2,
                                               uint32_t a3, uint32_t b0, uint32_t b1)
{
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
        "{%0,%1,%2,%3};"
        : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
        : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
}

__device__ __forceinline__ float lanes_from(float value, int other)
{
    return __shfl_xor_sync(LANES_ALL, value, other);
}

__device__ __forceinline__ double lanes_from(double value, int other)
{
    return __shfl_xor_sync(LANES_ALL, value, other);
}

__device__ __forceinline__ uint64_t lanes_from(uint64_t value, int other)
{
    return __shfl_xor_sync(LANES_ALL, (unsigned long long)value, other);
}

// 16 bytes that are read once: they need not push out what is read again.
__device__ __forceinline__ uint4 lanes_stream(const uint4 *at)
{
    uint4 v;
    asm volatile("ld.global.nc.L1::no_allocate.v4.u32 {%0,%1,%2,%3}, [%4];"
                 : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
                 : "l"(at));
    return v;
}

// Products and sums that the compiler must not join: the same bits wherever they stand.
__device__ __forceinline__ float times(float a, float b) { return __fmul_rn(a, b); }
__device__ __forceinline__ float plus(float a, float b) { return __fadd_rn(a, b); }
__device__ __forceinline__ float minus(float a, float b) { return __fsub_rn(a, b); }

#endif

__device__ __forceinline__ float bf16_low(uint32_t word) { return __uint_as_float(word << 16); }
__device__ __forceinline__ float bf16_high(uint32_t word) { return __uint_as_float(word & 0xffff0000U); }

// The sum over all lanes, in every lane; the order is that of a butterfly, always the same.
__device__ __forceinline__ float lanes_sum(float value)
{
    for (int other = LANES / 2; other > 0; other /= 2) {
        value = plus(value, lanes_from(value, other));
    }
    return value;
}

__device__ __forceinline__ double lanes_sum(double value)
{
    for (int other = LANES / 2; other > 0; other /= 2) {
        value += lanes_from(value, other);
    }
    return value;
}

// The greatest of all lanes, in every lane.
__device__ __forceinline__ uint64_t lanes_greatest(uint64_t value)
{
    for (int other = LANES / 2; other > 0; other /= 2) {
        uint64_t got = lanes_from(value, other);
        value = got > value ? got : value;
    }
    return value;
}

#endif
