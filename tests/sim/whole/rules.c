/* rules.c -- what must hold.  Looked at with every commit, before anybody else can see it, and
 * again in the end; from the rows alone, never from what the code under test believes.
 *
 *   journal     no holes, nothing after the end of a run, only by the node that claimed the company
 *   effects     an executed step and its events come together or not at all, and once
 *   record      no gap; leaf, tree and head agree; every command has decision and outcome
 *   books       every transaction balances; the log of events is one chain
 *   approvals   move only as allowed; used once, after enough other people said yes
 *   flow        of no key more places are taken than it has; a run that goes on has all of its own,
 * one that is over none; who is next for a free place is looked at leases      a company is taken
 * only from a node whose lease is over and which has let go by then, or whose lock is free, or that
 * has given it away itself promises    what a person was told is done, is there messages    nothing
 * is delivered that was not committed, and in the end everything is
 */
#include "tests/sim/whole/effect_rows.h"
#include "tests/sim/whole/world.h"

#include "erp/command/command.h"
#include "erp/command/event_hash.h"
#include "runtime/base/words.h"
#include "runtime/run/run.h"
#include "runtime/run/search.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEPT_MAX = 4096, WORLD_LEFT_BYTES = 200 };

struct company {
    int64_t audit_size;
    struct rv_hash frontier[64];
    int frontier_count;
    struct erp_chain chain;
    int claimer; /* incarnation that took the company last */
    int giver;   /* incarnation that passed it last: its word may have been executed late */
    int64_t epoch;
    int64_t changed_us; /* when somebody else got it last */
    int64_t claimed_us; /* last; 0: not as a node asks for it and hears of it */
    int inside; /* incarnation that stood still with the head in its hands until the server took it
                 */
};

struct rules {
    struct company companies[BASE_TENANTS_MAX];
    int64_t delivered[KEPT_MAX]; /* ids of the outbox */
    int delivered_count;
};

static bool rule(struct world *world, bool holds, const char *what, int32_t tenant, int64_t number)
{
    world->tally.rules++;
    if (!holds) {
        world_broken(world, "%s (company %d, %" PRId64 ")", what, (int)tenant, number);
    }
    return holds;
}

void rules_begin(struct world *world)
{
    world->rules = rv_alloc(sizeof *world->rules);
    for (int i = 0; i < BASE_TENANTS_MAX; i++) {
        erp_chain_init(&world->rules->companies[i].chain);
    }
}

void rules_end(struct world *world)
{
    rv_free(world->rules);
}

/* ---- what a transaction holds ---- */

static const struct base_change *change_of(const struct base_session *session,
                                           enum base_table table, const void *row)
{
    for (int i = 0; i < session->change_count; i++) {
        if (session->changes[i].table == table && session->changes[i].row == row) {
            return &session->changes[i];
        }
    }
    return NULL;
}

static const struct log_row *new_log(const struct base_session *session, int32_t tenant,
                                     const char *command)
{
    for (int i = 0; i < session->change_count; i++) {
        const struct base_change *change = &session->changes[i];
        const struct log_row *log = change->row;
        if (change->table == T_LOG && change->before == NULL && log->tenant == tenant &&
            strcmp(log->command, command) == 0) {
            return log;
        }
    }
    return NULL;
}

static int new_records(const struct base_session *session, const char *kind, int64_t run,
                       int32_t step)
{
    int count = 0;
    for (int i = 0; i < session->change_count; i++) {
        const struct base_change *change = &session->changes[i];
        const struct audit_row *record = change->row;
        count += change->table == T_AUDIT && strcmp(record->kind, kind) == 0 &&
                 record->run == run && (run == 0 || record->step == step);
    }
    return count;
}

/* ---- one rule for each kind of row ---- */

static bool is_executed(const struct step_row *step)
{
    return (step->kind == RV_STEP_ACTION || step->kind == RV_STEP_COMPENSATION) &&
           strcmp(rv_json_str(step->json, "result", ""), "executed") == 0;
}

/* Was the model of that run asked before, and not sure?  The policy asks people then. */
static bool was_unsure(struct world *world, const struct step_row *step)
{
    bool unsure = false;
    for (int32_t seq = 1; seq < step->seq; seq++) {
        const struct step_row *before = base_step(world->base, step->run, seq);
        const json_t *value = before == NULL ? NULL : json_object_get(before->json, "value");
        int64_t margin = rv_json_int(value, "margin", 0);
        unsure = unsure || (before != NULL && before->kind == RV_STEP_MODEL && margin > 0 &&
                            margin < WORLD_UNSURE);
    }
    return unsure;
}

static void check_step(struct world *world, const struct base_session *session,
                       const struct step_row *step)
{
    const struct company *company = &world->rules->companies[step->tenant];
    const struct run_row *run = base_run(world->base, step->tenant, step->run);
    if (!rule(world, run != NULL, "a step of no run", step->tenant, step->run)) {
        return;
    }
    const struct base_change *change = change_of(session, T_RUN, run);
    const struct run_row *was = change != NULL && change->before != NULL ? change->before : run;
    if (step->copied_from != 0) {
        rules_copied_step(world, step);
        return;
    }
    rules_told_step(world, step);
    rule(world, !base_run_over(was), "a step after the end of its run", step->tenant, step->run);
    rule(world, step->seq == 1 || base_step(world->base, step->run, step->seq - 1) != NULL,
         "a hole in a journal", step->tenant, step->run);
    bool note = step->kind == RV_STEP_NOTE && strcmp(step->name, RV_STEP_VERSION) == 0;
    world->tally.migrated += note;
    rule(world, note || session->owner == company->claimer,
         "a step by a node that has lost the company", step->tenant, step->run);
    if (step->kind == RV_STEP_ACTION && is_executed(step) &&
        strcmp(step->name, "entry.post") == 0) {
        bool unsure = was_unsure(world, step);
        world->tally.unsure += unsure;
        rule(world, !unsure || rv_json_int(step->json, "approval", 0) != 0,
             "what an unsure model advised was done without people", step->tenant, step->run);
    }
    char command[64];
    snprintf(command, sizeof command, "run:%" PRId64 ":%d", step->run, (int)step->seq);
    const struct log_row *log = new_log(session, step->tenant, command);
    rule(world, is_executed(step) == (log != NULL && base_is(log->outcome, "applied")),
         "an executed step without its effect, or the other way round", step->tenant, step->run);
}

/* Whoever brings an answer or a word wakes the run that waits for it, and whoever has another
 * version of its agent gives it that while it rests, wherever the run is driven. */
static bool from_outside(const struct run_row *was, const struct run_row *run)
{
    if (was == NULL) {
        return false;
    }
    struct run_row asleep = *run;
    asleep.has_wake = was->has_wake;
    asleep.wake_us = was->wake_us;
    memcpy(asleep.plan, was->plan, RV_HASH_BYTES);
    bool rests = base_is(run->status, "waiting") || base_is(run->status, "created");
    return rests && memcmp(&asleep, was, sizeof asleep) == 0;
}

/* People begin runs on whatever node they are connected to. */
static bool by_person(struct world *world, const struct run_row *run)
{
    const struct input_row *input = base_input(world->base, run->tenant, run->id);
    const json_t *given = input != NULL ? json_object_get(input->input, "exception") : NULL;
    return (run->key != NULL && strncmp(run->key, "desk:", 5) == 0) ||
           strncmp(rv_json_str(given, "resource", ""), "once:", 5) == 0 ||
           (input != NULL && json_object_get(input->input, "forked") != NULL);
}

/* It has not begun: it waits for its key, or for a place (flow.h). */
static bool waits_to_begin(const struct run_row *run)
{
    return base_is(run->status, "waiting") &&
           (base_is(run->waiting_on, "slot") || base_is(run->waiting_on, "rate") ||
            base_is(run->waiting_on, "lock"));
}

/* It was asked to stop while it waited to begin, and wrote its end not knowing that it might begin
 * by then: it is due at once, and ends. */
static bool stops_unbegun(const struct run_row *run)
{
    return base_is(run->status, "waiting") && run->waiting_on == NULL && run->has_wake &&
           run->error_code != NULL;
}

static void check_run(struct world *world, const struct base_session *session,
                      const struct base_change *change)
{
    const struct run_row *run = change->row;
    bool begins = change_of(session, T_RUN, run)->before == NULL;
    const struct run_row *was = begins ? NULL : change->before;
    const struct company *company = &world->rules->companies[run->tenant];
    enum rv_run_state to = rv_run_state_from_name(run->status);
    rule(world,
         session->owner == company->claimer || from_outside(was, run) ||
             (begins && by_person(world, run)),
         "a run moved by a node that has lost the company", run->tenant, run->id);
    rule(world, to != RV_RUN_DIVERGED, "replay diverged", run->tenant, run->id);
    rule(world, run->error_code == NULL || rv_words_have(rv_run_error_words, run->error_code),
         "an error that no search takes", run->tenant, run->id);
    if (was == NULL) {
        world->tally.runs += change->before == NULL;
    } else if (strcmp(was->status, run->status) != 0) {
        enum rv_run_state from = rv_run_state_from_name(was->status);
        bool may = rv_state_may(&rv_run_states, (int)from, (int)to) ||
                   (to == RV_RUN_CREATED && waits_to_begin(was)) ||
                   (from == RV_RUN_CREATED && stops_unbegun(run));
        if (!may) {
            world_note(world, "run %" PRId64 " moved from %s on %s to %s on %s", run->id,
                       was->status, was->waiting_on == NULL ? "nothing" : was->waiting_on,
                       run->status, run->waiting_on == NULL ? "nothing" : run->waiting_on);
        }
        rule(world, may, "a run moved as it may not", run->tenant, run->id);
        world->tally.ended += rv_run_state_final(to);
    }
    if (run->key == NULL || !run->claims || base_run_over(run)) {
        return;
    }
    BASE_EACH(world->base, T_RUN, run_row, other)
    {
        rule(world,
             other == run || other->tenant != run->tenant || !other->claims ||
                 base_run_over(other) || !base_is(other->key, run->key),
             "two open runs claim one exception", run->tenant, run->id);
    }
}

static void check_event(struct world *world, const struct base_session *session,
                        const struct event_row *event)
{
    struct company *company = &world->rules->companies[event->tenant];
    struct erp_event_record record = {.tenant = event->tenant,
                                      .seq = event->seq,
                                      .stream = event->stream,
                                      .version = event->version,
                                      .type = event->type,
                                      .occurred_on = event->occurred_day,
                                      .recorded_us = event->recorded_us,
                                      .actor = event->actor,
                                      .command_id = event->command,
                                      .body = event->body};
    struct rv_hash body;
    struct rv_hash hash;
    struct rv_error err = {.code = RV_OK};
    memcpy(body.bytes, event->body_hash, RV_HASH_BYTES);
    memcpy(hash.bytes, event->hash, RV_HASH_BYTES);
    rule(world, erp_chain_check(&company->chain, &record, &body, &hash, &err) == RV_OK,
         "the chain of events is broken", event->tenant, event->seq);
    const struct log_row *log = new_log(session, event->tenant, event->command);
    rule(world, log != NULL && log->first <= event->seq && event->seq <= log->last,
         "an event without its command", event->tenant, event->seq);
    world->tally.effects++;
    const char *colon = strrchr(event->command, ':');
    size_t prefix = colon != NULL ? (size_t)(colon - event->command) : 0;
    if (strncmp(event->command, "run:", 4) != 0 || strcmp(event->type, "sim.posted.v1") != 0) {
        return;
    }
    rules_effect(world, event, strtoll(event->command + 4, NULL, 10));
    BASE_EACH(world->base, T_EVENT, event_row, other)
    {
        bool twice =
            other != event && other->tenant == event->tenant &&
            strncmp(other->command, event->command, prefix + 1) == 0 &&
            strcmp(other->type, event->type) == 0 &&
            strcmp(rv_json_str(other->body, "ref", ""), rv_json_str(event->body, "ref", "")) == 0;
        rule(world, !twice, "one action of a run had its effect twice", event->tenant, event->seq);
    }
}

static void check_log(struct world *world, const struct base_session *session,
                      const struct log_row *log)
{
    long long run = 0;
    int seq = 0;
    bool by_run = sscanf(log->command, "run:%lld:%d", &run, &seq) == 2;
    rule(world, new_records(session, "decision", run, seq) >= 1, "a command without its decision",
         log->tenant, run);
    rule(world, new_records(session, "outcome", run, seq) >= 1, "a command without its outcome",
         log->tenant, run);
    if (by_run && base_is(log->outcome, "applied")) {
        const struct step_row *step = base_step(world->base, run, seq);
        rule(world, step != NULL && is_executed(step), "an effect without its step", log->tenant,
             run);
    }
}

static void check_record(struct world *world, const struct audit_row *record)
{
    struct company *company = &world->rules->companies[record->tenant];
    struct rv_hash leaf = rv_merkle_leaf(record->body, strlen(record->body));
    rule(world, record->seq == company->audit_size, "a gap in the audit record", record->tenant,
         record->seq);
    rule(world, memcmp(leaf.bytes, record->leaf, RV_HASH_BYTES) == 0,
         "an audit record that is not what was hashed", record->tenant, record->seq);
    rv_merkle_push(&company->audit_size, company->frontier, &company->frontier_count, &leaf);
}

/* Only the statement that passes a company writes both, it and its placement. */
static bool is_passed(const struct base_session *session, int32_t tenant)
{
    for (int i = 0; i < session->change_count; i++) {
        const struct base_change *change = &session->changes[i];
        if (change->table == T_PLACEMENT &&
            ((const struct placement_row *)change->row)->tenant == tenant) {
            return true;
        }
    }
    return false;
}

static void check_node(struct world *world, const struct base_change *change)
{
    const struct node_row *row = change->row;
    const struct node_row *was = change->before;
    bool early = was != NULL && row->ended_us != was->ended_us;
    world->tally.ended_early += early;
    for (int i = 0; early && i < world->node_count; i++) {
        world->tally.ended_alive += world->nodes[i].alive &&
                                    world->nodes[i].incarnation == row->process &&
                                    !world->nodes[i].stopping;
    }
    rule(world, !early || row->present, "a node was taken for dead that never held its lock", 0,
         row->node);
    rule(world,
         was == NULL || was->lease_until_us > base_now_us(world->base) ||
             row->lease_until_us <= was->lease_until_us,
         "a lease that was over began again", 0, row->node);
}

/* The connection that shows that it lives was gone, and its lease ended early: until it hears of
 * that, the epoch alone protects the company. */
static bool ended_early(struct world *world, const struct node *node)
{
    int64_t since_us = base_now_us(world->base) - (int64_t)RV_LEASE_MS * WORLD_MS;
    BASE_EACH(world->base, T_NODE, node_row, row)
    {
        if (row->process == node->incarnation && row->ended_us > since_us) {
            return true;
        }
    }
    return false;
}

/* The process that owns it goes by another number by now, and has said so. */
static bool is_left(const struct world *world, const struct node_row *owner)
{
    BASE_EACH(world->base, T_NODE, node_row, other)
    {
        if (other != owner && other->process == owner->process && other->serves &&
            other->lease_until_us > owner->lease_until_us) {
            return true;
        }
    }
    return false;
}

static void check_claim(struct world *world, const struct base_session *session,
                        const struct head_row *head, const struct head_row *was)
{
    struct company *company = &world->rules->companies[head->tenant];
    const struct node_row *owner = base_node(world->base, head->owner);
    int taker = owner != NULL ? owner->process : 0; /* 0: it was given to whoever comes */
    bool given = session->owner == company->claimer && is_passed(session, head->tenant);
    rule(world, head->epoch == was->epoch + 1, "an epoch jumped", head->tenant, head->epoch);
    rule(world, owner == NULL || !is_left(world, owner),
         "a company was given to a number that its node has left", head->tenant, head->epoch);
    BASE_EACH(world->base, T_NODE, node_row, node)
    {
        rule(world,
             given || node->node != was->owner || node->lease_until_us <= base_now_us(world->base),
             "a company was taken from a living node", head->tenant, head->epoch);
    }
    for (int i = 0; i < world->node_count; i++) {
        const struct node *node = &world->nodes[i];
        world->tally.taken_inside += company->claimer == company->inside && node->paused &&
                                     node->incarnation == company->inside && taker != 0 &&
                                     taker != company->inside;
    }
    company->changed_us = world->now_us;
    company->claimed_us = given || session->deaf ? 0 : world->now_us;
    company->claimer = taker;
    company->giver = given ? session->owner : company->giver;
    company->epoch = head->epoch;
    world->tally.takeovers++;
    for (int i = 0; i < world->node_count; i++) {
        const struct node *node = &world->nodes[i];
        bool asked = node->alive && !node->paused && !node->behind &&
                     node->incarnation != session->owner && node->incarnation != company->giver &&
                     !ended_early(world, node);
        rule(world, !asked || node->driving[head->tenant] == 0,
             "a node still drives a company whose lease is over", head->tenant, head->epoch);
    }
}

static void check_head(struct world *world, const struct base_session *session,
                       const struct base_change *change)
{
    const struct head_row *head = change->row;
    const struct head_row *was = change->before;
    const struct company *company = &world->rules->companies[head->tenant];
    if (head->epoch != was->epoch) {
        check_claim(world, session, head, was);
    }
    rule(world,
         head->audit_size == company->audit_size &&
             head->frontier_bytes == company->frontier_count * RV_HASH_BYTES &&
             memcmp(head->frontier, company->frontier, (size_t)head->frontier_bytes) == 0,
         "the head has another record than there is", head->tenant, head->audit_size);
    rule(world,
         head->event_seq == company->chain.seq &&
             memcmp(head->event_hash, company->chain.hash.bytes, RV_HASH_BYTES) == 0,
         "the head has another log than there is", head->tenant, head->event_seq);
}

static void check_seal(struct world *world, const struct checkpoint_row *checkpoint)
{
    const struct company *company = &world->rules->companies[checkpoint->tenant];
    struct rv_hash root = rv_merkle_root(company->frontier, company->frontier_count);
    rule(world,
         checkpoint->size == company->audit_size &&
             memcmp(root.bytes, checkpoint->root, RV_HASH_BYTES) == 0,
         "a checkpoint over something else", checkpoint->tenant, checkpoint->size);
}

static int yes_votes(struct world *world, const struct approval_row *approval)
{
    int count = 0;
    BASE_EACH(world->base, T_VOTE, vote_row, vote)
    {
        count += vote->tenant == approval->tenant && vote->approval == approval->id &&
                 base_is(vote->decision, "approve");
    }
    return count;
}

/* Whether a run shall have a key is done with the answer. */
static bool is_about_key(const struct approval_row *approval)
{
    return base_is(approval->action, "run.start");
}

static bool may_move(const struct approval_row *approval, const char *from)
{
    const char *to = approval->status;
    if (base_is(from, "requested")) {
        return base_is(to, is_about_key(approval) ? "consumed" : "approved") ||
               base_is(to, "rejected") || base_is(to, "expired") || base_is(to, "void");
    }
    return base_is(from, "approved") &&
           (base_is(to, "consumed") || base_is(to, "expired") || base_is(to, "void"));
}

/* The command that a presented approval has let through. */
static bool was_let_through(const struct base_session *session, const struct approval_row *approval)
{
    for (int i = 0; i < session->change_count; i++) {
        const struct base_change *change = &session->changes[i];
        const struct log_row *log = change->row;
        if (change->table == T_LOG && change->before == NULL &&
            strcmp(log->name, approval->action) == 0 && base_is(log->outcome, "applied")) {
            return true;
        }
    }
    return false;
}

static const struct run_row *holder_of(struct world *world, const struct approval_row *approval)
{
    const char *name = rv_json_str(approval->args, "holder", "r_0");
    return base_run(world->base, approval->tenant, strtoll(name + 2, NULL, 10));
}

/* With the answer about a key goes a word to the run that shall not have it, as long as that wants
 * it, and to no other. */
static void check_key(struct world *world, const struct base_session *session,
                      const struct approval_row *approval)
{
    const struct run_row *held = holder_of(world, approval);
    const struct run_row *wants = base_run(world->base, approval->tenant, approval->run);
    bool yes = base_is(approval->status, "consumed");
    bool no = base_is(approval->status, "rejected") || base_is(approval->status, "expired");
    bool told_holder = false;
    bool told_other = false;
    for (int i = 0; i < session->change_count; i++) {
        const struct base_change *change = &session->changes[i];
        const struct signal_row *signal = change->row;
        bool stop = change->table == T_SIGNAL && change->before == NULL &&
                    signal->tenant == approval->tenant && base_is(signal->name, "$cancel") &&
                    !base_is(signal->sent_by, "clerk");
        told_holder = told_holder || (stop && signal->run == held->id);
        told_other = told_other || (stop && signal->run == wants->id);
    }
    world->tally.keys_given += yes;
    rule(world, !yes || told_holder || base_run_over(held),
         "a key was given, and its holder goes on", approval->tenant, approval->id);
    rule(world, !no || told_other || !base_waits_for_key(wants),
         "a key was refused, and who wants it waits", approval->tenant, approval->id);
    rule(world, yes || !told_holder, "a holder keeps its key, and was asked to stop",
         approval->tenant, approval->id);
}

/* A yes just before the end: at times it cannot be presented until the end has come, too. */
static void come_too_late(struct world *world, const struct approval_row *approval)
{
    enum { TROUBLE = 300, NEAR_S = 8 };
    int64_t left_us = approval->expires_us - base_now_us(world->base);
    if (world_calm(world) || left_us > NEAR_S * WORLD_SECOND || !world_chance(world, TROUBLE)) {
        return;
    }
    for (int i = 0; i < world->node_count; i++) {
        const struct node *node = &world->nodes[i];
        if (node->alive && node->driving[approval->tenant] != 0) {
            wires_break_writer(world, node, left_us + world_below(world, WORLD_SECOND));
        }
    }
}

static void check_approval(struct world *world, const struct base_session *session,
                           const struct base_change *change)
{
    const struct approval_row *approval = change->row;
    const struct approval_row *was = change->before;
    if (was == NULL) {
        world->tally.approvals++;
        return;
    }
    if (strcmp(was->status, approval->status) == 0) {
        return;
    }
    if (!may_move(approval, was->status)) {
        world_broken(world, "approval %" PRId64 " moved from %s to %s", approval->id, was->status,
                     approval->status);
    }
    if (base_is(approval->status, "approved")) {
        come_too_late(world, approval);
        rule(world, yes_votes(world, approval) >= (int)json_array_size(approval->stages),
             "approved by too few", approval->tenant, approval->id);
    }
    if (is_about_key(approval)) {
        check_key(world, session, approval);
    }
    if (base_is(approval->status, "consumed")) {
        rule(world, yes_votes(world, approval) >= (int)json_array_size(approval->stages),
             "used with too few votes", approval->tenant, approval->id);
    }
    if (base_is(approval->status, "consumed") && !is_about_key(approval)) {
        rule(world, was_let_through(session, approval), "an approval was used for nothing",
             approval->tenant, approval->id);
    }
}

/* What is held for open questions is given back once. */
static void check_limit(struct world *world, const struct limit_row *limit)
{
    rule(world, limit->held >= 0 && limit->used >= 0, "a limit gave back more than it held",
         limit->tenant, limit->held);
}

static void check_vote(struct world *world, const struct vote_row *vote)
{
    world->tally.votes++;
    BASE_EACH(world->base, T_APPROVAL, approval_row, approval)
    {
        if (approval->tenant == vote->tenant && approval->id == vote->approval) {
            const char *name = approval->requested_by;
            rule(world, strncmp(name, "person:", 7) != 0 || strcmp(name + 7, vote->person) != 0,
                 "somebody voted on an own request", vote->tenant, vote->approval);
        }
    }
}

static void check_fire(struct world *world, const struct base_change *change)
{
    const struct fire_row *fire = change->row;
    const struct fire_row *was = change->before;
    if (was != NULL && !base_is(was->state, "waiting") && !base_is(was->state, "running")) {
        rule(world, strcmp(was->state, fire->state) == 0, "a fire that was over began again",
             fire->tenant, fire->id);
    }
    BASE_EACH(world->base, T_FIRE, fire_row, other)
    {
        rule(world,
             other == fire || other->tenant != fire->tenant ||
                 strcmp(other->schedule, fire->schedule) != 0 ||
                 other->instant_us != fire->instant_us,
             "one instant fired twice", fire->tenant, fire->id);
    }
}

/* To stop a run stops it for every node, so that only what the schedule itself wants stopped may
 * be: not a fire that was handed over, by the node that had it before. */
void rules_stopped_fire(struct world *world, int32_t tenant, int64_t number)
{
    bool wanted = false;
    BASE_EACH(world->base, T_FIRE, fire_row, fire)
    {
        wanted = wanted || (fire->tenant == tenant && fire->id == number &&
                            (fire->stop || base_is(fire->state, "terminated")));
    }
    rule(world, wanted, "a fire was stopped that its schedule lets run", tenant, number);
}

static bool is_asked(struct world *world, const struct run_row *run)
{
    BASE_EACH(world->base, T_APPROVAL, approval_row, approval)
    {
        if (approval->tenant == run->tenant && approval->run == run->id &&
            base_is(approval->status, "requested")) {
            return true;
        }
    }
    return false;
}

/* What a run waits for is there, or its time is: a look must find it without looking everywhere. */
static void check_wait(struct world *world, const struct run_row *run)
{
    bool come = base_is(run->status, "waiting") &&
                ((base_is(run->waiting_on, "approval") && !is_asked(world, run)) ||
                 (base_is(run->waiting_on, "signal") && base_has_signal(world->base, run)));
    bool wakes = run->has_wake && run->wake_us <= base_now_us(world->base);
    rule(world, !come || wakes, "a run waits for what has come, and nothing wakes it", run->tenant,
         run->id);
}

static void check_waits(struct world *world, const struct base_session *session)
{
    bool moved = false;
    for (int i = 0; i < session->change_count; i++) {
        enum base_table table = session->changes[i].table;
        moved = moved || table == T_RUN || table == T_APPROVAL || table == T_SIGNAL;
    }
    BASE_EACH(world->base, T_RUN, run_row, run)
    {
        if (moved) {
            check_wait(world, run);
        }
    }
}

/* ---- slots and tokens ---- */

static bool has_begun(const struct run_row *run)
{
    return !base_run_over(run) && !waits_to_begin(run);
}

/* One that was stopped before it began may say so, and holds what it had until it is over. */
static void check_place(struct world *world, const struct flow_row *row)
{
    struct base *base = world->base;
    const struct run_row *run = base_run(base, row->tenant, row->run);
    const struct flow_row *next = base_place_next(base, row->tenant, row->key);
    int used = base_places_used(base, row->tenant, row->key);
    rule(world, used <= row->most, "more places of a key are taken than it has", row->tenant,
         row->run);
    rule(world, run != NULL && (row->has_until || !base_run_over(run)),
         "a run that is over has a place", row->tenant, row->run);
    bool goes_on = run != NULL && has_begun(run) && !base_asked_to_stop(base, run);
    rule(world, !goes_on || row->holds, "a run goes on without its place", row->tenant, row->run);
    rule(world, !goes_on || row->seconds == 0 || row->has_until,
         "a run goes on and its token does not come back", row->tenant, row->run);
    if (next != NULL && used < next->most) {
        const struct run_row *first = base_run(base, next->tenant, next->run);
        rule(world, first != NULL && first->has_wake, "nobody looks at who is next for a place",
             next->tenant, next->run);
    }
}

static void check_places(struct world *world, const struct base_session *session)
{
    bool moved = false;
    for (int i = 0; i < session->change_count; i++) {
        moved = moved || session->changes[i].table == T_FLOW || session->changes[i].table == T_RUN;
    }
    BASE_EACH(world->base, T_FLOW, flow_row, row)
    {
        if (moved) {
            check_place(world, row);
        }
    }
}

void rules_commit(void *data, const struct base_session *session)
{
    struct world *world = data;
    int64_t balance = 0;
    world->tally.commits++;
    for (int i = 0; i < session->change_count; i++) { /* what others look at first */
        const struct base_change *change = &session->changes[i];
        if (change->table == T_EVENT) {
            check_event(world, session, change->row);
        } else if (change->table == T_AUDIT) {
            check_record(world, change->row);
        } else if (change->table == T_LINE) {
            balance += ((const struct line_row *)change->row)->minor;
        }
    }
    rule(world, balance == 0, "the books do not balance", 0, balance);
    check_waits(world, session);
    check_places(world, session);
    rules_outside_commit(world, session);
    for (int i = 0; i < session->change_count; i++) {
        const struct base_change *change = &session->changes[i];
        switch (change->table) {
        case T_NODE: check_node(world, change); break;
        case T_STEP: check_step(world, session, change->row); break;
        case T_RUN: check_run(world, session, change); break;
        case T_LOG: check_log(world, session, change->row); break;
        case T_HEAD: check_head(world, session, change); break;
        case T_CHECKPOINT: check_seal(world, change->row); break;
        case T_APPROVAL: check_approval(world, session, change); break;
        case T_VOTE: check_vote(world, change->row); break;
        case T_FIRE: check_fire(world, change); break;
        case T_UPDATE: rules_update(world, session, change->row); break;
        case T_REVIVAL: rules_revival(world, change->row); break;
        case T_LIMIT: check_limit(world, change->row); break;
        default: break;
        }
    }
}

int64_t rules_changed_us(const struct world *world, int32_t tenant)
{
    return world->rules->companies[tenant].changed_us;
}

int rules_claimer(const struct world *world, int32_t tenant)
{
    return world->rules->companies[tenant].claimer;
}

int64_t rules_claimed_us(const struct world *world, int32_t tenant)
{
    return world->rules->companies[tenant].claimed_us;
}

void rules_ended_inside(struct world *world, int32_t tenant, int owner)
{
    world->rules->companies[tenant].inside = owner;
}

/* ---- what others are told ---- */

void rules_driving(struct node *node, int32_t tenant, int64_t epoch)
{
    struct world *world = node->world;
    int giver = world->rules->companies[tenant].giver;
    rule(world, epoch > node->gave[tenant], "a node drives again what it has given away", tenant,
         epoch);
    for (int i = 0; i < world->node_count; i++) {
        const struct node *other = &world->nodes[i];
        bool asked = other != node && other->alive && !other->paused && !other->behind &&
                     other->incarnation != giver && !ended_early(world, other);
        rule(world, !asked || node->behind || other->driving[tenant] == 0,
             "two nodes drive one company", tenant, epoch);
    }
}

bool rules_has_vote(struct world *world, int32_t tenant, int64_t approval, const char *person)
{
    bool found = false;
    BASE_EACH(world->base, T_VOTE, vote_row, vote)
    {
        found = found || (vote->tenant == tenant && vote->approval == approval &&
                          strcmp(vote->person, person) == 0);
    }
    return found;
}

void rules_promised_vote(struct world *world, int32_t tenant, int64_t approval, const char *person)
{
    rule(world, rules_has_vote(world, tenant, approval, person),
         "a vote that was acknowledged is not there", tenant, approval);
}

void rules_promised_signal(struct world *world, int32_t tenant, int64_t run, int64_t signal)
{
    bool found = false;
    BASE_EACH(world->base, T_SIGNAL, signal_row, row)
    {
        found = found || (row->tenant == tenant && row->run == run && row->id == signal);
    }
    rule(world, found, "a signal that was acknowledged is not there", tenant, signal);
}

void rules_delivered(struct world *world, int32_t tenant, const char *body, size_t length)
{
    (void)tenant;
    struct rules *rules = world->rules;
    struct heap *before = heap_enter(&world->heap);
    json_t *message = json_loadb(body, length, 0, NULL);
    int company = 0;
    long long id = 0;
    bool read = message != NULL &&
                sscanf(rv_json_str(message, "id", ""), "msg_%d_%lld", &company, &id) == 2;
    rule(world, read, "a delivery that nobody can read", 0, 0);
    bool found = false;
    BASE_EACH(world->base, T_OUTBOX, outbox_row, row)
    {
        found = found || (row->tenant == company && row->id == id);
    }
    rule(world, found, "a delivery of something that was not committed", company, id);
    bool known = false;
    for (int i = 0; i < rules->delivered_count; i++) {
        known = known || rules->delivered[i] == id;
    }
    if (!known && rules->delivered_count < KEPT_MAX) {
        rules->delivered[rules->delivered_count++] = id;
    }
    json_decref(message);
    heap_leave(before);
}

/* ---- the end ---- */

static bool has_run(struct world *world, const struct exception_row *exception)
{
    struct rv_hash hash;
    char hex[RV_HASH_HEX];
    char key[96];
    memcpy(hash.bytes, exception->key, RV_HASH_BYTES);
    rv_hash_hex(&hash, hex);
    snprintf(key, sizeof key, "exception:%s", hex);
    BASE_EACH(world->base, T_RUN, run_row, run)
    {
        if (run->tenant == exception->tenant && base_is(run->key, key)) {
            return true;
        }
    }
    return false;
}

/* A node that was late to hear that it has passed a company finds out by itself. */
static void who_drives(struct world *world, char out[WORLD_LEFT_BYTES])
{
    for (int i = 0; i < world->node_count; i++) {
        const struct node *node = &world->nodes[i];
        for (int32_t tenant = 1; tenant <= world->companies; tenant++) {
            int64_t epoch = node->alive ? node->driving[tenant] : 0;
            if (epoch != 0 && epoch != world->rules->companies[tenant].epoch) {
                snprintf(out, WORLD_LEFT_BYTES,
                         "node %d drives company %d with the old epoch %" PRId64, i, (int)tenant,
                         epoch);
            }
        }
    }
}

/* A node that lives and does not know that its lease is over would never do anything again. */
static void who_beats(struct world *world, char out[WORLD_LEFT_BYTES])
{
    for (int i = 0; i < world->node_count; i++) {
        const struct node *node = &world->nodes[i];
        const struct node_row *row = node->alive && node->lease != NULL
                                         ? base_node(world->base, rv_lease_node(node->lease))
                                         : NULL;
        if (node->alive && node->lease != NULL &&
            (row == NULL || row->lease_until_us <= base_now_us(world->base))) {
            snprintf(out, WORLD_LEFT_BYTES, "node %d lives without a lease", i);
        }
    }
}

/* What is still to be done, in words; "" when there is nothing. */
static void left_to_do(struct world *world, char out[WORLD_LEFT_BYTES])
{
    out[0] = '\0';
    who_beats(world, out);
    who_drives(world, out);
    BASE_EACH(world->base, T_RUN, run_row, run)
    {
        if (!base_run_over(run)) {
            snprintf(out, WORLD_LEFT_BYTES,
                     "run %" PRId64 " of %s is open: %s, waiting on %s, wake %" PRId64
                     " ms from now, %d steps",
                     run->id, run->agent, run->status,
                     run->waiting_on != NULL ? run->waiting_on : "nothing",
                     run->has_wake ? (run->wake_us - base_now_us(world->base)) / 1000 : 0,
                     run->steps);
        }
    }
    BASE_EACH(world->base, T_EXCEPTION, exception_row, exception)
    {
        if (base_is(exception->state, "open") && !has_run(world, exception)) {
            snprintf(out, WORLD_LEFT_BYTES, "exception %s of company %d has no run",
                     exception->subject, (int)exception->tenant);
        }
    }
    BASE_EACH(world->base, T_APPROVAL, approval_row, approval)
    {
        if (base_is(approval->status, "requested") || base_is(approval->status, "approved")) {
            snprintf(out, WORLD_LEFT_BYTES, "approval %" PRId64 " is %s", approval->id,
                     approval->status);
        }
    }
    BASE_EACH(world->base, T_OUTBOX, outbox_row, row)
    {
        if (!row->fanned_out) {
            snprintf(out, WORLD_LEFT_BYTES, "message %" PRId64 " has not been fanned out", row->id);
        }
    }
    BASE_EACH(world->base, T_DELIVERY, delivery_row, delivery)
    {
        if (base_is(delivery->status, "pending")) {
            snprintf(out, WORLD_LEFT_BYTES,
                     "delivery of %" PRId64 " is pending, attempt %d, next in %" PRId64 " ms",
                     delivery->outbox, delivery->attempt,
                     (delivery->next_us - base_now_us(world->base)) / 1000);
        }
    }
    BASE_EACH(world->base, T_INTENT, intent_row, intent)
    {
        if (base_intent_open(intent)) {
            snprintf(out, WORLD_LEFT_BYTES, "effect %s is %s, attempt %d", intent->key,
                     intent->state, intent->attempt);
        }
    }
    BASE_EACH(world->base, T_FIRE, fire_row, fire)
    {
        if (base_is(fire->state, "running")) {
            snprintf(out, WORLD_LEFT_BYTES, "fire %" PRId64 " is running", fire->id);
        }
    }
}

bool rules_at_rest(struct world *world)
{
    char left[WORLD_LEFT_BYTES];
    left_to_do(world, left);
    return left[0] == '\0';
}

void rules_lost(struct world *world)
{
    char left[WORLD_LEFT_BYTES];
    left_to_do(world, left);
    world_broken(world, "the world is calm and does not come to rest: %s",
                 left[0] != '\0' ? left : "something is always new");
}

static void check_reference(struct world *world, const struct posting_row *posting)
{
    int64_t sum = 0;
    BASE_EACH(world->base, T_LINE, line_row, line)
    {
        sum += line->tenant == posting->tenant && base_is(line->account, "1600") &&
                       strcmp(line->reference, posting->reference) == 0
                   ? line->minor
                   : 0;
    }
    int64_t expected = 0; /* a case that was begun anew has posted again */
    BASE_EACH(world->base, T_POSTING, posting_row, other)
    {
        expected -= other->tenant == posting->tenant && !other->reversed &&
                            strcmp(other->reference, posting->reference) == 0
                        ? other->minor
                        : 0;
    }
    rule(world, sum == expected, "the books say something else than was posted", posting->tenant,
         sum - expected);
}

static void check_ended(struct world *world, const struct run_row *run)
{
    int executed = 0;
    int events = 0;
    char prefix[40];
    snprintf(prefix, sizeof prefix, "run:%" PRId64 ":", run->id);
    BASE_EACH(world->base, T_STEP, step_row, step)
    {
        executed += step->run == run->id && step->copied_from == 0 && is_executed(step) &&
                    !erp_command_find(step->name)->outside;
    }
    BASE_EACH(world->base, T_EVENT, event_row, event)
    {
        events +=
            event->tenant == run->tenant && strncmp(event->command, prefix, strlen(prefix)) == 0;
    }
    rule(world, executed == events, "a run's steps and effects differ in number", run->tenant,
         run->id);
    if (base_is(run->status, "done")) {
        bool outcome = false;
        BASE_EACH(world->base, T_STEP, step_row, step)
        {
            outcome = outcome || (step->run == run->id && step->kind == RV_STEP_OUTCOME);
        }
        rule(world, outcome, "a run is done without an outcome", run->tenant, run->id);
    }
}

static bool was_delivered(const struct rules *rules, int64_t id)
{
    for (int i = 0; i < rules->delivered_count; i++) {
        if (rules->delivered[i] == id) {
            return true;
        }
    }
    return false;
}

void rules_check_end(struct world *world)
{
    rules_told_end(world);
    rules_outside_end(world);
    cluster_check_end(world);
    BASE_EACH(world->base, T_RUN, run_row, run)
    {
        check_ended(world, run);
    }
    BASE_EACH(world->base, T_POSTING, posting_row, posting)
    {
        check_reference(world, posting);
    }
    BASE_EACH(world->base, T_DELIVERY, delivery_row, delivery)
    {
        rule(world,
             !base_is(delivery->status, "delivered") ||
                 was_delivered(world->rules, delivery->outbox),
             "a message is said to be delivered and never came", delivery->tenant,
             delivery->outbox);
    }
}
