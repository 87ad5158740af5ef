/* column.h -- a sealed secret in a row of the database.  Private to runtime/hooks. */
#ifndef REEVE_RUNTIME_HOOKS_COLUMN_H
#define REEVE_RUNTIME_HOOKS_COLUMN_H

#include "runtime/db/db.h"
#include "runtime/hooks/vault.h"

/* Gives the secret's length; 0 for NULL and for what does not open. */
size_t rv_hook_column_open(const struct rv_hook_vault *vault, int32_t tenant, int64_t endpoint,
                           enum rv_hook_field field, const struct rv_result *result, int row,
                           int column, uint8_t out[RV_HOOK_SECRET_MAX]);
/* The bytes as they are stored; 0 for NULL and for what cannot be a secret in any form. */
size_t rv_hook_column_stored(const struct rv_result *result, int row, int column,
                             uint8_t out[RV_HOOK_STORED_MAX]);

#endif
