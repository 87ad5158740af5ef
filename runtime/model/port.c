/* port.c -- see port.h. */
#include "runtime/model/port.h"

#include "runtime/base/check.h"

#include <math.h>
#include <string.h>

enum { OPTIONS_MAX = 64 };

struct asking {
    struct asking *next;
    struct rv_model_port *port;
    struct rv_engine *engine;
    uint64_t id;
    const struct rv_model_request *request;
    rv_model_answered answered;
    void *data;
};

struct rv_model_port {
    struct rv_model_port_options options;
    struct rv_model_engine engine;
    struct asking *askings;
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
                                     .tokens_in = (int)rv_json_int(usage, "prompt", 0),
                                     .tokens_out = (int)rv_json_int(usage, "answer", 0),
                                     .tokens_cached = (int)rv_json_int(usage, "cached", 0),
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
        asking->answered(asking->data, code, NULL, event->err);
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
    if (request->options != NULL) {
        json_object_set(question, "options", (json_t *)(uintptr_t)request->options);
    } else {
        json_object_set(question, "schema", (json_t *)(uintptr_t)request->schema);
    }
    return question;
}

static void ask(void *self, const struct rv_model_request *request, rv_model_answered answered,
                void *data)
{
    struct rv_model_port *port = self;
    struct rv_engine *engine = port->options.pick(port->options.data, request->tenant);
    struct rv_error err = {.code = RV_OK};
    if (engine == NULL) {
        rv_fail(&err, RV_UNAVAILABLE, "no model is loaded");
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
    asking->id = rv_engine_ask(engine, port->options.loop, question_of(request),
                               request->deadline_ms, on_event, asking);
}

static bool serves(void *self, int32_t tenant)
{
    struct rv_model_port *port = self;
    return port->options.pick(port->options.data, tenant) != NULL;
}

static void cancel(void *self, void *data)
{
    struct rv_model_port *port = self;
    for (const struct asking *at = port->askings; at != NULL; at = at->next) {
        if (at->data == data) {
            rv_engine_cancel(at->engine, at->id);
        }
    }
}

/* ---- life ---- */

struct rv_model_port *rv_model_port_create(const struct rv_model_port_options *options)
{
    struct rv_model_port *port = rv_alloc(sizeof *port);
    port->options = *options;
    port->engine = (struct rv_model_engine){
        .self = port, .name = "engine", .hash = "", .ask = ask, .serves = serves, .cancel = cancel};
    return port;
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
