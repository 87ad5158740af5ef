/* migrate.h -- brings a database to this program's schema: numbered, forward only, one transaction
 * each, under an advisory lock; a checksum of every applied migration is kept and compared. */
#ifndef REEVE_RUNTIME_DB_MIGRATE_H
#define REEVE_RUNTIME_DB_MIGRATE_H

#include "runtime/base/error.h"
#include "runtime/base/statement.h"

/* `rooms` is a NULL-terminated list of migration tables (each ended by a NULL name); they are
 * merged and applied in the order of their names.  `owner_uri` needs CREATE on the database,
 * nothing more (CREATEROLE only the first time, to make reeve_app; where it lacks that and the role
 * is missing, the error names the statement an administrator must run).  `applied` counts new ones.
 */
RV_MUST enum rv_code rv_migrate(const char *owner_uri, const struct rv_migration *const *rooms,
                                int *applied, struct rv_error *err);

#endif
