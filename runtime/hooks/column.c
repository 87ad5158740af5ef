/* column.c -- see column.h. */
#include "runtime/hooks/column.h"

size_t rv_hook_column_stored(const struct rv_result *result, int row, int column,
                             uint8_t out[RV_HOOK_STORED_MAX])
{
    /* bytea comes as "\\x" and two digits a byte */
    if (rv_result_is_null(result, row, column) ||
        rv_result_length(result, row, column) > 2 + 2 * (size_t)RV_HOOK_STORED_MAX) {
        return 0;
    }
    return rv_result_bytes(result, row, column, out, RV_HOOK_STORED_MAX);
}

size_t rv_hook_column_open(const struct rv_hook_vault *vault, int32_t tenant, int64_t endpoint,
                           enum rv_hook_field field, const struct rv_result *result, int row,
                           int column, uint8_t out[RV_HOOK_SECRET_MAX])
{
    uint8_t stored[RV_HOOK_STORED_MAX];
    size_t length = rv_hook_column_stored(result, row, column, stored);
    return rv_hook_unseal(vault, tenant, endpoint, field, stored, length, out);
}
