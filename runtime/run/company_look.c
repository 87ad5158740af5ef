/* company_look.c -- see company_look.h. */
#include "runtime/run/company_look.h"

#include "run_sql.h"
#include "runtime/base/check.h"
#include "runtime/base/log.h"

struct asked {
    struct rv_actors *actors;
    struct rv_ref to;
    uint32_t kind;
    bool sweep;
};

static void look_free(void *payload)
{
    struct rv_look *look = payload;
    for (int i = 0; i < look->count; i++) {
        rv_free(look->rows[i].reason);
    }
    rv_free(look);
}

static void on_rows(void *data, enum rv_code code, const struct rv_result *result,
                    const struct rv_error *err)
{
    struct asked *asked = data;
    int count = code == RV_OK ? rv_result_rows(result) : 0;
    struct rv_look *look = rv_alloc(sizeof *look + (size_t)count * sizeof look->rows[0]);
    look->code = code;
    look->sweep = asked->sweep;
    look->count = count;
    for (int i = 0; i < count; i++) {
        struct rv_look_row *row = &look->rows[i];
        row->kind = (enum rv_look_kind)rv_result_i64(result, i, 0);
        row->id = rv_result_i64(result, i, 1);
        row->reason = row->kind == RV_LOOK_CANCEL ? rv_strdup(rv_result_text(result, i, 2)) : NULL;
    }
    if (code != RV_OK) {
        rv_log(RV_LOG_WARN, "run", "LOOK-FAILED", "%s", err->message);
    }
    struct rv_message message = {.kind = asked->kind, .payload = look, .free = look_free};
    rv_actors_send(asked->actors, asked->to, &message);
    rv_free(asked);
}

static void send(const struct rv_look_ask *ask, const struct rv_statement *statement,
                 struct rv_args *args, bool sweep)
{
    struct asked *asked = rv_alloc(sizeof *asked);
    *asked =
        (struct asked){.actors = ask->actors, .to = ask->to, .kind = ask->kind, .sweep = sweep};
    rv_args_i32(args, 2, ask->limit);
    rv_db_query(ask->db, ask->tenant, statement, args, on_rows, asked);
}

void rv_company_look(const struct rv_look_ask *ask)
{
    struct rv_args *args = rv_args_create(&rv_sql_company_look);
    rv_args_i64(args, 3, ask->after);
    rv_args_bool(args, 4, ask->watch);
    for (int i = 0; i < ask->ended_count; i++) {
        rv_args_i64(args, 5, ask->ended[i]);
    }
    send(ask, &rv_sql_company_look, args, false);
}

void rv_company_sweep(const struct rv_look_ask *ask)
{
    send(ask, &rv_sql_company_sweep, rv_args_create(&rv_sql_company_sweep), true);
}
