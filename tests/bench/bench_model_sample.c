/* bench_model_sample.c -- see bench_model_sample.h.  Rows of normal numbers: with a deviation of 3
 * a few thousand tokens hold nine tenths of the probability, which is more than a trained model
 * leaves open; with 1, as random weights give them, it is half of the vocabulary. */
#include "tests/bench/bench_model_sample.h"

#include "kernels/base/fail.h"
#include "kernels/serve/sample.h"

#include <math.h>
#include <stdlib.h>
#include <time.h>

enum { VOCABULARY = 151936, DRAWS = 40 };

static void fill(float *logits, double deviation)
{
    for (uint64_t i = 0; i < VOCABULARY; i++) { /* Box and Muller 1958 */
        double length = sqrt(-2 * log(1 - kernel_uniform(1, i)));
        logits[i] = (float)(deviation * length * cos(6.283185307179586 * kernel_uniform(2, i)));
    }
}

static double now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static double us_of(const float *logits, const struct kernel_sampling *sampling)
{
    double begin = now_us();
    for (uint64_t i = 0; i < DRAWS; i++) {
        kernel_sample(logits, VOCABULARY, NULL, sampling, i);
    }
    return (now_us() - begin) / DRAWS;
}

void bench_model_sample(const struct bench_run *run)
{
    static const struct {
        const char *metric;
        double deviation;
        struct kernel_sampling sampling;
    } cases[] = {{"greedy_us", 3, {.temperature = 0}},
                 {"temperature_us", 3, {.temperature = 1, .top_p = 1}},
                 {"top_k_us", 3, {.temperature = 1, .top_k = 40}},
                 {"top_p_us", 3, {.temperature = 1, .top_p = 0.9}},
                 {"flat_top_p_us", 1, {.temperature = 1, .top_p = 0.9}}};
    if (!bench_wants(run, "sample")) {
        return;
    }
    float *logits = kernel_allocate(VOCABULARY, sizeof *logits);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fill(logits, cases[i].deviation);
        bench_report(run, "model", "sample", cases[i].metric, us_of(logits, &cases[i].sampling),
                     "us");
    }
    free(logits);
}
