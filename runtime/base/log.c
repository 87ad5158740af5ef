/* log.c -- writes whole lines to standard error. */
#include "runtime/base/log.h"

#include "runtime/base/clock.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static _Atomic int least_level = RV_LOG_INFO;
static const char *const level_names[] = {"debug", "info", "warn", "error", "silent"};

void rv_log_level(enum rv_log_level least)
{
    atomic_store(&least_level, least);
}

enum rv_log_level rv_log_level_from_name(const char *name)
{
    for (int i = 0; i <= RV_LOG_SILENT; i++) {
        if (strcmp(name, level_names[i]) == 0) {
            return (enum rv_log_level)i;
        }
    }
    return RV_LOG_INFO;
}

void rv_log(enum rv_log_level level, const char *room, const char *id, const char *format, ...)
{
    if ((int)level < atomic_load(&least_level)) {
        return;
    }
    char time[RV_TIME_TEXT];
    rv_time_text(rv_now_us(rv_clock_system()), time);
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (char *c = text; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20) {
            *c = ' '; /* one event stays one line, whatever a peer sent us */
        }
    }
    fprintf(stderr, "%.23sZ %-5s %-8s %s %s\n", time, level_names[level], room, id, text);
}

void rv_log_error(const char *room, const char *id, const struct rv_error *err)
{
    rv_log(RV_LOG_ERROR, room, id, "%s code=%s detail=\"%s\"", err->message,
           rv_code_name(err->code), err->detail);
}
