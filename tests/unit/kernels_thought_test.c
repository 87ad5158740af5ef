/* kernels_thought_test.c -- the probability of an option counts that of the thought before it,
 * where the file says that thoughts are canonical (kernel.h, "How probable an option is").
 *
 * The same weights in several files: without the keys, with them, with wrong ones.  The model is
 * tiny and knows nothing; what is compared is what is told of it.
 */
#include "kernels/kernel.h"
#include "tests/support/kernel_asker.h"
#include "tests/support/kernel_file.h"
#include "tests/support/test.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

#ifndef TEST_BACKEND
#    define TEST_BACKEND KERNEL_REF
#endif
#ifndef TEST_PLUGIN
#    define TEST_PLUGIN NULL
#endif
#ifndef TEST_QUESTIONS
#    define TEST_QUESTIONS 4 /* of those below, where all are asked at once */
#endif

enum { OPTIONS = 3, ANSWER = 60, THOUGHT = 7, LONGER = 15, TEXTS = 4, QUESTIONS = TEST_QUESTIONS };
static const char canonical_key[] = "reeve.thought.canonical";
static const char temperature_key[] = "reeve.probability.temperature";
static const double SUM_ERROR = 1e-6; /* log-probabilities come out as floats */

static const char *const questions[TEXTS] = {"Is it 3.20 above?", "Which one?", "a", "Paid twice."};

/* A file of its own in a folder of its own; both are gone when it is open. */
static enum kernel_status open_file(struct kernel_file *file, struct kernel_model **out,
                                    struct kernel_error *error)
{
    char folder[] = "/tmp/reeve-thought-XXXXXX";
    char path[64];
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/model.gguf", folder);
    kernel_file_write(file, path);
    enum kernel_status status = kernel_model_open(path, out, error);
    remove(path);
    rmdir(folder);
    free(file->at);
    return status;
}

/* `temperature` 0: no key. */
static struct kernel_model *model_with(bool key, bool canonical, float temperature)
{
    struct kernel_file file;
    struct kernel_model *model = NULL;
    struct kernel_error error;
    kernel_file_make(&file, "tiny-llama", "Q8_0");
    if (key) {
        kernel_file_add_bool(&file, canonical_key, canonical);
    }
    if (temperature > 0) {
        kernel_file_add_f32(&file, temperature_key, temperature);
    }
    ck_assert_msg(open_file(&file, &model, &error) == KERNEL_OK, "%s", error.message);
    return model;
}

static struct kernel_engine *start(struct kernel_model *model, struct kernel_engine_options options)
{
    struct kernel_engine *engine = NULL;
    struct kernel_error error;
    options.backend = TEST_BACKEND;
    options.threads = options.threads != 0 ? options.threads : 1;
    options.cache_bytes = options.cache_bytes != 0 ? options.cache_bytes : 4 << 20;
    options.same_bytes = true;
    options.cuda_path = TEST_PLUGIN;
    ck_assert_msg(kernel_engine_create(model, &options, &engine, &error) == KERNEL_OK, "%s",
                  error.message);
    return engine;
}

struct question {
    int text;
    uint32_t thinking_max, logprobs, tier;
    double temperature;
};

static void put(struct kernel_engine *engine, struct question question, struct asked *asked)
{
    static const struct kernel_text options[OPTIONS] = {
        {"invoice.hold", 12}, {"invoice.release", 15}, {"ask a person", 12}};
    const char *text = questions[question.text];
    struct kernel_message message = {.role = KERNEL_USER, .text = {text, strlen(text)}};
    struct kernel_request request = {.kind = KERNEL_CHAT,
                                     .tenant = 1,
                                     .tier = question.tier,
                                     .messages = &message,
                                     .message_count = 1,
                                     .options = options,
                                     .option_count = OPTIONS,
                                     .answer_max = ANSWER,
                                     .thinking_max = question.thinking_max,
                                     .logprobs = question.logprobs,
                                     .sampling = {.temperature = question.temperature, .seed = 5}};
    ck_assert_msg(ask(engine, &request, asked), "%s", asked->message);
}

static void ask_one(struct kernel_model *model, struct question question, struct asked *asked)
{
    struct kernel_engine *engine = start(
        model, (struct kernel_engine_options){.no_prefix_cache = true, .no_speculation = true});
    put(engine, question, asked);
    asked_wait(asked);
    ck_assert_msg(!asked->failed, "%s", asked->message);
    kernel_engine_destroy(engine);
}

static void assert_same_answer(const struct asked *left, const struct asked *right)
{
    ck_assert_int_eq(left->choice, right->choice);
    ck_assert_str_eq(left->text, right->text);
    ck_assert_str_eq(left->thoughts != NULL ? left->thoughts : "",
                     right->thoughts != NULL ? right->thoughts : "");
}

/* ---- what is told ---- */

/* P out of what the engine said of each token of the thought; -1 where it did not say it of all:
 * tokens that are no whole character are told of with the next one. */
static double thought_of(const struct asked *asked, uint32_t pieces)
{
    double sum = 0;
    if (asked->usage.thinking_tokens != THOUGHT || pieces != THOUGHT - 1) {
        return -1;
    }
    for (uint32_t i = 0; i < pieces; i++) { /* each with one alternative */
        sum += (double)asked->logprobs[2 * (size_t)i].logprob;
    }
    return exp(sum);
}

/* Whole pieces of a thought of letters: as many as there are tokens before the forced mark. */
static uint32_t thought_pieces(const struct asked *asked)
{
    for (const char *c = asked->thoughts; c != NULL && *c != '\0'; c++) {
        if ((unsigned char)*c >= 0x80) {
            return 0;
        }
    }
    return THOUGHT - 1;
}

TEST(an_option_is_as_probable_as_its_thought_allows)
{
    struct kernel_model *plain = model_with(false, false, 0);
    struct kernel_model *canonical = model_with(true, true, 0);
    int compared = 0;
    for (int i = 0; i < TEXTS; i++) {
        struct asked before = {0};
        struct asked after = {0};
        struct question question = {
            .text = i, .thinking_max = THOUGHT, .logprobs = 1, .temperature = i % 2 * 0.9};
        ask_one(plain, question, &before);
        ask_one(canonical, question, &after);
        assert_same_answer(&before, &after);
        double thought = thought_of(&before, thought_pieces(&before));
        double sum = 0;
        for (int o = 0; o < OPTIONS; o++) {
            sum += after.probability[o];
            double told = thought * before.probability[o] + (1 - thought) / OPTIONS;
            ck_assert_msg(thought < 0 || fabs(after.probability[o] - told) < SUM_ERROR,
                          "question %d, option %d: %.9f, not %.9f", i, o, after.probability[o],
                          told);
        }
        ck_assert(fabs(sum - 1) < 1e-9);
        compared += thought > 0;
        asked_free(&before);
        asked_free(&after);
    }
    ck_assert_int_gt(compared, 0);
    kernel_model_close(plain);
    kernel_model_close(canonical);
}

TEST(nothing_changes_without_a_thought_or_without_the_key)
{
    struct kernel_model *plain = model_with(false, false, 0);
    struct kernel_model *denied = model_with(true, false, 1);
    struct kernel_model *canonical = model_with(true, true, 1);
    const struct question thinks = {.thinking_max = THOUGHT};
    const struct question does_not = {.thinking_max = KERNEL_NO_THINKING};
    struct asked asked[6] = {0};
    ask_one(plain, thinks, &asked[0]);
    ask_one(denied, thinks, &asked[1]);
    ask_one(canonical, thinks, &asked[2]);
    ask_one(plain, does_not, &asked[3]);
    ask_one(denied, does_not, &asked[4]);
    ask_one(canonical, does_not, &asked[5]);
    size_t bytes = OPTIONS * sizeof(double);
    ck_assert_mem_eq(asked[0].probability, asked[1].probability, bytes);
    ck_assert_mem_ne(asked[0].probability, asked[2].probability, bytes);
    ck_assert_mem_eq(asked[3].probability, asked[4].probability, bytes);
    ck_assert_mem_eq(asked[3].probability, asked[5].probability, bytes);
    for (int i = 0; i < 6; i++) {
        asked_free(&asked[i]);
    }
    kernel_model_close(plain);
    kernel_model_close(denied);
    kernel_model_close(canonical);
}

TEST(a_temperature_changes_what_is_told_and_not_what_is_chosen)
{
    static const float temperatures[] = {0.25F, 0.8F, 3};
    struct kernel_model *plain = model_with(false, false, 0);
    const struct question thinks = {.thinking_max = THOUGHT};
    const struct question does_not = {.thinking_max = KERNEL_NO_THINKING};
    struct asked base[2] = {0};
    double told[3] = {0};
    ask_one(plain, does_not, &base[0]);
    ask_one(plain, thinks, &base[1]);
    for (int i = 0; i < 3; i++) {
        struct kernel_model *model = model_with(true, true, temperatures[i]);
        struct asked asked[2] = {0};
        double power[OPTIONS];
        double sum = 0;
        ask_one(model, does_not, &asked[0]);
        ask_one(model, thinks, &asked[1]);
        for (int o = 0; o < OPTIONS; o++) {
            power[o] = pow(base[0].probability[o], 1 / (double)temperatures[i]);
            sum += power[o];
        }
        for (int o = 0; o < OPTIONS; o++) {
            ck_assert(fabs(asked[0].probability[o] - power[o] / sum) < 1e-9);
            ck_assert(asked[1].probability[o] <= asked[1].probability[asked[1].choice]);
        }
        assert_same_answer(&asked[0], &base[0]);
        assert_same_answer(&asked[1], &base[1]);
        told[i] = asked[1].probability[asked[1].choice];
        asked_free(&asked[0]);
        asked_free(&asked[1]);
        kernel_model_close(model);
    }
    ck_assert(told[0] > told[1] && told[1] > told[2]);
    asked_free(&base[0]);
    asked_free(&base[1]);
    kernel_model_close(plain);
}

/* ---- the same bits ---- */

/* `blocks`: of the cache; 0: enough for all. */
static void same_with(struct kernel_engine_options options, uint32_t blocks)
{
    enum { CROWD = QUESTIONS + 2 };
    struct kernel_model *model = model_with(true, true, 0.7F);
    struct asked alone[QUESTIONS] = {0};
    struct asked crowd[CROWD] = {0};
    for (int i = 0; i < QUESTIONS; i++) {
        ask_one(model, (struct question){.text = i, .thinking_max = LONGER}, &alone[i]);
    }
    struct kernel_stats stats;
    struct kernel_engine *engine = start(model, (struct kernel_engine_options){0});
    kernel_stats(engine, &stats);
    kernel_engine_destroy(engine);
    options.cache_bytes = blocks * ((4 << 20) / stats.blocks);
    engine = start(model, options);
    for (int i = 0; i < CROWD; i++) {
        struct question question = {
            .text = i % QUESTIONS, .thinking_max = LONGER, .tier = (uint32_t)(CROWD - i)};
        put(engine, question, &crowd[i]);
    }
    for (int i = 0; i < CROWD; i++) {
        const struct asked *one = &alone[i % QUESTIONS];
        asked_wait(&crowd[i]);
        ck_assert_msg(!crowd[i].failed, "%s", crowd[i].message);
        assert_same_answer(one, &crowd[i]);
        ck_assert_mem_eq(one->probability, crowd[i].probability, OPTIONS * sizeof(double));
        asked_free(&crowd[i]);
    }
    kernel_stats(engine, &stats);
    ck_assert(blocks == 0 || stats.preemptions > 0);
    kernel_engine_destroy(engine);
    for (int i = 0; i < QUESTIONS; i++) {
        asked_free(&alone[i]);
    }
    kernel_model_close(model);
}

TEST(probabilities_are_the_same_bits_in_a_crowd)
{
    same_with((struct kernel_engine_options){0}, 0);
}
TEST(probabilities_are_the_same_bits_in_small_steps_on_two_threads)
{
    same_with((struct kernel_engine_options){.running_max = 3, .step_tokens = 5, .threads = 2}, 0);
}
TEST(probabilities_are_the_same_bits_after_preemption)
{
    same_with((struct kernel_engine_options){.running_max = 12}, 11);
}

/* The blocks that options are scored in are wanted at the end of a step: where everybody stands
 * there and none are left, the best takes those of the worst. */
TEST(who_decides_takes_the_blocks_of_who_is_worse)
{
    for (uint32_t blocks = 8; blocks < 16; blocks += 3) {
        same_with((struct kernel_engine_options){.running_max = 12}, blocks);
    }
}

/* ---- files that say it wrongly ---- */

static void refused(struct kernel_file *file, const char *key)
{
    struct kernel_model *model = NULL;
    struct kernel_error error;
    ck_assert_int_eq(open_file(file, &model, &error), KERNEL_CORRUPT);
    ck_assert_ptr_null(model);
    ck_assert_msg(strstr(error.message, key) != NULL, "%s", error.message);
}

TEST(keys_of_another_type_or_out_of_range_are_refused_by_name)
{
    static const float wrong[] = {0, -1, 0.04F, 21, NAN, INFINITY};
    struct kernel_file file;
    kernel_file_make(&file, "tiny-llama", "Q8_0");
    kernel_file_add_text(&file, canonical_key, "true");
    refused(&file, canonical_key);
    kernel_file_make(&file, "tiny-llama", "Q8_0");
    kernel_file_add_text(&file, temperature_key, "1.0");
    refused(&file, temperature_key);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        kernel_file_make(&file, "tiny-llama", "Q8_0");
        kernel_file_add_f32(&file, temperature_key, wrong[i]);
        refused(&file, temperature_key);
    }
}

TEST_MAIN()
