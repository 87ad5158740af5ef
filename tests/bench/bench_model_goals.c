/* bench_model_goals.c -- see bench_model_goals.h. */
#include "tests/bench/bench_model_goals.h"

#include "kernels/serve/cache.h"
#include "tests/bench/bench_model_words.h"
#include "tests/support/kernel_asker.h"

#include <stdio.h>

enum { TIMES = 3, ANSWER = 160, CROWD = 64, LONG_PROMPTS = 32, ARRIVALS_MAX = 512 };

static void begin(struct kernel_engine *engine, const struct kernel_request *request,
                  struct asked *asked)
{
    if (!ask(engine, request, asked)) {
        fprintf(stderr, "model: %s\n", asked->message);
        exit(EXIT_FAILURE);
    }
}

static void open_shape(const char *shape, struct kernel_engine_options options,
                       struct kernel_model **model, struct kernel_engine **engine)
{
    struct kernel_error error;
    options.backend = KERNEL_CPU;
    model_must(kernel_model_make(shape, "Q8_0", 1, model, &error), &error);
    model_must(kernel_engine_create(*model, &options, engine, &error), &error);
}

static struct kernel_request complete(const struct kernel_message *message, uint32_t answer_max)
{
    return (struct kernel_request){.kind = KERNEL_COMPLETE,
                                   .tenant = 1,
                                   .messages = message,
                                   .message_count = 1,
                                   .answer_max = answer_max};
}

static struct kernel_message user(const char *text)
{
    return (struct kernel_message){.role = KERNEL_USER, .text = {text, strlen(text)}};
}

/* ---- constraint and speculation: milliseconds a token, one sequence ---- */

static double per_token_ms(struct kernel_engine *engine, const struct kernel_request *request,
                           char **text)
{
    struct asked *asked = calloc(1, sizeof *asked);
    begin(engine, request, asked);
    asked_wait(asked);
    if (asked->failed || asked->usage.answer_tokens < 2) {
        fprintf(stderr, "model: no answer: %s\n", asked->message);
        exit(EXIT_FAILURE);
    }
    double took = (double)(asked->end_us - asked->first_us) / 1000;
    took /= asked->usage.answer_tokens - 1;
    if (text != NULL) {
        free(*text);
        *text = asked->text;
        asked->text = NULL;
    }
    asked_free(asked);
    free(asked);
    return took;
}

static double least(double a, double b)
{
    return a < b ? a : b;
}

static void constraint(const struct bench_run *run)
{
    static const char schema[] = "{\"type\":\"object\",\"properties\":{\"reason\":{\"type\":"
                                 "\"string\",\"minLength\":100}},\"required\":[\"reason\"]}";
    struct kernel_model *model = NULL;
    struct kernel_engine *engine = NULL;
    open_shape("qwen2.5-0.5b",
               (struct kernel_engine_options){.context_max = 1024, .no_speculation = true}, &model,
               &engine);
    char *text = model_text(3, model_bytes_for(model, 40));
    struct kernel_message message = user(text);
    struct kernel_request free_text = complete(&message, ANSWER);
    struct kernel_request bound = free_text;
    free_text.sampling = bound.sampling = (struct kernel_sampling){.temperature = 1, .seed = 5};
    bound.schema = (struct kernel_text){schema, sizeof schema - 1};
    double without = 1e9;
    double with = 1e9;
    for (int i = 0; i < TIMES; i++) { /* in turn, the best of each */
        without = least(without, per_token_ms(engine, &free_text, NULL));
        with = least(with, per_token_ms(engine, &bound, NULL));
    }
    bench_report(run, "model", "constraint", "free_per_token_ms", without, "ms");
    bench_report(run, "model", "constraint", "per_token_ms", with, "ms");
    bench_report(run, "model", "constraint", "overhead", with / without - 1, "");
    free(text);
    kernel_engine_destroy(engine);
    kernel_model_close(model);
}

static void speculation(const struct bench_run *run)
{
    struct kernel_model *model = NULL;
    struct kernel_engine *engine = NULL;
    struct kernel_stats stats;
    char *said[2] = {NULL, NULL};
    double took[2] = {1e9, 1e9};
    double tokens_per_step = 0;
    struct kernel_error error;
    model_must(kernel_model_make("qwen2.5-0.5b", "Q8_0", 1, &model, &error), &error);
    char *line = model_text(9, model_bytes_for(model, 30));
    char *text = malloc(8 * strlen(line) + 1);
    text[0] = '\0';
    for (int i = 0; i < 8; i++) { /* what it may copy */
        strcat(text, line);
    }
    struct kernel_message message = user(text);
    struct kernel_request request = complete(&message, ANSWER);
    for (int without = 0; without < 2; without++) {
        struct kernel_engine_options options = {
            .backend = KERNEL_CPU, .context_max = 1024, .no_speculation = without == 1};
        model_must(kernel_engine_create(model, &options, &engine, &error), &error);
        for (int i = 0; i < TIMES; i++) {
            kernel_stats(engine, &stats);
            uint64_t before = stats.steps;
            took[without] = least(took[without], per_token_ms(engine, &request, &said[without]));
            kernel_stats(engine, &stats);
            tokens_per_step =
                without == 0 ? (double)ANSWER / (double)(stats.steps - before) : tokens_per_step;
        }
        kernel_engine_destroy(engine);
    }
    bench_report(run, "model", "speculation", "gain", took[1] / took[0], "");
    bench_report(run, "model", "speculation", "tokens_per_step", tokens_per_step, "");
    bench_report(run, "model", "speculation", "same_bytes", strcmp(said[0], said[1]) == 0, "");
    free(said[0]);
    free(said[1]);
    free(text);
    free(line);
    kernel_model_close(model);
}

/* ---- paging ---- */

static void paging(const struct bench_run *run)
{
    enum { CONTEXT = 2048 };
    struct kernel_model *model = NULL;
    struct kernel_engine *engine = NULL;
    struct kernel_stats stats = {0};
    open_shape("tiny-llama",
               (struct kernel_engine_options){
                   .context_max = CONTEXT, .running_max = CROWD, .no_prefix_cache = true},
               &model, &engine);
    struct asked *asked = calloc(CROWD, sizeof *asked);
    char *texts[CROWD];
    for (uint32_t i = 0; i < CROWD; i++) { /* 30 to 1,000 tokens and their answers */
        texts[i] = model_text(i, model_bytes_for(model, 30 + i * i % 971));
        struct kernel_message message = user(texts[i]);
        struct kernel_request request = complete(&message, 1000);
        begin(engine, &request, &asked[i]);
    }
    int begun = 0;
    bool gone[CROWD]; /* some say the end at once */
    while (begun < CROWD) {
        begun = 0;
        for (int i = 0; i < CROWD; i++) {
            pthread_mutex_lock(&asked[i].lock);
            gone[i] = asked[i].ended;
            begun += asked[i].pieces > 0 || gone[i];
            pthread_mutex_unlock(&asked[i].lock);
        }
    }
    kernel_stats(engine, &stats);
    for (int i = 0; i < CROWD; i++) {
        kernel_cancel(engine, asked[i].id);
    }
    int together = 0;
    uint64_t tokens = 0;
    for (int i = 0; i < CROWD; i++) {
        asked_wait(&asked[i]);
        together += !gone[i];
        tokens += gone[i] ? 0 : asked[i].usage.prompt_tokens + asked[i].usage.answer_tokens;
        asked_free(&asked[i]);
        free(texts[i]);
    }
    double held = (double)stats.blocks_used * KERNEL_BLOCK_TOKENS;
    bench_report(run, "model", "paging", "sequences", together, "");
    bench_report(run, "model", "paging", "waste", 1 - (double)tokens / held, "");
    free(asked);
    kernel_engine_destroy(engine);
    kernel_model_close(model);
}

/* ---- priority ---- */

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

struct arrival {
    double ms, steps;
};

static struct arrival arrive(struct kernel_engine *engine, const char *text)
{
    struct asked *asked = calloc(1, sizeof *asked);
    struct kernel_message message = user(text);
    struct kernel_request request = complete(&message, 1);
    struct kernel_stats before, after;
    request.tenant = 2;
    kernel_stats(engine, &before);
    int64_t begun_us = asked_now_us();
    begin(engine, &request, asked);
    asked_wait(asked);
    kernel_stats(engine, &after);
    struct arrival took = {.ms = (double)(asked->end_us - begun_us) / 1000,
                           .steps = (double)(after.steps - before.steps)};
    asked_free(asked);
    free(asked);
    return took;
}

static void priority(const struct bench_run *run)
{
    struct kernel_model *model = NULL;
    struct kernel_engine *engine = NULL;
    struct kernel_stats before, after;
    double waits[ARRIVALS_MAX], steps[ARRIVALS_MAX];
    int count = 0;
    open_shape("tiny-llama",
               (struct kernel_engine_options){.context_max = 2048, .no_prefix_cache = true}, &model,
               &engine);
    char *first = model_text(1, model_bytes_for(model, 100));
    struct arrival alone = {1e9, 1e9};
    for (int i = 0; i < 20; i++) {
        struct arrival one = arrive(engine, first);
        alone = one.ms < alone.ms ? one : alone;
    }
    struct asked *late = calloc(LONG_PROMPTS, sizeof *late);
    char *texts[LONG_PROMPTS];
    kernel_stats(engine, &before);
    for (uint32_t i = 0; i < LONG_PROMPTS; i++) {
        texts[i] = model_text(100 + i, model_bytes_for(model, 1500));
        struct kernel_message message = user(texts[i]);
        struct kernel_request request = complete(&message, 100);
        request.tier = 3;
        begin(engine, &request, &late[i]);
    }
    do {
        struct arrival one = arrive(engine, first);
        waits[count] = one.ms;
        steps[count++] = one.steps;
        kernel_stats(engine, &after);
    } while (after.running + after.waiting > 0 && count < ARRIVALS_MAX);
    int left = 0;
    for (int i = 0; i < LONG_PROMPTS; i++) {
        asked_wait(&late[i]);
        left += late[i].failed;
        asked_free(&late[i]);
        free(texts[i]);
    }
    kernel_stats(engine, &after);
    qsort(waits, (size_t)count, sizeof *waits, by_size);
    qsort(steps, (size_t)count, sizeof *steps, by_size);
    uint64_t tokens =
        after.prompt_tokens + after.answer_tokens - before.prompt_tokens - before.answer_tokens;
    uint64_t again = after.recomputed_tokens - before.recomputed_tokens;
    bench_report(run, "model", "priority", "alone_ms", alone.ms, "ms");
    bench_report(run, "model", "priority", "ttft_p99_ms", waits[(count - 1) * 99 / 100], "ms");
    bench_report(run, "model", "priority", "steps_p99", steps[(count - 1) * 99 / 100] - alone.steps,
                 "steps beyond its own");
    bench_report(run, "model", "priority", "arrivals", count, "");
    bench_report(run, "model", "priority", "recomputed", (double)again / (double)tokens, "");
    bench_report(run, "model", "priority", "left", left, "");
    free(late);
    free(first);
    kernel_engine_destroy(engine);
    kernel_model_close(model);
}

void bench_model_goals(const struct bench_run *run)
{
    static const struct {
        const char *name;
        void (*measure)(const struct bench_run *run);
    } cases[] = {{"constraint", constraint},
                 {"speculation", speculation},
                 {"paging", paging},
                 {"priority", priority}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (bench_wants(run, cases[i].name)) {
            cases[i].measure(run);
        }
    }
}
