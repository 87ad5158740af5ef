/* cmd_schedule.c -- schedules: what shall happen when, in whose time zone.  Looking at them is in
 * cmd_schedule_show.c.
 */
#include "runtime/base/check.h"
#include "runtime/cli/admin.h"
#include "runtime/lua/given.h"
#include "runtime/schedule/look.h"

#include <string.h>

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

/* --input, of the runs; new reference, NULL where it is not given. */
static enum rv_code read_input(const struct cli *cli, json_t **out, struct rv_error *err)
{
    enum rv_code code = cli_object(cli, "input", out, err);
    return code == RV_OK ? rv_plan_may_get("input", *out, err) : code;
}

static int64_t now_us(void)
{
    return rv_now_us(rv_clock_system());
}

/* `zone` NULL: as it was. */
static int say_next(const struct cli *cli, const char *name, const char *zone, int64_t next_us)
{
    char text[RV_TIME_TEXT];
    rv_time_text(next_us, text);
    if (cli->json) {
        json_t *said =
            json_pack("{s:s,s:o}", "schedule", name, "next_at", rv_schedule_time_json(next_us));
        if (zone != NULL) {
            json_object_set_new(said, "zone", json_string(zone));
        }
        cli_print_json(&cli->output, said);
    } else if (next_us == 0) {
        cli_print(&cli->output, "schedule %s: paused until somebody resumes it", name);
    } else {
        cli_print(&cli->output, "schedule %s: next at %.19sZ (a serving reeve runs it)", name,
                  text);
    }
    if (zone != NULL && cli_option(cli, "tz") == NULL) {
        cli_say(&cli->output, "its times are of %s, the company's zone; another: --tz ZONE", zone);
    }
    return 0;
}

/* The options that are numbers; -1 (in `add`: 0) where not given. */
struct numbers {
    int64_t catch_up_s, catch_up_max, jitter_s, pause_after;
};

static enum rv_code read_numbers(const struct cli *cli, int64_t otherwise, struct numbers *out,
                                 struct rv_error *err)
{
    enum rv_code code = cli_integer(cli, "catch-up", otherwise, RV_SCHEDULE_CATCH_UP_MIN_S,
                                    RV_SCHEDULE_CATCH_UP_MAX_S, &out->catch_up_s, err);
    if (code == RV_OK) {
        code = cli_integer(cli, "catch-up-max", otherwise, 1, RV_SCHEDULE_CATCH_UP_MOST,
                           &out->catch_up_max, err);
    }
    if (code == RV_OK) {
        code =
            cli_integer(cli, "jitter", otherwise, 0, RV_SCHEDULE_JITTER_MAX_S, &out->jitter_s, err);
    }
    if (code == RV_OK) {
        code = cli_integer(cli, "pause-after", otherwise, 0, RV_SCHEDULE_PAUSE_AFTER_MAX,
                           &out->pause_after, err);
    }
    return code;
}

int cmd_schedule_add(struct cli *cli)
{
    const char *agent = cli_option(cli, "agent");
    json_t *input = NULL;
    const char *cron = cli_option(cli, "cron");
    const char *tz = cli_option(cli, "tz");
    char zone[RV_ZONE_NAME_MAX];
    const char *gap = cli_option(cli, "gap");
    const char *fold = cli_option(cli, "fold");
    const char *overlap = cli_option(cli, "overlap");
    if (cron == NULL) {
        return cli_usage(cli, "schedule add NAME --cron \"0 2 * * 1-5\" [--tz Europe/Berlin] ...");
    }
    struct rv_error err = {.code = RV_OK};
    struct admin admin = {.cli = cli};
    int64_t next = 0;
    struct numbers numbers = {.jitter_s = 0};
    struct rv_schedule schedule = {.name = cli->argv[0],
                                   .cron = cron,
                                   .zone = tz != NULL ? tz : zone,
                                   .except = cli_option(cli, "except"),
                                   .calendar = cli_option(cli, "calendar")};
    enum rv_code code = read_numbers(cli, 0, &numbers, &err);
    schedule.catch_up_window_s = (int32_t)numbers.catch_up_s;
    schedule.catch_up_max = (int32_t)numbers.catch_up_max;
    schedule.jitter_s = (int32_t)numbers.jitter_s;
    schedule.pause_after = (int32_t)numbers.pause_after;
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
        code = read_input(cli, &input, &err);
    }
    if (code == RV_OK) {
        code = admin_begin(cli, ADMIN_WORK, "schedule.add", about(cli), &admin, &err);
    }
    if (code == RV_OK) {
        code = rv_schedule_take_action(admin.session, admin.tenant, agent, input, &schedule, &err);
    }
    if (code == RV_OK && tz == NULL) {
        code = rv_schedule_company_zone(admin.session, admin.tenant, zone, &err);
    }
    if (code == RV_OK) {
        code = rv_schedule_add(admin.session, admin.tenant, &schedule, now_us(), &next, &err);
    }
    code = admin_end(&admin, code, &err);
    json_decref(input);
    return code == RV_OK ? say_next(cli, schedule.name, schedule.zone, next) : cli_fail(cli, &err);
}

int cmd_schedule_set(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct admin admin = {.cli = cli};
    int64_t next = 0;
    struct numbers numbers = {.jitter_s = -1};
    struct rv_schedule_change change = {.cron = cli_option(cli, "cron"),
                                        .zone = cli_option(cli, "tz"),
                                        .gap = cli_option(cli, "gap"),
                                        .fold = cli_option(cli, "fold"),
                                        .overlap = cli_option(cli, "overlap"),
                                        .except = cli_option(cli, "except"),
                                        .calendar = cli_option(cli, "calendar"),
                                        .agent = cli_option(cli, "agent")};
    json_t *input = NULL;
    enum rv_code code = read_numbers(cli, -1, &numbers, &err);
    change.catch_up_window_s = (int32_t)numbers.catch_up_s;
    change.catch_up_max = (int32_t)numbers.catch_up_max;
    change.jitter_s = (int32_t)numbers.jitter_s;
    change.pause_after = (int32_t)numbers.pause_after;
    if (code == RV_OK) {
        code = read_input(cli, &input, &err);
        change.input = input;
    }
    if (code == RV_OK) {
        code = admin_begin(cli, ADMIN_WORK, "schedule.set", about(cli), &admin, &err);
    }
    if (code == RV_OK) {
        code = rv_schedule_set(admin.session, admin.tenant, cli->argv[0], &change, now_us(), &next,
                               &err);
    }
    code = admin_end(&admin, code, &err);
    json_decref(input);
    return code == RV_OK ? say_next(cli, cli->argv[0], NULL, next) : cli_fail(cli, &err);
}

/* An instant as it was typed, in the schedule's zone. */
static enum rv_code read_when(const struct cli *cli, const struct admin *admin, const char *option,
                              int64_t *out_us, struct rv_error *err)
{
    const char *text = cli_option(cli, option);
    enum rv_code code =
        rv_schedule_when(admin->session, admin->tenant, cli->argv[0], text, out_us, err);
    return code == RV_OK || code == RV_NOT_FOUND ? code : rv_wrap(err, code, "option --%s", option);
}

/* --from and --to. */
static enum rv_code read_span(const struct cli *cli, const struct admin *admin,
                              struct rv_schedule_backfill *out, struct rv_error *err)
{
    enum rv_code code = read_when(cli, admin, "from", &out->from_us, err);
    return code == RV_OK ? read_when(cli, admin, "to", &out->to_us, err) : code;
}

/* --preview: which would be made; nothing is changed, so nothing is on record. */
static int preview(struct cli *cli, const struct rv_schedule_backfill *wanted)
{
    struct rv_error err = {.code = RV_OK};
    struct admin admin = {.cli = cli};
    struct rv_schedule_backfill backfill = *wanted;
    json_t *fires = NULL;
    enum rv_code code = admin_open(cli, &admin, &err);
    if (code == RV_OK) {
        code = read_span(cli, &admin, &backfill, &err);
    }
    if (code == RV_OK) {
        code = rv_schedule_fill_json(admin.session, admin.tenant, cli->argv[0], &backfill, now_us(),
                                     &fires, &err);
    }
    size_t i;
    json_t *fire;
    if (code == RV_OK && cli->json) {
        cli_print_json(&cli->output, json_pack("{s:s,s:i,s:O}", "schedule", cli->argv[0], "count",
                                               (int)json_array_size(fires), "fires", fires));
    } else if (code == RV_OK) {
        json_array_foreach(fires, i, fire)
        {
            cli_print(&cli->output, "%s", json_string_value(fire));
        }
        cli_print(&cli->output, "%d fires would wait", (int)json_array_size(fires));
    }
    json_decref(fires);
    admin_close(&admin);
    return code == RV_OK ? 0 : cli_fail(cli, &err);
}

int cmd_schedule_backfill(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct admin admin = {.cli = cli};
    const char *overlap = cli_option(cli, "overlap");
    struct rv_schedule_backfill backfill = {.overlap = RV_OVERLAP_BUFFER_ALL};
    int64_t rate = 0;
    int made = 0;
    if (cli_option(cli, "from") == NULL || cli_option(cli, "to") == NULL) {
        return cli_usage(cli, "schedule backfill NAME --from 2026-12-01 --to 2026-12-24 ...");
    }
    enum rv_code code = cli_integer(cli, "rate", 0, 1, RV_SCHEDULE_RATE_MAX, &rate, &err);
    backfill.per_minute = (int32_t)rate;
    if (code == RV_OK && overlap != NULL) {
        code = rv_schedule_overlap_from(overlap, &backfill.overlap, &err);
    }
    if (code == RV_OK && cli_flag(cli, "preview")) {
        return preview(cli, &backfill);
    }
    if (code == RV_OK) {
        code = admin_begin(cli, ADMIN_WORK, "schedule.backfill", about(cli), &admin, &err);
    }
    if (code == RV_OK) {
        code = read_span(cli, &admin, &backfill, &err);
    }
    if (code == RV_OK) {
        code = rv_schedule_fill(admin.session, admin.tenant, cli->argv[0], &backfill, now_us(),
                                &made, &err);
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
    int64_t running = 0;
    int64_t until_us = 0;
    const char *name = cli->argv[0];
    enum rv_code code = admin_begin(cli, ADMIN_WORK, acts[verb], about(cli), &admin, &err);
    if (code == RV_OK && verb == VERB_PAUSE && cli_option(cli, "until") != NULL) {
        code = read_when(cli, &admin, "until", &until_us, &err);
    }
    if (code == RV_OK) {
        switch (verb) {
        case VERB_PAUSE:
            code = rv_schedule_pause(admin.session, admin.tenant, name,
                                     &(struct rv_schedule_rest){.until_us = until_us,
                                                                .reason = reason,
                                                                .person = admin.person.id},
                                     now_us(), &err);
            break;
        case VERB_RESUME:
            code = rv_schedule_resume(admin.session, admin.tenant, name, now_us(), &err);
            break;
        case VERB_REMOVE:
            code = rv_schedule_remove(admin.session, admin.tenant, name, &running, &err);
            break;
        case VERB_RUN:
            code =
                rv_schedule_run_now(admin.session, admin.tenant, name, NULL, now_us(), &fire, &err);
            break;
        }
    }
    code = admin_end(&admin, code, &err);
    if (code != RV_OK) {
        return cli_fail(cli, &err);
    }
    if (cli->json) {
        json_t *said = json_pack("{s:s,s:s}", "schedule", name, "done", done[verb]);
        if (verb == VERB_REMOVE) {
            json_object_set_new(said, "running", json_integer(running));
        }
        cli_print_json(&cli->output, said);
    } else if (running > 0) {
        cli_print(&cli->output,
                  "schedule %s: removed; %lld under way, which go on (reeve run list)", name,
                  (long long)running);
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
