/* export.h -- one file with a tenant's record and its checkpoints, JSON lines:
 *
 *   {"export":"reeve.audit/1","tenant":1,"company":"…","records":n}
 *   {"checkpoint":"<signed note>"}                           those that were stored, by size
 *   {"leaf":"<64 hex digits>","record":{…}}                  canonical JSON, hashed byte by byte
 *   {"checkpoint":"<signed note>"}                           the last one covers every record
 *
 * The leaf only names an edited record; what proves is the last checkpoint's signature.
 * Private to runtime/audit.
 */
#ifndef REEVE_RUNTIME_AUDIT_EXPORT_H
#define REEVE_RUNTIME_AUDIT_EXPORT_H

#include "runtime/audit/verify.h"

/* Puts what was kept elsewhere into the verification; `leaves` belongs to the caller (rv_free). */
RV_MUST enum rv_code export_kept(struct verify *verify, const struct rv_audit_kept *kept,
                                 struct rv_hash **leaves, struct rv_error *err);

#endif
