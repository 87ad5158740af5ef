/* kernels_bias_test.c -- biases and penalties: what they do to a choice, and what they cannot do to
 * a schema.  (That answers with them are the same in a crowd: kernels_engine_test.c.) */
#include "kernels/kernel.h"
#include "tests/support/kernel_asker.h"
#include "tests/support/kernel_tiny.h"
#include "tests/support/test.h"

#include <jansson.h>
#include <math.h>

static const char prompt[] = "the quick brown fox jumps over the lazy dog; the quick brown fox";
enum { ANSWER = 24 };

static struct kernel_request complete(struct kernel_message *message, uint32_t tokens)
{
    *message = (struct kernel_message){.role = KERNEL_USER, .text = text_of(prompt)};
    return (struct kernel_request){.kind = KERNEL_COMPLETE,
                                   .tenant = 1,
                                   .messages = message,
                                   .message_count = 1,
                                   .answer_max = tokens};
}

/* One token at a time, greedy: what came must be the best of a row that is weighed here, out of the
 * alternatives, which are the model's own. */
TEST(a_token_is_chosen_by_its_logit_with_bias_and_penalties)
{
    enum { TOKENS = 40 };
    static const double penalties[][2] = {{0, 0}, {2, 0}, {0, 2}, {1, 0.5}, {-1, -1}};
    struct kernel_model *model = tiny();
    struct kernel_engine *engine = start(model, (struct kernel_engine_options){0});
    for (size_t p = 0; p < sizeof penalties / sizeof penalties[0]; p++) {
        struct kernel_message message;
        struct asked asked = {0};
        struct kernel_request request = complete(&message, TOKENS);
        request.logprobs = 20;
        request.sampling.presence = penalties[p][0];
        request.sampling.frequency = penalties[p][1];
        ask(engine, &request, &asked);
        asked_wait(&asked);
        ck_assert_msg(!asked.failed, "%s", asked.message);
        uint32_t seen[1024] = {0};
        uint32_t i = 0;
        while (i < asked.logprob_count) {
            const struct kernel_logprob *own = &asked.logprobs[i];
            double best = -HUGE_VAL;
            for (uint32_t k = 1; k <= own->others; k++) {
                uint32_t times = seen[own[k].token];
                double value = (double)own[k].logprob - penalties[p][1] * times -
                               (times > 0 ? penalties[p][0] : 0);
                best = value > best ? value : best;
            }
            uint32_t times = seen[own->token];
            double value =
                (double)own->logprob - penalties[p][1] * times - (times > 0 ? penalties[p][0] : 0);
            ck_assert_msg(value >= best - 1e-4, "penalties %zu: %g, another had %g", p, value,
                          best);
            seen[own->token]++;
            i += own->others + 1;
        }
        asked_free(&asked);
    }
    kernel_engine_destroy(engine);
    kernel_model_close(model);
}

static void assert_refused(struct kernel_engine *engine, const struct kernel_sampling *sampling,
                           const char *says)
{
    struct kernel_message message;
    struct asked asked = {0};
    struct kernel_request request = complete(&message, 4);
    request.sampling = *sampling;
    ck_assert(!ask(engine, &request, &asked));
    ck_assert_int_eq(asked.status, KERNEL_INVALID);
    ck_assert_msg(strstr(asked.message, says) != NULL, "%s", asked.message);
    asked_free(&asked);
}

TEST(biases_and_penalties_out_of_their_range_are_refused)
{
    struct kernel_model *model = tiny();
    struct kernel_engine *engine = start(model, (struct kernel_engine_options){0});
    struct kernel_model_facts facts;
    kernel_model_facts(model, &facts);
    struct kernel_bias biases[301] = {{0, 0}};
    static const double wrong[] = {100.5, -101, NAN, HUGE_VAL};
    struct kernel_sampling sampling = {.bias = biases, .bias_count = 1};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        biases[0].add = wrong[i];
        assert_refused(engine, &sampling, "-100 to 100");
    }
    biases[0] = (struct kernel_bias){(int32_t)facts.vocabulary, 1};
    assert_refused(engine, &sampling, "the vocabulary has tokens 0 to");
    biases[0].token = -1;
    assert_refused(engine, &sampling, "bias of token -1");
    biases[0].token = 0;
    sampling.bias_count = 301;
    assert_refused(engine, &sampling, "at most 300");
    sampling = (struct kernel_sampling){.presence = 2.5};
    assert_refused(engine, &sampling, "-2 to 2");
    sampling = (struct kernel_sampling){.frequency = NAN};
    assert_refused(engine, &sampling, "-2 to 2");
    kernel_engine_destroy(engine);
    kernel_model_close(model);
}

TEST(a_bias_chooses_or_bans_a_token)
{
    struct kernel_model *model = tiny();
    struct kernel_engine *engine = start(model, (struct kernel_engine_options){0});
    for (int temperature = 0; temperature < 2; temperature++) {
        struct kernel_message message;
        struct asked free_one;
        struct asked banned;
        struct asked only;
        struct kernel_request request = complete(&message, ANSWER);
        request.sampling = (struct kernel_sampling){.temperature = temperature, .seed = 4};
        request.logprobs = 1;
        ask(engine, &request, &free_one);
        asked_wait(&free_one);
        struct kernel_bias bias = {free_one.logprobs[0].token, -100};
        request.sampling.bias = &bias;
        request.sampling.bias_count = 1;
        ask(engine, &request, &banned);
        asked_wait(&banned);
        uint32_t at = 0;
        for (; at < banned.logprob_count; at += banned.logprobs[at].others + 1) {
            ck_assert_int_ne(banned.logprobs[at].token, bias.token);
        }
        ck_assert_uint_gt(at, 0);
        bias.add = 100;
        ask(engine, &request, &only);
        asked_wait(&only);
        for (at = 0; at < only.logprob_count; at += only.logprobs[at].others + 1) {
            ck_assert_int_eq(only.logprobs[at].token, bias.token);
        }
        asked_free(&free_one);
        asked_free(&banned);
        asked_free(&only);
    }
    kernel_engine_destroy(engine);
    kernel_model_close(model);
}

/* ---- under a schema ---- */

static const char schema[] =
    "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\",\"maxLength\":20},"
    "\"count\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":999}},"
    "\"required\":[\"name\",\"count\"],\"additionalProperties\":false}";

static void assert_fits(const struct asked *asked)
{
    ck_assert_msg(!asked->failed, "%s", asked->message);
    json_t *value = json_loads(asked->text, JSON_REJECT_DUPLICATES, NULL);
    json_int_t count = json_integer_value(json_object_get(value, "count"));
    ck_assert_msg(json_object_size(value) == 2 && json_is_string(json_object_get(value, "name")) &&
                      json_is_integer(json_object_get(value, "count")) && count >= 0 &&
                      count <= 999,
                  "%s", asked->text);
    json_decref(value);
}

/* A bias says which of the legal tokens comes, never that an illegal one may. */
TEST(no_bias_breaks_a_schema)
{
    struct kernel_model *model = tiny();
    struct kernel_engine *engine = start(model, (struct kernel_engine_options){0});
    struct kernel_model_facts facts;
    kernel_model_facts(model, &facts);
    enum { ASKED = 24, BIASES = 300 };
    static struct kernel_bias biases[ASKED][BIASES];
    struct asked asked[ASKED] = {0};
    for (int i = 0; i < ASKED; i++) {
        struct kernel_message message;
        struct kernel_request request = complete(&message, 60);
        for (uint32_t b = 0; b < BIASES; b++) { /* those of single bytes first: what JSON needs */
            uint32_t token = i % 2 == 0 ? b : facts.vocabulary - 1 - b;
            biases[i][b] = (struct kernel_bias){(int32_t)token, i % 4 < 2 ? -100 : 100};
        }
        request.schema = text_of(schema);
        request.sampling = (struct kernel_sampling){.temperature = i % 3 == 0 ? 0 : 1.5,
                                                    .seed = (uint64_t)i,
                                                    .presence = 2,
                                                    .frequency = i % 5 == 0 ? -2 : 2,
                                                    .bias = biases[i],
                                                    .bias_count = BIASES};
        ck_assert_msg(ask(engine, &request, &asked[i]), "%s", asked[i].message);
    }
    for (int i = 0; i < ASKED; i++) {
        asked_wait(&asked[i]);
        assert_fits(&asked[i]);
        asked_free(&asked[i]);
    }
    kernel_engine_destroy(engine);
    kernel_model_close(model);
}

/* All that may come are lowered alike: as without. */
TEST(a_ban_of_all_that_may_come_bans_none)
{
    static const char digit[] = "{\"enum\":[1,2,3]}";
    struct kernel_model *model = tiny();
    struct kernel_engine *engine = start(model, (struct kernel_engine_options){0});
    struct kernel_bias biases[300];
    for (int32_t b = 0; b < 300; b++) {
        biases[b] = (struct kernel_bias){b, -100};
    }
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct kernel_message message;
        struct asked asked[2] = {0};
        for (int banned = 0; banned < 2; banned++) {
            struct kernel_request request = complete(&message, 20);
            request.schema = text_of(digit);
            request.sampling = (struct kernel_sampling){
                .temperature = 1, .seed = seed, .bias = biases, .bias_count = banned ? 300 : 0};
            ask(engine, &request, &asked[banned]);
            asked_wait(&asked[banned]);
        }
        ck_assert_msg(!asked[0].failed && !asked[1].failed, "%s%s", asked[0].message,
                      asked[1].message);
        ck_assert_str_eq(asked[0].text, asked[1].text);
        asked_free(&asked[0]);
        asked_free(&asked[1]);
    }
    kernel_engine_destroy(engine);
    kernel_model_close(model);
}

TEST(options_are_measured_without_bias)
{
    static const struct kernel_text options[] = {{"hold", 4}, {"pay", 3}};
    struct kernel_model *model = tiny();
    struct kernel_engine *engine = start(model, (struct kernel_engine_options){0});
    struct kernel_message message;
    struct asked asked = {0};
    struct kernel_request request = complete(&message, 60);
    request.options = options;
    request.option_count = 2;
    request.sampling.presence = 1;
    ck_assert(!ask(engine, &request, &asked));
    ck_assert_ptr_nonnull(strstr(asked.message, "options are measured"));
    asked_free(&asked);
    kernel_engine_destroy(engine);
    kernel_model_close(model);
}

TEST_MAIN()
