/* sample.c -- see sample.h. */
#include "kernels/serve/sample.h"

#include "kernels/base/fail.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DIGIT_BITS = 11, DIGITS = 1 << DIGIT_BITS }; /* of a key, looked at together */

/* ---- chance: a counter in, 128 bits out ---- */

double kernel_uniform(uint64_t seed, uint64_t position)
{
    uint32_t counter[4] = {(uint32_t)position, (uint32_t)(position >> 32), 0, 0};
    uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    for (int round = 0; round < 10; round++) {
        uint64_t a = (uint64_t)counter[0] * 0xD2511F53u;
        uint64_t b = (uint64_t)counter[2] * 0xCD9E8D57u;
        uint32_t next[4] = {(uint32_t)(b >> 32) ^ counter[1] ^ key[0], (uint32_t)b,
                            (uint32_t)(a >> 32) ^ counter[3] ^ key[1], (uint32_t)a};
        for (int i = 0; i < 4; i++) {
            counter[i] = next[i];
        }
        key[0] += 0x9E3779B9u;
        key[1] += 0xBB67AE85u;
    }
    uint64_t bits = (uint64_t)counter[0] << 32 | counter[1];
    return (double)(bits >> 11) * 0x1p-53;
}

/* ---- candidates ---- */

static bool allowed(const uint64_t *mask, uint32_t token)
{
    return mask == NULL || (mask[token / 64] >> (token % 64) & 1) != 0;
}

static int32_t best(const float *logits, uint32_t vocabulary, const uint64_t *mask)
{
    int32_t found = -1;
    for (uint32_t i = 0; i < vocabulary; i++) {
        if (allowed(mask, i) && (found < 0 || logits[i] > logits[found])) {
            found = (int32_t)i;
        }
    }
    return found;
}

/* In the order of ids. */
struct candidate {
    int32_t token;
    uint32_t key; /* greater: a greater logit */
    double weight;
};

static uint32_t key_of(float logit)
{
    uint32_t bits = 0;
    float value = logit == 0 ? 0 : logit; /* 0 and -0 are equal */
    memcpy(&bits, &value, sizeof bits);
    return (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
}

/* What a candidate adds to the sum that a cut is about: 1 (top_k), or its weight (top_p) as a whole
 * number, so that a sum is the same in any order. */
static uint64_t measure(const struct candidate *candidate, bool by_weight)
{
    return by_weight ? (uint64_t)(candidate->weight * KERNEL_PICK_WEIGHT + 0.5) : 1;
}

/* Keeps the best until they measure `wanted`, which all together do; returns how many, still in the
 * order of ids.  The least key among them is found eleven bits at a time (radix select): nothing
 * is put in order, and no row takes longer than another. */
static uint32_t keep_best(struct candidate *candidates, uint32_t count, bool by_weight,
                          uint64_t wanted)
{
    static const uint32_t shifts[] = {32 - DIGIT_BITS, 32 - 2 * DIGIT_BITS, 0};
    uint64_t sums[DIGITS];
    uint32_t known = 0;  /* bits of the least key that are known */
    uint32_t prefix = 0; /* and what they are */
    for (size_t s = 0; s < sizeof shifts / sizeof shifts[0]; s++) {
        uint32_t digit = ~known >> shifts[s]; /* the next bits */
        memset(sums, 0, sizeof sums);
        for (uint32_t i = 0; i < count; i++) {
            if ((candidates[i].key & known) == prefix) {
                sums[candidates[i].key >> shifts[s] & digit] += measure(&candidates[i], by_weight);
            }
        }
        uint32_t bucket = digit;
        for (; bucket > 0 && sums[bucket] < wanted; bucket--) {
            wanted -= sums[bucket]; /* greater: all of them */
        }
        known |= digit << shifts[s];
        prefix |= bucket << shifts[s];
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        bool last = candidates[i].key == prefix && wanted > 0; /* equals: the lowest ids */
        if (last) {
            uint64_t own = measure(&candidates[i], by_weight);
            wanted -= own < wanted ? own : wanted;
        }
        if (last || candidates[i].key > prefix) {
            candidates[kept++] = candidates[i];
        }
    }
    return kept;
}

/* What top_k and then top_p leave. */
static uint32_t cut(struct candidate *candidates, uint32_t count, uint32_t top_k, double top_p)
{
    if (top_k > 0 && top_k < count) {
        count = keep_best(candidates, count, false, top_k);
    }
    if (top_p <= 0) {
        return count;
    }
    uint64_t all = 0;
    for (uint32_t i = 0; i < count; i++) {
        all += measure(&candidates[i], true);
    }
    uint64_t wanted = (uint64_t)ceil(top_p * (double)all);
    return keep_best(candidates, count, true, wanted < all ? wanted : all);
}

static double sum_of(const struct candidate *candidates, uint32_t count)
{
    double all = 0;
    for (uint32_t i = 0; i < count; i++) {
        all += candidates[i].weight;
    }
    return all;
}

static int32_t draw(const struct candidate *candidates, uint32_t count, double uniform)
{
    double left = uniform * sum_of(candidates, count);
    for (uint32_t i = 0; i < count; i++) {
        left -= candidates[i].weight;
        if (left < 0) {
            return candidates[i].token;
        }
    }
    return candidates[count - 1].token; /* what rounding left over */
}

/* What is e^-40 times less probable than the best is never drawn by 53 bits. */
static double least_of(const struct kernel_sampling *sampling)
{
    return sampling->min_p > 0 ? log(sampling->min_p) : -40;
}

/* All that may come reach 1: nothing is cut. */
static double top_p_of(const struct kernel_sampling *sampling)
{
    return sampling->top_p < 1 ? sampling->top_p : 0;
}

int32_t kernel_sample(const float *logits, uint32_t vocabulary, const uint64_t *mask,
                      const struct kernel_sampling *sampling, uint64_t position)
{
    int32_t top = best(logits, vocabulary, mask);
    if (top < 0 || sampling->temperature <= 0) {
        return top;
    }
    double least = least_of(sampling);
    struct candidate *candidates = kernel_allocate(vocabulary, sizeof *candidates);
    uint32_t count = 0;
    for (uint32_t i = 0; i < vocabulary; i++) {
        double distance = ((double)logits[i] - (double)logits[top]) / sampling->temperature;
        if (allowed(mask, i) && distance >= least) {
            candidates[count++] = (struct candidate){
                .token = (int32_t)i, .key = key_of(logits[i]), .weight = exp(distance)};
        }
    }
    count = cut(candidates, count, sampling->top_k, top_p_of(sampling));
    int32_t token = draw(candidates, count, kernel_uniform(sampling->seed, position));
    free(candidates);
    return token;
}

void kernel_pick_make(const struct kernel_sampling *sampling, uint64_t position,
                      const uint64_t *mask, struct kernel_pick *out)
{
    *out = (struct kernel_pick){.mask = mask,
                                .temperature = sampling->temperature,
                                .least = least_of(sampling),
                                .top_p = top_p_of(sampling),
                                .top_k = sampling->top_k,
                                .chance = kernel_uniform(sampling->seed, position)};
}

/* ---- log-probabilities ---- */

static double log_sum_at(const float *logits, uint32_t vocabulary, double temperature)
{
    double top = logits[0];
    for (uint32_t i = 1; i < vocabulary; i++) {
        top = logits[i] > top ? logits[i] : top;
    }
    double sum = 0;
    for (uint32_t i = 0; i < vocabulary; i++) {
        sum += exp(((double)logits[i] - top) / temperature);
    }
    return top / temperature + log(sum);
}

double kernel_log_sum(const float *logits, uint32_t vocabulary)
{
    return log_sum_at(logits, vocabulary, 1);
}

double kernel_log_p(const float *logits, uint32_t vocabulary, int32_t token, double temperature)
{
    return (double)logits[token] / temperature - log_sum_at(logits, vocabulary, temperature);
}

void kernel_top(const float *logits, uint32_t vocabulary, uint32_t count,
                struct kernel_logprob *out)
{
    double sum = kernel_log_sum(logits, vocabulary);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < vocabulary; i++) { /* insertion: `count` is small */
        if (kept == count && (count == 0 || logits[i] <= logits[out[kept - 1].token])) {
            continue;
        }
        uint32_t at = kept < count ? kept++ : kept - 1;
        while (at > 0 && logits[i] > logits[out[at - 1].token]) {
            out[at] = out[at - 1];
            at--;
        }
        out[at] = (struct kernel_logprob){.token = (int32_t)i,
                                          .logprob = (float)((double)logits[i] - sum)};
    }
}
