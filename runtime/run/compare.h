/* compare.h -- what differs between two JSON values, as a list of places.
 *
 * Pure.  Objects are compared by key, arrays by index; a place is named like
 * `actions[0].args.invoice`. One side missing is a difference too: the key is then absent from the
 * entry.
 */
#ifndef REEVE_RUNTIME_RUN_COMPARE_H
#define REEVE_RUNTIME_RUN_COMPARE_H

#include "runtime/base/json.h"

enum { RV_COMPARE_MAX = 200 }; /* places listed; more than a page helps nobody */

/* Appends {"path", "left"?, "right"?} for each place, in the order of `left`, until `out` has
 * RV_COMPARE_MAX; `path` is what the places begin with.  True when the values are equal. */
bool rv_json_compare(const json_t *left, const json_t *right, const char *path, json_t *out);

#endif
