/* doctor.h -- one line of `reeve doctor`: what was looked at, how it is, what to do about it.
 * To add one: write the function, name it in the table (checks_machine.c). */
#ifndef REEVE_RUNTIME_CLI_DOCTOR_H
#define REEVE_RUNTIME_CLI_DOCTOR_H

#include "runtime/cli/cli.h"

enum cli_health {
    CLI_OK,
    CLI_DEGRADED, /* reeve works, something is slower or absent */
    CLI_MISSING   /* reeve does not work like this: `reeve doctor` ends with status 1 */
};

struct cli_finding {
    char text[256];   /* what is the case */
    char remedy[256]; /* what to do; "" when all is well */
};

struct cli_check {
    const char *name; /* NULL ends the table */
    enum cli_health (*run)(struct cli *cli, struct cli_finding *finding);
};
extern const struct cli_check cli_checks[];

/* checks_database.c */
/* Like place_session, but looks only: starts our own server, migrates nothing. */
enum rv_code cli_look_into(struct cli *cli, struct rv_db_session **session, struct rv_error *err);
enum cli_health cli_check_database(struct cli *cli, struct cli_finding *finding);
enum cli_health cli_check_leftovers(struct cli *cli, struct cli_finding *finding);
enum cli_health cli_check_login(struct cli *cli, struct cli_finding *finding);
enum cli_health cli_check_migrations(struct cli *cli, struct cli_finding *finding);
/* checks_model.c */
enum cli_health cli_check_model(struct cli *cli, struct cli_finding *finding);
/* checks_cluster.c */
enum cli_health cli_check_cluster(struct cli *cli, struct cli_finding *finding);
/* checks_keys.c */
enum cli_health cli_check_keys(struct cli *cli, struct cli_finding *finding);

#endif
