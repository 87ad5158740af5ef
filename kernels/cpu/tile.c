/* tile.c -- see tile.h: the copy of a tensor in strips, and the way back for single rows. */
#include "kernels/cpu/tile.h"

#include "kernels/base/fail.h"
#include "kernels/cpu/unpack.h"
#include "kernels/model/quant.h"

#include <string.h>

/* Parts of the file's blocks, see model/quant.c. */
enum { HALF = CPU_BLOCK / 2, Q6_HIGH = 128, Q6_SCALES = 192, Q6_STEP = 208, Q5_FIFTH = 16 };

const struct cpu_tile_layout *cpu_tile_layout(enum kernel_type type)
{
    static const struct cpu_tile_layout layouts[] = {
        /* quants, bits, scales, span, offset, groups, least */
        [KERNEL_Q8_0] = {512, 0, 32, 32, 128, 1, false},
        [KERNEL_Q4_0] = {256, 0, 32, 32, 8, 1, false},
        [KERNEL_Q4_1] = {256, 0, 64, 32, 0, 1, true},
        [KERNEL_Q5_0] = {256, 64, 32, 32, 16, 1, false},
        [KERNEL_Q5_1] = {256, 64, 64, 32, 0, 1, true},
        [KERNEL_Q4_K] = {256, 0, 256, 256, 0, 1, true},
        [KERNEL_Q5_K] = {256, 64, 256, 256, 0, 1, true},
        [KERNEL_Q6_K] = {256, 128, 288, 256, 32, 2, false},
    };
    size_t i = (size_t)type;
    return i < sizeof layouts / sizeof layouts[0] && layouts[i].quants != 0 ? &layouts[i] : NULL;
}

struct cpu_tile cpu_tile_measure(enum kernel_type type, uint32_t rows, uint32_t columns)
{
    const struct cpu_tile_layout *layout = cpu_tile_layout(type);
    struct cpu_tile tile = {.type = type, .rows = rows, .columns = columns};
    tile.strips = (rows + CPU_STRIP - 1) / CPU_STRIP;
    tile.blocks = (columns + CPU_BLOCK - 1) / CPU_BLOCK;
    if (layout != NULL) {
        tile.bits_at = (size_t)tile.blocks * layout->quants;
        tile.scales_at = tile.bits_at + (size_t)tile.blocks * layout->bits;
        tile.stride = tile.scales_at + (size_t)columns / layout->span * layout->scales;
    } else if (type == KERNEL_F32) {
        tile.stride = (size_t)columns * CPU_LINE;
    } else {
        tile.stride = (size_t)tile.blocks * CPU_BLOCK / 2 * CPU_LINE;
    }
    tile.stride = (tile.stride + CPU_LINE - 1) / CPU_LINE * CPU_LINE;
    return tile;
}

/* ---- from the file ---- */

/* The 32 quants of group `group` of a block, as stored. */
static void read_quants(enum kernel_type type, const unsigned char *at, uint32_t group,
                        unsigned char out[CPU_BLOCK])
{
    const unsigned char *low = at + 2;
    uint32_t fifth = 0;
    switch (type) {
    case KERNEL_Q4_1: low = at + 4; break;
    case KERNEL_Q5_0:
        low = at + 6;
        memcpy(&fifth, at + 2, sizeof fifth);
        break;
    case KERNEL_Q5_1:
        low = at + 8;
        memcpy(&fifth, at + 4, sizeof fifth);
        break;
    default: break;
    }
    for (uint32_t i = 0; i < HALF; i++) {
        out[i] = (unsigned char)((low[i] & 15) | (fifth >> i & 1) << 4);
        out[i + HALF] = (unsigned char)((unsigned)low[i] >> 4 | (fifth >> (i + HALF) & 1) << 4);
    }
    (void)group;
}

static void read_k_quants(enum kernel_type type, const unsigned char *at, uint32_t group,
                          unsigned char out[CPU_BLOCK])
{
    if (type == KERNEL_Q6_K) {
        const unsigned char *low = at + group / 4 * 64 + group % 2 * CPU_BLOCK;
        const unsigned char *high = at + Q6_HIGH + group / 4 * CPU_BLOCK;
        for (int i = 0; i < CPU_BLOCK; i++) {
            out[i] = (unsigned char)((low[i] >> (group % 4 / 2 * 4) & 15) |
                                     (high[i] >> (group % 4 * 2) & 3) << 4);
        }
        return;
    }
    const unsigned char *low =
        at + (type == KERNEL_Q4_K ? Q5_FIFTH : Q5_FIFTH + CPU_BLOCK) + group / 2 * CPU_BLOCK;
    for (int i = 0; i < CPU_BLOCK; i++) {
        unsigned fifth = type == KERNEL_Q5_K ? at[Q5_FIFTH + i] >> group & 1U : 0;
        out[i] = (unsigned char)((low[i] >> (group % 2 * 4) & 15) | fifth << 4);
    }
}

/* ---- into the strip ---- */

static void put_quants(const struct cpu_tile_layout *layout, const unsigned char q[CPU_BLOCK],
                       uint32_t row, unsigned char *quants, unsigned char *bits)
{
    unsigned char *at = quants + row * 4;
    for (uint32_t c = 0; c < HALF; c++) {
        at[c / 4 * CPU_LINE + c % 4] = (unsigned char)((q[c] & 15) | (q[c + HALF] & 15) << 4);
    }
    at = bits + row * 4;
    for (uint32_t c = 0; c < CPU_BLOCK && layout->bits == CPU_LINE; c++) {
        at[c % 4] |= (unsigned char)((q[c] >> 4 & 1) << (c / 4));
    }
    for (uint32_t c = 0; c < CPU_BLOCK && layout->bits == 2 * CPU_LINE; c++) {
        at[c / HALF * CPU_LINE + c % 4] |= (unsigned char)((q[c] >> 4 & 3) << (c / 4 % 4 * 2));
    }
}

static void put_half(unsigned char *halves, uint32_t row, const unsigned char *from)
{
    memcpy(halves + row * 2, from, 2);
}

static void put_scales(enum kernel_type type, const unsigned char *block, uint32_t row,
                       unsigned char *scales)
{
    switch (type) {
    case KERNEL_Q4_1:
    case KERNEL_Q5_1: put_half(scales + CPU_STRIP * 2, row, block + 2); break;
    case KERNEL_Q4_K:
    case KERNEL_Q5_K:
        for (uint32_t i = 0; i < KERNEL_K_SCALES; i++) {
            scales[i * CPU_STRIP + row] = block[4 + i];
        }
        scales += KERNEL_K_SCALES * CPU_STRIP;
        put_half(scales + CPU_STRIP * 2, row, block + 2);
        break;
    case KERNEL_Q6_K:
        for (uint32_t i = 0; i < 16; i++) {
            scales[i * CPU_STRIP + row] = block[Q6_SCALES + i];
        }
        scales += 16 * CPU_STRIP;
        block += Q6_STEP;
        break;
    default: break;
    }
    put_half(scales, row, block);
}

static void pack_blocks(const struct cpu_tile *tile, const unsigned char *from, uint32_t row,
                        unsigned char *out)
{
    const struct cpu_tile_layout *layout = cpu_tile_layout(tile->type);
    uint32_t bytes = kernel_type_facts(tile->type)->block_bytes;
    uint32_t groups = layout->span / CPU_BLOCK;
    unsigned char q[CPU_BLOCK];
    for (uint32_t b = 0; b < tile->blocks; b++) {
        const unsigned char *block = from + (size_t)(b / groups) * bytes;
        unsigned char *quants = out + (size_t)b * layout->quants;
        if (b % groups == 0) {
            put_scales(tile->type, block, row,
                       out + tile->scales_at + (size_t)(b / groups) * layout->scales);
        }
        if (tile->type == KERNEL_Q8_0) {
            for (uint32_t j = 0; j < CPU_BLOCK / 4; j++) {
                memcpy(quants + j * CPU_LINE + row * 4, block + 2 + j * 4, 4);
            }
            continue;
        }
        if (groups == 1) {
            read_quants(tile->type, block, 0, q);
        } else {
            read_k_quants(tile->type, block, b % groups, q);
        }
        put_quants(layout, q, row, quants, out + tile->bits_at + (size_t)b * layout->bits);
    }
}

static void pack_floats(const struct cpu_tile *tile, const unsigned char *from, uint32_t row,
                        unsigned char *out)
{
    uint32_t size = tile->type == KERNEL_F32 ? 4 : 2;
    uint32_t in_line = 4 / size;
    for (uint32_t c = 0; c < tile->columns; c++) {
        memcpy(out + (size_t)c / in_line * CPU_LINE + row * 4 + c % in_line * size,
               from + (size_t)c * size, size);
    }
}

void cpu_tile_pack(const struct cpu_tile *tile, const struct kernel_tensor *tensor, uint32_t strip,
                   unsigned char *out)
{
    size_t bytes = tensor->bytes / tensor->rows;
    bool blocks = cpu_tile_layout(tile->type) != NULL;
    memset(out, 0, tile->stride);
    for (uint32_t i = 0; i < CPU_STRIP && strip * CPU_STRIP + i < tile->rows; i++) {
        const unsigned char *from =
            (const unsigned char *)tensor->data + (size_t)(strip * CPU_STRIP + i) * bytes;
        if (blocks) {
            pack_blocks(tile, from, i, out);
        } else {
            pack_floats(tile, from, i, out);
        }
    }
}

/* ---- back ---- */

static void row_of_floats(const struct cpu_tile *tile, const unsigned char *strip, uint32_t row,
                          float *out)
{
    for (uint32_t c = 0; c < tile->columns; c++) {
        if (tile->type == KERNEL_F32) {
            memcpy(&out[c], strip + (size_t)c * CPU_LINE + row * 4, sizeof *out);
            continue;
        }
        uint16_t half;
        memcpy(&half, strip + (size_t)c / 2 * CPU_LINE + row * 4 + c % 2 * 2, sizeof half);
        out[c] = tile->type == KERNEL_F16 ? kernel_half_to_float(half) : kernel_bf16_to_float(half);
    }
}

void cpu_tile_row(const struct cpu_tile *tile, const unsigned char *strips, uint32_t row,
                  float *out)
{
    const struct cpu_tile_layout *layout = cpu_tile_layout(tile->type);
    const unsigned char *strip = strips + row / CPU_STRIP * tile->stride;
    row %= CPU_STRIP;
    if (layout == NULL) {
        row_of_floats(tile, strip, row, out);
        return;
    }
    for (uint32_t b = 0; b < tile->blocks; b++) {
        struct cpu_unpacked block;
        cpu_unpack(tile, strip, b, &block);
        for (uint32_t c = 0; c < CPU_BLOCK; c++) {
            float scale = block.scale[layout->groups == 2 ? c / HALF : 0][row];
            float value = scale * (float)((int)block.q[c / 4][row * 4 + c % 4] - layout->offset);
            out[b * CPU_BLOCK + c] = layout->least ? value - block.least[row] : value;
        }
    }
}
