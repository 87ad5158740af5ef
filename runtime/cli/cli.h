/* cli.h -- the frame of the program: finds the command, gives it what it needs, says how it went.
 */
#ifndef REEVE_RUNTIME_CLI_CLI_H
#define REEVE_RUNTIME_CLI_CLI_H

#include "runtime/cli/command.h"
#include "runtime/cli/context.h"

/* Runs the program; gives its exit status. */
int cli_main(const struct cli_rooms *rooms, int argc, char **argv);

/* ---- help.c ---- */

/* NULL when there is none.  `verb` may be NULL. */
const struct cli_command *cli_command_find(const char *noun, const char *verb);
/* What to say about words that are no command: RV_INVALID with the nearest command. */
RV_MUST enum rv_code cli_command_unknown(const char *noun, const char *verb, struct rv_error *err);
bool cli_noun_exists(const char *noun);
/* Everything; one noun; one command. */
void cli_help_overview(const struct cli_output *output);
void cli_help_noun(const struct cli_output *output, const char *noun);
void cli_help_command(const struct cli_output *output, const struct cli_command *command);

#endif
