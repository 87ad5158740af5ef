/* cmd_schedule.c -- schedules: what shall happen when, in whose time zone. */
#include "runtime/base/check.h"
#include "runtime/cli/admin.h"
#include "runtime/cli/place.h"
#include "runtime/schedule/schedule.h"

#include <inttypes.h>

enum { NEXT_SHOWN = 5 };

#define DAY_US INT64_C(86400000000)

static enum rv_code open_company(struct cli *cli, struct rv_db_session **session, int32_t *tenant,
                                 struct rv_error *err)
{
    enum rv_code code = place_session(cli, session, err);
    return code == RV_OK ? cli_tenant(cli, *session, tenant, err) : code;
}

/* What the record says: which schedule, and every option as it was typed. */
static json_t *about(const struct cli *cli)
{
    json_t *about = json_pack("{s:s}", "name", cli->argv[0]);
    for (const struct cli_option *option = cli->command->options;
         option != NULL && option->name != NULL; option++) {
        const char *value = cli_option(cli, option->name);
        if (value != NULL) {
            json_object_set_new(about, option->name, json_string(value));
        }
    }
    return about;
}

static int64_t now_us(void)
{
    return rv_now_us(rv_clock_system());
}

/* "2026-12-25T02:00:00Z"; NULL for 0. */
static json_t *time_json(int64_t time_us)
{
    char text[RV_TIME_TEXT];
    rv_time_text(time_us, text);
    return time_us != 0 ? json_sprintf("%.19sZ", text) : json_null();
}

static int say_next(const struct cli *cli, const char *name, int64_t next_us)
{
    char text[RV_TIME_TEXT];
    rv_time_text(next_us, text);
    if (cli->json) {
        cli_print_json(&cli->output,
                       json_pack("{s:s,s:o}", "schedule", name, "next_at", time_json(next_us)));
    } else if (next_us == 0) {
        cli_print(&cli->output, "schedule %s: paused until somebody resumes it", name);
    } else {
        cli_print(&cli->output, "schedule %s: next at %.19sZ (a serving reeve runs it)", name,
                  text);
    }
    return 0;
}

int cmd_schedule_add(struct cli *cli)
{
    const char *cron = cli_option(cli, "cron");
    const char *zone = cli_option(cli, "tz");
    const char *gap = cli_option(cli, "gap");
    const char *fold = cli_option(cli, "fold");
    const char *overlap = cli_option(cli, "overlap");
    if (cron == NULL) {
        return cli_usage(cli, "schedule add NAME --cron \"0 2 * * 1-5\" [--tz Europe/Berlin] ...");
    }
    struct rv_error err = {.code = RV_OK};
    struct admin admin = {.cli = cli};
    int64_t next = 0;
    int64_t catch_up_s = 0;
    int64_t jitter_s = 0;
    struct rv_schedule schedule = {.name = cli->argv[0],
                                   .cron = cron,
                                   .zone = zone != NULL ? zone : "UTC",
                                   .action = "exceptions.run",
                                   .except = cli_option(cli, "except")};
    enum rv_code code = cli_integer(cli, "catch-up", 0, 0, INT32_MAX, &catch_up_s, &err);
    if (code == RV_OK) {
        code = cli_integer(cli, "jitter", 0, 0, INT32_MAX, &jitter_s, &err);
    }
    schedule.catch_up_window_s = (int32_t)catch_up_s;
    schedule.jitter_s = (int32_t)jitter_s;
    if (code == RV_OK && gap != NULL) {
        code = rv_cron_gap_from(gap, &schedule.gap, &err);
    }
    if (code == RV_OK && fold != NULL) {
        code = rv_cron_fold_from(fold, &schedule.fold, &err);
    }
    if (code == RV_OK && overlap != NULL) {
        code = rv_schedule_overlap_from(overlap, &schedule.overlap, &err);
    }
    if (code == RV_OK) {
        code = admin_begin(cli, ADMIN_WORK, "schedule.add", about(cli), &admin, &err);
    }
    if (code == RV_OK) {
        code = rv_schedule_add(admin.session, admin.tenant, &schedule, now_us(), &next, &err);
    }
    code = admin_end(&admin, code, &err);
    return code == RV_OK ? say_next(cli, schedule.name, next) : cli_fail(cli, &err);
}

int cmd_schedule_set(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct admin admin = {.cli = cli};
    int64_t next = 0;
    int64_t catch_up_s = -1;
    int64_t jitter_s = -1;
    struct rv_schedule_change change = {.cron = cli_option(cli, "cron"),
                                        .zone = cli_option(cli, "tz"),
                                        .gap = cli_option(cli, "gap"),
                                        .fold = cli_option(cli, "fold"),
                                        .overlap = cli_option(cli, "overlap"),
                                        .except = cli_option(cli, "except")};
    enum rv_code code = cli_integer(cli, "catch-up", -1, 0, INT32_MAX, &catch_up_s, &err);
    if (code == RV_OK) {
        code = cli_integer(cli, "jitter", -1, 0, INT32_MAX, &jitter_s, &err);
    }
    change.catch_up_window_s = (int32_t)catch_up_s;
    change.jitter_s = (int32_t)jitter_s;
    if (code == RV_OK) {
        code = admin_begin(cli, ADMIN_WORK, "schedule.set", about(cli), &admin, &err);
    }
    if (code == RV_OK) {
        code = rv_schedule_set(admin.session, admin.tenant, cli->argv[0], &change, now_us(), &next,
                               &err);
    }
    code = admin_end(&admin, code, &err);
    return code == RV_OK ? say_next(cli, cli->argv[0], next) : cli_fail(cli, &err);
}

/* A date, midnight in UTC. */
static enum rv_code read_day(const struct cli *cli, const char *option, int64_t *out_us,
                             struct rv_error *err)
{
    const char *text = cli_option(cli, option);
    int64_t day = 0;
    if (text == NULL) {
        rv_fail(err, RV_INVALID, "option --%s is missing", option);
        rv_hint(err, "Give a date as in --%s 2026-12-25.", option);
        return RV_INVALID;
    }
    enum rv_code code = rv_date_read(text, &day, err);
    *out_us = day * DAY_US;
    return code == RV_OK ? code : rv_wrap(err, code, "option --%s", option);
}

int cmd_schedule_backfill(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct admin admin = {.cli = cli};
    int64_t from_us = 0;
    int64_t to_us = 0;
    int made = 0;
    enum rv_code code = read_day(cli, "from", &from_us, &err);
    if (code == RV_OK) {
        code = read_day(cli, "to", &to_us, &err);
    }
    if (code == RV_OK) {
        code = admin_begin(cli, ADMIN_WORK, "schedule.backfill", about(cli), &admin, &err);
    }
    if (code == RV_OK) {
        code = rv_schedule_backfill(admin.session, admin.tenant, cli->argv[0], from_us, to_us,
                                    now_us(), &made, &err);
    }
    code = admin_end(&admin, code, &err);
    if (code != RV_OK) {
        return cli_fail(cli, &err);
    }
    if (cli->json) {
        cli_print_json(&cli->output,
                       json_pack("{s:s,s:i}", "schedule", cli->argv[0], "made", made));
    } else {
        cli_print(&cli->output, "%d fires wait now (a serving reeve runs them)", made);
    }
    return 0;
}

static enum rv_code print_row(void *data, const struct rv_result *result, int row,
                              struct rv_error *err)
{
    (void)err;
    const struct cli *cli = data;
    if (!cli->json) {
        cli_print(&cli->output, "%-16s %-8s %-18s %-18s next %.16s  last %.16s",
                  rv_result_text(result, row, 0), rv_result_text(result, row, 1),
                  rv_result_text(result, row, 2), rv_result_text(result, row, 3),
                  rv_result_text(result, row, 5), rv_result_text(result, row, 6));
        return RV_OK;
    }
    json_t *line = json_object();
    for (int c = 0; c < rv_result_columns(result); c++) {
        json_object_set_new(line, rv_result_column_name(result, c),
                            rv_result_is_null(result, row, c)
                                ? json_null()
                                : json_string(rv_result_text(result, row, c)));
    }
    cli_print_json(&cli->output, line);
    return RV_OK;
}

int cmd_schedule_list(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct rv_db_session *session = NULL;
    int32_t tenant = 0;
    enum rv_code code = open_company(cli, &session, &tenant, &err);
    if (code == RV_OK) {
        code = rv_schedule_list(session, tenant, print_row, cli, &err);
    }
    rv_db_session_close(session);
    return code == RV_OK ? 0 : cli_fail(cli, &err);
}

int cmd_schedule_next(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct rv_db_session *session = NULL;
    int32_t tenant = 0;
    int64_t fires[NEXT_SHOWN];
    int count = 0;
    enum rv_code code = open_company(cli, &session, &tenant, &err);
    if (code == RV_OK) {
        code = rv_schedule_next(session, tenant, cli->argv[0], now_us(), NEXT_SHOWN, fires, &count,
                                &err);
    }
    rv_db_session_close(session);
    if (code != RV_OK) {
        return cli_fail(cli, &err);
    }
    json_t *list = json_array();
    for (int i = 0; i < count; i++) {
        char text[RV_TIME_TEXT];
        rv_time_text(fires[i], text);
        json_array_append_new(list, time_json(fires[i]));
        if (!cli->json) {
            cli_print(&cli->output, "%.19sZ", text);
        }
    }
    if (cli->json) {
        cli_print_json(&cli->output,
                       json_pack("{s:s,s:O}", "schedule", cli->argv[0], "next", list));
    }
    json_decref(list);
    return 0;
}

enum verb { VERB_PAUSE, VERB_RESUME, VERB_REMOVE, VERB_RUN };

static int change(struct cli *cli, enum verb verb)
{
    static const char *const acts[] = {"schedule.pause", "schedule.resume", "schedule.remove",
                                       "schedule.run"};
    static const char *const done[] = {"paused", "resumed", "removed", "due"};
    const char *reason = verb == VERB_PAUSE ? cli_option(cli, "reason") : NULL;
    struct rv_error err = {.code = RV_OK};
    struct admin admin = {.cli = cli};
    int64_t fire = 0;
    const char *name = cli->argv[0];
    enum rv_code code = admin_begin(cli, ADMIN_WORK, acts[verb], about(cli), &admin, &err);
    if (code == RV_OK) {
        switch (verb) {
        case VERB_PAUSE:
            code = rv_schedule_pause(admin.session, admin.tenant, name, 0,
                                     reason != NULL ? reason : "paused by hand", now_us(), &err);
            break;
        case VERB_RESUME:
            code = rv_schedule_resume(admin.session, admin.tenant, name, now_us(), &err);
            break;
        case VERB_REMOVE: code = rv_schedule_remove(admin.session, admin.tenant, name, &err); break;
        case VERB_RUN:
            code = rv_schedule_run_now(admin.session, admin.tenant, name, now_us(), &fire, &err);
            break;
        }
    }
    code = admin_end(&admin, code, &err);
    if (code != RV_OK) {
        return cli_fail(cli, &err);
    }
    if (cli->json) {
        cli_print_json(&cli->output, json_pack("{s:s,s:s}", "schedule", name, "done", done[verb]));
    } else {
        cli_print(&cli->output, "schedule %s: %s", name, done[verb]);
    }
    return 0;
}

int cmd_schedule_pause(struct cli *cli)
{
    return change(cli, VERB_PAUSE);
}

int cmd_schedule_resume(struct cli *cli)
{
    return change(cli, VERB_RESUME);
}

int cmd_schedule_remove(struct cli *cli)
{
    return change(cli, VERB_REMOVE);
}

int cmd_schedule_run(struct cli *cli)
{
    return change(cli, VERB_RUN);
}
