/* bench_model_cpu.c -- see bench_model_cpu.h. */
#include "tests/bench/bench_model_cpu.h"

#include "kernels/base/fail.h"
#include "kernels/model/forward.h"
#include "kernels/model/model.h"
#include "tests/support/kernel_file.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    READ_BYTES = 512 << 20,
    PROMPT = 512,
    COMPANY = 16,
    KEPT = 64,  /* tokens a decoding sequence starts from */
    TABLE = 64, /* cache blocks of a sequence */
    ADAPTERS = 8,
    RANK = 16,
    CORES_MAX = 64,
    ROUNDS = 6
};
#define SHAPE "qwen2.5-0.5b"
#define SHAPE_Q4_K                                                                                 \
    "llama-3.2-1b" /* whose rows are whole 256s: SHAPE has few tensors that Q4_K can hold */

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
    int32_t start[COMPANY + 1], length[COMPANY], adapter[COMPANY]; /* adapter: of a sequence */
    int32_t block[COMPANY * TABLE];
};

static void must(enum kernel_status status, const struct kernel_error *error)
{
    if (status != KERNEL_OK) {
        fprintf(stderr, "model: %s\n", error->message);
        exit(1);
    }
}

static void model_open(struct work *work, const char *shape, const char *type)
{
    struct kernel_error error;
    *work = (struct work){.model = NULL};
    must(kernel_model_make(shape, type, 1, &work->model, &error), &error);
}

/* threads 0: all cores, by the clock */
static void runner_open(struct work *work, uint32_t threads)
{
    struct kernel_error error;
    const struct kernel_engine_options engine = {.threads = threads};
    const struct kernel_runner_options options = {.operations = kernel_operations_cpu(),
                                                  .engine = &engine,
                                                  .cache_bytes = 1 << 30,
                                                  .step_tokens = PROMPT,
                                                  .outputs_max = COMPANY};
    must(kernel_runner_create(work->model, &options, &work->runner, &error), &error);
    work->shape = kernel_runner_shape(work->runner);
    for (uint32_t s = 0; s < COMPANY; s++) {
        work->adapter[s] = -1;
    }
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

/* A cache to look at. */
static void begin_sequences(struct work *work, uint32_t count)
{
    for (uint32_t at = 0; at < KEPT; at += PROMPT / COMPANY) {
        step(work, count, at, PROMPT / COMPANY);
    }
}

/* Best seconds of a decode step of `count` sequences; the memory is measured in between. */
static double decode(struct work *work, const struct bench_run *run, uint32_t count,
                     struct memory *memory)
{
    double best = 1e9;
    uint32_t at = KEPT;
    begin_sequences(work, count);
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

/* One sequence and sixteen take turns, so that whoever disturbs disturbs both. */
static void report_batch(const struct bench_run *run, struct work *work)
{
    double one = 1e9;
    double many = 1e9;
    begin_sequences(work, COMPANY);
    double end = seconds_of(CLOCK_MONOTONIC) + 2 * run->seconds;
    for (uint32_t i = 0; i < 10 || seconds_of(CLOCK_MONOTONIC) < end; i++) {
        double took = step(work, 1, KEPT + i % KEPT, 1);
        one = took < one ? took : one;
        took = step(work, COMPANY, KEPT + i % KEPT, 1);
        many = took < many ? took : many;
    }
    bench_report(run, "model", "batch_16", "tokens_per_s", COMPANY / many, "tokens/s");
    bench_report(run, "model", "batch_16", "gain", COMPANY * one / many, "");
}

/* ---- sixteen sequences of eight adapters ---- */

struct adapted {
    struct work *work;
    int32_t index[ADAPTERS];
    float *mixed, *single; /* [COMPANY][vocabulary] */
};

static void load_adapters(struct adapted *adapted)
{
    struct kernel_error error;
    const struct kernel_model *model = adapted->work->model;
    for (uint32_t i = 0; i < ADAPTERS; i++) {
        char path[] = "/tmp/reeve-bench-adapter-XXXXXX";
        int file = mkstemp(path);
        KERNEL_ASSERT(file >= 0 && close(file) == 0);
        kernel_file_write_adapter(path, model->arch->name, &model->shape, RANK,
                                  (1U << KERNEL_PARTS) - 1, i + 1);
        must(kernel_runner_adapter(adapted->work->runner, path, &adapted->index[i], &error),
             &error);
        unlink(path); /* it stays mapped */
    }
}

/* Sequence s has adapter s % ADAPTERS; `only`: that one for all; -1: none. */
static void choose_adapters(struct adapted *adapted, bool mixed, int32_t only)
{
    for (uint32_t s = 0; s < COMPANY; s++) {
        adapted->work->adapter[s] = mixed ? adapted->index[s % ADAPTERS] : only;
    }
}

/* Their logits after a prompt and one token. */
static void logits_of(struct adapted *adapted, float *out)
{
    begin_sequences(adapted->work, COMPANY);
    step(adapted->work, COMPANY, KEPT, 1);
    memcpy(out, adapted->work->logits,
           (size_t)COMPANY * adapted->work->shape->vocabulary * sizeof *out);
}

/* How many of the sequences have the bits that they have where all have their adapter. */
static uint32_t count_same(struct adapted *adapted)
{
    uint32_t vocabulary = adapted->work->shape->vocabulary;
    uint32_t same = 0;
    adapted->mixed = kernel_allocate((size_t)COMPANY * vocabulary, sizeof(float));
    adapted->single = kernel_allocate((size_t)COMPANY * vocabulary, sizeof(float));
    choose_adapters(adapted, true, 0);
    logits_of(adapted, adapted->mixed);
    for (uint32_t i = 0; i < ADAPTERS; i++) {
        choose_adapters(adapted, false, adapted->index[i]);
        logits_of(adapted, adapted->single);
        for (uint32_t s = i; s < COMPANY; s += ADAPTERS) {
            size_t row = (size_t)s * vocabulary;
            same += memcmp(adapted->mixed + row, adapted->single + row,
                           vocabulary * sizeof(float)) == 0;
        }
    }
    free(adapted->mixed);
    free(adapted->single);
    return same;
}

static void report_adapters(const struct bench_run *run, struct work *work)
{
    struct adapted adapted = {.work = work};
    double base = 1e9;
    double mixed = 1e9;
    runner_open(work, 1);
    load_adapters(&adapted);
    uint32_t same = count_same(&adapted);
    double end = seconds_of(CLOCK_MONOTONIC) + 2 * run->seconds;
    for (uint32_t i = 0; i < 10 || seconds_of(CLOCK_MONOTONIC) < end; i++) {
        choose_adapters(&adapted, false, -1);
        double took = step(work, COMPANY, KEPT + i % KEPT, 1);
        base = took < base ? took : base;
        choose_adapters(&adapted, true, 0);
        took = step(work, COMPANY, KEPT + i % KEPT, 1);
        mixed = took < mixed ? took : mixed;
    }
    bench_report(run, "model", "adapters_16", "tokens_per_s", COMPANY / mixed, "tokens/s");
    bench_report(run, "model", "adapters_16", "of_base", base / mixed, "");
    bench_report(run, "model", "adapters_16", "same_bits", same, "of 16 sequences");
    runner_close(work);
}

/* ---- a busy process on every core ---- */

struct neighbours {
    pid_t pids[CORES_MAX];
    uint32_t count;
};

static void neighbours_begin(struct neighbours *neighbours)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    for (neighbours->count = 0; neighbours->count < CORES_MAX && neighbours->count < cores;
         neighbours->count++) {
        pid_t pid = fork();
        if (pid == 0) {
            cpu_set_t set;
            CPU_ZERO(&set);
            CPU_SET(neighbours->count, &set);
            sched_setaffinity(0, sizeof set, &set);
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            raise(SIGSTOP);
            for (volatile uint64_t busy = 0;; busy++) {
            }
        }
        KERNEL_ASSERT(pid > 0);
        waitpid(pid, NULL, WUNTRACED); /* it stands */
        neighbours->pids[neighbours->count] = pid;
    }
}

static void neighbours_signal(const struct neighbours *neighbours, int signal_number)
{
    for (uint32_t i = 0; i < neighbours->count; i++) {
        kill(neighbours->pids[i], signal_number);
    }
}

/* Steps of `seconds`, by the clock; how many were done a second. */
static double steps_per_s(struct work *work, double seconds)
{
    uint32_t steps = 0;
    double begin = seconds_of(CLOCK_MONOTONIC);
    while (seconds_of(CLOCK_MONOTONIC) - begin < seconds) {
        step(work, 1, KEPT + steps++ % KEPT, 1);
    }
    return steps / (seconds_of(CLOCK_MONOTONIC) - begin);
}

static void report_neighbour(const struct bench_run *run, struct work *work)
{
    struct neighbours neighbours;
    double quiet = 0;
    double busy = 0;
    neighbours_begin(&neighbours);
    runner_open(work, 2);
    begin_sequences(work, 1);
    for (int round = 0; round < ROUNDS; round++) { /* in turn: who else disturbs disturbs both */
        quiet += steps_per_s(work, run->seconds / ROUNDS) / ROUNDS;
        neighbours_signal(&neighbours, SIGCONT);
        busy += steps_per_s(work, run->seconds / ROUNDS) / ROUNDS;
        neighbours_signal(&neighbours, SIGSTOP);
    }
    neighbours_signal(&neighbours, SIGKILL);
    for (uint32_t i = 0; i < neighbours.count; i++) {
        waitpid(neighbours.pids[i], NULL, 0);
    }
    bench_report(run, "model", "busy_neighbour", "tokens_per_s", busy, "tokens/s");
    bench_report(run, "model", "busy_neighbour", "alone_tokens_per_s", quiet, "tokens/s");
    bench_report(run, "model", "busy_neighbour", "kept", busy / quiet, "");
    runner_close(work);
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
    model_open(work, SHAPE, "Q8_0");
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
    if (bench_wants(run, "adapters_16")) {
        report_adapters(run, work);
    }
    if (bench_wants(run, "busy_neighbour")) {
        report_neighbour(run, work);
    }
    kernel_model_close(work->model);
    free(work);
}

static void run_q4_k(const struct bench_run *run, struct memory *memory)
{
    struct work *work = kernel_allocate(1, sizeof *work);
    model_open(work, SHAPE_Q4_K, "Q4_K_M");
    runner_open(work, 1);
    report_decode(run, work, memory, "decode_q4_k");
    runner_close(work);
    kernel_model_close(work->model);
    free(work);
}

void bench_model_cpu(const struct bench_run *run)
{
    static const char *const q8_0[] = {"decode_q8_0", "prefill_q8_0", "batch_16",
                                       "threads",     "adapters_16",  "busy_neighbour"};
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
