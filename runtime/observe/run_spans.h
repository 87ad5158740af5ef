/* run_spans.h -- a run as a trace: spans of OpenTelemetry, in the JSON form of OTLP 1.x.
 *
 * Pure: from a row of the statement trace_runs (sql/observe.sql), which is read from the journal,
 * the audit record, approvals and intents; nothing is recorded for the sake of traces.
 *
 *   run AGENT             the run; its parent is whoever started it (a caller's traceparent, or the
 *                         run above it); events: the gate's decision about its start
 *     llm.decide, ...     a question to a model, with its tokens; an action; a child that is
 *                         started; event "gate" in each: verdict and rules
 *     approval ACTION     people are asked, until they have decided; an event for each vote
 *     wait sleep, ...     for a timer, a signal, the end of a child
 *     http.request ...    an effect outside, with its attempts as events; its span id is the
 *                         parent-id of the traceparent that the receiver gets (hooks/post.h)
 *
 * Ids follow from the numbers of company, run and step: whoever exports a run again, or exports a
 * child apart from its parent, gives the same ones.
 *
 * Times: the journal has none of its own.  A step has that of its decision; where a span begins or
 * ends at a moment that is nowhere kept, it is given the nearest one that is, and says so:
 * attribute reeve.bounds "begin", "end" or "begin end".  Reads, notes and the like, which the gate
 * does not decide about, are not spans; the run says how many steps it had.
 *
 * Redacted by its very form: names of agents, actions, rules and connectors, states, codes, numbers
 * and times.  No argument, answer, reason, comment, person or text of an error leaves by it.
 */
#ifndef REEVE_RUNTIME_OBSERVE_RUN_SPANS_H
#define REEVE_RUNTIME_OBSERVE_RUN_SPANS_H

#include "runtime/base/json.h"

#include <stdint.h>

enum {
    RV_SPANS_ENTRIES_MAX = 5000, /* of one run's journal: collectors refuse larger traces */
    RV_SPANS_FAMILY_MAX = 1000   /* runs of one export: the run and those below it */
};

/* The spans of one run, the run's first; new reference.  An open run, and what it waits for, ends
 * at `now_us` and has reeve.open. */
json_t *rv_run_spans(const json_t *run, int64_t now_us);

/* {"resourceSpans": [...]} of these spans (taken); new reference.  `node`: NULL none. */
json_t *rv_spans_request(json_t *spans, const char *version, const char *node);

#endif
