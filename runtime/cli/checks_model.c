/* checks_model.c -- doctor's look at the model: the file, then the engine's process for a moment.
 */
#include "model_sql.h"
#include "runtime/cli/doctor.h"
#include "runtime/cli/place.h"
#include "runtime/model/inspect.h"

#include <stdio.h>
#include <string.h>

enum { READY_MS = 30000 };

struct looking {
    struct cli *cli;
    struct rv_engine_options options;
    const char *before, *before_path, *before_template; /* what stands in for it; NULL none */
};

#define SAY(field, ...) snprintf((field), sizeof(field), __VA_ARGS__)

/* The registry's active version, with its label, before the setting's model. */
static enum rv_code take_active(void *data, const struct rv_result *result, int row,
                                struct rv_error *err)
{
    (void)err;
    struct looking *looking = data;
    struct rv_arena *arena = looking->cli->arena;
    if (rv_result_i64(result, row, 0) == 0) {
        looking->options.label = rv_arena_printf(arena, "%s@%d", rv_result_text(result, row, 1),
                                                 (int)rv_result_i64(result, row, 2));
        looking->options.path = rv_arena_strdup(arena, rv_result_text(result, row, 3));
        looking->options.sha256 = rv_arena_strdup(arena, rv_result_text(result, row, 4));
        const char *template = rv_result_text(result, row, 5);
        looking->options.template = template[0] != '\0' ? rv_arena_strdup(arena, template) : NULL;
        if (rv_result_text(result, row, 6)[0] != '\0') {
            looking->before = rv_arena_strdup(arena, rv_result_text(result, row, 6));
            looking->before_path = rv_arena_strdup(arena, rv_result_text(result, row, 7));
            looking->before_template = rv_arena_strdup(arena, rv_result_text(result, row, 9));
        }
    }
    return RV_OK;
}

/* A database that is away or too old has its own line in the doctor's list. */
static struct looking what_serves(struct cli *cli)
{
    struct looking looking = {.cli = cli, .options = place_engine(cli)};
    struct rv_db_session *session = NULL;
    struct rv_error ignored = {.code = RV_OK};
    enum rv_code code = cli_look_into(cli, &session, &ignored);
    if (code == RV_OK) {
        code = rv_db_session_query(session, 0, &rv_sql_model_serving, NULL, take_active, &looking,
                                   &ignored);
    }
    rv_db_session_close(session);
    (void)code;
    return looking;
}

static bool can_open(const char *path, const char *template)
{
    struct rv_error ignored = {.code = RV_OK};
    json_t *facts = NULL;
    bool can = path != NULL && rv_model_inspect(path, template, &facts, &ignored) == RV_OK;
    json_decref(facts);
    return can;
}

/* What a serving reeve answers with while the model's file cannot be opened: registry.h. */
static const char *stands_in(const struct looking *looking)
{
    const char *template = looking->before_template;
    if (looking->options.label == NULL) {
        return NULL; /* it is the setting's */
    }
    if (can_open(looking->before_path, template != NULL && template[0] != '\0' ? template : NULL)) {
        return looking->before;
    }
    return can_open(place_model(looking->cli), place_template(looking->cli)) ? "model.path" : NULL;
}

static enum cli_health cannot_open(const struct looking *looking, const struct rv_error *err,
                                   struct cli_finding *finding)
{
    const char *instead = stands_in(looking);
    const char *label = looking->options.label;
    SAY(finding->text, "%s%s%s: %s%s%s", label != NULL ? label : "", label != NULL ? ", " : "",
        looking->options.path, err->message, instead != NULL ? "; it is answered by " : "",
        instead != NULL ? instead : "");
    if (label != NULL) {
        SAY(finding->remedy,
            "Put the file back, or reeve model rollback %.*s, or reeve model load another; %s",
            (int)strcspn(label, "@"), label,
            instead != NULL ? "see `reeve model list`." : "agents decide by their rules.");
    } else {
        SAY(finding->remedy, "See `reeve model check FILE`; agents decide by their rules.");
    }
    return CLI_DEGRADED;
}

/* Begins the engine as a run would, and asks it nothing. */
static json_t *try_engine(struct rv_engine_options options)
{
    struct rv_loop *loop = rv_loop_create(rv_clock_system());
    options.loop = loop;
    struct rv_engine *engine = rv_engine_start(&options);
    int64_t end_us = rv_mono_us(rv_clock_system()) + READY_MS * INT64_C(1000);
    json_t *status = rv_engine_status(engine);
    while (!rv_engine_is_ready(engine) && json_object_get(status, "error") == NULL &&
           rv_mono_us(rv_clock_system()) < end_us) {
        rv_loop_run_once(loop, 100);
        json_decref(status);
        status = rv_engine_status(engine);
    }
    rv_engine_close(engine);
    rv_loop_destroy(loop);
    return status;
}

enum cli_health cli_check_model(struct cli *cli, struct cli_finding *finding)
{
    struct looking looking = what_serves(cli);
    struct rv_engine_options options = looking.options;
    const char *path = options.path;
    struct rv_error err = {.code = RV_OK};
    json_t *facts = NULL;
    if (path == NULL) {
        SAY(finding->text, "no model: agents decide by their rules");
        SAY(finding->remedy, "Nothing, or load and promote one (reeve help model).");
        return CLI_DEGRADED;
    }
    if (rv_model_inspect(path, options.template, &facts, &err) != RV_OK) {
        return cannot_open(&looking, &err, finding);
    }
    if (rv_model_can_chat(facts, &err) != RV_OK) {
        SAY(finding->text, "%s: %s", path, err.message);
        SAY(finding->remedy, "Name its chat format; agents decide by their rules.");
        json_decref(facts);
        return CLI_DEGRADED;
    }
    json_t *status = try_engine(options);
    const json_t *ready = json_object_get(status, "facts");
    enum cli_health health = ready != NULL ? CLI_OK : CLI_DEGRADED;
    if (ready != NULL) {
        SAY(finding->text, "%s (%s), sha256 %.12s, engine works: %s",
            options.label != NULL ? options.label : rv_json_str(facts, "name", ""),
            rv_json_str(facts, "type", ""), rv_json_str(facts, "hash", ""),
            rv_json_str(ready, "device", ""));
    } else {
        SAY(finding->text, "%s: the engine did not start: %s", path,
            rv_json_str(status, "error", "it was not ready in time"));
        SAY(finding->remedy, "Set model.backend to cpu, or look at the engine's own message.");
    }
    json_decref(status);
    json_decref(facts);
    return health;
}
