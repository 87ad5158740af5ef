/* option.c -- from argv to words, options and their values.
 *
 * Reading happens twice.  Which options take a value depends on the command, and global options may
 * stand before its words: the first pass finds the words, the second, knowing the command, reads
 * everything. The first pass ends at the first option that is not global; so `reeve run list
 * --limit 5` is read, and `reeve --limit 5 run list` is refused, since nobody could know whose
 * option that is.
 */
#include "runtime/base/check.h"
#include "runtime/base/text.h"
#include "runtime/cli/cli.h"
#include "runtime/config/suggest.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { OBJECT_BYTES_MAX = 1 << 20, NAME_TEXT = 64 };

const struct cli_option cli_global_options[] = {
    {"help", NULL, "shows how the command is used"},
    {"json", NULL, "prints data as JSON"},
    {"quiet", NULL, "prints data and errors only"},
    {"no-color", NULL, "prints without colours (so does the variable NO_COLOR)"},
    {"company", "NAME", "the company that is meant; default: the only one"},
    {"as", "PERSON", "the person who asks; default: console"},
    {"database", "URI", "another PostgreSQL than reeve's own (or REEVE_DATABASE)"},
    {"state", "DIR", "where reeve keeps its own things (or REEVE_STATE)"},
    {"config", "FILE", "reads the settings from this file"},
    {"set", "KEY=VALUE", "overrides a setting; may be repeated"},
    {"log", "LEVEL", "logs from this level on: debug, info, warn, error"},
    {"version", NULL, "the same as `reeve version`"},
    {NULL, NULL, NULL},
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

static void usage_hint(const struct cli_command *command, struct rv_error *err)
{
    rv_hint(err, "Usage: reeve %s%s%s%s%s", command->noun, command->verb != NULL ? " " : "",
            command->verb != NULL ? command->verb : "", command->arguments[0] != '\0' ? " " : "",
            command->arguments);
}

/* Who writes --zone means the option whose value is a ZONE. */
static const char *named_by_value(const struct cli_option *table, const char *typed)
{
    for (; table != NULL && table->name != NULL; table++) {
        if (table->value != NULL && strcasecmp(table->value, typed) == 0) {
            return table->name;
        }
    }
    return NULL;
}

/* Who writes --status=failed where STATUS is an argument. */
static bool names_argument(const struct cli_command *command, const char *typed)
{
    size_t length = strlen(typed);
    for (const char *at = command->arguments; length > 0 && *at != '\0'; at++) {
        bool begins = at == command->arguments || strchr("[ |", at[-1]) != NULL;
        if (begins && strncasecmp(at, typed, length) == 0 &&
            strchr("] |.", at[length]) != NULL) { /* its end, too, is the end of a word */
            return true;
        }
    }
    return false;
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
    for (size_t i = 0; i < RV_COUNT(tables) && suggestion.best == NULL; i++) {
        suggestion.best = named_by_value(tables[i], typed);
    }
    rv_fail(err, RV_INVALID, "`reeve %s%s%s` has no option --%s", command->noun,
            command->verb != NULL ? " " : "", command->verb != NULL ? command->verb : "", typed);
    if (names_argument(command, typed)) {
        usage_hint(command, err);
        return RV_INVALID;
    }
    if (suggestion.best != NULL) {
        rv_hint(err, "Did you mean --%s?", suggestion.best);
        return RV_INVALID;
    }
    rv_hint(err, "`reeve help %s` shows its options.", command->noun);
    return RV_INVALID;
}

/* One option at argv[*at]; `stop` when it is not ours to know yet. */
static enum rv_code read_option(struct cli *cli, int argc, char **argv, int *at, bool *stop,
                                struct rv_error *err)
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
    const struct cli_option *option = find_option(cli->command, name, length);
    if (option == NULL) {
        *stop = cli->command == NULL;
        return *stop ? RV_OK : unknown_option(cli->command, name, err);
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
    if (cli->given_count == CLI_OPTIONS_MAX) {
        return rv_fail(err, RV_INVALID, "more than %d options", CLI_OPTIONS_MAX);
    }
    cli->given[cli->given_count++] = (struct cli_given){option->name, value};
    return RV_OK;
}

static enum rv_code read_everything(struct cli *cli, int argc, char **argv, struct rv_error *err)
{
    bool words_only = false;
    bool stop = false;
    cli->given_count = 0;
    cli->word_count = 0;
    for (int at = 1; at < argc && !stop; at++) {
        if (!words_only && strcmp(argv[at], "--") == 0) {
            words_only = true;
        } else if (!words_only && argv[at][0] == '-' && argv[at][1] != '\0') {
            enum rv_code code = read_option(cli, argc, argv, &at, &stop, err);
            if (code != RV_OK) {
                return code;
            }
            if (stop && cli->word_count == 0) {
                rv_fail(err, RV_INVALID, "the option \"%s\" stands before the command", argv[at]);
                rv_hint(err, "Write the command first: reeve NOUN VERB %s.", argv[at]);
                return RV_INVALID;
            }
        } else if (cli->word_count == CLI_WORDS_MAX) {
            return rv_fail(err, RV_INVALID, "more than %d arguments", CLI_WORDS_MAX);
        } else {
            cli->words[cli->word_count++] = argv[at];
        }
    }
    return RV_OK;
}

enum rv_code cli_read_words(struct cli *cli, int argc, char **argv, struct rv_error *err)
{
    cli->command = NULL;
    return read_everything(cli, argc, argv, err);
}

/* "ID [COMMENT]" is one to two, "FILE..." one or more. */
static void count_arguments(const char *text, int *least, int *most)
{
    *least = 0;
    *most = 0;
    while (*text != '\0') {
        size_t length = strcspn(text, " ");
        bool many = length > 3 && strncmp(text + length - 3, "...", 3) == 0;
        *least += text[0] != '[';
        *most = many ? CLI_WORDS_MAX : *most + 1;
        text += length + strspn(text + length, " ");
    }
}

/* The name of argument `index` in "RUN [NAME]"; the last one is for those beyond. */
static void argument_name(const char *text, int index, char out[NAME_TEXT])
{
    for (size_t next = strcspn(text, " "); index > 0 && text[next] == ' '; index--) {
        text += next + 1;
        next = strcspn(text, " ");
    }
    text += *text == '[';
    snprintf(out, NAME_TEXT, "%.*s", (int)strcspn(text, " ]."), text);
}

/* Everything that is typed is a text for JSON, the record and the database: UTF-8, or nothing is
 * done. */
static enum rv_code check_texts(const struct cli *cli, struct rv_error *err)
{
    char name[NAME_TEXT];
    enum rv_code code = RV_OK;
    for (int i = 0; i < cli->given_count && code == RV_OK; i++) {
        if (cli->given[i].value != NULL) {
            snprintf(name, sizeof name, "--%s", cli->given[i].name);
            code = rv_text_check(name, cli->given[i].value, err);
        }
    }
    for (int i = 0; i < cli->argc && code == RV_OK; i++) {
        argument_name(cli->command->arguments, i, name);
        code = rv_text_check(name[0] != '\0' ? name : "the argument", cli->argv[i], err);
    }
    return code;
}

enum rv_code cli_read_all(struct cli *cli, int argc, char **argv, struct rv_error *err)
{
    enum rv_code code = read_everything(cli, argc, argv, err);
    int used = cli->command->verb != NULL ? 2 : 1;
    int least = 0;
    int most = 0;
    cli->argv = cli->words + (cli->word_count > used ? used : cli->word_count);
    cli->argc = cli->word_count > used ? cli->word_count - used : 0;
    cli->words[cli->word_count] = NULL;
    if (code == RV_OK) {
        code = check_texts(cli, err);
    }
    count_arguments(cli->command->arguments, &least, &most);
    if (code == RV_OK && !cli_flag(cli, "--help") && (cli->argc < least || cli->argc > most)) {
        code =
            rv_fail(err, RV_INVALID,
                    cli->argc < least ? "an argument is missing" : "there are too many arguments");
        usage_hint(cli->command, err);
    }
    return code;
}

/* ---- what was typed ---- */

static const struct cli_given *find_given(const struct cli *cli, const char *name)
{
    name += strncmp(name, "--", 2) == 0 ? 2 : 0;
    RV_ASSERT(find_option(cli->command, name, strlen(name)) != NULL);
    for (int i = cli->given_count; i-- > 0;) {
        if (strcmp(cli->given[i].name, name) == 0) {
            return &cli->given[i];
        }
    }
    return NULL;
}

const char *cli_option(const struct cli *cli, const char *name)
{
    const struct cli_given *given = find_given(cli, name);
    return given != NULL ? given->value : NULL;
}

bool cli_flag(const struct cli *cli, const char *name)
{
    return find_given(cli, name) != NULL;
}

enum rv_code cli_integer(const struct cli *cli, const char *name, int64_t otherwise, int64_t least,
                         int64_t most, int64_t *out, struct rv_error *err)
{
    const char *text = cli_option(cli, name);
    if (text == NULL) {
        *out = otherwise;
        return RV_OK;
    }
    char *end = NULL;
    errno = 0;
    int64_t number = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || number < least || number > most) {
        rv_fail(err, RV_INVALID, "%s: \"%s\" is not a whole number from %" PRId64 " to %" PRId64,
                name, text, least, most);
        rv_hint(err, "Correct the number.");
        return RV_INVALID;
    }
    *out = number;
    return RV_OK;
}

enum rv_code cli_object(const struct cli *cli, const char *name, json_t **out, struct rv_error *err)
{
    const char *text = cli_option(cli, name);
    size_t length = text != NULL ? strlen(text) : 0;
    char what[NAME_TEXT];
    *out = NULL;
    if (text == NULL) {
        return RV_OK;
    }
    if (text[strspn(text, " \t\n")] != '{') {
        enum rv_code code = cli_read_file(text, OBJECT_BYTES_MAX, cli->arena, &text, &length, err);
        if (code != RV_OK) {
            rv_hint(err,
                    "Give --%s as a JSON object of at most 1 MiB, or the name of a file with one; "
                    "what is larger is kept with `reeve blob put`, and its handle sent.",
                    name);
            return code;
        }
    }
    snprintf(what, sizeof what, "--%s", name);
    enum rv_code code = rv_json_parse(text, length, what, out, err);
    if (code == RV_OK && !json_is_object(*out)) {
        code = rv_fail(err, RV_INVALID, "%s: must be a JSON object", what);
    }
    return code;
}
