/* hash.c -- one EVP context a thread; see hash.h. */
#include "runtime/base/hash.h"

#include "runtime/base/check.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <string.h>

/* The fetched algorithm is immutable after the first call: the one permitted global here. */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static EVP_MD *sha256;
static pthread_key_t context_key;

static void context_free(void *context)
{
    EVP_MD_CTX_free(context);
}

static void fetch(void)
{
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    RV_ASSERT(sha256 != NULL);
    RV_ASSERT(pthread_key_create(&context_key, context_free) == 0);
}

static EVP_MD_CTX *context(void)
{
    RV_ASSERT(pthread_once(&once, fetch) == 0);
    EVP_MD_CTX *ctx = pthread_getspecific(context_key);
    if (ctx == NULL) {
        ctx = EVP_MD_CTX_new();
        RV_ASSERT(ctx != NULL && pthread_setspecific(context_key, ctx) == 0);
    }
    return ctx;
}

struct rv_hash rv_sha256_spans(const struct rv_span *spans, size_t count)
{
    struct rv_hash hash;
    EVP_MD_CTX *ctx = context();
    RV_ASSERT(EVP_DigestInit_ex2(ctx, sha256, NULL) == 1);
    for (size_t i = 0; i < count; i++) {
        RV_ASSERT(EVP_DigestUpdate(ctx, spans[i].bytes, spans[i].length) == 1);
    }
    RV_ASSERT(EVP_DigestFinal_ex(ctx, hash.bytes, NULL) == 1);
    return hash;
}

struct rv_hash rv_sha256(const void *bytes, size_t length)
{
    struct rv_span span = {.bytes = bytes, .length = length};
    return rv_sha256_spans(&span, 1);
}

/* A stream is an EVP context of its own: the thread's context may be used in between. */
struct rv_hash_stream *rv_sha256_begin(void)
{
    RV_ASSERT(pthread_once(&once, fetch) == 0);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    RV_ASSERT(ctx != NULL && EVP_DigestInit_ex2(ctx, sha256, NULL) == 1);
    return (struct rv_hash_stream *)ctx;
}

void rv_sha256_add(struct rv_hash_stream *stream, const void *bytes, size_t length)
{
    RV_ASSERT(EVP_DigestUpdate((EVP_MD_CTX *)stream, bytes, length) == 1);
}

void rv_sha256_end(struct rv_hash_stream *stream, struct rv_hash *out)
{
    EVP_MD_CTX *ctx = (EVP_MD_CTX *)stream;
    if (out != NULL) {
        RV_ASSERT(EVP_DigestFinal_ex(ctx, out->bytes, NULL) == 1);
    }
    EVP_MD_CTX_free(ctx);
}

struct rv_hash rv_hmac_sha256(const void *key, size_t key_length, const void *bytes, size_t length)
{
    struct rv_hash hash;
    unsigned int size = 0;
    RV_ASSERT(HMAC(EVP_sha256(), key, (int)key_length, bytes, length, hash.bytes, &size) != NULL);
    RV_ASSERT(size == RV_HASH_BYTES);
    return hash;
}

bool rv_hash_equal(const struct rv_hash *a, const struct rv_hash *b)
{
    return CRYPTO_memcmp(a->bytes, b->bytes, RV_HASH_BYTES) == 0;
}

void rv_hash_hex(const struct rv_hash *hash, char out[RV_HASH_HEX])
{
    static const char hex[] = "0123456789abcdef";
    for (size_t i = 0; i < RV_HASH_BYTES; i++) {
        out[2 * i] = hex[hash->bytes[i] >> 4];
        out[2 * i + 1] = hex[hash->bytes[i] & 15];
    }
    out[RV_HASH_HEX - 1] = '\0';
}

static int digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool rv_hash_from_hex(const char *hex, struct rv_hash *out)
{
    if (strlen(hex) != RV_HASH_HEX - 1) {
        return false;
    }
    struct rv_hash hash;
    for (size_t i = 0; i < RV_HASH_BYTES; i++) {
        int high = digit(hex[2 * i]);
        int low = digit(hex[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        hash.bytes[i] = (uint8_t)(high * 16 + low);
    }
    *out = hash;
    return true;
}
