/* cmd_program.c -- reeve version, help, bench: about the program itself. */
#include "runtime/base/check.h"
#include "runtime/cli/cli.h"
#include "version_build.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

int cmd_version(struct cli *cli)
{
    static const char *const facts[][2] = {
        {"version", REEVE_VERSION},     {"commit", REEVE_COMMIT},
        {"built", REEVE_BUILD_TYPE},    {"compiler", REEVE_COMPILER},
        {"sanitize", REEVE_SANITIZE},   {"cuda", REEVE_CUDA},
        {"libuv", REEVE_LIBUV},         {"lua", REEVE_LUA},
        {"libpq", REEVE_LIBPQ},         {"jansson", REEVE_JANSSON},
        {"libsodium", REEVE_LIBSODIUM}, {"openssl", REEVE_OPENSSL},
        {"libcurl", REEVE_LIBCURL},     {"libxml2", REEVE_LIBXML2},
    };
    size_t count = cli_flag(cli, "build") ? RV_COUNT(facts) : 1;
    if (cli->json) {
        json_t *value = json_object();
        for (size_t i = 0; i < count; i++) {
            json_object_set_new(value, facts[i][0], json_string(facts[i][1]));
        }
        cli_print_json(&cli->output, value);
        return 0;
    }
    cli_print(&cli->output, "reeve %s", REEVE_VERSION);
    for (size_t i = 1; i < count; i++) {
        if (facts[i][1][0] != '\0') {
            cli_print(&cli->output, "  %-10s %s", facts[i][0], facts[i][1]);
        }
    }
    return 0;
}

/* The table itself, one command a line: for scripts, and for the test that tries every command. */
static int list_commands(const struct cli *cli, const char *noun, const char *verb)
{
    int found = 0;
    for (const struct cli_command *at = cli_commands; at->noun != NULL; at++) {
        if ((noun != NULL && strcmp(noun, at->noun) != 0) ||
            (verb != NULL && (at->verb == NULL || strcmp(verb, at->verb) != 0))) {
            continue;
        }
        json_t *options = json_array();
        for (const struct cli_option *option = at->options; option != NULL && option->name != NULL;
             option++) {
            json_array_append_new(options, json_pack("{s:s,s:s?,s:s}", "name", option->name,
                                                     "value", option->value, "doc", option->doc));
        }
        cli_print_json(&cli->output, json_pack("{s:s,s:s?,s:s,s:s,s:o}", "noun", at->noun, "verb",
                                               at->verb, "arguments", at->arguments, "summary",
                                               at->summary, "options", options));
        found++;
    }
    struct rv_error err = {.code = RV_OK};
    if (found == 0) {
        cli_command_unknown(noun, verb, &err);
        return cli_fail(cli, &err);
    }
    return 0;
}

int cmd_help(struct cli *cli)
{
    const char *noun = cli->argc > 0 ? cli->argv[0] : NULL;
    const char *verb = cli->argc > 1 ? cli->argv[1] : NULL;
    if (cli->json) {
        return list_commands(cli, noun, verb);
    }
    if (noun == NULL) {
        cli_help_overview(&cli->output);
        return 0;
    }
    const struct cli_command *command = cli_command_find(noun, verb);
    if (command != NULL) {
        cli_help_command(&cli->output, command);
    } else if (verb == NULL && cli_noun_exists(noun)) {
        cli_help_noun(&cli->output, noun);
    } else {
        struct rv_error err = {.code = RV_OK};
        cli_command_unknown(noun, verb, &err);
        return cli_fail(cli, &err);
    }
    return 0;
}

int cmd_bench(struct cli *cli)
{
    static const char program[] = "reeve-bench";
    struct rv_error err = {.code = RV_OK};
    char path[PATH_MAX + sizeof program];
    ssize_t length = readlink("/proc/self/exe", path, PATH_MAX);
    if (length < 0) {
        rv_fail_errno(&err, errno, "find this program's own path");
        return cli_fail(cli, &err);
    }
    path[length] = '\0';
    memcpy(strrchr(path, '/') + 1, program, sizeof program);
    char *argv[32] = {path}; /* room for a name and all options */
    int count = 1;
    if (cli->argc > 0) {
        argv[count++] = cli->argv[0];
    }
    static const char *const passed_on[] = {"--seconds", "--case", "--kills", "--stops",
                                            "--seed",    "--runs", "--steps"};
    for (size_t i = 0; i < RV_COUNT(passed_on); i++) {
        const char *value = cli_option(cli, passed_on[i]);
        if (value != NULL) {
            argv[count++] = rv_arena_strdup(cli->arena, passed_on[i]);
            argv[count++] = rv_arena_strdup(cli->arena, value);
        }
    }
    static const char *const flags[] = {"--json",     "--vs-erlang", "--vs-go",
                                        "--vs-tokio", "--vs-caf",    "--gpu"};
    for (size_t i = 0; i < RV_COUNT(flags); i++) {
        if (cli_flag(cli, flags[i])) {
            argv[count++] = rv_arena_strdup(cli->arena, flags[i]);
        }
    }
    RV_ASSERT((size_t)count < RV_COUNT(argv)); /* NULL ends it */
    fflush(NULL);
    execv(path, argv);
    rv_fail_errno(&err, errno, "run \"%s\"", path);
    rv_hint(&err, "Build the target reeve-bench; it lies beside reeve.");
    return cli_fail(cli, &err);
}
