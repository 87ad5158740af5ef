/* cmd_calendar.c -- business calendars of a company: which days are no working days. */
#include "runtime/base/check.h"
#include "runtime/cli/admin.h"
#include "runtime/cli/place.h"
#include "runtime/cli/table.h"
#include "runtime/schedule/holidays.h"
#include "runtime/schedule/schedule.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

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

static int say(const struct cli *cli, enum rv_code code, const struct rv_error *err,
               const char *done)
{
    if (code != RV_OK) {
        return cli_fail(cli, err);
    }
    if (cli->json) {
        cli_print_json(&cli->output,
                       json_pack("{s:s,s:s}", "calendar", cli->argv[0], "done", done));
    } else {
        cli_print(&cli->output, "calendar %s: %s", cli->argv[0], done);
    }
    return 0;
}

int cmd_calendar_add(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct admin admin = {.cli = cli};
    enum rv_code code = admin_begin(cli, ADMIN_WORK, "calendar.add", about(cli), &admin, &err);
    if (code == RV_OK) {
        code = rv_calendar_add(admin.session, admin.tenant, cli->argv[0],
                               cli_option(cli, "weekend"), &err);
    }
    code = admin_end(&admin, code, &err);
    return say(cli, code, &err, "added");
}

/* "2026-12-25,2026-12-26" into the same shape as a file's, without labels. */
static enum rv_code read_option(const struct cli *cli, const char *option, struct rv_dates *out,
                                struct rv_error *err)
{
    const char *text = cli_option(cli, option);
    enum rv_code code = rv_dates_read(text != NULL ? text : "", out, err);
    return code == RV_OK ? code : rv_wrap(err, code, "option --%s", option);
}

int cmd_calendar_set(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct admin admin = {.cli = cli};
    struct rv_dates put, gone;
    const char *label = cli_option(cli, "label");
    if (cli_option(cli, "holidays") == NULL && cli_option(cli, "remove") == NULL &&
        cli_option(cli, "weekend") == NULL) {
        return cli_usage(cli,
                         "calendar set NAME [--holidays DATES] [--remove DATES] [--weekend DAYS]");
    }
    enum rv_code code = read_option(cli, "holidays", &put, &err);
    if (code == RV_OK) {
        code = read_option(cli, "remove", &gone, &err);
    }
    if (code == RV_OK) {
        code = admin_begin(cli, ADMIN_WORK, "calendar.set", about(cli), &admin, &err);
    }
    if (code == RV_OK) {
        int64_t *days = rv_arena_alloc(cli->arena, sizeof *days * RV_DATES_MAX);
        const char **labels = rv_arena_alloc(cli->arena, sizeof *labels * RV_DATES_MAX);
        int count = 0;
        for (int i = 0; i < put.count; i++) {
            if (i == 0 || put.days[i] != put.days[i - 1]) { /* sorted: equal ones are neighbours */
                days[count] = put.days[i];
                labels[count++] = label != NULL ? label : "";
            }
        }
        struct rv_calendar_change change = {.weekend = cli_option(cli, "weekend"),
                                            .days = days,
                                            .labels = labels,
                                            .day_count = count,
                                            .gone = &gone};
        code = rv_calendar_set(admin.session, admin.tenant, cli->argv[0], &change, &err);
    }
    code = admin_end(&admin, code, &err);
    return say(cli, code, &err, "changed");
}

int cmd_calendar_import(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct admin admin = {.cli = cli};
    const char *text = NULL;
    size_t length = 0;
    struct rv_holidays *holidays = rv_alloc(sizeof *holidays);
    enum rv_code code =
        cli_read_file(cli->argv[1], RV_HOLIDAY_FILE_MAX, cli->arena, &text, &length, &err);
    if (code == RV_OK) {
        code = rv_holidays_read(text, length, holidays, &err);
        code = code == RV_OK ? code : rv_wrap(&err, code, "%s", cli->argv[1]);
    }
    if (code == RV_OK && holidays->count == 0) {
        code = rv_fail(&err, RV_INVALID, "%s has no dates", cli->argv[1]);
        rv_hint(&err, "Write one a line, as in: 2026-12-25 Christmas Day");
    }
    if (code == RV_OK) {
        json_t *act = json_pack("{s:s,s:i}", "name", cli->argv[0], "days", holidays->count);
        code = admin_begin(cli, ADMIN_WORK, "calendar.import", act, &admin, &err);
    }
    if (code == RV_OK) {
        const char **labels = rv_arena_alloc(cli->arena, sizeof *labels * RV_DATES_MAX);
        for (int i = 0; i < holidays->count; i++) {
            labels[i] = holidays->labels[i];
        }
        struct rv_calendar_change change = {
            .days = holidays->days, .labels = labels, .day_count = holidays->count};
        code = rv_calendar_set(admin.session, admin.tenant, cli->argv[0], &change, &err);
    }
    code = admin_end(&admin, code, &err);
    char done[40];
    snprintf(done, sizeof done, "%d holidays imported", holidays->count);
    rv_free(holidays);
    return say(cli, code, &err, done);
}

int cmd_calendar_remove(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct admin admin = {.cli = cli};
    enum rv_code code = admin_begin(cli, ADMIN_WORK, "calendar.remove", about(cli), &admin, &err);
    if (code == RV_OK) {
        code = rv_calendar_remove(admin.session, admin.tenant, cli->argv[0], &err);
    }
    code = admin_end(&admin, code, &err);
    return say(cli, code, &err, "removed");
}

/* ---- looking ---- */

static enum rv_code open_company(struct cli *cli, struct rv_db_session **session, int32_t *tenant,
                                 struct rv_error *err)
{
    enum rv_code code = place_session(cli, session, err);
    return code == RV_OK ? cli_tenant(cli, *session, tenant, err) : code;
}

static enum rv_code take_calendar(void *data, const struct rv_result *result, int row,
                                  struct rv_error *err)
{
    (void)err;
    struct cli_table *table = data;
    char weekend[RV_WEEKEND_TEXT];
    rv_weekend_text((uint8_t)rv_result_i64(result, row, 1), weekend);
    cli_table_text(table, rv_result_text(result, row, 0));
    cli_table_text(table, weekend);
    cli_table_integer(table, rv_result_i64(result, row, 2));
    for (int column = 3; column <= 4; column++) {
        cli_table_text(table, rv_result_is_null(result, row, column)
                                  ? NULL
                                  : rv_result_text(result, row, column));
    }
    cli_table_integer(table, rv_result_i64(result, row, 5));
    return RV_OK;
}

int cmd_calendar_list(struct cli *cli)
{
    static const struct cli_column columns[] = {{"name", "NAME", false, false},
                                                {"weekend", "WEEKEND", false, false},
                                                {"holidays", "HOLIDAYS", true, false},
                                                {"from", "FROM", false, false},
                                                {"to", "TO", false, false},
                                                {"schedules", "SCHEDULES", true, false}};
    struct rv_error err = {.code = RV_OK};
    struct rv_db_session *session = NULL;
    struct cli_table *table = cli_table_create(columns, RV_COUNT(columns));
    int32_t tenant = 0;
    enum rv_code code = open_company(cli, &session, &tenant, &err);
    if (code == RV_OK) {
        code = rv_calendar_list(session, tenant, take_calendar, table, &err);
    }
    if (code == RV_OK) {
        cli_table_print(table, &cli->output, "no calendars; `reeve calendar add` makes one");
    }
    cli_table_destroy(table);
    rv_db_session_close(session);
    return code == RV_OK ? 0 : cli_fail(cli, &err);
}

static enum rv_code take_day(void *data, const struct rv_result *result, int row,
                             struct rv_error *err)
{
    (void)err;
    struct cli_table *table = data;
    cli_table_text(table, rv_result_text(result, row, 0));
    cli_table_text(table, rv_result_text(result, row, 1));
    return RV_OK;
}

int cmd_calendar_show(struct cli *cli)
{
    static const struct cli_column columns[] = {{"day", "HOLIDAY", false, false},
                                                {"label", "NAME", false, true}};
    struct rv_error err = {.code = RV_OK};
    struct rv_db_session *session = NULL;
    struct cli_table *table = cli_table_create(columns, RV_COUNT(columns));
    int32_t tenant = 0;
    uint8_t weekend = 0;
    enum rv_code code = open_company(cli, &session, &tenant, &err);
    if (code == RV_OK) {
        code = rv_calendar_days(session, tenant, cli->argv[0], &weekend, take_day, table, &err);
    }
    if (code == RV_OK) {
        char text[RV_WEEKEND_TEXT];
        rv_weekend_text(weekend, text);
        cli_say(&cli->output, "calendar %s: %s are free", cli->argv[0], text);
        cli_table_print(table, &cli->output, "it has no holidays");
    }
    cli_table_destroy(table);
    rv_db_session_close(session);
    return code == RV_OK ? 0 : cli_fail(cli, &err);
}
