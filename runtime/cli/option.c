/* option.c -- see option.h.
 *
 * Reading happens twice.  Which options take a value depends on the command, and the command's
 * words may stand behind global options: the first pass finds the words, the second, knowing the
 * command, reads all. The first pass ends at the first option that is not global; so `reeve run
 * list --limit 5` is read, and `reeve --limit 5 run list` is refused, since nobody could know whose
 * option that is.
 */
#include "runtime/cli/option.h"

#include "runtime/base/check.h"
#include "runtime/config/suggest.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct cli_option cli_global_options[] = {
    {"help", NULL, "shows how the command is used", false},
    {"json", NULL, "prints data as JSON", false},
    {"quiet", NULL, "prints data and errors only", false},
    {"no-color", NULL, "prints without colours (so does the variable NO_COLOR)", false},
    {"config", "FILE", "reads the settings from this file", false},
    {"state-dir", "DIR", "short for --set state.dir=DIR", false},
    {"set", "KEY=VALUE", "overrides one setting", true},
    {"version", NULL, "the same as `reeve version`", false},
    {NULL, NULL, NULL, false},
};

static const struct cli_option *find_in(const struct cli_option *table, const char *name,
                                        size_t length)
{
    for (; table != NULL && table->name != NULL; table++) {
        if (strncmp(table->name, name, length) == 0 && table->name[length] == '\0') {
            return table;
        }
    }
    return NULL;
}

static const struct cli_option *find_option(const struct cli_command *command, const char *name,
                                            size_t length)
{
    const struct cli_option *own = command != NULL ? find_in(command->options, name, length) : NULL;
    return own != NULL ? own : find_in(cli_global_options, name, length);
}

static enum rv_code unknown_option(const struct cli_command *command, const char *name,
                                   struct rv_error *err)
{
    char typed[RV_SUGGEST_MAX + 1];
    snprintf(typed, sizeof typed, "%.*s", (int)strcspn(name, "="), name);
    struct rv_suggestion suggestion = rv_suggest(typed);
    const struct cli_option *tables[] = {command->options, cli_global_options};
    for (size_t i = 0; i < RV_COUNT(tables); i++) {
        for (const struct cli_option *at = tables[i]; at != NULL && at->name != NULL; at++) {
            rv_suggest_try(&suggestion, at->name);
        }
    }
    rv_fail(err, RV_INVALID, "`reeve %s%s%s` has no option --%s", command->noun,
            command->verb != NULL ? " " : "", command->verb != NULL ? command->verb : "", typed);
    if (suggestion.best != NULL) {
        return rv_hint(err, "Did you mean --%s?", suggestion.best);
    }
    rv_hint(err, "`reeve help %s` shows its options.", command->noun);
    return RV_INVALID;
}

static enum rv_code add_given(struct cli_args *args, const struct cli_option *option,
                              const char *value, struct rv_error *err)
{
    if (args->given_count == CLI_OPTIONS_MAX) {
        return rv_fail(err, RV_INVALID, "more than %d options", CLI_OPTIONS_MAX);
    }
    for (int i = 0; !option->repeats && i < args->given_count; i++) {
        if (strcmp(args->given[i].name, option->name) == 0) {
            return rv_fail(err, RV_INVALID, "--%s is given twice", option->name);
        }
    }
    args->given[args->given_count++] = (struct cli_given){option->name, value};
    return RV_OK;
}

/* One option at argv[*at]; `stop` when it is not ours to know yet. */
static enum rv_code read_option(int argc, char **argv, int *at, const struct cli_command *command,
                                struct cli_args *args, bool *stop, struct rv_error *err)
{
    const char *name = argv[*at] + 2;
    if (strcmp(argv[*at], "-h") == 0) {
        name = "help";
    } else if (argv[*at][1] != '-') {
        rv_fail(err, RV_INVALID, "\"%s\" is no option", argv[*at]);
        rv_hint(err, "Options have two dashes and their whole name, as in --json.");
        return RV_INVALID;
    }
    size_t length = strcspn(name, "=");
    const struct cli_option *option = find_option(command, name, length);
    if (option == NULL && command == NULL) {
        *stop = true;
        return RV_OK;
    }
    if (option == NULL) {
        return unknown_option(command, name, err);
    }
    const char *value = name[length] == '=' ? name + length + 1 : NULL;
    if (option->value == NULL && value != NULL) {
        return rv_fail(err, RV_INVALID, "--%s takes no value", option->name);
    }
    if (option->value != NULL && value == NULL) {
        if (*at + 1 >= argc) {
            rv_fail(err, RV_INVALID, "--%s needs a value", option->name);
            rv_hint(err, "Write --%s %s.", option->name, option->value);
            return RV_INVALID;
        }
        value = argv[++*at];
    }
    return add_given(args, option, value, err);
}

static enum rv_code read_all(int argc, char **argv, const struct cli_command *command,
                             struct cli_args *args, struct rv_error *err)
{
    bool words_only = false;
    bool stop = false;
    for (int at = 1; at < argc && !stop; at++) {
        if (!words_only && strcmp(argv[at], "--") == 0) {
            words_only = true;
        } else if (!words_only && argv[at][0] == '-' && argv[at][1] != '\0') {
            enum rv_code code = read_option(argc, argv, &at, command, args, &stop, err);
            if (code != RV_OK) {
                return code;
            }
            if (stop && args->word_count == 0) {
                rv_fail(err, RV_INVALID, "the option \"%s\" stands before the command", argv[at]);
                return rv_hint(err, "Write the command first: reeve NOUN VERB %s.", argv[at]);
            }
        } else if (args->word_count == CLI_WORDS_MAX) {
            return rv_fail(err, RV_INVALID, "more than %d arguments", CLI_WORDS_MAX);
        } else {
            args->words[args->word_count++] = argv[at];
        }
    }
    return RV_OK;
}

enum rv_code cli_args_read(int argc, char **argv, struct cli_args *args, struct rv_error *err)
{
    *args = (struct cli_args){.command = NULL};
    return read_all(argc, argv, NULL, args, err);
}

enum rv_code cli_args_finish(int argc, char **argv, const struct cli_command *command,
                             struct cli_args *args, struct rv_error *err)
{
    *args = (struct cli_args){.command = command, .first_argument = command->verb != NULL ? 2 : 1};
    enum rv_code code = read_all(argc, argv, command, args, err);
    int count = cli_arg_count(args);
    if (code != RV_OK || cli_switch(args, "help")) {
        return code;
    }
    if (count < command->least || count > command->most) {
        rv_fail(err, RV_INVALID,
                count < command->least ? "an argument is missing" : "there are too many arguments");
        rv_hint(err, "Usage: reeve %s%s%s %s", command->noun, command->verb != NULL ? " " : "",
                command->verb != NULL ? command->verb : "",
                command->arguments != NULL ? command->arguments : "");
        return RV_INVALID;
    }
    return RV_OK;
}

/* ---- what was typed ---- */

const char *cli_arg(const struct cli_args *args, int index)
{
    RV_ASSERT(index >= 0);
    return index < cli_arg_count(args) ? args->words[args->first_argument + index] : NULL;
}

int cli_arg_count(const struct cli_args *args)
{
    int count = args->word_count - args->first_argument;
    return count > 0 ? count : 0;
}

const char *cli_value_at(const struct cli_args *args, const char *option, int index)
{
    RV_ASSERT(find_option(args->command, option, strlen(option)) != NULL);
    for (int i = 0; i < args->given_count; i++) {
        if (strcmp(args->given[i].name, option) == 0 && index-- == 0) {
            return args->given[i].value;
        }
    }
    return NULL;
}

const char *cli_value(const struct cli_args *args, const char *option, const char *otherwise)
{
    const char *last = otherwise;
    for (int i = 0; cli_value_at(args, option, i) != NULL; i++) {
        last = cli_value_at(args, option, i);
    }
    return last;
}

bool cli_switch(const struct cli_args *args, const char *option)
{
    RV_ASSERT(find_option(args->command, option, strlen(option)) != NULL);
    for (int i = 0; i < args->given_count; i++) {
        if (strcmp(args->given[i].name, option) == 0) {
            return true;
        }
    }
    return false;
}

enum rv_code cli_integer(const struct cli_args *args, const char *option, int64_t otherwise,
                         int64_t least, int64_t most, int64_t *out, struct rv_error *err)
{
    const char *text = cli_value(args, option, NULL);
    if (text == NULL) {
        *out = otherwise;
        return RV_OK;
    }
    char *end = NULL;
    errno = 0;
    int64_t number = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || number < least || number > most) {
        rv_fail(err, RV_INVALID, "--%s: \"%s\" is not a whole number from %" PRId64 " to %" PRId64,
                option, text, least, most);
        rv_hint(err, "Correct the number.");
        return RV_INVALID;
    }
    *out = number;
    return RV_OK;
}
