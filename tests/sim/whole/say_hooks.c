/* say_hooks.c -- runtime/hooks/sql: from the outbox to deliveries. */
#include "tests/sim/whole/base.h"

#include "runtime/base/check.h"
#include "runtime/base/clock.h"
#include "runtime/run/run_trace.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static struct endpoint_row *find_endpoint(struct base *base, int32_t tenant, int64_t id)
{
    BASE_EACH(base, T_ENDPOINT, endpoint_row, endpoint)
    {
        if (endpoint->tenant == tenant && endpoint->id == id) {
            return endpoint;
        }
    }
    return NULL;
}

static struct delivery_row *find_delivery(struct base *base, int32_t tenant, int64_t outbox,
                                          int64_t endpoint)
{
    BASE_EACH(base, T_DELIVERY, delivery_row, delivery)
    {
        if (delivery->tenant == tenant && delivery->outbox == outbox &&
            delivery->endpoint == endpoint) {
            return delivery;
        }
    }
    return NULL;
}

static bool has_work(struct base *base, int32_t tenant)
{
    bool listens = false;
    BASE_EACH(base, T_ENDPOINT, endpoint_row, endpoint)
    {
        listens = listens || (endpoint->tenant == tenant && endpoint->disabled == NULL);
    }
    bool work = false;
    BASE_EACH(base, T_OUTBOX, outbox_row, row)
    {
        work = work || (row->tenant == tenant && !row->fanned_out);
    }
    BASE_EACH(base, T_DELIVERY, delivery_row, delivery)
    {
        work = work || (delivery->tenant == tenant && base_is(delivery->status, "pending") &&
                        delivery->next_us <= base_now_us(base));
    }
    return listens && work;
}

static void hook_tenants(struct base_call *call)
{
    BASE_EACH(call->base, T_TENANT, tenant_row, tenant)
    {
        if (has_work(call->base, tenant->tenant)) {
            base_row(call);
            base_out_int(call, tenant->tenant);
        }
    }
}

/* Endpoints of the simulation want all events. */
static void hook_fan_out(struct base_call *call)
{
    struct base *base = call->base;
    int64_t limit = base_int(call, 2, 0);
    for (int64_t after = 0; limit > 0; limit--) {
        struct outbox_row *next = NULL;
        BASE_EACH(base, T_OUTBOX, outbox_row, row)
        {
            if (row->tenant == call->tenant && !row->fanned_out && row->id > after &&
                (next == NULL || row->id < next->id)) {
                next = row;
            }
        }
        if (next == NULL) {
            return;
        }
        after = next->id;
        BASE_EACH(base, T_ENDPOINT, endpoint_row, endpoint)
        {
            if (endpoint->tenant == call->tenant && endpoint->disabled == NULL &&
                endpoint->created_us <= next->at_us &&
                find_delivery(base, call->tenant, next->id, endpoint->id) == NULL) {
                struct delivery_row *delivery = base_insert(call, T_DELIVERY);
                *delivery = (struct delivery_row){.tenant = call->tenant,
                                                  .outbox = next->id,
                                                  .endpoint = endpoint->id,
                                                  .status = "pending",
                                                  .next_us = base_now_us(base)};
            }
        }
        base_touch(call, T_OUTBOX, next);
        next->fanned_out = true;
        base_row(call);
        base_out_int(call, next->id);
    }
}

static struct outbox_row *find_message(struct base *base, int32_t tenant, int64_t id)
{
    BASE_EACH(base, T_OUTBOX, outbox_row, row)
    {
        if (row->tenant == tenant && row->id == id) {
            return row;
        }
    }
    return NULL;
}

static void put_claimed(struct base_call *call, const struct delivery_row *delivery)
{
    const struct endpoint_row *endpoint =
        find_endpoint(call->base, call->tenant, delivery->endpoint);
    const struct outbox_row *message = find_message(call->base, call->tenant, delivery->outbox);
    char id[64];
    char at[RV_TIME_TEXT];
    snprintf(id, sizeof id, "msg_%d_%" PRId64, call->tenant, message->id);
    rv_time_text(message->at_us, at);
    json_t *data = json_deep_copy(message->body);
    static const char *const numbers[] = {"approval", "run"};
    for (size_t i = 0; i < RV_COUNT(numbers); i++) { /* ids as text */
        const json_t *value = json_object_get(data, numbers[i]);
        if (json_is_integer(value)) {
            char text[24];
            snprintf(text, sizeof text, "%" PRId64, (int64_t)json_integer_value(value));
            json_object_set_new(data, numbers[i], json_string(text));
        }
    }
    base_row(call);
    base_out_int(call, delivery->outbox);
    base_out_int(call, delivery->endpoint);
    base_out_int(call, delivery->attempt);
    base_out_text(call, endpoint->url);
    base_out_bool(call, false);
    base_out_bytes(call, endpoint->secret, (size_t)endpoint->secret_length);
    base_out_null(call);
    base_out_null(call);
    base_out_json(call, json_pack("{s:s,s:s,s:s,s:i,s:o}", "id", id, "type", message->event,
                                  "timestamp", at, "tenant", (int)call->tenant, "data", data));
    int64_t asked = rv_json_int(message->body, "approval", 0);
    const struct input_row *input = NULL;
    BASE_EACH(call->base, T_APPROVAL, approval_row, approval)
    {
        if (approval->tenant == call->tenant && approval->id == asked && approval->run != 0 &&
            base_run(call->base, call->tenant, approval->run) != NULL) {
            input = base_input(call->base, call->tenant, approval->run);
        }
    }
    if (input != NULL) {
        char trace[RV_TRACE_TEXT];
        rv_trace_text(rv_run_trace(call->tenant, input->run, input->input), trace);
        base_out_text(call, trace);
    } else {
        base_out_null(call);
    }
}

static struct delivery_row *first_due(struct base *base, int32_t tenant)
{
    struct delivery_row *first = NULL;
    BASE_EACH(base, T_DELIVERY, delivery_row, delivery)
    {
        const struct endpoint_row *endpoint = find_endpoint(base, tenant, delivery->endpoint);
        if (delivery->tenant == tenant && base_is(delivery->status, "pending") &&
            delivery->next_us <= base_now_us(base) && endpoint != NULL &&
            endpoint->disabled == NULL &&
            (first == NULL || delivery->next_us < first->next_us ||
             (delivery->next_us == first->next_us && delivery->outbox < first->outbox))) {
            first = delivery;
        }
    }
    return first;
}

static void hook_claim(struct base_call *call)
{
    enum { TAKEN_MAX = 64 };
    const struct delivery_row *taken[TAKEN_MAX];
    int count = 0;
    int64_t lease_us = base_int(call, 3, 0) * 1000000;
    while (count < base_int(call, 2, 0) && count < TAKEN_MAX) {
        struct delivery_row *delivery = first_due(call->base, call->tenant);
        if (delivery == NULL) {
            break;
        }
        base_touch(call, T_DELIVERY, delivery);
        delivery->attempt++;
        delivery->next_us = base_now_us(call->base) + lease_us;
        int at = count++;
        for (; at > 0 && taken[at - 1]->outbox > delivery->outbox; at--) {
            taken[at] = taken[at - 1];
        }
        taken[at] = delivery;
    }
    for (int i = 0; i < count; i++) {
        put_claimed(call, taken[i]);
    }
}

static void hook_outcome(struct base_call *call)
{
    struct delivery_row *delivery =
        find_delivery(call->base, call->tenant, base_int(call, 2, 0), base_int(call, 3, 0));
    if (delivery != NULL && base_is(delivery->status, "pending")) {
        base_touch(call, T_DELIVERY, delivery);
        delivery->status = base_text(call, 4, 0);
        delivery->next_us = base_now_us(call->base) + base_int(call, 5, 0) * 1000;
    }
}

static void hook_disable(struct base_call *call)
{
    struct endpoint_row *endpoint = find_endpoint(call->base, call->tenant, base_int(call, 2, 0));
    if (endpoint != NULL) {
        base_touch(call, T_ENDPOINT, endpoint);
        endpoint->disabled = base_text(call, 3, 0);
    }
}

const struct base_word base_words_hooks[] = {
    {"hook_tenants", hook_tenants}, {"hook_fan_out", hook_fan_out}, {"hook_claim", hook_claim},
    {"hook_outcome", hook_outcome}, {"hook_disable", hook_disable}, {NULL, NULL},
};
