/* args.h -- the parameters of one statement, built in PostgreSQL's binary format.
 *
 * Types come from the statement's "params" line.  A scalar parameter is set once; an array
 * parameter grows by one element per call, so a set-based statement is filled row by row:
 *
 *     struct rv_args *rows = rv_batch_rows(batch, &rv_sql_journal_append);
 *     rv_args_i64(rows, 2, run);  rv_args_i32(rows, 3, seq);  ...
 *
 * `index` is the $n of the SQL text (1-based).  A value of the wrong type for the declared
 * parameter is a wrong program.  Types: bool int2 int4 int8 text bytea jsonb date timestamptz and
 * their arrays.
 */
#ifndef REEVE_RUNTIME_DB_ARGS_H
#define REEVE_RUNTIME_DB_ARGS_H

#include "runtime/base/json.h"
#include "runtime/base/statement.h"

struct rv_args;

struct rv_args *rv_args_create(const struct rv_statement *statement);
void rv_args_destroy(struct rv_args *args);
void rv_args_reset(struct rv_args *args);

void rv_args_bool(struct rv_args *args, int index, bool value);
void rv_args_i32(struct rv_args *args, int index, int32_t value);     /* int2, int4 */
void rv_args_i64(struct rv_args *args, int index, int64_t value);     /* int8 */
void rv_args_text(struct rv_args *args, int index, const char *text); /* text; NULL is SQL NULL */
void rv_args_textn(struct rv_args *args, int index, const char *text, size_t length);
void rv_args_bytes(struct rv_args *args, int index, const void *bytes, size_t length);
void rv_args_json(struct rv_args *args, int index,
                  const json_t *value); /* jsonb; NULL is SQL NULL */
void rv_args_json_text(struct rv_args *args, int index, const char *text, size_t length);
void rv_args_date(struct rv_args *args, int index, int64_t days_since_1970);
void rv_args_time(struct rv_args *args, int index, int64_t time_us); /* timestamptz */
void rv_args_null(struct rv_args *args, int index);

size_t rv_args_bytes_used(const struct rv_args *args);

#endif
