/* table.h -- rows and columns: aligned for people, one JSON object a line with --json.
 *
 *     struct cli_table *table = cli_table_create(columns, RV_COUNT(columns));
 *     cli_table_text(table, "R-7");  cli_table_integer(table, 3);      (row by row, left to right)
 *     cli_table_print(table, &cli->output);  cli_table_destroy(table);
 */
#ifndef REEVE_RUNTIME_CLI_TABLE_H
#define REEVE_RUNTIME_CLI_TABLE_H

#include "runtime/cli/output.h"

#include <stdint.h>

struct cli_column {
    const char *key;   /* of the JSON object */
    const char *title; /* of the heading */
    bool right;        /* numbers stand on the right */
    bool elastic;      /* is cut with "…" when the terminal is too narrow */
};

struct cli_table;

struct cli_table *cli_table_create(const struct cli_column *columns, size_t count); /* borrowed */
void cli_table_destroy(struct cli_table *table);

/* The next cell.  Texts are copied and, for a terminal, cleaned; NULL is empty (JSON: null). */
void cli_table_text(struct cli_table *table, const char *text);
void cli_table_printf(struct cli_table *table, const char *format, ...) RV_PRINTF(2, 3);
void cli_table_integer(struct cli_table *table, int64_t number);
void cli_table_bool(struct cli_table *table, bool value); /* yes, no */
/* Colours the cell written last. */
void cli_table_style(struct cli_table *table, enum cli_style style);

size_t cli_table_rows(const struct cli_table *table);
/* Rows must be complete.  An empty table prints `nothing` to the talk (JSON: no line). */
void cli_table_print(const struct cli_table *table, const struct cli_output *output,
                     const char *nothing);

#endif
