/* http_client.c -- see http_client.h. */
#include "tests/support/http_client.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

int http_client_dial(int port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct timeval patience = {.tv_sec = 10};
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(fd, (struct sockaddr *)&where, sizeof where) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

void http_client_call(int port, const char *method, const char *path, const char *headers,
                      const char *body, struct answer *answer)
{
    int fd = http_client_dial(port);
    struct rv_buf request;
    size_t length = 0;
    memset(answer, 0, sizeof *answer);
    answer->body = answer->text;
    if (fd < 0) {
        return;
    }
    rv_buf_init(&request, 1 << 20);
    rv_buf_printf(&request, "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: close\r\n%s",
                  method, path, port, headers);
    if (body != NULL) {
        rv_buf_printf(&request, "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                      strlen(body), body);
    } else {
        rv_buf_str(&request, "\r\n");
    }
    ssize_t sent = send(fd, request.data, request.length, MSG_NOSIGNAL);
    rv_buf_fini(&request);
    while (sent > 0 && length < sizeof answer->text - 1) {
        ssize_t count = recv(fd, answer->text + length, sizeof answer->text - 1 - length, 0);
        if (count <= 0) {
            break;
        }
        length += (size_t)count;
    }
    close(fd);
    answer->text[length] = '\0';
    const char *blank = strstr(answer->text, "\r\n\r\n");
    if (blank != NULL) {
        answer->status = atoi(answer->text + 9);
        answer->body = blank + 4;
        answer->json = json_loads(answer->body, 0, NULL);
    }
}

void http_client_field(const struct answer *answer, const char *name, char *out, size_t size)
{
    size_t wanted = strlen(name);
    out[0] = '\0';
    for (const char *line = answer->text; line != NULL && line < answer->body;) {
        if (strncasecmp(line, name, wanted) == 0 && line[wanted] == ':') {
            const char *value = line + wanted + 1 + strspn(line + wanted + 1, " ");
            snprintf(out, size, "%.*s", (int)strcspn(value, "\r\n"), value);
            return;
        }
        line = strstr(line, "\r\n");
        line = line != NULL ? line + 2 : NULL;
    }
}

void http_client_forget(struct answer *answer)
{
    json_decref(answer->json);
    answer->json = NULL;
}
