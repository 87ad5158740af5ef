/* hooks_sign_test.c -- Standard Webhooks signatures against OpenSSL, and the address filter. */
#include "runtime/base/check.h"
#include "runtime/hooks/address.h"
#include "runtime/hooks/sign.h"
#include "tests/support/hook_key.h"
#include "tests/support/test.h"

#include <arpa/inet.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

/* The example of the specification's reference libraries. */
#define SPEC_SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
static const char spec_id[] = "msg_p5jXN8AQM9LWM0D4loKWxJek";
static const char spec_time[] = "1614265330";
static const char spec_body[] = "{\"test\": 2432232314}";
static const char spec_signature[] = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

static struct rv_hook_message spec_message(void)
{
    return (struct rv_hook_message){spec_id, spec_time, spec_body, strlen(spec_body)};
}

static size_t content(char *out, size_t size)
{
    return (size_t)snprintf(out, size, "%s.%s.%s", spec_id, spec_time, spec_body);
}

TEST(v1_is_the_specifications_example)
{
    uint8_t secret[RV_HOOK_SECRET_MAX];
    size_t length = 0;
    ck_assert(hook_key_read("whsec_", SPEC_SECRET, secret, &length));
    struct rv_hook_keys keys = {.secret = secret, .secret_length = length};
    struct rv_hook_message message = spec_message();
    struct rv_buf out;
    rv_buf_init(&out, 1000);
    rv_hook_sign(&keys, &message, &out);
    ck_assert_str_eq(out.data, spec_signature);
    ck_assert(rv_hook_verify(&keys, &message, spec_signature));
    ck_assert(rv_hook_verify(&keys, &message,
                             "v9,xxxx v1,AAAA v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
    ck_assert(!rv_hook_verify(&keys, &message, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OF="));
    ck_assert(!rv_hook_verify(&keys, &message, ""));
    ck_assert(!rv_hook_verify(&keys, &message, "v1,"));
    message.timestamp = "1614265331";
    ck_assert(!rv_hook_verify(&keys, &message, spec_signature));
    rv_buf_fini(&out);
}

TEST(v1_equals_openssl)
{
    uint8_t secret[32], mac[EVP_MAX_MD_SIZE];
    unsigned mac_length = 0;
    char text[256], base64[128], expected[160];
    for (size_t i = 0; i < sizeof secret; i++) {
        secret[i] = (uint8_t)(i * 7 + 1);
    }
    size_t length = content(text, sizeof text);
    HMAC(EVP_sha256(), secret, sizeof secret, (unsigned char *)text, length, mac, &mac_length);
    EVP_EncodeBlock((unsigned char *)base64, mac, (int)mac_length);
    snprintf(expected, sizeof expected, "v1,%s", base64);
    struct rv_hook_keys keys = {.secret = secret, .secret_length = sizeof secret};
    struct rv_hook_message message = spec_message();
    struct rv_buf out;
    rv_buf_init(&out, 1000);
    rv_hook_sign(&keys, &message, &out);
    ck_assert_str_eq(out.data, expected);
    rv_buf_fini(&out);
}

TEST(v1a_equals_openssl_both_ways)
{
    uint8_t seed[32], public_key[32], signature[64];
    size_t signature_length = sizeof signature, public_length = sizeof public_key;
    char text[256], base64[128], expected[160];
    memset(seed, 0x5a, sizeof seed);
    size_t length = content(text, sizeof text);
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, sizeof seed);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    ck_assert_int_eq(EVP_DigestSignInit(context, NULL, NULL, NULL, key), 1);
    ck_assert_int_eq(
        EVP_DigestSign(context, signature, &signature_length, (unsigned char *)text, length), 1);
    ck_assert_int_eq(EVP_PKEY_get_raw_public_key(key, public_key, &public_length), 1);
    EVP_EncodeBlock((unsigned char *)base64, signature, (int)signature_length);
    snprintf(expected, sizeof expected, "v1a,%s", base64);
    struct rv_hook_keys signing = {.seed = seed};
    struct rv_hook_keys verifying = {.public_key = public_key};
    struct rv_hook_message message = spec_message();
    struct rv_buf out;
    uint8_t ours[32];
    rv_buf_init(&out, 1000);
    rv_hook_sign(&signing, &message, &out);
    rv_hook_public_key(seed, ours);
    ck_assert_str_eq(out.data, expected);
    ck_assert_mem_eq(ours, public_key, sizeof ours);
    ck_assert(rv_hook_verify(&verifying, &message, expected));
    message.body = "{\"test\": 2432232315}";
    ck_assert(!rv_hook_verify(&verifying, &message, expected));
    rv_buf_fini(&out);
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
}

TEST(a_rotation_signs_with_both_secrets_and_accepts_both)
{
    uint8_t fresh[32] = {1}, old[32] = {2};
    struct rv_hook_keys both = {
        .secret = fresh, .secret_length = 32, .old_secret = old, .old_secret_length = 32};
    struct rv_hook_keys only_old = {.secret = old, .secret_length = 32};
    struct rv_hook_message message = spec_message();
    struct rv_buf out, by_old;
    rv_buf_init(&out, 1000);
    rv_buf_init(&by_old, 1000);
    rv_hook_sign(&both, &message, &out);
    rv_hook_sign(&only_old, &message, &by_old);
    ck_assert(rv_hook_verify(&only_old, &message, out.data));
    ck_assert(rv_hook_verify(&both, &message, by_old.data));
    rv_buf_fini(&out);
    rv_buf_fini(&by_old);
}

TEST(the_tolerance_is_300_seconds_both_sides)
{
    int64_t now = INT64_C(1614265330) * 1000000;
    ck_assert(rv_hook_is_fresh("1614265330", now));
    ck_assert(rv_hook_is_fresh("1614265030", now));
    ck_assert(!rv_hook_is_fresh("1614265029", now));
    ck_assert(rv_hook_is_fresh("1614265630", now));
    ck_assert(!rv_hook_is_fresh("1614265631", now));
    ck_assert(!rv_hook_is_fresh("", now));
    ck_assert(!rv_hook_is_fresh("-1614265330", now));
    ck_assert(!rv_hook_is_fresh("9999999999999", now));
}

static bool is_public(const char *text)
{
    struct sockaddr_storage address = {0};
    struct sockaddr_in *four = (struct sockaddr_in *)&address;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)&address;
    if (inet_pton(AF_INET, text, &four->sin_addr) == 1) {
        address.ss_family = AF_INET;
    } else {
        ck_assert_int_eq(inet_pton(AF_INET6, text, &six->sin6_addr), 1);
        address.ss_family = AF_INET6;
    }
    return rv_address_is_public((struct sockaddr *)&address);
}

TEST(only_public_addresses_may_be_reached)
{
    static const char *const private_ones[] = {"0.0.0.0",
                                               "10.1.2.3",
                                               "100.64.0.1",
                                               "100.127.255.255",
                                               "127.0.0.1",
                                               "127.255.255.254",
                                               "169.254.169.254",
                                               "172.16.0.1",
                                               "172.31.255.255",
                                               "192.0.0.8",
                                               "192.0.2.1",
                                               "192.168.0.1",
                                               "198.18.0.1",
                                               "198.19.255.255",
                                               "198.51.100.1",
                                               "203.0.113.9",
                                               "224.0.0.1",
                                               "255.255.255.255",
                                               "::",
                                               "::1",
                                               "::ffff:127.0.0.1",
                                               "::ffff:10.0.0.1",
                                               "64:ff9b::7f00:1",
                                               "fe80::1",
                                               "fc00::1",
                                               "fd12::1",
                                               "ff02::1",
                                               "2001::1",
                                               "2001:db8::1",
                                               "2002:7f00:1::",
                                               "2002:a00:1::",
                                               "fec0::1",
                                               "100::1"};
    static const char *const public_ones[] = {
        "1.1.1.1",         "9.255.255.255", "11.0.0.0",       "100.63.255.255",   "100.128.0.0",
        "172.15.255.255",  "172.32.0.0",    "198.17.255.255", "198.20.0.0",       "223.255.255.255",
        "2606:4700::1111", "2a00:1450::1",  "::ffff:1.1.1.1", "64:ff9b::101:101", "2002:101:101::"};
    for (size_t i = 0; i < RV_COUNT(private_ones); i++) {
        ck_assert_msg(!is_public(private_ones[i]), "%s", private_ones[i]);
    }
    for (size_t i = 0; i < RV_COUNT(public_ones); i++) {
        ck_assert_msg(is_public(public_ones[i]), "%s", public_ones[i]);
    }
}

TEST_MAIN()
