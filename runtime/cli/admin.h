/* admin.h -- acts of administration: who may, and their audit record.
 *
 * People, tokens, receivers, schedules and companies are no effect on the books, so that no policy
 * speaks of them; a role of the person who asks (--as) must allow them.  Between admin_begin and
 * admin_end every change by the admin's session goes through runtime/audit/door.h: the change and
 * its record (kind "admin") are one transaction.  What is refused for want of the role, what fails
 * and what changes nothing has a record too, which says so; a secret never is on one.
 */
#ifndef REEVE_RUNTIME_CLI_ADMIN_H
#define REEVE_RUNTIME_CLI_ADMIN_H

#include "runtime/audit/door.h"
#include "runtime/cli/cli.h"

#define ADMIN_PEOPLE "admin"             /* roles that may change people and tokens */
#define ADMIN_WORK   "operator or admin" /* ... schedules and receivers */

struct admin {
    struct cli *cli;
    struct node *node;
    struct rv_db_session *session;
    int32_t tenant;
    struct rv_principal person; /* who asks; in the command's arena */
    struct rv_door door;        /* its `about` is owned */
};

/* Company, person and node.  `out` is closed by the caller, also on failure. */
RV_MUST enum rv_code admin_open(struct cli *cli, struct admin *out, struct rv_error *err);
void admin_close(struct admin *admin);

/* RV_DENIED unless the person holds one of the roles ("operator or admin"). */
RV_MUST enum rv_code admin_require(const struct admin *admin, const char *roles,
                                   struct rv_error *err);

/* admin_open, admin_require, and the session's door: `what` and the members of `about` (taken;
 * whom, which roles; no secret; NULL, as json_pack gives it for text that is not UTF-8, is
 * RV_INVALID) will be on the record.  One change an act: `out` must stay where it is. */
RV_MUST enum rv_code admin_begin(struct cli *cli, const char *roles, const char *what,
                                 json_t *about, struct admin *out, struct rv_error *err);
/* The record of an act that changed nothing (`code` says whether it failed), then admin_close.
 * Gives `code`, or why that record could not be written; `err` is that of `code`. */
RV_MUST enum rv_code admin_end(struct admin *admin, enum rv_code code, struct rv_error *err);

#endif
