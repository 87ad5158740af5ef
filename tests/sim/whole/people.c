/* people.c -- what people do: vote, tell a run something or stop it, give commands of their own.
 * What they ask of runs by updates, values and revivals is in asks.c. */
#include "tests/sim/whole/world.h"

#include "runtime/run/request.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct errand {
    struct errand *next;
    struct world *world;
    int32_t tenant;
    int64_t number; /* the approval, the run */
    char person[24];
};

static struct errand *errand_make(struct world *world, int32_t tenant, int64_t number,
                                  const char *person)
{
    struct heap *before = heap_enter(&world->heap);
    struct errand *errand = rv_alloc(sizeof *errand);
    heap_leave(before);
    *errand =
        (struct errand){.next = world->errands, .world = world, .tenant = tenant, .number = number};
    world->errands = errand;
    snprintf(errand->person, sizeof errand->person, "%s", person);
    return errand;
}

/* The same person has asked for the same more than once. */
static bool is_repeated(const struct errand *errand)
{
    int count = 0;
    for (const struct errand *one = errand->world->errands; one != NULL; one = one->next) {
        count += one->tenant == errand->tenant && one->number == errand->number &&
                 strcmp(one->person, errand->person) == 0;
    }
    return count > 1;
}

static void on_vote(void *data, enum rv_code code, const json_t *status, const struct rv_error *err)
{
    struct errand *errand = data;
    (void)status;
    world_note(errand->world, "vote of %s: %s", errand->person,
               code == RV_OK ? "taken" : err->message);
    if (code == RV_OK) {
        rules_promised_vote(errand->world, errand->tenant, errand->number, errand->person);
    } else if (code != RV_UNAVAILABLE && code != RV_CANCELED && !is_repeated(errand) &&
               rules_has_vote(errand->world, errand->tenant, errand->number, errand->person)) {
        world_broken(errand->world, "the vote of %s was refused, and is there", errand->person);
    }
}

static void vote(struct world *world, struct node *node)
{
    struct base_rows *rows = &world->base->tables[T_APPROVAL];
    static const char *const names[] = {"controller", "deputy controller", "manager",
                                        "clerk",      "controller",        "manager"};
    const char *name = names[world_below(world, RV_COUNT(names))];
    if (rows->count == 0) {
        return;
    }
    const struct approval_row *approval = rows->rows[rows->count - 1];
    for (int tries = 0; tries < 4; tries++) { /* mostly open ones, at times one that is over */
        approval = rows->rows[world_below(world, rows->count)];
        if (base_is(approval->status, "requested")) {
            break;
        }
    }
    struct rv_hash hash;
    char digest[RV_HASH_HEX];
    memcpy(hash.bytes, approval->digest, RV_HASH_BYTES);
    hash.bytes[0] ^= world_chance(world, 30); /* they saw something else */
    rv_hash_hex(&hash, digest);
    struct rv_vote vote = {.tenant = approval->tenant,
                           .approval = approval->id,
                           .person = name,
                           .approve = world_chance(world, 850),
                           .channel = "inbox",
                           .digest_hex = digest};
    struct errand *errand = errand_make(world, approval->tenant, approval->id, name);
    world_enter(node);
    rv_approval_vote(node->approvals, &vote, on_vote, errand);
    world_leave();
}

static void on_told(void *data, enum rv_code code, int64_t id, const struct rv_error *err)
{
    struct errand *errand = data;
    world_note(errand->world, "word to run %" PRId64 ": %s", errand->number,
               code == RV_OK ? "taken" : err->message);
    if (code == RV_OK) {
        rules_promised_signal(errand->world, errand->tenant, errand->number, id);
    }
}

void people_cancel(struct world *world, struct node *node, int32_t tenant, int64_t run)
{
    struct errand *errand = errand_make(world, tenant, run, "clerk");
    world_enter(node);
    json_t *roles = json_pack("[s]", "clerk");
    struct rv_principal clerk = {.kind = RV_PRINCIPAL_PERSON, .id = "clerk", .roles = roles};
    rv_run_cancel(node->gate, node->db, tenant, &clerk, run, "not needed", on_told, errand);
    json_decref(roles);
    world_leave();
}

static void tell_run(struct world *world, struct node *node)
{
    struct base_rows *rows = &world->base->tables[T_RUN];
    if (rows->count == 0) {
        return;
    }
    const struct run_row *run = rows->rows[world_below(world, rows->count)];
    if (base_run_over(run) && !world_chance(world, 100)) {
        return;
    }
    if (world_chance(world, base_is(run->agent, "courier") ? 250 : 60)) {
        people_cancel(world, node, run->tenant, run->id);
        return;
    }
    struct errand *errand = errand_make(world, run->tenant, run->id, "clerk");
    world_enter(node);
    json_t *roles = json_pack("[s]", "clerk");
    json_t *body = json_pack("{s:b}", "yes", 1);
    struct rv_principal clerk = {.kind = RV_PRINCIPAL_PERSON, .id = "clerk", .roles = roles};
    rv_run_tell(node->gate, node->db, run->tenant, &clerk, run->id, "go", body, NULL, on_told,
                errand);
    json_decref(body);
    json_decref(roles);
    world_leave();
}

/* A person's own command, with a number that it keeps when it is sent again. */
struct order {
    struct rv_gate_request request; /* first */
    struct world *world;
    struct node *node;
    json_t *roles;
    char id[32];
};

static void on_order(struct rv_gate_request *request, enum rv_code code,
                     const struct rv_gate_outcome *outcome, const struct rv_error *err)
{
    struct order *order = (struct order *)request;
    world_note(order->world, "order %s: %s", order->id,
               code == RV_OK ? rv_gate_result_name(outcome->result) : err->message);
    json_decref(order->request.args);
    json_decref(order->roles);
    rv_free(order);
}

static void give_order(struct world *world, struct node *node)
{
    int number = 1 + (int)world_below(world, 6); /* so some are given twice */
    int32_t tenant = 1 + number % world->companies;
    world_enter(node);
    struct order *order = rv_alloc(sizeof *order);
    order->world = world;
    order->node = node;
    order->roles = json_pack("[s]", "clerk");
    snprintf(order->id, sizeof order->id, "client:%d", number);
    char name[32];
    snprintf(name, sizeof name, "desk:%d", number);
    order->request = (struct rv_gate_request){
        .tenant = tenant,
        .principal = {.kind = RV_PRINCIPAL_PERSON, .id = "clerk", .roles = order->roles},
        .action = "payment.send",
        .args = json_pack("{s:s,s:s,s:{s:i,s:s}}", "case", name, "ref", order->id, "amount",
                          "minor", number * 5003, "currency", "EUR"),
        .command_id = order->id,
        .done = on_order,
    };
    rv_gate_submit(node->gate, &order->request);
    world_leave();
}

void people_act(struct world *world, void *data)
{
    (void)data;
    struct node *node = world_some_node(world);
    if (world->ending) {
        return;
    }
    world_at(world, world->now_us + 1 + world_below(world, 2 * world->rates.people_ms * WORLD_MS),
             people_act, NULL);
    if (world->cases < world->cases_most && world_chance(world, 300)) {
        world_open_case(world);
    }
    if (world_chance(world, 300) && outside_resolve(world)) {
        return;
    }
    if (node == NULL || node->stopping) {
        return;
    }
    if (world_chance(world, 350)) {
        asks_act(world, node);
        return;
    }
    switch (world_below(world, 9)) {
    case 0:
    case 1: tell_run(world, node); break;
    case 3:
        if (world_chance(world, 800)) {
            versions_change(world);
        } else {
            outside_switch(world);
        }
        break;
    case 2:
        if (!world_calm(world)) {
            give_order(world, node);
        }
        break;
    default: vote(world, node); break;
    }
}
