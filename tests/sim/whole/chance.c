/* chance.c -- stands in for runtime/base/random.c: ids and secrets come from the seed too, so that
 * a seed is the same story each time. */
#include "tests/sim/whole/world.h"

enum { ID_RANDOM_BITS = 22 };
#define ID_EPOCH_MS INT64_C(1577836800000) /* 2020-01-01T00:00:00Z */

static struct rv_random source;

void chance_begin(uint64_t seed)
{
    source.state = seed ^ UINT64_C(0x5DEECE66D);
}

void rv_random_secret(void *out, size_t length)
{
    unsigned char *bytes = out;
    for (size_t i = 0; i < length; i++) {
        bytes[i] = (unsigned char)rv_random_next(&source);
    }
}

int64_t rv_id_make(int64_t now_us)
{
    int64_t ms = now_us / 1000 - ID_EPOCH_MS;
    RV_ASSERT(ms > 0);
    return (ms << ID_RANDOM_BITS) |
           (int64_t)(rv_random_next(&source) & ((1u << ID_RANDOM_BITS) - 1));
}
