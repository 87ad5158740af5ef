/* model_engine_test.c -- the engine in its process: it answers, it is killed, it is asked again. */
#include "kernels/kernel.h"
#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/loop/loop.h"
#include "runtime/model/engine.h"
#include "runtime/model/frame.h"
#include "runtime/model/health.h"
#include "runtime/model/model.h"
#include "runtime/model/port.h"
#include "runtime/model/spawn.h"
#include "tests/support/kernel_file.h"
#include "tests/support/test.h"

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROUNDS_MAX = 3000, ASKERS = 8 };

static char folder[64];
static char model_path[96];

/* One tiny model of random weights for all tests. */
static void make_model(void)
{
    struct kernel_model *model = NULL;
    struct kernel_error error;
    snprintf(folder, sizeof folder, "/tmp/reeve-model-XXXXXX");
    if (mkdtemp(folder) == NULL) {
        exit(1);
    }
    snprintf(model_path, sizeof model_path, "%s/tiny.gguf", folder);
    if (kernel_model_make("tiny-llama", "Q8_0", 7, &model, &error) != KERNEL_OK ||
        kernel_model_write(model, model_path, &error) != KERNEL_OK) {
        fprintf(stderr, "%s\n", error.message);
        exit(1);
    }
    kernel_model_close(model);
}

struct heard {
    int ends, pieces;
    bool done;
    enum rv_code code;
    char message[256];
    char text[8192];
    json_t *body;
};

struct world {
    struct rv_loop *loop;
    struct rv_engine *engine;
    struct heard heard[ASKERS];
};

static struct world world;

static void on_event(void *data, const struct rv_engine_event *event)
{
    struct heard *heard = data;
    ck_assert_int_eq(heard->ends, 0); /* nothing after the end */
    if (event->kind == RV_ENGINE_PIECE) {
        heard->pieces++;
        if (rv_json_bool(event->body, "thinking", false)) {
            return;
        }
        size_t length = strlen(heard->text);
        snprintf(heard->text + length, sizeof heard->text - length, "%s",
                 rv_json_str(event->body, "text", ""));
        return;
    }
    heard->ends++;
    heard->done = event->kind == RV_ENGINE_DONE;
    heard->code = event->code;
    heard->body = event->body != NULL ? json_deep_copy(event->body) : NULL;
    if (event->err != NULL) {
        snprintf(heard->message, sizeof heard->message, "%s", event->err->message);
    }
}

static void begin_with(const char *path)
{
    rv_log_level(RV_LOG_SILENT);
    world = (struct world){.loop = rv_loop_create(rv_clock_system())};
    world.engine = rv_engine_start(&(struct rv_engine_options){.loop = world.loop,
                                                               .program = REEVE_PROGRAM,
                                                               .path = path,
                                                               .backend = "ref",
                                                               .context = 2048});
}

static void end(void)
{
    rv_engine_close(world.engine);
    for (int i = 0; i < ASKERS; i++) {
        json_decref(world.heard[i].body);
    }
    rv_loop_destroy(world.loop);
}

static json_t *question(const char *text, int max)
{
    return json_pack("{s:i,s:i,s:b,s:[{s:s,s:s}]}", "tenant", 1, "max", max, "plain", 1, "messages",
                     "role", "user", "text", text);
}

static uint64_t ask(int who, json_t *body, int64_t timeout_ms)
{
    return rv_engine_ask(world.engine, world.loop, body, timeout_ms, on_event, &world.heard[who]);
}

static void wait_for(const int *count, int value)
{
    for (int i = 0; i < ROUNDS_MAX && *count < value; i++) {
        rv_loop_run_once(world.loop, 10);
    }
    ck_assert_int_ge(*count, value);
}

static void wait_ready(void)
{
    for (int i = 0; i < ROUNDS_MAX && !rv_engine_is_ready(world.engine); i++) {
        rv_loop_run_once(world.loop, 10);
    }
    ck_assert(rv_engine_is_ready(world.engine));
}

static pid_t engine_pid(void)
{
    json_t *status = rv_engine_status(world.engine);
    pid_t pid = (pid_t)rv_json_int(status, "pid", -1);
    json_decref(status);
    return pid;
}

TEST(a_question_is_answered_with_its_tokens_and_its_model)
{
    begin_with(model_path);
    ask(0, question("hello", 8), 20000);
    wait_for(&world.heard[0].ends, 1);
    ck_assert_msg(world.heard[0].done, "%s", world.heard[0].message);
    const json_t *usage = json_object_get(world.heard[0].body, "usage");
    ck_assert_int_gt(rv_json_int(usage, "prompt", 0), 0);
    ck_assert_int_gt(rv_json_int(usage, "answer", 0), 0);
    const json_t *model = json_object_get(world.heard[0].body, "model");
    ck_assert_uint_eq(strlen(rv_json_str(model, "hash", "")), 64);
    ck_assert_str_eq(rv_json_str(model, "sampler", ""), "greedy");
    end();
}

TEST(options_are_measured_and_a_stream_says_the_same_text)
{
    begin_with(model_path);
    json_t *body = question("which?", 64);
    json_object_set_new(body, "options", json_pack("[s,s,s]", "accept", "hold", "reject"));
    ask(0, json_deep_copy(body), 20000);
    json_object_set_new(body, "stream", json_true());
    ask(1, json_deep_copy(body), 20000);
    wait_for(&world.heard[0].ends, 1);
    wait_for(&world.heard[1].ends, 1);
    json_decref(body);
    ck_assert_msg(world.heard[0].done, "%s", world.heard[0].message);
    const json_t *list = json_object_get(world.heard[0].body, "probability");
    double sum = 0;
    for (size_t i = 0; i < 3; i++) {
        sum += json_number_value(json_array_get(list, i));
    }
    ck_assert(sum > 0.999 && sum < 1.001);
    ck_assert_int_gt(world.heard[1].pieces, 0);
    ck_assert_str_eq(world.heard[1].text, rv_json_str(world.heard[0].body, "text", ""));
    end();
}

TEST(a_killed_engine_costs_only_a_retry)
{
    begin_with(model_path);
    wait_ready();
    pid_t first = engine_pid();
    for (int i = 0; i < ASKERS; i++) {
        ask(i, question("a long story", 100), 30000);
    }
    rv_loop_run_once(world.loop, 10);
    rv_loop_run_once(world.loop, 10);
    ck_assert_int_eq(kill(first, SIGKILL), 0);
    for (int i = 0; i < ASKERS; i++) {
        wait_for(&world.heard[i].ends, 1);
        ck_assert_msg(world.heard[i].done, "%s", world.heard[i].message);
        ck_assert_str_eq(rv_json_str(world.heard[i].body, "text", "?"),
                         rv_json_str(world.heard[0].body, "text", ""));
    }
    ck_assert_int_ne(engine_pid(), first);
    end();
}

TEST(a_stream_goes_on_where_it_was_when_the_engine_was_killed)
{
    begin_with(model_path);
    wait_ready();
    json_t *body = question("a long story", 200);
    ask(0, json_deep_copy(body), 30000);
    json_object_set_new(body, "stream", json_true());
    ask(1, body, 30000);
    wait_for(&world.heard[1].pieces, 3);
    ck_assert_int_eq(world.heard[1].ends, 0);
    ck_assert_int_eq(kill(engine_pid(), SIGKILL), 0);
    wait_for(&world.heard[0].ends, 1);
    wait_for(&world.heard[1].ends, 1);
    ck_assert_msg(world.heard[1].done, "%s", world.heard[1].message);
    ck_assert_str_eq(world.heard[1].text, rv_json_str(world.heard[0].body, "text", ""));
    end();
}

TEST(a_question_that_loses_the_engine_twice_is_unavailable)
{
    begin_with(model_path);
    ask(0, question("a long story", 400), 30000);
    for (int kills = 0; kills < 2; kills++) {
        wait_ready();
        rv_loop_run_once(world.loop, 5);
        kill(engine_pid(), SIGKILL);
        for (int i = 0; i < 100 && rv_engine_is_ready(world.engine); i++) {
            rv_loop_run_once(world.loop, 10);
        }
    }
    wait_for(&world.heard[0].ends, 1);
    ck_assert(!world.heard[0].done);
    ck_assert_int_eq(world.heard[0].code, RV_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(world.heard[0].message, "engine restarted"));
    end();
}

TEST(a_late_question_ends_after_the_grace_and_the_engine_goes_on)
{
    begin_with(model_path);
    wait_ready();
    pid_t first = engine_pid();
    ck_assert_int_eq(kill(first, SIGSTOP), 0);
    int64_t begin_us = rv_mono_us(rv_clock_system());
    ask(0, question("hello", 4), 200);
    wait_for(&world.heard[0].ends, 1);
    ck_assert_int_eq(world.heard[0].code, RV_TIMEOUT);
    ck_assert_int_ge(rv_mono_us(rv_clock_system()) - begin_us,
                     (200 + RV_ENGINE_GRACE_MS) * INT64_C(1000));
    ck_assert_int_eq(kill(first, SIGCONT), 0);
    ask(1, question("hello", 4), 20000);
    wait_for(&world.heard[1].ends, 1);
    ck_assert_msg(world.heard[1].done, "%s", world.heard[1].message);
    ck_assert_int_eq(engine_pid(), first);
    end();
}

TEST(a_hung_engine_is_killed_though_its_question_has_ended)
{
    begin_with(model_path);
    wait_ready();
    pid_t first = engine_pid();
    ck_assert_int_eq(kill(first, SIGSTOP), 0);
    ask(0, question("hello", 4), 200);
    wait_for(&world.heard[0].ends, 1);
    ck_assert_int_eq(world.heard[0].code, RV_TIMEOUT);
    for (int i = 0; i < ROUNDS_MAX && engine_pid() == first; i++) {
        rv_loop_run_once(world.loop, 10);
    }
    wait_ready();
    ck_assert_int_ne(engine_pid(), first);
    end();
}

/* What asks with a deadline of minutes (the API) does not wait for it. */
TEST(a_stopped_engine_is_begun_anew_long_before_its_questions_are_late)
{
    begin_with(model_path);
    wait_ready();
    pid_t first = engine_pid();
    ask(0, question("a long story", 100), 600000);
    rv_loop_run_once(world.loop, 10);
    ck_assert_int_eq(kill(first, SIGSTOP), 0);
    ask(1, question("hello", 4), 600000);
    wait_for(&world.heard[0].ends, 1);
    wait_for(&world.heard[1].ends, 1);
    for (int i = 0; i < 2; i++) { /* once each, with the tokens of one answer */
        ck_assert_msg(world.heard[i].done, "%s", world.heard[i].message);
        ck_assert_int_eq(world.heard[i].ends, 1);
        ck_assert_int_le(rv_json_int(json_object_get(world.heard[i].body, "usage"), "answer", 1000),
                         i == 0 ? 100 : 4);
    }
    ck_assert_int_ne(engine_pid(), first);
    end();
}

TEST(an_engine_that_is_stopped_while_it_begins_is_begun_anew)
{
    begin_with(model_path);
    pid_t first = engine_pid();
    ck_assert_int_eq(kill(first, SIGSTOP), 0);
    ask(0, question("hello", 4), 600000);
    wait_for(&world.heard[0].ends, 1);
    ck_assert_msg(world.heard[0].done, "%s", world.heard[0].message);
    ck_assert_int_ne(engine_pid(), first);
    end();
}

TEST(an_engine_that_nobody_asks_is_not_called_silent)
{
    begin_with(model_path);
    wait_ready();
    pid_t first = engine_pid();
    int64_t until = rv_mono_us(rv_clock_system()) + (RV_ENGINE_SILENT_MS + 2000) * INT64_C(1000);
    while (rv_mono_us(rv_clock_system()) < until) {
        rv_loop_run_once(world.loop, 100);
    }
    ck_assert_int_eq(engine_pid(), first);
    sleep(RV_ENGINE_SILENT_MS / 1000 + 2); /* our own silence is not its */
    for (int i = 0; i < 20; i++) {
        rv_loop_run_once(world.loop, 20);
    }
    ck_assert_int_eq(engine_pid(), first);
    end();
}

TEST(a_cancelled_question_ends_and_the_engine_goes_on)
{
    begin_with(model_path);
    wait_ready();
    uint64_t id = ask(0, question("a long story", 400), 30000);
    rv_loop_run_once(world.loop, 10);
    rv_engine_cancel(world.engine, id);
    ask(1, question("hello", 4), 30000);
    wait_for(&world.heard[0].ends, 1);
    wait_for(&world.heard[1].ends, 1);
    ck_assert_int_eq(world.heard[0].code, RV_CANCELED);
    ck_assert(world.heard[1].done);
    rv_engine_cancel(world.engine, id); /* nothing is left to cancel */
    rv_loop_run_once(world.loop, 10);
    end();
}

TEST(a_model_that_cannot_be_opened_says_so_at_once)
{
    begin_with("/nonexistent/model.gguf");
    ask(0, question("hello", 4), 20000);
    wait_for(&world.heard[0].ends, 1);
    ck_assert_int_eq(world.heard[0].code, RV_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(world.heard[0].message, "cannot be opened"));
    end();
}

struct crowd {
    int ended, done, refused;
    int64_t retry_ms;
};

static void on_one_of_many(void *data, const struct rv_engine_event *event)
{
    struct crowd *crowd = data;
    crowd->ended += event->kind != RV_ENGINE_PIECE;
    crowd->done += event->kind == RV_ENGINE_DONE;
    if (event->kind == RV_ENGINE_FAILED && event->code == RV_LIMIT) {
        crowd->refused++;
        crowd->retry_ms = event->retry_ms;
        ck_assert_ptr_nonnull(strstr(event->err->message, "overloaded"));
    }
}

static void ask_many(struct crowd *crowd, int tenant, int count)
{
    for (int i = 0; i < count; i++) {
        json_t *body = json_pack("{s:i,s:s,s:[{s:s,s:s}]}", "tenant", tenant, "kind", "embed",
                                 "messages", "role", "user", "text", "a");
        rv_engine_ask(world.engine, world.loop, body, 120000, on_one_of_many, crowd);
    }
}

TEST(a_company_that_piles_up_questions_takes_nobodys_place)
{
    struct crowd piles_up = {0};
    struct crowd others = {0};
    begin_with(model_path); /* it is not ready yet: all wait here */
    ask_many(&piles_up, 1, 2 * RV_ENGINE_OPEN_MAX);
    ask_many(&others, 2, 100);
    ask_many(&others, 3, 100);
    wait_for(&others.ended, 200);
    ck_assert_int_eq(others.done, 200);
    wait_for(&piles_up.ended, 2 * RV_ENGINE_OPEN_MAX);
    ck_assert_int_ge(piles_up.refused, 2 * RV_ENGINE_OPEN_MAX - RV_ENGINE_OPEN_MAX / 2);
    ck_assert_int_eq(piles_up.done + piles_up.refused, 2 * RV_ENGINE_OPEN_MAX);
    ck_assert_int_gt(piles_up.done, 0);
    ck_assert_int_gt(piles_up.retry_ms, 0);
    end();
}

static void begin_as(const char *sha256)
{
    begin_with(model_path);
    rv_engine_close(world.engine);
    world.engine = rv_engine_start(&(struct rv_engine_options){.loop = world.loop,
                                                               .program = REEVE_PROGRAM,
                                                               .path = model_path,
                                                               .sha256 = sha256,
                                                               .label = "clerk@3",
                                                               .backend = "ref",
                                                               .context = 2048});
}

TEST(an_answer_carries_the_name_of_the_registry)
{
    begin_as(NULL);
    ck_assert_str_eq(rv_engine_label(world.engine), "clerk@3");
    ask(0, question("hello", 4), 20000);
    wait_for(&world.heard[0].ends, 1);
    ck_assert_msg(world.heard[0].done, "%s", world.heard[0].message);
    const json_t *model = json_object_get(world.heard[0].body, "model");
    ck_assert_str_eq(rv_json_str(model, "name", ""), "clerk@3");
    ck_assert_uint_eq(strlen(rv_json_str(model, "hash", "")), 64);
    end();
}

TEST(a_file_that_is_not_the_registrys_is_refused)
{
    begin_as("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
    ask(0, question("hello", 4), 20000);
    wait_for(&world.heard[0].ends, 1);
    ck_assert_int_eq(world.heard[0].code, RV_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(world.heard[0].message, "0123456789ab"));
    ck_assert_ptr_nonnull(strstr(world.heard[0].message, "has changed"));
    end();
}

/* ---- chat formats ---- */

static enum rv_code health(const char *path, const char *backend, int64_t timeout_ms,
                           struct rv_error *err);

/* An engine with a made model whose chat template is unknown, or is not there. */
static void begin_spoilt(char path[96], bool gone, const char *template)
{
    struct kernel_file file;
    snprintf(path, 96, "%s/spoilt.gguf", folder);
    kernel_file_make(&file, "tiny-llama", "Q8_0");
    kernel_file_spoil_chat(&file, gone);
    kernel_file_write(&file, path);
    free(file.at);
    begin_with(path);
    rv_engine_close(world.engine);
    world.engine = rv_engine_start(&(struct rv_engine_options){.loop = world.loop,
                                                               .program = REEVE_PROGRAM,
                                                               .path = path,
                                                               .template = template,
                                                               .backend = "ref",
                                                               .context = 2048});
}

static json_t *of_kind(const char *kind, bool plain)
{
    json_t *body = question("hello", 4);
    json_object_set_new(body, "kind", json_string(kind));
    json_object_set_new(body, "plain", json_boolean(plain));
    return body;
}

TEST(an_unknown_chat_template_is_refused_with_what_to_do)
{
    char path[96];
    begin_spoilt(path, false, NULL);
    ask(0, of_kind("chat", true), 20000); /* an agent's */
    ask(1, of_kind("chat", false), 20000);
    ask(2, of_kind("complete", false), 20000);
    json_t *embed = of_kind("embed", false);
    json_object_del(embed, "max");
    ask(3, embed, 20000);
    for (int i = 0; i < 4; i++) {
        wait_for(&world.heard[i].ends, 1);
        ck_assert_int_eq(world.heard[i].done, i >= 2);
    }
    for (int i = 0; i < 2; i++) {
        const char *says = world.heard[i].message;
        ck_assert_int_eq(world.heard[i].code, RV_INVALID);
        ck_assert_str_eq(says, "key tokenizer.chat_template: unknown; set model.template: chatml, "
                               "qwen3, qwen3-thinking, llama2, llama2-sys, llama2-sys-bos, "
                               "llama2-sys-strip, llama3, mistral-v1, mistral-v3, "
                               "mistral-v3-tekken, mistral-v7, deepseek2, deepseek3, deepseek-r1, "
                               "gemma, phi3");
    }
    end();
    struct rv_error err = {.code = RV_OK};
    ck_assert_int_eq(health(path, "ref", 20000, &err), RV_INVALID);
    unlink(path);
}

TEST(a_named_chat_format_goes_before_the_files_template)
{
    char path[96];
    begin_spoilt(path, false, "chatml");
    ask(0, of_kind("chat", false), 20000);
    wait_for(&world.heard[0].ends, 1);
    ck_assert_msg(world.heard[0].done, "%s", world.heard[0].message);
    ck_assert_str_eq(rv_json_str(json_object_get(world.heard[0].body, "model"), "template", ""),
                     "chatml");
    end();
    unlink(path);
    begin_spoilt(path, false, "gemma"); /* whose marks its vocabulary does not have */
    ask(0, of_kind("chat", false), 20000);
    wait_for(&world.heard[0].ends, 1);
    ck_assert_int_eq(world.heard[0].code, RV_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(world.heard[0].message, "chat format gemma needs"));
    end();
    unlink(path);
}

TEST(without_a_chat_template_decisions_are_plain_text_and_chats_are_refused)
{
    char path[96];
    begin_spoilt(path, true, NULL);
    ask(0, of_kind("chat", true), 20000);
    ask(1, of_kind("chat", false), 20000);
    wait_for(&world.heard[0].ends, 1);
    wait_for(&world.heard[1].ends, 1);
    ck_assert_msg(world.heard[0].done, "%s", world.heard[0].message);
    ck_assert_str_eq(rv_json_str(json_object_get(world.heard[0].body, "model"), "template", ""),
                     "plain");
    ck_assert_int_eq(world.heard[1].code, RV_INVALID);
    ck_assert_ptr_nonnull(strstr(world.heard[1].message,
                                 "no key tokenizer.chat_template; set model.template: chatml"));
    end();
    unlink(path);
}

/* ---- a file that changes while it is mapped ---- */

/* A model of its own, and an engine that has it. */
static void begin_with_copy(char path[96])
{
    char command[256];
    snprintf(path, 96, "%s/copy.gguf", folder);
    snprintf(command, sizeof command, "cp %s %s", model_path, path);
    ck_assert_int_eq(system(command), 0);
    begin_with(path);
    wait_ready();
}

static void assert_lost(const struct heard *heard, const char *path, const char *how)
{
    ck_assert_int_eq(heard->code, RV_UNAVAILABLE);
    ck_assert_msg(strstr(heard->message, "changed while it was in use") != NULL, "%s",
                  heard->message);
    ck_assert_msg(strstr(heard->message, path) != NULL && strstr(heard->message, how) != NULL, "%s",
                  heard->message);
}

TEST(a_file_that_is_cut_in_the_middle_of_an_answer_is_named)
{
    char path[96];
    char whole[64];
    struct stat about;
    begin_with_copy(path);
    ck_assert_int_eq(stat(path, &about), 0);
    snprintf(whole, sizeof whole, "had %jd when", (intmax_t)about.st_size);
    json_t *body = question("a long story", 1500);
    json_object_set_new(body, "stream", json_true());
    ask(0, body, 60000);
    wait_for(&world.heard[0].pieces, 3);
    ck_assert_int_eq(truncate(path, 100), 0);
    wait_for(&world.heard[0].ends, 1);
    assert_lost(&world.heard[0], path, whole);
    ask(1, question("hello", 4), 20000); /* told at once */
    wait_for(&world.heard[1].ends, 1);
    assert_lost(&world.heard[1], path, "has 100 bytes");
    end();
    unlink(path);
}

TEST(a_file_that_is_written_over_is_not_answered_from)
{
    char path[96];
    begin_with_copy(path);
    int file = open(path, O_WRONLY);
    ck_assert(file >= 0 && pwrite(file, "x", 1, 5000) == 1 && close(file) == 0);
    ask(0, question("hello", 4), 20000);
    wait_for(&world.heard[0].ends, 1);
    assert_lost(&world.heard[0], path, "written to");
    end();
    unlink(path);
}

TEST(a_file_that_is_replaced_by_another_is_kept)
{
    char path[96];
    char other[110];
    begin_with_copy(path);
    snprintf(other, sizeof other, "%s.new", path);
    FILE *file = fopen(other, "w");
    ck_assert(file != NULL && fputs("no model", file) >= 0 && fclose(file) == 0);
    ck_assert_int_eq(rename(other, path), 0);
    ask(0, question("hello", 4), 20000);
    wait_for(&world.heard[0].ends, 1);
    ck_assert_msg(world.heard[0].done, "%s", world.heard[0].message);
    end();
    unlink(path);
}

TEST(a_resting_engine_answers_what_comes_late)
{
    begin_with(model_path);
    wait_ready();
    ask(0, question("a long story", 200), 30000);
    rv_engine_rest(world.engine, true);
    wait_for(&world.heard[0].ends, 1);
    ck_assert_msg(world.heard[0].done, "%s", world.heard[0].message);
    ask(1, question("hello", 4), 20000);
    wait_for(&world.heard[1].ends, 1);
    ck_assert_msg(world.heard[1].done, "%s", world.heard[1].message);
    rv_engine_rest(world.engine, false);
    wait_ready();
    end();
}

TEST(an_adapter_that_cannot_be_had_fails_its_question_alone)
{
    static const struct {
        const char *name, *path, *says;
    } cases[] = {{"tone", "/nonexistent/tone.gguf", "tone"},
                 {"tone", model_path, "has changed"},
                 {"", model_path, "1 to 32"},
                 {"a-name-that-is-longer-than-thirty-two", model_path, "1 to 32"}};
    begin_with(model_path);
    for (int i = 0; i < (int)RV_COUNT(cases); i++) {
        json_t *body = question("hello", 4);
        json_object_set_new(body, "adapter",
                            json_pack("{s:s,s:s,s:s}", "name", cases[i].name, "path", cases[i].path,
                                      "sha256", "00"));
        ask(i, body, 20000);
        wait_for(&world.heard[i].ends, 1);
        ck_assert(!world.heard[i].done);
        ck_assert_msg(strstr(world.heard[i].message, cases[i].says) != NULL, "%s",
                      world.heard[i].message);
    }
    ask(7, question("hello", 4), 20000);
    wait_for(&world.heard[7].ends, 1);
    ck_assert_msg(world.heard[7].done, "%s", world.heard[7].message);
    end();
}

/* ---- what cannot be read, and processes that end ---- */

static json_t *nested(int levels)
{
    json_t *value = json_object();
    for (int i = 1; i < levels; i++) {
        value = json_pack("{s:o}", "items", value);
    }
    return value;
}

TEST(a_question_that_is_too_deep_is_refused_and_harms_nobody)
{
    begin_with(model_path);
    wait_ready();
    pid_t before = engine_pid();
    ask(0, question("a long story", 200), 30000);
    json_t *deep = question("hello", 64);
    json_object_set_new(deep, "schema", nested(RV_FRAME_DEPTH_MAX));
    ask(1, deep, 30000);
    json_t *as_deep_as_can_be = question("hello", 64); /* the kernel's to judge */
    json_object_set_new(as_deep_as_can_be, "schema", nested(RV_FRAME_DEPTH_MAX - 1));
    ask(2, as_deep_as_can_be, 30000);
    char *text = malloc(RV_FRAME_MAX + 1);
    memset(text, 'a', RV_FRAME_MAX);
    text[RV_FRAME_MAX] = '\0';
    ask(3, question(text, 64), 30000);
    free(text);
    for (int i = 0; i < 4; i++) {
        wait_for(&world.heard[i].ends, 1);
    }
    ck_assert_msg(world.heard[0].done, "%s", world.heard[0].message);
    ck_assert_int_eq(world.heard[1].code, RV_INVALID);
    ck_assert_ptr_nonnull(strstr(world.heard[1].message, "nested deeper than"));
    ck_assert_ptr_null(strstr(world.heard[2].message, "cannot be"));
    ck_assert_int_eq(world.heard[3].code, RV_INVALID);
    ck_assert_ptr_nonnull(strstr(world.heard[3].message, "bytes long"));
    ck_assert_int_eq(engine_pid(), before);
    end();
}

/* The next frame of an engine's process; NULL: it has ended.  Also for what is no test. */
static json_t *any_frame(int fd, struct rv_buf *in)
{
    struct rv_error err = {.code = RV_OK};
    json_t *frame = NULL;
    int64_t id = 0;
    for (;;) {
        char bytes[4096];
        RV_ASSERT(rv_frame_take(in, &frame, &id, &err) == RV_OK);
        if (frame != NULL) {
            return frame;
        }
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        RV_ASSERT(poll(&ready, 1, 30000) > 0);
        ssize_t got = read(fd, bytes, sizeof bytes);
        if (got <= 0) {
            return NULL;
        }
        rv_buf_add(in, bytes, (size_t)got);
    }
}

/* The next one that is not that it lives. */
static json_t *next_frame(int fd, struct rv_buf *in)
{
    json_t *frame = any_frame(fd, in);
    while (frame != NULL && strcmp(rv_json_str(frame, "e", ""), "alive") == 0) {
        json_decref(frame);
        frame = any_frame(fd, in);
    }
    return frame;
}

static void put_frame(int fd, json_t *frame)
{
    struct rv_buf out;
    rv_buf_init(&out, RV_FRAME_MAX);
    RV_ASSERT(rv_frame_put(&out, frame, NULL) == RV_OK);
    RV_ASSERT(write(fd, out.data, out.length) == (ssize_t)out.length);
    rv_buf_fini(&out);
    json_decref(frame);
}

static void put_text(int fd, const char *text)
{
    unsigned char head[4] = {0, 0, 0, (unsigned char)strlen(text)};
    ck_assert_int_eq(write(fd, head, 4), 4);
    ck_assert_int_eq(write(fd, text, strlen(text)), (int)strlen(text));
}

/* Without a supervisor: what that would never send. */
TEST(a_frame_that_cannot_be_read_fails_its_question_alone)
{
    struct rv_child_process process = RV_CHILD_PROCESS_NONE;
    struct rv_error err = {.code = RV_OK};
    struct rv_buf in;
    rv_buf_init(&in, RV_FRAME_MAX);
    ck_assert_int_eq(rv_child_process_begin(&process, REEVE_PROGRAM, &err), RV_OK);
    put_frame(process.fd,
              json_pack("{s:s,s:s,s:s}", "op", "open", "path", model_path, "backend", "ref"));
    json_t *frame = next_frame(process.fd, &in);
    ck_assert_str_eq(rv_json_str(frame, "e", ""), "ready");
    json_decref(frame);
    put_text(process.fd, "{\"id\":7,\"op\":\"ask\",\"id\":8}");
    put_text(process.fd, "no JSON at all");
    json_t *good = question("hello", 4);
    json_object_set_new(good, "op", json_string("ask"));
    json_object_set_new(good, "id", json_integer(9));
    put_frame(process.fd, good);
    frame = next_frame(process.fd, &in);
    ck_assert_str_eq(rv_json_str(frame, "e", ""), "failed");
    ck_assert_int_eq(rv_json_int(frame, "id", 0), 7);
    ck_assert_str_eq(rv_json_str(frame, "status", ""), "invalid");
    json_decref(frame);
    frame = next_frame(process.fd, &in);
    ck_assert_str_eq(rv_json_str(frame, "e", ""), "done");
    ck_assert_int_eq(rv_json_int(frame, "id", 0), 9);
    json_decref(frame);
    /* what can only be answered by an end: nobody is told that it was canceled */
    json_t *story = question("a long story", 1800);
    json_object_set_new(story, "op", json_string("ask"));
    json_object_set_new(story, "id", json_integer(10));
    put_frame(process.fd, story);
    ck_assert_int_eq(write(process.fd, "\xff\xff\xff\xff", 4), 4);
    while ((frame = next_frame(process.fd, &in)) != NULL) {
        ck_assert_str_ne(rv_json_str(frame, "e", ""), "failed");
        json_decref(frame);
    }
    rv_child_process_end(&process);
    rv_child_process_wait(&process);
    rv_buf_fini(&in);
}

/* The alive frames of an engine's process until one says `at_work`; gives the last one's pieces. */
static json_int_t pieces_when(int fd, struct rv_buf *in, bool at_work)
{
    for (;;) {
        json_t *frame = any_frame(fd, in);
        bool alive = frame != NULL && strcmp(rv_json_str(frame, "e", ""), "alive") == 0;
        bool says = alive && rv_json_bool(frame, "at_work", !at_work) == at_work;
        json_int_t pieces = rv_json_int(frame, "pieces", -1);
        ck_assert_ptr_nonnull(frame);
        json_decref(frame);
        if (says) {
            return pieces;
        }
    }
}

TEST(an_engine_says_how_far_it_is)
{
    struct rv_child_process process = RV_CHILD_PROCESS_NONE;
    struct rv_error err = {.code = RV_OK};
    struct rv_buf in;
    rv_buf_init(&in, RV_FRAME_MAX);
    ck_assert_int_eq(rv_child_process_begin(&process, REEVE_PROGRAM, &err), RV_OK);
    put_frame(process.fd,
              json_pack("{s:s,s:s,s:s}", "op", "open", "path", model_path, "backend", "ref"));
    ck_assert_int_eq(pieces_when(process.fd, &in, false), 0);
    for (int i = 0; i < 50; i++) { /* seconds of work, for a plain backend */
        json_t *story = question("a long story", 1800);
        json_object_set_new(story, "op", json_string("ask"));
        json_object_set_new(story, "id", json_integer(10 + i));
        put_frame(process.fd, story);
    }
    json_int_t before = pieces_when(process.fd, &in, true);
    ck_assert_int_gt(before, 0);
    ck_assert_int_gt(pieces_when(process.fd, &in, true), before);
    for (int i = 0; i < 50; i++) {
        put_frame(process.fd, json_pack("{s:s,s:i}", "op", "cancel", "id", 10 + i));
    }
    ck_assert_int_gt(pieces_when(process.fd, &in, false), before);
    rv_child_process_end(&process);
    rv_child_process_wait(&process);
    rv_buf_fini(&in);
}

/* An engine whose process lives and whose thread that answers is stuck in a step: it says each
 * second that it lives, and how far it is.  Begun anew it answers. */
static void be_stuck(int fd, struct rv_buf *in)
{
    for (int i = 0;; i++) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        char bytes[4096];
        put_frame(fd, json_pack("{s:s,s:i,s:b}", "e", "alive", "pieces", 17, "at_work", 1));
        if (poll(&ready, 1, 500) > 0 && read(fd, bytes, sizeof bytes) <= 0) {
            _exit(0);
        }
        put_frame(fd, json_pack("{s:s,s:s}", "e", "stats", "device", "stuck"));
        rv_buf_reset(in);
    }
}

/* An engine that ends in good order with a question open, twice: first it says that the question
 * was canceled, which nobody asked for.  This program itself, begun as one. */
__attribute__((constructor)) static void be_an_engine(int argc, char **argv)
{
    const char *folder_of = getenv("TEST_ORDERLY_ENGINE");
    if (argc != 3 || strcmp(argv[2], "engine") != 0 || folder_of == NULL) {
        return;
    }
    char mark[128];
    snprintf(mark, sizeof mark, "%s/begun", folder_of);
    bool first = access(mark, F_OK) != 0;
    close(open(mark, O_CREAT | O_WRONLY, 0600));
    struct rv_buf in;
    rv_buf_init(&in, RV_FRAME_MAX);
    json_decref(next_frame(RV_FRAME_FD, &in));
    put_frame(RV_FRAME_FD, json_pack("{s:s,s:s}", "e", "ready", "name", "orderly"));
    for (;;) {
        json_t *frame = next_frame(RV_FRAME_FD, &in);
        if (frame == NULL) {
            _exit(0);
        }
        json_int_t id = (json_int_t)rv_json_int(frame, "id", 0);
        if (id != 0 && first && getenv("TEST_STUCK_ENGINE") != NULL) {
            be_stuck(RV_FRAME_FD, &in);
        }
        if (id != 0 && first) {
            put_frame(RV_FRAME_FD,
                      json_pack("{s:s,s:I,s:s}", "e", "failed", "id", id, "status", "canceled"));
            _exit(0);
        }
        if (id != 0) {
            put_frame(RV_FRAME_FD, json_pack("{s:s,s:I,s:s,s:s}", "e", "done", "id", id, "text",
                                             "answered", "finish", "stop"));
        }
        json_decref(frame);
    }
}

TEST(a_question_that_nobody_canceled_is_asked_again)
{
    setenv("TEST_ORDERLY_ENGINE", folder, 1);
    rv_log_level(RV_LOG_SILENT);
    world = (struct world){.loop = rv_loop_create(rv_clock_system())};
    world.engine = rv_engine_start(&(struct rv_engine_options){
        .loop = world.loop, .program = "/proc/self/exe", .path = "none", .backend = "ref"});
    ask(0, question("hello", 4), 20000);
    wait_for(&world.heard[0].ends, 1);
    ck_assert_msg(world.heard[0].done, "%s", world.heard[0].message);
    end();
}

/* Long before its deadline; the question costs a retry. */
TEST(an_engine_that_lives_and_does_not_get_on_is_begun_anew)
{
    char mark[128];
    setenv("TEST_ORDERLY_ENGINE", folder, 1);
    setenv("TEST_STUCK_ENGINE", "1", 1);
    snprintf(mark, sizeof mark, "%s/begun", folder);
    unlink(mark);
    rv_log_level(RV_LOG_SILENT);
    world = (struct world){.loop = rv_loop_create(rv_clock_system())};
    world.engine = rv_engine_start(&(struct rv_engine_options){
        .loop = world.loop, .program = "/proc/self/exe", .path = "none", .backend = "ref"});
    int64_t begun_us = rv_mono_us(rv_clock_system());
    ask(0, question("hello", 4), 600000);
    wait_for(&world.heard[0].ends, 1);
    int64_t took_us = rv_mono_us(rv_clock_system()) - begun_us;
    ck_assert_msg(world.heard[0].done, "%s", world.heard[0].message);
    ck_assert_int_ge(took_us, RV_ENGINE_STUCK_MS * INT64_C(1000));
    json_t *status = rv_engine_status(world.engine);
    ck_assert_int_eq(rv_json_int(status, "restarts", 0), 1);
    ck_assert_ptr_nonnull(strstr(rv_json_str(status, "error", ""), "did not get on"));
    json_decref(status);
    end();
    unsetenv("TEST_STUCK_ENGINE");
    unsetenv("TEST_ORDERLY_ENGINE");
}

/* ---- the health check of a file ---- */

static enum rv_code health(const char *path, const char *backend, int64_t timeout_ms,
                           struct rv_error *err)
{
    json_t *facts = NULL;
    rv_log_level(RV_LOG_SILENT);
    enum rv_code code = rv_model_health(
        &(struct rv_engine_options){.program = REEVE_PROGRAM, .path = path, .backend = backend}, 1,
        NULL, timeout_ms, &facts, err);
    ck_assert(code != RV_OK || strlen(rv_json_str(facts, "hash", "")) == 64);
    ck_assert(code == RV_OK || facts == NULL);
    json_decref(facts);
    return code;
}

TEST(a_model_that_answers_twice_alike_is_healthy)
{
    struct rv_error err = {.code = RV_OK};
    ck_assert_msg(health(model_path, "ref", 20000, &err) == RV_OK, "%s", err.message);
}

TEST(one_that_does_not_answer_in_time_is_not)
{
    struct rv_error err = {.code = RV_OK};
    ck_assert_int_ne(health(model_path, "ref", 1, &err), RV_OK);
    ck_assert_ptr_nonnull(strstr(err.message, "health check failed"));
    ck_assert_int_eq(health("/nonexistent/model.gguf", "ref", 20000, &err), RV_UNAVAILABLE);
}

TEST(a_prompt_over_the_context_is_a_limit_with_both_numbers)
{
    begin_with(model_path);
    char text[6000];
    for (size_t i = 0; i + 1 < sizeof text; i++) {
        text[i] = (char)('a' + i * 7 % 26);
    }
    text[sizeof text - 1] = '\0';
    ask(0, question(text, 4), 20000);
    wait_for(&world.heard[0].ends, 1);
    ck_assert_int_eq(world.heard[0].code, RV_LIMIT);
    ck_assert_ptr_nonnull(strstr(world.heard[0].message, "2048"));
    end();
}

TEST(the_engine_ends_with_its_parent)
{
    int pipes[2];
    ck_assert_int_eq(pipe(pipes), 0);
    pid_t parent = fork();
    if (parent == 0) {
        begin_with(model_path);
        wait_ready();
        pid_t pid = engine_pid();
        if (write(pipes[1], &pid, sizeof pid) != sizeof pid) {
            _exit(1);
        }
        pause();
    }
    pid_t engine = 0;
    ck_assert_int_eq(read(pipes[0], &engine, sizeof engine), (int)sizeof engine);
    kill(parent, SIGKILL);
    waitpid(parent, NULL, 0);
    bool gone = false;
    for (int i = 0; i < 500 && !gone; i++) {
        char path[64];
        char state = 'Z';
        snprintf(path, sizeof path, "/proc/%d/stat", (int)engine);
        FILE *file = fopen(path, "re");
        if (file != NULL && fscanf(file, "%*d (%*[^)]) %c", &state) != 1) {
            state = 'Z';
        }
        gone = file == NULL || state == 'Z'; /* whoever inherited it may be slow to look */
        if (file != NULL) {
            fclose(file);
        }
        usleep(10000);
    }
    ck_assert(gone);
}

/* ---- through the port ---- */

static struct rv_engine *pick(void *data, int32_t tenant)
{
    (void)tenant;
    return data;
}

static void on_decided(void *data, json_t *answer)
{
    *(json_t **)data = answer;
}

static json_t *decide(void)
{
    struct rv_model_port *port = rv_model_port_create(
        &(struct rv_model_port_options){.loop = world.loop, .pick = pick, .data = world.engine});
    struct rv_model *model = rv_model_create(&(struct rv_model_options){
        .loop = world.loop, .engine = rv_model_port_engine(port), .deadline_ms = 20000});
    json_t *asked = json_pack("{s:s,s:[s,s],s:{s:i}}", "question", "accept it?", "options", "yes",
                              "no", "facts", "amount_minor", 1200);
    struct rv_model_asker asker = {.tenant = 1, .agent = "test"};
    json_t *answer = NULL;
    rv_model_decide(model, &asker, asked, NULL, 11, on_decided, &answer);
    for (int i = 0; i < ROUNDS_MAX && answer == NULL; i++) {
        rv_loop_run_once(world.loop, 10);
    }
    json_decref(asked);
    rv_model_destroy(model);
    rv_model_port_destroy(port);
    ck_assert_ptr_nonnull(answer);
    return answer;
}

TEST(a_decision_has_probabilities_a_margin_and_what_made_it)
{
    begin_with(model_path);
    json_t *answer = decide();
    json_t *again = decide();
    ck_assert_msg(rv_json_bool(answer, "ok", false), "%s", rv_json_str(answer, "message", ""));
    const json_t *value = json_object_get(answer, "value");
    const json_t *probability = json_object_get(value, "probability");
    double yes = strtod(rv_json_str(probability, "yes", "0"), NULL);
    double no = strtod(rv_json_str(probability, "no", "0"), NULL);
    ck_assert(yes + no > 0.999 && yes + no < 1.001);
    ck_assert_str_eq(rv_json_str(value, "choice", ""), yes > no ? "yes" : "no");
    ck_assert_int_gt(rv_json_int(value, "margin", 0), 0);
    const json_t *model = json_object_get(answer, "model");
    ck_assert_uint_eq(strlen(rv_json_str(model, "hash", "")), 64);
    ck_assert_int_eq(rv_json_int(model, "seed", 0), 11);
    ck_assert_str_ne(rv_json_str(model, "template", ""), "");
    ck_assert_str_ne(rv_json_str(model, "sampler", ""), "");
    json_t *same = json_deep_copy(json_object_get(again, "value"));
    json_t *tokens = json_object_get(same, "tokens"); /* the prompt was there the second time */
    ck_assert_int_gt(rv_json_int(tokens, "cached", 0), 0);
    json_object_set(tokens, "cached", json_object_get(json_object_get(value, "tokens"), "cached"));
    ck_assert(json_equal(value, same));
    json_decref(same);
    json_decref(answer);
    json_decref(again);
    end();
}

TEST_MAIN_WITH(make_model())
