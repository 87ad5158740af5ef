/* output.c -- tables for people, JSON lines for machines, errors that say what to do. */
#include "runtime/base/check.h"
#include "runtime/cli/cli.h"

#include <stdio.h>
#include <string.h>

enum { COLUMN_MAX_WIDTH = 62, COLUMNS_MAX = 16, ROWS_SHOWN_MAX = 2000 };

int cli_fail(const struct rv_error *err)
{
    fprintf(stderr, "reeve: %s\n", err->message);
    if (err->detail[0] != '\0') {
        fprintf(stderr, "  %s\n", err->detail);
    }
    if (err->hint[0] != '\0') {
        fprintf(stderr, "  %s\n", err->hint);
    }
    return rv_code_exit_status(err->code);
}

int cli_usage(const struct cli *cli, const char *text)
{
    (void)cli;
    fprintf(stderr, "usage: reeve %s\n", text);
    return 2;
}

/* Characters on the screen, not bytes. */
static int width_of(const char *text)
{
    int width = 0;
    for (; *text != '\0'; text++) {
        width += ((unsigned char)*text & 0xC0) != 0x80;
    }
    return width;
}

struct table {
    const struct cli *cli;
    char **cells; /* row by row */
    int columns;
    int rows;
    char *names[COLUMNS_MAX];
};

static enum rv_code take_row(void *data, const struct rv_result *result, int row,
                             struct rv_error *err)
{
    (void)err;
    struct table *table = data;
    table->columns = rv_result_columns(result);
    RV_ASSERT(table->columns <= COLUMNS_MAX);
    if (table->cli->json) {
        json_t *object = json_object();
        for (int c = 0; c < table->columns; c++) {
            json_object_set_new(object, rv_result_column_name(result, c),
                                rv_result_is_null(result, row, c)
                                    ? json_null()
                                    : json_string(rv_result_text(result, row, c)));
        }
        char *text = rv_json_text(object);
        puts(text);
        rv_free(text);
        json_decref(object);
        table->rows++;
        return RV_OK;
    }
    if (table->rows == 0) {
        for (int c = 0; c < table->columns; c++) {
            table->names[c] = rv_strdup(rv_result_column_name(result, c));
        }
    }
    if (table->rows >= ROWS_SHOWN_MAX) {
        table->rows++;
        return RV_OK;
    }
    size_t cells = (size_t)(table->rows + 1) * (size_t)table->columns;
    table->cells = rv_realloc(table->cells, cells * sizeof *table->cells);
    for (int c = 0; c < table->columns; c++) {
        table->cells[table->rows * table->columns + c] = rv_strdup(rv_result_text(result, row, c));
    }
    table->rows++;
    return RV_OK;
}

static void print_cell(const char *text, int width, bool last)
{
    int shown = 0;
    for (const char *at = text; *at != '\0'; at++) {
        bool begins = ((unsigned char)*at & 0xC0) != 0x80;
        if (begins && shown == width - 1 && width_of(at) > 1) {
            fputs("\xe2\x80\xa6", stdout); /* an ellipsis */
            shown++;
            break;
        }
        shown += begins;
        putchar((unsigned char)*at < 0x20 ? ' ' : *at); /* no escape sequences from documents */
    }
    for (; !last && shown < width; shown++) {
        putchar(' ');
    }
    fputs(last ? "\n" : "  ", stdout);
}

static void print_table(struct table *table)
{
    int widths[COLUMNS_MAX];
    int shown = table->rows < ROWS_SHOWN_MAX ? table->rows : ROWS_SHOWN_MAX;
    for (int c = 0; c < table->columns; c++) {
        widths[c] = width_of(table->names[c]);
        for (int r = 0; r < shown; r++) {
            int width = width_of(table->cells[r * table->columns + c]);
            widths[c] = width > widths[c] ? width : widths[c];
        }
        widths[c] = widths[c] > COLUMN_MAX_WIDTH ? COLUMN_MAX_WIDTH : widths[c];
    }
    if (table->cli->tty) {
        fputs("\033[1m", stdout);
    }
    for (int c = 0; c < table->columns; c++) {
        print_cell(table->names[c], widths[c], c + 1 == table->columns);
    }
    if (table->cli->tty) {
        fputs("\033[0m", stdout);
    }
    for (int r = 0; r < shown; r++) {
        for (int c = 0; c < table->columns; c++) {
            print_cell(table->cells[r * table->columns + c], widths[c], c + 1 == table->columns);
        }
    }
    if (shown < table->rows) {
        printf("… and %d more rows; --json shows all\n", table->rows - shown);
    }
    for (int i = 0; i < shown * table->columns; i++) {
        rv_free(table->cells[i]);
    }
    for (int c = 0; c < table->columns; c++) {
        rv_free(table->names[c]);
    }
}

enum rv_code cli_print_query(const struct cli *cli, struct rv_db_session *session, int32_t tenant,
                             const struct rv_statement *statement, struct rv_args *args, int *rows,
                             struct rv_error *err)
{
    struct table table = {.cli = cli};
    enum rv_code code =
        rv_db_session_query(session, tenant, statement, args, take_row, &table, err);
    if (table.rows > 0 && !cli->json) {
        print_table(&table);
    }
    rv_free(table.cells);
    if (rows != NULL) {
        *rows = table.rows;
    }
    return code;
}

enum rv_code cli_read_file(const char *path, size_t max_bytes, struct rv_arena *arena,
                           const char **text, size_t *length, struct rv_error *err)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return rv_fail(err, RV_NOT_FOUND, "could not open \"%s\"", path);
    }
    char *bytes = rv_arena_alloc(arena, max_bytes + 1);
    size_t n = fread(bytes, 1, max_bytes + 1, file);
    fclose(file);
    if (n > max_bytes) {
        return rv_fail(err, RV_LIMIT, "\"%s\" is larger than %zu bytes", path, max_bytes);
    }
    *text = bytes;
    *length = n;
    return RV_OK;
}
