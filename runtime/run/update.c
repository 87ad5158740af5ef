/* update.c -- see update.h.
 *
 *   look -> check -> gate, which writes -> look again
 *     \-> this id is there already: how it stands
 *
 * Two askers with one id: the second one's row is refused by its key, and it looks again.
 */
#include "runtime/run/update.h"

#include "erp/command/schema.h"
#include "run_sql.h"
#include "runtime/base/check.h"
#include "runtime/base/clock.h"
#include "runtime/base/random.h"
#include "runtime/journal/blob.h"
#include "runtime/lua/given.h"
#include "runtime/run/run.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { UPDATE_ARENA_MAX = 1 << 20, NAMES_TEXT = 200 };

/* ---- the manifest ---- */

enum rv_code rv_updates_check(const json_t *manifest, struct rv_error *err)
{
    const char *name;
    json_t *schema;
    json_object_foreach(json_object_get(manifest, "updates"), name, schema)
    {
        enum rv_code code = erp_schema_complete(schema, err);
        if (code != RV_OK) {
            return rv_wrap(err, code, "field \"updates\": the schema of \"%.64s\"", name);
        }
    }
    return RV_OK;
}

/* ---- one update on its way ---- */

struct updating {
    struct rv_gate_pass pass;
    struct rv_gate *gate;
    struct rv_db *db;
    struct rv_arena *arena;
    int64_t run;
    int64_t signal;
    const char *name;
    const char *id;
    json_t *body;
    json_t *carried; /* by the signal */
    json_t *args;
    struct rv_hash digest;
    rv_update_asked done;
    void *data;
};

static void updating_end(struct updating *op, enum rv_code code, const json_t *shown,
                         const char *field, const struct rv_error *err)
{
    op->done(op->data, code, shown, field, err);
    json_decref((json_t *)(uintptr_t)op->pass.principal.roles);
    json_decref(op->body);
    json_decref(op->carried);
    json_decref(op->args);
    rv_arena_destroy(op->arena);
    rv_free(op);
}

/* ---- what is wrong with it in itself ---- */

static bool is_id(const char *id)
{
    return id[0] != '\0' && strlen(id) <= RV_UPDATE_ID_MAX &&
           strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:-") ==
               strlen(id);
}

static enum rv_code check_self(const struct rv_run_update *update, const char **field,
                               struct rv_error *err)
{
    if (update->name[0] == '\0' || strlen(update->name) > RV_UPDATE_NAME_MAX) {
        *field = "name";
        rv_fail(err, RV_INVALID, "name must be 1 to %d bytes", RV_UPDATE_NAME_MAX);
        rv_hint(err, "Name an update that the run's agent declares.");
        return RV_INVALID;
    }
    json_t *name = json_string(update->name);
    if (name == NULL) {
        *field = "name";
        return rv_fail(err, RV_INVALID, "name must be UTF-8");
    }
    json_decref(name);
    if (update->id != NULL && !is_id(update->id)) {
        *field = "id";
        rv_fail(err, RV_INVALID,
                "id must be 1 to %d of the letters a-z A-Z 0-9 and \".\" \"_\" \":\" \"-\"",
                RV_UPDATE_ID_MAX);
        rv_hint(err, "Leave it out, and one is made.");
        return RV_INVALID;
    }
    size_t size = update->body == NULL
                      ? 0
                      : json_dumpb(update->body, NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY);
    if (size > RV_UPDATE_BODY_MAX) {
        *field = "body";
        rv_fail(err, RV_LIMIT, "body is %zu bytes, at most %d are allowed", size,
                RV_UPDATE_BODY_MAX);
        rv_hint(err, "Put large contents with reeve blob put and send their handle.");
        return RV_LIMIT;
    }
    if (rv_plan_may_get("body", update->body, err) != RV_OK) { /* many short items */
        *field = "body";
        return RV_INVALID;
    }
    return RV_OK;
}

/* ---- what is wrong with it for this run ---- */

static enum rv_code unknown_name(const struct updating *op, const json_t *facts,
                                 struct rv_error *err)
{
    char names[NAMES_TEXT] = "";
    const char *name;
    json_t *schema;
    json_object_foreach(json_object_get(facts, "updates"), name, schema)
    {
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s", used > 0 ? ", " : "", name);
    }
    rv_fail(err, RV_INVALID, "name: agent %s version %s takes no update \"%s\"",
            rv_json_str(facts, "agent", ""), rv_json_str(facts, "version", ""), op->name);
    if (names[0] != '\0') {
        rv_hint(err, "It takes: %s.", names);
    } else {
        rv_hint(err, "It declares none in \"updates\"; perhaps it waits for a signal.");
    }
    return RV_INVALID;
}

static enum rv_code check_run(struct updating *op, const json_t *facts, const char **field,
                              struct rv_error *err)
{
    const char *status = rv_json_str(facts, "status", "");
    if (rv_run_state_final(rv_run_state_from_name(status))) {
        const char *why = rv_json_str(facts, "error", NULL);
        rv_fail(err, RV_CONFLICT, "run r_%" PRId64 " is over: %s%s%.200s", op->run, status,
                why != NULL ? ", " : "", why != NULL ? why : "");
        rv_hint(err, "Nothing was written.  A run that failed: reeve run revive r_%" PRId64 ".",
                op->run);
        return RV_CONFLICT;
    }
    if (rv_json_bool(facts, "deaf", false)) {
        rv_fail(err, RV_CONFLICT,
                "the plan of run r_%" PRId64 " is over: it takes no update any more", op->run);
        rv_hint(err,
                "Nothing was written.  See what it still waits for: reeve explain r_%" PRId64 ".",
                op->run);
        return RV_CONFLICT;
    }
    json_t *schema = json_object_get(json_object_get(facts, "updates"), op->name);
    if (schema == NULL) {
        *field = "name";
        return unknown_name(op, facts, err);
    }
    if (rv_json_int(facts, "open", 0) >= RV_UPDATE_OPEN_MAX) {
        rv_fail(err, RV_LIMIT, "run r_%" PRId64 " has %d updates that it has not taken", op->run,
                RV_UPDATE_OPEN_MAX);
        rv_hint(err, "Wait until it answers: reeve run update r_%" PRId64 ".", op->run);
        return RV_LIMIT;
    }
    *field = "body";
    enum rv_code code = erp_schema_complete(schema, err); /* it may come from an older reeve */
    if (code == RV_OK) {
        code = erp_schema_check(schema, op->body, err);
    }
    return code == RV_OK ? RV_OK : rv_wrap(err, code, "body of update \"%s\"", op->name);
}

/* ---- the way ---- */

static void look(struct updating *op);

static void on_shown(void *data, enum rv_code code, const struct rv_result *result,
                     const struct rv_error *err)
{
    struct updating *op = data;
    struct rv_error why = {.code = RV_OK};
    if (code == RV_OK && rv_result_rows(result) == 0) {
        code = rv_fail(&why, RV_CORRUPT, "update \"%s\" has vanished", op->id);
        err = &why;
    }
    json_t *shown = code == RV_OK ? rv_result_json(result, 0, 0) : NULL;
    updating_end(op, code, shown, NULL, err);
    json_decref(shown);
}

static void show(struct updating *op)
{
    struct rv_args *args = rv_args_create(&rv_sql_run_update_get);
    rv_args_i64(args, 2, op->run);
    rv_args_text(args, 3, op->id);
    rv_db_query(op->db, op->pass.tenant, &rv_sql_run_update_get, args, on_shown, op);
}

static enum rv_code update_append(struct rv_gate_pass *pass, struct rv_batch *batch,
                                  struct rv_error *err)
{
    (void)err;
    struct updating *op = pass->data;
    struct rv_args *rows = rv_batch_rows(batch, &rv_sql_run_update_put);
    rv_args_i64(rows, 2, op->run);
    rv_args_text(rows, 3, op->id);
    rv_args_i64(rows, 4, op->signal);
    rv_args_text(rows, 5, op->name);
    rv_args_bytes(rows, 6, op->digest.bytes, RV_HASH_BYTES);
    rv_args_text(rows, 7, pass->principal.id);
    rows = rv_batch_rows(batch, &rv_sql_run_signal_put);
    rv_args_i64(rows, 2, op->run);
    rv_args_i64(rows, 3, op->signal);
    rv_args_text(rows, 4, rv_arena_printf(op->arena, RV_UPDATE_SIGNAL "%s", op->name));
    rv_args_json(rows, 5, op->carried);
    rv_args_text(rows, 6, pass->principal.id);
    rv_args_i64(rv_batch_rows(batch, &rv_sql_run_signal_wake), 2, op->run);
    rv_blob_use(batch, op->run, op->carried);
    return RV_OK;
}

static void update_done(struct rv_gate_pass *pass, enum rv_code code, const struct rv_error *err)
{
    struct updating *op = pass->data;
    if (code == RV_OK) {
        show(op);
    } else if (code == RV_CONFLICT && strstr(err->detail, "constraint=run_update_pkey") != NULL) {
        look(op);
    } else {
        updating_end(op, code, NULL, NULL, err);
    }
}

static void submit(struct updating *op)
{
    json_decref(op->carried);
    json_decref(op->args);
    op->carried =
        json_pack("{s:s,s:O,s:s}", "id", op->id, "body", op->body, "by", op->pass.principal.id);
    op->args = json_pack("{s:s,s:s}", "name", op->name, "id", op->id);
    op->pass.action = "run.update";
    op->pass.args = op->args;
    op->pass.run = op->run;
    op->pass.seq = -1; /* no step of the run's own journal */
    op->pass.append = update_append;
    op->pass.done = update_done;
    rv_gate_pass(op->gate, &op->pass);
}

/* The same again gives how it stands. */
static enum rv_code check_known(const struct updating *op, const char *known, struct rv_error *err)
{
    struct rv_hash before;
    if (rv_hash_from_hex(known, &before) && rv_hash_equal(&before, &op->digest)) {
        return RV_OK;
    }
    rv_fail(err, RV_CONFLICT, "id: \"%s\" was used for another update of run r_%" PRId64, op->id,
            op->run);
    rv_hint(err, "Give each update an id of its own; the same one only to send it again.");
    return RV_CONFLICT;
}

static void on_facts(void *data, enum rv_code code, const struct rv_result *result,
                     const struct rv_error *err)
{
    struct updating *op = data;
    struct rv_error why = {.code = RV_OK};
    const char *field = NULL;
    json_t *facts = NULL;
    const char *known = NULL;
    if (code == RV_OK && rv_result_rows(result) == 0) {
        code = rv_fail(&why, RV_NOT_FOUND, "there is no run r_%" PRId64, op->run);
        rv_hint(&why, "See the runs: reeve run list.");
        err = &why;
    } else if (code == RV_OK) {
        facts = rv_result_json(result, 0, 0);
        known = rv_json_str(facts, "digest", NULL);
        field = known != NULL ? "id" : NULL;
        code = known != NULL ? check_known(op, known, &why) : check_run(op, facts, &field, &why);
        err = &why;
    }
    if (code != RV_OK) {
        updating_end(op, code, NULL, field, err);
    } else if (known != NULL) {
        show(op);
    } else {
        submit(op);
    }
    json_decref(facts);
}

static void look(struct updating *op)
{
    struct rv_args *args = rv_args_create(&rv_sql_run_update_look);
    rv_args_i64(args, 2, op->run);
    rv_args_text(args, 3, op->id);
    rv_db_query(op->db, op->pass.tenant, &rv_sql_run_update_look, args, on_facts, op);
}

/* Of name and body as they were sent: defaults may change with a version. */
static enum rv_code digest_of(struct updating *op, struct rv_error *err)
{
    struct rv_buf text;
    rv_buf_init(&text, RV_JSON_TEXT_MAX);
    json_t *sent = json_pack("{s:s,s:O}", "name", op->name, "body", op->body);
    RV_ASSERT(sent != NULL);
    enum rv_code code = rv_json_canonical(sent, &text, err);
    if (code == RV_OK) {
        op->digest = rv_sha256(text.data, text.length);
    }
    json_decref(sent);
    rv_buf_fini(&text);
    return code == RV_OK ? RV_OK : rv_wrap(err, code, "body");
}

void rv_run_update(struct rv_gate *gate, struct rv_db *db, int32_t tenant,
                   const struct rv_principal *principal, const struct rv_run_update *update,
                   rv_update_asked done, void *data)
{
    struct updating *op = rv_alloc(sizeof *op);
    char made[32];
    op->gate = gate;
    op->db = db;
    op->arena = rv_arena_create("run update", UPDATE_ARENA_MAX);
    op->run = update->run;
    op->signal = rv_id_make(rv_now_us(rv_gate_clock(gate)));
    snprintf(made, sizeof made, "u_%" PRId64, op->signal);
    op->name = rv_arena_strdup(op->arena, update->name);
    op->id = rv_arena_strdup(op->arena, update->id != NULL ? update->id : made);
    op->body = update->body != NULL ? rv_json_plain(json_deep_copy(update->body)) : json_object();
    op->done = done;
    op->data = data;
    op->pass.tenant = tenant;
    op->pass.principal = *principal;
    op->pass.principal.id = rv_arena_strdup(op->arena, principal->id);
    op->pass.principal.roles = json_incref((json_t *)(uintptr_t)principal->roles);
    op->pass.data = op;
    struct rv_error err = {.code = RV_OK};
    const char *field = NULL;
    enum rv_code code = check_self(update, &field, &err);
    if (code == RV_OK) {
        code = digest_of(op, &err);
        field = "body";
    }
    if (code != RV_OK) {
        updating_end(op, code, NULL, field, &err);
        return;
    }
    look(op);
}
