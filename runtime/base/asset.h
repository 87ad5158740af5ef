/* asset.h -- a file that was built into the program (see reeve_embed in scripts/cmake). */
#ifndef REEVE_RUNTIME_BASE_ASSET_H
#define REEVE_RUNTIME_BASE_ASSET_H

#include <stddef.h>
#include <string.h>

struct rv_asset {
    const char *path;  /* relative, e.g. "inbox.html"; NULL ends a table */
    const char *bytes; /* followed by a NUL byte that is not counted */
    const char *end;
};

/* NULL when there is no such path. */
static inline const struct rv_asset *rv_asset_find(const struct rv_asset *table, const char *path)
{
    for (; table->path != NULL; table++) {
        if (strcmp(table->path, path) == 0) {
            return table;
        }
    }
    return NULL;
}

static inline size_t rv_asset_size(const struct rv_asset *asset)
{
    return (size_t)(asset->end - asset->bytes);
}

#endif
