/* help.c -- everything that is said about commands, from their table. */
#include "runtime/base/check.h"
#include "runtime/cli/cli.h"
#include "runtime/config/suggest.h"

#include <string.h>

enum { NAME_COLUMNS = 26, OPTION_COLUMNS = 24, NAME_BYTES = 128 };

static bool same(const char *a, const char *b)
{
    return (a == NULL && b == NULL) || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static void full_name(const struct cli_command *command, char out[NAME_BYTES])
{
    snprintf(out, NAME_BYTES, "%s%s%s", command->noun, command->verb != NULL ? " " : "",
             command->verb != NULL ? command->verb : "");
}

const struct cli_command *cli_command_find(const char *noun, const char *verb)
{
    const struct cli_command *alone = NULL;
    for (const struct cli_command *at = cli_commands; at->noun != NULL; at++) {
        if (strcmp(at->noun, noun) == 0 && same(at->verb, verb)) {
            return at;
        }
        if (strcmp(at->noun, noun) == 0 && at->verb == NULL) {
            alone = at; /* what follows are its arguments */
        }
    }
    return alone;
}

bool cli_noun_exists(const char *noun)
{
    for (const struct cli_command *at = cli_commands; at->noun != NULL; at++) {
        if (strcmp(at->noun, noun) == 0) {
            return true;
        }
    }
    return false;
}

/* The command whose whole name, or else whose noun, is nearest; NULL when nothing is near. */
static const struct cli_command *nearest(const char *typed, const char *noun, bool noun_known,
                                         bool *noun_only)
{
    const struct cli_command *found = NULL;
    struct rv_suggestion whole = rv_suggest(typed);
    struct rv_suggestion part = rv_suggest(noun);
    *noun_only = false;
    for (const struct cli_command *at = cli_commands; at->noun != NULL; at++) {
        char name[NAME_BYTES];
        full_name(at, name);
        int before = whole.distance;
        if (!noun_known || strcmp(at->noun, noun) == 0) {
            rv_suggest_try(&whole, name);
        }
        if (whole.distance < before) {
            found = at;
            *noun_only = false;
        } else if (whole.best == NULL && !noun_known) {
            before = part.distance;
            rv_suggest_try(&part, at->noun);
            found = part.distance < before ? at : found;
            *noun_only = found != NULL;
        }
    }
    return found;
}

enum rv_code cli_command_unknown(const char *noun, const char *verb, struct rv_error *err)
{
    char typed[NAME_BYTES];
    char name[NAME_BYTES];
    bool known = cli_noun_exists(noun);
    bool noun_only = false;
    snprintf(typed, sizeof typed, "%s%s%s", noun, verb != NULL ? " " : "",
             verb != NULL ? verb : "");
    if (known && verb == NULL) {
        rv_fail(err, RV_INVALID, "`reeve %s` needs to know what to do", noun);
        rv_hint(err, "Add one of its verbs.");
        return RV_INVALID;
    }
    rv_fail(err, RV_INVALID, "there is no command `reeve %s`", typed);
    const struct cli_command *command = nearest(typed, noun, known, &noun_only);
    if (command == NULL) {
        rv_hint(err, "`reeve help%s%s` shows what there is.", known ? " " : "", known ? noun : "");
        return RV_INVALID;
    }
    full_name(command, name);
    rv_hint(err, "Did you mean `reeve %s`?", noun_only ? command->noun : name);
    return RV_INVALID;
}

static void print_row(const struct cli_output *output, const struct cli_command *command)
{
    char name[NAME_BYTES];
    full_name(command, name);
    cli_print(output, "  %s%-*s%s %s", cli_style(output, CLI_BOLD), NAME_COLUMNS, name,
              cli_style(output, CLI_PLAIN), command->summary);
}

void cli_help_overview(const struct cli_output *output)
{
    cli_print(output, "reeve runs software agents against an ERP under governance.\n");
    cli_print(output, "Usage: reeve NOUN [VERB] [ARGUMENTS] [--OPTIONS]\n");
    for (const struct cli_command *at = cli_commands; at->noun != NULL; at++) {
        print_row(output, at);
    }
    cli_print(output, "\nOptions of every command:");
    for (const struct cli_option *at = cli_global_options; at->name != NULL; at++) {
        cli_print(output, "  --%-*s %s", OPTION_COLUMNS, at->name, at->doc);
    }
    cli_print(output,
              "\n`reeve help NOUN VERB` says more about one.  Exit status: 0 done, 1 failed,\n"
              "2 wrong usage, 3 denied, 4 something needed is not available, 5 imported into "
              "quarantine.");
}

void cli_help_noun(const struct cli_output *output, const char *noun)
{
    for (const struct cli_command *at = cli_commands; at->noun != NULL; at++) {
        if (strcmp(at->noun, noun) == 0) {
            print_row(output, at);
        }
    }
}

void cli_help_command(const struct cli_output *output, const struct cli_command *command)
{
    char name[NAME_BYTES];
    full_name(command, name);
    cli_print(output, "reeve %s -- %s\n", name, command->summary);
    cli_print(output, "Usage: reeve %s%s%s [--OPTIONS]", name,
              command->arguments[0] != '\0' ? " " : "", command->arguments);
    if (command->details != NULL) {
        cli_print(output, "\n%s", command->details);
    }
    const struct cli_option *tables[] = {command->options, cli_global_options};
    static const char *const titles[] = {"\nOptions:", "\nOptions of every command:"};
    for (size_t i = 0; i < RV_COUNT(tables); i++) {
        if (tables[i] == NULL || tables[i]->name == NULL) {
            continue;
        }
        cli_print(output, "%s", titles[i]);
        for (const struct cli_option *at = tables[i]; at->name != NULL; at++) {
            char head[NAME_BYTES];
            snprintf(head, sizeof head, "%s%s%s", at->name, at->value != NULL ? " " : "",
                     at->value != NULL ? at->value : "");
            cli_print(output, "  --%-*s %s", OPTION_COLUMNS, head, at->doc);
        }
    }
}
