/* kernels_grammar_cache_test.c -- compiled schemas are kept by tenant: nobody finds, or pushes out,
 * what another one asked with. */
#define TEST_BACKEND KERNEL_CPU

#include "kernels/serve/serve.h"
#include "tests/support/kernel_asker.h"
#include "tests/support/kernel_tiny.h"
#include "tests/support/test.h"

#include <unistd.h>

static const char *const shared_schema = "{\"enum\":[\"a\",\"b\"]}";

static void ask_with(struct kernel_engine *engine, uint32_t tenant, const char *schema)
{
    struct kernel_message message = {.role = KERNEL_USER, .text = {"x", 1}};
    struct kernel_request request = {.kind = KERNEL_COMPLETE,
                                     .tenant = tenant,
                                     .messages = &message,
                                     .message_count = 1,
                                     .answer_max = 30,
                                     .schema = {schema, strlen(schema)}};
    struct asked asked = {0};
    ck_assert_msg(ask(engine, &request, &asked), "%s", asked.message);
    asked_wait(&asked);
    ck_assert_msg(!asked.failed, "%s", asked.message);
    asked_free(&asked);
}

/* How many the tenant has; `*found` is the grammar of `schema`. */
static uint32_t kept_of(struct kernel_engine *engine, uint32_t tenant, const char *schema,
                        const struct kernel_grammar **found)
{
    uint32_t kept = 0;
    *found = NULL;
    pthread_mutex_lock(&engine->lock);
    for (const struct grammar_entry *entry = engine->grammars; entry != NULL; entry = entry->next) {
        kept += entry->tenant == tenant;
        if (entry->tenant == tenant && strcmp(entry->schema, schema) == 0) {
            *found = entry->grammar;
        }
    }
    pthread_mutex_unlock(&engine->lock);
    return kept;
}

TEST(a_schema_is_compiled_anew_for_another_tenant_who_pushes_none_out)
{
    struct kernel_model *model = tiny();
    struct kernel_engine *engine = start(model, (struct kernel_engine_options){0});
    const struct kernel_grammar *first = NULL;
    const struct kernel_grammar *second = NULL;
    ask_with(engine, 1, shared_schema);
    ck_assert_uint_eq(kept_of(engine, 1, shared_schema, &first), 1);
    ck_assert_uint_eq(kept_of(engine, 2, shared_schema, &second), 0);
    ask_with(engine, 2, shared_schema);
    kept_of(engine, 2, shared_schema, &second);
    ck_assert_ptr_nonnull(first);
    ck_assert(second != NULL && second != first);
    for (int i = 0; i < 3 * GRAMMARS_KEPT; i++) {
        char schema[40];
        snprintf(schema, sizeof schema, "{\"enum\":[\"c%d\",\"d\"]}", i);
        ask_with(engine, 2, schema);
    }
    const struct kernel_grammar *still = NULL;
    ck_assert_uint_le(kept_of(engine, 2, shared_schema, &second), GRAMMARS_KEPT + 1);
    ck_assert_ptr_null(second);
    ck_assert_uint_eq(kept_of(engine, 1, shared_schema, &still), 1);
    ck_assert_ptr_eq(still, first);
    ask_with(engine, 1, shared_schema);
    ck_assert_uint_eq(kept_of(engine, 1, shared_schema, &still), 1);
    kernel_engine_destroy(engine);
    kernel_model_close(model);
}

/* 400 patterns whose automata are too large together. */
static char *dear_schema(int salt)
{
    char *text = NULL;
    size_t length = 0;
    FILE *file = open_memstream(&text, &length);
    fprintf(file, "{\"title\":\"t%d\",\"type\":\"object\",\"properties\":{", salt);
    for (int i = 0; i < 400; i++) {
        fprintf(file, "%s\"p%d\":{\"type\":\"string\",\"pattern\":\"(a|b)*a(a|b){8}%d$\"}",
                i > 0 ? "," : "", i, i);
    }
    fprintf(file, "}}");
    fclose(file);
    return text;
}

static bool ask_dear_within(struct kernel_engine *engine, int salt, int64_t timeout_ms,
                            struct asked *asked)
{
    char *schema = dear_schema(salt);
    struct kernel_message message = {.role = KERNEL_USER, .text = {"x", 1}};
    struct kernel_request request = {.kind = KERNEL_COMPLETE,
                                     .tenant = 1,
                                     .messages = &message,
                                     .message_count = 1,
                                     .answer_max = 30,
                                     .schema = {schema, strlen(schema)},
                                     .timeout_ms = timeout_ms};
    bool taken = ask(engine, &request, asked);
    free(schema);
    return taken;
}

static bool ask_dear(struct kernel_engine *engine, int salt, struct asked *asked)
{
    return ask_dear_within(engine, salt, 0, asked);
}

TEST(schemas_that_take_long_keep_nobody_and_are_refused_once)
{
    enum { DEAR = 12 };
    struct kernel_model *model = tiny();
    struct kernel_engine *engine = start(model, (struct kernel_engine_options){0});
    static struct asked asked[DEAR];
    int64_t begin_us = asked_now_us();
    for (int i = 0; i < DEAR; i++) {
        ck_assert_msg(ask_dear(engine, i, &asked[i]), "%s", asked[i].message);
    }
    int64_t submitted_us = asked_now_us();
    ask_with(engine, 2, shared_schema); /* ended, while most of them wait to be compiled */
    int64_t other_us = asked_now_us();
    ck_assert(!asked[DEAR - 1].ended);
    kernel_cancel(engine, asked[DEAR - 1].id);
    asked_wait(&asked[DEAR - 1]);
    ck_assert_int_eq(asked[DEAR - 1].status, KERNEL_CANCELED);
    ck_assert(!asked[DEAR - 2].ended); /* it was not waited for */
    for (int i = 0; i < DEAR - 1; i++) {
        asked_wait(&asked[i]);
        ck_assert(asked[i].failed);
        ck_assert_int_eq(asked[i].status, KERNEL_INVALID);
        ck_assert_msg(strstr(asked[i].message, "need more than 64 MiB") != NULL, "%s",
                      asked[i].message);
    }
    int64_t compiled_us = asked_now_us();
    struct asked again = {0};
    ck_assert(!ask_dear(engine, DEAR - 2, &again)); /* at once */
    ck_assert_int_eq(again.status, KERNEL_INVALID);
    ck_assert_msg(strstr(again.message, "need more than 64 MiB") != NULL, "%s", again.message);
    int64_t again_us = asked_now_us();
    printf("%d submitted in %.1f ms, another tenant's answer %.1f ms later, all refused after %.0f "
           "ms, again %.2f ms\n",
           DEAR, (double)(submitted_us - begin_us) / 1e3, (double)(other_us - submitted_us) / 1e3,
           (double)(compiled_us - begin_us) / 1e3, (double)(again_us - compiled_us) / 1e3);
    ck_assert_int_lt((again_us - compiled_us) * 10, (compiled_us - begin_us) / (DEAR - 1));
    asked_free(&again);
    for (int i = 0; i < DEAR; i++) {
        asked_free(&asked[i]);
    }
    kernel_engine_destroy(engine);
    kernel_model_close(model);
}

TEST(behind_schemas_that_take_long_a_short_one_is_answered_and_a_late_one_ends)
{
    enum { DEAR = 12, LATE = 3 };
    struct kernel_model *model = tiny();
    struct kernel_engine *engine = start(model, (struct kernel_engine_options){0});
    static struct asked asked[DEAR + LATE];
    for (int i = 0; i < DEAR; i++) {
        ck_assert_msg(ask_dear(engine, i, &asked[i]), "%s", asked[i].message);
    }
    ask_with(engine, 1, shared_schema); /* of the same tenant: it is short, and waits for none */
    ck_assert(!asked[DEAR - 1].ended);
    for (int i = DEAR + LATE; i-- > DEAR;) { /* the one that waits longest comes first */
        int64_t timeout_ms = 30 * (i - DEAR + 1);
        ck_assert_msg(ask_dear_within(engine, i, timeout_ms, &asked[i]), "%s", asked[i].message);
    }
    for (int i = DEAR; i < DEAR + LATE; i++) {
        asked_wait(&asked[i]);
        ck_assert_int_eq(asked[i].status, KERNEL_TIMEOUT);
        ck_assert_msg(strstr(asked[i].message, "the deadline passed") != NULL, "%s",
                      asked[i].message);
    }
    ck_assert(!asked[DEAR - 1].ended);
    struct kernel_stats stats;
    kernel_stats(engine, &stats);
    ck_assert_uint_gt(stats.waiting, 1); /* those that wait for their schemas are counted */
    ck_assert_uint_le(stats.waiting, DEAR);
    for (int i = 0; i < DEAR; i++) {
        kernel_cancel(engine, asked[i].id);
    }
    for (int i = 0; i < DEAR + LATE; i++) {
        asked_wait(&asked[i]);
        asked_free(&asked[i]);
    }
    kernel_engine_destroy(engine);
    kernel_model_close(model);
}

TEST(cancels_of_what_has_ended_do_not_pile_up)
{
    struct kernel_model *model = tiny();
    struct kernel_engine *engine = start(model, (struct kernel_engine_options){0});
    ask_with(engine, 1, shared_schema);
    uint32_t left = UINT32_MAX;
    for (int i = 0; i < 100; i++) {
        kernel_cancel(engine, 1);
    }
    for (int i = 0; i < 5000 && left > 0; i++) {
        usleep(1000);
        pthread_mutex_lock(&engine->lock);
        left = engine->cancels.count;
        pthread_mutex_unlock(&engine->lock);
    }
    ck_assert_uint_eq(left, 0);
    kernel_engine_destroy(engine);
    kernel_model_close(model);
}

TEST(an_engine_that_ends_answers_none_that_waits_for_its_schema)
{
    struct kernel_model *model = tiny();
    for (int life = 0; life < 10; life++) {
        enum { DEAR = 3 };
        struct kernel_engine *engine = start(model, (struct kernel_engine_options){0});
        struct asked asked[DEAR] = {0};
        for (int i = 0; i < DEAR; i++) {
            ck_assert_msg(ask_dear(engine, i, &asked[i]), "%s", asked[i].message);
        }
        kernel_engine_destroy(engine);
        for (int i = 0; i < DEAR; i++) {
            asked_wait(&asked[i]);
            ck_assert_msg(asked[i].failed, "answered unbound: %s", asked[i].text);
            ck_assert(asked[i].status == KERNEL_CANCELED || asked[i].status == KERNEL_INVALID);
            asked_free(&asked[i]);
        }
    }
    kernel_model_close(model);
}

TEST(options_with_any_character_are_chosen_between)
{
    struct kernel_model *model = tiny();
    struct kernel_engine *engine = start(model, (struct kernel_engine_options){0});
    for (int point = 1; point < 0x80; point++) {
        char names[2][4] = {{'a', (char)point, 'b', '\0'}, {'c', (char)point, 'd', '\0'}};
        struct kernel_text texts[2] = {{names[0], 3}, {names[1], 3}};
        struct kernel_message message = {.role = KERNEL_USER, .text = {"x", 1}};
        struct kernel_request request = {.kind = KERNEL_COMPLETE,
                                         .tenant = 1,
                                         .messages = &message,
                                         .message_count = 1,
                                         .answer_max = 60,
                                         .options = texts,
                                         .option_count = 2};
        struct asked asked = {0};
        ck_assert_msg(ask(engine, &request, &asked), "U+%04X: %s", (unsigned)point, asked.message);
        asked_wait(&asked);
        ck_assert_msg(!asked.failed, "U+%04X: %s", (unsigned)point, asked.message);
        ck_assert_int_ge(asked.choice, 0);
        asked_free(&asked);
    }
    kernel_engine_destroy(engine);
    kernel_model_close(model);
}

TEST_MAIN()
