/* memory_source.h -- bytes as a source of documents (erp/exchange/source.h); borrowed. */
#ifndef REEVE_TESTS_SUPPORT_MEMORY_SOURCE_H
#define REEVE_TESTS_SUPPORT_MEMORY_SOURCE_H

#include "erp/exchange/source.h"

#include <string.h>

struct memory_source {
    struct erp_source source; /* first */
    const char *bytes;
    size_t length;
    size_t offset;
};

static inline enum rv_code memory_source_read(struct erp_source *source, void *buffer, size_t size,
                                              size_t *out_length, struct rv_error *err)
{
    (void)err;
    struct memory_source *memory = (struct memory_source *)source;
    size_t rest = memory->length - memory->offset;
    size_t n = size < rest ? size : rest;
    if (n > 0) {
        memcpy(buffer, memory->bytes + memory->offset, n);
    }
    memory->offset += n;
    *out_length = n;
    return RV_OK;
}

static inline enum rv_code memory_source_rewind(struct erp_source *source, struct rv_error *err)
{
    (void)err;
    ((struct memory_source *)source)->offset = 0;
    return RV_OK;
}

static inline struct erp_source *memory_source(struct memory_source *out, const char *name,
                                               const void *bytes, size_t length)
{
    *out = (struct memory_source){.source = {.name = name,
                                             .read = memory_source_read,
                                             .rewind = memory_source_rewind,
                                             .fd = -1},
                                  .bytes = bytes,
                                  .length = length};
    return &out->source;
}

#endif
