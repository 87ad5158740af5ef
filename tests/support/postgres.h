/* postgres.h -- a real PostgreSQL for tests: one private server per test program, one database per
 * test.
 *
 * The server lives in a temporary folder, listens on a unix socket only, never runs as root and
 * dies with the test program.  $REEVE_TEST_PG (a libpq URI that may create databases) is used
 * instead when set.  Where PostgreSQL is not installed the program ends with status 77 (skipped),
 * saying so.
 */
#ifndef REEVE_TESTS_SUPPORT_POSTGRES_H
#define REEVE_TESTS_SUPPORT_POSTGRES_H

#include "runtime/base/statement.h"

enum test_postgres_durability { TEST_PG_FAST, TEST_PG_FSYNC };

/* Starts the server (once per program; call from main before the tests fork). */
void test_postgres_start(enum test_postgres_durability durability);
/* URI of a fresh, migrated database, as the runtime's login; caller frees.  `rooms` as for
 * rv_migrate. */
char *test_postgres_database(const struct rv_migration *const *rooms);
/* Superuser URI of the same database, to look behind row-level security; caller frees. */
char *test_postgres_superuser(const char *database_uri);
/* The same as the login that migrates: a member of reeve_owner, no superuser; caller frees. */
char *test_postgres_migrator(const char *database_uri);
/* Runs `sql` (any number of statements); aborts with the server's words when it fails. */
void test_postgres_execute(const char *uri, const char *sql);
/* kill -9 of every server process, then start again (recovery). */
void test_postgres_crash(void);
int test_postgres_pid(void); /* the postmaster */

#endif
