/* answer.c -- tokens become text, text becomes events.
 *
 * Text is handed out as soon as it cannot change: whole characters, and nothing that may turn out
 * to be the beginning of a stop text.
 */
#include "kernels/serve/serve.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Waits for the text that it is of.  A token that was not chosen but had to come has no others. */
void answer_logprobs(struct sequence *sequence, int32_t token)
{
    uint32_t count = sequence->alternative_count;
    if (sequence->logprobs == 0) {
        return;
    }
    if (count == 0) {
        sequence->alternatives[0] = (struct kernel_logprob){.token = token, .logprob = 0};
        count = 1;
    }
    if (sequence->told_room - sequence->told_count < count) {
        sequence->told_room = sequence->told_room * 2 + count;
        sequence->told = kernel_resize(sequence->told, sequence->told_room, sizeof *sequence->told);
    }
    sequence->alternatives[0].others = count - 1;
    memcpy(sequence->told + sequence->told_count, sequence->alternatives,
           count * sizeof *sequence->told);
    sequence->told_count += count;
    sequence->alternative_count = 0;
}

/* Without text where only log-probabilities are left: of tokens that a stop text cut off. */
static void tell_piece(struct sequence *sequence, size_t length, bool last)
{
    if (length == 0 && !(last && sequence->told_count > 0)) {
        return;
    }
    struct kernel_event event = {.kind = KERNEL_PIECE,
                                 .text = {sequence->held, length},
                                 .thinking = sequence->thinking,
                                 .choice = -1,
                                 .logprobs = sequence->told,
                                 .logprob_count = sequence->told_count};
    sequence->listener(sequence->data, &event);
    sequence->told_count = 0;
    memmove(sequence->held, sequence->held + length, sequence->held_count - length);
    sequence->held_count -= length;
}

/* Where the first stop text begins in what is held, else -1. */
static ptrdiff_t find_stop(const struct sequence *sequence)
{
    ptrdiff_t first = -1;
    for (uint32_t i = 0; i < sequence->stop_count; i++) {
        const char *at = memmem(sequence->held, sequence->held_count, sequence->stops[i],
                                strlen(sequence->stops[i]));
        if (at != NULL && (first < 0 || at - sequence->held < first)) {
            first = at - sequence->held;
        }
    }
    return first;
}

/* How much of the end may be the beginning of a stop text. */
static size_t doubtful(const struct sequence *sequence)
{
    size_t most = 0;
    for (uint32_t i = 0; i < sequence->stop_count; i++) {
        size_t length = strlen(sequence->stops[i]) - 1;
        length = length < sequence->held_count ? length : sequence->held_count;
        while (length > most && memcmp(sequence->held + sequence->held_count - length,
                                       sequence->stops[i], length) != 0) {
            length--;
        }
        most = length > most ? length : most;
    }
    return most;
}

bool answer_text(struct sequence *sequence, int32_t token)
{
    size_t need =
        token == KERNEL_TOKEN_NONE ? 16 : kernel_vocab_bytes(sequence->vocab, token).length + 16;
    if (sequence->held_room - sequence->held_count < need) {
        sequence->held_room = sequence->held_room * 2 + need;
        sequence->held = kernel_resize(sequence->held, sequence->held_room, 1);
    }
    sequence->held_count += kernel_decode(sequence->vocab, &sequence->decoder, token,
                                          sequence->held + sequence->held_count);
    ptrdiff_t stop = sequence->thinking ? -1 : find_stop(sequence);
    if (stop >= 0) {
        sequence->held_count = (size_t)stop;
        tell_piece(sequence, sequence->held_count, true);
        return false;
    }
    tell_piece(sequence, sequence->held_count - (sequence->thinking ? 0 : doubtful(sequence)),
               false);
    return true;
}

void answer_flush(struct sequence *sequence)
{
    answer_text(sequence, KERNEL_TOKEN_NONE);
    tell_piece(sequence, sequence->held_count, true);
    sequence->decoder = (struct kernel_decoder){.begun = sequence->decoder.begun};
}

struct tenant_usage *tenant_of(struct kernel_engine *engine, uint32_t tenant)
{
    struct tenant_usage *one = engine->tenants;
    while (one != NULL && one->tenant != tenant) {
        one = one->next;
    }
    if (one == NULL) {
        one = kernel_allocate(1, sizeof *one);
        one->tenant = tenant;
        one->next = engine->tenants;
        engine->tenants = one;
    }
    return one;
}

static void count_usage(struct kernel_engine *engine, struct sequence *sequence, bool failed)
{
    struct kernel_usage *usage = &sequence->usage;
    usage->answer_tokens = sequence->answer_tokens;
    usage->thinking_tokens = sequence->thinking_tokens;
    pthread_mutex_lock(&engine->lock);
    struct tenant_usage *tenant = tenant_of(engine, sequence->tenant);
    tenant->sums.requests++;
    tenant->sums.prompt_tokens += usage->prompt_tokens;
    tenant->sums.cached_tokens += usage->cached_tokens;
    tenant->sums.answer_tokens += usage->answer_tokens;
    tenant->sums.thinking_tokens += usage->thinking_tokens;
    engine->stats.prompt_tokens += usage->prompt_tokens;
    engine->stats.cached_tokens += usage->cached_tokens;
    engine->stats.answer_tokens += usage->answer_tokens;
    engine->stats.failures += failed;
    double took_ms = (double)(serve_now_us() - sequence->submitted_us) / 1000;
    if (engine->mean_request_ms == 0 && !failed) {
        engine->mean_request_ms = took_ms;
    } else if (!failed) { /* one that was canceled says nothing of how long an answer takes */
        engine->mean_request_ms += (took_ms - engine->mean_request_ms) / 16;
    }
    engine->open--;
    tenant->open--;
    if (sequence->adapter >= 0) { /* whoever hears the end may unload it */
        engine->adapters[sequence->adapter].users--;
    }
    pthread_mutex_unlock(&engine->lock);
}

void answer_done(struct kernel_engine *engine, struct sequence *sequence, enum kernel_finish finish,
                 const float *vector)
{
    if (sequence->kind != KERNEL_EMBED) {
        answer_flush(sequence);
    }
    count_usage(engine, sequence, false);
    struct options *options = sequence->options;
    struct kernel_event event = {.kind = KERNEL_DONE,
                                 .finish = finish,
                                 .usage = sequence->usage,
                                 .choice = options != NULL ? options->choice : -1,
                                 .probability = options != NULL ? options->probability : NULL,
                                 .vector = vector};
    sequence->listener(sequence->data, &event);
    sequence->state = SEQUENCE_ENDED;
}

void answer_failed(struct kernel_engine *engine, struct sequence *sequence,
                   const struct kernel_error *error)
{
    count_usage(engine, sequence, true);
    struct kernel_event event = {
        .kind = KERNEL_FAILED, .usage = sequence->usage, .choice = -1, .error = error};
    sequence->listener(sequence->data, &event);
    sequence->state = SEQUENCE_ENDED;
}
