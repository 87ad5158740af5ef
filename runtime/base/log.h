/* log.h -- one line, one event: time, level, room, ID, short text, key=value fields.
 *
 *   2026-01-31T08:15:02.417Z warn  hooks  HOOK-RETRY delivery failed attempt=3 status=503
 *
 * Levels: error (someone must act), warn, info, debug.  Never a secret, a prompt or a person's
 * data.  The sink is the one process-wide thing in reeve; it is thread-safe.
 */
#ifndef REEVE_RUNTIME_BASE_LOG_H
#define REEVE_RUNTIME_BASE_LOG_H

#include "runtime/base/error.h"

enum rv_log_level { RV_LOG_DEBUG, RV_LOG_INFO, RV_LOG_WARN, RV_LOG_ERROR, RV_LOG_SILENT };

void rv_log_level(enum rv_log_level least);
enum rv_log_level rv_log_level_from_name(const char *name); /* unknown gives info */
/* `room` e.g. "journal"; `id` e.g. "BATCH-RETRY"; the rest printf-like text and fields. */
void rv_log(enum rv_log_level level, const char *room, const char *id, const char *format, ...)
    RV_PRINTF(4, 5);
/* The same with an error's code, message and detail appended. */
void rv_log_error(const char *room, const char *id, const struct rv_error *err);

#endif
