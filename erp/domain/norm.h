/* norm.h -- texts made comparable.  The SQL functions erp_norm and erp_norm_number (migration
 * 0060_erp) are the same rules; a test compares them.  Pure functions, any thread. */
#ifndef REEVE_ERP_DOMAIN_NORM_H
#define REEVE_ERP_DOMAIN_NORM_H

#include "runtime/base/arena.h"

/* Upper case ASCII, everything but letters and digits dropped; bytes above ASCII stay as they are.
 * NULL gives NULL. Arena memory. */
char *erp_norm(struct rv_arena *arena, const char *text);
/* The same, and leading zeros go: "00-INV/0012" and "inv0012" are one document number.  A number of
 * nothing but zeros is "0". */
char *erp_norm_number(struct rv_arena *arena, const char *text);

#endif
