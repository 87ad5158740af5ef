/* port.c -- see port.h. */
#include "runtime/model/port.h"

#include "model_sql.h"
#include "runtime/base/check.h"

#include <math.h>
#include <string.h>

enum { OPTIONS_MAX = 64 };
_Static_assert((int)RV_MODEL_ADAPTER_MAX == (int)RV_ENGINE_ADAPTER_MAX, "the same names");

struct asking {
    struct asking *next;
    struct rv_model_port *port;
    struct rv_engine *engine;
    uint64_t id; /* of the engine; 0: its adapter is looked for */
    bool canceled;
    const struct rv_model_request *request;
    rv_model_answered answered;
    void *data;
};

struct rv_model_port {
    struct rv_model_port_options options;
    struct rv_model_engine engine;
    struct asking *askings;
    bool stopped;
};

/* ---- the answer ---- */

static int margin_of(const double *probability, size_t count)
{
    double best = 0;
    double second = 0;
    for (size_t i = 0; i < count; i++) {
        if (probability[i] > best) {
            second = best;
            best = probability[i];
        } else if (probability[i] > second) {
            second = probability[i];
        }
    }
    int margin = (int)lround((best - second) * 100);
    return margin < 1 ? 1 : margin > 100 ? 100 : margin; /* 0 would say "not measured" */
}

static void read_reply(const json_t *body, double probability[OPTIONS_MAX],
                       struct rv_model_reply *reply)
{
    const json_t *usage = json_object_get(body, "usage");
    const json_t *list = json_object_get(body, "probability");
    size_t count = json_array_size(list) < OPTIONS_MAX ? json_array_size(list) : OPTIONS_MAX;
    *reply = (struct rv_model_reply){.text = rv_json_str(body, "text", ""),
                                     .choice = (int)rv_json_int(body, "choice", -1),
                                     .cut = strcmp(rv_json_str(body, "finish", ""), "length") == 0,
                                     .tokens_in = (int)rv_json_int(usage, "prompt", 0),
                                     .tokens_out = (int)rv_json_int(usage, "answer", 0),
                                     .tokens_cached = (int)rv_json_int(usage, "cached", 0),
                                     .tokens_thinking = (int)rv_json_int(usage, "thinking", 0),
                                     .tokens_needed = rv_json_int(body, "needs", 0),
                                     .model = json_object_get(body, "model")};
    for (size_t i = 0; i < count; i++) {
        probability[i] = json_number_value(json_array_get(list, i));
    }
    if (count > 0) {
        reply->probability = probability;
        reply->margin = margin_of(probability, count);
    }
}

static void unlink_asking(struct asking *asking)
{
    struct asking **at = &asking->port->askings;
    while (*at != asking) {
        at = &(*at)->next;
    }
    *at = asking->next;
}

static void on_event(void *data, const struct rv_engine_event *event)
{
    struct asking *asking = data;
    const struct rv_model_port_options *options = &asking->port->options;
    double probability[OPTIONS_MAX] = {0};
    struct rv_model_reply reply;
    RV_ASSERT(event->kind != RV_ENGINE_PIECE); /* not asked for */
    unlink_asking(asking);
    if (event->body != NULL) {
        read_reply(event->body, probability, &reply);
        if (options->used != NULL && reply.tokens_in + reply.tokens_out > 0) {
            options->used(options->data, asking->request, &reply);
        }
    }
    if (event->kind == RV_ENGINE_DONE) {
        asking->answered(asking->data, RV_OK, &reply, NULL);
    } else {
        /* a full engine is no reason to call the prompt too long */
        enum rv_code code = event->retry_ms > 0 ? RV_UNAVAILABLE : event->code;
        asking->answered(asking->data, code, event->body != NULL ? &reply : NULL, event->err);
    }
    rv_free(asking);
}

/* ---- the question ---- */

static json_t *question_of(const struct rv_model_request *request)
{
    size_t head = strlen(request->instructions);
    RV_ASSERT(strncmp(request->text, request->instructions, head) == 0);
    json_t *question = json_pack(
        "{s:s,s:I,s:i,s:b,s:I,s:i,s:i,s:[{s:s,s:s},{s:s,s:s}]}", "kind", "chat", "tenant",
        (json_int_t)request->tenant, "tier", request->tier, "plain", 1, "seed",
        (json_int_t)request->seed, "max", request->max_tokens, "temperature", 0, "messages", "role",
        "system", "text", request->instructions, "role", "user", "text", request->text + head);
    RV_ASSERT(question != NULL);
    if (request->tokens_left > 0) {
        json_object_set_new(question, "max_total", json_integer(request->tokens_left));
    }
    if (request->options != NULL) {
        json_object_set(question, "options", (json_t *)(uintptr_t)request->options);
    } else {
        json_object_set(question, "schema", (json_t *)(uintptr_t)request->schema);
    }
    return question;
}

static void fail(struct asking *asking, enum rv_code code, const struct rv_error *err)
{
    unlink_asking(asking);
    asking->answered(asking->data, code, NULL, err);
    rv_free(asking);
}

static void submit(struct asking *asking, json_t *adapter)
{
    json_t *question = question_of(asking->request);
    if (adapter != NULL) {
        json_object_set_new(question, "adapter", adapter);
    }
    asking->id = rv_engine_ask(asking->engine, asking->port->options.loop, question,
                               asking->request->deadline_ms, on_event, asking);
}

static void on_adapter(void *data, enum rv_code code, const struct rv_result *result,
                       const struct rv_error *err)
{
    struct asking *asking = data;
    const char *name = asking->request->adapter;
    struct rv_error why = {.code = RV_OK};
    if (asking->canceled) {
        fail(asking, rv_fail(&why, RV_CANCELED, "canceled"), &why);
    } else if (code != RV_OK) {
        fail(asking, code, err);
    } else if (rv_result_rows(result) == 1) {
        submit(asking,
               json_pack("{s:s,s:s,s:s}", "name", rv_result_text(result, 0, 0), "path",
                         rv_result_text(result, 0, 1), "sha256", rv_result_text(result, 0, 2)));
    } else if (name[0] == '\0') {
        submit(asking, NULL); /* the company has none for its agents */
    } else {
        rv_fail(&why, RV_INVALID,
                "the company has no adapter \"%.32s\": reeve adapter list says which it has, reeve "
                "adapter load FILE --name %.32s adds one",
                name, name);
        fail(asking, RV_INVALID, &why);
    }
}

static void find_adapter(struct asking *asking)
{
    const struct rv_model_request *request = asking->request;
    struct rv_args *args = rv_args_create(&rv_sql_model_adapter_for_agents);
    rv_args_i32(args, 1, request->tenant);
    rv_args_text(args, 2, request->adapter);
    rv_db_query(asking->port->options.db, request->tenant, &rv_sql_model_adapter_for_agents, args,
                on_adapter, asking);
}

static bool lacks(void *self, struct rv_error *err)
{
    struct rv_model_port *port = self;
    return port->options.unknown != NULL && port->options.unknown(port->options.data, err);
}

static void ask(void *self, const struct rv_model_request *request, rv_model_answered answered,
                void *data)
{
    struct rv_model_port *port = self;
    struct rv_engine *engine = port->options.pick(port->options.data, request->tenant);
    struct rv_error err = {.code = RV_OK};
    if (engine == NULL || port->stopped) {
        if (port->stopped) {
            rv_fail(&err, RV_CANCELED, "this node stops");
        } else if (!lacks(port, &err)) {
            rv_fail(&err, RV_UNAVAILABLE, "no model is loaded");
        }
        answered(data, err.code, NULL, &err);
        return;
    }
    struct asking *asking = rv_alloc(sizeof *asking);
    *asking = (struct asking){.next = port->askings,
                              .port = port,
                              .engine = engine,
                              .request = request,
                              .answered = answered,
                              .data = data};
    port->askings = asking;
    if (port->options.db != NULL && request->adapter != NULL &&
        strcmp(request->adapter, RV_MODEL_ADAPTER_NONE) != 0) {
        find_adapter(asking);
    } else {
        submit(asking, NULL);
    }
}

static bool serves(void *self, int32_t tenant)
{
    struct rv_model_port *port = self;
    return port->options.pick(port->options.data, tenant) != NULL;
}

/* NAME@VERSION of the registry, else the name of the file. */
static const char *model_name(void *self, int32_t tenant)
{
    struct rv_model_port *port = self;
    const struct rv_engine *engine = port->options.pick(port->options.data, tenant);
    const char *label = engine != NULL ? rv_engine_label(engine) : "";
    if (label != NULL) {
        return label;
    }
    const char *slash = strrchr(rv_engine_path(engine), '/');
    return slash != NULL ? slash + 1 : rv_engine_path(engine);
}

static void cancel(void *self, void *data)
{
    struct rv_model_port *port = self;
    for (struct asking *at = port->askings; at != NULL; at = at->next) {
        if (at->data == data && at->id != 0) {
            rv_engine_cancel(at->engine, at->id);
        } else if (at->data == data) {
            at->canceled = true;
        }
    }
}

/* ---- life ---- */

struct rv_model_port *rv_model_port_create(const struct rv_model_port_options *options)
{
    struct rv_model_port *port = rv_alloc(sizeof *port);
    port->options = *options;
    port->engine = (struct rv_model_engine){.self = port,
                                            .name = "engine",
                                            .hash = "",
                                            .ask = ask,
                                            .serves = serves,
                                            .lacks = lacks,
                                            .model = model_name,
                                            .cancel = cancel};
    return port;
}

void rv_model_port_stop(struct rv_model_port *port)
{
    port->stopped = true;
}

void rv_model_port_destroy(struct rv_model_port *port)
{
    if (port != NULL) {
        RV_ASSERT(port->askings == NULL);
        rv_free(port);
    }
}

const struct rv_model_engine *rv_model_port_engine(const struct rv_model_port *port)
{
    return &port->engine;
}
