/* cmd_policy.c -- policy bundles in files: read, check, test.  Activation: cmd_activate.c. */
#include "cli_sql.h"
#include "erp/command/command.h"
#include "runtime/base/check.h"
#include "runtime/cli/bundle.h"
#include "runtime/cli/place.h"
#include "runtime/cli/table.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum rv_code bundle_read(const struct cli *cli, const char *path, struct rv_policy **policy,
                         const char **source, struct rv_error *err)
{
    size_t length = 0;
    const char *name = strrchr(path, '/');
    enum rv_code code = cli_read_file(path, RV_POLICY_SOURCE_MAX, cli->arena, source, &length, err);
    return code == RV_OK
               ? rv_policy_load(*source, length, name != NULL ? name + 1 : path, policy, err)
               : code;
}

enum { CASES_FILES_MAX = 256 };

static const struct cli_column test_columns[] = {{"ok", "OK", false, false},
                                                 {"file", "FILE", false, false},
                                                 {"line", "LINE", true, false},
                                                 {"name", "TEST", false, true},
                                                 {"expected", "EXPECTED", false, true},
                                                 {"got", "GOT", false, true}};

/* "allow", or "hold by a, b". */
static const char *verdict_words(struct cli *cli, const json_t *verdict)
{
    if (json_is_string(verdict)) {
        return json_string_value(verdict);
    }
    const char *kind = "";
    json_t *rules = NULL;
    json_object_foreach((json_t *)(uintptr_t)verdict, kind, rules)
    {
        break;
    }
    const char *words = kind;
    for (size_t i = 0; i < json_array_size(rules); i++) {
        words = rv_arena_printf(cli->arena, "%s%s%s", words, i == 0 ? " by " : ", ",
                                json_string_value(json_array_get(rules, i)));
    }
    return words;
}

/* With --json, expected and got stay as the file says them. */
static void add_results(struct cli *cli, struct cli_table *table, const char *file, json_t *results)
{
    size_t i;
    json_t *result;
    json_array_foreach(results, i, result)
    {
        bool ok = rv_json_bool(result, "ok", false);
        if (cli->json) {
            json_object_set_new(result, "file", json_string(file));
            char *text = rv_json_text(result);
            puts(text);
            rv_free(text);
            continue;
        }
        cli_table_bool(table, ok);
        cli_table_style(table, ok ? CLI_GOOD : CLI_BAD);
        cli_table_text(table, file);
        cli_table_integer(table, rv_json_int(result, "line", 0));
        cli_table_text(table, rv_json_str(result, "name", ""));
        cli_table_text(table, verdict_words(cli, json_object_get(result, "expected")));
        cli_table_text(table, ok ? "" : verdict_words(cli, json_object_get(result, "got")));
    }
    json_decref(results);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Files of cases beside the bundle: cases/NAME.lua and NAME.cases.lua, in the order of their names.
 */
static int files_beside(struct cli *cli, const char *bundle, const char *names[CASES_FILES_MAX])
{
    static const char *const places[] = {"cases", "."};
    const char *slash = strrchr(bundle, '/');
    const char *folder =
        slash == NULL ? "." : rv_arena_strndup(cli->arena, bundle, (size_t)(slash - bundle));
    int count = 0;
    for (size_t i = 0; i < RV_COUNT(places); i++) {
        const char *path = rv_arena_printf(cli->arena, "%s/%s", folder, places[i]);
        const char *ending = i == 0 ? ".lua" : ".cases.lua";
        DIR *directory = opendir(path);
        struct dirent *entry = NULL;
        while (directory != NULL && (entry = readdir(directory)) != NULL &&
               count < CASES_FILES_MAX) {
            size_t length = strlen(entry->d_name);
            if (entry->d_name[0] != '.' && length > strlen(ending) &&
                strcmp(entry->d_name + length - strlen(ending), ending) == 0) {
                names[count++] = rv_arena_printf(cli->arena, "%s/%s", path, entry->d_name);
            }
        }
        if (directory != NULL) {
            closedir(directory);
        }
    }
    qsort(names, (size_t)count, sizeof *names, by_name);
    return count;
}

static enum rv_code run_cases(struct cli *cli, const struct rv_policy *policy, const char *path,
                              json_t **results, int *failed, struct rv_error *err)
{
    const char *source = NULL;
    size_t length = 0;
    enum rv_code code =
        cli_read_file(path, RV_POLICY_SOURCE_MAX, cli->arena, &source, &length, err);
    return code == RV_OK ? rv_policy_test_cases(policy, source, length, path, results, failed, err)
                         : code;
}

int cmd_policy_test(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct rv_policy *policy = NULL;
    const char *source = NULL;
    if (bundle_read(cli, cli->argv[0], &policy, &source, &err) != RV_OK) {
        return cli_fail(cli, &err);
    }
    const char *beside[CASES_FILES_MAX];
    const char *const *files = beside;
    int count = 0;
    if (cli->argc > 1) {
        files = (const char *const *)cli->argv + 1;
        count = cli->argc - 1;
    } else {
        count = files_beside(cli, cli->argv[0], beside);
    }
    struct cli_table *table = cli_table_create(test_columns, RV_COUNT(test_columns));
    int failed = 0;
    json_t *results = rv_policy_test(policy, &failed);
    size_t tests = json_array_size(results);
    add_results(cli, table, cli->argv[0], results);
    enum rv_code code = RV_OK;
    for (int i = 0; i < count && code == RV_OK; i++) {
        int more = 0;
        code = run_cases(cli, policy, files[i], &results, &more, &err);
        if (code == RV_OK) {
            failed += more;
            tests += json_array_size(results);
            add_results(cli, table, files[i], results);
        }
    }
    if (!cli->json) {
        cli_table_print(table, &cli->output, "the bundle carries no test, and there are no cases");
    }
    cli_table_destroy(table);
    rv_policy_destroy(policy);
    if (code != RV_OK) {
        return cli_fail(cli, &err);
    }
    cli_say(&cli->output, "%zu tests in %d files, %d failed", tests, count + 1, failed);
    return failed == 0 ? 0 : 1;
}

static enum rv_code take_person(void *data, const struct rv_result *result, int row,
                                struct rv_error *err)
{
    (void)err;
    json_array_append_new(data, json_pack("{s:s,s:o}", "person", rv_result_text(result, row, 0),
                                          "roles", rv_result_json(result, row, 1)));
    return RV_OK;
}

enum rv_code bundle_people(struct rv_db_session *session, int32_t tenant, json_t **people,
                           struct rv_error *err)
{
    *people = json_array();
    return rv_db_session_query(session, tenant, &rv_sql_cli_people_roles, NULL, take_person,
                               *people, err);
}

static const char **action_names(struct rv_arena *arena)
{
    static const char *const passes[] = {"llm.decide", "run.start", "run.cancel",  "run.signal",
                                         "run.update", "run.raise", "policy.load", "agent.publish"};
    size_t count = 0;
    while (erp_commands[count] != NULL) {
        count++;
    }
    const char **names = rv_arena_alloc(arena, (count + RV_COUNT(passes) + 1) * sizeof *names);
    for (size_t i = 0; i < count; i++) {
        names[i] = erp_commands[i]->name;
    }
    for (size_t i = 0; i < RV_COUNT(passes); i++) {
        names[count + i] = passes[i];
    }
    return names;
}

int bundle_findings(const struct cli *cli, const char *path, const struct rv_policy *policy,
                    const json_t *people, bool only_errors)
{
    json_t *findings = rv_policy_check(policy, action_names(cli->arena), people);
    int errors = 0;
    size_t i;
    json_t *finding;
    json_array_foreach(findings, i, finding)
    {
        bool is_error = strcmp(rv_json_str(finding, "severity", ""), "error") == 0;
        errors += is_error;
        if (only_errors && !is_error) {
            continue;
        }
        if (cli->json) {
            char *text = rv_json_text(finding);
            puts(text);
            rv_free(text);
        } else {
            int line = (int)rv_json_int(finding, "line", 0);
            const char *where = line > 0 ? rv_arena_printf(cli->arena, "%s:%d", path, line) : path;
            const char *rule = rv_json_str(finding, "rule", "-");
            cli_print(&cli->output, "%s: %s: %s%s%s%s: %s", where,
                      rv_json_str(finding, "severity", ""), line > 0 ? "rule \"" : "",
                      line > 0 ? rule : "", line > 0 ? "\": " : "",
                      rv_json_str(finding, "finding", ""), rv_json_str(finding, "witness", ""));
        }
    }
    if (json_array_size(findings) == 0 && !only_errors) {
        cli_say(&cli->output, "%s: nothing found%s", path,
                people == NULL ? "; with --company also people and roles are looked at" : "");
    }
    json_decref(findings);
    return errors;
}

int cmd_policy_check(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct rv_policy *policy = NULL;
    const char *source = NULL;
    if (bundle_read(cli, cli->argv[0], &policy, &source, &err) != RV_OK) {
        return cli_fail(cli, &err);
    }
    json_t *people = NULL;
    struct rv_db_session *session = NULL;
    int32_t tenant = 0;
    enum rv_code code = RV_OK;
    if (cli->company != NULL) {
        code = place_company(cli, &session, &tenant, &err);
        if (code == RV_OK) {
            code = bundle_people(session, tenant, &people, &err);
        }
        rv_db_session_close(session);
    }
    int errors = code == RV_OK ? bundle_findings(cli, cli->argv[0], policy, people, false) : 0;
    json_decref(people);
    if (code != RV_OK) {
        rv_policy_destroy(policy);
        return cli_fail(cli, &err);
    }
    rv_policy_destroy(policy);
    return errors == 0 ? 0 : 1;
}
