// rows.cu -- embedding, norm, SiLU and gathering.
#include "kernels/cuda/rows.cuh"

enum { THREADS = 256, WARPS = THREADS / LANES };

// A thread a group of 32; reading is exact.
template <int TYPE>
__global__ static void embed(struct cuda_matrix table, const int32_t *token, uint32_t tokens, float *out)
{
    size_t index = (size_t)blockIdx.x * THREADS + threadIdx.x;
    if (index >= (size_t)tokens * table.groups) {
        return;
    }
    uint32_t t = (uint32_t)(index / table.groups);
    uint32_t group = (uint32_t)(index % table.groups);
    group_bits<TYPE> bits;
    float w[GROUP];
    group_fetch<TYPE>(table, (uint32_t)token[t], group, bits);
    group_expand<TYPE>(bits, w);
#pragma unroll
    for (uint32_t i = 0; i < GROUP; i++) {
        uint32_t column = group * GROUP + i;
        if (column < table.columns) {
            out[(size_t)t * table.columns + column] = w[i];
        }
    }
}

static dim3 enough(size_t threads)
{
    return dim3((uint32_t)((threads + THREADS - 1) / THREADS));
}

void cuda_embed(struct cuda_device *device, const struct cuda_matrix *table, const int32_t *token, uint32_t tokens,
                float *out)
{
#define CALL(type)                                                                                 \
    CUDA_LAUNCH(device, embed<type>, enough((size_t)tokens * table->groups), THREADS, *table, token, tokens, out)
    CUDA_EACH_TYPE(table->type, CALL)
#undef CALL
}

// A block a row.
__global__ static void __launch_bounds__(THREADS)
    norm(float *x, const float *delta, const float *weight, float epsilon, uint32_t width, float *out)
{
    __shared__ float parts[WARPS];
    size_t base = (size_t)blockIdx.x * width;
    float sum = 0;
    for (uint32_t i = threadIdx.x; i < width; i += THREADS) {
        float value = x[base + i];
        if (delta != nullptr) {
            value = plus(value, delta[base + i]);
            x[base + i] = value;
        }
        sum = fmaf(value, value, sum);
    }
    sum = lanes_sum(sum);
    if (threadIdx.x % LANES == 0) {
        parts[threadIdx.x / LANES] = sum;
    }
    __syncthreads();
    sum = parts[0];
    for (int w = 1; w < WARPS; w++) {
        sum = plus(sum, parts[w]);
    }
    float scale = 1.0F / sqrtf(sum / (float)width + epsilon);
    for (uint32_t i = threadIdx.x; i < width; i += THREADS) {
        out[base + i] = times(times(x[base + i], scale), weight[i]);
    }
}

void cuda_norm(struct cuda_device *device, float *x, const float *delta, const float *weight, float epsilon,
               uint32_t rows, uint32_t width, float *out)
{
    CUDA_LAUNCH(device, norm, dim3(rows), THREADS, x, delta, weight, epsilon, width, out);
}

__global__ static void silu(const float *gate, const float *up, size_t count, float *out)
{
    size_t i = (size_t)blockIdx.x * THREADS + threadIdx.x;
    if (i < count) {
        float g = gate[i];
        out[i] = times(g / (1.0F + expf(-g)), up[i]);
    }
}

void cuda_silu_multiply(struct cuda_device *device, const float *gate, const float *up, size_t count, float *out)
{
    CUDA_LAUNCH(device, silu, enough(count), THREADS, gate, up, count, out);
}

__global__ static void pick(const float *x, const int32_t *output, uint32_t width, float *out)
{
    const float *from = x + (size_t)output[blockIdx.x] * width;
    for (uint32_t i = threadIdx.x; i < width; i += THREADS) {
        out[(size_t)blockIdx.x * width + i] = from[i];
    }
}

void cuda_gather(struct cuda_device *device, const float *x, const int32_t *output, uint32_t outputs, uint32_t width,
                 float *out)
{
    CUDA_LAUNCH(device, pick, dim3(outputs), THREADS, x, output, width, out);
}
