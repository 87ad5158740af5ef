/* kernel_world.h -- a model on a backend for tests: sequences go forward in any company.
 *
 * Each line keeps the logits and hidden states of all its tokens, so that two ways of computing the
 * same can be compared to the bit.
 */
#ifndef REEVE_TESTS_SUPPORT_KERNEL_WORLD_H
#define REEVE_TESTS_SUPPORT_KERNEL_WORLD_H

#include "kernels/model/forward.h"
#include "kernels/model/model.h"

enum { KERNEL_WORLD_LINES = 64, KERNEL_WORLD_STEP = 512 };

struct kernel_line {
    const int32_t *tokens;
    uint32_t count, done;
    int32_t adapter; /* -1 none */
    int32_t *blocks;
    uint32_t block_count;
    float *logits; /* [count][vocabulary] */
    float *hidden; /* [count][width] */
};

struct kernel_world {
    struct kernel_model *model;
    struct kernel_runner *runner;
    const struct kernel_shape *shape;
    int32_t *free_blocks; /* shuffled */
    uint32_t free_count, blocks;
};

/* The model of that file, or a made one ("tiny-llama/Q8_0"); without a vocabulary. */
struct kernel_model *kernel_world_model(const char *path_or_shape);

/* `model` is the world's from now on.  Fails loudly. */
void kernel_world_open(struct kernel_world *world, struct kernel_model *model,
                       const struct kernel_operations *operations,
                       const struct kernel_engine_options *engine);
void kernel_world_close(struct kernel_world *world);

void kernel_line_open(const struct kernel_world *world, struct kernel_line *line,
                      const int32_t *tokens, uint32_t count, int32_t adapter);
void kernel_line_close(struct kernel_world *world, struct kernel_line *line);

/* One step: the next take[i] tokens of each line (0: the line is not in the batch).  `outputs`
 * false: only the last token of a line that is finished by this step is an output. */
void kernel_world_step(struct kernel_world *world, struct kernel_line *const *lines,
                       const uint32_t *take, uint32_t count, bool outputs);
/* All of one line, alone, `chunk` tokens a step. */
void kernel_world_all(struct kernel_world *world, struct kernel_line *line, uint32_t chunk);

#endif
