/* receiver.c -- somebody else's machine, for tests of what happens outside: HTTP and SMTP on
 * loopback. usage: receiver LOG PORTS     writes "HTTP-PORT SMTP-PORT" to PORTS when it listens
 *
 * What it was asked and what it did stand in LOG, a line each:
 *     TRY METHOD PATH KEY AUTHORIZATION     a request arrived
 *     TRACE PATH KEY TRACEPARENT            with this trace, when it had one
 *     DID KEY                               and this happened because of it
 *     MAIL FROM TO MESSAGE-ID LINES         a mail was taken
 * What becomes of a request is in its path:
 *     /ok       does it, answers 201           /slow     does it, answers after 3 seconds
 *     /gone     drops the first of each key    /cut      does it, drops the connection
 *     /busy     503 the first time             /busy-ever  503
 *     /no       422                            /away     a redirect
 *     /soon     does it, answers after 0.6 s   /once-soon  both of /soon and /once
 *     /big      does it, answers 200 KiB       /once     does it, but not again for the same key
 *     /real     does it, answers JSON with fractions
 *     /full     does it, answers 1 MiB of text, every byte of which JSON must escape
 *     /status/KEY   (GET) 200 when DID KEY, else 404
 * A mail to "refused@..." is refused, to "later@..." for now; after the text of one to "cut@..."
 * the connection is dropped.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REQUEST_MAX = 1 << 20, WORD = 256, BIG = 200 * 1024, FULL = 1 << 20 };

static const char *log_path;

/* A line of words; NULL ends them. */
static void note(const char *word, const char *a, const char *b, const char *c, const char *d)
{
    char line[4 * WORD + 64];
    int length = snprintf(line, sizeof line, "%s %s%s%s%s%s%s%s\n", word, a, b != NULL ? " " : "",
                          b != NULL ? b : "", c != NULL ? " " : "", c != NULL ? c : "",
                          d != NULL ? " " : "", d != NULL ? d : "");
    int fd = open(log_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, line, (size_t)length) != length) { /* one write: lines stay whole */
        abort();
    }
    close(fd);
}

static int count(const char *first, const char *last)
{
    char line[8 * WORD];
    int found = 0;
    FILE *file = fopen(log_path, "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        found += strncmp(line, first, strlen(first)) == 0 && strstr(line, last) != NULL;
    }
    if (file != NULL) {
        fclose(file);
    }
    return found;
}

static void say(int fd, const char *text)
{
    if (write(fd, text, strlen(text)) < 0) {
        _exit(0); /* the other side has gone */
    }
}

/* ---- HTTP ---- */

/* Value of a header; "-" when it is not there. */
static void header(const char *request, const char *name, char out[WORD])
{
    const char *at = strcasestr(request, name);
    snprintf(out, WORD, "-");
    if (at != NULL) {
        at += strlen(name);
        snprintf(out, WORD, "%.*s", (int)strcspn(at, "\r\n"), at);
    }
    for (char *c = out; *c != '\0'; c++) {
        *c = *c == ' ' ? '_' : *c; /* one word a field */
    }
}

static bool read_request(int fd, char *request)
{
    size_t length = 0;
    for (;;) {
        ssize_t n = read(fd, request + length, REQUEST_MAX - length);
        if (n <= 0) {
            return false;
        }
        length += (size_t)n;
        request[length] = '\0';
        const char *end = strstr(request, "\r\n\r\n");
        if (end != NULL) {
            char said[WORD];
            header(request, "content-length: ", said);
            size_t body = said[0] == '-' ? 0 : strtoul(said, NULL, 10);
            if (length >= (size_t)(end - request) + 4 + body) {
                return true;
            }
        }
    }
}

static void answer(int fd, const char *status, const char *type, const char *body)
{
    char head[WORD];
    snprintf(head, sizeof head,
             "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
             status, type, strlen(body));
    say(fd, head);
    say(fd, body);
}

static void answer_big(int fd)
{
    char *body = malloc(BIG + 3);
    memset(body, 'x', BIG + 2);
    body[0] = '"';
    body[BIG + 1] = '"';
    body[BIG + 2] = '\0';
    answer(fd, "200 OK", "application/json", body);
    free(body);
}

static void answer_full(int fd)
{
    char *body = malloc(FULL + 1);
    for (int i = 0; i < FULL; i++) {
        body[i] = "\"\\\x01\x1f"[i % 4];
    }
    body[FULL] = '\0';
    answer(fd, "200 OK", "text/plain", body);
    free(body);
}

static void serve_http(int fd)
{
    static char request[REQUEST_MAX + 1];
    char method[WORD];
    char path[WORD];
    char key[WORD];
    char authorization[WORD];
    char trace[WORD];
    if (!read_request(fd, request) || sscanf(request, "%200s %200s", method, path) != 2) {
        return;
    }
    if (strncmp(path, "/status/", 8) == 0) {
        bool did = count("DID ", path + 8) > 0;
        note("LOOK", path + 8, did ? "yes" : "no", NULL, NULL);
        answer(fd, did ? "200 OK" : "404 Not Found", "application/json", "{\"found\":true}");
        return;
    }
    header(request, "idempotency-key: ", key);
    header(request, "authorization: ", authorization);
    note("TRY", method, path, key, authorization);
    header(request, "traceparent: ", trace);
    if (trace[0] != '-') {
        note("TRACE", path, key, trace, NULL);
    }
    bool again = count("TRY ", key) > 1;
    if (strcmp(path, "/busy-ever") == 0 || (strcmp(path, "/busy") == 0 && !again)) {
        answer(fd, "503 Service Unavailable", "text/plain", "busy");
    } else if (strcmp(path, "/gone") == 0 && !again) {
        return;
    } else if (strcmp(path, "/no") == 0) {
        answer(fd, "422 Unprocessable Content", "text/plain", "no");
    } else if (strcmp(path, "/away") == 0) {
        say(fd, "HTTP/1.1 302 Found\r\nLocation: /ok\r\nContent-Length: 0\r\n\r\n");
    } else if (strcmp(path, "/cut-busy") == 0 && again) {
        answer(fd, "503 Service Unavailable", "text/plain", "busy");
    } else if (strcmp(path, "/cut-no") == 0 && again) {
        answer(fd, "409 Conflict", "text/plain", "this key was used");
    } else if (strncmp(path, "/once", 5) == 0 && count("DID ", key) > 0) {
        answer(fd, "200 OK", "application/json", "{\"again\":true}");
    } else {
        note("DID", key, NULL, NULL, NULL);
        if (strncmp(path, "/cut", 4) == 0) {
            return;
        }
        if (strstr(path, "soon") != NULL) {
            usleep(600 * 1000);
        }
        if (strcmp(path, "/slow") == 0 || strcmp(path, "/once") == 0) {
            sleep(3);
        }
        if (strcmp(path, "/big") == 0) {
            answer_big(fd);
        } else if (strcmp(path, "/full") == 0) {
            answer_full(fd);
        } else if (strcmp(path, "/real") == 0) {
            answer(fd, "200 OK", "application/json", "{\"rate\":1.5,\"more\":[{\"x\":1e300},2]}");
        } else {
            answer(fd, "201 Created", "application/json", "{\"id\":\"p-1\"}");
        }
    }
}

/* ---- SMTP ---- */

static void take_mail(int fd, FILE *in, const char *from, const char *to)
{
    char line[WORD * 4];
    char id[WORD] = "-";
    char lines[16];
    int body = 0;
    bool inside = false;
    say(fd, "354 go on\r\n");
    while (fgets(line, sizeof line, in) != NULL && strcmp(line, ".\r\n") != 0) {
        body += inside;
        inside = inside || strcmp(line, "\r\n") == 0;
        if (!inside && strncasecmp(line, "message-id: ", 12) == 0) {
            snprintf(id, sizeof id, "%.*s", (int)strcspn(line + 12, "\r\n"), line + 12);
        }
    }
    if (strncmp(to, "<cut@", 5) == 0) {
        _exit(0);
    }
    snprintf(lines, sizeof lines, "%d", body);
    note("MAIL", from, to, id, lines);
    say(fd, "250 taken\r\n");
}

static void serve_smtp(int fd)
{
    char line[WORD * 4];
    char from[WORD] = "-";
    char to[WORD] = "-";
    FILE *in = fdopen(fd, "r");
    say(fd, "220 receiver\r\n");
    while (in != NULL && fgets(line, sizeof line, in) != NULL) {
        char *address = strchr(line, '<');
        int length = address != NULL ? (int)strcspn(address, ">") + 1 : 0;
        if (strncasecmp(line, "MAIL", 4) == 0) {
            snprintf(from, sizeof from, "%.*s", length, address);
            say(fd, "250 yes\r\n");
        } else if (strncasecmp(line, "RCPT", 4) == 0) {
            snprintf(to, sizeof to, "%.*s", length, address);
            say(fd, strncmp(to, "<refused@", 9) == 0 ? "550 no\r\n"
                    : strncmp(to, "<later@", 7) == 0 ? "451 later\r\n"
                                                     : "250 yes\r\n");
        } else if (strncasecmp(line, "DATA", 4) == 0) {
            take_mail(fd, in, from, to);
        } else if (strncasecmp(line, "QUIT", 4) == 0) {
            say(fd, "221 bye\r\n");
            return;
        } else {
            say(fd, "250 receiver\r\n");
        }
    }
}

/* ---- listening ---- */

static int listen_somewhere(int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(fd, 64) != 0 || getsockname(fd, (struct sockaddr *)&address, &length) != 0) {
        perror("receiver");
        exit(1);
    }
    *port = ntohs(address.sin_port);
    return fd;
}

static void accept_all(int fd, void (*serve)(int fd))
{
    for (;;) {
        int one = accept(fd, NULL, NULL);
        if (one >= 0 && fork() == 0) {
            serve(one);
            shutdown(one, SHUT_RDWR);
            _exit(0);
        }
        close(one);
    }
}

int main(int argc, char **argv)
{
    int http = 0;
    int smtp = 0;
    if (argc != 3) {
        fprintf(stderr, "usage: receiver LOG PORTS\n");
        return 2;
    }
    log_path = argv[1];
    signal(SIGCHLD, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    int http_fd = listen_somewhere(&http);
    int smtp_fd = listen_somewhere(&smtp);
    FILE *ports = fopen(argv[2], "w");
    if (ports == NULL || fprintf(ports, "%d %d\n", http, smtp) < 0 || fclose(ports) != 0) {
        perror("receiver");
        return 1;
    }
    pid_t parent = getpid();
    pid_t caller = getppid();
    setpgid(0, 0); /* what ends us all below must not end the test */
    if (fork() == 0) {
        /* ends with the parent, and with the test: looks now and then whether they are still there
         */
        if (fork() == 0) {
            accept_all(smtp_fd, serve_smtp);
        }
        while (getppid() == parent && kill(caller, 0) == 0) {
            sleep(1);
        }
        kill(0, SIGTERM);
    }
    accept_all(http_fd, serve_http);
}
