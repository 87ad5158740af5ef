/* choose.c -- one token out of a row of logits: where the row is looked at, and by whom.
 *
 * A backend that can (backend.h, `pick`) is asked where the logits are, so that masks go up and
 * tokens come down instead of rows.  All rows whose mask is known when the step ends are asked for
 * together.  The host looks at a row itself in three cases; where its memory is not the host's,
 * the row is fetched then, and one at a time is there:
 *
 *   - options are scored: the numbers of several tokens of a row are wanted;
 *   - the request has biases or penalties: its numbers are not the row's;
 *   - the backend cannot: the row is read where it stands, or fetched.
 *
 * A processor makes the rows of a step a few at a time, when the first of them is asked for: in
 * order, as they are asked for here.  So the memory of logits does not grow with the step.
 *
 * The row behind a guess that turned out right under a schema has a mask only then: it is asked for
 * by itself.
 *
 * A row that is not finite fails its request, with numbers, when its token is wanted: others of the
 * batch do not know of it, and neither does who guessed wrongly and came to a bad row by that.
 */
#include "kernels/serve/serve.h"

#include <string.h>

static const uint64_t *mask_of(struct kernel_engine *engine, struct sequence *sequence)
{
    if (sequence->constraint == NULL || sequence->thinking) {
        return sequence->thinking ? engine->thinking_mask : engine->plain_mask;
    }
    if (!sequence->mask_ready) {
        mask_make(sequence);
    }
    return sequence->mask;
}

/* The token's probability is a factor of the options' (kernel.h). */
static bool measured(const struct kernel_engine *engine, const struct sequence *sequence)
{
    return engine->certainty.canonical && sequence->thinking && sequence->options != NULL;
}

/* What row `i` will be asked when the `i` tokens before it are taken. */
static void make_pick(struct kernel_engine *engine, struct sequence *sequence, uint32_t i,
                      uint64_t position, struct kernel_pick *out)
{
    kernel_pick_make(&sequence->sampling, position, mask_of(engine, sequence), out);
    out->row = sequence->first_row + i;
    out->alternatives = sequence->logprobs;
    out->measured = measured(engine, sequence) ? engine->certainty.temperature : 0;
}

static int32_t position_of(const struct kernel_engine *engine, uint32_t row)
{
    return engine->step.position[engine->step.output[row]];
}

/* ---- all of a step together ---- */

/* Rows whose masks are known: those after the first where no token changes them. */
static uint32_t rows_known(const struct sequence *sequence)
{
    if (sequence->kind == KERNEL_EMBED || sequence->decides || sequence->rows == 0 ||
        sampling_weighs(&sequence->sampling)) {
        return 0;
    }
    bool steady = sequence->constraint == NULL && !sequence->thinking;
    return steady ? sequence->rows : 1;
}

static enum kernel_status pick_rows(struct kernel_engine *engine, struct kernel_error *error)
{
    struct step *step = &engine->step;
    uint32_t count = 0;
    for (uint32_t s = 0; s < step->batch.sequences; s++) {
        struct sequence *sequence = step->sequences[s];
        uint32_t rows = rows_known(sequence);
        for (uint32_t i = 0; i < rows; i++) {
            make_pick(engine, sequence, i, sequence->tokens.count + i, &step->picks[count++]);
        }
    }
    if (count == 0) {
        return KERNEL_OK;
    }
    enum kernel_status status =
        kernel_runner_pick(engine->runner, step->picks, count, step->answers, error);
    for (uint32_t i = 0; i < count && status == KERNEL_OK; i++) {
        step->picked[step->picks[i].row] = step->answers[i];
        step->chosen[step->picks[i].row] = true;
    }
    return status;
}

enum kernel_status rows_take(struct kernel_engine *engine, bool hidden, struct kernel_error *error)
{
    struct step *step = &engine->step;
    uint32_t rows = step->batch.outputs;
    bool answers = false;
    enum kernel_status status = KERNEL_OK;
    for (uint32_t r = 0; r < rows; r++) {
        step->chosen[r] = false;
    }
    step->here = UINT32_MAX;
    for (uint32_t s = 0; s < step->batch.sequences; s++) {
        answers = answers || (step->sequences[s]->kind != KERNEL_EMBED && step->sequences[s]->rows);
    }
    if (rows > 0 && hidden) {
        status = kernel_runner_hidden(engine->runner, 0, rows, step->hidden, error);
    }
    return answers && status == KERNEL_OK && kernel_runner_picks(engine->runner)
               ? pick_rows(engine, error)
               : status;
}

/* ---- one row ---- */

enum kernel_status row_at(struct kernel_engine *engine, uint32_t row, int32_t position,
                          const float **out, struct kernel_error *error)
{
    struct step *step = &engine->step;
    enum kernel_status status = KERNEL_OK;
    *out = step->logits;
    if (step->here != row) {
        status = kernel_runner_row(engine->runner, row, step->logits, out, error);
        step->here = status == KERNEL_OK && *out == step->logits ? row : UINT32_MAX;
    }
    if (status == KERNEL_OK) {
        uint32_t count = kernel_not_finite(*out, engine->vocabulary);
        status = count > 0
                     ? kernel_fail_not_finite(error, "logits", position, count, engine->vocabulary)
                     : KERNEL_OK;
    }
    return status;
}

enum kernel_status row_logits(struct kernel_engine *engine, const struct sequence *sequence,
                              uint32_t i, const float **out, struct kernel_error *error)
{
    uint32_t row = sequence->first_row + i;
    return row_at(engine, row, position_of(engine, row), out, error);
}

/* The row with the request's biases and penalties (kernel.h), in the order in which they stand
 * there: what is added last is the same whatever else is in the batch. */
static const float *weigh(struct kernel_engine *engine, const struct sequence *sequence,
                          const float *logits)
{
    const struct kernel_sampling *sampling = &sequence->sampling;
    float *weighed = engine->step.weighed;
    uint32_t *seen = engine->step.seen;
    if (!sampling_weighs(sampling)) {
        return logits;
    }
    memcpy(weighed, logits, engine->vocabulary * sizeof *weighed);
    for (uint32_t i = 0; i < sampling->bias_count; i++) {
        float *at = &weighed[sampling->bias[i].token];
        *at = (float)((double)*at + sampling->bias[i].add);
    }
    for (uint32_t i = sequence->prompt_count; i < sequence->tokens.count; i++) {
        seen[sequence->tokens.at[i]]++;
    }
    for (uint32_t i = sequence->prompt_count; i < sequence->tokens.count; i++) {
        int32_t token = sequence->tokens.at[i];
        double times = seen[token]; /* 0: it was there before */
        double less = times > 0 ? times * sampling->frequency + sampling->presence : 0;
        weighed[token] = (float)((double)weighed[token] - less);
        seen[token] = 0;
    }
    return weighed;
}

static enum kernel_status choose_here(struct kernel_engine *engine, struct sequence *sequence,
                                      uint32_t i, int32_t *token, struct kernel_error *error)
{
    const float *logits = NULL;
    enum kernel_status status = row_logits(engine, sequence, i, &logits, error);
    if (status != KERNEL_OK) {
        return status;
    }
    *token = kernel_sample(weigh(engine, sequence, logits), engine->vocabulary,
                           mask_of(engine, sequence), &sequence->sampling, sequence->tokens.count);
    if (*token >= 0 && sequence->logprobs > 0) {
        double sum = kernel_log_sum(logits, engine->vocabulary);
        sequence->alternatives[0] = (struct kernel_logprob){
            .token = *token, .logprob = (float)((double)logits[*token] - sum)};
        kernel_top(logits, engine->vocabulary, sequence->logprobs, sequence->alternatives + 1);
    }
    if (*token >= 0 && measured(engine, sequence)) {
        sequence->thought +=
            kernel_log_p(logits, engine->vocabulary, *token, engine->certainty.temperature);
    }
    return KERNEL_OK;
}

static enum kernel_status choose_there(struct kernel_engine *engine, struct sequence *sequence,
                                       uint32_t i, int32_t *token, struct kernel_error *error)
{
    uint32_t row = sequence->first_row + i;
    struct kernel_picked *picked = &engine->step.picked[row];
    if (!engine->step.chosen[row]) {
        struct kernel_pick pick;
        make_pick(engine, sequence, i, sequence->tokens.count, &pick);
        enum kernel_status status = kernel_runner_pick(engine->runner, &pick, 1, picked, error);
        if (status != KERNEL_OK) {
            return status;
        }
        engine->step.chosen[row] = true;
    }
    if (picked->not_finite > 0) {
        return kernel_fail_not_finite(error, "logits", position_of(engine, row), picked->not_finite,
                                      engine->vocabulary);
    }
    *token = picked->token;
    sequence->alternatives[0] =
        (struct kernel_logprob){.token = *token, .logprob = picked->logprob};
    for (uint32_t k = 0; k < sequence->logprobs; k++) {
        sequence->alternatives[1 + k] = (struct kernel_logprob){.token = picked->best[k].token,
                                                                .logprob = picked->best[k].logprob};
    }
    sequence->thought += measured(engine, sequence) ? picked->measured : 0;
    return KERNEL_OK;
}

enum kernel_status row_choose(struct kernel_engine *engine, struct sequence *sequence, uint32_t i,
                              int32_t *token, struct kernel_error *error)
{
    bool there = kernel_runner_picks(engine->runner) && !sampling_weighs(&sequence->sampling);
    enum kernel_status status = there ? choose_there(engine, sequence, i, token, error)
                                      : choose_here(engine, sequence, i, token, error);
    if (status == KERNEL_OK && *token < 0) {
        status = kernel_fail(error, KERNEL_CORRUPT, "no token may come next");
    }
    if (status == KERNEL_OK && sequence->logprobs > 0) {
        sequence->alternative_count = sequence->logprobs + 1;
    }
    return status;
}
