/* source.h -- where the bytes of a document come from: a file (tests bring bytes of their
 * own, tests/support/memory_source.h).
 *
 * A source is read from front to back and can be rewound, because a bank statement is read twice:
 * once to be validated as a whole, once to be handed on.  Nothing is ever held in full.
 *
 * Ownership: a source is opened, read and closed by one owner in one thread.
 */
#ifndef REEVE_ERP_EXCHANGE_SOURCE_H
#define REEVE_ERP_EXCHANGE_SOURCE_H

#include "runtime/base/error.h"

#include <stdint.h>

struct erp_source {
    const char *name; /* for messages: the file's last path component, or what the caller says */
    /* Up to `size` bytes into `buffer`; *out_length 0 is the end. */
    enum rv_code (*read)(struct erp_source *source, void *buffer, size_t size, size_t *out_length,
                         struct rv_error *err);
    enum rv_code (*rewind)(struct erp_source *source, struct rv_error *err);
    int fd; /* of a file */
};

/* RV_NOT_FOUND, RV_DENIED, RV_IO as the system says; RV_INVALID when `path` is no regular file. */
RV_MUST enum rv_code erp_source_open(struct erp_source *out, const char *path,
                                     struct rv_error *err);
void erp_source_close(struct erp_source *source); /* also of one that is no file */

#endif
