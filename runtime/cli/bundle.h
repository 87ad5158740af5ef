/* bundle.h -- policy bundles in files, for the commands about them.  Needs no database. */
#ifndef REEVE_RUNTIME_CLI_BUNDLE_H
#define REEVE_RUNTIME_CLI_BUNDLE_H

#include "runtime/cli/cli.h"

/* Reads and compiles one; `source` is in the arena's care, the caller destroys the policy. */
RV_MUST enum rv_code bundle_read(const struct cli *cli, const char *path, struct rv_policy **policy,
                                 const char **source, struct rv_error *err);
/* Prints what `rv_policy_check` finds, with file and line; gives the number of errors.  `people`
 * {role: people} may be NULL. */
int bundle_findings(const struct cli *cli, const char *path, const struct rv_policy *policy,
                    const json_t *people, bool only_errors);

/* Those who can act, as rv_policy_check takes them; a new reference, also on failure. */
RV_MUST enum rv_code bundle_people(struct rv_db_session *session, int32_t tenant, json_t **people,
                                   struct rv_error *err);

#endif
