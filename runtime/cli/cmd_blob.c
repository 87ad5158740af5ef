/* cmd_blob.c -- large contents from the command line: put, get, list, prune. */
#include "cli_sql.h"
#include "journal_sql.h"
#include "runtime/base/check.h"
#include "runtime/base/file.h"
#include "runtime/cli/admin.h"
#include "runtime/cli/place.h"
#include "runtime/journal/blob.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- put ---- */

/* Reads the file part by part into `each`, which may be NULL; gives its hash and size. */
static enum rv_code read_parts(const char *path, struct rv_hash *hash, uint64_t *size,
                               enum rv_code (*each)(void *data, const void *bytes, size_t length,
                                                    struct rv_error *err),
                               void *data, struct rv_error *err)
{
    FILE *file = NULL;
    enum rv_code code = rv_file_open(path, &file, err);
    if (code != RV_OK) {
        return code;
    }
    char *part = rv_alloc(RV_BLOB_PART_BYTES);
    struct rv_hash_stream *stream = rv_sha256_begin();
    *size = 0;
    for (;;) {
        size_t length = fread(part, 1, RV_BLOB_PART_BYTES, file);
        rv_sha256_add(stream, part, length);
        *size += length;
        code = ferror(file) != 0 ? rv_fail_errno(err, errno, "cannot read %.180s", path)
                                 : rv_blob_check_size(path, *size, err);
        if (code == RV_OK && length > 0 && each != NULL) {
            code = each(data, part, length, err);
        }
        if (code != RV_OK || length < RV_BLOB_PART_BYTES) {
            break;
        }
    }
    rv_sha256_end(stream, hash);
    rv_free(part);
    fclose(file);
    if (code == RV_OK && *size == 0) {
        code = rv_fail(err, RV_INVALID, "%.180s is empty: there is nothing to keep", path);
    }
    return code;
}

struct put {
    struct admin admin;
    struct rv_blob_upload *upload;
};

static enum rv_code put_part(void *data, const void *bytes, size_t length, struct rv_error *err)
{
    struct put *put = data;
    struct rv_args *args = rv_blob_upload_part(put->upload, bytes, length, err);
    return args == NULL ? err->code
                        : rv_db_session_query(put->admin.session, put->admin.tenant,
                                              &rv_sql_blob_part_put, args, NULL, NULL, err);
}

static void say_put(const struct cli *cli, const char *path, json_t *handle)
{
    if (cli->json) {
        cli_print_json(&cli->output, handle);
    } else {
        cli_print(&cli->output, "%s", rv_json_str(handle, "blob", ""));
        fprintf(stderr, "%s: %" PRId64 " bytes of %s; it stays while runs refer to it\n", path,
                rv_json_int(handle, "size", 0), rv_json_str(handle, "media", ""));
        json_decref(handle);
    }
}

int cmd_blob_put(struct cli *cli)
{
    const char *media = cli_option(cli, "media");
    struct rv_error err = {.code = RV_OK};
    struct rv_hash hash;
    uint64_t size = 0;
    media = media != NULL ? media : "application/octet-stream";
    enum rv_code code = rv_blob_check_media(media, &err);
    if (code == RV_OK) { /* first its name: what is wrong with a file costs nothing */
        code = read_parts(cli->argv[0], &hash, &size, NULL, NULL, &err);
    }
    if (code != RV_OK) {
        return cli_fail(cli, &err);
    }
    struct put put = {.upload = NULL};
    code = admin_begin(cli, ADMIN_WORK, "blob.put", rv_blob_handle(&hash, size, media), &put.admin,
                       &err);
    if (code == RV_OK) {
        struct rv_hash again;
        uint64_t read = 0;
        int rows = 0;
        put.upload = rv_blob_upload_create(put.admin.tenant);
        code = read_parts(cli->argv[0], &again, &read, put_part, &put, &err);
        if (code == RV_OK && !rv_hash_equal(&hash, &again)) {
            code = rv_fail(&err, RV_CONFLICT, "%.180s was changed meanwhile", cli->argv[0]);
        }
        if (code == RV_OK) {
            struct rv_args *args =
                rv_blob_upload_end(put.upload, media, put.admin.person.id, &again, &read);
            code = rv_db_session_change_rows(put.admin.session, put.admin.tenant,
                                             &rv_sql_blob_upload_end, args, &rows, &err);
        }
        if (code == RV_OK && rows != 1) {
            code = rv_fail(&err, RV_CORRUPT, "parts of %.180s were lost", cli->argv[0]);
        }
    }
    rv_blob_upload_destroy(put.upload);
    code = admin_end(&put.admin, code, &err);
    if (code == RV_OK) {
        say_put(cli, cli->argv[0], rv_blob_handle(&hash, size, media));
    }
    return code == RV_OK ? 0 : cli_fail(cli, &err);
}

/* ---- get ---- */

struct get {
    int64_t size;
    int64_t content;
    bool found;
    FILE *file;
    struct rv_hash_stream *stream;
    char *part;
};

static enum rv_code take_look(void *data, const struct rv_result *result, int row,
                              struct rv_error *err)
{
    (void)err;
    struct get *get = data;
    get->found = true;
    get->size = rv_result_i64(result, row, 0);
    get->content = rv_result_i64(result, row, 2);
    return RV_OK;
}

static enum rv_code take_part(void *data, const struct rv_result *result, int row,
                              struct rv_error *err)
{
    struct get *get = data;
    size_t length = rv_result_bytes(result, row, 0, get->part, RV_BLOB_PART_BYTES);
    rv_sha256_add(get->stream, get->part, length);
    return fwrite(get->part, 1, length, get->file) == length
               ? RV_OK
               : rv_fail_errno(err, errno, "cannot write the content");
}

static enum rv_code write_content(struct rv_db_session *session, int32_t tenant, struct get *get,
                                  const struct rv_hash *hash, struct rv_error *err)
{
    struct rv_hash found;
    struct rv_args *args = rv_args_create(&rv_sql_blob_parts);
    rv_args_i64(args, 2, get->content);
    get->stream = rv_sha256_begin();
    get->part = rv_alloc(RV_BLOB_PART_BYTES);
    enum rv_code code =
        rv_db_session_stream(session, tenant, &rv_sql_blob_parts, args, take_part, get, err);
    rv_sha256_end(get->stream, &found);
    rv_free(get->part);
    if (code == RV_OK && fflush(get->file) != 0) {
        code = rv_fail_errno(err, errno, "cannot write the content");
    }
    if (code == RV_OK && !rv_hash_equal(&found, hash)) {
        code = rv_fail(err, RV_CORRUPT, "the stored content does not have its hash");
    }
    return code;
}

static enum rv_code open_out(const char *path, struct get *get, struct rv_error *err)
{
    get->file = stdout;
    if (path == NULL) {
        return RV_OK;
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    get->file = fd >= 0 ? fdopen(fd, "wb") : NULL;
    if (get->file == NULL) {
        return errno == EEXIST ? rv_fail(err, RV_INVALID, "the file %.180s exists already", path)
                               : rv_fail_errno(err, errno, "cannot make the file %.180s", path);
    }
    return RV_OK;
}

int cmd_blob_get(struct cli *cli)
{
    const char *path = cli->argc > 1 ? cli->argv[1] : NULL;
    struct rv_error err = {.code = RV_OK};
    struct rv_db_session *session = NULL;
    struct rv_hash hash;
    struct get get = {.found = false};
    int32_t tenant = 0;
    if (!rv_hash_from_hex(cli->argv[0], &hash)) {
        rv_fail(&err, RV_INVALID, "BLOB: \"%.80s\" is not the name of a blob", cli->argv[0]);
        rv_hint(&err, "It has 64 hexadecimal digits; see them: reeve blob list.");
        return cli_fail(cli, &err);
    }
    enum rv_code code = place_company(cli, &session, &tenant, &err);
    if (code == RV_OK) {
        struct rv_args *args = rv_args_create(&rv_sql_blob_look);
        rv_args_bytes(args, 2, hash.bytes, RV_HASH_BYTES);
        code = rv_db_session_query(session, tenant, &rv_sql_blob_look, args, take_look, &get, &err);
    }
    if (code == RV_OK && !get.found) {
        code = rv_fail(&err, RV_NOT_FOUND, "no blob %s in this company", cli->argv[0]);
        rv_hint(&err, "What no run refers to is kept for a day.");
    }
    if (code == RV_OK) {
        code = open_out(path, &get, &err);
    }
    if (code == RV_OK) {
        code = write_content(session, tenant, &get, &hash, &err);
    }
    if (get.file != NULL && get.file != stdout) {
        fclose(get.file);
        if (code != RV_OK) {
            unlink(path); /* half a file is none */
        }
    }
    rv_db_session_close(session);
    if (code == RV_OK && path != NULL && cli->json) {
        cli_print_json(&cli->output, json_pack("{s:s,s:I,s:s}", "blob", cli->argv[0], "size",
                                               (json_int_t)get.size, "file", path));
    } else if (code == RV_OK && path != NULL) {
        cli_print(&cli->output, "%" PRId64 " bytes are in %s", get.size, path);
    }
    return code == RV_OK ? 0 : cli_fail(cli, &err);
}

/* ---- list ---- */

int cmd_blob_list(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct rv_db_session *session = NULL;
    int32_t tenant = 0;
    enum rv_code code = place_company(cli, &session, &tenant, &err);
    if (code == RV_OK) {
        code = cli_print_query(cli, session, tenant, &rv_sql_cli_blobs, NULL, NULL, &err);
    }
    rv_db_session_close(session);
    return code == RV_OK ? 0 : cli_fail(cli, &err);
}
