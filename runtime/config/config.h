/* config.h -- what reeve was told, by whom, and with which right.
 *
 *     default  <  file (reeve.conf)  <  environment (REEVE_*)  <  command line
 *
 * Every setting stands once, in settings.def.  Loading checks everything: an unknown key, a value
 * of the wrong kind or out of its bounds is an error that names the place and the nearest legal
 * name.  A loaded configuration never changes and may be shared between threads.
 *
 * runtime/config is the only place that reads the environment.
 */
#ifndef REEVE_RUNTIME_CONFIG_CONFIG_H
#define REEVE_RUNTIME_CONFIG_CONFIG_H

#include "runtime/base/buf.h"
#include "runtime/base/error.h"
#include "runtime/base/json.h"

#include <stdbool.h>
#include <stdint.h>

enum rv_setting_id {
#define SETTING(id, ...) RV_SET_##id,
#include "runtime/config/settings.def"
#undef SETTING
    RV_SETTING_COUNT
};

enum rv_setting_type {
    RV_SETTING_TEXT,
    RV_SETTING_PATH,
    RV_SETTING_INTEGER,
    RV_SETTING_BOOLEAN,
    RV_SETTING_DURATION,
    RV_SETTING_SIZE,
    RV_SETTING_CHOICE,
    RV_SETTING_ADDRESS,
    RV_SETTING_DATABASE
};

struct rv_setting {
    const char *name; /* "http.listen" */
    enum rv_setting_type type;
    const char *fallback; /* as it would be written; "" is not set */
    int64_t min, max;
    bool live;
    const char *doc;
};
extern const struct rv_setting rv_settings[RV_SETTING_COUNT];

enum rv_origin { RV_ORIGIN_DEFAULT, RV_ORIGIN_FILE, RV_ORIGIN_ENVIRONMENT, RV_ORIGIN_FLAG };
const char *rv_origin_name(enum rv_origin origin);

struct rv_config;

struct rv_config_flag {
    const char *name; /* borrowed during load; "http.listen" */
    const char *value;
};
struct rv_config_options {
    const char
        *file; /* must exist; NULL: $REEVE_CONFIG, else the first of the usual places, if any */
    const struct rv_config_flag *flags;
    int flag_count;
    char *const *environment; /* NULL: the process's; for tests */
};

/* Fails with RV_INVALID (what is written is wrong), RV_NOT_FOUND (the named file is not there),
 * RV_IO. */
RV_MUST enum rv_code rv_config_load(const struct rv_config_options *options, struct rv_config **out,
                                    struct rv_error *err);
void rv_config_destroy(struct rv_config *config); /* NULL is fine */

/* Reads; asking for another type than the setting has is a wrong program.  Texts are borrowed for
 * the configuration's life and never NULL; "" is not set. */
const char *rv_config_text(const struct rv_config *config, enum rv_setting_id id);
int64_t rv_config_integer(const struct rv_config *config,
                          enum rv_setting_id id); /* ms, bytes too */
/* An ADDRESS in its parts; `host` without brackets. */
void rv_config_address(const struct rv_config *config, enum rv_setting_id id, char host[256],
                       int *port);

enum rv_origin rv_config_origin(const struct rv_config *config, enum rv_setting_id id);
/* "reeve.conf:12", "REEVE_HTTP_LISTEN", "--set" or "". */
const char *rv_config_place(const struct rv_config *config, enum rv_setting_id id);
/* As it may be shown: the password of a connection string is replaced. Caller frees. */
char *rv_config_shown(const struct rv_config *config, enum rv_setting_id id);
/* What looks like a mistake but is none for sure: a REEVE_ variable nobody reads.  NULL after the
 * last. */
const char *rv_config_warning(const struct rv_config *config, int index);

/* Where defaults depend on the machine: absolute paths, the host's name. */
const char *rv_config_state_dir(const struct rv_config *config);
const char *rv_config_node_name(const struct rv_config *config);

/* A complete file with every setting, its sentence and its default, all commented out. */
void rv_config_sample(struct rv_buf *out);

/* The one door to the environment for everything that is no setting (NO_COLOR, TERM, ...). */
const char *rv_environment(const char *name); /* NULL when unset or empty */

#endif
