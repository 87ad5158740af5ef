/* cuda_on_host.h -- CUDA's words for a machine without a GPU: the kernels of kernels/cuda run
 * thread by thread.
 *
 * A launch runs its blocks one after another.  The threads of a block are fibres of one thread of
 * this machine: one runs until it meets __syncthreads or needs the other lanes of its warp, then
 * the next does.  What lanes exchange, and the product of the tensor cores, is computed when all
 * living lanes of a warp have come to it. Nothing here is fast, or says anything about speed; races
 * between threads that no barrier separates are not found either (compute-sanitizer on a GPU is for
 * that).
 *
 * Included into every file of kernels/cuda by the compiler's command line, with REEVE_CUDA_ON_HOST.
 */
#ifndef REEVE_TESTS_SUPPORT_CUDA_ON_HOST_H
#define REEVE_TESTS_SUPPORT_CUDA_ON_HOST_H

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <tuple>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __shared__      static
#define __launch_bounds__(...)

struct dim3 {
    uint32_t x, y, z;
    explicit dim3(uint32_t a, uint32_t b = 1, uint32_t c = 1) : x(a), y(b), z(c) {}
};
struct alignas(8) uint2 {
    uint32_t x, y;
};
struct alignas(16) uint4 {
    uint32_t x, y, z, w;
};
inline uint4 make_uint4(uint32_t x, uint32_t y, uint32_t z, uint32_t w)
{
    return {x, y, z, w};
}

struct cuda_index {
    uint32_t x, y, z;
};
extern struct cuda_index threadIdx, blockIdx, blockDim;

void __syncthreads();
void __syncwarp();

inline float __uint_as_float(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

extern "C" float kernel_half_to_float(uint16_t half);
extern "C" uint16_t kernel_float_to_bf16(float value);
inline float lanes_half(uint16_t bits)
{
    return kernel_half_to_float(bits);
}
inline uint32_t lanes_pack(float low, float high)
{
    return (uint32_t)kernel_float_to_bf16(high) << 16 | kernel_float_to_bf16(low);
}
inline uint4 lanes_stream(const uint4 *at)
{
    return *at;
}
inline float times(float a, float b)
{
    return a * b;
} // compiled without contraction
inline float plus(float a, float b)
{
    return a + b;
}
inline float minus(float a, float b)
{
    return a - b;
}
inline uint32_t __float_as_uint(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}
// Fibres do not interrupt each other.
inline uint32_t atomicAdd(uint32_t *at, uint32_t more)
{
    uint32_t before = *at;
    *at += more;
    return before;
}
inline unsigned long long atomicAdd(unsigned long long *at, unsigned long long more)
{
    unsigned long long before = *at;
    *at += more;
    return before;
}
uint64_t lanes_from(uint64_t value, int other);
inline float lanes_from(float value, int other)
{
    return __uint_as_float((uint32_t)lanes_from((uint64_t)__float_as_uint(value), other));
}
inline double lanes_from(double value, int other)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    bits = lanes_from(bits, other);
    memcpy(&value, &bits, sizeof value);
    return value;
}
void lanes_multiply(float (&sum)[4], uint32_t a0, uint32_t a1, uint32_t a2, uint32_t a3,
                    uint32_t b0, uint32_t b1);

struct cuda_device;
// Runs now, or when what is being recorded is replayed; arguments are copied, as CUDA does.
void cuda_host_launch(struct cuda_device *device, dim3 grid, uint32_t threads,
                      std::function<void()> kernel);
template <class... P, class... A>
void cuda_host_start(struct cuda_device *device, void (*kernel)(P...), dim3 grid, uint32_t threads,
                     A... arguments)
{
    std::tuple<P...> kept(arguments...);
    cuda_host_launch(device, grid, threads, [kernel, kept] { std::apply(kernel, kept); });
}
#define CUDA_LAUNCH(device, kernel, grid, threads, ...)                                            \
    cuda_host_start((device), kernel, (grid), (uint32_t)(threads), __VA_ARGS__)

#endif
