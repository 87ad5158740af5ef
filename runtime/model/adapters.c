/* adapters.c -- see adapters.h. */
#include "runtime/model/adapters.h"

#include "runtime/base/hash.h"
#include "runtime/model/engine.h"
#include "runtime/model/inspect.h"

#include <stdio.h>
#include <string.h>

static enum kernel_status refuse(struct kernel_error *error, enum kernel_status status,
                                 const char *name, const char *why)
{
    error->status = status;
    snprintf(error->message, sizeof error->message, "adapter %.40s: %.180s", name, why);
    return status;
}

static enum kernel_status check_file(const char *name, const char *path, const char *sha256,
                                     struct kernel_error *error)
{
    char hex[RV_HASH_HEX];
    struct rv_error err = {.code = RV_OK};
    if (rv_model_file_hash(path, hex, &err) != RV_OK) {
        return refuse(error, KERNEL_IO, name, err.message);
    }
    if (strcmp(hex, sha256) != 0) {
        return refuse(error, KERNEL_INVALID, name,
                      "its file has changed since it was loaded: reeve adapter load it again");
    }
    return KERNEL_OK;
}

/* Room for one more: the one that nobody has asked for the longest, of those that nobody uses. */
static struct rv_adapter *make_room(struct rv_adapters *adapters, struct kernel_engine *engine)
{
    uint64_t after = 0;
    for (;;) {
        struct rv_adapter *oldest = NULL;
        for (int i = 0; i < RV_ADAPTERS_MAX; i++) {
            struct rv_adapter *at = &adapters->list[i];
            if (at->key[0] == '\0') {
                return at;
            }
            if (at->used > after && (oldest == NULL || at->used < oldest->used)) {
                oldest = at;
            }
        }
        struct kernel_error busy;
        if (oldest == NULL) {
            return NULL;
        }
        if (kernel_adapter_unload(engine, oldest->key, &busy) == KERNEL_OK) {
            oldest->key[0] = '\0';
            return oldest;
        }
        after = oldest->used;
    }
}

enum kernel_status rv_adapters_take(struct rv_adapters *adapters, struct kernel_engine *engine,
                                    uint32_t tenant, const json_t *adapter,
                                    char key[RV_ADAPTER_KEY_MAX + 1], struct kernel_error *error)
{
    const char *name = rv_json_str(adapter, "name", "");
    const char *path = rv_json_str(adapter, "path", "");
    const char *sha256 = rv_json_str(adapter, "sha256", "");
    if (strlen(name) == 0 || strlen(name) > RV_ENGINE_ADAPTER_MAX) {
        return refuse(error, KERNEL_INVALID, name, "its name has 1 to 32 bytes");
    }
    snprintf(key, RV_ADAPTER_KEY_MAX + 1, "%u:%s:%.12s", tenant, name, sha256);
    adapters->clock++;
    for (int i = 0; i < RV_ADAPTERS_MAX; i++) {
        if (strcmp(adapters->list[i].key, key) == 0) {
            adapters->list[i].used = adapters->clock;
            return KERNEL_OK;
        }
    }
    enum kernel_status status = check_file(name, path, sha256, error);
    if (status != KERNEL_OK) {
        return status;
    }
    struct rv_adapter *place = make_room(adapters, engine);
    if (place == NULL) {
        return refuse(error, KERNEL_BUSY, name, "all 64 adapters of the engine are in use");
    }
    struct kernel_error why = {.status = KERNEL_OK};
    status = kernel_adapter_load(engine, key, path, &why);
    if (status != KERNEL_OK) {
        return refuse(error, status, name, why.message);
    }
    snprintf(place->key, sizeof place->key, "%s", key);
    place->used = adapters->clock;
    return KERNEL_OK;
}
