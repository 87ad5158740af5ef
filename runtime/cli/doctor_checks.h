/* doctor_checks.h -- the checks that the frame brings along.  Private to runtime/cli. */
#ifndef REEVE_RUNTIME_CLI_DOCTOR_CHECKS_H
#define REEVE_RUNTIME_CLI_DOCTOR_CHECKS_H

#include "runtime/cli/doctor.h"

/* checks_machine.c */
enum cli_health cli_check_disk(struct cli_context *context, struct cli_finding *finding);
enum cli_health cli_check_clock(struct cli_context *context, struct cli_finding *finding);
enum cli_health cli_check_zones(struct cli_context *context, struct cli_finding *finding);
enum cli_health cli_check_files(struct cli_context *context, struct cli_finding *finding);
enum cli_health cli_check_model(struct cli_context *context, struct cli_finding *finding);
enum cli_health cli_check_gpu(struct cli_context *context, struct cli_finding *finding);

/* checks_database.c */
enum cli_health cli_check_database(struct cli_context *context, struct cli_finding *finding);
enum cli_health cli_check_migrations(struct cli_context *context, struct cli_finding *finding);

#endif
