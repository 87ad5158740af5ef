/* cmd_schedule.c -- schedules: what shall happen when, in whose time zone. */
#include "runtime/base/check.h"
#include "runtime/cli/place.h"
#include "runtime/schedule/schedule.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { NEXT_SHOWN = 5, SECONDS_MAX = 7 * 24 * 3600 };

static enum rv_code open_company(struct cli *cli, struct rv_db_session **session, int32_t *tenant,
                                 struct rv_error *err)
{
    enum rv_code code = place_session(cli, session, err);
    return code == RV_OK ? cli_tenant(cli, *session, tenant, err) : code;
}

static int64_t now_us(void)
{
    return rv_now_us(rv_clock_system());
}

static enum rv_code choose(const char *option, const char *value, const char *const *words,
                           int count, int *out, struct rv_error *err)
{
    for (int i = 0; i < count && value != NULL; i++) {
        if (strcmp(words[i], value) == 0) {
            *out = i;
            return RV_OK;
        }
    }
    if (value == NULL) {
        return RV_OK;
    }
    rv_fail(err, RV_INVALID, "option %s does not know \"%s\"", option, value);
    return rv_hint(err, "It takes %s, %s%s%s.", words[0], words[1], count > 2 ? " or " : "",
                   count > 2 ? words[2] : "");
}

int cmd_schedule_add(struct cli *cli)
{
    static const char *const gaps[] = {"shift", "skip"};
    static const char *const folds[] = {"first", "last", "both"};
    const char *cron = cli_option(cli, "cron");
    const char *zone = cli_option(cli, "tz");
    const char *gap = cli_option(cli, "gap");
    const char *fold = cli_option(cli, "fold");
    const char *overlap = cli_option(cli, "overlap");
    if (cli->argc != 1 || cron == NULL) {
        return cli_usage(cli, "schedule add NAME --cron \"0 2 * * 1-5\"");
    }
    struct rv_error err = {.code = RV_OK};
    struct rv_db_session *session = NULL;
    int32_t tenant = 0;
    int gap_index = 0;
    int fold_index = 0;
    int64_t next = 0;
    struct rv_schedule schedule = {.name = cli->argv[0],
                                   .cron = cron,
                                   .zone = zone != NULL ? zone : "UTC",
                                   .action = "exceptions.run"};
    int64_t seconds = 0;
    enum rv_code code = cli_integer(cli, "catch-up", 0, 0, SECONDS_MAX, &seconds, &err);
    schedule.catch_up_window_s = (int32_t)seconds;
    if (code == RV_OK) {
        code = cli_integer(cli, "jitter", 0, 0, SECONDS_MAX, &seconds, &err);
        schedule.jitter_s = (int32_t)seconds;
    }
    if (code == RV_OK) {
        code = choose("--gap", gap, gaps, RV_COUNT(gaps), &gap_index, &err);
    }
    if (code == RV_OK) {
        code = choose("--fold", fold, folds, RV_COUNT(folds), &fold_index, &err);
    }
    schedule.gap = gap_index == 0 ? RV_CRON_GAP_SHIFT : RV_CRON_GAP_SKIP;
    schedule.fold = fold_index == 0   ? RV_CRON_FOLD_FIRST
                    : fold_index == 1 ? RV_CRON_FOLD_LAST
                                      : RV_CRON_FOLD_BOTH;
    if (code == RV_OK && overlap != NULL) {
        code = rv_schedule_overlap_from(overlap, &schedule.overlap, &err);
    }
    if (code == RV_OK) {
        code = open_company(cli, &session, &tenant, &err);
    }
    if (code == RV_OK) {
        code = rv_schedule_add(session, tenant, &schedule, now_us(), &next, &err);
    }
    rv_db_session_close(session);
    if (code != RV_OK) {
        return cli_fail(cli, &err);
    }
    char text[RV_TIME_TEXT];
    rv_time_text(next, text);
    printf("schedule %s: next at %.19sZ (a serving reeve runs it)\n", schedule.name, text);
    return 0;
}

static enum rv_code print_row(void *data, const struct rv_result *result, int row,
                              struct rv_error *err)
{
    (void)err;
    const struct cli *cli = data;
    json_t *line = json_object();
    for (int c = 0; c < rv_result_columns(result); c++) {
        json_object_set_new(line, rv_result_column_name(result, c),
                            json_string(rv_result_text(result, row, c)));
    }
    if (cli->json) {
        char *text = rv_json_text(line);
        puts(text);
        rv_free(text);
    } else {
        printf("%-16s %-8s %-18s %-18s next %.16s  last %.16s\n", rv_result_text(result, row, 0),
               rv_result_text(result, row, 1), rv_result_text(result, row, 2),
               rv_result_text(result, row, 3), rv_result_text(result, row, 5),
               rv_result_text(result, row, 6));
    }
    json_decref(line);
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
    if (cli->argc != 1) {
        return cli_usage(cli, "schedule next NAME");
    }
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
    for (int i = 0; i < count; i++) {
        char text[RV_TIME_TEXT];
        rv_time_text(fires[i], text);
        printf("%.19sZ\n", text);
    }
    return 0;
}

enum verb { VERB_PAUSE, VERB_RESUME, VERB_REMOVE, VERB_RUN };

static int change(struct cli *cli, enum verb verb, const char *usage)
{
    const char *reason = verb == VERB_PAUSE ? cli_option(cli, "reason") : NULL;
    if (cli->argc != 1) {
        return cli_usage(cli, usage);
    }
    struct rv_error err = {.code = RV_OK};
    struct rv_db_session *session = NULL;
    int32_t tenant = 0;
    int64_t fire = 0;
    const char *name = cli->argv[0];
    enum rv_code code = open_company(cli, &session, &tenant, &err);
    if (code == RV_OK) {
        switch (verb) {
        case VERB_PAUSE:
            code = rv_schedule_pause(session, tenant, name, 0, reason != NULL ? reason : "paused by hand",
                                     now_us(), &err);
            break;
        case VERB_RESUME:
            code = rv_schedule_resume(session, tenant, name, now_us(), &err);
            break;
        case VERB_REMOVE:
            code = rv_schedule_remove(session, tenant, name, &err);
            break;
        case VERB_RUN:
            code = rv_schedule_run_now(session, tenant, name, now_us(), &fire, &err);
            break;
        }
    }
    rv_db_session_close(session);
    if (code != RV_OK) {
        return cli_fail(cli, &err);
    }
    printf("ok\n");
    return 0;
}

int cmd_schedule_pause(struct cli *cli)
{
    return change(cli, VERB_PAUSE, "schedule pause NAME [--reason TEXT]");
}

int cmd_schedule_resume(struct cli *cli)
{
    return change(cli, VERB_RESUME, "schedule resume NAME");
}

int cmd_schedule_remove(struct cli *cli)
{
    return change(cli, VERB_REMOVE, "schedule remove NAME");
}

int cmd_schedule_run(struct cli *cli)
{
    return change(cli, VERB_RUN, "schedule run NAME");
}
