/* effect_rows.h -- the rows of T_CONNECTOR, T_INTENT and T_EFFECT_LOG: external effects, see
 * runtime/effect/effect.h. */
#ifndef REEVE_TESTS_SIM_WHOLE_EFFECT_ROWS_H
#define REEVE_TESTS_SIM_WHOLE_EFFECT_ROWS_H

#include "runtime/base/json.h"

#include <stdbool.h>
#include <stdint.h>

struct connector_row {
    bool gone;
    int32_t tenant;
    int64_t id;
    const char *name, *kind, *target, *reconcile;
    json_t *settings;
    int version;
    bool enabled;
};
struct intent_row {
    bool gone;
    int32_t tenant;
    int64_t run;
    int32_t seq;
    const char *key, *action, *connector, *state;
    json_t *args;
    int attempt, looks;
    bool has_until;
    int64_t until_us;
    const char *cancel; /* NULL */
    json_t *outcome;    /* NULL */
};
struct effect_log_row {
    bool gone;
    int32_t tenant;
    int64_t run;
    int32_t seq;
    int64_t n;
    const char *what;
    json_t *detail;
};

#endif
