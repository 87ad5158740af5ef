/* cmd_model_registry.c -- reeve model load, list, canary, promote, rollback: which model answers.
 *
 * Acts of administration, on the record of the company whose person does them; a model is the
 * operator's, so promote and rollback change what answers every company.  A serving reeve takes a
 * change over by itself (runtime/model/registry.h).
 */
#include "model_sql.h"
#include "runtime/base/check.h"
#include "runtime/cli/admin.h"
#include "runtime/cli/place.h"
#include "runtime/cli/table.h"
#include "runtime/model/health.h"
#include "runtime/model/inspect.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TIMEOUT_MAX_S = 3600, HASH_SHOWN = 12 };

/* ---- words ---- */

static enum rv_code check_name(const char *name, struct rv_error *err)
{
    bool good = name != NULL && isalnum((unsigned char)name[0]) != 0;
    for (size_t i = 0; good && name[i] != '\0'; i++) {
        unsigned char c = (unsigned char)name[i];
        good = islower(c) || isdigit(c) || strchr("._-", c) != NULL;
    }
    if (name == NULL) {
        return rv_fail(err, RV_INVALID, "--name is missing");
    }
    if (!good || strlen(name) > RV_MODELS_NAME_MAX || strcmp(name, "reeve") == 0) {
        rv_fail(err, RV_INVALID, "\"%.80s\" is no name for a model", name);
        rv_hint(err,
                "1 to %d of a-z, 0-9, '.', '_' and '-', a letter or digit first; \"reeve\" "
                "stands for whatever answers.",
                RV_MODELS_NAME_MAX);
        return RV_INVALID;
    }
    return RV_OK;
}

static enum rv_code read_version(const char *text, int32_t *out, struct rv_error *err)
{
    char *end = NULL;
    long number = strtol(text, &end, 10);
    if (!isdigit((unsigned char)text[0]) || *end != '\0' || number < 1 || number > INT32_MAX) {
        rv_fail(err, RV_INVALID, "\"%.40s\" is no version: a whole number from 1 on", text);
        rv_hint(err, "reeve model list shows the versions.");
        return RV_INVALID;
    }
    *out = (int32_t)number;
    return RV_OK;
}

/* ---- one version, as it was loaded ---- */

struct version {
    bool found;
    char state[16], sha256[RV_HASH_HEX], path[PATH_MAX];
    int32_t number; /* which is looked for */
};

static enum rv_code take_version(void *data, const struct rv_result *result, int row,
                                 struct rv_error *err)
{
    (void)err;
    struct version *version = data;
    if (rv_result_i64(result, row, 1) == version->number) {
        version->found = true;
        snprintf(version->state, sizeof version->state, "%s", rv_result_text(result, row, 2));
        snprintf(version->sha256, sizeof version->sha256, "%s", rv_result_text(result, row, 3));
        snprintf(version->path, sizeof version->path, "%s",
                 rv_result_text(result, row, rv_result_column(result, "path")));
    }
    return RV_OK;
}

static enum rv_code find_version(const struct admin *admin, const char *name, int32_t number,
                                 struct version *out, struct rv_error *err)
{
    *out = (struct version){.number = number};
    struct rv_args *args = rv_args_create(&rv_sql_model_versions);
    rv_args_text(args, 1, name);
    enum rv_code code = rv_db_session_query(admin->session, admin->tenant, &rv_sql_model_versions,
                                            args, take_version, out, err);
    if (code == RV_OK && !out->found) {
        code = rv_fail(err, RV_NOT_FOUND, "there is no model %s@%" PRId32, name, number);
        rv_hint(err,
                "reeve model list shows what is loaded; reeve model load FILE --name %s adds "
                "a version.",
                name);
    }
    return code;
}

/* The file is still what passed the health check. */
static enum rv_code check_file(const char *name, const struct version *version,
                               struct rv_error *err)
{
    char hex[RV_HASH_HEX];
    enum rv_code code = rv_model_file_hash(version->path, hex, err);
    if (code == RV_OK && strcmp(hex, version->sha256) != 0) {
        code = rv_fail(err, RV_CONFLICT, "%s has changed since it was loaded as %s@%" PRId32,
                       version->path, name, version->number);
        rv_hint(err,
                "Put the file with SHA-256 %.12s... back, or load this one as a new version: "
                "reeve model load %s --name %s.",
                version->sha256, version->path, name);
    }
    return code;
}

/* ---- load ---- */

struct made {
    int64_t version;
};

static enum rv_code take_made(void *data, const struct rv_result *result, int row,
                              struct rv_error *err)
{
    (void)err;
    ((struct made *)data)->version = rv_result_i64(result, row, 0);
    return RV_OK;
}

static enum rv_code record_load(struct admin *admin, const char *name, const char *path,
                                const json_t *facts, struct made *made, struct rv_error *err)
{
    const char *template = cli_option(admin->cli, "template");
    struct rv_args *args = rv_args_create(&rv_sql_model_version_load);
    rv_args_text(args, 1, name);
    rv_args_text(args, 2, path);
    rv_args_text(args, 3, rv_json_str(facts, "hash", ""));
    rv_args_i64(args, 4, rv_json_int(facts, "bytes", 0));
    rv_args_text(args, 5, admin->person.id);
    rv_args_text(args, 6, template != NULL ? template : "");
    enum rv_code code = rv_db_session_change(
        admin->session, admin->tenant, &rv_sql_model_version_load, args, take_made, made, err);
    if (code == RV_OK && made->version == 0) {
        code = rv_fail(err, RV_CONFLICT, "%s has a version with this very file already", name);
        rv_hint(err, "reeve model list shows it; nothing needs to be loaded again.");
    }
    return code;
}

/* The engine opened the file a moment after it was hashed. */
static enum rv_code check_health(struct cli *cli, const char *path, const json_t *facts,
                                 int64_t seconds, json_t **health, struct rv_error *err)
{
    struct rv_engine_options options = place_engine(cli);
    options.path = path;
    options.template = cli_option(cli, "template"); /* the setting's is of another file */
    options.sha256 = rv_json_str(facts, "hash", "");
    enum rv_code code = rv_model_health(&options, 0, NULL, seconds * 1000, health, err);
    return code == RV_OK ? code : rv_wrap(err, code, "%s", path);
}

int cmd_model_load(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct admin admin = {.cli = cli};
    struct made made = {0};
    json_t *facts = NULL;
    json_t *health = NULL;
    int64_t seconds = 0;
    char path[PATH_MAX];
    const char *name = cli_option(cli, "name");
    enum rv_code code = check_name(name, &err);
    if (code == RV_OK) {
        code = cli_integer(cli, "timeout", RV_MODEL_HEALTH_MS / 1000, 1, TIMEOUT_MAX_S, &seconds,
                           &err);
    }
    if (code == RV_OK && realpath(cli->argv[0], path) == NULL) {
        code = rv_fail_errno(&err, errno, "read %.200s", cli->argv[0]);
    }
    if (code != RV_OK) {
        return cli_fail(cli, &err);
    }
    code = admin_begin(cli, ADMIN_PEOPLE, "model.load",
                       json_pack("{s:s,s:s}", "name", name, "file", path), &admin, &err);
    if (code == RV_OK) {
        code = rv_model_inspect(path, cli_option(cli, "template"), &facts, &err);
        code = code == RV_OK ? code : rv_wrap(&err, code, "%s", path);
        code = code == RV_OK ? rv_model_can_chat(facts, &err) : code;
    }
    if (code == RV_OK) {
        json_object_set(admin.door.about, "sha256", json_object_get(facts, "hash"));
        code = check_health(cli, path, facts, seconds, &health, &err);
    }
    if (code == RV_OK) {
        code = record_load(&admin, name, path, facts, &made, &err);
    }
    code = admin_end(&admin, code, &err);
    if (code == RV_OK && cli->json) {
        cli_print_json(&cli->output, json_pack("{s:s,s:I,s:s,s:O,s:O}", "name", name, "version",
                                               (json_int_t)made.version, "state", "candidate",
                                               "sha256", json_object_get(facts, "hash"),
                                               "health_ms", json_object_get(health, "health_ms")));
    } else if (code == RV_OK) {
        cli_print(&cli->output,
                  "%s@%" PRId64 " is a candidate: opened, answered twice alike, %" PRId64 " ms",
                  name, made.version, rv_json_int(health, "health_ms", 0));
    }
    json_decref(facts);
    json_decref(health);
    return code == RV_OK ? 0 : cli_fail(cli, &err);
}

/* ---- canary, promote, rollback ---- */

static enum rv_code take_row(void *data, const struct rv_result *result, int row,
                             struct rv_error *err)
{
    (void)err;
    json_t *out = data;
    for (int i = 0; i < rv_result_columns(result); i++) {
        json_object_set_new(out, rv_result_column_name(result, i), rv_result_value(result, row, i));
    }
    return RV_OK;
}

/* (name, version, person); `row` stays empty where nothing was to be done. */
static enum rv_code change(struct admin *admin, const struct rv_statement *statement,
                           const char *name, int32_t number, json_t *row, struct rv_error *err)
{
    struct rv_args *args = rv_args_create(statement);
    rv_args_text(args, 1, name);
    rv_args_i32(args, 2, number);
    rv_args_text(args, 3, admin->person.id);
    return rv_db_session_change(admin->session, admin->tenant, statement, args, take_row, row, err);
}

static enum rv_code nothing_to_try(const char *name, int32_t number, bool end, const char *company,
                                   struct rv_error *err)
{
    if (end) {
        rv_fail(err, RV_NOT_FOUND, "%s does not try %s@%" PRId32, company, name, number);
        rv_hint(err, "reeve model list shows which companies try what.");
        return RV_NOT_FOUND;
    }
    return rv_fail(err, RV_CONFLICT, "%s@%" PRId32 " answers %s already", name, number, company);
}

/* One company, with a record of its own. */
static enum rv_code try_in(struct cli *cli, const char *company, const char *name, int32_t number,
                           bool end, json_t *row, struct rv_error *err)
{
    struct admin admin = {.cli = cli};
    struct version version;
    cli->company = company;
    enum rv_code code =
        admin_begin(cli, ADMIN_PEOPLE, end ? "model.canary_end" : "model.canary",
                    json_pack("{s:s,s:i}", "name", name, "version", (int)number), &admin, err);
    if (code == RV_OK) {
        code = find_version(&admin, name, number, &version, err);
    }
    if (code == RV_OK && !end) {
        code = check_file(name, &version, err);
    }
    if (code == RV_OK) {
        code =
            change(&admin, end ? &rv_sql_model_try_end : &rv_sql_model_try, name, number, row, err);
    }
    if (code == RV_OK && json_object_size(row) == 0) {
        code = nothing_to_try(name, number, end, company != NULL ? company : "the company", err);
    }
    code = admin_end(&admin, code, err);
    if (code != RV_OK && company != NULL) {
        rv_wrap(err, code, "company %s", company);
    }
    return code;
}

int cmd_model_canary(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    const char *name = cli->argv[0];
    bool end = cli_flag(cli, "end");
    int32_t number = 0;
    int named = 0;
    enum rv_code code = read_version(cli->argv[1], &number, &err);
    for (int i = 0; i < cli->given_count && code == RV_OK; i++) {
        if (strcmp(cli->given[i].name, "company") != 0) {
            continue;
        }
        json_t *row = json_object();
        const char *company = cli->given[i].value;
        named++;
        code = try_in(cli, company, name, number, end, row, &err);
        if (code == RV_OK && cli->json) {
            cli_print_json(&cli->output,
                           json_pack("{s:O,s:s,s:b}", "model", json_object_get(row, "model"),
                                     "company", company, "canary", !end));
        } else if (code == RV_OK) {
            cli_print(&cli->output,
                      end ? "%s no longer answers %s alone: it goes with the others"
                          : "%s answers %s from now on",
                      rv_json_str(row, "model", ""), company);
        }
        json_decref(row);
    }
    if (code == RV_OK && named == 0) {
        code = rv_fail(&err, RV_INVALID, "which company is to try it? --company is missing");
        rv_hint(&err, "reeve model canary %.40s %" PRId32 " --company NAME; it may be repeated.",
                name, number);
    }
    return code == RV_OK ? 0 : cli_fail(cli, &err);
}

int cmd_model_promote(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct admin admin = {.cli = cli};
    struct version version;
    const char *name = cli->argv[0];
    int32_t number = 0;
    if (read_version(cli->argv[1], &number, &err) != RV_OK) {
        return cli_fail(cli, &err);
    }
    json_t *row = json_object();
    enum rv_code code =
        admin_begin(cli, ADMIN_PEOPLE, "model.promote",
                    json_pack("{s:s,s:i}", "name", name, "version", (int)number), &admin, &err);
    if (code == RV_OK) {
        code = find_version(&admin, name, number, &version, &err);
    }
    if (code == RV_OK) {
        code = check_file(name, &version, &err);
    }
    if (code == RV_OK) {
        code = change(&admin, &rv_sql_model_promote, name, number, row, &err);
    }
    if (code == RV_OK && json_object_size(row) == 0) {
        code = rv_fail(&err, RV_CONFLICT, "%s@%" PRId32 " is active already", name, number);
    }
    code = admin_end(&admin, code, &err);
    if (code == RV_OK && cli->json) {
        cli_print_json(&cli->output, json_incref(row));
    } else if (code == RV_OK) {
        cli_print(&cli->output, "%s is active; before it answered %s",
                  rv_json_str(row, "model", ""), rv_json_str(row, "before", ""));
    }
    json_decref(row);
    return code == RV_OK ? 0 : cli_fail(cli, &err);
}

int cmd_model_rollback(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct admin admin = {.cli = cli};
    const char *name = cli->argv[0];
    json_t *row = json_object();
    enum rv_code code = admin_begin(cli, ADMIN_PEOPLE, "model.rollback",
                                    json_pack("{s:s}", "name", name), &admin, &err);
    if (code == RV_OK) {
        struct rv_args *args = rv_args_create(&rv_sql_model_rollback);
        rv_args_text(args, 1, name);
        rv_args_text(args, 2, admin.person.id);
        code = rv_db_session_change(admin.session, admin.tenant, &rv_sql_model_rollback, args,
                                    take_row, row, &err);
    }
    if (code == RV_OK && json_object_size(row) == 0) {
        code = rv_fail(&err, RV_NOT_FOUND, "no version of %.80s is active", name);
        rv_hint(&err, "reeve model list shows the active one; only it can be rolled back.");
    }
    code = admin_end(&admin, code, &err);
    if (code == RV_OK && cli->json) {
        cli_print_json(&cli->output, json_incref(row));
    } else if (code == RV_OK) {
        cli_print(&cli->output, "%s answers again; %s is retired", rv_json_str(row, "model", ""),
                  rv_json_str(row, "from_model", ""));
    }
    json_decref(row);
    return code == RV_OK ? 0 : cli_fail(cli, &err);
}

/* ---- list ---- */

static const struct cli_column columns[] = {
    {"name", "MODEL", false, false},        {"version", "VERSION", true, false},
    {"state", "STATE", false, false},       {"sha256", "SHA256", false, false},
    {"companies", "TRIED BY", false, true}, {"loaded", "LOADED", false, false},
    {"loaded_by", "BY", false, false},      {"path", "FILE", false, true}};

struct listing {
    const struct cli *cli;
    struct cli_table *table;
    bool active;
};

static enum rv_code list_row(void *data, const struct rv_result *result, int row,
                             struct rv_error *err)
{
    (void)err;
    struct listing *listing = data;
    const char *state = rv_result_text(result, row, 2);
    const char *sha256 = rv_result_text(result, row, 3);
    bool active = strcmp(state, "active") == 0;
    listing->active = listing->active || active;
    cli_table_text(listing->table, rv_result_text(result, row, 0));
    cli_table_integer(listing->table, rv_result_i64(result, row, 1));
    bool gone = active && access(rv_result_text(result, row, 9), R_OK) != 0;
    cli_table_text(listing->table, gone ? "active, no file" : state);
    cli_table_style(listing->table, gone ? CLI_BAD : active ? CLI_GOOD : CLI_PLAIN);
    if (gone) {
        fprintf(
            stderr,
            "reeve: %s@%d: %s cannot be read here: what answered before stands in (reeve doctor "
            "says what); put the file back, or reeve model rollback %s\n",
            rv_result_text(result, row, 0), (int)rv_result_i64(result, row, 1),
            rv_result_text(result, row, 9), rv_result_text(result, row, 0));
    }
    if (listing->cli->json) {
        cli_table_text(listing->table, sha256);
    } else {
        cli_table_printf(listing->table, "%.*s", HASH_SHOWN, sha256);
    }
    cli_table_text(listing->table, rv_result_text(result, row, 4));
    cli_table_text(listing->table, rv_result_text(result, row, 5));
    cli_table_text(listing->table, rv_result_text(result, row, 6));
    cli_table_text(listing->table, rv_result_text(result, row, 9));
    return RV_OK;
}

/* The setting's model stands in the list too: it answers where no version is active. */
static enum rv_code list_setting(struct cli *cli, struct listing *listing, struct rv_error *err)
{
    const char *path = place_model(cli);
    json_t *facts = NULL;
    if (path == NULL) {
        return RV_OK;
    }
    if (rv_model_inspect(path, place_template(cli), &facts, err) != RV_OK) {
        return rv_wrap(err, err->code, "the setting model.path, %s", path);
    }
    cli_table_text(listing->table, rv_json_str(facts, "name", ""));
    cli_table_text(listing->table, NULL);
    cli_table_text(listing->table, listing->active ? "setting, unused" : "setting, active");
    cli_table_printf(listing->table, "%.*s", cli->json ? RV_HASH_HEX - 1 : HASH_SHOWN,
                     rv_json_str(facts, "hash", ""));
    for (int i = 0; i < 3; i++) {
        cli_table_text(listing->table, "");
    }
    cli_table_text(listing->table, path);
    json_decref(facts);
    return RV_OK;
}

int cmd_model_list(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct rv_db_session *session = NULL;
    struct listing listing = {cli, cli_table_create(columns, RV_COUNT(columns)), false};
    enum rv_code code = place_session(cli, &session, &err);
    if (code == RV_OK) {
        struct rv_args *args = rv_args_create(&rv_sql_model_versions);
        rv_args_text(args, 1, "");
        code =
            rv_db_session_query(session, 0, &rv_sql_model_versions, args, list_row, &listing, &err);
    }
    rv_db_session_close(session);
    if (code == RV_OK) {
        code = list_setting(cli, &listing, &err);
    }
    if (code == RV_OK) {
        cli_table_print(listing.table, &cli->output, "no model: agents decide by their rules");
    }
    cli_table_destroy(listing.table);
    return code == RV_OK ? 0 : cli_fail(cli, &err);
}
