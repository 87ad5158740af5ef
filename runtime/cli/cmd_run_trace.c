/* cmd_run_trace.c -- reeve run trace: a run and those below it, as OpenTelemetry reads them. */
#include "observe_sql.h"
#include "runtime/base/check.h"
#include "runtime/base/clock.h"
#include "runtime/cli/place.h"
#include "runtime/observe/run_spans.h"
#include "version_build.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

struct tracing {
    struct rv_args *args; /* of trace_runs: the family */
    int runs;
    json_t *spans;
};

static enum rv_code take_run(void *data, const struct rv_result *result, int row,
                             struct rv_error *err)
{
    (void)err;
    struct tracing *tracing = data;
    rv_args_i64(tracing->args, 2, rv_result_i64(result, row, 0));
    tracing->runs++;
    return RV_OK;
}

static enum rv_code take_spans(void *data, const struct rv_result *result, int row,
                               struct rv_error *err)
{
    (void)err;
    struct tracing *tracing = data;
    json_t *run = rv_result_json(result, row, 1);
    json_t *spans = rv_run_spans(run, rv_now_us(rv_clock_system()));
    json_array_extend(tracing->spans, spans);
    json_decref(spans);
    json_decref(run);
    return RV_OK;
}

static enum rv_code read_family(struct cli *cli, const char *name, struct tracing *tracing,
                                struct rv_error *err)
{
    struct rv_db_session *session = NULL;
    int32_t tenant = 0;
    int64_t run = 0;
    enum rv_code code = cli_run_id(name, &run, err);
    if (code == RV_OK) {
        code = place_company(cli, &session, &tenant, err);
    }
    if (code == RV_OK) {
        struct rv_args *args = rv_args_create(&rv_sql_trace_family);
        rv_args_i64(args, 2, run);
        rv_args_i32(args, 3, RV_SPANS_FAMILY_MAX);
        code = rv_db_session_query(session, tenant, &rv_sql_trace_family, args, take_run, tracing,
                                   err);
    }
    if (code == RV_OK && tracing->runs == 0) {
        rv_fail(err, RV_NOT_FOUND, "there is no run r_%" PRId64, run);
        rv_hint(err, "See reeve run list.");
        code = RV_NOT_FOUND;
    }
    if (code == RV_OK) {
        struct rv_args *args = tracing->args;
        rv_args_i32(args, 3, RV_SPANS_ENTRIES_MAX);
        tracing->args = NULL; /* the statement's */
        code = rv_db_session_stream(session, tenant, &rv_sql_trace_runs, args, take_spans, tracing,
                                    err);
    }
    rv_db_session_close(session);
    return code;
}

/* Half a file is none. */
static enum rv_code write_text(const char *path, const char *text, struct rv_error *err)
{
    FILE *out = fopen(path, "wxe");
    if (out == NULL) {
        return rv_fail_errno(err, errno, "make \"%s\"", path);
    }
    enum rv_code code = RV_OK;
    if (fprintf(out, "%s\n", text) < 0 || fflush(out) != 0) {
        code = rv_fail_errno(err, errno, "write \"%s\"", path);
    }
    if (fclose(out) != 0 && code == RV_OK) {
        code = rv_fail_errno(err, errno, "write \"%s\"", path);
    }
    if (code != RV_OK) {
        unlink(path);
    }
    return code;
}

int cmd_run_trace(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct tracing tracing = {.args = rv_args_create(&rv_sql_trace_runs), .spans = json_array()};
    enum rv_code code = read_family(cli, cli->argv[0], &tracing, &err);
    int spans = (int)json_array_size(tracing.spans);
    json_t *request =
        rv_spans_request(tracing.spans, REEVE_VERSION, rv_config_node_name(cli->config));
    char *text = rv_json_text(request);
    const char *path = cli->argc > 1 ? cli->argv[1] : NULL;
    if (code == RV_OK && path == NULL) {
        printf("%s\n", text);
    } else if (code == RV_OK) {
        code = write_text(path, text, &err);
    }
    if (code == RV_OK && path != NULL && cli->json) {
        cli_print_json(&cli->output, json_pack("{s:s,s:i,s:i}", "file", path, "runs", tracing.runs,
                                               "spans", spans));
    } else if (code == RV_OK && path != NULL) {
        cli_print(&cli->output, "%d runs, %d spans in %s", tracing.runs, spans, path);
    }
    rv_free(text);
    json_decref(request);
    rv_args_destroy(tracing.args);
    return code == RV_OK ? 0 : cli_fail(cli, &err);
}
