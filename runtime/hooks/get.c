/* get.c -- see get.h. */
#include "runtime/hooks/get.h"

#include "runtime/base/check.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

static size_t on_bytes(char *bytes, size_t size, size_t count, void *data)
{
    struct rv_buf *body = data;
    rv_buf_add(body, bytes, size * count);
    return body->overflowed ? 0 : size * count;
}

#define SET(option, value)                                                                         \
    do {                                                                                           \
        CURLcode set = curl_easy_setopt(easy, option, value);                                      \
        RV_ASSERT(set == CURLE_OK);                                                                \
    } while (0)

static void prepare(CURL *easy, const struct rv_get *get, struct curl_slist *fields,
                    struct rv_buf *body)
{
    SET(CURLOPT_URL, get->url);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_HTTPHEADER, fields);
    SET(CURLOPT_USERAGENT, "reeve");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_TIMEOUT_MS, (long)RV_GET_TIMEOUT_MS);
    SET(CURLOPT_WRITEFUNCTION, on_bytes);
    SET(CURLOPT_WRITEDATA, body);
    if (get->ca_file != NULL) {
        SET(CURLOPT_CAINFO, get->ca_file);
    }
}

enum rv_code rv_get(const struct rv_get *get, int *status, struct rv_buf *body,
                    struct rv_error *err)
{
    char field[256];
    int length = snprintf(field, sizeof field, "Authorization: Bearer %s", get->token);
    if (length >= (int)sizeof field) {
        return rv_fail(err, RV_INVALID, "the token is too long to be one");
    }
    RV_ASSERT(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
    CURL *easy = curl_easy_init();
    RV_ASSERT(easy != NULL);
    struct curl_slist *fields = curl_slist_append(NULL, field);
    prepare(easy, get, fields, body);
    CURLcode code = curl_easy_perform(easy);
    long answered = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &answered);
    *status = (int)answered;
    curl_slist_free_all(fields);
    curl_easy_cleanup(easy);
    curl_global_cleanup();
    return code == CURLE_OK ? RV_OK
                            : rv_fail(err, RV_UNAVAILABLE, "no answer from %s: %s", get->url,
                                      curl_easy_strerror(code));
}
