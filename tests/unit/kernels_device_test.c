/* kernels_device_test.c -- which backend an engine takes, and a GPU that goes in the middle of an
 * answer.
 *
 * The plug-in is kernels/cuda compiled for this machine (tests/support/cuda_on_host.h); it can be
 * told after how many launches its device is gone.
 */
#include "kernels/kernel.h"
#include "tests/support/kernel_asker.h"
#include "tests/support/test.h"

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
    struct kernel_engine_options options = {
        .backend = backend, .threads = 1, .cache_bytes = 4 << 20, .cuda_path = plugin};
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
