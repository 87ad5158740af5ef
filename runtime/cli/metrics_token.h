/* metrics_token.h -- the token of the operator of the machine, who alone sees all companies in GET
 * /metrics (metrics_api.h): read from the file that metrics.token_file names.
 */
#ifndef REEVE_RUNTIME_CLI_METRICS_TOKEN_H
#define REEVE_RUNTIME_CLI_METRICS_TOKEN_H

#include "runtime/config/config.h"

enum { METRICS_TOKEN_MIN = 32, METRICS_TOKEN_MAX = 200 };

/* "" where the setting is not set.  RV_DENIED: others may read the file; RV_INVALID: its first line
 * is no such token. */
RV_MUST enum rv_code metrics_token_read(const struct rv_config *config,
                                        char out[METRICS_TOKEN_MAX + 1], struct rv_error *err);

#endif
