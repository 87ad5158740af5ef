/* decide.c -- one of several options, by what the model gives each of them.
 *
 * Every option is written out as the answer would have it, and the model is asked how probable
 * those tokens are after the prompt: log p(option) = sum of log p(token | all before it).  Over the
 * legal set they are made to sum to one.  So the choice is between whole options, not between their
 * first tokens, and its probability is measured; with that of the thought before it, where the
 * model's file says that thoughts are canonical (kernel.h, "How probable an option is"; choose.c
 * sums it up token by token).
 *
 * The options are computed one after another, each over the one before, in the blocks that the
 * answer will need anyway: what stands there beyond the computed tokens is scratch.  A step scores
 * SCORE_STEP_TOKENS of all that decide in it, a few more at most; who is not done goes on in the
 * next one, where its last token is computed once more.  So a deadline, a
 * cancel and the others' tokens come between, and what was scored stands: the sums are the same,
 * however they were cut.
 */
#include "kernels/serve/serve.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Adds log p of some more tokens after its first of the option whose turn it is, and goes on to the
 * next one when that has all.  Its keys up to `done` stand in the scratch. */
static enum kernel_status score_some(struct kernel_engine *engine, struct sequence *sequence,
                                     uint32_t *scored, struct kernel_error *error)
{
    struct options *options = sequence->options;
    uint32_t option = options->scored;
    uint32_t done = options->done;
    const int32_t *tokens = options->tokens[option].at + options->common;
    double *score = &options->score[option];
    uint32_t count = options->tokens[option].count - options->common - 1;
    uint32_t most =
        engine->step_tokens < engine->outputs_max ? engine->step_tokens : engine->outputs_max;
    most = most < SCORE_ROWS ? most : SCORE_ROWS;
    uint32_t some = count - done < most ? count - done : most;
    if (some == 0) {
        options->scored++;
        return KERNEL_OK;
    }
    struct step *step = &engine->step;
    int32_t start[2] = {0, (int32_t)some};
    int32_t length = (int32_t)(sequence->computed + done + some);
    int32_t position[SCORE_ROWS];
    int32_t output[SCORE_ROWS];
    for (uint32_t i = 0; i < some; i++) {
        position[i] = (int32_t)(sequence->computed + done + i);
        output[i] = (int32_t)i;
    }
    for (uint32_t i = 0; i < engine->blocks_max; i++) {
        step->block[i] = i < sequence->block_count ? sequence->blocks[i] : KERNEL_BLOCK_NONE;
    }
    int32_t adapter = serve_adapter(engine, sequence);
    struct kernel_batch batch = {.tokens = some,
                                 .sequences = 1,
                                 .token = tokens + done,
                                 .position = position,
                                 .start = start,
                                 .length = &length,
                                 .block = step->block,
                                 .blocks_max = engine->blocks_max,
                                 .adapter = &adapter,
                                 .outputs = some,
                                 .output = output};
    kernel_runner_queue(engine->runner, &batch, true);
    step->here = UINT32_MAX;
    enum kernel_status status = KERNEL_OK;
    for (uint32_t i = 0; i < some && status == KERNEL_OK; i++) {
        const float *row = NULL;
        status = row_at(engine, i, position[i], &row, error);
        if (status == KERNEL_OK) {
            *score += (double)row[tokens[done + i + 1]] - kernel_log_sum(row, engine->vocabulary);
        }
    }
    *scored += some;
    options->done = done + some < count ? done + some : 0;
    options->scored += options->done == 0;
    return status;
}

/* Softmax over the options; the choice is the most probable one, or drawn where the request has a
 * temperature.  What is told of them takes the thought into account. */
static void choose(const struct kernel_engine *engine, struct sequence *sequence)
{
    struct options *options = sequence->options;
    const double *score = options->score;
    double top = score[0];
    for (uint32_t i = 1; i < options->count; i++) {
        top = score[i] > top ? score[i] : top;
    }
    double sum = 0;
    for (uint32_t i = 0; i < options->count; i++) {
        options->probability[i] = exp((score[i] - top) / engine->certainty.temperature);
        sum += options->probability[i];
    }
    float *logits = kernel_allocate(options->count, sizeof *logits);
    double thought = exp(sequence->thought);
    for (uint32_t i = 0; i < options->count; i++) {
        options->probability[i] =
            thought * (options->probability[i] / sum) + (1 - thought) / options->count;
        logits[i] = (float)(score[i] - top);
    }
    options->choice =
        kernel_sample(logits, options->count, NULL, &sequence->sampling, sequence->tokens.count);
    free(logits);
}

void decide_begin(const struct kernel_engine *engine, struct sequence *sequence,
                  const float *logits)
{
    struct options *options = sequence->options;
    double sum = kernel_log_sum(logits, engine->vocabulary);
    if (options->backend != engine->backend) { /* the device was lost: its sums are another's */
        options->backend = engine->backend;
        options->scored = options->done = 0;
    }
    for (uint32_t i = options->scored + (options->done > 0); i < options->count; i++) {
        options->score[i] = (double)logits[options->tokens[i].at[options->common]] - sum;
    }
}

enum kernel_status decide(struct kernel_engine *engine, struct sequence *sequence, uint32_t *scored,
                          struct kernel_error *error)
{
    struct options *options = sequence->options;
    enum kernel_status status = KERNEL_OK;
    KERNEL_ASSERT(sequence->block_count * KERNEL_BLOCK_TOKENS >=
                  sequence->computed + options->longest - options->common); /* plan.c */
    while (options->scored < options->count && status == KERNEL_OK) {
        if (*scored >= SCORE_STEP_TOKENS) {
            return KERNEL_OK; /* undecided: it goes on in the next step */
        }
        status = score_some(engine, sequence, scored, error);
    }
    if (status == KERNEL_OK) {
        choose(engine, sequence);
    }
    return status;
}
