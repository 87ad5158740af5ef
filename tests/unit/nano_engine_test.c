/* nano_engine_test.c -- the shipped model in the engine thinks and decides as its own programs say.
 *
 * kernels/nano/nano.expected.json holds a case of each shipped agent, as kernels/nano/evaluate.py
 * computed it from the same file: the thought, and the probability of each option after it and with
 * it (kernel.h, "How probable an option is").  The file says which of the two is told; a copy that
 * says the other is tried as well.
 */
#include "kernels/kernel.h"
#include "tests/support/kernel_asker.h"
#include "tests/support/kernel_file.h"
#include "tests/support/test.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <unistd.h>

static const double PROBABILITY_ERROR = 0.02; /* the engine rounds its products otherwise */
static const char shipped[] = "kernels/nano/nano.gguf";
enum { ANSWER = 256 }; /* RV_MODEL_TOKENS_DEFAULT: what agents allow */

static struct kernel_text text_at(const json_t *of, const char *key)
{
    const json_t *text = json_object_get(of, key);
    ck_assert(json_is_string(text));
    return (struct kernel_text){json_string_value(text), json_string_length(text)};
}

static void check(struct kernel_engine *engine, const json_t *wanted, bool canonical)
{
    const char *family = json_string_value(json_object_get(wanted, "family"));
    const json_t *names = json_object_get(wanted, "options");
    const json_t *probability =
        json_object_get(wanted, canonical ? "with_thought" : "after_thought");
    const struct kernel_message messages[] = {
        {.role = KERNEL_SYSTEM, .text = text_at(wanted, "system")},
        {.role = KERNEL_USER, .text = text_at(wanted, "user")}};
    struct kernel_text options[ASKED_OPTIONS_MAX];
    uint32_t count = (uint32_t)json_array_size(names);
    uint32_t best = 0;
    for (uint32_t i = 0; i < count; i++) {
        const char *name = json_string_value(json_array_get(names, i));
        options[i] = (struct kernel_text){name, strlen(name)};
        best = json_number_value(json_array_get(probability, i)) >
                       json_number_value(json_array_get(probability, best))
                   ? i
                   : best;
    }
    struct kernel_request request = {.kind = KERNEL_CHAT,
                                     .tenant = 1,
                                     .messages = messages,
                                     .message_count = 2,
                                     .options = options,
                                     .option_count = count,
                                     .answer_max = ANSWER};
    struct asked asked = {0};
    ck_assert_msg(ask(engine, &request, &asked), "%s", asked.message);
    asked_wait(&asked);
    ck_assert_msg(!asked.failed, "%s: %s", family, asked.message);
    ck_assert_uint_eq(asked.usage.prompt_tokens,
                      json_array_size(json_object_get(wanted, "tokens")));
    ck_assert_str_eq(asked.thoughts, text_at(wanted, "thought").bytes);
    ck_assert_int_eq(asked.choice, (int32_t)best);
    for (uint32_t i = 0; i < count; i++) {
        double error = asked.probability[i] - json_number_value(json_array_get(probability, i));
        ck_assert_msg(fabs(error) < PROBABILITY_ERROR, "%s: option %u is off by %g", family, i,
                      error);
    }
    json_t *answer = json_loads(asked.text, 0, NULL);
    ck_assert_msg(answer != NULL, "%s: %s", family, asked.text);
    ck_assert_str_eq(json_string_value(json_object_get(answer, "choice")), options[best].bytes);
    ck_assert(json_is_string(json_object_get(answer, "reason")));
    json_decref(answer);
    asked_free(&asked);
}

static void check_all(const char *path, const json_t *expected, bool canonical)
{
    struct kernel_model *model = NULL;
    struct kernel_engine *engine = NULL;
    struct kernel_error error;
    ck_assert_msg(kernel_model_open(path, &model, &error) == KERNEL_OK, "%s", error.message);
    const struct kernel_engine_options options = {.backend = KERNEL_CPU, .threads = 1};
    ck_assert_msg(kernel_engine_create(model, &options, &engine, &error) == KERNEL_OK, "%s",
                  error.message);
    size_t i;
    json_t *wanted;
    const json_t *cases = json_object_get(expected, "cases");
    ck_assert_uint_eq(json_array_size(cases), 8);
    json_array_foreach(cases, i, wanted)
    {
        check(engine, wanted, canonical);
    }
    kernel_engine_destroy(engine);
    kernel_model_close(model);
}

TEST(the_shipped_model_thinks_and_decides_as_expected)
{
    json_t *expected = json_load_file("kernels/nano/nano.expected.json", 0, NULL);
    ck_assert_ptr_nonnull(expected);
    check_all(shipped, expected, json_is_true(json_object_get(expected, "canonical")));
    json_decref(expected);
}

TEST(a_copy_that_says_the_other_of_its_thoughts_decides_as_expected)
{
    json_t *expected = json_load_file("kernels/nano/nano.expected.json", 0, NULL);
    ck_assert_ptr_nonnull(expected);
    bool canonical = json_is_true(json_object_get(expected, "canonical"));
    char folder[] = "/tmp/reeve-nano-XXXXXX";
    char path[64];
    struct kernel_file file;
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/other.gguf", folder);
    kernel_file_read(&file, shipped);
    if (canonical) { /* a key that nobody knows */
        kernel_file_rename(&file, "reeve.thought.canonical", "other.thought.canonical");
    } else {
        double temperature = json_number_value(json_object_get(expected, "temperature"));
        kernel_file_add_bool(&file, "reeve.thought.canonical", true);
        kernel_file_add_f32(&file, "reeve.probability.temperature", (float)temperature);
    }
    kernel_file_write(&file, path);
    free(file.at);
    check_all(path, expected, !canonical);
    remove(path);
    rmdir(folder);
    json_decref(expected);
}

TEST_MAIN()
