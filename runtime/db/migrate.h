/* migrate.h -- brings a database to this program's schema: numbered, forward only, all in one
 * transaction, under an advisory lock; a checksum of every applied migration is kept and compared.
 *
 * Migrating is an act of its own, by a login that may become reeve_owner; whoever runs reeve only
 * looks whether something is missing.  Who is who: runtime/db/sql/roles.sql.
 */
#ifndef REEVE_RUNTIME_DB_MIGRATE_H
#define REEVE_RUNTIME_DB_MIGRATE_H

#include "runtime/base/error.h"
#include "runtime/base/statement.h"

#include <stdbool.h>

/* In both: `rooms` is a NULL-terminated list of migration tables (each ended by a NULL name); they
 * are merged and applied in the order of their names.  RV_CORRUPT: one was applied with another
 * text. */

struct rv_migrate {
    /* a superuser, or a member of reeve_owner; the first time it may need CREATEROLE, to make
     * reeve_owner and reeve_app: where it lacks that and they are missing, the error names the
     * statements that an administrator must run */
    const char *owner_uri;
    /* reeve's own PostgreSQL and its superuser: also brings the login "reeve" down to the least
     * role */
    bool private_server;
    const struct rv_migration *const *rooms;
};

/* `applied` counts new ones.  Objects that an older reeve left with another owner are handed over.
 * RV_DENIED: the login may not become reeve_owner. */
RV_MUST enum rv_code rv_migrate(const struct rv_migrate *how, int *applied, struct rv_error *err);

/* One statement as reeve_owner, in a transaction of its own; `values` are its parameters as text.
 * For what only the owner may do, such as dropping a partition. */
RV_MUST enum rv_code rv_owner_call(const char *owner_uri, const struct rv_statement *statement,
                                   const char *const *values, struct rv_error *err);

/* How many were not applied yet, as seen by the login that reeve runs as; changes nothing. */
RV_MUST enum rv_code rv_migrate_missing(const char *uri, const struct rv_migration *const *rooms,
                                        int *missing, struct rv_error *err);

#endif
