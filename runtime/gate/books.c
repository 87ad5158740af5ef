/* books.c -- see books.h.
 *
 *   follow   page by page from where the last call ended: check the chain, project the page aside
 *   compare  one statement says where the log ends and what differs, from one snapshot;
 *            when the log has grown since, follow again
 *
 * Two sessions: one reads the log, the other owns the temporary tables.
 */
#include "runtime/gate/books.h"

#include "erp/command/event_hash.h"
#include "erp/command/rebuild.h"
#include "erp_command_sql.h"
#include "runtime/base/check.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    PAGE_EVENTS = 200, /* one with a thousand bank lines is half a MiB */
    FOLLOW_MAX = 20    /* rounds; each leaves what came during one comparison */
};

struct rv_books {
    int32_t tenant;
    struct rv_db_session *log;
    struct rv_db_session *aside;
    struct erp_chain chain;
    struct erp_rebuild_run run;
    struct rv_args *args; /* of the run */
    void (*page)(void *data, int64_t events);
    void *page_data;
};

enum rv_code rv_books_open(const char *uri, int32_t tenant, struct rv_books **out,
                           struct rv_error *err)
{
    struct rv_books *books = rv_alloc(sizeof *books);
    *books = (struct rv_books){.tenant = tenant};
    erp_chain_init(&books->chain);
    enum rv_code code = rv_db_session_open(uri, &books->log, err);
    if (code == RV_OK) {
        code = rv_db_session_open(uri, &books->aside, err);
    }
    if (code == RV_OK) {
        code =
            rv_db_session_query(books->aside, tenant, &rv_sql_rebuild_begin, NULL, NULL, NULL, err);
        if (code == RV_DENIED) {
            rv_hint(err, "The books are rebuilt in temporary tables: an administrator runs GRANT "
                         "TEMPORARY ON DATABASE for reeve_app.");
        }
    }
    if (code != RV_OK) {
        rv_books_close(books);
        return code;
    }
    *out = books;
    return RV_OK;
}

void rv_books_watch(struct rv_books *books, void (*page)(void *data, int64_t events), void *data)
{
    books->page = page;
    books->page_data = data;
}

void rv_books_close(struct rv_books *books)
{
    if (books != NULL) {
        rv_args_destroy(books->args);
        rv_db_session_close(books->log);
        rv_db_session_close(books->aside);
        rv_free(books);
    }
}

/* ---- follow ---- */

static enum rv_code flush(struct rv_books *books, struct rv_error *err)
{
    enum rv_code code = RV_OK;
    if (books->args != NULL) {
        code = rv_db_session_query(books->aside, books->tenant, books->run.type->projection,
                                   books->args, NULL, NULL, err);
    }
    books->args = NULL;
    books->run = (struct erp_rebuild_run){.type = NULL};
    return code;
}

static enum rv_code project(struct rv_books *books, const struct erp_event_record *record,
                            struct rv_error *err)
{
    const struct erp_event_type *type = erp_event_type_find(record->type);
    if (type == NULL) {
        return rv_fail(err, RV_CORRUPT, "event %" PRId64 " is of type %s, which this reeve has not",
                       record->seq, record->type);
    }
    if (!erp_rebuild_join(&books->run, type, record->stream)) {
        enum rv_code code = flush(books, err);
        if (code != RV_OK) {
            return code;
        }
        RV_ASSERT(erp_rebuild_join(&books->run, type, record->stream)); /* an empty one takes any */
    }
    if (type->projection == NULL) {
        return RV_OK;
    }
    if (books->args == NULL) {
        books->args = rv_args_create(type->projection);
    }
    rv_args_i64(books->args, 2, record->seq);
    rv_args_text(books->args, 3, record->stream);
    rv_args_date(books->args, 4, record->occurred_on);
    rv_args_json(books->args, 5, record->body);
    return RV_OK;
}

/* False when what stands there is no hash: somebody else wrote it. */
static bool read_hash(const struct rv_result *result, int row, int column, struct rv_hash *out)
{
    enum { HEX = 2 + 2 * RV_HASH_BYTES }; /* "\\x" and digits */
    *out = (struct rv_hash){{0}};
    return rv_result_length(result, row, column) == HEX &&
           rv_result_bytes(result, row, column, out->bytes, RV_HASH_BYTES) == RV_HASH_BYTES;
}

static enum rv_code on_event(void *data, const struct rv_result *result, int row,
                             struct rv_error *err)
{
    struct rv_books *books = data;
    struct rv_hash body_hash;
    struct rv_hash hash;
    if (!read_hash(result, row, 9, &body_hash) || !read_hash(result, row, 10, &hash)) {
        return rv_fail(err, RV_CORRUPT, "the hash of event %" PRId64 " was changed",
                       rv_result_i64(result, row, 0));
    }
    json_t *body = rv_result_json(result, row, 8);
    struct erp_event_record record = {
        .tenant = books->tenant,
        .seq = rv_result_i64(result, row, 0),
        .stream = rv_result_text(result, row, 1),
        .version = (int32_t)rv_result_i64(result, row, 2),
        .type = rv_result_text(result, row, 3),
        .occurred_on = rv_result_i64(result, row, 4),
        .recorded_us = rv_result_time_us(result, row, 5),
        .actor = rv_result_text(result, row, 6),
        .command_id = rv_result_text(result, row, 7),
        .body = body,
    };
    enum rv_code code = erp_chain_check(&books->chain, &record, &body_hash, &hash, err);
    if (code == RV_OK) {
        code = project(books, &record, err);
    }
    json_decref(body);
    return code;
}

/* Up to the end of the log as it is now. */
static enum rv_code follow(struct rv_books *books, struct rv_error *err)
{
    int64_t before;
    enum rv_code code = RV_OK;
    do {
        before = books->chain.seq;
        struct rv_args *args = rv_args_create(&rv_sql_event_read);
        rv_args_i64(args, 2, before);
        rv_args_i32(args, 3, PAGE_EVENTS);
        code = rv_db_session_query(books->log, books->tenant, &rv_sql_event_read, args, on_event,
                                   books, err);
        if (code == RV_OK && books->page != NULL) {
            books->page(books->page_data, books->chain.seq);
        }
    } while (code == RV_OK && books->chain.seq != before);
    return code == RV_OK ? flush(books, err) : code;
}

/* ---- compare ---- */

struct comparison {
    int64_t seq;
    struct rv_hash hash;
    bool is_hash;
    int64_t differences;
    json_t *first; /* owned */
};

static enum rv_code on_difference(void *data, const struct rv_result *result, int row,
                                  struct rv_error *err)
{
    (void)err;
    struct comparison *found = data;
    found->seq = rv_result_i64(result, row, 0);
    found->is_hash = read_hash(result, row, 1, &found->hash);
    if (rv_result_is_null(result, row, 2)) {
        return RV_OK;
    }
    found->differences++;
    if (found->first == NULL) {
        json_t *held = rv_result_json(result, row, 4);
        json_t *rebuilt = rv_result_json(result, row, 5);
        found->first =
            json_pack("{s:s,s:o,s:o,s:o}", "projection", rv_result_text(result, row, 2), "key",
                      rv_result_json(result, row, 3), "held", held != NULL ? held : json_null(),
                      "rebuilt", rebuilt != NULL ? rebuilt : json_null());
    }
    return RV_OK;
}

static json_t *not_whole(const struct rv_books *books, const char *finding)
{
    return json_pack("{s:b,s:I,s:s}", "ok", 0, "events", (json_int_t)books->chain.seq, "finding",
                     finding);
}

static json_t *report_of(const struct rv_books *books, struct comparison *found)
{
    json_t *report =
        json_pack("{s:b,s:I,s:I}", "ok", found->differences == 0, "events",
                  (json_int_t)books->chain.seq, "differences", (json_int_t)found->differences);
    if (found->first != NULL) {
        char text[160];
        const char *projection = rv_json_str(found->first, "projection", "");
        const char *what = json_is_null(json_object_get(found->first, "held"))
                               ? "lacks a row that events made"
                           : json_is_null(json_object_get(found->first, "rebuilt"))
                               ? "has a row that no event made"
                               : "has a row that was changed";
        snprintf(text, sizeof text, "%s %s", projection, what);
        json_object_set_new(report, "finding", json_string(text));
        json_object_set_new(report, "first", found->first);
        found->first = NULL;
    }
    return report;
}

enum rv_code rv_books_check(struct rv_books *books, json_t **report, struct rv_error *err)
{
    for (int round = 0; round < FOLLOW_MAX; round++) {
        int64_t before = books->chain.seq;
        enum rv_code code = follow(books, err);
        if (code == RV_CORRUPT) {
            *report = not_whole(books, err->message);
            return RV_OK;
        }
        struct comparison found = {.seq = 0};
        if (code == RV_OK) {
            code = rv_db_session_stream(books->aside, books->tenant, &rv_sql_rebuild_compare, NULL,
                                        on_difference, &found, err);
        }
        bool grew = books->chain.seq != before || round == 0;
        bool same = code == RV_OK && found.seq == books->chain.seq;
        if (same && !(found.is_hash && rv_hash_equal(&found.hash, &books->chain.hash))) {
            *report = not_whole(books, "the head of the log is not the hash of its last event");
        } else if (same) {
            *report = report_of(books, &found);
        } else if (code == RV_OK && (!grew || found.seq < books->chain.seq)) {
            char text[120];
            snprintf(text, sizeof text,
                     "the log ends at event %" PRId64 ", the company's head at %" PRId64,
                     books->chain.seq, found.seq);
            *report = not_whole(books, text);
            same = true;
        }
        json_decref(found.first);
        if (code != RV_OK || same) {
            return code;
        }
    }
    rv_fail(err, RV_CONFLICT, "events come faster than they can be checked");
    rv_hint(err, "Check again when less is going on.");
    return RV_CONFLICT;
}

/* ---- repair ---- */

struct staged {
    int64_t seq;
    int64_t rows;
};

static enum rv_code on_staged(void *data, const struct rv_result *result, int row,
                              struct rv_error *err)
{
    (void)err;
    *(struct staged *)data =
        (struct staged){rv_result_i64(result, row, 0), rv_result_i64(result, row, 1)};
    return RV_OK;
}

enum rv_code rv_books_stage(struct rv_books *books, int64_t *rows, struct rv_error *err)
{
    struct staged staged = {.seq = 0};
    enum rv_code code = rv_db_session_query(books->aside, books->tenant, &rv_sql_rebuild_unstage,
                                            NULL, NULL, NULL, err);
    if (code == RV_OK) {
        code = rv_db_session_query(books->aside, books->tenant, &rv_sql_rebuild_stage, NULL,
                                   on_staged, &staged, err);
    }
    if (code == RV_OK && staged.seq != books->chain.seq) {
        rv_fail(err, RV_CONFLICT, "new events came while the rebuild was compared");
        rv_hint(err, "Rebuild again, when less is going on.");
        code = RV_CONFLICT;
    }
    *rows = staged.rows;
    return code;
}
