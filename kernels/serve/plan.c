/* plan.c -- who takes part in the next step, with which tokens, in which blocks.
 *
 * Served first: the lower tier; in one tier the tenant with fewer sequences at work, so that what
 * one piles up waits behind its own; of one tenant who came first.  A tenant that has nothing of a
 * tier at work is lifted by a tier every AGEING_MS that it waits.  Where all places are taken, a
 * tenant that has two fewer than another takes one of those: shares even out, and no further.
 *
 * Who decodes comes before who reads a prompt, so that nobody's answer stalls behind
 * somebody's document, and prompts fill what is left of the step, cut where it is full.  When
 * blocks or places are short and a better one waits, the worst runs back to the queue: of the
 * highest tier number, and there the one with least computed, since that is what will be computed
 * again.
 */
#include "kernels/serve/serve.h"

#include <stdlib.h>
#include <string.h>

/* ---- order of those at work: each for itself, so that the best of them always gets on ---- */

static int64_t lifted(const struct sequence *sequence, int64_t since_us, int64_t now_us)
{
    int64_t tier = (int64_t)sequence->tier - (now_us - since_us) / (AGEING_MS * 1000);
    return tier > 0 ? tier : 0;
}

static int64_t rank(const struct sequence *sequence, int64_t now_us)
{
    return lifted(sequence, sequence->submitted_us, now_us);
}

static bool before(const struct sequence *a, const struct sequence *b, int64_t now_us)
{
    int64_t rank_a = rank(a, now_us);
    int64_t rank_b = rank(b, now_us);
    return rank_a != rank_b ? rank_a < rank_b : a->id < b->id;
}

/* ---- order of those that wait: by their tenants' turns ---- */

struct turn {
    int64_t rank;
    uint32_t at_work; /* sequences of the tenant */
    uint64_t id;
};

static uint32_t at_work(const struct kernel_engine *engine, uint32_t tenant)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < engine->running_count; i++) {
        count += engine->running[i]->tenant == tenant;
    }
    return count;
}

static struct turn turn_of(const struct kernel_engine *engine, struct sequence *sequence,
                           int64_t now_us)
{
    struct turn turn = {.id = sequence->id};
    for (uint32_t i = 0; i < engine->running_count; i++) {
        const struct sequence *one = engine->running[i];
        if (one->tenant == sequence->tenant) {
            turn.at_work++;
            if (one->tier == sequence->tier) {
                sequence->waiting_since_us = now_us; /* its tenant has its turn: no lift */
            }
        }
    }
    turn.rank = lifted(sequence, sequence->waiting_since_us, now_us);
    return turn;
}

static bool turn_before(const struct turn *a, const struct turn *b)
{
    if (a->rank != b->rank) {
        return a->rank < b->rank;
    }
    return a->at_work != b->at_work ? a->at_work < b->at_work : a->id < b->id;
}

static struct sequence **first_waiting(struct kernel_engine *engine, int64_t now_us)
{
    struct sequence **first = NULL;
    struct turn best = {0};
    for (struct sequence **link = &engine->waiting; *link != NULL; link = &(*link)->next) {
        struct turn turn = turn_of(engine, *link, now_us);
        if (first == NULL || turn_before(&turn, &best)) {
            first = link;
            best = turn;
        }
    }
    return first;
}

/* ---- giving back ---- */

static void release_blocks(struct kernel_engine *engine, struct sequence *sequence)
{
    while (sequence->block_count > 0) { /* the end first: it is the first to be evicted */
        kernel_cache_release(engine->cache, sequence->blocks[--sequence->block_count]);
    }
    sequence->computed = 0;
    sequence->sealed = 0;
    if (sequence->options != NULL) {
        sequence->options->done = 0; /* its scratch is gone */
    }
    if (sequence->pooled != NULL) {
        memset(sequence->pooled, 0, engine->width * sizeof *sequence->pooled);
    }
    sequence->chain = kernel_chain_root(sequence->tenant, sequence->adapter);
}

void plan_leave(struct kernel_engine *engine, struct sequence *sequence)
{
    release_blocks(engine, sequence);
    for (uint32_t i = 0; i < engine->running_count; i++) {
        if (engine->running[i] == sequence) {
            engine->running[i] = engine->running[--engine->running_count];
            return;
        }
    }
}

void plan_leave_ended(struct kernel_engine *engine)
{
    for (uint32_t i = 0; i < engine->running_count;) {
        struct sequence *sequence = engine->running[i];
        if (sequence->state == SEQUENCE_ENDED) {
            plan_leave(engine, sequence);
            sequence_destroy(engine, sequence);
        } else {
            i++;
        }
    }
}

void plan_preempt(struct kernel_engine *engine, struct sequence *sequence)
{
    engine->work.preemptions++;
    engine->work.recomputed_tokens += sequence->computed;
    sequence->preemptions++;
    sequence->waiting_since_us = serve_now_us();
    sequence->chunk = 0;
    plan_leave(engine, sequence);
    sequence->state = SEQUENCE_WAITING;
    sequence->next = engine->waiting;
    engine->waiting = sequence;
}

/* Whether one that waits takes the place of one at work: of a worse tier, of its own tenant a later
 * one, or of a tenant that has at least two more. */
static bool displaces(const struct kernel_engine *engine, const struct sequence *than,
                      const struct turn *turn, const struct sequence *one, int64_t now_us)
{
    if (than->state == SEQUENCE_RUNNING || than->tenant == one->tenant) {
        return before(than, one, now_us);
    }
    return turn->rank < rank(one, now_us) ||
           (turn->rank <= one->tier && one->preemptions < PREEMPTIONS_MAX &&
            at_work(engine, one->tenant) >= turn->at_work + 2);
}

static struct sequence *worst(const struct kernel_engine *engine, struct sequence *than,
                              int64_t now_us, uint32_t preemptions_max)
{
    struct turn turn = turn_of(engine, than, now_us);
    struct sequence *victim = NULL;
    struct turn its = {0};
    for (uint32_t i = 0; i < engine->running_count; i++) {
        struct sequence *one = engine->running[i];
        if (one == than || one->state != SEQUENCE_RUNNING || one->chunk > 0 ||
            one->preemptions >= preemptions_max || !displaces(engine, than, &turn, one, now_us)) {
            continue;
        }
        struct turn now = {.rank = rank(one, now_us), .at_work = at_work(engine, one->tenant)};
        bool worse = victim == NULL || now.rank > its.rank ||
                     (now.rank == its.rank &&
                      (now.at_work != its.at_work ? now.at_work > its.at_work
                                                  : one->computed < victim->computed));
        if (worse) {
            victim = one;
            its = now;
        }
    }
    return victim;
}

/* The worst of the running, if it is worse than `than`; one that has its tokens in this step's
 * batch already is not.  Who was sent back often is spared, unless there is nobody else: the best
 * must get on. */
static struct sequence *find_victim(const struct kernel_engine *engine, struct sequence *than,
                                    int64_t now_us)
{
    struct sequence *victim = worst(engine, than, now_us, PREEMPTIONS_MAX);
    return victim != NULL ? victim : worst(engine, than, now_us, UINT32_MAX);
}

bool plan_blocks(struct kernel_engine *engine, struct sequence *sequence, uint32_t tokens)
{
    uint32_t need = (tokens + KERNEL_BLOCK_TOKENS - 1) / KERNEL_BLOCK_TOKENS;
    KERNEL_ASSERT(need <= engine->blocks_max);
    while (sequence->block_count < need) {
        int32_t block = kernel_cache_take(engine->cache);
        if (block == KERNEL_BLOCK_NONE) {
            struct sequence *victim = find_victim(engine, sequence, serve_now_us());
            if (victim == NULL) {
                return false;
            }
            plan_preempt(engine, victim);
            continue;
        }
        sequence->blocks[sequence->block_count++] = block;
    }
    return true;
}

/* ---- admission ---- */

/* Takes the blocks that are known for the beginning; one token at least is left to compute. */
static void take_known(struct kernel_engine *engine, struct sequence *sequence)
{
    while (sequence->kind != KERNEL_EMBED &&
           (sequence->block_count + 1) * KERNEL_BLOCK_TOKENS < sequence->tokens.count) {
        const int32_t *tokens = sequence->tokens.at + sequence->block_count * KERNEL_BLOCK_TOKENS;
        int32_t block = kernel_cache_match(engine->cache, &sequence->chain, tokens);
        if (block == KERNEL_BLOCK_NONE) {
            break;
        }
        sequence->blocks[sequence->block_count++] = block;
        sequence->sealed++;
        sequence->computed += KERNEL_BLOCK_TOKENS;
    }
}

/* All its tokens and the next one have a block before it begins: who was let in gets through its
 * prompt. */
static bool reserve(struct kernel_engine *engine, struct sequence *sequence)
{
    take_known(engine, sequence);
    if (plan_blocks(engine, sequence, sequence->tokens.count)) {
        return true;
    }
    release_blocks(engine, sequence);
    return false;
}

static void begin(struct kernel_engine *engine, struct sequence *sequence)
{
    if (sequence->preemptions == 0) {
        sequence->usage.cached_tokens = sequence->computed;
    } else {
        engine->work.recomputed_tokens -= sequence->computed; /* remembered after all */
    }
    KERNEL_ASSERT(sequence->schema.length == 0 || sequence->constraint != NULL);
    sequence->state = SEQUENCE_RUNNING;
    engine->running[engine->running_count++] = sequence;
}

static void admit(struct kernel_engine *engine, int64_t now_us)
{
    struct sequence **link;
    while ((link = first_waiting(engine, now_us)) != NULL) {
        struct sequence *sequence = *link;
        *link = sequence->next;
        struct sequence *victim = NULL;
        if (engine->running_count == engine->running_max &&
            (victim = find_victim(engine, sequence, now_us)) != NULL) {
            plan_preempt(engine, victim);
        }
        if (engine->running_count < engine->running_max && reserve(engine, sequence)) {
            begin(engine, sequence);
            continue;
        }
        sequence->next = engine->waiting;
        engine->waiting = sequence;
        return;
    }
}

/* ---- the batch ---- */

static uint32_t pending(const struct sequence *sequence)
{
    return sequence->tokens.count - sequence->computed;
}

/* Rows of logits (or hidden states) that it will want when `chunk` tokens are computed. */
static uint32_t rows_wanted(const struct sequence *sequence, uint32_t chunk, uint32_t drafts)
{
    if (sequence->kind == KERNEL_EMBED) {
        return chunk;
    }
    return chunk - drafts == pending(sequence) ? drafts + 1 : 0;
}

static uint32_t guess(struct kernel_engine *engine, struct sequence *sequence, uint32_t room)
{
    uint32_t left = sequence->answer_max - sequence->answer_tokens;
    if (engine->no_speculation || engine->running_count > DRAFT_RUNNING_MAX ||
        pending(sequence) != 1 || sequence->answer_tokens == 0 || sequence->logprobs > 0 ||
        sequence->closing || (sequence->options != NULL && sequence->options->choice < 0)) {
        return 0;
    }
    if (sequence->draft_rest > 0) {
        sequence->draft_rest--;
        return 0;
    }
    uint32_t max = room < sequence->draft_max ? room : sequence->draft_max;
    max = left > max ? max : left > 0 ? left - 1 : 0;
    return max > 0 ? draft_guess(sequence, max, sequence->draft) : 0;
}

static void add_tokens(struct kernel_engine *engine, struct sequence *sequence)
{
    struct step *step = &engine->step;
    struct kernel_batch *batch = &step->batch;
    uint32_t row = batch->sequences++;
    uint32_t known = sequence->chunk - sequence->drafts;
    uint32_t rows = rows_wanted(sequence, sequence->chunk, sequence->drafts);
    step->sequences[row] = sequence;
    step->start[row] = (int32_t)batch->tokens;
    step->length[row] = (int32_t)(sequence->computed + sequence->chunk);
    step->adapter[row] = serve_adapter(engine, sequence);
    int32_t *blocks = step->block + (size_t)row * engine->blocks_max;
    for (uint32_t i = 0; i < engine->blocks_max; i++) {
        blocks[i] = i < sequence->block_count ? sequence->blocks[i] : KERNEL_BLOCK_NONE;
    }
    sequence->first_row = batch->outputs;
    sequence->rows = rows;
    for (uint32_t i = 0; i < sequence->chunk; i++) {
        uint32_t at = batch->tokens++;
        uint32_t position = sequence->computed + i;
        step->token[at] = i < known ? sequence->tokens.at[position] : sequence->draft[i - known];
        step->position[at] = (int32_t)position;
        if (i + rows >= sequence->chunk) {
            step->output[batch->outputs++] = (int32_t)at;
        }
    }
    step->start[row + 1] = (int32_t)batch->tokens;
}

/* Tokens that its options are scored in, when this step brings it to them.  They are there before
 * it has a chunk: one that had it and found no room for its options would be the victim of nobody
 * better in any step, and get nowhere in any. */
static uint32_t scratch_of(const struct sequence *sequence)
{
    const struct options *options = sequence->options;
    bool now = options != NULL && options->choice < 0 && !sequence->thinking &&
               (sequence->answer_tokens != sequence->thinking_tokens || options->common == 0);
    return now ? options->longest - options->common : 0;
}

static void add(struct kernel_engine *engine, struct sequence *sequence)
{
    struct kernel_batch *batch = &engine->step.batch;
    uint32_t room = engine->step_tokens - batch->tokens;
    uint32_t rows = engine->outputs_max - batch->outputs;
    uint32_t chunk = pending(sequence) < room ? pending(sequence) : room;
    if (sequence->kind == KERNEL_EMBED && chunk > rows) {
        chunk = rows;
    }
    if (chunk == 0 || rows < rows_wanted(sequence, chunk, 0) ||
        sequence->state != SEQUENCE_RUNNING) {
        return;
    }
    uint32_t scratch = chunk == pending(sequence) ? scratch_of(sequence) : 0;
    if (!plan_blocks(engine, sequence, sequence->computed + chunk + scratch)) {
        return; /* everybody better goes first */
    }
    uint32_t spare = sequence->block_count * KERNEL_BLOCK_TOKENS - sequence->computed - chunk;
    spare = spare < room - chunk ? spare : room - chunk;
    spare = rows > 0 && spare < rows - 1 ? spare : 0;
    sequence->drafts = guess(engine, sequence, spare); /* within its blocks: never at a cost */
    sequence->chunk = chunk + sequence->drafts;
    add_tokens(engine, sequence);
}

bool plan_step(struct kernel_engine *engine)
{
    int64_t now_us = serve_now_us();
    struct kernel_batch *batch = &engine->step.batch;
    for (uint32_t i = 0; i < engine->running_count; i++) {
        engine->running[i]->chunk = engine->running[i]->drafts = 0;
    }
    admit(engine, now_us);
    /* the better ones first; few, and nearly in order already */
    for (uint32_t i = 1; i < engine->running_count; i++) {
        struct sequence *one = engine->running[i];
        uint32_t at = i;
        while (at > 0 && before(one, engine->running[at - 1], now_us)) {
            engine->running[at] = engine->running[at - 1];
            at--;
        }
        engine->running[at] = one;
    }
    *batch = (struct kernel_batch){.token = engine->step.token,
                                   .position = engine->step.position,
                                   .start = engine->step.start,
                                   .length = engine->step.length,
                                   .block = engine->step.block,
                                   .blocks_max = engine->blocks_max,
                                   .adapter = engine->step.adapter,
                                   .output = engine->step.output};
    engine->step.start[0] = 0;
    struct sequence **order = engine->order; /* a preemption changes running[] */
    uint32_t count = 0;
    for (int decoding = 1; decoding >= 0; decoding--) {
        for (uint32_t i = 0; i < engine->running_count; i++) {
            if ((pending(engine->running[i]) == 1) == (decoding == 1)) {
                order[count++] = engine->running[i];
            }
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        add(engine, order[i]);
    }
    return batch->tokens > 0;
}
