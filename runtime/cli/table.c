/* table.c -- see table.h. */
#include "runtime/cli/table.h"

#include "runtime/base/check.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

enum { CELL_MAX_BYTES = 1 << 20, GAP = 2, ELASTIC_LEAST = 8, COLUMNS_MAX = 32 };

struct cell {
    char *text;    /* cleaned; "" for NULL */
    json_t *value; /* owned */
    int columns;
    enum cli_style style;
};

struct cli_table {
    const struct cli_column *columns;
    size_t column_count;
    struct cell *cells;
    size_t count, capacity;
};

struct cli_table *cli_table_create(const struct cli_column *columns, size_t count)
{
    RV_ASSERT(count > 0 && count <= COLUMNS_MAX);
    struct cli_table *table = rv_alloc(sizeof *table);
    table->columns = columns;
    table->column_count = count;
    return table;
}

void cli_table_destroy(struct cli_table *table)
{
    if (table == NULL) {
        return;
    }
    for (size_t i = 0; i < table->count; i++) {
        rv_free(table->cells[i].text);
        json_decref(table->cells[i].value);
    }
    rv_free(table->cells);
    rv_free(table);
}

/* Takes `value`. */
static void add(struct cli_table *table, const char *text, json_t *value)
{
    if (table->count == table->capacity) {
        table->capacity = table->capacity == 0 ? 64 : table->capacity * 2;
        table->cells = rv_realloc(table->cells, table->capacity * sizeof *table->cells);
    }
    struct rv_buf clean;
    rv_buf_init(&clean, CELL_MAX_BYTES);
    cli_clean(&clean, text);
    char *shown = rv_buf_take(&clean);
    rv_buf_fini(&clean);
    table->cells[table->count++] =
        (struct cell){.text = shown, .value = value, .columns = cli_columns(shown)};
}

void cli_table_text(struct cli_table *table, const char *text)
{
    json_t *value = text == NULL ? json_null() : json_string(text);
    text = text == NULL ? "" : text;
    add(table, text, value != NULL ? value : json_null()); /* not UTF-8 */
}

void cli_table_printf(struct cli_table *table, const char *format, ...)
{
    char text[1024];
    va_list values;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    cli_table_text(table, text);
}

void cli_table_integer(struct cli_table *table, int64_t number)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRId64, number);
    add(table, text, json_integer(number));
}

void cli_table_bool(struct cli_table *table, bool value)
{
    add(table, value ? "yes" : "no", json_boolean(value));
}

void cli_table_style(struct cli_table *table, enum cli_style style)
{
    RV_ASSERT(table->count > 0);
    table->cells[table->count - 1].style = style;
}

size_t cli_table_rows(const struct cli_table *table)
{
    return table->count / table->column_count;
}

/* One object a line: a reader need not wait for the last row. */
static void print_json(const struct cli_table *table, const struct cli_output *output)
{
    for (size_t i = 0; i < table->count; i += table->column_count) {
        json_t *row = json_object();
        for (size_t c = 0; c < table->column_count; c++) {
            json_object_set(row, table->columns[c].key, table->cells[i + c].value);
        }
        cli_print_json(output, row);
    }
}

/* Takes from the widest elastic column until the line fits the terminal. */
static void fit(const struct cli_table *table, int widths[COLUMNS_MAX], int terminal)
{
    int total = 0;
    for (size_t c = 0; c < table->column_count; c++) {
        total += widths[c] + (c > 0 ? GAP : 0);
    }
    while (terminal > 0 && total > terminal) {
        size_t widest = table->column_count;
        for (size_t c = 0; c < table->column_count; c++) {
            bool wider = widest == table->column_count || widths[c] > widths[widest];
            if (table->columns[c].elastic && widths[c] > ELASTIC_LEAST && wider) {
                widest = c;
            }
        }
        if (widest == table->column_count) {
            return; /* nothing left to give: the terminal breaks the line */
        }
        widths[widest]--;
        total--;
    }
}

static void print_cell(const struct cli_output *output, const struct cli_column *column,
                       const char *text, int columns, int width, enum cli_style style, bool last)
{
    size_t length = strlen(text);
    const char *mark = "";
    if (columns > width) {
        length = cli_head(text, width - 1);
        mark = "…";
        char head[CELL_MAX_BYTES / 64];
        snprintf(head, sizeof head, "%.*s", (int)length, text);
        columns = cli_columns(head) + 1;
    }
    int space = width - columns;
    const char *begin = cli_style(output, style);
    const char *end = style != CLI_PLAIN ? cli_style(output, CLI_PLAIN) : "";
    begin = style != CLI_PLAIN ? begin : "";
    if (column->right) {
        fprintf(output->data, "%*s%s%.*s%s%s", space, "", begin, (int)length, text, mark, end);
    } else {
        fprintf(output->data, "%s%.*s%s%s%*s", begin, (int)length, text, mark, end,
                last ? 0 : space, "");
    }
    fputs(last ? "\n" : "  ", output->data);
}

void cli_table_print(const struct cli_table *table, const struct cli_output *output,
                     const char *nothing)
{
    RV_ASSERT(table->count % table->column_count == 0);
    if (output->json) {
        print_json(table, output);
        return;
    }
    if (table->count == 0) {
        cli_say(output, "%s", nothing);
        return;
    }
    int widths[COLUMNS_MAX];
    for (size_t c = 0; c < table->column_count; c++) {
        widths[c] = cli_columns(table->columns[c].title);
        for (size_t i = c; i < table->count; i += table->column_count) {
            widths[c] = table->cells[i].columns > widths[c] ? table->cells[i].columns : widths[c];
        }
    }
    fit(table, widths, output->width);
    for (size_t c = 0; c < table->column_count; c++) {
        const char *title = table->columns[c].title;
        print_cell(output, &table->columns[c], title, cli_columns(title), widths[c], CLI_BOLD,
                   c + 1 == table->column_count);
    }
    for (size_t i = 0; i < table->count; i++) {
        size_t c = i % table->column_count;
        const struct cell *cell = &table->cells[i];
        print_cell(output, &table->columns[c], cell->text, cell->columns, widths[c], cell->style,
                   c + 1 == table->column_count);
    }
}
