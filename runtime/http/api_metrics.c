/* api_metrics.c -- GET /metrics: the engine's figures as Prometheus reads them.
 *
 * One node's, of all companies together; so only for those who may administer.
 */
#include "runtime/base/check.h"
#include "runtime/http/call.h"

#include <string.h>

enum { TEXT_MAX = 64 << 10 };

/* Those that go down too; the others only grow, until the engine is begun anew. */
static bool is_gauge(const char *name)
{
    static const char *const gauges[] = {"running",     "waiting",       "blocks",
                                         "blocks_used", "blocks_cached", "memory_bytes"};
    bool found = false;
    for (size_t i = 0; i < RV_COUNT(gauges); i++) {
        found = found || strcmp(name, gauges[i]) == 0;
    }
    return found;
}

static void add(struct rv_buf *out, const char *name, bool gauge, int64_t value)
{
    rv_buf_printf(out, "# TYPE reeve_model_%s%s %s\nreeve_model_%s%s %lld\n", name,
                  gauge ? "" : "_total", gauge ? "gauge" : "counter", name, gauge ? "" : "_total",
                  (long long)value);
}

void rv_api_metrics(struct rv_call *call)
{
    const struct rv_api_models *models = &call->api->options.models;
    struct rv_engine *engine =
        models->pick != NULL ? models->pick(models->self, call->caller->tenant) : NULL;
    json_t *status = engine != NULL ? rv_engine_status(engine) : json_object();
    const char *name;
    json_t *value;
    struct rv_buf out;
    rv_buf_init(&out, TEXT_MAX);
    add(&out, "ready", true, engine != NULL && rv_engine_is_ready(engine));
    add(&out, "open", true, rv_json_int(status, "open", 0));
    add(&out, "restarts", false, rv_json_int(status, "restarts", 0));
    json_object_foreach(json_object_get(status, "stats"), name, value)
    {
        if (json_is_integer(value)) {
            add(&out, name, is_gauge(name), json_integer_value(value));
        }
    }
    rv_exchange_answer(call->exchange, 200, "text/plain; version=0.0.4", out.data, out.length);
    rv_buf_fini(&out);
    json_decref(status);
}
