/* sign.c -- see sign.h. */
#include "runtime/hooks/sign.h"

#include "runtime/base/check.h"
#include "runtime/base/hash.h"

#include <sodium.h>
#include <string.h>

enum { SIGNATURE_TEXT = 96, CONTENT_MAX = 64 << 20 };

static void add_content(const struct rv_hook_message *message, struct rv_buf *out)
{
    rv_buf_printf(out, "%s.%s.", message->id, message->timestamp);
    rv_buf_add(out, message->body, message->length);
    RV_ASSERT(!out->overflowed);
}

static void add_signature(struct rv_buf *out, const char *version, const uint8_t *bytes,
                          size_t length)
{
    char text[SIGNATURE_TEXT];
    sodium_bin2base64(text, sizeof text, bytes, length, sodium_base64_VARIANT_ORIGINAL);
    rv_buf_printf(out, "%s%s,%s", out->length > 0 ? " " : "", version, text);
}

static void sign_v1(const uint8_t *secret, size_t length, const struct rv_buf *content,
                    struct rv_buf *out)
{
    if (secret != NULL) {
        struct rv_hash mac = rv_hmac_sha256(secret, length, content->data, content->length);
        add_signature(out, "v1", mac.bytes, sizeof mac.bytes);
    }
}

static void sign_v1a(const uint8_t *seed, const struct rv_buf *content, struct rv_buf *out)
{
    uint8_t public_key[crypto_sign_PUBLICKEYBYTES];
    uint8_t secret_key[crypto_sign_SECRETKEYBYTES];
    uint8_t signature[crypto_sign_BYTES];
    if (seed == NULL) {
        return;
    }
    crypto_sign_seed_keypair(public_key, secret_key, seed);
    crypto_sign_detached(signature, NULL, (const unsigned char *)content->data, content->length,
                         secret_key);
    sodium_memzero(secret_key, sizeof secret_key);
    add_signature(out, "v1a", signature, sizeof signature);
}

void rv_hook_sign(const struct rv_hook_keys *keys, const struct rv_hook_message *message,
                  struct rv_buf *out)
{
    struct rv_buf content;
    rv_buf_init(&content, CONTENT_MAX);
    add_content(message, &content);
    sign_v1(keys->secret, keys->secret_length, &content, out);
    sign_v1(keys->old_secret, keys->old_secret_length, &content, out);
    sign_v1a(keys->seed, &content, out);
    rv_buf_fini(&content);
}

static bool matches_v1(const uint8_t *secret, size_t length, const struct rv_buf *content,
                       const uint8_t *signature, size_t signature_length)
{
    if (secret == NULL || signature_length != RV_HASH_BYTES) {
        return false;
    }
    struct rv_hash mac = rv_hmac_sha256(secret, length, content->data, content->length);
    return sodium_memcmp(mac.bytes, signature, RV_HASH_BYTES) == 0;
}

static bool check_one(const struct rv_hook_keys *keys, const struct rv_buf *content,
                      const char *text, size_t length)
{
    uint8_t bytes[crypto_sign_BYTES];
    size_t count = 0;
    size_t prefix = strncmp(text, "v1a,", 4) == 0 ? 4 : strncmp(text, "v1,", 3) == 0 ? 3 : 0;
    if (prefix == 0 || prefix > length ||
        sodium_base642bin(bytes, sizeof bytes, text + prefix, length - prefix, NULL, &count, NULL,
                          sodium_base64_VARIANT_ORIGINAL) != 0) {
        return false; /* an unknown version is skipped, as the specification asks */
    }
    if (prefix == 4) {
        return keys->public_key != NULL && count == crypto_sign_BYTES &&
               crypto_sign_verify_detached(bytes, (const unsigned char *)content->data,
                                           content->length, keys->public_key) == 0;
    }
    return matches_v1(keys->secret, keys->secret_length, content, bytes, count) ||
           matches_v1(keys->old_secret, keys->old_secret_length, content, bytes, count);
}

bool rv_hook_verify(const struct rv_hook_keys *keys, const struct rv_hook_message *message,
                    const char *header)
{
    enum { SIGNATURES_MAX = 8 }; /* a header full of signatures must not buy CPU time */
    struct rv_buf content;
    bool valid = false;
    rv_buf_init(&content, CONTENT_MAX);
    add_content(message, &content);
    for (int i = 0; i < SIGNATURES_MAX && *header != '\0' && !valid; i++) {
        size_t length = strcspn(header, " ");
        valid = check_one(keys, &content, header, length);
        header += length;
        header += strspn(header, " ");
    }
    rv_buf_fini(&content);
    return valid;
}

bool rv_hook_is_fresh(const char *timestamp, int64_t now_us)
{
    int64_t seconds = 0;
    size_t length = strlen(timestamp);
    if (length == 0 || length > 12 || strspn(timestamp, "0123456789") != length) {
        return false;
    }
    for (const char *at = timestamp; *at != '\0'; at++) {
        seconds = seconds * 10 + (*at - '0');
    }
    int64_t apart = now_us / 1000000 - seconds;
    return apart <= RV_HOOK_TOLERANCE_S && apart >= -RV_HOOK_TOLERANCE_S;
}

void rv_hook_key_text(const char *prefix, const uint8_t *bytes, size_t length,
                      char out[RV_HOOK_KEY_TEXT])
{
    size_t used = strlen(prefix);
    RV_ASSERT(length <= RV_HOOK_SECRET_MAX);
    memcpy(out, prefix, used);
    sodium_bin2base64(out + used, RV_HOOK_KEY_TEXT - used, bytes, length,
                      sodium_base64_VARIANT_ORIGINAL);
}

void rv_hook_public_key(const uint8_t seed[RV_HOOK_SEED_BYTES], uint8_t out[RV_HOOK_PUBLIC_BYTES])
{
    uint8_t secret_key[crypto_sign_SECRETKEYBYTES];
    crypto_sign_seed_keypair(out, secret_key, seed);
    sodium_memzero(secret_key, sizeof secret_key);
}
