/* gate.c -- the door: one unit of the committer per request, decided inside its transaction.
 *
 *   submit       schema check, keys, loads: policy, log, approval, the command's state, guessed
 * limits more_loads   facts -> which limits apply -> how much of them is used, where the guess was
 * wrong decide       budget > policy > approval > books > rows        (pure, repeatable) done
 * commit acknowledged: tell the caller
 *
 * A command with a `look` (erp/command/command.h) goes through decide once without effect, so that
 * only who may act makes the database work; then the look is taken on a reader and its portions are
 * committed one after the other, each judged again.  They are one action: the decision is recorded
 * with the first portion, the outcome and the answer with the last.
 *
 * The tenant's active policy is read inside the transaction; when it is not the compiled one we
 * have, the unit gives up without writing, the bundle is fetched and compiled, and the request
 * starts again: a decision is never made under a policy that is not active in its own transaction.
 *
 * What is not here: the language of policies (policy.h), the books (erp/command), who may vote
 * (runtime/approval), what a run does with the answer (runtime/run).
 */
#include "runtime/gate/gate.h"

#include "erp_command_sql.h"
#include "gate_sql.h"
#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/base/random.h"
#include "runtime/gate/gate_events.h"
#include "runtime/gate/gate_record.h"
#include "runtime/gate/guess.h"
#include "runtime/gate/stages.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    GATE_POLICY_FETCHES_MAX = 8,  /* a bundle that moves more often than this is an attack */
    GATE_OP_ARENA_MAX = 64 << 20, /* one request with its facts and dry run */
    GATE_LOOK_MS = 600 * 1000,    /* a look over a whole company; as a session's statements */
    GATE_PASS_TIER = 1,           /* moves runs, and nothing in the books */
    GATE_APPROVAL_EXPIRY_DEFAULT_S = 86400 /* only when a rule forgot: the loader refuses that */
};

struct known_policy {
    struct known_policy *next;
    int32_t tenant;
    char hex[RV_HASH_HEX];
    struct rv_policy *policy;
};

struct rv_gate {
    struct rv_committer *committer;
    struct rv_db *db;
    struct known_policy *policies; /* newest first; old bundles stay until the gate ends */
    struct rv_guesses *guesses;
};

enum load_kind { LOAD_GATE, LOAD_LOG, LOAD_APPROVAL, LOAD_STATE, LOAD_LIMITS, LOAD_KINDS };

/* One request on its way through the door. */
struct op {
    struct rv_unit unit; /* first: the committer gives it back */
    struct rv_gate *gate;
    struct rv_gate_request *request; /* NULL for a pass */
    struct rv_gate_pass *pass;       /* NULL for a request */
    const struct erp_command *command;
    const char *resource;   /* what the command is about; NULL: nothing that another one could be */
    struct rv_arena *arena; /* keys and load arguments: until done */
    struct rv_arena *step;  /* everything of one try */
    json_t *gate_args;
    json_t *guess_args;      /* the limits that are asked for before the facts are there, or NULL */
    json_t *limit_args;      /* those that apply, or NULL */
    int load_at[LOAD_KINDS]; /* index of a load + 1; 0: not asked for */
    int guess_at;
    int fetches;
    bool ended; /* an earlier unit of this try's transaction has ended the approval */
    bool stale; /* this try met a policy we have not compiled */
    const struct known_policy *policy; /* of this try */
    json_t *me;
    json_t *ctx;
    struct rv_policy_facts *facts;
    struct rv_error facts_error;
    struct rv_policy_limit limits[RV_POLICY_LIMITS_MAX];
    int limit_count;
    struct rv_verdict verdict;
    struct erp_outcome books;
    struct rv_gate_outcome outcome;
    char message[256];
    /* commands with a look */
    bool unlooked;     /* this try learned that looking is worth the while */
    json_t *portions;  /* what the look gave; NULL before */
    size_t portion;    /* the one that is being committed */
    json_t *look_args; /* {args, look: portion} */
    json_t *sum;       /* the answer of the portions committed so far, or the stored one */
    int64_t decision;  /* audit record made with the first portion */
    int64_t approval;  /* presented, or the one this command id has led to; 0 none */
    int64_t first_event, last_event; /* of the portions committed so far */
};

static void op_more_loads(struct rv_unit *unit);
static enum rv_code op_decide(struct rv_unit *unit, struct rv_batch *batch, struct rv_error *err);
static void op_done(struct rv_unit *unit, enum rv_code code, const struct rv_error *err);
static enum rv_code pass_decide(struct rv_unit *unit, struct rv_batch *batch, struct rv_error *err);

const char *rv_gate_result_name(enum rv_gate_result result)
{
    static const char *const names[] = {"executed", "held", "denied",
                                        "refused",  "void", "repeated"};
    return names[result];
}

/* ---- lifecycle ---- */

struct rv_gate *rv_gate_create(const struct rv_gate_options *options)
{
    struct rv_gate *gate = rv_alloc(sizeof *gate);
    gate->committer = options->committer;
    gate->db = options->db;
    gate->guesses = rv_guesses_create();
    return gate;
}

void rv_gate_destroy(struct rv_gate *gate)
{
    if (gate == NULL) {
        return;
    }
    while (gate->policies != NULL) {
        struct known_policy *known = gate->policies;
        gate->policies = known->next;
        rv_policy_destroy(known->policy);
        rv_free(known);
    }
    rv_guesses_destroy(gate->guesses);
    rv_free(gate);
}

struct rv_committer *rv_gate_committer(const struct rv_gate *gate)
{
    return gate->committer;
}

const struct rv_clock *rv_gate_clock(const struct rv_gate *gate)
{
    return rv_committer_clock(gate->committer);
}

static const struct known_policy *find_policy(const struct rv_gate *gate, int32_t tenant,
                                              const char *hex)
{
    for (const struct known_policy *known = gate->policies; known != NULL; known = known->next) {
        if (known->tenant == tenant && (hex == NULL || strcmp(known->hex, hex) == 0)) {
            return known;
        }
    }
    return NULL;
}

static void add_load(struct op *op, enum load_kind kind, const struct rv_statement *statement,
                     json_t *args)
{
    op->unit.loads[op->unit.load_count] = (struct rv_load){.statement = statement, .args = args};
    op->load_at[kind] = ++op->unit.load_count;
}

static struct op *op_create(struct rv_gate *gate, int32_t tenant, int64_t epoch)
{
    struct op *op = rv_alloc(sizeof *op);
    op->gate = gate;
    op->arena = rv_arena_create("gate request", GATE_OP_ARENA_MAX);
    op->step = rv_arena_create("gate step", GATE_OP_ARENA_MAX);
    op->unit.tenant = tenant;
    op->unit.epoch = epoch;
    op->unit.needs_head = true;
    op->unit.more_loads = op_more_loads;
    op->unit.done = op_done;
    op->gate_args = json_object();
    add_load(op, LOAD_GATE, &rv_sql_gate_load, op->gate_args);
    return op;
}

/* Forgets what one try has made, so that the next starts clean. */
static void op_reset(struct op *op)
{
    json_decref(op->me);
    json_decref(op->ctx);
    op->me = NULL;
    op->ctx = NULL;
    op->facts = NULL;
    op->policy = NULL;
    op->ended = false;
    op->stale = false;
    op->unlooked = false;
    op->limit_count = 0;
    rv_error_clear(&op->facts_error);
    erp_outcome_fini(&op->books);
    erp_outcome_init(&op->books);
    rv_arena_reset(op->step);
    op->outcome = (struct rv_gate_outcome){.result = RV_GATE_DENIED};
}

static void op_destroy(struct op *op)
{
    op_reset(op);
    erp_outcome_fini(&op->books);
    json_decref(op->gate_args);
    json_decref(op->guess_args);
    json_decref(op->limit_args);
    json_decref(op->look_args);
    json_decref(op->portions);
    json_decref(op->sum);
    rv_arena_destroy(op->step);
    rv_arena_destroy(op->arena);
    rv_free(op);
}

/* ---- 0 the way in ---- */

/* Answers at once, inside submit: a wrong request never becomes a unit. */
static void refuse_early(struct rv_gate *gate, struct rv_gate_request *request, enum rv_code code,
                         const struct rv_error *err)
{
    (void)gate;
    struct rv_gate_outcome outcome = {
        .result = RV_GATE_REFUSED, .code = code, .message = err->message, .hint = err->hint};
    request->done(request, code, &outcome, err);
}

/* What the command's own load is asked with: the arguments, or one portion of the look. */
static void load_with(struct op *op)
{
    json_t *args = op->request->args;
    if (op->command->look != NULL) {
        json_decref(op->look_args);
        args = op->look_args =
            json_pack("{s:O,s:O*}", "args", args, "look",
                      op->portions == NULL ? NULL : json_array_get(op->portions, op->portion));
    }
    if (op->load_at[LOAD_STATE] == 0) {
        add_load(op, LOAD_STATE, op->command->load, args);
    } else {
        op->unit.loads[op->load_at[LOAD_STATE] - 1].args = args;
    }
}

static const struct rv_principal *principal(const struct op *op)
{
    return op->request != NULL ? &op->request->principal : &op->pass->principal;
}

static const char *action_of(const struct op *op)
{
    return op->request != NULL ? op->request->action : op->pass->action;
}

/* Asks at once how much is used of the limits that applied the last times: right, it saves the way
 * to the database and back, for which everybody else's commit would wait. */
static void guess_limits(struct op *op)
{
    op->guess_args =
        rv_guess_limits(op->gate->guesses, op->unit.tenant, action_of(op), principal(op)->id);
    if (op->guess_args != NULL) {
        add_load(op, LOAD_LIMITS, &rv_sql_limit_use_load, op->guess_args);
        op->guess_at = op->load_at[LOAD_LIMITS];
    }
}

static bool last_portion(const struct op *op)
{
    return op->command->look == NULL || op->portion + 1 >= json_array_size(op->portions);
}

void rv_gate_submit(struct rv_gate *gate, struct rv_gate_request *request)
{
    struct rv_error err = {.code = RV_OK};
    const struct erp_command *command = erp_command_find(request->action);
    enum rv_code code = RV_OK;
    if (command == NULL) {
        code = rv_fail(&err, RV_NOT_FOUND, "no action named \"%s\"", request->action);
        rv_hint(&err, "`reeve agent check --actions` lists the catalogue.");
    } else if (request->run == 0 && strncmp(request->command_id, "run:", 4) == 0) {
        code =
            rv_fail(&err, RV_INVALID, "a command id that begins with \"run:\" is a run's own step");
        rv_hint(&err, "Use another prefix, for example the name of your system.");
    } else if ((code = rv_command_id_check(request->command_id, &err)) == RV_OK) {
        code = erp_command_check(command, request->args, &err);
    }
    if (code != RV_OK) {
        refuse_early(gate, request, code, &err);
        return;
    }
    struct op *op = op_create(gate, request->tenant, request->epoch);
    op->request = request;
    op->command = command;
    op->unit.decide = op_decide;
    const char *keys[ERP_KEYS_MAX] = {NULL};
    int count = command->keys(request->args, op->arena, keys);
    _Static_assert((int)ERP_KEYS_MAX < (int)RV_UNIT_KEYS_MAX, "room for the command's own key");
    RV_ASSERT(count >= 0 && count <= ERP_KEYS_MAX);
    for (int i = 0; i < count; i++) {
        op->unit.keys[i] = keys[i];
    }
    op->resource = op->unit.keys[0];
    op->unit.keys[count] = rv_arena_printf(op->arena, "command:%s", request->command_id);
    json_object_set_new(op->gate_args, "command", json_string(request->command_id));
    add_load(op, LOAD_LOG, &rv_sql_gate_log_load, op->gate_args);
    if (request->approval != 0) {
        json_object_set_new(op->gate_args, "approval", json_integer(request->approval));
        add_load(op, LOAD_APPROVAL, &rv_sql_gate_approval_load, op->gate_args);
    } else if (request->run == 0 && !request->dry_run) {
        add_load(op, LOAD_APPROVAL, &rv_sql_gate_approval_load, op->gate_args); /* asked before? */
    }
    load_with(op);
    guess_limits(op);
    rv_commit(gate->committer, &op->unit);
}

void rv_gate_pass(struct rv_gate *gate, struct rv_gate_pass *pass)
{
    struct op *op = op_create(gate, pass->tenant, pass->epoch);
    op->pass = pass;
    op->unit.decide = pass_decide;
    op->unit.keys[0] = pass->key;
    if (pass->look != NULL) {
        add_load(op, LOAD_STATE, pass->look, pass->look_args);
    }
    guess_limits(op);
    rv_commit(gate->committer, &op->unit);
}

/* ---- facts and limits ---- */

static const json_t *load_state(const struct op *op, enum load_kind kind)
{
    return op->load_at[kind] > 0 ? op->unit.loads[op->load_at[kind] - 1].state : NULL;
}

static void op_more_loads(struct rv_unit *unit)
{
    struct op *op = (struct op *)unit;
    op_reset(op);
    json_decref(op->limit_args);
    op->limit_args = NULL;
    op->load_at[LOAD_LIMITS] = op->guess_at;
    const char *hex = rv_json_str(load_state(op, LOAD_GATE), "policy", NULL);
    if (hex == NULL) {
        return; /* no active bundle: decide denies */
    }
    op->policy = find_policy(op->gate, unit->tenant, hex);
    if (op->policy == NULL) {
        op->stale = true;
        return;
    }
    op->me = rv_principal_json(principal(op), unit->tenant);
    op->ctx = json_object();
    if (op->request != NULL && op->request->labels != NULL) {
        json_object_set(op->ctx, "labels", (json_t *)(uintptr_t)op->request->labels);
    }
    if (op->request != NULL && op->request->margin > 0) {
        json_object_set_new(op->ctx, "run", json_pack("{s:i}", "margin", op->request->margin));
    }
    const json_t *args = op->request != NULL ? op->request->args : op->pass->args;
    struct rv_policy_request question = {
        .action = action_of(op),
        .me = op->me,
        .args = args,
        .res = json_object_get(load_state(op, LOAD_STATE), "facts"),
        .ctx = op->ctx,
    };
    if (rv_policy_facts_make(op->policy->policy, &question, op->step, &op->facts,
                             &op->facts_error) != RV_OK) {
        op->facts = NULL;
        return;
    }
    op->limit_count = rv_policy_limits(op->policy->policy, op->facts, op->step, op->limits);
    op->limit_args = json_array();
    for (int i = 0; i < op->limit_count; i++) {
        json_array_append_new(op->limit_args,
                              json_pack("{s:s,s:s,s:I,s:I}", "rule", op->limits[i].rule, "key",
                                        op->limits[i].key, "window_s",
                                        (json_int_t)op->limits[i].window_s, "bucket_s",
                                        (json_int_t)op->limits[i].bucket_s));
    }
    rv_guess_learn(op->gate->guesses, unit->tenant, action_of(op), principal(op)->id,
                   op->limit_args);
    if (op->limit_count > 0 &&
        (op->guess_args == NULL || !json_equal(op->guess_args, op->limit_args))) {
        add_load(op, LOAD_LIMITS, &rv_sql_limit_use_load, op->limit_args);
    }
}

/* Used amounts in the order of op->limits; what the presented approval itself holds is not counted
 * against it, and what earlier units of this very batch took is. */
struct batch_limits {
    json_t *taken; /* "rule|key" -> amount */
};
static const char limits_room;

static void free_taken(void *data)
{
    struct batch_limits *limits = data;
    json_decref(limits->taken);
}

static struct batch_limits *limits_of_batch(struct rv_batch *batch)
{
    struct batch_limits *limits = rv_batch_slot(batch, &limits_room, sizeof *limits);
    if (limits->taken == NULL) {
        limits->taken = json_object();
        rv_arena_cleanup(rv_batch_arena(batch), free_taken, limits);
    }
    return limits;
}

static const char *limit_name(struct op *op, const struct rv_policy_limit *limit)
{
    return rv_arena_printf(op->step, "%s|%s", limit->rule, limit->key);
}

static void limits_used(struct op *op, struct rv_batch *batch, const json_t *approval,
                        int64_t used[RV_POLICY_LIMITS_MAX])
{
    const json_t *loaded = load_state(op, LOAD_LIMITS);
    const struct batch_limits *limits = limits_of_batch(batch);
    for (int i = 0; i < op->limit_count; i++) {
        used[i] = json_integer_value(json_array_get(loaded, (size_t)i)) +
                  rv_json_int(limits->taken, limit_name(op, &op->limits[i]), 0) -
                  rv_limits_held(json_object_get(approval, "limits"), &op->limits[i]) -
                  (op->portion > 0 ? op->limits[i].adds : 0); /* taken with the first portion */
    }
}

/* Books `adds` of every limit as used or as held; `sign` -1 releases an approval's reservation. */
static void limits_take(struct op *op, struct rv_batch *batch, bool held, json_t *reservations)
{
    struct batch_limits *limits = limits_of_batch(batch);
    int64_t now_us = rv_batch_head(batch)->now_us;
    for (int i = 0; i < op->limit_count; i++) {
        const struct rv_policy_limit *limit = &op->limits[i];
        int64_t width_us = limit->bucket_s * 1000000;
        int64_t bucket_us = now_us / width_us * width_us;
        struct rv_args *rows = rv_batch_rows(batch, &rv_sql_limit_use_add);
        rv_args_text(rows, 2, limit->rule);
        rv_args_text(rows, 3, limit->key);
        rv_args_time(rows, 4, bucket_us);
        rv_args_i64(rows, 5, held ? 0 : limit->adds);
        rv_args_i64(rows, 6, held ? limit->adds : 0);
        const char *name = limit_name(op, limit);
        json_object_set_new(limits->taken, name,
                            json_integer(rv_json_int(limits->taken, name, 0) + limit->adds));
        if (reservations != NULL) {
            json_array_append_new(reservations,
                                  json_pack("{s:s,s:s,s:I,s:I}", "rule", limit->rule, "key",
                                            limit->key, "bucket_us", (json_int_t)bucket_us, "adds",
                                            (json_int_t)limit->adds));
        }
    }
}

/* ---- 1 to 4: may it? ---- */

static void verdict_single(struct rv_verdict *verdict, enum rv_verdict_kind kind, const char *id,
                           const char *why)
{
    *verdict = (struct rv_verdict){.kind = kind, .rule_count = 1};
    verdict->rules[0] = (struct rv_verdict_rule){.id = id, .why = why};
}

static void judge(struct op *op, struct rv_batch *batch, const json_t *approval)
{
    if (op->policy == NULL) {
        verdict_single(&op->verdict, RV_DENY, "no_active_policy", "default");
        return;
    }
    if (op->facts == NULL) {
        verdict_single(&op->verdict, RV_DENY, "facts_unreadable", "error");
        return;
    }
    int64_t used[RV_POLICY_LIMITS_MAX];
    limits_used(op, batch, approval, used);
    rv_policy_decide(op->policy->policy, op->facts, used, op->limit_count, op->step, &op->verdict);
}

/* What the command moves or commits, as its entry in the catalogue declares. */
static struct rv_money money_of(const struct op *op, const json_t *state)
{
    struct rv_money money = {.minor = 0};
    if (op->command->money == ERP_MONEY_NONE) {
        return money;
    }
    const json_t *amount = json_object_get(op->request->args, "amount");
    if (!json_is_object(amount)) {
        amount = json_object_get(json_object_get(state, "facts"), "amount");
    }
    const char *currency = rv_json_str(amount, "currency", "");
    int64_t minor = rv_json_int(amount, "minor", 0);
    snprintf(money.currency, sizeof money.currency, "%s", currency);
    money.minor = minor == INT64_MIN ? INT64_MAX : minor < 0 ? -minor : minor;
    money.home = strcmp(currency, rv_json_str(load_state(op, LOAD_GATE), "currency", "EUR")) == 0;
    return money;
}

static int64_t resource_version_of(const json_t *state)
{
    return rv_json_int(json_object_get(state, "facts"), "version", -1);
}

static enum rv_code void_because(struct op *op, const char *why)
{
    snprintf(op->message, sizeof op->message, "the approval no longer binds: %s", why);
    op->outcome.result = RV_GATE_VOID;
    op->outcome.code = RV_CONFLICT;
    op->outcome.message = op->message;
    op->outcome.approval = op->approval;
    return RV_CONFLICT;
}

/* The execution check of an approval: same thing, still granted, still by the right people. */
static enum rv_code check_approval(struct op *op, const json_t *approval, const json_t *state,
                                   int64_t now_us)
{
    const struct rv_gate_request *request = op->request;
    if (approval == NULL || json_is_null(approval)) {
        return void_because(op, "it does not exist");
    }
    if (strcmp(rv_json_str(approval, "status", ""), "approved") != 0) {
        return void_because(op, "it is not approved, or was used already");
    }
    if (rv_json_int(approval, "expires_us", 0) < now_us) {
        return void_because(op, "it has expired");
    }
    if (!rv_stages_complete(json_object_get(approval, "stages"), json_object_get(approval, "votes"),
                            rv_json_str(approval, "escalate_to", NULL))) {
        return void_because(op, "an approver no longer holds the role");
    }
    struct rv_binding binding = {
        .tenant = request->tenant,
        .requested_by = rv_principal_text(&request->principal, op->step),
        .run = request->run,
        .seq = (int32_t)rv_json_int(approval, "seq", 0),
        .action = op->command->name,
        .schema = op->command->schema,
        .args = request->args,
        .resource = op->resource,
        .resource_version = resource_version_of(state),
        .policy_hex = rv_json_str(approval, "policy", ""),
        .rules = json_object_get(approval, "rules"),
        .expires_us = rv_json_int(approval, "expires_us", 0),
    };
    struct rv_hash digest;
    struct rv_hash granted;
    if (rv_binding_digest(&binding, &digest, NULL) != RV_OK ||
        !rv_hash_from_hex(rv_json_str(approval, "digest", ""), &granted) ||
        !rv_hash_equal(&digest, &granted)) {
        return void_because(op, "action, arguments or resource changed since it was asked");
    }
    if (op->verdict.kind == RV_HOLD &&
        (!rv_verdict_rules_within(&op->verdict, json_object_get(approval, "rules")) ||
         !rv_stages_complete(op->verdict.stages, json_object_get(approval, "votes"),
                             rv_json_str(approval, "escalate_to", NULL)))) {
        return void_because(op, "the policy now asks for more");
    }
    return RV_OK;
}

/* ---- 5 to 7: record, perform, record ---- */

static void refused(struct op *op, enum rv_code code, const struct rv_error *err)
{
    snprintf(op->message, sizeof op->message, "%s", err->message);
    op->outcome.result = RV_GATE_REFUSED;
    op->outcome.code = code;
    op->outcome.message = op->message;
    op->outcome.hint = rv_arena_strdup(op->step, err->hint);
}

static int64_t parse_day(const char *text)
{
    int year = 1970;
    int month = 1;
    int day = 1;
    RV_ASSERT(text == NULL || sscanf(text, "%d-%d-%d", &year, &month, &day) == 3);
    return rv_days_from_civil(year, month, day);
}

/* The ERP's own judgement, without writing anything. */
static enum rv_code run_books(struct op *op, struct rv_batch *batch, const json_t *state,
                              struct rv_error *err)
{
    struct rv_head *head = rv_batch_head(batch);
    struct erp_context context = {
        .tenant = op->unit.tenant,
        .now_us = head->now_us,
        .today = parse_day(rv_json_str(load_state(op, LOAD_GATE), "today", NULL)),
        .first_id = (head->event_seq + 1) * 16,
        .actor = rv_principal_text(principal(op), op->step),
        .arena = op->step,
    };
    if (state == NULL) {
        const char *keys[ERP_KEYS_MAX];
        int count = op->command->keys(op->request->args, op->step, keys);
        rv_fail(err, RV_NOT_FOUND, "there is no %s", count > 0 ? keys[0] : "such document");
        rv_hint(err, "Give the id of one that this company has.");
        return RV_NOT_FOUND;
    }
    return op->command->decide(&context, op->request->args, state, &op->books, err);
}

static void append_events(struct op *op, struct rv_batch *batch)
{
    rv_gate_append_events(batch, &op->books, rv_principal_text(principal(op), op->step),
                          op->request->command_id, &op->outcome.first_event,
                          &op->outcome.last_event);
}

static void log_command(struct op *op, struct rv_batch *batch, const struct rv_hash *args_digest)
{
    json_t *answer = op->outcome.result == RV_GATE_EXECUTED
                         ? json_incref(op->books.answer)
                         : json_pack("{s:s,s:s}", "code", rv_code_name(op->outcome.code), "message",
                                     op->message);
    struct rv_args *rows = rv_batch_rows(batch, &rv_sql_command_log_append);
    rv_args_text(rows, 2, op->request->command_id);
    rv_args_text(rows, 3, op->command->name);
    rv_args_bytes(rows, 4, args_digest->bytes, RV_HASH_BYTES);
    rv_args_text(rows, 5, op->outcome.result == RV_GATE_EXECUTED ? "applied" : "refused");
    rv_args_i64(rows, 6, op->outcome.first_event);
    rv_args_i64(rows, 7, op->outcome.last_event);
    rv_args_json(rows, 8, answer);
    json_decref(answer);
}

static const char *policy_hex(const struct op *op)
{
    return op->policy == NULL ? "" : op->policy->hex;
}

/* When the answer becomes no. */
static int64_t expires_us(const struct op *op, struct rv_batch *batch)
{
    int64_t lifetime_s =
        op->verdict.expires_s > 0 ? op->verdict.expires_s : GATE_APPROVAL_EXPIRY_DEFAULT_S;
    return rv_batch_head(batch)->now_us + lifetime_s * 1000000;
}

static json_t *effect_of(const struct op *op)
{
    json_t *effect = json_object();
    json_object_set(effect, "books", op->books.books);
    json_object_set(effect, "answer", op->books.answer);
    json_t *events = json_array();
    for (int i = 0; i < op->books.event_count; i++) {
        json_array_append_new(events, json_string(op->books.events[i].type));
    }
    json_object_set_new(effect, "events", events);
    return effect;
}

/* Holds the request for people: the approval with its dry run and its digest. */
static enum rv_code hold(struct op *op, struct rv_batch *batch, const json_t *state,
                         struct rv_error *err)
{
    const struct rv_gate_request *request = op->request;
    const json_t *facts = json_object_get(state, "facts");
    const json_t *amount = json_object_get(request->args, "amount");
    json_t *rules = rv_verdict_rules_json(&op->verdict);
    json_t *reservations = json_array();
    json_t *effect = effect_of(op);
    limits_take(op, batch, true, reservations);
    struct rv_question question = {
        .id = rv_id_make(rv_batch_head(batch)->now_us),
        .binding = {.tenant = request->tenant,
                    .requested_by = rv_principal_text(&request->principal, op->step),
                    .run = request->run,
                    .seq = request->seq,
                    .action = op->command->name,
                    .schema = op->command->schema,
                    .args = request->args,
                    .resource = op->resource,
                    .resource_version = resource_version_of(state),
                    .policy_hex = policy_hex(op),
                    .rules = rules,
                    .expires_us = expires_us(op, batch)},
        .policy = rv_policy_hash(op->policy->policy),
        .verdict = &op->verdict,
        .agent = request->principal.kind == RV_PRINCIPAL_AGENT ? request->principal.id : NULL,
        .owner = request->principal.owner,
        .reason = request->reason,
        .evidence = request->evidence,
        .exception_key = request->exception_key,
        .amount = json_is_object(amount) ? amount : json_object_get(facts, "amount"),
        .facts = facts,
        .effect = effect,
        .limits = reservations,
        .tier = op->command->tier,
        .command_id = request->command_id,
    };
    op->outcome.result = RV_GATE_HELD;
    op->outcome.approval = question.id;
    op->outcome.expires_us = question.binding.expires_us;
    op->outcome.books = op->books.books;
    enum rv_code code = rv_question_put(batch, &question, err);
    json_decref(rules);
    json_decref(effect);
    json_decref(reservations);
    return code;
}

static void execute(struct op *op, struct rv_batch *batch, const json_t *approval)
{
    op->outcome.result = RV_GATE_EXECUTED;
    op->outcome.code = RV_OK;
    op->outcome.answer = op->books.answer;
    op->outcome.books = op->books.books;
    op->outcome.approval = op->approval;
    append_events(op, batch);
    if (op->first_event != 0) {
        op->outcome.first_event = op->first_event;
        op->outcome.last_event =
            op->outcome.last_event != 0 ? op->outcome.last_event : op->last_event;
    }
    if (op->portion == 0) {
        limits_take(op, batch, false, NULL);
    }
    if (op->approval != 0 && last_portion(op)) {
        rv_limits_release(batch, json_object_get(approval, "limits"));
        struct rv_args *rows = rv_batch_rows(batch, &rv_sql_approval_status_set);
        rv_args_i64(rows, 2, op->approval);
        rv_args_text(rows, 3, "consumed");
        rv_outbox_append(batch, rv_id_make(rv_batch_head(batch)->now_us), "approval.executed",
                         json_pack("{s:I,s:s}", "approval", (json_int_t)op->approval, "action",
                                   op->command->name));
    }
}

/* The same command id again: the stored answer, or a complaint when it was something else. */
static enum rv_code repeat(struct op *op, const json_t *log, const struct rv_hash *args_digest,
                           struct rv_error *err)
{
    char hex[RV_HASH_HEX];
    rv_hash_hex(args_digest, hex);
    if (strcmp(rv_json_str(log, "args_hash", ""), hex) != 0 ||
        strcmp(rv_json_str(log, "name", ""), op->command->name) != 0) {
        rv_fail(err, RV_CONFLICT, "command id \"%s\" was used before for something else",
                op->request->command_id);
        rv_hint(err, "Use a new command id for a new command.");
        return RV_CONFLICT;
    }
    op->outcome.stored = true;
    json_decref(op->sum);
    op->outcome.answer = op->sum =
        json_incref(json_object_get(log, "answer")); /* outlives the load */
    if (strcmp(rv_json_str(log, "outcome", ""), "applied") == 0) {
        op->outcome.result = RV_GATE_REPEATED;
        op->outcome.first_event = rv_json_int(log, "first", 0);
        op->outcome.last_event = rv_json_int(log, "last", 0);
    } else {
        op->outcome.result = RV_GATE_REFUSED;
        op->outcome.code = rv_code_from_name(rv_json_str(op->outcome.answer, "code", "invalid"));
        op->outcome.message = rv_json_str(op->outcome.answer, "message", "refused before");
    }
    return RV_OK;
}

/* A person who asks again with the same command id: the people are asked only once, and their yes
 * is presented without its number. */
static enum rv_code take_asked(struct op *op, bool *waiting, struct rv_error *err)
{
    const struct rv_gate_request *request = op->request;
    const json_t *asked = load_state(op, LOAD_APPROVAL);
    op->approval = request->approval;
    if (request->approval != 0 || request->run != 0 || !json_is_object(asked)) {
        return RV_OK;
    }
    if (strcmp(rv_json_str(asked, "action", ""), op->command->name) != 0 ||
        strcmp(rv_json_str(asked, "requested_by", ""),
               rv_principal_text(&request->principal, op->step)) != 0 ||
        !json_equal(json_object_get(asked, "args"), request->args)) {
        rv_fail(err, RV_CONFLICT, "command id \"%s\" waits for people with another request",
                request->command_id);
        rv_hint(err, "Use a new command id for a new command.");
        return RV_CONFLICT;
    }
    op->approval = rv_json_int(asked, "id", 0);
    *waiting = strcmp(rv_json_str(asked, "status", ""), "requested") == 0;
    if (*waiting) {
        op->outcome.result = RV_GATE_HELD;
        op->outcome.stored = true;
        op->outcome.approval = op->approval;
        op->outcome.expires_us = rv_json_int(asked, "expires_us", 0);
    }
    return RV_OK;
}

/* Decides and fills op->outcome; the rows of an effect are appended here, its records by the
 * caller. */
static enum rv_code pass_the_door(struct op *op, struct rv_batch *batch, struct rv_error *err)
{
    const json_t *state = load_state(op, LOAD_STATE);
    const json_t *approval = load_state(op, LOAD_APPROVAL);
    int64_t now_us = rv_batch_head(batch)->now_us;
    struct rv_error why = {.code = RV_OK};

    struct rv_money money = money_of(op, state);
    enum rv_code code =
        rv_budget_check(op->request->budget, 0, 0, 0, op->command->risk, &money, now_us, &why);
    op->outcome.money = money;
    op->outcome.risk = op->command->risk;
    if (code != RV_OK) {
        verdict_single(&op->verdict, RV_DENY, "budget", "limit");
        refused(op, code, &why);
        return RV_OK;
    }
    judge(op, batch, approval);
    if (op->verdict.kind == RV_DENY) {
        snprintf(op->message, sizeof op->message, "rule \"%s\" (%s) does not allow \"%s\"",
                 op->verdict.rules[0].id, op->verdict.rules[0].why, op->command->name);
        op->outcome.result = RV_GATE_DENIED;
        op->outcome.code = RV_DENIED;
        op->outcome.message = op->message;
        return RV_OK;
    }
    if (op->ended) {
        void_because(op, "it has just ended");
        return RV_OK;
    }
    if (op->approval != 0 && check_approval(op, approval, state, now_us) != RV_OK) {
        return RV_OK;
    }
    if (op->command->look != NULL && op->portions == NULL) {
        op->unlooked = true; /* nothing is written by this try */
        return rv_fail(err, RV_CONFLICT, "\"%s\" looks before it acts", op->command->name);
    }
    code = run_books(op, batch, state, &why);
    if (code != RV_OK) {
        refused(op, code, &why);
        return RV_OK;
    }
    if (op->sum != NULL) {
        json_t *total = json_deep_copy(op->sum);
        op->command->join(total, op->books.answer);
        json_decref(op->books.answer);
        op->books.answer = total;
    }
    if (op->request->dry_run) {
        op->outcome.result = op->verdict.kind == RV_HOLD ? RV_GATE_HELD : RV_GATE_EXECUTED;
        op->outcome.answer = op->books.answer;
        op->outcome.books = op->books.books;
        return RV_OK;
    }
    if (op->verdict.kind == RV_HOLD && op->approval == 0) {
        return hold(op, batch, state, err);
    }
    execute(op, batch, approval);
    return RV_OK;
}

/* One that has ended stays as it ended, and has given back what it held. */
static bool is_undecided(const json_t *approval)
{
    const char *status = rv_json_str(approval, "status", "");
    return strcmp(status, "requested") == 0 || strcmp(status, "approved") == 0;
}

static enum rv_code op_decide(struct rv_unit *unit, struct rv_batch *batch, struct rv_error *err)
{
    struct op *op = (struct op *)unit;
    struct rv_gate_request *request = op->request;
    if (op->stale) {
        return rv_fail(err, RV_CONFLICT, "the active policy is being fetched");
    }
    struct rv_hash args_digest;
    enum rv_code code = rv_gate_digest(request->args, &args_digest, err);
    if (code != RV_OK) {
        return code;
    }
    op->outcome.verdict = &op->verdict;
    const json_t *log = load_state(op, LOAD_LOG);
    if (json_is_object(log)) {
        return repeat(op, log, &args_digest, err);
    }
    bool waiting = false;
    code = take_asked(op, &waiting, err);
    if (code != RV_OK || waiting) {
        return code;
    }
    op->ended = op->approval != 0 && !request->dry_run && !rv_approval_end(batch, op->approval);
    code = pass_the_door(op, batch, err);
    if (code != RV_OK || request->dry_run) {
        return code;
    }
    bool executed = op->outcome.result == RV_GATE_EXECUTED;
    if (op->portion > 0 && !executed) {
        op->outcome.message =
            rv_arena_printf(op->step, "after %zu of %zu portions: %s", op->portion,
                            json_array_size(op->portions), op->message);
    }
    if (op->portion == 0 || op->outcome.result == RV_GATE_DENIED) {
        op->decision = rv_record_decision(batch, &request->principal, request->action, &args_digest,
                                          &op->verdict, policy_hex(op), op->approval,
                                          request->reason, request->run, request->seq);
    }
    if (executed && !last_portion(op)) {
        return RV_OK;
    }
    if (op->outcome.result == RV_GATE_EXECUTED || op->outcome.result == RV_GATE_REFUSED) {
        log_command(op, batch, &args_digest);
    }
    /* a person's grant is used up by a no as well: nothing would ever present it again */
    bool lost = request->run == 0 && op->approval != 0 && !executed;
    const json_t *approval = load_state(op, LOAD_APPROVAL);
    if ((op->outcome.result == RV_GATE_VOID || lost) && !op->ended && is_undecided(approval)) {
        struct rv_args *rows = rv_batch_rows(batch, &rv_sql_approval_status_set);
        rv_args_i64(rows, 2, op->approval);
        rv_args_text(rows, 3, "void");
        rv_limits_release(batch, json_object_get(approval, "limits"));
    }
    rv_record_outcome(batch, op->decision, request->action, &op->outcome, request->run,
                      request->seq);
    if (request->append != NULL) {
        request->append(request, batch, &op->outcome);
    }
    return RV_OK;
}

/* ---- without an ERP command ---- */

/* Is what was looked at the only reason to ask people?  What would need them in any case has no
 * form in which it goes on without their answer. */
static bool is_held_by_look(struct op *op, struct rv_batch *batch)
{
    struct rv_policy_request question = {
        .action = op->pass->action, .me = op->me, .args = op->pass->args, .ctx = op->ctx};
    struct rv_policy_facts *facts = NULL;
    struct rv_policy_limit limits[RV_POLICY_LIMITS_MAX];
    int64_t used_here[RV_POLICY_LIMITS_MAX];
    int64_t used[RV_POLICY_LIMITS_MAX];
    struct rv_verdict verdict;
    if (rv_policy_facts_make(op->policy->policy, &question, op->step, &facts, NULL) != RV_OK) {
        return false;
    }
    int count = rv_policy_limits(op->policy->policy, facts, op->step, limits);
    limits_used(op, batch, NULL, used_here);
    for (int i = 0; i < count; i++) {
        int k = 0;
        while (k < op->limit_count &&
               strcmp(limit_name(op, &limits[i]), limit_name(op, &op->limits[k])) != 0) {
            k++;
        }
        if (k == op->limit_count) {
            return false; /* nobody has looked how much of it is used */
        }
        used[i] = used_here[k];
    }
    rv_policy_decide(op->policy->policy, facts, used, count, op->step, &verdict);
    return verdict.kind == RV_ALLOW;
}

/* What was asked waits, and the people are asked about it. */
static enum rv_code pass_hold(struct op *op, struct rv_batch *batch, struct rv_error *err)
{
    struct rv_gate_pass *pass = op->pass;
    struct rv_gate_question ask = {.args = NULL};
    enum rv_code code = pass->ask(pass, batch, &ask, err);
    if (code != RV_OK) {
        return code;
    }
    json_t *rules = rv_verdict_rules_json(&op->verdict);
    json_t *limits = json_array(); /* what waits is counted as used at once */
    struct rv_question question = {
        .id = rv_id_make(rv_batch_head(batch)->now_us),
        .binding = {.tenant = pass->tenant,
                    .requested_by = rv_principal_text(&pass->principal, op->step),
                    .run = pass->run,
                    .seq = 0,
                    .action = pass->action,
                    .args = ask.args,
                    .resource = pass->key,
                    .resource_version = -1,
                    .policy_hex = policy_hex(op),
                    .rules = rules,
                    .expires_us = expires_us(op, batch)},
        .policy = rv_policy_hash(op->policy->policy),
        .verdict = &op->verdict,
        .agent = ask.agent,
        .owner = ask.owner,
        .facts = ask.facts,
        .effect = ask.effect,
        .limits = limits,
        .tier = GATE_PASS_TIER,
        .command_id = rv_arena_printf(op->step, "run:%" PRId64 ":start", pass->run),
    };
    op->outcome.approval = pass->approval = question.id;
    op->outcome.expires_us = question.binding.expires_us;
    code = rv_question_put(batch, &question, err);
    json_decref(rules);
    json_decref(limits);
    json_decref(ask.args);
    json_decref(ask.facts);
    json_decref(ask.effect);
    return code;
}

static enum rv_code pass_decide(struct rv_unit *unit, struct rv_batch *batch, struct rv_error *err)
{
    struct op *op = (struct op *)unit;
    struct rv_gate_pass *pass = op->pass;
    if (op->stale) {
        return rv_fail(err, RV_CONFLICT, "the active policy is being fetched");
    }
    enum rv_code code = rv_budget_check(pass->budget, 0, 1, pass->tokens, 0, NULL,
                                        rv_batch_head(batch)->now_us, err);
    if (code != RV_OK) {
        return code;
    }
    struct rv_hash digest;
    code = rv_gate_digest(pass->args, &digest, err);
    if (code != RV_OK) {
        return code;
    }
    judge(op, batch, NULL);
    op->outcome.verdict = &op->verdict;
    pass->looked = load_state(op, LOAD_STATE);
    pass->approval = 0;
    bool allowed = op->verdict.kind == RV_ALLOW;
    bool asked = op->verdict.kind == RV_HOLD && pass->ask != NULL && is_held_by_look(op, batch);
    struct rv_error why = {.code = RV_OK};
    if (asked) {
        code = pass_hold(op, batch, &why);
    } else if (allowed && pass->append != NULL) {
        code = pass->append(pass, batch, &why);
    }
    if (code != RV_OK) {
        return rv_fail(err, code, "%s", why.message);
    }
    if (asked || allowed) {
        op->outcome.result = asked ? RV_GATE_HELD : RV_GATE_EXECUTED;
        limits_take(op, batch, false, NULL);
    } else {
        snprintf(op->message, sizeof op->message, "rule \"%s\" (%s) does not allow \"%s\"",
                 op->verdict.rules[0].id, op->verdict.rules[0].why, pass->action);
        op->outcome.result = RV_GATE_DENIED;
        op->outcome.code = RV_DENIED;
        op->outcome.message = op->message;
    }
    int64_t decision =
        rv_record_decision(batch, &pass->principal, pass->action, &digest, &op->verdict,
                           policy_hex(op), 0, NULL, pass->run, pass->seq);
    rv_record_outcome(batch, decision, pass->action, &op->outcome, pass->run, pass->seq);
    return RV_OK;
}

/* ---- the way out ---- */

static void on_policy(void *data, enum rv_code code, const struct rv_result *result,
                      const struct rv_error *err);

static void op_finish(struct op *op, enum rv_code code, const struct rv_error *err)
{
    if (op->request != NULL) {
        op->request->done(op->request, code, code == RV_OK ? &op->outcome : NULL, err);
    } else if (code == RV_OK && op->outcome.result == RV_GATE_DENIED) {
        struct rv_error denied = {.code = RV_OK};
        rv_fail(&denied, RV_DENIED, "%s", op->message);
        op->pass->done(op->pass, RV_DENIED, &denied);
    } else {
        op->pass->done(op->pass, code, err);
    }
    op_destroy(op);
}

/* The look is there: from now on portion after portion. */
static void on_look(void *data, enum rv_code code, const struct rv_result *result,
                    const struct rv_error *err)
{
    struct op *op = data;
    if (code != RV_OK) {
        op_finish(op, code, err);
        return;
    }
    RV_ASSERT(rv_result_rows(result) > 0);
    op->portions = json_array();
    for (int row = 0; row < rv_result_rows(result); row++) {
        json_array_append_new(op->portions, rv_result_json(result, row, 0));
    }
    load_with(op);
    rv_commit(op->gate->committer, &op->unit);
}

static void next_portion(struct op *op)
{
    json_decref(op->sum);
    op->sum = json_incref(op->books.answer);
    op->first_event = op->outcome.first_event;
    op->last_event = op->outcome.last_event;
    op->portion++;
    load_with(op);
    rv_commit(op->gate->committer, &op->unit);
}

static void op_done(struct rv_unit *unit, enum rv_code code, const struct rv_error *err)
{
    struct op *op = (struct op *)unit;
    if (code == RV_CONFLICT && op->unlooked) {
        struct rv_args *args = rv_args_create(op->command->look);
        rv_args_json(args, 2, op->request->args);
        rv_db_query_within(op->gate->db, unit->tenant, op->command->look, args, GATE_LOOK_MS,
                           on_look, op);
        return;
    }
    if (code == RV_OK && op->request != NULL && op->outcome.result == RV_GATE_EXECUTED &&
        !last_portion(op)) {
        next_portion(op);
        return;
    }
    if (code == RV_CONFLICT && op->stale && op->fetches++ < GATE_POLICY_FETCHES_MAX) {
        rv_db_query(op->gate->db, unit->tenant, &rv_sql_policy_active_get, NULL, on_policy, op);
        return;
    }
    op_finish(op, code, err);
}

/* A bundle arrived: compile it, remember it, try the request again. */
static void on_policy(void *data, enum rv_code code, const struct rv_result *result,
                      const struct rv_error *err)
{
    struct op *op = data;
    if (code != RV_OK) {
        op_finish(op, code, err);
        return;
    }
    if (rv_result_rows(result) == 1) {
        const char *hex = rv_result_text(result, 0, 0);
        if (find_policy(op->gate, op->unit.tenant, hex) == NULL) {
            struct rv_error load = {.code = RV_OK};
            struct rv_policy *policy = NULL;
            code = rv_policy_load(rv_result_text(result, 0, 2), rv_result_length(result, 0, 2),
                                  rv_result_text(result, 0, 1), &policy, &load);
            if (code != RV_OK) {
                rv_log_error("gate", "POLICY-BROKEN", &load);
                op_finish(op, RV_UNAVAILABLE, &load);
                return;
            }
            struct known_policy *known = rv_alloc(sizeof *known);
            known->tenant = op->unit.tenant;
            known->policy = policy;
            struct rv_hash hash = rv_policy_hash(policy);
            rv_hash_hex(&hash, known->hex);
            if (strcmp(known->hex, hex) != 0) {
                rv_log(RV_LOG_ERROR, "gate", "POLICY-HASH",
                       "stored bundle does not compile to its hash tenant=%d", op->unit.tenant);
            }
            known->next = op->gate->policies;
            op->gate->policies = known;
        }
    }
    rv_commit(op->gate->committer, &op->unit);
}
