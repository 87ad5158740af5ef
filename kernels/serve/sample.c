/* sample.c -- see sample.h. */
#include "kernels/serve/sample.h"

#include "kernels/base/fail.h"

#include <math.h>
#include <stdlib.h>

enum {
    HEAD_FIRST = 256, /* candidates put in order before top_p is looked for among them */
    HEAD_MORE = 8,    /* as many times more where they do not reach it */
    ROUNDS_MAX = 100  /* of a search that halves: then the row was made to be slow, and is sorted */
};

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

struct candidate {
    int32_t token;
    double weight;
};

/* Most probable first; equal: lowest id first. */
static int by_weight(const void *left, const void *right)
{
    const struct candidate *a = left;
    const struct candidate *b = right;
    if (a->weight != b->weight) {
        return a->weight < b->weight ? 1 : -1;
    }
    return (a->token > b->token) - (a->token < b->token);
}

static void swap(struct candidate *a, struct candidate *b)
{
    struct candidate kept = *a;
    *a = *b;
    *b = kept;
}

/* Puts the `head` most probable first, in their order; those behind stay as they come.  A
 * vocabulary has 150,000 tokens, and a cut leaves a few: they are found (Hoare 1961, "Algorithm 65:
 * find") before they are sorted. */
static void order_head(struct candidate *candidates, uint32_t count, uint32_t head)
{
    uint32_t low = 0;
    uint32_t high = count; /* the border of the head is in [low, high) */
    int rounds = 0;
    for (; rounds < ROUNDS_MAX && head > low && head < high; rounds++) {
        struct candidate *first = &candidates[low];
        swap(first, &candidates[low + (high - low) / 2]);
        uint32_t before = low; /* [low + 1, before] come before the first */
        for (uint32_t i = low + 1; i < high; i++) {
            if (by_weight(&candidates[i], first) < 0) {
                swap(&candidates[++before], &candidates[i]);
            }
        }
        swap(first, &candidates[before]);
        if (before < head) {
            low = before + 1;
        } else {
            high = before;
        }
    }
    qsort(candidates, rounds < ROUNDS_MAX ? head : count, sizeof *candidates, by_weight);
}

static double sum_of(const struct candidate *candidates, uint32_t count)
{
    double all = 0;
    for (uint32_t i = 0; i < count; i++) {
        all += candidates[i].weight;
    }
    return all;
}

/* How many of the first `head`, in their order, reach `wanted`; 0: all of them do not. */
static uint32_t reach(const struct candidate *candidates, uint32_t head, double wanted)
{
    double sum = 0;
    for (uint32_t i = 0; i < head; i++) {
        sum += candidates[i].weight;
        if (sum >= wanted) {
            return i + 1;
        }
    }
    return 0;
}

/* Cuts the list to what top_k and top_p leave, the most probable first. */
static uint32_t cut(struct candidate *candidates, uint32_t count, uint32_t top_k, double top_p)
{
    if (top_k > 0 && top_k < count) {
        order_head(candidates, count, top_k);
        count = top_k;
    }
    if (top_p <= 0) {
        return count;
    }
    double wanted = top_p * sum_of(candidates, count);
    uint32_t kept = 0;
    uint32_t head = 0;
    while (kept == 0 && head < count) { /* seldom more than the first round */
        head = head == 0 ? HEAD_FIRST : head * HEAD_MORE;
        head = head < count ? head : count;
        order_head(candidates, count, head);
        kept = reach(candidates, head, wanted);
    }
    return kept > 0 ? kept : count;
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

/* All that may come reach 1: nothing is cut, and nothing has to be put in order. */
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
            candidates[count++] = (struct candidate){.token = (int32_t)i, .weight = exp(distance)};
        }
    }
    double top_p = top_p_of(sampling);
    if (sampling->top_k > 0 || top_p > 0) {
        count = cut(candidates, count, sampling->top_k, top_p);
    }
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
