/* trace_sender.c -- see trace_sender.h. */
#include "runtime/observe/trace_sender.h"

#include "observe_sql.h"
#include "runtime/base/check.h"
#include "runtime/base/json.h"
#include "runtime/base/log.h"
#include "runtime/base/random.h"
#include "runtime/hooks/post.h"
#include "runtime/observe/run_spans.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    ENDPOINT_TEXT = 2048,
    ANSWER_MAX = 4096, /* {"partialSuccess":...}: two members */
    LOOK_RETRY_MS = 1000,
    JITTER_PERCENT = 20
};

struct ended {
    int32_t tenant;
    int64_t run;
};

struct rv_trace_sender {
    struct rv_trace_sender_options options;
    char endpoint[ENDPOINT_TEXT];
    char header[RV_TRACE_HEADER_TEXT]; /* "" none */
    char *version, *node;
    struct rv_poster *poster;
    struct rv_timer *timer;
    struct rv_random random;
    struct ended queue[RV_TRACE_QUEUE]; /* a ring: `count` from `first` on */
    size_t first, count;
    size_t taken; /* of its beginning: being read, or on their way */
    char *body;   /* the request on its way or waiting for its next try; NULL none */
    int spans;    /* in it */
    int tries;
    bool asking, posting, closing, poster_closed;
    void (*closed)(void *data);
    void *closed_data;
    struct rv_trace_sender_stats stats;
};

/* ---- the queue ---- */

static const struct ended *at(const struct rv_trace_sender *sender, size_t i)
{
    return &sender->queue[(sender->first + i) % RV_TRACE_QUEUE];
}

static void arm(struct rv_trace_sender *sender, int64_t delay_ms)
{
    if (!sender->closing) {
        rv_timer_start(sender->timer, delay_ms);
    }
}

void rv_trace_sender_add(struct rv_trace_sender *sender, int32_t tenant, int64_t run)
{
    if (sender->closing) {
        return;
    }
    if (sender->count == RV_TRACE_QUEUE) {
        sender->stats.dropped++;
        return;
    }
    sender->queue[(sender->first + sender->count) % RV_TRACE_QUEUE] = (struct ended){tenant, run};
    sender->count++;
    if (sender->count == 1) {
        arm(sender, RV_TRACE_DELAY_MS);
    }
}

void rv_trace_sender_stats(const struct rv_trace_sender *sender, struct rv_trace_sender_stats *out)
{
    *out = sender->stats;
    out->queued = (int64_t)sender->count;
}

/* The batch is over, whatever became of it. */
static void end_batch(struct rv_trace_sender *sender)
{
    sender->first = (sender->first + sender->taken) % RV_TRACE_QUEUE;
    sender->count -= sender->taken;
    sender->taken = 0;
    sender->tries = 0;
    rv_free(sender->body);
    sender->body = NULL;
    if (sender->count > 0) { /* others wait already: at once where there are many */
        arm(sender, sender->count >= RV_TRACE_BATCH_RUNS ? 0 : RV_TRACE_DELAY_MS);
    }
}

static void drop_batch(struct rv_trace_sender *sender, const char *why)
{
    sender->stats.dropped += (int64_t)sender->taken;
    rv_log(RV_LOG_WARN, "traces", "TRACES-DROPPED",
           "runs=%zu reason=\"%.120s\"; export them with \"reeve run trace\"", sender->taken, why);
    end_batch(sender);
}

/* ---- the end ---- */

static void release(struct rv_trace_sender *sender)
{
    if (!sender->closing || !sender->poster_closed || sender->asking) {
        return;
    }
    void (*closed)(void *data) = sender->closed;
    void *data = sender->closed_data;
    explicit_bzero(sender->header, sizeof sender->header);
    rv_free(sender->body);
    rv_free(sender->version);
    rv_free(sender->node);
    rv_free(sender);
    if (closed != NULL) {
        closed(data);
    }
}

static void on_poster_closed(void *data)
{
    struct rv_trace_sender *sender = data;
    sender->poster_closed = true;
    release(sender);
}

void rv_trace_sender_close(struct rv_trace_sender *sender, void (*closed)(void *data), void *data)
{
    if (sender == NULL) {
        if (closed != NULL) {
            closed(data);
        }
        return;
    }
    if (sender->count > 0) {
        rv_log(RV_LOG_WARN, "traces", "TRACES-LEFT",
               "runs=%zu not sent; export them with \"reeve run trace\"", sender->count);
    }
    sender->closing = true;
    sender->closed = closed;
    sender->closed_data = data;
    rv_timer_close(sender->timer);
    rv_poster_close(sender->poster, on_poster_closed, sender);
}

/* ---- sending ---- */

static bool may_come_later(int status)
{
    return status == 0 || status == 429 || status == 502 || status == 503 || status == 504;
}

static int64_t wait_ms(struct rv_trace_sender *sender, const struct rv_post_result *result)
{
    int64_t wait = sender->options.retry_ms << (sender->tries - 1);
    wait += wait * (int64_t)rv_random_below(&sender->random, JITTER_PERCENT) / 100;
    int64_t asked =
        result->retry_after_s < RV_TRACE_RETRY_MAX_S ? result->retry_after_s : RV_TRACE_RETRY_MAX_S;
    return asked * 1000 > wait ? asked * 1000 : wait;
}

/* What the collector says beside 200: {"partialSuccess": {"rejectedSpans": "3", ...}}. */
static int64_t rejected(const struct rv_post_result *result)
{
    int64_t count = 0;
    json_t *answer = json_loadb(result->body != NULL ? result->body : "", result->length, 0, NULL);
    const json_t *spans =
        json_object_get(json_object_get(answer, "partialSuccess"), "rejectedSpans");
    if (json_is_string(spans)) { /* int64 is a text in JSON, and some write a number */
        if (sscanf(json_string_value(spans), "%" SCNd64, &count) != 1) {
            count = 0;
        }
    } else {
        count = json_integer_value(spans);
    }
    json_decref(answer);
    return count > 0 ? count : 0;
}

static void on_posted(void *data, const struct rv_post_result *result)
{
    struct rv_trace_sender *sender = data;
    char why[200];
    sender->posting = false;
    if (result->status >= 200 && result->status < 300) {
        sender->stats.runs += (int64_t)sender->taken;
        sender->stats.spans += sender->spans;
        sender->stats.rejected += rejected(result);
        end_batch(sender);
        return;
    }
    snprintf(why, sizeof why, "%s (status %d)", result->error, result->status);
    if (!may_come_later(result->status) || sender->tries == RV_TRACE_TRIES) {
        drop_batch(sender, why);
        return;
    }
    int64_t wait = wait_ms(sender, result);
    sender->stats.retries++;
    rv_log(RV_LOG_WARN, "traces", "TRACES-RETRY", "try=%d wait_ms=%" PRId64 " reason=\"%.120s\"",
           sender->tries, wait, why);
    arm(sender, wait);
}

static void post(struct rv_trace_sender *sender)
{
    struct rv_post request = {
        .url = sender->endpoint,
        .headers = {"Content-Type: application/json",
                    "Expect:", sender->header[0] != '\0' ? sender->header : NULL},
        .body = sender->body,
        .length = strlen(sender->body),
        .allow_private = true, /* who runs reeve named it, and mostly it stands beside it */
        .timeout_ms = sender->options.timeout_ms,
        .answer_max = ANSWER_MAX};
    sender->tries++;
    sender->posting = true;
    rv_poster_send(sender->poster, &request, on_posted, sender);
}

/* ---- reading ---- */

/* Is the run among the first `count`?  One that was looked at again after its end is there twice.
 */
static bool in_batch(const struct rv_trace_sender *sender, size_t count, int64_t run)
{
    for (size_t i = 0; i < count; i++) {
        if (at(sender, i)->run == run) {
            return true;
        }
    }
    return false;
}

/* The spans of as many runs of the queue as fit into one request. */
static json_t *spans_of(struct rv_trace_sender *sender, const struct rv_result *result)
{
    json_t *all = json_array();
    size_t bytes = 0;
    size_t fit = 0;
    for (; fit < sender->taken; fit++) {
        for (int row = 0; row < rv_result_rows(result); row++) {
            if (rv_result_i64(result, row, 0) != at(sender, fit)->run ||
                in_batch(sender, fit, at(sender, fit)->run)) {
                continue;
            }
            json_t *run = rv_result_json(result, row, 1);
            json_t *spans = rv_run_spans(run, rv_now_us(rv_loop_clock(sender->options.loop)));
            char *text = rv_json_text(spans);
            size_t length = strlen(text);
            bool fits = bytes == 0 || bytes + length <= RV_TRACE_BATCH_BYTES;
            rv_free(text);
            bytes += length;
            if (fits) {
                json_array_extend(all, spans);
            }
            json_decref(spans);
            json_decref(run);
            if (!fits) {
                sender->taken = fit; /* the others have their turn in the next request */
                return all;
            }
        }
    }
    return all;
}

static void on_read(void *data, enum rv_code code, const struct rv_result *result,
                    const struct rv_error *err)
{
    struct rv_trace_sender *sender = data;
    sender->asking = false;
    if (sender->closing) {
        release(sender);
        return;
    }
    if (code != RV_OK) { /* the database is away: so is everything */
        rv_log_error("traces", "TRACES-READ", err);
        sender->taken = 0;
        arm(sender, LOOK_RETRY_MS);
        return;
    }
    json_t *spans = spans_of(sender, result);
    sender->spans = (int)json_array_size(spans);
    json_t *request = rv_spans_request(spans, sender->version, sender->node);
    sender->body = rv_json_text(request);
    json_decref(request);
    if (sender->spans == 0) { /* the company is gone */
        end_batch(sender);
        return;
    }
    post(sender);
}

/* The oldest runs of the queue that are of one company. */
static void begin_batch(struct rv_trace_sender *sender)
{
    int32_t tenant = at(sender, 0)->tenant;
    struct rv_args *args = rv_args_create(&rv_sql_trace_runs);
    size_t count = 0;
    for (; count < sender->count && count < RV_TRACE_BATCH_RUNS &&
           at(sender, count)->tenant == tenant;
         count++) {
        rv_args_i64(args, 2, at(sender, count)->run);
    }
    rv_args_i32(args, 3, RV_SPANS_ENTRIES_MAX);
    sender->taken = count;
    sender->asking = true;
    rv_db_query(sender->options.db, tenant, &rv_sql_trace_runs, args, on_read, sender);
}

static void on_timer(void *data)
{
    struct rv_trace_sender *sender = data;
    if (sender->body != NULL && !sender->posting) {
        post(sender);
    } else if (sender->body == NULL && !sender->asking && sender->count > 0) {
        begin_batch(sender);
    }
}

/* ---- what it was told ---- */

static enum rv_code set_endpoint(struct rv_trace_sender *sender, const char *text,
                                 struct rv_error *err)
{
    const char *host = strncmp(text, "http://", 7) == 0    ? text + 7
                       : strncmp(text, "https://", 8) == 0 ? text + 8
                                                           : "";
    const char *path = strchr(host, '/');
    if (host[0] == '\0' || host[0] == '/' || strpbrk(text, " \t\r\n@#") != NULL) {
        rv_fail(err, RV_INVALID, "telemetry.otlp_endpoint: \"%.200s\" is no address of a collector",
                text);
        rv_hint(err, "Write http://HOST:PORT or https://HOST:PORT; without a path, /v1/traces is "
                     "added.  A user or token goes to telemetry.otlp_header_file.");
        return RV_INVALID;
    }
    bool bare = path == NULL || path[1] == '\0';
    snprintf(sender->endpoint, sizeof sender->endpoint, "%.*s%s",
             (int)(path != NULL && bare ? path - text : (ptrdiff_t)strlen(text)), text,
             bare ? "/v1/traces" : "");
    return RV_OK;
}

static enum rv_code read_header(struct rv_trace_sender *sender, int fd, const char *path,
                                struct rv_error *err)
{
    struct stat info;
    char *header = sender->header;
    if (fstat(fd, &info) == 0 && (info.st_mode & 077) != 0) {
        rv_fail(err, RV_DENIED, "telemetry.otlp_header_file: \"%s\" is readable by others", path);
        rv_hint(err, "Run `chmod 600 %s`.", path);
        return RV_DENIED;
    }
    ssize_t length = read(fd, header, RV_TRACE_HEADER_TEXT - 1);
    header[length > 0 ? length : 0] = '\0';
    header[strcspn(header, "\r\n")] = '\0';
    const char *colon = strchr(header, ':');
    if (length == RV_TRACE_HEADER_TEXT - 1 || colon == NULL || colon == header ||
        strcspn(header, " \t") < (size_t)(colon - header)) {
        rv_fail(err, RV_INVALID, "telemetry.otlp_header_file: \"%s\" has no field of a request",
                path);
        rv_hint(err, "It holds one line of up to %d bytes, such as: Authorization: Bearer ...",
                RV_TRACE_HEADER_TEXT - 2);
        return RV_INVALID;
    }
    return RV_OK;
}

static enum rv_code set_header(struct rv_trace_sender *sender, const char *path,
                               struct rv_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return rv_fail_errno(err, errno, "open telemetry.otlp_header_file \"%s\"", path);
    }
    enum rv_code code = read_header(sender, fd, path, err);
    close(fd);
    return code;
}

enum rv_code rv_trace_sender_create(const struct rv_trace_sender_options *options,
                                    struct rv_trace_sender **out, struct rv_error *err)
{
    struct rv_trace_sender *sender = rv_alloc(sizeof *sender);
    enum rv_code code = set_endpoint(sender, options->endpoint, err);
    if (code == RV_OK && options->header_file != NULL && options->header_file[0] != '\0') {
        code = set_header(sender, options->header_file, err);
    }
    if (code != RV_OK) {
        explicit_bzero(sender->header, sizeof sender->header);
        rv_free(sender);
        return code;
    }
    sender->options = *options;
    sender->options.endpoint = NULL; /* borrowed only for this call */
    sender->options.header_file = NULL;
    sender->options.version = NULL;
    sender->options.node = NULL;
    sender->options.retry_ms = options->retry_ms > 0 ? options->retry_ms : 1000;
    sender->version = rv_strdup(options->version);
    sender->node = rv_strdup(options->node);
    rv_random_secret(&sender->random.state, sizeof sender->random.state);
    sender->poster = rv_poster_create(options->loop);
    sender->timer = rv_timer_create(options->loop, on_timer, sender);
    *out = sender;
    return RV_OK;
}
