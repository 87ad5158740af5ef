// attention.cu -- online softmax over a paged cache on the tensor cores (Dao 2023, arXiv:2307.08691; split
// over the positions as in Dao, Haziza, Massa and Sizov 2023, "Flash-Decoding").
//
// One kernel serves decode, prefill and any mixture.  A warp takes 16 query rows: a few neighbouring tokens of one
// sequence times the heads that share their keys.  It goes through the positions in steps of 32; every CUDA_SPLIT
// positions it ends a partial result (sum of values, greatest score, sum of weights) and begins another.  Partial
// results are joined in the order of positions, in `join`, whether one warp did them all or each had a warp of its
// own and a second kernel joins them.  So a row's bits depend on its query and its positions alone: not on the
// tile it shares, the batch, or how prefill was cut.
//
// Which key a column of a product stands for is free (lanes.cuh): column n of half i of a cache block is key
// 4 (n / 2) + n % 2 + 2 i, so that the weights of a lane belong to four neighbouring keys, which are eight
// neighbouring bytes of the values.
#include "kernels/cuda/attention.cuh"

#include <cmath>

#define ROW_MIN (-INFINITY)
static const float LOG2_E = 1.4426950408889634F;

enum { KEYS = 32 /* of a step */, BLOCK = KERNEL_BLOCK_TOKENS };

uint32_t cuda_tile_tokens(uint32_t heads, uint32_t kv_heads)
{
    uint32_t group = heads / kv_heads;
    return group >= CUDA_TILE_ROWS ? 1 : CUDA_TILE_ROWS / group;
}

size_t cuda_partial_floats(uint32_t tokens, uint32_t heads, uint32_t head_width, uint32_t splits)
{
    return (size_t)tokens * heads * splits * (head_width + 2);
}

// ---- turning and storing ----

// A warp a head of a token: the query heads first, then the key heads with their values.
__global__ static void __launch_bounds__(LANES)
    rope_store(struct cuda_step step, struct cuda_attention_shape shape, struct cuda_rope rope, uint16_t *cache)
{
    __shared__ float head[KERNEL_HEAD_WIDTH_MAX];
    uint32_t token = blockIdx.x;
    uint32_t lane = threadIdx.x;
    uint32_t width = shape.head_width;
    bool query = blockIdx.y < shape.heads;
    uint32_t index = query ? blockIdx.y : blockIdx.y - shape.heads;
    float *at = query ? rope.q + ((size_t)token * shape.heads + index) * width
                      : rope.k + ((size_t)token * shape.kv_heads + index) * width;
    const float *factor = query ? rope.q_norm : rope.k_norm;
    int32_t position = step.position[token];
    float square = 0;
    for (uint32_t i = lane; i < width; i += LANES) {
        head[i] = at[i];
        square = fmaf(head[i], head[i], square);
    }
    if (factor != nullptr) {
        float scale = 1.0F / sqrtf(lanes_sum(square) / (float)width + rope.epsilon);
        for (uint32_t i = lane; i < width; i += LANES) {
            head[i] = times(times(head[i], scale), factor[i]);
        }
    }
    __syncwarp();
    uint32_t half = rope.rope_width / 2;
    for (uint32_t i = lane; i < half; i += LANES) {
        const double circle = 6.283185307179586476925;
        double angle = rope.turn[i] * (double)position; // too large for f32
        angle -= floor(angle / circle) * circle;
        float sine = sinf((float)angle);
        float cosine = cosf((float)angle);
        uint32_t a = rope.halves ? i : 2 * i;
        uint32_t b = rope.halves ? i + half : 2 * i + 1;
        float x = head[a];
        float y = head[b];
        head[a] = minus(times(x, cosine), times(y, sine));
        head[b] = plus(times(x, sine), times(y, cosine));
    }
    __syncwarp();
    if (query) {
        for (uint32_t i = lane; i < width; i += LANES) {
            at[i] = head[i];
        }
        return;
    }
    int32_t block = step.block[(size_t)step.token_sequence[token] * step.blocks_max + position / BLOCK];
    uint16_t *keys = cache + ((size_t)block * shape.kv_heads + index) * 2 * BLOCK * width;
    uint16_t *values = keys + (size_t)BLOCK * width;
    uint32_t place = (uint32_t)position % BLOCK;
    const float *v = rope.v + ((size_t)token * shape.kv_heads + index) * width;
    for (uint32_t i = lane; i < width; i += LANES) {
        keys[place * width + i] = (uint16_t)lanes_pack(head[i], 0);
        values[i * BLOCK + place] = (uint16_t)lanes_pack(v[i], 0);
    }
}

void cuda_rope_store(struct cuda_device *device, const struct cuda_step *step, const struct cuda_attention_shape *shape,
                     const struct cuda_rope *rope, uint16_t *cache_of_layer)
{
    CUDA_LAUNCH(device, rope_store, dim3(step->tokens, shape->heads + shape->kv_heads), LANES, *step, *shape, *rope,
                cache_of_layer);
}

// ---- joining partial results ----

// What two parts weigh when they are joined; the first may be empty, the second not.
__device__ __forceinline__ float join(float most, float part_most, float *keep, float *take)
{
    float greater = fmaxf(most, part_most);
    *keep = exp2f(most - greater);
    *take = exp2f(part_most - greater);
    return greater;
}

__device__ __forceinline__ float joined(float sum, float keep, float part, float take)
{
    return plus(times(sum, keep), times(part, take));
}

// A block a query row; threads share out the head.
__global__ static void merge(struct cuda_step step, struct cuda_attention_shape shape, const float *partial, float *out)
{
    size_t row = (size_t)blockIdx.x * shape.heads + blockIdx.y;
    uint32_t width = shape.head_width;
    uint32_t splits = (uint32_t)step.position[blockIdx.x] / CUDA_SPLIT + 1;
    const float *parts = partial + row * step.splits * (width + 2);
    for (uint32_t i = threadIdx.x; i < width; i += blockDim.x) {
        float value = 0;
        float most = ROW_MIN;
        float sum = 0;
        for (uint32_t s = 0; s < splits; s++) {
            const float *part = parts + (size_t)s * (width + 2);
            float keep;
            float take;
            most = join(most, part[width], &keep, &take);
            value = joined(value, keep, part[i], take);
            sum = joined(sum, keep, part[width + 1], take);
        }
        out[row * width + i] = value / sum;
    }
}

// ---- attention of 16 rows ----

// Eight bytes of keys or values.
__device__ __forceinline__ uint2 pair_at(const uint16_t *at)
{
    return *(const uint2 *)at;
}

// Zero where a key lies behind the last one that is known: the cache may hold anything there.
__device__ __forceinline__ uint2 only_known(uint2 four, int32_t known)
{
    four.x = known > 1 ? four.x : known == 1 ? four.x & 0xffffU : 0;
    four.y = known > 3 ? four.y : known == 3 ? four.y & 0xffffU : 0;
    return four;
}

template <int HEAD> struct attention_rows {
    uint32_t query[HEAD / 16][4];
    float value[HEAD / 8][4]; // of this part
    float most[2], sum[2];    // of rows g and g + 8
    int32_t limit[2];         // last position that a row sees
};

template <int HEAD>
__device__ __forceinline__ void score_keys(const attention_rows<HEAD> &rows, const uint16_t *keys, uint32_t lane,
                                           float (&score)[2][4])
{
    uint32_t g = lane / 4;
    uint32_t t = lane % 4;
#pragma unroll
    for (uint32_t i = 0; i < 2; i++) {
        const uint16_t *key = keys + (4 * (g / 2) + g % 2 + 2 * i) * HEAD + t * (HEAD / 4);
#pragma unroll
        for (int s = 0; s < HEAD / 16; s++) {
            uint2 b = pair_at(key + 4 * s);
            lanes_multiply(score[i], rows.query[s][0], rows.query[s][1], rows.query[s][2], rows.query[s][3], b.x, b.y);
        }
    }
}

// Positions first .. first + KEYS - 1, of which those up to `last` are known.
template <int HEAD>
__device__ __forceinline__ void attend(attention_rows<HEAD> &rows, const uint16_t *const (&blocks)[KEYS / BLOCK],
                                       int32_t first, int32_t last, float scale, uint32_t lane)
{
    float score[KEYS / BLOCK][2][4] = {};
    uint32_t g = lane / 4;
    uint32_t t = lane % 4;
#pragma unroll
    for (int b = 0; b < KEYS / BLOCK; b++) {
        if (first + b * BLOCK <= last) {
            score_keys<HEAD>(rows, blocks[b], lane, score[b]);
        }
    }
    float greatest[2] = {ROW_MIN, ROW_MIN};
#pragma unroll
    for (int b = 0; b < KEYS / BLOCK; b++) {
#pragma unroll
        for (int i = 0; i < 2; i++) {
#pragma unroll
            for (int c = 0; c < 4; c++) {
                int32_t key = first + b * BLOCK + (int32_t)(4 * t) + c % 2 + 2 * i;
                float value = key <= rows.limit[c / 2] ? times(score[b][i][c], scale) : ROW_MIN;
                score[b][i][c] = value;
                greatest[c / 2] = fmaxf(greatest[c / 2], value);
            }
        }
    }
    float keep[2];
#pragma unroll
    for (int r = 0; r < 2; r++) {
        greatest[r] = fmaxf(greatest[r], lanes_from(greatest[r], 1));
        greatest[r] = fmaxf(greatest[r], lanes_from(greatest[r], 2));
        float most = fmaxf(rows.most[r], greatest[r]);
        keep[r] = rows.most[r] == most ? 1.0F : exp2f(rows.most[r] - most);
        rows.most[r] = most;
        rows.sum[r] = times(rows.sum[r], keep[r]);
    }
#pragma unroll
    for (int n = 0; n < HEAD / 8; n++) {
#pragma unroll
        for (int c = 0; c < 4; c++) {
            rows.value[n][c] = times(rows.value[n][c], keep[c / 2]);
        }
    }
#pragma unroll
    for (int b = 0; b < KEYS / BLOCK; b++) {
        if (first + b * BLOCK > last) {
            continue;
        }
        float weight[2][4];
#pragma unroll
        for (int i = 0; i < 2; i++) {
#pragma unroll
            for (int c = 0; c < 4; c++) {
                float value = score[b][i][c];
                weight[i][c] = value == ROW_MIN ? 0.0F : exp2f(value - rows.most[c / 2]);
                rows.sum[c / 2] = plus(rows.sum[c / 2], weight[i][c]);
            }
        }
        uint32_t a0 = lanes_pack(weight[0][0], weight[0][1]);
        uint32_t a1 = lanes_pack(weight[0][2], weight[0][3]);
        uint32_t a2 = lanes_pack(weight[1][0], weight[1][1]);
        uint32_t a3 = lanes_pack(weight[1][2], weight[1][3]);
        int32_t known = last - (first + b * BLOCK + (int32_t)(4 * t)) + 1; // of this lane's four
        const uint16_t *values = blocks[b] + BLOCK * HEAD;
#pragma unroll
        for (int n = 0; n < HEAD / 8; n++) {
            uint2 v = only_known(pair_at(values + (n * 8 + g) * BLOCK + 4 * t), known);
            lanes_multiply(rows.value[n], a0, a1, a2, a3, v.x, v.y);
        }
    }
}

template <int HEAD> __device__ __forceinline__ void begin_part(attention_rows<HEAD> &rows)
{
#pragma unroll
    for (int n = 0; n < HEAD / 8; n++) {
#pragma unroll
        for (int c = 0; c < 4; c++) {
            rows.value[n][c] = 0;
        }
    }
    for (int r = 0; r < 2; r++) {
        rows.most[r] = ROW_MIN;
        rows.sum[r] = 0;
    }
}

// The sums of weights of a row's four lanes.
template <int HEAD> __device__ __forceinline__ void end_part(attention_rows<HEAD> &rows)
{
    for (int r = 0; r < 2; r++) {
        rows.sum[r] = plus(rows.sum[r], lanes_from(rows.sum[r], 1));
        rows.sum[r] = plus(rows.sum[r], lanes_from(rows.sum[r], 2));
    }
}

template <int HEAD>
__global__ static void __launch_bounds__(LANES)
    attention(struct cuda_step step, struct cuda_attention_shape shape, const uint16_t *cache, const float *q,
              float *partial, float *out)
{
    __shared__ float joint[CUDA_TILE_ROWS][HEAD + 4]; // results so far; + 4: other banks for other rows
    uint32_t lane = threadIdx.x;
    uint32_t g = lane / 4;
    uint32_t t = lane % 4;
    uint32_t group = shape.heads / shape.kv_heads;
    uint32_t together = group < CUDA_TILE_ROWS ? group : CUDA_TILE_ROWS; // heads of a tile
    uint32_t head_tiles = (group + together - 1) / together;
    uint32_t kv_head = blockIdx.y / head_tiles;
    uint32_t first_token = (uint32_t)step.tile_first[blockIdx.x];
    uint32_t count = (uint32_t)step.tile_count[blockIdx.x];
    int32_t last = step.position[first_token + count - 1];
    uint32_t sequence = (uint32_t)step.token_sequence[first_token];
    uint32_t split = step.splits > 0 ? blockIdx.z : 0;
    uint32_t end = step.splits > 0 ? split + 1 : (uint32_t)last / CUDA_SPLIT + 1;
    if ((int32_t)(split * CUDA_SPLIT) > last) {
        return;
    }
    attention_rows<HEAD> rows;
    size_t query[2];
#pragma unroll
    for (int r = 0; r < 2; r++) {
        uint32_t row = g + 8 * (uint32_t)r;
        uint32_t token = row / together;
        uint32_t head = blockIdx.y % head_tiles * together + row % together;
        bool there = token < count && head < group;
        query[r] = ((size_t)(first_token + token) * shape.heads + kv_head * group + head);
        rows.limit[r] = there ? step.position[first_token + token] : -1;
        const float *from = q + query[r] * HEAD + t * (HEAD / 4);
#pragma unroll
        for (int s = 0; s < HEAD / 16; s++) {
            rows.query[s][r] = there ? lanes_pack(from[4 * s], from[4 * s + 1]) : 0;
            rows.query[s][r + 2] = there ? lanes_pack(from[4 * s + 2], from[4 * s + 3]) : 0;
        }
    }
    float most[2] = {ROW_MIN, ROW_MIN};
    float sum[2] = {0, 0};
    for (uint32_t i = lane; i < CUDA_TILE_ROWS * (HEAD + 4); i += LANES) {
        (&joint[0][0])[i] = 0;
    }
    __syncwarp();
    const int32_t *table = step.block + (size_t)sequence * step.blocks_max;
    for (; split < end; split++) {
        begin_part<HEAD>(rows);
        int32_t stop = (int32_t)((split + 1) * CUDA_SPLIT) - 1 < last ? (int32_t)((split + 1) * CUDA_SPLIT) - 1 : last;
        for (int32_t key = (int32_t)(split * CUDA_SPLIT); key <= stop; key += KEYS) {
            const uint16_t *blocks[KEYS / BLOCK];
#pragma unroll
            for (int b = 0; b < KEYS / BLOCK; b++) {
                int32_t block = key + b * BLOCK <= last ? table[key / BLOCK + b] : 0;
                blocks[b] = cache + ((size_t)block * shape.kv_heads + kv_head) * 2 * BLOCK * HEAD;
            }
            attend<HEAD>(rows, blocks, key, last, shape.scale * LOG2_E, lane);
        }
        end_part<HEAD>(rows);
#pragma unroll
        for (int r = 0; r < 2; r++) {
            if (rows.most[r] == ROW_MIN) {
                continue; // nothing of this part is seen by this row
            }
            if (step.splits > 0) {
                float *to = partial + (query[r] * step.splits + split) * (HEAD + 2);
#pragma unroll
                for (int n = 0; n < HEAD / 8; n++) {
                    to[n * 8 + 2 * t] = rows.value[n][2 * r];
                    to[n * 8 + 2 * t + 1] = rows.value[n][2 * r + 1];
                }
                if (t == 0) {
                    to[HEAD] = rows.most[r];
                    to[HEAD + 1] = rows.sum[r];
                }
                continue;
            }
            float keep;
            float take;
            float *to = joint[g + 8 * (uint32_t)r];
            most[r] = join(most[r], rows.most[r], &keep, &take);
            sum[r] = joined(sum[r], keep, rows.sum[r], take);
#pragma unroll
            for (int n = 0; n < HEAD / 8; n++) {
                to[n * 8 + 2 * t] = joined(to[n * 8 + 2 * t], keep, rows.value[n][2 * r], take);
                to[n * 8 + 2 * t + 1] = joined(to[n * 8 + 2 * t + 1], keep, rows.value[n][2 * r + 1], take);
            }
        }
    }
    for (int r = 0; r < 2 && step.splits == 0; r++) {
        const float *from = joint[g + 8 * (uint32_t)r];
        float *to = out + query[r] * HEAD;
        for (int n = 0; n < HEAD / 8 && rows.limit[r] >= 0; n++) {
            to[n * 8 + 2 * t] = from[n * 8 + 2 * t] / sum[r];
            to[n * 8 + 2 * t + 1] = from[n * 8 + 2 * t + 1] / sum[r];
        }
    }
}

// ---- heads of other widths: a warp a query row, key by key ----

__global__ static void __launch_bounds__(LANES)
    attention_plain(struct cuda_step step, struct cuda_attention_shape shape, const uint16_t *cache, const float *q,
                    float *out)
{
    uint32_t token = blockIdx.x;
    uint32_t lane = threadIdx.x;
    uint32_t width = shape.head_width;
    uint32_t kv_head = blockIdx.y / (shape.heads / shape.kv_heads);
    const float *query = q + ((size_t)token * shape.heads + blockIdx.y) * width;
    const int32_t *table = step.block + (size_t)step.token_sequence[token] * step.blocks_max;
    float value[KERNEL_HEAD_WIDTH_MAX / LANES] = {};
    float most = ROW_MIN;
    float sum = 0;
    for (int32_t p = 0; p <= step.position[token]; p++) {
        const uint16_t *keys = cache + ((size_t)table[p / BLOCK] * shape.kv_heads + kv_head) * 2 * BLOCK * width;
        const uint16_t *key = keys + (uint32_t)p % BLOCK * width;
        const uint16_t *values = keys + (size_t)BLOCK * width + (uint32_t)p % BLOCK;
        float score = 0;
        for (uint32_t i = lane; i < width; i += LANES) {
            score = fmaf(query[i], bf16_low(key[i]), score);
        }
        score = times(lanes_sum(score), shape.scale * LOG2_E);
        float greater = fmaxf(most, score);
        float keep = exp2f(most - greater);
        float take = exp2f(score - greater);
        most = greater;
        sum = joined(sum, keep, 1, take);
#pragma unroll
        for (uint32_t n = 0; n < KERNEL_HEAD_WIDTH_MAX / LANES; n++) {
            if (n * LANES + lane < width) {
                value[n] = joined(value[n], keep, bf16_low(values[(size_t)(n * LANES + lane) * BLOCK]), take);
            }
        }
    }
    float *to = out + ((size_t)token * shape.heads + blockIdx.y) * width;
#pragma unroll
    for (uint32_t n = 0; n < KERNEL_HEAD_WIDTH_MAX / LANES; n++) {
        if (n * LANES + lane < width) {
            to[n * LANES + lane] = value[n] / sum;
        }
    }
}

template <int HEAD>
static void launch(struct cuda_device *device, const struct cuda_step *step, const struct cuda_attention_shape *shape,
                   const uint16_t *cache, const float *q, float *partial, float *out)
{
    uint32_t group = shape->heads / shape->kv_heads;
    uint32_t head_tiles = (group + CUDA_TILE_ROWS - 1) / CUDA_TILE_ROWS;
    CUDA_LAUNCH(device, attention<HEAD>,
                dim3(step->tiles, shape->kv_heads * head_tiles, step->splits > 0 ? step->splits : 1), LANES, *step,
                *shape, cache, q, partial, out);
    if (step->splits > 0) {
        CUDA_LAUNCH(device, merge, dim3(step->tokens, shape->heads), HEAD < 32 ? 32 : HEAD, *step, *shape,
                    (const float *)partial, out);
    }
}

void cuda_attention(struct cuda_device *device, const struct cuda_step *step, const struct cuda_attention_shape *shape,
                    const uint16_t *cache_of_layer, const float *q, float *partial, float *out)
{
    switch (shape->head_width) {
    case 16: launch<16>(device, step, shape, cache_of_layer, q, partial, out); return;
    case 32: launch<32>(device, step, shape, cache_of_layer, q, partial, out); return;
    case 48: launch<48>(device, step, shape, cache_of_layer, q, partial, out); return;
    case 64: launch<64>(device, step, shape, cache_of_layer, q, partial, out); return;
    case 80: launch<80>(device, step, shape, cache_of_layer, q, partial, out); return;
    case 96: launch<96>(device, step, shape, cache_of_layer, q, partial, out); return;
    case 112: launch<112>(device, step, shape, cache_of_layer, q, partial, out); return;
    case 128: launch<128>(device, step, shape, cache_of_layer, q, partial, out); return;
    default:
        CUDA_LAUNCH(device, attention_plain, dim3(step->tokens, shape->heads), LANES, *step, *shape, cache_of_layer, q,
                    out);
    }
}
