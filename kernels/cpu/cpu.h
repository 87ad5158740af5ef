/* cpu.h -- the backend for processors: what its files share.
 *
 *     cpu.c         life, memory and weights; which work is cut into which pieces for the threads
 *     pool.c        the threads
 *     tile.c        how weights are kept: strips of 16 rows
 *     level.c       what this processor can do
 *     plain.c       numbers in f32 at every level: norms, rotation, attention, F32 products
 *     low_rank.c    products of adapters, at every level
 *     dot_*.c       products of block types with inputs of 8 bits: portable, AVX2, AVX-512 VNNI
 *     matrix_amx.c  the same, and F16 and BF16, on AMX tiles
 *
 * Levels.  One binary holds all; each of plain.c, low_rank.c and dot_*.c is compiled with the flags
 * of its level and never called on a lesser processor.
 *
 *     level     F32      F16, BF16            block types
 *     plain     f32      f32                  8-bit inputs, in portable C
 *     avx2      f32      f32                  8-bit inputs, sign and multiply-add of bytes
 *     avx512    f32      f32                  8-bit inputs, VNNI
 *     amx       f32      bf16 inputs, tiles   8-bit inputs, VNNI for few tokens, tiles for many
 *
 * Inputs of 8 bits have one scale (greatest magnitude / 127) for 32 columns of a token.
 *
 * The same bits whatever else is in the batch: a result is one chain of f32 operations over the
 * blocks of 32 columns in order; inside a block the sums are of integers and exact.  So it does not
 * matter how many tokens a product has, which path they take or who computes a strip.
 *
 *     sum = fma(float(integer sum of the block) * scale of the weights, scale of the input, sum)
 *     sum = fma(-minimum of the weights, scale of the input * sum of its integers, sum)
 *
 * Adapters.  Their weights are kept as 16 bits, as the file has them or, where it has more, as F16
 * if that is the same, else as F32; their inputs and sums are f32.
 *
 * Memory.  A matrix is copied into strips, of the same size as in the file, and the pages of the
 * file that it came from are given back to the system while loading, tensor after tensor: so the
 * resident weights are those of the file once.  A table that is a matrix too (tied embeddings) is
 * read from the strips; another table stays in the file, without a copy.  Beside weights, cache and
 * the runner's buffers there is the input of a product as 8 bits (and bf16) and a strip in its
 * unpacked form for each thread.  (A model made in memory has no file to give back to: it is there
 * twice.)
 *
 * Private to kernels/cpu.
 */
#ifndef REEVE_KERNELS_CPU_CPU_H
#define REEVE_KERNELS_CPU_CPU_H

#include "kernels/backend.h"
#include "kernels/cpu/pool.h"
#include "kernels/cpu/tile.h"

enum cpu_level { CPU_PLAIN, CPU_AVX2, CPU_AVX512, CPU_AMX, CPU_LEVELS };

enum {
    CPU_ROWS = 16,       /* tokens that are prepared and multiplied together */
    CPU_WIDE_STRIPS = 4, /* strips that share their way through the tokens */
    CPU_STEP = 256,      /* columns of an f32 partial sum */
    CPU_POSITIONS = 16,  /* of a cache block: those of one register */
    CPU_LIKE_CACHE = 64  /* bytes: alignment of what threads write apart */
};

struct kernel_weight {
    const struct kernel_tensor *tensor;
    enum kernel_use use;
    struct cpu_tile tile;
    unsigned char *strips;      /* of a matrix */
    size_t bytes;               /* of strips */
    bool adapts;                /* the strips are as adapters multiply with them */
    float *vector;              /* of norms and biases */
    struct kernel_weight *twin; /* of a table: the matrix of the same tensor, or NULL */
    struct kernel_weight *next;
};

/* The input of products, prepared: groups of CPU_ROWS tokens, the last one filled up with zeros.
 * Per group, and in it per block of 32 columns, one after another: */
struct cpu_input {
    const float *x; /* [rows][columns], the caller's */
    uint32_t rows, columns, blocks, groups;
    bool eight, half;    /* which forms are wanted */
    int8_t *q;           /* [CPU_ROWS][32] */
    float *scale;        /* [CPU_ROWS] */
    float *sum;          /* [CPU_ROWS] scale * sum of q */
    int32_t (*count)[2]; /* [CPU_ROWS] sums of q of columns 0 to 15 and 16 to 31 */
    uint16_t *halves;    /* [CPU_ROWS][32] bf16 */
};

/* Strips in their widest form, for many tokens; room for CPU_WIDE_STRIPS, for each thread. */
struct cpu_scratch {
    uint8_t *q;   /* [strip][blocks][8 lines of 64] */
    float *scale; /* [strip][blocks][groups][16] */
    float *least; /* [strip][blocks][16] */
    float *wide;  /* [CPU_STEP][16] weights as f32 */
    float *sums;  /* [strip][rows, filled up to whole groups][16] */
};

/* Strips `first` to `last` - 1 of a product, for all rows of the input. */
struct cpu_work {
    const struct cpu_input *input;
    const struct kernel_weight *weight;
    const float *bias;     /* NULL: none */
    float *out;            /* [rows][rows of the weight] */
    const uint32_t *place; /* which of them a row is; NULL: one after another (floats alone) */
    uint32_t first, last;
    bool add; /* of adapters, in f32: out += scale * product */
    float scale;
    const struct cpu_scratch *scratch;
};

/* Attention of one token for the heads that share a key-value head. */
struct cpu_attend {
    const struct kernel_shape *shape;
    const float *q;       /* [heads of the group][head width] */
    float *out;           /* likewise */
    const float *cache;   /* of the layer */
    const int32_t *block; /* of the sequence */
    uint32_t kv_head;
    int32_t position;
};

/* What a level does in its own way. */
struct cpu_plain {
    void (*norm)(float *x, const float *delta, const float *factor, float epsilon, uint32_t width,
                 float *out);
    void (*silu_multiply)(const float *gate, const float *up, size_t count, float *out);
    void (*rotate)(float *head, const float *turns, uint32_t half, bool halves);
    void (*attend)(const struct cpu_attend *attend);
    void (*floats)(const struct cpu_work *work);   /* F32, F16, BF16 */
    void (*low_rank)(const struct cpu_work *work); /* of adapters: F16, BF16; no bias */
    void (*prepare)(const struct cpu_input *input, uint32_t group); /* the 8-bit form */
};
struct cpu_level_table {
    const char *name;
    const struct cpu_plain *plain;
    void (*blocks)(const struct cpu_work *work); /* block types */
    void (*halves)(const struct cpu_work *work); /* F16 and BF16; NULL: plain->floats */
    void (*prepare_halves)(const struct cpu_input *input, uint32_t group); /* with `halves` */
};

enum cpu_level cpu_level_best(void); /* of this processor */
const struct cpu_level_table *cpu_level_table(enum cpu_level level);
/* The operations of a level that is at most cpu_level_best: for tests and measurements. */
const struct kernel_operations *cpu_operations_at(enum cpu_level level);

extern const struct cpu_plain cpu_plain_base, cpu_plain_avx2, cpu_plain_avx512;
void cpu_low_rank_base(const struct cpu_work *work);
void cpu_low_rank_avx2(const struct cpu_work *work);
void cpu_low_rank_avx512(const struct cpu_work *work);
void cpu_dot_base(const struct cpu_work *work);
void cpu_dot_avx2(const struct cpu_work *work);
void cpu_dot_avx512(const struct cpu_work *work);
void cpu_matrix_amx(const struct cpu_work *work);        /* block types, any number of rows */
void cpu_matrix_amx_halves(const struct cpu_work *work); /* F16, BF16 */
void cpu_prepare_amx_halves(const struct cpu_input *input, uint32_t group);

/* A head's keys of a cache block: [head width][16 positions]; its values: [16 positions][head width
 * filled up to 16].  Floats of both together. */
static inline size_t cpu_head_floats(const struct kernel_shape *shape)
{
    size_t width = shape->head_width;
    return CPU_POSITIONS * (width + (width + 15) / 16 * 16);
}

/* Floats of one block of one layer. */
static inline size_t cpu_block_floats(const struct kernel_shape *shape)
{
    return cpu_head_floats(shape) * shape->kv_heads;
}

#endif
