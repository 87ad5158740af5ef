/* world.c -- time, who runs next, what goes wrong.
 *
 *   something is ready?  the seed picks: an event that is due, or one callback of one node
 *   nothing is?          time jumps to the next moment at which something is
 *
 * Callbacks take no time; messages do.  Faults come for a while, then the world is calm and must
 * come to rest: whatever has not ended by then is lost, and that is a broken promise, too.
 */
#include "tests/sim/whole/world.h"

#include "runtime/base/log.h"
#include "runtime/hooks/vault.h"
#include "runtime/lua/plan.h"
#include "runtime/schedule/zone.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    EVENTS_FIRST = 256,
    CASES_MOST = 6,
    FEW_ROOMS = 400, /* thousandths of the worlds; ... */
    CROWDED = 150,   /* ... and of those: with a crowd */
    ROOMS_LEAST = 2,
    ROOMS_MOST = 8,
    ROOMS_CROWDED = 4, /* so that a small crowd is one */
    CROWD_MORE = 6,
    AMOUNTS_MOST = 3,
    UNLUCKY = 250, /* thousandths: what comes after effects outside is refused */
    PLAN_BYTES = 8192,
    PATIENCE_S =
        240, /* of calm: longer than every deadline in a plan, a lease and a policy together */
    NAME_POLL_MS = 100,
    LOOK_REST_MS = 250,
    LOOKS_AT_REST = 4 /* so that what is on its way has come */
};
#define START_US INT64_C(1767225600000000) /* 2026-01-01 */

struct event {
    int64_t at_us;
    uint64_t order;
    void (*run)(struct world *world, void *data);
    void *data;
};

/* ---- whose code runs ---- */

static struct node *current;
static struct heap *left_heap;

struct node *world_current(void)
{
    return current;
}

void world_enter(struct node *node)
{
    RV_ASSERT(current == NULL);
    current = node;
    left_heap = heap_enter(&node->heap);
}

void world_leave(void)
{
    RV_ASSERT(current != NULL);
    current = NULL;
    heap_leave(left_heap);
}

/* ---- chance and story ---- */

bool world_chance(struct world *world, int thousandths)
{
    return (int)rv_random_below(&world->random, 1000) < thousandths;
}

int64_t world_below(struct world *world, int64_t bound)
{
    return bound <= 0 ? 0 : (int64_t)rv_random_below(&world->random, (uint64_t)bound);
}

static void mix(struct world *world, uint64_t value)
{
    for (int i = 0; i < 8; i++) {
        world->hash = (world->hash ^ (value & 0xFF)) * UINT64_C(1099511628211); /* FNV-1a */
        value >>= 8;
    }
}

void world_note(struct world *world, const char *format, ...)
{
    char text[240];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    mix(world, (uint64_t)world->now_us);
    for (const char *at = text; *at != '\0'; at++) {
        world->hash = (world->hash ^ (unsigned char)*at) * UINT64_C(1099511628211);
    }
    if (world->options.trace) {
        char when[RV_TIME_TEXT];
        rv_time_text(world->now_us, when);
        printf("%s  %s\n", when + 11, text);
        fflush(stdout);
    }
}

void world_broken(struct world *world, const char *format, ...)
{
    if (world->violation[0] != '\0') {
        return; /* the first is the one to look at */
    }
    va_list args;
    va_start(args, format);
    vsnprintf(world->violation, sizeof world->violation, format, args);
    va_end(args);
    world_note(world, "BROKEN: %s", world->violation);
}

bool world_calm(const struct world *world)
{
    return !world->options.faults || world->now_us >= world->rates.calm_us;
}

/* ---- events ---- */

static bool sooner(const struct event *a, const struct event *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

void world_at(struct world *world, int64_t at_us, void (*run)(struct world *world, void *data),
              void *data)
{
    if (world->event_count == world->event_capacity) {
        struct heap *before = heap_enter(&world->heap);
        world->event_capacity = world->event_capacity * 2 + EVENTS_FIRST;
        world->events =
            rv_realloc(world->events, (size_t)world->event_capacity * sizeof *world->events);
        heap_leave(before);
    }
    struct event event = {at_us, ++world->event_order, run, data};
    int at = world->event_count++;
    for (; at > 0 && sooner(&event, &world->events[(at - 1) / 2]); at = (at - 1) / 2) {
        world->events[at] = world->events[(at - 1) / 2];
    }
    world->events[at] = event;
}

static void run_event(struct world *world)
{
    struct event first = world->events[0];
    struct event last = world->events[--world->event_count];
    int at = 0;
    for (;;) {
        int child = 2 * at + 1;
        if (child + 1 < world->event_count &&
            sooner(&world->events[child + 1], &world->events[child])) {
            child++;
        }
        if (child >= world->event_count || !sooner(&world->events[child], &last)) {
            break;
        }
        world->events[at] = world->events[child];
        at = child;
    }
    world->events[at] = last;
    first.run(world, first.data);
}

/* ---- plans and policy, once per process ---- */

struct plan {
    const char *name;
    char *source;
    size_t length;
    struct rv_hash hash;
    char *next; /* the next version: the same, and a comment */
    struct rv_hash next_hash;
    json_t *manifest;
};
static struct plan plans[] = {
    {.name = "clerk"},   {.name = "payer"},   {.name = "waiter"}, {.name = "boss"},
    {.name = "helper"},  {.name = "spender"}, {.name = "asker"},  {.name = "dozer"},
    {.name = "adviser"}, {.name = "courier"},
};
static struct plan policy = {.name = "policy"};

static void read_source(struct plan *plan)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s.lua", SIM_WHOLE_DIR, plan->name);
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        fprintf(stderr, "sim: cannot read %s\n", path);
        exit(EXIT_FAILURE);
    }
    plan->source = rv_alloc(PLAN_BYTES);
    plan->length = fread(plan->source, 1, PLAN_BYTES - 1, file);
    fclose(file);
    plan->hash = rv_sha256(plan->source, plan->length);
}

static void must(enum rv_code code, const struct rv_error *err)
{
    if (code != RV_OK) {
        fprintf(stderr, "sim: %s %s %s\n", err->message, err->detail, err->hint);
        exit(EXIT_FAILURE);
    }
}

void worlds_begin(void)
{
    static bool begun;
    if (begun) {
        return;
    }
    begun = true;
    heap_begin();
    rv_log_level(RV_LOG_SILENT);
    books_begin();
    nodes_begin();
    for (size_t i = 0; i < RV_COUNT(plans); i++) {
        struct rv_error err = {.code = RV_OK};
        struct rv_agent *agent = NULL;
        read_source(&plans[i]);
        must(rv_agent_load(plans[i].source, plans[i].length, plans[i].name, &agent, &err), &err);
        plans[i].manifest = json_deep_copy(rv_agent_manifest(agent));
        rv_agent_destroy(agent);
        plans[i].next = rv_alloc(PLAN_BYTES + 32);
        int length = snprintf(plans[i].next, PLAN_BYTES + 32, "%s-- once more\n", plans[i].source);
        plans[i].next_hash = rv_sha256(plans[i].next, (size_t)length);
    }
    struct rv_error err = {.code = RV_OK};
    struct rv_policy *loaded = NULL;
    read_source(&policy);
    must(rv_policy_load(policy.source, policy.length, "policy", &loaded, &err), &err);
    policy.hash = rv_policy_hash(loaded);
    rv_policy_destroy(loaded);
}

/* ---- the companies as they are in the beginning ---- */

static struct base_call seed_call(struct world *world)
{
    return (struct base_call){.base = world->base};
}

static json_t *keep(struct world *world, json_t *json)
{
    return base_keep(world->base, json);
}

static void make_people(struct world *world, int32_t tenant)
{
    static const struct {
        const char *name, *role;
    } people[] = {{"clerk", "clerk"},
                  {"controller", "controller"},
                  {"deputy controller", "controller"},
                  {"manager", "manager"}};
    struct base_call call = seed_call(world);
    for (size_t i = 0; i < RV_COUNT(people); i++) {
        struct person_row *person = base_insert(&call, T_PERSON);
        *person = (struct person_row){.tenant = tenant,
                                      .name = people[i].name,
                                      .roles = keep(world, json_pack("[s]", people[i].role)),
                                      .enabled = true};
    }
}

static void make_plan(struct world *world, int32_t tenant, const struct plan *plan,
                      const char *source, const struct rv_hash *hash)
{
    struct base_call call = seed_call(world);
    struct plan_row *row = base_insert(&call, T_PLAN);
    *row = (struct plan_row){.tenant = tenant,
                             .agent = plan->name,
                             .version = "1",
                             .manifest = keep(world, json_incref(plan->manifest)),
                             .source = source};
    memcpy(row->hash, hash->bytes, RV_HASH_BYTES);
}

static void make_agents(struct world *world, int32_t tenant)
{
    struct base_call call = seed_call(world);
    for (size_t i = 0; i < RV_COUNT(plans); i++) {
        make_plan(world, tenant, &plans[i], plans[i].source, &plans[i].hash);
        make_plan(world, tenant, &plans[i], plans[i].next, &plans[i].next_hash);
        struct agent_row *agent = base_insert(&call, T_AGENT);
        *agent = (struct agent_row){
            .tenant = tenant, .name = plans[i].name, .owner = "clerk", .enabled = true};
        memcpy(agent->hash, plans[i].hash.bytes, RV_HASH_BYTES);
    }
    struct policy_row *active = base_insert(&call, T_POLICY);
    *active = (struct policy_row){
        .tenant = tenant, .name = "sim", .source = policy.source, .active = true};
    memcpy(active->hash, policy.hash.bytes, RV_HASH_BYTES);
}

static void make_outside(struct world *world, int32_t tenant)
{
    struct base_call call = seed_call(world);
    struct endpoint_row *endpoint = base_insert(&call, T_ENDPOINT);
    *endpoint = (struct endpoint_row){
        .tenant = tenant, .id = tenant * 10, .url = "https://receiver.example/", .created_us = 0};
    static const uint8_t secret[24] = "a secret of the receiver";
    endpoint->secret_length =
        (int)rv_hook_seal(node_vault, tenant, endpoint->id, RV_HOOK_FIELD_SECRET, secret,
                          sizeof secret, endpoint->secret);
    char version[RV_ZONE_VERSION_TEXT];
    rv_zone_version(NULL, version);
    struct schedule_row *schedule = base_insert(&call, T_SCHEDULE);
    int64_t first_us = world->now_us + (5 + world_below(world, 10)) * WORLD_SECOND;
    first_us -= first_us % (10 * WORLD_SECOND);
    static const char *const overlaps[] = {"skip",         "buffer_one",      "buffer_all",
                                           "cancel_other", "terminate_other", "allow_all"};
    *schedule = (struct schedule_row){
        .tenant = tenant,
        .name = "work",
        .status = "active",
        .cron = "*/10 * * * * *",
        .zone = "UTC",
        .gap = "boundary",
        .fold = "first",
        .overlap = overlaps[world_below(world, RV_COUNT(overlaps))],
        .action = "look",
        .tzdata = rv_arena_strdup(world->base->arena, version),
        .window_s = 3600,
        .most = 60, /* after a long silence: hundreds more would show nothing new */
        .pause_after = world_chance(world, 300) ? 2 : 0,
        .input = keep(world, json_object()),
        .has_next = true,
        .has_due = true,
        .next_us = first_us + 10 * WORLD_SECOND,
        .due_us = first_us + 10 * WORLD_SECOND,
    };
}

static void make_company(struct world *world, int32_t tenant)
{
    struct base_call call = seed_call(world);
    struct tenant_row *row = base_insert(&call, T_TENANT);
    *row = (struct tenant_row){
        .tenant = tenant, .name = "company", .company = keep(world, json_object())};
    struct head_row *head = base_insert(&call, T_HEAD);
    *head = (struct head_row){.tenant = tenant, .checkpoint_at_us = INT64_MIN};
    make_people(world, tenant);
    make_agents(world, tenant);
    make_outside(world, tenant);
    outside_make(world, tenant);
}

static void open_case(struct world *world, int32_t tenant, const char *type)
{
    struct base_call call = seed_call(world);
    int number = ++world->cases;
    char text[32];
    snprintf(text, sizeof text, "case:%d", number);
    json_t *amounts = json_array();
    int64_t count = 1 + world_below(world, AMOUNTS_MOST);
    bool outside = strcmp(type, "X08") == 0;
    for (int64_t i = 0; i < count; i++) {
        bool unlucky = outside && world_chance(world, UNLUCKY); /* it will be taken back */
        json_array_append_new(amounts, json_integer(unlucky ? 13 * (1 + world_below(world, 70))
                                                            : 1 + world_below(world, 1000)));
    }
    struct exception_row *exception = base_insert(&call, T_EXCEPTION);
    *exception = (struct exception_row){
        .tenant = tenant,
        .type = type,
        .subject = rv_arena_strdup(world->base->arena, text),
        .resource = rv_arena_strdup(world->base->arena, text),
        .summary = "to be done",
        .state = "open",
        .evidence = keep(world, json_pack("{s:s,s:o,s:o*}", "name", text, "amounts", amounts,
                                          "ways", outside ? outside_ways(world) : NULL)),
        .opened_seq = number,
        .found_seq = number};
    struct rv_hash key = rv_sha256(text, strlen(text));
    memcpy(exception->key, key.bytes, RV_HASH_BYTES);
    world_note(world, "company %d: %s (%s) is found", (int)tenant, text, exception->type);
    if (world_chance(world, 700)) { /* told by who found it, but for one of an older version */
        wires_notify(world, tenant);
    }
}

void world_open_case(struct world *world)
{
    static const char *const types[] = {"X01", "X02", "X02", "X03", "X03",
                                        "X04", "X05", "X08", "X08", "X08"};
    int32_t tenant = 1 + (int32_t)world_below(world, world->companies);
    open_case(world, tenant, types[world_below(world, RV_COUNT(types))]);
}

/* Many more runs in one company than rooms: most only sleep, a second at a time,
 * or wait for the model. */
static void crowd_comes(struct world *world, void *data)
{
    (void)data;
    static const char *const types[] = {"X06", "X06", "X06", "X06", "X07", "X07",
                                        "X07", "X01", "X02", "X03", "X04", "X05"};
    int count = world->rooms.company_max * 2 + (int)world_below(world, CROWD_MORE);
    int32_t tenant = 1 + (int32_t)world_below(world, world->companies);
    world->tally.crowds++;
    world->cases_most += count;
    for (int i = 0; i < count; i++) {
        open_case(world, tenant, types[world_below(world, RV_COUNT(types))]);
    }
}

/* In some worlds nodes have few rooms, and in some of these there is a crowd, about when the faults
 * end: what goes on beside it is looked at while nothing is wrong. */
static void make_rooms(struct world *world)
{
    if (!world_chance(world, FEW_ROOMS)) {
        return;
    }
    bool crowded = world_chance(world, CROWDED);
    int most = ROOMS_LEAST +
               (int)world_below(world, (crowded ? ROOMS_CROWDED : ROOMS_MOST) - ROOMS_LEAST + 1);
    world->rooms = (struct rv_run_limits){.share = 1 + (int)world_below(world, most),
                                          .company_max = most,
                                          .active_max = most + (int)world_below(world, most)};
    if (crowded) {
        int64_t at_us = world->rates.calm_us + world_below(world, 4 * WORLD_SECOND);
        world_at(world, at_us - 3500 * WORLD_MS, crowd_comes, NULL);
    }
}

/* ---- what goes wrong ---- */

static void node_comes(struct world *world, void *data)
{
    struct node *node = data;
    if (node->alive || world->ending) {
        return;
    }
    if (cluster_name_free(node)) {
        node_begin(node);
        world_hurt(world, world->now_us);
    } else {
        world_at(world, world->now_us + NAME_POLL_MS * WORLD_MS, node_comes, node);
    }
}

static void come_back_later(struct world *world, struct node *node, int64_t most_us)
{
    world_at(world, world->now_us + world_below(world, most_us), node_comes, node);
}

static void stop_took_too_long(struct world *world, void *data)
{
    struct node *node = data;
    if (node->alive && node->stopping && world->now_us >= node->kill_us) {
        node_kill(node);
        come_back_later(world, node, WORLD_SECOND);
    }
}

void world_kill(struct node *node)
{
    node_kill(node);
    come_back_later(node->world, node, 8 * WORLD_SECOND);
}

void world_stop(struct node *node)
{
    node_stop(node);
    world_at(node->world, node->kill_us, stop_took_too_long, node);
}

void world_node_stopped(struct node *node)
{
    come_back_later(node->world, node, 2 * WORLD_SECOND);
}

static void goes_on(struct world *world, void *data)
{
    struct node *node = data;
    if (node->alive && node->paused) {
        node->paused = false;
        node->behind = true;
        world_hurt(world, world->now_us);
        world_note(world, "node %d goes on", node->index);
    }
}

void world_stand_still(struct node *node, int64_t for_us)
{
    struct world *world = node->world;
    world_note(world, "node %d stands still for %" PRId64 " ms", node->index, for_us / 1000);
    world->tally.pauses++;
    node->paused = true;
    world_at(world, world->now_us + for_us, goes_on, node);
}

struct node *world_some_node(struct world *world)
{
    struct node *node = &world->nodes[world_below(world, world->node_count)];
    return node->alive ? node : NULL;
}

void world_database_crashes(struct world *world)
{
    world->down_until_us = world->now_us + world_below(world, 4 * WORLD_SECOND);
    world_note(world, "the database crashes and is away for %" PRId64 " ms",
               (world->down_until_us - world->now_us) / 1000);
    world->tally.crashes++;
    world->base->started_us = base_now_us(world->base) + world->down_until_us - world->now_us;
    wires_server_crash(world);
}

static void break_something(struct world *world)
{
    struct node *node = world_some_node(world);
    world_hurt(world, world->now_us);
    switch (world_below(world, 14)) {
    case 0:
    case 1:
        if (node != NULL) {
            world_kill(node);
        }
        break;
    case 2:
    case 3:
        if (node != NULL && !node->stopping && !node->paused) {
            world_stop(node);
        }
        break;
    case 4:
    case 5:
        if (node != NULL && !node->paused && world_chance(world, 500)) {
            node->stops_in_batch = true; /* wire.c, where it has the head */
        } else if (node != NULL && !node->paused) {
            world_stand_still(node, 100 * WORLD_MS + world_below(world, 12 * WORLD_SECOND));
        }
        break;
    case 6: world_database_crashes(world); break;
    case 7:
        world->stall_until_us = world->now_us + world_below(world, 4 * WORLD_SECOND);
        world_hurt(world, world->stall_until_us); /* what has come until then waits so long */
        world_note(world, "the database stands still for %" PRId64 " ms",
                   (world->stall_until_us - world->now_us) / 1000);
        break;
    case 8:
        if (node != NULL) {
            node->jump_us += world_below(world, 4 * 3600 * WORLD_SECOND) - 7200 * WORLD_SECOND;
            world->tally.jumps++;
            world_note(world, "the clock of node %d is off by %" PRId64 " s", node->index,
                       node->jump_us / WORLD_SECOND);
        }
        break;
    case 9:
    case 10:
        world->slow_disk_until_us = world->now_us + world_below(world, 5 * WORLD_SECOND);
        world_note(world, "the disk is slow for %" PRId64 " ms",
                   (world->slow_disk_until_us - world->now_us) / 1000);
        break;
    default: wires_drop_one(world); break;
    }
}

static void fault(struct world *world, void *data)
{
    (void)data;
    if (!world_calm(world)) {
        break_something(world);
        world_at(world,
                 world->now_us + 1 + world_below(world, 2 * world->rates.fault_ms * WORLD_MS),
                 fault, NULL);
    }
}

/* From now on nothing goes wrong, and whoever is down comes back. */
static void calm_begins(struct world *world, void *data)
{
    (void)data;
    world_note(world, "calm");
    world_hurt(world, world->now_us);
    world->down_until_us = 0;
    world->stall_until_us = 0;
    world->slow_disk_until_us = 0;
    for (int i = 0; i < world->node_count; i++) {
        goes_on(world, &world->nodes[i]);
        world->nodes[i].jump_us = 0; /* somebody has set the clocks */
        if (!world->nodes[i].alive) {
            come_back_later(world, &world->nodes[i], WORLD_SECOND);
        }
    }
}

/* ---- creation ---- */

static int64_t base_clock(void *data)
{
    const struct world *world = data;
    return world->now_us + world->base_jump_us;
}

static struct world_rates draw_rates(struct world *world)
{
    int64_t wildness = world_below(world, 4);
    struct world_rates rates = {
        .people_ms = 250 + world_below(world, 550),
        .latency_us = 100 + world_below(world, world_chance(world, 200) ? 20000 : 1500),
        .fault_ms = 400 + world_below(world, 4000),
        .slow = (int)(world_below(world, 12) * wildness),
        .drop = (int)(world_below(world, 8) * wildness),
        .refuse = (int)(world_below(world, 150) * wildness),
        .late = (int)(world_below(world, 60) * wildness),
        .twice = (int)(world_below(world, 60) * wildness),
        .disk_us = world_below(world, world_chance(world, 200) ? 30000 : 2000),
        .calm_us = world->now_us + (6 + world_below(world, 14)) * WORLD_SECOND,
    };
    return rates;
}

static void at_rest_yet(struct world *world, void *data);

struct world *world_create(const struct world_options *options)
{
    struct world *world = rv_alloc(sizeof *world);
    struct heap *before = heap_enter(&world->heap);
    chance_begin(options->seed);
    world->options = *options;
    world->random.state = options->seed;
    world->hash = UINT64_C(14695981039346656037);
    world->now_us = START_US + world_below(world, 1000 * WORLD_SECOND);
    world->base = base_create();
    world->base->now_us = base_clock;
    world->base->now_data = world;
    world->base->watch = rules_commit;
    world->base->watch_data = world;
    world->base->lock_taken = wires_advisory_taken;
    world->base->lock_data = world;
    world->base->notify = wires_notify;
    rules_begin(world);
    world->companies = 1 + (int)world_below(world, WORLD_COMPANIES_MAX);
    world->node_count =
        options->nodes > 0 ? options->nodes : 1 + (int)world_below(world, WORLD_NODES_MAX);
    world->cases_most = 2 + (int)world_below(world, CASES_MOST);
    world->rates = draw_rates(world);
    for (int i = 0; i < world->companies; i++) {
        make_company(world, i + 1);
    }
    make_rooms(world);
    world_open_case(world);
    for (int i = 0; i < world->node_count; i++) {
        world->nodes[i] = (struct node){.world = world, .index = i};
        world_at(world, world->now_us + world_below(world, WORLD_SECOND), node_comes,
                 &world->nodes[i]);
    }
    rules_alive_begin(world);
    world_at(world, world->now_us + WORLD_SECOND, fault, NULL);
    world_at(world, world->now_us + WORLD_SECOND, people_act, NULL);
    world_at(world, world->rates.calm_us, calm_begins, NULL);
    world_at(world, world->rates.calm_us, at_rest_yet, NULL);
    heap_leave(before);
    return world;
}

void world_destroy(struct world *world)
{
    for (int i = 0; i < world->node_count; i++) {
        heap_wipe(&world->nodes[i].heap);
    }
    struct heap *before = heap_enter(&world->heap);
    base_destroy(world->base);
    heap_leave(before);
    heap_wipe(&world->heap);
    rv_free(world);
}

/* ---- life ---- */

/* Looks now and then whether all is done; then everybody stops in order. */
static void at_rest_yet(struct world *world, void *data)
{
    (void)data;
    world->rested = rules_at_rest(world) ? world->rested + 1 : 0;
    if (world->cases < world->cases_most || world->rested < LOOKS_AT_REST) {
        if (world->now_us > world->rates.calm_us + PATIENCE_S * WORLD_SECOND) {
            rules_lost(world);
            return;
        }
        world_at(world, world->now_us + LOOK_REST_MS * WORLD_MS, at_rest_yet, NULL);
        return;
    }
    rules_rooms(world);
    world_note(world, "at rest");
    world->ending = true;
    for (int i = 0; i < world->node_count; i++) {
        struct node *node = &world->nodes[i];
        if (node->alive && !node->stopping) {
            node_stop(node);
        }
    }
}

static bool is_ready(const struct world *world, const struct node *node)
{
    return node->alive && !node->paused && loop_ready_us(node->loop) <= world->now_us;
}

static void turn(struct world *world, struct node *node)
{
    world_enter(node);
    struct rv_loop *loop = node->loop;
    loop_turn(loop, rv_random_next(&world->random));
    if (current != NULL) {
        world_leave();
    }
    if (node->behind && node->alive && !is_ready(world, node)) {
        node->behind = false;
        node_hurt(node, world->now_us);
    }
}

/* Time jumps to the next moment at which something can happen; false when there is none. */
static bool jump(struct world *world)
{
    int64_t next_us = world->event_count > 0 ? world->events[0].at_us : INT64_MAX;
    for (int i = 0; i < world->node_count; i++) {
        const struct node *node = &world->nodes[i];
        if (node->alive && !node->paused) {
            int64_t ready_us = loop_ready_us(node->loop);
            next_us = ready_us < next_us ? ready_us : next_us;
        }
    }
    if (next_us == INT64_MAX) {
        return false;
    }
    world->now_us = next_us > world->now_us ? next_us : world->now_us;
    return true;
}

static bool step(struct world *world)
{
    struct node *ready[WORLD_NODES_MAX];
    int count = 0;
    for (int i = 0; i < world->node_count; i++) {
        if (is_ready(world, &world->nodes[i])) {
            ready[count++] = &world->nodes[i];
        }
    }
    bool due = world->event_count > 0 && world->events[0].at_us <= world->now_us;
    if (count == 0 && !due) {
        return jump(world);
    }
    world->tally.steps++;
    int64_t pick = world_below(world, count + due);
    if (pick == count) {
        run_event(world);
    } else {
        turn(world, ready[pick]);
    }
    return true;
}

bool world_live(struct world *world)
{
    struct heap *before = heap_enter(&world->heap);
    int64_t began_us = world->now_us;
    while (world->violation[0] == '\0' && step(world)) {
        if (world->tally.steps > WORLD_STEPS_MAX) {
            world_broken(world, "the world does not come to an end");
        }
    }
    if (world->violation[0] == '\0') {
        rules_check_end(world);
    }
    for (int i = 0; world->violation[0] == '\0' && i < world->node_count; i++) {
        if (world->nodes[i].alive) {
            world_broken(world, "node %d does not stop", i);
        }
    }
    world->tally.lived_us = world->now_us - began_us;
    heap_leave(before);
    return world->violation[0] == '\0';
}
