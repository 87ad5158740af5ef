/* command.h -- what a command of the program is: one row of a table.
 *
 * `reeve NOUN VERB ARGUMENTS --options`.  Dispatch, help, checking of arguments and suggestions for
 * typing mistakes all come from the rows.  To add commands: write cmd_<noun>.c with a table
 *
 *     const struct cli_command cli_run_commands[] = {{.noun = "run", .verb = "list", ...}, {.noun =
 * NULL}};
 *
 * and name it in commands.c.  A command writes data with output.h or table.h, and returns its code;
 * the frame prints the error and turns the code into the exit status:
 *
 *     0 done   1 failed   2 wrong usage   3 denied   4 something needed is not available
 */
#ifndef REEVE_RUNTIME_CLI_COMMAND_H
#define REEVE_RUNTIME_CLI_COMMAND_H

#include "runtime/base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct cli_context;
struct cli_args;

struct cli_option {
    const char *name;  /* "limit" for --limit; NULL ends a table */
    const char *value; /* what it takes, as help shows it: "N"; NULL: a switch */
    const char *doc;   /* one sentence without a full stop */
    bool repeats;      /* may be given more than once: cli_value_at */
};

struct cli_command {
    const char *noun;                 /* NULL ends a table */
    const char *verb;                 /* NULL: the noun alone is the command */
    const char *summary;              /* half a line, lower case: "starts the private database" */
    const char *arguments;            /* for the usage line: "ID [COMMENT]"; NULL: none */
    int least, most;                  /* how many arguments there must and may be */
    const struct cli_option *options; /* NULL: none of its own */
    const char *details;              /* more for `reeve help NOUN VERB`; NULL: nothing more */
    enum rv_code (*run)(struct cli_context *context, const struct cli_args *args,
                        struct rv_error *err);
};

/* All tables, NULL-terminated, in the order of the help (commands.c). */
extern const struct cli_command *const cli_command_tables[];

/* Options that every command has. */
extern const struct cli_option cli_global_options[];

/* ---- what was typed ---- */

/* Argument `index` (0 is the first after the verb); NULL when it was not given. */
const char *cli_arg(const struct cli_args *args, int index);
int cli_arg_count(const struct cli_args *args);
bool cli_switch(const struct cli_args *args, const char *option);
/* The value of an option (the last one), or `otherwise`.  Asking for an option that the command
 * does not declare is a wrong program. */
const char *cli_value(const struct cli_args *args, const char *option, const char *otherwise);
/* The index-th value of a repeating option; NULL after the last. */
const char *cli_value_at(const struct cli_args *args, const char *option, int index);
/* A whole number between the bounds; RV_INVALID naming option and bounds. */
RV_MUST enum rv_code cli_integer(const struct cli_args *args, const char *option, int64_t otherwise,
                                 int64_t least, int64_t most, int64_t *out, struct rv_error *err);

#endif
