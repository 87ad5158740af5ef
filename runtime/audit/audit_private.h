/* audit_private.h -- what audit.c and verify.c share. */
#ifndef REEVE_RUNTIME_AUDIT_AUDIT_PRIVATE_H
#define REEVE_RUNTIME_AUDIT_AUDIT_PRIVATE_H

#include "runtime/audit/audit.h"
#include "runtime/audit/note.h"

struct rv_audit {
    struct note_key key;
};

#endif
