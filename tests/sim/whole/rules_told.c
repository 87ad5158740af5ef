/* rules_told.c -- what must hold of updates, published values, and runs that go on for dead ones.
 *
 *   updates     row and signal together; taken once, answered once; what was said of one stays so
 *   values      read as they were published, none older than what was there when it was asked
 *   revivals    one for each dead run; the journal as it was; no effect again that still stands
 *   runs        of a person's own: one for a number, and its key claimed once (rules.c)
 */
#include "tests/sim/whole/world.h"

#include "runtime/run/run.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void broken(struct world *world, bool holds, const char *what, int64_t run, const char *id)
{
    world->tally.rules++;
    if (!holds) {
        world_broken(world, "%s (run %" PRId64 ", %s)", what, run, id);
    }
}

/* ---- updates ---- */

static bool is_new(const struct base_session *session, enum base_table table, const void *row)
{
    for (int i = 0; i < session->change_count; i++) {
        const struct base_change *change = &session->changes[i];
        if (change->table == table && change->row == row && change->before == NULL) {
            return true;
        }
    }
    return false;
}

void rules_update(struct world *world, const struct base_session *session,
                  const struct update_row *update)
{
    const struct signal_row *signal =
        base_signal(world->base, update->tenant, update->run, update->signal);
    bool carried = signal != NULL && is_new(session, T_SIGNAL, signal) &&
                   strcmp(rv_json_str(signal->body, "id", ""), update->id) == 0 &&
                   strcmp(signal->name, "$update.amount") == 0;
    world->tally.updates++;
    broken(world, carried, "an update without the signal that carries it", update->run, update->id);
    broken(world, rv_json_int(json_object_get(signal->body, "body"), "minor", 0) > 0,
           "an update that its schema does not take", update->run, update->id);
}

/* A step that takes an update, or answers one. */
static void check_taken(struct world *world, const struct step_row *step, const char *id)
{
    const struct update_row *update = base_update(world->base, step->tenant, step->run, id);
    const struct signal_row *signal =
        update != NULL ? base_signal(world->base, step->tenant, step->run, update->signal) : NULL;
    broken(world, signal != NULL && signal->consumed_seq == step->seq,
           "an update was taken that nobody sent, or taken twice", step->run, id);
}

static void check_reply(struct world *world, const struct step_row *step)
{
    const char *id = step->name + strlen("reply.");
    const struct run_row *run = base_run(world->base, step->tenant, step->run);
    const struct input_row *input = base_input(world->base, step->tenant, step->run);
    bool revived = json_object_get(input->input, "forked") != NULL;
    const struct update_row *update = base_update(world->base, step->tenant, run->id, id);
    const struct signal_row *signal =
        update != NULL ? base_signal(world->base, step->tenant, step->run, update->signal) : NULL;
    bool taken = signal != NULL && signal->consumed_seq != 0 && signal->consumed_seq < step->seq;
    broken(world, taken || (revived && update == NULL), "an answer to what was not asked",
           step->run, id);
    world->tally.replies++;
    BASE_EACH(world->base, T_STEP, step_row, other)
    {
        broken(world,
               other == step || other->run != step->run || other->kind != RV_STEP_REPLY ||
                   strcmp(other->name, step->name) != 0,
               "an update was answered twice", step->run, id);
    }
}

/* "state" counts up: what was told once is not told again. */
static void check_published(struct world *world, const struct step_row *step)
{
    int64_t before = 0;
    BASE_EACH(world->base, T_STEP, step_row, other)
    {
        if (other->run == step->run && other->kind == RV_STEP_PUBLISH && other->seq < step->seq) {
            before = rv_json_int(json_object_get(other->json, "published"), "n", 0);
        }
    }
    broken(world, rv_json_int(json_object_get(step->json, "published"), "n", 0) == before + 1,
           "a value was published twice, or one is missing", step->run, step->name);
}

void rules_told_step(struct world *world, const struct step_row *step)
{
    if (step->kind == RV_STEP_SIGNAL && strcmp(step->name, "update") == 0 &&
        rv_json_bool(step->json, "ok", false)) {
        check_taken(world, step, rv_json_str(json_object_get(step->json, "value"), "id", ""));
    } else if (step->kind == RV_STEP_REPLY) {
        check_reply(world, step);
    } else if (step->kind == RV_STEP_PUBLISH) {
        check_published(world, step);
    }
}

static bool is_final(const json_t *update)
{
    const char *state = rv_json_str(update, "state", "");
    return strcmp(state, "answered") == 0 || strcmp(state, "refused") == 0;
}

void rules_told_update(struct ask *ask, const json_t *update)
{
    struct world *world = ask->world;
    const struct update_row *row = base_update(world->base, ask->tenant, ask->run, ask->id);
    broken(world, !ask->wrong, "an update was accepted that no schema takes", ask->run, ask->id);
    broken(world, row != NULL, "an update that was accepted is not there", ask->run, ask->id);
    if (row == NULL || !is_final(update)) {
        return;
    }
    struct heap *before = heap_enter(&world->heap);
    json_t *now = base_update_shown(world->base, row); /* an end is an end */
    const json_t *said = json_object_get(update, "result");
    bool same = json_equal(json_object_get(now, "state"), json_object_get(update, "state")) &&
                (said == NULL || json_equal(json_object_get(now, "result"), said)) &&
                json_equal(json_object_get(now, "step"), json_object_get(update, "step")) ==
                    (json_object_get(update, "step") != NULL);
    json_decref(now);
    heap_leave(before);
    broken(world, same, "an update has another answer than before", ask->run, ask->id);
    for (const struct ask *one = world->asks; one != NULL; one = one->next) {
        if (one != ask && one->tenant == ask->tenant && one->run == ask->run &&
            one->answered != '\0' && strcmp(one->id, ask->id) == 0) {
            broken(world, one->answered == rv_json_str(update, "state", "")[0],
                   "an update that was sent again has another answer", ask->run, ask->id);
        }
    }
    ask->answered = rv_json_str(update, "state", "")[0];
}

void rules_refused_update(const struct ask *ask)
{
    const struct update_row *row = base_update(ask->world->base, ask->tenant, ask->run, ask->id);
    ask->world->tally.refused++;
    broken(ask->world, (!ask->wrong && ask_repeats(ask)) || row == NULL,
           "an update was refused, and is there", ask->run, ask->id);
}

/* ---- values ---- */

int32_t rules_newest_value(struct world *world, int32_t tenant, int64_t run)
{
    int32_t newest = 0;
    BASE_EACH(world->base, T_STEP, step_row, step)
    {
        if (step->tenant == tenant && step->run == run && step->kind == RV_STEP_PUBLISH) {
            newest = step->seq > newest ? step->seq : newest;
        }
    }
    return newest;
}

void rules_told_value(const struct ask *ask, const json_t *found)
{
    struct world *world = ask->world;
    const json_t *one =
        ask->id[0] != '\0' ? found : json_object_get(json_object_get(found, "values"), "state");
    int32_t seq = (int32_t)rv_json_int(one, "step", 0);
    world->tally.values += one != NULL;
    broken(world, seq >= ask->seen, "a value that is older than what was there", ask->run, ask->id);
    if (one == NULL) {
        return;
    }
    const struct step_row *step = base_step(world->base, ask->run, seq);
    broken(world,
           step != NULL && step->kind == RV_STEP_PUBLISH &&
               json_equal(json_object_get(step->json, "published"), json_object_get(one, "value")),
           "a value that nobody has published", ask->run, ask->id);
}

/* ---- revivals ---- */

void rules_promised_revival(const struct ask *ask, int64_t run)
{
    const struct revival_row *revival = base_revival(ask->world->base, ask->tenant, ask->run);
    broken(ask->world, revival != NULL && revival->run == run,
           "a run that was said to go on for another does not", ask->run, "");
    rules_promised_run(ask, run);
}

void rules_promised_run(const struct ask *ask, int64_t run)
{
    broken(ask->world, base_run(ask->world->base, ask->tenant, run) != NULL,
           "a run that was said to have begun is not there", run, ask->id);
}

void rules_once(const struct ask *ask)
{
    for (const struct ask *one = ask->world->asks; one != NULL; one = one->next) {
        broken(ask->world,
               one->run == 0 || one->tenant != ask->tenant || strcmp(one->id, ask->id) != 0 ||
                   one->run == ask->run,
               "two runs were begun under one key of a request", ask->run, ask->id);
    }
}

void rules_revival(struct world *world, const struct revival_row *revival)
{
    const struct run_row *dead = base_run(world->base, revival->tenant, revival->of_run);
    const struct run_row *run = base_run(world->base, revival->tenant, revival->run);
    world->tally.revived++;
    BASE_EACH(world->base, T_REVIVAL, revival_row, other)
    {
        broken(world,
               other == revival || other->tenant != revival->tenant ||
                   other->of_run != revival->of_run,
               "a dead run was revived twice", revival->of_run, "");
    }
    broken(world,
           dead != NULL && run != NULL &&
               (base_is(dead->status, "failed") || base_is(dead->status, "compensated") ||
                base_is(dead->status, "diverged")),
           "a run goes on for one that is not dead", revival->of_run, "");
}

void rules_copied_step(struct world *world, const struct step_row *step)
{
    const struct step_row *from = base_step(world->base, step->copied_from, step->seq);
    broken(world,
           from != NULL && from->kind == step->kind && strcmp(from->name, step->name) == 0 &&
               json_equal(from->json, step->json),
           "a run goes on from another journal than the first one's", step->run, step->name);
}

int64_t rules_revived_from(struct world *world, int32_t tenant, int64_t run)
{
    BASE_EACH(world->base, T_REVIVAL, revival_row, revival)
    {
        if (revival->tenant == tenant && revival->run == run) {
            return revival->of_run;
        }
    }
    return 0;
}

/* Has that run such an effect which it has not taken back? */
static bool stands(struct world *world, const struct event_row *event, int64_t run)
{
    char prefix[40];
    int count = 0;
    snprintf(prefix, sizeof prefix, "run:%" PRId64 ":", run);
    BASE_EACH(world->base, T_EVENT, event_row, other)
    {
        bool ours =
            other->tenant == event->tenant && other != event &&
            strncmp(other->command, prefix, strlen(prefix)) == 0 &&
            strcmp(rv_json_str(other->body, "ref", ""), rv_json_str(event->body, "ref", "")) == 0;
        count += ours && strcmp(other->type, "sim.posted.v1") == 0;
        count -= ours && strcmp(other->type, "sim.reversed.v1") == 0;
    }
    return count > 0;
}

void rules_effect(struct world *world, const struct event_row *event, int64_t run)
{
    int64_t of = rules_revived_from(world, event->tenant, run);
    for (int depth = 0; of != 0 && depth < 64; depth++) {
        broken(world, !stands(world, event, of), "a revived run has an effect again that stands",
               run, rv_json_str(event->body, "ref", ""));
        of = rules_revived_from(world, event->tenant, of);
    }
}

/* ---- the end ---- */

void rules_told_end(struct world *world)
{
    BASE_EACH(world->base, T_UPDATE, update_row, update)
    {
        json_t *shown = base_update_shown(world->base, update);
        broken(world, is_final(shown), "an update was never answered", update->run, update->id);
        json_decref(shown);
    }
}
