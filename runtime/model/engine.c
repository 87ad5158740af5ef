/* engine.c -- the supervisor: see engine.h.
 *
 * A question belongs to the thread that asks until it is posted; from then on to the supervisor's
 * loop; its end goes back by post, and with it its memory.
 */
#include "runtime/model/engine.h"

#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/base/state_machine.h"
#include "runtime/model/frame.h"
#include "runtime/model/spawn.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    OUT_MAX = 64 << 20,
    SAID_MAX = 4 << 20, /* of one stream */
    READ_BYTES = 64 << 10,
    TICK_MS = 100, /* deadlines of questions, of the start, and the pause */
    STATS_EVERY_MS = 1000,
    STEADY_US = 60000000 /* up for so long: the next pause is the first again */
};

enum state { DOWN, STARTING, READY, CLOSED };
static const char *const state_names[] = {"down", "starting", "ready", "closed"};
static const uint32_t state_moves[] = {
    [DOWN] = RV_TO(STARTING) | RV_TO(CLOSED),
    [STARTING] = RV_TO(READY) | RV_TO(DOWN) | RV_TO(CLOSED),
    [READY] = RV_TO(DOWN) | RV_TO(CLOSED),
    [CLOSED] = 0,
};
static const struct rv_state_table state_table = {"model engine", state_names, state_moves, 4};

struct question {
    struct question *next;
    struct rv_engine *engine;
    uint64_t id;
    json_t *body;
    struct rv_loop *loop; /* of the asker */
    rv_engine_listener listener;
    void *data;
    int64_t deadline_us;
    int tries;
    bool sent, canceled;
    struct rv_buf said; /* of a stream: what the asker has heard */
    size_t again;       /* how much of it came again after a restart */
};

struct rv_engine {
    struct rv_engine_options options;
    char *path, *program, *sha256, *label, *template;
    atomic_uint_fast64_t next_id;
    int state;
    struct rv_child_process process;
    struct rv_poll *poll;
    struct rv_timer *tick;
    struct rv_buf in, out;
    struct question *questions;
    int open;
    int64_t started_us, due_us, pause_ms, stats_us;
    int64_t silent_us, ticked_us; /* for how long nothing came, by the ticks that saw it */
    int64_t pieces;               /* of work, done when it last said so */
    int64_t stuck_us, piece_ms;   /* for how long there was work and no piece of it done; of one */
    int64_t restarts;
    bool asleep; /* lazy or resting, and nobody asks */
    bool resting;
    int64_t busy_us;   /* when it last had a question */
    bool refused;      /* the model cannot be opened or was lost: questions end at once */
    char trouble[256]; /* why it went down last; "" never */
    json_t *facts, *stats;
};

static void begin(struct rv_engine *engine);

static int64_t mono_us(const struct rv_engine *engine)
{
    return rv_mono_us(rv_loop_clock(engine->options.loop));
}

/* ---- events to the asker ---- */

struct delivery {
    struct question *question;
    struct rv_engine_event event;
    struct rv_error err;
    json_t *body;
};

static void question_free(struct question *question)
{
    json_decref(question->body);
    rv_buf_fini(&question->said);
    rv_free(question);
}

static void deliver(void *data)
{
    struct delivery *delivery = data;
    struct question *question = delivery->question;
    bool last = delivery->event.kind != RV_ENGINE_PIECE;
    question->listener(question->data, &delivery->event);
    if (last) {
        question_free(question);
    }
    json_decref(delivery->body);
    rv_free(delivery);
}

static struct delivery *delivery_make(struct question *question, enum rv_engine_event_kind kind,
                                      json_t *body)
{
    struct delivery *delivery = rv_alloc(sizeof *delivery);
    delivery->question = question;
    delivery->body = body;
    delivery->event = (struct rv_engine_event){.kind = kind, .body = body};
    return delivery;
}

static void question_unlink(struct question *question)
{
    struct question **at = &question->engine->questions;
    while (*at != question) {
        at = &(*at)->next;
    }
    *at = question->next;
    question->engine->open--;
}

static struct delivery *failure(struct question *question, enum rv_code code, const char *message,
                                int64_t retry_ms, json_t *body)
{
    struct delivery *delivery = delivery_make(question, RV_ENGINE_FAILED, body);
    rv_fail(&delivery->err, code, "%s", message);
    delivery->event.code = code;
    delivery->event.retry_ms = retry_ms;
    delivery->event.err = &delivery->err;
    return delivery;
}

/* Ends a question that is on the list. */
static void question_fail(struct question *question, enum rv_code code, const char *message)
{
    question_unlink(question);
    rv_loop_post(question->loop, deliver, failure(question, code, message, 0, NULL));
}

static void question_overloaded(struct question *question)
{
    question_unlink(question);
    rv_loop_post(question->loop, deliver,
                 failure(question, RV_LIMIT,
                         "overloaded: as many of the company's questions are on their way to the "
                         "model as there are places left",
                         1000, NULL));
}

/* ---- the connection ---- */

static void flush(struct rv_engine *engine)
{
    while (engine->out.length > 0) {
        ssize_t wrote =
            send(engine->process.fd, engine->out.data, engine->out.length, MSG_NOSIGNAL);
        if (wrote < 0 && errno == EINTR) {
            continue;
        }
        if (wrote <= 0) {
            break; /* full, or broken: the reader sees that */
        }
        rv_buf_consume(&engine->out, (size_t)wrote);
    }
    rv_poll_start(engine->poll, RV_READABLE | (engine->out.length > 0 ? RV_WRITABLE : 0));
}

static enum rv_code say(struct rv_engine *engine, const json_t *frame, struct rv_error *err)
{
    enum rv_code code = rv_frame_put(&engine->out, frame, err);
    flush(engine);
    return code;
}

/* A small one.  Where even that finds no room its process reads nothing, and counts as hung soon.
 */
static void say_new(struct rv_engine *engine, json_t *frame)
{
    enum rv_code code = say(engine, frame, NULL);
    RV_ASSERT(code != RV_LIMIT);
    json_decref(frame);
}

static void send_question(struct question *question)
{
    struct rv_engine *engine = question->engine;
    struct rv_error err = {.code = RV_OK};
    int64_t left_ms = (question->deadline_us - mono_us(engine)) / 1000;
    json_t *frame = json_pack("{s:I,s:s,s:I}", "id", (json_int_t)question->id, "op", "ask",
                              "timeout_ms", (json_int_t)(left_ms > 1 ? left_ms : 1));
    json_object_update_missing(frame, question->body);
    enum rv_code code = say(engine, frame, &err);
    json_decref(frame);
    if (code == RV_UNAVAILABLE) {
        question_overloaded(question);
        return;
    }
    if (code != RV_OK) {
        char why[160];
        snprintf(why, sizeof why, "the question cannot be handed to the model: %s", err.message);
        question_fail(question, RV_INVALID, why);
        return;
    }
    question->sent = true;
    question->tries++;
}

static struct question *find(const struct rv_engine *engine, uint64_t id)
{
    struct question *at = engine->questions;
    while (at != NULL && at->id != id) {
        at = at->next;
    }
    return at;
}

static void drop(void *data)
{
    (void)data; /* the descriptor was closed with its process */
}

/* The process is gone, or is made to go. */
/* Of its process, whatever that still does. */
static void let_go(struct rv_engine *engine)
{
    rv_state_move(&state_table, &engine->state, DOWN);
    rv_poll_stop(engine->poll);
    rv_poll_close(engine->poll, drop, NULL);
    engine->poll = NULL;
    rv_child_process_end(&engine->process);
    rv_buf_reset(&engine->in);
    rv_buf_reset(&engine->out);
}

static void go_down(struct rv_engine *engine, const char *why)
{
    if (engine->state != STARTING && engine->state != READY) {
        return;
    }
    int64_t now = mono_us(engine);
    bool steady = engine->state == READY && now - engine->started_us > STEADY_US;
    let_go(engine);
    snprintf(engine->trouble, sizeof engine->trouble, "%s", why);
    engine->pause_ms = steady || engine->pause_ms == 0                 ? RV_ENGINE_PAUSE_MS
                       : engine->pause_ms * 2 < RV_ENGINE_PAUSE_MAX_MS ? engine->pause_ms * 2
                                                                       : RV_ENGINE_PAUSE_MAX_MS;
    engine->due_us = now + engine->pause_ms * 1000;
    rv_log(RV_LOG_WARN, "model", "ENGINE-DOWN", "open=%d pause_ms=%" PRId64 " %s", engine->open,
           engine->pause_ms, why);
    for (struct question *at = engine->questions, *next; at != NULL; at = next) {
        next = at->next;
        if (at->canceled) {
            question_fail(at, RV_CANCELED, "canceled");
        } else if (engine->refused) {
            question_fail(at, RV_UNAVAILABLE, engine->trouble);
        } else if (at->tries >= RV_ENGINE_TRIES || now >= at->deadline_us) {
            question_fail(at, RV_UNAVAILABLE, "engine restarted");
        } else {
            at->sent = false;
            at->again = 0;
        }
    }
}

static void on_ready(struct rv_engine *engine, const json_t *frame)
{
    rv_state_move(&state_table, &engine->state, READY);
    engine->refused = false;
    json_decref(engine->facts);
    engine->facts = json_deep_copy(frame);
    json_object_del(engine->facts, "e");
    json_object_del(engine->facts, "piece_ms");
    engine->piece_ms = rv_json_int(frame, "piece_ms", 0);
    rv_log(RV_LOG_INFO, "model", "ENGINE-READY", "pid=%d name=%s device=%s", engine->process.pid,
           rv_json_str(frame, "name", ""), rv_json_str(frame, "device", ""));
    for (struct question *at = engine->questions, *next; at != NULL; at = next) {
        next = at->next;
        send_question(at);
    }
}

static const struct {
    const char *status;
    enum rv_code code;
} statuses[] = {
    {"invalid", RV_INVALID},     {"unsupported", RV_INVALID}, {"limit", RV_LIMIT},
    {"busy", RV_LIMIT},          {"timeout", RV_TIMEOUT},     {"canceled", RV_CANCELED},
    {"corrupt", RV_UNAVAILABLE}, {"io", RV_UNAVAILABLE},      {"device", RV_UNAVAILABLE},
};

static enum rv_code code_of(const char *status)
{
    for (size_t i = 0; i < RV_COUNT(statuses); i++) {
        if (strcmp(statuses[i].status, status) == 0) {
            return statuses[i].code;
        }
    }
    return RV_UNAVAILABLE;
}

/* The same question gives the same bytes: after a restart the asker hears only what is new.  Where
 * they differ after all (another GPU), its stream cannot go on. */
static void on_piece(struct question *question, json_t *frame)
{
    struct rv_buf *said = &question->said;
    const char *text = rv_json_str(frame, "text", "");
    size_t length = strlen(text);
    if (question->again < said->length) {
        bool same = length <= said->length - question->again &&
                    memcmp(said->data + question->again, text, length) == 0;
        question->again += length;
        if (!same) {
            json_t *cancel = json_pack("{s:s,s:I}", "op", "cancel", "id", (json_int_t)question->id);
            say_new(question->engine, cancel);
            question_fail(question, RV_UNAVAILABLE, "engine restarted");
        }
        return;
    }
    rv_buf_add(said, text, length);
    question->again = said->length;
    rv_loop_post(question->loop, deliver,
                 delivery_make(question, RV_ENGINE_PIECE, json_incref(frame)));
}

/* The other frames say nothing of this: statistics come from a thread that is never stuck. */
static void on_alive(struct rv_engine *engine, const json_t *frame)
{
    int64_t pieces = rv_json_int(frame, "pieces", 0);
    if (pieces != engine->pieces || !rv_json_bool(frame, "at_work", false)) {
        engine->stuck_us = -1;
    } else if (engine->stuck_us < 0) {
        engine->stuck_us = 0;
    }
    engine->pieces = pieces;
}

static void on_frame(struct rv_engine *engine, json_t *frame)
{
    const char *event = rv_json_str(frame, "e", "");
    struct question *question = find(engine, (uint64_t)rv_json_int(frame, "id", 0));
    if (strcmp(event, "ready") == 0 && engine->state == STARTING) {
        on_ready(engine, frame);
    } else if (strcmp(event, "refused") == 0) {
        char why[256];
        snprintf(why, sizeof why, "the model cannot be opened: %s",
                 rv_json_str(frame, "message", "no reason given"));
        engine->refused = true;
        engine->pause_ms = RV_ENGINE_PAUSE_MAX_MS / 2; /* files do not mend themselves quickly */
        go_down(engine, why);
    } else if (strcmp(event, "lost") == 0) {
        char why[512];
        snprintf(why, sizeof why,
                 "the model's file changed while it was in use: %s; put it back whole, and give "
                 "other versions files of their own",
                 rv_json_str(frame, "message", ""));
        engine->refused = true;
        engine->pause_ms = RV_ENGINE_PAUSE_MAX_MS / 2;
        go_down(engine, why);
    } else if (strcmp(event, "alive") == 0) {
        on_alive(engine, frame);
    } else if (strcmp(event, "stats") == 0) {
        json_decref(engine->stats);
        engine->stats = json_incref(frame);
        json_object_del(engine->stats, "e");
    } else if (question == NULL) {
        return; /* ended meanwhile */
    } else if (strcmp(event, "piece") == 0) {
        on_piece(question, frame);
    } else if (strcmp(event, "done") == 0) {
        question_unlink(question);
        rv_loop_post(question->loop, deliver,
                     delivery_make(question, RV_ENGINE_DONE, json_incref(frame)));
    } else if (strcmp(event, "failed") == 0 && !question->canceled &&
               code_of(rv_json_str(frame, "status", "")) == RV_CANCELED) {
        question->sent = false; /* by its process, not by its asker: asked again, at the next tick
                                   or, where that process ends, by the next one */
        question->again = 0;
    } else if (strcmp(event, "failed") == 0) {
        question_unlink(question);
        rv_loop_post(question->loop, deliver,
                     failure(question, code_of(rv_json_str(frame, "status", "")),
                             rv_json_str(frame, "message", "failed"),
                             rv_json_int(frame, "retry_ms", 0), json_incref(frame)));
    }
}

static void on_io(void *data, int events)
{
    struct rv_engine *engine = data;
    char bytes[READ_BYTES];
    struct rv_error err = {.code = RV_OK};
    if ((events & RV_WRITABLE) != 0) {
        flush(engine);
    }
    for (;;) {
        ssize_t got = read(engine->process.fd, bytes, sizeof bytes);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0 && errno == EAGAIN) {
            break;
        }
        if (got <= 0) {
            go_down(engine, "its process ended");
            return;
        }
        engine->silent_us = 0;
        rv_buf_add(&engine->in, bytes, (size_t)got);
        json_t *frame = NULL;
        int64_t id = 0;
        while (rv_frame_take(&engine->in, &frame, &id, &err) == RV_OK && frame != NULL) {
            on_frame(engine, frame);
            json_decref(frame);
            if (engine->state == DOWN || engine->state == CLOSED) {
                return;
            }
        }
        if (err.code != RV_OK) {
            go_down(engine, err.message);
            return;
        }
    }
}

/* ---- supervision ---- */

static void begin(struct rv_engine *engine)
{
    struct rv_error err = {.code = RV_OK};
    const struct rv_engine_options *options = &engine->options;
    engine->started_us = mono_us(engine);
    if (rv_child_process_begin(&engine->process, engine->program, &err) != RV_OK) {
        snprintf(engine->trouble, sizeof engine->trouble, "%s", err.message);
        engine->due_us = engine->started_us + RV_ENGINE_PAUSE_MAX_MS * INT64_C(1000);
        rv_log_error("model", "ENGINE-START", &err);
        return;
    }
    engine->restarts++;
    engine->silent_us = 0;
    engine->stuck_us = -1;
    engine->pieces = 0;
    rv_state_move(&state_table, &engine->state, STARTING);
    engine->poll = rv_poll_create(options->loop, engine->process.fd, on_io, engine);
    say_new(engine,
            json_pack("{s:s,s:s,s:s,s:i,s:I,s:I,s:s*,s:s*,s:s*}", "op", "open", "path",
                      engine->path, "backend", options->backend != NULL ? options->backend : "auto",
                      "threads", options->threads, "context", (json_int_t)options->context,
                      "cache_bytes", (json_int_t)options->cache_bytes, "sha256", engine->sha256,
                      "label", engine->label, "template", engine->template));
}

/* No failure: nobody asks it any more. */
static void fall_asleep(struct rv_engine *engine)
{
    let_go(engine);
    engine->asleep = true;
    rv_log(RV_LOG_INFO, "model", "ENGINE-RESTS", "%s",
           engine->label != NULL ? engine->label : engine->path);
}

/* The connection is read between two ticks: a loop that stood still itself has heard nothing for as
 * long, and that counts as one tick. */
static void pass_time(struct rv_engine *engine, int64_t now)
{
    int64_t passed = now - engine->ticked_us;
    int64_t most = 2 * TICK_MS * INT64_C(1000);
    passed = passed < most ? passed : most;
    engine->ticked_us = now;
    engine->silent_us += passed;
    engine->stuck_us += engine->stuck_us >= 0 ? passed : 0;
}

/* Why its process must go; NULL: it need not. */
static const char *hang_of(const struct rv_engine *engine, int64_t now)
{
    int64_t started_us = now - engine->started_us;
    int64_t stuck_max_us = (RV_ENGINE_STUCK_MS + engine->piece_ms) * 1000;
    if (engine->state != STARTING && engine->state != READY) {
        return NULL;
    }
    if (engine->silent_us > RV_ENGINE_SILENT_MS * INT64_C(1000) ||
        (engine->state == STARTING && started_us > RV_ENGINE_START_MS * INT64_C(1000))) {
        return "its process did not answer and was killed";
    }
    return engine->stuck_us > stuck_max_us
               ? "its process lived and did not get on with its work, and was killed"
               : NULL;
}

/* Its process has said nothing of it, and may still be in a long step for somebody else: that one
 * goes on, and who does not get on at all is found by hang_of. */
static void question_late(struct question *question)
{
    say_new(question->engine,
            json_pack("{s:s,s:I}", "op", "cancel", "id", (json_int_t)question->id));
    if (question->canceled) {
        question_fail(question, RV_CANCELED, "canceled");
    } else {
        question_fail(question, RV_TIMEOUT, "the engine did not answer within the deadline");
    }
}

static void on_tick(void *data)
{
    struct rv_engine *engine = data;
    int64_t now = mono_us(engine);
    pass_time(engine, now);
    const char *hang = hang_of(engine, now);
    for (struct question *at = engine->questions, *next; at != NULL; at = next) {
        next = at->next;
        if (!at->sent && now >= at->deadline_us) {
            question_fail(at, RV_TIMEOUT, "the engine was not ready within the deadline");
        } else if (!at->sent && engine->state == READY && at->tries < RV_ENGINE_TRIES) {
            send_question(at);
        } else if (!at->sent && engine->state == READY) {
            question_fail(at, RV_UNAVAILABLE, "engine restarted");
        } else if (now > at->deadline_us + RV_ENGINE_GRACE_MS * INT64_C(1000)) {
            question_late(at);
        }
    }
    if (hang != NULL) {
        go_down(engine, hang);
    }
    if (engine->open > 0 || !engine->resting) {
        engine->busy_us = now;
    }
    if (engine->state == READY && now - engine->busy_us > RV_ENGINE_REST_MS * INT64_C(1000)) {
        fall_asleep(engine);
    }
    if (engine->state == DOWN && engine->resting && engine->open == 0) {
        engine->asleep = true;
    }
    if (engine->state == DOWN && !engine->asleep && now >= engine->due_us) {
        begin(engine);
    }
    if (engine->state == READY && now - engine->stats_us > STATS_EVERY_MS * INT64_C(1000)) {
        engine->stats_us = now;
        say_new(engine, json_pack("{s:s}", "op", "stats"));
    }
    rv_child_process_reap(&engine->process);
    rv_timer_start(engine->tick, TICK_MS);
}

struct rv_engine *rv_engine_start(const struct rv_engine_options *options)
{
    struct rv_engine *engine = rv_alloc(sizeof *engine);
    engine->options = *options;
    engine->path = rv_strdup(options->path);
    engine->program = rv_strdup(options->program);
    engine->sha256 = rv_strdup(options->sha256);
    engine->label = rv_strdup(options->label);
    engine->template = rv_strdup(options->template);
    engine->process = RV_CHILD_PROCESS_NONE;
    atomic_init(&engine->next_id, 1);
    rv_buf_init(&engine->in, RV_FRAME_MAX + READ_BYTES + 4);
    rv_buf_init(&engine->out, OUT_MAX);
    engine->tick = rv_timer_create(options->loop, on_tick, engine);
    engine->asleep = options->lazy;
    if (!engine->asleep) {
        rv_timer_start(engine->tick, TICK_MS);
        begin(engine);
    }
    return engine;
}

static void wake(struct rv_engine *engine)
{
    if (engine->asleep) {
        engine->asleep = false;
        rv_timer_start(engine->tick, TICK_MS);
        begin(engine);
    }
}

void rv_engine_rest(struct rv_engine *engine, bool rest)
{
    engine->resting = rest;
    if (!rest) {
        wake(engine);
    }
}

void rv_engine_close(struct rv_engine *engine)
{
    if (engine == NULL) {
        return;
    }
    rv_timer_close(engine->tick);
    if (engine->poll != NULL) {
        rv_poll_close(engine->poll, drop, NULL);
    }
    rv_state_move(&state_table, &engine->state, CLOSED);
    rv_child_process_end(&engine->process);
    rv_child_process_wait(&engine->process);
    while (engine->questions != NULL) {
        struct question *question = engine->questions;
        question_unlink(question);
        struct delivery *end = failure(question, RV_CANCELED, "the engine is closed", 0, NULL);
        if (rv_loop_is_current(question->loop)) {
            deliver(end);
        } else {
            rv_loop_post(question->loop, deliver, end);
        }
    }
    rv_buf_fini(&engine->in);
    rv_buf_fini(&engine->out);
    json_decref(engine->facts);
    json_decref(engine->stats);
    rv_free(engine->path);
    rv_free(engine->program);
    rv_free(engine->sha256);
    rv_free(engine->label);
    rv_free(engine->template);
    rv_free(engine);
}

/* ---- questions ---- */

static void take_question(void *data)
{
    struct question *question = data;
    struct rv_engine *engine = question->engine;
    question->next = NULL;
    struct question **end = &engine->questions; /* in the order of asking */
    int64_t tenant = rv_json_int(question->body, "tenant", 0);
    int before = engine->open;
    int own = 0;
    while (*end != NULL) {
        own += rv_json_int((*end)->body, "tenant", 0) == tenant;
        end = &(*end)->next;
    }
    *end = question;
    engine->open++;
    wake(engine);
    if (own >= RV_ENGINE_OPEN_MAX - before) {
        question_overloaded(question);
    } else if (engine->refused) {
        question_fail(question, RV_UNAVAILABLE, engine->trouble);
    } else if (engine->state == READY) {
        send_question(question);
    }
}

uint64_t rv_engine_ask(struct rv_engine *engine, struct rv_loop *loop, json_t *question,
                       int64_t timeout_ms, rv_engine_listener listener, void *data)
{
    struct question *one = rv_alloc(sizeof *one);
    uint64_t id = atomic_fetch_add(&engine->next_id, 1);
    *one = (struct question){.engine = engine,
                             .id = id,
                             .body = question,
                             .loop = loop,
                             .listener = listener,
                             .data = data,
                             .deadline_us = rv_mono_us(rv_loop_clock(loop)) + timeout_ms * 1000};
    rv_buf_init(&one->said, SAID_MAX);
    rv_loop_post(engine->options.loop, take_question, one);
    return id;
}

struct cancel {
    struct rv_engine *engine;
    uint64_t id;
};

static void take_cancel(void *data)
{
    struct cancel *cancel = data;
    struct rv_engine *engine = cancel->engine;
    struct question *question = find(engine, cancel->id);
    if (question != NULL && !question->sent) {
        question_fail(question, RV_CANCELED, "canceled");
    } else if (question != NULL) {
        question->canceled = true;
        say_new(engine, json_pack("{s:s,s:I}", "op", "cancel", "id", (json_int_t)question->id));
    }
    rv_free(cancel);
}

void rv_engine_cancel(struct rv_engine *engine, uint64_t id)
{
    struct cancel *cancel = rv_alloc(sizeof *cancel);
    *cancel = (struct cancel){engine, id};
    rv_loop_post(engine->options.loop, take_cancel, cancel);
}

/* ---- how it is ---- */

bool rv_engine_is_ready(const struct rv_engine *engine)
{
    return engine->state == READY;
}

bool rv_engine_is_refused(const struct rv_engine *engine)
{
    return engine->refused;
}

const char *rv_engine_label(const struct rv_engine *engine)
{
    return engine->label;
}

const char *rv_engine_path(const struct rv_engine *engine)
{
    return engine->path;
}

json_t *rv_engine_facts(const struct rv_engine *engine)
{
    return json_incref(engine->facts);
}

json_t *rv_engine_status(const struct rv_engine *engine)
{
    json_t *status = json_pack("{s:s,s:s,s:i,s:I,s:i}", "state", state_names[engine->state], "path",
                               engine->path, "pid", (int)engine->process.pid, "restarts",
                               (json_int_t)(engine->restarts > 0 ? engine->restarts - 1 : 0),
                               "open", engine->open);
    if (engine->trouble[0] != '\0') {
        json_object_set_new(status, "error", json_string(engine->trouble));
    }
    if (engine->facts != NULL) {
        json_object_set(status, "facts", engine->facts);
    }
    if (engine->stats != NULL) {
        json_object_set(status, "stats", engine->stats);
    }
    return status;
}
