/* approval.c -- votes, expiry and escalation, each one unit of the committer; see approval.h.
 *
 * The rules are checked inside the transaction that writes the vote, against the approval row, the
 * votes and the roles people hold at that moment.  `never` holds the requester ("agent:x") and the
 * agent's owner; both are compared with the person's name in either spelling.
 */
#include "runtime/approval/approval.h"

#include "approval_sql.h"
#include "runtime/base/check.h"
#include "runtime/base/random.h"
#include "runtime/base/text.h"
#include "runtime/db/db.h"
#include "runtime/gate/gate_record.h"
#include "runtime/gate/stages.h"

#include <stdio.h>
#include <string.h>

enum {
    APPROVAL_COMMENT_MAX = 2000, /* a sentence or ten; longer belongs into a document */
    APPROVAL_REASON_MAX = 220,   /* with the two runs a line, see RV_RUN_CANCEL */
    APPROVAL_ARENA_MAX = 4 << 20
};

struct rv_approvals {
    struct rv_committer *committer;
};

enum task { TASK_VOTE, TASK_TIME };

struct op {
    struct rv_unit unit; /* first */
    struct rv_approvals *approvals;
    enum task task;
    struct rv_arena *arena;
    json_t *args;
    int64_t id;
    char *person;
    char *comment;
    char *channel;
    char *digest_hex;
    bool approve;
    void (*done)(void *data, enum rv_code code, const json_t *status, const struct rv_error *err);
    void *data;
    /* of one try */
    json_t *status;
};

static enum rv_code vote_decide(struct rv_unit *unit, struct rv_batch *batch, struct rv_error *err);
static enum rv_code time_decide(struct rv_unit *unit, struct rv_batch *batch, struct rv_error *err);
static void op_done(struct rv_unit *unit, enum rv_code code, const struct rv_error *err);

struct rv_approvals *rv_approvals_create(struct rv_committer *committer)
{
    struct rv_approvals *approvals = rv_alloc(sizeof *approvals);
    approvals->committer = committer;
    return approvals;
}

void rv_approvals_destroy(struct rv_approvals *approvals)
{
    rv_free(approvals);
}

static struct op *op_create(struct rv_approvals *approvals, enum task task, int32_t tenant,
                            int64_t id, const char *person)
{
    struct op *op = rv_alloc(sizeof *op);
    op->approvals = approvals;
    op->task = task;
    op->id = id;
    op->arena = rv_arena_create("approval", APPROVAL_ARENA_MAX);
    op->args = json_pack("{s:I,s:s}", "id", (json_int_t)id, "person", person);
    op->unit.tenant = tenant;
    op->unit.needs_head = true;
    op->unit.keys[0] = rv_arena_printf(op->arena, "approval:%lld", (long long)id);
    op->unit.loads[0] = (struct rv_load){.statement = &rv_sql_approval_vote_load, .args = op->args};
    op->unit.load_count = 1;
    op->unit.decide = task == TASK_VOTE ? vote_decide : time_decide;
    op->unit.done = op_done;
    return op;
}

static void op_destroy(struct op *op)
{
    json_decref(op->args);
    json_decref(op->status);
    rv_arena_destroy(op->arena);
    rv_free(op);
}

void rv_approval_vote(struct rv_approvals *approvals, const struct rv_vote *vote,
                      void (*done)(void *data, enum rv_code code, const json_t *status,
                                   const struct rv_error *err),
                      void *data)
{
    struct op *op = op_create(approvals, TASK_VOTE, vote->tenant, vote->approval, vote->person);
    op->person = rv_arena_strdup(op->arena, vote->person);
    op->comment = rv_arena_strdup(op->arena, vote->comment);
    op->channel = rv_arena_strdup(op->arena, vote->channel);
    op->digest_hex = rv_arena_strdup(op->arena, vote->digest_hex);
    op->approve = vote->approve;
    op->done = done;
    op->data = data;
    rv_commit(approvals->committer, &op->unit);
}

void rv_approval_time(struct rv_approvals *approvals, int32_t tenant, int64_t approval,
                      void (*done)(void *data, enum rv_code code, const json_t *status,
                                   const struct rv_error *err),
                      void *data)
{
    struct op *op = op_create(approvals, TASK_TIME, tenant, approval, "");
    op->done = done;
    op->data = data;
    rv_commit(approvals->committer, &op->unit);
}

/* ---- the rules of a vote ---- */

static bool is_never(const json_t *never, const char *person)
{
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)(uintptr_t)never, i, item)
    {
        const char *name = json_string_value(item);
        const char *bare = name != NULL ? strchr(name, ':') : NULL;
        if (name != NULL && (strcmp(name, person) == 0 ||
                             (strncmp(name, "person:", 7) == 0 && strcmp(bare + 1, person) == 0))) {
            return true;
        }
    }
    return false;
}

static bool has_voted(const json_t *votes, const char *person)
{
    size_t i;
    json_t *vote;
    json_array_foreach((json_t *)(uintptr_t)votes, i, vote)
    {
        if (strcmp(rv_json_str(vote, "person", ""), person) == 0) {
            return true;
        }
    }
    return false;
}

/* Of a question about a key: NULL for any other. */
static const json_t *claim_of(const json_t *state)
{
    const json_t *claim = json_object_get(state, "claim");
    return json_is_object(claim) ? claim : NULL;
}

/* Nobody waits for the answer any more. */
static bool is_over(const json_t *state)
{
    const json_t *claim = claim_of(state);
    return rv_json_bool(state, "run_over", false) ||
           (claim != NULL && !rv_json_bool(claim, "open", false));
}

static enum rv_code no_approval(int64_t id, struct rv_error *err)
{
    rv_fail(err, RV_NOT_FOUND, "no approval %lld", (long long)id);
    rv_hint(err, "See what waits for people: reeve approval list.");
    return RV_NOT_FOUND;
}

static enum rv_code check_vote(const struct op *op, const json_t *state, int64_t now_us,
                               struct rv_error *err)
{
    const char *status = rv_json_str(state, "status", "");
    const json_t *roles = json_object_get(state, "roles");
    if (!json_is_array(roles)) {
        return rv_fail(err, RV_DENIED, "\"%s\" is not an active user of this company", op->person);
    }
    if (is_never(json_object_get(state, "never"), op->person)) {
        rv_fail(err, RV_DENIED, "\"%s\" may not decide this: own request or own agent", op->person);
        rv_hint(err, "Ask somebody else who holds a role of the open stage.");
        return RV_DENIED;
    }
    const char *also = rv_json_str(state, "escalate_to", NULL);
    if (!rv_stages_eligible(json_object_get(state, "stages"), roles, also)) {
        rv_fail(err, RV_DENIED, "\"%s\" holds no role that this approval asks for", op->person);
        return RV_DENIED;
    }
    if (strcmp(status, "requested") != 0) {
        return rv_fail(err, RV_CONFLICT, "approval %lld is %s already", (long long)op->id, status);
    }
    if (rv_json_bool(state, "run_over", false)) {
        return rv_fail(err, RV_CONFLICT, "the run that asked for approval %lld is over",
                       (long long)op->id);
    }
    if (is_over(state)) {
        rv_fail(err, RV_CONFLICT,
                "there is nothing to decide any more: one of the two runs of "
                "approval %lld has ended, or was asked to",
                (long long)op->id);
        rv_hint(err, "See who has the key: reeve run list --key %s.",
                rv_json_str(json_object_get(claim_of(state), "args"), "key", ""));
        return RV_CONFLICT;
    }
    if (rv_json_int(state, "expires_us", 0) < now_us) {
        return rv_fail(err, RV_CONFLICT, "approval %lld has expired", (long long)op->id);
    }
    if (has_voted(json_object_get(state, "votes"), op->person)) {
        return rv_fail(err, RV_DENIED, "\"%s\" has decided here already; one person fills one slot",
                       op->person);
    }
    bool from_cli = strcmp(op->channel, "cli") == 0;
    if (op->digest_hex == NULL ? !from_cli
                               : strcmp(op->digest_hex, rv_json_str(state, "digest", "")) != 0) {
        rv_fail(err, RV_CONFLICT, "the digest is not that of approval %lld", (long long)op->id);
        rv_hint(err, "Open the approval again: what would execute is not what you saw.");
        return RV_CONFLICT;
    }
    if (op->comment != NULL && strlen(op->comment) > APPROVAL_COMMENT_MAX) {
        return rv_fail(err, RV_INVALID, "field \"comment\" is longer than %d characters",
                       APPROVAL_COMMENT_MAX);
    }
    return RV_OK;
}

/* ---- what an answer about a key does ---- */

static void stop_run(const struct op *op, struct rv_batch *batch, int64_t run, bool lock,
                     const char *reason)
{
    struct rv_args *rows = rv_batch_rows(batch, &rv_sql_approval_claim_stop);
    rv_args_i64(rows, 2, run);
    rv_args_i64(rows, 3, rv_id_make(rv_batch_head(batch)->now_us));
    rv_args_bool(rows, 4, lock);
    rv_args_text(rows, 5, reason);
    rv_args_text(rows, 6, op->person != NULL ? op->person : "system:approvals");
}

/* Who keeps the key and why, as whoever comes second is told. */
static void refuse_run(const struct op *op, struct rv_batch *batch, const json_t *state,
                       const char *status)
{
    const json_t *claim = claim_of(state);
    const json_t *args = json_object_get(claim, "args");
    char why[APPROVAL_REASON_MAX] = "";
    if (strcmp(status, "rejected") == 0) {
        bool said = op->comment != NULL && op->comment[0] != '\0';
        snprintf(why, sizeof why, "%.60s has decided so%s%.120s", op->person, said ? ": " : "",
                 said ? op->comment : "");
    } else if (strcmp(status, "expired") == 0) {
        snprintf(why, sizeof why, "nobody has decided in time");
    } else {
        snprintf(why, sizeof why, "the policy is another one than when people were asked");
    }
    char *text = rv_arena_printf(
        rv_batch_arena(batch), "%s of agent %.60s, since %s, keeps key %.100s: %s (approval %lld)",
        rv_json_str(args, "holder", ""), rv_json_str(args, "holder_agent", ""),
        rv_json_str(claim, "since", ""), rv_json_str(args, "key", ""), why, (long long)op->id);
    rv_text_mend(text);
    stop_run(op, batch, rv_json_int(state, "run", 0), true, text);
}

static void hand_over(const struct op *op, struct rv_batch *batch, const json_t *claim)
{
    const json_t *args = json_object_get(claim, "args");
    char *text = rv_arena_printf(
        rv_batch_arena(batch), "%.60s has given key %.100s to %s of agent %.60s (approval %lld)",
        op->person, rv_json_str(args, "key", ""), rv_json_str(args, "run", ""),
        rv_json_str(args, "agent", ""), (long long)op->id);
    rv_text_mend(text);
    stop_run(op, batch, rv_json_int(claim, "holder", 0), false, text);
}

/* A yes is used up by the holder being asked to stop; under another policy it counts for nothing.
 */
static const char *granted(const json_t *state)
{
    const json_t *claim = claim_of(state);
    return claim == NULL ? "approved" : rv_json_bool(claim, "same", false) ? "consumed" : "void";
}

static void decide_key(const struct op *op, struct rv_batch *batch, const json_t *state,
                       const char *status)
{
    const json_t *claim = claim_of(state);
    if (claim == NULL || !rv_json_bool(claim, "open", false)) {
        return;
    }
    if (strcmp(status, "consumed") == 0) {
        hand_over(op, batch, claim);
    } else {
        refuse_run(op, batch, state, status);
    }
}

/* ---- rows ---- */

static void tell(const struct op *op, struct rv_batch *batch, const char *event, const char *status,
                 const json_t *state)
{
    rv_outbox_append(batch, rv_id_make(rv_batch_head(batch)->now_us), event,
                     json_pack("{s:I,s:s,s:s}", "approval", (json_int_t)op->id, "status", status,
                               "action", rv_json_str(state, "action", "")));
}

static void answer(struct op *op, struct rv_batch *batch, const json_t *state, const char *status)
{
    struct rv_args *rows = rv_batch_rows(batch, &rv_sql_approval_answer_set);
    rv_args_i64(rows, 2, op->id);
    rv_args_text(rows, 3, status);
    if (strcmp(status, "approved") != 0) {
        rv_limits_release(batch, json_object_get(state, "limits"));
    }
    decide_key(op, batch, state, status);
    if (strcmp(status, "consumed") == 0) {
        tell(op, batch, "approval.decided", "approved", state);
        tell(op, batch, "approval.executed", status, state);
        return;
    }
    const char *event = strcmp(status, "expired") == 0 ? "approval.expired"
                        : strcmp(status, "void") == 0  ? "approval.void"
                                                       : "approval.decided";
    tell(op, batch, event, status, state);
}

static void record(struct op *op, struct rv_batch *batch, const char *what, const char *status,
                   const json_t *state)
{
    json_t *body = json_pack("{s:s,s:I,s:s,s:s}", "what", what, "approval", (json_int_t)op->id,
                             "status", status, "digest", rv_json_str(state, "digest", ""));
    if (claim_of(state) != NULL) { /* with the run, which is the record's own, whom it was about */
        json_object_set(body, "holder", json_object_get(claim_of(state), "holder"));
    }
    if (op->person != NULL) {
        json_object_set_new(body, "person", json_string(op->person));
        json_object_set_new(body, "decision", json_string(op->approve ? "approve" : "reject"));
        json_object_set_new(body, "channel", json_string(op->channel));
    }
    rv_audit_append(batch, "approval", rv_json_int(state, "run", 0), -1, body);
    json_decref(body);
}

static enum rv_code vote_decide(struct rv_unit *unit, struct rv_batch *batch, struct rv_error *err)
{
    struct op *op = (struct op *)unit;
    const json_t *state = unit->loads[0].state;
    json_decref(op->status);
    op->status = NULL;
    if (state == NULL) {
        return no_approval(op->id, err);
    }
    enum rv_code code = check_vote(op, state, rv_batch_head(batch)->now_us, err);
    if (code != RV_OK) {
        return code;
    }
    json_t *yes = json_array();
    size_t i;
    json_t *vote;
    json_array_foreach(json_object_get(state, "votes"), i, vote)
    {
        if (strcmp(rv_json_str(vote, "decision", ""), "approve") == 0) {
            json_array_append(yes, vote);
        }
    }
    if (op->approve) {
        json_array_append_new(yes, json_pack("{s:s,s:O}", "person", op->person, "roles",
                                             json_object_get(state, "roles")));
    }
    const json_t *stages = json_object_get(state, "stages");
    const char *also = rv_json_str(state, "escalate_to", NULL);
    json_t *missing = rv_stages_missing(stages, yes, also);
    const char *status = !op->approve                    ? "rejected"
                         : json_array_size(missing) == 0 ? granted(state)
                                                         : "requested";
    struct rv_hash digest;
    RV_ASSERT(rv_hash_from_hex(rv_json_str(state, "digest", ""), &digest));
    struct rv_args *rows = rv_batch_rows(batch, &rv_sql_approval_vote_append);
    rv_args_i64(rows, 2, op->id);
    rv_args_text(rows, 3, op->person);
    char *roles = rv_json_text(json_object_get(state, "roles"));
    rv_args_text(rows, 4, roles);
    rv_free(roles);
    rv_args_text(rows, 5, op->approve ? "approve" : "reject");
    rv_args_bytes(rows, 6, digest.bytes, RV_HASH_BYTES);
    rv_args_text(rows, 7, op->comment);
    rv_args_text(rows, 8, op->channel);
    if (strcmp(status, "requested") != 0) {
        answer(op, batch, state, status);
    }
    record(op, batch, "vote", status, state);
    op->status = json_pack("{s:I,s:s,s:O,s:o}", "id", (json_int_t)op->id, "status", status, "votes",
                           yes, "missing", missing);
    json_decref(yes);
    return RV_OK;
}

/* Expiry ends in "no", whatever votes are there; one that nobody waits for has no one to answer;
 * escalation opens the question to another role. */
static enum rv_code time_decide(struct rv_unit *unit, struct rv_batch *batch, struct rv_error *err)
{
    struct op *op = (struct op *)unit;
    const json_t *state = unit->loads[0].state;
    if (state == NULL) {
        return no_approval(op->id, err);
    }
    int64_t now_us = rv_batch_head(batch)->now_us;
    const char *status = rv_json_str(state, "status", "");
    bool open = strcmp(status, "requested") == 0;
    bool undecided = open || strcmp(status, "approved") == 0;
    bool over = undecided && is_over(state);
    bool expired = undecided && rv_json_int(state, "expires_us", 0) <= now_us;
    if ((over || expired) && !rv_approval_end(batch, op->id)) {
        return RV_OK; /* whoever presents it was a moment earlier in this transaction */
    }
    if (over) {
        answer(op, batch, state, "void");
        record(op, batch, claim_of(state) != NULL ? "key free" : "run over", "void", state);
        return RV_OK;
    }
    if (expired) {
        answer(op, batch, state, "expired");
        record(op, batch, "expiry", "expired", state);
        return RV_OK;
    }
    int64_t escalate_us = rv_json_int(state, "escalate_us", 0);
    if (open && escalate_us != 0 && escalate_us <= now_us &&
        !rv_json_bool(state, "escalated", true)) {
        struct rv_args *rows = rv_batch_rows(batch, &rv_sql_approval_escalate_set);
        rv_args_i64(rows, 2, op->id);
        rv_outbox_append(batch, rv_id_make(now_us), "approval.escalated",
                         json_pack("{s:I,s:s}", "approval", (json_int_t)op->id, "to",
                                   rv_json_str(state, "pending_escalate_to", "")));
        record(op, batch, "escalation", "requested", state);
    }
    return RV_OK;
}

static void op_done(struct rv_unit *unit, enum rv_code code, const struct rv_error *err)
{
    struct op *op = (struct op *)unit;
    if (op->done != NULL) {
        op->done(op->data, code, code == RV_OK ? op->status : NULL, err);
    }
    op_destroy(op);
}
