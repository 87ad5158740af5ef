/* args_private.h -- the inside of rv_args and of a connection, for runtime/db and runtime/journal's
 * committer only.  The includer of <libpq-fe.h>. */
#ifndef REEVE_RUNTIME_DB_ARGS_PRIVATE_H
#define REEVE_RUNTIME_DB_ARGS_PRIVATE_H

#include "runtime/base/buf.h"
#include "runtime/db/args.h"

#include <libpq-fe.h>

enum { RV_ARGS_MAX = 40, RV_ARRAY_HEADER = 20 };

struct rv_arg {
    Oid oid;     /* as sent */
    Oid element; /* of an array, else the same as oid */
    bool array;
    bool set;
    bool nulls;
    int rows;
    struct rv_buf bytes;
};

struct rv_args {
    const struct rv_statement *statement;
    int count;
    struct rv_arg items[RV_ARGS_MAX];
};

/* Do all arrays have the same number of rows? */
bool rv_args_even(const struct rv_args *args);
/* Fills in the array headers: once, before sending. */
void rv_args_seal(struct rv_args *args);

#endif
