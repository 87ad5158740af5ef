/* http_server_test.c -- the server over real sockets: slow, rude, fast and vanishing clients.
 *
 * The server runs on the test's thread; a client thread speaks raw bytes with blocking sockets. */
#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/http/server.h"
#include "tests/support/test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct world {
    struct rv_loop *loop;
    struct rv_http_server *server;
    int port;
    int (*client)(struct world *world);
    int failures;
    atomic_int handled;
    struct rv_timer *later;
    struct rv_exchange *waiting;
    struct rv_http_stream *stream;
    atomic_int stream_closed, gone;
    bool closed;
};

/* ---- the server's side ---- */

static void admit(void *data, struct rv_exchange *exchange, size_t *body_max)
{
    (void)data;
    const struct rv_http_request *request = rv_exchange_request(exchange);
    if (strcmp(request->path, "/missing") == 0) {
        rv_exchange_refuse(exchange, 404, "not_found", "there is nothing at this path", NULL);
        return;
    }
    *body_max = 100;
}

static void answer_later(void *data)
{
    struct world *world = data;
    struct rv_exchange *exchange = world->waiting;
    world->waiting = NULL;
    rv_exchange_answer(exchange, 200, "text/plain", "late", 4);
}

static void stream_gone(void *data)
{
    struct world *world = data;
    world->stream = NULL;
    atomic_fetch_add(&world->stream_closed, 1);
}

static void exchange_gone(void *data)
{
    struct world *world = data;
    atomic_fetch_add(&world->gone, rv_exchange_gone(world->waiting));
}

static void handle(void *data, struct rv_exchange *exchange)
{
    struct world *world = data;
    const struct rv_http_request *request = rv_exchange_request(exchange);
    atomic_fetch_add(&world->handled, 1);
    if (strcmp(request->path, "/late") == 0) {
        world->waiting = exchange;
        rv_exchange_when_gone(exchange, exchange_gone, world);
        rv_timer_start(world->later, 300);
    } else if (strcmp(request->path, "/stream") == 0) {
        world->stream = rv_exchange_stream(exchange, "text/event-stream", stream_gone, world);
        rv_http_stream_write(world->stream, ": hello\n\n", 9);
    } else if (strcmp(request->path, "/flood") == 0) {
        world->stream = rv_exchange_stream(exchange, "text/event-stream", stream_gone, world);
        static char block[65536];
        memset(block, 'x', sizeof block);
        for (int i = 0; i < 1000 && rv_http_stream_write(world->stream, block, sizeof block); i++) {
        }
    } else {
        rv_exchange_answer(exchange, 200, "text/plain",
                           request->body.length > 0 ? request->body.data : request->path,
                           request->body.length > 0 ? request->body.length : strlen(request->path));
    }
}

static void on_server_closed(void *data)
{
    struct world *world = data;
    world->closed = true;
    rv_loop_stop(world->loop);
}

static void shut_down(void *data)
{
    struct world *world = data;
    rv_timer_close(world->later);
    rv_http_server_close(world->server, on_server_closed, world);
    if (world->waiting != NULL) {
        answer_later(world);
    }
}

static void *client_thread(void *data)
{
    struct world *world = data;
    world->failures = world->client(world);
    rv_loop_post(world->loop, shut_down, world);
    return NULL;
}

static void with_server(int (*client)(struct world *world), struct rv_http_limits limits,
                        const char *certificate, const char *key)
{
    struct world world = {.loop = rv_loop_create(rv_clock_system()), .client = client};
    struct rv_http_options options = {.loop = world.loop,
                                      .limits = limits,
                                      .admit = admit,
                                      .handle = handle,
                                      .data = &world,
                                      .certificate_file = certificate,
                                      .key_file = key};
    struct rv_error err = {.code = RV_OK};
    pthread_t thread;
    rv_log_level(RV_LOG_SILENT);
    ck_assert_msg(rv_http_server_create(&options, &world.server, &err) == RV_OK, "%s %s",
                  err.message, err.detail);
    world.port = rv_http_server_port(world.server);
    world.later = rv_timer_create(world.loop, answer_later, &world);
    ck_assert_int_eq(pthread_create(&thread, NULL, client_thread, &world), 0);
    rv_loop_run(world.loop);
    pthread_join(thread, NULL);
    ck_assert(world.closed);
    rv_loop_destroy(world.loop);
    ck_assert_int_eq(world.failures, 0);
}

/* ---- the client's side ---- */

static int dial(const struct world *world)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_port = htons((uint16_t)world->port)};
    struct timeval patience = {.tv_sec = 10};
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(fd, (struct sockaddr *)&where, sizeof where) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static void put(int fd, const char *text)
{
    if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0) {
        return;
    }
}

/* Reads until the server closes or `until` was seen; returns the text. */
static const char *take(int fd, const char *until)
{
    static char text[1 << 16];
    size_t length = 0;
    text[0] = '\0';
    while (length < sizeof text - 1) {
        ssize_t count = recv(fd, text + length, sizeof text - 1 - length, 0);
        if (count <= 0) {
            break;
        }
        length += (size_t)count;
        text[length] = '\0';
        if (until != NULL && strstr(text, until) != NULL) {
            break;
        }
    }
    return text;
}

#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            return 1;                                                                              \
        }                                                                                          \
    } while (0)

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int count_of(const char *text, const char *part)
{
    int count = 0;
    for (const char *at = text; (at = strstr(at, part)) != NULL; at++) {
        count++;
    }
    return count;
}

static int pipelining_client(struct world *world)
{
    int fd = dial(world);
    put(fd, "GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /late HTTP/1.1\r\nHost: x\r\n\r\n"
            "POST /c HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcHEAD /d HTTP/1.1\r\nHost: "
            "x\r\nConnection: close\r\n\r\n");
    const char *text = take(fd, NULL);
    close(fd);
    EXPECT(count_of(text, "HTTP/1.1 200 OK") == 4);
    EXPECT(strstr(text, "\r\n\r\n/a") < strstr(text, "late"));
    EXPECT(strstr(text, "late") < strstr(text, "\r\n\r\nabc"));
    EXPECT(strstr(text, "Content-Security-Policy: default-src 'none'") != NULL);
    EXPECT(strstr(text, "X-Content-Type-Options: nosniff") != NULL);
    EXPECT(strcmp(text + strlen(text) - 4, "\r\n\r\n") == 0); /* HEAD has no body */
    return 0;
}

TEST(pipelined_requests_are_answered_in_order)
{
    with_server(pipelining_client, (struct rv_http_limits){0}, NULL, NULL);
}

static int smuggling_client(struct world *world)
{
    static const char *const attacks[] = {
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\nTransfer-Encoding: "
        "chunked\r\n\r\n0\r\n\r\nGET /hidden HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: "
        "3\r\n\r\n0\r\n\r\nGET /hidden HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 44\r\n\r\nGET /hidden "
        "HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\nGET /hidden "
        "HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\nGET /hidden "
        "HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nX: a\nGET /hidden HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\n Content-Length: 5\r\n\r\nGET /hidden HTTP/1.1\r\nHost: "
        "x\r\n\r\n",
        "POST /missing HTTP/1.1\r\nHost: x\r\nContent-Length: 44\r\n\r\nGET /hidden "
        "HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 101\r\n\r\nGET /hidden HTTP/1.1\r\nHost: "
        "x\r\n\r\n"};
    for (size_t i = 0; i < RV_COUNT(attacks); i++) {
        int fd = dial(world);
        put(fd, attacks[i]);
        const char *text = take(fd, NULL);
        close(fd);
        if (count_of(text, "HTTP/1.1 ") != 1 ||
            strncmp(text, "HTTP/1.1 4", 10) * strncmp(text, "HTTP/1.1 501", 12) != 0) {
            fprintf(stderr, "attack %zu answered:\n%s\n", i, text);
            return 1;
        }
        EXPECT(strstr(text, "application/problem+json") != NULL);
        EXPECT(strstr(text, "Connection: close") != NULL);
    }
    EXPECT(atomic_load(&world->handled) == 0);
    return 0;
}

TEST(smuggled_requests_never_reach_a_handler)
{
    with_server(smuggling_client, (struct rv_http_limits){0}, NULL, NULL);
}

static int slow_client(struct world *world)
{
    double start = seconds();
    int drip = dial(world);
    int idle = dial(world);
    int body = dial(world);
    put(body, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n");
    for (int i = 0; i < 30; i++) {
        char byte[2] = {"GET / HTTP/1.1\r\nX-Slow: aaaaaaaaaaaaaaaaaaaa"[i], '\0'};
        if (send(drip, byte, 1, MSG_NOSIGNAL) < 0) {
            break;
        }
        send(body, "x", 1, MSG_NOSIGNAL);
        usleep(100000);
    }
    EXPECT(strcmp(take(drip, NULL), "") == 0);
    EXPECT(strncmp(take(body, NULL), "HTTP/1.1 408", 12) == 0);
    EXPECT(strcmp(take(idle, NULL), "") == 0);
    EXPECT(seconds() - start < 6);
    close(drip);
    close(idle);
    close(body);
    int fd = dial(world); /* and the server still serves */
    put(fd, "GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    EXPECT(strstr(take(fd, NULL), "200 OK") != NULL);
    close(fd);
    return 0;
}

TEST(slow_clients_are_ended_by_deadlines)
{
    with_server(slow_client,
                (struct rv_http_limits){.head_ms = 800, .body_ms = 1000, .idle_ms = 1200}, NULL,
                NULL);
}

struct counting {
    struct world *world;
    atomic_int connections;
};

static void count_connections(void *data)
{
    struct counting *counting = data;
    atomic_store(&counting->connections, rv_http_server_connections(counting->world->server));
}

/* Asked on the loop's thread, as everything about a server is. */
static int connections_of(struct world *world)
{
    struct counting counting = {.world = world, .connections = -1};
    rv_loop_post(world->loop, count_connections, &counting);
    while (atomic_load(&counting.connections) < 0) {
        usleep(1000);
    }
    return atomic_load(&counting.connections);
}

static int vanishing_client(struct world *world)
{
    for (int i = 0; i < 50; i++) {
        int fd = dial(world);
        put(fd, i % 2 == 0 ? "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
                           : "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nabc");
        close(fd);
    }
    int fd = dial(world);
    put(fd, "GET /late HTTP/1.1\r\nHost: x\r\n\r\n");
    usleep(100000);
    struct linger hard = {1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(fd);
    usleep(100000);
    EXPECT(atomic_load(&world->gone) == 1); /* known before there is an answer */
    EXPECT(connections_of(world) == 0);
    usleep(600000);
    fd = dial(world); /* a client that ends its side still gets its answer */
    put(fd, "GET /late HTTP/1.1\r\nHost: x\r\n\r\n");
    shutdown(fd, SHUT_WR);
    EXPECT(strstr(take(fd, NULL), "late") != NULL);
    EXPECT(atomic_load(&world->gone) == 1);
    close(fd);
    return 0;
}

TEST(clients_that_vanish_leave_nothing_behind)
{
    with_server(vanishing_client, (struct rv_http_limits){0}, NULL, NULL);
}

static int crowd_client(struct world *world)
{
    int fds[5];
    for (int i = 0; i < 5; i++) {
        fds[i] = dial(world);
        put(fds[i], i == 4 ? "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n{}{}"
                           : "GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    int served = 0;
    for (int i = 0; i < 3; i++) {
        served += strstr(take(fds[i], "/a"), "200 OK") != NULL;
    }
    EXPECT(served == 3);
    for (int i = 3; i < 5; i++) { /* the others hear why, and when to come again */
        const char *text = take(fds[i], NULL);
        EXPECT(strstr(text, "HTTP/1.1 503 ") == text);
        EXPECT(strstr(text, "Retry-After: 1\r\n") != NULL);
        EXPECT(strstr(text, "too many connections") != NULL);
    }
    for (int i = 0; i < 5; i++) {
        close(fds[i]);
    }
    for (int i = 0; i < 40 && connections_of(world) > 0; i++) {
        usleep(50000);
    }
    EXPECT(connections_of(world) == 0);
    int fd = dial(world); /* and there is room again */
    put(fd, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT(strstr(take(fd, "/a"), "200 OK") != NULL);
    close(fd);
    return 0;
}

static int crowd_beyond_client(struct world *world)
{
    enum { CROWD = RV_HTTP_TURNED_AWAY_MAX + 8 };
    static int fds[CROWD];
    int answered = 0;
    int open = 0;
    for (int i = 0; i < CROWD; i++) {
        fds[i] = dial(world);
    }
    for (int i = 0; i < 40 && open < RV_HTTP_TURNED_AWAY_MAX + 1; i++) {
        usleep(50000);
        open = connections_of(world);
    }
    EXPECT(open == RV_HTTP_TURNED_AWAY_MAX + 1); /* one is served */
    for (int i = 1; i < CROWD; i++) {
        char byte;
        answered += recv(fds[i], &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN;
    }
    EXPECT(answered == RV_HTTP_TURNED_AWAY_MAX); /* these may ask, the rest was closed */
    for (int i = 0; i < CROWD; i++) {
        close(fds[i]);
    }
    return 0;
}

TEST(those_who_are_turned_away_are_bounded_too)
{
    with_server(crowd_beyond_client, (struct rv_http_limits){.per_address = 1}, NULL, NULL);
}

TEST(one_address_gets_a_bounded_number_of_connections)
{
    with_server(crowd_client, (struct rv_http_limits){.per_address = 3}, NULL, NULL);
}

static int stream_client(struct world *world)
{
    int fd = dial(world);
    put(fd, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    const char *text = take(fd, "hello");
    EXPECT(strstr(text, "Transfer-Encoding: chunked") != NULL);
    EXPECT(strstr(text, "Connection: close\r\n") != NULL); /* nothing can follow */
    EXPECT(strstr(text, "9\r\n: hello\n\n\r\n") != NULL);
    close(fd);
    for (int i = 0; i < 40 && atomic_load(&world->stream_closed) == 0; i++) {
        usleep(50000);
    }
    EXPECT(atomic_load(&world->stream_closed) == 1);
    fd = dial(world); /* reads nothing: must be cut, not buffered without end */
    int small = 4096;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    put(fd, "GET /flood HTTP/1.1\r\nHost: x\r\n\r\n");
    for (int i = 0; i < 40 && atomic_load(&world->stream_closed) == 1; i++) {
        usleep(50000);
    }
    EXPECT(atomic_load(&world->stream_closed) == 2);
    close(fd);
    return 0;
}

TEST(streams_end_with_their_readers_and_cut_slow_ones)
{
    with_server(stream_client, (struct rv_http_limits){0}, NULL, NULL);
}

static int continue_client(struct world *world)
{
    int fd = dial(world);
    put(fd, "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: "
            "3\r\nConnection: close\r\n\r\n");
    EXPECT(strstr(take(fd, "\r\n\r\n"), "HTTP/1.1 100 Continue") != NULL);
    put(fd, "abc");
    EXPECT(strstr(take(fd, NULL), "\r\n\r\nabc") != NULL);
    close(fd);
    return 0;
}

TEST(a_client_that_asks_first_is_told_to_continue)
{
    with_server(continue_client, (struct rv_http_limits){0}, NULL, NULL);
}

static int tls_client(struct world *world)
{
    char command[512], answer[8192];
    snprintf(command, sizeof command,
             "printf 'GET /a HTTP/1.1\\r\\nHost: x\\r\\n\\r\\nGET /b HTTP/1.1\\r\\nHost: "
             "x\\r\\nConnection: close\\r\\n\\r\\n' | "
             "timeout 10 openssl s_client -quiet -verify_quiet -connect 127.0.0.1:%d 2>/dev/null",
             world->port);
    FILE *pipe = popen(command, "r");
    size_t length = fread(answer, 1, sizeof answer - 1, pipe);
    answer[length] = '\0';
    pclose(pipe);
    EXPECT(count_of(answer, "200 OK") == 2);
    EXPECT(strstr(answer, "Strict-Transport-Security") != NULL);
    int fd = dial(world); /* plain HTTP to a TLS port is refused, not served */
    put(fd, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT(strstr(take(fd, NULL), "200 OK") == NULL);
    close(fd);
    return 0;
}

TEST(https_is_spoken_with_a_certificate)
{
    char folder[] = "/tmp/reeve_tls_XXXXXX";
    char command[600], certificate[64], key[64];
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(certificate, sizeof certificate, "%s/c.pem", folder);
    snprintf(key, sizeof key, "%s/k.pem", folder);
    snprintf(command, sizeof command,
             "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "
             "/CN=localhost -days 2 -keyout %s -out %s 2>/dev/null",
             key, certificate);
    ck_assert_int_eq(system(command), 0);
    with_server(tls_client, (struct rv_http_limits){0}, certificate, key);
    unlink(certificate);
    unlink(key);
    rmdir(folder);
}

TEST_MAIN()
