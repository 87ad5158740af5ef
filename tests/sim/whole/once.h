/* once.h -- the rows of T_ONCE: what was asked under a key of its own, see runtime/run/once.h. */
#ifndef REEVE_TESTS_SIM_WHOLE_ONCE_H
#define REEVE_TESTS_SIM_WHOLE_ONCE_H

#include "runtime/base/hash.h"
#include "runtime/base/json.h"

struct once_row {
    bool gone;
    int32_t tenant;
    const char *by, *key;
    uint8_t digest[RV_HASH_BYTES];
    json_t *answer;
};

#endif
