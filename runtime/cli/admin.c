/* admin.c -- see admin.h. */
#include "runtime/cli/admin.h"

#include "runtime/audit/act.h"
#include "runtime/base/check.h"
#include "runtime/cli/place.h"

#include <string.h>

enum rv_code admin_open(struct cli *cli, struct admin *out, struct rv_error *err)
{
    *out = (struct admin){.cli = cli};
    enum rv_code code = place_company(cli, &out->session, &out->tenant, err);
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
    json_decref(admin->about);
    admin->node = NULL;
    admin->session = NULL;
    admin->about = NULL;
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

typedef enum rv_code (*each_row)(void *data, const struct rv_result *result, int row,
                                 struct rv_error *err);

struct acting {
    struct rv_act act; /* first */
    each_row each;
    void *data;
    bool seen; /* some row was given to `each` */
    bool done;
    enum rv_code code;
    struct rv_error err;
};

static void on_row(struct rv_act *act, const struct rv_result *result, int row)
{
    struct acting *acting = (struct acting *)act;
    struct rv_error ignored = {.code = RV_OK};
    acting->seen = true;
    if (acting->each != NULL && acting->each(acting->data, result, row, &ignored) != RV_OK) {
        RV_UNREACHABLE("who takes rows of a change has no say in it");
    }
}

static void on_done(struct rv_act *act, enum rv_code code, const struct rv_error *err)
{
    struct acting *acting = (struct acting *)act;
    acting->done = true;
    acting->code = code;
    if (code != RV_OK && err != NULL) {
        acting->err = *err;
    }
}

static void perform(struct admin *admin, struct acting *acting)
{
    acting->act.tenant = admin->tenant;
    acting->act.what = admin->what;
    acting->act.person = admin->person.id;
    acting->act.done = on_done;
    rv_act_commit(admin->node->committer, &acting->act);
    node_wait(admin->node, &acting->done, 0);
}

/* The session's door; takes args. */
static enum rv_code change(void *door, const struct rv_statement *statement, struct rv_args *args,
                           each_row each, void *data, struct rv_error *err)
{
    struct admin *admin = door;
    RV_ASSERT(!admin->on_record); /* one act, one change, one record */
    struct acting acting = {
        .act = {.about = admin->about, .effect = statement, .args = args, .row = on_row},
        .each = each,
        .data = data};
    perform(admin, &acting);
    rv_args_destroy(args);
    if (acting.act.nothing && !acting.seen) {
        return RV_OK; /* no row, as the caller sees for itself */
    }
    if (acting.code != RV_OK) {
        *err = acting.err;
        return acting.code;
    }
    admin->on_record = true;
    return RV_OK;
}

/* A record without a change; `about` gets `key`. */
static enum rv_code put_record(struct admin *admin, const char *key, json_t *value,
                               struct rv_error *err)
{
    json_object_set_new(admin->about, key, value);
    struct acting acting = {.act = {.about = admin->about}};
    perform(admin, &acting);
    if (acting.code != RV_OK) {
        *err = acting.err;
    }
    return acting.code;
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
    out->about = about;
    code = admin_require(out, roles, err);
    if (code != RV_OK) {
        struct rv_error ignored = {.code = RV_OK};
        if (put_record(out, "refused", json_string(err->message), &ignored) != RV_OK) {
            *err = ignored;
            code = ignored.code;
        }
        out->on_record = true;
        return code;
    }
    rv_db_session_set_door(out->session, change, out);
    return RV_OK;
}

enum rv_code admin_end(struct admin *admin, enum rv_code code, struct rv_error *err)
{
    if (admin->about != NULL && !admin->on_record) {
        struct rv_error why = {.code = RV_OK};
        enum rv_code put = code == RV_OK
                               ? put_record(admin, "changed", json_integer(0), &why)
                               : put_record(admin, "failed", json_string(rv_code_name(code)), &why);
        if (put != RV_OK && code == RV_OK) {
            *err = why;
            code = put;
        }
    }
    admin_close(admin);
    return code;
}
