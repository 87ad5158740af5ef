/* act.c -- see act.h. */
#include "runtime/audit/act.h"

#include "runtime/audit/audit.h"
#include "runtime/base/check.h"
#include "runtime/db/db.h"

#include <string.h>

/* A column without a name of its own (PostgreSQL's "?column?") is no fact. */
static bool is_named(const char *column)
{
    return column[0] != '?' && column[0] != '\0';
}

static void on_effect(struct rv_unit *unit, const struct rv_result *result)
{
    struct rv_act *act = (struct rv_act *)unit;
    act->rows = rv_result_rows(result);
    json_decref(act->made);
    act->made = json_object();
    for (int c = 0; act->rows == 1 && c < rv_result_columns(result); c++) {
        const char *name = rv_result_column_name(result, c);
        if (is_named(name)) {
            json_object_set_new(act->made, name, rv_result_value(result, 0, c));
        }
    }
    if (act->rows > 1) {
        json_object_set_new(act->made, "changed", json_integer(act->rows));
    }
    for (int row = 0; act->row != NULL && row < act->rows; row++) {
        act->row(act, result, row);
    }
}

static enum rv_code on_decide(struct rv_unit *unit, struct rv_batch *batch, struct rv_error *err)
{
    struct rv_act *act = (struct rv_act *)unit;
    act->nothing = act->effect != NULL && act->rows == 0;
    if (act->nothing) {
        return rv_fail(err, RV_NOT_FOUND, "%s: there is nothing to change", act->what);
    }
    json_t *body = json_deep_copy(act->about);
    json_object_update_missing(body, act->made);
    json_object_set_new(body, "what", json_string(act->what));
    json_object_set_new(body, "person", json_string(act->person));
    act->record = rv_audit_append(batch, "admin", 0, -1, body);
    json_decref(body);
    return RV_OK;
}

static void on_done(struct rv_unit *unit, enum rv_code code, const struct rv_error *err)
{
    struct rv_act *act = (struct rv_act *)unit;
    json_decref(act->made);
    act->made = NULL;
    act->done(act, code, err);
}

void rv_act_commit(struct rv_committer *committer, struct rv_act *act)
{
    RV_ASSERT(json_is_object(act->about));
    act->nothing = false;
    act->rows = 0;
    act->made = json_object();
    act->unit = (struct rv_unit){.tenant = act->tenant,
                                 .effect = act->effect,
                                 .effect_args = act->args,
                                 .effect_first = act->founds,
                                 .effected = on_effect,
                                 .needs_head = true,
                                 .decide = on_decide,
                                 .done = on_done};
    rv_commit(committer, &act->unit);
}
