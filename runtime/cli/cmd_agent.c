/* cmd_agent.c -- writing agents: check the text, run the cases.  Neither needs a database.
 *
 * What is checked here is what publishing and the gate would refuse later: the manifest, actions
 * and exceptions that exist, questions that can be answered, arguments that pass their command's
 * schema.
 */
#include "erp/command/command.h"
#include "erp/command/read.h"
#include "erp/exception/catalogue.h"
#include "runtime/base/check.h"
#include "runtime/cli/cli.h"
#include "runtime/cli/table.h"
#include "runtime/lua/cases.h"
#include "runtime/run/update.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { STATUS_FAILED = 1, STATUS_USAGE = 2, PATH_BYTES = 1024 };

/* ---- one agent's text ---- */

static enum rv_code check_names(const struct rv_agent *agent, const char *path,
                                struct rv_error *err)
{
    const json_t *manifest = rv_agent_manifest(agent);
    size_t i;
    json_t *name;
    json_array_foreach(json_object_get(manifest, "uses"), i, name)
    {
        if (erp_command_find(json_string_value(name)) == NULL) {
            rv_fail(err, RV_INVALID,
                    "%s: field \"uses\" names an action that does not exist: \"%s\"", path,
                    json_string_value(name));
            rv_hint(err, "`reeve agent check --actions` lists what there is.");
            return RV_INVALID;
        }
    }
    json_array_foreach(json_object_get(manifest, "handles"), i, name)
    {
        if (erp_exception_type_find(json_string_value(name)) == NULL) {
            rv_fail(err, RV_INVALID,
                    "%s: field \"handles\" names an exception that does not exist: \"%s\"", path,
                    json_string_value(name));
            rv_hint(err, "`reeve agent check --exceptions` lists what there is.");
            return RV_INVALID;
        }
    }
    json_t *copy = json_deep_copy(manifest); /* it stays as it was written */
    enum rv_code code = rv_updates_check(copy, err);
    json_decref(copy);
    return code == RV_OK ? RV_OK : rv_wrap(err, code, "%s", path);
}

static enum rv_code load(const struct cli *cli, const char *path, struct rv_agent **out,
                         struct rv_error *err)
{
    const char *source = NULL;
    size_t length = 0;
    struct rv_agent *agent = NULL;
    enum rv_code code = cli_read_file(path, RV_AGENT_SOURCE_MAX, cli->arena, &source, &length, err);
    if (code == RV_OK) {
        code = rv_agent_load(source, length, path, &agent, err);
    }
    if (code == RV_OK) {
        code = check_names(agent, path, err);
    }
    if (code != RV_OK) {
        rv_agent_destroy(agent);
        return code;
    }
    *out = agent;
    return RV_OK;
}

/* A file that is not there is wrong usage; a text with a mistake is a failure. */
static int status_of(enum rv_code code)
{
    return code == RV_OK ? 0 : code == RV_NOT_FOUND ? STATUS_USAGE : STATUS_FAILED;
}

static char *joined(const struct cli *cli, const json_t *list)
{
    char *text = rv_arena_strdup(cli->arena, "");
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)(uintptr_t)list, i, item)
    {
        text =
            rv_arena_printf(cli->arena, "%s%s%s", text, i == 0 ? "" : " ", json_string_value(item));
    }
    return text;
}

/* ---- agent check ---- */

static int list_actions(const struct cli *cli)
{
    static const struct cli_column columns[] = {{"action", "ACTION", false, false},
                                                {"tier", "TIER", true, false},
                                                {"risk", "RISK", true, false},
                                                {"summary", "WHAT IT DOES", false, true}};
    struct cli_table *table = cli_table_create(columns, RV_COUNT(columns));
    for (size_t i = 0; erp_commands[i] != NULL; i++) {
        cli_table_text(table, erp_commands[i]->name);
        cli_table_integer(table, erp_commands[i]->tier);
        cli_table_integer(table, erp_commands[i]->risk);
        cli_table_text(table, erp_commands[i]->summary);
    }
    cli_table_print(table, &cli->output, "");
    cli_table_destroy(table);
    return 0;
}

static int list_exceptions(const struct cli *cli)
{
    static const struct cli_column columns[] = {{"code", "CODE", false, false},
                                                {"title", "TITLE", false, false},
                                                {"resolutions", "LEGAL RESOLUTIONS", false, true}};
    struct cli_table *table = cli_table_create(columns, RV_COUNT(columns));
    for (const struct erp_exception_type *at = erp_exception_types; at->code != NULL; at++) {
        char *list = rv_arena_strdup(cli->arena, "");
        for (int i = 0; at->resolutions[i] != NULL; i++) {
            list =
                rv_arena_printf(cli->arena, "%s%s%s", list, i == 0 ? "" : " ", at->resolutions[i]);
        }
        cli_table_text(table, at->code);
        cli_table_text(table, at->title);
        cli_table_text(table, list);
    }
    cli_table_print(table, &cli->output, "");
    cli_table_destroy(table);
    return 0;
}

static void say_checked(struct cli_table *table, const struct cli *cli, const char *path,
                        const struct rv_agent *agent)
{
    const json_t *manifest = rv_agent_manifest(agent);
    struct rv_hash hash = rv_agent_hash(agent);
    char hex[RV_HASH_HEX];
    rv_hash_hex(&hash, hex);
    cli_table_text(table, path);
    cli_table_text(table, rv_json_str(manifest, "name", ""));
    cli_table_text(table, rv_json_str(manifest, "version", ""));
    cli_table_text(table, joined(cli, json_object_get(manifest, "handles")));
    cli_table_text(table, joined(cli, json_object_get(manifest, "uses")));
    cli_table_printf(table, "%.12s", hex);
}

int cmd_agent_check(struct cli *cli)
{
    static const struct cli_column columns[] = {
        {"file", "FILE", false, false},       {"agent", "AGENT", false, false},
        {"version", "VERSION", false, false}, {"handles", "HANDLES", false, false},
        {"uses", "USES", false, true},        {"hash", "HASH", false, false}};
    if (cli_flag(cli, "actions")) {
        return list_actions(cli);
    }
    if (cli_flag(cli, "exceptions")) {
        return list_exceptions(cli);
    }
    if (cli->argc == 0) {
        return cli_usage(cli, "agent check [FILE]... | --actions | --exceptions");
    }
    struct cli_table *table = cli_table_create(columns, RV_COUNT(columns));
    int status = 0;
    for (int i = 0; i < cli->argc; i++) {
        struct rv_error err = {.code = RV_OK};
        struct rv_agent *agent = NULL;
        enum rv_code code = load(cli, cli->argv[i], &agent, &err);
        if (code == RV_OK) {
            say_checked(table, cli, cli->argv[i], agent);
        } else {
            cli_print_error(&cli->output, &err);
            status = status_of(code) > status ? status_of(code) : status;
        }
        rv_agent_destroy(agent);
    }
    if (cli_table_rows(table) > 0) {
        cli_table_print(table, &cli->output, "");
    }
    cli_table_destroy(table);
    return status;
}

/* ---- agent test ---- */

struct testing {
    struct cli *cli;
    struct cli_table *table;
    const char *agent; /* its name */
    int passed, failed;
    struct rv_buf differences; /* of failed cases, for people */
    int status;
};

enum { DIFFERENCES_MAX = 4 << 20, NAMES_MAX = 1000 };

static enum rv_code ask_is_legal(void *data, const char *name, const json_t *args,
                                 struct rv_error *err)
{
    (void)data;
    return erp_read_check(name, args, err);
}

static enum rv_code plan_is_legal(void *data, const char *name, const json_t *plan,
                                  struct rv_error *err)
{
    (void)data;
    size_t i;
    json_t *action;
    json_array_foreach(json_object_get(plan, "actions"), i, action)
    {
        const struct erp_command *command = erp_command_find(rv_json_str(action, "action", ""));
        RV_ASSERT(command != NULL); /* the manifest named it and was checked */
        json_t *args = json_deep_copy(json_object_get(action, "args"));
        enum rv_code code = erp_command_check(command, args, err);
        json_decref(args);
        if (code != RV_OK) {
            return rv_wrap(err, code, "case \"%s\": action %zu, line %d: %s", name, i + 1,
                           (int)rv_json_int(action, "line", 0), command->name);
        }
    }
    return RV_OK;
}

static void on_case(void *data, const char *name, enum rv_code code, const json_t *plan,
                    const struct rv_error *err)
{
    struct testing *testing = data;
    struct cli *cli = testing->cli;
    char *actions = rv_arena_strdup(cli->arena, "");
    size_t i;
    json_t *action;
    json_array_foreach(json_object_get(plan, "actions"), i, action)
    {
        actions = rv_arena_printf(cli->arena, "%s%s%s", actions, i == 0 ? "" : ", ",
                                  rv_json_str(action, "action", ""));
    }
    testing->passed += code == RV_OK;
    testing->failed += code != RV_OK;
    cli_table_text(testing->table, testing->agent);
    cli_table_text(testing->table, name);
    cli_table_text(testing->table, code == RV_OK ? "ok" : "failed");
    cli_table_style(testing->table, code == RV_OK ? CLI_GOOD : CLI_BAD);
    cli_table_text(testing->table, actions);
    if (cli->json) {
        cli_table_text(testing->table, code == RV_OK ? NULL : err->message);
        cli_table_text(testing->table, code == RV_OK ? NULL : err->hint);
    } else if (code != RV_OK) {
        rv_buf_printf(&testing->differences, "\n%s\n", err->message);
        if (err->detail[0] != '\0') {
            rv_buf_printf(&testing->differences, "  found: %s\n", err->detail);
        }
        if (err->hint[0] != '\0') {
            rv_buf_printf(&testing->differences, "  -> %s\n", err->hint);
        }
    }
}

static void complain(struct testing *testing, enum rv_code code, const struct rv_error *err)
{
    cli_print_error(&testing->cli->output, err);
    testing->failed++;
    int status = status_of(code);
    testing->status = status > testing->status ? status : testing->status;
}

static int only_lua(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);
    return entry->d_name[0] != '.' && length > 4 && strcmp(entry->d_name + length - 4, ".lua") == 0;
}

static int not_hidden(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static void test_agent(struct testing *testing, const char *path)
{
    static const struct rv_case_checks checks = {.ask = ask_is_legal, .plan = plan_is_legal};
    struct cli *cli = testing->cli;
    struct rv_error err = {.code = RV_OK};
    struct rv_agent *agent = NULL;
    enum rv_code code = load(cli, path, &agent, &err);
    if (code != RV_OK) {
        complain(testing, code, &err);
        return;
    }
    testing->agent = rv_arena_strdup(cli->arena, rv_json_str(rv_agent_manifest(agent), "name", ""));
    const char *slash = strrchr(path, '/');
    const char *folder =
        rv_arena_printf(cli->arena, "%.*scases", slash == NULL ? 0 : (int)(slash - path + 1), path);
    struct dirent **files = NULL;
    int count = scandir(folder, &files, only_lua, alphasort);
    if (count <= 0) {
        code = rv_fail(&err, RV_INVALID, "%s has no cases: there is no \"%s/*.lua\"", path, folder);
        rv_hint(&err, "Write what the world answers and what must be proposed: agents/README.md.");
        complain(testing, code, &err);
    }
    for (int i = 0; i < count; i++) {
        const char *name = rv_arena_printf(cli->arena, "%s/%s", folder, files[i]->d_name);
        const char *source = NULL;
        size_t length = 0;
        code = cli_read_file(name, RV_AGENT_SOURCE_MAX, cli->arena, &source, &length, &err);
        if (code == RV_OK) {
            code = rv_agent_cases(agent, source, length, name, &checks, on_case, testing, &err);
        }
        if (code != RV_OK) {
            complain(testing, code, &err);
        }
        free(files[i]);
    }
    free(files);
    rv_agent_destroy(agent);
}

static bool is_file(const char *path)
{
    struct stat found;
    return stat(path, &found) == 0 && S_ISREG(found.st_mode);
}

/* A file; a folder with an agent.lua; a folder of such folders. */
static void test_path(struct testing *testing, const char *path)
{
    struct cli *cli = testing->cli;
    struct stat found;
    if (stat(path, &found) != 0 || !S_ISDIR(found.st_mode)) {
        test_agent(testing, path); /* says what is wrong with it, if anything */
        return;
    }
    const char *own = rv_arena_printf(cli->arena, "%s/agent.lua", path);
    if (is_file(own)) {
        test_agent(testing, own);
        return;
    }
    struct dirent **names = NULL;
    int count = scandir(path, &names, not_hidden, alphasort);
    int agents = 0;
    for (int i = 0; i < count; i++) {
        const char *one = rv_arena_printf(cli->arena, "%s/%s/agent.lua", path, names[i]->d_name);
        if (is_file(one)) {
            test_agent(testing, one);
            agents++;
        }
        free(names[i]);
    }
    free(names);
    if (agents == 0) {
        struct rv_error err = {.code = RV_OK};
        enum rv_code code =
            rv_fail(&err, RV_NOT_FOUND, "\"%s\" has no agent.lua, nor have its folders", path);
        rv_hint(&err, "Give the file of an agent, its folder, or a folder of such folders.");
        complain(testing, code, &err);
    }
}

/* Text that a case may have brought, a clean line at a time. */
static void print_lines(const struct cli_output *output, const char *text, size_t length)
{
    const char *end = text + length;
    while (text < end) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        stop = stop == NULL ? end : stop;
        char *line = rv_strndup(text, (size_t)(stop - text));
        struct rv_buf clean;
        rv_buf_init(&clean, DIFFERENCES_MAX);
        cli_clean(&clean, line);
        cli_print(output, "%s", clean.length > 0 ? clean.data : "");
        rv_buf_fini(&clean);
        rv_free(line);
        text = stop + 1;
    }
}

int cmd_agent_test(struct cli *cli)
{
    static const struct cli_column columns[] = {
        {"agent", "AGENT", false, false},           {"case", "CASE", false, true},
        {"result", "RESULT", false, false},         {"actions", "PROPOSES", false, true},
        {"difference", "DIFFERENCE", false, false}, {"hint", "HINT", false, false}};
    struct testing testing = {.cli = cli};
    testing.table =
        cli_table_create(columns, cli->json ? RV_COUNT(columns) : RV_COUNT(columns) - 2);
    rv_buf_init(&testing.differences, DIFFERENCES_MAX);
    for (int i = 0; i < cli->argc; i++) {
        test_path(&testing, cli->argv[i]);
    }
    if (cli_table_rows(testing.table) > 0) {
        cli_table_print(testing.table, &cli->output, "");
    }
    print_lines(&cli->output, testing.differences.data, testing.differences.length);
    cli_say(&cli->output, "%d cases passed, %d failed", testing.passed, testing.failed);
    cli_table_destroy(testing.table);
    rv_buf_fini(&testing.differences);
    return testing.status != 0 ? testing.status : testing.failed > 0 ? STATUS_FAILED : 0;
}
