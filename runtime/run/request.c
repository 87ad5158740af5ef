/* request.c -- copies what is asked, lets the gate decide, writes it with the decision; see
 * request.h. */
#include "runtime/run/request.h"

#include "run_sql.h"
#include "runtime/base/check.h"
#include "runtime/base/random.h"
#include "runtime/gate/gate_record.h"
#include "runtime/journal/blob.h"
#include "runtime/journal/journal.h"
#include "runtime/run/canary.h"
#include "runtime/run/claim.h"
#include "runtime/run/flow.h"
#include "runtime/run/once.h"
#include "runtime/run/run.h"
#include "runtime/run/run_trace.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { REQUEST_ARENA_MAX = 8 << 20 };

/* Columns of run_status: it is to end; its plan is over, and reads nothing that is sent; the
 * company's currency; the limits of its agent, null for those that a run has given. */
enum { RUN_STATUS_ENDS = 2, RUN_STATUS_DEAF = 3, RUN_STATUS_HOME, RUN_STATUS_LIMITS };

/* One request on its way; the pass refers to its copies. */
struct request {
    struct rv_gate_pass pass;
    struct rv_gate *gate;
    struct rv_db *db;
    struct rv_arena *arena;
    int64_t id; /* of the new run or signal */
    rv_run_asked done;
    void *data;
    json_t *args;
    json_t *body;     /* input of the run, body of the signal */
    const char *name; /* the agent, or the signal's name */
    int unread;       /* which of them says that nothing reads it; 0: it is read */
    const char *business_key;
    struct rv_hash plan_hash;
    const char *const *(*resolutions_of)(const char *type);
    const char *wanted;           /* key of the exception */
    json_t *exception;            /* that is to be handled; or */
    json_t *input;                /* what the plan gets in its place */
    struct rv_trace trace;        /* that was given ... */
    char caller[RV_TRACE_CALLER]; /* ... and by which span */
    /* with an input */
    rv_run_claimed claimed; /* instead of `done` */
    int priority;
    json_t *manifest;
    json_t *look_args;
    enum rv_claim_way way;
    const char *owner; /* of the agent */
    int64_t holder;    /* of the key; 0 none */
    const char *why;   /* it keeps it */
    json_t *claim;     /* what became of it */
    /* under a key of its own: see once.h */
    const char *once; /* NULL: none */
    struct rv_hash digest;
    void (*go_on)(struct request *request); /* after the first look at the key */
    enum rv_code refused;                   /* what the second look is for ... */
    struct rv_error why_refused;            /* ... and what is said if nothing is found */
};

static struct request *request_make(struct rv_gate *gate, int32_t tenant,
                                    const struct rv_principal *principal, rv_run_asked done,
                                    void *data)
{
    struct request *request = rv_alloc(sizeof *request);
    request->gate = gate;
    request->arena = rv_arena_create("run request", REQUEST_ARENA_MAX);
    request->id = rv_id_make(rv_now_us(rv_gate_clock(gate)));
    request->done = done;
    request->data = data;
    request->pass.tenant = tenant;
    request->pass.principal = *principal;
    request->pass.principal.id = rv_arena_strdup(request->arena, principal->id);
    request->pass.principal.roles = json_incref((json_t *)(uintptr_t)principal->roles);
    request->pass.data = request;
    return request;
}

static void request_end(struct request *request, enum rv_code code, const struct rv_error *err)
{
    int64_t id = code == RV_OK ? request->id : 0;
    if (request->claimed != NULL) {
        request->claimed(request->data, code, id, request->claim, err);
    } else {
        request->done(request->data, code, id, err);
    }
    json_decref((json_t *)(uintptr_t)request->pass.principal.roles);
    json_decref(request->args);
    json_decref(request->body);
    json_decref(request->exception);
    json_decref(request->input);
    json_decref(request->manifest);
    json_decref(request->look_args);
    json_decref(request->claim);
    rv_arena_destroy(request->arena);
    rv_free(request);
}

static void say_taken(const struct request *request, const json_t *holder, struct rv_error *out)
{
    const char *what = request->input != NULL ? "key" : "exception";
    char who[RV_CLAIM_SAID_MAX];
    if (holder == NULL && request->holder != 0) {
        rv_fail(out, RV_CONFLICT, "%s: r_%" PRId64 " had it, and has ended meanwhile", what,
                request->holder);
        rv_hint(out, "Ask again.");
        return;
    }
    rv_claim_say(holder, who, sizeof who);
    rv_fail(out, RV_CONFLICT, "%s: a run is working on it already%s", what, who);
    if (request->why != NULL) {
        rv_hint(out, "It keeps the key: %s.  Cancel it first if it must not go on.", request->why);
    } else {
        rv_hint(out, "See it with reeve explain or GET /v1/runs/{id}; cancel it first if it must "
                     "not go on.");
    }
}

static bool is_waiting(enum rv_claim_way way)
{
    return way == RV_CLAIM_OUTRANK || way == RV_CLAIM_ASK || way == RV_CLAIM_WAIT;
}

/* ---- once ---- */

/* As it is given again. */
static json_t *answer_of(const struct request *request)
{
    json_t *answer = json_pack("{s:I}", "id", (json_int_t)request->id);
    if (request->claim != NULL) {
        json_object_set(answer, "claim", request->claim);
    } else if (request->way == RV_CLAIM_MERGE) {
        json_object_set_new(answer, "id", json_integer(request->holder));
        json_object_set_new(answer, "claim", json_pack("{s:b}", "merged", 1));
    }
    return answer;
}

static void put_once(const struct request *request, struct rv_batch *batch)
{
    if (request->once == NULL) {
        return;
    }
    json_t *answer = answer_of(request);
    struct rv_args *rows = rv_batch_rows(batch, &rv_sql_run_once_put);
    rv_args_text(rows, 2, request->pass.principal.id);
    rv_args_text(rows, 3, request->once);
    rv_args_bytes(rows, 4, request->digest.bytes, RV_HASH_BYTES);
    rv_args_json(rows, 5, answer);
    json_decref(answer);
}

static void on_answer_kept(void *data, enum rv_code code, const struct rv_result *result,
                           const struct rv_error *err)
{
    (void)code; /* what was asked is done: its number is kept, if not all that was said about it */
    (void)result;
    (void)err;
    request_end(data, RV_OK, NULL);
}

/* What the answer says of the key's holder was not known when it was written. */
static void keep_answer(struct request *request)
{
    struct rv_args *args = rv_args_create(&rv_sql_run_once_answer);
    json_t *answer = answer_of(request);
    rv_args_text(args, 2, request->pass.principal.id);
    rv_args_text(args, 3, request->once);
    rv_args_json(args, 4, answer);
    json_decref(answer);
    rv_db_query(request->db, request->pass.tenant, &rv_sql_run_once_answer, args, on_answer_kept,
                request);
}

static void conclude(struct request *request, enum rv_code code, const struct rv_error *err);

static void on_once(void *data, enum rv_code code, const struct rv_result *result,
                    const struct rv_error *err)
{
    struct request *request = data;
    struct rv_error why = {.code = RV_OK};
    bool known = code == RV_OK && rv_result_rows(result) > 0;
    if (known) {
        code = rv_once_same(request->once, rv_result_text(result, 0, 0), &request->digest, &why);
        err = &why;
    }
    if (code != RV_OK) {
        request_end(request, code, err);
    } else if (known) {
        json_t *answer = rv_result_json(result, 0, 1);
        request->id = rv_json_int(answer, "id", 0);
        json_decref(request->claim);
        request->claim = json_incref(json_object_get(answer, "claim"));
        json_decref(answer);
        request_end(request, RV_OK, NULL);
    } else if (request->refused != RV_OK) {
        conclude(request, request->refused, &request->why_refused);
    } else {
        request->go_on(request);
    }
}

static void look_once(struct request *request)
{
    struct rv_args *args = rv_args_create(&rv_sql_run_once_look);
    rv_args_text(args, 2, request->pass.principal.id);
    rv_args_text(args, 3, request->once);
    rv_db_query(request->db, request->pass.tenant, &rv_sql_run_once_look, args, on_once, request);
}

/* Takes `asked`: all that makes two requests the same. */
static void go_once(struct request *request, const char *once, json_t *asked,
                    void (*go_on)(struct request *request))
{
    struct rv_error err = {.code = RV_OK};
    if (once == NULL) {
        json_decref(asked);
        go_on(request);
        return;
    }
    RV_ASSERT(rv_once_check("once", once, &err) == RV_OK);
    request->once = rv_arena_strdup(request->arena, once);
    request->digest = rv_once_digest(asked);
    request->go_on = go_on;
    json_decref(asked);
    look_once(request);
}

/* Somebody else has the key: the request waits for it, or is refused. */
static void on_holder(void *data, enum rv_code code, const struct rv_result *result,
                      const struct rv_error *err)
{
    struct request *request = data;
    struct rv_error taken = {.code = RV_OK};
    bool waits = is_waiting(request->way);
    (void)err; /* the conflict is the news, not that nobody can say with whom */
    json_t *holder = code == RV_OK ? rv_claim_holder(result) : NULL;
    if (!waits) {
        say_taken(request, holder, &taken);
    }
    char approval[24];
    snprintf(approval, sizeof approval, "%" PRId64, request->pass.approval);
    request->claim =
        json_pack("{s:s*,s:s*,s:o*}", "waiting_on", waits ? RV_CLAIM_LOCK : NULL, "approval",
                  waits && request->pass.approval != 0 ? approval : NULL, "holder", holder);
    if (waits && request->once != NULL) {
        keep_answer(request);
    } else {
        request_end(request, waits ? RV_OK : RV_CONFLICT, waits ? NULL : &taken);
    }
}

static void conclude(struct request *request, enum rv_code code, const struct rv_error *err)
{
    const struct rv_gate_pass *pass = &request->pass;
    bool waits = code == RV_OK && is_waiting(request->way);
    bool taken = code == RV_CONFLICT && (request->way == RV_CLAIM_REFUSE ||
                                         strstr(err->detail, "constraint=run_claim") != NULL);
    if (code == RV_OK && request->way == RV_CLAIM_MERGE) {
        request->id = request->holder;
        request->claim = json_pack("{s:b}", "merged", 1);
    }
    if ((waits || taken) && request->db != NULL) {
        struct rv_args *args = rv_args_create(&rv_sql_run_claim_holder);
        rv_args_text(args, 2, request->business_key);
        rv_db_query(request->db, pass->tenant, &rv_sql_run_claim_holder, args, on_holder, request);
    } else {
        request_end(request, code, err);
    }
}

/* Who asks the same at the same moment may be the one that is in the way. */
static void request_done(struct rv_gate_pass *pass, enum rv_code code, const struct rv_error *err)
{
    struct request *request = pass->data;
    if (code == RV_CONFLICT && request->once != NULL) {
        request->refused = code;
        request->why_refused = *err;
        look_once(request);
    } else {
        conclude(request, code, err);
    }
}

/* ---- begin ---- */

const json_t *rv_run_agent_for(const json_t *agents, const char *type)
{
    size_t i;
    json_t *agent;
    json_array_foreach((json_t *)(uintptr_t)agents, i, agent)
    {
        if (rv_manifest_handles(json_object_get(agent, "manifest"), type)) {
            return agent;
        }
    }
    return NULL;
}

json_t *rv_run_agent_row(const struct rv_result *result, int row)
{
    return json_pack("{s:s,s:s,s:o,s:s,s:o*}", "name", rv_result_text(result, row, 0), "hash",
                     rv_result_text(result, row, 1) + 2, /* after \x */
                     "manifest", rv_result_json(result, row, 2), "owner",
                     rv_result_text(result, row, 3), "canary", rv_result_json(result, row, 4));
}

/* What the agent sees of an exception. */
static json_t *exception_input(const json_t *found, const char *const *names)
{
    const json_t *row = json_object_get(found, "row");
    json_t *resolutions = json_array();
    for (; names != NULL && *names != NULL; names++) {
        json_array_append_new(resolutions, json_string(*names));
    }
    json_t *exception =
        json_pack("{s:O,s:O,s:O,s:O,s:O,s:o}", "key", json_object_get(found, "key"), "code",
                  json_object_get(found, "type"), "subject", json_object_get(row, "subject"),
                  "resource", json_object_get(row, "resource"), "summary",
                  json_object_get(row, "summary"), "resolutions", resolutions);
    static const char *const more[] = {"evidence", "money", "currency", "party", "tier"};
    for (size_t i = 0; i < RV_COUNT(more); i++) {
        json_t *value = json_object_get(row, more[i]);
        if (value != NULL && !json_is_null(value)) {
            json_object_set(exception, more[i], value);
        }
    }
    return json_pack("{s:o,s:I}", "exception", exception, "found_seq",
                     (json_int_t)rv_json_int(row, "found_seq", 0));
}

/* A signal for a run: `name` and `body`. */
static void append_signal(const struct request *request, struct rv_batch *batch, int64_t run,
                          const char *name, json_t *body)
{
    struct rv_args *rows = rv_batch_rows(batch, &rv_sql_run_signal_put);
    rv_args_i64(rows, 2, run);
    rv_args_i64(rows, 3, request->id);
    rv_args_text(rows, 4, name);
    rv_args_json(rows, 5, body);
    rv_args_text(rows, 6, request->pass.principal.id);
    rv_args_i64(rv_batch_rows(batch, &rv_sql_run_signal_wake), 2, run);
    rv_blob_use(batch, run, body);
}

static void stop_holder(const struct request *request, struct rv_batch *batch)
{
    json_t *body = json_object();
    char reason[240];
    snprintf(reason, sizeof reason,
             "r_%" PRId64 " of agent %.60s has priority %d and takes key %.100s", request->id,
             request->name, request->priority, request->business_key);
    json_object_set_new(body, "reason", json_string(reason));
    append_signal(request, batch, request->holder, RV_RUN_CANCEL_SIGNAL, body);
    json_decref(body);
}

static void judge_claim(struct request *request)
{
    const json_t *look = request->pass.looked;
    request->holder = rv_json_int(look, "run", 0);
    request->way =
        rv_claim_decide(request->name, request->manifest, request->priority, look, &request->why);
}

static void append_run(const struct request *request, struct rv_batch *batch)
{
    bool waits = is_waiting(request->way);
    struct rv_run_new run = {.id = request->id,
                             .agent = request->name,
                             .plan_hash = &request->plan_hash,
                             .business_key = request->business_key,
                             .shares = waits,
                             .input = request->body};
    rv_journal_run_new(batch, &run);
    if (waits || request->priority > 0) {
        struct rv_args *rows = rv_batch_rows(batch, &rv_sql_run_claim_set);
        rv_args_i64(rows, 2, request->id);
        rv_args_i32(rows, 3, request->priority);
    }
}

static enum rv_code begin_append(struct rv_gate_pass *pass, struct rv_batch *batch,
                                 struct rv_error *err)
{
    struct request *request = pass->data;
    judge_claim(request);
    if (request->way == RV_CLAIM_ASK) { /* allowed without a question: nobody is named for it */
        request->way = RV_CLAIM_REFUSE;
        request->why = "no rule of the policy says who decides (approve run.start)";
    }
    if (request->way == RV_CLAIM_REFUSE) {
        return rv_fail(err, RV_CONFLICT, "another run has the key");
    }
    put_once(request, batch);
    if (request->way == RV_CLAIM_MERGE) {
        append_signal(request, batch, request->holder, RV_CLAIM_SIGNAL, request->input);
        return RV_OK;
    }
    append_run(request, batch);
    if (request->way == RV_CLAIM_OUTRANK) {
        stop_holder(request, batch);
    }
    rv_flow_enter(batch, request->id, request->body);
    return RV_OK;
}

/* The policy holds the beginning for people, because of who has the key. */
static enum rv_code begin_ask(struct rv_gate_pass *pass, struct rv_batch *batch,
                              struct rv_gate_question *question, struct rv_error *err)
{
    struct request *request = pass->data;
    judge_claim(request);
    if (request->way != RV_CLAIM_ASK) {
        request->way = RV_CLAIM_REFUSE;
        return rv_fail(err, RV_CONFLICT, "another run has the key");
    }
    put_once(request, batch);
    append_run(request, batch);
    char *who = rv_principal_text(&pass->principal, rv_batch_arena(batch));
    rv_claim_question(pass->looked, request->name, request->id, who, request->business_key,
                      request->input, question);
    question->owner = request->owner;
    return RV_OK;
}

/* Whoever begins with a key sees under the head's lock who has it. */
static void claim_key(struct request *request, const json_t *manifest)
{
    request->manifest = json_incref((json_t *)(uintptr_t)manifest);
    request->priority = rv_claim_priority(manifest, request->priority);
    request->look_args = json_pack("{s:s,s:s}", "key", request->business_key, "claims",
                                   rv_json_str(manifest, "claims", "first"));
    request->pass.ask = begin_ask;
    request->pass.look = &rv_sql_run_claim_look;
    request->pass.look_args = request->look_args;
    json_object_set_new(request->body, "claim", json_string(request->business_key));
    if (request->priority > 0) {
        json_object_set_new(request->args, "priority", json_integer(request->priority));
    }
}

/* Agent, key and body are there: `type` is the exception's, or NULL. */
static void begin_version(struct request *request, const json_t *agent, const char *type)
{
    const json_t *version = rv_canary_pick(
        agent, request->business_key != NULL ? request->business_key : "", request->id, type);
    RV_ASSERT(rv_hash_from_hex(rv_json_str(version, "hash", ""), &request->plan_hash));
    request->args = json_pack("{s:s,s:s*}", "agent", request->name, "type", type);
    const json_t *manifest = json_object_get(version, "manifest");
    int priority = rv_claim_priority(manifest, request->priority);
    if (request->input != NULL && request->business_key != NULL) {
        claim_key(request, manifest);
    }
    json_t *flow = rv_flow_of(manifest, request->name, json_object_get(request->body, "exception"),
                              request->business_key, priority);
    if (flow != NULL) {
        json_object_set_new(request->body, "flow", flow);
    }
    if (rv_trace_is(request->trace)) {
        char trace[RV_TRACE_TEXT];
        rv_trace_text(request->trace, trace);
        json_object_set_new(request->body, "trace", json_string(trace));
        json_object_set_new(request->body, "trace_parent", json_string(request->caller));
    }
    request->owner = rv_arena_strdup(request->arena, rv_json_str(agent, "owner", NULL));
    request->pass.action = "run.start";
    request->pass.args = request->args;
    request->pass.run = request->id;
    request->pass.key = request->business_key;
    request->pass.append = begin_append;
    request->pass.done = request_done;
    rv_gate_pass(request->gate, &request->pass);
}

static void begin(struct request *request, const json_t *exception, const json_t *agent,
                  const char *const *resolutions)
{
    request->name = rv_arena_strdup(request->arena, rv_json_str(agent, "name", ""));
    request->business_key =
        rv_arena_printf(request->arena, "exception:%s", rv_json_str(exception, "key", ""));
    request->body = exception_input(exception, resolutions);
    begin_version(request, agent, rv_json_str(exception, "type", ""));
}

void rv_run_begin(struct rv_gate *gate, const struct rv_run_begin *asked, rv_run_asked done,
                  void *data)
{
    struct request *request = request_make(gate, asked->tenant, &asked->principal, done, data);
    request->pass.epoch = asked->epoch;
    begin(request, asked->exception, asked->agent, asked->resolutions);
}

static void on_agents(void *data, enum rv_code code, const struct rv_result *result,
                      const struct rv_error *err)
{
    struct request *request = data;
    if (code != RV_OK) {
        request_end(request, code, err);
        return;
    }
    const char *type = rv_json_str(request->exception, "type", "");
    const json_t *found = NULL;
    json_t *agents = json_array();
    for (int row = 0; row < rv_result_rows(result); row++) {
        json_t *agent = rv_run_agent_row(result, row);
        json_array_append_new(agents, agent);
        if (request->name != NULL && strcmp(request->name, rv_json_str(agent, "name", "")) == 0) {
            found = agent;
        }
    }
    if (request->name == NULL) {
        found = rv_run_agent_for(agents, type);
    }
    if (found == NULL) {
        struct rv_error none = {.code = RV_OK};
        rv_fail(&none, RV_NOT_FOUND, "no active agent %s%s",
                request->name != NULL ? "is named " : "handles exceptions of type ",
                request->name != NULL ? request->name : type);
        rv_hint(&none, "See the active agents: reeve agent list.");
        request_end(request, RV_NOT_FOUND, &none);
    } else if (request->input != NULL) {
        request->body = json_pack("{s:O}", "exception", request->input);
        begin_version(request, found, NULL);
    } else {
        begin(request, request->exception, found,
              request->resolutions_of != NULL ? request->resolutions_of(type) : NULL);
    }
    json_decref(agents);
}

static void find_agents(struct request *request);

static void on_exception(void *data, enum rv_code code, const struct rv_result *result,
                         const struct rv_error *err)
{
    struct request *request = data;
    if (code != RV_OK) {
        request_end(request, code, err);
        return;
    }
    if (rv_result_rows(result) == 0) {
        struct rv_error none = {.code = RV_OK};
        rv_fail(&none, RV_NOT_FOUND, "exception: there is no open exception with that key");
        rv_hint(&none, "The keys: reeve exception list, or GET /v1/exceptions?state=open.");
        request_end(request, RV_NOT_FOUND, &none);
        return;
    }
    request->exception =
        json_pack("{s:s,s:s,s:o}", "key", rv_result_text(result, 0, 0), "type",
                  rv_result_text(result, 0, 1), "row", rv_result_json(result, 0, 2));
    find_agents(request);
}

static void find_exception(struct request *request)
{
    struct rv_args *args = rv_args_create(&rv_sql_exception_open);
    rv_args_text(args, 2, request->wanted);
    rv_db_query(request->db, request->pass.tenant, &rv_sql_exception_open, args, on_exception,
                request);
}

static void find_agents(struct request *request)
{
    rv_db_query(request->db, request->pass.tenant, &rv_sql_agents_active,
                rv_args_create(&rv_sql_agents_active), on_agents, request);
}

static void take_trace(struct request *request, const char *traceparent)
{
    if (traceparent != NULL && rv_trace_from_parent(traceparent, &request->trace)) {
        rv_trace_caller(traceparent, request->caller);
    } else {
        request->trace = (struct rv_trace){0, 0};
    }
}

void rv_run_begin_for(struct rv_gate *gate, struct rv_db *db, int32_t tenant,
                      const struct rv_principal *principal, const char *exception,
                      const char *agent, const char *traceparent, const char *once,
                      const char *const *(*resolutions_of)(const char *type), rv_run_asked done,
                      void *data)
{
    struct request *request = request_make(gate, tenant, principal, done, data);
    take_trace(request, traceparent);
    request->db = db;
    request->name = agent != NULL ? rv_arena_strdup(request->arena, agent) : NULL;
    request->resolutions_of = resolutions_of;
    request->wanted = rv_arena_strdup(request->arena, exception);
    go_once(
        request, once,
        json_pack("{s:s,s:s,s:s?}", "does", "run.start", "exception", exception, "agent", agent),
        find_exception);
}

/* ---- begin with an input ---- */

void rv_run_begin_with(struct rv_gate *gate, struct rv_db *db, int32_t tenant,
                       const struct rv_principal *principal, const struct rv_run_begin_input *asked,
                       rv_run_claimed done, void *data)
{
    const char *field = NULL;
    struct rv_error err = {.code = RV_OK};
    RV_ASSERT(rv_run_begin_check(asked, &field, &err) == RV_OK);
    struct request *request = request_make(gate, tenant, principal, NULL, data);
    take_trace(request, asked->traceparent);
    request->db = db;
    request->claimed = done;
    request->priority = asked->priority;
    request->id = asked->run != 0 ? asked->run : request->id;
    request->name = rv_arena_strdup(request->arena, asked->agent);
    request->input = asked->input != NULL ? json_deep_copy(asked->input) : json_object();
    request->business_key = asked->key != NULL ? rv_arena_strdup(request->arena, asked->key) : NULL;
    go_once(request, asked->once,
            json_pack("{s:s,s:s,s:O,s:s?,s:i}", "does", "run.start", "agent", asked->agent, "input",
                      request->input, "key", asked->key, "priority", asked->priority),
            find_agents);
}

bool rv_run_begun_before(enum rv_code code, const struct rv_error *err)
{
    return code == RV_CONFLICT && strstr(err->detail, "constraint=run_pkey") != NULL;
}

/* ---- tell and cancel ---- */

static enum rv_code tell_append(struct rv_gate_pass *pass, struct rv_batch *batch,
                                struct rv_error *err)
{
    (void)err;
    struct request *request = pass->data;
    append_signal(request, batch, pass->run, request->name, request->body);
    put_once(request, batch);
    return RV_OK;
}

/* In how many a run has limits with what is `given`. */
static int currencies(const json_t *limits, const json_t *given, const char *home)
{
    json_t *all = json_copy(json_object_get(limits, "money"));
    all = all != NULL ? all : json_object();
    json_object_update(all, (json_t *)(uintptr_t)given);
    if (json_object_get(limits, "money_minor") != NULL) {
        json_object_set_new(all, home, json_true());
    }
    int count = (int)json_object_size(all);
    json_decref(all);
    return count;
}

/* Says what the company's currency is; RV_INVALID for a budget that the run has no limit on: what
 * is added to nothing would be heard by nobody. */
static enum rv_code check_raised(struct request *request, const struct rv_result *result,
                                 struct rv_error *err)
{
    json_t *limits = rv_result_json(result, 0, RUN_STATUS_LIMITS);
    const char *home = rv_result_text(result, 0, RUN_STATUS_HOME);
    bool money = json_object_get(limits, "money") != NULL;
    bool minor = json_object_get(limits, "money_minor") != NULL;
    const struct {
        const char *name;
        bool limited;
    } rows[] = {{"wall_ms",
                 rv_json_int(limits, "wall_ms", 0) > 0 || rv_json_int(limits, "until_us", 0) > 0},
                {"risk", json_object_get(limits, "risk") != NULL},
                {"money", money || minor},
                {"money_minor", money || minor}};
    enum rv_code code = RV_OK;
    for (size_t i = 0; i < RV_COUNT(rows) && json_is_object(limits) && code == RV_OK; i++) {
        if (json_object_get(request->body, rows[i].name) != NULL && !rows[i].limited) {
            code = rv_fail(err, RV_INVALID, "%s: run r_%" PRId64 " has no limit on it to raise",
                           rows[i].name, request->pass.run);
            rv_hint(err,
                    "Nothing was written.  Leave it out: neither its agent's manifest nor the run "
                    "that started it names limits.%s.",
                    rows[i].name);
        }
    }
    if (code == RV_OK &&
        currencies(limits, json_object_get(request->body, "money"), home) > RV_BUDGET_MONEY_MAX) {
        code = rv_fail(err, RV_INVALID,
                       "money: run r_%" PRId64 " would have limits in more than %d currencies",
                       request->pass.run, RV_BUDGET_MONEY_MAX);
        rv_hint(err, "Nothing was written.  Leave those out that it does not need.");
    }
    json_object_set_new(request->body, "home", json_string(home));
    json_decref(limits);
    return code;
}

static void on_run(void *data, enum rv_code code, const struct rv_result *result,
                   const struct rv_error *err)
{
    struct request *request = data;
    struct rv_error why = {.code = RV_OK};
    if (code != RV_OK) {
        request_end(request, code, err);
    } else if (rv_result_rows(result) == 0) {
        code = rv_fail(&why, RV_NOT_FOUND, "there is no run r_%" PRId64, request->pass.run);
        rv_hint(&why, "See the runs: reeve run list.");
        request_end(request, code, &why);
    } else if (rv_run_state_final(rv_run_state_from_name(rv_result_text(result, 0, 0)))) {
        code = rv_fail(&why, RV_CONFLICT, "run r_%" PRId64 " is over: %s", request->pass.run,
                       rv_result_text(result, 0, 0));
        rv_hint(&why,
                "Nothing was written.  See how it ended: reeve explain r_%" PRId64
                "; one that failed goes on with reeve run revive.",
                request->pass.run);
        request_end(request, code, &why);
    } else if (request->unread > 0 && rv_result_bool(result, 0, request->unread)) {
        code =
            rv_fail(&why, RV_CONFLICT, "the plan of run r_%" PRId64 " is over: nothing reads this",
                    request->pass.run);
        rv_hint(&why,
                "Nothing was written.  See what it still waits for: reeve explain r_%" PRId64 ".",
                request->pass.run);
        request_end(request, code, &why);
    } else if (strcmp(request->name, RV_RUN_BUDGET_SIGNAL) == 0 &&
               (code = check_raised(request, result, &why)) != RV_OK) {
        request_end(request, code, &why);
    } else {
        rv_gate_pass(request->gate, &request->pass);
    }
}

static void find_run(struct request *request)
{
    struct rv_args *args = rv_args_create(&rv_sql_run_status);
    rv_args_i64(args, 2, request->pass.run);
    rv_db_query(request->db, request->pass.tenant, &rv_sql_run_status, args, on_run, request);
}

/* find_run comes next. */
static struct request *tell(struct rv_gate *gate, struct rv_db *db, int32_t tenant,
                            const struct rv_principal *principal, int64_t run, const char *action,
                            const char *name, json_t *body, rv_run_asked done, void *data)
{
    struct request *request = request_make(gate, tenant, principal, done, data);
    request->db = db;
    request->name = rv_arena_strdup(request->arena, name);
    request->body = body;
    request->args = json_pack("{s:s}", "name", name);
    request->pass.action = action;
    request->pass.args = request->args;
    request->pass.run = run;
    request->pass.seq = -1; /* no step of the run's own journal */
    request->pass.append = tell_append;
    request->pass.done = request_done;
    return request;
}

void rv_run_tell(struct rv_gate *gate, struct rv_db *db, int32_t tenant,
                 const struct rv_principal *principal, int64_t run, const char *name,
                 const json_t *body, const char *once, rv_run_asked done, void *data)
{
    RV_ASSERT(name[0] != '\0' && name[0] != '$' && strlen(name) <= RV_SIGNAL_NAME_MAX);
    struct request *request = tell(gate, db, tenant, principal, run, "run.signal", name,
                                   json_deep_copy(body), done, data);
    request->unread = RUN_STATUS_DEAF;
    go_once(request, once,
            json_pack("{s:s,s:I,s:s,s:O}", "does", "run.signal", "run", (json_int_t)run, "name",
                      name, "body", request->body),
            find_run);
}

void rv_run_cancel(struct rv_gate *gate, struct rv_db *db, int32_t tenant,
                   const struct rv_principal *principal, int64_t run, const char *reason,
                   rv_run_asked done, void *data)
{
    find_run(tell(gate, db, tenant, principal, run, "run.cancel", RV_RUN_CANCEL_SIGNAL,
                  json_pack("{s:s}", "reason", reason), done, data));
}

void rv_run_raise(struct rv_gate *gate, struct rv_db *db, int32_t tenant,
                  const struct rv_principal *principal, int64_t run, const json_t *more,
                  rv_run_asked done, void *data)
{
    json_t *body = json_deep_copy(more);
    json_object_set_new(body, "by", json_string(principal->id));
    json_object_set_new(body, "at_us", json_integer(rv_now_us(rv_gate_clock(gate))));
    json_object_set_new(body, "apart", json_true()); /* of what its parent gave */
    struct request *request =
        tell(gate, db, tenant, principal, run, "run.raise", RV_RUN_BUDGET_SIGNAL, body, done, data);
    json_object_update(request->args, (json_t *)(uintptr_t)more); /* on the record, for rules */
    request->unread = 2;                                          /* it is to end */
    find_run(request);
}
