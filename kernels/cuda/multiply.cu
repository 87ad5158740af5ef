// multiply.cu -- products: one kernel for all numbers of tokens and all types, and a library for many tokens.
//
// A block takes 16 rows of the weights and up to 64 tokens.  Its eight warps share out the columns, in chunks of
// 128: each reads its weights once, as wide as the memory likes them, turns them into bf16 in registers and
// multiplies on the tensor cores; in the end the eight sums are added in order.  Which warp takes which chunk
// depends on the columns alone, so a token's result has the same bits alone and in any company.
//
// Activations are brought into the order in which lanes want them first (`stage`): chunk, 8 tokens, quarter, lane;
// then a warp reads 512 bytes in a row.  With one token this reads the weights at the speed of the memory; what
// limits it from about 64 tokens on is that each block of 16 rows reads all activations again.
//
// F32 weights keep their bits: `multiply_f32` is a sum in f32 without tensor cores (such models are small or tests).
#include "kernels/cuda/multiply.cuh"

enum {
    WARPS = 8,
    THREADS = WARPS * LANES,
    TALL = 16,   // rows of a block
    CHUNK = 128, // columns: a group for each of a lane's four neighbours
    TILE = 8,    // tokens
    TILES_MAX = 8,
    EXACT_TOKENS = 4,   // of a pass of multiply_f32
    LIBRARY_TOKENS = 64 // from here on the library is asked
};

static uint32_t over(uint32_t count, uint32_t portion)
{
    return (count + portion - 1) / portion;
}

size_t cuda_staged_bytes(uint32_t tokens, uint32_t columns)
{
    return (size_t)over(tokens, TILE) * TILE * over(columns, CHUNK) * CHUNK * sizeof(uint16_t);
}

// ---- activations to bf16, in the order of the lanes ----

__global__ static void stage(const float *x, uint32_t tokens, uint32_t columns, uint4 *out)
{
    uint32_t tiles = (tokens + TILE - 1) / TILE;
    uint32_t chunks = (columns + CHUNK - 1) / CHUNK;
    size_t index = (size_t)blockIdx.x * THREADS + threadIdx.x;
    if (index >= (size_t)chunks * tiles * 4 * LANES) {
        return;
    }
    uint32_t lane = (uint32_t)(index % LANES);
    uint32_t quarter = (uint32_t)(index / LANES % 4);
    uint32_t tile = (uint32_t)(index / (4 * LANES) % tiles);
    uint32_t chunk = (uint32_t)(index / (4 * LANES) / tiles);
    uint32_t token = tile * TILE + lane / 4;
    uint32_t column = chunk * CHUNK + lane % 4 * GROUP + quarter * 8;
    uint32_t word[4];
#pragma unroll
    for (uint32_t i = 0; i < 4; i++) {
        uint32_t c = column + 2 * i;
        bool there = token < tokens;
        word[i] = lanes_pack(there && c < columns ? x[(size_t)token * columns + c] : 0.0F,
                             there && c + 1 < columns ? x[(size_t)token * columns + c + 1] : 0.0F);
    }
    out[index] = make_uint4(word[0], word[1], word[2], word[3]);
}

// ---- the product ----

struct multiply_task {
    struct cuda_product of[CUDA_PRODUCTS_MAX];
    uint32_t first[CUDA_PRODUCTS_MAX + 1]; // block from which each begins
    const uint4 *x;
    uint32_t tokens, tiles, chunks;
};

template <int TYPE>
__device__ __forceinline__ void fetch_or_zero(const struct cuda_matrix &m, uint32_t row, uint32_t group,
                                              uint32_t (&out)[GROUP / 2])
{
    if (row < m.rows && group < m.groups) {
        group_bits<TYPE> bits;
        group_fetch<TYPE>(m, row, group, bits);
        group_pack<TYPE>(bits, out);
    } else {
#pragma unroll
        for (int i = 0; i < GROUP / 2; i++) {
            out[i] = 0;
        }
    }
}

template <int TYPE, int TILES> __global__ static void __launch_bounds__(THREADS) multiply(struct multiply_task task)
{
    __shared__ float parts[WARPS][TILES][LANES][4];
    int which = blockIdx.x >= task.first[2] ? 2 : blockIdx.x >= task.first[1] ? 1 : 0;
    const struct cuda_product &product = task.of[which];
    uint32_t row = (blockIdx.x - task.first[which]) * TALL;
    uint32_t tile = blockIdx.y * TILES;
    uint32_t warp = threadIdx.x / LANES;
    uint32_t lane = threadIdx.x % LANES;
    float sum[TILES][4] = {};
    for (uint32_t chunk = warp; chunk < task.chunks; chunk += WARPS) {
        uint32_t upper[GROUP / 2];
        uint32_t lower[GROUP / 2];
        uint32_t group = chunk * 4 + lane % 4;
        fetch_or_zero<TYPE>(product.weight, row + lane / 4, group, upper);
        fetch_or_zero<TYPE>(product.weight, row + lane / 4 + 8, group, lower);
#pragma unroll
        for (int n = 0; n < TILES; n++) {
            if (tile + n < task.tiles) {
                const uint4 *x = task.x + ((size_t)chunk * task.tiles + tile + n) * 4 * LANES + lane;
#pragma unroll
                for (int j = 0; j < 4; j++) {
                    uint4 b = x[j * LANES];
                    lanes_multiply(sum[n], upper[4 * j], lower[4 * j], upper[4 * j + 1], lower[4 * j + 1], b.x, b.y);
                    lanes_multiply(sum[n], upper[4 * j + 2], lower[4 * j + 2], upper[4 * j + 3], lower[4 * j + 3], b.z,
                                   b.w);
                }
            }
        }
    }
#pragma unroll
    for (int n = 0; n < TILES; n++) {
#pragma unroll
        for (int c = 0; c < 4; c++) {
            parts[warp][n][lane][c] = sum[n][c];
        }
    }
    __syncthreads();
    for (uint32_t e = threadIdx.x; e < TILES * LANES * 4; e += THREADS) {
        uint32_t n = e / (LANES * 4);
        uint32_t from = e / 4 % LANES;
        uint32_t c = e % 4;
        uint32_t r = row + from / 4 + c / 2 * 8;
        uint32_t token = (tile + n) * TILE + from % 4 * 2 + c % 2;
        if (r < product.weight.rows && token < task.tokens) {
            float total = parts[0][n][from][c];
            for (int w = 1; w < WARPS; w++) {
                total = plus(total, parts[w][n][from][c]);
            }
            total = product.bias != nullptr ? plus(total, product.bias[r]) : total;
            product.out[(size_t)token * product.weight.rows + r] = total;
        }
    }
}

template <int TYPE> static void launch_multiply(struct cuda_device *device, const struct multiply_task &task)
{
    uint32_t blocks = task.first[CUDA_PRODUCTS_MAX];
    if (task.tiles == 1) {
        CUDA_LAUNCH(device, (multiply<TYPE, 1>), dim3(blocks), THREADS, task);
    } else if (task.tiles == 2) {
        CUDA_LAUNCH(device, (multiply<TYPE, 2>), dim3(blocks), THREADS, task);
    } else {
        CUDA_LAUNCH(device, (multiply<TYPE, TILES_MAX>), dim3(blocks, over(task.tiles, TILES_MAX)), THREADS, task);
    }
}

// Products of one type in one launch.
static void multiply_staged(struct cuda_device *device, const struct cuda_scratch *scratch,
                            const struct cuda_product *products, uint32_t count, uint32_t tokens)
{
    struct multiply_task task = {};
    uint32_t blocks = 0;
    for (uint32_t p = 0; p < CUDA_PRODUCTS_MAX; p++) {
        task.first[p] = blocks;
        if (p < count) {
            task.of[p] = products[p];
            blocks += over(products[p].weight.rows, TALL);
        } else {
            task.first[p] = UINT32_MAX; // none of its own
        }
    }
    task.first[0] = 0;
    task.first[CUDA_PRODUCTS_MAX] = blocks;
    task.x = (const uint4 *)scratch->staged;
    task.tokens = tokens;
    task.tiles = over(tokens, TILE);
    task.chunks = over(products[0].weight.columns, CHUNK);
#define CALL(type) launch_multiply<type>(device, task)
    CUDA_EACH_TYPE(products[0].weight.type, CALL)
#undef CALL
}

// ---- F32 weights: a warp a row ----

__global__ static void __launch_bounds__(THREADS)
    multiply_f32(struct cuda_matrix m, const float *bias, const float *x, uint32_t tokens, float *out)
{
    uint32_t row = blockIdx.x * WARPS + threadIdx.x / LANES;
    uint32_t lane = threadIdx.x % LANES;
    uint32_t token = blockIdx.y * EXACT_TOKENS;
    if (row >= m.rows) {
        return;
    }
    const float *weight = (const float *)m.codes + (size_t)row * m.groups * GROUP;
    float sum[EXACT_TOKENS] = {};
    for (uint32_t column = lane; column < m.columns; column += LANES) {
#pragma unroll
        for (uint32_t i = 0; i < EXACT_TOKENS; i++) {
            if (token + i < tokens) {
                sum[i] = fmaf(weight[column], x[(size_t)(token + i) * m.columns + column], sum[i]);
            }
        }
    }
#pragma unroll
    for (uint32_t i = 0; i < EXACT_TOKENS; i++) {
        float total = lanes_sum(sum[i]);
        if (lane == 0 && token + i < tokens) {
            out[(size_t)(token + i) * m.rows + row] = bias != nullptr ? plus(total, bias[row]) : total;
        }
    }
}

// ---- the library: both operands as bf16, row by row ----

__global__ static void to_bf16(const float *x, size_t pairs, uint32_t *out)
{
    size_t i = (size_t)blockIdx.x * THREADS + threadIdx.x;
    if (i < pairs) {
        out[i] = lanes_pack(x[2 * i], x[2 * i + 1]);
    }
}

template <int TYPE> __global__ static void expand(struct cuda_matrix m, uint32_t *out)
{
    size_t i = (size_t)blockIdx.x * THREADS + threadIdx.x;
    if (i < (size_t)m.rows * m.groups) {
        uint32_t words[GROUP / 2];
        fetch_or_zero<TYPE>(m, (uint32_t)(i / m.groups), (uint32_t)(i % m.groups), words);
        for (int w = 0; w < GROUP / 2; w++) {
            out[i * (GROUP / 2) + w] = words[w];
        }
    }
}

__global__ static void add_bias(float *out, const float *bias, uint32_t tokens, uint32_t rows)
{
    size_t i = (size_t)blockIdx.x * THREADS + threadIdx.x;
    if (i < (size_t)tokens * rows) {
        out[i] = plus(out[i], bias[i % rows]);
    }
}

static dim3 enough(size_t threads)
{
    return dim3((uint32_t)((threads + THREADS - 1) / THREADS));
}

// Weights that are bf16 already are taken as they lie.
static bool multiply_by_library(struct cuda_device *device, const struct cuda_scratch *scratch,
                                const struct cuda_product *product, uint32_t tokens)
{
    const struct cuda_matrix *m = &product->weight;
    size_t groups = (size_t)m->rows * m->groups;
    const uint16_t *weight = (const uint16_t *)m->codes;
    bool expanding = m->type != KERNEL_BF16;
    if (expanding && (scratch->expanded == nullptr || groups * GROUP * sizeof *weight > scratch->expanded_bytes)) {
        return false;
    }
    if (expanding) {
        weight = scratch->expanded;
#define CALL(type) CUDA_LAUNCH(device, expand<type>, enough(groups), THREADS, *m, (uint32_t *)scratch->expanded)
        CUDA_EACH_TYPE(m->type, CALL)
#undef CALL
    }
    if (!cuda_library_multiply(device, weight, scratch->staged, product->out, tokens, m->rows, m->columns)) {
        return false;
    }
    if (product->bias != nullptr) {
        CUDA_LAUNCH(device, add_bias, enough((size_t)tokens * m->rows), THREADS, product->out, product->bias, tokens,
                    m->rows);
    }
    return true;
}

static void multiply_own(struct cuda_device *device, const struct cuda_scratch *scratch,
                         const struct cuda_product *products, uint32_t count, const float *x, uint32_t tokens)
{
    uint32_t columns = products[0].weight.columns;
    bool staged = false;
    for (uint32_t p = 0, next; p < count; p = next) {
        for (next = p + 1; next < count && products[next].weight.type == products[p].weight.type;) {
            next++;
        }
        if (products[p].weight.type == KERNEL_F32) {
            for (uint32_t i = p; i < next; i++) {
                CUDA_LAUNCH(device, multiply_f32,
                            dim3(over(products[i].weight.rows, WARPS), over(tokens, EXACT_TOKENS)), THREADS,
                            products[i].weight, products[i].bias, x, tokens, products[i].out);
            }
            continue;
        }
        if (!staged) {
            size_t pieces = cuda_staged_bytes(tokens, columns) / sizeof(uint4);
            CUDA_LAUNCH(device, stage, enough(pieces), THREADS, x, tokens, columns, (uint4 *)scratch->staged);
            staged = true;
        }
        multiply_staged(device, scratch, products + p, next - p, tokens);
    }
}

void cuda_multiply(struct cuda_device *device, const struct cuda_scratch *scratch, const struct cuda_product *products,
                   uint32_t count, const float *x, uint32_t tokens, bool library)
{
    uint32_t done = 0;
    bool many = library && tokens >= LIBRARY_TOKENS && cuda_library_there(device);
    size_t pairs = (size_t)tokens * products[0].weight.columns / 2;
    for (uint32_t p = 0; p < count; p++) {
        many = many && products[p].weight.type != KERNEL_F32 && products[p].weight.columns % GROUP == 0;
    }
    if (many) {
        CUDA_LAUNCH(device, to_bf16, enough(pairs), THREADS, x, pairs, (uint32_t *)scratch->staged);
        while (done < count && multiply_by_library(device, scratch, &products[done], tokens)) {
            done++;
        }
    }
    if (done < count) {
        multiply_own(device, scratch, products + done, count - done, x, tokens);
    }
}

// ---- adapters ----

template <int TYPE>
__device__ static float dot_group(const struct cuda_matrix &m, uint32_t row, uint32_t group, const float *x)
{
    group_bits<TYPE> bits;
    float w[GROUP];
    float sum = 0;
    group_fetch<TYPE>(m, row, group, bits);
    group_expand<TYPE>(bits, w);
    for (uint32_t i = 0; i < GROUP && group * GROUP + i < m.columns; i++) {
        sum = fmaf(w[i], x[group * GROUP + i], sum);
    }
    return sum;
}

__device__ static float dot_any(const struct cuda_matrix &m, uint32_t row, uint32_t group, const float *x)
{
    float sum = 0;
#define CALL(type) sum = dot_group<type>(m, row, group, x)
    CUDA_EACH_TYPE(m.type, CALL)
#undef CALL
    return sum;
}

__device__ static const struct cuda_low_rank *low_of(const struct cuda_low_ranks &low, int32_t adapter)
{
    return adapter >= low.first && adapter < low.first + low.count && low.of[adapter - low.first].a != nullptr
               ? &low.of[adapter - low.first]
               : nullptr;
}

// low[t][r] = a[r] x[t]: a warp a number.
__global__ static void __launch_bounds__(THREADS)
    shrink(struct cuda_low_ranks low, const int32_t *token_adapter, uint32_t columns, const float *x, float *to,
           uint32_t rank_max)
{
    const struct cuda_low_rank *of = low_of(low, token_adapter[blockIdx.x]);
    uint32_t r = blockIdx.y * WARPS + threadIdx.x / LANES;
    uint32_t lane = threadIdx.x % LANES;
    if (of == nullptr || r >= of->rank) {
        return;
    }
    float sum = 0;
    for (uint32_t group = lane; group < of->a->groups; group += LANES) {
        sum = plus(sum, dot_any(*of->a, r, group, x + (size_t)blockIdx.x * columns));
    }
    sum = lanes_sum(sum);
    if (lane == 0) {
        to[(size_t)blockIdx.x * rank_max + r] = sum;
    }
}

__global__ static void __launch_bounds__(THREADS) grow(struct cuda_low_ranks low, const int32_t *token_adapter,
                                                       const float *from, uint32_t rank_max, uint32_t rows, float *out)
{
    const struct cuda_low_rank *of = low_of(low, token_adapter[blockIdx.x]);
    uint32_t row = blockIdx.y * THREADS + threadIdx.x;
    if (of == nullptr || row >= rows) {
        return;
    }
    float sum = 0;
    for (uint32_t group = 0; group < of->b->groups; group++) {
        sum = plus(sum, dot_any(*of->b, row, group, from + (size_t)blockIdx.x * rank_max));
    }
    float *to = out + (size_t)blockIdx.x * rows + row;
    *to = fmaf(of->scale, sum, *to);
}

void cuda_adapt(struct cuda_device *device, const struct cuda_scratch *scratch, const struct cuda_low_ranks *low,
                uint32_t rank_max, uint32_t columns, uint32_t rows, const int32_t *token_adapter, uint32_t tokens,
                const float *x, float *out)
{
    CUDA_LAUNCH(device, shrink, dim3(tokens, over(rank_max, WARPS)), THREADS, *low, token_adapter, columns, x,
                scratch->low, rank_max);
    CUDA_LAUNCH(device, grow, dim3(tokens, over(rows, THREADS)), THREADS, *low, token_adapter, scratch->low, rank_max,
                rows, out);
}
