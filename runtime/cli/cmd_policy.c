/* cmd_policy.c -- policies and agents: check, test, activate.
 *
 * Activation is an act of administration: one transaction with an audit record, not an effect on
 * the books; with no bundle active the gate denies everything.
 */
#include "cli_sql.h"
#include "erp/command/command.h"
#include "gate_sql.h"
#include "run_sql.h"
#include "runtime/base/check.h"
#include "runtime/cli/place.h"
#include "runtime/cli/table.h"
#include "runtime/lua/plan.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum rv_code load_policy(struct cli *cli, const char *path, struct rv_policy **policy,
                                const char **source, struct rv_error *err)
{
    size_t length = 0;
    const char *name = strrchr(path, '/');
    enum rv_code code = cli_read_file(path, RV_POLICY_SOURCE_MAX, cli->arena, source, &length, err);
    return code == RV_OK
               ? rv_policy_load(*source, length, name != NULL ? name + 1 : path, policy, err)
               : code;
}

/* ---- one administrative transaction ---- */

struct admin {
    struct rv_unit unit; /* first */
    const char *person;
    const char *what;
    struct rv_policy *policy;
    const char *policy_source;
    struct rv_agent *agent;
    const char *agent_source;
    const char *owner;
    bool done;
    enum rv_code code;
    struct rv_error err;
};

static enum rv_code admin_decide(struct rv_unit *unit, struct rv_batch *batch, struct rv_error *err)
{
    (void)err;
    struct admin *admin = (struct admin *)unit;
    struct rv_hash hash;
    const char *name;
    if (admin->policy != NULL) {
        hash = rv_policy_hash(admin->policy);
        name = rv_policy_name(admin->policy);
        struct rv_args *rows = rv_batch_rows(batch, &rv_sql_policy_bundle_put);
        rv_args_bytes(rows, 2, hash.bytes, RV_HASH_BYTES);
        rv_args_text(rows, 3, name);
        rv_args_text(rows, 4, admin->policy_source);
        rv_args_text(rows, 5, rv_policy_canonical(admin->policy));
        rv_args_text(rows, 6, admin->person);
        rv_args_bytes(rv_batch_rows(batch, &rv_sql_policy_activate), 2, hash.bytes, RV_HASH_BYTES);
    } else {
        hash = rv_agent_hash(admin->agent);
        const json_t *manifest = rv_agent_manifest(admin->agent);
        name = rv_json_str(manifest, "name", "");
        struct rv_args *rows = rv_batch_rows(batch, &rv_sql_plan_source_put);
        rv_args_bytes(rows, 2, hash.bytes, RV_HASH_BYTES);
        rv_args_text(rows, 3, name);
        rv_args_text(rows, 4, rv_json_str(manifest, "version", ""));
        rv_args_json(rows, 5, manifest);
        rv_args_text(rows, 6, admin->agent_source);
        rv_args_text(rows, 7, admin->person);
        rows = rv_batch_rows(batch, &rv_sql_agent_activate);
        rv_args_text(rows, 2, name);
        rv_args_bytes(rows, 3, hash.bytes, RV_HASH_BYTES);
        rv_args_text(rows, 4, admin->owner);
    }
    char hex[RV_HASH_HEX];
    rv_hash_hex(&hash, hex);
    json_t *body = json_pack("{s:s,s:s,s:s,s:s}", "what", admin->what, "name", name, "hash", hex,
                             "person", admin->person);
    rv_audit_append(batch, "admin", 0, -1, body);
    json_decref(body);
    return RV_OK;
}

static void admin_done(struct rv_unit *unit, enum rv_code code, const struct rv_error *err)
{
    struct admin *admin = (struct admin *)unit;
    admin->done = true;
    admin->code = code;
    if (code != RV_OK && err != NULL) {
        admin->err = *err;
    }
}

static enum rv_code administer(struct node *node, struct admin *admin, struct rv_error *err)
{
    admin->unit.needs_head = true;
    admin->unit.decide = admin_decide;
    admin->unit.done = admin_done;
    rv_commit(node->committer, &admin->unit);
    node_wait(node, &admin->done, 0);
    if (admin->code != RV_OK) {
        *err = admin->err;
    }
    return admin->code;
}

static enum rv_code who_and_where(struct cli *cli, const char *role, int32_t *tenant,
                                  const char **person, struct rv_error *err)
{
    struct rv_db_session *session = NULL;
    struct rv_principal principal = {.id = NULL};
    enum rv_code code = place_session(cli, &session, err);
    if (code == RV_OK) {
        code = cli_tenant(cli, session, tenant, err);
    }
    if (code == RV_OK) {
        code = cli_person(cli, session, *tenant, &principal, err);
    }
    rv_db_session_close(session);
    bool may = false;
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)(uintptr_t)principal.roles, i, item)
    {
        may = may || strcmp(json_string_value(item), role) == 0 ||
              strcmp(json_string_value(item), "admin") == 0;
    }
    if (code == RV_OK && !may) {
        return rv_fail(err, RV_DENIED, "\"%s\" has not the role %s", principal.id, role);
    }
    *person = principal.id;
    return code;
}

/* ---- policies ---- */

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
    if (load_policy(cli, cli->argv[0], &policy, &source, &err) != RV_OK) {
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

static enum rv_code take_members(void *data, const struct rv_result *result, int row,
                                 struct rv_error *err)
{
    (void)err;
    *(json_t **)data = rv_result_json(result, row, 0);
    return RV_OK;
}

static const char **action_names(struct rv_arena *arena)
{
    static const char *const passes[] = {"llm.decide", "run.start",   "run.cancel",
                                         "run.signal", "policy.load", "agent.publish"};
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

static int check_findings(struct cli *cli, const char *path, const struct rv_policy *policy,
                          const json_t *members)
{
    json_t *findings = rv_policy_check(policy, action_names(cli->arena), members);
    int errors = 0;
    size_t i;
    json_t *finding;
    json_array_foreach(findings, i, finding)
    {
        errors += strcmp(rv_json_str(finding, "severity", ""), "error") == 0;
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
    if (json_array_size(findings) == 0) {
        cli_say(&cli->output, "%s: nothing found%s", path,
                members == NULL ? "; with --company also people and roles are looked at" : "");
    }
    json_decref(findings);
    return errors;
}

int cmd_policy_check(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct rv_policy *policy = NULL;
    const char *source = NULL;
    if (load_policy(cli, cli->argv[0], &policy, &source, &err) != RV_OK) {
        return cli_fail(cli, &err);
    }
    json_t *members = NULL;
    struct rv_db_session *session = NULL;
    int32_t tenant = 0;
    struct rv_error ignored = {.code = RV_OK};
    if (cli->company != NULL && place_session(cli, &session, &ignored) == RV_OK &&
        cli_tenant(cli, session, &tenant, &ignored) == RV_OK) {
        if (rv_db_session_query(session, tenant, &rv_sql_cli_member_counts, NULL, take_members,
                                &members, &ignored) != RV_OK) {
            members = NULL;
        }
    }
    rv_db_session_close(session);
    int errors = check_findings(cli, cli->argv[0], policy, members);
    json_decref(members);
    rv_policy_destroy(policy);
    return errors == 0 ? 0 : 1;
}

int cmd_policy_load(struct cli *cli)
{
    if (cli->argc != 1) {
        return cli_usage(cli, "policy load FILE");
    }
    struct rv_error err = {.code = RV_OK};
    struct admin admin = {.what = "policy.load"};
    struct node *node = NULL;
    int failed = 0;
    if (load_policy(cli, cli->argv[0], &admin.policy, &admin.policy_source, &err) != RV_OK) {
        return cli_fail(cli, &err);
    }
    json_t *results = rv_policy_test(admin.policy, &failed);
    json_decref(results);
    enum rv_code code = RV_OK;
    if (failed > 0) {
        code = rv_fail(&err, RV_INVALID, "%d of the bundle's own tests fail", failed);
        rv_hint(&err, "See them: reeve policy test %s.", cli->argv[0]);
    }
    if (code == RV_OK) {
        code = who_and_where(cli, "admin", &admin.unit.tenant, &admin.person, &err);
    }
    if (code == RV_OK) {
        code = place_node(cli, &node, &err);
    }
    if (code == RV_OK) {
        code = administer(node, &admin, &err);
    }
    node_close(node);
    struct rv_hash hash = rv_policy_hash(admin.policy);
    char hex[RV_HASH_HEX];
    rv_hash_hex(&hash, hex);
    rv_policy_destroy(admin.policy);
    if (code != RV_OK) {
        return cli_fail(cli, &err);
    }
    if (cli->json) {
        cli_print_json(&cli->output, json_pack("{s:s,s:s}", "policy", cli->argv[0], "hash", hex));
    } else {
        cli_print(&cli->output, "policy %s is active (%.12s)", cli->argv[0], hex);
    }
    return 0;
}

/* ---- agents ---- */

static enum rv_code publish_one(struct cli *cli, struct node *node, struct admin *admin,
                                const char *path, struct rv_error *err)
{
    size_t length = 0;
    enum rv_code code =
        cli_read_file(path, RV_AGENT_SOURCE_MAX, cli->arena, &admin->agent_source, &length, err);
    if (code == RV_OK) {
        code = rv_agent_load(admin->agent_source, length, "agent.lua", &admin->agent, err);
    }
    const json_t *manifest = code == RV_OK ? rv_agent_manifest(admin->agent) : NULL;
    size_t i;
    json_t *action;
    json_array_foreach(json_object_get(manifest, "uses"), i, action)
    {
        if (code == RV_OK && erp_command_find(json_string_value(action)) == NULL) {
            code = rv_fail(err, RV_INVALID,
                           "field \"uses\" names an action that does not exist: \"%s\"",
                           json_string_value(action));
        }
    }
    if (code == RV_OK) {
        code = administer(node, admin, err);
    }
    if (code == RV_OK) {
        struct rv_hash hash = rv_agent_hash(admin->agent);
        char hex[RV_HASH_HEX];
        rv_hash_hex(&hash, hex);
        const char *name = rv_json_str(manifest, "name", "");
        const char *version = rv_json_str(manifest, "version", "");
        if (cli->json) {
            cli_print_json(&cli->output, json_pack("{s:s,s:s,s:s}", "agent", name, "version",
                                                   version, "hash", hex));
        } else {
            cli_print(&cli->output, "agent %s %s is active (%.12s)", name, version, hex);
        }
    } else {
        rv_wrap(err, code, "%s", path);
    }
    rv_agent_destroy(admin->agent);
    return code;
}

int cmd_agent_publish(struct cli *cli)
{
    const char *owner = cli_option(cli, "owner");
    if (cli->argc < 1) {
        return cli_usage(cli, "agent publish FILE... [--owner PERSON]");
    }
    struct rv_error err = {.code = RV_OK};
    struct node *node = NULL;
    int32_t tenant = 0;
    const char *person = NULL;
    enum rv_code code = who_and_where(cli, "integrator", &tenant, &person, &err);
    if (code == RV_OK) {
        code = place_node(cli, &node, &err);
    }
    for (int i = 0; i < cli->argc && code == RV_OK; i++) {
        struct admin admin = {
            .what = "agent.publish", .person = person, .owner = owner != NULL ? owner : person};
        admin.unit.tenant = tenant;
        code = publish_one(cli, node, &admin, cli->argv[i], &err);
    }
    node_close(node);
    return code == RV_OK ? 0 : cli_fail(cli, &err);
}
