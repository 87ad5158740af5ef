/* value.c -- see value.h. */
#include "runtime/config/value.h"

#include "runtime/base/check.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { ADDRESS_HOST_MAX = 256 };

struct unit {
    const char *name;
    int64_t factor;
};

static const struct unit durations[] = {{"ms", 1},      {"s", 1000},     {"m", 60000},
                                        {"h", 3600000}, {"d", 86400000}, {NULL, 0}};
static const struct unit sizes[] = {
    {"B", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", INT64_C(1) << 30}, {NULL, 0}};

static bool parse_whole(const char *text, int64_t *out, const char **end)
{
    char *stop = NULL;
    errno = 0;
    *out = strtoll(text, &stop, 10);
    *end = stop;
    return stop != text && errno == 0 && !isspace((unsigned char)text[0]);
}

/* A number with one of `units`; the unit may be left out only for 0. */
static enum rv_code parse_with_unit(const struct rv_setting *setting, const char *text,
                                    const struct unit *units, const char *example, int64_t *out,
                                    struct rv_error *err)
{
    int64_t number = 0;
    const char *end = NULL;
    if (parse_whole(text, &number, &end)) {
        for (const struct unit *unit = units; unit->name != NULL; unit++) {
            bool same = strcmp(end, unit->name) == 0 || (number == 0 && *end == '\0');
            if (same && number <= INT64_MAX / unit->factor && number >= 0) {
                *out = number * unit->factor;
                return RV_OK;
            }
        }
    }
    rv_fail(err, RV_INVALID, "%s: \"%s\" is not a number with a unit", setting->name, text);
    rv_hint(err, "Write it as in %s = %s.", setting->name, example);
    return RV_INVALID;
}

static enum rv_code parse_choice(const struct rv_setting *setting, const char *text,
                                 struct rv_error *err)
{
    /* the sentence ends in the list: "...: debug|info|warn" */
    const char *list = strrchr(setting->doc, ' ') + 1;
    size_t length = strlen(text);
    for (const char *at = list; at != NULL; at = strchr(at, '|')) {
        at += *at == '|';
        if (strncmp(at, text, length) == 0 && (at[length] == '|' || at[length] == '\0') &&
            length > 0) {
            return RV_OK;
        }
    }
    rv_fail(err, RV_INVALID, "%s: \"%s\" is none of %s", setting->name, text, list);
    rv_hint(err, "Choose one of the list.");
    return RV_INVALID;
}

static enum rv_code parse_bool(const struct rv_setting *setting, const char *text, int64_t *out,
                               struct rv_error *err)
{
    static const char *const words[] = {"no", "yes", "false", "true", "off", "on", "0", "1"};
    for (size_t i = 0; i < RV_COUNT(words); i++) {
        if (strcasecmp(text, words[i]) == 0) {
            *out = (int64_t)(i % 2);
            return RV_OK;
        }
    }
    rv_fail(err, RV_INVALID, "%s: \"%s\" is neither yes nor no", setting->name, text);
    rv_hint(err, "Write yes or no.");
    return RV_INVALID;
}

static enum rv_code check_bounds(const struct rv_setting *setting, int64_t number,
                                 struct rv_error *err)
{
    if (number >= setting->min && number <= setting->max) {
        return RV_OK;
    }
    const char *unit = setting->type == RV_SETTING_DURATION ? " ms"
                       : setting->type == RV_SETTING_SIZE   ? " bytes"
                                                            : "";
    rv_fail(err, RV_INVALID, "%s: %" PRId64 "%s is out of bounds", setting->name, number, unit);
    rv_hint(err, "Give a value from %" PRId64 " to %" PRId64 "%s.", setting->min, setting->max,
            unit);
    return RV_INVALID;
}

static enum rv_code check_text(const struct rv_setting *setting, const char *text,
                               struct rv_error *err)
{
    for (const char *at = text; *at != '\0'; at++) {
        if (iscntrl((unsigned char)*at)) {
            return rv_fail(err, RV_INVALID, "%s: the value has a control character", setting->name);
        }
    }
    if ((int64_t)strlen(text) > setting->max) {
        rv_fail(err, RV_INVALID, "%s: the value is longer than %" PRId64 " bytes", setting->name,
                setting->max);
        rv_hint(err, "Give a shorter one.");
        return RV_INVALID;
    }
    return RV_OK;
}

enum rv_code config_value_parse(const struct rv_setting *setting, const char *text, int64_t *out,
                                struct rv_error *err)
{
    *out = 0;
    char host[ADDRESS_HOST_MAX];
    int port = 0;
    const char *end = NULL;
    enum rv_code code = RV_OK;
    switch (setting->type) {
    case RV_SETTING_CHOICE: return parse_choice(setting, text, err);
    case RV_SETTING_BOOLEAN: return parse_bool(setting, text, out, err);
    case RV_SETTING_DURATION:
        code = parse_with_unit(setting, text, durations, "30s", out, err);
        return code == RV_OK ? check_bounds(setting, *out, err) : code;
    case RV_SETTING_SIZE:
        code = parse_with_unit(setting, text, sizes, "64MiB", out, err);
        return code == RV_OK ? check_bounds(setting, *out, err) : code;
    case RV_SETTING_INTEGER:
        if (!parse_whole(text, out, &end) || *end != '\0') {
            rv_fail(err, RV_INVALID, "%s: \"%s\" is not a whole number", setting->name, text);
            rv_hint(err, "Write it as in %s = %s.", setting->name, setting->fallback);
            return RV_INVALID;
        }
        return check_bounds(setting, *out, err);
    case RV_SETTING_ADDRESS:
        code = check_text(setting, text, err);
        if (code == RV_OK && !config_address_parse(text, host, &port)) {
            rv_fail(err, RV_INVALID, "%s: \"%s\" is not an address with a port", setting->name,
                    text);
            rv_hint(err, "Write it as in %s = 127.0.0.1:8700 or [::1]:8700.", setting->name);
            return RV_INVALID;
        }
        return code;
    case RV_SETTING_TEXT:
    case RV_SETTING_PATH:
    case RV_SETTING_DATABASE: return check_text(setting, text, err);
    }
    RV_UNREACHABLE("setting type");
}

bool config_address_parse(const char *text, char host[256], int *port)
{
    const char *colon = strrchr(text, ':');
    if (colon == NULL || colon == text) {
        return false;
    }
    int64_t number = 0;
    const char *end = NULL;
    if (!parse_whole(colon + 1, &number, &end) || *end != '\0' || number < 0 || number > 65535) {
        return false;
    }
    const char *first = text;
    size_t length = (size_t)(colon - text);
    bool brackets = text[0] == '[' && colon[-1] == ']';
    if (brackets) {
        first++;
        length -= 2;
    } else if (memchr(text, ':', length) != NULL) {
        return false; /* an IPv6 address needs brackets */
    }
    if (length == 0 || length >= ADDRESS_HOST_MAX) {
        return false;
    }
    memcpy(host, first, length);
    host[length] = '\0';
    *port = (int)number;
    return true;
}

/* Both forms of libpq: "postgresql://user:SECRET@host/db?password=SECRET" and "password=SECRET". */
char *config_without_password(const char *uri)
{
    struct rv_buf out;
    rv_buf_init(&out, 2 * strlen(uri) + 64);
    const char *at = uri;
    const char *scheme = strstr(uri, "://");
    if (scheme != NULL) {
        const char *authority = scheme + 3;
        const char *authority_end = authority + strcspn(authority, "/?");
        const char *user_end = NULL;
        for (const char *c = authority; c < authority_end; c++) {
            user_end = *c == '@' ? c : user_end;
        }
        const char *colon =
            user_end == NULL ? NULL : memchr(authority, ':', (size_t)(user_end - authority));
        if (colon != NULL) {
            rv_buf_add(&out, uri, (size_t)(colon + 1 - uri));
            rv_buf_str(&out, "****");
            at = user_end;
        }
    }
    for (const char *found; (found = strstr(at, "password=")) != NULL;) {
        const char *value = found + strlen("password=");
        rv_buf_add(&out, at, (size_t)(value - at));
        rv_buf_str(&out, "****");
        if (*value == '\'') {
            for (value++; *value != '\0' && *value != '\''; value++) {
                value += *value == '\\' && value[1] != '\0';
            }
            at = *value == '\'' ? value + 1 : value;
        } else {
            at = value + strcspn(value, scheme != NULL ? "&" : " \t");
        }
    }
    rv_buf_str(&out, at);
    char *text = rv_buf_take(&out);
    rv_buf_fini(&out);
    return text;
}
