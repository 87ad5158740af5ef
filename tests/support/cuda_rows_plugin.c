/* cuda_rows_plugin.c -- the plug-in at PLUGIN without `pick`: the host looks at every row.  So an
 * engine's answers can be compared where the backend takes the tokens and where it does not. */
#include "kernels/cuda/plugin.h"

#include <dlfcn.h>
#include <stddef.h>

const struct kernel_operations *reeve_cuda_operations(uint32_t version)
{
    static struct kernel_operations operations;
    const struct kernel_operations *(*entry)(uint32_t) = NULL;
    void *plugin = dlopen(PLUGIN, RTLD_NOW | RTLD_LOCAL);
    if (plugin == NULL) {
        return NULL;
    }
    *(void **)&entry = dlsym(plugin, REEVE_CUDA_ENTRY);
    operations = *entry(version);
    operations.pick = NULL;
    return &operations;
}
