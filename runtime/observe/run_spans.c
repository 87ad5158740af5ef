/* run_spans.c -- see run_spans.h. */
#include "runtime/observe/run_spans.h"

#include "runtime/base/check.h"
#include "runtime/base/hash.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { SPAN_TEXT = 17, NAME_TEXT = 160 };

/* Numbers of OTLP's enums (opentelemetry/proto/trace/v1/trace.proto). */
enum { KIND_INTERNAL = 1, KIND_SERVER = 2, KIND_CLIENT = 3 };
enum { STATUS_OK = 1, STATUS_ERROR = 2 };

/* Kinds of journal entries (runtime/run/run.h: stored numbers). */
enum { MODEL = 2, TIMER = 4, SIGNAL = 5, ACTION = 7, COMPENSATION = 10, START = 13, CHILD = 14 };

/* Columns of an entry, a decision, an attempt, as the statement gives them. */
enum { E_SEQ, E_KIND, E_NAME, E_OK, E_CODE, E_RESULT, E_UNTIL, E_USAGE, E_RUN };
enum { D_STEP, D_AT, D_ACTION, D_VERDICT, D_RULES };
enum { AT_WHEN, AT_WHAT };

struct trace {
    const json_t *run;
    json_t *spans;
    char root[SPAN_TEXT];
    int64_t tenant, id;
    int64_t now_us, end_us; /* of the run, or now */
    bool over;
    int64_t at_us;          /* the newest time known so far, in the order of the journal */
    size_t decision, heard; /* the next ones */
};

/* ---- OTLP's values ---- */

static json_t *attribute(const char *key, json_t *value)
{
    return json_pack("{s:s,s:o}", "key", key, "value", value);
}

/* int64 is a text in JSON (protobuf's mapping). */
static void add_integer(json_t *span, const char *key, int64_t value)
{
    json_t *text = json_sprintf("%" PRId64, value);
    json_array_append_new(json_object_get(span, "attributes"),
                          attribute(key, json_pack("{s:o}", "intValue", text)));
}

static void add_text(json_t *span, const char *key, const char *value)
{
    if (value != NULL && value[0] != '\0') {
        json_array_append_new(json_object_get(span, "attributes"),
                              attribute(key, json_pack("{s:s}", "stringValue", value)));
    }
}

static void add_true(json_t *span, const char *key)
{
    json_array_append_new(json_object_get(span, "attributes"),
                          attribute(key, json_pack("{s:b}", "boolValue", 1)));
}

static void add_texts(json_t *span, const char *key, const json_t *texts)
{
    json_t *values = json_array();
    size_t i;
    json_t *text;
    json_array_foreach((json_t *)(uintptr_t)texts, i, text)
    {
        json_array_append_new(values, json_pack("{s:O}", "stringValue", text));
    }
    if (json_array_size(values) > 0) {
        json_array_append_new(
            json_object_get(span, "attributes"),
            attribute(key, json_pack("{s:{s:o}}", "arrayValue", "values", values)));
    } else {
        json_decref(values);
    }
}

static json_t *nanos(int64_t us)
{
    return json_sprintf("%" PRId64 "000", us);
}

static json_t *add_event(json_t *span, const char *name, int64_t at_us)
{
    json_t *event =
        json_pack("{s:o,s:s,s:[]}", "timeUnixNano", nanos(at_us), "name", name, "attributes");
    json_array_append_new(json_object_get(span, "events"), event);
    return event; /* the span's */
}

static void set_status(json_t *span, bool well, const char *code)
{
    json_t *status = json_pack("{s:i}", "code", well ? STATUS_OK : STATUS_ERROR);
    if (!well && code[0] != '\0') {
        json_object_set_new(status, "message", json_string(code));
    }
    json_object_set_new(span, "status", status);
}

/* ---- ids ---- */

static void id_of(const char *what, char out[SPAN_TEXT])
{
    char hex[RV_HASH_HEX];
    struct rv_hash hash = rv_sha256(what, strlen(what));
    rv_hash_hex(&hash, hex);
    snprintf(out, SPAN_TEXT, "%.16s", hex);
}

static void run_span_id(int64_t tenant, int64_t run, char out[SPAN_TEXT])
{
    char text[80];
    snprintf(text, sizeof text, "reeve span %" PRId64 " %" PRId64, tenant, run);
    id_of(text, out);
}

static void part_id(const struct trace *trace, const char *what, int64_t number,
                    char out[SPAN_TEXT])
{
    char text[120];
    snprintf(text, sizeof text, "reeve span %" PRId64 " %" PRId64 " %s %" PRId64, trace->tenant,
             trace->id, what, number);
    id_of(text, out);
}

/* A span never ends before it begins, whatever clocks wrote its times. */
static json_t *add_span(struct trace *trace, const char *id, const char *parent, const char *name,
                        int kind, int64_t begin_us, int64_t end_us)
{
    json_t *span = json_pack("{s:s,s:s,s:s,s:i,s:o,s:o,s:[],s:[]}", "traceId",
                             rv_json_str(trace->run, "trace", ""), "spanId", id, "name", name,
                             "kind", kind, "startTimeUnixNano", nanos(begin_us), "endTimeUnixNano",
                             nanos(end_us > begin_us ? end_us : begin_us), "attributes", "events");
    RV_ASSERT(span != NULL);
    if (parent[0] != '\0') {
        json_object_set_new(span, "parentSpanId", json_string(parent));
    }
    json_array_append_new(trace->spans, span);
    return span;
}

/* ---- what stands in a column ---- */

static int64_t number_at(const json_t *row, size_t column)
{
    return json_integer_value(json_array_get(row, column));
}

static const char *text_at(const json_t *row, size_t column)
{
    const char *text = json_string_value(json_array_get(row, column));
    return text != NULL ? text : "";
}

static const json_t *list(const struct trace *trace, const char *name)
{
    return json_object_get(trace->run, name);
}

static void pass(struct trace *trace, int64_t at_us)
{
    trace->at_us = at_us > trace->at_us ? at_us : trace->at_us;
}

/* ---- the run ---- */

static void add_gate(json_t *span, const json_t *decision)
{
    json_t *event = add_event(span, "gate", number_at(decision, D_AT));
    add_text(event, "reeve.action", text_at(decision, D_ACTION));
    add_text(event, "reeve.verdict", text_at(decision, D_VERDICT));
    add_texts(event, "reeve.rules", json_array_get(decision, D_RULES));
}

static void add_run(struct trace *trace)
{
    const json_t *run = trace->run;
    char parent[SPAN_TEXT] = "";
    char name[NAME_TEXT];
    const char *caller = rv_json_str(run, "caller", "");
    const char *status = rv_json_str(run, "status", "");
    int64_t above = rv_json_int(run, "parent", 0);
    if (above != 0) {
        run_span_id(trace->tenant, above, parent);
    } else {
        snprintf(parent, sizeof parent, "%.16s", caller);
    }
    snprintf(name, sizeof name, "run %.140s", rv_json_str(run, "agent", ""));
    const json_t *asked = json_array_get(list(trace, "decisions"), 0); /* may it begin? */
    int64_t begin_us = rv_json_int(run, "begin_us", 0);
    if (asked != NULL && number_at(asked, D_STEP) == 0 && number_at(asked, D_AT) < begin_us) {
        begin_us = number_at(asked, D_AT);
    }
    json_t *span =
        add_span(trace, trace->root, parent, name, caller[0] != '\0' ? KIND_SERVER : KIND_INTERNAL,
                 begin_us, trace->end_us);
    add_integer(span, "reeve.company", trace->tenant);
    snprintf(name, sizeof name, "r_%" PRId64, trace->id);
    add_text(span, "reeve.run", name);
    add_text(span, "reeve.agent", rv_json_str(run, "agent", ""));
    add_text(span, "reeve.agent.version", rv_json_str(run, "version", ""));
    add_text(span, "reeve.plan", rv_json_str(run, "plan", ""));
    add_text(span, "reeve.status", status);
    add_integer(span, "reeve.attempt", rv_json_int(run, "attempt", 1));
    add_integer(span, "reeve.steps", rv_json_int(run, "steps", 0));
    if (rv_json_int(run, "steps", 0) > RV_SPANS_ENTRIES_MAX) {
        add_integer(span, "reeve.steps_left_out",
                    rv_json_int(run, "steps", 0) - RV_SPANS_ENTRIES_MAX);
    }
    if (!trace->over) {
        add_true(span, "reeve.open");
        add_text(span, "reeve.waiting_on", rv_json_str(run, "waiting_on", ""));
    } else if (strcmp(status, "cancelled") != 0) {
        set_status(span, strcmp(status, "done") == 0, rv_json_str(run, "code", status));
    }
    for (; number_at(json_array_get(list(trace, "decisions"), trace->decision), D_STEP) == 0 &&
           trace->decision < json_array_size(list(trace, "decisions"));
         trace->decision++) {
        add_gate(span, json_array_get(list(trace, "decisions"), trace->decision));
    }
}

/* ---- steps that the gate decided about ---- */

static const json_t *decision_of(struct trace *trace, int64_t seq)
{
    const json_t *decisions = list(trace, "decisions");
    size_t count = json_array_size(decisions);
    while (trace->decision < count &&
           number_at(json_array_get(decisions, trace->decision), D_STEP) < seq) {
        trace->decision++;
    }
    const json_t *found = json_array_get(decisions, trace->decision);
    return found != NULL && number_at(found, D_STEP) == seq ? found : NULL;
}

static void add_usage(json_t *span, const json_t *usage)
{
    if (json_is_object(usage)) {
        add_integer(span, "gen_ai.usage.input_tokens", rv_json_int(usage, "in", 0));
        add_integer(span, "gen_ai.usage.output_tokens", rv_json_int(usage, "out", 0));
        add_integer(span, "reeve.model.tries", rv_json_int(usage, "tries", 0));
    }
}

/* An action is done in the very transaction of its decision: it takes no time.  A model's answer
 * says how long it took. */
static void add_decided(struct trace *trace, const json_t *entry)
{
    char id[SPAN_TEXT];
    int64_t seq = number_at(entry, E_SEQ);
    bool model = number_at(entry, E_KIND) == MODEL;
    const json_t *decision = decision_of(trace, seq);
    const json_t *usage = json_array_get(entry, E_USAGE);
    int64_t begin_us = decision != NULL ? number_at(decision, D_AT) : trace->at_us;
    int64_t took_us = model ? rv_json_int(usage, "ms", 0) * 1000 : 0;
    part_id(trace, "step", seq, id);
    pass(trace, begin_us + took_us);
    json_t *span = add_span(trace, id, trace->root, text_at(entry, E_NAME),
                            model ? KIND_CLIENT : KIND_INTERNAL, begin_us, begin_us + took_us);
    add_integer(span, "reeve.step", seq);
    add_text(span, "reeve.result", text_at(entry, E_RESULT));
    add_text(span, "reeve.code", text_at(entry, E_CODE));
    add_text(span, "reeve.child", text_at(entry, E_RUN));
    if (number_at(entry, E_KIND) == COMPENSATION) {
        add_true(span, "reeve.compensation");
    }
    add_usage(span, usage);
    if (decision != NULL) {
        add_gate(span, decision);
    } else {
        add_text(span, "reeve.bounds", "begin end");
    }
    const json_t *ok = json_array_get(entry, E_OK);
    if (json_is_boolean(ok)) {
        set_status(span, json_is_true(ok), text_at(entry, E_CODE));
    }
}

/* ---- waits ---- */

/* When what was awaited came; 0: nowhere kept. */
static int64_t came_us(struct trace *trace, const json_t *came)
{
    int64_t seq = number_at(came, E_SEQ);
    size_t i;
    json_t *one;
    if (number_at(came, E_KIND) == SIGNAL) {
        const json_t *heard = list(trace, "heard");
        while (trace->heard < json_array_size(heard) &&
               number_at(json_array_get(heard, trace->heard), AT_WHEN) < seq) {
            trace->heard++;
        }
        one = json_array_get(heard, trace->heard);
        return number_at(one, AT_WHEN) == seq ? number_at(one, AT_WHAT) : 0;
    }
    json_array_foreach((json_t *)(uintptr_t)list(trace, "children"), i, one)
    {
        char name[32];
        snprintf(name, sizeof name, "r_%" PRId64, number_at(one, AT_WHEN));
        if (strcmp(name, text_at(came, E_RUN)) == 0) {
            return number_at(one, AT_WHAT);
        }
    }
    return 0;
}

/* `next` is the entry behind it: of a signal or a child, what came. */
static void add_wait(struct trace *trace, const json_t *entry, const json_t *next)
{
    char id[SPAN_TEXT];
    char name[NAME_TEXT];
    const char *what = text_at(entry, E_NAME);
    int64_t seq = number_at(entry, E_SEQ);
    int64_t until_us = number_at(entry, E_UNTIL);
    int64_t kind = number_at(next, E_KIND);
    bool sleep = strcmp(what, "sleep") == 0;
    bool came =
        next != NULL && number_at(next, E_SEQ) == seq + 1 && (kind == SIGNAL || kind == CHILD);
    bool waits = !trace->over && seq == rv_json_int(trace->run, "steps", 0) &&
                 rv_json_str(trace->run, "waiting_on", "")[0] != '\0';
    bool timeout = came && strcmp(text_at(next, E_CODE), "timeout") == 0;
    int64_t begin_us = waits ? rv_json_int(trace->run, "changed_us", 0) : trace->at_us;
    int64_t end_us = waits              ? trace->now_us
                     : sleep || timeout ? until_us
                     : came             ? came_us(trace, next)
                                        : 0;
    bool known = end_us > 0 && (waits || end_us <= trace->end_us);
    end_us = known ? end_us : trace->at_us;
    part_id(trace, "step", seq, id);
    snprintf(name, sizeof name, "wait %.140s", what);
    json_t *span = add_span(trace, id, trace->root, name, KIND_INTERNAL, begin_us, end_us);
    pass(trace, end_us);
    add_integer(span, "reeve.step", seq);
    if (timeout) {
        add_text(span, "reeve.code", "timeout");
    }
    if (waits) {
        add_true(span, "reeve.open");
    } else {
        add_text(span, "reeve.bounds", known ? "begin" : "begin end");
    }
}

static void add_entries(struct trace *trace)
{
    const json_t *entries = list(trace, "entries");
    for (size_t i = 0; i < json_array_size(entries); i++) {
        const json_t *entry = json_array_get(entries, i);
        switch (number_at(entry, E_KIND)) {
        case MODEL:
        case ACTION:
        case COMPENSATION:
        case START: add_decided(trace, entry); break;
        case TIMER: add_wait(trace, entry, json_array_get(entries, i + 1)); break;
        default: break; /* what came: the end of the wait before it */
        }
    }
}

/* ---- people, and the world outside ---- */

static void add_approvals(struct trace *trace)
{
    size_t i, k;
    json_t *approval, *vote;
    json_array_foreach((json_t *)(uintptr_t)list(trace, "approvals"), i, approval)
    {
        char id[SPAN_TEXT];
        char parent[SPAN_TEXT];
        char name[NAME_TEXT];
        int64_t number = rv_json_int(approval, "id", 0);
        const char *status = rv_json_str(approval, "status", "");
        bool open = !json_is_integer(json_object_get(approval, "end_us"));
        part_id(trace, "approval", number, id);
        part_id(trace, "step", rv_json_int(approval, "seq", 0), parent);
        snprintf(name, sizeof name, "approval %.140s", rv_json_str(approval, "action", ""));
        json_t *span =
            add_span(trace, id, parent, name, KIND_INTERNAL, rv_json_int(approval, "begin_us", 0),
                     rv_json_int(approval, "end_us", trace->end_us));
        add_integer(span, "reeve.approval", number);
        add_text(span, "reeve.status", status);
        add_integer(span, "reeve.tier", rv_json_int(approval, "tier", 0));
        add_texts(span, "reeve.rules", json_object_get(approval, "rules"));
        if (rv_json_bool(approval, "escalated", false)) {
            add_true(span, "reeve.escalated");
        }
        if (open && strcmp(status, "requested") == 0) {
            add_true(span, "reeve.open");
        } else if (open) { /* void: with the run, or with what it was about */
            add_text(span, "reeve.bounds", "end");
        }
        json_array_foreach(json_object_get(approval, "votes"), k, vote)
        {
            json_t *event = add_event(span, "vote", number_at(vote, AT_WHEN));
            add_text(event, "reeve.decision", text_at(vote, AT_WHAT));
        }
    }
}

static void add_effects(struct trace *trace)
{
    size_t i, k;
    json_t *effect, *line;
    json_array_foreach((json_t *)(uintptr_t)list(trace, "effects"), i, effect)
    {
        char id[SPAN_TEXT];
        char parent[SPAN_TEXT];
        const char *state = rv_json_str(effect, "state", "");
        bool done = strcmp(state, "done") == 0;
        bool failed = strcmp(state, "failed") == 0;
        id_of(rv_json_str(effect, "key", ""), id); /* as rv_trace_header tells the receiver */
        part_id(trace, "step", rv_json_int(effect, "seq", 0), parent);
        char name[NAME_TEXT];
        snprintf(name, sizeof name, "%.60s %.80s", rv_json_str(effect, "action", ""),
                 rv_json_str(effect, "connector", ""));
        json_t *span =
            add_span(trace, id, parent, name, KIND_CLIENT, rv_json_int(effect, "begin_us", 0),
                     done || failed ? rv_json_int(effect, "end_us", 0) : trace->now_us);
        add_integer(span, "reeve.step", rv_json_int(effect, "seq", 0));
        add_text(span, "reeve.connector", rv_json_str(effect, "connector", ""));
        add_text(span, "reeve.state", state);
        add_integer(span, "reeve.attempts", rv_json_int(effect, "attempt", 0));
        if (done || failed) {
            set_status(span, done, rv_json_str(effect, "code", ""));
        } else {
            add_true(span, "reeve.open");
        }
        json_array_foreach(json_object_get(effect, "log"), k, line)
        {
            add_event(span, text_at(line, AT_WHAT), number_at(line, AT_WHEN));
        }
    }
}

/* ---- a run, and a request ---- */

json_t *rv_run_spans(const json_t *run, int64_t now_us)
{
    struct trace trace = {.run = run,
                          .spans = json_array(),
                          .tenant = rv_json_int(run, "tenant", 0),
                          .id = rv_json_int(run, "run", 0),
                          .now_us = now_us,
                          .over = rv_json_bool(run, "over", false),
                          .at_us = rv_json_int(run, "begin_us", 0)};
    trace.end_us = trace.over ? rv_json_int(run, "changed_us", 0) : now_us;
    run_span_id(trace.tenant, trace.id, trace.root);
    add_run(&trace);
    add_entries(&trace);
    add_approvals(&trace);
    add_effects(&trace);
    return trace.spans;
}

json_t *rv_spans_request(json_t *spans, const char *version, const char *node)
{
    json_t *resource = json_pack("{s:[]}", "attributes");
    add_text(resource, "service.name", "reeve");
    add_text(resource, "service.version", version);
    add_text(resource, "service.instance.id", node);
    json_t *scope = json_pack("{s:s,s:s}", "name", "reeve", "version", version);
    json_t *request = json_pack("{s:[{s:o,s:[{s:o,s:o}]}]}", "resourceSpans", "resource", resource,
                                "scopeSpans", "scope", scope, "spans", spans);
    RV_ASSERT(request != NULL);
    return request;
}
