/* event_log.h -- what happened, as a file that process mining tools read.
 *
 *   jsonl   an event a line: {"id","time","type","actor","objects":[{type,id,role}],"attributes"}
 *   csv     RFC 4180, a line for each event and each object of the chosen type it touches
 *   ocel    OCEL 2.0, its JSON form (ocel-standard.org): events and the objects they share
 *   xes     IEEE 1849-2016, a trace for each object of the chosen type
 *
 * Events are added in the order of time (statement event_log in sql/observe.sql says what they
 * are); jsonl and csv are written as they come, ocel keeps the names of objects in memory, xes the
 * events, both bounded.  Amounts are in minor units.
 *
 * Thread: any, one at a time.
 */
#ifndef REEVE_RUNTIME_OBSERVE_EVENT_LOG_H
#define REEVE_RUNTIME_OBSERVE_EVENT_LOG_H

#include "runtime/base/error.h"
#include "runtime/base/json.h"

#include <stdio.h>

enum {
    RV_LOG_OBJECTS_MAX = 2000000,   /* of an ocel file: about 200 bytes of memory each */
    RV_LOG_TRACES_BYTES = 256 << 20 /* events of a xes file in memory */
};

enum rv_log_format { RV_LOG_JSONL, RV_LOG_CSV, RV_LOG_OCEL, RV_LOG_XES, RV_LOG_FORMATS };

/* By its word; RV_LOG_FORMATS: there is none of that name. */
enum rv_log_format rv_log_format_of(const char *word);

/* An event; all borrowed. */
struct rv_logged {
    const char *id, *time /* RFC 3339 */, *type, *actor;
    const json_t *objects;    /* [[type, id, role], ...] */
    const json_t *attributes; /* an object of scalars */
};

struct rv_log_writer;

/* `out` stays the caller's.  `chosen` is the type of objects of csv and xes; NULL: all. */
struct rv_log_writer *rv_log_writer_create(FILE *out, enum rv_log_format format,
                                           const char *chosen);
/* RV_LIMIT when memory would grow over a bound; a write that failed is told at the end. */
RV_MUST enum rv_code rv_log_writer_add(struct rv_log_writer *writer, const struct rv_logged *event,
                                       struct rv_error *err);
/* Writes what is left.  The file is whole only after RV_OK. */
RV_MUST enum rv_code rv_log_writer_finish(struct rv_log_writer *writer, struct rv_error *err);
int64_t rv_log_writer_events(const struct rv_log_writer *writer);
void rv_log_writer_destroy(struct rv_log_writer *writer);

#endif
