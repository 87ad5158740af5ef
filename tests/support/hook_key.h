/* hook_key.h -- what a receiver of web hooks does with the text of its secret: base64 behind a
 * prefix.  reeve itself only writes it (rv_hook_key_text). */
#ifndef REEVE_TESTS_SUPPORT_HOOK_KEY_H
#define REEVE_TESTS_SUPPORT_HOOK_KEY_H

#include "runtime/hooks/sign.h"

#include <sodium.h>
#include <string.h>

/* False when it is no key of 24 to 64 bytes, as Standard Webhooks has them. */
static inline bool hook_key_read(const char *prefix, const char *text,
                                 uint8_t out[RV_HOOK_SECRET_MAX], size_t *length)
{
    size_t used = strlen(prefix);
    return strncmp(text, prefix, used) == 0 &&
           sodium_base642bin(out, RV_HOOK_SECRET_MAX, text + used, strlen(text) - used, NULL,
                             length, NULL, sodium_base64_VARIANT_ORIGINAL) == 0 &&
           *length >= RV_HOOK_SECRET_MIN && *length <= RV_HOOK_SECRET_MAX;
}

#endif
