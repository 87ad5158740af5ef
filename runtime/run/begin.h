/* begin.h -- a run that no exception asks for: what may be said when one is begun with an input.
 *
 * Pure rules, for every edge; request.h begins it.
 */
#ifndef REEVE_RUNTIME_RUN_BEGIN_H
#define REEVE_RUNTIME_RUN_BEGIN_H

#include "runtime/base/json.h"

#include <stdint.h>

enum {
    RV_RUN_KEY_MAX = 100,            /* of a business key that a caller names: a line of a table */
    RV_RUN_INPUT_BYTES_MAX = 1 << 20 /* as JSON; larger things are blobs that it names */
};

struct rv_run_begin_input {
    const char *agent;   /* an active one; RV_NOT_FOUND without it */
    const json_t *input; /* object; what the plan gets in the exception's place.  NULL: {} */
    const char *key;     /* the business key that it claims while it is open; NULL: none */
    int priority;        /* of its claim, see claim.h; -1: as its agent says */
    int64_t run;         /* the number it shall have; RV_CONFLICT when it is taken.  0: a new one */
    const char *traceparent; /* see rv_run_begin_for */
    const char *once;        /* a key of the request itself, checked: see once.h; NULL: none */
};
/* Of what the caller sends: RV_INVALID, RV_LIMIT; `field` names it. */
RV_MUST enum rv_code rv_run_begin_check(const struct rv_run_begin_input *asked, const char **field,
                                        struct rv_error *err);

#endif
