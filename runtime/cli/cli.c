/* cli.c -- from argv to a command and from its code to an exit status; see cli.h. */
#include "runtime/cli/cli.h"

#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/cli/option.h"

#include <string.h>

enum { COMMAND_ARENA_BYTES = 256 << 20, FLAGS_MAX = CLI_OPTIONS_MAX };

static const struct cli_command *choose(const struct cli_args *args,
                                        const struct cli_output *output, int *status,
                                        struct rv_error *err);
static enum rv_code load_settings(struct cli_context *context, const struct cli_args *args,
                                  struct rv_error *err);
static int finish(struct cli_context *context, enum rv_code code, const struct rv_error *err);

static bool given(const struct cli_args *args, const char *name)
{
    for (int i = 0; i < args->given_count; i++) {
        if (strcmp(args->given[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

int cli_main(const struct cli_rooms *rooms, int argc, char **argv)
{
    struct rv_error err = {.code = RV_OK};
    struct cli_args args;
    struct cli_context context = {.rooms = rooms};
    cli_output_init(&context.output, stdout, stderr, true);
    enum rv_code code = cli_args_read(argc, argv, &args, &err);
    if (given(&args, "no-color")) {
        cli_output_init(&context.output, stdout, stderr, false);
    }
    if (code != RV_OK) {
        return finish(&context, code, &err);
    }
    int status = 0;
    const struct cli_command *command = choose(&args, &context.output, &status, &err);
    if (command == NULL) {
        return err.code == RV_OK ? status : finish(&context, err.code, &err);
    }
    code = cli_args_finish(argc, argv, command, &args, &err);
    context.output.json = given(&args, "json");
    context.output.quiet = given(&args, "quiet");
    if (code == RV_OK && given(&args, "help")) {
        context.output.json = false;
        cli_help_command(&context.output, command);
        return finish(&context, RV_OK, &err);
    }
    rv_log_level(RV_LOG_WARN);
    context.arena = rv_arena_create("command", COMMAND_ARENA_BYTES);
    if (code == RV_OK) {
        code = load_settings(&context, &args, &err);
    }
    if (code == RV_OK) {
        code = command->run(&context, &args, &err);
    }
    return finish(&context, code, &err);
}

/* NULL: everything was said (status), or the error says what is wrong. */
static const struct cli_command *choose(const struct cli_args *args,
                                        const struct cli_output *output, int *status,
                                        struct rv_error *err)
{
    if (args->word_count == 0) {
        if (given(args, "version")) {
            return cli_command_find("version", NULL);
        }
        cli_help_overview(output);
        *status = 0;
        return NULL;
    }
    const char *noun = args->words[0];
    const char *verb = args->word_count > 1 ? args->words[1] : NULL;
    const struct cli_command *command = cli_command_find(noun, verb);
    if (command == NULL && verb == NULL && cli_noun_exists(noun) && given(args, "help")) {
        cli_help_noun(output, noun);
    } else if (command == NULL) {
        enum rv_code code = cli_command_unknown(noun, verb, err);
        RV_ASSERT(code == RV_INVALID);
        if (verb == NULL && cli_noun_exists(noun) && !given(args, "json")) {
            struct cli_output talk = *output; /* it was not what was asked for: no data */
            talk.data = output->talk;
            cli_help_noun(&talk, noun);
        }
    }
    return command;
}

static enum rv_code load_settings(struct cli_context *context, const struct cli_args *args,
                                  struct rv_error *err)
{
    struct rv_config_flag flags[FLAGS_MAX];
    int count = 0;
    for (int i = 0; i < args->given_count; i++) {
        const char *value = args->given[i].value;
        if (strcmp(args->given[i].name, "state-dir") == 0) {
            flags[count++] = (struct rv_config_flag){"state.dir", value};
        } else if (strcmp(args->given[i].name, "set") == 0) {
            const char *equals = strchr(value, '=');
            if (equals == NULL) {
                rv_fail(err, RV_INVALID, "--set: \"%s\" is not KEY=VALUE", value);
                rv_hint(err, "Write it as in --set log.level=debug.");
                return RV_INVALID;
            }
            flags[count++] = (struct rv_config_flag){
                rv_arena_strndup(context->arena, value, (size_t)(equals - value)), equals + 1};
        }
    }
    struct rv_config_options options = {
        .file = cli_value(args, "config", NULL), .flags = flags, .flag_count = count};
    enum rv_code code = rv_config_load(&options, &context->config, err);
    for (int i = 0; code == RV_OK && rv_config_warning(context->config, i) != NULL; i++) {
        cli_say(&context->output, "%swarning:%s %s", cli_style_talk(&context->output, CLI_WARN),
                cli_style_talk(&context->output, CLI_PLAIN), rv_config_warning(context->config, i));
    }
    return code;
}

static int finish(struct cli_context *context, enum rv_code code, const struct rv_error *err)
{
    if (code != RV_OK) {
        cli_print_error(&context->output, err);
    }
    rv_db_session_close(context->session);
    rv_config_destroy(context->config);
    rv_arena_destroy(context->arena);
    rv_free(context->uri);
    int status = code != RV_OK ? rv_code_exit_status(code) : context->exit_status;
    if (fflush(stdout) != 0 && status == 0) {
        fprintf(stderr, "error: could not write to standard output\n");
        status = 1;
    }
    return status;
}
