/* cmd_run_history.c -- time travel for people: replay, diff, export, import. */
#include "runtime/base/check.h"
#include "runtime/cli/place.h"
#include "runtime/cli/run_pages.h"
#include "runtime/lua/plan.h"
#include "runtime/run/replay.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- a run as one value, for what needs all of it ---- */

enum rv_code cli_run_history(struct cli *cli, const char *name, json_t **out, struct rv_error *err)
{
    struct run_pages run;
    enum rv_code code = run_pages_open(cli, name, &run, err);
    if (code == RV_OK) {
        code = rv_history_whole(run.head, &run.pages, out, err);
    }
    run_pages_close(&run);
    return code;
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
    struct run_pages run;
    const char *source = NULL;
    size_t length = 0;
    if ((cli->argc == 1) == (file != NULL)) {
        rv_fail(&err, RV_INVALID,
                file == NULL ? "which one? name a RUN, or a --file with an exported one"
                             : "a RUN and --file exclude each other");
        rv_hint(&err, "reeve run replay RUN, or reeve run replay --file FILE; the runs: reeve run "
                      "list.");
        return cli_fail(cli, &err);
    }
    enum rv_code code = file != NULL ? run_pages_open_file(file, &run, &err)
                                     : run_pages_open(cli, cli->argv[0], &run, &err);
    if (code == RV_OK && agent != NULL) {
        code = cli_read_file(agent, RV_AGENT_SOURCE_MAX, cli->arena, &source, &length, &err);
    }
    int status = 0;
    if (code == RV_OK) {
        struct rv_replay_report report;
        code = rv_replay_pages(run.head, &run.pages, source, &report, &err);
        status = code == RV_OK ? say_report(cli, run.head, &report) : 0;
        rv_replay_report_fini(&report);
    }
    run_pages_close(&run);
    return code == RV_OK ? status : cli_fail(cli, &err);
}

/* ---- diff ---- */

int cmd_run_diff(struct cli *cli)
{
    if (cli->argc != 2) {
        return cli_usage(cli, "run diff RUN RUN");
    }
    struct rv_error err = {.code = RV_OK};
    struct run_pages left;
    struct run_pages right = {.head = NULL};
    json_t *out = NULL;
    int64_t steps = 0;
    enum rv_code code = run_pages_open_either(cli, cli->argv[0], &left, &err);
    if (code == RV_OK) {
        code = run_pages_open_either(cli, cli->argv[1], &right, &err);
    }
    if (code == RV_OK) {
        code = rv_history_compare_pages(left.head, &left.pages, right.head, &right.pages, &steps,
                                        &out, &err);
    }
    int status = 0;
    if (code == RV_OK) {
        status = rv_json_bool(out, "same", false) ? 0 : 1;
        if (cli->json) {
            cli_print_json(&cli->output, json_incref(out));
        } else if (status == 0) {
            cli_print(&cli->output, "the same: plan, input, %" PRId64 " steps and outcome", steps);
        } else {
            say_places(json_object_get(out, "differences"), "left", "right");
            int64_t parted = rv_json_int(out, "parted_at", 0);
            if (parted > 0) {
                cli_print(&cli->output, "from step %" PRId64 " on they go different ways", parted);
                say_value("left", json_object_get(out, "left"));
                say_value("right", json_object_get(out, "right"));
            }
        }
    }
    json_decref(out);
    run_pages_close(&left);
    run_pages_close(&right);
    return code == RV_OK ? status : cli_fail(cli, &err);
}

/* ---- export, import ---- */

static enum rv_code fail_open(const char *path, struct rv_error *err)
{
    if (errno != EEXIST) {
        return rv_fail_errno(err, errno, "cannot make the file %.180s", path);
    }
    rv_fail(err, RV_INVALID, "the file %.180s exists already", path);
    rv_hint(err, "Name another one, or remove it.");
    return RV_INVALID;
}

/* Half a file is none. */
static enum rv_code write_file(const char *path, const json_t *head,
                               const struct rv_history_pages *pages, int64_t *steps,
                               char hex[RV_HASH_HEX], struct rv_error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (file == NULL) {
        return fail_open(path, err);
    }
    enum rv_code code = rv_history_write(file, head, pages, steps, hex, err);
    if (code == RV_OK && (fflush(file) != 0 || fsync(fd) != 0)) {
        code = rv_fail_errno(err, errno, "cannot write the file %.180s", path);
    }
    if (fclose(file) != 0 && code == RV_OK) {
        code = rv_fail_errno(err, errno, "cannot write the file %.180s", path);
    }
    if (code != RV_OK) {
        unlink(path);
    }
    return code;
}

/* Hidden names may change what follows from them: the run goes its way again, all of it.  `shows`:
 * so many lines of the plan's source, which stays, show what is hidden elsewhere. */
static enum rv_code write_redacted(const struct cli *cli, struct run_pages *run, const char *path,
                                   int64_t *steps, int *shows, char hex[RV_HASH_HEX],
                                   struct rv_error *err)
{
    int first = 0;
    json_t *history = NULL;
    json_t *hidden = NULL;
    json_t *known = NULL;
    enum rv_code code = rv_history_whole(run->head, &run->pages, &history, err);
    if (code == RV_OK) {
        code = rv_history_known(&run->reader, &known, err);
    }
    if (code == RV_OK) {
        code = rv_history_redact(history, known, &hidden, err);
    }
    if (code == RV_OK) {
        code = rv_history_source_shows(history, known, shows, &first, err);
    }
    if (code == RV_OK && *shows > 0) {
        cli_say(&cli->output,
                "warning: line %d of the plan's source%s names somebody or has a number to hide; "
                "the source goes along as it is, since another text would be another plan",
                first, *shows > 1 ? " and others" : "");
    }
    if (code == RV_OK) {
        struct rv_history_list list = {json_object_get(hidden, "journal"), 0};
        struct rv_history_pages pages = rv_history_list_pages(&list);
        code = write_file(path, hidden, &pages, steps, hex, err);
    }
    json_decref(history);
    json_decref(hidden);
    json_decref(known);
    return code;
}

int cmd_run_export(struct cli *cli)
{
    bool redact = cli_flag(cli, "redact");
    if (cli->argc != 2) {
        return cli_usage(cli, "run export RUN FILE");
    }
    struct rv_error err = {.code = RV_OK};
    struct run_pages run;
    int64_t steps = 0;
    int shows = 0;
    char hex[RV_HASH_HEX] = "";
    const char *path = cli->argv[1];
    enum rv_code code = run_pages_open(cli, cli->argv[0], &run, &err);
    if (code == RV_OK) {
        code = redact ? write_redacted(cli, &run, path, &steps, &shows, hex, &err)
                      : write_file(path, run.head, &run.pages, &steps, hex, &err);
    }
    if (code == RV_OK && cli->json) {
        cli_print_json(&cli->output, json_pack("{s:O,s:s,s:I,s:b,s:i,s:s}", "run",
                                               json_object_get(run.head, "run"), "file", path,
                                               "steps", (json_int_t)steps, "redacted", redact,
                                               "source_lines_shown", shows, "sha256", hex));
    } else if (code == RV_OK) {
        cli_print(&cli->output, "%s with %" PRId64 " steps is in %s%s",
                  rv_json_str(run.head, "run", ""), steps, path, redact ? ", redacted" : "");
    }
    run_pages_close(&run);
    return code == RV_OK ? 0 : cli_fail(cli, &err);
}

/* STATE/runs/r_42-<hash>.json; the hash is of the content, so the same file is kept once. */
static enum rv_code keep_file(struct cli *cli, const struct run_pages *run, char *path, size_t size,
                              struct rv_error *err)
{
    char folder[1024];
    char hex[RV_HASH_HEX];
    int64_t steps = 0;
    enum rv_code code = place_folder(cli, err);
    if (code != RV_OK) {
        return code;
    }
    snprintf(folder, sizeof folder, "%s/runs", cli->state_dir);
    if (mkdir(folder, 0700) != 0 && errno != EEXIST) {
        return rv_fail_errno(err, errno, "cannot make the folder %.180s", folder);
    }
    snprintf(path, size, "%s/%s-%.12s.json", folder, rv_json_str(run->head, "run", ""),
             rv_json_str(run->head, "sha256", ""));
    return access(path, F_OK) == 0 ? RV_OK
                                   : write_file(path, run->head, &run->pages, &steps, hex, err);
}

int cmd_run_import(struct cli *cli)
{
    if (cli->argc != 1) {
        return cli_usage(cli, "run import FILE");
    }
    struct rv_error err = {.code = RV_OK};
    struct run_pages run;
    char path[1200] = "";
    enum rv_code code = run_pages_open_file(cli->argv[0], &run, &err);
    if (code == RV_OK) {
        code = keep_file(cli, &run, path, sizeof path, &err);
    }
    if (code == RV_OK && cli->json) {
        cli_print_json(&cli->output, json_pack("{s:O,s:s}", "run", json_object_get(run.head, "run"),
                                               "file", path));
    } else if (code == RV_OK) {
        cli_print(&cli->output, "%s is kept: reeve run replay --file %s",
                  rv_json_str(run.head, "run", ""), path);
    }
    run_pages_close(&run);
    return code == RV_OK ? 0 : cli_fail(cli, &err);
}
