/* bench_model_gpu.c -- see bench_model_gpu.h. */
#include "tests/bench/bench_model_gpu.h"

#include "kernels/base/fail.h"
#include "kernels/cuda/plugin.h"
#include "kernels/model/forward.h"
#include "kernels/model/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
    PROMPT = 2048,
    COMPANY = 256,
    KEPT = 1024, /* tokens a decoding sequence looks back at */
    TABLE = (PROMPT + KERNEL_BLOCK_TOKENS) / KERNEL_BLOCK_TOKENS,
    STEPS = 40
};
#define LARGE "llama-3.1-8b"
#define SMALL "qwen2.5-0.5b"

struct gpu {
    const struct bench_run *run;
    struct cuda_speed speed;
    const struct kernel_operations *operations;
    struct kernel_model *model;
    struct kernel_runner *runner;
    const struct kernel_shape *shape;
    float *logits;
    int32_t token[PROMPT], position[PROMPT], output[COMPANY];
    int32_t start[COMPANY + 1], length[COMPANY], adapter[COMPANY];
    int32_t block[COMPANY * TABLE];
};

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static bool went_well(enum kernel_status status, const struct kernel_error *error)
{
    if (status != KERNEL_OK) {
        fprintf(stderr, "model --gpu: %s\n", error->message);
    }
    return status == KERNEL_OK;
}

static bool model_open(struct gpu *gpu, const char *shape, const char *type)
{
    struct kernel_error error;
    double start = now_s();
    if (!went_well(kernel_model_make(shape, type, 1, &gpu->model, &error), &error)) {
        return false;
    }
    fprintf(stderr, "model --gpu: %s %s made in %.0f s\n", shape, type, now_s() - start);
    return true;
}

/* Room for COMPANY sequences of KEPT tokens and some more. */
static bool runner_open(struct gpu *gpu, bool same_bytes)
{
    struct kernel_error error;
    const struct kernel_shape *shape = &gpu->model->shape;
    uint64_t token = (uint64_t)shape->layers * shape->kv_heads * shape->head_width * 4;
    const struct kernel_engine_options engine = {.same_bytes = same_bytes};
    const struct kernel_runner_options options = {.operations = gpu->operations,
                                                  .engine = &engine,
                                                  .cache_bytes = token * COMPANY * (KEPT + 128),
                                                  .step_tokens = PROMPT,
                                                  .outputs_max = COMPANY};
    double start = now_s();
    if (!went_well(kernel_runner_create(gpu->model, &options, &gpu->runner, &error), &error)) {
        return false;
    }
    fprintf(stderr, "model --gpu: loaded in %.1f s\n", now_s() - start);
    gpu->shape = kernel_runner_shape(gpu->runner);
    gpu->logits = kernel_allocate((size_t)COMPANY * gpu->shape->vocabulary, sizeof(float));
    return true;
}

static void runner_close(struct gpu *gpu)
{
    kernel_runner_destroy(gpu->runner);
    free(gpu->logits);
    gpu->runner = NULL;
    gpu->logits = NULL;
}

/* `count` sequences get `more` tokens each behind `before`; seconds, 0 when it fails. */
static double step(struct gpu *gpu, uint32_t count, uint32_t before, uint32_t more)
{
    struct kernel_error error;
    struct kernel_batch batch = {.tokens = count * more,
                                 .sequences = count,
                                 .token = gpu->token,
                                 .position = gpu->position,
                                 .start = gpu->start,
                                 .length = gpu->length,
                                 .block = gpu->block,
                                 .blocks_max = TABLE,
                                 .adapter = gpu->adapter,
                                 .outputs = count,
                                 .output = gpu->output};
    uint32_t blocks = (before + more + KERNEL_BLOCK_TOKENS - 1) / KERNEL_BLOCK_TOKENS;
    uint32_t stride = kernel_runner_blocks(gpu->runner) / count;
    KERNEL_ASSERT(blocks <= stride && blocks <= TABLE);
    for (uint32_t s = 0; s < count; s++) {
        gpu->start[s + 1] = (int32_t)((s + 1) * more);
        gpu->length[s] = (int32_t)(before + more);
        gpu->adapter[s] = -1;
        gpu->output[s] = gpu->start[s + 1] - 1;
        for (uint32_t i = 0; i < more; i++) {
            gpu->position[s * more + i] = (int32_t)(before + i);
            gpu->token[s * more + i] =
                (int32_t)(((uint64_t)(before + i) * 7919 + s * 104729U) % gpu->shape->vocabulary);
        }
        for (uint32_t b = 0; b < TABLE; b++) {
            gpu->block[s * TABLE + b] = b < blocks ? (int32_t)(s * stride + b) : -1;
        }
    }
    double start = now_s();
    enum kernel_status status = kernel_runner_step(gpu->runner, &batch, gpu->logits, NULL, &error);
    double took = now_s() - start;
    return went_well(status, &error) ? took : 0;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Median seconds of a step; 0: it failed. */
static double median(struct gpu *gpu, uint32_t count, uint32_t before, uint32_t more, int steps)
{
    double took[STEPS];
    for (int i = -3; i < steps; i++) {
        double one = step(gpu, count, before, more);
        if (one <= 0) {
            return 0;
        }
        took[i < 0 ? 0 : i] = one;
    }
    qsort(took, (size_t)steps, sizeof took[0], by_size);
    return took[steps / 2];
}

/* Bytes of weights that a token reads; weights of the layers that it multiplies with. */
static double weights(const struct gpu *gpu, double *multiplied)
{
    const struct kernel_model *model = gpu->model;
    double bytes = (double)model->output->bytes;
    *multiplied = 0;
    for (uint32_t l = 0; l < model->shape.layers; l++) {
        for (enum kernel_part part = 0; part < KERNEL_PARTS; part++) {
            const struct kernel_tensor *tensor = model->layers[l].part[part];
            bytes += (double)tensor->bytes;
            *multiplied += (double)tensor->rows * tensor->columns;
        }
    }
    return bytes;
}

static double report_decode(struct gpu *gpu, const char *name)
{
    double multiplied = 0;
    double took = median(gpu, 1, KEPT, 1, STEPS);
    double bytes = weights(gpu, &multiplied);
    if (took > 0) {
        bench_report(gpu->run, "model", name, "tokens_per_s", 1 / took, "tokens/s");
        bench_report(gpu->run, "model", name, "gb_per_s", bytes / took * 1e-9, "GB/s");
        bench_report(gpu->run, "model", name, "fraction_of_bandwidth",
                     bytes / took / gpu->speed.copy_bytes_per_s, "");
    }
    return took;
}

static void report_batch(struct gpu *gpu, uint32_t count, double one, const char *name)
{
    double took = median(gpu, count, KEPT, 1, STEPS / 2);
    if (took > 0 && one > 0) {
        bench_report(gpu->run, "model", name, "tokens_per_s", count / took, "tokens/s");
        bench_report(gpu->run, "model", name, "gain", count * one / took, "");
    }
}

static double report_prefill(struct gpu *gpu)
{
    double multiplied = 0;
    double took = median(gpu, 1, 0, PROMPT, STEPS / 4);
    weights(gpu, &multiplied);
    double rate = 2 * multiplied * PROMPT / took;
    if (took > 0) {
        bench_report(gpu->run, "model", "gpu_prefill_bf16", "tokens_per_s", PROMPT / took,
                     "tokens/s");
        bench_report(gpu->run, "model", "gpu_prefill_bf16", "tflops", rate * 1e-12, "TFLOP/s");
        if (gpu->speed.product_flops > 0) {
            bench_report(gpu->run, "model", "gpu_prefill_bf16", "fraction_of_product",
                         rate / gpu->speed.product_flops, "");
        }
    }
    return took;
}

static void run_bf16(struct gpu *gpu)
{
    if (!model_open(gpu, LARGE, "BF16") || !runner_open(gpu, false)) {
        return;
    }
    double one = report_decode(gpu, "gpu_decode_bf16");
    double prefill = report_prefill(gpu);
    report_batch(gpu, 64, one, "gpu_batch_64");
    double many = median(gpu, 64, KEPT, 1, STEPS / 2);
    report_batch(gpu, COMPANY, one, "gpu_batch_256");
    runner_close(gpu);
    if (runner_open(gpu, true)) {
        double same_prefill = median(gpu, 1, 0, PROMPT, STEPS / 8);
        double same_many = median(gpu, 64, KEPT, 1, STEPS / 2);
        bench_report(gpu->run, "model", "gpu_same_bytes", "prefill_cost", same_prefill / prefill,
                     "");
        bench_report(gpu->run, "model", "gpu_same_bytes", "batch_64_cost", same_many / many, "");
        runner_close(gpu);
    }
    kernel_model_close(gpu->model);
}

static void run_decode(struct gpu *gpu, const char *shape, const char *type, const char *name)
{
    if (bench_wants(gpu->run, name) && model_open(gpu, shape, type)) {
        if (runner_open(gpu, false)) {
            report_decode(gpu, name);
            runner_close(gpu);
        }
        kernel_model_close(gpu->model);
    }
}

void bench_model_gpu(const struct bench_run *run)
{
    struct kernel_error error;
    struct gpu *gpu = kernel_allocate(1, sizeof *gpu);
    gpu->run = run;
    if (!went_well(kernel_operations_cuda(NULL, &gpu->operations, &error), &error) ||
        !went_well(kernel_cuda_speed(NULL, &gpu->speed, &error), &error)) {
        free(gpu);
        return;
    }
    bench_report(run, "model", "gpu_bandwidth", "gb_per_s", gpu->speed.copy_bytes_per_s * 1e-9,
                 "GB/s");
    bench_report(run, "model", "gpu_bandwidth", "tflops", gpu->speed.product_flops * 1e-12,
                 "TFLOP/s");
    run_decode(gpu, SMALL, "Q8_0", "gpu_decode_small");
    run_decode(gpu, LARGE, "Q8_0", "gpu_decode_q8_0");
    run_decode(gpu, LARGE, "Q4_K_M", "gpu_decode_q4_k");
    if (bench_wants(run, "gpu_decode_bf16")) {
        run_bf16(gpu);
    }
    free(gpu);
}
