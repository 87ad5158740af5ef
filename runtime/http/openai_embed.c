/* openai_embed.c -- POST /v1/embeddings: every text its own question, one answer in their order. */
#include "runtime/base/check.h"
#include "runtime/base/random.h"
#include "runtime/http/openai_call.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

struct embedding {
    struct rv_api *api;
    struct rv_call *call; /* NULL once answered */
    struct rv_openai_ask ask;
    int32_t tenant;
    char *person;
    struct rv_engine *engine;
    int64_t end_us;  /* of the whole */
    size_t next;     /* the input that is asked next; the last of them: none is left */
    size_t open;     /* at the engine */
    json_t *vectors; /* list in the order of the inputs; null until there */
    json_int_t tokens, cached;
    char id[40];
};

struct one {
    struct embedding *all;
    size_t index;
};

/* float32, little endian, as numpy and the clients read them. */
static json_t *packed(const json_t *vector)
{
    size_t count = json_array_size(vector);
    unsigned char *bytes = rv_alloc(4 * count + 1);
    for (size_t i = 0; i < count; i++) {
        float value = (float)json_number_value(json_array_get(vector, i));
        uint32_t bits = 0;
        memcpy(&bits, &value, sizeof bits);
        for (int b = 0; b < 4; b++) {
            bytes[4 * i + (size_t)b] = (unsigned char)(bits >> 8 * b);
        }
    }
    size_t room = sodium_base64_encoded_len(4 * count, sodium_base64_VARIANT_ORIGINAL);
    char *text = rv_alloc(room);
    sodium_bin2base64(text, room, bytes, 4 * count, sodium_base64_VARIANT_ORIGINAL);
    json_t *out = json_string(text);
    rv_free(text);
    rv_free(bytes);
    return out;
}

static void answer(struct embedding *all)
{
    json_t *data = json_array();
    for (size_t i = 0; i < json_array_size(all->vectors); i++) {
        json_t *vector = json_array_get(all->vectors, i);
        json_array_append_new(
            data, json_pack("{s:s,s:I,s:o}", "object", "embedding", "index", (json_int_t)i,
                            "embedding", all->ask.base64 ? packed(vector) : json_incref(vector)));
    }
    json_t *body = json_pack("{s:s,s:s,s:o,s:s,s:{s:I,s:I}}", "id", all->id, "object", "list",
                             "data", data, "model", all->ask.model, "usage", "prompt_tokens",
                             all->tokens, "total_tokens", all->tokens);
    rv_exchange_json(all->call->exchange, 200, body);
    json_decref(body);
}

static void ask_more(struct embedding *all);

static void on_vector(void *data, const struct rv_engine_event *event)
{
    struct one *one = data;
    struct embedding *all = one->all;
    const json_t *usage = json_object_get(event->body, "usage");
    size_t count = json_array_size(all->vectors);
    all->tokens += rv_json_int(usage, "prompt", 0);
    all->cached += rv_json_int(usage, "cached", 0);
    if (event->kind == RV_ENGINE_DONE) {
        json_array_set(all->vectors, one->index, json_object_get(event->body, "vector"));
    } else if (all->call != NULL) { /* the first failure is the answer */
        rv_openai_refuse_event(all->call, &all->ask, one->index, event);
        all->call = NULL;
        all->next = count;
    }
    all->open--;
    bool last = all->open == 0 && all->next == count;
    rv_openai_account(all->api, all->tenant, all->person, all->ask.model, event->body,
                      last ? all->ask.kept : 0);
    rv_free(one);
    if (!last) {
        ask_more(all);
        return;
    }
    if (all->call != NULL) {
        const struct rv_openai_made made = {.id = all->id,
                                            .outcome = "stop",
                                            .prompt_tokens = all->tokens,
                                            .cached_tokens = all->cached};
        rv_openai_record(all->api, all->tenant, &made, event->body);
        answer(all);
    }
    rv_openai_ask_fini(&all->ask);
    json_decref(all->vectors);
    rv_free(all->person);
    rv_free(all);
}

static void ask_more(struct embedding *all)
{
    struct rv_api *api = all->api;
    int tier = RV_MODEL_TIER_EMBED + rv_model_tier(api->options.models.tiers, all->tenant);
    int64_t left_ms = (all->end_us - rv_mono_us(rv_loop_clock(api->options.loop))) / 1000;
    while (all->next < json_array_size(all->vectors) && all->open < RV_OPENAI_AT_ONCE) {
        struct one *one = rv_alloc(sizeof *one);
        *one = (struct one){all, all->next++};
        json_t *question = json_pack("{s:s,s:i,s:i,s:[{s:s,s:O}]}", "kind", "embed", "tenant",
                                     (int)all->tenant, "tier", tier, "messages", "role", "user",
                                     "text", json_array_get(all->ask.inputs, one->index));
        if (all->ask.adapter != NULL) {
            json_object_set(question, "adapter", all->ask.adapter);
        }
        all->open++;
        rv_engine_ask(all->engine, api->options.loop, question, left_ms > 1 ? left_ms : 1,
                      on_vector, one);
    }
}

void rv_openai_embed(struct rv_call *call, struct rv_openai_ask *ask, struct rv_engine *engine)
{
    struct rv_api *api = call->api;
    struct embedding *all = rv_alloc(sizeof *all);
    *all = (struct embedding){.api = api,
                              .call = call,
                              .ask = *ask,
                              .tenant = call->caller->tenant,
                              .person = rv_strdup(call->caller->person),
                              .engine = engine,
                              .end_us = rv_mono_us(rv_loop_clock(api->options.loop)) +
                                        api->options.models.deadline_ms * 1000,
                              .vectors = json_array()};
    uint64_t number = 0;
    rv_random_secret(&number, sizeof number);
    snprintf(all->id, sizeof all->id, "embd-%016llx", (unsigned long long)number);
    for (size_t i = 0; i < json_array_size(ask->inputs); i++) {
        json_array_append_new(all->vectors, json_null());
    }
    ask_more(all);
}
