/* progress.c -- see progress.h. */
#include "runtime/cli/progress.h"

#include "runtime/base/clock.h"

#include <inttypes.h>
#include <stdarg.h>

enum { NOTE_COLUMNS = 40 };

void cli_progress_begin(struct cli_progress *progress, const struct cli_output *output,
                        const char *label, int64_t total)
{
    int64_t now_us = rv_mono_us(rv_clock_system());
    *progress = (struct cli_progress){
        .output = output, .label = label, .total = total, .began_us = now_us, .shown_us = now_us};
    if (!output->quiet && !output->talk_terminal) {
        fprintf(output->talk, "%s ...\n", label);
        fflush(output->talk);
    }
}

void cli_progress_at(struct cli_progress *progress, int64_t done, const char *note)
{
    const struct cli_output *output = progress->output;
    int64_t now_us = rv_mono_us(rv_clock_system());
    int64_t wait_ms = output->talk_terminal ? CLI_PROGRESS_TERMINAL_MS : CLI_PROGRESS_PLAIN_MS;
    if (output->quiet || now_us - progress->shown_us < wait_ms * 1000) {
        return;
    }
    progress->shown_us = now_us;
    struct rv_buf line;
    rv_buf_init(&line, 4096);
    rv_buf_printf(&line, "%s %" PRId64, progress->label, done);
    if (progress->total > 0) {
        rv_buf_printf(&line, " of %" PRId64 " (%d %%)", progress->total,
                      (int)(done * 100 / progress->total));
    }
    if (note != NULL) {
        struct rv_buf clean;
        rv_buf_init(&clean, 4096);
        cli_clean(&clean, note);
        rv_buf_printf(&line, "  %.*s", (int)cli_head(clean.data, NOTE_COLUMNS), clean.data);
        rv_buf_fini(&clean);
    }
    fprintf(output->talk, output->talk_terminal ? "\r\033[K%s" : "%s\n", line.data);
    fflush(output->talk);
    rv_buf_fini(&line);
}

void cli_progress_end(struct cli_progress *progress, const char *format, ...)
{
    const struct cli_output *output = progress->output;
    if (output->quiet) {
        return;
    }
    int64_t took_us = rv_mono_us(rv_clock_system()) - progress->began_us;
    fputs(output->talk_terminal ? "\r\033[K" : "", output->talk);
    va_list values;
    va_start(values, format);
    vfprintf(output->talk, format, values);
    va_end(values);
    fprintf(output->talk, " (%d.%d s)\n", (int)(took_us / 1000000), (int)(took_us / 100000 % 10));
    fflush(output->talk);
}
