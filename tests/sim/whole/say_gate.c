/* say_gate.c -- runtime/gate/sql, runtime/approval/sql, runtime/audit/sql, erp/sql/event.sql. */
#include "tests/sim/whole/base.h"

#include "runtime/base/check.h"
#include "runtime/base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- what a decision looks at ---- */

static json_t *hex(const uint8_t *bytes)
{
    struct rv_hash hash;
    char text[RV_HASH_HEX];
    memcpy(hash.bytes, bytes, RV_HASH_BYTES);
    rv_hash_hex(&hash, text);
    return json_string(text);
}

static struct approval_row *find_approval(struct base *base, int32_t tenant, int64_t id)
{
    BASE_EACH(base, T_APPROVAL, approval_row, approval)
    {
        if (approval->tenant == tenant && approval->id == id) {
            return approval;
        }
    }
    return NULL;
}

static const struct policy_row *active_policy(struct base *base, int32_t tenant)
{
    BASE_EACH(base, T_POLICY, policy_row, policy)
    {
        if (policy->tenant == tenant && policy->active) {
            return policy;
        }
    }
    return NULL;
}

static json_t *log_json(struct base *base, int32_t tenant, const char *command)
{
    BASE_EACH(base, T_LOG, log_row, log)
    {
        if (log->tenant == tenant && strcmp(log->command, command) == 0) {
            return json_pack("{s:s,s:O,s:s,s:o,s:o,s:o}", "outcome", log->outcome, "answer",
                             log->answer, "name", log->name, "args_hash", hex(log->args_hash),
                             "first", log->first != 0 ? json_integer(log->first) : json_null(),
                             "last", log->last != 0 ? json_integer(log->last) : json_null());
        }
    }
    return NULL;
}

/* The yes-votes with the roles that their people hold now. */
static json_t *yes_votes(struct base *base, const struct approval_row *approval)
{
    json_t *votes = json_array();
    BASE_EACH(base, T_VOTE, vote_row, vote)
    {
        const struct person_row *person = base_person(base, vote->tenant, vote->person);
        if (vote->tenant == approval->tenant && vote->approval == approval->id &&
            base_is(vote->decision, "approve") && person != NULL && person->enabled) {
            json_array_append_new(
                votes, json_pack("{s:s,s:O}", "person", vote->person, "roles", person->roles));
        }
    }
    return votes;
}

static json_t *approval_json(struct base *base, const struct approval_row *approval)
{
    json_t *out = json_pack(
        "{s:I,s:O,s:s,s:o,s:o,s:O,s:i,s:O,s:i,s:s,s:s,s:O,s:I}", "id", (json_int_t)approval->id,
        "args", approval->args, "status", approval->status, "digest", hex(approval->digest),
        "policy", hex(approval->policy), "rules", approval->rules, "seq", (int)approval->seq,
        "stages", approval->stages, "resource_version", (int)approval->version, "requested_by",
        approval->requested_by, "action", approval->action, "limits", approval->limits,
        "expires_us", (json_int_t)approval->expires_us);
    json_object_set_new(out, "escalate_to",
                        approval->escalated && approval->escalate_to != NULL
                            ? json_string(approval->escalate_to)
                            : json_null());
    json_object_set_new(out, "votes", yes_votes(base, approval));
    return out;
}

/* The open question that a person's own request with this command id has led to. */
static int64_t asked_before(struct base *base, int32_t tenant, const char *command)
{
    int64_t newest = 0;
    BASE_EACH(base, T_APPROVAL, approval_row, approval)
    {
        if (approval->tenant == tenant && approval->run == 0 &&
            base_is(approval->command, command) &&
            (base_is(approval->status, "requested") || base_is(approval->status, "approved")) &&
            approval->id > newest) {
            newest = approval->id;
        }
    }
    return newest;
}

static void gate_load(struct base_call *call)
{
    const struct policy_row *policy = active_policy(call->base, call->tenant);
    char today[RV_TIME_TEXT];
    rv_time_text(base_now_us(call->base), today);
    today[10] = '\0';
    for (int i = 0; i < base_count(call, 2); i++) {
        base_row(call);
        base_out_int(call, base_int(call, 2, i));
        base_out_json(call, json_pack("{s:o,s:s,s:s}", "policy",
                                      policy != NULL ? hex(policy->hash) : json_null(), "today",
                                      today, "currency", "EUR"));
    }
}

static void gate_log_load(struct base_call *call)
{
    for (int i = 0; i < base_count(call, 2); i++) {
        const char *command = rv_json_str(base_json(call, 3, i), "command", "");
        json_t *log = log_json(call->base, call->tenant, command);
        if (log != NULL) {
            base_row(call);
            base_out_int(call, base_int(call, 2, i));
            base_out_json(call, log);
        }
    }
}

static void gate_approval_load(struct base_call *call)
{
    for (int i = 0; i < base_count(call, 2); i++) {
        const json_t *args = base_json(call, 3, i);
        int64_t id = json_object_get(args, "approval") != NULL
                         ? rv_json_int(args, "approval", 0)
                         : asked_before(call->base, call->tenant, rv_json_str(args, "command", ""));
        const struct approval_row *approval = find_approval(call->base, call->tenant, id);
        if (approval != NULL) {
            base_row(call);
            base_out_int(call, base_int(call, 2, i));
            base_out_json(call, approval_json(call->base, approval));
        }
    }
}

static void limit_use_load(struct base_call *call)
{
    for (int i = 0; i < base_count(call, 2); i++) {
        json_t *totals = json_array();
        size_t k;
        json_t *item;
        json_array_foreach(base_json(call, 3, i), k, item)
        {
            int64_t since_us =
                base_now_us(call->base) -
                (rv_json_int(item, "window_s", 0) + rv_json_int(item, "bucket_s", 0)) * 1000000;
            int64_t total = 0;
            BASE_EACH(call->base, T_LIMIT, limit_row, limit)
            {
                if (limit->tenant == call->tenant && limit->bucket_us > since_us &&
                    base_is(limit->rule, rv_json_str(item, "rule", "")) &&
                    base_is(limit->key, rv_json_str(item, "key", ""))) {
                    total += limit->used + limit->held;
                }
            }
            json_array_append_new(totals, json_integer(total));
        }
        if (json_array_size(totals) == 0) {
            json_decref(totals); /* a lateral join of nothing gives no row */
            continue;
        }
        base_row(call);
        base_out_int(call, base_int(call, 2, i));
        base_out_json(call, totals);
    }
}

static struct limit_row *find_limit(struct base *base, int32_t tenant, const char *rule,
                                    const char *key, int64_t bucket_us)
{
    BASE_EACH(base, T_LIMIT, limit_row, limit)
    {
        if (limit->tenant == tenant && base_is(limit->rule, rule) && base_is(limit->key, key) &&
            limit->bucket_us == bucket_us) {
            return limit;
        }
    }
    return NULL;
}

static void limit_use_add(struct base_call *call)
{
    for (int i = 0; i < base_count(call, 2); i++) {
        const char *rule = base_text(call, 2, i);
        const char *key = base_text(call, 3, i);
        int64_t bucket_us = base_time_us(call, 4, i);
        struct limit_row *limit = find_limit(call->base, call->tenant, rule, key, bucket_us);
        if (limit == NULL) {
            limit = base_insert(call, T_LIMIT);
            limit->tenant = call->tenant;
            limit->rule = rule;
            limit->key = key;
            limit->bucket_us = bucket_us;
        } else {
            base_touch(call, T_LIMIT, limit);
        }
        limit->used += base_int(call, 5, i);
        limit->held += base_int(call, 6, i);
    }
}

/* ---- approvals ---- */

static json_t *or_empty(struct base *base, json_t *json, json_t *empty)
{
    base_keep(base, empty);
    return json != NULL ? json : empty;
}

static void approval_insert(struct base_call *call)
{
    struct base *base = call->base;
    for (int i = 0; i < base_count(call, 2); i++) {
        if (find_approval(base, call->tenant, base_int(call, 2, i)) != NULL) {
            base_fail(call, "23505", "approval_pkey");
            return;
        }
        struct approval_row *approval = base_insert(call, T_APPROVAL);
        approval->tenant = call->tenant;
        approval->id = base_int(call, 2, i);
        approval->run = base_int(call, 3, i);
        approval->seq = (int32_t)base_int(call, 4, i);
        approval->status = "requested";
        approval->action = base_text(call, 5, i);
        approval->args = base_json(call, 6, i);
        approval->resource = base_text(call, 7, i);
        approval->version = (int32_t)base_int(call, 8, i);
        base_hash(call, 9, i, approval->digest);
        base_hash(call, 10, i, approval->policy);
        approval->rules = base_json(call, 11, i);
        approval->stages = base_json(call, 12, i);
        approval->never = base_json(call, 13, i);
        approval->agent = base_text(call, 14, i);
        approval->requested_by = base_text(call, 15, i);
        approval->reason = base_text(call, 16, i);
        approval->evidence = or_empty(base, base_json(call, 17, i), json_array());
        approval->facts = or_empty(base, base_json(call, 18, i), json_object());
        approval->effect = or_empty(base, base_json(call, 19, i), json_object());
        approval->has_exception = !base_null(call, 20, i);
        if (approval->has_exception) {
            base_hash(call, 20, i, approval->exception);
        }
        approval->expires_us = base_time_us(call, 24, i);
        approval->has_escalate = !base_null(call, 25, i);
        approval->escalate_us = approval->has_escalate ? base_time_us(call, 25, i) : 0;
        approval->escalate_to = base_text(call, 26, i);
        approval->limits = base_json(call, 27, i);
        approval->command = base_text(call, 28, i);
    }
}

static bool is_granted(struct base *base, const struct approval_row *approval)
{
    return base_is(approval->status, "approved") && approval->run == 0 &&
           approval->expires_us > base_now_us(base);
}

static const struct approval_row *next_granted(struct base *base, int32_t tenant, int64_t after)
{
    const struct approval_row *next = NULL;
    BASE_EACH(base, T_APPROVAL, approval_row, approval)
    {
        if (approval->tenant == tenant && is_granted(base, approval) && approval->id > after &&
            (next == NULL || approval->id < next->id)) {
            next = approval;
        }
    }
    return next;
}

static void approvals_granted(struct base_call *call)
{
    struct base *base = call->base;
    const struct approval_row *approval = next_granted(base, call->tenant, 0);
    for (; approval != NULL; approval = next_granted(base, call->tenant, approval->id)) {
        const char *who = approval->requested_by;
        const struct person_row *person =
            strncmp(who, "person:", 7) == 0 ? base_person(base, call->tenant, who + 7) : NULL;
        base_row(call);
        base_out_int(call, approval->id);
        base_out_text(call, approval->command);
        base_out_text(call, approval->action);
        base_out_json(call, json_incref(approval->args));
        base_out_text(call, who);
        base_out_json(call, person != NULL && person->enabled ? json_incref(person->roles) : NULL);
        base_out_text(call, approval->reason);
        base_out_json(call, json_incref(approval->evidence));
    }
}

static void approval_status_set(struct base_call *call)
{
    for (int i = 0; i < base_count(call, 2); i++) {
        struct approval_row *approval =
            find_approval(call->base, call->tenant, base_int(call, 2, i));
        if (approval != NULL) {
            base_touch(call, T_APPROVAL, approval);
            approval->status = base_text(call, 3, i);
        }
    }
}

static bool is_among(const struct base_call *call, int64_t approval)
{
    for (int i = 0; i < base_count(call, 2); i++) {
        if (base_int(call, 2, i) == approval) {
            return true;
        }
    }
    return false;
}

static bool waits_for_another(struct base_call *call, const struct run_row *run)
{
    BASE_EACH(call->base, T_APPROVAL, approval_row, approval)
    {
        if (approval->tenant == run->tenant && approval->run == run->id &&
            base_is(approval->status, "requested") && !is_among(call, approval->id)) {
            return true;
        }
    }
    return false;
}

/* The run that waits for this answer, and for no other, wakes. */
static void approval_answer_set(struct base_call *call)
{
    approval_status_set(call);
    for (int i = 0; i < base_count(call, 2); i++) {
        const struct approval_row *approval =
            find_approval(call->base, call->tenant, base_int(call, 2, i));
        struct run_row *run = approval != NULL && approval->run != 0
                                  ? base_run(call->base, call->tenant, approval->run)
                                  : NULL;
        if (run != NULL && base_is(run->status, "waiting") &&
            base_is(run->waiting_on, "approval") && !waits_for_another(call, run)) {
            base_touch(call, T_RUN, run);
            run->has_wake = true;
            run->wake_us = base_now_us(call->base);
        }
    }
}

static void approval_claim_stop(struct base_call *call)
{
    for (int i = 0; i < base_count(call, 2); i++) {
        const struct run_row *run = base_run(call->base, call->tenant, base_int(call, 2, i));
        if (run == NULL || base_run_over(run) ||
            (base_bool(call, 4, i) && !base_waits_for_key(run))) {
            continue;
        }
        if (base_signal(call->base, call->tenant, run->id, base_int(call, 3, i)) != NULL) {
            base_fail(call, "23505", "run_signal_pkey");
            return;
        }
        struct signal_row *signal = base_insert(call, T_SIGNAL);
        *signal = (struct signal_row){
            .tenant = call->tenant,
            .run = run->id,
            .id = base_int(call, 3, i),
            .name = "$cancel",
            .body = base_keep(call->base, json_pack("{s:s?}", "reason", base_text(call, 5, i))),
            .sent_by = base_text(call, 6, i)};
    }
}

static void approval_escalate_set(struct base_call *call)
{
    for (int i = 0; i < base_count(call, 2); i++) {
        struct approval_row *approval =
            find_approval(call->base, call->tenant, base_int(call, 2, i));
        if (approval != NULL) {
            base_touch(call, T_APPROVAL, approval);
            approval->escalated = true;
        }
    }
}

/* "[..]" or one bare word, see reeve_vote_roles */
static json_t *vote_roles(const char *role)
{
    return role[0] == '[' ? json_loads(role, 0, NULL) : json_pack("[s]", role);
}

static json_t *all_votes(struct base *base, const struct approval_row *approval)
{
    json_t *votes = json_array();
    BASE_EACH(base, T_VOTE, vote_row, vote)
    { /* in the order of time */
        if (vote->tenant != approval->tenant || vote->approval != approval->id) {
            continue;
        }
        const struct person_row *person = base_person(base, vote->tenant, vote->person);
        json_array_append_new(votes, json_pack("{s:s,s:o,s:s,s:s,s:o}", "person", vote->person,
                                               "role", vote_roles(vote->role), "decision",
                                               vote->decision, "comment", vote->comment, "roles",
                                               person != NULL && person->enabled
                                                   ? json_incref(person->roles)
                                                   : json_null()));
    }
    return votes;
}

/* Of a question about a key; JSON null for any other. */
static json_t *claim_of(struct base *base, const struct approval_row *approval,
                        const struct run_row *run)
{
    const char *name = rv_json_str(approval->args, "holder", "");
    const struct run_row *held =
        strlen(name) > 2 ? base_run(base, approval->tenant, strtoll(name + 2, NULL, 10)) : NULL;
    if (!base_is(approval->action, "run.start") || run == NULL || held == NULL) {
        return json_null();
    }
    const struct policy_row *policy = active_policy(base, approval->tenant);
    bool open = base_waits_for_key(run) && held->claims && !base_run_over(held) &&
                held->error_code == NULL && !base_is_told_to_stop(base, held) &&
                !base_is_told_to_stop(base, run);
    bool same = policy != NULL && memcmp(policy->hash, approval->policy, sizeof policy->hash) == 0;
    return json_pack("{s:O,s:O?,s:I,s:b,s:b}", "args", approval->args, "since",
                     json_object_get(json_object_get(approval->facts, "holder"), "since"), "holder",
                     (json_int_t)held->id, "open", open, "same", same);
}

static void approval_vote_load(struct base_call *call)
{
    struct base *base = call->base;
    for (int i = 0; i < base_count(call, 2); i++) {
        const json_t *args = base_json(call, 3, i);
        const struct approval_row *approval =
            find_approval(base, call->tenant, rv_json_int(args, "id", 0));
        if (approval == NULL) {
            continue;
        }
        const struct person_row *person =
            base_person(base, call->tenant, rv_json_str(args, "person", ""));
        const struct run_row *run =
            approval->run != 0 ? base_run(base, call->tenant, approval->run) : NULL;
        json_t *state = json_pack(
            "{s:s,s:o,s:O,s:O,s:b,s:s,s:O,s:s,s:b,s:I}", "status", approval->status, "digest",
            hex(approval->digest), "stages", approval->stages, "never", approval->never, "run_over",
            run != NULL && base_run_over(run), "action", approval->action, "limits",
            approval->limits, "requested_by", approval->requested_by, "escalated",
            approval->escalated, "expires_us", (json_int_t)approval->expires_us);
        json_object_set_new(state, "run",
                            approval->run != 0 ? json_integer(approval->run) : json_null());
        json_object_set_new(state, "exception",
                            approval->has_exception ? hex(approval->exception) : json_null());
        json_t *to =
            approval->escalate_to != NULL ? json_string(approval->escalate_to) : json_null();
        json_object_set_new(state, "escalate_to",
                            approval->escalated ? json_incref(to) : json_null());
        json_object_set_new(state, "pending_escalate_to", to);
        json_object_set_new(state, "escalate_us",
                            approval->has_escalate ? json_integer(approval->escalate_us)
                                                   : json_null());
        json_object_set_new(state, "roles",
                            person != NULL && person->enabled ? json_incref(person->roles)
                                                              : json_null());
        json_object_set_new(state, "votes", all_votes(base, approval));
        json_object_set_new(state, "claim", claim_of(base, approval, run));
        base_row(call);
        base_out_int(call, base_int(call, 2, i));
        base_out_json(call, state);
    }
}

static void approval_vote_append(struct base_call *call)
{
    for (int i = 0; i < base_count(call, 2); i++) {
        int64_t approval = base_int(call, 2, i);
        const char *person = base_text(call, 3, i);
        BASE_EACH(call->base, T_VOTE, vote_row, other)
        {
            if (other->tenant == call->tenant && other->approval == approval &&
                base_is(other->person, person)) {
                base_fail(call, "23505", "approval_vote_pkey");
                return;
            }
        }
        const char *comment = base_text(call, 7, i);
        struct vote_row *vote = base_insert(call, T_VOTE);
        *vote = (struct vote_row){.tenant = call->tenant,
                                  .approval = approval,
                                  .person = person,
                                  .role = base_text(call, 4, i),
                                  .decision = base_text(call, 5, i),
                                  .comment = comment != NULL ? comment : "",
                                  .channel = base_text(call, 8, i),
                                  .at_us = base_now_us(call->base)};
    }
}

/* ---- outbox and record ---- */

static void outbox_append(struct base_call *call)
{
    for (int i = 0; i < base_count(call, 2); i++) {
        int64_t id = base_int(call, 2, i);
        BASE_EACH(call->base, T_OUTBOX, outbox_row, other)
        {
            if (other->tenant == call->tenant && other->id == id) {
                base_fail(call, "23505", "outbox_pkey");
                return;
            }
        }
        struct outbox_row *row = base_insert(call, T_OUTBOX);
        *row = (struct outbox_row){.tenant = call->tenant,
                                   .id = id,
                                   .event = base_text(call, 3, i),
                                   .body = base_json(call, 4, i),
                                   .at_us = base_now_us(call->base)};
    }
}

static void audit_append(struct base_call *call)
{
    for (int i = 0; i < base_count(call, 2); i++) {
        int64_t seq = base_int(call, 2, i);
        BASE_EACH(call->base, T_AUDIT, audit_row, other)
        {
            if (other->tenant == call->tenant && other->seq == seq) {
                base_fail(call, "23505", "audit_record_pkey");
                return;
            }
        }
        struct audit_row *record = base_insert(call, T_AUDIT);
        record->tenant = call->tenant;
        record->seq = seq;
        record->at_us = base_time_us(call, 3, i);
        record->kind = base_text(call, 4, i);
        record->run = base_int(call, 5, i);
        record->step = (int32_t)base_int(call, 6, i);
        record->body = base_text(call, 7, i);
        base_hash(call, 8, i, record->leaf);
    }
}

static void audit_checkpoint_append(struct base_call *call)
{
    for (int i = 0; i < base_count(call, 2); i++) {
        int64_t size = base_int(call, 2, i);
        BASE_EACH(call->base, T_CHECKPOINT, checkpoint_row, other)
        {
            if (other->tenant == call->tenant && other->size == size) {
                base_fail(call, "23505", "audit_checkpoint_pkey");
                return;
            }
        }
        struct checkpoint_row *row = base_insert(call, T_CHECKPOINT);
        row->tenant = call->tenant;
        row->size = size;
        base_hash(call, 3, i, row->root);
        row->note = base_text(call, 4, i);
    }
}

/* ---- policies ---- */

static void policy_active_get(struct base_call *call)
{
    const struct policy_row *policy = active_policy(call->base, call->tenant);
    if (policy != NULL) {
        json_t *text = hex(policy->hash);
        base_row(call);
        base_out_text(call, json_string_value(text));
        base_out_text(call, policy->name);
        base_out_text(call, policy->source);
        json_decref(text);
    }
}

static struct policy_row *find_policy(struct base *base, int32_t tenant, const uint8_t *hash)
{
    BASE_EACH(base, T_POLICY, policy_row, policy)
    {
        if (policy->tenant == tenant && memcmp(policy->hash, hash, RV_HASH_BYTES) == 0) {
            return policy;
        }
    }
    return NULL;
}

static void policy_bundle_put(struct base_call *call)
{
    for (int i = 0; i < base_count(call, 2); i++) {
        uint8_t hash[RV_HASH_BYTES];
        base_hash(call, 2, i, hash);
        if (find_policy(call->base, call->tenant, hash) == NULL) {
            struct policy_row *policy = base_insert(call, T_POLICY);
            policy->tenant = call->tenant;
            memcpy(policy->hash, hash, sizeof hash);
            policy->name = base_text(call, 3, i);
            policy->source = base_text(call, 4, i);
        }
    }
}

static void policy_activate(struct base_call *call)
{
    for (int i = 0; i < base_count(call, 2); i++) {
        uint8_t hash[RV_HASH_BYTES];
        base_hash(call, 2, i, hash);
        BASE_EACH(call->base, T_POLICY, policy_row, policy)
        {
            if (policy->tenant == call->tenant) {
                base_touch(call, T_POLICY, policy);
                policy->active = memcmp(policy->hash, hash, sizeof hash) == 0;
            }
        }
    }
}

/* ---- the log of events ---- */

/* The index that a new event would hurt, in the order in which they are looked at; NULL: none. */
static const char *event_hurts(const struct base_call *call, int64_t seq, const char *stream,
                               int32_t version)
{
    bool same = false;
    bool stale = false;
    BASE_EACH(call->base, T_EVENT, event_row, other)
    {
        same = same || (other->tenant == call->tenant && other->seq == seq);
        stale = stale || (other->tenant == call->tenant && other->version == version &&
                          strcmp(other->stream, stream) == 0);
    }
    return same ? "event_pkey" : stale ? "event_tenant_id_stream_version_key" : NULL;
}

static void event_append(struct base_call *call)
{
    for (int i = 0; i < base_count(call, 2); i++) {
        int64_t seq = base_int(call, 2, i);
        const char *stream = base_text(call, 3, i);
        int32_t version = (int32_t)base_int(call, 4, i);
        const char *hurt = event_hurts(call, seq, stream, version);
        if (hurt != NULL) {
            base_fail(call, "23505", hurt);
            return;
        }
        struct event_row *event = base_insert(call, T_EVENT);
        event->tenant = call->tenant;
        event->seq = seq;
        event->stream = stream;
        event->version = version;
        event->type = base_text(call, 5, i);
        event->occurred_day = base_day(call, 6, i);
        event->recorded_us = base_time_us(call, 7, i);
        event->actor = base_text(call, 8, i);
        event->command = base_text(call, 9, i);
        event->body = base_json(call, 10, i);
        base_hash(call, 11, i, event->body_hash);
        base_hash(call, 12, i, event->hash);
    }
}

static void command_log_append(struct base_call *call)
{
    for (int i = 0; i < base_count(call, 2); i++) {
        const char *command = base_text(call, 2, i);
        BASE_EACH(call->base, T_LOG, log_row, other)
        {
            if (other->tenant == call->tenant && strcmp(other->command, command) == 0) {
                base_fail(call, "23505", "command_log_pkey");
                return;
            }
        }
        json_t *answer = base_json(call, 8, i);
        struct log_row *log = base_insert(call, T_LOG);
        log->tenant = call->tenant;
        log->command = command;
        log->name = base_text(call, 3, i);
        base_hash(call, 4, i, log->args_hash);
        log->outcome = base_text(call, 5, i);
        log->first = base_int(call, 6, i);
        log->last = base_int(call, 7, i);
        log->answer = answer != NULL ? answer : base_keep(call->base, json_object());
    }
}

const struct base_word base_words_gate[] = {
    {"gate_load", gate_load},
    {"gate_log_load", gate_log_load},
    {"gate_approval_load", gate_approval_load},
    {"limit_use_load", limit_use_load},
    {"limit_use_add", limit_use_add},
    {"approval_insert", approval_insert},
    {"approvals_granted", approvals_granted},
    {"approval_status_set", approval_status_set},
    {"approval_answer_set", approval_answer_set},
    {"approval_claim_stop", approval_claim_stop},
    {"approval_escalate_set", approval_escalate_set},
    {"approval_vote_load", approval_vote_load},
    {"approval_vote_append", approval_vote_append},
    {"outbox_append", outbox_append},
    {"audit_append", audit_append},
    {"audit_checkpoint_append", audit_checkpoint_append},
    {"policy_active_get", policy_active_get},
    {"policy_bundle_put", policy_bundle_put},
    {"policy_activate", policy_activate},
    {"event_append", event_append},
    {"command_log_append", command_log_append},
    {NULL, NULL},
};
