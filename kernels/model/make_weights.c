/* make_weights.c -- random weights as fast as memory takes them.
 *
 * A small matrix is drawn number by number.  A large one is cut into pieces of a few blocks, each
 * copied from a random place of a pattern of 2^20 drawn numbers; a row has at least two pieces
 * where its blocks allow it, so that equal rows hardly occur.  Products with such weights behave as
 * with independent ones; only a compressor would notice.
 */
#include "kernels/model/make.h"

#include "kernels/base/fail.h"
#include "kernels/model/quant.h"

#include <stdlib.h>
#include <string.h>

enum {
    PATTERN = 1 << 20, /* numbers: more than a cache line of any scale, less than a cache */
    DIRECT = 1 << 18,  /* matrices up to this are drawn number by number */
    PIECE = 512,       /* numbers of a piece, at most */
    PATTERNS_MAX = 32  /* types and spreads in one model: about ten */
};

struct pattern {
    enum kernel_type type;
    float spread;
    unsigned char *bytes;
};

struct make_patterns {
    uint64_t random;
    struct pattern pattern[PATTERNS_MAX];
    int count;
};

struct make_patterns *make_patterns_create(uint64_t seed)
{
    struct make_patterns *patterns = kernel_allocate(1, sizeof *patterns);
    patterns->random = seed;
    return patterns;
}

void make_patterns_destroy(struct make_patterns *patterns)
{
    for (int i = 0; i < patterns->count; i++) {
        free(patterns->pattern[i].bytes);
    }
    free(patterns);
}

/* Nearly normal, variance 1: the sum of four uniform numbers (Irwin-Hall). */
static float draw(uint64_t *random)
{
    uint64_t bits = make_random(random);
    int64_t sum = (int64_t)(bits & 0xffff) + (int64_t)(bits >> 16 & 0xffff) +
                  (int64_t)(bits >> 32 & 0xffff) + (int64_t)(bits >> 48);
    return (float)(sum - 2 * 0xffff) * (1.7320508F / 65536);
}

/* `count` numbers, a whole number of blocks. */
static void draw_all(uint64_t *random, enum kernel_type type, float spread, size_t count,
                     unsigned char *out)
{
    const struct kernel_type_facts *facts = kernel_type_facts(type);
    float some[KERNEL_K_BLOCK];
    uint32_t step = KERNEL_K_BLOCK;
    for (size_t done = 0; done < count; done += step) {
        step = count - done < KERNEL_K_BLOCK ? (uint32_t)(count - done) : KERNEL_K_BLOCK;
        for (uint32_t i = 0; i < step; i++) {
            some[i] = spread * draw(random);
        }
        kernel_quantise(type, some, out, step);
        out += (size_t)step / facts->block * facts->block_bytes;
    }
}

static const unsigned char *find_pattern(struct make_patterns *patterns, enum kernel_type type,
                                         float spread)
{
    const struct kernel_type_facts *facts = kernel_type_facts(type);
    for (int i = 0; i < patterns->count; i++) {
        if (patterns->pattern[i].type == type && patterns->pattern[i].spread == spread) {
            return patterns->pattern[i].bytes;
        }
    }
    KERNEL_ASSERT(patterns->count < PATTERNS_MAX);
    struct pattern *pattern = &patterns->pattern[patterns->count++];
    *pattern =
        (struct pattern){type, spread, kernel_allocate(PATTERN / facts->block, facts->block_bytes)};
    draw_all(&patterns->random, type, spread, PATTERN, pattern->bytes);
    return pattern->bytes;
}

void make_matrix(struct make_patterns *patterns, enum kernel_type type, uint32_t columns,
                 uint32_t rows, float spread, unsigned char *out)
{
    const struct kernel_type_facts *facts = kernel_type_facts(type);
    if ((uint64_t)columns * rows <= DIRECT) {
        draw_all(&patterns->random, type, spread, (size_t)columns * rows, out);
        return;
    }
    const unsigned char *pattern = find_pattern(patterns, type, spread);
    uint32_t blocks = columns / facts->block;
    uint32_t piece = PIECE / facts->block;
    if (piece > blocks / 2) {
        piece = blocks > 1 ? blocks / 2 : 1;
    }
    uint64_t places = PATTERN / facts->block - piece + 1;
    for (uint32_t r = 0; r < rows; r++) {
        for (uint32_t done = 0; done < blocks; done += piece) {
            uint32_t some = blocks - done < piece ? blocks - done : piece;
            uint64_t place = (make_random(&patterns->random) >> 32) * places >> 32;
            memcpy(out, pattern + place * facts->block_bytes, (size_t)some * facts->block_bytes);
            out += (size_t)some * facts->block_bytes;
        }
    }
}

void make_vector(struct make_patterns *patterns, uint32_t count, float middle, float spread,
                 unsigned char *out)
{
    for (uint32_t i = 0; i < count; i++) {
        float value = middle + spread * draw(&patterns->random);
        memcpy(out + i * sizeof value, &value, sizeof value);
    }
}
