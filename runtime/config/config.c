/* config.c -- loads the settings from their four places, in rising order of right; see config.h.
 *
 * libinih reads the file.  It knows neither line numbers in its callback nor long lines (it cuts
 * them without a word at INI_MAX_LINE), so it gets its lines from our reader, which counts and
 * refuses.
 */
#include "runtime/config/config.h"

#include "runtime/base/check.h"
#include "runtime/base/name.h"
#include "runtime/config/suggest.h"
#include "runtime/config/value.h"

#include <errno.h>
#include <ini.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    PLACE_MAX = 1200,
    NAME_MAX_BYTES = 128,
    WARNINGS_MAX = 16, /* more unknown variables than that are somebody else's convention */
    SAMPLE_WIDTH = 90
};

struct value {
    char *text;
    int64_t number;
    enum rv_origin origin;
    char *place;
};

struct rv_config {
    struct value values[RV_SETTING_COUNT];
    char *file;
    char *state_dir;
    char *node_name;
    char *warnings[WARNINGS_MAX + 1];
    int warning_count;
};

#define LIVE    true
#define RESTART false
const struct rv_setting rv_settings[RV_SETTING_COUNT] = {
#define SETTING(id, name_text, kind, otherwise, least, most, reload, sentence)                     \
    [RV_SET_##id] = {.name = name_text,                                                            \
                     .type = RV_SETTING_##kind,                                                    \
                     .fallback = otherwise,                                                        \
                     .min = least,                                                                 \
                     .max = most,                                                                  \
                     .live = reload,                                                               \
                     .doc = sentence},
#include "runtime/config/settings.def"
#undef SETTING
};

/* Short names of the two that are set most. */
static const struct {
    const char *name;
    enum rv_setting_id id;
} short_variables[] = {{"REEVE_STATE", RV_SET_STATE_DIR}, {"REEVE_DATABASE", RV_SET_DATABASE_URI}};

/* Variables with our prefix that are no settings. */
static const char *const known_variables[] = {
    "REEVE_CONFIG",   /* the file to read */
    "REEVE_TOKEN",    /* reeve top: an API token */
    "REEVE_TEST_PG",  /* tests: a server to use instead of a private one */
    "REEVE_CHROMIUM", /* tests: the browser */
    "REEVE_ASSETS",   /* development: pages from disk */
};

static enum rv_code load_file(struct rv_config *config, const char *given, char *const *environment,
                              struct rv_error *err);
static enum rv_code load_environment(struct rv_config *config, char *const *environment,
                                     struct rv_error *err);
static enum rv_code put(struct rv_config *config, int id, const char *text, enum rv_origin origin,
                        const char *place, struct rv_error *err);
static int find_setting(const char *name);
static enum rv_code unknown(const char *name, struct rv_error *err);
static enum rv_code check_together(const struct rv_config *config, struct rv_error *err);
static void work_out(struct rv_config *config, char *const *environment);

const char *rv_origin_name(enum rv_origin origin)
{
    static const char *const names[] = {"default", "file", "environment", "flag"};
    return names[origin];
}

const char *rv_environment(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

/* From a given environment, else the process's; NULL when unset or empty. */
static const char *variable(char *const *environment, const char *name)
{
    size_t length = strlen(name);
    for (; *environment != NULL; environment++) {
        if (strncmp(*environment, name, length) == 0 && (*environment)[length] == '=') {
            const char *value = *environment + length + 1;
            return *value != '\0' ? value : NULL;
        }
    }
    return NULL;
}

/* ---- loading ---- */

enum rv_code rv_config_load(const struct rv_config_options *options, struct rv_config **out,
                            struct rv_error *err)
{
    char *const *environment = options->environment != NULL ? options->environment : environ;
    struct rv_config *config = rv_alloc(sizeof *config);
    enum rv_code code = RV_OK;
    for (int id = 0; id < RV_SETTING_COUNT; id++) {
        config->values[id].text = rv_strdup(rv_settings[id].fallback);
        config->values[id].place = rv_strdup("");
        if (rv_settings[id].fallback[0] != '\0') {
            code = config_value_parse(&rv_settings[id], rv_settings[id].fallback,
                                      &config->values[id].number, err);
            RV_ASSERT(code == RV_OK); /* the defaults of settings.def obey their own bounds */
        }
    }
    config->file = rv_strdup("");
    code = load_file(config, options->file, environment, err);
    if (code == RV_OK) {
        code = load_environment(config, environment, err);
    }
    for (int i = 0; i < options->flag_count && code == RV_OK; i++) {
        int id = find_setting(options->flags[i].name);
        code = id < 0 ? unknown(options->flags[i].name, err)
                      : put(config, id, options->flags[i].value, RV_ORIGIN_FLAG, "--set", err);
    }
    if (code == RV_OK) {
        code = check_together(config, err);
    }
    if (code != RV_OK) {
        rv_config_destroy(config);
        return code;
    }
    work_out(config, environment);
    *out = config;
    return RV_OK;
}

void rv_config_destroy(struct rv_config *config)
{
    if (config == NULL) {
        return;
    }
    for (int id = 0; id < RV_SETTING_COUNT; id++) {
        rv_free(config->values[id].text);
        rv_free(config->values[id].place);
    }
    for (int i = 0; i < config->warning_count; i++) {
        rv_free(config->warnings[i]);
    }
    rv_free(config->file);
    rv_free(config->state_dir);
    rv_free(config->node_name);
    rv_free(config);
}

static int find_setting(const char *name)
{
    for (int id = 0; id < RV_SETTING_COUNT; id++) {
        if (strcmp(rv_settings[id].name, name) == 0) {
            return id;
        }
    }
    return -1;
}

static enum rv_code unknown(const char *name, struct rv_error *err)
{
    struct rv_suggestion suggestion = rv_suggest(name);
    for (int id = 0; id < RV_SETTING_COUNT; id++) {
        rv_suggest_try(&suggestion, rv_settings[id].name);
    }
    rv_fail(err, RV_INVALID, "there is no setting \"%s\"", name);
    if (suggestion.best != NULL) {
        rv_hint(err, "Did you mean \"%s\"?", suggestion.best);
        return RV_INVALID;
    }
    rv_hint(err, "`reeve config list` shows all settings.");
    return RV_INVALID;
}

static enum rv_code put(struct rv_config *config, int id, const char *text, enum rv_origin origin,
                        const char *place, struct rv_error *err)
{
    const struct rv_setting *setting = &rv_settings[id];
    int64_t number = 0;
    /* "not set" may be said where the default is that: it takes back a weaker place's word */
    if (text[0] != '\0' || setting->fallback[0] != '\0') {
        enum rv_code code = config_value_parse(setting, text, &number, err);
        if (code != RV_OK) {
            return code;
        }
    }
    struct value *value = &config->values[id];
    rv_free(value->text);
    rv_free(value->place);
    *value = (struct value){
        .text = rv_strdup(text), .number = number, .origin = origin, .place = rv_strdup(place)};
    return RV_OK;
}

/* ---- the file ---- */

struct reading {
    struct rv_config *config;
    const char *path;
    FILE *file;
    int line;
    bool too_long;
    bool failed;
    struct rv_error *err;
    int failed_line;            /* of our first complaint */
    int seen[RV_SETTING_COUNT]; /* line of the first mention */
};

static char *read_line(char *text, int size, void *stream)
{
    struct reading *reading = stream;
    if (reading->failed || fgets(text, size, reading->file) == NULL) {
        return NULL;
    }
    reading->line++;
    if (strchr(text, '\n') == NULL && !feof(reading->file)) {
        reading->too_long = true;
        reading->failed = true;
        return NULL;
    }
    return text;
}

/* inih's way: 1 is good, 0 is bad. */
static int read_entry(void *data, const char *section, const char *key, const char *value)
{
    struct reading *reading = data;
    char name[NAME_MAX_BYTES];
    char place[PLACE_MAX];
    snprintf(name, sizeof name, "%s.%s", section, key);
    snprintf(place, sizeof place, "%s:%d", reading->path, reading->line);
    int id = find_setting(name);
    enum rv_code code = RV_OK;
    if (section[0] == '\0') {
        code = rv_fail(reading->err, RV_INVALID, "\"%s\" stands before the first [section]", key);
    } else if (id < 0) {
        code = unknown(name, reading->err);
    } else if (reading->seen[id] != 0) {
        code = rv_fail(reading->err, RV_INVALID, "%s is set twice, first in line %d", name,
                       reading->seen[id]);
    } else {
        code = put(reading->config, id, value, RV_ORIGIN_FILE, place, reading->err);
        reading->seen[id] = reading->line;
    }
    if (code != RV_OK) {
        rv_wrap(reading->err, code, "%s", place);
        reading->failed = true;
        reading->failed_line = reading->line;
    }
    return code == RV_OK;
}

static enum rv_code read_file(struct rv_config *config, const char *path, FILE *file,
                              struct rv_error *err)
{
    struct rv_error local = {.code =
                                 RV_OK}; /* its code is needed also when the caller wants none */
    struct reading reading = {.config = config, .path = path, .file = file, .err = &local};
    int result = ini_parse_stream(read_line, &reading, read_entry, &reading);
    if (reading.too_long) {
        rv_fail(&local, RV_INVALID, "%s:%d: the line is too long for a file of settings", path,
                reading.line);
        rv_hint(&local, "Give the value in the environment or with --set.");
    } else if (result > 0 && (local.code == RV_OK || result < reading.failed_line)) {
        rv_error_clear(&local); /* inih reads on behind a line that it could not read */
        rv_fail(&local, RV_INVALID, "%s:%d: neither a [section] nor key = value", path, result);
        rv_hint(&local, "`reeve config sample` prints a whole file.");
    } else if (ferror(file)) {
        rv_fail(&local, RV_IO, "could not read \"%s\"", path);
    }
    if (err != NULL && local.code != RV_OK && err->code == RV_OK) {
        *err = local;
    }
    return local.code;
}

static enum rv_code load_file(struct rv_config *config, const char *given, char *const *environment,
                              struct rv_error *err)
{
    char places[3][PLACE_MAX] = {"", "", "/etc/reeve/reeve.conf"};
    given = given != NULL ? given : variable(environment, "REEVE_CONFIG");
    const char *home = variable(environment, "HOME");
    const char *folder = variable(environment, "XDG_CONFIG_HOME");
    if (given != NULL) {
        snprintf(places[0], PLACE_MAX, "%s", given);
    } else if (folder != NULL) {
        snprintf(places[1], PLACE_MAX, "%s/reeve/reeve.conf", folder);
    } else if (home != NULL) {
        snprintf(places[1], PLACE_MAX, "%s/.config/reeve/reeve.conf", home);
    }
    for (int i = given != NULL ? 0 : 1; i < (given != NULL ? 1 : 3); i++) {
        FILE *file = places[i][0] != '\0' ? fopen(places[i], "re") : NULL;
        if (file == NULL && given != NULL) {
            enum rv_code code = rv_fail_errno(err, errno, "open \"%s\"", given);
            rv_hint(err, "Correct --config or REEVE_CONFIG, or leave both out.");
            return code;
        }
        if (file != NULL) {
            enum rv_code code = read_file(config, places[i], file, err);
            fclose(file);
            rv_free(config->file);
            config->file = rv_strdup(places[i]);
            return code;
        }
    }
    return RV_OK;
}

/* ---- the environment ---- */

static void variable_name(const char *setting, char out[NAME_MAX_BYTES])
{
    int used = snprintf(out, NAME_MAX_BYTES, "REEVE_");
    for (; *setting != '\0' && used < NAME_MAX_BYTES - 1; setting++) {
        char c = *setting;
        out[used++] = c == '.' ? '_' : (char)(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
    }
    out[used] = '\0';
}

static bool is_variable_of(int id, const char *name)
{
    char wanted[NAME_MAX_BYTES];
    variable_name(rv_settings[id].name, wanted);
    if (strcmp(wanted, name) == 0) {
        return true;
    }
    for (size_t i = 0; i < RV_COUNT(short_variables); i++) {
        if (short_variables[i].id == (enum rv_setting_id)id &&
            strcmp(short_variables[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static void warn_unknown(struct rv_config *config, const char *name)
{
    char names[RV_SETTING_COUNT][NAME_MAX_BYTES];
    struct rv_suggestion suggestion = rv_suggest(name);
    for (int id = 0; id < RV_SETTING_COUNT; id++) {
        variable_name(rv_settings[id].name, names[id]);
        rv_suggest_try(&suggestion, names[id]);
    }
    if (config->warning_count == WARNINGS_MAX) {
        return;
    }
    char text[512];
    snprintf(text, sizeof text,
             suggestion.best != NULL ? "%s is not read; did you mean %s?" : "%s is not read", name,
             suggestion.best);
    config->warnings[config->warning_count++] = rv_strdup(text);
}

static enum rv_code load_environment(struct rv_config *config, char *const *environment,
                                     struct rv_error *err)
{
    for (; *environment != NULL; environment++) {
        const char *equals = strchr(*environment, '=');
        if (equals == NULL || strncmp(*environment, "REEVE_", strlen("REEVE_")) != 0) {
            continue;
        }
        char name[NAME_MAX_BYTES];
        snprintf(name, sizeof name, "%.*s", (int)(equals - *environment), *environment);
        bool known = false;
        for (size_t i = 0; i < RV_COUNT(known_variables); i++) {
            known = known || strcmp(known_variables[i], name) == 0;
        }
        for (int id = 0; id < RV_SETTING_COUNT; id++) {
            if (is_variable_of(id, name)) {
                known = true;
                enum rv_code code = put(config, id, equals + 1, RV_ORIGIN_ENVIRONMENT, name, err);
                if (code != RV_OK) {
                    return rv_wrap(err, code, "%s", name);
                }
            }
        }
        if (!known) {
            warn_unknown(config, name);
        }
    }
    return RV_OK;
}

/* ---- what depends on more than one value, or on the machine ---- */

static enum rv_code check_together(const struct rv_config *config, struct rv_error *err)
{
    bool certificate = config->values[RV_SET_HTTP_TLS_CERT].text[0] != '\0';
    bool key = config->values[RV_SET_HTTP_TLS_KEY].text[0] != '\0';
    if (certificate != key) {
        rv_fail(err, RV_INVALID, "%s is set without %s",
                certificate ? "http.tls_cert" : "http.tls_key",
                certificate ? "http.tls_key" : "http.tls_cert");
        rv_hint(err, "Set both for TLS, or neither.");
        return RV_INVALID;
    }
    const char *name = config->values[RV_SET_NODE_NAME].text;
    return name[0] == '\0' ? RV_OK : rv_name_check("node.name", name, err);
}

static void work_out(struct rv_config *config, char *const *environment)
{
    char path[PLACE_MAX];
    const char *home = variable(environment, "HOME");
    const char *state = variable(environment, "XDG_STATE_HOME");
    const struct passwd *user = home == NULL ? getpwuid(geteuid()) : NULL;
    home = user != NULL ? user->pw_dir : home;
    if (config->values[RV_SET_STATE_DIR].text[0] != '\0') {
        snprintf(path, sizeof path, "%s", config->values[RV_SET_STATE_DIR].text);
    } else if (geteuid() == 0) {
        snprintf(path, sizeof path, "/var/lib/reeve");
    } else if (state != NULL) {
        snprintf(path, sizeof path, "%s/reeve", state);
    } else {
        snprintf(path, sizeof path, "%s/.local/state/reeve", home != NULL ? home : "/var/tmp");
    }
    config->state_dir = rv_strdup(path);
    char host[256] = "";
    if (config->values[RV_SET_NODE_NAME].text[0] != '\0') {
        snprintf(host, sizeof host, "%s", config->values[RV_SET_NODE_NAME].text);
    } else if (gethostname(host, sizeof host - 1) != 0 || host[0] == '\0') {
        snprintf(host, sizeof host, "reeve");
    }
    config->node_name = rv_strdup(host);
}

/* ---- reading ---- */

const char *rv_config_text(const struct rv_config *config, enum rv_setting_id id)
{
    enum rv_setting_type type = rv_settings[id].type;
    RV_ASSERT(type != RV_SETTING_INTEGER && type != RV_SETTING_BOOLEAN &&
              type != RV_SETTING_DURATION && type != RV_SETTING_SIZE);
    return config->values[id].text;
}

int64_t rv_config_integer(const struct rv_config *config, enum rv_setting_id id)
{
    enum rv_setting_type type = rv_settings[id].type;
    RV_ASSERT(type == RV_SETTING_INTEGER || type == RV_SETTING_DURATION || type == RV_SETTING_SIZE);
    return config->values[id].number;
}

void rv_config_address(const struct rv_config *config, enum rv_setting_id id, char host[256],
                       int *port)
{
    RV_ASSERT(rv_settings[id].type == RV_SETTING_ADDRESS);
    bool good = config_address_parse(config->values[id].text, host, port);
    RV_ASSERT(good); /* checked when it was loaded */
}

enum rv_origin rv_config_origin(const struct rv_config *config, enum rv_setting_id id)
{
    return config->values[id].origin;
}

const char *rv_config_place(const struct rv_config *config, enum rv_setting_id id)
{
    return config->values[id].place;
}

char *rv_config_shown(const struct rv_config *config, enum rv_setting_id id)
{
    return rv_settings[id].type == RV_SETTING_DATABASE
               ? config_without_password(config->values[id].text)
               : rv_strdup(config->values[id].text);
}

const char *rv_config_warning(const struct rv_config *config, int index)
{
    return index < config->warning_count ? config->warnings[index] : NULL;
}

const char *rv_config_state_dir(const struct rv_config *config)
{
    return config->state_dir;
}

const char *rv_config_node_name(const struct rv_config *config)
{
    return config->node_name;
}

/* ---- the sample ---- */

/* The sentence as comment lines, broken between words. */
static void wrap_comment(struct rv_buf *out, const char *text)
{
    size_t column = 0;
    while (*text != '\0') {
        size_t word = strcspn(text, " ");
        if (column == 0 || column + 1 + word > SAMPLE_WIDTH) {
            rv_buf_str(out, column == 0 ? "# " : "\n# ");
            column = 2;
        } else {
            rv_buf_char(out, ' ');
            column++;
        }
        rv_buf_add(out, text, word);
        column += word;
        text += word + strspn(text + word, " ");
    }
    rv_buf_char(out, '\n');
}

void rv_config_sample(struct rv_buf *out)
{
    rv_buf_str(
        out, "# reeve.conf -- every setting with its default; take away the \"#\" to change one.\n"
             "# Stronger than this file: the environment (REEVE_HTTP_LISTEN=...), then --set.\n"
             "# `reeve config show` tells which value holds and where it came from.\n");
    const char *section = "";
    size_t section_length = 0;
    for (int id = 0; id < RV_SETTING_COUNT; id++) {
        const struct rv_setting *setting = &rv_settings[id];
        const char *dot = strchr(setting->name, '.');
        size_t length = (size_t)(dot - setting->name);
        if (length != section_length || strncmp(section, setting->name, length) != 0) {
            rv_buf_printf(out, "\n[%.*s]\n", (int)length, setting->name);
            section = setting->name;
            section_length = length;
        }
        wrap_comment(out, setting->doc);
        rv_buf_printf(out, "#%s = %s\n", dot + 1, setting->fallback);
    }
}
