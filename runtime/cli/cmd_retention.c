/* cmd_retention.c -- reeve retention: journals of runs by their period, and dropping what is past.
 *
 * Two hands are needed for a drop.  A person with the role admin asks, and every company that has
 * runs in the period gets the record of it (kind "admin") before anything goes; the drop itself
 * needs the login that owns the tables (database.owner_uri), which the serving login never is.
 * Afterwards each company's record says what has gone, or why it has not.
 */
#include "cli_sql.h"
#include "runtime/audit/act.h"
#include "runtime/base/check.h"
#include "runtime/cli/admin.h"
#include "runtime/cli/place.h"
#include "runtime/cli/retention.h"
#include "runtime/db/migrate.h"
#include "runtime/run/history_read.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- what others say ---- */

enum rv_code retention_of(const struct cli *cli, int32_t tenant, json_t **out, struct rv_error *err)
{
    struct rv_db_session *session = NULL;
    *out = NULL;
    enum rv_code code = rv_db_session_open(cli->uri, &session, err);
    if (code == RV_OK) {
        code =
            rv_db_session_query(session, tenant, &rv_sql_retention_dropped,
                                rv_args_create(&rv_sql_retention_dropped), cli_take_json, out, err);
    }
    rv_db_session_close(session);
    return code;
}

void retention_say(const struct cli *cli, const json_t *gone)
{
    char text[RV_HISTORY_DROPPED_TEXT];
    if (gone != NULL) {
        cli_print(&cli->output, "  %" PRId64 " runs: %s", rv_json_int(gone, "runs", 0),
                  rv_history_dropped(gone, text));
    }
}

/* ---- show ---- */

static int32_t keep_months(const struct cli *cli)
{
    return (int32_t)rv_config_integer(cli->config, RV_SET_RETENTION_JOURNAL);
}

int cmd_retention_show(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct rv_db_session *session = NULL;
    int32_t keep = keep_months(cli);
    enum rv_code code = place_session(cli, &session, &err);
    if (code == RV_OK) {
        struct rv_args *args = rv_args_create(&rv_sql_retention_show);
        rv_args_i32(args, 1, keep);
        code = cli_print_query(cli, session, 0, &rv_sql_retention_show, args, NULL, &err);
    }
    rv_db_session_close(session);
    if (code != RV_OK) {
        return cli_fail(cli, &err);
    }
    if (keep == 0) {
        cli_say(&cli->output, "Journals are kept for ever; a limit is the setting "
                              "retention.journal_months (finance law mostly wants 120).");
    } else {
        cli_say(&cli->output,
                "A period is past %" PRId32 " months after its end; what would go: reeve "
                "retention preview.",
                keep);
    }
    return 0;
}

/* ---- preview ---- */

static enum rv_code add_json(void *data, const struct rv_result *result, int row,
                             struct rv_error *err)
{
    (void)err;
    json_array_append_new(data, rv_result_json(result, row, 0));
    return RV_OK;
}

static int64_t sum_of(const json_t *tally, const char *key)
{
    int64_t sum = 0;
    size_t i;
    json_t *one;
    json_array_foreach((json_t *)(uintptr_t)tally, i, one)
    {
        sum += rv_json_int(one, key, 0);
    }
    return sum;
}

/* [{period, begins, ends, bytes, open, held_by, runs, steps, companies}] */
static enum rv_code find_past(struct rv_db_session *session, int32_t keep, json_t *past,
                              struct rv_error *err)
{
    struct rv_args *args = rv_args_create(&rv_sql_retention_past);
    rv_args_i32(args, 1, keep);
    enum rv_code code =
        rv_db_session_query(session, 0, &rv_sql_retention_past, args, add_json, past, err);
    for (size_t i = 0; i < json_array_size(past) && code == RV_OK; i++) {
        json_t *period = json_array_get(past, i);
        json_t *tally = json_array();
        args = rv_args_create(&rv_sql_retention_tally);
        rv_args_text(args, 1, rv_json_str(period, "period", ""));
        code = rv_db_session_query(session, 0, &rv_sql_retention_tally, args, add_json, tally, err);
        json_object_set_new(period, "runs", json_integer(sum_of(tally, "runs")));
        json_object_set_new(period, "steps", json_integer(sum_of(tally, "steps")));
        json_object_set_new(period, "companies", tally);
    }
    return code;
}

static bool is_held(const json_t *period)
{
    return rv_json_int(period, "open", 0) > 0;
}

static void say_held(const struct cli *cli, const json_t *period)
{
    size_t i;
    size_t k;
    json_t *company;
    json_t *run;
    json_array_foreach(json_object_get(period, "held_by"), i, company)
    {
        json_array_foreach(json_object_get(company, "runs"), k, run)
        {
            cli_print(&cli->output, "    %s of %s is open", json_string_value(run),
                      rv_json_str(company, "company", ""));
        }
    }
    cli_print(&cli->output,
              "    kept until its %" PRId64 " open runs are over; a run is ended with reeve run "
              "cancel RUN",
              rv_json_int(period, "open", 0));
}

static void say_past(const struct cli *cli, const json_t *past)
{
    size_t i;
    json_t *period;
    json_array_foreach((json_t *)(uintptr_t)past, i, period)
    {
        if (cli->json) {
            cli_print_json(&cli->output, json_incref(period));
            continue;
        }
        cli_print(&cli->output,
                  "%s (%s to %s): %" PRId64 " runs, %" PRId64 " steps, %" PRId64 " bytes%s",
                  rv_json_str(period, "period", ""), rv_json_str(period, "begins", "the beginning"),
                  rv_json_str(period, "ends", ""), rv_json_int(period, "runs", 0),
                  rv_json_int(period, "steps", 0), rv_json_int(period, "bytes", 0),
                  is_held(period) ? ", held" : "");
        if (is_held(period)) {
            say_held(cli, period);
        }
    }
    if (json_array_size(past) == 0) {
        cli_say(&cli->output, "no period is past its retention");
    }
}

static enum rv_code need_limit(int32_t keep, struct rv_error *err)
{
    if (keep > 0) {
        return RV_OK;
    }
    rv_fail(err, RV_INVALID, "retention.journal_months is 0: journals are kept for ever");
    rv_hint(err, "Set it to how many months they must be kept; finance law mostly wants ten "
                 "years: 120.");
    return RV_INVALID;
}

int cmd_retention_preview(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct rv_db_session *session = NULL;
    json_t *past = json_array();
    int32_t keep = keep_months(cli);
    enum rv_code code = need_limit(keep, &err);
    if (code == RV_OK) {
        code = place_session(cli, &session, &err);
    }
    if (code == RV_OK) {
        code = find_past(session, keep, past, &err);
    }
    rv_db_session_close(session);
    if (code == RV_OK) {
        say_past(cli, past);
    }
    json_decref(past);
    return code == RV_OK ? 0 : cli_fail(cli, &err);
}

/* ---- apply ---- */

struct noting {
    struct rv_act act; /* first */
    bool done;
    enum rv_code code;
    struct rv_error err;
};

static void on_noted(struct rv_act *act, enum rv_code code, const struct rv_error *err)
{
    struct noting *noting = (struct noting *)act;
    noting->done = true;
    noting->code = code;
    if (code != RV_OK && err != NULL) {
        noting->err = *err;
    }
}

/* A record in every company that has runs in the period; `failed` NULL: none did. */
static enum rv_code note(struct admin *admin, const char *what, const json_t *period,
                         const char *failed, struct rv_error *err)
{
    enum rv_code code = RV_OK;
    const json_t *companies = json_object_get(period, "companies");
    for (size_t i = 0; i < json_array_size(companies) && code == RV_OK; i++) {
        const json_t *one = json_array_get(companies, i);
        json_t *about =
            json_pack("{s:O,s:O,s:O,s:O,s:i,s:s*}", "period", json_object_get(period, "period"),
                      "ends", json_object_get(period, "ends"), "runs", json_object_get(one, "runs"),
                      "steps", json_object_get(one, "steps"), "keep_months",
                      keep_months(admin->cli), "failed", failed);
        RV_ASSERT(about != NULL);
        struct noting noting = {.act = {.tenant = (int32_t)rv_json_int(one, "tenant_id", 0),
                                        .what = what,
                                        .person = admin->person.id,
                                        .about = about,
                                        .done = on_noted}};
        rv_act_commit(admin->node->committer, &noting.act);
        node_wait(admin->node, &noting.done, 0);
        json_decref(about);
        code = noting.code;
        if (code != RV_OK) {
            *err = noting.err;
        }
    }
    return code;
}

static enum rv_code drop(struct admin *admin, const json_t *period, struct rv_error *err)
{
    char keep[16];
    char *tally = rv_json_text(json_object_get(period, "companies"));
    snprintf(keep, sizeof keep, "%" PRId32, keep_months(admin->cli));
    const char *values[] = {rv_json_str(period, "period", ""), keep, admin->person.id, tally};
    enum rv_code code = note(admin, "retention.apply", period, NULL, err);
    if (code == RV_OK) {
        struct rv_error ignored = {.code = RV_OK};
        admin->door.on_record = true;
        code = rv_owner_call(admin->cli->owner_uri, &rv_sql_retention_drop, values, err);
        enum rv_code noted =
            note(admin, code == RV_OK ? "retention.dropped" : "retention.failed", period,
                 code == RV_OK ? NULL : rv_code_name(code), code == RV_OK ? err : &ignored);
        code = code == RV_OK ? noted : code;
    }
    rv_free(tally);
    if (code == RV_UNAVAILABLE && err->hint[0] == '\0') {
        rv_hint(err, "Somebody holds the journal, such as a backup: try again.");
    }
    return code;
}

static enum rv_code need_owner(const struct cli *cli, struct rv_error *err)
{
    if (cli->owner_uri != NULL) {
        return RV_OK;
    }
    rv_fail(err, RV_INVALID, "database.owner_uri is not set");
    rv_hint(err, "Only the login that owns the tables drops journals: the one of reeve db "
                 "migrate.");
    return RV_INVALID;
}

int cmd_retention_apply(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct admin admin = {.cli = cli};
    json_t *past = json_array();
    int32_t keep = keep_months(cli);
    int dropped = 0;
    enum rv_code code = need_limit(keep, &err);
    if (code != RV_OK || !cli_flag(cli, "yes")) {
        json_decref(past);
        if (code != RV_OK) {
            return cli_fail(cli, &err);
        }
        int status = cmd_retention_preview(cli);
        if (status == 0) {
            cli_say(&cli->output, "nothing was dropped; with --yes it is");
        }
        return status;
    }
    code = admin_begin(cli, ADMIN_PEOPLE, "retention.apply",
                       json_pack("{s:i}", "keep_months", keep), &admin, &err);
    if (code == RV_OK) {
        code = need_owner(cli, &err);
    }
    if (code == RV_OK) {
        code = find_past(admin.session, keep, past, &err);
    }
    for (size_t i = 0; i < json_array_size(past) && code == RV_OK; i++) {
        json_t *period = json_array_get(past, i);
        if (!is_held(period)) {
            code = drop(&admin, period, &err);
            dropped += code == RV_OK;
        }
        json_object_set_new(period, "dropped", json_boolean(code == RV_OK && !is_held(period)));
    }
    code = admin_end(&admin, code, &err);
    if (code == RV_OK) {
        say_past(cli, past);
        cli_say(&cli->output, "%d periods dropped", dropped);
    }
    json_decref(past);
    return code == RV_OK ? 0 : cli_fail(cli, &err);
}
