/* progress.h -- how far a long command is: one line that changes on a terminal, a plain line now
 * and then elsewhere (a log, a pipe), nothing with --quiet. */
#ifndef REEVE_RUNTIME_CLI_PROGRESS_H
#define REEVE_RUNTIME_CLI_PROGRESS_H

#include "runtime/cli/output.h"

#include <stdint.h>

enum {
    CLI_PROGRESS_TERMINAL_MS = 100, /* as often as an eye can follow */
    CLI_PROGRESS_PLAIN_MS = 5000    /* a log should not fill up with it */
};

struct cli_progress {
    const struct cli_output *output; /* borrowed */
    const char *label;               /* borrowed: "importing" */
    int64_t total;                   /* 0: not known */
    int64_t began_us, shown_us;
};

void cli_progress_begin(struct cli_progress *progress, const struct cli_output *output,
                        const char *label, int64_t total);
/* `done` of the total; `note` (may be NULL) is what is worked on.  Cheap: call it as often as you
 * like. */
void cli_progress_at(struct cli_progress *progress, int64_t done, const char *note);
/* Replaces the changing line by a last one with the time it took. */
void cli_progress_end(struct cli_progress *progress, const char *format, ...) RV_PRINTF(2, 3);

#endif
