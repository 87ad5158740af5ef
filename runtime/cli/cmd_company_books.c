/* cmd_company_books.c -- reeve company check, reeve company rebuild: are the books what the log of
 * events says, and if not, make them so.
 *
 * Checking changes nothing and needs no role.  A rebuild is an act of administration: the rows that
 * differ are replaced in one transaction, and who did it is on the audit record.
 */
#include "erp_command_sql.h"
#include "runtime/base/check.h"
#include "runtime/cli/admin.h"
#include "runtime/cli/place.h"
#include "runtime/cli/progress.h"
#include "runtime/cli/retention.h"
#include "runtime/gate/books.h"

#include <inttypes.h>

/* The company of `company check NAME` is that of --company. */
static void name_company(struct cli *cli)
{
    if (cli->argc > 0) {
        cli->company = cli->argv[0];
    }
}

static void say_row(const struct cli *cli, const char *label, const json_t *row)
{
    char *text = row == NULL || json_is_null(row) ? NULL : rv_json_text(row);
    cli_print(&cli->output, "  %-10s %s", label, text != NULL ? text : "no such row");
    rv_free(text);
}

/* Gives the exit status. */
static int say_report(const struct cli *cli, json_t *report, int64_t repaired)
{
    bool ok = rv_json_bool(report, "ok", false);
    int64_t events = rv_json_int(report, "events", 0);
    const json_t *first = json_object_get(report, "first");
    if (cli->json) {
        if (repaired >= 0) {
            json_object_set_new(report, "repaired", json_integer(repaired));
        }
        cli_print_json(&cli->output, json_incref(report));
        return ok ? 0 : 1;
    }
    if (ok) {
        cli_print(&cli->output,
                  "green: %" PRId64 " events, an unbroken chain; every projection is what they say",
                  events);
    } else if (first == NULL) {
        cli_print(&cli->output, "TAMPERED: %s", rv_json_str(report, "finding", ""));
        cli_print(&cli->output, "  the %" PRId64 " events before it are whole", events);
        cli_say(&cli->output, "A log is never repaired: restore the database from a backup.");
    } else {
        cli_print(&cli->output, "DIFFERENT: %" PRId64 " rows; the first: %s",
                  rv_json_int(report, "differences", 0), rv_json_str(report, "finding", ""));
        say_row(cli, "key", json_object_get(first, "key"));
        say_row(cli, "in use", json_object_get(first, "held"));
        say_row(cli, "by events", json_object_get(first, "rebuilt"));
        cli_say(&cli->output, "Find out who changed it, then: reeve company rebuild.");
    }
    if (repaired >= 0) {
        cli_print(&cli->output, "%" PRId64 " rows rebuilt", repaired);
    }
    return ok ? 0 : 1;
}

static void on_page(void *data, int64_t events)
{
    cli_progress_at(data, events, NULL);
}

/* rv_books_check where somebody watches. */
static enum rv_code check(const struct cli *cli, struct rv_books *books, json_t **report,
                          struct rv_error *err)
{
    struct cli_progress progress;
    cli_progress_begin(&progress, &cli->output, "checking events", 0);
    rv_books_watch(books, on_page, &progress);
    enum rv_code code = rv_books_check(books, report, err);
    rv_books_watch(books, NULL, NULL);
    cli_progress_end(&progress, "checked");
    return code;
}

int cmd_company_check(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct rv_db_session *session = NULL;
    struct rv_books *books = NULL;
    json_t *report = NULL;
    int32_t tenant = 0;
    name_company(cli);
    enum rv_code code = place_company(cli, &session, &tenant, &err);
    if (code == RV_OK) {
        code = rv_books_open(cli->uri, tenant, &books, &err);
    }
    if (code == RV_OK) {
        code = check(cli, books, &report, &err);
    }
    rv_books_close(books);
    rv_db_session_close(session);
    json_t *gone = NULL;
    if (code == RV_OK) {
        code = retention_of(cli, tenant, &gone, &err);
    }
    if (code == RV_OK && gone != NULL && cli->json) {
        json_object_set(report, "journals_dropped", gone);
    }
    int status = code == RV_OK ? say_report(cli, report, -1) : cli_fail(cli, &err);
    if (code == RV_OK && !cli->json) {
        retention_say(cli, gone);
    }
    json_decref(gone);
    json_decref(report);
    return status;
}

struct repaired {
    int64_t seq;
    int64_t rows;
};

static enum rv_code take_repaired(void *data, const struct rv_result *result, int row,
                                  struct rv_error *err)
{
    (void)err;
    *(struct repaired *)data =
        (struct repaired){rv_result_i64(result, row, 0), rv_result_i64(result, row, 1)};
    return RV_OK;
}

/* Check, repair what differs, check again. */
static enum rv_code rebuild(struct admin *admin, json_t **report, struct repaired *repaired,
                            struct rv_error *err)
{
    struct rv_books *books = NULL;
    int64_t rows = 0;
    enum rv_code code = rv_books_open(admin->cli->uri, admin->tenant, &books, err);
    if (code == RV_OK) {
        code = check(admin->cli, books, report, err);
    }
    bool differs = code == RV_OK && json_object_get(*report, "first") != NULL;
    if (differs) {
        code = rv_books_stage(books, &rows, err);
    }
    if (code == RV_OK && rows > 0) {
        struct rv_args *args = rv_args_create(&rv_sql_rebuild_repair);
        rv_args_i32(args, 1, admin->tenant);
        code = rv_db_session_change(admin->session, admin->tenant, &rv_sql_rebuild_repair, args,
                                    take_repaired, repaired, err);
    }
    if (code == RV_OK && differs) {
        json_decref(*report);
        *report = NULL;
        code = check(admin->cli, books, report, err);
    }
    rv_books_close(books);
    return code;
}

int cmd_company_rebuild(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct admin admin;
    struct repaired repaired = {.seq = 0};
    json_t *report = NULL;
    name_company(cli);
    enum rv_code code =
        admin_begin(cli, ADMIN_PEOPLE, "company.rebuild", json_object(), &admin, &err);
    if (code == RV_OK) {
        code = rebuild(&admin, &report, &repaired, &err);
    }
    code = admin_end(&admin, code, &err);
    int status = code == RV_OK ? say_report(cli, report, repaired.rows) : cli_fail(cli, &err);
    json_decref(report);
    return status;
}
