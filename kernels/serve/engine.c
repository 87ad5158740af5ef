/* engine.c -- an engine's life: its thread, its queue, and what anybody may ask of it.
 *
 * One thread owns the runner, the cache and all sequences.  Others leave requests, cancellations
 * and errands (an adapter to load) under the lock; the thread takes them between two steps.
 */
#include "kernels/serve/compile.h"
#include "kernels/serve/serve.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct errand {
    struct adapter *adapter; /* its state says what is to be done */
    const char *path;
    enum kernel_status status; /* KERNEL_OK, unless it fails */
    struct kernel_error *error;
    bool done;
};

int64_t serve_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now); /* style: kernels have no clock but the machine's */
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* ---- the engine's thread ---- */

void inbox_add(struct kernel_engine *engine, struct sequence *sequence)
{
    sequence->next = NULL;
    *engine->inbox_end = sequence;
    engine->inbox_end = &sequence->next;
    pthread_cond_signal(&engine->woken);
}

static void take_inbox(struct kernel_engine *engine)
{
    struct sequence *sequence = engine->inbox;
    engine->inbox = NULL;
    engine->inbox_end = &engine->inbox;
    while (sequence != NULL) {
        struct sequence *next = sequence->next;
        sequence->next = engine->waiting;
        engine->waiting = sequence;
        sequence = next;
    }
}

static void run_errand(struct kernel_engine *engine)
{
    struct errand *errand = engine->errand;
    if (errand == NULL) {
        return;
    }
    struct adapter *adapter = errand->adapter;
    if (adapter->state == ADAPTER_LOADING) {
        errand->status =
            kernel_runner_adapter(engine->runner, errand->path, &adapter->index, errand->error);
        adapter->path = errand->status == KERNEL_OK ? strdup(errand->path) : NULL;
        adapter->state = errand->status == KERNEL_OK ? ADAPTER_LOADED : ADAPTER_FREE;
    } else {
        kernel_runner_adapter_drop(engine->runner, adapter->index);
        kernel_cache_forget(engine->cache, (int32_t)(adapter - engine->adapters));
        free(adapter->path);
        *adapter = (struct adapter){.state = ADAPTER_FREE, .index = -1};
    }
    errand->done = true;
    engine->errand = NULL;
    pthread_cond_broadcast(&engine->errand_done);
}

/* Ends those that were canceled or are late, wherever they are. */
static bool is_canceled(const struct kernel_engine *engine, uint64_t id)
{
    for (uint32_t i = 0; i < engine->taken_cancels.count; i++) {
        if (engine->taken_cancels.at[i] == id) {
            return true;
        }
    }
    return engine->ending;
}

static bool is_over(struct kernel_engine *engine, struct sequence *sequence, int64_t now_us)
{
    struct kernel_error error;
    if (sequence->canceled || is_canceled(engine, sequence->id)) {
        kernel_fail(&error, KERNEL_CANCELED, "canceled");
        engine->work.canceled++;
    } else if (sequence->deadline_us != 0 && now_us >= sequence->deadline_us) {
        kernel_fail(&error, KERNEL_TIMEOUT, "the deadline passed after %" PRId64 " ms",
                    (now_us - sequence->submitted_us) / 1000);
    } else if (sequence->refused.status != KERNEL_OK) {
        error = sequence->refused;
    } else {
        return false;
    }
    answer_failed(engine, sequence, &error);
    return true;
}

static void end_some(struct kernel_engine *engine)
{
    int64_t now_us = serve_now_us();
    for (struct sequence **link = &engine->waiting; *link != NULL;) {
        struct sequence *sequence = *link;
        if (is_over(engine, sequence, now_us)) {
            *link = sequence->next;
            sequence_destroy(engine, sequence);
        } else {
            link = &sequence->next;
        }
    }
    for (uint32_t i = 0; i < engine->running_count;) {
        struct sequence *sequence = engine->running[i];
        if (is_over(engine, sequence, now_us)) {
            plan_leave(engine, sequence);
            sequence_destroy(engine, sequence);
        } else {
            i++;
        }
    }
    engine->taken_cancels.count = 0;
}

static void publish(struct kernel_engine *engine)
{
    struct kernel_stats *stats = &engine->stats;
    const struct kernel_stats *work = &engine->work;
    uint32_t waiting = 0;
    for (const struct sequence *one = engine->waiting; one != NULL; one = one->next) {
        waiting++;
    }
    stats->steps = work->steps;
    stats->busy_us = work->busy_us;
    stats->mask_us = work->mask_us;
    stats->masks = work->masks;
    stats->preemptions = work->preemptions;
    stats->recomputed_tokens = work->recomputed_tokens;
    stats->forced_tokens = work->forced_tokens;
    stats->canceled = work->canceled;
    stats->running = engine->running_count;
    stats->waiting = waiting;
    stats->blocks_cached = kernel_cache_remembered(engine->cache);
    stats->blocks_used = kernel_cache_size(engine->cache) - kernel_cache_available(engine->cache);
}

static bool is_idle(const struct kernel_engine *engine)
{
    return engine->inbox == NULL && engine->errand == NULL && !engine->stopping &&
           engine->cancels.count == 0 && engine->running_count == 0 && engine->waiting == NULL;
}

/* With the lock: until somebody left something, or one that waits for its schema is late. */
static void wait_for_orders(struct kernel_engine *engine)
{
    int64_t late_us = compiler_end_late(engine);
    while (is_idle(engine)) {
        if (late_us == 0) {
            pthread_cond_wait(&engine->woken, &engine->lock);
        } else {
            struct timespec until = {.tv_sec = late_us / 1000000,
                                     .tv_nsec = late_us % 1000000 * 1000};
            pthread_cond_timedwait(&engine->woken, &engine->lock, &until);
        }
        late_us = compiler_end_late(engine);
    }
}

/* What others left; sleeps while there is nothing to do.  false: it is over. */
static bool take_orders(struct kernel_engine *engine)
{
    engine->at_work = false; /* what is done under the lock is none: an adapter may be read */
    pthread_mutex_lock(&engine->lock);
    publish(engine);
    wait_for_orders(engine);
    take_inbox(engine);
    run_errand(engine);
    struct id_list cancels = engine->cancels;
    engine->cancels = engine->taken_cancels;
    engine->taken_cancels = cancels;
    engine->ending = engine->stopping;
    pthread_mutex_unlock(&engine->lock);
    engine->at_work = engine->running_count > 0 || engine->waiting != NULL;
    return !engine->ending;
}

static void *serve(void *data)
{
    struct kernel_engine *engine = data;
    bool goes_on = true;
    while (goes_on) {
        goes_on = take_orders(engine);
        end_some(engine);
        if (goes_on && plan_step(engine)) {
            step_run(engine);
            plan_leave_ended(engine);
        }
    }
    return NULL;
}

/* ---- life ---- */

static void size_engine(struct kernel_engine *engine, const struct kernel_engine_options *options,
                        const struct kernel_model_facts *facts)
{
    engine->vocabulary = facts->vocabulary;
    engine->width = facts->width;
    engine->context_max = options->context_max != 0          ? options->context_max
                          : facts->context < CONTEXT_DEFAULT ? facts->context
                                                             : CONTEXT_DEFAULT;
    engine->running_max = options->running_max != 0 ? options->running_max : RUNNING_DEFAULT;
    engine->queue_max = options->queue_max != 0 ? options->queue_max : QUEUE_DEFAULT;
    engine->step_tokens = options->step_tokens != 0 ? options->step_tokens : STEP_TOKENS_DEFAULT;
    if (engine->step_tokens < engine->running_max) {
        engine->step_tokens = engine->running_max;
    }
    engine->no_speculation = options->no_speculation;
    engine->blocks_max = (engine->context_max + KERNEL_BLOCK_TOKENS - 1) / KERNEL_BLOCK_TOKENS;
}

static void make_masks(struct kernel_engine *engine)
{
    uint32_t words = (engine->vocabulary + 63) / 64;
    engine->plain_mask = kernel_allocate(words, sizeof(uint64_t));
    engine->thinking_mask = kernel_allocate(words, sizeof(uint64_t));
    int32_t begin = KERNEL_TOKEN_NONE;
    int32_t end = KERNEL_TOKEN_NONE;
    bool begun = false;
    if (engine->chat != NULL) {
        kernel_chat_thinking(engine->chat, engine->vocab, &begin, &end, &begun);
    }
    for (uint32_t i = 0; i < kernel_vocab_size(engine->vocab) && i < engine->vocabulary; i++) {
        int32_t token = (int32_t)i;
        bool ends = kernel_vocab_is_end(engine->vocab, token);
        bool text = !ends && !kernel_vocab_is_special(engine->vocab, token) && token != begin &&
                    token != end;
        engine->plain_mask[i / 64] |= (uint64_t)(text || ends) << (i % 64);
        engine->thinking_mask[i / 64] |= (uint64_t)(text || token == end) << (i % 64);
    }
}

static void make_step(struct kernel_engine *engine)
{
    struct step *step = &engine->step;
    uint32_t sequences = engine->running_max;
    step->token = kernel_allocate(engine->step_tokens, sizeof(int32_t));
    step->position = kernel_allocate(engine->step_tokens, sizeof(int32_t));
    step->start = kernel_allocate(sequences + 1, sizeof(int32_t));
    step->length = kernel_allocate(sequences, sizeof(int32_t));
    step->adapter = kernel_allocate(sequences, sizeof(int32_t));
    step->block = kernel_allocate((size_t)sequences * engine->blocks_max, sizeof(int32_t));
    step->output = kernel_allocate(engine->step_tokens, sizeof(int32_t));
    step->sequences = kernel_allocate(sequences, sizeof(struct sequence *));
    step->logits = kernel_allocate(engine->vocabulary, sizeof(float));
    step->weighed = kernel_allocate(engine->vocabulary, sizeof *step->weighed);
    step->seen = kernel_allocate(engine->vocabulary, sizeof *step->seen);
    step->hidden = kernel_allocate((size_t)engine->step_tokens * engine->width, sizeof(float));
    step->chosen = kernel_allocate(engine->step_tokens, sizeof *step->chosen);
    step->picks = kernel_allocate(engine->step_tokens, sizeof *step->picks);
    step->answers = kernel_allocate(engine->step_tokens, sizeof *step->answers);
    step->picked = kernel_allocate(engine->step_tokens, sizeof *step->picked);
    engine->running = kernel_allocate(sequences, sizeof(struct sequence *));
    engine->order = kernel_allocate(sequences, sizeof(struct sequence *));
}

enum kernel_status kernel_engine_create(struct kernel_model *model,
                                        const struct kernel_engine_options *options,
                                        struct kernel_engine **out, struct kernel_error *error)
{
    struct kernel_model_facts facts;
    kernel_model_facts(model, &facts);
    struct kernel_engine *engine = kernel_allocate(1, sizeof *engine);
    pthread_mutex_init(&engine->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC); /* as serve_now_us */
    pthread_cond_init(&engine->woken, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_cond_init(&engine->errand_done, NULL);
    engine->inbox_end = &engine->inbox;
    engine->next_id = 1;
    engine->model = model;
    engine->vocab = kernel_model_vocab(model);
    engine->chat = kernel_model_chat(model);
    engine->certainty = kernel_model_certainty(model);
    for (int i = 0; i < ADAPTERS_MAX; i++) {
        engine->adapters[i].index = -1;
    }
    size_engine(engine, options, &facts);
    engine->stats.context = engine->context_max;
    make_step(engine);
    make_masks(engine);
    enum kernel_status status = device_open(engine, options, error);
    if (status == KERNEL_OK) {
        status = kernel_trie_create(engine->vocab, &engine->trie, error);
    }
    if (status == KERNEL_OK) {
        engine->masks = masks_create();
        engine->started = pthread_create(&engine->thread, NULL, serve, engine) == 0;
        KERNEL_ASSERT(engine->started);
        compiler_start(engine);
        *out = engine;
    } else {
        kernel_engine_destroy(engine);
    }
    return status;
}

void kernel_engine_destroy(struct kernel_engine *engine)
{
    if (engine == NULL) {
        return;
    }
    compiler_stop(engine);
    if (engine->started) {
        pthread_mutex_lock(&engine->lock);
        engine->stopping = true;
        pthread_cond_signal(&engine->woken);
        pthread_mutex_unlock(&engine->lock);
        pthread_join(engine->thread, NULL);
    }
    masks_destroy(engine->masks);
    grammars_free(engine);
    kernel_trie_destroy(engine->trie);
    kernel_cache_destroy(engine->cache);
    kernel_runner_destroy(engine->runner);
    while (engine->tenants != NULL) {
        struct tenant_usage *tenant = engine->tenants;
        engine->tenants = tenant->next;
        free(tenant);
    }
    for (int i = 0; i < ADAPTERS_MAX; i++) {
        free(engine->adapters[i].path);
    }
    void *memory[] = {
        engine->step.token,   engine->step.position,   engine->step.start,   engine->step.length,
        engine->step.adapter, engine->step.block,      engine->step.output,  engine->step.sequences,
        engine->step.logits,  engine->step.weighed,    engine->step.seen,    engine->step.hidden,
        engine->running,      engine->order,           engine->plain_mask,   engine->thinking_mask,
        engine->step.chosen,  engine->step.picks,      engine->step.answers, engine->step.picked,
        engine->cancels.at,   engine->taken_cancels.at};
    for (size_t i = 0; i < sizeof memory / sizeof memory[0]; i++) {
        free(memory[i]);
    }
    pthread_mutex_destroy(&engine->lock);
    pthread_cond_destroy(&engine->woken);
    pthread_cond_destroy(&engine->errand_done);
    free(engine);
}

/* ---- adapters ---- */

static enum kernel_status run_and_wait(struct kernel_engine *engine, struct errand *errand)
{
    while (engine->errand != NULL) {
        pthread_cond_wait(&engine->errand_done, &engine->lock);
    }
    engine->errand = errand;
    pthread_cond_signal(&engine->woken);
    while (!errand->done) {
        pthread_cond_wait(&engine->errand_done, &engine->lock);
    }
    return errand->status;
}

static struct adapter *adapter_named(struct kernel_engine *engine, const char *name)
{
    for (int i = 0; i < ADAPTERS_MAX; i++) {
        struct adapter *one = &engine->adapters[i];
        if (one->state != ADAPTER_FREE && strcmp(one->name, name) == 0) {
            return one;
        }
    }
    return NULL;
}

static struct adapter *adapter_free(struct kernel_engine *engine)
{
    for (int i = 0; i < ADAPTERS_MAX; i++) {
        if (engine->adapters[i].state == ADAPTER_FREE) {
            return &engine->adapters[i];
        }
    }
    return NULL;
}

enum kernel_status kernel_adapter_load(struct kernel_engine *engine, const char *name,
                                       const char *path, struct kernel_error *error)
{
    enum kernel_status status = KERNEL_OK;
    pthread_mutex_lock(&engine->lock);
    const struct adapter *same = adapter_named(engine, name);
    struct adapter *place = adapter_free(engine);
    if (strlen(name) == 0 || strlen(name) >= sizeof place->name) {
        status = kernel_fail(error, KERNEL_INVALID, "an adapter's name has 1 to %zu bytes",
                             sizeof place->name - 1);
    } else if (same != NULL && same->state == ADAPTER_LEAVING) {
        status = kernel_fail(error, KERNEL_BUSY, "adapter %s is being unloaded", name);
    } else if (same != NULL) {
        status = kernel_fail(error, KERNEL_INVALID, "adapter %s is loaded already", name);
    } else if (place == NULL) {
        status = kernel_fail(error, KERNEL_LIMIT, "%d adapters are loaded: unload one first",
                             ADAPTERS_MAX);
    } else {
        struct errand errand = {.adapter = place, .path = path, .error = error};
        place->state = ADAPTER_LOADING;
        memcpy(place->name, name, strlen(name) + 1);
        status = run_and_wait(engine, &errand);
    }
    pthread_mutex_unlock(&engine->lock);
    return status;
}

enum kernel_status kernel_adapter_unload(struct kernel_engine *engine, const char *name,
                                         struct kernel_error *error)
{
    enum kernel_status status = KERNEL_OK;
    pthread_mutex_lock(&engine->lock);
    struct adapter *adapter = adapter_named(engine, name);
    if (adapter == NULL || adapter->state != ADAPTER_LOADED) {
        status = kernel_fail(error, KERNEL_INVALID, "no adapter is named %.60s", name);
    } else if (adapter->users > 0) {
        status = kernel_fail(error, KERNEL_BUSY, "adapter %s is used by %u requests", name,
                             adapter->users);
    } else {
        struct errand errand = {.adapter = adapter, .error = error};
        adapter->state = ADAPTER_LEAVING;
        status = run_and_wait(engine, &errand);
    }
    pthread_mutex_unlock(&engine->lock);
    return status;
}

/* ---- requests ---- */

/* With the lock: see kernel_submit. */
static enum kernel_status admit(struct kernel_engine *engine, const struct tenant_usage *tenant,
                                struct kernel_error *error)
{
    uint32_t left = engine->running_max + engine->queue_max - engine->open;
    if (tenant->open < left) {
        return KERNEL_OK;
    }
    uint32_t before = tenant->open > 0 ? tenant->open : engine->queue_max; /* whom it waits for */
    double mean_ms = engine->mean_request_ms > 0 ? engine->mean_request_ms : REQUEST_UNKNOWN_MS;
    int64_t retry_ms = (int64_t)(mean_ms * (double)before / (double)engine->running_max) + 1;
    engine->stats.refused++;
    kernel_fail(error, KERNEL_BUSY,
                "overloaded: %u of this tenant's requests wait or run, and there is no place for "
                "another; again in %" PRId64 " ms",
                tenant->open, retry_ms); /* how many others there are is theirs to know */
    if (error != NULL) {
        error->retry_ms = retry_ms;
    }
    return KERNEL_BUSY;
}

/* With the lock: a place in the queue, taken or given back. */
static void take_place(struct kernel_engine *engine, struct tenant_usage *tenant, int32_t change)
{
    tenant->open += (uint32_t)change;
    engine->open += (uint32_t)change;
}

enum kernel_status kernel_submit(struct kernel_engine *engine, const struct kernel_request *request,
                                 kernel_listener listener, void *data, uint64_t *id,
                                 struct kernel_error *error)
{
    struct sequence *sequence = NULL;
    pthread_mutex_lock(&engine->lock); /* a place first: who has none costs nothing */
    struct tenant_usage *tenant = tenant_of(engine, request->tenant);
    enum kernel_status status = admit(engine, tenant, error);
    take_place(engine, tenant, status == KERNEL_OK);
    pthread_mutex_unlock(&engine->lock);
    if (status != KERNEL_OK) {
        return status;
    }
    status = sequence_create(engine, request, &sequence, error);
    pthread_mutex_lock(&engine->lock);
    if (status == KERNEL_OK) {
        sequence->listener = listener;
        sequence->data = data;
        engine->stats.requests++;
        *id = sequence->id = engine->next_id++;
        if (sequence->schema.length > 0 && sequence->grammar == NULL) {
            compiler_add(engine, sequence);
        } else {
            inbox_add(engine, sequence);
        }
    } else {
        take_place(engine, tenant, -1);
    }
    pthread_mutex_unlock(&engine->lock);
    return status;
}

void kernel_cancel(struct kernel_engine *engine, uint64_t id)
{
    pthread_mutex_lock(&engine->lock);
    struct id_list *cancels = &engine->cancels;
    if (!compiler_cancel(engine, id)) {
        if (cancels->count == cancels->room) {
            cancels->room = cancels->room * 2 + 16;
            cancels->at = kernel_resize(cancels->at, cancels->room, sizeof *cancels->at);
        }
        cancels->at[cancels->count++] = id;
        pthread_cond_signal(&engine->woken);
    }
    pthread_mutex_unlock(&engine->lock);
}

/* ---- figures ---- */

void kernel_stats(const struct kernel_engine *engine, struct kernel_stats *out)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)(uintptr_t)&engine->lock;
    pthread_mutex_lock(lock);
    *out = engine->stats;
    out->waiting += compiler_count(engine);
    pthread_mutex_unlock(lock);
}

void kernel_progress(const struct kernel_engine *engine, struct kernel_progress *out)
{
    *out = (struct kernel_progress){engine->pieces, engine->at_work, engine->piece_flops};
}

void kernel_tenant_usage(const struct kernel_engine *engine, uint32_t tenant,
                         struct kernel_tenant_usage *out)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)(uintptr_t)&engine->lock;
    *out = (struct kernel_tenant_usage){0};
    pthread_mutex_lock(lock);
    for (const struct tenant_usage *one = engine->tenants; one != NULL; one = one->next) {
        if (one->tenant == tenant) {
            *out = one->sums;
        }
    }
    pthread_mutex_unlock(lock);
}
