/* limiter.h -- how often somebody may try: token buckets in a table of fixed size.
 *
 * A bucket holds `burst` tokens and gains one every `refill_ms`; each attempt takes one.  The table
 * forgets the bucket that was touched longest ago, so memory is bounded whatever strangers send.
 * Addresses are counted by network: a whole IPv6 /64 is one visitor.
 *
 * Thread: one.
 */
#ifndef REEVE_RUNTIME_HTTP_LIMITER_H
#define REEVE_RUNTIME_HTTP_LIMITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum rv_limit {
    RV_LIMIT_SIGN_IN_ADDRESS, /* password attempts of one network, any account */
    RV_LIMIT_SIGN_IN_PAIR,    /* wrong passwords of one network for one account */
    RV_LIMIT_SIGN_IN_ACCOUNT, /* wrong passwords for one account, from anywhere */
    RV_LIMIT_CREDENTIAL,      /* unknown tokens, sessions or signatures of one network */
    RV_LIMIT_REFUSAL,         /* records that a person may not; further ones are only refused */
    RV_LIMIT_COUNT
};

struct rv_limiter;

struct rv_limiter *rv_limiter_create(void);
void rv_limiter_destroy(struct rv_limiter *limiter);
/* 0: taken.  Otherwise nothing was taken and the answer is the seconds to wait (>= 1). */
int rv_limiter_take(struct rv_limiter *limiter, enum rv_limit limit, const char *key,
                    int64_t mono_us);
/* Seconds to wait without taking; 0 when a token is there. */
int rv_limiter_wait(struct rv_limiter *limiter, enum rv_limit limit, const char *key,
                    int64_t mono_us);
/* The name of a limit as people see it, e.g. "sign_in_per_address". */
const char *rv_limit_name(enum rv_limit limit);
/* The network of a numeric address: IPv4 as it is, IPv6 cut to /64. */
void rv_limit_network(const char *address, char *out, size_t size);

#endif
