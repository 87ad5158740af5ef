/* line.c -- see line.h: the port, and who dials it. */
#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/cluster/line_private.h"

#include <stdio.h>
#include <string.h>

enum {
    ACCEPT_AGAIN_MS = 100, /* no more file descriptors, say */
    FIRST_BODY_BYTES = 4096
};

/* Somebody who dialled us: it is greeted, then messages are read, one after the other. */
struct line_hearer {
    struct rv_line *line;
    struct line_hearer *prev, *next;
    nng_stream *stream;
    nng_aio *aio;
    size_t greeted;
    unsigned char head[LINE_HEAD_BYTES];
    unsigned char *body; /* grows as it comes: a length that a stranger says costs nothing */
    size_t room;
    size_t length;      /* of the body; 0: the head is read */
    size_t have;        /* bytes of the one that is read */
    int64_t ends_at_us; /* when what has begun must be there */
    bool closing;
};

/* ---- for all three files ---- */

enum rv_code line_fail(struct rv_error *err, int number, const char *what, const char *url)
{
    enum rv_code code = number == NNG_EADDRINUSE   ? RV_CONFLICT
                        : number == NNG_EADDRINVAL ? RV_INVALID
                        : number == NNG_ENOENT     ? RV_NOT_FOUND
                        : number == NNG_ECRYPTO    ? RV_INVALID
                        : number == NNG_EPERM      ? RV_DENIED
                                                   : RV_IO;
    rv_fail(err, code, "%s %s: %s", what, url, nng_strerror(number));
    if (number == NNG_EADDRINUSE) {
        rv_hint(err, "Another program has this port: choose another one with cluster.listen.");
    } else if (number == NNG_EADDRINVAL) {
        rv_hint(err, "cluster.listen must be an address of this machine.");
    }
    return code;
}

void line_url(char out[LINE_URL_MAX], bool tls, const char *host, int port)
{
    bool brackets = strchr(host, ':') != NULL;
    snprintf(out, LINE_URL_MAX, "%s://%s%s%s:%d", tls ? "tls+tcp" : "tcp", brackets ? "[" : "",
             host, brackets ? "]" : "", port);
}

/* ---- one who dialled us ---- */

static void unlink_hearer(struct line_hearer *hearer)
{
    struct rv_line *line = hearer->line;
    *(hearer->prev != NULL ? &hearer->prev->next : &line->first) = hearer->next;
    *(hearer->next != NULL ? &hearer->next->prev : &line->last) = hearer->prev;
    line->hearers--;
}

static void append_hearer(struct line_hearer *hearer)
{
    struct rv_line *line = hearer->line;
    hearer->prev = line->last;
    hearer->next = NULL;
    *(line->last != NULL ? &line->last->next : &line->first) = hearer;
    line->last = hearer;
    line->hearers++;
}

static void hearer_free(void *data)
{
    struct line_hearer *hearer = data;
    nng_aio_free(hearer->aio);
    nng_stream_free(hearer->stream);
    rv_free(hearer->body);
    rv_free(hearer);
}

static void hearer_close(struct line_hearer *hearer)
{
    hearer->closing = true;
    unlink_hearer(hearer);
    nng_stream_close(hearer->stream);
    nng_aio_stop(hearer->aio);
    rv_loop_post(hearer->line->options.loop, hearer_free, hearer);
}

static int64_t mono_us(const struct rv_line *line)
{
    return rv_mono_us(rv_loop_clock(line->options.loop));
}

static bool is_silent(const struct line_hearer *hearer)
{
    return hearer->greeted == LINE_GREETING_BYTES && hearer->length == 0 && hearer->have == 0;
}

/* What has begun must come to its end; who has nothing to say may be silent for as long as it
 * likes, and makes room when others come. */
static nng_duration patience_ms(const struct line_hearer *hearer)
{
    if (is_silent(hearer)) {
        return NNG_DURATION_INFINITE;
    }
    int64_t left_us = hearer->ends_at_us - mono_us(hearer->line);
    return left_us < 1000 ? 1 : (nng_duration)(left_us / 1000);
}

static void hear(struct line_hearer *hearer)
{
    nng_iov iov;
    bool greets = hearer->greeted < LINE_GREETING_BYTES;
    if (greets) {
        iov = (nng_iov){.iov_buf = (char *)(uintptr_t)RV_LINE_GREETING + hearer->greeted,
                        .iov_len = LINE_GREETING_BYTES - hearer->greeted};
    } else if (hearer->length == 0) {
        iov = (nng_iov){.iov_buf = hearer->head + hearer->have,
                        .iov_len = LINE_HEAD_BYTES - hearer->have};
    } else {
        if (hearer->have == hearer->room) {
            size_t room = hearer->room == 0 ? FIRST_BODY_BYTES : 2 * hearer->room;
            hearer->room = room < hearer->length ? room : hearer->length;
            hearer->body = rv_realloc(hearer->body, hearer->room);
        }
        size_t end = hearer->room < hearer->length ? hearer->room : hearer->length;
        iov = (nng_iov){.iov_buf = hearer->body + hearer->have, .iov_len = end - hearer->have};
    }
    RV_ASSERT(nng_aio_set_iov(hearer->aio, 1, &iov) == 0);
    nng_aio_set_timeout(hearer->aio, patience_ms(hearer));
    (greets ? nng_stream_send : nng_stream_recv)(hearer->stream, hearer->aio);
}

/* False: no length of ours. */
static bool take_head(struct line_hearer *hearer)
{
    size_t length = 0;
    for (int i = 0; i < LINE_HEAD_BYTES; i++) {
        length = length << 8 | hearer->head[i];
    }
    hearer->length = length;
    hearer->have = 0;
    return length > 0 && length <= hearer->line->options.message_max;
}

static void take_body(struct line_hearer *hearer)
{
    struct rv_line *line = hearer->line;
    size_t length = hearer->length;
    hearer->length = 0;
    hearer->have = 0;
    unlink_hearer(hearer);
    append_hearer(hearer);
    line->options.received(line->options.data, hearer->body, length);
    if (hearer->room > FIRST_BODY_BYTES) { /* who is silent again holds little */
        rv_free(hearer->body);
        hearer->body = NULL;
        hearer->room = 0;
    }
}

static void heard(void *data)
{
    struct line_hearer *hearer = data;
    if (hearer->closing) {
        return; /* freed by the post behind this one */
    }
    size_t count = nng_aio_count(hearer->aio);
    if (nng_aio_result(hearer->aio) != 0 || count == 0) {
        hearer_close(hearer);
        return;
    }
    if (hearer->greeted < LINE_GREETING_BYTES) {
        hearer->greeted += count;
        hear(hearer);
        return;
    }
    if (is_silent(hearer)) {
        hearer->ends_at_us = mono_us(hearer->line) + RV_LINE_MESSAGE_MS * INT64_C(1000);
    }
    hearer->have += count;
    if (hearer->length == 0 && hearer->have == LINE_HEAD_BYTES && !take_head(hearer)) {
        hearer_close(hearer);
        return;
    }
    if (hearer->length != 0 && hearer->have == hearer->length) {
        take_body(hearer);
    }
    if (!hearer->closing) { /* by what it said */
        hear(hearer);
    }
}

static void on_heard(void *data) /* on a thread of nng */
{
    struct line_hearer *hearer = data;
    rv_loop_post(hearer->line->options.loop, heard, hearer);
}

/* ---- the port ---- */

static void let_in(struct rv_line *line, nng_stream *stream)
{
    if (line->hearers == RV_LINE_HEARERS_MAX) {
        hearer_close(line->first); /* a node that has something to say dials again */
    }
    struct line_hearer *hearer = rv_alloc(sizeof *hearer);
    *hearer =
        (struct line_hearer){.line = line,
                             .stream = stream,
                             .ends_at_us = mono_us(line) + RV_LINE_MESSAGE_MS * INT64_C(1000)};
    RV_ASSERT(nng_aio_alloc(&hearer->aio, on_heard, hearer) == 0);
    append_hearer(hearer);
    hear(hearer);
}

static void accept_next(void *data)
{
    struct rv_line *line = data;
    nng_stream_listener_accept(line->listener, line->accept);
}

static void accepted(void *data)
{
    struct rv_line *line = data;
    int number = nng_aio_result(line->accept);
    nng_stream *stream = number == 0 ? nng_aio_get_output(line->accept, 0) : NULL;
    if (line->closing) {
        if (stream != NULL) {
            nng_stream_free(stream);
        }
        return;
    }
    if (stream == NULL) {
        rv_timer_start(line->again, ACCEPT_AGAIN_MS);
        return;
    }
    let_in(line, stream);
    accept_next(line);
}

static void on_accepted(void *data) /* on a thread of nng */
{
    struct rv_line *line = data;
    rv_loop_post(line->options.loop, accepted, line);
}

static enum rv_code listen_at(struct rv_line *line, const char *url, struct rv_error *err)
{
    nng_tls_config *config = NULL;
    if (line_tls_is_on(&line->tls) && line_tls_config(&line->tls, NULL, &config, err) != RV_OK) {
        return err->code;
    }
    int number = nng_stream_listener_alloc(&line->listener, url);
    if (number == 0 && config != NULL) {
        number = nng_stream_listener_set_ptr(line->listener, NNG_OPT_TLS_CONFIG, config);
    }
    if (config != NULL) {
        nng_tls_config_free(config); /* the listener holds it */
    }
    if (number == 0) {
        number = nng_stream_listener_set_bool(line->listener, NNG_OPT_TCP_KEEPALIVE, true);
    }
    if (number == 0) {
        number = nng_stream_listener_listen(line->listener);
    }
    if (number == 0) {
        number = nng_stream_listener_get_int(line->listener, NNG_OPT_TCP_BOUND_PORT, &line->port);
    }
    return number == 0 ? RV_OK : line_fail(err, number, "listen at", url);
}

static void line_free(void *data)
{
    struct rv_line *line = data;
    nng_aio_free(line->accept);
    if (line->listener != NULL) {
        nng_stream_listener_free(line->listener);
    }
    line_tls_fini(&line->tls);
    rv_free(line);
}

enum rv_code rv_line_open(const struct rv_line_options *options, struct rv_line **out,
                          struct rv_error *err)
{
    struct rv_line *line = rv_alloc(sizeof *line);
    *line = (struct rv_line){.options = *options};
    char url[LINE_URL_MAX];
    line_url(url, options->tls.cert_file != NULL, options->host, options->port);
    RV_ASSERT(nng_aio_alloc(&line->accept, on_accepted, line) == 0);
    enum rv_code code = line_tls_read(&line->tls, &options->tls, err);
    if (code == RV_OK) {
        code = listen_at(line, url, err);
    }
    if (code != RV_OK) {
        line_free(line);
        return code;
    }
    line->again = rv_timer_create(options->loop, accept_next, line);
    accept_next(line);
    *out = line;
    return RV_OK;
}

int rv_line_port(const struct rv_line *line)
{
    return line->port;
}

void rv_line_close(struct rv_line *line)
{
    line->closing = true;
    nng_stream_listener_close(line->listener);
    nng_aio_stop(line->accept);
    rv_timer_close(line->again);
    while (line->first != NULL) {
        hearer_close(line->first);
    }
    rv_loop_post(line->options.loop, line_free, line); /* behind who was let in meanwhile */
}
