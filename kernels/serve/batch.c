/* batch.c -- one step: the batch forward, and what each of its sequences does with its row.
 *
 * Forced tokens (a schema leaves no choice, a thought is over its limit) are appended without being
 * sampled, and computed together with what follows.  Guessed tokens are accepted as far as they are
 * what would have been sampled; the first that is not ends them.
 */
#include "kernels/serve/serve.h"

#include <stdlib.h>
#include <string.h>

/* ---- the answer grows ---- */

static void append(struct sequence *sequence, int32_t token)
{
    kernel_tokens_push(&sequence->tokens, token);
    sequence->answer_tokens++;
    sequence->mask_ready = false;
    answer_logprobs(sequence, token);
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

/* The mark that ends a thought is its last token: where only one is left it is the mark. */
static bool take_thought(struct kernel_engine *engine, struct sequence *sequence, int32_t token)
{
    if (token != sequence->think_end && sequence->thinking_tokens + 1 >= sequence->thinking_max) {
        sequence->alternative_count = 0; /* they are of a token that was not taken */
        token = sequence->think_end;
    }
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
    if (sequence->thinking_tokens + 1 >= sequence->thinking_max && !full(sequence)) {
        return take_thought(engine, sequence, sequence->think_end);
    }
    return true;
}

static void begin_closing(struct sequence *sequence)
{
    kernel_constraint_close(sequence->constraint);
    sequence->closing = true;
    sequence->mask_ready = false;
}

/* The last tokens are kept for the end of what was begun. */
static void close_in_time(struct sequence *sequence)
{
    if (sequence->constraint != NULL && !sequence->closing && !sequence->thinking) {
        uint32_t left = sequence->answer_max - sequence->answer_tokens;
        if (left <= CLOSING_MARGIN ||
            !kernel_constraint_ends_within(sequence->constraint, left - CLOSING_MARGIN - 1)) {
            begin_closing(sequence);
        }
    }
}

/* Takes the token, unless it begins something that has no end within the limit (a text of at least
 * 200 characters, where 40 tokens are left): then what was begun before it is closed instead. */
static bool take_or_close(struct sequence *sequence, int32_t token)
{
    if (sequence->closing) {
        KERNEL_ASSERT(kernel_constraint_advance(sequence->constraint, token));
        return true;
    }
    uint32_t left = sequence->answer_max - sequence->answer_tokens - 1;
    bool ends = true;
    KERNEL_ASSERT(kernel_constraint_advance_within(sequence->constraint, token, left, &ends));
    if (!ends) {
        sequence->alternative_count = 0; /* they are of a token that was not taken */
        begin_closing(sequence);
    }
    return ends;
}

/* An answer that had to be closed did not come to an end of its own. */
static enum kernel_finish finish_of(const struct sequence *sequence)
{
    return sequence->closing ? KERNEL_LENGTH : KERNEL_STOPPED;
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
        answer_done(engine, sequence, finish_of(sequence), NULL);
        return false;
    }
    bool more = true;
    if (sequence->constraint == NULL || take_or_close(sequence, token)) {
        append(sequence, token);
        more = answer_text(sequence, token);
    }
    if (more && sequence->constraint != NULL) {
        close_in_time(sequence);
        more = append_forced(engine, sequence);
        close_in_time(sequence);
    }
    bool complete =
        sequence->constraint != NULL && kernel_constraint_must_end(sequence->constraint);
    if (!more || complete) {
        answer_done(engine, sequence, finish_of(sequence), NULL);
        return false;
    }
    if (full(sequence)) {
        answer_done(engine, sequence, KERNEL_LENGTH, NULL);
        return false;
    }
    return true;
}

/* ---- a row of logits ---- */

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
 * and then it is decided: further steps, so that it waits until all rows of this one are taken. */
static enum kernel_status begin_options(struct kernel_engine *engine, struct sequence *sequence,
                                        struct kernel_error *error)
{
    struct options *options = sequence->options;
    const float *logits = NULL;
    enum kernel_status status = row_logits(engine, sequence, 0, &logits, error);
    if (status != KERNEL_OK) {
        return status;
    }
    if (sequence->answer_tokens == sequence->thinking_tokens && options->common > 0) {
        give(sequence, options->tokens[0].at, options->common);
        return KERNEL_OK;
    }
    decide_begin(engine, sequence, logits);
    sequence->scored = true;
    return KERNEL_OK;
}

static enum kernel_status end_options(struct kernel_engine *engine, struct sequence *sequence,
                                      uint32_t *scored, struct kernel_error *error)
{
    struct options *options = sequence->options;
    enum kernel_status status = decide(engine, sequence, scored, error);
    if (status != KERNEL_OK) {
        return status;
    }
    if (options->choice < 0) {
        sequence->computed--; /* the last token once more, and then further options */
        return KERNEL_OK;
    }
    struct kernel_tokens *chosen = &options->tokens[options->choice];
    give(sequence, chosen->at + options->common, chosen->count - options->common);
    close_in_time(sequence);
    return KERNEL_OK;
}

/* Its rows are there: the next token, and further ones as far as the guesses were right. */
static enum kernel_status advance(struct kernel_engine *engine, struct sequence *sequence,
                                  struct kernel_error *error)
{
    if (sequence->decides) {
        return begin_options(engine, sequence, error);
    }
    for (uint32_t i = 0;; i++) {
        int32_t token = KERNEL_TOKEN_NONE;
        enum kernel_status status = row_choose(engine, sequence, i, &token, error);
        if (status != KERNEL_OK) {
            return status;
        }
        uint32_t before = sequence->tokens.count;
        bool guessed = i < sequence->drafts && sequence->draft[i] == token;
        bool more = step_take(engine, sequence, token);
        /* what was taken instead of it has not been computed */
        guessed =
            guessed && sequence->tokens.count > before && sequence->tokens.at[before] == token;
        if (!more || !guessed || sequence->tokens.count != before + 1) {
            if (guessed && sequence->state != SEQUENCE_ENDED) {
                sequence->computed++; /* right, and something was forced after it */
            }
            draft_learn(sequence, i + guessed);
            return KERNEL_OK;
        }
        sequence->computed++;
    }
}

/* ---- embeddings ---- */

static enum kernel_status pool(struct kernel_engine *engine, struct sequence *sequence,
                               struct kernel_error *error)
{
    const struct step *step = &engine->step;
    const float *hidden = step->hidden + (size_t)sequence->first_row * engine->width;
    for (uint32_t r = 0; r < sequence->rows; r++) {
        uint32_t count = kernel_not_finite(hidden + (size_t)r * engine->width, engine->width);
        if (count > 0) {
            int32_t position = step->position[step->output[sequence->first_row + r]];
            return kernel_fail_not_finite(error, "hidden states", position, count, engine->width);
        }
    }
    kernel_pool_add(sequence->pooled, hidden, sequence->chunk, engine->width);
    if (sequence->computed == sequence->tokens.count) {
        float *vector = kernel_allocate(engine->width, sizeof *vector);
        kernel_pool_finish(sequence->pooled, engine->width, vector);
        answer_done(engine, sequence, KERNEL_STOPPED, vector);
        free(vector);
    }
    return KERNEL_OK;
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

/* KERNEL_DEVICE: the backend is gone, and nothing was taken; everything else that can go wrong is
 * this sequence's alone. */
static enum kernel_status settle(struct kernel_engine *engine, struct sequence *sequence,
                                 enum kernel_status status, struct kernel_error *error)
{
    if (status == KERNEL_OK) {
        seal(engine, sequence);
    } else if (status != KERNEL_DEVICE) {
        answer_failed(engine, sequence, error);
        status = KERNEL_OK;
    }
    return status;
}

static enum kernel_status take_rows(struct kernel_engine *engine, struct sequence *sequence,
                                    struct kernel_error *error)
{
    engine->pieces++;
    bool rows = sequence->computed + sequence->chunk - sequence->drafts == sequence->tokens.count;
    enum kernel_status status = KERNEL_OK;
    sequence->computed += sequence->chunk - sequence->drafts;
    if (sequence->kind == KERNEL_EMBED) {
        status = pool(engine, sequence, error);
    } else if (rows) {
        status = advance(engine, sequence, error);
    }
    return sequence->scored ? status : settle(engine, sequence, status, error);
}

/* Options are scored last: that begins further steps, and the rows of this one are gone. */
static enum kernel_status take_all(struct kernel_engine *engine, struct kernel_error *error)
{
    const struct step *step = &engine->step;
    enum kernel_status status = KERNEL_OK;
    uint32_t scored = 0;
    for (uint32_t i = 0; i < step->batch.sequences && status == KERNEL_OK; i++) {
        status = take_rows(engine, step->sequences[i], error);
    }
    for (uint32_t i = 0; i < step->batch.sequences && status == KERNEL_OK; i++) {
        step->sequences[i]->chunk = 0;
    }
    for (uint32_t i = 0; i < step->batch.sequences && status == KERNEL_OK; i++) {
        struct sequence *sequence = step->sequences[i];
        if (sequence->scored && sequence->state == SEQUENCE_RUNNING) {
            status = end_options(engine, sequence, &scored, error);
            status = settle(engine, sequence, status, error);
        }
    }
    return status;
}

void step_run(struct kernel_engine *engine)
{
    struct step *step = &engine->step;
    int64_t begin_us = serve_now_us();
    bool embeds = false;
    bool answers = false;
    for (uint32_t i = 0; i < step->batch.sequences; i++) {
        struct sequence *sequence = step->sequences[i];
        embeds = embeds || sequence->kind == KERNEL_EMBED;
        answers = answers || sequence->kind != KERNEL_EMBED;
        sequence->scored = false;
        sequence->decides =
            sequence->options != NULL && sequence->options->choice < 0 && !sequence->thinking;
    }
    masks_begin(engine->masks, step->sequences, step->batch.sequences);
    kernel_runner_queue(engine->runner, &step->batch, answers);
    masks_wait(engine->masks, &engine->work.mask_us, &engine->work.masks);
    struct kernel_error error;
    enum kernel_status status = rows_take(engine, embeds, &error);
    if (status == KERNEL_OK) {
        status = take_all(engine, &error);
    }
    if (status == KERNEL_DEVICE && device_replace(engine, &error)) {
        return; /* all begin again on the processor, with what they have said */
    }
    for (uint32_t i = 0; i < step->batch.sequences && status != KERNEL_OK; i++) {
        if (step->sequences[i]->state == SEQUENCE_RUNNING) {
            answer_failed(engine, step->sequences[i], &error);
        }
    }
    engine->work.steps++;
    engine->work.busy_us += (uint64_t)(serve_now_us() - begin_us);
}
