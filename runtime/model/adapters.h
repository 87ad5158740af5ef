/* adapters.h -- the adapters that an engine's process has loaded: on demand, the one unused longest
 * goes when there is no room.
 *
 * An adapter is known by its tenant, its name and its file's hash: two companies that name theirs
 * alike never meet, and a file that was replaced is another adapter.
 *
 * Blocking; the reader thread of child.c.  Private to runtime/model.
 */
#ifndef REEVE_RUNTIME_MODEL_ADAPTERS_H
#define REEVE_RUNTIME_MODEL_ADAPTERS_H

#include "kernels/kernel.h"
#include "runtime/base/json.h"

enum {
    RV_ADAPTERS_MAX = 64,   /* as many as an engine holds */
    RV_ADAPTER_KEY_MAX = 63 /* bytes of an engine's name for one: tenant, name, hash */
};

struct rv_adapters {
    struct rv_adapter {
        char key[RV_ADAPTER_KEY_MAX + 1]; /* "" free */
        uint64_t used;
    } list[RV_ADAPTERS_MAX];
    uint64_t clock;
};

/* Loads what a question's "adapter" names, unless it is there; `key` is its name for the engine.
 * KERNEL_INVALID: the file is not the one that the company registered, or does not fit the model.
 */
enum kernel_status rv_adapters_take(struct rv_adapters *adapters, struct kernel_engine *engine,
                                    uint32_t tenant, const json_t *adapter,
                                    char key[RV_ADAPTER_KEY_MAX + 1], struct kernel_error *error);

#endif
