/* value.h -- one setting's text and what it means: units, bounds, choices.  Private to
 * runtime/config. */
#ifndef REEVE_RUNTIME_CONFIG_VALUE_H
#define REEVE_RUNTIME_CONFIG_VALUE_H

#include "runtime/config/config.h"

/* Checks `text` against the setting; `out` gets the number of INTEGER, BOOLEAN, DURATION and SIZE.
 * Errors name the setting, the rule and an example. */
RV_MUST enum rv_code config_value_parse(const struct rv_setting *setting, const char *text,
                                        int64_t *out, struct rv_error *err);
/* "host:port", "[::1]:port"; false when it is neither. */
bool config_address_parse(const char *text, char host[256], int *port);
/* A connection string with the password's value replaced by ****; caller frees. */
char *config_without_password(const char *uri);

#endif
