/* cmd_program.c -- reeve version, help, bench: about the program itself. */
#include "runtime/base/check.h"
#include "runtime/cli/cli.h"
#include "version_build.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

static enum rv_code run_version(struct cli_context *context, const struct cli_args *args,
                                struct rv_error *err)
{
    (void)err;
    bool build = cli_switch(args, "build");
    static const char *const facts[][2] = {
        {"version", REEVE_VERSION},     {"commit", REEVE_COMMIT},
        {"built", REEVE_BUILD_TYPE},    {"compiler", REEVE_COMPILER},
        {"sanitize", REEVE_SANITIZE},   {"cuda", REEVE_CUDA},
        {"libuv", REEVE_LIBUV},         {"lua", REEVE_LUA},
        {"libpq", REEVE_LIBPQ},         {"jansson", REEVE_JANSSON},
        {"libsodium", REEVE_LIBSODIUM}, {"openssl", REEVE_OPENSSL},
        {"libcurl", REEVE_LIBCURL},     {"libxml2", REEVE_LIBXML2},
    };
    size_t count = build ? RV_COUNT(facts) : 1;
    if (context->output.json) {
        json_t *value = json_object();
        for (size_t i = 0; i < count; i++) {
            json_object_set_new(value, facts[i][0], json_string(facts[i][1]));
        }
        cli_print_json(&context->output, value);
        return RV_OK;
    }
    cli_print(&context->output, "reeve %s", REEVE_VERSION);
    for (size_t i = 1; i < count; i++) {
        if (facts[i][1][0] != '\0') {
            cli_print(&context->output, "  %-10s %s", facts[i][0], facts[i][1]);
        }
    }
    return RV_OK;
}

static enum rv_code run_help(struct cli_context *context, const struct cli_args *args,
                             struct rv_error *err)
{
    const char *noun = cli_arg(args, 0);
    const char *verb = cli_arg(args, 1);
    context->output.json = false; /* help is for people */
    if (noun == NULL) {
        cli_help_overview(&context->output);
        return RV_OK;
    }
    const struct cli_command *command = cli_command_find(noun, verb);
    if (command != NULL) {
        cli_help_command(&context->output, command);
    } else if (verb == NULL && cli_noun_exists(noun)) {
        cli_help_noun(&context->output, noun);
    } else {
        return cli_command_unknown(noun, verb, err);
    }
    return RV_OK;
}

static enum rv_code run_bench(struct cli_context *context, const struct cli_args *args,
                              struct rv_error *err)
{
    char path[PATH_MAX + 8];
    ssize_t length = readlink("/proc/self/exe", path, PATH_MAX);
    if (length < 0) {
        return rv_fail_errno(err, errno, "find this program's own path");
    }
    path[length] = '\0';
    char *name = strrchr(path, '/') + 1;
    snprintf(name, sizeof path - (size_t)(name - path), "reeve-bench");
    char *argv[4] = {path, (char *)(uintptr_t)cli_arg(args, 0), NULL, NULL};
    if (context->output.json) {
        argv[argv[1] != NULL ? 2 : 1] = (char[]){"--json"};
    }
    fflush(NULL);
    execv(path, argv);
    rv_fail_errno(err, errno, "run \"%s\"", path);
    rv_hint(err, "Build the target reeve-bench; it lies beside reeve.");
    return RV_UNAVAILABLE;
}

static const struct cli_option version_options[] = {
    {"build", NULL, "adds commit, compiler and libraries", false},
    {NULL, NULL, NULL, false},
};

const struct cli_command cli_program_commands[] = {
    {.noun = "bench",
     .summary = "runs a benchmark and prints its figures",
     .arguments = "[NAME]",
     .most = 1,
     .details = "Without a name it lists what there is.  With --json one object a line:\n"
                "{\"bench\":...,\"case\":...,\"metric\":...,\"value\":...,\"unit\":...}",
     .run = run_bench},
    {.noun = "version",
     .summary = "prints the version",
     .options = version_options,
     .run = run_version},
    {.noun = "help",
     .summary = "explains a command",
     .arguments = "[NOUN [VERB]]",
     .most = 2,
     .run = run_help},
    {.noun = NULL},
};
