/* run_pages.c -- see run_pages.h. */
#include "runtime/cli/run_pages.h"

#include "cli_sql.h"
#include "runtime/base/check.h"
#include "runtime/cli/place.h"
#include "runtime/cli/retention.h"
#include "runtime/journal/journal.h"

#include <string.h>

/* ---- from the database ---- */

static enum rv_code take_head(void *data, const struct rv_result *result, int row,
                              struct rv_error *err)
{
    (void)err;
    *(json_t **)data = rv_result_json(result, row, 0);
    return RV_OK;
}

static enum rv_code take_step(void *data, const struct rv_result *result, int row,
                              struct rv_error *err)
{
    struct run_pages *pages = data;
    json_t *out = NULL;
    uint8_t digest[RV_STEP_DIGEST_BYTES] = {0};
    enum rv_code code = rv_journal_out_decode(result, row, 4, &out, err);
    if (code == RV_OK) {
        rv_result_bytes(result, row, 3, digest, sizeof digest);
        pages->after = (int32_t)rv_result_i64(result, row, 0);
        pages->over = !rv_result_bool(result, row, 5);
        json_array_append_new(pages->page,
                              rv_history_step(pages->after, (int)rv_result_i64(result, row, 1),
                                              rv_result_text(result, row, 2), digest, out));
    }
    return code;
}

static enum rv_code next_page(struct run_pages *pages, struct rv_error *err)
{
    struct rv_args *args = rv_args_create(&rv_sql_cli_run_history_page);
    rv_args_i64(args, 2, pages->run);
    rv_args_i32(args, 3, pages->after);
    rv_args_i32(args, 4, RUN_PAGE_STEPS);
    rv_args_i64(args, 5, RUN_PAGE_BYTES);
    json_array_clear(pages->page);
    pages->at = 0;
    pages->over = true; /* unless the page's last entry says otherwise */
    return rv_db_session_query(pages->session, pages->tenant, &rv_sql_cli_run_history_page, args,
                               take_step, pages, err);
}

static enum rv_code next_of_run(void *self, json_t **entry, struct rv_error *err)
{
    struct run_pages *pages = self;
    enum rv_code code = RV_OK;
    if (pages->at == json_array_size(pages->page) && !pages->over) {
        code = next_page(pages, err);
    }
    *entry = code == RV_OK ? json_incref(json_array_get(pages->page, pages->at)) : NULL;
    pages->at += *entry != NULL;
    return code == RV_OK && *entry != NULL
               ? rv_history_check_entry(*entry, rv_json_int(*entry, "seq", 0), err)
               : code;
}

static enum rv_code read_head(struct run_pages *pages, const char *name, struct rv_error *err)
{
    struct rv_args *args = rv_args_create(&rv_sql_cli_run_history);
    rv_args_i64(args, 2, pages->run);
    enum rv_code code = rv_db_session_query(pages->session, pages->tenant, &rv_sql_cli_run_history,
                                            args, take_head, &pages->head, err);
    if (code == RV_OK && pages->head == NULL) {
        code = rv_fail(err, RV_NOT_FOUND, "no run %s", name);
        rv_hint(err, "See the runs: reeve run list.");
    }
    if (code != RV_OK) {
        return code;
    }
    const json_t *dropped = json_object_get(pages->head, "dropped");
    if (json_is_object(dropped)) {
        char text[RETENTION_TEXT];
        return rv_fail(err, RV_NOT_FOUND, "run %s: %s", name, retention_text(dropped, text));
    }
    static const char *const may_lack[] = {"error_code", "error_text", "result", "dropped"};
    for (size_t i = 0; i < RV_COUNT(may_lack); i++) {
        if (json_is_null(json_object_get(pages->head, may_lack[i]))) {
            json_object_del(pages->head, may_lack[i]);
        }
    }
    json_object_set_new(pages->head, "format", json_string("reeve-run/1"));
    json_object_set_new(pages->head, "redacted", json_false());
    return rv_history_check_head(pages->head, err);
}

enum rv_code run_pages_open(struct cli *cli, const char *name, struct run_pages *out,
                            struct rv_error *err)
{
    *out = (struct run_pages){.page = json_array()};
    out->pages = (struct rv_history_pages){out, next_of_run};
    enum rv_code code = cli_run_id(name, &out->run, err);
    if (code == RV_OK) {
        code = place_company(cli, &out->session, &out->tenant, err);
    }
    return code == RV_OK ? read_head(out, name, err) : code;
}

/* ---- from a file ---- */

/* As other tools may have written it. */
static enum rv_code read_whole(const char *path, struct run_pages *out, struct rv_error *err)
{
    const char *text = NULL;
    size_t length = 0;
    struct rv_arena *arena = rv_arena_create("exported run", (size_t)RV_HISTORY_BYTES_MAX * 2);
    enum rv_code code = cli_read_file(path, RV_HISTORY_BYTES_MAX, arena, &text, &length, err);
    if (code == RV_OK) {
        code = rv_json_parse(text, length, path, &out->whole, err);
    }
    rv_arena_destroy(arena);
    if (code == RV_OK) {
        code = rv_history_check(out->whole, err);
    }
    if (code == RV_OK) {
        out->head = json_copy(out->whole);
        json_object_del(out->head, "journal");
        out->list = (struct rv_history_list){json_object_get(out->whole, "journal"), 0};
        out->pages = rv_history_list_pages(&out->list);
    }
    return code;
}

enum rv_code run_pages_open_file(const char *path, struct run_pages *out, struct rv_error *err)
{
    *out = (struct run_pages){.page = NULL};
    enum rv_code code = rv_history_file_open(path, &out->file, err);
    if (code == RV_OK && out->file != NULL) {
        out->head = json_incref((json_t *)(uintptr_t)rv_history_file_head(out->file));
        out->pages = rv_history_file_pages(out->file);
    } else if (code == RV_OK) {
        code = read_whole(path, out, err);
    }
    return code;
}

enum rv_code run_pages_open_either(struct cli *cli, const char *name, struct run_pages *out,
                                   struct rv_error *err)
{
    size_t length = strlen(name);
    bool is_file = length > 5 && strcmp(name + length - 5, ".json") == 0;
    return is_file ? run_pages_open_file(name, out, err) : run_pages_open(cli, name, out, err);
}

void run_pages_close(struct run_pages *pages)
{
    rv_db_session_close(pages->session);
    rv_history_file_close(pages->file);
    json_decref(pages->head);
    json_decref(pages->page);
    json_decref(pages->whole);
    *pages = (struct run_pages){.head = NULL};
}
