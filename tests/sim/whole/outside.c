/* outside.c -- what is outside: a service that takes requests, a mail server, a directory of files;
 * and people who go and see.  Stands in for runtime/effect/perform_file.c, too.
 *
 * Whoever takes something may refuse it, say "not now", do it and lose the answer, do it a moment
 * later, or answer too late.  What one has taken is done within OUTSIDE_AFTER_US, or never: that is
 * what a connector's rule builds on (effect.h).
 *
 *   keyed   drops repeats by their key         rule repeat
 *   asked   tells about a key                  rule status
 *   plain   does what it is asked each time    rule person
 *   mail    as plain                           rule person
 *   disk    one file of a name                 rule look
 *   drop    as disk                            rule person
 */
#include "tests/sim/whole/effect_rows.h"
#include "tests/sim/whole/world.h"

#include "effect_sql.h"
#include "runtime/effect/effect_private.h"
#include "tests/sim/whole/outside.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    LATE = 60,      /* thousandths that are answered after a long time, also in a calm world */
    NOT_LIKED = 40, /* thousandths that are refused for what they are */
    SLOWLY = 300,   /* ... that are done a while after they were taken */
    LEAST_TIMEOUT_MS = 500,
    DISK_MS = 40,
    WAYS_MOST = 2,
    TROUBLE = 60, /* thousandths of the attempts, as they begin and as they arrive */
    EARLY = 100   /* thousandths of the looks of people at what does not wait for them yet */
};

static const struct {
    const char *name, *kind, *target, *rule;
} ways[] = {
    {"keyed", "http", "https://outside.example/keyed", "repeat"},
    {"asked", "http", "https://outside.example/asked", "status"},
    {"plain", "http", "https://outside.example/plain", "person"},
    {"mail", "mail", "smtps://outside.example", "person"},
    {"disk", "file", "/outside", "look"},
    {"diskdrop", "file", "/outside", "person"},
};

void outside_make(struct world *world, int32_t tenant)
{
    struct base_call call = {.base = world->base};
    for (size_t i = 0; i < RV_COUNT(ways); i++) {
        json_t *settings = json_pack(
            "{s:s,s:[s],s:i,s:i,s:i,s:s,s:[s]}", "host", "outside.example", "methods", "POST",
            "timeout_ms", LEAST_TIMEOUT_MS + (int)world_below(world, 3000), "attempts",
            2 + (int)world_below(world, 3), "backoff_ms", 100 + (int)world_below(world, 900),
            "from", "reeve@company.example", "recipients", "*@outside.example");
        if (strcmp(ways[i].rule, "status") == 0) {
            json_object_set_new(settings, "status", json_string("/status/{key}"));
        }
        struct connector_row *connector = base_insert(&call, T_CONNECTOR);
        *connector = (struct connector_row){.tenant = tenant,
                                            .id = tenant * 100 + (int)i,
                                            .name = ways[i].name,
                                            .kind = ways[i].kind,
                                            .target = ways[i].target,
                                            .reconcile = ways[i].rule,
                                            .settings = base_keep(world->base, settings),
                                            .version = 1,
                                            .enabled = true};
    }
}

json_t *outside_ways(struct world *world)
{
    json_t *names = json_array();
    for (int64_t left = 1 + world_below(world, WAYS_MOST); left > 0; left--) {
        json_array_append_new(names, json_string(ways[world_below(world, RV_COUNT(ways))].name));
    }
    return names;
}

bool outside_is(const char *url)
{
    return strstr(url, "://outside.example") != NULL;
}

/* ---- deeds ---- */

struct deed *outside_deed(struct world *world, const char *key)
{
    for (struct deed *deed = world->deeds; deed != NULL; deed = deed->next) {
        if (strcmp(deed->key, key) == 0) {
            return deed;
        }
    }
    struct heap *before = heap_enter(&world->heap);
    struct deed *deed = rv_alloc(sizeof *deed);
    heap_leave(before);
    *deed = (struct deed){.next = world->deeds};
    snprintf(deed->key, sizeof deed->key, "%s", key);
    world->deeds = deed;
    return deed;
}

/* An attempt is on its way: each has been said before, in a transaction of its own. */
static void sent(struct world *world, struct deed *deed)
{
    outside_trouble(world, deed->by, deed->tenant, deed->run);
    world->tally.letters++;
    world->tally.rules++;
    if (++deed->sent > deed->begun) {
        world_broken(world, "%s was sent %d times, and %d attempts have begun", deed->key,
                     deed->sent, deed->begun);
    }
}

static void happens(struct world *world, void *data)
{
    struct deed *deed = data;
    deed->pending = false;
    deed->times++;
    world->tally.deeds++;
    world->tally.undone += deed->undoes != NULL;
    world->tally.rules++;
    world_note(world, "outside: %s happens", deed->key);
    if (deed->times > 1) {
        world_broken(world, "%s happened twice", deed->key);
    }
    if (deed->undoes != NULL && deed->undoes->times == 0) {
        world_broken(world, "%s takes back what has not happened", deed->key);
    }
    rules_deed(world, deed);
}

/* Now, or a while after it was taken; gives how long it takes. */
static int64_t happens_soon(struct world *world, struct deed *deed)
{
    if (!world_chance(world, SLOWLY)) {
        happens(world, deed);
        return 0;
    }
    int64_t wait_us = world_below(world, OUTSIDE_AFTER_US);
    deed->pending = true;
    world_at(world, world->now_us + wait_us, happens, deed);
    return wait_us;
}

/* ---- what goes wrong where it hurts ---- */

struct trouble {
    int incarnation;
    int32_t tenant;
    int64_t run;
};

static void trouble_comes(struct world *world, void *data)
{
    const struct trouble *trouble = data;
    struct node *node = NULL;
    for (int i = 0; i < world->node_count; i++) {
        struct node *one = &world->nodes[i];
        node = one->alive && one->incarnation == trouble->incarnation ? one : node;
    }
    if (node == NULL || node->stopping || node->paused || world_calm(world)) {
        return;
    }
    world_note(world, "trouble with run %" PRId64 ", which does something outside", trouble->run);
    world->tally.troubles++;
    world_hurt(world, world->now_us);
    switch (world_below(world, 8)) {
    case 0:
    case 1: world_kill(node); break;
    case 2:
    case 3: world_stand_still(node, world_below(world, 8 * WORLD_SECOND)); break;
    case 4: world_stop(node); break;
    case 5: world_database_crashes(world); break;
    default: people_cancel(world, node, trouble->tenant, trouble->run); break;
    }
}

void outside_trouble(struct world *world, int incarnation, int32_t tenant, int64_t run)
{
    if (!world_calm(world) && world_chance(world, TROUBLE)) {
        struct heap *before = heap_enter(&world->heap);
        struct trouble *trouble = rv_alloc(sizeof *trouble);
        heap_leave(before);
        *trouble = (struct trouble){incarnation, tenant, run};
        world_at(world, world->now_us + world_below(world, 4 * world->rates.latency_us),
                 trouble_comes, trouble);
    }
}

/* ---- requests and mails ---- */

static void answer(struct rv_post_result *result, int status, const char *error)
{
    *result = (struct rv_post_result){.status = status, .sent = true, .type = "", .body = ""};
    snprintf(result->error, sizeof result->error, "%s", error);
    if (status == 200) {
        result->type = "application/json";
        result->body = "{\"ok\":true}";
        result->length = strlen(result->body);
    }
}

static bool goes_wrong(struct world *world)
{
    return !world_calm(world) && world_chance(world, world->rates.refuse);
}

static int64_t tell(struct world *world, const struct deed *deed, struct rv_post_result *result)
{
    if (goes_wrong(world)) {
        answer(result, world_chance(world, 500) ? 500 : 0, "no answer to it");
    } else if (deed->pending) {
        answer(result, 425, "too early to tell");
    } else {
        answer(result, deed->times > 0 ? 200 : 404, "");
    }
    return wire_latency_us(world);
}

static int64_t take(struct world *world, struct deed *deed, bool keyed, int64_t timeout_us,
                    struct rv_post_result *result)
{
    int64_t wait_us = wire_latency_us(world);
    if (goes_wrong(world)) {
        answer(result, world_chance(world, 500) ? 503 : 429, "not now");
        result->retry_after_s = world_below(world, 2);
        return wait_us;
    }
    if (world_chance(world, NOT_LIKED)) {
        answer(result, 422, "not like this");
        return wait_us;
    }
    if (keyed && (deed->times > 0 || deed->pending)) {
        world->tally.repeats++;
        answer(result, deed->pending ? 425 : 200, "");
        return wait_us;
    }
    bool breaks = goes_wrong(world);
    if (breaks && world_chance(world, 500)) {
        answer(result, world_chance(world, 500) ? 502 : 0, "it broke");
        return wait_us;
    }
    wait_us += happens_soon(world, deed);
    answer(result, 200, "");
    if (breaks || world_chance(world, LATE)) { /* it is done, and nobody hears of it */
        world->tally.unheard++;
        answer(result, breaks && world_chance(world, 300) ? 504 : 0, "it was cut off");
        wait_us = world_below(world, 2 * timeout_us);
    }
    return wait_us;
}

/* The same in the words of a mail server: what it has not said with a code, nobody knows. */
static void as_mail(struct rv_post_result *result)
{
    int status = result->status;
    result->status = status == 200                    ? 250
                     : status == 503 || status == 429 ? 451
                     : status == 422                  ? 550
                                                      : 0;
    if (status != 200 && result->error[0] == '\0') {
        snprintf(result->error, sizeof result->error, "no");
    }
}

int64_t outside_take(struct world *world, const struct outside_letter *letter,
                     struct rv_post_result *result)
{
    struct deed *deed = outside_deed(world, letter->key);
    const char *undo = strstr(letter->url, "/undo/");
    bool mail = strncmp(letter->url, "smtps:", 6) == 0;
    bool keyed = strstr(letter->url, "/keyed/") != NULL;
    if (strcmp(letter->method, "GET") == 0) {
        int64_t wait_us = tell(world, deed, result);
        world_note(world, "outside: asked about %s: %d", deed->key, result->status);
        return wait_us;
    }
    if (undo != NULL) {
        deed->undoes = outside_deed(world, undo + strlen("/undo/"));
    }
    sent(world, deed);
    int64_t wait_us = take(world, deed, keyed, letter->timeout_us, result);
    world_note(world, "outside: %s arrives: %d %s", deed->key, result->status, result->error);
    if (mail) {
        as_mail(result);
    }
    return wait_us;
}

/* ---- files ---- */

struct file_job {
    struct node *node;
    int incarnation;
    struct deed *deed;
    const struct effect_call *call;
    enum effect_verdict verdict;
};

static void file_done(void *data)
{
    struct file_job *job = data;
    struct effect_result result = {.answer = NULL};
    if (job->verdict == EFFECT_HAPPENED) {
        result.verdict = EFFECT_HAPPENED;
        result.answer = json_pack("{s:s}", "name", "a file");
    } else {
        effect_result_set(&result, job->verdict,
                          job->verdict == EFFECT_REFUSED ? RV_CONFLICT : RV_IO, "the disk says no");
    }
    job->call->done(job->call->data, &result);
}

/* The whole process stands still, its pool of threads, too. */
static void file_works(struct world *world, void *data)
{
    struct file_job *job = data;
    struct node *node = job->node;
    struct deed *deed = job->deed;
    if (!node->alive || node->incarnation != job->incarnation) {
        return;
    }
    if (node->paused) {
        world_at(world, world->now_us + DISK_MS * WORLD_MS, file_works, job);
        return;
    }
    if (job->call->look) {
        job->verdict = goes_wrong(world)  ? EFFECT_UNKNOWN
                       : deed->times == 0 ? EFFECT_NOT_YET
                                          : EFFECT_HAPPENED;
    } else {
        sent(world, deed);
        bool over = world->now_us >= job->call->over_us;
        job->verdict = over || goes_wrong(world) ? EFFECT_NOT_YET
                       : deed->times == 0        ? EFFECT_HAPPENED
                                                 : EFFECT_REFUSED;
        if (job->verdict == EFFECT_HAPPENED) {
            happens(world, deed);
        }
    }
    world_enter(node);
    rv_loop_post(node->loop, file_done, job);
    world_leave();
}

void effect_file_begin(struct rv_effects *effects, struct effect_call *call)
{
    struct node *node = loop_node(effect_loop(effects));
    struct world *world = node->world;
    struct heap *before = heap_enter(&world->heap);
    struct file_job *job = rv_alloc(sizeof *job);
    heap_leave(before);
    *job = (struct file_job){.node = node,
                             .incarnation = node->incarnation,
                             .deed = outside_deed(world, call->intent->key),
                             .call = call};
    world_at(world, world->now_us + world_below(world, DISK_MS * WORLD_MS), file_works, job);
}

/* ---- people ---- */

/* They say what is true, and not before nothing more can come of it. */
static bool can_say(struct world *world, const struct intent_row *intent)
{
    const struct deed *deed = outside_deed(world, intent->key);
    bool early = base_is(intent->state, "unclear") || base_is(intent->state, "attempting");
    return world->base->head_locks[intent->tenant] == NULL && !deed->pending &&
           world->now_us > deed->busy_until_us &&
           (base_is(intent->state, "person") || (early && world_chance(world, EARLY)));
}

/* As `reeve intent resolve` does, a program of its own. */
static void say(struct world *world, const struct intent_row *intent)
{
    struct heap *before = heap_enter(&world->heap);
    bool done = outside_deed(world, intent->key)->times > 0;
    struct rv_args *args =
        rv_effect_said(intent->tenant, intent->run, intent->seq, done, "clerk", "seen there");
    struct base_message *message = base_message_make(&rv_sql_effect_resolve, args, 0);
    struct base_session *session = base_session_open(world->base, 0);
    struct base_reply reply = {.rows = 0};
    world_note(world, "people say of %s (%s): %s", intent->key, intent->state,
               done ? "done" : "failed");
    session->begun = true;
    session->tenant = intent->tenant;
    RV_ASSERT(base_execute(session, message, &reply) == BASE_DONE && !reply.failed);
    session->begun = false;
    base_sync(session);
    world->tally.said += reply.rows;
    base_reply_fini(&reply);
    base_message_free(message);
    base_session_close(session);
    heap_leave(before);
}

static bool is_database_there(const struct world *world)
{
    return world->now_us >= world->down_until_us && world->now_us >= world->stall_until_us;
}

void outside_switch(struct world *world)
{
    const struct base_rows *rows = &world->base->tables[T_CONNECTOR];
    struct connector_row *connector = rows->rows[world_below(world, rows->count)];
    if (is_database_there(world) && world->base->head_locks[connector->tenant] == NULL) {
        struct base_call call = {.base = world->base}; /* one row, in a moment */
        base_touch(&call, T_CONNECTOR, connector);
        connector->enabled = !connector->enabled;
        connector->version++;
        world_note(world, "connector %s of company %d is switched %s", connector->name,
                   (int)connector->tenant, connector->enabled ? "on" : "off");
    }
}

bool outside_resolve(struct world *world)
{
    if (!is_database_there(world)) {
        return false;
    }
    BASE_EACH(world->base, T_INTENT, intent_row, intent)
    {
        if (can_say(world, intent)) {
            say(world, intent);
            return true;
        }
    }
    return false;
}
