/* kernel_truth.c -- see kernel_truth.h. */
#include "tests/support/kernel_truth.h"

#include "runtime/base/json.h"
#include "tests/support/kernel_world.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Of ../shared/data/llm/SOURCES.md; gap: a greedy step is compared when the reference is this far
 * from its runner-up. */
struct band {
    double nmse, gap, cosine;
};
static const struct band bands[] = {
    [KERNEL_PRECISION_F32] = {1e-9, 1e-4, 0.99999},
    [KERNEL_PRECISION_BF16] = {1e-4, 0.05, 0.9995},
    [KERNEL_PRECISION_INT8] = {2e-3, 0.5, 0.999},
};

enum { GREEDY = 24, CASE_MAX = 512 };

struct check {
    const char *name;
    const struct band *band;
    struct kernel_world world;
    int complaints;
    double worst_nmse, worst_cosine;
    int compared; /* greedy steps */
};

bool kernel_truth_there(void)
{
    if (access(KERNEL_TRUTH_FOLDER "/truth", R_OK) != 0) {
        fprintf(stderr, "skipped: %s/truth is not there\n", KERNEL_TRUTH_FOLDER);
        return false;
    }
    return true;
}

static void add_error(const float *logits, const json_t *token, const json_t *value, double *error,
                      double *power)
{
    double truth = json_number_value(value);
    double difference = (double)logits[json_integer_value(token)] - truth;
    *error += difference * difference;
    *power += truth * truth;
}

static void check_position(struct check *check, const json_t *truth, const float *logits,
                           const char *where, long at)
{
    const json_t *top = json_object_get(truth, "top");
    const json_t *probe = json_object_get(truth, "probe");
    uint32_t vocabulary = check->world.shape->vocabulary;
    double error = 0;
    double power = 0;
    double sum = 0;
    double square = 0;
    uint32_t best = 0;
    for (size_t i = 0; i < json_array_size(top); i++) {
        const json_t *pair = json_array_get(top, i);
        add_error(logits, json_array_get(pair, 0), json_array_get(pair, 1), &error, &power);
    }
    json_t *token = json_integer(0);
    for (size_t i = 0; i < json_array_size(probe); i++) { /* evenly spaced, the last included */
        json_integer_set(token, (json_int_t)(i * vocabulary / json_array_size(probe)));
        add_error(logits, token, json_array_get(probe, i), &error, &power);
    }
    json_decref(token);
    for (uint32_t i = 0; i < vocabulary; i++) {
        best = logits[i] > logits[best] ? i : best;
        sum += (double)logits[i];
        square += (double)logits[i] * logits[i];
    }
    double nmse = error / power;
    double l2 = json_number_value(json_object_get(truth, "l2"));
    check->worst_nmse = fmax(check->worst_nmse, nmse);
    double allowed = 4 * sqrt(check->band->nmse) * l2;
    double apart = json_number_value(json_array_get(json_array_get(top, 0), 1)) -
                   json_number_value(json_array_get(json_array_get(top, 1), 1));
    json_int_t truly = json_integer_value(json_array_get(json_array_get(top, 0), 0));
    if (!(nmse <= check->band->nmse) || fabs(sqrt(square) - l2) > allowed ||
        fabs(sum - json_number_value(json_object_get(truth, "sum"))) >
            allowed * sqrt((double)vocabulary)) {
        printf("%s, %s %ld: NMSE %.3g, sum %.6f, l2 %.6f\n", check->name, where, at, nmse, sum,
               sqrt(square));
        check->complaints++;
    }
    if (apart >= check->band->gap && truly != (json_int_t)best) {
        printf("%s, %s %ld: argmax %u, not %lld\n", check->name, where, at, best, (long long)truly);
        check->complaints++;
    }
}

static void check_embedding(struct check *check, const json_t *truth,
                            const struct kernel_line *line, uint32_t rows)
{
    const json_t *first = json_object_get(truth, "first16");
    uint32_t width = check->world.shape->width;
    double *sum = calloc(width, sizeof *sum);
    float *vector = calloc(width, sizeof *vector);
    double dot = 0;
    double ours = 0;
    double theirs = 0;
    kernel_pool_add(sum, line->hidden, rows, width);
    kernel_pool_finish(sum, width, vector);
    for (size_t i = 0; i < json_array_size(first); i++) {
        double value = json_number_value(json_array_get(first, i));
        dot += value * (double)vector[i];
        ours += (double)vector[i] * vector[i];
        theirs += value * value;
    }
    double cosine = dot / sqrt(ours * theirs);
    check->worst_cosine = fmin(check->worst_cosine, cosine);
    if (!(cosine >= check->band->cosine)) {
        printf("%s: embedding cosine %.7f\n", check->name, cosine);
        check->complaints++;
    }
    free(sum);
    free(vector);
}

/* The continuation is fed as the reference chose it, and compared where it was sure. */
static void check_greedy(struct check *check, const json_t *greedy, const struct kernel_line *line,
                         uint32_t prompt)
{
    uint32_t vocabulary = check->world.shape->vocabulary;
    for (size_t i = 0; i < json_array_size(greedy); i++) {
        const json_t *step = json_array_get(greedy, i);
        const float *logits = line->logits + (prompt - 1 + i) * vocabulary;
        json_int_t truly = json_integer_value(json_array_get(step, 0));
        uint32_t best = 0;
        for (uint32_t t = 0; t < vocabulary; t++) {
            best = logits[t] > logits[best] ? t : best;
        }
        if (json_number_value(json_array_get(step, 1)) < check->band->gap) {
            continue;
        }
        check->compared++;
        if ((json_int_t)best != truly) {
            printf("%s: greedy step %zu is %u, not %lld\n", check->name, i, best, (long long)truly);
            check->complaints++;
        }
    }
}

static void check_case(struct check *check, const json_t *truth, int32_t adapter)
{
    const json_t *ids = json_object_get(truth, "ids");
    const json_t *first = json_object_get(truth, "first8");
    const json_t *greedy = json_object_get(truth, "greedy24");
    int32_t tokens[CASE_MAX];
    uint32_t count = 0;
    struct kernel_line line;
    for (size_t i = 0; i < json_array_size(ids); i++) {
        tokens[count++] = (int32_t)json_integer_value(json_array_get(ids, i));
    }
    uint32_t prompt = count;
    for (size_t i = 0; i + 1 < json_array_size(greedy); i++) {
        tokens[count++] = (int32_t)json_integer_value(json_array_get(json_array_get(greedy, i), 0));
    }
    kernel_line_open(&check->world, &line, tokens, count, adapter);
    struct kernel_line *lines[] = {&line};
    kernel_world_step(&check->world, lines, &prompt, 1, true);
    kernel_world_all(&check->world, &line, 1);
    for (size_t i = 0; i < json_array_size(first); i++) {
        check_position(check, json_array_get(first, i),
                       line.logits + i * check->world.shape->vocabulary, "position", (long)i);
    }
    check_position(check, json_object_get(truth, "last"),
                   line.logits + (size_t)(prompt - 1) * check->world.shape->vocabulary, "last",
                   (long)prompt - 1);
    check_greedy(check, greedy, &line, prompt);
    check_embedding(check, json_object_get(truth, "embed_mean_l2"), &line, prompt);
    kernel_line_close(&check->world, &line);
}

int kernel_truth_check(const char *name, const struct kernel_operations *operations,
                       const struct kernel_engine_options *engine, enum kernel_precision precision)
{
    struct check check = {.name = name, .band = &bands[precision], .worst_cosine = 1};
    char path[512];
    int32_t adapter = -1;
    snprintf(path, sizeof path, KERNEL_TRUTH_FOLDER "/truth/%s.json", name);
    json_t *truth = json_load_file(path, 0, NULL);
    if (truth == NULL) {
        printf("%s: cannot be read\n", path);
        return 1;
    }
    snprintf(path, sizeof path, KERNEL_TRUTH_FOLDER "/models/%s",
             json_string_value(json_object_get(truth, "model")));
    kernel_world_open(&check.world, kernel_world_model(path), operations, engine);
    const char *lora = json_string_value(json_object_get(truth, "lora"));
    if (lora != NULL) {
        struct kernel_error error = {.message = ""};
        snprintf(path, sizeof path, KERNEL_TRUTH_FOLDER "/models/%s", lora);
        if (kernel_runner_adapter(check.world.runner, path, &adapter, &error) != KERNEL_OK) {
            printf("%s: %s\n", lora, error.message);
            check.complaints++;
        }
    }
    const json_t *cases = json_object_get(truth, "cases");
    for (size_t i = 0; i < json_array_size(cases); i++) {
        check_case(&check, json_array_get(cases, i), adapter);
    }
    printf("%-24s %s: worst NMSE %.2g, embedding cosine 1 - %.1g, %d greedy steps compared\n", name,
           operations->name, check.worst_nmse, 1 - check.worst_cosine, check.compared);
    kernel_world_close(&check.world);
    json_decref(truth);
    return check.complaints;
}
