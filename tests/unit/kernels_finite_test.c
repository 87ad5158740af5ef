/* kernels_finite_test.c -- numbers that are not finite: the request whose they are fails, with
 * where and how many; everybody else in the same steps, and everybody who gets its cache blocks
 * afterwards, says the same bytes as without it.
 *
 * They come as they come in life: out of one tenant's damaged adapter. */
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

enum { RANK = 4, ANSWER = 6, KINDS = 5 };

struct place {
    struct kernel_model *model;
    struct kernel_engine *engine;
    char folder[32], good[64], bad[64];
};

/* Some numbers of it: a third from the beginning, so that keys and values of later layers are
 * spoilt as well, which stay in the cache; or the last, which only the logits see. */
static void damage(const char *path, float value, bool early)
{
    const float values[] = {value, value, value, value};
    FILE *file = fopen(path, "r+b");
    ck_assert(file != NULL && fseek(file, 0, SEEK_END) == 0);
    long length = ftell(file);
    long at = early ? length / 3 / 16 * 16 : length - (long)sizeof values;
    ck_assert_int_eq(fseek(file, at, SEEK_SET), 0);
    ck_assert(fwrite(values, sizeof values, 1, file) == 1 && fclose(file) == 0);
}

static void place_open(struct place *place, float value, bool early)
{
    struct kernel_error error;
    struct kernel_engine_options options = {.backend = TEST_BACKEND,
                                            .threads = 1,
                                            .context_max = 256,
                                            .cache_bytes = 256 << 10,
                                            .no_prefix_cache = true,
                                            .same_bytes = true,
                                            .cuda_path = TEST_PLUGIN};
    strcpy(place->folder, "/tmp/reeve-finite-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(place->folder));
    snprintf(place->good, sizeof place->good, "%s/good.gguf", place->folder);
    snprintf(place->bad, sizeof place->bad, "%s/bad.gguf", place->folder);
    ck_assert_int_eq(kernel_model_make("tiny-llama", "Q8_0", 7, &place->model, &error), KERNEL_OK);
    kernel_file_write_adapter(place->good, "llama", &place->model->shape, RANK,
                              (1U << KERNEL_PARTS) - 1, 3);
    kernel_file_write_adapter(place->bad, "llama", &place->model->shape, RANK,
                              (1U << KERNEL_PARTS) - 1, 4);
    damage(place->bad, value, early);
    ck_assert_msg(kernel_engine_create(place->model, &options, &place->engine, &error) == KERNEL_OK,
                  "%s", error.message);
    ck_assert_int_eq(kernel_adapter_load(place->engine, "good", place->good, &error), KERNEL_OK);
    ck_assert_int_eq(kernel_adapter_load(place->engine, "bad", place->bad, &error), KERNEL_OK);
}

static void place_close(struct place *place)
{
    kernel_engine_destroy(place->engine);
    kernel_model_close(place->model);
    remove(place->good);
    remove(place->bad);
    rmdir(place->folder);
}

/* Kinds of questions: plain, drawn, with alternatives, options, a vector. */
static void put(const struct place *place, int i, uint32_t tenant, const char *adapter,
                struct asked *asked)
{
    static const char text[] = "Invoice 4711: hold it or pay it?";
    static const struct kernel_text options[] = {{"invoice.hold", 12}, {"invoice.release", 15}};
    struct kernel_message message = {KERNEL_USER, {text, sizeof text - 1 - (size_t)i}};
    struct kernel_request request = {.kind = i == 4 ? KERNEL_EMBED : KERNEL_COMPLETE,
                                     .tenant = tenant,
                                     .messages = &message,
                                     .message_count = 1,
                                     .answer_max = i == 4   ? 0
                                                   : i == 3 ? 60
                                                            : ANSWER,
                                     .logprobs = i == 2 ? 3 : 0,
                                     .adapter = adapter};
    request.sampling.temperature = i == 1 ? 1 : 0;
    if (i == 3) {
        request.options = options;
        request.option_count = 2;
    }
    asked->width = i == 4 ? place->model->shape.width : 0;
    ck_assert_msg(ask(place->engine, &request, asked), "%s", asked->message);
}

static const char *adapter_of(int i)
{
    return i % 2 == 1 ? "good" : NULL;
}

static void assert_same(const struct asked *a, const struct asked *b)
{
    ck_assert_msg(!a->failed && !b->failed, "%s%s", a->message, b->message);
    ck_assert_str_eq(a->text, b->text);
    ck_assert_int_eq(a->choice, b->choice);
    ck_assert_mem_eq(a->probability, b->probability, sizeof a->probability);
    ck_assert_uint_eq(a->logprob_count, b->logprob_count);
    ck_assert_mem_eq(a->logprobs, b->logprobs, a->logprob_count * sizeof a->logprobs[0]);
    ck_assert_mem_eq(a->vector != NULL ? a->vector : (const float *)"",
                     b->vector != NULL ? b->vector : (const float *)"",
                     a->vector != NULL ? a->width * sizeof(float) : 0);
}

static void assert_bad(const struct asked *asked, const struct place *place)
{
    unsigned position = 0;
    unsigned count = 0;
    unsigned width = 0;
    const char *numbers = strstr(asked->message, " of the token");
    ck_assert_msg(asked->failed, "it said: %s", asked->text);
    ck_assert_msg(asked->status == KERNEL_CORRUPT, "%d: %s", asked->status, asked->message);
    ck_assert_msg(numbers != NULL &&
                      sscanf(numbers, " of the token at position %u are not finite (%u of %u",
                             &position, &count, &width) == 3,
                  "%s", asked->message);
    ck_assert_uint_le(position, asked->usage.prompt_tokens + ANSWER);
    ck_assert_uint_ge(count, 1);
    ck_assert_uint_le(count, width);
    ck_assert_uint_eq(width, strncmp(asked->message, "hidden", 6) == 0
                                 ? place->model->shape.width
                                 : place->model->shape.vocabulary);
}

static void alone_and_beside(float value, bool early)
{
    static struct asked alone[KINDS];
    static struct asked crowd[KINDS];
    static struct asked bad[KINDS];
    struct place place;
    place_open(&place, value, early);
    for (int i = 0; i < KINDS; i++) {
        put(&place, i, 1, adapter_of(i), &alone[i]);
        asked_wait(&alone[i]);
    }
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < KINDS; i++) { /* tenant 2 has the damaged one */
            put(&place, i, 2, "bad", &bad[i]);
            put(&place, i, 1, adapter_of(i), &crowd[i]);
        }
        for (int i = 0; i < KINDS; i++) {
            asked_wait(&bad[i]);
            assert_bad(&bad[i], &place);
            asked_free(&bad[i]);
        }
        for (int i = 0; i < KINDS; i++) {
            asked_wait(&crowd[i]);
            assert_same(&alone[i], &crowd[i]);
            asked_free(&crowd[i]);
        }
    }
    for (int i = 0; i < KINDS; i++) {
        asked_free(&alone[i]);
    }
    place_close(&place);
}

TEST(no_number_in_one_tenants_adapter_fails_that_tenants_requests_alone)
{
    alone_and_beside(NAN, true);
    alone_and_beside(NAN, false);
}

TEST(infinity_in_one_tenants_adapter_fails_that_tenants_requests_alone)
{
    alone_and_beside(INFINITY, true);
    alone_and_beside(INFINITY, false);
}

TEST_MAIN()
