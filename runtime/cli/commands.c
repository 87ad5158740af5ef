/* commands.c -- every command of the program, in the order of the help.  Add a table: one line
 * each. */
#include "runtime/cli/command.h"

#include <stddef.h>

extern const struct cli_command cli_db_commands[];
extern const struct cli_command cli_config_commands[];
extern const struct cli_command cli_doctor_commands[];
extern const struct cli_command cli_program_commands[];

const struct cli_command *const cli_command_tables[] = {
    cli_db_commands, cli_config_commands, cli_doctor_commands, cli_program_commands, NULL,
};
