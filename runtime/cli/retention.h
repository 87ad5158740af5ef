/* retention.h -- what commands say of journals that are past their retention and were dropped. */
#ifndef REEVE_RUNTIME_CLI_RETENTION_H
#define REEVE_RUNTIME_CLI_RETENTION_H

#include "runtime/cli/cli.h"

/* What of the company has gone, {"periods", "runs", "steps", "at", "by"}; NULL: nothing.  New
 * reference. */
RV_MUST enum rv_code retention_of(const struct cli *cli, int32_t tenant, json_t **out,
                                  struct rv_error *err);
/* A line of it below a report about the whole company; nothing for NULL. */
void retention_say(const struct cli *cli, const json_t *gone);

#endif
