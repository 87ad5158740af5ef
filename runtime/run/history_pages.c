/* history_pages.c -- see history_pages.h. */
#include "runtime/run/history_pages.h"

#include "runtime/base/buf.h"
#include "runtime/base/check.h"
#include "runtime/base/file.h"
#include "runtime/base/text.h"
#include "runtime/run/compare.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { SEAL_FLAGS = JSON_COMPACT | JSON_SORT_KEYS | JSON_ENSURE_ASCII };

static const char journal_begins[] = ",\"journal\":[";
static const char journal_ends[] = "],\"sha256\":\"";

/* ---- the seal, of parts in the order of their keys ---- */

struct seal {
    struct rv_hash_stream *stream;
    char *after; /* what follows the journal */
    int64_t entries;
};

static char *text_of(const json_t *value)
{
    char *text = json_dumps(value, SEAL_FLAGS);
    RV_ASSERT(text != NULL);
    return text;
}

static struct seal seal_begin(const json_t *head)
{
    struct seal seal = {.stream = rv_sha256_begin()};
    json_t *before = json_object();
    json_t *after = json_object();
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)head, key, value)
    {
        if (strcmp(key, "sha256") != 0 && strcmp(key, "journal") != 0) {
            json_object_set(strcmp(key, "journal") < 0 ? before : after, key, value);
        }
    }
    char *text = text_of(before);
    RV_ASSERT(json_object_size(before) > 0 && json_object_size(after) > 0);
    rv_sha256_add(seal.stream, text, strlen(text) - 1); /* its brace stays open */
    rv_sha256_add(seal.stream, journal_begins, strlen(journal_begins));
    rv_free(text);
    seal.after = text_of(after);
    json_decref(before);
    json_decref(after);
    return seal;
}

static void seal_add(struct seal *seal, const json_t *entry)
{
    char *text = text_of(entry);
    rv_sha256_add(seal->stream, ",", seal->entries++ > 0);
    rv_sha256_add(seal->stream, text, strlen(text));
    rv_free(text);
}

static void seal_end(struct seal *seal, char hex[RV_HASH_HEX])
{
    struct rv_hash hash;
    rv_sha256_add(seal->stream, "],", 2);
    rv_sha256_add(seal->stream, seal->after + 1, strlen(seal->after) - 1);
    rv_sha256_end(seal->stream, &hash);
    rv_hash_hex(&hash, hex);
    rv_free(seal->after);
}

/* ---- writing ---- */

static bool write_text(FILE *file, const json_t *value, size_t less, const char *then)
{
    char *text = json_dumps(value, JSON_COMPACT);
    RV_ASSERT(text != NULL);
    size_t length = strlen(text) - less;
    bool ok = fwrite(text, 1, length, file) == length && fputs(then, file) >= 0;
    rv_free(text);
    return ok;
}

enum rv_code rv_history_write(FILE *file, const json_t *head, const struct rv_history_pages *pages,
                              int64_t *steps, char hex[RV_HASH_HEX], struct rv_error *err)
{
    json_t *first = json_object();
    json_object_set(first, "format", json_object_get(head, "format"));
    json_object_update_missing(first, (json_t *)(uintptr_t)head);
    json_object_del(first, "journal");
    json_object_del(first, "sha256");
    struct seal seal = seal_begin(first);
    bool ok = write_text(file, first, 1, journal_begins);
    enum rv_code code = RV_OK;
    json_t *entry = NULL;
    while (ok && (code = pages->next(pages->self, &entry, err)) == RV_OK && entry != NULL) {
        ok = fputs(seal.entries > 0 ? ",\n" : "\n", file) >= 0 && write_text(file, entry, 0, "");
        seal_add(&seal, entry);
        json_decref(entry);
    }
    *steps = seal.entries;
    seal_end(&seal, hex);
    json_decref(first);
    if (code == RV_OK && (!ok || fprintf(file, "\n%s%s\"}\n", journal_ends, hex) < 0)) {
        code = rv_fail_errno(err, errno, "write the run");
    }
    return code;
}

/* ---- reading ---- */

struct rv_history_file {
    FILE *file;
    json_t *head;
    struct rv_buf line;
    off_t first; /* where the entries begin */
    int64_t seq; /* of the newest entry */
    char seal[RV_HASH_HEX];
    bool over;
};

/* Without its end of line; false at the end of the file.  A line beyond the bound is not read on.
 */
static bool read_line(struct rv_history_file *file)
{
    int c = getc(file->file);
    rv_buf_reset(&file->line);
    for (; c != EOF && c != '\n' && !file->line.overflowed; c = getc(file->file)) {
        rv_buf_char(&file->line, (char)c);
    }
    return (c != EOF || file->line.length > 0) && !ferror(file->file);
}

static bool line_begins(const struct rv_history_file *file, const char *word)
{
    return strncmp(file->line.data, word, strlen(word)) == 0;
}

/* "...,"journal":[" becomes an object. */
static enum rv_code read_head(struct rv_history_file *file, bool *ours, struct rv_error *err)
{
    size_t ending = strlen(journal_begins);
    struct rv_error ignored = {.code = RV_OK};
    *ours = read_line(file) && rv_buf_ok(&file->line, "the first line", &ignored) == RV_OK &&
            file->line.length > ending && line_begins(file, "{") &&
            strcmp(file->line.data + file->line.length - ending, journal_begins) == 0;
    if (!*ours) {
        return RV_OK;
    }
    file->line.length -= ending;
    rv_buf_str(&file->line, "}");
    file->first = ftello(file->file);
    return rv_json_parse(file->line.data, file->line.length, "the first line", &file->head, err);
}

static enum rv_code next_of_file(void *self, json_t **entry, struct rv_error *err)
{
    struct rv_history_file *file = self;
    *entry = NULL;
    if (file->over) {
        return RV_OK;
    }
    bool some = read_line(file);
    enum rv_code code = rv_buf_ok(&file->line, "an entry", err);
    if (code != RV_OK) {
        return code;
    }
    if (!some) {
        return rv_fail(err, RV_CORRUPT, "the file ends after entry %" PRId64, file->seq);
    }
    if (line_begins(file, journal_ends)) {
        file->over = true;
        snprintf(file->seal, sizeof file->seal, "%.*s", RV_HASH_HEX - 1,
                 file->line.data + strlen(journal_ends));
        return RV_OK;
    }
    size_t length = file->line.length;
    length -= length > 0 && file->line.data[length - 1] == ',';
    char what[64];
    snprintf(what, sizeof what, "entry %" PRId64 " of the journal", file->seq + 1);
    code = rv_json_parse(file->line.data, length, what, entry, err);
    if (code == RV_OK) {
        code = rv_history_check_entry(*entry, ++file->seq, err);
    }
    if (code != RV_OK) {
        json_decref(*entry);
        *entry = NULL;
    }
    return code;
}

/* Behind the seal is nothing but white space. */
static enum rv_code check_end(struct rv_history_file *file, struct rv_error *err)
{
    size_t used = strlen(journal_ends) + strlen(file->seal);
    int c = strcmp(file->line.data + used, "\"}") == 0 ? ' ' : '?';
    while (c != EOF && strchr(" \t\r\n", c) != NULL && c != '\0') {
        c = getc(file->file);
    }
    return c == EOF ? RV_OK
                    : rv_fail(err, RV_CORRUPT,
                              "the file goes on behind its seal: it is not what "
                              "was exported");
}

static enum rv_code check_to_the_end(struct rv_history_file *file, struct rv_error *err)
{
    char hex[RV_HASH_HEX];
    json_t *entry = NULL;
    enum rv_code code = rv_history_check_head(file->head, err);
    if (code != RV_OK) {
        return code;
    }
    struct seal seal = seal_begin(file->head);
    while ((code = next_of_file(file, &entry, err)) == RV_OK && entry != NULL) {
        seal_add(&seal, entry);
        json_decref(entry);
    }
    seal_end(&seal, hex);
    if (code == RV_OK && strcmp(hex, file->seal) != 0) {
        code = rv_history_unsealed(err);
    }
    if (code == RV_OK) {
        code = check_end(file, err);
    }
    if (code == RV_OK && fseeko(file->file, file->first, SEEK_SET) != 0) {
        code = rv_fail_errno(err, errno, "read the run again");
    }
    json_object_set_new(file->head, "sha256", json_string(hex));
    file->over = false;
    file->seq = 0;
    return code;
}

enum rv_code rv_history_file_open(const char *path, struct rv_history_file **out,
                                  struct rv_error *err)
{
    struct rv_history_file *file = rv_alloc(sizeof *file);
    bool ours = false;
    rv_buf_init(&file->line, RV_HISTORY_BYTES_MAX);
    enum rv_code code = rv_file_open(path, &file->file, err);
    if (code == RV_OK) {
        code = read_head(file, &ours, err);
    }
    if (code == RV_OK && ours) {
        code = check_to_the_end(file, err);
    }
    if (code != RV_OK || !ours) {
        rv_history_file_close(file);
        file = NULL;
    }
    *out = file;
    return code;
}

void rv_history_file_close(struct rv_history_file *file)
{
    if (file != NULL) {
        if (file->file != NULL) {
            fclose(file->file);
        }
        json_decref(file->head);
        rv_buf_fini(&file->line);
        rv_free(file);
    }
}

const json_t *rv_history_file_head(const struct rv_history_file *file)
{
    return file->head;
}

struct rv_history_pages rv_history_file_pages(struct rv_history_file *file)
{
    return (struct rv_history_pages){file, next_of_file};
}

static enum rv_code next_of_list(void *self, json_t **entry, struct rv_error *err)
{
    (void)err;
    struct rv_history_list *list = self;
    *entry = json_incref(json_array_get(list->journal, list->at++));
    return RV_OK;
}

struct rv_history_pages rv_history_list_pages(struct rv_history_list *list)
{
    return (struct rv_history_pages){list, next_of_list};
}

/* ---- two runs beside each other ---- */

static bool same_kind(const json_t *x, const json_t *y)
{
    return x != NULL && y != NULL &&
           strcmp(rv_json_str(x, "kind", ""), rv_json_str(y, "kind", "")) == 0 &&
           strcmp(rv_json_str(x, "name", ""), rv_json_str(y, "name", "")) == 0;
}

/* False: from here they are two different stories, or (both NULL) there is no more. */
static bool compare_entry(const json_t *x, const json_t *y, int64_t step, json_t *places,
                          json_t *out, bool *same)
{
    char path[80];
    if (x == NULL && y == NULL) {
        return false;
    }
    if (!same_kind(x, y)) {
        *same = false;
        json_object_set_new(out, "parted_at", json_integer(step));
        json_object_set_new(out, "left",
                            x != NULL ? json_incref((json_t *)(uintptr_t)x) : json_null());
        json_object_set_new(out, "right",
                            y != NULL ? json_incref((json_t *)(uintptr_t)y) : json_null());
        return false;
    }
    snprintf(path, sizeof path, "step %" PRId64 " %.40s", step, rv_json_str(x, "name", ""));
    rv_text_mend(path);
    *same = rv_json_compare(json_object_get(x, "out"), json_object_get(y, "out"), path, places) &&
            *same;
    return true;
}

enum rv_code rv_history_compare_pages(const json_t *left, const struct rv_history_pages *left_pages,
                                      const json_t *right,
                                      const struct rv_history_pages *right_pages, int64_t *steps,
                                      json_t **out, struct rv_error *err)
{
    static const char *const fields[] = {"agent", "plan", "input", "status", "error_text"};
    json_t *places = json_array();
    json_t *found = json_object();
    bool same = true;
    bool more = true;
    enum rv_code code = RV_OK;
    for (size_t i = 0; i < RV_COUNT(fields); i++) {
        same = rv_json_compare(json_object_get(left, fields[i]), json_object_get(right, fields[i]),
                               fields[i], places) &&
               same;
    }
    for (*steps = 0; code == RV_OK && more;) {
        json_t *x = NULL;
        json_t *y = NULL;
        code = left_pages->next(left_pages->self, &x, err);
        code = code == RV_OK ? right_pages->next(right_pages->self, &y, err) : code;
        more = code == RV_OK && compare_entry(x, y, *steps + 1, places, found, &same);
        *steps += more;
        json_decref(x);
        json_decref(y);
    }
    json_object_set_new(found, "same", json_boolean(same));
    json_object_set_new(found, "differences", places);
    if (code != RV_OK) {
        json_decref(found);
        found = NULL;
    }
    *out = found;
    return code;
}
