/* line.c -- see line.h. */
#include "runtime/cluster/line.h"

#include "runtime/base/check.h"
#include "runtime/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <nng/nng.h>
#include <nng/protocol/pipeline0/pull.h>
#include <nng/protocol/pipeline0/push.h>
#include <nng/supplemental/tls/tls.h>
#include <nng/transport/tls/tls.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { URL_MAX = 320, PEM_MAX = 256 * 1024 };

/* A message on its way from nng's thread to the loop. */
struct rv_line {
    struct rv_line_options options;
    nng_socket socket;
    nng_aio *aio;
    nng_msg *taken; /* written by nng's thread before the post, read by the loop after it */
    nng_tls_config *tls;
    char *cert; /* PEM texts, for the dialers */
    char *key;
    char *ca_file;
    int port;
    bool closing;
};

struct rv_line_peer {
    struct rv_line *line;
    nng_socket socket;
    nng_aio *aio;
    int result; /* as `taken` */
    bool busy;
    bool closing;
    void (*sent)(void *data, bool ok);
    void *data;
};

/* ---- nng's errors end here ---- */

static enum rv_code fail(struct rv_error *err, int number, const char *what, const char *url)
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

static void write_url(char out[URL_MAX], bool tls, const char *host, int port)
{
    bool brackets = strchr(host, ':') != NULL;
    snprintf(out, URL_MAX, "%s://%s%s%s:%d", tls ? "tls+tcp" : "tcp", brackets ? "[" : "", host,
             brackets ? "]" : "", port);
}

/* ---- closing, beside the loop ----
 *
 * nng 1.5 can wait for ever in nng_close: when its TCP transport has part of a message read or
 * written at that moment, it asks for the rest with an aio that is closed already, and the call
 * that would end the wait never comes.  So a socket is closed on a thread of its own; one that does
 * not come back holds up nothing, and ends with the process. */

static void *close_socket(void *data)
{
    nng_socket socket = *(nng_socket *)data;
    rv_free(data);
    nng_close(socket);
    return NULL;
}

static void close_beside(nng_socket socket)
{
    pthread_t thread;
    nng_socket *copy = rv_alloc(sizeof *copy);
    *copy = socket;
    if (pthread_create(&thread, NULL, close_socket, copy) == 0) {
        pthread_detach(thread);
    } else {
        rv_free(copy);
        rv_log(RV_LOG_WARN, "cluster", "NO-THREAD", "a line stays open until the process ends");
    }
}

/* ---- certificates ---- */

static enum rv_code read_pem(const char *path, char **out, struct rv_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return rv_fail_errno(err, errno, "open \"%s\"", path);
    }
    char *text = rv_alloc(PEM_MAX + 1);
    ssize_t length = read(fd, text, PEM_MAX);
    close(fd);
    if (length <= 0 || length == PEM_MAX) {
        rv_free(text);
        return rv_fail(err, RV_INVALID, "\"%s\" is empty or too long for a PEM file", path);
    }
    text[length] = '\0';
    *out = text;
    return RV_OK;
}

/* `name` NULL: of the listener, which wants to see everybody's certificate. */
static enum rv_code make_tls(const struct rv_line *line, const char *name, nng_tls_config **out,
                             struct rv_error *err)
{
    nng_tls_config *config = NULL;
    int number =
        nng_tls_config_alloc(&config, name != NULL ? NNG_TLS_MODE_CLIENT : NNG_TLS_MODE_SERVER);
    if (number != 0) {
        return fail(err, number, "set up TLS", "");
    }
    const char *what = "read the authority's certificate (cluster.tls_ca)";
    number = nng_tls_config_ca_file(config, line->ca_file);
    if (number == 0) {
        what = "read this node's certificate (cluster.tls_cert, cluster.tls_key)";
        number = nng_tls_config_own_cert(config, line->cert, line->key, NULL);
    }
    if (number == 0) {
        what = "ask for certificates";
        number = nng_tls_config_auth_mode(config, NNG_TLS_AUTH_MODE_REQUIRED);
    }
    if (number == 0 && name != NULL) {
        number = nng_tls_config_server_name(config, name);
    }
    if (number != 0) {
        nng_tls_config_free(config);
        return fail(err, number, what, "");
    }
    *out = config;
    return RV_OK;
}

static enum rv_code begin_tls(struct rv_line *line, struct rv_error *err)
{
    const struct rv_line_tls *tls = &line->options.tls;
    if (tls->cert_file == NULL) {
        return RV_OK;
    }
    int number = nng_tls_register();
    if (number != 0 && number != NNG_ESTATE) {
        return fail(err, number, "this machine's libnng speaks no", "TLS");
    }
    line->ca_file = rv_strdup(tls->ca_file);
    enum rv_code code = read_pem(tls->cert_file, &line->cert, err);
    if (code == RV_OK) {
        code = read_pem(tls->key_file, &line->key, err);
    }
    return code == RV_OK ? make_tls(line, NULL, &line->tls, err) : code;
}

/* ---- what comes in ---- */

static void deliver(void *data)
{
    struct rv_line *line = data;
    nng_msg *message = line->taken;
    line->taken = NULL;
    if (message != NULL && !line->closing) {
        line->options.received(line->options.data, nng_msg_body(message), nng_msg_len(message));
    }
    nng_msg_free(message);
    if (!line->closing) {
        nng_recv_aio(line->socket, line->aio);
    }
}

static void on_received(void *data) /* on a thread of nng */
{
    struct rv_line *line = data;
    int number = nng_aio_result(line->aio);
    if (number == NNG_ECLOSED || number == NNG_ECANCELED) {
        return;
    }
    line->taken = number == 0 ? nng_aio_get_msg(line->aio) : NULL;
    rv_loop_post(line->options.loop, deliver, line);
}

static enum rv_code listen_at(struct rv_line *line, const char *url, struct rv_error *err)
{
    nng_listener listener = NNG_LISTENER_INITIALIZER;
    int number = nng_listener_create(&listener, line->socket, url);
    if (number == 0 && line->tls != NULL) {
        number = nng_listener_set_ptr(listener, NNG_OPT_TLS_CONFIG, line->tls);
    }
    if (number == 0) {
        number = nng_listener_set_size(listener, NNG_OPT_RECVMAXSZ, line->options.message_max);
    }
    if (number == 0) {
        number = nng_listener_start(listener, 0);
    }
    if (number == 0 && nng_listener_get_int(listener, NNG_OPT_TCP_BOUND_PORT, &line->port) != 0) {
        line->port = line->options.port;
    }
    return number == 0 ? RV_OK : fail(err, number, "listen at", url);
}

static void line_free(void *data)
{
    struct rv_line *line = data;
    nng_msg_free(line->taken); /* NULL is fine */
    nng_aio_free(line->aio);
    if (line->tls != NULL) {
        nng_tls_config_free(line->tls);
    }
    rv_free(line->cert);
    rv_free(line->key);
    rv_free(line->ca_file);
    rv_free(line);
}

enum rv_code rv_line_open(const struct rv_line_options *options, struct rv_line **out,
                          struct rv_error *err)
{
    struct rv_line *line = rv_alloc(sizeof *line);
    line->options = *options;
    char url[URL_MAX];
    write_url(url, options->tls.cert_file != NULL, options->host, options->port);
    enum rv_code code = begin_tls(line, err);
    int number = code == RV_OK ? nng_aio_alloc(&line->aio, on_received, line) : 0;
    if (code == RV_OK && number == 0) {
        number = nng_pull0_open(&line->socket);
    }
    if (number != 0) {
        code = fail(err, number, "open", url);
    } else if (code == RV_OK) {
        code = listen_at(line, url, err);
        if (code != RV_OK) {
            nng_close(line->socket);
        }
    }
    if (code != RV_OK) {
        line_free(line);
        return code;
    }
    nng_recv_aio(line->socket, line->aio);
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
    nng_aio_stop(line->aio); /* its callback has run, or never will */
    close_beside(line->socket);
    rv_loop_post(line->options.loop, line_free, line); /* behind a delivery on its way */
}

/* ---- what goes out ---- */

static void tell_sent(void *data)
{
    struct rv_line_peer *peer = data;
    if (peer->closing) {
        return; /* freed by the post behind this one */
    }
    peer->busy = false;
    peer->sent(peer->data, peer->result == 0);
}

static void on_sent(void *data) /* on a thread of nng */
{
    struct rv_line_peer *peer = data;
    peer->result = nng_aio_result(peer->aio);
    if (peer->result != 0) {
        nng_msg_free(nng_aio_get_msg(peer->aio)); /* still ours */
        nng_aio_set_msg(peer->aio, NULL);
    }
    rv_loop_post(peer->line->options.loop, tell_sent, peer);
}

static int dial(struct rv_line_peer *peer, const char *url, nng_tls_config *tls)
{
    nng_dialer dialer = NNG_DIALER_INITIALIZER;
    int number = nng_dialer_create(&dialer, peer->socket, url);
    if (number == 0 && tls != NULL) {
        number = nng_dialer_set_ptr(dialer, NNG_OPT_TLS_CONFIG, tls);
    }
    if (number == 0) {
        number = nng_dialer_set_ms(dialer, NNG_OPT_RECONNMINT, RV_LINE_DIAL_MIN_MS);
    }
    if (number == 0) {
        number = nng_dialer_set_ms(dialer, NNG_OPT_RECONNMAXT, RV_LINE_DIAL_MAX_MS);
    }
    return number == 0 ? nng_dialer_start(dialer, NNG_FLAG_NONBLOCK) : number;
}

enum rv_code rv_line_dial(struct rv_line *line, const char *host, int port, const char *name,
                          void (*sent)(void *data, bool ok), void *data, struct rv_line_peer **out,
                          struct rv_error *err)
{
    char url[URL_MAX];
    nng_tls_config *tls = NULL;
    write_url(url, line->tls != NULL, host, port);
    enum rv_code code = line->tls != NULL ? make_tls(line, name, &tls, err) : RV_OK;
    if (code != RV_OK) {
        return code;
    }
    struct rv_line_peer *peer = rv_alloc(sizeof *peer);
    *peer = (struct rv_line_peer){.line = line, .sent = sent, .data = data};
    int number = nng_aio_alloc(&peer->aio, on_sent, peer);
    if (number == 0) {
        nng_aio_set_timeout(peer->aio, RV_LINE_SEND_MS);
        number = nng_push0_open(&peer->socket);
        if (number == 0) {
            number = dial(peer, url, tls);
            if (number != 0) {
                nng_close(peer->socket);
            }
        }
    }
    if (tls != NULL) {
        nng_tls_config_free(tls); /* the dialer holds it */
    }
    if (number != 0) {
        nng_aio_free(peer->aio);
        rv_free(peer);
        return fail(err, number, "dial", url);
    }
    *out = peer;
    return RV_OK;
}

void rv_line_send(struct rv_line_peer *peer, const void *message, size_t length)
{
    nng_msg *out = NULL;
    RV_ASSERT(!peer->busy && !peer->closing);
    RV_ASSERT(nng_msg_alloc(&out, 0) == 0 && nng_msg_append(out, message, length) == 0);
    peer->busy = true;
    nng_aio_set_msg(peer->aio, out);
    nng_send_aio(peer->socket, peer->aio);
}

static void peer_free(void *data)
{
    struct rv_line_peer *peer = data;
    nng_aio_free(peer->aio);
    rv_free(peer);
}

void rv_line_hang_up(struct rv_line_peer *peer)
{
    peer->closing = true;
    nng_aio_stop(peer->aio);
    close_beside(peer->socket);
    rv_loop_post(peer->line->options.loop, peer_free, peer); /* behind a word on its way */
}
