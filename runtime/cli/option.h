/* option.h -- from argv to words, options and their values.  Private to the frame (cli.c, help.c).
 */
#ifndef REEVE_RUNTIME_CLI_OPTION_H
#define REEVE_RUNTIME_CLI_OPTION_H

#include "runtime/cli/command.h"

enum {
    CLI_WORDS_MAX = 512,  /* file names from a shell pattern */
    CLI_OPTIONS_MAX = 128 /* options given, repeats counted */
};

struct cli_given {
    const char *name; /* of the option, borrowed from its table */
    const char *value;
};

struct cli_args {
    const struct cli_command *command; /* NULL while only global options are read */
    const char *words[CLI_WORDS_MAX];  /* noun and verb first, then the arguments */
    int word_count;
    int first_argument; /* index into words */
    struct cli_given given[CLI_OPTIONS_MAX];
    int given_count;
};

/* Takes the global options and the words; what is no global option is kept for cli_args_finish, but
 * must begin after the command's words. */
RV_MUST enum rv_code cli_args_read(int argc, char **argv, struct cli_args *args,
                                   struct rv_error *err);
/* Knows the command now: reads everything again with its options, counts the arguments. */
RV_MUST enum rv_code cli_args_finish(int argc, char **argv, const struct cli_command *command,
                                     struct cli_args *args, struct rv_error *err);

#endif
