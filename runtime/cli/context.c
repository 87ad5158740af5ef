/* context.c -- see context.h. */
#include "runtime/cli/context.h"

#include "runtime/base/check.h"
#include "runtime/db/migrate.h"

bool cli_private_database(const struct cli_context *context,
                          struct rv_private_postgres_options *options)
{
    *options = (struct rv_private_postgres_options){
        .state_dir = rv_config_state_dir(context->config),
        .bin_dir = rv_config_text(context->config, RV_SET_DATABASE_BIN_DIR)};
    return rv_config_text(context->config, RV_SET_DATABASE_URI)[0] == '\0';
}

enum rv_code cli_migrate(struct cli_context *context, const char *uri, int *applied,
                         struct rv_error *err)
{
    enum rv_code code = rv_migrate(uri, context->rooms->migrations, applied, err);
    if (code == RV_OK && *applied > 0) {
        cli_say(&context->output, "database: %d migrations applied", *applied);
    }
    return code;
}

enum rv_code cli_database_uri(struct cli_context *context, const char **out, struct rv_error *err)
{
    struct rv_private_postgres_options options;
    if (context->uri == NULL && !cli_private_database(context, &options)) {
        context->uri = rv_strdup(rv_config_text(context->config, RV_SET_DATABASE_URI));
    }
    if (context->uri == NULL) {
        struct rv_private_postgres_status status;
        enum rv_code code = rv_private_postgres_start(&options, &status, err);
        if (code != RV_OK) {
            return code;
        }
        if (status.changed) {
            cli_say(&context->output, "started reeve's own PostgreSQL %d in %s", status.major,
                    status.data);
        }
        int applied = 0;
        code = cli_migrate(context, status.uri, &applied, err);
        if (code != RV_OK) {
            return code;
        }
        context->uri = rv_strdup(status.uri);
    }
    *out = context->uri;
    return RV_OK;
}

enum rv_code cli_database(struct cli_context *context, struct rv_db_session **out,
                          struct rv_error *err)
{
    const char *uri = NULL;
    enum rv_code code = RV_OK;
    if (context->session == NULL) {
        code = cli_database_uri(context, &uri, err);
    }
    if (code == RV_OK && context->session == NULL) {
        code = rv_db_session_open(uri, &context->session, err);
    }
    *out = context->session;
    return code;
}
