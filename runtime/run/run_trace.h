/* run_trace.h -- which trace a run belongs to (W3C trace-context, level 1).
 *
 * Who starts a run by HTTP with a field `traceparent` gives its own trace-id and the id of the span
 * in which it asks (the caller); both are kept in the run's input, "trace" and "trace_parent".
 * Every other run has one that follows from its number, so that nothing is stored and
 * every node computes the same (statement api_run does, too).  Runs that a run starts belong to its
 * trace.  All messages that a run's actor gets and sends carry it: `reeve top --run RUN`.
 */
#ifndef REEVE_RUNTIME_RUN_RUN_TRACE_H
#define REEVE_RUNTIME_RUN_RUN_TRACE_H

#include "runtime/actor/actor.h"
#include "runtime/base/json.h"

enum { RV_TRACE_TEXT = 33, RV_TRACE_CALLER = 17 }; /* 32 hexadecimal digits; 16 */

/* "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".  False: malformed; then, as the
 * standard wants, whoever was asked begins a trace of its own. */
bool rv_trace_from_parent(const char *traceparent, struct rv_trace *out);
/* The parent-id of one that rv_trace_from_parent took. */
void rv_trace_caller(const char *traceparent, char out[RV_TRACE_CALLER]);
/* False when `text` is not exactly 32 lower-case digits, or all of them 0. */
bool rv_trace_from_text(const char *text, struct rv_trace *out);
void rv_trace_text(struct rv_trace trace, char out[RV_TRACE_TEXT]);
/* `input` of the run; its "trace" counts when there is one. */
struct rv_trace rv_run_trace(int32_t tenant, int64_t run, const json_t *input);

#endif
