/* cmd_model.c -- reeve model: what a file is, random ones for measurements, a word with one. */
#include "runtime/base/check.h"
#include "runtime/cli/place.h"
#include "runtime/model/inspect.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

enum { CHAT_MS = 600000, CHAT_LINE_MAX = 64 << 10, CHAT_TEXT_MAX = 1 << 20, CHAT_TOKENS = 512 };

static void print_facts(const struct cli *cli, const json_t *facts)
{
    const struct cli_output *out = &cli->output;
    const char *chat = rv_json_str(facts, "chat", "");
    cli_print(out, "name          %s", rv_json_str(facts, "name", ""));
    cli_print(out, "architecture  %s, %" PRId64 " layers of width %" PRId64,
              rv_json_str(facts, "architecture", ""), rv_json_int(facts, "layers", 0),
              rv_json_int(facts, "width", 0));
    cli_print(out, "weights       %" PRId64 " parameters, mostly %s, %" PRId64 " bytes",
              rv_json_int(facts, "parameters", 0), rv_json_str(facts, "type", ""),
              rv_json_int(facts, "bytes", 0));
    cli_print(out, "vocabulary    %" PRId64 " tokens", rv_json_int(facts, "vocabulary", 0));
    cli_print(out, "context       %" PRId64 " tokens", rv_json_int(facts, "context", 0));
    cli_print(out, "chat format   %s",
              chat[0] != '\0' ? chat
              : json_object_get(facts, "chat_fault") != NULL
                  ? "unknown: no chat, no decisions"
                  : "none: no /v1/chat/completions; decisions as plain text");
    cli_print(out, "sha256        %s", rv_json_str(facts, "hash", ""));
}

/* Takes `facts`. */
static int show_facts(const struct cli *cli, json_t *facts)
{
    if (cli->json) {
        cli_print_json(&cli->output, facts);
    } else {
        print_facts(cli, facts);
        json_decref(facts);
    }
    return 0;
}

int cmd_model_check(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    json_t *facts = NULL;
    if (rv_model_inspect(cli->argv[0], cli_option(cli, "template"), &facts, &err) != RV_OK) {
        rv_wrap(&err, err.code, "%s", cli->argv[0]);
        return cli_fail(cli, &err);
    }
    enum rv_code code = rv_model_can_chat(facts, &err);
    show_facts(cli, facts);
    return code == RV_OK ? 0 : cli_fail(cli, &err);
}

int cmd_model_make(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    json_t *facts = NULL;
    int64_t seed = 0;
    const char *shape = cli_option(cli, "shape");
    const char *type = cli_option(cli, "quant");
    const char *out = cli_option(cli, "out");
    enum rv_code code = cli_integer(cli, "seed", 1, 0, INT64_MAX, &seed, &err);
    if (code == RV_OK && shape == NULL) {
        struct rv_buf names;
        rv_buf_init(&names, sizeof err.hint);
        for (int i = 0; rv_model_shape(i) != NULL; i++) {
            rv_buf_printf(&names, "%s%s", i > 0 ? ", " : "", rv_model_shape(i));
        }
        code = rv_fail(&err, RV_INVALID, "--shape is missing");
        rv_hint(&err, "One of: %s.", names.overflowed ? "see the manual" : names.data);
        rv_buf_fini(&names);
    }
    type = type != NULL ? type : "Q8_0";
    if (code == RV_OK) {
        out = out != NULL ? out : rv_arena_printf(cli->arena, "%s-%s.gguf", shape, type);
        code = rv_model_make(shape, type, seed, out, &facts, &err);
    }
    if (code != RV_OK) {
        return cli_fail(cli, &err);
    }
    cli_say(&cli->output, "wrote %s: random weights, for measurements only", out);
    return show_facts(cli, facts);
}

/* ---- chat: questions from the standard input, one a line ---- */

struct chat {
    const struct cli *cli;
    bool ended, failed;
    struct rv_buf text;
    json_t *usage;
    struct rv_error err;
};

static void on_event(void *data, const struct rv_engine_event *event)
{
    struct chat *chat = data;
    if (event->kind == RV_ENGINE_PIECE) {
        const json_t *text = json_object_get(event->body, "text");
        if (!rv_json_bool(event->body, "thinking", false)) {
            rv_buf_add(&chat->text, json_string_value(text), json_string_length(text));
        }
        return;
    }
    chat->ended = true;
    chat->failed = event->kind == RV_ENGINE_FAILED;
    if (chat->failed) {
        chat->err = *event->err;
    } else {
        chat->usage = json_incref(json_object_get(event->body, "usage"));
    }
}

/* Takes `messages`' reference for the question; appends the answer to it. */
static enum rv_code say(struct chat *chat, struct rv_loop *loop, struct rv_engine *engine,
                        json_t *messages, int64_t most)
{
    chat->ended = false;
    rv_buf_reset(&chat->text);
    rv_buf_str(&chat->text, "");
    json_t *question = json_pack("{s:s,s:O,s:b,s:b,s:I}", "kind", "chat", "messages", messages,
                                 "plain", 1, "stream", 1, "max", (json_int_t)most);
    rv_engine_ask(engine, loop, question, CHAT_MS, on_event, chat);
    while (!chat->ended) {
        rv_loop_run_once(loop, 1000);
    }
    if (chat->failed || rv_buf_ok(&chat->text, "the answer", &chat->err) != RV_OK) {
        return chat->err.code;
    }
    struct rv_buf shown;
    rv_buf_init(&shown, 4 * CHAT_TEXT_MAX);
    cli_clean(&shown, chat->text.data);
    if (chat->cli->json) {
        cli_print_json(&chat->cli->output,
                       json_pack("{s:s#,s:O}", "text", chat->text.data,
                                 (json_int_t)chat->text.length, "usage", chat->usage));
    } else {
        cli_print(&chat->cli->output, "%s", shown.data != NULL ? shown.data : "");
    }
    fflush(chat->cli->output.data);
    rv_buf_fini(&shown);
    json_array_append_new(messages, json_pack("{s:s,s:s#}", "role", "assistant", "text",
                                              chat->text.data, (json_int_t)chat->text.length));
    json_decref(chat->usage);
    chat->usage = NULL;
    return RV_OK;
}

/* The next line without its end, whole or not at all; false: none, or `err` says why not. */
static bool read_line(struct rv_buf *line, struct rv_error *err)
{
    int letter = getc(stdin);
    bool any = letter != EOF;
    rv_buf_reset(line);
    rv_buf_str(line, "");
    while (letter != EOF && letter != '\n') {
        if (letter == '\0' || line->length >= CHAT_LINE_MAX) {
            rv_fail(err, RV_INVALID,
                    letter == '\0' ? "a line has a byte 0" : "a line is longer than %d bytes",
                    CHAT_LINE_MAX);
            rv_hint(err, "A question is a line of text; nothing of this one was asked.");
            return false;
        }
        rv_buf_char(line, (char)letter);
        letter = getc(stdin);
    }
    return any;
}

int cmd_model_chat(struct cli *cli)
{
    struct chat chat = {.cli = cli, .err = {.code = RV_OK}};
    struct rv_engine_options options = place_engine(cli);
    int64_t most = 0;
    if (cli_integer(cli, "tokens", CHAT_TOKENS, 1, INT32_MAX, &most, &chat.err) != RV_OK) {
        return cli_fail(cli, &chat.err);
    }
    if (cli->argc > 0) { /* the settings are about another file */
        options.path = place_model_file(cli, cli->argv[0]);
        options.template = NULL;
    }
    if (cli_option(cli, "template") != NULL) {
        options.template = cli_option(cli, "template");
    }
    if (options.path == NULL) {
        rv_fail(&chat.err, RV_UNAVAILABLE, "there is no model");
        rv_hint(&chat.err, "Name a GGUF file, or set model.path; model.path = shipped is the small "
                           "one that reeve brings.");
        return cli_fail(cli, &chat.err);
    }
    if (access(options.path, R_OK) != 0) {
        rv_fail(&chat.err, RV_UNAVAILABLE, "the model cannot be opened: %s: %s", options.path,
                strerror(errno));
        rv_hint(&chat.err, "Name a GGUF file, or shipped, the small one that reeve brings; reeve "
                           "model list has those that were loaded.");
        return cli_fail(cli, &chat.err);
    }
    struct rv_buf line;
    rv_buf_init(&line, CHAT_LINE_MAX + 1);
    struct rv_loop *loop = rv_loop_create(rv_clock_system());
    json_t *messages = json_array();
    rv_buf_init(&chat.text, CHAT_TEXT_MAX);
    options.loop = loop;
    struct rv_engine *engine = rv_engine_start(&options);
    enum rv_code code = RV_OK;
    while (code == RV_OK && read_line(&line, &chat.err)) {
        json_t *text = json_stringn(line.data, line.length);
        if (text == NULL) {
            code = rv_fail(&chat.err, RV_INVALID, "a line is not UTF-8");
        } else if (line.length > 0) {
            json_array_append_new(messages, json_pack("{s:s,s:o}", "role", "user", "text", text));
            code = say(&chat, loop, engine, messages, most);
        } else {
            json_decref(text);
        }
    }
    code = chat.err.code;
    rv_engine_close(engine);
    if (code == RV_OK && json_array_size(messages) == 0) { /* nobody has asked whether it opens */
        json_t *facts = NULL;
        code = rv_model_inspect(options.path, options.template, &facts, &chat.err);
        json_decref(facts);
    }
    json_decref(messages);
    rv_buf_fini(&line);
    rv_buf_fini(&chat.text);
    rv_loop_destroy(loop);
    return code == RV_OK ? 0 : cli_fail(cli, &chat.err);
}
