/* tile.h -- how the CPU backend keeps a matrix: strips of 16 rows, side by side.
 *
 * A vector register holds the same columns of 16 rows, so that a product needs no sum across its
 * lanes and one scale vector serves 16 rows.  A strip is the 16 rows of the file in another order,
 * nothing added: a tile copy is as large as the tensor (rows filled up to a multiple of 16).
 *
 *     strip:  | quants, 32 columns after 32 columns | high bits | scales |
 *
 *     quants of 8 bits, 32 columns = 8 lines of 64 bytes; line j holds columns 4j .. 4j + 3:
 *           row 0           row 1                  row 15
 *         | c c+1 c+2 c+3 | c c+1 c+2 c+3 | ...  | c c+1 c+2 c+3 |
 *     quants of 4 bits, 4 lines: line j has columns 4j .. in the low halves, 16 + 4j .. in the high
 *     high bits, one line (two for Q6_K): bit j of a byte belongs to that byte of line j
 *         (Q6_K: bits 2j, 2j + 1 of the first line to lines 0 to 3, of the second to 4 to 7)
 *     scales: each byte or half float of the file's block, for 16 rows at a time
 *
 *     F32: one line a column.  F16, BF16: one line two columns, (c, c + 1) of each row; filled up
 *     with zeros to a multiple of 32 columns
 *
 * Thread: packing and reading touch nothing but their arguments.  Private to kernels/cpu.
 */
#ifndef REEVE_KERNELS_CPU_TILE_H
#define REEVE_KERNELS_CPU_TILE_H

#include "kernels/model/tensor.h"

#include <stdbool.h>

enum {
    CPU_STRIP = 16, /* rows of a strip */
    CPU_BLOCK = 32, /* columns that share a scale of the input */
    CPU_LINE = 64   /* bytes of a line */
};

struct cpu_tile_layout {
    uint32_t quants, bits; /* bytes of a strip for 32 columns */
    uint32_t scales;       /* bytes of a strip for `span` columns */
    uint32_t span;
    uint8_t offset; /* a quant as stored minus this is the factor of the scale */
    uint8_t groups; /* scales of 32 columns of a row: 1 or 2 */
    bool least;     /* value = scale * quant - least */
};
/* NULL: not a block type. */
const struct cpu_tile_layout *cpu_tile_layout(enum kernel_type type);

/* Where the parts of a strip begin. */
struct cpu_tile {
    enum kernel_type type;
    uint32_t rows, columns;
    uint32_t strips, blocks; /* blocks: of 32 columns, the last one filled up for F16 and BF16 */
    size_t bits_at, scales_at, stride;
};
struct cpu_tile cpu_tile_measure(enum kernel_type type, uint32_t rows, uint32_t columns);

/* One strip of a tensor into `out` [stride]. */
void cpu_tile_pack(const struct cpu_tile *tile, const struct kernel_tensor *tensor, uint32_t strip,
                   unsigned char *out);
/* One row back from its strip, to the bit what kernel_dequantise gives. */
void cpu_tile_row(const struct cpu_tile *tile, const unsigned char *strips, uint32_t row,
                  float *out);

#endif
