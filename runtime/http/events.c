/* events.c -- GET /v1/events: the tenant's outbox as a live stream that can be resumed.
 *
 * One look per tenant with listeners every second, and at once for a new one; each stream remembers
 * how far it is.  Outbox ids are made from time plus random bits, so two commits of one millisecond
 * may be in the wrong order: every look goes back a little and a ring of sent ids drops what was
 * sent. A stream ends after a quarter of an hour; the browser resumes it with Last-Event-ID and
 * shows its credential again, so a removed person does not listen for ever.
 */
#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/http/call.h"
#include "runtime/http/sse.h"

#include "http_sql.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    LOOK_MS = 1000,
    HEARTBEAT_S = 15,
    LIFE_S = 15 * 60,
    STREAMS_MAX = 1024, /* open pages of all tenants */
    LOOK_ROWS = 500,
    RECENT_IDS = 512, /* must exceed what a tenant commits within OVERLAP_MS */
    OVERLAP_MS = 2000,
    RETRY_MS = 2000,
    TEXT_MAX = 4 << 20
};
#define TIME_ID_LEAST                                                                              \
    (INT64_C(1) << 40) /* below: ids are a plain sequence, which never overlaps                    \
                        */

struct stream {
    struct rv_events *events;
    struct rv_http_stream *http;
    struct stream *next;
    int32_t tenant;
    bool ready;  /* knows where it starts */
    bool primed; /* has looked once: what lay in the overlap then is counted as sent */
    int64_t after;
    int64_t recent[RECENT_IDS];
    int recent_next;
    int64_t opened_us, spoke_us;
};

struct tail { /* one tenant that is being looked at */
    struct rv_events *events;
    struct tail *next;
    int32_t tenant;
    bool looking;
    bool again; /* asked while looking */
};

struct rv_events {
    struct rv_loop *loop;
    struct rv_db *db;
    struct rv_timer *timer;
    struct stream *streams;
    int stream_count;
    struct tail *tails;
    bool stopped;
};

static int64_t now_us(const struct rv_events *events)
{
    return rv_mono_us(rv_loop_clock(events->loop));
}

/* ---- one stream ---- */

static bool was_sent(const struct stream *stream, int64_t id)
{
    for (int i = 0; i < RECENT_IDS; i++) {
        if (stream->recent[i] == id) {
            return true;
        }
    }
    return false;
}

static void speak(struct stream *stream, const struct rv_buf *text)
{
    stream->spoke_us = now_us(stream->events);
    rv_http_stream_write(stream->http, text->data, text->length); /* a cut stream closes itself */
}

static void forget(struct stream *stream)
{
    struct rv_events *events = stream->events;
    for (struct stream **at = &events->streams; *at != NULL; at = &(*at)->next) {
        if (*at == stream) {
            *at = stream->next;
            events->stream_count--;
            break;
        }
    }
    rv_free(stream);
}

static void on_stream_closed(void *data)
{
    forget(data);
}

/* ---- looking ---- */

static void look(struct tail *tail);

/* Where the slowest ready stream of a tenant is; -1 when none listens. */
static int64_t least_after(const struct rv_events *events, int32_t tenant)
{
    int64_t least = -1;
    for (const struct stream *one = events->streams; one != NULL; one = one->next) {
        if (one->tenant == tenant && one->ready && (least < 0 || one->after < least)) {
            least = one->after;
        }
    }
    return least;
}

static void deliver(struct stream *stream, const struct rv_result *result)
{
    struct rv_buf text;
    rv_buf_init(&text, TEXT_MAX);
    int64_t start = stream->after;
    for (int row = 0; row < rv_result_rows(result); row++) {
        int64_t id = rv_result_i64(result, row, 0);
        bool overlap =
            id <= start && start >= TIME_ID_LEAST && id > start - ((int64_t)OVERLAP_MS << 22);
        if ((id <= start && !overlap) || was_sent(stream, id)) {
            continue;
        }
        stream->recent[stream->recent_next++ % RECENT_IDS] = id;
        if (id <= start && !stream->primed) {
            continue; /* from before this stream was opened */
        }
        rv_sse_event(&text, id, rv_result_text(result, row, 1), rv_result_text(result, row, 2));
        if (id > stream->after) {
            stream->after = id;
        }
    }
    stream->primed = true;
    if (text.length > 0) {
        speak(stream, &text);
    }
    rv_buf_fini(&text);
}

static void on_look(void *data, enum rv_code code, const struct rv_result *result,
                    const struct rv_error *err)
{
    struct tail *tail = data;
    struct rv_events *events = tail->events;
    tail->looking = false;
    if (code != RV_OK) {
        rv_log_error("http", "HTTP-EVENTS", err); /* the next look tries again */
        return;
    }
    for (struct stream *one = events->streams; one != NULL; one = one->next) {
        if (one->tenant == tail->tenant && one->ready) {
            deliver(one, result);
        }
    }
    if (tail->again || rv_result_rows(result) == LOOK_ROWS) {
        tail->again = false;
        look(tail);
    }
}

static void look(struct tail *tail)
{
    struct rv_events *events = tail->events;
    int64_t after = least_after(events, tail->tenant);
    if (events->stopped || after < 0) {
        return;
    }
    if (tail->looking) {
        tail->again = true;
        return;
    }
    tail->looking = true;
    struct rv_args *args = rv_args_create(&rv_sql_api_events);
    rv_args_i32(args, 1, tail->tenant);
    rv_args_i64(args, 2, after >= TIME_ID_LEAST ? after - ((int64_t)OVERLAP_MS << 22) : after);
    rv_args_i32(args, 3, LOOK_ROWS);
    rv_db_query(events->db, tail->tenant, &rv_sql_api_events, args, on_look, tail);
}

static struct tail *tail_of(struct rv_events *events, int32_t tenant)
{
    for (struct tail *one = events->tails; one != NULL; one = one->next) {
        if (one->tenant == tenant) {
            return one;
        }
    }
    struct tail *tail = rv_alloc(sizeof *tail);
    *tail = (struct tail){.events = events, .tenant = tenant, .next = events->tails};
    events->tails = tail;
    return tail;
}

static void on_timer(void *data)
{
    struct rv_events *events = data;
    int64_t now = now_us(events);
    struct rv_buf beat;
    rv_buf_init(&beat, 64);
    rv_sse_comment(&beat, "still here");
    struct stream *next = NULL;
    for (struct stream *one = events->streams; one != NULL; one = next) {
        next = one->next;
        if (now - one->opened_us > LIFE_S * INT64_C(1000000)) {
            rv_http_stream_end(one->http);
            forget(one);
        } else if (now - one->spoke_us > HEARTBEAT_S * INT64_C(1000000)) {
            speak(one, &beat);
        }
    }
    rv_buf_fini(&beat);
    for (struct tail *tail = events->tails; tail != NULL; tail = tail->next) {
        look(tail);
    }
    rv_timer_start(events->timer, LOOK_MS);
}

/* ---- opening ---- */

struct opening {
    struct rv_call *call;
    int64_t after; /* -1: from now on */
};

static void open_stream(struct rv_call *call, int64_t after)
{
    struct rv_events *events = call->api->events;
    struct stream *stream = rv_alloc(sizeof *stream);
    struct rv_buf text;
    *stream = (struct stream){.events = events,
                              .tenant = call->caller->tenant,
                              .ready = true,
                              .after = after,
                              .opened_us = now_us(events),
                              .next = events->streams};
    events->streams = stream;
    events->stream_count++;
    rv_exchange_field(call->exchange, "X-Accel-Buffering",
                      "no"); /* proxies must not hold it back */
    stream->http =
        rv_exchange_stream(call->exchange, "text/event-stream", on_stream_closed, stream);
    rv_buf_init(&text, 64);
    rv_sse_begin(&text, after, RETRY_MS);
    speak(stream, &text);
    rv_buf_fini(&text);
    look(tail_of(events, stream->tenant));
}

static void on_newest(void *data, enum rv_code code, const struct rv_result *result,
                      const struct rv_error *err)
{
    struct rv_call *call = data;
    if (code != RV_OK) {
        rv_call_fail(call, err, NULL);
    } else if (call->api->events->stopped || rv_exchange_gone(call->exchange)) {
        rv_exchange_refuse(call->exchange, 503, "unavailable", "reeve is stopping", NULL);
    } else {
        open_stream(call, rv_result_i64(result, 0, 0));
    }
}

/* Digits only; -1 otherwise. */
static int64_t read_last_id(const char *text)
{
    if (text == NULL || text[0] == '\0' || strlen(text) > 19 ||
        strspn(text, "0123456789") != strlen(text)) {
        return -1;
    }
    int64_t id = strtoll(text, NULL, 10);
    return id == INT64_MAX ? -1 : id;
}

void rv_api_events(struct rv_call *call)
{
    struct rv_events *events = call->api->events;
    int64_t after =
        read_last_id(rv_http_field(rv_exchange_request(call->exchange), "last-event-id"));
    if (events->stopped || events->stream_count >= STREAMS_MAX) {
        rv_exchange_field(call->exchange, "Retry-After", "10");
        rv_exchange_refuse(call->exchange, 503, "unavailable", "too many event streams are open",
                           "Close other tabs or ask for changes with GET /v1/approvals.");
        return;
    }
    if (after >= 0 && !rv_exchange_gone(call->exchange)) {
        open_stream(call, after);
        return;
    }
    struct rv_args *args = rv_args_create(&rv_sql_api_events_newest);
    rv_args_i32(args, 1, call->caller->tenant);
    rv_db_query(events->db, call->caller->tenant, &rv_sql_api_events_newest, args, on_newest, call);
}

/* ---- life ---- */

struct rv_events *rv_events_create(struct rv_loop *loop, struct rv_db *db)
{
    struct rv_events *events = rv_alloc(sizeof *events);
    events->loop = loop;
    events->db = db;
    events->timer = rv_timer_create(loop, on_timer, events);
    rv_timer_start(events->timer, LOOK_MS);
    return events;
}

void rv_events_stop(struct rv_events *events)
{
    if (events->stopped) {
        return;
    }
    events->stopped = true;
    rv_timer_close(events->timer);
    while (events->streams != NULL) {
        struct stream *stream = events->streams;
        rv_http_stream_end(stream->http);
        forget(stream);
    }
}

void rv_events_destroy(struct rv_events *events)
{
    if (events == NULL) {
        return;
    }
    rv_events_stop(events);
    while (events->tails != NULL) {
        struct tail *next = events->tails->next;
        rv_free(events->tails);
        events->tails = next;
    }
    rv_free(events);
}
