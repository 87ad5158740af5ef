/* strike.c -- see strike.h. */
#include "runtime/schedule/strike.h"

#include "runtime/audit/audit.h"
#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/db/db.h"

#include <string.h>

struct striking {
    struct rv_unit unit; /* first */
    struct rv_args *args;
    const char *what;
    json_t *moved; /* a record's body for each schedule that rests, or goes on, now */
    void (*done)(void *data, enum rv_code code, const struct rv_error *err);
    void *data;
};

static void on_effect(struct rv_unit *unit, const struct rv_result *result)
{
    struct striking *striking = (struct striking *)unit;
    json_array_clear(striking->moved); /* a retry counts anew */
    for (int row = 0; row < rv_result_rows(result); row++) {
        json_array_append_new(striking->moved,
                              json_pack("{s:s,s:s,s:s,s:s}", "what", striking->what, "person",
                                        RV_SCHEDULE_SYSTEM, "name", rv_result_text(result, row, 0),
                                        "reason", rv_result_text(result, row, 1)));
    }
}

static enum rv_code on_decide(struct rv_unit *unit, struct rv_batch *batch, struct rv_error *err)
{
    (void)err;
    const struct striking *striking = (const struct striking *)unit;
    size_t i;
    json_t *body;
    json_array_foreach(striking->moved, i, body)
    {
        json_t *record = json_copy(body); /* the batch may be decided again */
        rv_audit_append(batch, "admin", 0, -1, record);
        json_decref(record);
    }
    return RV_OK;
}

static void on_done(struct rv_unit *unit, enum rv_code code, const struct rv_error *err)
{
    struct striking *striking = (struct striking *)unit;
    size_t i;
    json_t *body;
    json_array_foreach(striking->moved, i, body)
    {
        bool pauses = strcmp(striking->what, RV_SCHEDULE_PAUSES) == 0;
        if (code == RV_OK) {
            rv_log(pauses ? RV_LOG_WARN : RV_LOG_INFO, "schedule",
                   pauses ? "SCHEDULE-PAUSED" : "SCHEDULE-RESUMED",
                   "tenant=%d schedule=%s reason=\"%s\"", (int)unit->tenant,
                   rv_json_str(body, "name", ""), rv_json_str(body, "reason", ""));
        }
    }
    void (*done)(void *data, enum rv_code code, const struct rv_error *err) = striking->done;
    void *data = striking->data;
    json_decref(striking->moved);
    rv_args_destroy(striking->args);
    rv_free(striking);
    done(data, code, err);
}

void rv_schedule_strike(struct rv_committer *committer, int32_t tenant, const char *what,
                        const struct rv_statement *statement, struct rv_args *args,
                        void (*done)(void *data, enum rv_code code, const struct rv_error *err),
                        void *data)
{
    struct striking *striking = rv_alloc(sizeof *striking);
    *striking = (struct striking){.args = args,
                                  .what = what,
                                  .moved = json_array(),
                                  .done = done,
                                  .data = data,
                                  .unit = {.tenant = tenant,
                                           .effect = statement,
                                           .effect_args = args,
                                           .effected = on_effect,
                                           .needs_head = true,
                                           .decide = on_decide,
                                           .done = on_done}};
    rv_commit(committer, &striking->unit);
}
