/* run_pages.c -- see run_pages.h. */
#include "runtime/cli/run_pages.h"

#include "runtime/cli/place.h"

#include <string.h>

/* ---- from the database ---- */

enum rv_code run_pages_open(struct cli *cli, const char *name, struct run_pages *out,
                            struct rv_error *err)
{
    int64_t run = 0;
    int32_t tenant = 0;
    *out = (struct run_pages){.head = NULL};
    enum rv_code code = cli_run_id(name, &run, err);
    if (code == RV_OK) {
        code = place_company(cli, &out->session, &tenant, err);
    }
    if (code == RV_OK) {
        code = rv_history_reader_open(out->session, tenant, run, &out->reader, err);
        out->head = json_incref(out->reader.head);
        out->pages = out->reader.pages;
    }
    return code;
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
    *out = (struct run_pages){.head = NULL};
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
    rv_history_reader_close(&pages->reader);
    json_decref(pages->head);
    json_decref(pages->whole);
    *pages = (struct run_pages){.head = NULL};
}
