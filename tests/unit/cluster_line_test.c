/* cluster_line_test.c -- lines between two loops on two threads: bytes arrive once and whole,
 * nobody there is a loss and no error, a broken line is dialled again, strangers are let in (and
 * proven wrong by the wire), certificates are asked for; built with the thread sanitizer it shows
 * that nng's threads and ours meet only where they may. */
#include "runtime/base/check.h"
#include "runtime/cluster/line.h"
#include "tests/support/test.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MESSAGES = 3000, LONG_MESSAGE = 900 * 1024, WAIT_MS = 20000 };

/* One node: a loop on a thread of its own, a line, and what it has heard. */
struct end {
    struct rv_loop *loop;
    struct rv_loop_thread *thread;
    struct rv_line *line;
    struct rv_line_peer *peer;
    int next;     /* message to send */
    int count;    /* to send in all */
    int length;   /* of each */
    int expected; /* number of the next one that comes in */
    _Atomic int received, sent, lost, wrong;
    _Atomic bool done;
};

static void nap(int ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L}, NULL);
}

static bool wait_for(const _Atomic int *number, int least)
{
    for (int ms = 0; ms < WAIT_MS && atomic_load(number) < least; ms += 5) {
        nap(5);
    }
    return atomic_load(number) >= least;
}

static void on_received(void *data, const void *message, size_t length)
{
    struct end *end = data;
    RV_ASSERT(rv_loop_is_current(end->loop));
    int number = -1;
    if (length >= sizeof number) {
        memcpy(&number, message, sizeof number);
        for (size_t i = sizeof number; i < length; i++) {
            end->wrong += ((const unsigned char *)message)[i] != (unsigned char)(number + (int)i);
        }
        end->wrong += number < end->expected; /* one sender: in order, none twice */
        end->expected = number + 1;
    }
    end->received++;
}

static void send_next(struct end *end)
{
    unsigned char *bytes = rv_alloc((size_t)end->length);
    memcpy(bytes, &end->next, sizeof end->next);
    for (int i = (int)sizeof end->next; i < end->length; i++) {
        bytes[i] = (unsigned char)(end->next + i);
    }
    end->next++;
    rv_line_send(end->peer, bytes, (size_t)end->length);
    rv_free(bytes);
}

static void on_sent(void *data, bool ok)
{
    struct end *end = data;
    RV_ASSERT(rv_loop_is_current(end->loop));
    end->sent += ok;
    end->lost += !ok;
    if (end->next < end->count) {
        send_next(end);
    }
}

static void end_open(struct end *end, const struct rv_line_tls *tls)
{
    struct rv_error err = {.code = RV_OK};
    end->loop = rv_loop_create(rv_clock_system());
    enum rv_code code = rv_line_open(&(struct rv_line_options){.loop = end->loop,
                                                               .host = "127.0.0.1",
                                                               .tls = *tls,
                                                               .message_max = 1 << 20,
                                                               .received = on_received,
                                                               .data = end},
                                     &end->line, &err);
    ck_assert_msg(code == RV_OK, "%s", err.message);
    ck_assert_int_gt(rv_line_port(end->line), 0);
}

static void end_dial(struct end *end, int port, const char *name)
{
    struct rv_error err = {.code = RV_OK};
    enum rv_code code =
        rv_line_dial(end->line, "127.0.0.1", port, name, on_sent, end, &end->peer, &err);
    ck_assert_msg(code == RV_OK, "%s", err.message);
}

static void begin(void *data)
{
    send_next(data);
}

static void hang_up(void *data)
{
    struct end *end = data;
    if (end->peer != NULL) {
        rv_line_hang_up(end->peer);
    }
    rv_line_close(end->line);
    end->done = true;
}

static void end_run(struct end *end, int count, int length)
{
    end->count = count;
    end->length = length;
    end->thread = rv_loop_thread_start(end->loop, "end");
    if (count > 0) {
        rv_loop_post(end->loop, begin, end);
    }
}

static void end_close(struct end *end)
{
    rv_loop_post(end->loop, hang_up, end);
    rv_loop_thread_join(end->thread);
    ck_assert(end->done);
    rv_loop_run_once(end->loop, 0); /* what was posted behind: memory goes */
    rv_loop_destroy(end->loop);
}

static const struct rv_line_tls no_tls;

static void talk(const struct rv_line_tls *tls_a, const struct rv_line_tls *tls_b, int count,
                 int length)
{
    struct end a = {.count = 0};
    struct end b = {.count = 0};
    end_open(&a, tls_a);
    end_open(&b, tls_b);
    end_dial(&a, rv_line_port(b.line), "b");
    end_dial(&b, rv_line_port(a.line), "a");
    end_run(&a, count, length);
    end_run(&b, count, length);
    ck_assert(wait_for(&a.received, count));
    ck_assert(wait_for(&b.received, count));
    ck_assert(wait_for(&a.sent, count));
    ck_assert_int_eq(a.wrong + b.wrong, 0);
    ck_assert_int_eq(a.lost + b.lost, 0);
    end_close(&a);
    end_close(&b);
}

TEST(both_ways_at_once_all_arrive_in_order)
{
    talk(&no_tls, &no_tls, MESSAGES, 100);
}

TEST(long_messages_arrive_whole)
{
    talk(&no_tls, &no_tls, 20, LONG_MESSAGE);
}

TEST(ending_in_the_middle_of_it_is_clean)
{
    for (int round = 0; round < 10; round++) {
        struct end a = {.count = 0};
        struct end b = {.count = 0};
        end_open(&a, &no_tls);
        end_open(&b, &no_tls);
        end_dial(&a, rv_line_port(b.line), "b");
        end_dial(&b, rv_line_port(a.line), "a");
        end_run(&a, 1 << 30, 1000);
        end_run(&b, 1 << 30, 1000);
        nap(5 + round * 3);
        end_close(round % 2 == 0 ? &a : &b);
        nap(2);
        end_close(round % 2 == 0 ? &b : &a);
    }
}

TEST(where_nobody_is_a_message_is_lost_and_somebody_who_comes_is_found)
{
    struct end a = {.count = 0};
    struct end b = {.count = 0};
    end_open(&a, &no_tls);
    end_open(&b, &no_tls);
    int port = rv_line_port(b.line);
    rv_line_close(b.line);
    rv_loop_run_once(b.loop, 0);
    rv_loop_destroy(b.loop);
    end_dial(&a, port, "b");
    end_run(&a, 1 << 30, 100);
    ck_assert(wait_for(&a.lost, 1)); /* a second: it is told, and the loop goes on */
    struct rv_error err = {.code = RV_OK};
    b = (struct end){.loop = rv_loop_create(rv_clock_system())};
    enum rv_code code = rv_line_open(&(struct rv_line_options){.loop = b.loop,
                                                               .host = "127.0.0.1",
                                                               .port = port,
                                                               .message_max = 1 << 20,
                                                               .received = on_received,
                                                               .data = &b},
                                     &b.line, &err);
    ck_assert_msg(code == RV_OK, "%s", err.message);
    end_run(&b, 0, 0);
    ck_assert(wait_for(&b.received, 10));
    end_close(&a);
    end_close(&b);
}

/* ---- who is no node ---- */

static int listen_raw(int *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    ck_assert_int_eq(listen(fd, 8), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&at, &length), 0);
    *port = ntohs(at.sin_port);
    return fd;
}

static int dial_raw(int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static size_t read_raw(int fd, unsigned char *out, size_t most)
{
    size_t have = 0;
    for (ssize_t got = 1; got > 0 && have<most; have += got> 0 ? (size_t)got : 0) {
        got = recv(fd, out + have, most - have, 0);
    }
    return have;
}

TEST(a_stranger_who_speaks_nonsense_harms_nobody)
{
    struct end b = {.count = 0};
    struct end a = {.count = 0};
    end_open(&a, &no_tls);
    end_open(&b, &no_tls);
    end_dial(&a, rv_line_port(b.line), "b");
    end_run(&b, 0, 0);
    for (int i = 0; i < 20; i++) {
        static const char *const words[] = {"GET / HTTP/1.1\r\n\r\n", "\0\0\x10\0half", "", "x"};
        int fd = dial_raw(rv_line_port(b.line));
        ck_assert_int_ge(send(fd, words[i % 4], i % 4 == 1 ? 8 : strlen(words[i % 4]), 0), 0);
        if (i % 4 == 2) { /* a message of 2^32 - 1 bytes, and one of none */
            ck_assert_int_ge(send(fd, i % 8 == 2 ? "\xff\xff\xff\xff" : "\0\0\0\0", 4, 0), 0);
        }
        close(fd);
    }
    end_run(&a, 100, 100);
    ck_assert(wait_for(&b.received, 100));
    ck_assert_int_eq(b.wrong, 0);
    end_close(&a);
    end_close(&b);
}

TEST(a_port_that_is_taken_and_an_address_that_is_not_ours)
{
    struct end a = {.count = 0};
    struct rv_line *line = NULL;
    struct rv_error err = {.code = RV_OK};
    end_open(&a, &no_tls);
    struct rv_line_options options = {.loop = a.loop,
                                      .host = "127.0.0.1",
                                      .port = rv_line_port(a.line),
                                      .message_max = 100,
                                      .received = on_received,
                                      .data = &a};
    ck_assert_int_eq(rv_line_open(&options, &line, &err), RV_CONFLICT);
    ck_assert_ptr_nonnull(strstr(err.hint, "cluster.listen"));
    rv_error_clear(&err);
    options.host = "192.0.2.1";
    ck_assert_int_ne(rv_line_open(&options, &line, &err), RV_OK);
    ck_assert_ptr_nonnull(strstr(err.message, "192.0.2.1"));
    rv_error_clear(&err);
    options.host = "127.0.0.1";
    options.tls = (struct rv_line_tls){"/nowhere.pem", "/nowhere.key", "/nowhere.ca"};
    ck_assert_int_eq(rv_line_open(&options, &line, &err), RV_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.message, "/nowhere.pem"));
    end_run(&a, 0, 0);
    end_close(&a);
}

TEST(who_does_not_greet_as_a_node_does_is_told_nothing)
{
    static const char *const greetings[] = {"HTTP/1.1 200 OK\r\n", "reeve 2\n", "\0SP\0\0\x51\0\0"};
    unsigned char bytes[16];
    struct end a = {.count = 0};
    int port = 0;
    int listener = listen_raw(&port);
    end_open(&a, &no_tls);
    end_dial(&a, port, "b");
    end_run(&a, 1 << 30, 100);
    for (int i = 0; i < 3; i++) {
        int fd = accept(listener, NULL, NULL);
        ck_assert_int_ge(send(fd, greetings[i], 8, MSG_NOSIGNAL), 0);
        ck_assert_uint_eq(read_raw(fd, bytes, sizeof bytes), 0); /* it hangs up */
        close(fd);
    }
    int fd = accept(listener, NULL, NULL); /* who says nothing at all */
    ck_assert(wait_for(&a.lost, 1));
    ck_assert_int_eq(a.sent, 0);
    end_close(&a);
    ck_assert_uint_eq(read_raw(fd, bytes, sizeof bytes), 0);
    close(fd);
    close(listener);
}

TEST(a_message_that_broke_off_is_said_again_from_its_first_byte)
{
    enum { LENGTH = 16 << 20 }; /* more than fits on the way: it is cut for sure */
    unsigned char *bytes = rv_alloc(LENGTH);
    unsigned char head[4];
    struct end a = {.count = 0};
    int port = 0;
    int listener = listen_raw(&port);
    end_open(&a, &no_tls);
    end_dial(&a, port, "b");
    end_run(&a, 1, LENGTH);
    int fd = accept(listener, NULL, NULL);
    ck_assert_int_eq(send(fd, "reeve 1\n", 8, MSG_NOSIGNAL), 8);
    ck_assert_uint_eq(read_raw(fd, bytes, 10), 10);
    close(fd);
    fd = accept(listener, NULL, NULL);
    ck_assert_int_eq(send(fd, "reeve 1\n", 8, MSG_NOSIGNAL), 8);
    ck_assert_uint_eq(read_raw(fd, head, sizeof head), sizeof head);
    ck_assert_mem_eq(head, "\1\0\0\0", 4);
    ck_assert_uint_eq(read_raw(fd, bytes, LENGTH), LENGTH);
    int wrong = 0;
    for (int i = (int)sizeof(int); i < LENGTH; i++) {
        wrong += bytes[i] != (unsigned char)i;
    }
    ck_assert_int_eq(wrong, 0);
    ck_assert(wait_for(&a.sent, 1));
    ck_assert_int_eq(a.lost, 0);
    end_close(&a);
    close(fd);
    close(listener);
    rv_free(bytes);
}

/* Strangers who only hold the line are the first to go where there is no room for more. */
TEST(who_is_silent_makes_room)
{
    enum { STRANGERS = RV_LINE_HEARERS_MAX + 20 };
    static int fds[STRANGERS];
    unsigned char bytes[16];
    struct end a = {.count = 0};
    struct end b = {.count = 0};
    end_open(&a, &no_tls);
    end_open(&b, &no_tls);
    end_dial(&a, rv_line_port(b.line), "b");
    end_run(&b, 0, 0);
    end_run(&a, 100, 100);
    ck_assert(wait_for(&b.received, 100));
    for (int i = 0; i < STRANGERS; i++) {
        fds[i] = dial_raw(rv_line_port(b.line));
        ck_assert_uint_eq(read_raw(fds[i], bytes, 8), 8); /* greeted: it was let in */
    }
    ck_assert_uint_eq(read_raw(fds[0], bytes, 1), 0); /* ... and had to go */
    ck_assert(wait_for(&a.sent, 100));
    a.count = 200;
    rv_loop_post(a.loop, begin, &a);
    ck_assert(wait_for(&b.received, 200)); /* by a new line: the old one was silent as well */
    ck_assert_int_eq(a.lost + b.wrong, 0);
    for (int i = 0; i < STRANGERS; i++) {
        close(fds[i]);
    }
    end_close(&a);
    end_close(&b);
}

/* ---- certificates ---- */

static bool make_certificates(char folder[64])
{
    char command[1600];
    snprintf(folder, 64, "/tmp/rv-line-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(
        command, sizeof command,
        "cd %s && exec 2>/dev/null && for ca in ca other; do"
        " openssl req -x509 -newkey rsa:2048 -nodes -keyout $ca.key -out $ca.pem -subj /CN=$ca "
        "-days 2"
        " || exit 1; done; for n in a b; do"
        " openssl req -newkey rsa:2048 -nodes -keyout $n.key -out $n.csr -subj /CN=$n || exit 1;"
        " openssl x509 -req -in $n.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out $n.pem -days 2"
        " || exit 1;"
        " openssl x509 -req -in $n.csr -CA other.pem -CAkey other.key -CAcreateserial -out "
        "$n.other.pem"
        " -days 2 || exit 1; done",
        folder);
    return system(command) == 0;
}

static void remove_certificates(const char *folder)
{
    char command[100];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
}

static struct rv_line_tls tls_of(const char *folder, const char *cert, const char *key,
                                 char texts[3][100])
{
    snprintf(texts[0], 100, "%s/%s.pem", folder, cert);
    snprintf(texts[1], 100, "%s/%s.key", folder, key);
    snprintf(texts[2], 100, "%s/ca.pem", folder);
    return (struct rv_line_tls){texts[0], texts[1], texts[2]};
}

TEST(with_tls_nodes_of_one_authority_talk_and_others_do_not)
{
    char folder[64];
    char texts_a[3][100];
    char texts_b[3][100];
    if (!make_certificates(folder)) {
        fprintf(stderr, "SKIP: no openssl command to make certificates with\n");
        return;
    }
    struct rv_line_tls a = tls_of(folder, "a", "a", texts_a);
    struct rv_line_tls b = tls_of(folder, "b", "b", texts_b);
    talk(&a, &b, 200, 1000);
    /* b's certificate is of another authority; and a name that is not b's */
    for (int round = 0; round < 2; round++) {
        struct end one = {.count = 0};
        struct end two = {.count = 0};
        b = tls_of(folder, round == 0 ? "b.other" : "b", "b", texts_b);
        end_open(&one, &a);
        end_open(&two, &b);
        end_dial(&one, rv_line_port(two.line), round == 0 ? "b" : "c");
        end_dial(&two, rv_line_port(one.line), round == 0 ? "a" : "c");
        end_run(&one, 1, 100);
        end_run(&two, 1, 100);
        ck_assert(wait_for(&one.lost, 1));
        ck_assert(wait_for(&two.lost, 1));
        ck_assert_int_eq(one.received + two.received, 0);
        end_close(&one);
        end_close(&two);
    }
    /* and who does not speak TLS at all */
    struct end plain = {.count = 0};
    struct end one = {.count = 0};
    end_open(&plain, &no_tls);
    end_open(&one, &a);
    end_dial(&plain, rv_line_port(one.line), "a");
    end_run(&one, 0, 0);
    end_run(&plain, 1, 100);
    ck_assert(wait_for(&plain.lost, 1));
    ck_assert_int_eq(one.received, 0);
    end_close(&one);
    end_close(&plain);
    remove_certificates(folder);
}

TEST_MAIN()
