/* random.h -- randomness as a parameter: a seeded generator for everything that may be replayed,
 * and the operating system's generator for secrets.
 *
 * The seeded generator is SplitMix64 (Steele, Lea, Flood 2014): tiny, good enough for jitter,
 * sampling and simulation, never for secrets.
 */
#ifndef REEVE_RUNTIME_BASE_RANDOM_H
#define REEVE_RUNTIME_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

struct rv_random {
    uint64_t state;
};

static inline uint64_t rv_random_next(struct rv_random *random)
{
    uint64_t z = (random->state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

/* 0 .. bound-1; bound > 0. */
static inline uint64_t rv_random_below(struct rv_random *random, uint64_t bound)
{
    return rv_random_next(random) % bound;
}

/* Bytes fit for keys and tokens (getrandom); aborts when the system has none. */
void rv_random_secret(void *out, size_t length);
/* A 63-bit positive id: milliseconds since 2020 (41 bits), then 22 random bits; sorts by time.
 * `now_us` from the caller's clock. */
int64_t rv_id_make(int64_t now_us);

#endif
