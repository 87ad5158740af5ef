/* random.c -- secrets from the kernel. */
#include "runtime/base/random.h"

#include "runtime/base/check.h"

#include <sys/random.h>

enum { ID_RANDOM_BITS = 22 };
#define ID_EPOCH_MS INT64_C(1577836800000) /* 2020-01-01T00:00:00Z */

void rv_random_secret(void *out, size_t length)
{
    unsigned char *bytes = out;
    while (length > 0) {
        ssize_t n = getrandom(bytes, length, 0);
        RV_ASSERT(n > 0);
        bytes += n;
        length -= (size_t)n;
    }
}

int64_t rv_id_make(int64_t now_us)
{
    uint32_t low = 0;
    rv_random_secret(&low, sizeof low);
    int64_t ms = now_us / 1000 - ID_EPOCH_MS;
    RV_ASSERT(ms > 0);
    return (ms << ID_RANDOM_BITS) | (int64_t)(low & ((1u << ID_RANDOM_BITS) - 1));
}
