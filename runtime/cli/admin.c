/* admin.c -- see admin.h. */
#include "runtime/cli/admin.h"

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
    json_decref(admin->door.about);
    admin->node = NULL;
    admin->session = NULL;
    admin->door.about = NULL;
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

struct waiting {
    bool done;
    void (*inner)(struct rv_act *act, enum rv_code code, const struct rv_error *err);
};

static void on_done(struct rv_act *act, enum rv_code code, const struct rv_error *err)
{
    struct waiting *waiting = act->data;
    waiting->inner(act, code, err);
    waiting->done = true;
}

/* The door's commit: runs the node's loop until the act is done. */
static void commit(void *data, struct rv_act *act)
{
    const struct admin *admin = data;
    struct waiting waiting = {.inner = act->done};
    act->data = &waiting;
    act->done = on_done;
    rv_act_commit(admin->node->committer, act);
    node_wait(admin->node, &waiting.done, 0);
}

enum rv_code admin_begin(struct cli *cli, const char *roles, const char *what, json_t *about,
                         struct admin *out, struct rv_error *err)
{
    enum rv_code code = admin_open(cli, out, err);
    if (code == RV_OK && about == NULL) {
        code = rv_fail(err, RV_INVALID, "%s: an argument is not proper UTF-8", what);
        rv_hint(err, "The record cannot hold it: write it in UTF-8.");
    }
    if (code != RV_OK) {
        json_decref(about);
        return code;
    }
    out->door = (struct rv_door){.tenant = out->tenant,
                                 .what = what,
                                 .person = out->person.id,
                                 .about = about,
                                 .commit = commit,
                                 .data = out};
    if (admin_require(out, roles, err) != RV_OK) {
        return rv_door_refused(&out->door, err);
    }
    rv_door_open(&out->door, out->session);
    return RV_OK;
}

enum rv_code admin_end(struct admin *admin, enum rv_code code, struct rv_error *err)
{
    code = rv_door_close(&admin->door, code, err);
    admin_close(admin);
    return code;
}
