/* rules_outside.c -- what must hold of effects outside: of the rows, and of what has happened.
 *
 *   moves    an intent moves only as its connector's rule allows, each time with its line in the
 * log and its audit record; an attempt begins only of what is known not to have happened, or where
 * repeats are dropped truth    what is told as failed or withdrawn has not happened, what is told
 * as done has runs     none ends before its effects have; one that waits for an effect is woken by
 * time, or by a person whose word is waited for again    a run that goes on for a dead one does
 * nothing again that stands once     nothing happens twice, and nothing arrives that was not said
 * before: outside.c
 */
#include "tests/sim/whole/effect_rows.h"
#include "tests/sim/whole/outside.h"
#include "tests/sim/whole/world.h"

#include <inttypes.h>
#include <string.h>

static bool rule(struct world *world, bool holds, const char *what, const struct intent_row *intent,
                 const char *was)
{
    world->tally.rules++;
    if (!holds) {
        world_broken(world, "%s (%s, from %s to %s, attempt %d)", what, intent->key, was,
                     intent->state, intent->attempt);
    }
    return holds;
}

static int records(const struct base_session *session, const struct intent_row *intent)
{
    int count = 0;
    for (int i = 0; i < session->change_count; i++) {
        const struct audit_row *record = session->changes[i].row;
        count += session->changes[i].table == T_AUDIT && strcmp(record->kind, "effect") == 0 &&
                 record->tenant == intent->tenant && record->run == intent->run &&
                 record->step == intent->seq;
    }
    return count;
}

static int lines(const struct base_session *session, const struct intent_row *intent)
{
    int count = 0;
    for (int i = 0; i < session->change_count; i++) {
        const struct effect_log_row *line = session->changes[i].row;
        count += session->changes[i].table == T_EFFECT_LOG && line->tenant == intent->tenant &&
                 line->run == intent->run && line->seq == intent->seq;
    }
    return count;
}

static bool is_doubtful(const char *state)
{
    return base_is(state, "attempting") || base_is(state, "unclear") || base_is(state, "person");
}

/* To where it may go, of one that a node moves. */
static bool may_move(const struct intent_row *was, const struct intent_row *intent,
                     const struct connector_row *connector)
{
    bool begins = intent->attempt == was->attempt + 1 && base_is(intent->state, "attempting");
    bool notes = was->cancel == NULL && intent->cancel != NULL;
    if (intent->attempt != was->attempt) {
        return begins && (!is_doubtful(was->state) || (base_is(connector->reconcile, "repeat") &&
                                                       !base_is(was->state, "person")));
    }
    if (base_is(intent->state, was->state)) {
        return notes || base_is(was->state, "unclear"); /* looked at, and nothing was found */
    }
    if (base_is(was->state, "attempting") || base_is(was->state, "unclear")) {
        return !base_is(intent->state, "intended") && !base_is(intent->state, "attempting");
    }
    return (base_is(was->state, "intended") || base_is(was->state, "retry")) &&
           base_is(intent->state, "failed");
}

static void check_truth(struct world *world, const struct intent_row *intent, const char *was)
{
    const struct deed *deed = outside_deed(world, intent->key);
    bool never = base_is(intent->state, "failed") || base_is(intent->state, "retry");
    rule(world, !never || deed->times == 0, "an effect has happened, and is told as if it had not",
         intent, was);
    rule(world, !base_is(intent->state, "done") || deed->times > 0,
         "an effect is told as done, and has not happened", intent, was);
}

static void check_intent(struct world *world, const struct base_session *session,
                         const struct base_change *change)
{
    const struct intent_row *intent = change->row;
    const struct intent_row *was = change->before;
    const struct connector_row *connector =
        base_connector(world->base, intent->tenant, intent->connector);
    struct deed *deed = outside_deed(world, intent->key);
    if (was == NULL) {
        rule(world, base_is(intent->state, "intended") && deed->begun == 0,
             "an intent that is not new", intent, "nothing");
        deed->tenant = intent->tenant;
        deed->run = intent->run;
        deed->seq = intent->seq;
        return;
    }
    rule(world, base_intent_open(was), "an effect that has its outcome moves", intent, was->state);
    bool person = session->owner == 0;
    rule(world, person || may_move(was, intent, connector), "an intent moved as it may not", intent,
         was->state);
    rule(world, person || records(session, intent) == 1, "a move without its audit record", intent,
         was->state);
    rule(world, lines(session, intent) == 1, "a move without its line", intent, was->state);
    check_truth(world, intent, was->state);
    if (intent->attempt > was->attempt) {
        deed->begun++;
        deed->by = session->owner;
        outside_trouble(world, deed->by, intent->tenant, intent->run);
    }
    world->tally.withdrawn += base_is(intent->state, "failed") &&
                              base_is(rv_json_str(intent->outcome, "how", NULL), "withdrawn");
}

static bool waits(const struct run_row *run)
{
    return base_is(run->status, "waiting") &&
           (base_is(run->waiting_on, "effect") || base_is(run->waiting_on, "intent"));
}

/* `told`: it did not bring the outcome itself, or begins to wait for a person after it has come.
 * One that waits for a time may find it there when it is over. */
static void check_run(struct world *world, const struct run_row *run, bool told)
{
    bool open = base_has_intent(world->base, run, false);
    bool due = run->has_wake && run->wake_us <= base_now_us(world->base);
    world->tally.rules++;
    if (base_run_over(run) && open) {
        world_broken(world, "run %" PRId64 " is over before its effect is", run->id);
    } else if (waits(run) && !open && (told ? !due : !run->has_wake)) {
        world_broken(world, "run %" PRId64 " waits for an effect that has its outcome", run->id);
    } else if (waits(run) && base_is(run->waiting_on, "effect") && !run->has_wake) {
        world_broken(world, "run %" PRId64 " waits for an effect, and nothing wakes it", run->id);
    }
}

void rules_outside_commit(struct world *world, const struct base_session *session)
{
    for (int i = 0; i < session->change_count; i++) {
        const struct base_change *change = &session->changes[i];
        if (change->table == T_INTENT) {
            const struct intent_row *intent = change->row;
            const struct run_row *run = base_run(world->base, intent->tenant, intent->run);
            check_intent(world, session, change);
            check_run(world, run,
                      session->owner != rules_claimer(world, intent->tenant) &&
                          !base_intent_open(intent));
        } else if (change->table == T_RUN) {
            const struct run_row *run = change->row;
            check_run(world, run, base_is(run->waiting_on, "intent"));
        }
    }
}

/* It has happened, and nothing has taken it back. */
static bool stands(struct world *world, const struct intent_row *intent)
{
    const struct deed *deed = outside_deed(world, intent->key);
    for (const struct deed *other = world->deeds; other != NULL; other = other->next) {
        if (other->undoes == deed && other->times > 0) {
            return false;
        }
    }
    return deed->times > 0;
}

void rules_deed(struct world *world, const struct deed *deed)
{
    const struct intent_row *intent = base_intent(world->base, deed->tenant, deed->run, deed->seq);
    int64_t of = rules_revived_from(world, deed->tenant, deed->run);
    for (int depth = 0; of != 0 && depth < 64; depth++) {
        BASE_EACH(world->base, T_INTENT, intent_row, other)
        {
            rule(world,
                 other->run != of || !json_equal(other->args, intent->args) ||
                     !stands(world, other),
                 "a revived run does again what stands", intent, "there");
        }
        of = rules_revived_from(world, deed->tenant, of);
    }
}

void rules_outside_end(struct world *world)
{
    BASE_EACH(world->base, T_INTENT, intent_row, intent)
    {
        rule(world, !base_intent_open(intent), "an effect without an outcome", intent, "there");
        check_truth(world, intent, "there");
    }
}
