// choose.cu -- masks, temperature, top-k, top-p, min-p and log-probabilities on a row of logits.
//
// A block a row, so that a row's result knows of no other.  Each warp has one piece of the row, in the order of
// ids; sums go in double, lane by lane, then over the lanes, then over the warps: always the same order.
//
//   - The most probable: the greatest of keys that hold the number and, below it, how low the id is.
//   - The least key of the best ones, by number (top-k, alternatives) or by weight (top-p), is found eight bits at a
//     time (radix select).  Weights are whole numbers there, so that who adds first does not matter.
//   - A draw goes through what a cut has left in the order of ids: which warp's piece, which 32 ids of the piece,
//     which of these.
//   - Alternatives are put in order: each counts how many are greater.
//
// What a draw means is defined by kernels/serve/sample.c.
#include "kernels/cuda/choose.cuh"

#include <cmath>

enum { THREADS = 1024, WARPS = THREADS / LANES, BUCKETS = 256, HEAD = KERNEL_ALTERNATIVES_MAX };
constexpr uint32_t EXPONENT = 0x7f800000U; // all ones: not finite
static_assert(HEAD <= THREADS && BUCKETS <= THREADS, "a thread each");

struct row {
    const float *logits;
    const uint64_t *mask; // NULL: all
    uint32_t vocabulary;
    uint32_t first, end; // this warp's piece
    double top, temperature, least;
    uint64_t border; // the least key that a cut has left
};

// What the threads of a block have in common.
struct bench {
    double sums[WARPS];
    uint64_t keys[WARPS];
    uint64_t measures[BUCKETS], all;
    uint64_t found[HEAD], head[HEAD]; // the best, in any order and in theirs
    double weight[LANES];
    uint32_t found_count;
};

__device__ static bool allowed(const struct row &row, uint32_t id)
{
    return row.mask == nullptr || (row.mask[id / 64] >> (id % 64) & 1) != 0;
}

// Greater: more probable, or as probable and of a lower id.  0 and -0 are equal.  Never 0 for a finite number.
__device__ static uint64_t key_of(float value, uint32_t id)
{
    uint32_t bits = value == 0 ? 0 : __float_as_uint(value);
    bits = (bits & 0x80000000U) != 0 ? ~bits : bits | 0x80000000U;
    return (uint64_t)bits << 32 | (0xffffffffU - id);
}

__device__ static uint32_t id_of(uint64_t key) { return 0xffffffffU - (uint32_t)key; }

__device__ static double distance(const struct row &row, uint32_t id)
{
    return ((double)row.logits[id] - row.top) / row.temperature;
}

// May be drawn.
__device__ static bool candidate(const struct row &row, uint32_t id)
{
    return allowed(row, id) && distance(row, id) >= row.least && key_of(row.logits[id], id) >= row.border;
}

__device__ static double weight(const struct row &row, uint32_t id)
{
    return candidate(row, id) ? exp(distance(row, id)) : 0;
}

// Whole numbers: the sum does not depend on who was first.
__device__ static void add_whole(uint64_t *at, uint64_t more)
{
    atomicAdd((unsigned long long *)at, (unsigned long long)more);
}

// ---- what all threads of a block come to together ----

__device__ static double block_sum(struct bench &bench, double value)
{
    value = lanes_sum(value);
    __syncthreads(); // who still reads the last ones
    if (threadIdx.x % LANES == 0) {
        bench.sums[threadIdx.x / LANES] = value;
    }
    __syncthreads();
    value = 0;
    for (int w = 0; w < WARPS; w++) {
        value += bench.sums[w];
    }
    return value;
}

__device__ static uint64_t block_greatest(struct bench &bench, uint64_t value)
{
    value = lanes_greatest(value);
    __syncthreads();
    if (threadIdx.x % LANES == 0) {
        bench.keys[threadIdx.x / LANES] = value;
    }
    __syncthreads();
    value = 0;
    for (int w = 0; w < WARPS; w++) {
        value = bench.keys[w] > value ? bench.keys[w] : value;
    }
    return value;
}

// ---- the best ----

enum of { OF_ROW, OF_CANDIDATES, OF_WEIGHTS };

// What a token adds to the sum that a cut is about.
__device__ static uint64_t measure_of(const struct row &row, uint32_t id, enum of of)
{
    return of == OF_ROW       ? 1
           : of == OF_WEIGHTS ? (uint64_t)(weight(row, id) * KERNEL_PICK_WEIGHT + 0.5)
                              : (candidate(row, id) ? 1 : 0);
}

// The least key of the best that measure `wanted`, which all together do.
__device__ static uint64_t border_of(struct bench &bench, const struct row &row, enum of of, uint64_t wanted)
{
    uint64_t known = 0;  // bits of the key that are known
    uint64_t prefix = 0; // and what they are
    for (int shift = 56;; shift -= 8) {
        __syncthreads();
        if (threadIdx.x < BUCKETS) {
            bench.measures[threadIdx.x] = 0;
        }
        __syncthreads();
        for (uint32_t id = row.first + threadIdx.x % LANES; id < row.end; id += LANES) {
            uint64_t key = key_of(row.logits[id], id);
            uint64_t more = (key & known) == prefix ? measure_of(row, id, of) : 0;
            if (more > 0) {
                add_whole(&bench.measures[key >> shift & (BUCKETS - 1)], more);
            }
        }
        __syncthreads();
        uint32_t bucket = BUCKETS - 1;
        for (; bucket > 0 && bench.measures[bucket] < wanted; bucket--) {
            wanted -= bench.measures[bucket];
        }
        known |= (uint64_t)(BUCKETS - 1) << shift;
        prefix |= (uint64_t)bucket << shift;
        if (bench.measures[bucket] == wanted || shift == 0) { // keys differ: with all their bits they are alone
            return prefix;
        }
    }
}

// bench.head = the n greatest keys of the row, of which there are n at least.
__device__ static void order_best(struct bench &bench, const struct row &row, uint32_t n)
{
    uint64_t border = border_of(bench, row, OF_ROW, n);
    bench.found_count = 0;
    __syncthreads();
    for (uint32_t id = row.first + threadIdx.x % LANES; id < row.end; id += LANES) {
        uint64_t key = key_of(row.logits[id], id);
        if (key >= border) {
            bench.found[atomicAdd(&bench.found_count, 1U)] = key; // in any order: that of `head` is theirs
        }
    }
    __syncthreads();
    if (threadIdx.x < n) {
        uint32_t greater = 0;
        for (uint32_t i = 0; i < n; i++) {
            greater += bench.found[i] > bench.found[threadIdx.x] ? 1 : 0;
        }
        bench.head[greater] = bench.found[threadIdx.x];
    }
    __syncthreads();
}

// ---- draws ----

// In the order of ids; bench.sums are those of the warps' pieces.  In the lanes of one warp.
__device__ static void draw_by_id(struct bench &bench, const struct row &row, double chance, double all,
                                  struct kernel_picked *out)
{
    double left = chance * all;
    uint32_t piece = 0;
    uint32_t last = 0; // that has anything
    for (; piece < WARPS && left >= bench.sums[piece]; piece++) {
        left -= bench.sums[piece];
        last = bench.sums[piece] > 0 ? piece : last;
    }
    if (piece == WARPS) { // what rounding left over is the last one's
        piece = last;
        left = 2 * all;
    }
    if (threadIdx.x / LANES != piece) {
        return;
    }
    uint32_t lane = threadIdx.x % LANES;
    uint64_t best = 0; // 1 + the last candidate so far
    for (uint32_t base = row.first; base < row.end; base += LANES) {
        double own = base + lane < row.end ? weight(row, base + lane) : 0;
        double sum = lanes_sum(own);
        best = own > 0 ? base + lane + 1 : best;
        if (left >= sum) {
            left -= sum;
            continue;
        }
        bench.weight[lane] = own;
        __syncwarp();
        best = lanes_greatest(best);
        if (lane == 0) {
            uint32_t i = 0;
            for (; i < LANES && left >= bench.weight[i]; i++) {
                left -= bench.weight[i];
            }
            out->token = i < LANES ? (int32_t)(base + i) : (int32_t)best - 1;
        }
        return;
    }
    best = lanes_greatest(best);
    if (lane == 0) {
        out->token = (int32_t)best - 1;
    }
}

// The sum of what the candidates measure by weight.
__device__ static uint64_t all_weights(struct bench &bench, const struct row &row)
{
    uint64_t own = 0;
    for (uint32_t id = row.first + threadIdx.x % LANES; id < row.end; id += LANES) {
        own += measure_of(row, id, OF_WEIGHTS);
    }
    __syncthreads();
    bench.all = 0;
    __syncthreads();
    add_whole(&bench.all, own);
    __syncthreads();
    return bench.all;
}

__device__ static void draw(struct bench &bench, struct row row, const struct cuda_pick &pick,
                            struct kernel_picked *out)
{
    double own = 0;
    for (uint32_t id = row.first + threadIdx.x % LANES; id < row.end; id += LANES) {
        own += candidate(row, id) ? 1 : 0;
    }
    if (pick.top_k > 0 && pick.top_k < block_sum(bench, own)) {
        row.border = border_of(bench, row, OF_CANDIDATES, pick.top_k);
    }
    if (pick.top_p > 0) {
        uint64_t all = all_weights(bench, row);
        uint64_t wanted = (uint64_t)ceil(pick.top_p * (double)all);
        row.border = border_of(bench, row, OF_WEIGHTS, wanted < all ? wanted : all);
    }
    own = 0;
    for (uint32_t id = row.first + threadIdx.x % LANES; id < row.end; id += LANES) {
        own += weight(row, id);
    }
    double sum = block_sum(bench, own);
    draw_by_id(bench, row, pick.chance, sum, out);
}

// ---- log-probabilities ----

// log(sum(exp(logits / temperature))) of the whole row, whose greatest number is `top`.
__device__ static double log_sum(struct bench &bench, const struct row &row, float top, double temperature)
{
    double own = 0;
    for (uint32_t id = row.first + threadIdx.x % LANES; id < row.end; id += LANES) {
        own += exp(((double)row.logits[id] - (double)top) / temperature);
    }
    return (double)top / temperature + log(block_sum(bench, own));
}

__device__ static void name_alternatives(struct bench &bench, const struct row &row, float top, uint32_t count,
                                         struct kernel_picked *out)
{
    double sum = log_sum(bench, row, top, 1);
    order_best(bench, row, count < row.vocabulary ? count : row.vocabulary);
    if (threadIdx.x < count && threadIdx.x < row.vocabulary) {
        uint32_t id = id_of(bench.head[threadIdx.x]);
        out->best[threadIdx.x].token = (int32_t)id;
        out->best[threadIdx.x].logprob = (float)((double)row.logits[id] - sum);
    }
    __syncthreads(); // the token is there, and thread 0 reads it
    if (threadIdx.x == 0 && out->token >= 0) {
        out->logprob = (float)((double)row.logits[out->token] - sum);
    }
}

__device__ static void measure(struct bench &bench, const struct row &row, float top, double temperature,
                               struct kernel_picked *out)
{
    double sum = log_sum(bench, row, top, temperature);
    __syncthreads();
    if (threadIdx.x == 0 && out->token >= 0) {
        out->measured = (double)row.logits[out->token] / temperature - sum;
    }
}

// ---- the whole ----

__global__ static void __launch_bounds__(THREADS, 1)
    choose(const float *logits, uint32_t vocabulary, const uint64_t *masks, const struct cuda_pick *picks,
           struct kernel_picked *picked)
{
    __shared__ struct bench bench;
    const struct cuda_pick pick = picks[blockIdx.x];
    struct kernel_picked *out = picked + blockIdx.x;
    uint32_t piece = (vocabulary + THREADS - 1) / THREADS * LANES;
    uint64_t first = (uint64_t)(threadIdx.x / LANES) * piece;
    struct row row = {};
    row.logits = logits + (size_t)pick.row * vocabulary;
    row.mask = pick.mask < 0 ? nullptr : masks + (size_t)pick.mask * ((vocabulary + 63) / 64);
    row.vocabulary = vocabulary;
    row.first = first < vocabulary ? (uint32_t)first : vocabulary;
    row.end = first + piece < vocabulary ? (uint32_t)(first + piece) : vocabulary;
    double bad = 0;
    uint64_t best = 0;
    uint64_t best_allowed = 0;
    for (uint32_t id = row.first + threadIdx.x % LANES; id < row.end; id += LANES) {
        float value = row.logits[id];
        uint64_t key = key_of(value, id);
        bad += (__float_as_uint(value) & EXPONENT) == EXPONENT ? 1 : 0;
        best = key > best ? key : best;
        best_allowed = key > best_allowed && allowed(row, id) ? key : best_allowed;
    }
    bad = block_sum(bench, bad);
    best = block_greatest(bench, best);
    best_allowed = block_greatest(bench, best_allowed);
    if (threadIdx.x == 0) {
        out->not_finite = (uint32_t)bad;
        out->token = bad > 0 || best_allowed == 0 ? KERNEL_PICK_NONE : (int32_t)id_of(best_allowed);
        out->logprob = 0;
        out->measured = 0;
    }
    if (bad > 0 || best_allowed == 0) {
        return;
    }
    if (pick.temperature > 0) {
        row.top = row.logits[id_of(best_allowed)];
        row.temperature = pick.temperature;
        row.least = pick.least;
        __syncthreads(); // the most probable is written: a draw writes over it
        draw(bench, row, pick, out);
    }
    if (pick.alternatives > 0) {
        name_alternatives(bench, row, row.logits[id_of(best)], pick.alternatives, out);
    }
    if (pick.measured > 0) {
        measure(bench, row, row.logits[id_of(best)], pick.measured, out);
    }
}

void cuda_choose(struct cuda_device *device, const float *logits, uint32_t vocabulary, const uint64_t *masks,
                 const struct cuda_pick *picks, uint32_t count, struct kernel_picked *out)
{
    CUDA_LAUNCH(device, choose, dim3(count), THREADS, logits, vocabulary, masks, picks, out);
}
