/* batch.c -- one step: the batch forward, and what each of its sequences does with its row.
 *
 * Forced tokens (a schema leaves no choice, a thought is over its limit) are appended without being
 * sampled, and computed together with what follows.  Guessed tokens are accepted as far as they are
 * what would have been sampled; the first that is not ends them.
 */
#include "kernels/serve/serve.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- the answer grows ---- */

static void append(struct sequence *sequence, int32_t token)
{
    kernel_tokens_push(&sequence->tokens, token);
    sequence->answer_tokens++;
    sequence->mask_ready = false;
}

static bool full(const struct sequence *sequence)
{
    return sequence->answer_tokens >= sequence->answer_max;
}

/* Bytes that must come, as the tokens the model knows them by. */
static bool append_forced(struct kernel_engine *engine, struct sequence *sequence)
{
    enum { FORCED_MAX = 256 };
    char bytes[FORCED_MAX];
    size_t length = kernel_constraint_forced(sequence->constraint, bytes, sizeof bytes);
    if (length == 0) {
        return true;
    }
    struct kernel_tokens tokens = {0};
    kernel_vocab_encode(engine->vocab, (struct kernel_text){bytes, length}, false, &tokens);
    uint32_t count = tokens.count;
    bool more = true;
    for (uint32_t i = 0; i < count && more && !full(sequence); i++) {
        if (!kernel_constraint_advance(sequence->constraint, tokens.at[i])) {
            break; /* this vocabulary spells it otherwise: it is sampled */
        }
        append(sequence, tokens.at[i]);
        more = answer_text(sequence, tokens.at[i]);
        engine->work.forced_tokens++;
    }
    free(tokens.at);
    return more;
}

static bool take_thought(struct kernel_engine *engine, struct sequence *sequence, int32_t token)
{
    if (token == sequence->think_end) {
        append(sequence, token);
        sequence->thinking_tokens++;
        answer_flush(sequence);
        sequence->thinking = false;
        return true;
    }
    append(sequence, token);
    sequence->thinking_tokens++;
    answer_text(sequence, token);
    if (sequence->thinking_tokens + 1 >= sequence->thinking_max) {
        return take_thought(engine, sequence, sequence->think_end);
    }
    return true;
}

/* The last tokens are kept for the end of what was begun. */
static void close_in_time(struct sequence *sequence)
{
    if (sequence->constraint != NULL && !sequence->closing && !sequence->thinking) {
        uint32_t left = sequence->answer_max - sequence->answer_tokens;
        if (left <= kernel_constraint_shortest(sequence->constraint) + CLOSING_MARGIN) {
            kernel_constraint_close(sequence->constraint);
            sequence->closing = true;
            sequence->mask_ready = false;
        }
    }
}

/* The next token of the answer; true: it goes on. */
static bool step_take(struct kernel_engine *engine, struct sequence *sequence, int32_t token)
{
    if (sequence->thinking) {
        bool more = take_thought(engine, sequence, token);
        if (full(sequence)) {
            answer_done(engine, sequence, KERNEL_LENGTH, NULL);
            return false;
        }
        return more;
    }
    if (kernel_vocab_is_end(engine->vocab, token)) {
        sequence->answer_tokens++;
        answer_done(engine, sequence, KERNEL_STOPPED, NULL);
        return false;
    }
    if (sequence->constraint != NULL) {
        KERNEL_ASSERT(kernel_constraint_advance(sequence->constraint, token));
    }
    append(sequence, token);
    bool more = answer_text(sequence, token);
    if (more && sequence->constraint != NULL) {
        close_in_time(sequence);
        more = append_forced(engine, sequence);
        close_in_time(sequence);
    }
    bool complete =
        sequence->constraint != NULL && kernel_constraint_must_end(sequence->constraint);
    if (!more || complete) {
        answer_done(engine, sequence, KERNEL_STOPPED, NULL);
        return false;
    }
    if (full(sequence)) {
        answer_done(engine, sequence, KERNEL_LENGTH, NULL);
        return false;
    }
    return true;
}

/* ---- a row of logits ---- */

static void note_alternatives(struct kernel_engine *engine, struct sequence *sequence,
                              const float *logits, int32_t token)
{
    if (sequence->logprobs == 0) {
        return;
    }
    double sum = kernel_log_sum(logits, engine->vocabulary);
    sequence->alternatives[0] =
        (struct kernel_logprob){.token = token, .logprob = (float)((double)logits[token] - sum)};
    kernel_top(logits, engine->vocabulary, sequence->logprobs, sequence->alternatives + 1);
    sequence->alternative_count = sequence->logprobs + 1;
}

static int32_t choose(struct kernel_engine *engine, struct sequence *sequence, const float *logits)
{
    const uint64_t *mask = sequence->thinking ? engine->thinking_mask : engine->plain_mask;
    if (sequence->constraint != NULL && !sequence->thinking) {
        if (!sequence->mask_ready) {
            mask_make(sequence);
        }
        mask = sequence->mask;
    }
    int32_t token = kernel_sample(logits, engine->vocabulary, mask, &sequence->sampling,
                                  sequence->tokens.count);
    if (token >= 0) {
        note_alternatives(engine, sequence, logits, token);
    }
    return token;
}

static void fail(struct kernel_engine *engine, struct sequence *sequence, enum kernel_status status,
                 const char *message)
{
    struct kernel_error error;
    kernel_fail(&error, status, "%s", message);
    answer_failed(engine, sequence, &error);
}

/* Tokens that are the answer whatever the model would say: as they are, nothing forced between. */
static void give(struct sequence *sequence, const int32_t *tokens, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        KERNEL_ASSERT(kernel_constraint_advance(sequence->constraint, tokens[i]));
        append(sequence, tokens[i]);
        answer_text(sequence, tokens[i]);
    }
}

/* An answer that is one of several options begins with what they have in common; that is computed,
 * and then it is decided. */
static void begin_options(struct kernel_engine *engine, struct sequence *sequence,
                          const float *logits)
{
    struct options *options = sequence->options;
    if (sequence->answer_tokens == sequence->thinking_tokens && options->common > 0) {
        give(sequence, options->tokens[0].at, options->common);
        return;
    }
    struct kernel_error error;
    if (decide(engine, sequence, logits, &error) != KERNEL_OK) {
        answer_failed(engine, sequence, &error);
        return;
    }
    if (options->choice < 0) {
        sequence->computed--; /* the last token once more, and then again */
        return;
    }
    struct kernel_tokens *chosen = &options->tokens[options->choice];
    give(sequence, chosen->at + options->common, chosen->count - options->common);
    close_in_time(sequence);
}

/* Its rows are there: the next token, and further ones as far as the guesses were right. */
static void advance(struct kernel_engine *engine, struct sequence *sequence)
{
    const float *logits = engine->step.logits + (size_t)sequence->first_row * engine->vocabulary;
    if (sequence->options != NULL && sequence->options->choice < 0 && !sequence->thinking) {
        begin_options(engine, sequence, logits);
        return;
    }
    for (uint32_t i = 0;; i++, logits += engine->vocabulary) {
        int32_t token = choose(engine, sequence, logits);
        if (token < 0) {
            fail(engine, sequence, KERNEL_CORRUPT, "no token may come next");
            return;
        }
        uint32_t before = sequence->tokens.count;
        bool guessed = i < sequence->drafts && sequence->draft[i] == token;
        if (!step_take(engine, sequence, token) || !guessed ||
            sequence->tokens.count != before + 1) {
            if (guessed && sequence->state != SEQUENCE_ENDED) {
                sequence->computed++; /* right, and something was forced after it */
            }
            return;
        }
        sequence->computed++;
    }
}

/* ---- embeddings ---- */

static void pool(struct kernel_engine *engine, struct sequence *sequence)
{
    kernel_pool_add(sequence->pooled,
                    engine->step.hidden + (size_t)sequence->first_row * engine->width,
                    sequence->chunk, engine->width);
    if (sequence->computed == sequence->tokens.count) {
        float *vector = kernel_allocate(engine->width, sizeof *vector);
        kernel_pool_finish(sequence->pooled, engine->width, vector);
        answer_done(engine, sequence, KERNEL_STOPPED, vector);
        free(vector);
    }
}

/* ---- the whole ---- */

/* What is computed and full is remembered. */
static void seal(struct kernel_engine *engine, struct sequence *sequence)
{
    while ((sequence->sealed + 1) * KERNEL_BLOCK_TOKENS <= sequence->computed) {
        uint32_t at = sequence->sealed++;
        kernel_cache_seal(engine->cache, sequence->blocks[at], &sequence->chain,
                          sequence->tokens.at + at * KERNEL_BLOCK_TOKENS);
    }
}

static void take_rows(struct kernel_engine *engine, struct sequence *sequence)
{
    bool rows = sequence->computed + sequence->chunk - sequence->drafts == sequence->tokens.count;
    sequence->computed += sequence->chunk - sequence->drafts;
    if (sequence->kind == KERNEL_EMBED) {
        pool(engine, sequence);
    } else if (rows) {
        advance(engine, sequence);
    }
    seal(engine, sequence);
}

/* Some rows are not finite (forward.c marks them): whose is fails, the others go on. */
static bool rows_finite(const struct kernel_engine *engine, const struct sequence *sequence)
{
    bool embed = sequence->kind == KERNEL_EMBED;
    const float *rows = embed ? engine->step.hidden : engine->step.logits;
    size_t width = embed ? engine->width : engine->vocabulary;
    for (uint32_t r = 0; r < sequence->rows; r++) {
        if (isnan(rows[(sequence->first_row + r) * width])) {
            return false;
        }
    }
    return true;
}

void step_run(struct kernel_engine *engine)
{
    struct step *step = &engine->step;
    int64_t begin_us = serve_now_us();
    bool embeds = false;
    bool answers = false;
    for (uint32_t i = 0; i < step->batch.sequences; i++) {
        embeds = embeds || step->sequences[i]->kind == KERNEL_EMBED;
        answers = answers || step->sequences[i]->kind != KERNEL_EMBED;
    }
    masks_begin(engine->masks, step->sequences, step->batch.sequences);
    struct kernel_error error;
    enum kernel_status status =
        kernel_runner_step(engine->runner, &step->batch, answers ? step->logits : NULL,
                           embeds ? step->hidden : NULL, &error);
    masks_wait(engine->masks, &engine->work.mask_us, &engine->work.masks);
    if (status == KERNEL_DEVICE && device_replace(engine, &error)) {
        return; /* all begin again on the processor, with what they have said */
    }
    for (uint32_t i = 0; i < step->batch.sequences; i++) {
        struct sequence *sequence = step->sequences[i];
        if (status == KERNEL_OK || (status == KERNEL_CORRUPT && rows_finite(engine, sequence))) {
            take_rows(engine, sequence);
        } else {
            answer_failed(engine, sequence, &error);
        }
    }
    engine->work.steps++;
    engine->work.busy_us += (uint64_t)(serve_now_us() - begin_us);
}
