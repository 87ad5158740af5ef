/* kernels_device_test.c -- which backend an engine takes, and a GPU that goes in the middle of an
 * answer.
 *
 * The plug-in is kernels/cuda compiled for this machine (tests/support/cuda_on_host.h); it can be
 * told after how many launches its device is gone.
 */
#include "kernels/kernel.h"
#include "tests/support/kernel_asker.h"
#include "tests/support/test.h"

#include <math.h>
#include <stdlib.h>

static struct kernel_model *tiny(void)
{
    struct kernel_model *model = NULL;
    struct kernel_error error;
    ck_assert_int_eq(kernel_model_make("tiny-llama", "Q8_0", 7, &model, &error), KERNEL_OK);
    return model;
}

static struct kernel_engine *start(struct kernel_model *model, enum kernel_backend backend,
                                   const char *plugin)
{
    struct kernel_engine *engine = NULL;
    struct kernel_error error;
    struct kernel_engine_options options = {.backend = backend,
                                            .threads = 1,
                                            .cache_bytes = 4 << 20,
                                            .same_bytes = true,
                                            .cuda_path = plugin};
    ck_assert_msg(kernel_engine_create(model, &options, &engine, &error) == KERNEL_OK, "%s",
                  error.message);
    return engine;
}

static void answer(struct kernel_engine *engine, struct asked *asked)
{
    static const char text[] = "Invoice 4711 is 3.20 EUR above its order.";
    struct kernel_message message = {KERNEL_USER, {text, sizeof text - 1}};
    struct kernel_request request = {.kind = KERNEL_COMPLETE,
                                     .tenant = 1,
                                     .messages = &message,
                                     .message_count = 1,
                                     .answer_max = 12};
    ask(engine, &request, asked);
    asked_wait(asked);
}

TEST(without_a_plug_in_the_processor_answers_and_says_why)
{
    struct kernel_model *model = tiny();
    struct kernel_engine *engine = start(model, KERNEL_AUTO, "/nowhere/libreeve-cuda.so");
    struct kernel_stats stats;
    kernel_stats(engine, &stats);
    ck_assert_int_eq(stats.backend, KERNEL_CPU);
    ck_assert_ptr_nonnull(strstr(stats.fallback, "/nowhere/libreeve-cuda.so"));
    kernel_engine_destroy(engine);
    kernel_model_close(model);
}

TEST(a_gpu_that_was_asked_for_by_name_must_be_there)
{
    struct kernel_model *model = tiny();
    struct kernel_engine *engine = NULL;
    struct kernel_error error;
    struct kernel_engine_options options = {.backend = KERNEL_CUDA, .cuda_path = "/nowhere/at.so"};
    ck_assert_int_eq(kernel_engine_create(model, &options, &engine, &error), KERNEL_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(error.message, "/nowhere/at.so"));
    kernel_model_close(model);
}

TEST(the_plug_in_answers)
{
    struct kernel_model *model = tiny();
    struct kernel_engine *engine = start(model, KERNEL_CUDA, PLUGIN);
    struct kernel_stats stats;
    struct asked asked;
    answer(engine, &asked);
    kernel_stats(engine, &stats);
    ck_assert_msg(asked.status == KERNEL_OK, "%s", asked.message);
    ck_assert_int_eq(stats.backend, KERNEL_CUDA);
    ck_assert_int_eq(asked.usage.answer_tokens, 12);
    kernel_engine_destroy(engine);
    kernel_model_close(model);
}

/* ---- who takes the tokens ---- */

enum { ASKS = 10 };

static struct kernel_request question(struct kernel_message *message, int i)
{
    static const char text[] = "the quick brown fox jumps over the lazy dog; the quick brown fox";
    static const char schema[] =
        "{\"type\":\"object\",\"properties\":{\"kind\":{\"enum\":[\"credit\",\"debit\"]},"
        "\"count\":{\"type\":\"integer\"}},\"required\":[\"kind\",\"count\"]}";
    static const struct kernel_text options[] = {
        {"invoice.hold", 12}, {"invoice.release", 15}, {"ask", 3}};
    static const struct kernel_bias bias = {300, 2};
    static const struct kernel_sampling samplings[ASKS] = {
        [1] = {.temperature = 1, .seed = 5},
        [2] = {.temperature = 1, .top_p = 0.9, .seed = 6}, /* flat: the host looks at some rows */
        [3] = {.temperature = 0.8, .top_k = 20, .top_p = 0.8, .seed = 7},
        [4] = {.temperature = 2, .min_p = 0.1, .seed = 8},
        [6] = {.temperature = 1, .seed = 9},
        [9] = {.temperature = 1, .seed = 3, .presence = 1, .bias = &bias, .bias_count = 1}};
    *message = (struct kernel_message){KERNEL_USER, {text, sizeof text - 1}};
    struct kernel_request request = {.kind = i == 8 ? KERNEL_EMBED : KERNEL_COMPLETE,
                                     .tenant = 1,
                                     .messages = message,
                                     .message_count = 1,
                                     .sampling = samplings[i],
                                     .logprobs = i % 2 == 1 ? 3 : 0,
                                     .answer_max = i == 8   ? 0
                                                   : i >= 5 ? 60
                                                            : 10};
    if (i == 5 || i == 6) {
        request.schema = (struct kernel_text){schema, sizeof schema - 1};
    } else if (i == 7) {
        request.logprobs = 0;
        request.options = options;
        request.option_count = 3;
    }
    return request;
}

TEST(the_gpu_takes_the_tokens_that_the_host_would_take)
{
    static struct asked asked[2][ASKS];
    const char *const plugins[] = {PLUGIN, ROWS_PLUGIN};
    struct kernel_model *model = tiny();
    for (int side = 0; side < 2; side++) {
        struct kernel_engine *engine = start(model, KERNEL_CUDA, plugins[side]);
        for (int i = 0; i < ASKS; i++) { /* all of them in the same steps */
            struct kernel_message message;
            struct kernel_request request = question(&message, i);
            ck_assert_msg(ask(engine, &request, &asked[side][i]), "%s", asked[side][i].message);
        }
        for (int i = 0; i < ASKS; i++) {
            asked_wait(&asked[side][i]);
        }
        kernel_engine_destroy(engine);
    }
    for (int i = 0; i < ASKS; i++) {
        const struct asked *there = &asked[0][i];
        const struct asked *here = &asked[1][i];
        ck_assert_msg(!there->failed && !here->failed, "%s%s", there->message, here->message);
        ck_assert_str_eq(there->text, here->text);
        ck_assert_int_eq(there->choice, here->choice);
        ck_assert_uint_eq(there->usage.answer_tokens, here->usage.answer_tokens);
        ck_assert_uint_eq(there->logprob_count, here->logprob_count);
        for (uint32_t n = 0; n < there->logprob_count; n++) {
            ck_assert_int_eq(there->logprobs[n].token, here->logprobs[n].token);
            ck_assert(fabsf(there->logprobs[n].logprob - here->logprobs[n].logprob) < 1e-5F);
        }
        asked_free(&asked[0][i]);
        asked_free(&asked[1][i]);
    }
    kernel_model_close(model);
}

TEST(a_gpu_that_goes_in_the_middle_is_replaced_and_the_answer_complete)
{
    struct kernel_model *model = tiny();
    setenv("REEVE_CUDA_ON_HOST_LAUNCHES", "260", 1); /* a few steps */
    struct kernel_engine *engine = start(model, KERNEL_AUTO, PLUGIN);
    struct kernel_stats stats;
    struct asked asked;
    kernel_stats(engine, &stats);
    ck_assert_int_eq(stats.backend, KERNEL_CUDA);
    answer(engine, &asked);
    kernel_stats(engine, &stats);
    ck_assert_msg(asked.status == KERNEL_OK, "%s", asked.message);
    ck_assert_int_eq(asked.usage.answer_tokens, 12);
    ck_assert_int_eq(stats.backend, KERNEL_CPU);
    ck_assert_ptr_nonnull(strstr(stats.fallback, "it is gone"));
    ck_assert_uint_gt(stats.recomputed_tokens, 0);
    kernel_engine_destroy(engine);
    kernel_model_close(model);
}

TEST(a_gpu_that_was_asked_for_by_name_is_not_replaced)
{
    struct kernel_model *model = tiny();
    setenv("REEVE_CUDA_ON_HOST_LAUNCHES", "260", 1);
    struct kernel_engine *engine = start(model, KERNEL_CUDA, PLUGIN);
    struct asked asked;
    answer(engine, &asked);
    ck_assert_int_eq(asked.status, KERNEL_DEVICE);
    ck_assert_ptr_nonnull(strstr(asked.message, "it is gone"));
    kernel_engine_destroy(engine);
    kernel_model_close(model);
}

TEST_MAIN()
