/* admin.c -- see admin.h. */
#include "runtime/cli/admin.h"

#include "runtime/base/check.h"
#include "runtime/cli/place.h"

#include <string.h>

enum rv_code admin_open(struct cli *cli, struct admin *out, struct rv_error *err)
{
    *out = (struct admin){.cli = cli};
    enum rv_code code = place_session(cli, &out->session, err);
    if (code == RV_OK) {
        code = cli_tenant(cli, out->session, &out->tenant, err);
    }
    if (code == RV_OK) {
        code = cli_person(cli, out->session, out->tenant, &out->person, err);
    }
    if (code == RV_OK) {
        code = place_node(cli, &out->node, err);
    }
    if (code == RV_OK) {
        out->node->wrote = out->tenant;
    }
    return code;
}

void admin_close(struct admin *admin)
{
    node_close(admin->node);
    rv_db_session_close(admin->session);
    admin->node = NULL;
    admin->session = NULL;
}

/* ---- who may ---- */

/* Whether `word` is one of the words of "operator or admin". */
static bool names(const char *roles, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = strstr(roles, word); at != NULL && length > 0;
         at = strstr(at + 1, word)) {
        bool begins = at == roles || at[-1] == ' ';
        bool ends = at[length] == '\0' || at[length] == ' ';
        if (begins && ends) {
            return true;
        }
    }
    return false;
}

enum rv_code admin_require(const struct admin *admin, const char *roles, struct rv_error *err)
{
    size_t i;
    json_t *role;
    json_array_foreach((json_t *)(uintptr_t)admin->person.roles, i, role)
    {
        if (strcmp(json_string_value(role), "or") != 0 && names(roles, json_string_value(role))) {
            return RV_OK;
        }
    }
    rv_fail(err, RV_DENIED, "\"%s\" has not the role %s", admin->person.id, roles);
    rv_hint(err, "Ask as somebody who has it (--as PERSON); reeve person list shows who does.");
    return RV_DENIED;
}

/* ---- the record ---- */

struct record {
    struct rv_unit unit; /* first */
    const json_t *body;
    int64_t seq;
    bool done;
    enum rv_code code;
    struct rv_error err;
};

static enum rv_code record_decide(struct rv_unit *unit, struct rv_batch *batch,
                                  struct rv_error *err)
{
    (void)err;
    struct record *record = (struct record *)unit;
    json_t *body = json_deep_copy(record->body);
    record->seq = rv_audit_append(batch, "admin", 0, -1, body);
    json_decref(body);
    return RV_OK;
}

static void record_done(struct rv_unit *unit, enum rv_code code, const struct rv_error *err)
{
    struct record *record = (struct record *)unit;
    record->done = true;
    record->code = code;
    if (code != RV_OK && err != NULL) {
        record->err = *err;
    }
}

/* Takes `body`, adds what was done and by whom. */
static enum rv_code put_record(struct admin *admin, json_t *body, int64_t *seq,
                               struct rv_error *err)
{
    json_object_set_new(body, "what", json_string(admin->what));
    json_object_set_new(body, "person", json_string(admin->person.id));
    struct record record = {.unit = {.tenant = admin->tenant,
                                     .needs_head = true,
                                     .decide = record_decide,
                                     .done = record_done},
                            .body = body};
    rv_commit(admin->node->committer, &record.unit);
    node_wait(admin->node, &record.done, 0);
    json_decref(body);
    if (record.code != RV_OK) {
        *err = record.err;
        return record.code;
    }
    *seq = record.seq;
    return RV_OK;
}

enum rv_code admin_begin(struct cli *cli, const char *roles, const char *what, json_t *about,
                         struct admin *out, struct rv_error *err)
{
    enum rv_code code = admin_open(cli, out, err);
    out->what = what;
    if (code == RV_OK && about == NULL) {
        code = rv_fail(err, RV_INVALID, "%s: an argument is not proper UTF-8", what);
        rv_hint(err, "The record cannot hold it: write it in UTF-8.");
    }
    if (code != RV_OK) {
        json_decref(about);
        return code;
    }
    code = admin_require(out, roles, err);
    if (code != RV_OK) {
        json_object_set_new(about, "refused", json_string(err->message));
        int64_t seq = 0;
        struct rv_error ignored = {.code = RV_OK};
        if (put_record(out, about, &seq, &ignored) != RV_OK) {
            *err = ignored;
            code = ignored.code;
        }
        return code;
    }
    return put_record(out, about, &out->record, err);
}

enum rv_code admin_end(struct admin *admin, enum rv_code code, json_t *made, struct rv_error *err)
{
    int64_t seq = 0;
    if (admin->record != 0 && (code != RV_OK || made != NULL)) {
        struct rv_error why = {.code = RV_OK};
        json_t *body =
            code == RV_OK ? json_incref(made) : json_pack("{s:s}", "failed", rv_code_name(code));
        json_object_set_new(body, "of", json_integer(admin->record));
        if (put_record(admin, body, &seq, &why) != RV_OK && code == RV_OK) {
            *err = why;
            code = why.code;
        }
    }
    json_decref(made);
    admin_close(admin);
    return code;
}
