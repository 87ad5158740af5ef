/* kernels_engine_test.c -- many requests through one engine: the same bytes whatever else happens,
 * nothing between tenants, limits with numbers, every token counted.
 *
 * The model is tiny and knows nothing (random weights): what it says does not matter, that it says
 * the same does.
 */
#include "kernels/kernel.h"
#include "tests/support/kernel_asker.h"
#include "tests/support/kernel_tiny.h"
#include "tests/support/test.h"

#include <jansson.h>
#include <math.h>

static struct kernel_request complete(struct kernel_message *message, const char *prompt,
                                      uint32_t tokens)
{
    *message = (struct kernel_message){.role = KERNEL_USER, .text = text_of(prompt)};
    return (struct kernel_request){.kind = KERNEL_COMPLETE,
                                   .tenant = 1,
                                   .messages = message,
                                   .message_count = 1,
                                   .answer_max = tokens};
}

static const char *const prompts[] = {
    "Invoice 4711 of Nordwind GmbH is 3.20 EUR above its order. Hold it or pay it?",
    "a",
    "The quick brown fox jumps over the lazy dog; the quick brown fox jumps over the lazy dog; the "
    "quick brown fox",
    "{\"amount\": 100, \"currency\": \"EUR\", \"lines\": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]}",
};
enum { PROMPTS = 4, ANSWER = 24 };

/* The most probable token or a draw, each with and without biases and penalties. */
enum way { GREEDY, WARM, WEIGHED, WARM_WEIGHED, WAYS };

static struct kernel_sampling sampling_of(enum way way)
{
    static const struct kernel_bias biases[] = {{'e', 1.5}, {300, -3}, {'e', 0.5}, {40, 2}};
    struct kernel_sampling sampling = {.temperature = way % 2, .seed = 99};
    if (way >= WEIGHED) {
        sampling.presence = 0.75;
        sampling.frequency = 0.5;
        sampling.bias = biases;
        sampling.bias_count = sizeof biases / sizeof biases[0];
    }
    return sampling;
}

static void ask_prompt(struct kernel_engine *engine, int prompt, enum way way, struct asked *asked)
{
    struct kernel_message message;
    struct kernel_request request = complete(&message, prompts[prompt], ANSWER);
    request.sampling = sampling_of(way);
    request.logprobs = way % 2 == 1 ? 2 : 0; /* with them nothing is guessed ahead */
    ck_assert_msg(ask(engine, &request, asked), "%s", asked->message);
}

/* The last event comes before the engine has tidied up behind it. */
static void wait_until_idle(const struct kernel_engine *engine, struct kernel_stats *stats)
{
    for (int i = 0; i < 5000; i++) {
        struct timespec pause = {.tv_nsec = 1000000};
        kernel_stats(engine, stats);
        if (stats->blocks_used == 0 && stats->running + stats->waiting == 0) {
            return;
        }
        nanosleep(&pause, NULL);
    }
}

static void assert_same(const struct asked *left, const struct asked *right)
{
    ck_assert_msg(!left->failed && !right->failed, "%s%s", left->message, right->message);
    ck_assert_str_eq(left->text, right->text);
    ck_assert_uint_eq(left->usage.answer_tokens, right->usage.answer_tokens);
    ck_assert_uint_eq(left->logprob_count, right->logprob_count);
    ck_assert_mem_eq(left->logprobs, right->logprobs,
                     left->logprob_count * sizeof left->logprobs[0]);
}

/* ---- the same request, the same bytes ---- */

enum { CROWD_MAX = 10 * PROMPTS };

static void same_in_crowd(struct kernel_engine_options options, int count)
{
    struct kernel_model *model = tiny();
    for (enum way way = GREEDY; way < WAYS; way++) {
        struct asked alone[PROMPTS] = {0};
        struct asked crowd[CROWD_MAX] = {0};
        for (int i = 0; i < PROMPTS; i++) {
            struct kernel_engine *one =
                start(model, (struct kernel_engine_options){.no_prefix_cache = true,
                                                            .no_speculation = true});
            ask_prompt(one, i, way, &alone[i]);
            asked_wait(&alone[i]);
            kernel_engine_destroy(one);
        }
        struct kernel_engine *engine = start(model, options);
        for (int i = 0; i < count; i++) {
            ask_prompt(engine, i % PROMPTS, way, &crowd[i]);
        }
        for (int i = 0; i < count; i++) {
            asked_wait(&crowd[i]);
            assert_same(&alone[i % PROMPTS], &crowd[i]);
            asked_free(&crowd[i]);
        }
        kernel_engine_destroy(engine);
        for (int i = 0; i < PROMPTS; i++) {
            asked_free(&alone[i]);
        }
    }
    kernel_model_close(model);
}

static void same_with(struct kernel_engine_options options)
{
    same_in_crowd(options, 3 * PROMPTS);
}

TEST(answers_are_the_same_in_a_crowd)
{
    same_with((struct kernel_engine_options){0});
}
TEST(answers_are_the_same_in_a_crowd_of_more_rows_than_there_are_at_a_time)
{
    same_in_crowd((struct kernel_engine_options){0}, CROWD_MAX);
}
TEST(answers_are_the_same_however_prompts_are_cut)
{
    same_with((struct kernel_engine_options){.running_max = 3, .step_tokens = 5});
}
TEST(answers_are_the_same_without_remembered_beginnings)
{
    same_with((struct kernel_engine_options){.no_prefix_cache = true});
}
TEST(answers_are_the_same_on_two_threads)
{
    same_with((struct kernel_engine_options){.threads = 2});
}

static void same_after_preemption(enum way way)
{
    struct kernel_model *model = tiny();
    struct kernel_engine *wide = start(model, (struct kernel_engine_options){0});
    struct kernel_stats stats;
    kernel_stats(wide, &stats);
    uint64_t block_bytes = (4 << 20) / stats.blocks;
    /* blocks for two or three of them, while twelve want to run */
    struct kernel_engine *tight =
        start(model, (struct kernel_engine_options){
                         .cache_bytes = 20 * block_bytes + block_bytes / 2, .running_max = 12});
    struct asked alone[PROMPTS] = {0};
    struct asked crowd[12] = {0};
    for (int i = 0; i < PROMPTS; i++) {
        ask_prompt(wide, i, way, &alone[i]);
        asked_wait(&alone[i]);
    }
    for (int i = 0; i < 12; i++) {
        struct kernel_message message;
        struct kernel_request request = complete(&message, prompts[i % PROMPTS], ANSWER);
        request.sampling = sampling_of(way);
        request.tier = (uint32_t)(11 - i); /* each better than those before it */
        ck_assert_msg(ask(tight, &request, &crowd[i]), "%s", crowd[i].message);
    }
    for (int i = 0; i < 12; i++) {
        asked_wait(&crowd[i]);
        assert_same(&alone[i % PROMPTS], &crowd[i]);
        asked_free(&crowd[i]);
    }
    wait_until_idle(tight, &stats);
    ck_assert_uint_gt(stats.preemptions, 0);
    ck_assert_uint_eq(stats.running + stats.waiting, 0);
    for (int i = 0; i < PROMPTS; i++) {
        asked_free(&alone[i]);
    }
    kernel_engine_destroy(tight);
    kernel_engine_destroy(wide);
    kernel_model_close(model);
}

TEST(answers_are_the_same_after_preemption)
{
    same_after_preemption(GREEDY);
    same_after_preemption(WEIGHED);
}

/* ---- whoever watches its thread ---- */

struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool reached, open, ended;
};

/* Keeps the engine's thread in its first piece until the gate is opened. */
static void wait_at_gate(void *data, const struct kernel_event *event)
{
    struct gate *gate = data;
    pthread_mutex_lock(&gate->lock);
    gate->reached = true;
    gate->ended = event->kind != KERNEL_PIECE;
    pthread_cond_broadcast(&gate->changed);
    while (!gate->open) {
        pthread_cond_wait(&gate->changed, &gate->lock);
    }
    pthread_mutex_unlock(&gate->lock);
}

static void wait_for(struct gate *gate, const bool *what)
{
    pthread_mutex_lock(&gate->lock);
    while (!*what) {
        pthread_cond_wait(&gate->changed, &gate->lock);
    }
    pthread_mutex_unlock(&gate->lock);
}

TEST(an_engine_that_is_stuck_with_work_in_hand_can_be_told_from_one_at_rest)
{
    struct kernel_model *model = tiny();
    struct kernel_engine *engine = start(model, (struct kernel_engine_options){0});
    struct kernel_progress progress;
    struct kernel_progress later;
    struct kernel_stats stats;
    kernel_progress(engine, &progress);
    ck_assert(!progress.at_work);
    ck_assert_uint_gt(progress.piece_flops, 0);
    struct gate gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    struct kernel_message message;
    struct kernel_request request = complete(&message, prompts[0], ANSWER);
    struct kernel_error error;
    uint64_t id = 0;
    ck_assert_int_eq(kernel_submit(engine, &request, wait_at_gate, &gate, &id, &error), KERNEL_OK);
    wait_for(&gate, &gate.reached);
    kernel_progress(engine, &progress);
    ck_assert(progress.at_work);
    ck_assert_uint_gt(progress.done, 0);
    struct timespec pause = {.tv_nsec = 100000000};
    nanosleep(&pause, NULL);
    kernel_progress(engine, &later); /* nobody is waited for */
    ck_assert(later.at_work);
    ck_assert_uint_eq(later.done, progress.done);
    pthread_mutex_lock(&gate.lock);
    gate.open = true;
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.lock);
    wait_for(&gate, &gate.ended);
    wait_until_idle(engine, &stats);
    kernel_progress(engine, &later);
    ck_assert(!later.at_work);
    ck_assert_uint_gt(later.done, progress.done);
    kernel_engine_destroy(engine);
    kernel_model_close(model);
}

/* ---- tenants ---- */

TEST(a_beginning_is_remembered_for_its_tenant_only)
{
    struct kernel_model *model = tiny();
    struct kernel_engine *engine = start(model, (struct kernel_engine_options){0});
    uint32_t cached[4];
    const uint32_t tenants[4] = {1, 1, 2, 2};
    for (int i = 0; i < 4; i++) {
        struct kernel_message message;
        struct kernel_request request = complete(&message, prompts[2], 2);
        request.tenant = tenants[i];
        struct asked asked = {0};
        ask(engine, &request, &asked);
        asked_wait(&asked);
        ck_assert(!asked.failed);
        cached[i] = asked.usage.cached_tokens;
        asked_free(&asked);
    }
    ck_assert_uint_eq(cached[0], 0);
    ck_assert_uint_gt(cached[1], 0);
    ck_assert_uint_eq(cached[2], 0);
    ck_assert_uint_eq(cached[3], cached[1]);
    kernel_engine_destroy(engine);
    kernel_model_close(model);
}

/* Steps of the batch are what an answer's time is made of; a clock would measure the machine. */
static uint64_t steps_of(struct kernel_engine *engine, uint32_t tenant, const char *prompt)
{
    struct kernel_stats before, after;
    struct kernel_message message;
    struct kernel_request request = complete(&message, prompt, 1);
    request.tenant = tenant;
    struct asked asked = {0};
    kernel_stats(engine, &before);
    ask(engine, &request, &asked);
    asked_wait(&asked);
    ck_assert(!asked.failed);
    asked_free(&asked);
    do { /* the step that ended it is counted behind its last event */
        kernel_stats(engine, &after);
    } while (after.running > 0 || after.steps == before.steps);
    return after.steps - before.steps;
}

TEST(what_another_tenant_asked_saves_no_step)
{
    static const char prompt[] =
        "The invoice is above the order by three euros, and the supplier says that the price was "
        "agreed by telephone in March, before the order was written. The order was confirmed in "
        "April without a word about it, and the buyer has left. Two invoices of the same frame "
        "contract came in May and were paid at the old price; nobody asked then either.";
    struct kernel_model *model = tiny();
    struct kernel_engine *engine = start(model, (struct kernel_engine_options){.step_tokens = 8});
    uint64_t cold = steps_of(engine, 1, prompt);
    ck_assert_uint_gt(cold, 4);
    ck_assert_uint_lt(steps_of(engine, 1, prompt), cold);
    ck_assert_uint_eq(steps_of(engine, 2, prompt), cold);
    ck_assert_uint_eq(steps_of(engine, 3, prompt), cold);
    kernel_engine_destroy(engine);
    kernel_model_close(model);
}

TEST(every_token_is_counted_for_its_tenant)
{
    struct kernel_model *model = tiny();
    struct kernel_engine *engine =
        start(model, (struct kernel_engine_options){.running_max = 4, .queue_max = 100});
    enum { REQUESTS = 60 };
    struct asked asked[REQUESTS] = {0};
    struct kernel_tenant_usage sums[3] = {0};
    for (int i = 0; i < REQUESTS; i++) {
        struct kernel_message message;
        struct kernel_request request = complete(&message, prompts[i % PROMPTS], 1 + i % 9);
        request.tenant = (uint32_t)(i % 3);
        ck_assert(ask(engine, &request, &asked[i]));
        if (i % 5 == 0) {
            kernel_cancel(engine, asked[i].id);
        }
    }
    for (int i = 0; i < REQUESTS; i++) {
        asked_wait(&asked[i]);
        struct kernel_tenant_usage *sum = &sums[i % 3];
        sum->requests++;
        sum->prompt_tokens += asked[i].usage.prompt_tokens;
        sum->cached_tokens += asked[i].usage.cached_tokens;
        sum->answer_tokens += asked[i].usage.answer_tokens;
        if (!asked[i].failed) {
            struct kernel_text text = text_of(prompts[i % PROMPTS]);
            ck_assert_uint_ge(asked[i].usage.prompt_tokens, kernel_count_tokens(model, text));
            ck_assert_uint_le(asked[i].usage.answer_tokens, (uint32_t)(1 + i % 9));
        }
        asked_free(&asked[i]);
    }
    for (uint32_t i = 0; i < 3; i++) {
        struct kernel_tenant_usage usage;
        kernel_tenant_usage(engine, i, &usage);
        ck_assert_mem_eq(&usage, &sums[i], sizeof usage);
    }
    kernel_engine_destroy(engine);
    kernel_model_close(model);
}

/* ---- schemas and options ---- */

static const char schema[] =
    "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\",\"maxLength\":40},"
    "\"count\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":999},"
    "\"kind\":{\"enum\":[\"credit\",\"debit\"]}},\"required\":[\"name\",\"count\",\"kind\"],"
    "\"additionalProperties\":false}";

static void assert_fits(const struct asked *asked)
{
    ck_assert_msg(!asked->failed, "%s", asked->message);
    json_t *value = json_loads(asked->text, JSON_REJECT_DUPLICATES, NULL);
    ck_assert_msg(value != NULL, "not JSON: %s", asked->text);
    ck_assert_uint_eq(json_object_size(value), 3);
    ck_assert(json_is_string(json_object_get(value, "name")));
    json_int_t count = json_integer_value(json_object_get(value, "count"));
    ck_assert(json_is_integer(json_object_get(value, "count")) && count >= 0 && count <= 999);
    const char *kind = json_string_value(json_object_get(value, "kind"));
    ck_assert(kind != NULL && (strcmp(kind, "credit") == 0 || strcmp(kind, "debit") == 0));
    json_decref(value);
}

TEST(answers_satisfy_their_schema_and_are_closed_in_time)
{
    struct kernel_model *model = tiny();
    struct kernel_engine *engine = start(model, (struct kernel_engine_options){0});
    enum { ASKED = 40 };
    struct asked asked[ASKED] = {0};
    for (int i = 0; i < ASKED; i++) {
        struct kernel_message message;
        struct kernel_request request = complete(&message, prompts[i % PROMPTS], 50 + i);
        request.schema = text_of(schema);
        request.sampling = (struct kernel_sampling){.temperature = 1.5, .seed = (uint64_t)i};
        ck_assert_msg(ask(engine, &request, &asked[i]), "%s", asked[i].message);
    }
    for (int i = 0; i < ASKED; i++) {
        asked_wait(&asked[i]);
        assert_fits(&asked[i]);
        asked_free(&asked[i]);
    }
    struct kernel_stats stats;
    kernel_stats(engine, &stats);
    ck_assert_uint_gt(stats.masks, 0);
    ck_assert_uint_gt(stats.forced_tokens, 0);
    kernel_engine_destroy(engine);
    kernel_model_close(model);
}

TEST(a_schema_whose_shortest_answer_is_too_long_is_refused)
{
    static const char *const endless[] = {
        "{\"type\":\"string\",\"minLength\":1000000000}",
        "{\"type\":\"array\",\"minItems\":100000000,\"items\":{\"type\":\"integer\"}}",
        "{\"type\":\"object\",\"minProperties\":2,\"additionalProperties\":{\"type\":\"string\","
        "\"minLength\":500000000}}",
        "{\"type\":\"string\",\"minLength\":60}",
    };
    struct kernel_model *model = tiny();
    struct kernel_engine *engine = start(model, (struct kernel_engine_options){0});
    for (size_t i = 0; i < sizeof endless / sizeof endless[0]; i++) {
        struct kernel_message message;
        struct kernel_request request = complete(&message, "a", 40);
        struct asked asked = {0};
        request.schema = text_of(endless[i]);
        ck_assert(!ask(engine, &request, &asked));
        ck_assert_msg(strstr(asked.message, "the shortest answer") != NULL &&
                          strstr(asked.message, "40 are allowed") != NULL,
                      "%s", asked.message);
        asked_free(&asked);
    }
    kernel_engine_destroy(engine);
    kernel_model_close(model);
}

TEST(an_option_is_chosen_with_its_measured_probability)
{
    struct kernel_model *model = tiny();
    struct kernel_engine *engine = start(model, (struct kernel_engine_options){0});
    const struct kernel_text options[] = {text_of("invoice.hold"), text_of("invoice.release"),
                                          text_of("ask a \"person\"")};
    struct asked asked[2] = {0};
    for (int i = 0; i < 2; i++) { /* twice: the second time from remembered beginnings */
        struct kernel_message message;
        struct kernel_request request = complete(&message, prompts[0], 60);
        request.options = options;
        request.option_count = 3;
        ck_assert_msg(ask(engine, &request, &asked[i]), "%s", asked[i].message);
        asked_wait(&asked[i]);
        ck_assert_msg(!asked[i].failed, "%s", asked[i].message);
    }
    double sum = 0;
    int best = 0;
    for (int i = 0; i < 3; i++) {
        sum += asked[0].probability[i];
        best = asked[0].probability[i] > asked[0].probability[best] ? i : best;
        ck_assert(asked[0].probability[i] == asked[1].probability[i]); /* bit for bit */
    }
    ck_assert(fabs(sum - 1) < 1e-9);
    ck_assert_int_eq(asked[0].choice, best);
    ck_assert_str_eq(asked[0].text, asked[1].text);
    json_t *answer = json_loads(asked[0].text, 0, NULL);
    ck_assert_msg(answer != NULL, "%s", asked[0].text);
    ck_assert_str_eq(json_string_value(json_object_get(answer, "choice")), options[best].bytes);
    ck_assert(json_is_string(json_object_get(answer, "reason")));
    json_decref(answer);
    asked_free(&asked[0]);
    asked_free(&asked[1]);
    kernel_engine_destroy(engine);
    kernel_model_close(model);
}

TEST(thoughts_come_before_the_options_and_are_no_part_of_the_answer)
{
    struct kernel_model *model = tiny();
    struct kernel_engine *engine = start(model, (struct kernel_engine_options){0});
    const struct kernel_text options[] = {text_of("invoice.hold"), text_of("invoice.release")};
    static const uint32_t allowed[] = {12, 12, KERNEL_NO_THINKING, 0, 0};
    static const uint32_t length[] = {90, 90, 90, 90, 0}; /* 0: what the context leaves */
    enum { ASKED = 5 };
    struct asked asked[ASKED] = {0};
    for (int i = 0; i < ASKED; i++) {
        struct kernel_message message;
        struct kernel_request request = complete(&message, prompts[0], length[i]);
        request.kind = KERNEL_CHAT;
        request.options = options;
        request.option_count = 2;
        request.thinking_max = allowed[i];
        ck_assert_msg(ask(engine, &request, &asked[i]), "%s", asked[i].message);
        asked_wait(&asked[i]);
        ck_assert_msg(!asked[i].failed, "%s", asked[i].message);
        json_t *answer = json_loads(asked[i].text, 0, NULL);
        ck_assert_msg(answer != NULL, "%s", asked[i].text);
        ck_assert_str_eq(json_string_value(json_object_get(answer, "choice")),
                         options[asked[i].choice].bytes);
        json_decref(answer);
        ck_assert(fabs(asked[i].probability[0] + asked[i].probability[1] - 1) < 1e-9);
        ck_assert_uint_gt(asked[i].usage.answer_tokens, asked[i].usage.thinking_tokens);
        ck_assert(length[i] == 0 || asked[i].usage.answer_tokens <= length[i]);
    }
    ck_assert_uint_le(asked[0].usage.thinking_tokens, 12);
    ck_assert_uint_gt(asked[0].usage.thinking_tokens, 0);
    ck_assert_ptr_nonnull(asked[0].thoughts);
    ck_assert_str_eq(asked[0].thoughts, asked[1].thoughts);
    ck_assert(asked[0].probability[0] == asked[1].probability[0]);
    ck_assert_uint_eq(asked[2].usage.thinking_tokens, 0);
    ck_assert_ptr_null(asked[2].thoughts);
    ck_assert(asked[0].probability[0] != asked[2].probability[0]); /* they were read */
    ck_assert_uint_le(asked[3].usage.thinking_tokens, 45);         /* half, unless said otherwise */
    ck_assert_uint_ge(asked[4].usage.thinking_tokens, asked[3].usage.thinking_tokens);
    for (int i = 0; i < ASKED; i++) {
        asked_free(&asked[i]);
    }
    kernel_engine_destroy(engine);
    kernel_model_close(model);
}

/* ---- limits, deadlines, ends ---- */

TEST(what_does_not_fit_is_refused_with_the_numbers)
{
    struct kernel_model *model = tiny();
    struct kernel_engine *engine = start(
        model, (struct kernel_engine_options){.context_max = 64, .running_max = 1, .queue_max = 1});
    struct kernel_message message;
    struct asked asked = {0};
    struct kernel_request request = complete(&message, prompts[2], 60);
    ck_assert(!ask(engine, &request, &asked));
    ck_assert_int_eq(asked.status, KERNEL_LIMIT);
    ck_assert_msg(strstr(asked.message, "64") != NULL, "%s", asked.message);
    asked_free(&asked);
    request = complete(&message, "", 4);
    ck_assert(ask(engine, &request, &asked) || asked.status == KERNEL_INVALID);
    asked_wait(&asked);
    asked_free(&asked);
    request = complete(&message, "x", 4);
    request.schema = text_of("{\"not\":{}}");
    ck_assert(!ask(engine, &request, &asked));
    ck_assert_int_eq(asked.status, KERNEL_UNSUPPORTED);
    asked_free(&asked);
    request.schema = text_of(schema);
    ck_assert(!ask(engine, &request, &asked));
    ck_assert_int_eq(asked.status, KERNEL_LIMIT);
    asked_free(&asked);
    request = complete(&message, "x", 4);
    request.adapter = "none";
    ck_assert(!ask(engine, &request, &asked));
    asked_free(&asked);
    request = complete(&message, "x", 4);
    request.sampling.temperature = NAN;
    ck_assert(!ask(engine, &request, &asked));
    asked_free(&asked);
    kernel_engine_destroy(engine);
    kernel_model_close(model);
}

TEST(prompt_and_answer_together_keep_within_what_the_request_allows)
{
    struct kernel_model *model = tiny();
    struct kernel_engine *engine = start(model, (struct kernel_engine_options){.running_max = 1});
    struct kernel_message message;
    struct asked asked = {0};
    struct kernel_request request = complete(&message, prompts[0], 40);
    ck_assert_msg(ask(engine, &request, &asked), "%s", asked.message);
    asked_wait(&asked);
    uint32_t prompt = asked.usage.prompt_tokens;
    asked_free(&asked);
    for (uint32_t total = prompt - 1; total <= prompt; total++) { /* no room for an answer */
        struct kernel_error error = {.status = KERNEL_OK};
        uint64_t id;
        request.total_max = total;
        ck_assert_int_eq(kernel_submit(engine, &request, asked_event, &asked, &id, &error),
                         KERNEL_LIMIT);
        ck_assert_int_eq(error.needs, prompt + 1);
        ck_assert_msg(strstr(error.message, "allowed together") != NULL, "%s", error.message);
    }
    for (uint32_t left = 1; left <= 60; left += 13) { /* the answer is cut down to what is left */
        request.total_max = prompt + left;
        ck_assert_msg(ask(engine, &request, &asked), "%s", asked.message);
        asked_wait(&asked);
        ck_assert_uint_eq(asked.usage.prompt_tokens, prompt);
        ck_assert_uint_eq(asked.usage.answer_tokens, left < 40 ? left : 40);
        asked_free(&asked);
    }
    request.schema = text_of(schema);
    struct kernel_error error = {.status = KERNEL_OK};
    uint64_t id;
    request.answer_max = 200;
    request.total_max = prompt + 1; /* a token is no answer under a schema */
    ck_assert_int_eq(kernel_submit(engine, &request, asked_event, &asked, &id, &error),
                     KERNEL_LIMIT);
    ck_assert_int_gt(error.needs, request.total_max);
    request.total_max = (uint32_t)error.needs;
    ck_assert_msg(ask(engine, &request, &asked), "%s", asked.message);
    asked_wait(&asked);
    ck_assert_uint_le(asked.usage.prompt_tokens + asked.usage.answer_tokens, request.total_max);
    json_t *value = json_loads(asked.text, 0, NULL); /* closed in time */
    ck_assert_msg(value != NULL, "%s", asked.text);
    json_decref(value);
    asked_free(&asked);
    request.answer_max = 1; /* its own limit is what is wrong: more in all would not help */
    ck_assert_int_eq(kernel_submit(engine, &request, asked_event, &asked, &id, &error),
                     KERNEL_LIMIT);
    ck_assert_int_eq(error.needs, 0);
    kernel_engine_destroy(engine);
    kernel_model_close(model);
}

TEST(a_full_queue_says_when_to_come_again)
{
    struct kernel_model *model = tiny();
    struct kernel_engine *engine =
        start(model, (struct kernel_engine_options){.running_max = 1, .queue_max = 2});
    struct asked asked[20] = {0};
    int refused = 0;
    for (int i = 0; i < 20; i++) {
        struct kernel_message message;
        struct kernel_request request = complete(&message, prompts[2], 200);
        if (!ask(engine, &request, &asked[i])) {
            refused++;
            ck_assert_int_eq(asked[i].status, KERNEL_BUSY);
            ck_assert_int_gt(asked[i].retry_ms, 1000); /* none was answered yet */
        }
    }
    ck_assert_int_gt(refused, 0);
    for (int i = 0; i < 20; i++) {
        kernel_cancel(engine, asked[i].id);
    }
    for (int i = 0; i < 20; i++) {
        asked_wait(&asked[i]);
        asked_free(&asked[i]);
    }
    kernel_engine_destroy(engine);
    kernel_model_close(model);
}

/* Of 20 requests of a tenant, so many are taken while `asked` have places. */
static int pile_up(struct kernel_engine *engine, uint32_t tenant, struct asked asked[20])
{
    int taken = 0;
    for (int i = 0; i < 20; i++) {
        struct kernel_message message;
        struct kernel_request request = complete(&message, prompts[1], 1500);
        request.tenant = tenant;
        if (ask(engine, &request, &asked[i])) {
            taken++;
            continue;
        }
        ck_assert_int_eq(asked[i].status, KERNEL_BUSY);
        ck_assert_int_gt(asked[i].retry_ms, 0);
        char own[128]; /* its own number, and none of the others' */
        snprintf(own, sizeof own,
                 "overloaded: %d of this tenant's requests wait or run, and there is no place for "
                 "another; again in %d ms",
                 taken, (int)asked[i].retry_ms);
        ck_assert_str_eq(asked[i].message, own);
    }
    return taken;
}

TEST(no_tenant_can_take_the_places_of_the_others)
{
    struct kernel_model *model = tiny();
    struct kernel_engine *engine =
        start(model, (struct kernel_engine_options){.running_max = 2, .queue_max = 14});
    static struct asked asked[5][20];
    static const int shares[5] = {8, 4, 2, 1, 1}; /* of 16: as many as are left */
    memset(asked, 0, sizeof asked);
    for (uint32_t t = 0; t < 5; t++) {
        ck_assert_int_eq(pile_up(engine, t + 1, asked[t]), shares[t]);
    }
    for (int i = 0; i < 20; i++) { /* the first gives back what it had */
        kernel_cancel(engine, asked[0][i].id);
        asked_wait(&asked[0][i]);
        asked_free(&asked[0][i]);
        asked[0][i] = (struct asked){0};
    }
    ck_assert_int_eq(pile_up(engine, 1, asked[0]), 4); /* of the 8 that are left */
    for (int i = 0; i < 100; i++) {
        kernel_cancel(engine, asked[i / 20][i % 20].id);
        asked_wait(&asked[i / 20][i % 20]);
        asked_free(&asked[i / 20][i % 20]);
    }
    kernel_engine_destroy(engine);
    kernel_model_close(model);
}

TEST(the_first_answer_says_how_long_a_full_queue_takes)
{
    struct kernel_model *model = tiny();
    struct kernel_engine *engine =
        start(model, (struct kernel_engine_options){.running_max = 1, .queue_max = 2});
    struct asked asked[20] = {0};
    struct kernel_stats stats;
    struct kernel_message message;
    struct kernel_request request = complete(&message, prompts[2], 200);
    ck_assert(ask(engine, &request, &asked[0]));
    asked_wait(&asked[0]);
    asked_free(&asked[0]);
    wait_until_idle(engine, &stats);
    int refused = 0;
    for (int i = 1; i < 20; i++) {
        request = complete(&message, prompts[2], 200);
        if (!ask(engine, &request, &asked[i])) {
            refused++;
            ck_assert_int_ge(asked[i].retry_ms, (int64_t)(stats.busy_us / 1000));
        }
    }
    ck_assert_int_gt(refused, 0);
    for (int i = 1; i < 20; i++) {
        kernel_cancel(engine, asked[i].id);
        asked_wait(&asked[i]);
        asked_free(&asked[i]);
    }
    kernel_engine_destroy(engine);
    kernel_model_close(model);
}

TEST(the_canceled_and_the_late_give_their_blocks_back)
{
    struct kernel_model *model = tiny();
    struct kernel_engine *engine =
        start(model, (struct kernel_engine_options){.no_prefix_cache = true});
    struct kernel_message message;
    struct asked canceled = {0};
    struct asked late = {0};
    struct kernel_request request = complete(&message, prompts[2], 400);
    ck_assert(ask(engine, &request, &canceled));
    request.timeout_ms = 1;
    ck_assert(ask(engine, &request, &late));
    kernel_cancel(engine, canceled.id);
    asked_wait(&canceled);
    asked_wait(&late);
    ck_assert_int_eq(late.status, KERNEL_TIMEOUT);
    ck_assert_int_eq(canceled.status, KERNEL_CANCELED);
    struct kernel_stats stats;
    wait_until_idle(engine, &stats);
    ck_assert_uint_eq(stats.blocks_used, 0);
    asked_free(&canceled);
    asked_free(&late);
    kernel_engine_destroy(engine);
    kernel_model_close(model);
}

TEST(open_requests_end_with_their_engine)
{
    struct kernel_model *model = tiny();
    struct kernel_engine *engine = start(model, (struct kernel_engine_options){.running_max = 1});
    struct asked asked[5] = {0};
    for (int i = 0; i < 5; i++) {
        ask_prompt(engine, 2, GREEDY, &asked[i]);
    }
    kernel_engine_destroy(engine);
    for (int i = 0; i < 5; i++) {
        asked_wait(&asked[i]);
        ck_assert(asked[i].failed ? asked[i].status == KERNEL_CANCELED : true);
        asked_free(&asked[i]);
    }
    kernel_model_close(model);
}

/* ---- who comes first ---- */

TEST(a_better_tier_overtakes_what_waits_and_what_runs)
{
    struct kernel_model *model = tiny();
    struct kernel_engine *engine =
        start(model, (struct kernel_engine_options){.running_max = 2, .step_tokens = 8});
    struct asked low[8] = {0};
    struct asked high = {0};
    struct kernel_message message;
    for (int i = 0; i < 8; i++) {
        struct kernel_request request = complete(&message, prompts[2], 100);
        request.tier = 3;
        ck_assert(ask(engine, &request, &low[i]));
    }
    struct kernel_request request = complete(&message, prompts[0], 4);
    ck_assert(ask(engine, &request, &high));
    asked_wait(&high);
    int before = 0;
    for (int i = 0; i < 8; i++) {
        asked_wait(&low[i]);
        before += low[i].end_us < high.end_us;
        asked_free(&low[i]);
    }
    ck_assert_int_le(before, 2);
    asked_free(&high);
    kernel_engine_destroy(engine);
    kernel_model_close(model);
}

/* Of `crowd` requests of tenant 1, how many ended before the one of tenant 2 that came last. */
static int ended_before_newcomer(struct kernel_engine_options options, int crowd, uint32_t tokens)
{
    struct kernel_model *model = tiny();
    struct kernel_engine *engine = start(model, options);
    struct asked *asked = calloc((size_t)crowd, sizeof *asked);
    struct asked newcomer = {0};
    struct kernel_message message;
    int before = 0;
    for (int i = 0; i < crowd; i++) {
        struct kernel_request request = complete(&message, prompts[i % PROMPTS], tokens);
        request.tier = 1;
        ck_assert_msg(ask(engine, &request, &asked[i]), "%s", asked[i].message);
    }
    struct kernel_request request = complete(&message, prompts[1], 3);
    request.tenant = 2;
    request.tier = 1;
    ck_assert_msg(ask(engine, &request, &newcomer), "%s", newcomer.message);
    asked_wait(&newcomer);
    ck_assert_msg(!newcomer.failed, "%s", newcomer.message);
    for (int i = 0; i < crowd; i++) { /* the rest has shown what it should */
        kernel_cancel(engine, asked[i].id);
    }
    for (int i = 0; i < crowd; i++) {
        asked_wait(&asked[i]);
        ck_assert_msg(!asked[i].failed || asked[i].status == KERNEL_CANCELED, "%s",
                      asked[i].message);
        before += !asked[i].failed && asked[i].end_us < newcomer.end_us;
        asked_free(&asked[i]);
    }
    asked_free(&newcomer);
    free(asked);
    kernel_engine_destroy(engine);
    kernel_model_close(model);
    return before;
}

TEST(a_newcomers_first_request_comes_before_the_hundred_that_wait)
{
    ck_assert_int_le(
        ended_before_newcomer((struct kernel_engine_options){.running_max = 4}, 104, 24), 8);
}

TEST(a_newcomer_does_not_wait_until_one_of_the_long_ones_ends)
{
    ck_assert_int_eq(
        ended_before_newcomer((struct kernel_engine_options){.running_max = 4}, 12, 400), 0);
}

TEST(who_piles_up_gets_all_places_that_nobody_else_wants)
{
    struct kernel_model *model = tiny();
    struct kernel_engine *engine = start(model, (struct kernel_engine_options){.running_max = 4});
    struct asked asked[12] = {0};
    struct kernel_message message;
    for (int i = 0; i < 12; i++) { /* tenants 1 and 2, six each */
        struct kernel_request request = complete(&message, prompts[i % PROMPTS], 60);
        request.tenant = i < 6 ? 1 : 2;
        ck_assert(ask(engine, &request, &asked[i]));
    }
    int64_t first_end[3] = {0};
    for (int i = 0; i < 12; i++) {
        asked_wait(&asked[i]);
        ck_assert_msg(!asked[i].failed, "%s", asked[i].message);
        int64_t *first = &first_end[i < 6 ? 1 : 2];
        *first = *first == 0 || asked[i].end_us < *first ? asked[i].end_us : *first;
    }
    int before = 0; /* of the first tenant's, when the second had its first answer */
    for (int i = 0; i < 6; i++) {
        before += asked[i].end_us < first_end[2];
    }
    ck_assert_int_le(before, 4);
    struct kernel_stats stats;
    wait_until_idle(engine, &stats);
    ck_assert_uint_le(stats.preemptions, 4); /* shares even out once, and stay */
    for (int i = 0; i < 12; i++) {
        asked_free(&asked[i]);
    }
    kernel_engine_destroy(engine);
    kernel_model_close(model);
}

/* ---- text and vectors ---- */

TEST(a_stop_text_ends_the_answer_and_is_not_part_of_it)
{
    struct kernel_model *model = tiny();
    struct kernel_engine *engine = start(model, (struct kernel_engine_options){0});
    struct asked whole = {0};
    struct asked cut = {0};
    ask_prompt(engine, 0, GREEDY, &whole);
    asked_wait(&whole);
    if (whole.length >= 8) {
        char stop[4] = {whole.text[4], whole.text[5], whole.text[6], '\0'};
        const struct kernel_text stops[] = {text_of(stop)};
        struct kernel_message message;
        struct kernel_request request = complete(&message, prompts[0], ANSWER);
        request.stop = stops;
        request.stop_count = 1;
        ck_assert_msg(ask(engine, &request, &cut), "%s", cut.message);
        asked_wait(&cut);
        size_t expected = (size_t)(strstr(whole.text, stop) - whole.text);
        ck_assert_uint_eq(cut.length, expected);
        ck_assert_mem_eq(cut.text, whole.text, expected);
        ck_assert_int_eq(cut.finish, KERNEL_STOPPED);
        asked_free(&cut);
    }
    asked_free(&whole);
    kernel_engine_destroy(engine);
    kernel_model_close(model);
}

TEST(stop_texts_are_refused_with_a_schema_or_options)
{
    struct kernel_model *model = tiny();
    struct kernel_engine *engine = start(model, (struct kernel_engine_options){0});
    const struct kernel_text texts[] = {text_of("a"), text_of("b")};
    for (int i = 0; i < 2; i++) {
        struct kernel_message message;
        struct asked asked = {0};
        struct kernel_request request = complete(&message, prompts[0], 90);
        request.stop = texts;
        request.stop_count = 1;
        request.schema = i == 0 ? text_of("{\"type\":\"object\"}") : (struct kernel_text){0};
        request.options = texts;
        request.option_count = i == 0 ? 0 : 2;
        ck_assert(!ask(engine, &request, &asked));
        ck_assert_int_eq(asked.status, KERNEL_INVALID);
        ck_assert_msg(strncmp(asked.message, "stop text", 9) == 0, "%s", asked.message);
        asked_free(&asked);
    }
    kernel_engine_destroy(engine);
    kernel_model_close(model);
}

/* Tokens that log-probabilities were told of. */
static uint32_t tokens_told(const struct asked *asked)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < asked->logprob_count; i += 1 + asked->logprobs[i].others) {
        count++;
    }
    return count;
}

/* U+0000 is a character like any other in a prompt, an option and a schema's values; a stop text
 * with one is refused, and so is a property's name (the reader of JSON has none). */
TEST(a_zero_character_is_taken_or_refused_by_name)
{
    struct kernel_model *model = tiny();
    struct kernel_engine *engine = start(model, (struct kernel_engine_options){0});
    struct kernel_message message;
    struct asked asked[2] = {0};
    static const struct kernel_text prompts_of[2] = {{"a\0b", 3}, {"a", 1}};
    for (int i = 0; i < 2; i++) {
        struct kernel_request request = complete(&message, "", 4);
        message.text = prompts_of[i];
        ck_assert_msg(ask(engine, &request, &asked[i]), "%s", asked[i].message);
        asked_wait(&asked[i]);
        ck_assert_msg(!asked[i].failed, "%s", asked[i].message);
    }
    ck_assert_uint_gt(asked[0].usage.prompt_tokens, asked[1].usage.prompt_tokens); /* not cut */
    asked_free(&asked[0]);
    asked_free(&asked[1]);
    struct kernel_request request = complete(&message, "x", 64);
    static const struct kernel_text options[2] = {{"ye\0s", 4}, {"ye\0t", 4}};
    request.options = options;
    request.option_count = 2;
    struct asked chosen = {0};
    ck_assert_msg(ask(engine, &request, &chosen), "%s", chosen.message);
    asked_wait(&chosen);
    ck_assert_msg(!chosen.failed, "%s", chosen.message);
    json_t *answer = json_loadb(chosen.text, chosen.length, JSON_ALLOW_NUL, NULL);
    const json_t *choice = json_object_get(answer, "choice");
    ck_assert_uint_eq(json_string_length(choice), 4);
    ck_assert_mem_eq(json_string_value(choice), options[chosen.choice].bytes, 4);
    json_decref(answer);
    asked_free(&chosen);
    static const char *const schemas[] = {"{\"const\":\"a\\u0000b\"}", "{\"enum\":[\"\\u0000\"]}"};
    static const struct kernel_text values[] = {{"a\0b", 3}, {"\0", 1}};
    for (int i = 0; i < 2; i++) {
        struct asked made = {0};
        request = complete(&message, "x", 64);
        request.schema = text_of(schemas[i]);
        ck_assert_msg(ask(engine, &request, &made), "%s", made.message);
        asked_wait(&made);
        ck_assert_msg(!made.failed, "%s", made.message);
        json_t *value = json_loadb(made.text, made.length, JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL);
        ck_assert_uint_eq(json_string_length(value), values[i].length);
        ck_assert_mem_eq(json_string_value(value), values[i].bytes, values[i].length);
        json_decref(value);
        asked_free(&made);
    }
    struct asked refused = {0};
    request = complete(&message, "x", 64);
    request.schema = text_of("{\"properties\":{\"a\\u0000b\":{}}}");
    ck_assert(!ask(engine, &request, &refused));
    ck_assert_int_eq(refused.status, KERNEL_INVALID);
    ck_assert_msg(strstr(refused.message, "NUL") != NULL, "%s", refused.message);
    asked_free(&refused);
    refused = (struct asked){0};
    request = complete(&message, "x", 64);
    static const struct kernel_text stop = {"a\0b", 3};
    request.stop = &stop;
    request.stop_count = 1;
    ck_assert(!ask(engine, &request, &refused));
    ck_assert_msg(strstr(refused.message, "without a NUL") != NULL, "%s", refused.message);
    asked_free(&refused);
    kernel_engine_destroy(engine);
    kernel_model_close(model);
}

TEST(every_token_has_log_probabilities_whatever_is_held_back_or_forced)
{
    struct kernel_model *model = tiny();
    struct kernel_engine *engine = start(model, (struct kernel_engine_options){0});
    static const char forced[] =
        "{\"type\":\"object\",\"properties\":{\"invoice_number\":{\"enum\":"
        "[10000001,20000002]}},\"required\":[\"invoice_number\"],"
        "\"additionalProperties\":false}";
    struct asked whole = {0};
    for (int i = 0; i < 5; i++) {
        struct kernel_message message;
        struct asked asked = {0};
        struct kernel_request request = complete(&message, prompts[0], i < 3 ? ANSWER : 90);
        char stop[16] = "";
        struct kernel_text stops[1];
        request.logprobs = 2;
        if (i == 1 || i == 2) { /* the end of the answer may begin it; the answer has it */
            size_t from = i == 1 ? whole.length - 2 : 4;
            memcpy(stop, whole.text + from, 2);
            strcat(stop, i == 1 ? "\x01" : "");
            stops[0] = text_of(stop);
            request.stop = stops;
            request.stop_count = 1;
        } else if (i == 3) {
            request.schema = text_of(forced);
        } else if (i == 4) {
            request.kind = KERNEL_CHAT; /* it thinks */
            request.schema = text_of(forced);
            request.thinking_max = 7;
        }
        ck_assert_msg(ask(engine, &request, &asked), "%s", asked.message);
        asked_wait(&asked);
        ck_assert_msg(!asked.failed, "%s", asked.message);
        bool ended = asked.finish == KERNEL_STOPPED && i < 2; /* its mark is told of nowhere */
        ck_assert_msg(tokens_told(&asked) + ended == asked.usage.answer_tokens, "case %d: %u of %u",
                      i, tokens_told(&asked), asked.usage.answer_tokens);
        if (i == 0) {
            whole = asked;
            ck_assert_uint_ge(whole.length, 8);
            for (size_t c = 0; c < whole.length; c++) { /* else the stops above are no texts */
                ck_assert_int_ne(whole.text[c], 0);
            }
        } else {
            asked_free(&asked);
        }
    }
    asked_free(&whole);
    kernel_engine_destroy(engine);
    kernel_model_close(model);
}

TEST(a_thought_stays_within_the_limits)
{
    static const struct {
        uint32_t answer, thinking, most_thinking;
    } cases[] = {{1, 0, 1}, {1, 1, 1}, {2, 5, 2}, {9, 1, 1}, {9, 2, 2}, {5, 6, 5}, {5, 5, 5}};
    struct kernel_model *model = tiny();
    struct kernel_engine *engine = start(model, (struct kernel_engine_options){0});
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct kernel_message message;
        struct asked asked = {0};
        struct kernel_request request = complete(&message, prompts[0], cases[i].answer);
        request.kind = KERNEL_CHAT;
        request.thinking_max = cases[i].thinking;
        ck_assert_msg(ask(engine, &request, &asked), "%s", asked.message);
        asked_wait(&asked);
        ck_assert_msg(!asked.failed, "%s", asked.message);
        ck_assert_msg(asked.usage.answer_tokens <= cases[i].answer &&
                          asked.usage.thinking_tokens <= cases[i].most_thinking,
                      "case %zu: %u, of them %u of a thought", i, asked.usage.answer_tokens,
                      asked.usage.thinking_tokens);
        asked_free(&asked);
    }
    kernel_engine_destroy(engine);
    kernel_model_close(model);
}

TEST(a_vector_is_the_same_alone_and_in_a_crowd)
{
    struct kernel_model *model = tiny();
    struct kernel_model_facts facts;
    kernel_model_facts(model, &facts);
    struct asked asked[2][PROMPTS] = {0};
    for (int crowd = 0; crowd < 2; crowd++) {
        struct kernel_engine *engine =
            start(model, (struct kernel_engine_options){.step_tokens = crowd != 0 ? 7 : 0,
                                                        .running_max = crowd != 0 ? 3 : 0});
        for (int i = 0; i < PROMPTS; i++) {
            struct kernel_message message;
            struct kernel_request request = complete(&message, prompts[i], 0);
            request.kind = KERNEL_EMBED;
            asked[crowd][i].width = facts.width;
            ck_assert_msg(ask(engine, &request, &asked[crowd][i]), "%s", asked[crowd][i].message);
            if (crowd == 0) {
                asked_wait(&asked[crowd][i]);
            }
        }
        for (int i = 0; i < PROMPTS; i++) {
            asked_wait(&asked[crowd][i]);
        }
        kernel_engine_destroy(engine);
    }
    for (int i = 0; i < PROMPTS; i++) {
        double squares = 0;
        for (uint32_t j = 0; j < facts.width; j++) {
            squares += (double)asked[0][i].vector[j] * (double)asked[0][i].vector[j];
        }
        ck_assert(fabs(squares - 1) < 1e-5);
        ck_assert_mem_eq(asked[0][i].vector, asked[1][i].vector, facts.width * sizeof(float));
        asked_free(&asked[0][i]);
        asked_free(&asked[1][i]);
    }
    kernel_model_close(model);
}

TEST_MAIN()
