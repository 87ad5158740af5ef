/* rebuild.c -- see rebuild.h.  Streams are compared by a 64-bit hash: a collision only ends a run
 * early. */
#include "erp/command/rebuild.h"

#include <string.h>

/* FNV-1a */
static uint64_t hash_of(const char *text)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (; *text != '\0'; text++) {
        hash = (hash ^ (unsigned char)*text) * UINT64_C(1099511628211);
    }
    return hash;
}

/* One detection may close what the one before raised: never two in one call. */
static bool alone(const struct erp_event_type *type)
{
    return strcmp(type->name, "exceptions.detected.v1") == 0;
}

bool erp_rebuild_join(struct erp_rebuild_run *run, const struct erp_event_type *type,
                      const char *stream)
{
    if (run->type != NULL &&
        (run->type != type || run->count == ERP_REBUILD_RUN_MAX || alone(type))) {
        return false;
    }
    uint64_t hash = hash_of(stream);
    for (int i = 0; i < run->count; i++) {
        if (run->streams[i] == hash) {
            return false;
        }
    }
    run->type = type;
    run->streams[run->count++] = hash;
    return true;
}
