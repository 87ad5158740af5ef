/* cmd_schedule_show.c -- looking at schedules: when next, how the last one ended, why one rests. */
#include "runtime/base/check.h"
#include "runtime/base/clock.h"
#include "runtime/cli/place.h"
#include "runtime/cli/table.h"
#include "runtime/schedule/look.h"

#include <stdio.h>
#include <string.h>

enum { NEXT_COLUMN = 4 };

struct looking {
    struct cli *cli;
    struct rv_db_session *session;
    int32_t tenant;
    int64_t next; /* fires to show */
    json_t *rows;
};

static enum rv_code open_company(struct looking *looking, struct cli *cli, int64_t otherwise,
                                 struct rv_error *err)
{
    *looking = (struct looking){.cli = cli, .rows = json_array()};
    enum rv_code code =
        cli_integer(cli, "next", otherwise, 0, RV_SCHEDULE_LOOK_NEXT_MAX, &looking->next, err);
    if (code == RV_OK) {
        code = place_company(cli, &looking->session, &looking->tenant, err);
    }
    return code;
}

static int close_company(struct looking *looking, enum rv_code code, const struct rv_error *err)
{
    json_decref(looking->rows);
    rv_db_session_close(looking->session);
    return code == RV_OK ? 0 : cli_fail(looking->cli, err);
}

/* All rows, or that of `name`. */
static enum rv_code load(struct looking *looking, const char *name, int last, struct rv_error *err)
{
    json_decref(looking->rows);
    return rv_schedule_looked(
        looking->session, looking->tenant,
        &(struct rv_schedule_look){.name = name, .next = (int)looking->next, .last = last},
        rv_now_us(rv_clock_system()), &looking->rows, err);
}

/* ---- list ---- */

static const char *minute_of(const json_t *row, const char *key, char out[20])
{
    snprintf(out, 20, "%.16s", rv_json_str(row, key, ""));
    return out;
}

/* Why it does not fire; else how the last one ended, when that was not well. */
static void put_note(struct cli_table *table, const json_t *row)
{
    const char *reason = rv_json_str(row, "reason", "");
    const char *until = rv_json_str(row, "paused_until", "");
    if (until[0] != '\0') {
        cli_table_printf(table, "until %.16s: %s", until, reason);
    } else if (reason[0] != '\0') {
        cli_table_text(table, reason);
    } else {
        cli_table_text(table, rv_json_str(row, "last_reason", ""));
    }
}

static void print_table(const struct looking *looking)
{
    static const struct cli_column columns[] = {
        {"name", "NAME", false, false},     {"status", "STATUS", false, false},
        {"cron", "CRON", false, false},     {"zone", "ZONE", false, false},
        {"next_at", "NEXT", false, false},  {"last_at", "LAST", false, false},
        {"outcome", "ENDED", false, false}, {"note", "NOTE", false, true}};
    struct cli_table *table = cli_table_create(columns, RV_COUNT(columns));
    size_t i;
    const json_t *row;
    json_array_foreach(looking->rows, i, row)
    {
        char text[20];
        cli_table_text(table, rv_json_str(row, "name", ""));
        cli_table_text(table, rv_json_str(row, "status", ""));
        cli_table_text(table, rv_json_str(row, "cron", ""));
        cli_table_text(table, rv_json_str(row, "zone", ""));
        cli_table_text(table, minute_of(row, "next_at", text));
        cli_table_text(table, minute_of(row, "last_at", text));
        cli_table_text(table, rv_json_str(row, "last_outcome", ""));
        put_note(table, row);
        size_t n;
        const json_t *next;
        json_array_foreach(json_object_get(row, "next"), n, next)
        {
            for (size_t c = 0; c < RV_COUNT(columns) && n > 0; c++) {
                snprintf(text, sizeof text, "%.10s %.5s", json_string_value(next),
                         json_string_value(next) + 11);
                cli_table_text(table, c == NEXT_COLUMN ? text : "");
            }
        }
    }
    cli_table_print(table, &looking->cli->output, "no schedules; `reeve schedule add` makes one");
    cli_table_destroy(table);
}

int cmd_schedule_list(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct looking looking;
    enum rv_code code = open_company(&looking, cli, 0, &err);
    if (code == RV_OK) {
        code = load(&looking, NULL, 0, &err);
    }
    size_t i;
    json_t *row;
    json_array_foreach(looking.rows, i, row)
    {
        if (code == RV_OK && cli->json) {
            cli_print_json(&cli->output, json_incref(row));
        }
    }
    if (code == RV_OK && !cli->json) {
        print_table(&looking);
    }
    return close_company(&looking, code, &err);
}

/* ---- show ---- */

static void print_next(const struct looking *looking, const json_t *next, const char *first)
{
    size_t i;
    const json_t *time;
    json_array_foreach(next, i, time)
    {
        cli_print(&looking->cli->output, "%-10s %s", i == 0 ? first : "", json_string_value(time));
    }
}

static void print_one(const struct looking *looking, const json_t *row)
{
    const struct cli_output *out = &looking->cli->output;
    const char *reason = rv_json_str(row, "reason", "");
    const char *until = rv_json_str(row, "paused_until", "");
    const char *calendar = rv_json_str(row, "calendar", "");
    const char *except = rv_json_str(row, "except", "");
    cli_print(out, "%-10s %s", "schedule", rv_json_str(row, "name", ""));
    if (strcmp(rv_json_str(row, "status", ""), "paused") == 0) {
        const char *by = rv_json_str(row, "paused_by", "");
        cli_print(out, "%-10s paused %s%s%s%s: %s", "status",
                  until[0] != '\0' ? "until " : "until somebody resumes it", until,
                  by[0] != '\0' ? ", by " : "", by, reason);
    } else {
        cli_print(out, "%-10s %s%s%s", "status", rv_json_str(row, "status", ""),
                  reason[0] != '\0' ? ": " : "", reason);
    }
    cli_print(out, "%-10s %s  %s  (gap %s, fold %s)", "when", rv_json_str(row, "cron", ""),
              rv_json_str(row, "zone", ""), rv_json_str(row, "gap", ""),
              rv_json_str(row, "fold", ""));
    cli_print(out, "%-10s %s", "calendar", calendar[0] != '\0' ? calendar : "Monday to Friday");
    if (except[0] != '\0') {
        cli_print(out, "%-10s %s", "except", except);
    }
    cli_print(out, "%-10s %s", "overlap", rv_json_str(row, "overlap", ""));
    cli_print(out, "%-10s %lld s, at most %lld", "catch-up",
              (long long)rv_json_int(row, "catch_up_window_s", 0),
              (long long)rv_json_int(row, "catch_up_max", 0));
    cli_print(out, "%-10s %lld s", "jitter", (long long)rv_json_int(row, "jitter_s", 0));
    long long after = (long long)rv_json_int(row, "pause_after", 0);
    cli_print(out, after > 0 ? "%-10s %lld in a row, pauses at %lld" : "%-10s %lld in a row",
              "failures", (long long)rv_json_int(row, "failures", 0), after);
    cli_print(out, "%-10s %s running, %s waiting", "now", rv_json_str(row, "running", "0"),
              rv_json_str(row, "waiting", "0"));
    const char *outcome = rv_json_str(row, "last_outcome", "");
    const char *why = rv_json_str(row, "last_reason", "");
    cli_print(out, "%-10s %s%s%s%s%s", "last", outcome[0] != '\0' ? outcome : "none yet",
              outcome[0] != '\0' ? " for " : "", rv_json_str(row, "last_instant", ""),
              why[0] != '\0' ? ": " : "", why);
    const json_t *next = json_object_get(row, "next");
    print_next(looking, next, "next");
    if (json_array_size(next) == 0) {
        cli_print(out, "%-10s none", "next");
    }
}

int cmd_schedule_show(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct looking looking;
    enum rv_code code = open_company(&looking, cli, RV_SCHEDULE_LOOK_NEXT, &err);
    if (code == RV_OK) {
        code = load(&looking, cli->argv[0], RV_SCHEDULE_LOOK_LAST, &err);
    }
    if (code == RV_OK && cli->json) {
        cli_print_json(&cli->output, json_incref(json_array_get(looking.rows, 0)));
    } else if (code == RV_OK) {
        print_one(&looking, json_array_get(looking.rows, 0));
    }
    return close_company(&looking, code, &err);
}

/* ---- next ---- */

static void print_times(const struct cli *cli, const json_t *next)
{
    size_t i;
    const json_t *time;
    json_array_foreach(next, i, time)
    {
        cli_print(&cli->output, "%s", json_string_value(time));
    }
}

/* Of a pattern that is stored nowhere: the database is asked only for what is the company's. */
static int next_of_pattern(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct looking looking = {.cli = cli};
    char zone[RV_ZONE_NAME_MAX];
    const char *tz = cli_option(cli, "tz");
    const char *gap = cli_option(cli, "gap");
    const char *fold = cli_option(cli, "fold");
    json_t *next = NULL;
    struct rv_schedule schedule = {.cron = cli_option(cli, "cron"),
                                   .zone = tz != NULL ? tz : zone,
                                   .except = cli_option(cli, "except"),
                                   .calendar = cli_option(cli, "calendar")};
    enum rv_code code = cli_integer(cli, "next", RV_SCHEDULE_LOOK_NEXT, 0,
                                    RV_SCHEDULE_LOOK_NEXT_MAX, &looking.next, &err);
    if (code == RV_OK && gap != NULL) {
        code = rv_cron_gap_from(gap, &schedule.gap, &err);
    }
    if (code == RV_OK && fold != NULL) {
        code = rv_cron_fold_from(fold, &schedule.fold, &err);
    }
    if (code == RV_OK && (tz == NULL || schedule.calendar != NULL)) {
        code = place_company(cli, &looking.session, &looking.tenant, &err);
    }
    if (code == RV_OK && tz == NULL) {
        code = rv_schedule_company_zone(looking.session, looking.tenant, zone, &err);
    }
    if (code == RV_OK) {
        code =
            rv_schedule_next_of_json(looking.session, looking.tenant, &schedule,
                                     rv_now_us(rv_clock_system()), (int)looking.next, &next, &err);
    }
    if (code == RV_OK && cli->json) {
        cli_print_json(&cli->output, json_pack("{s:s,s:s,s:O}", "cron", schedule.cron, "zone",
                                               schedule.zone, "next", next));
    } else if (code == RV_OK) {
        print_times(cli, next);
    }
    json_decref(next);
    return close_company(&looking, code, &err);
}

static int next_of_schedule(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct looking looking;
    json_t *next = NULL;
    enum rv_code code = open_company(&looking, cli, RV_SCHEDULE_LOOK_NEXT, &err);
    if (code == RV_OK) {
        code = rv_schedule_next_json(looking.session, looking.tenant, cli->argv[0],
                                     rv_now_us(rv_clock_system()), (int)looking.next, &next, &err);
    }
    if (code == RV_OK && cli->json) {
        cli_print_json(&cli->output,
                       json_pack("{s:s,s:O}", "schedule", cli->argv[0], "next", next));
    } else if (code == RV_OK) {
        print_times(cli, next);
    }
    json_decref(next);
    return close_company(&looking, code, &err);
}

/* What a pattern has beside its expression: a stored schedule has its own. */
static bool says_pattern(const struct cli *cli)
{
    static const char *const options[] = {"tz", "gap", "fold", "calendar", "except"};
    bool says = false;
    for (size_t i = 0; i < RV_COUNT(options); i++) {
        says = says || cli_option(cli, options[i]) != NULL;
    }
    return says;
}

int cmd_schedule_next(struct cli *cli)
{
    bool pattern = cli_option(cli, "cron") != NULL;
    if (pattern == (cli->argc == 1) || (!pattern && says_pattern(cli))) {
        return cli_usage(cli, "schedule next NAME, or schedule next --cron \"0 2 * * 1-5\" "
                              "[--tz Europe/Berlin] ...");
    }
    return pattern ? next_of_pattern(cli) : next_of_schedule(cli);
}
