/* dot_base.c -- products of block types with 8-bit inputs in portable C: for processors without a
 * level of their own. */
#include "kernels/cpu/dot.h"

/* Sums of integers of columns `from` .. `from` + 15 for the 16 rows. */
static void add_half(const struct cpu_unpacked *block, uint32_t from, const int8_t *x,
                     int32_t sums[CPU_STRIP])
{
    for (uint32_t c = from; c < from + CPU_BLOCK / 2; c++) {
        const uint8_t *line = (const uint8_t *)&block->q[c / 4] + c % 4;
        for (uint32_t r = 0; r < CPU_STRIP; r++) {
            sums[r] += line[(size_t)r * 4] * x[c];
        }
    }
}

static void multiply_block(const struct cpu_input *input, uint32_t b,
                           const struct cpu_unpacked *block, float *sums, int offset, int groups,
                           bool least)
{
    for (uint32_t row = 0; row < input->rows; row++, sums += CPU_STRIP) {
        size_t at = cpu_input_at(input, b, row);
        for (int group = 0; group < groups; group++) {
            int32_t whole[CPU_STRIP];
            int32_t less = offset * input->count[at][group];
            less += groups == 1 ? offset * input->count[at][1] : 0;
            for (int r = 0; r < CPU_STRIP; r++) {
                whole[r] = -less;
            }
            add_half(block, (uint32_t)group * 16, input->q + at * CPU_BLOCK, whole);
            if (groups == 1) {
                add_half(block, 16, input->q + at * CPU_BLOCK, whole);
            }
            for (int r = 0; r < CPU_STRIP; r++) {
                sums[r] += (float)whole[r] * block->scale[group][r] * input->scale[at];
            }
        }
        for (int r = 0; r < CPU_STRIP && least; r++) {
            sums[r] -= block->least[r] * input->sum[at];
        }
    }
}

void cpu_dot_base(const struct cpu_work *work)
{
    const struct cpu_tile *tile = &work->weight->tile;
    const struct cpu_tile_layout *layout = cpu_tile_layout(tile->type);
    float *sums = work->scratch->sums;
    for (uint32_t s = work->first; s < work->last; s++) {
        const unsigned char *strip = work->weight->strips + (size_t)s * tile->stride;
        memset(sums, 0, (size_t)work->input->rows * CPU_STRIP * sizeof *sums);
        for (uint32_t b = 0; b < tile->blocks; b++) {
            struct cpu_unpacked block;
            cpu_unpack(tile, strip, b, &block);
            multiply_block(work->input, b, &block, sums, layout->offset, layout->groups,
                           layout->least);
        }
        for (uint32_t r = 0; r < work->input->rows; r++) {
            cpu_finish(work, s, r, sums + (size_t)r * CPU_STRIP);
        }
    }
}
