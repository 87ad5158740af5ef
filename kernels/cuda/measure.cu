// measure.cu -- what this GPU can do at most, measured: figures are fractions of it.
#include "kernels/cuda/device.cuh"

extern "C" {
#include "kernels/cuda/plugin.h"
}

enum { ROUNDS = 20, SIDE = 8192, THREADS = 256 };
static const size_t COPY_BYTES = (size_t)2 << 30; // far more than the L2 holds

// Random bits with the exponents of small numbers: products of zeros would be quicker.
__global__ static void fill(uint16_t *out, size_t count)
{
    size_t i = (size_t)blockIdx.x * THREADS + threadIdx.x;
    if (i < count) {
        uint64_t z = (i + 1) * 0x9e3779b97f4a7c15U;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
        out[i] = (uint16_t)(0x3f00 | (z >> 32 & 0x80ff));
    }
}

// Median seconds of `what`.
template <class What> static double median(struct cuda_device *device, What what)
{
    float ms[ROUNDS];
    cudaEvent_t from;
    cudaEvent_t to;
    cudaEventCreate(&from);
    cudaEventCreate(&to);
    for (int i = -3; i < ROUNDS; i++) { // three to warm up
        cudaEventRecord(from, cuda_stream(device));
        what();
        cudaEventRecord(to, cuda_stream(device));
        cudaEventSynchronize(to);
        float took = 0;
        cudaEventElapsedTime(&took, from, to);
        int at = i < 0 ? 0 : i;
        for (; at > 0 && ms[at - 1] > took; at--) {
            ms[at] = ms[at - 1];
        }
        ms[at] = took;
    }
    cudaEventDestroy(from);
    cudaEventDestroy(to);
    return (double)ms[ROUNDS / 2] / 1000;
}

extern "C" enum kernel_status reeve_cuda_speed(struct cuda_speed *out, struct kernel_error *error)
{
    struct cuda_device *device = nullptr;
    enum kernel_status status = cuda_device_open(&device, error);
    if (status != KERNEL_OK) {
        return status;
    }
    *out = {};
    char *memory = (char *)cuda_allocate(device, 2 * COPY_BYTES);
    if (memory != nullptr) {
        double copy = median(device, [&] {
            cudaMemcpyAsync(memory + COPY_BYTES, memory, COPY_BYTES, cudaMemcpyDeviceToDevice, cuda_stream(device));
        });
        out->copy_bytes_per_s = 2.0 * (double)COPY_BYTES / copy;
        size_t numbers = (size_t)SIDE * SIDE;
        uint16_t *weight = (uint16_t *)memory;
        uint16_t *x = weight + numbers;
        float *product = (float *)(memory + COPY_BYTES);
        CUDA_LAUNCH(device, fill, dim3((uint32_t)(2 * numbers / THREADS)), THREADS, weight, 2 * numbers);
        if (cuda_library_there(device) && cuda_library_multiply(device, weight, x, product, SIDE, SIDE, SIDE)) {
            double took = median(device, [&] { cuda_library_multiply(device, weight, x, product, SIDE, SIDE, SIDE); });
            out->product_flops = 2.0 * SIDE * SIDE * SIDE / took;
        }
    }
    status = cuda_wait(device, error);
    cuda_device_close(device);
    return status;
}
