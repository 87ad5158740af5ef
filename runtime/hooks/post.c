/* post.c -- libcurl's multi_socket interface behind the loop's polls and timers. */
#include "runtime/hooks/post.h"

#include "runtime/base/buf.h"
#include "runtime/base/check.h"
#include "runtime/base/hash.h"
#include "runtime/base/log.h"
#include "runtime/hooks/address.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { POOL_PUBLIC, POOL_PRIVATE, POOLS };
enum { TYPE_BYTES = 100 }; /* of a content type that anybody uses */

struct pool {
    struct rv_poster *poster;
    CURLM *multi;
    struct rv_timer *timer;
};

struct rv_poster {
    struct rv_loop *loop;
    struct pool pools[POOLS];
    struct transfer *transfers;
    int polls; /* being closed or open */
    bool closing;
    void (*closed)(void *data);
    void *closed_data;
};

struct transfer {
    struct pool *pool;
    struct transfer *previous, *next;
    CURL *easy;
    struct curl_slist *headers;
    bool allow_private;
    bool refused_address;
    size_t received;
    size_t answer_max;
    struct rv_buf answer;
    struct curl_slist *mail_to;
    struct rv_buf mail; /* what is left to send of it */
    bool is_mail;
    bool mail_began;
    void (*done)(void *data, const struct rv_post_result *result);
    void *data;
};

struct socket_poll {
    struct pool *pool;
    struct rv_poll *poll;
    curl_socket_t fd;
};

/* ---- ending ---- */

static void unlink_transfer(struct transfer *transfer)
{
    struct rv_poster *poster = transfer->pool->poster;
    if (transfer->previous != NULL) {
        transfer->previous->next = transfer->next;
    } else {
        poster->transfers = transfer->next;
    }
    if (transfer->next != NULL) {
        transfer->next->previous = transfer->previous;
    }
}

static void drop(struct transfer *transfer)
{
    curl_multi_remove_handle(transfer->pool->multi, transfer->easy);
    curl_easy_cleanup(transfer->easy);
    curl_slist_free_all(transfer->headers);
    curl_slist_free_all(transfer->mail_to);
    rv_buf_fini(&transfer->answer);
    rv_buf_fini(&transfer->mail);
    unlink_transfer(transfer);
    rv_free(transfer);
}

static void finish(struct transfer *transfer, CURLcode code)
{
    struct rv_buf answer = transfer->answer;
    char type[TYPE_BYTES] = "";
    struct rv_post_result result = {.type = type, .body = answer.data};
    rv_buf_init(&transfer->answer, 1);
    long status = 0;
    long request_bytes = 0;
    curl_off_t wait = 0;
    curl_off_t began = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(transfer->easy, CURLINFO_REQUEST_SIZE, &request_bytes);
    curl_easy_getinfo(transfer->easy, CURLINFO_PRETRANSFER_TIME_T, &began);
    bool answered = status >= 200 && (code == CURLE_OK || code == CURLE_WRITE_ERROR);
    result.sent = transfer->is_mail ? transfer->mail_began : began > 0 || request_bytes > 0;
    result.refused_address = transfer->refused_address;
    result.length = answer.length;
    result.cut = transfer->received > answer.length;
    if (transfer->is_mail) {
        result.status = (int)status;
        snprintf(result.error, sizeof result.error, "%s",
                 transfer->refused_address ? "the address is private or reserved"
                 : code == CURLE_OK        ? ""
                                           : curl_easy_strerror(code));
    } else if (answered) {
        char *said = NULL;
        curl_easy_getinfo(transfer->easy, CURLINFO_CONTENT_TYPE, &said);
        snprintf(type, sizeof type, "%s", said != NULL ? said : "");
        result.status = (int)status;
        curl_easy_getinfo(transfer->easy, CURLINFO_RETRY_AFTER, &wait);
        result.retry_after_s = wait > 0 ? (int64_t)wait : 0;
    } else if (transfer->refused_address) {
        snprintf(result.error, sizeof result.error, "the address is private or reserved");
    } else {
        snprintf(result.error, sizeof result.error, "%s", curl_easy_strerror(code));
    }
    void (*done)(void *data, const struct rv_post_result *result) = transfer->done;
    void *data = transfer->data;
    drop(transfer);
    done(data, &result);
    rv_buf_fini(&answer);
}

static void collect(struct pool *pool)
{
    int left = 0;
    CURLMsg *message = NULL;
    while ((message = curl_multi_info_read(pool->multi, &left)) != NULL) {
        if (message->msg == CURLMSG_DONE) {
            struct transfer *transfer = NULL;
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
            finish(transfer, message->data.result);
        }
    }
}

/* ---- what curl asks of the loop ---- */

static void on_timer(void *data)
{
    struct pool *pool = data;
    int running = 0;
    curl_multi_socket_action(pool->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    collect(pool);
}

static int want_timer(CURLM *multi, long timeout_ms, void *data)
{
    (void)multi;
    struct pool *pool = data;
    if (timeout_ms < 0) {
        rv_timer_stop(pool->timer);
    } else {
        rv_timer_start(pool->timer, timeout_ms); /* 0 means "soon": a timer of 0 ms, not a call */
    }
    return 0;
}

static void on_ready(void *data, int events)
{
    struct socket_poll *watch = data;
    struct pool *pool = watch->pool;
    int flags = (events & RV_READABLE ? CURL_CSELECT_IN : 0) |
                (events & RV_WRITABLE ? CURL_CSELECT_OUT : 0) |
                (events & RV_POLL_ERROR ? CURL_CSELECT_ERR : 0);
    int running = 0;
    curl_multi_socket_action(pool->multi, watch->fd, flags, &running); /* may close the watch */
    collect(pool);
}

static void release(struct rv_poster *poster)
{
    if (poster->closing && poster->polls == 0) {
        void (*closed)(void *data) = poster->closed;
        void *data = poster->closed_data;
        rv_free(poster);
        if (closed != NULL) {
            closed(data);
        }
    }
}

static void on_watch_closed(void *data)
{
    struct socket_poll *watch = data;
    struct rv_poster *poster = watch->pool->poster;
    rv_free(watch);
    poster->polls--;
    release(poster);
}

static int want_socket(CURL *easy, curl_socket_t fd, int what, void *data, void *socket_data)
{
    (void)easy;
    struct pool *pool = data;
    struct socket_poll *watch = socket_data;
    if (what == CURL_POLL_REMOVE) {
        if (watch != NULL) {
            curl_multi_assign(pool->multi, fd, NULL);
            rv_poll_close(watch->poll, on_watch_closed, watch);
        }
        return 0;
    }
    if (watch == NULL) {
        watch = rv_alloc(sizeof *watch);
        watch->pool = pool;
        watch->fd = fd;
        watch->poll = rv_poll_create(pool->poster->loop, fd, on_ready, watch);
        pool->poster->polls++;
        curl_multi_assign(pool->multi, fd, watch);
    }
    rv_poll_start(watch->poll, (what & CURL_POLL_IN ? RV_READABLE : 0) |
                                   (what & CURL_POLL_OUT ? RV_WRITABLE : 0));
    return 0;
}

/* ---- what curl asks of a transfer ---- */

static curl_socket_t open_socket(void *data, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct transfer *transfer = data;
    (void)purpose;
    if (!transfer->allow_private && !rv_address_is_public(&address->addr)) {
        transfer->refused_address = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static size_t on_answer(char *bytes, size_t size, size_t count, void *data)
{
    struct transfer *transfer = data;
    size_t room = transfer->answer_max - transfer->answer.length;
    transfer->received += size * count;
    rv_buf_add(&transfer->answer, bytes, size * count < room ? size * count : room);
    if (transfer->answer_max > 0) {
        return transfer->received <= transfer->answer_max ? size * count : 0;
    }
    return transfer->received <= RV_POST_ANSWER_MAX ? size * count : 0;
}

static size_t on_mail(char *out, size_t size, size_t count, void *data)
{
    struct transfer *transfer = data;
    size_t length = size * count < transfer->mail.length ? size * count : transfer->mail.length;
    transfer->mail_began = true;
    memcpy(out, transfer->mail.data, length);
    rv_buf_consume(&transfer->mail, length);
    return length;
}

static void set_up_mail(struct transfer *transfer, const struct rv_post *post)
{
    CURL *easy = transfer->easy;
    for (const char *const *to = post->mail_to; *to != NULL; to++) {
        transfer->mail_to = curl_slist_append(transfer->mail_to, *to);
    }
    rv_buf_add(&transfer->mail, post->body, post->length);
    RV_ASSERT(curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "smtp,smtps") == CURLE_OK &&
              curl_easy_setopt(easy, CURLOPT_USE_SSL,
                               (long)(post->allow_private ? CURLUSESSL_TRY : CURLUSESSL_ALL)) ==
                  CURLE_OK &&
              curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L) == CURLE_OK &&
              curl_easy_setopt(easy, CURLOPT_MAIL_FROM, post->mail_from) == CURLE_OK &&
              curl_easy_setopt(easy, CURLOPT_MAIL_RCPT, transfer->mail_to) == CURLE_OK &&
              curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_mail) == CURLE_OK &&
              curl_easy_setopt(easy, CURLOPT_READDATA, transfer) == CURLE_OK);
    if (post->login != NULL) {
        RV_ASSERT(curl_easy_setopt(easy, CURLOPT_USERNAME, post->login) == CURLE_OK &&
                  curl_easy_setopt(easy, CURLOPT_PASSWORD, post->password) == CURLE_OK);
    }
}

static void set_up_http(struct transfer *transfer, const struct rv_post *post)
{
    CURL *easy = transfer->easy;
    bool get = post->method != NULL && strcmp(post->method, "GET") == 0;
    RV_ASSERT(curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR,
                               post->allow_private ? "http,https" : "https") == CURLE_OK);
    if (get) {
        RV_ASSERT(curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L) == CURLE_OK);
    } else {
        RV_ASSERT(curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)post->length) ==
                      CURLE_OK &&
                  curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, post->body) == CURLE_OK &&
                  curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, post->method) == CURLE_OK);
    }
}

static void set_up(struct transfer *transfer, const struct rv_post *post)
{
    CURL *easy = transfer->easy;
    int64_t timeout_ms = post->timeout_ms > 0 ? post->timeout_ms : RV_POST_TIMEOUT_MS;
    CURLcode code = CURLE_OK;
#define SET(option, value)                                                                         \
    do {                                                                                           \
        code = curl_easy_setopt(easy, option, value);                                              \
        RV_ASSERT(code == CURLE_OK);                                                               \
    } while (0)
    SET(CURLOPT_PRIVATE, transfer);
    SET(CURLOPT_URL, post->url);
    SET(CURLOPT_HTTPHEADER, transfer->headers);
    SET(CURLOPT_USERAGENT, "reeve");
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1); /* a slow tenant stalls only itself */
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PROXY, ""); /* a proxy of the environment would bypass the address check */
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)RV_POST_CONNECT_MS);
    SET(CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    SET(CURLOPT_CAPATH,
        NULL); /* with a directory curl loads 144 certificates for each connection */
    SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
    SET(CURLOPT_OPENSOCKETDATA, transfer);
    SET(CURLOPT_WRITEFUNCTION, on_answer);
    SET(CURLOPT_WRITEDATA, transfer);
    SET(CURLOPT_FRESH_CONNECT, post->once ? 1L : 0L);
    SET(CURLOPT_FORBID_REUSE, post->once ? 1L : 0L);
    if (post->ca_file != NULL) {
        SET(CURLOPT_CAINFO, post->ca_file);
    }
#undef SET
    if (transfer->is_mail) {
        set_up_mail(transfer, post);
    } else {
        set_up_http(transfer, post);
    }
}

void rv_poster_send(struct rv_poster *poster, const struct rv_post *post,
                    void (*done)(void *data, const struct rv_post_result *result), void *data)
{
    struct transfer *transfer = rv_alloc(sizeof *transfer);
    RV_ASSERT(!poster->closing);
    transfer->pool = &poster->pools[post->allow_private ? POOL_PRIVATE : POOL_PUBLIC];
    transfer->allow_private = post->allow_private;
    transfer->is_mail = post->mail_from != NULL;
    transfer->answer_max = post->answer_max;
    rv_buf_init(&transfer->answer, post->answer_max + 1);
    rv_buf_init(&transfer->mail, post->length + 1);
    transfer->done = done;
    transfer->data = data;
    transfer->easy = curl_easy_init();
    RV_ASSERT(transfer->easy != NULL);
    for (int i = 0; i < RV_POST_HEADERS_MAX && post->headers[i] != NULL; i++) {
        transfer->headers = curl_slist_append(transfer->headers, post->headers[i]);
    }
    set_up(transfer, post);
    transfer->next = poster->transfers;
    if (transfer->next != NULL) {
        transfer->next->previous = transfer;
    }
    poster->transfers = transfer;
    RV_ASSERT(curl_multi_add_handle(transfer->pool->multi, transfer->easy) == CURLM_OK);
}

/* ---- life ---- */

struct rv_poster *rv_poster_create(struct rv_loop *loop)
{
    struct rv_poster *poster = rv_alloc(sizeof *poster);
    RV_ASSERT(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
    poster->loop = loop;
    for (int i = 0; i < POOLS; i++) {
        struct pool *pool = &poster->pools[i];
        pool->poster = poster;
        pool->timer = rv_timer_create(loop, on_timer, pool);
        pool->multi = curl_multi_init();
        RV_ASSERT(pool->multi != NULL);
        curl_multi_setopt(pool->multi, CURLMOPT_SOCKETFUNCTION, want_socket);
        curl_multi_setopt(pool->multi, CURLMOPT_SOCKETDATA, pool);
        curl_multi_setopt(pool->multi, CURLMOPT_TIMERFUNCTION, want_timer);
        curl_multi_setopt(pool->multi, CURLMOPT_TIMERDATA, pool);
        curl_multi_setopt(pool->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)RV_POST_PER_HOST);
        curl_multi_setopt(pool->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)RV_POST_TOTAL);
    }
    return poster;
}

void rv_poster_close(struct rv_poster *poster, void (*closed)(void *data), void *data)
{
    poster->closed = closed;
    poster->closed_data = data;
    while (poster->transfers != NULL) {
        drop(poster->transfers);
    }
    poster->polls++; /* holds the poster until both pools are gone */
    for (int i = 0; i < POOLS; i++) {
        curl_multi_cleanup(poster->pools[i].multi);
        rv_timer_close(poster->pools[i].timer);
    }
    poster->closing = true;
    poster->polls--;
    release(poster);
}
