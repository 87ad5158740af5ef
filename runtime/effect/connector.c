/* connector.c -- see connector.h: each field is checked by name, before anything is stored. */
#include "runtime/effect/connector.h"

#include "runtime/base/check.h"
#include "runtime/base/words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool is_plain(const char *text)
{
    for (const unsigned char *at = (const unsigned char *)text; *at != '\0'; at++) {
        if (*at <= ' ' || *at >= 0x7f) {
            return false;
        }
    }
    return true;
}

/* "A,B" as an array. */
static json_t *list_of(const char *text)
{
    json_t *list = json_array();
    while (*text != '\0') {
        size_t length = strcspn(text, ",");
        if (length > 0) {
            json_array_append_new(list, json_stringn(text, length));
        }
        text += length + (text[length] == ',');
    }
    return list;
}

/* scheme://host[:port][/path]: no login, no query, nothing behind a #. */
static enum rv_code check_url(const struct rv_connector *connector, const char *open,
                              const char *secure, json_t *settings, struct rv_error *err)
{
    const char *url = connector->target;
    const char *rest = strstr(url, "://");
    size_t scheme = rest != NULL ? (size_t)(rest - url) : 0;
    bool is_secure = scheme == strlen(secure) && strncmp(url, secure, scheme) == 0;
    bool is_open = scheme == strlen(open) && strncmp(url, open, scheme) == 0;
    if (strlen(url) > RV_CONNECTOR_URL_MAX || !is_plain(url) || (!is_secure && !is_open)) {
        return rv_fail(err, RV_INVALID, "url must begin with %s:// and have no white space",
                       secure);
    }
    if (is_open && !connector->allow_private && strcmp(open, "http") == 0) {
        rv_fail(err, RV_INVALID, "url \"%.100s\" must start with https://", url);
        rv_hint(err, "Plain http is only allowed together with private addresses.");
        return RV_INVALID;
    }
    rest += 3;
    size_t host = strcspn(rest, "/?#");
    if (host == 0 || memchr(rest, '@', host) != NULL || strpbrk(rest, "?#") != NULL) {
        rv_fail(err, RV_INVALID, "url must be scheme://host/path, without login, ? and #");
        rv_hint(err, "A login is a secret: --secret-file.");
        return RV_INVALID;
    }
    if (rest[strlen(rest) - 1] == '/') {
        return rv_fail(err, RV_INVALID,
                       "url must not end with a /: paths of agents begin with one");
    }
    json_object_set_new(settings, "host", json_stringn(rest, host));
    return RV_OK;
}

static enum rv_code check_http(const struct rv_connector *connector, json_t *settings,
                               struct rv_error *err)
{
    enum rv_code code = check_url(connector, "http", "https", settings, err);
    json_t *methods = list_of(connector->methods != NULL ? connector->methods : "POST");
    size_t i;
    json_t *method;
    json_object_set_new(settings, "methods", methods);
    json_array_foreach(methods, i, method)
    {
        if (code == RV_OK && !rv_words_have("POST PUT PATCH DELETE", json_string_value(method))) {
            code = rv_fail(err, RV_INVALID, "methods: \"%s\" is none of POST, PUT, PATCH, DELETE",
                           json_string_value(method));
        }
    }
    if (code == RV_OK && connector->header != NULL) {
        if (strlen(connector->header) > 64 || !is_plain(connector->header) ||
            strchr(connector->header, ':') != NULL) {
            code = rv_fail(err, RV_INVALID, "header must be the name of a header, without \":\"");
        }
        json_object_set_new(settings, "header", json_string(connector->header));
    }
    if (code == RV_OK && connector->status != NULL) {
        const char *mark = strstr(connector->status, "{key}");
        if (connector->status[0] != '/' || mark == NULL || strstr(mark + 1, "{key}") != NULL ||
            !is_plain(connector->status) || strlen(connector->status) > RV_CONNECTOR_URL_MAX) {
            code = rv_fail(err, RV_INVALID,
                           "status must be a path with {key} in it once: /payments/{key}");
        }
        json_object_set_new(settings, "status", json_string(connector->status));
    }
    if (code == RV_OK &&
        (connector->answer_max < 1 || connector->answer_max > RV_CONNECTOR_ANSWER_MAX)) {
        code =
            rv_fail(err, RV_INVALID, "answer must be from 1 to %d bytes", RV_CONNECTOR_ANSWER_MAX);
    }
    json_object_set_new(settings, "answer_max", json_integer(connector->answer_max));
    return code;
}

static enum rv_code check_mail(const struct rv_connector *connector, json_t *settings,
                               struct rv_error *err)
{
    enum rv_code code = check_url(connector, "smtp", "smtps", settings, err);
    if (code == RV_OK && (connector->from == NULL || strchr(connector->from, '@') == NULL ||
                          !is_plain(connector->from) || strpbrk(connector->from, "<>,;") != NULL)) {
        code = rv_fail(err, RV_INVALID, "from must be the mail address that it writes as");
    }
    if (code == RV_OK && (connector->to == NULL || connector->to[0] == '\0')) {
        code = rv_fail(err, RV_INVALID, "to must list whom it may write to");
        rv_hint(err, "For example --to clerk@example.com,*@partner.example");
    }
    if (code == RV_OK) {
        json_object_set_new(settings, "from", json_string(connector->from));
        json_object_set_new(settings, "recipients", list_of(connector->to));
        if (connector->login != NULL) {
            json_object_set_new(settings, "login", json_string(connector->login));
        }
    }
    return code;
}

static enum rv_code check_file(const struct rv_connector *connector, struct rv_error *err)
{
    struct stat info;
    if (connector->target[0] != '/' || strlen(connector->target) > RV_CONNECTOR_URL_MAX) {
        return rv_fail(err, RV_INVALID, "directory must be an absolute path");
    }
    if (stat(connector->target, &info) != 0 || !S_ISDIR(info.st_mode)) {
        return rv_fail(err, RV_NOT_FOUND, "there is no directory \"%.200s\"", connector->target);
    }
    return RV_OK;
}

static enum rv_code check_rule(const struct rv_connector *connector, const char **reconcile,
                               struct rv_error *err)
{
    bool http = strcmp(connector->kind, "http") == 0;
    bool file = strcmp(connector->kind, "file") == 0;
    *reconcile = connector->reconcile != NULL ? connector->reconcile : file ? "look" : "person";
    bool fits = strcmp(*reconcile, "person") == 0 || (file && strcmp(*reconcile, "look") == 0) ||
                (http && (strcmp(*reconcile, "repeat") == 0 || strcmp(*reconcile, "status") == 0));
    if (!fits) {
        rv_fail(err, RV_INVALID, "reconcile: \"%.20s\" is no rule of %s", *reconcile,
                connector->kind);
        rv_hint(err, "%s",
                http   ? "Use person, status (with --status) or repeat, where the "
                         "receiver drops repeats by Idempotency-Key."
                : file ? "Use look or person."
                       : "Nobody can be asked about a mail but a person.");
        return RV_INVALID;
    }
    if (http && (connector->status != NULL) != (strcmp(*reconcile, "status") == 0)) {
        return rv_fail(err, RV_INVALID, "reconcile \"status\" and a status path belong together");
    }
    return RV_OK;
}

static enum rv_code check_range(const char *name, int64_t value, int64_t least, int64_t most,
                                struct rv_error *err)
{
    return value >= least && value <= most
               ? RV_OK
               : rv_fail(err, RV_INVALID, "%s must be from %lld to %lld", name, (long long)least,
                         (long long)most);
}

static enum rv_code check_common(const struct rv_connector *connector, json_t *settings,
                                 struct rv_error *err)
{
    static const char fine[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";
    struct stat info;
    const char *name = connector->name;
    if (name[0] == '\0' || strlen(name) > RV_CONNECTOR_NAME_MAX ||
        strspn(name, fine) != strlen(name)) {
        return rv_fail(err, RV_INVALID,
                       "NAME must have 1 to %d of the characters a-z, 0-9, point, dash, underscore",
                       RV_CONNECTOR_NAME_MAX);
    }
    if (connector->ca != NULL && stat(connector->ca, &info) != 0) {
        return rv_fail(err, RV_NOT_FOUND, "there is no file \"%.200s\" (ca)", connector->ca);
    }
    enum rv_code code =
        check_range("timeout", connector->timeout_ms, 100, RV_CONNECTOR_TIMEOUT_MAX_MS, err);
    if (code == RV_OK) {
        code = check_range("attempts", connector->attempts, 1, RV_CONNECTOR_ATTEMPTS_MAX, err);
    }
    if (code == RV_OK) {
        code = check_range("backoff", connector->backoff_ms, 0, 3600 * 1000, err);
    }
    json_object_set_new(settings, "timeout_ms", json_integer(connector->timeout_ms));
    json_object_set_new(settings, "attempts", json_integer(connector->attempts));
    json_object_set_new(settings, "backoff_ms", json_integer(connector->backoff_ms));
    json_object_set_new(settings, "allow_private", json_boolean(connector->allow_private));
    if (connector->ca != NULL) {
        json_object_set_new(settings, "ca", json_string(connector->ca));
    }
    return code;
}

enum rv_code rv_connector_check(const struct rv_connector *connector, json_t **settings,
                                const char **reconcile, struct rv_error *err)
{
    json_t *made = json_object();
    enum rv_code code = check_common(connector, made, err);
    if (code == RV_OK && strcmp(connector->kind, "http") == 0) {
        code = check_http(connector, made, err);
    } else if (code == RV_OK && strcmp(connector->kind, "mail") == 0) {
        code = check_mail(connector, made, err);
    } else if (code == RV_OK && strcmp(connector->kind, "file") == 0) {
        code = check_file(connector, err);
    } else if (code == RV_OK) {
        code = rv_fail(err, RV_INVALID, "kind must be http, mail or file");
    }
    if (code == RV_OK) {
        code = check_rule(connector, reconcile, err);
    }
    if (code != RV_OK) {
        json_decref(made);
        return code;
    }
    *settings = made;
    return RV_OK;
}

enum rv_code rv_intent_read(const char *text, int64_t *run, int32_t *seq, struct rv_error *err)
{
    const char *digits = text + (strncmp(text, "r_", 2) == 0 ? 2 : 0);
    char *colon = NULL;
    char *end = NULL;
    long long number = strtoll(digits, &colon, 10);
    long step = *colon == ':' ? strtol(colon + 1, &end, 10) : 0;
    if (colon == digits || end == NULL || end == colon + 1 || *end != '\0' || number <= 0 ||
        step <= 0 || step > INT32_MAX) {
        rv_fail(err, RV_INVALID, "INTENT: \"%.60s\" is not the name of an intent", text);
        rv_hint(err,
                "It is a run and a step, like r_911902230237808202:7; see: reeve intent list.");
        return RV_INVALID;
    }
    *run = number;
    *seq = (int32_t)step;
    return RV_OK;
}
