/* line_peer.c -- see line.h: who is dialled, and what is said to it.
 *
 *        dial           greeting heard
 *   (none) ----> (dialled) ----------> (up): messages go out, one at a time
 *     ^  again, later  |                |
 *     +----------------+----------------+  an error, the other side's end, a message that is stuck
 *
 * A message that was begun when the line broke is said again from its first byte on the next one:
 * half a message is never taken for one.  It is lost when RV_LINE_SEND_MS have passed.
 */
#include "runtime/base/check.h"
#include "runtime/cluster/line_private.h"

#include <string.h>

enum { ANSWER_MS = 5000 }; /* who is dialled connects, and then greets, in that time */

struct rv_line_peer {
    struct rv_line *line;
    nng_stream_dialer *dialer;
    nng_stream *stream; /* NULL: none */
    nng_aio *dial;
    nng_aio *watch; /* reads the greeting, then waits for the end of the stream */
    nng_aio *send;
    bool dialling, watching, writing; /* which of them is under way */
    bool broken;                      /* the stream goes as soon as none of them needs it */
    char greeting[LINE_GREETING_BYTES];
    size_t greeted;
    unsigned char *bytes; /* head and body of the message; NULL: none */
    size_t length, written;
    bool overdue;           /* lost, as soon as nng is done with its bytes */
    struct rv_timer *late;  /* of the message */
    struct rv_timer *again; /* to dial */
    int wait_ms;            /* before that */
    bool closing;
    void (*sent)(void *data, bool ok);
    void *data;
};

static void tell(struct rv_line_peer *peer, bool ok)
{
    rv_timer_stop(peer->late);
    rv_free(peer->bytes);
    peer->bytes = NULL;
    peer->overdue = false;
    peer->sent(peer->data, ok);
}

static bool is_up(const struct rv_line_peer *peer)
{
    return peer->stream != NULL && !peer->broken && peer->greeted == LINE_GREETING_BYTES;
}

/* ---- the line itself ---- */

static void dial_again(void *data)
{
    struct rv_line_peer *peer = data;
    peer->dialling = true;
    nng_stream_dialer_dial(peer->dialer, peer->dial);
}

static void wait_and_dial(struct rv_line_peer *peer)
{
    rv_timer_start(peer->again, peer->wait_ms);
    peer->wait_ms =
        2 * peer->wait_ms < RV_LINE_DIAL_MAX_MS ? 2 * peer->wait_ms : RV_LINE_DIAL_MAX_MS;
}

/* After each end of an operation: a broken stream goes when it was the last one. */
static void settle(struct rv_line_peer *peer)
{
    if (peer->broken && !peer->watching && !peer->writing) {
        nng_stream_free(peer->stream);
        peer->stream = NULL;
        peer->broken = false;
        peer->greeted = 0;
        peer->written = 0;
        wait_and_dial(peer);
        if (peer->overdue) {
            tell(peer, false);
        }
    }
}

static void break_off(struct rv_line_peer *peer)
{
    if (peer->stream != NULL && !peer->broken) {
        peer->broken = true;
        nng_stream_close(peer->stream);
    }
    settle(peer);
}

/* ---- what goes out ---- */

static void write_on(struct rv_line_peer *peer)
{
    nng_iov iov = {.iov_buf = peer->bytes + peer->written, .iov_len = peer->length - peer->written};
    RV_ASSERT(nng_aio_set_iov(peer->send, 1, &iov) == 0);
    peer->writing = true;
    nng_stream_send(peer->stream, peer->send);
}

static void wrote(void *data)
{
    struct rv_line_peer *peer = data;
    if (peer->closing) {
        return; /* freed by the post behind this one */
    }
    peer->writing = false;
    if (nng_aio_result(peer->send) != 0 || peer->broken) {
        break_off(peer);
        return;
    }
    peer->written += nng_aio_count(peer->send);
    if (peer->written < peer->length) {
        write_on(peer);
        return;
    }
    peer->written = 0;
    tell(peer, true);
}

static void on_wrote(void *data) /* on a thread of nng */
{
    struct rv_line_peer *peer = data;
    rv_loop_post(peer->line->options.loop, wrote, peer);
}

/* Nobody there, or one who takes nothing. */
static void on_late(void *data)
{
    struct rv_line_peer *peer = data;
    if (!peer->writing) {
        tell(peer, false);
        return;
    }
    peer->overdue = true;
    break_off(peer);
}

void rv_line_send(struct rv_line_peer *peer, const void *message, size_t length)
{
    RV_ASSERT(peer->bytes == NULL && !peer->closing && length > 0 && length <= UINT32_MAX);
    peer->length = LINE_HEAD_BYTES + length;
    peer->bytes = rv_alloc(peer->length);
    for (int i = 0; i < LINE_HEAD_BYTES; i++) {
        peer->bytes[i] = (unsigned char)(length >> (8 * (LINE_HEAD_BYTES - 1 - i)));
    }
    memcpy(peer->bytes + LINE_HEAD_BYTES, message, length);
    rv_timer_start(peer->late, RV_LINE_SEND_MS);
    if (is_up(peer)) {
        write_on(peer);
    }
}

/* ---- what comes back: the greeting, then nothing ---- */

static void watch(struct rv_line_peer *peer)
{
    char *at = peer->greeting + peer->greeted;
    bool greeted = peer->greeted == LINE_GREETING_BYTES;
    nng_iov iov = {.iov_buf = greeted ? peer->greeting : at,
                   .iov_len = greeted ? 1 : LINE_GREETING_BYTES - peer->greeted};
    RV_ASSERT(nng_aio_set_iov(peer->watch, 1, &iov) == 0);
    nng_aio_set_timeout(peer->watch, greeted ? NNG_DURATION_INFINITE : ANSWER_MS);
    peer->watching = true;
    nng_stream_recv(peer->stream, peer->watch);
}

static void watched(void *data)
{
    struct rv_line_peer *peer = data;
    if (peer->closing) {
        return;
    }
    peer->watching = false;
    size_t count = nng_aio_count(peer->watch);
    bool greeted = peer->greeted == LINE_GREETING_BYTES;
    if (nng_aio_result(peer->watch) != 0 || count == 0 || peer->broken || greeted) {
        break_off(peer);
        return;
    }
    peer->greeted += count;
    if (memcmp(peer->greeting, RV_LINE_GREETING, peer->greeted) != 0) {
        break_off(peer);
        return;
    }
    watch(peer);
    if (is_up(peer)) {
        peer->wait_ms = RV_LINE_DIAL_MIN_MS;
    }
    if (is_up(peer) && peer->bytes != NULL) {
        write_on(peer);
    }
}

static void on_watched(void *data) /* on a thread of nng */
{
    struct rv_line_peer *peer = data;
    rv_loop_post(peer->line->options.loop, watched, peer);
}

static void dialled(void *data)
{
    struct rv_line_peer *peer = data;
    if (peer->closing) {
        return;
    }
    peer->dialling = false;
    if (nng_aio_result(peer->dial) != 0) {
        wait_and_dial(peer);
        return;
    }
    peer->stream = nng_aio_get_output(peer->dial, 0);
    watch(peer);
}

static void on_dialled(void *data) /* on a thread of nng */
{
    struct rv_line_peer *peer = data;
    rv_loop_post(peer->line->options.loop, dialled, peer);
}

/* ---- from the beginning to the end ---- */

static enum rv_code make_dialer(struct rv_line_peer *peer, const char *url, const char *name,
                                struct rv_error *err)
{
    nng_tls_config *config = NULL;
    const struct line_tls *tls = &peer->line->tls;
    if (line_tls_is_on(tls) && line_tls_config(tls, name, &config, err) != RV_OK) {
        return err->code;
    }
    int number = nng_stream_dialer_alloc(&peer->dialer, url);
    if (number == 0 && config != NULL) {
        number = nng_stream_dialer_set_ptr(peer->dialer, NNG_OPT_TLS_CONFIG, config);
    }
    if (config != NULL) {
        nng_tls_config_free(config); /* the dialer holds it */
    }
    return number == 0 ? RV_OK : line_fail(err, number, "dial", url);
}

static void peer_free(void *data)
{
    struct rv_line_peer *peer = data;
    if (peer->dialling && nng_aio_result(peer->dial) == 0) {
        nng_stream_free(nng_aio_get_output(peer->dial, 0)); /* nobody took it */
    }
    if (peer->stream != NULL) {
        nng_stream_free(peer->stream);
    }
    if (peer->dialer != NULL) {
        nng_stream_dialer_free(peer->dialer);
    }
    nng_aio_free(peer->dial);
    nng_aio_free(peer->watch);
    nng_aio_free(peer->send);
    rv_free(peer->bytes);
    rv_free(peer);
}

enum rv_code rv_line_dial(struct rv_line *line, const char *host, int port, const char *name,
                          void (*sent)(void *data, bool ok), void *data, struct rv_line_peer **out,
                          struct rv_error *err)
{
    char url[LINE_URL_MAX];
    line_url(url, line_tls_is_on(&line->tls), host, port);
    struct rv_line_peer *peer = rv_alloc(sizeof *peer);
    *peer = (struct rv_line_peer){
        .line = line, .sent = sent, .data = data, .wait_ms = RV_LINE_DIAL_MIN_MS};
    RV_ASSERT(nng_aio_alloc(&peer->dial, on_dialled, peer) == 0);
    nng_aio_set_timeout(peer->dial, ANSWER_MS);
    RV_ASSERT(nng_aio_alloc(&peer->watch, on_watched, peer) == 0);
    RV_ASSERT(nng_aio_alloc(&peer->send, on_wrote, peer) == 0);
    enum rv_code code = make_dialer(peer, url, name, err);
    if (code != RV_OK) {
        peer_free(peer);
        return code;
    }
    peer->late = rv_timer_create(line->options.loop, on_late, peer);
    peer->again = rv_timer_create(line->options.loop, dial_again, peer);
    dial_again(peer);
    *out = peer;
    return RV_OK;
}

void rv_line_hang_up(struct rv_line_peer *peer)
{
    peer->closing = true;
    rv_timer_close(peer->late);
    rv_timer_close(peer->again);
    nng_stream_dialer_close(peer->dialer);
    if (peer->stream != NULL) {
        nng_stream_close(peer->stream);
    }
    nng_aio_stop(peer->dial);
    nng_aio_stop(peer->watch);
    nng_aio_stop(peer->send);
    rv_loop_post(peer->line->options.loop, peer_free, peer); /* behind a word on its way */
}
