/* open.c -- finds a driver, a GPU and the plug-in, in this order; links none of them. */
#include "kernels/base/fail.h"
#include "kernels/cuda/plugin.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Of the driver's interface: these two have been the same since CUDA 2.0. */
typedef int driver_init(unsigned flags);
typedef int driver_count(int *count);

static enum kernel_status find_device(struct kernel_error *error)
{
    void *driver = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL);
    if (driver == NULL) {
        return kernel_fail(error, KERNEL_DEVICE, "no NVIDIA driver: libcuda.so.1 is not installed");
    }
    driver_init *init = NULL;
    driver_count *count = NULL;
    *(void **)&init = dlsym(driver, "cuInit");
    *(void **)&count = dlsym(driver, "cuDeviceGetCount");
    int devices = 0;
    int failed = init == NULL || count == NULL ? -1 : init(0);
    failed = failed != 0 ? failed : count(&devices);
    if (failed != 0 || devices == 0) {
        dlclose(driver);
        return kernel_fail(error, KERNEL_DEVICE, "the NVIDIA driver shows no GPU (its error is %d)",
                           failed);
    }
    return KERNEL_OK; /* stays open: the plug-in uses it */
}

/* Beside the program. */
static void own_path(char out[PATH_MAX])
{
    ssize_t length = readlink("/proc/self/exe", out, PATH_MAX - 1);
    out[length < 0 ? 0 : length] = '\0';
    char *slash = strrchr(out, '/');
    size_t folder = slash != NULL ? (size_t)(slash - out) + 1 : 0;
    snprintf(out + folder, PATH_MAX - folder, "%s", REEVE_CUDA_PLUGIN);
}

static enum kernel_status open_plugin(const char *path, void **out, struct kernel_error *error)
{
    char own[PATH_MAX];
    bool named = path != NULL;
    if (!named) {
        own_path(own);
        path = own;
    }
    if (access(path, R_OK) != 0) {
        return kernel_fail(error, KERNEL_UNSUPPORTED, "no CUDA plug-in at %s", path);
    }
    enum kernel_status status = named ? KERNEL_OK : find_device(error);
    if (status != KERNEL_OK) {
        return status;
    }
    *out = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    return *out != NULL ? KERNEL_OK
                        : kernel_fail(error, KERNEL_UNSUPPORTED,
                                      "the CUDA plug-in cannot be opened: %s", dlerror());
}

enum kernel_status kernel_operations_cuda(const char *path, const struct kernel_operations **out,
                                          struct kernel_error *error)
{
    void *plugin = NULL;
    enum kernel_status status = open_plugin(path, &plugin, error);
    if (status != KERNEL_OK) {
        return status;
    }
    const struct kernel_operations *(*entry)(uint32_t) = NULL;
    *(void **)&entry = dlsym(plugin, REEVE_CUDA_ENTRY);
    *out = entry != NULL ? entry(REEVE_CUDA_VERSION) : NULL;
    if (*out == NULL) {
        dlclose(plugin);
        return kernel_fail(error, KERNEL_UNSUPPORTED,
                           "the CUDA plug-in belongs to another version: build both together");
    }
    return KERNEL_OK;
}

enum kernel_status kernel_cuda_speed(const char *path, struct cuda_speed *out,
                                     struct kernel_error *error)
{
    void *plugin = NULL;
    enum kernel_status status = open_plugin(path, &plugin, error);
    if (status != KERNEL_OK) {
        return status;
    }
    enum kernel_status (*speed)(struct cuda_speed *, struct kernel_error *) = NULL;
    *(void **)&speed = dlsym(plugin, REEVE_CUDA_SPEED);
    return speed != NULL ? speed(out, error)
                         : kernel_fail(error, KERNEL_UNSUPPORTED, "the CUDA plug-in has no %s",
                                       REEVE_CUDA_SPEED);
}
