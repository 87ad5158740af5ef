/* cmd_run_history.c -- time travel for people: replay, diff, export, import. */
#include "cli_sql.h"
#include "runtime/base/check.h"
#include "runtime/cli/place.h"
#include "runtime/cli/retention.h"
#include "runtime/journal/journal.h"
#include "runtime/lua/plan.h"
#include "runtime/run/replay.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- a run, from the database or from a file ---- */

static enum rv_code take_head(void *data, const struct rv_result *result, int row,
                              struct rv_error *err)
{
    (void)err;
    *(json_t **)data = rv_result_json(result, row, 0);
    return RV_OK;
}

static enum rv_code take_step(void *data, const struct rv_result *result, int row,
                              struct rv_error *err)
{
    json_t *out = NULL;
    uint8_t digest[RV_STEP_DIGEST_BYTES] = {0};
    enum rv_code code = rv_journal_out_decode(result, row, 4, &out, err);
    if (code == RV_OK) {
        rv_result_bytes(result, row, 3, digest, sizeof digest);
        json_array_append_new(data, rv_history_step((int32_t)rv_result_i64(result, row, 0),
                                                    (int)rv_result_i64(result, row, 1),
                                                    rv_result_text(result, row, 2), digest, out));
    }
    return code;
}

enum rv_code cli_run_history(struct cli *cli, const char *name, json_t **out, struct rv_error *err)
{
    struct rv_db_session *session = NULL;
    int32_t tenant = 0;
    int64_t run = 0;
    json_t *history = NULL;
    json_t *journal = json_array();
    enum rv_code code = cli_run_id(name, &run, err);
    if (code == RV_OK) {
        code = place_company(cli, &session, &tenant, err);
    }
    if (code == RV_OK) {
        struct rv_args *args = rv_args_create(&rv_sql_cli_run_history);
        rv_args_i64(args, 2, run);
        code = rv_db_session_query(session, tenant, &rv_sql_cli_run_history, args, take_head,
                                   &history, err);
    }
    if (code == RV_OK && history == NULL) {
        code = rv_fail(err, RV_NOT_FOUND, "no run %s", name);
        rv_hint(err, "See the runs: reeve run list.");
    }
    if (code == RV_OK && json_is_object(json_object_get(history, "dropped"))) {
        char text[RETENTION_TEXT];
        code = rv_fail(err, RV_NOT_FOUND, "run %s: %s", name,
                       retention_text(json_object_get(history, "dropped"), text));
    }
    json_object_del(history, "dropped");
    if (code == RV_OK) {
        struct rv_args *args = rv_args_create(&rv_sql_cli_run_history_steps);
        rv_args_i64(args, 2, run);
        code = rv_db_session_query(session, tenant, &rv_sql_cli_run_history_steps, args, take_step,
                                   journal, err);
    }
    rv_db_session_close(session);
    if (code == RV_OK) {
        static const char *const may_lack[] = {"error_code", "error_text", "result"};
        for (size_t i = 0; i < RV_COUNT(may_lack); i++) {
            if (json_is_null(json_object_get(history, may_lack[i]))) {
                json_object_del(history, may_lack[i]);
            }
        }
        json_object_set_new(history, "format", json_string("reeve-run/1"));
        json_object_set_new(history, "redacted", json_false());
        json_object_set(history, "journal", journal);
        rv_history_seal(history);
        code = rv_history_check(history, err);
    }
    json_decref(journal);
    if (code == RV_OK) {
        *out = history;
    } else {
        json_decref(history);
    }
    return code;
}

static enum rv_code read_exported(struct cli *cli, const char *path, json_t **out,
                                  struct rv_error *err)
{
    const char *text = NULL;
    size_t length = 0;
    struct rv_arena *arena = rv_arena_create("exported run", (size_t)RV_HISTORY_BYTES_MAX * 2);
    (void)cli;
    enum rv_code code = cli_read_file(path, RV_HISTORY_BYTES_MAX, arena, &text, &length, err);
    if (code == RV_OK) {
        code = rv_json_parse(text, length, path, out, err);
    }
    rv_arena_destroy(arena);
    if (code == RV_OK) {
        code = rv_history_check(*out, err);
        if (code != RV_OK) {
            json_decref(*out);
            *out = NULL;
        }
    }
    return code;
}

static enum rv_code read_either(struct cli *cli, const char *name, json_t **out,
                                struct rv_error *err)
{
    size_t length = strlen(name);
    bool is_file = length > 5 && strcmp(name + length - 5, ".json") == 0;
    return is_file ? read_exported(cli, name, out, err) : cli_run_history(cli, name, out, err);
}

/* ---- saying differences ---- */

static void say_value(const char *title, const json_t *value)
{
    char *text = value != NULL ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    struct rv_buf clean;
    rv_buf_init(&clean, RV_JSON_TEXT_MAX);
    cli_clean(&clean, text != NULL ? text : "(nothing)");
    printf("      %-9s %.*s%s\n", title, (int)(clean.length > 400 ? 400 : clean.length),
           (const char *)clean.data, clean.length > 400 ? "…" : "");
    rv_buf_fini(&clean);
    rv_free(text);
}

static void say_places(const json_t *places, const char *left, const char *right)
{
    size_t i;
    json_t *place;
    json_array_foreach((json_t *)(uintptr_t)places, i, place)
    {
        const char *path = rv_json_str(place, "path", "");
        printf("  %s\n", path[0] != '\0' ? path : "(all of it)");
        say_value(left, json_object_get(place, "left"));
        say_value(right, json_object_get(place, "right"));
    }
}

static void say_difference(const json_t *difference)
{
    const json_t *recorded = json_object_get(difference, "recorded");
    const json_t *now = json_object_get(difference, "now");
    const json_t *places = json_object_get(difference, "differences");
    printf("at step %" PRId64 "\n", rv_json_int(difference, "step", 0));
    if (recorded != NULL) {
        printf("  recorded  %s \"%s\" (arguments %.12s)\n", rv_json_str(recorded, "kind", ""),
               rv_json_str(recorded, "name", ""), rv_json_str(recorded, "digest", ""));
    }
    if (now != NULL) {
        int64_t line = rv_json_int(now, "line", 0);
        printf("  now       %s \"%s\" (arguments %.12s)", rv_json_str(now, "kind", ""),
               rv_json_str(now, "name", ""), rv_json_str(now, "digest", ""));
        if (line > 0) {
            printf(", line %" PRId64 " of the plan", line);
        }
        putchar('\n');
        if (places == NULL && json_object_get(now, "args") != NULL) {
            say_value("with", json_object_get(now, "args"));
        }
    }
    if (recorded != NULL && places == NULL) {
        say_value("gave", json_object_get(recorded, "out"));
    }
    say_places(places, "recorded", "now");
}

/* ---- replay ---- */

static int say_report(const struct cli *cli, const json_t *history,
                      const struct rv_replay_report *report)
{
    char hex[RV_HASH_HEX];
    rv_hash_hex(&report->hash, hex);
    bool good = report->verdict == RV_REPLAY_SAME || report->verdict == RV_REPLAY_OPEN;
    if (cli->json) {
        json_t *out = json_pack("{s:O,s:s,s:i,s:s,s:s}", "run", json_object_get(history, "run"),
                                "verdict", rv_replay_verdict_name(report->verdict), "steps",
                                report->steps, "text", report->text, "transcript", hex);
        if (report->difference != NULL) {
            json_object_set(out, "difference", report->difference);
        }
        if (report->next != NULL && report->verdict == RV_REPLAY_OPEN) {
            json_object_set(out, "next", report->next);
        }
        cli_print_json(&cli->output, out);
    } else {
        cli_print(&cli->output, "%s%s: %s", rv_json_str(history, "run", ""),
                  rv_json_bool(history, "redacted", false) ? " (redacted)" : "", report->text);
        if (report->difference != NULL) {
            say_difference(report->difference);
        }
        cli_print(&cli->output, "transcript %s", hex);
    }
    return good ? 0 : report->verdict == RV_REPLAY_STOPPED ? 4 : 1;
}

int cmd_run_replay(struct cli *cli)
{
    const char *file = cli_option(cli, "file");
    const char *agent = cli_option(cli, "agent");
    struct rv_error err = {.code = RV_OK};
    json_t *history = NULL;
    const char *source = NULL;
    size_t length = 0;
    if ((cli->argc == 1) == (file != NULL)) {
        return cli_usage(cli, "run replay RUN, or: run replay --file FILE");
    }
    enum rv_code code = file != NULL ? read_exported(cli, file, &history, &err)
                                     : cli_run_history(cli, cli->argv[0], &history, &err);
    if (code == RV_OK && agent != NULL) {
        code = cli_read_file(agent, RV_AGENT_SOURCE_MAX, cli->arena, &source, &length, &err);
    }
    int status = 0;
    if (code == RV_OK) {
        struct rv_replay_report report;
        code = rv_replay(history, source, &report, &err);
        status = code == RV_OK ? say_report(cli, history, &report) : 0;
        rv_replay_report_fini(&report);
    }
    json_decref(history);
    return code == RV_OK ? status : cli_fail(cli, &err);
}

/* ---- diff ---- */

int cmd_run_diff(struct cli *cli)
{
    if (cli->argc != 2) {
        return cli_usage(cli, "run diff RUN RUN");
    }
    struct rv_error err = {.code = RV_OK};
    json_t *left = NULL;
    json_t *right = NULL;
    enum rv_code code = read_either(cli, cli->argv[0], &left, &err);
    if (code == RV_OK) {
        code = read_either(cli, cli->argv[1], &right, &err);
    }
    int status = 0;
    if (code == RV_OK) {
        json_t *out = rv_history_compare(left, right);
        status = rv_json_bool(out, "same", false) ? 0 : 1;
        if (cli->json) {
            cli_print_json(&cli->output, json_incref(out));
        } else if (status == 0) {
            cli_print(&cli->output, "the same: plan, input, %zu steps and outcome",
                      json_array_size(json_object_get(left, "journal")));
        } else {
            say_places(json_object_get(out, "differences"), "left", "right");
            int64_t parted = rv_json_int(out, "parted_at", 0);
            if (parted > 0) {
                cli_print(&cli->output, "from step %" PRId64 " on they go different ways", parted);
                say_value("left", json_object_get(out, "left"));
                say_value("right", json_object_get(out, "right"));
            }
        }
        json_decref(out);
    }
    json_decref(left);
    json_decref(right);
    return code == RV_OK ? status : cli_fail(cli, &err);
}

/* ---- export, import ---- */

static enum rv_code write_file(const char *path, const json_t *value, struct rv_error *err)
{
    char *text = json_dumps(value, JSON_INDENT(1));
    RV_ASSERT(text != NULL);
    size_t length = strlen(text);
    if (length > RV_HISTORY_BYTES_MAX) {
        rv_free(text);
        rv_fail(err, RV_LIMIT, "the run is %zu bytes as a file, at most %d are allowed", length,
                RV_HISTORY_BYTES_MAX);
        rv_hint(err, "Replay it where it is: reeve run replay RUN.");
        return RV_LIMIT;
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        enum rv_code code = errno == EEXIST
                                ? rv_fail(err, RV_INVALID, "the file %.180s exists already", path)
                                : rv_fail_errno(err, errno, "cannot make the file %.180s", path);
        rv_free(text);
        return code;
    }
    FILE *file = fdopen(fd, "w");
    bool ok = file != NULL && fputs(text, file) >= 0 && fputc('\n', file) != EOF;
    ok = ok && fflush(file) == 0 && fsync(fd) == 0;
    int number = errno;
    ok = (file == NULL || fclose(file) == 0) && ok;
    rv_free(text);
    if (!ok) {
        unlink(path); /* half a file is none */
        return rv_fail_errno(err, number, "cannot write the file %.180s", path);
    }
    return RV_OK;
}

int cmd_run_export(struct cli *cli)
{
    bool redact = cli_flag(cli, "redact");
    if (cli->argc != 2) {
        return cli_usage(cli, "run export RUN FILE");
    }
    struct rv_error err = {.code = RV_OK};
    json_t *history = NULL;
    enum rv_code code = cli_run_history(cli, cli->argv[0], &history, &err);
    if (code == RV_OK && redact) {
        json_t *hidden = NULL;
        code = rv_history_redact(history, &hidden, &err);
        json_decref(history);
        history = hidden;
    }
    if (code == RV_OK) {
        code = write_file(cli->argv[1], history, &err);
    }
    if (code == RV_OK && cli->json) {
        cli_print_json(&cli->output,
                       json_pack("{s:O,s:s,s:i,s:b,s:O}", "run", json_object_get(history, "run"),
                                 "file", cli->argv[1], "steps",
                                 (int)json_array_size(json_object_get(history, "journal")),
                                 "redacted", redact, "sha256", json_object_get(history, "sha256")));
    } else if (code == RV_OK) {
        cli_print(&cli->output, "%s with %zu steps is in %s%s", rv_json_str(history, "run", ""),
                  json_array_size(json_object_get(history, "journal")), cli->argv[1],
                  redact ? ", redacted" : "");
    }
    json_decref(history);
    return code == RV_OK ? 0 : cli_fail(cli, &err);
}

/* STATE/runs/r_42-<hash>.json; the hash is of the content, so the same file is kept once. */
static enum rv_code keep_file(struct cli *cli, const json_t *history, char *path, size_t size,
                              struct rv_error *err)
{
    char folder[1024];
    enum rv_code code = place_folder(cli, err);
    if (code != RV_OK) {
        return code;
    }
    snprintf(folder, sizeof folder, "%s/runs", cli->state_dir);
    if (mkdir(folder, 0700) != 0 && errno != EEXIST) {
        return rv_fail_errno(err, errno, "cannot make the folder %.180s", folder);
    }
    snprintf(path, size, "%s/%s-%.12s.json", folder, rv_json_str(history, "run", ""),
             rv_json_str(history, "sha256", ""));
    return access(path, F_OK) == 0 ? RV_OK : write_file(path, history, err);
}

int cmd_run_import(struct cli *cli)
{
    if (cli->argc != 1) {
        return cli_usage(cli, "run import FILE");
    }
    struct rv_error err = {.code = RV_OK};
    json_t *history = NULL;
    char path[1200] = "";
    enum rv_code code = read_exported(cli, cli->argv[0], &history, &err);
    if (code == RV_OK) {
        code = keep_file(cli, history, path, sizeof path, &err);
    }
    if (code == RV_OK && cli->json) {
        cli_print_json(&cli->output, json_pack("{s:O,s:s}", "run", json_object_get(history, "run"),
                                               "file", path));
    } else if (code == RV_OK) {
        cli_print(&cli->output, "%s is kept: reeve run replay --file %s",
                  rv_json_str(history, "run", ""), path);
    }
    json_decref(history);
    return code == RV_OK ? 0 : cli_fail(cli, &err);
}
