/* history_read.c -- see history_read.h. */
#include "runtime/run/history_read.h"

#include "run_sql.h"
#include "runtime/base/check.h"
#include "runtime/journal/journal.h"

#include <inttypes.h>
#include <stdio.h>

const char *rv_history_dropped(const json_t *dropped, char out[RV_HISTORY_DROPPED_TEXT])
{
    snprintf(out, RV_HISTORY_DROPPED_TEXT, "journal past its retention, dropped on %.10s by %.100s",
             rv_json_str(dropped, "at", ""), rv_json_str(dropped, "by", ""));
    return out;
}

/* ---- the journal ---- */

static enum rv_code take_step(void *data, const struct rv_result *result, int row,
                              struct rv_error *err)
{
    struct rv_history_reader *reader = data;
    json_t *out = NULL;
    uint8_t digest[RV_STEP_DIGEST_BYTES] = {0};
    enum rv_code code = rv_journal_out_decode(result, row, 4, &out, err);
    if (code == RV_OK) {
        rv_result_bytes(result, row, 3, digest, sizeof digest);
        reader->after = (int32_t)rv_result_i64(result, row, 0);
        reader->over = !rv_result_bool(result, row, 5);
        json_array_append_new(reader->page,
                              rv_history_step(reader->after, (int)rv_result_i64(result, row, 1),
                                              rv_result_text(result, row, 2), digest, out));
    }
    return code;
}

static enum rv_code next_page(struct rv_history_reader *reader, struct rv_error *err)
{
    struct rv_args *args = rv_args_create(&rv_sql_run_history_page);
    rv_args_i64(args, 2, reader->run);
    rv_args_i32(args, 3, reader->after);
    rv_args_i32(args, 4, RV_HISTORY_PAGE_STEPS);
    rv_args_i64(args, 5, RV_HISTORY_PAGE_BYTES);
    json_array_clear(reader->page);
    reader->at = 0;
    reader->over = true; /* unless the page's last entry says otherwise */
    return rv_db_session_query(reader->session, reader->tenant, &rv_sql_run_history_page, args,
                               take_step, reader, err);
}

static enum rv_code next(void *self, json_t **entry, struct rv_error *err)
{
    struct rv_history_reader *reader = self;
    enum rv_code code = RV_OK;
    if (reader->at == json_array_size(reader->page) && !reader->over) {
        code = next_page(reader, err);
    }
    *entry = code == RV_OK ? json_incref(json_array_get(reader->page, reader->at)) : NULL;
    reader->at += *entry != NULL;
    return code == RV_OK && *entry != NULL
               ? rv_history_check_entry(*entry, rv_json_int(*entry, "seq", 0), err)
               : code;
}

/* ---- the head ---- */

static enum rv_code take_head(void *data, const struct rv_result *result, int row,
                              struct rv_error *err)
{
    (void)err;
    *(json_t **)data = rv_result_json(result, row, 0);
    return RV_OK;
}

static enum rv_code read_head(struct rv_history_reader *reader, struct rv_error *err)
{
    struct rv_args *args = rv_args_create(&rv_sql_run_history);
    rv_args_i64(args, 2, reader->run);
    enum rv_code code = rv_db_session_query(reader->session, reader->tenant, &rv_sql_run_history,
                                            args, take_head, &reader->head, err);
    if (code == RV_OK && reader->head == NULL) {
        code = rv_fail(err, RV_NOT_FOUND, "no run r_%" PRId64, reader->run);
        rv_hint(err, "See the runs: reeve run list.");
    }
    if (code != RV_OK) {
        return code;
    }
    const json_t *dropped = json_object_get(reader->head, "dropped");
    if (json_is_object(dropped)) {
        char text[RV_HISTORY_DROPPED_TEXT];
        return rv_fail(err, RV_NOT_FOUND, "run r_%" PRId64 ": %s", reader->run,
                       rv_history_dropped(dropped, text));
    }
    static const char *const may_lack[] = {"error_code", "error_text", "result", "dropped"};
    for (size_t i = 0; i < RV_COUNT(may_lack); i++) {
        if (json_is_null(json_object_get(reader->head, may_lack[i]))) {
            json_object_del(reader->head, may_lack[i]);
        }
    }
    json_object_set_new(reader->head, "format", json_string("reeve-run/1"));
    json_object_set_new(reader->head, "redacted", json_false());
    return rv_history_check_head(reader->head, err);
}

enum rv_code rv_history_reader_open(struct rv_db_session *session, int32_t tenant, int64_t run,
                                    struct rv_history_reader *out, struct rv_error *err)
{
    *out = (struct rv_history_reader){
        .session = session, .tenant = tenant, .run = run, .page = json_array()};
    out->pages = (struct rv_history_pages){out, next};
    return read_head(out, err);
}

void rv_history_reader_close(struct rv_history_reader *reader)
{
    json_decref(reader->head);
    json_decref(reader->page);
    *reader = (struct rv_history_reader){.head = NULL};
}

enum rv_code rv_history_whole(json_t *head, const struct rv_history_pages *pages, json_t **out,
                              struct rv_error *err)
{
    enum rv_code code = RV_OK;
    json_t *journal = json_array();
    json_t *entry = NULL;
    size_t bytes = 0;
    while (code == RV_OK && (code = pages->next(pages->self, &entry, err)) == RV_OK &&
           entry != NULL) {
        bytes += json_dumpb(entry, NULL, 0, JSON_COMPACT);
        json_array_append_new(journal, entry);
        if (bytes > RV_HISTORY_BYTES_MAX) {
            code = rv_fail(err, RV_LIMIT, "%s has more than %d bytes of journal",
                           rv_json_str(head, "run", ""), RV_HISTORY_BYTES_MAX);
            rv_hint(err, "A run of any length is replayed, compared and exported (not redacted): "
                         "reeve run replay, diff, export.");
        }
    }
    if (code == RV_OK) {
        json_object_set(head, "journal", journal);
        rv_history_seal(head);
        code = rv_history_check(head, err);
    }
    json_decref(journal);
    *out = code == RV_OK ? json_incref(head) : NULL;
    return code;
}

enum rv_code rv_history_read(struct rv_db_session *session, int32_t tenant, int64_t run,
                             json_t **out, struct rv_error *err)
{
    struct rv_history_reader reader;
    enum rv_code code = rv_history_reader_open(session, tenant, run, &reader, err);
    if (code == RV_OK) {
        code = rv_history_whole(reader.head, &reader.pages, out, err);
    }
    rv_history_reader_close(&reader);
    return code;
}

enum rv_code rv_history_known(const struct rv_history_reader *reader, json_t **out,
                              struct rv_error *err)
{
    struct rv_args *args = rv_args_create(&rv_sql_run_history_known);
    rv_args_i64(args, 2, reader->run);
    *out = NULL;
    return rv_db_session_query(reader->session, reader->tenant, &rv_sql_run_history_known, args,
                               take_head, out, err);
}
