/* health.c -- see health.h. */
#include "runtime/model/health.h"

#include "runtime/base/check.h"

enum { TOKENS = 48, ROUND_MS = 100 };

struct asked {
    bool ended;
    json_t *said; /* {"text","choice","probability"}; NULL: it failed */
    struct rv_error err;
};

static void on_event(void *data, const struct rv_engine_event *event)
{
    struct asked *asked = data;
    if (event->kind == RV_ENGINE_PIECE) {
        return;
    }
    asked->ended = true;
    if (event->kind == RV_ENGINE_FAILED) {
        asked->err = *event->err;
        return;
    }
    asked->said = json_pack("{s:O*,s:O*,s:O*}", "text", json_object_get(event->body, "text"),
                            "choice", json_object_get(event->body, "choice"), "probability",
                            json_object_get(event->body, "probability"));
}

static json_t *question_of(int32_t tenant, const json_t *adapter)
{
    return json_pack("{s:s,s:i,s:b,s:i,s:i,s:[s,s],s:[{s:s,s:s}],s:O*}", "kind", "chat", "tenant",
                     (int)tenant, "plain", 1, "seed", 1, "max", TOKENS, "options", "yes", "no",
                     "messages", "role", "user", "text",
                     "The invoice says 100.00 and the order says 100.00. Do they agree?", "adapter",
                     (json_t *)(uintptr_t)adapter);
}

/* One answer; the engine may have ended meanwhile for good. */
static enum rv_code ask(struct rv_engine *engine, struct rv_loop *loop, int32_t tenant,
                        const json_t *adapter, int64_t end_us, json_t **said, struct rv_error *err)
{
    struct asked asked = {.said = NULL};
    int64_t left_ms = (end_us - rv_mono_us(rv_clock_system())) / 1000;
    rv_engine_ask(engine, loop, question_of(tenant, adapter), left_ms > 1 ? left_ms : 1, on_event,
                  &asked);
    while (!asked.ended) {
        rv_loop_run_once(loop, ROUND_MS); /* the engine ends every question, by its deadline */
    }
    *said = asked.said;
    if (asked.said == NULL) {
        *err = asked.err;
        return rv_wrap(err, err->code, "the health check failed");
    }
    return RV_OK;
}

enum rv_code rv_model_health(const struct rv_engine_options *options, int32_t tenant,
                             const json_t *adapter, int64_t timeout_ms, json_t **facts,
                             struct rv_error *err)
{
    struct rv_engine_options how = *options;
    struct rv_loop *loop = rv_loop_create(rv_clock_system());
    int64_t begun_us = rv_mono_us(rv_clock_system());
    int64_t end_us = begun_us + timeout_ms * 1000;
    json_t *first = NULL;
    json_t *second = NULL;
    how.loop = loop;
    how.lazy = false;
    *facts = NULL;
    struct rv_engine *engine = rv_engine_start(&how);
    enum rv_code code = ask(engine, loop, tenant, adapter, end_us, &first, err);
    if (code == RV_OK) {
        code = ask(engine, loop, tenant, adapter, end_us, &second, err);
    }
    if (code == RV_OK && !json_equal(first, second)) {
        code = rv_fail(err, RV_CORRUPT,
                       "the health check failed: the same question got two different answers");
        rv_hint(err, "Nothing that this engine says could be reproduced; try model.backend = cpu.");
    }
    if (code == RV_OK) {
        *facts = rv_engine_facts(engine);
        json_object_set_new(*facts, "health_ms",
                            json_integer((rv_mono_us(rv_clock_system()) - begun_us) / 1000));
    }
    rv_engine_close(engine);
    json_decref(first);
    json_decref(second);
    rv_loop_destroy(loop);
    return code;
}
