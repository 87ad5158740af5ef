// matrix.cu -- from a file's blocks to planes, on the GPU: one thread a group.
#include "kernels/cuda/matrix.cuh"

enum { REPACK_THREADS = 128, PLANE = 256 /* alignment of a plane */ };

static size_t aligned(size_t bytes)
{
    return (bytes + PLANE - 1) / PLANE * PLANE;
}

static uint32_t groups_of(uint32_t columns)
{
    return (columns + GROUP - 1) / GROUP;
}

size_t cuda_matrix_bytes(int type, uint32_t rows, uint32_t columns)
{
    size_t groups = (size_t)rows * groups_of(columns);
    size_t over = (size_t)rows * supers(groups_of(columns));
    return aligned(groups * code_bytes(type)) + aligned(groups * high_bytes(type)) +
           aligned(groups * scale_bytes(type)) + aligned(over * super_bytes(type));
}

// Scale and minimum of group i of the 12 bytes of a Q4_K or Q5_K block.
__device__ static void k_scale(const uint8_t *scales, int i, uint8_t *scale, uint8_t *minimum)
{
    if (i < 4) {
        *scale = scales[i] & 63;
        *minimum = scales[i + 4] & 63;
    } else {
        *scale = (uint8_t)((scales[i + 4] & 15) | scales[i - 4] >> 6 << 4);
        *minimum = (uint8_t)(scales[i + 4] >> 4 | scales[i] >> 6 << 4);
    }
}

__device__ static void copy(uint8_t *to, const uint8_t *from, int bytes)
{
    for (int i = 0; i < bytes; i++) {
        to[i] = from[i];
    }
}

// F32, F16, BF16: `width` bytes a weight; zeros behind the last column.
__device__ static void repack_plain(const uint8_t *row, uint32_t group, uint32_t columns, int width, uint8_t *code)
{
    for (int i = 0; i < GROUP; i++) {
        uint32_t column = group * GROUP + (uint32_t)i;
        for (int b = 0; b < width; b++) {
            code[i * width + b] = column < columns ? row[(size_t)column * width + b] : 0;
        }
    }
}

__device__ static void repack_q4_k(const uint8_t *block, int group, bool five, uint8_t *code, uint8_t *high,
                                   uint8_t *scale)
{
    const uint8_t *low = block + (five ? 48 : 16) + group / 2 * GROUP;
    int shift = group % 2 * 4;
    for (int j = 0; j < 16; j++) {
        code[j] = (uint8_t)((low[j] >> shift & 15) | (low[j + 16] >> shift & 15) << 4);
    }
    if (five) {
        uint32_t bits = 0;
        for (int j = 0; j < GROUP; j++) {
            bits |= (uint32_t)(block[16 + j] >> group & 1) << j;
        }
        *(uint32_t *)high = bits;
    }
    k_scale(block + 4, group, &scale[0], &scale[1]);
}

__device__ static void repack_q6_k(const uint8_t *block, int group, uint8_t *code, uint8_t *high, uint8_t *scale)
{
    int part = group / 4;
    int quarter = group % 4;
    const uint8_t *low = block + part * 64 + quarter % 2 * GROUP;
    const uint8_t *top = block + 128 + part * GROUP;
    int shift = quarter / 2 * 4;
    for (int j = 0; j < 16; j++) {
        code[j] = (uint8_t)((low[j] >> shift & 15) | (low[j + 16] >> shift & 15) << 4);
    }
    for (int half = 0; half < 2; half++) {
        uint32_t bits = 0;
        for (int j = 0; j < 16; j++) {
            bits |= (uint32_t)(top[half * 16 + j] >> (quarter * 2) & 3) << (2 * j);
        }
        ((uint32_t *)high)[half] = bits;
    }
    scale[0] = block[192 + group * 2];
    scale[1] = block[192 + group * 2 + 1];
}

// `raw` holds rows `first` .. `first` + `count` - 1 of the matrix, as the file has them.
__global__ static void repack(struct cuda_matrix m, const uint8_t *raw, size_t stride, uint32_t first, uint32_t count)
{
    size_t index = (size_t)blockIdx.x * REPACK_THREADS + threadIdx.x;
    if (index >= (size_t)count * m.groups) {
        return;
    }
    uint32_t group = (uint32_t)(index % m.groups);
    uint32_t row = first + (uint32_t)(index / m.groups);
    const uint8_t *from = raw + index / m.groups * stride;
    size_t at = (size_t)row * m.groups + group;
    size_t over = (size_t)row * supers(m.groups) + group / SUPER;
    uint8_t *code = (uint8_t *)m.codes + at * code_bytes(m.type);
    uint8_t *high = (uint8_t *)m.high + at * high_bytes(m.type);
    uint8_t *scale = (uint8_t *)m.scale + at * scale_bytes(m.type);
    uint8_t *super = (uint8_t *)m.super + over * super_bytes(m.type);
    switch (m.type) {
    case KERNEL_F32: repack_plain(from, group, m.columns, 4, code); break;
    case KERNEL_F16:
    case KERNEL_BF16: repack_plain(from, group, m.columns, 2, code); break;
    case KERNEL_Q8_0:
        copy(scale, from + group * 34, 2);
        copy(code, from + group * 34 + 2, 32);
        break;
    case KERNEL_Q4_0:
        copy(scale, from + group * 18, 2);
        copy(code, from + group * 18 + 2, 16);
        break;
    case KERNEL_Q4_1:
        copy(scale, from + group * 20, 4);
        copy(code, from + group * 20 + 4, 16);
        break;
    case KERNEL_Q5_0:
        copy(scale, from + group * 22, 2);
        copy(high, from + group * 22 + 2, 4);
        copy(code, from + group * 22 + 6, 16);
        break;
    case KERNEL_Q5_1:
        copy(scale, from + group * 24, 4);
        copy(high, from + group * 24 + 4, 4);
        copy(code, from + group * 24 + 8, 16);
        break;
    case KERNEL_Q4_K:
    case KERNEL_Q5_K: {
        bool five = m.type == KERNEL_Q5_K;
        const uint8_t *block = from + group / SUPER * (five ? 176 : 144);
        copy(super, block, 4); // each of its eight threads writes the same
        repack_q4_k(block, (int)(group % SUPER), five, code, high, scale);
        break;
    }
    case KERNEL_Q6_K: {
        const uint8_t *block = from + group / SUPER * 210;
        copy(super, block + 208, 2);
        repack_q6_k(block, (int)(group % SUPER), code, high, scale);
        break;
    }
    default: break;
    }
}

void cuda_matrix_fill(struct cuda_device *device, const struct kernel_tensor *tensor, void *memory, void *raw,
                      size_t raw_bytes, struct cuda_matrix *out)
{
    int type = tensor->type;
    uint32_t groups = groups_of(tensor->columns);
    size_t all = (size_t)tensor->rows * groups;
    size_t stride = tensor->bytes / tensor->rows;
    uint8_t *codes = (uint8_t *)memory;
    uint8_t *high = codes + aligned(all * code_bytes(type));
    uint8_t *scale = high + aligned(all * high_bytes(type));
    uint8_t *super = scale + aligned(all * scale_bytes(type));
    *out = {codes, high, scale, super, tensor->rows, tensor->columns, groups, type};
    uint32_t portion = (uint32_t)(raw_bytes / stride < tensor->rows ? raw_bytes / stride : tensor->rows);
    for (uint32_t first = 0; first < tensor->rows; first += portion) {
        uint32_t count = tensor->rows - first < portion ? tensor->rows - first : portion;
        size_t threads = (size_t)count * groups;
        cuda_copy_in(device, raw, (const uint8_t *)tensor->data + first * stride, count * stride);
        CUDA_LAUNCH(device, repack, dim3((uint32_t)((threads + REPACK_THREADS - 1) / REPACK_THREADS)),
                    REPACK_THREADS, *out, (const uint8_t *)raw, stride, first, count);
    }
}
