// device.cuh -- one GPU: memory, one stream, recorded steps, and how a kernel is started.
//
// Everything is queued on one stream in the order of the calls.  An error sticks: what is queued after it does
// nothing, and cuda_copy_out says what happened.
#ifndef REEVE_KERNELS_CUDA_DEVICE_CUH
#define REEVE_KERNELS_CUDA_DEVICE_CUH

#include "kernels/cuda/lanes.cuh"

extern "C" {
#include "kernels/kernel.h"
}

struct cuda_device;
struct cuda_graph; // a recorded step

enum kernel_status cuda_device_open(struct cuda_device **out, struct kernel_error *error);
void cuda_device_close(struct cuda_device *device);
void cuda_device_describe(const struct cuda_device *device, char *out, size_t room);
uint32_t cuda_device_processors(const struct cuda_device *device); // streaming multiprocessors

void *cuda_allocate(struct cuda_device *device, size_t bytes); // NULL: none left; zeroed
void cuda_free(struct cuda_device *device, void *memory);
uint64_t cuda_memory(const struct cuda_device *device);
void cuda_memory_facts(const struct cuda_device *device, uint64_t *unused, uint64_t *all); // of the GPU

// `from` may be used again at once.
void cuda_copy_in(struct cuda_device *device, void *to, const void *from, size_t bytes);
// Waits for all that was queued; KERNEL_DEVICE with what went wrong since the last call.
enum kernel_status cuda_copy_out(struct cuda_device *device, void *to, const void *from, size_t bytes,
                                 struct kernel_error *error);
// What is there now, as cuda_copy_out would say it.
enum kernel_status cuda_wait(struct cuda_device *device, struct kernel_error *error);

// Between the two nothing runs; NULL: it cannot be recorded, and must be queued again.
void cuda_record_begin(struct cuda_device *device);
struct cuda_graph *cuda_record_end(struct cuda_device *device);
void cuda_replay(struct cuda_device *device, struct cuda_graph *graph);
void cuda_graph_free(struct cuda_device *device, struct cuda_graph *graph);

// out[tokens][rows] (f32) = x[tokens][columns] weight[rows][columns]^T, both bf16, by cuBLASLt; false: it is
// not installed or refuses, and nothing was queued.
bool cuda_library_multiply(struct cuda_device *device, const uint16_t *weight, const uint16_t *x, float *out,
                           uint32_t tokens, uint32_t rows, uint32_t columns);
bool cuda_library_there(const struct cuda_device *device);

#ifndef REEVE_CUDA_ON_HOST
cudaStream_t cuda_stream(const struct cuda_device *device);
void cuda_note(struct cuda_device *device, cudaError_t error, const char *what);
#define CUDA_LAUNCH(device, kernel, grid, threads, ...)                                            \
    do {                                                                                           \
        kernel<<<(grid), (threads), 0, cuda_stream(device)>>>(__VA_ARGS__);                        \
        cuda_note((device), cudaGetLastError(), #kernel);                                          \
    } while (false)
#endif

#endif
