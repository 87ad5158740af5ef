/* cmd_event.c -- reeve event export: what happened, for process mining and for spreadsheets. */
#include "erp/domain/date.h"
#include "observe_sql.h"
#include "runtime/base/check.h"
#include "runtime/base/words.h"
#include "runtime/cli/place.h"
#include "runtime/observe/event_log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LAST_DAY = 2932895 }; /* 9999-12-30 */

static const int64_t DAY_US = INT64_C(86400) * 1000 * 1000;

static enum rv_code add_event(void *data, const struct rv_result *result, int row,
                              struct rv_error *err)
{
    struct rv_log_writer *writer = data;
    json_t *objects = rv_result_json(result, row, 4);
    json_t *attributes = rv_result_json(result, row, 5);
    struct rv_logged event = {.id = rv_result_text(result, row, 0),
                              .time = rv_result_text(result, row, 1),
                              .type = rv_result_text(result, row, 2),
                              .actor = rv_result_text(result, row, 3),
                              .objects = objects,
                              .attributes = attributes};
    enum rv_code code = rv_log_writer_add(writer, &event, err);
    json_decref(objects);
    json_decref(attributes);
    return code;
}

/* A day of UTC as its first moment; the day `otherwise` where the option is not given. */
static enum rv_code day_of(const struct cli *cli, const char *option, int64_t otherwise,
                           int64_t *out, struct rv_error *err)
{
    const char *text = cli_option(cli, option);
    char what[20];
    int64_t day = otherwise;
    snprintf(what, sizeof what, "--%s", option);
    enum rv_code code = text != NULL ? erp_date_parse(text, what, &day, err) : RV_OK;
    *out = day * DAY_US;
    return code;
}

static enum rv_code export_events(struct cli *cli, FILE *out, enum rv_log_format format,
                                  int64_t since_us, int64_t until_us, int64_t *events,
                                  struct rv_error *err)
{
    struct rv_db_session *session = NULL;
    int32_t tenant = 0;
    struct rv_log_writer *writer = rv_log_writer_create(out, format, cli_option(cli, "case"));
    enum rv_code code = place_company(cli, &session, &tenant, err);
    if (code == RV_OK) {
        struct rv_args *args = rv_args_create(&rv_sql_event_log);
        rv_args_time(args, 2, since_us);
        rv_args_time(args, 3, until_us);
        code =
            rv_db_session_stream(session, tenant, &rv_sql_event_log, args, add_event, writer, err);
    }
    if (code == RV_OK) {
        code = rv_log_writer_finish(writer, err);
    }
    *events = rv_log_writer_events(writer);
    rv_log_writer_destroy(writer);
    rv_db_session_close(session);
    return code;
}

int cmd_event_export(struct cli *cli)
{
    const char *path = cli->argc > 0 ? cli->argv[0] : NULL;
    const char *word = cli_option(cli, "format");
    struct rv_error err = {.code = RV_OK};
    int64_t since_us = 0;
    int64_t until_us = 0;
    int64_t events = 0;
    FILE *out = stdout;
    enum rv_log_format format = rv_log_format_of(word != NULL ? word : "jsonl");
    enum rv_code code = format != RV_LOG_FORMATS
                            ? RV_OK
                            : rv_words_need("--format", word, "jsonl csv ocel xes", &err);
    if (code == RV_OK) {
        code = day_of(cli, "since", 0, &since_us, &err);
    }
    if (code == RV_OK) { /* that day, too */
        code = day_of(cli, "until", LAST_DAY, &until_us, &err);
        until_us += DAY_US;
    }
    if (code == RV_OK && path != NULL) {
        out = fopen(path, "wxe");
        code = out != NULL ? RV_OK : rv_fail_errno(&err, errno, "make \"%s\"", path);
    }
    if (code == RV_OK) {
        code = export_events(cli, out, format, since_us, until_us, &events, &err);
        if (path != NULL && fclose(out) != 0 && code == RV_OK) {
            code = rv_fail_errno(&err, errno, "write \"%s\"", path);
        }
        if (path != NULL && code != RV_OK) {
            unlink(path); /* half a log is none */
        }
    }
    if (code != RV_OK) {
        return cli_fail(cli, &err);
    }
    if (path != NULL) {
        if (cli->json) {
            cli_print_json(&cli->output,
                           json_pack("{s:s,s:I}", "file", path, "events", (json_int_t)events));
        } else {
            cli_print(&cli->output, "%" PRId64 " events in %s", events, path);
        }
    }
    return 0;
}
