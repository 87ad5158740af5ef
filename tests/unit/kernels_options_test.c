/* kernels_options_test.c -- decisions between options take their turn: they are scored some in each
 * step, stand in nobody's way, and give the same however they were cut. */
#include "tests/support/kernel_asker.h"
#include "tests/support/kernel_tiny.h"
#include "tests/support/test.h"

enum { OPTIONS = 24, NAME_MAX_BYTES = 48, LONG_BYTES = 300 };

struct many {
    char names[OPTIONS][NAME_MAX_BYTES];
    struct kernel_text options[OPTIONS];
    struct kernel_message message;
    struct kernel_request request;
};

static void fill(struct many *many)
{
    for (int i = 0; i < OPTIONS; i++) {
        snprintf(many->names[i], sizeof many->names[i], "%c the answer of number %d of many",
                 'a' + i % 7, i);
        many->options[i] = (struct kernel_text){many->names[i], strlen(many->names[i])};
    }
    many->message = (struct kernel_message){.role = KERNEL_USER, .text = {"which one?", 10}};
    many->request = (struct kernel_request){.kind = KERNEL_COMPLETE,
                                            .tenant = 1,
                                            .messages = &many->message,
                                            .message_count = 1,
                                            .answer_max = 100,
                                            .options = many->options,
                                            .option_count = OPTIONS};
}

/* So many that are long. */
static void fill_long(struct many *many, int count)
{
    static char names[OPTIONS][LONG_BYTES];
    fill(many);
    for (int i = 0; i < count; i++) {
        for (int at = 0; at < LONG_BYTES; at++) {
            names[i][at] = (char)('a' + (at * 7 + at / 26 + i) % 26);
        }
        many->options[i] = (struct kernel_text){names[i], LONG_BYTES};
    }
    many->request.option_count = (uint32_t)count;
    many->request.answer_max = 2 * LONG_BYTES;
}

static uint64_t steps_of(struct kernel_engine *engine)
{
    struct kernel_stats stats;
    kernel_stats(engine, &stats);
    return stats.steps;
}

/* Decided with steps of different lengths: the same, and never in fewer steps than `least`. */
static void assert_same_however_cut(const struct many *many, uint64_t least)
{
    static const uint32_t tokens[] = {2048, 64, 7};
    static struct asked first;
    static struct asked other;
    struct kernel_model *model = tiny();
    for (int i = 0; i < 3; i++) {
        struct kernel_engine *engine =
            start(model, (struct kernel_engine_options){.step_tokens = tokens[i]});
        struct asked *asked = i == 0 ? &first : &other;
        ck_assert_msg(ask(engine, &many->request, asked), "%s", asked->message);
        asked_wait(asked);
        ck_assert_msg(!asked->failed, "%s", asked->message);
        ck_assert_uint_ge(steps_of(engine), least);
        if (i > 0) {
            ck_assert_str_eq(other.text, first.text);
            ck_assert_int_eq(other.choice, first.choice);
            ck_assert_mem_eq(other.probability, first.probability, sizeof first.probability);
            ck_assert_mem_eq(&other.usage, &first.usage, sizeof first.usage);
            asked_free(&other);
        }
        kernel_engine_destroy(engine);
    }
    asked_free(&first);
    kernel_model_close(model);
}

TEST(many_options_are_scored_in_many_steps_and_give_the_same)
{
    static struct many many;
    fill(&many);
    assert_same_however_cut(&many, 24 + 8); /* a step for each token of the reason, and more */
}

TEST(long_options_are_scored_in_many_steps_and_give_the_same)
{
    static struct many many;
    fill_long(&many, 2);
    assert_same_however_cut(&many, 24 + 8);
}

TEST(who_decides_between_long_ones_can_be_canceled_in_the_middle)
{
    static struct many many;
    static struct asked asked;
    struct kernel_model *model = tiny();
    fill_long(&many, OPTIONS); /* some hundred steps */
    struct kernel_engine *engine = start(model, (struct kernel_engine_options){.step_tokens = 64});
    ck_assert(ask(engine, &many.request, &asked));
    while (steps_of(engine) < 3) { /* past the prompt, in the first of them */
    }
    kernel_cancel(engine, asked.id);
    asked_wait(&asked);
    ck_assert_int_eq(asked.status, KERNEL_CANCELED);
    ck_assert_uint_lt(steps_of(engine), 60);
    asked_free(&asked);
    kernel_engine_destroy(engine);
    kernel_model_close(model);
}

/* ---- many kinds at once, in a cache that has room for few ---- */

enum { ASKED = 48, PROMPT_MAX = 900 };

struct crowd {
    char prompts[ASKED][PROMPT_MAX];
    struct kernel_message messages[ASKED];
    struct kernel_request requests[ASKED];
};

static void write_prompt(char *out, unsigned *state)
{
    static const char *const words[] = {"invoice ",  "total ", "3.20 ", "EUR ",
                                        "supplier ", "yes ",   "no "};
    int length = 10 + rand_r(state) % 500;
    for (int at = 0; at < length;) {
        int of = rand_r(state) % 3 != 0 ? 3 : 7;
        at += snprintf(out + at, PROMPT_MAX - (size_t)at, "%s", words[rand_r(state) % of]);
    }
}

/* One of the kinds that take their blocks and tokens differently. */
static void choose_kind(struct kernel_request *request, unsigned *state)
{
    static const char *const schema =
        "{\"type\":\"object\",\"properties\":{\"supplier\":{\"type\":\"string\",\"maxLength\":30},"
        "\"list\":{\"type\":\"array\",\"items\":{\"enum\":[\"invoice\",\"in\",\"other\"]}}},"
        "\"required\":[\"supplier\",\"list\"],\"additionalProperties\":false}";
    static const struct kernel_text options[] = {
        {"yes", 3}, {"no", 2}, {"need more information", 21}};
    switch (rand_r(state) % 6) {
    case 0:
        request->schema = text_of(schema);
        request->answer_max += 50;
        break;
    case 1:
    case 2:
        request->options = options;
        request->option_count = 3;
        request->answer_max += 40;
        break;
    case 3: request->kind = KERNEL_EMBED; break;
    case 4: request->logprobs = 3; break;
    default: break;
    }
}

static void fill_crowd(struct crowd *crowd, unsigned seed)
{
    unsigned state = seed;
    for (int i = 0; i < ASKED; i++) {
        write_prompt(crowd->prompts[i], &state);
        crowd->messages[i] =
            (struct kernel_message){.role = KERNEL_USER, .text = text_of(crowd->prompts[i])};
        crowd->requests[i] = (struct kernel_request){
            .kind = rand_r(&state) % 2 != 0 ? KERNEL_CHAT : KERNEL_COMPLETE,
            .tenant = (uint32_t)rand_r(&state) % 3,
            .tier = (uint32_t)rand_r(&state) % 3,
            .messages = &crowd->messages[i],
            .message_count = 1,
            .answer_max = 20 + (uint32_t)rand_r(&state) % 120,
            .timeout_ms = 20000,
            .thinking_max = rand_r(&state) % 3 == 0 ? KERNEL_NO_THINKING : 0};
        choose_kind(&crowd->requests[i], &state);
    }
}

/* Better ones that need blocks, worse ones that decide: all get their end, and none by its time. */
TEST(who_cannot_decide_yet_stands_in_nobodys_way)
{
    static struct crowd crowd;
    static struct asked asked[ASKED];
    struct kernel_model *model = tiny();
    for (unsigned seed = 8; seed <= 9; seed++) {
        fill_crowd(&crowd, seed);
        struct kernel_engine *engine =
            start(model, (struct kernel_engine_options){.cache_bytes = 1000000,
                                                        .context_max = 512,
                                                        .running_max = 7,
                                                        .step_tokens = 24,
                                                        .queue_max = 4 * ASKED});
        for (int i = 0; i < ASKED; i++) {
            ask(engine, &crowd.requests[i], &asked[i]); /* some are too long */
        }
        for (int i = 0; i < ASKED; i++) {
            asked_wait(&asked[i]);
            ck_assert_msg(asked[i].status != KERNEL_TIMEOUT, "seed %u, request %d: %s", seed, i,
                          asked[i].message);
            asked_free(&asked[i]);
        }
        kernel_engine_destroy(engine);
    }
    kernel_model_close(model);
}

TEST_MAIN()
