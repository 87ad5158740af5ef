/* raise.h -- what may be said when a run is given more to spend.
 *
 * {"steps"?, "calls"?, "tokens"?, "risk"?, "children"?, "wall_ms"?, "money_minor"?, "money"?
 * {currency: minor}, "reason"}: each amount is added to the run's limit.  Who asks and what happens
 * then: request.h.  Thread: any; pure.
 */
#ifndef REEVE_RUNTIME_RUN_RAISE_H
#define REEVE_RUNTIME_RUN_RAISE_H

#include "runtime/base/error.h"
#include "runtime/base/json.h"

#define RV_RUN_RAISE_MAX (INT64_C(1) << 53) /* of one budget: more is a mistake */

/* RV_INVALID with the field: an amount that is none, an unknown name, nothing at all, no reason. */
RV_MUST enum rv_code rv_run_check_raise(const json_t *more, const char **field,
                                        struct rv_error *err);

#endif
