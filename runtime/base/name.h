/* name.h -- names that people give to companies and nodes, and type again later. */
#ifndef REEVE_RUNTIME_BASE_NAME_H
#define REEVE_RUNTIME_BASE_NAME_H

#include "runtime/base/error.h"

enum { RV_NAME_MAX = 63 };

/* Letters and digits of ASCII, ".", "_" and "-"; a letter or digit first.  RV_INVALID with the
 * rule, naming `what`. */
RV_MUST enum rv_code rv_name_check(const char *what, const char *name, struct rv_error *err);

#endif
