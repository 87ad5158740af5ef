/* device.c -- which backend an engine runs on, and what becomes of its work when a GPU fails.
 *
 * KERNEL_AUTO takes the GPU where plug-in, driver and memory are there, else the processor, and
 * says why (kernel_stats.fallback).  A GPU that fails while it runs is left for good: the engine
 * makes the model anew on the processor, and every request that was running waits again and
 * computes its prompt and its answer so far once more, as after a preemption.  Where KERNEL_CUDA
 * was asked for by name nothing is replaced: the requests fail, with what the GPU said.
 */
#include "kernels/serve/serve.h"

#include "kernels/cuda/plugin.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { CACHE_DEFAULT = 256 << 20, BLOCKS_MIN = 4 };

/* Rows of logits.  A GPU has those of a step at once, and a step has no more; a processor has as
 * many as it multiplies together, and makes the others when they are wanted. */
static void size_rows(struct kernel_engine *engine, bool host_memory,
                      struct kernel_runner_options *runner)
{
    size_t row = engine->vocabulary * sizeof(float);
    uint32_t there = (uint32_t)(LOGITS_BYTES_MAX / row);
    there = there < 2 ? 2 : there;
    engine->outputs_max = host_memory || there > engine->step_tokens ? engine->step_tokens : there;
    runner->outputs_max = engine->outputs_max;
    runner->logits_max = LOGITS_ROWS;
}

static enum kernel_status make_runner(struct kernel_engine *engine,
                                      const struct kernel_engine_options *options,
                                      const struct kernel_operations *operations,
                                      struct kernel_error *error)
{
    struct kernel_runner_options runner = {
        .operations = operations,
        .engine = options,
        .cache_bytes = options->cache_bytes != 0 ? options->cache_bytes : CACHE_DEFAULT,
        .step_tokens = engine->step_tokens,
        .pieces = &engine->pieces};
    size_rows(engine, operations->host_memory, &runner);
    enum kernel_status status =
        kernel_runner_create(engine->model, &runner, &engine->runner, error);
    if (status != KERNEL_OK) {
        return status;
    }
    uint32_t blocks = kernel_runner_blocks(engine->runner);
    if (blocks < BLOCKS_MIN) {
        kernel_runner_destroy(engine->runner);
        engine->runner = NULL;
        return kernel_fail(error, KERNEL_LIMIT,
                           "a cache of %" PRIu64 " bytes holds %u blocks of %d tokens: 4 at least",
                           runner.cache_bytes, blocks, KERNEL_BLOCK_TOKENS);
    }
    engine->cache =
        kernel_cache_create(blocks, (uint64_t)serve_now_us(), !options->no_prefix_cache);
    engine->cache_tokens = blocks * KERNEL_BLOCK_TOKENS;
    return KERNEL_OK;
}

/* Under the lock, or before anybody else knows the engine. */
static void describe(struct kernel_engine *engine, const struct kernel_error *why)
{
    struct kernel_stats *stats = &engine->stats;
    stats->backend = engine->backend;
    stats->blocks = kernel_cache_size(engine->cache);
    stats->memory_bytes = kernel_runner_memory(engine->runner);
    engine->piece_flops = kernel_runner_piece_flops(engine->runner, engine->context_max);
    kernel_runner_describe(engine->runner, stats->device, sizeof stats->device);
    snprintf(stats->fallback, sizeof stats->fallback, "%s", why != NULL ? why->message : "");
}

static enum kernel_status open_cuda(struct kernel_engine *engine,
                                    const struct kernel_engine_options *options,
                                    struct kernel_error *error)
{
    const struct kernel_operations *operations = NULL;
    enum kernel_status status = kernel_operations_cuda(options->cuda_path, &operations, error);
    engine->backend = KERNEL_CUDA;
    return status == KERNEL_OK ? make_runner(engine, options, operations, error) : status;
}

static enum kernel_status open_plain(struct kernel_engine *engine,
                                     const struct kernel_engine_options *options,
                                     struct kernel_error *error)
{
    engine->backend = options->backend == KERNEL_REF ? KERNEL_REF : KERNEL_CPU;
    return make_runner(
        engine, options,
        engine->backend == KERNEL_REF ? &kernel_operations_ref : kernel_operations_cpu(), error);
}

enum kernel_status device_open(struct kernel_engine *engine,
                               const struct kernel_engine_options *options,
                               struct kernel_error *error)
{
    struct kernel_error why;
    bool automatic = options->backend == KERNEL_AUTO;
    enum kernel_status status = KERNEL_OK;
    engine->options = *options;
    engine->options.cuda_path = NULL;
    if (automatic || options->backend == KERNEL_CUDA) {
        status = open_cuda(engine, options, automatic ? &why : error);
        if (status == KERNEL_OK || !automatic) {
            if (status == KERNEL_OK) {
                describe(engine, NULL);
            }
            return status;
        }
    }
    status = open_plain(engine, options, error);
    if (status == KERNEL_OK) {
        describe(engine, automatic ? &why : NULL);
    }
    return status;
}

static void reload_adapters(struct kernel_engine *engine)
{
    struct kernel_error error;
    for (int i = 0; i < ADAPTERS_MAX; i++) {
        struct adapter *adapter = &engine->adapters[i];
        if (adapter->index >= 0) {
            enum kernel_status status =
                kernel_runner_adapter(engine->runner, adapter->path, &adapter->index, &error);
            KERNEL_ASSERT(status == KERNEL_OK); /* the file was good when it was loaded */
        }
    }
}

/* Whoever has no room in the new cache, which may hold fewer tokens. */
static void fail_too_long(struct kernel_engine *engine, const struct kernel_error *why)
{
    for (struct sequence **link = &engine->waiting; *link != NULL;) {
        struct sequence *sequence = *link;
        if (sequence->prompt_count + sequence->answer_max > engine->cache_tokens) {
            *link = sequence->next;
            answer_failed(engine, sequence, why);
            sequence_destroy(engine, sequence);
        } else {
            link = &sequence->next;
        }
    }
}

bool device_replace(struct kernel_engine *engine, struct kernel_error *why)
{
    if (engine->backend != KERNEL_CUDA || engine->options.backend != KERNEL_AUTO) {
        return false;
    }
    engine->at_work = false;
    plan_leave_ended(engine);
    while (engine->running_count > 0) {
        plan_preempt(engine, engine->running[0]);
    }
    kernel_cache_destroy(engine->cache);
    kernel_runner_destroy(engine->runner);
    engine->cache = NULL;
    engine->runner = NULL;
    struct kernel_error error = {.status = KERNEL_OK};
    enum kernel_status status = open_plain(engine, &engine->options, &error);
    KERNEL_ASSERT(status ==
                  KERNEL_OK); /* no memory at all: the process is restarted by its owner */
    pthread_mutex_lock(&engine->lock);
    reload_adapters(engine);
    describe(engine, why);
    pthread_mutex_unlock(&engine->lock);
    fail_too_long(engine, why);
    return true;
}
