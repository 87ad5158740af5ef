/* hash.h -- SHA-256 (FIPS 180-4) through OpenSSL's EVP, and hex.
 *
 * Thread-safe: each thread keeps one context, the algorithm is fetched once per process
 * (fetching by name costs 20 % on short inputs).
 */
#ifndef REEVE_RUNTIME_BASE_HASH_H
#define REEVE_RUNTIME_BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RV_HASH_BYTES = 32, RV_HASH_HEX = 65 };

struct rv_hash {
    uint8_t bytes[RV_HASH_BYTES];
};

struct rv_span {
    const void *bytes;
    size_t length;
};

struct rv_hash rv_sha256(const void *bytes, size_t length);
/* The hash of the concatenation of `spans`. */
struct rv_hash rv_sha256_spans(const struct rv_span *spans, size_t count);
/* The hash of something that arrives in pieces (a file of gigabytes).  Begin allocates, end frees;
 * end with `out` NULL only frees. */
struct rv_hash_stream;
struct rv_hash_stream *rv_sha256_begin(void);
void rv_sha256_add(struct rv_hash_stream *stream, const void *bytes, size_t length);
void rv_sha256_end(struct rv_hash_stream *stream, struct rv_hash *out);
struct rv_hash rv_hmac_sha256(const void *key, size_t key_length, const void *bytes, size_t length);
bool rv_hash_equal(const struct rv_hash *a, const struct rv_hash *b); /* constant time */
void rv_hash_hex(const struct rv_hash *hash, char out[RV_HASH_HEX]);
/* False when `hex` is not exactly 64 hexadecimal digits. */
bool rv_hash_from_hex(const char *hex, struct rv_hash *out);

#endif
