/* doctor.h -- one line of `reeve doctor`: what was looked at, how it is, what to do about it. */
#ifndef REEVE_RUNTIME_CLI_DOCTOR_H
#define REEVE_RUNTIME_CLI_DOCTOR_H

#include "runtime/cli/context.h"

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
    const char *name; /* NULL ends a table */
    enum cli_health (*run)(struct cli_context *context, struct cli_finding *finding);
};

/* The checks of the frame itself; more come with struct cli_rooms. */
extern const struct cli_check cli_own_checks[];

#endif
