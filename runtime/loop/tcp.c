/* tcp.c -- libuv streams behind tcp.h: accept, one shared read buffer, owned writes. */
#include "runtime/loop/tcp.h"

#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/loop/loop_uv.h"

#include <string.h>

enum { READ_BYTES = 64 * 1024 }; /* what libuv suggests; larger reads gain nothing */

struct rv_listener {
    uv_tcp_t uv;
    void (*accepted)(void *data, struct rv_tcp *tcp);
    void *data;
    struct read_block *block;
};

/* One read buffer for all connections of a listener, counted because connections may outlive it. */
struct read_block {
    int users;
    char bytes[READ_BYTES];
};

struct rv_tcp {
    uv_tcp_t uv;
    struct read_block *block;
    void (*read)(void *data, const char *bytes, size_t length);
    void *read_data;
    void (*closed)(void *data);
    void *closed_data;
    uv_shutdown_t shutdown;
    bool shut, broken;
    char peer[RV_TCP_ADDRESS_TEXT];
};

struct write {
    uv_write_t uv;
    char *bytes;
};

static void release(struct read_block *block)
{
    if (--block->users == 0) {
        rv_free(block);
    }
}

/* ---- listening ---- */

static void on_tcp_closed(uv_handle_t *handle)
{
    struct rv_tcp *tcp = handle->data;
    release(tcp->block);
    if (tcp->closed != NULL) {
        tcp->closed(tcp->closed_data);
    }
    rv_free(tcp);
}

static void note_peer(struct rv_tcp *tcp)
{
    struct sockaddr_storage peer;
    int length = sizeof peer;
    snprintf(tcp->peer, sizeof tcp->peer, "unknown");
    if (uv_tcp_getpeername(&tcp->uv, (struct sockaddr *)&peer, &length) == 0) {
        uv_ip_name((const struct sockaddr *)&peer, tcp->peer, sizeof tcp->peer);
    }
}

static void on_connection(uv_stream_t *stream, int status)
{
    struct rv_listener *listener = stream->data;
    if (status < 0) { /* out of file descriptors, or the peer left before we looked */
        rv_log(RV_LOG_WARN, "loop", "TCP-ACCEPT", "could not accept a connection reason=\"%s\"",
               uv_strerror(status));
        return;
    }
    struct rv_tcp *tcp = rv_alloc(sizeof *tcp);
    RV_ASSERT(uv_tcp_init(stream->loop, &tcp->uv) == 0);
    tcp->uv.data = tcp;
    tcp->block = listener->block;
    tcp->block->users++;
    if (uv_accept(stream, (uv_stream_t *)&tcp->uv) != 0) {
        uv_close((uv_handle_t *)&tcp->uv, on_tcp_closed);
        return;
    }
    uv_tcp_nodelay(&tcp->uv, 1);
    note_peer(tcp);
    listener->accepted(listener->data, tcp);
}

static void on_listener_closed(uv_handle_t *handle)
{
    struct rv_listener *listener = handle->data;
    release(listener->block);
    rv_free(listener);
}

enum rv_code rv_listener_open(struct rv_loop *loop, const char *address, int port,
                              void (*accepted)(void *data, struct rv_tcp *tcp), void *data,
                              struct rv_listener **out, struct rv_error *err)
{
    struct sockaddr_storage where;
    if (uv_ip4_addr(address, port, (struct sockaddr_in *)&where) != 0 &&
        uv_ip6_addr(address, port, (struct sockaddr_in6 *)&where) != 0) {
        rv_fail(err, RV_INVALID, "\"%s\" is not a numeric IPv4 or IPv6 address to listen on",
                address);
        rv_hint(err, "Use 127.0.0.1 for this machine only, 0.0.0.0 or :: for all networks.");
        return RV_INVALID;
    }
    struct rv_listener *listener = rv_alloc(sizeof *listener);
    listener->accepted = accepted;
    listener->data = data;
    listener->block = rv_alloc(sizeof *listener->block);
    listener->block->users = 1;
    RV_ASSERT(uv_tcp_init(rv_loop_uv(loop), &listener->uv) == 0);
    listener->uv.data = listener;
    int status = uv_tcp_bind(&listener->uv, (const struct sockaddr *)&where, 0);
    if (status == 0) {
        status = uv_listen((uv_stream_t *)&listener->uv, RV_TCP_BACKLOG, on_connection);
    }
    if (status != 0) {
        uv_close((uv_handle_t *)&listener->uv, on_listener_closed);
        enum rv_code code = rv_fail(err, status == UV_EACCES ? RV_DENIED : RV_UNAVAILABLE,
                                    "could not listen on %s port %d", address, port);
        rv_detail(err, "%s", uv_strerror(status));
        rv_hint(err, "Choose another port, or stop the program that uses this one.");
        return code;
    }
    *out = listener;
    return RV_OK;
}

int rv_listener_port(const struct rv_listener *listener)
{
    struct sockaddr_storage where;
    int length = sizeof where;
    RV_ASSERT(uv_tcp_getsockname(&listener->uv, (struct sockaddr *)&where, &length) == 0);
    return where.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *)&where)->sin6_port)
                                       : ntohs(((struct sockaddr_in *)&where)->sin_port);
}

void rv_listener_close(struct rv_listener *listener)
{
    if (listener != NULL) {
        uv_close((uv_handle_t *)&listener->uv, on_listener_closed);
    }
}

/* ---- one connection ---- */

const char *rv_tcp_peer(const struct rv_tcp *tcp)
{
    return tcp->peer;
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    (void)suggested;
    struct rv_tcp *tcp = handle->data;
    *out = uv_buf_init(tcp->block->bytes, READ_BYTES);
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
    struct rv_tcp *tcp = stream->data;
    if (count == 0) { /* EAGAIN */
        return;
    }
    if (count < 0) {
        tcp->broken = count != UV_EOF;
        uv_read_stop(stream);
        tcp->read(tcp->read_data, NULL, 0);
        return;
    }
    tcp->read(tcp->read_data, buffer->base, (size_t)count);
}

void rv_tcp_read_start(struct rv_tcp *tcp,
                       void (*read)(void *data, const char *bytes, size_t length), void *data)
{
    tcp->read = read;
    tcp->read_data = data;
    uv_read_start((uv_stream_t *)&tcp->uv, on_alloc, on_read);
}

void rv_tcp_read_stop(struct rv_tcp *tcp)
{
    uv_read_stop((uv_stream_t *)&tcp->uv);
}

bool rv_tcp_is_broken(const struct rv_tcp *tcp)
{
    return tcp->broken;
}

static void on_written(uv_write_t *request, int status)
{
    (void)status; /* a broken connection shows itself to the reader */
    struct write *write = request->data;
    rv_free(write->bytes);
    rv_free(write);
}

void rv_tcp_write(struct rv_tcp *tcp, char *bytes, size_t length)
{
    RV_ASSERT(!uv_is_closing((uv_handle_t *)&tcp->uv));
    uv_buf_t buffer = uv_buf_init(bytes, (unsigned)length);
    if (rv_tcp_queued(tcp) == 0) { /* most answers leave without a queue */
        int sent = uv_try_write((uv_stream_t *)&tcp->uv, &buffer, 1);
        if (sent == (int)length) {
            rv_free(bytes);
            return;
        }
        if (sent > 0) {
            memmove(bytes, bytes + sent, length - (size_t)sent);
            buffer.len -= (size_t)sent;
        }
    }
    struct write *write = rv_alloc(sizeof *write);
    write->bytes = bytes;
    write->uv.data = write;
    if (uv_write(&write->uv, (uv_stream_t *)&tcp->uv, &buffer, 1, on_written) != 0) {
        rv_free(bytes); /* already shut down or broken: the reader learns it */
        rv_free(write);
    }
}

size_t rv_tcp_queued(const struct rv_tcp *tcp)
{
    return uv_stream_get_write_queue_size((const uv_stream_t *)&tcp->uv);
}

static void on_shutdown(uv_shutdown_t *request, int status)
{
    (void)request;
    (void)status;
}

void rv_tcp_shutdown(struct rv_tcp *tcp)
{
    if (!tcp->shut && !uv_is_closing((uv_handle_t *)&tcp->uv)) {
        tcp->shut = true;
        uv_shutdown(&tcp->shutdown, (uv_stream_t *)&tcp->uv, on_shutdown);
    }
}

void rv_tcp_close(struct rv_tcp *tcp, void (*closed)(void *data), void *data)
{
    if (tcp == NULL) {
        return;
    }
    RV_ASSERT(!uv_is_closing((uv_handle_t *)&tcp->uv));
    tcp->closed = closed;
    tcp->closed_data = data;
    uv_close((uv_handle_t *)&tcp->uv, on_tcp_closed);
}
