/* bench_model_cpu.c -- see bench_model_cpu.h. */
#include "tests/bench/bench_model_cpu.h"

#include "kernels/base/fail.h"
#include "kernels/model/forward.h"
#include "kernels/model/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum {
    READ_BYTES = 512 << 20,
    PROMPT = 512,
    COMPANY = 16,
    KEPT = 64, /* tokens a decoding sequence starts from */
    TABLE = 64 /* cache blocks of a sequence */
};
#define SHAPE "qwen2.5-0.5b"

static double seconds_of(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* ---- bandwidth ---- */

struct memory {
    unsigned char *at;
    double best; /* bytes a second */
    uint64_t sum;
};

static void memory_open(struct memory *memory)
{
    memory->at = mmap(NULL, READ_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    KERNEL_ASSERT(memory->at != MAP_FAILED);
    madvise(memory->at, READ_BYTES, MADV_HUGEPAGE);
    memset(memory->at, 1, READ_BYTES);
    memory->best = 0;
    memory->sum = 0;
}

/* 64 MB at a time, each a chance to be undisturbed. */
static void memory_read(struct memory *memory)
{
    typedef uint64_t line __attribute__((vector_size(64), aligned(64), may_alias));
    enum { PART = 64 << 20 };
    for (size_t from = 0; from < READ_BYTES; from += PART) {
        double start = seconds_of(CLOCK_THREAD_CPUTIME_ID);
        line sums[4] = {{0}};
        for (size_t i = from; i < from + PART; i += 4 * sizeof(line)) {
            const line *at = (const line *)(const void *)(memory->at + i);
            for (int j = 0; j < 4; j++) {
                sums[j] += at[j];
            }
        }
        sums[0] += sums[1] + sums[2] + sums[3];
        memory->sum += sums[0][0] + sums[0][7];
        double rate = PART / (seconds_of(CLOCK_THREAD_CPUTIME_ID) - start);
        memory->best = rate > memory->best ? rate : memory->best;
    }
}

static void memory_close(struct memory *memory)
{
    KERNEL_ASSERT(memory->sum != 0);
    munmap(memory->at, READ_BYTES);
}

/* ---- a model at work ---- */

struct work {
    struct kernel_model *model;
    struct kernel_runner *runner;
    const struct kernel_shape *shape;
    clockid_t clock;
    float *logits;
    int32_t token[PROMPT], position[PROMPT], output[COMPANY];
    int32_t start[COMPANY + 1], length[COMPANY], adapter[COMPANY];
    int32_t block[COMPANY * TABLE];
};

static void must(enum kernel_status status, const struct kernel_error *error)
{
    if (status != KERNEL_OK) {
        fprintf(stderr, "model: %s\n", error->message);
        exit(1);
    }
}

static void model_open(struct work *work, const char *type)
{
    struct kernel_error error;
    *work = (struct work){.model = NULL};
    must(kernel_model_make(SHAPE, type, 1, &work->model, &error), &error);
}

/* threads 0: all cores, by the clock */
static void runner_open(struct work *work, uint32_t threads)
{
    struct kernel_error error;
    const struct kernel_engine_options engine = {.threads = threads};
    const struct kernel_runner_options options = {.operations = kernel_operations_cpu(),
                                                  .engine = &engine,
                                                  .cache_bytes = 256 << 20,
                                                  .step_tokens = PROMPT,
                                                  .outputs_max = COMPANY};
    must(kernel_runner_create(work->model, &options, &work->runner, &error), &error);
    work->shape = kernel_runner_shape(work->runner);
    work->clock = threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC;
    work->logits = kernel_allocate((size_t)COMPANY * work->shape->vocabulary, sizeof(float));
    KERNEL_ASSERT(kernel_runner_blocks(work->runner) >= COMPANY * TABLE / 2);
}

static void runner_close(struct work *work)
{
    kernel_runner_destroy(work->runner);
    free(work->logits);
    work->runner = NULL;
}

/* `count` sequences get `more` tokens each behind `before`; seconds. */
static double step(struct work *work, uint32_t count, uint32_t before, uint32_t more)
{
    struct kernel_error error;
    struct kernel_batch batch = {.tokens = count * more,
                                 .sequences = count,
                                 .token = work->token,
                                 .position = work->position,
                                 .start = work->start,
                                 .length = work->length,
                                 .block = work->block,
                                 .blocks_max = TABLE,
                                 .adapter = work->adapter,
                                 .outputs = count,
                                 .output = work->output};
    uint32_t blocks = (before + more + KERNEL_BLOCK_TOKENS - 1) / KERNEL_BLOCK_TOKENS;
    for (uint32_t s = 0; s < count; s++) {
        work->start[s + 1] = (int32_t)((s + 1) * more);
        work->length[s] = (int32_t)(before + more);
        work->adapter[s] = -1;
        work->output[s] = work->start[s + 1] - 1;
        for (uint32_t i = 0; i < more; i++) {
            work->position[s * more + i] = (int32_t)(before + i);
            work->token[s * more + i] =
                (int32_t)(((uint64_t)(before + i) * 7919 + s * 104729U) % work->shape->vocabulary);
        }
        for (uint32_t b = 0; b < TABLE; b++) {
            work->block[s * TABLE + b] = b < blocks ? (int32_t)(s * TABLE / 2 + b) : -1;
        }
    }
    double start = seconds_of(work->clock);
    must(kernel_runner_step(work->runner, &batch, work->logits, NULL, &error), &error);
    return seconds_of(work->clock) - start;
}

/* Best seconds of a decode step of `count` sequences; the memory is measured in between. */
static double decode(struct work *work, const struct bench_run *run, uint32_t count,
                     struct memory *memory)
{
    double best = 1e9;
    uint32_t at = KEPT;
    for (uint32_t s = 0; s < KEPT; s += PROMPT / COMPANY) { /* a cache to look at */
        step(work, count, s, PROMPT / COMPANY);
    }
    double end = seconds_of(CLOCK_MONOTONIC) + run->seconds;
    for (int round = 0; round < 10 || seconds_of(CLOCK_MONOTONIC) < end; round++) {
        double took = step(work, count, at, 1);
        best = took < best ? took : best;
        at = at < KEPT * 2 ? at + 1 : KEPT;
        if (memory != NULL && round % 8 == 0) {
            memory_read(memory);
        }
    }
    return best;
}

static double prefill(struct work *work, const struct bench_run *run)
{
    double best = 1e9;
    double end = seconds_of(CLOCK_MONOTONIC) + run->seconds;
    for (int round = 0; round < 4 || seconds_of(CLOCK_MONOTONIC) < end; round++) {
        double took = step(work, 1, 0, PROMPT);
        best = took < best ? took : best;
    }
    return best;
}

/* Bytes of weights that a token reads, and weights that it multiplies with (`outputs` false: those
 * of the layers). */
static double weights(const struct work *work, bool outputs, double *multiplied)
{
    const struct kernel_model *model = work->model;
    double bytes = outputs ? (double)model->output->bytes : 0;
    *multiplied = outputs ? (double)model->output->rows * model->output->columns : 0;
    for (uint32_t l = 0; l < model->shape.layers; l++) {
        for (enum kernel_part part = 0; part < KERNEL_PARTS; part++) {
            const struct kernel_tensor *tensor = model->layers[l].part[part];
            bytes += (double)tensor->bytes;
            *multiplied += (double)tensor->rows * tensor->columns;
        }
    }
    return bytes;
}

/* ---- cases ---- */

static void report_decode(const struct bench_run *run, struct work *work, struct memory *memory,
                          const char *name)
{
    double multiplied = 0;
    double best = decode(work, run, 1, memory);
    double bytes = weights(work, true, &multiplied);
    bench_report(run, "model", name, "tokens_per_s", 1 / best, "tokens/s");
    bench_report(run, "model", name, "gb_per_s", bytes / best * 1e-9, "GB/s");
    bench_report(run, "model", name, "fraction_of_bandwidth", bytes / best / memory->best, "");
}

static void report_batch(const struct bench_run *run, struct work *work)
{
    double one = decode(work, run, 1, NULL);
    double many = decode(work, run, COMPANY, NULL);
    bench_report(run, "model", "batch_16", "tokens_per_s", COMPANY / many, "tokens/s");
    bench_report(run, "model", "batch_16", "gain", COMPANY * one / many, "");
}

static void report_prefill(const struct bench_run *run, struct work *work)
{
    double multiplied = 0;
    double best = prefill(work, run);
    weights(work, false, &multiplied);
    bench_report(run, "model", "prefill_q8_0", "tokens_per_s", PROMPT / best, "tokens/s");
    bench_report(run, "model", "prefill_q8_0", "gflops", 2 * multiplied * PROMPT / best * 1e-9,
                 "GFLOP/s");
}

static void report_threads(const struct bench_run *run, struct work *work)
{
    runner_open(work, 0);
    double one = decode(work, run, 1, NULL);
    bench_report(run, "model", "threads", "decode_tokens_per_s", 1 / one, "tokens/s");
    bench_report(run, "model", "threads", "prefill_tokens_per_s", PROMPT / prefill(work, run),
                 "tokens/s");
    runner_close(work);
}

static bool wants_any(const struct bench_run *run, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (bench_wants(run, names[i])) {
            return true;
        }
    }
    return false;
}

static void run_q8_0(const struct bench_run *run, struct memory *memory)
{
    struct work *work = kernel_allocate(1, sizeof *work);
    char about[64];
    model_open(work, "Q8_0");
    runner_open(work, 1);
    kernel_runner_describe(work->runner, about, sizeof about);
    bench_fact(run, "model", "backend", about);
    if (bench_wants(run, "decode_q8_0")) {
        report_decode(run, work, memory, "decode_q8_0");
    }
    if (bench_wants(run, "prefill_q8_0")) {
        report_prefill(run, work);
    }
    if (bench_wants(run, "batch_16")) {
        report_batch(run, work);
    }
    runner_close(work);
    if (bench_wants(run, "threads")) {
        report_threads(run, work);
    }
    kernel_model_close(work->model);
    free(work);
}

static void run_q4_k(const struct bench_run *run, struct memory *memory)
{
    struct work *work = kernel_allocate(1, sizeof *work);
    model_open(work, "Q4_K_M");
    runner_open(work, 1);
    report_decode(run, work, memory, "decode_q4_k");
    runner_close(work);
    kernel_model_close(work->model);
    free(work);
}

void bench_model_cpu(const struct bench_run *run)
{
    static const char *const q8_0[] = {"decode_q8_0", "prefill_q8_0", "batch_16", "threads"};
    struct memory memory;
    if (!wants_any(run, q8_0, sizeof q8_0 / sizeof q8_0[0]) && !bench_wants(run, "decode_q4_k") &&
        !bench_wants(run, "bandwidth")) {
        return;
    }
    memory_open(&memory);
    memory_read(&memory);
    if (wants_any(run, q8_0, sizeof q8_0 / sizeof q8_0[0])) {
        run_q8_0(run, &memory);
    }
    if (bench_wants(run, "decode_q4_k")) {
        run_q4_k(run, &memory);
    }
    if (bench_wants(run, "bandwidth")) {
        memory_read(&memory);
        bench_report(run, "model", "bandwidth", "gb_per_s", memory.best * 1e-9, "GB/s");
    }
    memory_close(&memory);
}
