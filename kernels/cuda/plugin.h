/* plugin.h -- what the program and the CUDA plug-in know of each other: one function, one number.
 *
 * The plug-in (libreeve-cuda.so) is opened where the machine has a driver and a GPU; the program
 * itself needs neither, nor CUDA's libraries.  Private to kernels.
 */
#ifndef REEVE_KERNELS_CUDA_PLUGIN_H
#define REEVE_KERNELS_CUDA_PLUGIN_H

#include "kernels/backend.h"

/* Of backend.h and kernel.h: raised with every change of a struct in them. */
#define REEVE_CUDA_VERSION 3U
#define REEVE_CUDA_PLUGIN  "libreeve-cuda.so"
#define REEVE_CUDA_ENTRY   "reeve_cuda_operations"

/* NULL: the plug-in was built for another version. */
__attribute__((visibility("default"))) const struct kernel_operations *
reeve_cuda_operations(uint32_t version);

/* What the GPU can do at most, for benchmarks; product_flops 0: there is no cuBLASLt. */
struct cuda_speed {
    double copy_bytes_per_s; /* read and written */
    double product_flops;    /* of bf16 */
};
__attribute__((visibility("default"))) enum kernel_status
reeve_cuda_speed(struct cuda_speed *out, struct kernel_error *error);
#define REEVE_CUDA_SPEED "reeve_cuda_speed"

/* In the program: that function of the plug-in. */
enum kernel_status kernel_cuda_speed(const char *path, struct cuda_speed *out,
                                     struct kernel_error *error);

/* In the program: opens the plug-in beside it, where the driver knows a GPU, or the one at `path`,
 * which is left to see for itself.  It stays open.  KERNEL_UNSUPPORTED or KERNEL_DEVICE with what
 * is missing. */
enum kernel_status kernel_operations_cuda(const char *path, const struct kernel_operations **out,
                                          struct kernel_error *error);

#endif
