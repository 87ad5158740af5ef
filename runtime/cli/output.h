/* output.h -- data on standard output, talk on standard error.
 *
 * Scripts read data (--json gives one JSON document) and the exit status; people read both.  Text
 * that came from outside (a supplier's name, a file's name) is cleaned before a terminal sees it:
 * control characters and those that turn the direction of writing are shown as U+FFFD.
 */
#ifndef REEVE_RUNTIME_CLI_OUTPUT_H
#define REEVE_RUNTIME_CLI_OUTPUT_H

#include "runtime/base/buf.h"
#include "runtime/base/error.h"
#include "runtime/base/json.h"

#include <stdbool.h>
#include <stdio.h>

struct cli_output {
    FILE *data;
    FILE *talk;
    bool json;
    bool quiet;
    bool data_color; /* a terminal that may be coloured */
    bool talk_color;
    bool talk_terminal; /* one line may be rewritten */
    int width;          /* columns of the data's terminal; 0: none, do not cut anything */
};

enum cli_style { CLI_PLAIN, CLI_BOLD, CLI_DIM, CLI_GOOD, CLI_WARN, CLI_BAD };

/* Looks at the two streams and at NO_COLOR and TERM. */
void cli_output_init(struct cli_output *output, FILE *data, FILE *talk, bool may_color);

/* A line of data; not in JSON mode (a command prints either text or JSON). */
void cli_print(const struct cli_output *output, const char *format, ...) RV_PRINTF(2, 3);
/* The command's one JSON document; takes `value`. */
void cli_print_json(const struct cli_output *output, json_t *value);
/* A line of talk; silent with --quiet. */
void cli_say(const struct cli_output *output, const char *format, ...) RV_PRINTF(2, 3);
/* The error with detail and hint; in JSON mode {"error":{...}} as the data. */
void cli_print_error(const struct cli_output *output, const struct rv_error *err);

/* Escape sequence that begins a style on the data stream, "" where colours are off. */
const char *cli_style(const struct cli_output *output, enum cli_style style);

/* ---- text on a terminal ---- */

/* Appends `text` cleaned; bytes that are not UTF-8 become U+FFFD. */
void cli_clean(struct rv_buf *out, const char *text);
/* A copy in which every text is cleaned, also the names of members, and is one line: a break of its
 * own is written "\n", so that no line of a stranger's looks like one of ours.  New reference. */
json_t *cli_clean_json(const json_t *value);
/* Columns that cleaned UTF-8 takes: 0 for combining marks, 2 for East Asian wide and emoji. */
int cli_columns(const char *text);
/* Bytes of the longest head of `text` that takes at most `columns`. */
size_t cli_head(const char *text, int columns);

#endif
