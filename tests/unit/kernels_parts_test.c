/* kernels_parts_test.c -- parts of the serving that need no model: cache blocks, sampling. */
#include "kernels/serve/cache.h"
#include "kernels/serve/sample.h"
#include "tests/support/test.h"

#include <math.h>

/* ---- the cache: a random life of sequences, checked after every act ---- */

enum { TOKENS = 4 * KERNEL_BLOCK_TOKENS, LIVES = 6, BLOCKS = 12 };

struct life {
    struct kernel_chain chain;
    int32_t blocks[4];
    int count;
    uint32_t tenant;
    int32_t tokens[TOKENS];
};

static uint32_t chance(uint32_t *state, uint32_t below)
{
    *state = *state * 1664525u + 1013904223u;
    return (*state >> 8) % below;
}

static void end_life(struct kernel_cache *cache, struct life *life)
{
    while (life->count > 0) {
        kernel_cache_release(cache, life->blocks[--life->count]);
    }
}

static void begin_life(struct life *life, uint32_t *state)
{
    life->tenant = chance(state, 2);
    life->chain = kernel_chain_root(life->tenant, -1);
    for (int i = 0; i < TOKENS; i++) { /* few beginnings, so that they meet */
        life->tokens[i] = (int32_t)(i % KERNEL_BLOCK_TOKENS == 0 ? chance(state, 2) : 7);
    }
}

static void grow(struct kernel_cache *cache, struct life *life, int *owner)
{
    const int32_t *tokens = life->tokens + life->count * KERNEL_BLOCK_TOKENS;
    int32_t block = kernel_cache_match(cache, &life->chain, tokens);
    if (block != KERNEL_BLOCK_NONE) {
        ck_assert_int_eq(owner[block], (int)life->tenant);
    } else if ((block = kernel_cache_take(cache)) != KERNEL_BLOCK_NONE) {
        owner[block] = (int)life->tenant;
        kernel_cache_seal(cache, block, &life->chain, tokens);
    } else {
        end_life(cache, life);
        return;
    }
    life->blocks[life->count++] = block;
}

TEST(blocks_are_neither_lost_nor_shared_between_tenants)
{
    uint32_t state = 20261121;
    struct kernel_cache *cache = kernel_cache_create(BLOCKS, 1, true);
    struct life lives[LIVES] = {0};
    int owner[BLOCKS] = {0};
    for (int i = 0; i < LIVES; i++) {
        begin_life(&lives[i], &state);
    }
    for (int n = 0; n < 20000; n++) {
        struct life *life = &lives[chance(&state, LIVES)];
        if (life->count == 4 || chance(&state, 8) == 0) {
            end_life(cache, life);
            begin_life(life, &state);
        } else {
            grow(cache, life, owner);
        }
        kernel_cache_check(cache);
    }
    for (int i = 0; i < LIVES; i++) {
        end_life(cache, &lives[i]);
    }
    ck_assert_uint_eq(kernel_cache_available(cache), BLOCKS);
    kernel_cache_destroy(cache);
}

TEST(a_known_beginning_is_found_again_by_the_same_tenant_only)
{
    struct kernel_cache *cache = kernel_cache_create(4, 1, true);
    int32_t tokens[KERNEL_BLOCK_TOKENS] = {1, 2, 3};
    struct kernel_chain chain = kernel_chain_root(1, -1);
    int32_t block = kernel_cache_take(cache);
    kernel_cache_seal(cache, block, &chain, tokens);
    kernel_cache_release(cache, block);
    ck_assert_uint_eq(kernel_cache_remembered(cache), 1);
    struct kernel_chain other = kernel_chain_root(2, -1);
    ck_assert_int_eq(kernel_cache_match(cache, &other, tokens), KERNEL_BLOCK_NONE);
    struct kernel_chain adapted = kernel_chain_root(1, 0);
    ck_assert_int_eq(kernel_cache_match(cache, &adapted, tokens), KERNEL_BLOCK_NONE);
    struct kernel_chain same = kernel_chain_root(1, -1);
    ck_assert_int_eq(kernel_cache_match(cache, &same, tokens), block);
    ck_assert_uint_eq(kernel_cache_available(cache), 3);
    kernel_cache_release(cache, block);
    kernel_cache_forget(cache, -1);
    same = kernel_chain_root(1, -1);
    ck_assert_int_eq(kernel_cache_match(cache, &same, tokens), KERNEL_BLOCK_NONE);
    kernel_cache_destroy(cache);
}

TEST(the_least_recently_used_block_goes_first_and_the_end_before_the_beginning)
{
    struct kernel_cache *cache = kernel_cache_create(3, 1, true);
    struct kernel_chain chain = kernel_chain_root(1, -1);
    int32_t blocks[3];
    int32_t tokens[3][KERNEL_BLOCK_TOKENS] = {{1}, {2}, {3}};
    for (int i = 0; i < 3; i++) {
        blocks[i] = kernel_cache_take(cache);
        kernel_cache_seal(cache, blocks[i], &chain, tokens[i]);
    }
    for (int i = 2; i >= 0; i--) {
        kernel_cache_release(cache, blocks[i]);
    }
    ck_assert_int_eq(kernel_cache_take(cache), blocks[2]);
    ck_assert_int_eq(kernel_cache_take(cache), blocks[1]);
    struct kernel_chain again = kernel_chain_root(1, -1);
    ck_assert_int_eq(kernel_cache_match(cache, &again, tokens[0]), blocks[0]);
    ck_assert_int_eq(kernel_cache_match(cache, &again, tokens[1]), KERNEL_BLOCK_NONE);
    ck_assert_int_eq(kernel_cache_take(cache), KERNEL_BLOCK_NONE);
    kernel_cache_destroy(cache);
}

/* ---- sampling ---- */

TEST(chance_depends_on_seed_and_position_alone_and_is_even)
{
    enum { DRAWS = 20000, BINS = 16 };
    int bins[BINS] = {0};
    for (uint64_t i = 0; i < DRAWS; i++) {
        double one = kernel_uniform(42, i);
        ck_assert(one >= 0 && one < 1 && one == kernel_uniform(42, i)); /* NOLINT: bit for bit */
        bins[(int)(one * BINS)]++;
    }
    for (int i = 0; i < BINS; i++) { /* 1,250 each; five standard deviations */
        ck_assert(abs(bins[i] - DRAWS / BINS) < 5 * 35);
    }
    ck_assert(kernel_uniform(42, 0) != kernel_uniform(43, 0));
}

/* Philox 4x32-10 of counter 0 and key 0: known answer of the paper's library (Random123). */
TEST(chance_is_the_published_generator)
{
    uint64_t bits = (uint64_t)0x6627e8d5u << 32 | 0xe169c58du;
    ck_assert(kernel_uniform(0, 0) == (double)(bits >> 11) * 0x1p-53);
}

TEST(without_temperature_the_best_allowed_token_and_the_lowest_of_equals)
{
    float logits[100] = {0};
    uint64_t mask[2] = {~0ull, ~0ull};
    struct kernel_sampling greedy = {0};
    logits[70] = logits[30] = 5;
    ck_assert_int_eq(kernel_sample(logits, 100, NULL, &greedy, 0), 30);
    mask[0] &= ~(1ull << 30);
    ck_assert_int_eq(kernel_sample(logits, 100, mask, &greedy, 0), 70);
    mask[0] = mask[1] = 0;
    ck_assert_int_eq(kernel_sample(logits, 100, mask, &greedy, 0), -1);
}

TEST(draws_follow_the_probabilities)
{
    float logits[4] = {logf(1), logf(2), logf(3), logf(4)};
    struct kernel_sampling sampling = {.temperature = 1, .seed = 7};
    int seen[4] = {0};
    for (uint64_t i = 0; i < 10000; i++) {
        seen[kernel_sample(logits, 4, NULL, &sampling, i)]++;
    }
    for (int i = 0; i < 4; i++) { /* 5 standard deviations of a binomial are below 250 */
        ck_assert(abs(seen[i] - 1000 * (i + 1)) < 250);
    }
    sampling.top_k = 2;
    for (uint64_t i = 0; i < 1000; i++) {
        ck_assert_int_ge(kernel_sample(logits, 4, NULL, &sampling, i), 2);
    }
    sampling = (struct kernel_sampling){.temperature = 1, .top_p = 0.35};
    for (uint64_t i = 0; i < 1000; i++) {
        ck_assert_int_eq(kernel_sample(logits, 4, NULL, &sampling, i), 3);
    }
    sampling = (struct kernel_sampling){.temperature = 1, .min_p = 0.6};
    for (uint64_t i = 0; i < 1000; i++) {
        ck_assert_int_ge(kernel_sample(logits, 4, NULL, &sampling, i), 2);
    }
}

struct weighed {
    int32_t token;
    float logit;
    double weight;
};

static int heavier(const void *left, const void *right)
{
    const struct weighed *a = left;
    const struct weighed *b = right;
    int by_logit = (a->logit < b->logit) - (a->logit > b->logit);
    return by_logit != 0 ? by_logit : (a->token > b->token) - (a->token < b->token);
}

static int earlier(const void *left, const void *right)
{
    const struct weighed *a = left;
    const struct weighed *b = right;
    return (a->token > b->token) - (a->token < b->token);
}

/* As sample.h says it, by putting everything in order. */
static int32_t drawn_from_all(const float *logits, int count,
                              const struct kernel_sampling *sampling, uint64_t position)
{
    static struct weighed list[5000];
    float top = logits[0];
    double all = 0;
    for (int i = 0; i < count; i++) {
        top = fmaxf(top, logits[i]);
    }
    for (int i = 0; i < count; i++) {
        double distance = ((double)logits[i] - (double)top) / sampling->temperature;
        list[i] = (struct weighed){i, logits[i], exp(distance)};
    }
    qsort(list, (size_t)count, sizeof list[0], heavier);
    int kept = sampling->top_k > 0 && (int)sampling->top_k < count ? (int)sampling->top_k : count;
    for (int i = 0; i < kept; i++) {
        all += list[i].weight;
    }
    double sum = 0;
    for (int i = 0; i < kept && sampling->top_p > 0; i++) {
        sum += list[i].weight;
        kept = sum >= sampling->top_p * all ? i + 1 : kept;
    }
    qsort(list, (size_t)kept, sizeof list[0], earlier);
    all = 0;
    for (int i = 0; i < kept; i++) {
        all += list[i].weight;
    }
    double left = kernel_uniform(sampling->seed, position) * all;
    int at = 0;
    for (; at + 1 < kept && left >= list[at].weight; at++) {
        left -= list[at].weight;
    }
    return list[at].token;
}

/* Rows with many equals, with one peak, falling and rising: what is found is what a sort finds. */
TEST(a_cut_finds_what_putting_everything_in_order_finds)
{
    enum { COUNT = 5000, DRAWS = 40 };
    static const struct kernel_sampling ways[] = {
        {.temperature = 1, .top_k = 1},      {.temperature = 1, .top_k = 40},
        {.temperature = 2, .top_k = 4999},   {.temperature = 1, .top_k = 9000, .top_p = 0.5},
        {.temperature = 1, .top_p = 0.0001}, {.temperature = 1, .top_p = 0.9},
        {.temperature = 5, .top_p = 0.999},  {.temperature = 0.7, .top_k = 100, .top_p = 0.95}};
    static float logits[COUNT];
    for (int shape = 0; shape < 5; shape++) {
        for (int i = 0; i < COUNT; i++) {
            float chance = (float)kernel_uniform(3, (uint64_t)i);
            logits[i] = shape == 0   ? 8 * chance
                        : shape == 1 ? (float)(i % 7)
                        : shape == 2 ? (float)i / 500
                        : shape == 3 ? (float)-i / 500
                                     : (i == 4000 ? 20 : chance);
        }
        for (size_t way = 0; way < sizeof ways / sizeof ways[0]; way++) {
            struct kernel_sampling sampling = ways[way];
            sampling.seed = way + 10;
            for (uint64_t at = 0; at < DRAWS; at++) {
                ck_assert_int_eq(kernel_sample(logits, COUNT, NULL, &sampling, at),
                                 drawn_from_all(logits, COUNT, &sampling, at));
            }
        }
    }
}

TEST(all_of_the_probability_is_the_same_as_no_cut)
{
    static float logits[1000];
    for (int i = 0; i < 1000; i++) {
        logits[i] = 5 * (float)kernel_uniform(1, (uint64_t)i);
    }
    struct kernel_sampling none = {.temperature = 1, .seed = 3};
    struct kernel_sampling whole = {.temperature = 1, .seed = 3, .top_p = 1};
    for (uint64_t at = 0; at < 200; at++) {
        ck_assert_int_eq(kernel_sample(logits, 1000, NULL, &none, at),
                         kernel_sample(logits, 1000, NULL, &whole, at));
    }
}

TEST(log_probabilities_are_of_the_whole_row)
{
    float logits[4] = {logf(1), logf(2), logf(3), logf(4)};
    struct kernel_logprob top[3];
    kernel_top(logits, 4, 3, top);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(top[i].token, 3 - i);
        ck_assert(fabs((double)top[i].logprob - log((4 - i) / 10.0)) < 1e-6);
    }
}

TEST_MAIN()
