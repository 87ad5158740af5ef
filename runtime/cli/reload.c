/* reload.c -- see reload.h.
 *
 * The configuration that the node was started with stays what it is: others borrowed its texts.
 */
#include "runtime/cli/reload.h"

#include "runtime/base/check.h"
#include "runtime/base/log.h"

#include <string.h>

static void apply(const struct rv_config *now, struct rv_hooks *hooks)
{
    rv_log_level(rv_log_level_from_name(rv_config_text(now, RV_SET_LOG_LEVEL)));
    rv_hooks_timeout(hooks, rv_config_integer(now, RV_SET_HOOKS_TIMEOUT));
}

static bool differs(const struct rv_config *a, const struct rv_config *b, enum rv_setting_id id)
{
    char *before = rv_config_shown(a, id);
    char *after = rv_config_shown(b, id);
    bool result = strcmp(before, after) != 0;
    rv_free(before);
    rv_free(after);
    return result;
}

void reload_settings(const struct cli *cli, struct rv_hooks *hooks)
{
    struct rv_config *now = NULL;
    struct rv_error err = {.code = RV_OK};
    if (cli_load_settings(cli, &now, &err) != RV_OK) {
        rv_log_error("config", "RELOAD-REFUSED", &err);
        return;
    }
    apply(now, hooks);
    rv_log(RV_LOG_WARN, "config", "RELOAD",
           "settings read again: log.level=%s hooks.timeout=%lldms",
           rv_config_text(now, RV_SET_LOG_LEVEL),
           (long long)rv_config_integer(now, RV_SET_HOOKS_TIMEOUT));
    for (int id = 0; id < RV_SETTING_COUNT; id++) {
        if (!rv_settings[id].live && differs(cli->config, now, (enum rv_setting_id)id)) {
            rv_log(RV_LOG_WARN, "config", "RELOAD-LATER", "%s takes effect at the next start",
                   rv_settings[id].name);
        }
    }
    rv_config_destroy(now);
}
