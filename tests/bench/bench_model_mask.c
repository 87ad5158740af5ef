/* bench_model_mask.c -- see bench_model_mask.h.  Every valid instance is written with greedy tokens
 * (the longest that fits), and the mask is asked for before each of them. */
#include "tests/bench/bench_model_mask.h"

#include "tests/support/order.h"
#include "tests/support/words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct samples {
    double *at;
    size_t count, room;
};

static void sample(struct samples *samples, double value)
{
    if (samples->count == samples->room) {
        samples->room = samples->room == 0 ? 4096 : samples->room * 2;
        samples->at = realloc(samples->at, samples->room * sizeof *samples->at);
    }
    samples->at[samples->count++] = value;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double part(const struct samples *samples, double of)
{
    return samples->count == 0 ? 0 : samples->at[(size_t)((double)(samples->count - 1) * of)];
}

static double now_us(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

/* The longest token that the text begins with. */
static int32_t longest(const struct kernel_trie *trie, const char *text)
{
    int32_t token = -1;
    uint32_t node = 0;
    for (; *text != '\0'; text++) {
        uint32_t child = node + 1;
        while (child < trie->all.nodes[node].skip &&
               trie->all.nodes[child].byte != (uint8_t)*text) {
            child = trie->all.nodes[child].skip;
        }
        if (child >= trie->all.nodes[node].skip) {
            break;
        }
        node = child;
        token = trie->all.nodes[node].token >= 0 ? trie->all.nodes[node].token : token;
    }
    return token;
}

static void write_instance(const struct kernel_grammar *grammar, const struct kernel_trie *trie,
                           const char *text, uint64_t *mask, struct samples *masks)
{
    struct kernel_constraint *state = kernel_constraint_start(grammar);
    bool good = true;
    while (good && *text != '\0') {
        double begin = now_us();
        kernel_constraint_mask(state, mask);
        sample(masks, now_us() - begin);
        int32_t token = longest(trie, text);
        good = token >= 0 && (mask[token / 64] >> (token % 64) & 1) != 0 &&
               kernel_constraint_advance(state, token);
        text += good ? trie->bytes[token].length : 0;
    }
    kernel_constraint_destroy(state);
}

static void one_schema(const struct kernel_trie *trie, json_t *line, uint64_t *mask,
                       struct samples *masks, struct samples *compiles)
{
    json_t *schema = json_object_get(line, "schema");
    char *text = json_dumps(schema, JSON_COMPACT | JSON_ENCODE_ANY);
    struct kernel_grammar *grammar = NULL;
    double begin = now_us();
    enum kernel_status status =
        kernel_grammar_compile(trie, (struct kernel_text){text, strlen(text)}, &grammar, NULL);
    sample(compiles, (now_us() - begin) / 1e3);
    json_t *tests = json_object_get(line, "tests");
    for (size_t i = 0; status == KERNEL_OK && i < json_array_size(tests); i++) {
        json_t *test = json_array_get(tests, i);
        if (json_is_true(json_object_get(test, "valid"))) {
            char *instance = order_write(json_object_get(test, "data"), schema);
            write_instance(grammar, trie, instance, mask, masks);
            free(instance);
        }
    }
    kernel_grammar_destroy(grammar);
    free(text);
}

bool bench_model_mask(const struct bench_run *run, const char *vocabulary, const char *schemas)
{
    struct words words;
    FILE *file = fopen(schemas, "r");
    if (file == NULL || !words_read(&words, vocabulary)) {
        if (file != NULL) {
            fclose(file);
        }
        return false;
    }
    struct kernel_trie *trie = words_trie(&words);
    uint64_t *mask = calloc(kernel_trie_words(trie), sizeof *mask);
    struct samples masks = {0};
    struct samples compiles = {0};
    char *line = NULL;
    size_t room = 0;
    while (getline(&line, &room, file) > 0) {
        json_t *one = json_loads(line, 0, NULL);
        if (one != NULL) {
            one_schema(trie, one, mask, &masks, &compiles);
            json_decref(one);
        }
    }
    double sum = 0;
    for (size_t i = 0; i < masks.count; i++) {
        sum += masks.at[i];
    }
    qsort(masks.at, masks.count, sizeof *masks.at, by_value);
    qsort(compiles.at, compiles.count, sizeof *compiles.at, by_value);
    if (bench_wants(run, "mask")) {
        bench_report(run, "model", "mask", "mean_us", sum / (double)(masks.count + !masks.count),
                     "us");
        bench_report(run, "model", "mask", "p50_us", part(&masks, 0.5), "us");
        bench_report(run, "model", "mask", "p99_us", part(&masks, 0.99), "us");
        bench_report(run, "model", "mask", "p999_us", part(&masks, 0.999), "us");
    }
    if (bench_wants(run, "compile")) {
        bench_report(run, "model", "compile", "p50_ms", part(&compiles, 0.5), "ms");
        bench_report(run, "model", "compile", "p99_ms", part(&compiles, 0.99), "ms");
    }
    fclose(file);
    free(line);
    free(mask);
    free(masks.at);
    free(compiles.at);
    kernel_trie_destroy(trie);
    words_free(&words);
    return true;
}
