/* limiter.c -- see limiter.h; the table of limits is the policy. */
#include "runtime/http/limiter.h"

#include "runtime/base/check.h"
#include "runtime/base/hash.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

enum {
    BUCKETS = 4096, /* visitors remembered; 200 KB */
    WAYS = 8        /* places a visitor may stand in: the oldest of them is forgotten */
};

static const struct {
    const char *name;
    int burst;
    int64_t refill_ms;
} limits[RV_LIMIT_COUNT] = {
    [RV_LIMIT_SIGN_IN_ADDRESS] = {"sign_in_per_address", 30, 10000},
    [RV_LIMIT_SIGN_IN_PAIR] = {"sign_in_per_account_and_address", 5, 60000},
    [RV_LIMIT_SIGN_IN_ACCOUNT] = {"sign_in_per_account", 50, 30000},
    [RV_LIMIT_CREDENTIAL] = {"credentials_per_address", 30, 1000},
    [RV_LIMIT_REFUSAL] = {"refusals_on_record_per_person", 20, 60000},
};

struct bucket {
    uint64_t key;       /* first 8 bytes of a SHA-256; 0: free */
    int64_t full_at_us; /* when it will be full again: one number holds the level */
    int64_t used_us;
};

struct rv_limiter {
    struct bucket buckets[BUCKETS];
};

struct rv_limiter *rv_limiter_create(void)
{
    return rv_alloc(sizeof(struct rv_limiter));
}

void rv_limiter_destroy(struct rv_limiter *limiter)
{
    rv_free(limiter);
}

const char *rv_limit_name(enum rv_limit limit)
{
    return limits[limit].name;
}

void rv_limit_network(const char *address, char *out, size_t size)
{
    struct in6_addr six;
    if (inet_pton(AF_INET6, address, &six) != 1 || IN6_IS_ADDR_V4MAPPED(&six)) {
        snprintf(out, size, "%s", address);
        return;
    }
    memset(&six.s6_addr[8], 0, 8);
    char text[INET6_ADDRSTRLEN];
    inet_ntop(AF_INET6, &six, text, sizeof text);
    snprintf(out, size, "%s/64", text);
}

static struct bucket *find(struct rv_limiter *limiter, enum rv_limit limit, const char *key,
                           int64_t now)
{
    char kind = (char)limit;
    struct rv_span spans[] = {{&kind, 1}, {key, strlen(key)}};
    struct rv_hash hash = rv_sha256_spans(spans, RV_COUNT(spans));
    uint64_t id;
    memcpy(&id, hash.bytes, sizeof id);
    id |= 1;
    struct bucket *set = &limiter->buckets[(id / 2) % (BUCKETS / WAYS) * WAYS];
    struct bucket *oldest = set;
    for (int i = 0; i < WAYS; i++) {
        if (set[i].key == id) {
            return &set[i];
        }
        if (set[i].used_us < oldest->used_us) {
            oldest = &set[i];
        }
    }
    *oldest = (struct bucket){.key = id, .full_at_us = now, .used_us = now};
    return oldest;
}

/* A bucket that is full at F has burst - ceil((F - now) / refill) tokens. */
static int wait_s(const struct bucket *bucket, enum rv_limit limit, int64_t now)
{
    int64_t refill = limits[limit].refill_ms * 1000;
    int64_t full_at = bucket->full_at_us > now ? bucket->full_at_us : now;
    int64_t late = full_at + refill - now - limits[limit].burst * refill;
    return late <= 0 ? 0 : (int)((late + 999999) / 1000000);
}

int rv_limiter_wait(struct rv_limiter *limiter, enum rv_limit limit, const char *key,
                    int64_t mono_us)
{
    return wait_s(find(limiter, limit, key, mono_us), limit, mono_us);
}

int rv_limiter_take(struct rv_limiter *limiter, enum rv_limit limit, const char *key,
                    int64_t mono_us)
{
    struct bucket *bucket = find(limiter, limit, key, mono_us);
    int wait = wait_s(bucket, limit, mono_us);
    bucket->used_us = mono_us;
    if (wait == 0) {
        int64_t from = bucket->full_at_us > mono_us ? bucket->full_at_us : mono_us;
        bucket->full_at_us = from + limits[limit].refill_ms * 1000;
    }
    return wait;
}
