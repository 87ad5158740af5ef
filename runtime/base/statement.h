/* statement.h -- a named SQL statement, as the build makes it from a .sql file.
 *
 * In a .sql file:
 *     -- name: journal_append
 *     -- what it does, one or more comment lines
 *     -- params: tenant int4, run int8[], seq int4[], out bytea[]
 *     INSERT INTO ...;
 * The build gives `extern const struct rv_statement rv_sql_journal_append;` in "<room>_sql.h".
 * SQL text never stands in a C string; every statement is PREPAREd by a test.
 */
#ifndef REEVE_RUNTIME_BASE_STATEMENT_H
#define REEVE_RUNTIME_BASE_STATEMENT_H

struct rv_statement {
    const char *name; /* unique in the program */
    const char *text;
    const char *params; /* "tenant int4, run int8[], ..." or "" */
    int param_count;
};

/* One numbered step of the schema, forward only, each in one transaction.  Names start with four
 * digits, e.g. "0010_journal"; all rooms' migrations are applied in the order of their names. */
struct rv_migration {
    const char *name;
    const char *text;
};

#endif
