/* cmd_agent_version.c -- versions of agents: publish, activate, canary, promote, rollback.
 *
 * Before a version becomes active every open run of the agent is tried with it (runtime/run/dry.h),
 * and what would become of them is said.  Runs stay on the version that they began with, unless
 * --migrate-safe takes those over that the trial found safe.  A rollback tries nothing: it is for
 * the moment when something is wrong.
 */
#include "cli_sql.h"
#include "erp/command/command.h"
#include "run_sql.h"
#include "runtime/base/check.h"
#include "runtime/cli/activate.h"
#include "runtime/cli/place.h"
#include "runtime/cli/table.h"
#include "runtime/lua/plan.h"
#include "runtime/run/update.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    MIGRATE_AT_ONCE = 5000, /* runs of one transaction: some hundred kilobytes of parameters */
    STATUS_DIVERGES = 1
};

/* ---- what is written ---- */

void activate_put_agent(const struct activation *activation, struct rv_batch *batch)
{
    struct rv_args *rows;
    if (activation->manifest != NULL) {
        rows = rv_batch_rows(batch, &rv_sql_plan_source_put);
        rv_args_bytes(rows, 2, activation->hash.bytes, RV_HASH_BYTES);
        rv_args_text(rows, 3, activation->name);
        rv_args_text(rows, 4, rv_json_str(activation->manifest, "version", ""));
        rv_args_json(rows, 5, activation->manifest);
        rv_args_text(rows, 6, activation->source);
        rv_args_text(rows, 7, activation->person->id);
    }
    if (strcmp(activation->what, "canary") == 0 && activation->percent >= 0) {
        rows = rv_batch_rows(batch, &rv_sql_agent_canary_set);
        rv_args_text(rows, 2, activation->name);
        rv_args_bytes(rows, 3, activation->hash.bytes, RV_HASH_BYTES);
        rv_args_i32(rows, 4, activation->percent);
        rv_args_text(rows, 5, activation->owner);
        rv_args_text(rows, 6, activation->person->id);
    } else if (strcmp(activation->what, "canary") != 0 &&
               strcmp(activation->what, "migrate") != 0) {
        rows = rv_batch_rows(batch, &rv_sql_agent_activate);
        rv_args_text(rows, 2, activation->name);
        rv_args_bytes(rows, 3, activation->hash.bytes, RV_HASH_BYTES);
        rv_args_text(rows, 4, activation->owner);
        rv_args_text(rows, 5, activation->what);
        rv_args_text(rows, 6, activation->person->id);
    }
    for (int i = 0; i < activation->run_count; i++) {
        rows = rv_batch_rows(batch, &rv_sql_run_migrate);
        rv_args_i64(rows, 2, activation->runs[i]->run);
        rv_args_i32(rows, 3, activation->runs[i]->seq + 1);
        rv_args_bytes(rows, 4, activation->hash.bytes, RV_HASH_BYTES);
        rv_args_text(rows, 5, activation->person->id);
    }
}

/* ---- one version at hand ---- */

struct version {
    struct admin *admin;
    const char *name;    /* of the agent */
    const char *version; /* in words */
    struct rv_hash hash;
    char hex[RV_HASH_HEX];
    const char *source;
    size_t length;
    struct rv_agent *agent; /* of a file; or NULL */
    struct rv_dry_report report;
    bool tried;
    const struct rv_dry_run **safe;
    int migrated;
    bool migrates;
};

static void version_fini(struct version *version)
{
    rv_agent_destroy(version->agent);
    rv_dry_report_fini(&version->report);
    rv_free(version->safe);
}

static enum rv_code check_uses(const json_t *manifest, struct rv_error *err)
{
    size_t i;
    json_t *action;
    json_array_foreach(json_object_get(manifest, "uses"), i, action)
    {
        if (erp_command_find(json_string_value(action)) == NULL) {
            return rv_fail(err, RV_INVALID,
                           "field \"uses\" names an action that does not exist: \"%s\"",
                           json_string_value(action));
        }
    }
    return RV_OK;
}

static enum rv_code version_of_file(struct version *version, const char *path, struct rv_error *err)
{
    enum rv_code code = cli_read_file(path, RV_AGENT_SOURCE_MAX, version->admin->cli->arena,
                                      &version->source, &version->length, err);
    if (code == RV_OK) {
        code = rv_agent_load(version->source, version->length, "agent.lua", &version->agent, err);
    }
    if (code == RV_OK) {
        const json_t *manifest = rv_agent_manifest(version->agent);
        version->name = rv_json_str(manifest, "name", "");
        version->version = rv_json_str(manifest, "version", "");
        version->hash = rv_agent_hash(version->agent);
        rv_hash_hex(&version->hash, version->hex);
        code = check_uses(manifest, err);
    }
    if (code == RV_OK) {
        json_t *copy = json_deep_copy(
            rv_agent_manifest(version->agent)); /* it is published as it was written */
        code = rv_updates_check(copy, err);
        json_decref(copy);
    }
    return code;
}

struct finding {
    struct version *version;
    int found;
};

/* Columns as agent_version_find gives them. */
static enum rv_code take_version(void *data, const struct rv_result *result, int row,
                                 struct rv_error *err)
{
    (void)err;
    struct finding *finding = data;
    struct version *version = finding->version;
    struct rv_arena *arena = version->admin->cli->arena;
    if (finding->found++ == 0) {
        RV_ASSERT(rv_hash_from_hex(rv_result_text(result, row, 0), &version->hash));
        rv_hash_hex(&version->hash, version->hex);
        version->version = rv_arena_strdup(arena, rv_result_text(result, row, 1));
        version->source = rv_arena_strdup(arena, rv_result_text(result, row, 2));
        version->length = strlen(version->source);
    }
    return RV_OK;
}

/* `word`: the version's text or the beginning of its hash. */
static enum rv_code version_of_word(struct version *version, const char *name, const char *word,
                                    struct rv_error *err)
{
    struct finding finding = {.version = version};
    struct rv_args *args = rv_args_create(&rv_sql_agent_version_find);
    version->name = name;
    rv_args_text(args, 2, name);
    rv_args_text(args, 3, word);
    enum rv_code code =
        rv_db_session_query(version->admin->session, version->admin->tenant,
                            &rv_sql_agent_version_find, args, take_version, &finding, err);
    if (code == RV_OK && finding.found == 0) {
        code = rv_fail(err, RV_NOT_FOUND, "agent %.80s has no version \"%.80s\"", name, word);
        rv_hint(err,
                "See them: reeve agent versions %.80s; a file becomes one with reeve agent "
                "publish.",
                name);
    } else if (code == RV_OK && finding.found > 1) {
        code = rv_fail(err, RV_INVALID, "VERSION: %d texts of agent %.80s are called \"%.80s\"",
                       finding.found, name, word);
        rv_hint(err, "Give the beginning of the hash: reeve agent versions %.80s.", name);
    }
    return code;
}

/* How an agent stands; all NULL when there is none. */
struct state {
    struct rv_arena *arena;
    const char *active; /* hex */
    const char *version;
    const char *canary; /* hex or NULL */
    int64_t percent;
    const char *before; /* hex of what a rollback brings back; or NULL */
};

static const char *kept(struct rv_arena *arena, const struct rv_result *result, int row, int column)
{
    return rv_result_is_null(result, row, column)
               ? NULL
               : rv_arena_strdup(arena, rv_result_text(result, row, column));
}

/* Columns as agent_state gives them. */
static enum rv_code take_state(void *data, const struct rv_result *result, int row,
                               struct rv_error *err)
{
    (void)err;
    struct state *state = data;
    state->active = kept(state->arena, result, row, 0);
    state->version = kept(state->arena, result, row, 1);
    state->canary = kept(state->arena, result, row, 2);
    state->percent = state->canary != NULL ? rv_result_i64(result, row, 3) : 0;
    state->before = kept(state->arena, result, row, 5);
    return RV_OK;
}

static enum rv_code read_state(const struct admin *admin, const char *name, bool must,
                               struct state *state, struct rv_error *err)
{
    *state = (struct state){.arena = admin->cli->arena};
    struct rv_args *args = rv_args_create(&rv_sql_agent_state);
    rv_args_text(args, 2, name);
    enum rv_code code = rv_db_session_query(admin->session, admin->tenant, &rv_sql_agent_state,
                                            args, take_state, state, err);
    if (code == RV_OK && must && state->active == NULL) {
        code = rv_fail(err, RV_NOT_FOUND, "no agent is named \"%.80s\"", name);
        rv_hint(err, "See them: reeve agent list; a file becomes one with reeve agent publish.");
    }
    return code;
}

/* ---- the trial of the open runs ---- */

static enum rv_code try_runs(struct version *version, struct rv_error *err)
{
    const struct admin *admin = version->admin;
    struct rv_dry_options options = {.uri = admin->cli->uri,
                                     .tenant = admin->tenant,
                                     .agent = version->name,
                                     .source = version->source,
                                     .length = version->length};
    version->tried = true;
    enum rv_code code = rv_dry_replay(&options, &version->report, err);
    if (code != RV_OK) {
        return code;
    }
    int safe = 0;
    version->safe = rv_alloc_array((size_t)version->report.count + 1, sizeof *version->safe);
    for (int i = 0; i < version->report.count; i++) {
        if (version->report.runs[i].verdict == RV_DRY_SAFE) {
            version->safe[safe++] = &version->report.runs[i];
        }
    }
    return RV_OK;
}

static void say_groups(const struct cli *cli, const json_t *report)
{
    static const struct cli_column columns[] = {
        {"verdict", "VERDICT", false, false}, {"runs", "RUNS", true, false},
        {"step", "STEP", true, false},        {"expected", "JOURNAL HAS", false, true},
        {"now", "VERSION DOES", false, true}, {"example", "FOR EXAMPLE", false, false}};
    struct cli_table *table = cli_table_create(columns, RV_COUNT(columns));
    size_t i;
    json_t *group;
    json_array_foreach(json_object_get(report, "groups"), i, group)
    {
        const char *verdict = rv_json_str(group, "verdict", "");
        bool diverges = strcmp(verdict, "diverges") == 0;
        cli_table_text(table, strcmp(verdict, "has_it") == 0 ? "has it" : verdict);
        cli_table_style(table, diverges                         ? CLI_BAD
                               : strcmp(verdict, "pinned") == 0 ? CLI_WARN
                                                                : CLI_GOOD);
        cli_table_integer(table, rv_json_int(group, "runs", 0));
        if (diverges) {
            cli_table_integer(table, rv_json_int(group, "step", 0));
        } else {
            cli_table_text(table, NULL);
        }
        cli_table_text(table, rv_json_str(group, "expected", NULL));
        cli_table_text(table, rv_json_str(group, "now", rv_json_str(group, "why", NULL)));
        cli_table_text(table, rv_json_str(group, "example", ""));
    }
    cli_table_print(table, &cli->output, "");
    cli_table_destroy(table);
}

/* What the trial found: all of it as the answer of a dry run, else a few lines of talk. */
static void say_trial(const struct version *version, bool whole)
{
    const struct cli *cli = version->admin->cli;
    const struct rv_dry_report *report = &version->report;
    json_t *out = rv_dry_report_json(report, whole);
    if (whole && cli->json) {
        json_object_set_new(out, "agent", json_string(version->name));
        json_object_set_new(out, "version", json_string(version->version));
        json_object_set_new(out, "hash", json_string(version->hex));
        cli_print_json(&cli->output, json_incref(out));
    } else if (!cli->json && report->count > 0) {
        cli_say(&cli->output,
                "agent %s %s (%.12s) against %d open run%s, %" PRId64
                " ms: %d safe to migrate, %d stay pinned, %d diverge",
                version->name, version->version, version->hex, report->count,
                report->count == 1 ? "" : "s", report->took_us / 1000, report->of[RV_DRY_SAFE],
                report->of[RV_DRY_PINNED], report->of[RV_DRY_DIVERGES]);
        if (whole || report->of[RV_DRY_DIVERGES] + report->of[RV_DRY_PINNED] > 0) {
            say_groups(cli, out);
        }
    } else if (!cli->json && whole) {
        cli_say(&cli->output, "agent %s has no open run", version->name);
    }
    json_decref(out);
}

/* ---- the change ---- */

static enum rv_code take_count(void *data, const struct rv_result *result, int row,
                               struct rv_error *err)
{
    (void)err;
    *(int *)data += (int)rv_result_i64(result, row, 0);
    return RV_OK;
}

/* Runs that have moved meanwhile have stayed as they are: what is true now is asked. */
static enum rv_code count_migrated(struct version *version, struct rv_error *err)
{
    struct rv_args *args = rv_args_create(&rv_sql_runs_with_plan);
    for (int i = 0; i < version->report.of[RV_DRY_SAFE]; i++) {
        rv_args_i64(args, 2, version->safe[i]->run);
    }
    rv_args_bytes(args, 3, version->hash.bytes, RV_HASH_BYTES);
    return rv_db_session_query(version->admin->session, version->admin->tenant,
                               &rv_sql_runs_with_plan, args, take_count, &version->migrated, err);
}

/* Activates, with the first of the runs that go on with it; then the rest of them. */
static enum rv_code change(struct version *version, struct activation *activation,
                           struct rv_error *err)
{
    const struct admin *admin = version->admin;
    int safe = version->migrates ? version->report.of[RV_DRY_SAFE] : 0;
    int done = 0;
    activation->action = "agent.publish";
    activation->person = &admin->person;
    activation->name = version->name;
    activation->hash = version->hash;
    memcpy(activation->hex, version->hex, sizeof activation->hex);
    activation->manifest = version->agent != NULL ? rv_agent_manifest(version->agent) : NULL;
    activation->source = version->source;
    enum rv_code code;
    do {
        int now = safe - done < MIGRATE_AT_ONCE ? safe - done : MIGRATE_AT_ONCE;
        json_t *more = json_pack("{s:s,s:s}", "as", activation->what, "version", version->version);
        if (strcmp(activation->what, "canary") == 0) {
            json_object_set_new(more, "percent", json_integer(activation->percent));
        }
        if (now > 0) {
            json_object_set_new(more, "runs", json_integer(now));
        }
        if (activation->owner != NULL && strcmp(activation->what, "migrate") != 0) {
            json_object_set_new(more, "owner", json_string(activation->owner));
        }
        activation->more = more;
        activation->runs = now > 0 ? &version->safe[done] : NULL;
        activation->run_count = now;
        code = activate_ask(admin->node, activation, admin->tenant, err);
        json_decref(more);
        activation->more = NULL;
        activation->what = "migrate";
        activation->manifest = NULL;
        done += now;
    } while (code == RV_OK && done < safe);
    return code == RV_OK && safe > 0 ? count_migrated(version, err) : code;
}

/* ---- the commands ---- */

static json_t *answer_of(const struct version *version)
{
    json_t *out = json_pack("{s:s,s:s,s:s}", "agent", version->name, "version", version->version,
                            "hash", version->hex);
    if (version->tried) {
        json_object_set_new(out, "runs", rv_dry_report_json(&version->report, false));
    }
    if (version->migrates) {
        json_object_set_new(out, "migrated", json_integer(version->migrated));
    }
    return out;
}

static void say_done(const struct version *version, const char *format, ...) RV_PRINTF(2, 3);
static void say_done(const struct version *version, const char *format, ...)
{
    const struct cli *cli = version->admin->cli;
    if (cli->json) {
        cli_print_json(&cli->output, answer_of(version));
        return;
    }
    char text[200];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    cli_print(&cli->output, "agent %s %s %s (%.12s)", version->name, version->version, text,
              version->hex);
    if (version->migrates) {
        cli_print(&cli->output, "%d open runs go on with it", version->migrated);
    }
}

/* The trial where it is wanted, then the change, unless only the trial was asked for. */
static enum rv_code try_and_change(struct version *version, struct activation *activation,
                                   bool tries, bool dry, struct rv_error *err)
{
    version->migrates = cli_flag(version->admin->cli, "migrate-safe");
    enum rv_code code = tries || version->migrates ? try_runs(version, err) : RV_OK;
    if (code == RV_OK && version->tried) {
        say_trial(version, dry);
    }
    return code == RV_OK && !dry ? change(version, activation, err) : code;
}

/* Whoever answers for an agent must be somebody: the owner never decides about what it asks. */
static enum rv_code check_owner(const struct admin *admin, const char *owner, struct rv_error *err)
{
    json_t *roles = NULL;
    struct rv_args *args = rv_args_create(&rv_sql_cli_person_roles);
    rv_args_text(args, 2, owner);
    enum rv_code code = rv_db_session_query(admin->session, admin->tenant, &rv_sql_cli_person_roles,
                                            args, cli_take_json, &roles, err);
    if (code == RV_OK && roles == NULL) {
        code = rv_fail(err, RV_INVALID, "--owner: no person \"%.80s\" in this company", owner);
        rv_hint(err, "See them: reeve person list; add one: reeve person add NAME --roles ROLE.");
    }
    json_decref(roles);
    return code;
}

static enum rv_code publish_one(struct admin *admin, const char *path, int64_t percent, int *status,
                                struct rv_error *err)
{
    const struct cli *cli = admin->cli;
    const char *owner = cli_option(cli, "owner");
    bool dry = cli_flag(cli, "dry-run");
    bool tried = cli_option(cli, "canary") != NULL;
    struct version version = {.admin = admin};
    struct state state;
    struct activation activation = {.what = tried ? "canary" : "publish",
                                    .owner = owner, /* NULL: the one it has, or who publishes it */
                                    .percent = percent > 0 ? (int)percent : -1};
    enum rv_code code = version_of_file(&version, path, err);
    if (code == RV_OK && tried) {
        code = read_state(admin, version.name, true, &state, err);
        if (code == RV_NOT_FOUND) {
            rv_hint(err, "Its first version is for all runs: publish it without --canary.");
        }
    }
    if (code == RV_OK) {
        code = try_and_change(&version, &activation, !tried, dry, err);
    }
    if (code != RV_OK) {
        rv_wrap(err, code, "%s", path);
    } else if (dry) {
        *status = version.report.of[RV_DRY_DIVERGES] > 0 ? STATUS_DIVERGES : *status;
    } else if (!tried) {
        say_done(&version, "is active");
    } else if (percent == 0) {
        say_done(&version, "is kept, no run takes it");
    } else {
        say_done(&version, "is taken by %" PRId64 "%% of new runs", percent);
    }
    version_fini(&version);
    return code;
}

int cmd_agent_publish(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct admin admin = {.cli = cli};
    int64_t percent = 0;
    int status = 0;
    const char *owner = cli_option(cli, "owner");
    enum rv_code code = cli_integer(cli, "canary", 0, 0, 100, &percent, &err);
    if (code == RV_OK && cli_option(cli, "canary") != NULL && cli_flag(cli, "migrate-safe")) {
        code = rv_fail(&err, RV_INVALID, "--migrate-safe: open runs do not take part in a canary");
    }
    if (code == RV_OK && owner != NULL && cli_option(cli, "canary") != NULL && percent == 0) {
        code =
            rv_fail(&err, RV_INVALID, "--owner: with --canary 0 nothing changes but what is kept");
        rv_hint(&err, "Give --owner with the publish that lets runs take it.");
    }
    if (code != RV_OK) {
        return cli_fail(cli, &err);
    }
    code = admin_open(cli, &admin, &err);
    if (code == RV_OK && owner != NULL) {
        code = check_owner(&admin, owner, &err);
    }
    for (int i = 0; i < cli->argc && code == RV_OK; i++) {
        code = publish_one(&admin, cli->argv[i], percent, &status, &err);
    }
    admin_close(&admin);
    return code == RV_OK ? status : cli_fail(cli, &err);
}

int cmd_agent_activate(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct admin admin = {.cli = cli};
    struct version version = {.admin = &admin};
    struct activation activation = {.what = "activate"};
    bool dry = cli_flag(cli, "dry-run");
    enum rv_code code = admin_open(cli, &admin, &err);
    if (code == RV_OK) {
        code = version_of_word(&version, cli->argv[0], cli->argv[1], &err);
    }
    if (code == RV_OK) {
        code = try_and_change(&version, &activation, true, dry, &err);
    }
    int status = dry && version.report.of[RV_DRY_DIVERGES] > 0 ? STATUS_DIVERGES : 0;
    if (code == RV_OK && !dry) {
        say_done(&version, "is active");
    }
    version_fini(&version);
    admin_close(&admin);
    return code == RV_OK ? status : cli_fail(cli, &err);
}

int cmd_agent_canary(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct admin admin = {.cli = cli};
    struct version version = {.admin = &admin};
    struct state state;
    struct activation activation = {.what = "canary"};
    int64_t percent = 0;
    if (cli_option(cli, "percent") == NULL) {
        return cli_usage(cli, "agent canary NAME VERSION --percent N");
    }
    enum rv_code code = cli_integer(cli, "percent", 0, 0, 100, &percent, &err);
    if (code == RV_OK) {
        code = admin_open(cli, &admin, &err);
    }
    if (code == RV_OK) {
        code = read_state(&admin, cli->argv[0], true, &state, &err);
    }
    if (code == RV_OK) {
        code = version_of_word(&version, cli->argv[0], cli->argv[1], &err);
    }
    if (code == RV_OK && percent > 0 && strcmp(version.hex, state.active) == 0) {
        code = rv_fail(&err, RV_CONFLICT, "version %.80s of agent %.80s is active already",
                       version.version, version.name);
    }
    if (code == RV_OK && percent == 0 &&
        (state.canary == NULL || strcmp(version.hex, state.canary) != 0)) {
        code = rv_fail(&err, RV_CONFLICT, "version %.80s of agent %.80s is not on trial",
                       version.version, version.name);
        rv_hint(&err, "See which is: reeve agent versions %.80s.", version.name);
    }
    if (code == RV_OK) {
        activation.percent = (int)percent;
        code = change(&version, &activation, &err);
    }
    if (code == RV_OK && percent == 0) {
        say_done(&version, "is taken by no new run any more");
    } else if (code == RV_OK) {
        say_done(&version, "is taken by %" PRId64 "%% of new runs", percent);
    }
    version_fini(&version);
    admin_close(&admin);
    return code == RV_OK ? 0 : cli_fail(cli, &err);
}

int cmd_agent_promote(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct admin admin = {.cli = cli};
    struct version version = {.admin = &admin};
    struct state state;
    struct activation activation = {.what = "promote"};
    enum rv_code code = admin_open(cli, &admin, &err);
    if (code == RV_OK) {
        code = read_state(&admin, cli->argv[0], true, &state, &err);
    }
    if (code == RV_OK && state.canary == NULL) {
        code = rv_fail(&err, RV_CONFLICT, "agent %.80s has no canary", cli->argv[0]);
        rv_hint(&err, "Begin one: reeve agent canary %.80s VERSION --percent N.", cli->argv[0]);
    }
    if (code == RV_OK) {
        code = version_of_word(&version, cli->argv[0], state.canary, &err);
    }
    if (code == RV_OK) {
        code = try_and_change(&version, &activation, true, false, &err);
    }
    if (code == RV_OK) {
        say_done(&version, "is active");
    }
    version_fini(&version);
    admin_close(&admin);
    return code == RV_OK ? 0 : cli_fail(cli, &err);
}

/* A canary that is running is what is taken back first: the active version is not its fault. */
int cmd_agent_rollback(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct admin admin = {.cli = cli};
    struct version version = {.admin = &admin};
    struct state state;
    struct activation activation = {.what = "rollback"};
    enum rv_code code = admin_open(cli, &admin, &err);
    if (code == RV_OK) {
        code = read_state(&admin, cli->argv[0], true, &state, &err);
    }
    bool canary = code == RV_OK && state.canary != NULL;
    if (code == RV_OK && !canary && state.before == NULL) {
        code = rv_fail(&err, RV_CONFLICT, "agent %.80s had no version before %.80s", cli->argv[0],
                       state.version);
        rv_hint(&err, "See them: reeve agent versions %.80s; reeve agent activate takes any.",
                cli->argv[0]);
    }
    if (code == RV_OK) {
        code = version_of_word(&version, cli->argv[0], canary ? state.canary : state.before, &err);
    }
    if (canary && code == RV_OK) {
        activation.what = "canary"; /* of no per cent */
        code = change(&version, &activation, &err);
    } else if (code == RV_OK) {
        code = try_and_change(&version, &activation, false, false, &err);
    }
    if (code == RV_OK) {
        say_done(&version, canary ? "is taken by no new run any more" : "is active again");
    }
    version_fini(&version);
    admin_close(&admin);
    return code == RV_OK ? 0 : cli_fail(cli, &err);
}

int cmd_agent_versions(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct rv_db_session *session = NULL;
    int32_t tenant = 0;
    int rows = 0;
    enum rv_code code = place_company(cli, &session, &tenant, &err);
    if (code == RV_OK) {
        struct rv_args *args = rv_args_create(&rv_sql_agent_versions);
        rv_args_text(args, 2, cli->argv[0]);
        code = cli_print_query(cli, session, tenant, &rv_sql_agent_versions, args, &rows, &err);
    }
    if (code == RV_OK && rows == 0) {
        code = rv_fail(&err, RV_NOT_FOUND, "no agent is named \"%.80s\"", cli->argv[0]);
        rv_hint(&err, "See them: reeve agent list.");
    }
    rv_db_session_close(session);
    return code == RV_OK ? 0 : cli_fail(cli, &err);
}
