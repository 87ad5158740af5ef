/* child.c -- see child.h. */
#include "runtime/model/child.h"

#include "kernels/kernel.h"
#include "runtime/base/check.h"
#include "runtime/base/hash.h"
#include "runtime/model/adapters.h"
#include "runtime/model/frame.h"
#include "runtime/model/mapped.h"
#include "runtime/model/request.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum {
    QUEUE_MAX = 64 << 20, /* unsent: a parent that reads nothing for so long is broken */
    TEXT_MAX = 4 << 20,   /* of an answer that is sent whole */
    READ_BYTES = 64 << 10,
    ALIVE_EVERY_S = 1,
    SLOWEST_FLOPS_PER_MS = 1000000 /* 1 GFLOP/s: see piece_ms */
};

struct child {
    int fd;
    struct kernel_model *model;
    struct kernel_engine *engine;
    _Atomic(struct kernel_engine *) watched; /* the same, for the pulse: once it is ready */
    struct kernel_model_facts facts;
    struct rv_mapped file;
    json_t *model_facts; /* what each answer carries: name, hash, template */
    char label[128];     /* NAME@VERSION, as the answers have it; "" as the file says */
    struct rv_adapters adapters;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t more;
    pthread_cond_t over; /* leaving */
    struct rv_buf queue;
    bool closing, leaving; /* leaving: nobody is told anything any more */
    struct asked *asked;   /* questions that have not ended */
};

struct asked {
    struct asked *next;
    struct child *child;
    json_int_t id;
    uint64_t kernel_id; /* 0: not submitted yet */
    bool stream, ended;
    struct rv_buf text;
    uint32_t options;
    char *sampler;
    json_t *adapter; /* {"name","hash"}; NULL none */
};

/* ---- out ---- */

static void say(struct child *child, json_t *frame)
{
    pthread_mutex_lock(&child->lock);
    if (!child->leaving) {
        if (rv_frame_put(&child->queue, frame, NULL) != RV_OK) {
            _exit(3); /* nobody reads: the parent begins us anew */
        }
        pthread_cond_signal(&child->more);
    }
    pthread_mutex_unlock(&child->lock);
    json_decref(frame);
}

static void *write_all(void *data)
{
    struct child *child = data;
    pthread_mutex_lock(&child->lock);
    while (!child->closing || child->queue.length > 0) {
        if (child->queue.length == 0) {
            pthread_cond_wait(&child->more, &child->lock);
            continue;
        }
        size_t length = child->queue.length;
        char *bytes = rv_buf_take(&child->queue);
        pthread_mutex_unlock(&child->lock);
        for (size_t done = 0; done < length;) {
            ssize_t wrote = write(child->fd, bytes + done, length - done);
            if (wrote < 0 && errno != EINTR) {
                _exit(0); /* the parent is gone */
            }
            done += wrote > 0 ? (size_t)wrote : 0;
        }
        rv_free(bytes);
        pthread_mutex_lock(&child->lock);
    }
    pthread_mutex_unlock(&child->lock);
    return NULL;
}

/* That the process runs, whatever keeps its other threads: a large file that is read, a long step,
 * a question behind it.  And how far the engine's thread is, so that one that is stuck is found. */
static json_t *alive_frame(const struct child *child)
{
    const struct kernel_engine *engine = child->watched;
    struct kernel_progress progress = {0};
    if (engine != NULL) {
        kernel_progress(engine, &progress);
    }
    return json_pack("{s:s,s:I,s:b}", "e", "alive", "pieces", (json_int_t)progress.done, "at_work",
                     progress.at_work);
}

static void *say_alive(void *data)
{
    struct child *child = data;
    for (;;) {
        struct timespec next;
        say(child, alive_frame(child));
        clock_gettime(CLOCK_MONOTONIC, &next); /* style: a thread of the process' own, no loop */
        next.tv_sec += ALIVE_EVERY_S;
        pthread_mutex_lock(&child->lock);
        while (!child->leaving &&
               pthread_cond_timedwait(&child->over, &child->lock, &next) != ETIMEDOUT) {
        }
        bool over = child->leaving;
        pthread_mutex_unlock(&child->lock);
        if (over) {
            return NULL;
        }
    }
}

/* ---- events become frames ---- */

/* As JSON has it: bytes that are no UTF-8, and NUL, become U+FFFD. */
static json_t *text_of(const char *bytes, size_t length)
{
    json_t *text = memchr(bytes, 0, length) == NULL ? json_stringn(bytes, length) : NULL;
    if (text != NULL) {
        return text;
    }
    struct rv_buf clean;
    rv_buf_init(&clean, 3 * length + 4);
    for (size_t i = 0; i < length; i++) {
        size_t size = 1;
        while (size < 5 && i + size <= length) {
            json_t *one = bytes[i] == 0 ? NULL : json_stringn(bytes + i, size);
            if (one != NULL) {
                json_decref(one);
                break;
            }
            size++;
        }
        if (size < 5 && i + size <= length) {
            rv_buf_add(&clean, bytes + i, size);
            i += size - 1;
        } else {
            rv_buf_str(&clean, "\xef\xbf\xbd");
        }
    }
    text = json_stringn(clean.data, clean.length);
    rv_buf_fini(&clean);
    return text != NULL ? text : json_string("");
}

static json_t *usage_of(const struct kernel_usage *usage)
{
    return json_pack("{s:I,s:I,s:I,s:I}", "prompt", (json_int_t)usage->prompt_tokens, "cached",
                     (json_int_t)usage->cached_tokens, "answer", (json_int_t)usage->answer_tokens,
                     "thinking", (json_int_t)usage->thinking_tokens);
}

/* [[[text, logprob, bytes], ...], ...]: of each token, itself and then the alternatives. */
static json_t *logprobs_of(const struct child *child, const struct kernel_event *event)
{
    json_t *list = json_array();
    json_t *one = NULL; /* the token that they are of */
    uint32_t others = 0;
    for (uint32_t i = 0; i < event->logprob_count; i++) {
        if (others == 0) {
            json_array_append_new(list, one = json_array());
            others = event->logprobs[i].others + 1;
        }
        others--;
        struct kernel_text text = kernel_token_text(child->model, event->logprobs[i].token);
        json_t *bytes = json_array();
        for (size_t b = 0; b < text.length; b++) {
            json_array_append_new(bytes, json_integer((unsigned char)text.bytes[b]));
        }
        json_array_append_new(one, json_pack("[o,f,o]", text_of(text.bytes, text.length),
                                             (double)event->logprobs[i].logprob, bytes));
    }
    return list;
}

static void on_piece(struct asked *asked, const struct kernel_event *event)
{
    if (!asked->stream) {
        if (!event->thinking) {
            rv_buf_add(&asked->text, event->text.bytes, event->text.length);
        }
        return;
    }
    json_t *frame = json_pack("{s:s,s:I,s:o}", "e", "piece", "id", asked->id, "text",
                              text_of(event->text.bytes, event->text.length));
    if (event->thinking) {
        json_object_set_new(frame, "thinking", json_true());
    }
    if (event->logprob_count > 0) {
        json_object_set_new(frame, "logprobs", logprobs_of(asked->child, event));
    }
    say(asked->child, frame);
}

static json_t *done_frame(const struct asked *asked, const struct kernel_event *event)
{
    const struct child *child = asked->child;
    json_t *model = json_copy(child->model_facts);
    json_object_set_new(model, "sampler", json_string(asked->sampler));
    if (asked->adapter != NULL) {
        json_object_set(model, "adapter", asked->adapter);
    }
    json_t *frame = json_pack("{s:s,s:I,s:s,s:o,s:o}", "e", "done", "id", asked->id, "finish",
                              event->finish == KERNEL_LENGTH ? "length" : "stop", "usage",
                              usage_of(&event->usage), "model", model);
    if (!asked->stream && event->vector == NULL) {
        json_object_set_new(
            frame, "text",
            text_of(asked->text.data != NULL ? asked->text.data : "", asked->text.length));
    }
    if (event->probability != NULL) {
        json_t *list = json_array();
        for (uint32_t i = 0; i < asked->options; i++) {
            json_array_append_new(list, json_real(event->probability[i]));
        }
        json_object_set_new(frame, "choice", json_integer(event->choice));
        json_object_set_new(frame, "probability", list);
    }
    if (event->vector != NULL) {
        json_t *list = json_array();
        for (uint32_t i = 0; i < child->facts.width; i++) {
            json_array_append_new(list, json_real((double)event->vector[i]));
        }
        json_object_set_new(frame, "vector", list);
    }
    return frame;
}

static void say_failed(struct child *child, json_int_t id, enum kernel_status status,
                       const struct kernel_error *error, const struct kernel_usage *usage)
{
    json_t *message = text_of(error->message, strlen(error->message));
    json_t *frame = json_pack("{s:s,s:I,s:s,s:o,s:I}", "e", "failed", "id", id, "status",
                              kernel_status_name(status), "message", message, "retry_ms",
                              (json_int_t)error->retry_ms);
    if (error->needs > 0) {
        json_object_set_new(frame, "needs", json_integer(error->needs));
    }
    if (usage != NULL) {
        json_object_set_new(frame, "usage", usage_of(usage));
        json_object_set(frame, "model", child->model_facts);
    }
    say(child, frame);
}

/* The parent ends us then, and begins another. */
static void say_lost(struct child *child, const char *why)
{
    say(child, json_pack("{s:s,s:o}", "e", "lost", "message", text_of(why, strlen(why))));
}

static void on_lost(void *data)
{
    struct child *child = data;
    char why[PATH_MAX + 128];
    if (!rv_mapped_changed(&child->file, why, sizeof why)) {
        snprintf(why, sizeof why,
                 "a mapped file ended where it had not when it was opened: not %s, but one of its "
                 "adapters",
                 child->file.path);
    }
    say_lost(child, why);
}

static void asked_free(struct asked *asked)
{
    rv_buf_fini(&asked->text);
    json_decref(asked->adapter);
    rv_free(asked->sampler);
    rv_free(asked);
}

/* Whoever comes second, the submitter or the last event, frees. */
static void asked_leave(struct asked *asked)
{
    struct child *child = asked->child;
    pthread_mutex_lock(&child->lock);
    bool last = asked->ended;
    asked->ended = true;
    for (struct asked **at = &child->asked; last && *at != NULL; at = &(*at)->next) {
        if (*at == asked) {
            *at = asked->next;
            break;
        }
    }
    pthread_mutex_unlock(&child->lock);
    if (last) {
        asked_free(asked);
    }
}

static void on_event(void *data, const struct kernel_event *event) /* the engine's thread */
{
    struct asked *asked = data;
    if (event->kind == KERNEL_PIECE) {
        on_piece(asked, event);
        return;
    }
    if (event->kind == KERNEL_DONE) {
        say(asked->child, done_frame(asked, event));
    } else {
        say_failed(asked->child, asked->id, event->error->status, event->error, &event->usage);
    }
    asked_leave(asked);
}

/* ---- frames become calls ---- */

static enum kernel_status take_adapter(struct asked *asked, const json_t *adapter,
                                       struct kernel_request *request,
                                       char key[RV_ADAPTER_KEY_MAX + 1], struct kernel_error *error)
{
    if (adapter == NULL) {
        return KERNEL_OK;
    }
    asked->adapter = json_pack("{s:O,s:O}", "name", json_object_get(adapter, "name"), "hash",
                               json_object_get(adapter, "sha256"));
    request->adapter = key;
    return rv_adapters_take(&asked->child->adapters, asked->child->engine, request->tenant, adapter,
                            key, error);
}

static void do_ask(struct child *child, const json_t *frame)
{
    char why[PATH_MAX + 128];
    if (rv_mapped_changed(&child->file, why, sizeof why)) {
        say_lost(child, why);
        return;
    }
    struct asked *asked = rv_alloc(sizeof *asked);
    struct kernel_error error = {.status = KERNEL_OK};
    asked->child = child;
    asked->id = rv_json_int(frame, "id", 0);
    asked->stream = rv_json_bool(frame, "stream", false);
    rv_buf_init(&asked->text, TEXT_MAX);
    struct rv_kernel_request built;
    enum kernel_status status = rv_kernel_request_read(&built, frame, &child->facts, &error);
    char key[RV_ADAPTER_KEY_MAX + 1] = "";
    if (status == KERNEL_OK) {
        status =
            take_adapter(asked, json_object_get(frame, "adapter"), &built.request, key, &error);
    }
    asked->options = built.request.option_count;
    asked->sampler = rv_strdup(built.sampler);
    pthread_mutex_lock(&child->lock);
    asked->next = child->asked;
    child->asked = asked;
    pthread_mutex_unlock(&child->lock);
    uint64_t id = 0;
    if (status == KERNEL_OK) {
        status = kernel_submit(child->engine, &built.request, on_event, asked, &id, &error);
    }
    rv_kernel_request_free(&built);
    if (status != KERNEL_OK) {
        say_failed(child, asked->id, status, &error, NULL);
        asked_leave(asked); /* for the events that do not come */
    }
    pthread_mutex_lock(&child->lock);
    asked->kernel_id = id;
    pthread_mutex_unlock(&child->lock);
    asked_leave(asked);
}

static void do_cancel(struct child *child, json_int_t id)
{
    uint64_t kernel_id = 0;
    pthread_mutex_lock(&child->lock);
    for (const struct asked *at = child->asked; at != NULL; at = at->next) {
        kernel_id = at->id == id ? at->kernel_id : kernel_id;
    }
    pthread_mutex_unlock(&child->lock);
    if (kernel_id != 0) {
        kernel_cancel(child->engine, kernel_id);
    }
}

static void do_stats(struct child *child)
{
    struct kernel_stats stats;
    kernel_stats(child->engine, &stats);
    json_t *frame = json_pack("{s:s,s:s}", "e", "stats", "device", stats.device);
    const struct {
        const char *name;
        uint64_t value;
    } figures[] = {{"requests", stats.requests},
                   {"failures", stats.failures},
                   {"canceled", stats.canceled},
                   {"refused", stats.refused},
                   {"prompt_tokens", stats.prompt_tokens},
                   {"answer_tokens", stats.answer_tokens},
                   {"cached_tokens", stats.cached_tokens},
                   {"steps", stats.steps},
                   {"preemptions", stats.preemptions},
                   {"recomputed_tokens", stats.recomputed_tokens},
                   {"forced_tokens", stats.forced_tokens},
                   {"busy_us", stats.busy_us},
                   {"mask_us", stats.mask_us},
                   {"masks", stats.masks},
                   {"running", stats.running},
                   {"waiting", stats.waiting},
                   {"blocks", stats.blocks},
                   {"blocks_used", stats.blocks_used},
                   {"blocks_cached", stats.blocks_cached},
                   {"memory_bytes", stats.memory_bytes}};
    for (size_t i = 0; i < RV_COUNT(figures); i++) {
        json_object_set_new(frame, figures[i].name, json_integer((json_int_t)figures[i].value));
    }
    say(child, frame);
}

/* ---- the beginning ---- */

/* The registry's file, or none: who answers is what the journal says. */
static enum kernel_status check_hash(const struct child *child, const char *wanted,
                                     struct kernel_error *error)
{
    struct rv_hash hash;
    char hex[RV_HASH_HEX];
    memcpy(&hash, child->facts.hash, sizeof hash);
    rv_hash_hex(&hash, hex);
    if (wanted[0] == '\0' || strcmp(wanted, hex) == 0) {
        return KERNEL_OK;
    }
    error->status = KERNEL_INVALID;
    snprintf(error->message, sizeof error->message,
             "the file has changed since it was loaded: its SHA-256 begins %.12s, the registry has "
             "%.12s; put it back, or reeve model load it as a new version",
             hex, wanted);
    return KERNEL_INVALID;
}

static enum kernel_status open_model(struct child *child, const json_t *frame,
                                     struct kernel_error *error)
{
    static const char *const backends[] = {"auto", "ref", "cpu", "cuda"};
    struct kernel_engine_options options = {
        .threads = (uint32_t)rv_json_int(frame, "threads", 0),
        .context_max = (uint32_t)rv_json_int(frame, "context", 0),
        .cache_bytes = (uint64_t)rv_json_int(frame, "cache_bytes", 0)};
    for (size_t i = 0; i < RV_COUNT(backends); i++) {
        if (strcmp(backends[i], rv_json_str(frame, "backend", "auto")) == 0) {
            options.backend = (enum kernel_backend)i;
        }
    }
    rv_mapped_note(&child->file, rv_json_str(frame, "path", ""));
    enum kernel_status status = kernel_model_open(child->file.path, &child->model, error);
    if (status != KERNEL_OK) {
        return status;
    }
    const char *template = rv_json_str(frame, "template", "");
    if (template[0] != '\0') {
        status = kernel_model_use_chat(child->model, template, error);
    }
    if (status != KERNEL_OK) {
        return status;
    }
    kernel_model_facts(child->model, &child->facts);
    status = check_hash(child, rv_json_str(frame, "sha256", ""), error);
    if (status != KERNEL_OK) {
        return status;
    }
    snprintf(child->label, sizeof child->label, "%s", rv_json_str(frame, "label", ""));
    return kernel_engine_create(child->model, &options, &child->engine, error);
}

/* How long the largest piece of work of this model takes where it is slowest: 1 GFLOP/s is less
 * than the plainest code makes of one core that it has to itself. */
static json_int_t piece_ms(const struct child *child)
{
    struct kernel_progress progress;
    kernel_progress(child->engine, &progress);
    return (json_int_t)(progress.piece_flops / SLOWEST_FLOPS_PER_MS);
}

static void say_ready(struct child *child)
{
    struct kernel_stats stats;
    kernel_stats(child->engine, &stats);
    child->watched = child->engine;
    json_t *facts = rv_kernel_facts(&child->facts);
    child->model_facts = json_pack("{s:O,s:O,s:s}", "name", json_object_get(facts, "name"), "hash",
                                   json_object_get(facts, "hash"), "template",
                                   child->facts.chat[0] != '\0' ? child->facts.chat : "plain");
    if (child->label[0] != '\0') {
        json_object_set_new(child->model_facts, "name", json_string(child->label));
    }
    json_object_set_new(facts, "device", json_string(stats.device));
    json_object_set_new(facts, "room", json_integer(stats.context));
    json_object_set_new(facts, "piece_ms", json_integer(piece_ms(child)));
    json_object_set_new(facts, "e", json_string("ready"));
    say(child, facts);
}

static void take(struct child *child, const json_t *frame)
{
    const char *op = rv_json_str(frame, "op", "");
    struct kernel_error error = {.status = KERNEL_OK};
    if (strcmp(op, "open") == 0 && child->engine == NULL) {
        if (open_model(child, frame, &error) != KERNEL_OK) {
            say(child, json_pack("{s:s,s:s,s:o}", "e", "refused", "status",
                                 kernel_status_name(error.status), "message",
                                 text_of(error.message, strlen(error.message))));
            return; /* the parent closes */
        }
        say_ready(child);
    } else if (child->engine == NULL) {
        _exit(2);
    } else if (strcmp(op, "ask") == 0) {
        do_ask(child, frame);
    } else if (strcmp(op, "cancel") == 0) {
        do_cancel(child, rv_json_int(frame, "id", 0));
    } else if (strcmp(op, "stats") == 0) {
        do_stats(child);
    }
}

/* The whole frames of what came; false: what follows cannot be read. */
static bool take_frames(struct child *child, struct rv_buf *in)
{
    struct rv_error err = {.code = RV_OK};
    json_t *frame = NULL;
    int64_t id = 0;
    enum rv_code code;
    while ((code = rv_frame_take(in, &frame, &id, &err)) == RV_INVALID || frame != NULL) {
        if (frame != NULL) {
            take(child, frame);
            json_decref(frame);
            continue;
        }
        fprintf(stderr, "reeve model engine: %s\n", err.message);
        struct kernel_error why = {.status = KERNEL_INVALID};
        snprintf(why.message, sizeof why.message, "the question cannot be read: %s", err.message);
        if (id != 0) { /* else nobody knows whose it was, and its deadline ends it */
            say_failed(child, id, KERNEL_INVALID, &why, NULL);
        }
        rv_error_clear(&err);
    }
    if (code != RV_OK) {
        fprintf(stderr, "reeve model engine: %s\n", err.message);
    }
    return code == RV_OK;
}

static void read_all(struct child *child)
{
    struct rv_buf in;
    char *bytes = rv_alloc(READ_BYTES);
    rv_buf_init(&in, RV_FRAME_MAX + READ_BYTES + 4);
    for (;;) {
        ssize_t got = read(child->fd, bytes, READ_BYTES);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            break;
        }
        rv_buf_add(&in, bytes, (size_t)got);
        if (!take_frames(child, &in)) {
            break;
        }
    }
    rv_buf_fini(&in);
    rv_free(bytes);
}

int rv_engine_child(int fd)
{
    struct child child = {.fd = fd};
    pthread_t writer;
    pthread_t pulse;
    pthread_condattr_t monotonic;
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* and the connection's end, where that came too late */
    prctl(PR_SET_NAME, "reeve engine");
    signal(SIGPIPE, SIG_IGN);
    if (fcntl(fd, F_GETFD) < 0) {
        fprintf(stderr, "reeve model engine: begun by reeve itself, not by hand\n");
        return 2;
    }
    rv_buf_init(&child.queue, QUEUE_MAX);
    RV_ASSERT(pthread_mutex_init(&child.lock, NULL) == 0);
    RV_ASSERT(pthread_cond_init(&child.more, NULL) == 0);
    RV_ASSERT(pthread_condattr_init(&monotonic) == 0 &&
              pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0 &&
              pthread_cond_init(&child.over, &monotonic) == 0);
    RV_ASSERT(pthread_create(&writer, NULL, write_all, &child) == 0);
    RV_ASSERT(pthread_create(&pulse, NULL, say_alive, &child) == 0);
    rv_mapped_guard(on_lost, &child);
    read_all(&child);
    pthread_mutex_lock(&child.lock);
    child.leaving = true; /* questions that are open are asked again elsewhere: no word of them */
    pthread_cond_signal(&child.over);
    pthread_mutex_unlock(&child.lock);
    pthread_join(pulse, NULL);
    kernel_engine_destroy(child.engine);
    kernel_model_close(child.model);
    pthread_mutex_lock(&child.lock);
    child.closing = true;
    pthread_cond_signal(&child.more);
    pthread_mutex_unlock(&child.lock);
    pthread_join(writer, NULL);
    rv_buf_fini(&child.queue);
    json_decref(child.model_facts);
    return child.engine != NULL ? 0 : 1;
}
