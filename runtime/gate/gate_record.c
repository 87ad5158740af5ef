/* gate_record.c -- the paper trail of the door; see gate_record.h.  Nothing personal is written in
 * the clear here: arguments appear as digests, the approval row (under row-level security) holds
 * them. */
#include "runtime/gate/gate_record.h"

#include "gate_sql.h"
#include "runtime/base/check.h"

#include <string.h>

enum { DIGEST_JSON_MAX = 16 << 20 };

enum rv_code rv_gate_digest(const json_t *value, struct rv_hash *out, struct rv_error *err)
{
    struct rv_buf text;
    rv_buf_init(&text, DIGEST_JSON_MAX);
    enum rv_code code = rv_json_canonical(value, &text, err);
    if (code == RV_OK) {
        *out = rv_sha256(text.data, text.length);
    }
    rv_buf_fini(&text);
    return code;
}

static void set_text(json_t *object, const char *key, const char *text)
{
    if (text != NULL) {
        json_object_set_new(object, key, json_string(text));
    }
}

static void set_hash(json_t *object, const char *key, const struct rv_hash *hash)
{
    char hex[RV_HASH_HEX];
    rv_hash_hex(hash, hex);
    json_object_set_new(object, key, json_string(hex));
}

enum rv_code rv_binding_digest(const struct rv_binding *binding, struct rv_hash *out,
                               struct rv_error *err)
{
    json_t *body = json_object();
    json_object_set_new(body, "tenant", json_integer(binding->tenant));
    set_text(body, "requested_by", binding->requested_by);
    json_object_set_new(body, "run", json_integer(binding->run));
    json_object_set_new(body, "step", json_integer(binding->seq));
    set_text(body, "action", binding->action);
    if (binding->schema != NULL) {
        struct rv_hash schema = rv_sha256(binding->schema, strlen(binding->schema));
        set_hash(body, "schema", &schema);
    }
    json_object_set(body, "args", (json_t *)(uintptr_t)binding->args);
    set_text(body, "resource", binding->resource);
    if (binding->resource_version >= 0) {
        json_object_set_new(body, "resource_version", json_integer(binding->resource_version));
    }
    set_text(body, "policy", binding->policy_hex);
    json_object_set(body, "rules", (json_t *)(uintptr_t)binding->rules);
    json_object_set_new(body, "expires_us", json_integer(binding->expires_us));
    enum rv_code code = rv_gate_digest(body, out, err);
    json_decref(body);
    return code;
}

static const char *kind_name(enum rv_principal_kind kind)
{
    switch (kind) {
    case RV_PRINCIPAL_AGENT: return "agent";
    case RV_PRINCIPAL_PERSON: return "person";
    case RV_PRINCIPAL_SYSTEM: return "system";
    }
    RV_UNREACHABLE("three kinds of principal");
}

char *rv_principal_text(const struct rv_principal *principal, struct rv_arena *arena)
{
    return rv_arena_printf(arena, "%s:%s", kind_name(principal->kind), principal->id);
}

json_t *rv_principal_json(const struct rv_principal *principal, int32_t tenant)
{
    json_t *me = json_object();
    set_text(me, "kind", kind_name(principal->kind));
    set_text(me, "id", principal->id);
    set_text(me, "owner", principal->owner);
    json_object_set_new(me, "tenant", json_integer(tenant));
    json_object_set_new(me, "roles",
                        principal->roles != NULL
                            ? json_incref((json_t *)(uintptr_t)principal->roles)
                            : json_array());
    return me;
}

const char *rv_verdict_name(enum rv_verdict_kind kind)
{
    static const char *const names[] = {"allow", "hold", "deny"};
    return names[kind];
}

json_t *rv_verdict_rules_json(const struct rv_verdict *verdict)
{
    json_t *rules = json_array();
    int shown =
        verdict->rule_count < RV_VERDICT_RULES_MAX ? verdict->rule_count : RV_VERDICT_RULES_MAX;
    for (int i = 0; i < shown; i++) {
        json_array_append_new(rules, json_string(verdict->rules[i].id));
    }
    return rules;
}

bool rv_verdict_rules_within(const struct rv_verdict *verdict, const json_t *granted)
{
    for (int i = 0; i < verdict->rule_count && i < RV_VERDICT_RULES_MAX; i++) {
        bool found = false;
        size_t k;
        json_t *rule;
        json_array_foreach((json_t *)(uintptr_t)granted, k, rule)
        {
            found = found || strcmp(json_string_value(rule), verdict->rules[i].id) == 0;
        }
        if (!found) {
            return false;
        }
    }
    return true;
}

int64_t rv_record_decision(struct rv_batch *batch, const struct rv_principal *principal,
                           const char *action, const struct rv_hash *args_digest,
                           const struct rv_verdict *verdict, const char *policy_hex,
                           int64_t approval, const char *reason, int64_t run, int32_t seq)
{
    json_t *body = json_object();
    char *who = rv_principal_text(principal, rv_batch_arena(batch));
    set_text(body, "principal", who);
    set_text(body, "owner", principal->owner);
    set_text(body, "action", action);
    set_hash(body, "args", args_digest);
    set_text(body, "verdict", verdict == NULL ? "refused" : rv_verdict_name(verdict->kind));
    if (verdict != NULL) {
        json_object_set_new(body, "rules", rv_verdict_rules_json(verdict));
    }
    set_text(body, "policy", policy_hex);
    if (approval != 0) {
        json_object_set_new(body, "approval", json_integer(approval));
    }
    if (reason != NULL) { /* may quote a document: kept as a commitment, shown from the journal */
        struct rv_hash hash = rv_sha256(reason, strlen(reason));
        set_hash(body, "reason", &hash);
    }
    int64_t record = rv_audit_append(batch, "decision", run, run != 0 ? seq : -1, body);
    json_decref(body);
    return record;
}

int64_t rv_record_outcome(struct rv_batch *batch, int64_t decision_seq, const char *action,
                          const struct rv_gate_outcome *outcome, int64_t run, int32_t seq)
{
    json_t *body = json_object();
    json_object_set_new(body, "decision", json_integer(decision_seq));
    set_text(body, "action", action);
    set_text(body, "result", rv_gate_result_name(outcome->result));
    if (outcome->code != RV_OK) {
        set_text(body, "code", rv_code_name(outcome->code));
    }
    if (outcome->approval != 0) {
        json_object_set_new(body, "approval", json_integer(outcome->approval));
    }
    if (outcome->last_event != 0) {
        json_object_set_new(body, "first_event", json_integer(outcome->first_event));
        json_object_set_new(body, "last_event", json_integer(outcome->last_event));
    }
    if (outcome->answer != NULL) {
        struct rv_hash digest;
        if (rv_gate_digest(outcome->answer, &digest, NULL) == RV_OK) {
            set_hash(body, "answer", &digest);
        }
    }
    int64_t record = rv_audit_append(batch, "outcome", run, run != 0 ? seq : -1, body);
    json_decref(body);
    return record;
}

/* ---- questions ---- */

static void put_row(struct rv_batch *batch, const struct rv_question *question,
                    const struct rv_hash *digest, const json_t *never)
{
    const struct rv_binding *binding = &question->binding;
    const struct rv_verdict *verdict = question->verdict;
    struct rv_args *rows = rv_batch_rows(batch, &rv_sql_approval_insert);
    rv_args_i64(rows, 2, question->id);
    rv_args_i64(rows, 3, binding->run);
    rv_args_i32(rows, 4, binding->seq);
    rv_args_text(rows, 5, binding->action);
    rv_args_json(rows, 6, binding->args);
    rv_args_text(rows, 7, binding->resource);
    rv_args_i32(rows, 8, (int32_t)binding->resource_version);
    rv_args_bytes(rows, 9, digest->bytes, RV_HASH_BYTES);
    rv_args_bytes(rows, 10, question->policy.bytes, RV_HASH_BYTES);
    rv_args_json(rows, 11, binding->rules);
    rv_args_json(rows, 12, verdict->stages);
    rv_args_json(rows, 13, never);
    rv_args_text(rows, 14, question->agent);
    rv_args_text(rows, 15, binding->requested_by);
    rv_args_text(rows, 16, question->reason);
    rv_args_json(rows, 17, question->evidence);
    rv_args_json(rows, 18, question->facts);
    rv_args_json(rows, 19, question->effect);
    struct rv_hash exception;
    if (question->exception_key != NULL && rv_hash_from_hex(question->exception_key, &exception)) {
        rv_args_bytes(rows, 20, exception.bytes, RV_HASH_BYTES);
    } else {
        rv_args_null(rows, 20);
    }
    if (json_is_object(question->amount)) {
        rv_args_i64(rows, 21, rv_json_int(question->amount, "minor", 0));
    } else {
        rv_args_null(rows, 21); /* nothing of an amount: not an amount of nothing */
    }
    rv_args_text(rows, 22, rv_json_str(question->amount, "currency", NULL));
    rv_args_i32(rows, 23, question->tier);
    rv_args_time(rows, 24, binding->expires_us);
    if (verdict->escalate_after_s > 0 && verdict->escalate_to != NULL) {
        int64_t now_us = rv_batch_head(batch)->now_us;
        rv_args_time(rows, 25, now_us + verdict->escalate_after_s * 1000000);
        rv_args_text(rows, 26, verdict->escalate_to);
    } else {
        rv_args_null(rows, 25);
        rv_args_null(rows, 26);
    }
    rv_args_json(rows, 27, question->limits);
    rv_args_text(rows, 28, question->command_id);
}

enum rv_code rv_question_put(struct rv_batch *batch, const struct rv_question *question,
                             struct rv_error *err)
{
    const struct rv_binding *binding = &question->binding;
    struct rv_hash digest;
    enum rv_code code = rv_binding_digest(binding, &digest, err);
    if (code != RV_OK) {
        return code;
    }
    json_t *never = json_pack("[s,s*]", binding->requested_by, question->owner);
    put_row(batch, question, &digest, never);
    json_decref(never);
    char hex[RV_HASH_HEX];
    rv_hash_hex(&digest, hex);
    rv_outbox_append(batch, question->id, "approval.requested",
                     json_pack("{s:I,s:s,s:s,s:s,s:O,s:I}", "approval", (json_int_t)question->id,
                               "action", binding->action, "requested_by", binding->requested_by,
                               "digest", hex, "stages", question->verdict->stages, "expires_us",
                               (json_int_t)binding->expires_us));
    return RV_OK;
}

int64_t rv_limits_held(const json_t *reservations, const struct rv_policy_limit *limit)
{
    int64_t held = 0;
    size_t i;
    json_t *entry;
    json_array_foreach((json_t *)(uintptr_t)reservations, i, entry)
    {
        if (strcmp(rv_json_str(entry, "rule", ""), limit->rule) == 0 &&
            strcmp(rv_json_str(entry, "key", ""), limit->key) == 0) {
            held += rv_json_int(entry, "adds", 0);
        }
    }
    return held;
}

enum rv_code rv_command_id_check(const char *id, struct rv_error *err)
{
    json_t *text = json_string(id); /* NULL when it is no UTF-8 */
    size_t length = json_string_length(text);
    bool clean = text != NULL && length >= 1 && length <= RV_COMMAND_ID_MAX;
    for (size_t i = 0; clean && i < length; i++) {
        clean = (unsigned char)id[i] >= 0x20 && id[i] != 0x7f;
    }
    json_decref(text);
    if (!clean) {
        rv_fail(err, RV_INVALID, "the command id must be 1 to %d bytes of plain text",
                RV_COMMAND_ID_MAX);
        rv_hint(err, "Any text of your own does that names this command and no other.");
        return RV_INVALID;
    }
    return RV_OK;
}

void rv_limits_release(struct rv_batch *batch, const json_t *reservations)
{
    size_t i;
    json_t *entry;
    json_array_foreach((json_t *)(uintptr_t)reservations, i, entry)
    {
        struct rv_args *rows = rv_batch_rows(batch, &rv_sql_limit_use_add);
        rv_args_text(rows, 2, rv_json_str(entry, "rule", ""));
        rv_args_text(rows, 3, rv_json_str(entry, "key", ""));
        rv_args_time(rows, 4, rv_json_int(entry, "bucket_us", 0));
        rv_args_i64(rows, 5, 0);
        rv_args_i64(rows, 6, -rv_json_int(entry, "adds", 0));
    }
}

struct ended {
    struct ended *next;
    int64_t approval;
};
struct ended_list {
    struct ended *first;
};
static const char ended_room;

bool rv_approval_end(struct rv_batch *batch, int64_t approval)
{
    struct ended_list *list = rv_batch_slot(batch, &ended_room, sizeof *list);
    for (const struct ended *one = list->first; one != NULL; one = one->next) {
        if (one->approval == approval) {
            return false;
        }
    }
    struct ended *one = rv_arena_alloc(rv_batch_arena(batch), sizeof *one);
    *one = (struct ended){list->first, approval};
    list->first = one;
    return true;
}

void rv_outbox_append(struct rv_batch *batch, int64_t id, const char *event, json_t *body)
{
    struct rv_args *rows = rv_batch_rows(batch, &rv_sql_outbox_append);
    rv_args_i64(rows, 2, id);
    rv_args_text(rows, 3, event);
    rv_args_json(rows, 4, body);
    json_decref(body);
}
