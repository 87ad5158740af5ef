/* admin.h -- acts of administration: who may, and their audit record.
 *
 * People, tokens, receivers and schedules are no effect on the books, so that no policy speaks of
 * them; a role of the person who asks (--as) must allow them.  The act is put on the audit record
 * (kind "admin") and committed before it is tried; what it made (an id) or that it failed follows
 * as a second record, which names the first.  A person without the role is put on record as well.
 * A secret never is.
 */
#ifndef REEVE_RUNTIME_CLI_ADMIN_H
#define REEVE_RUNTIME_CLI_ADMIN_H

#include "runtime/cli/cli.h"

#define ADMIN_PEOPLE "admin"             /* roles that may change people and tokens */
#define ADMIN_WORK   "operator or admin" /* ... schedules and receivers */

struct admin {
    struct cli *cli;
    struct node *node;
    struct rv_db_session *session;
    int32_t tenant;
    struct rv_principal person; /* who asks; in the command's arena */
    const char *what;           /* "person.add" */
    int64_t record;             /* seq of the act's record; 0: none yet */
};

/* Company, person and node.  `out` is closed by the caller, also on failure. */
RV_MUST enum rv_code admin_open(struct cli *cli, struct admin *out, struct rv_error *err);
void admin_close(struct admin *admin);

/* RV_DENIED unless the person holds one of the roles ("operator or admin"). */
RV_MUST enum rv_code admin_require(const struct admin *admin, const char *roles,
                                   struct rv_error *err);

/* admin_open, admin_require, and the record of the act: `what` and the members of `about` (taken;
 * whom, which roles; no secret; NULL, as json_pack gives it for text that is not UTF-8, is
 * RV_INVALID). */
RV_MUST enum rv_code admin_begin(struct cli *cli, const char *roles, const char *what,
                                 json_t *about, struct admin *out, struct rv_error *err);
/* What came of it, then admin_close.  Gives `code`, or why its record could not be written.  `made`
 * (taken, may be NULL) says what the act made; `err` is that of `code`. */
RV_MUST enum rv_code admin_end(struct admin *admin, enum rv_code code, json_t *made,
                               struct rv_error *err);

#endif
