/* vault.h -- the secrets of web hooks as the database sees them: sealed with a key that is not
 * there.
 *
 *   stored   "rv1" | nonce (24 bytes) | XChaCha20-Poly1305 of the secret
 *
 * Tenant, endpoint and field are authenticated with it: a sealed secret that is copied to another
 * row does not open.  The key lies in a file of mode 0600 beside the audit key; nodes that serve
 * the same database share it.  A copy of the database alone gives no secret away.
 *
 * Immutable after opening; any thread.
 */
#ifndef REEVE_RUNTIME_HOOKS_VAULT_H
#define REEVE_RUNTIME_HOOKS_VAULT_H

#include "runtime/hooks/sign.h"

struct rv_hook_vault;

enum {
    RV_HOOK_VAULT_KEY_BYTES = 32,
    RV_HOOK_SEALED_MAX = 3 + 24 + RV_HOOK_SECRET_MAX + 16,
    RV_HOOK_STORED_MAX = 256 /* whatever stands in a column; more is damaged */
};

enum rv_hook_field { RV_HOOK_FIELD_SECRET, RV_HOOK_FIELD_SEED };

/* Reads the key, or makes it (file mode 0600).  RV_DENIED when others may read it. */
RV_MUST enum rv_code rv_hook_vault_open(const char *key_path, struct rv_hook_vault **out,
                                        struct rv_error *err);
void rv_hook_vault_close(struct rv_hook_vault *vault); /* wipes; NULL is fine */

/* `length` at most RV_HOOK_SECRET_MAX; gives the length of `out`. */
size_t rv_hook_seal(const struct rv_hook_vault *vault, int32_t tenant, int64_t endpoint,
                    enum rv_hook_field field, const uint8_t *secret, size_t length,
                    uint8_t out[RV_HOOK_SEALED_MAX]);
/* Gives the secret's length; 0 when it is not sealed, or not with this key for this place. */
size_t rv_hook_unseal(const struct rv_hook_vault *vault, int32_t tenant, int64_t endpoint,
                      enum rv_hook_field field, const uint8_t *sealed, size_t length,
                      uint8_t out[RV_HOOK_SECRET_MAX]);
/* The secret of a connector (runtime/effect), which may be as long as a token is: appends to `out`.
 * The other direction appends too; false when it does not open with this key for this place. */
void rv_hook_seal_connector(const struct rv_hook_vault *vault, int32_t tenant, int64_t connector,
                            const char *secret, size_t length, struct rv_buf *out);
RV_MUST bool rv_hook_unseal_connector(const struct rv_hook_vault *vault, int32_t tenant,
                                      int64_t connector, const uint8_t *sealed, size_t length,
                                      struct rv_buf *out);
/* By its form; says nothing about the key. */
bool rv_hook_is_sealed(const uint8_t *stored, size_t length);

#endif
