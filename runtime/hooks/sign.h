/* sign.h -- signatures of the Standard Webhooks specification (standardwebhooks.com); pure.
 *
 *   signed content   <webhook-id> "." <webhook-timestamp> "." <raw body>
 *   v1               HMAC-SHA256 with a shared secret of 24..64 bytes, written whsec_<base64>
 *   v1a              Ed25519; private seed whsk_<base64>, public key whpk_<base64>
 *   webhook-signature: "v1,<base64> v1a,<base64> ..."  separated by spaces; one valid is enough
 */
#ifndef REEVE_RUNTIME_HOOKS_SIGN_H
#define REEVE_RUNTIME_HOOKS_SIGN_H

#include "runtime/base/buf.h"
#include "runtime/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    RV_HOOK_SECRET_MIN = 24,
    RV_HOOK_SECRET_MAX = 64,
    RV_HOOK_SEED_BYTES = 32,
    RV_HOOK_PUBLIC_BYTES = 32,
    RV_HOOK_KEY_TEXT = 104,   /* prefix, base64 of the longest secret, NUL */
    RV_HOOK_TOLERANCE_S = 300 /* the specification's reference value, both sides */
};

struct rv_hook_message {
    const char *id;        /* must not contain "." */
    const char *timestamp; /* decimal seconds since 1970, as sent */
    const char *body;
    size_t length;
};

/* Keys of one endpoint; NULL where it has none. */
struct rv_hook_keys {
    const uint8_t *secret;
    size_t secret_length;
    const uint8_t *old_secret; /* still valid while a rotation lasts */
    size_t old_secret_length;
    const uint8_t *seed;       /* signing: Ed25519 */
    const uint8_t *public_key; /* verifying: Ed25519 */
};

/* Appends the value of webhook-signature: one signature per key. */
void rv_hook_sign(const struct rv_hook_keys *keys, const struct rv_hook_message *message,
                  struct rv_buf *out);
/* Whether one signature in `header` is valid under one of the keys; constant time per comparison.
 */
bool rv_hook_verify(const struct rv_hook_keys *keys, const struct rv_hook_message *message,
                    const char *header);
/* Whether `timestamp` is decimal and within RV_HOOK_TOLERANCE_S of `now_us`. */
bool rv_hook_is_fresh(const char *timestamp, int64_t now_us);

/* Keys as text.  `prefix` is "whsec_", "whsk_" or "whpk_". */
void rv_hook_key_text(const char *prefix, const uint8_t *bytes, size_t length,
                      char out[RV_HOOK_KEY_TEXT]);
/* The Ed25519 public key of a seed. */
void rv_hook_public_key(const uint8_t seed[RV_HOOK_SEED_BYTES], uint8_t out[RV_HOOK_PUBLIC_BYTES]);

#endif
