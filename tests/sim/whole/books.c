/* books.c -- stands in for erp/command's catalogue: four commands on cases, small enough to be
 * checked against a model, real enough for the gate; and what happens outside (external.c), as it
 * is.
 *
 *   entry.post     two lines that balance; taken back by entry.reverse; 13 divides the amount:
 * refused entry.reverse  the opposite lines payment.send   money leaves: cannot be taken back
 *   case.close     the exception is resolved
 *
 * A case is a resource ("case:3") and a stream; whoever adds to it raises its version.
 */
#include "tests/sim/whole/world.h"

#include "erp/command/area.h"
#include "erp/command/effect.h"
#include "erp/command/schema.h"
#include "erp/command/words.h"
#include "erp_command_sql.h"
#include "runtime/base/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { COMMANDS = 7, UNLUCKY = 13 };

/* ---- statements: their work is at the end of this file ---- */

#define PROJECTION "tenant int4, seq int8[], stream text[], occurred date[], body jsonb[]"
static const struct rv_statement load = {.name = "sim_load",
                                         .text = "",
                                         .params = "tenant int4, unit int4[], args jsonb[]",
                                         .param_count = 3};
static const struct rv_statement project_posted = {
    .name = "sim_posted", .text = "", .params = PROJECTION, .param_count = 5};
static const struct rv_statement project_reversed = {
    .name = "sim_reversed", .text = "", .params = PROJECTION, .param_count = 5};
static const struct rv_statement project_closed = {
    .name = "sim_closed", .text = "", .params = PROJECTION, .param_count = 5};

/* ---- the catalogue ---- */

static int case_keys(const json_t *args, struct rv_arena *arena, const char *out[ERP_KEYS_MAX])
{
    out[0] = rv_arena_strdup(arena, rv_json_str(args, "case", ""));
    return 1;
}

static void emit(const struct erp_context *context, const json_t *args, const json_t *state,
                 struct erp_outcome *outcome, const char *type, json_t *body)
{
    json_object_set(body, "case", json_object_get(args, "case"));
    erp_emit(outcome, rv_arena_strdup(context->arena, rv_json_str(args, "case", "")),
             rv_json_int(json_object_get(state, "facts"), "version", 0) + 1, type, context->today,
             body);
}

static enum rv_code post(const struct erp_context *context, const json_t *args, const json_t *state,
                         struct erp_outcome *outcome, const char *kind, const char *account,
                         struct rv_error *err)
{
    const char *reference = rv_json_str(args, "ref", "");
    int64_t minor = rv_json_int(json_object_get(args, "amount"), "minor", 0);
    if (minor % UNLUCKY == 0) {
        return rv_fail(err, RV_CONFLICT, "the period of this amount is locked");
    }
    emit(context, args, state, outcome, "sim.posted.v1",
         json_pack("{s:s,s:s,s:I,s:s}", "ref", reference, "kind", kind, "minor", (json_int_t)minor,
                   "account", account));
    erp_answer(outcome, json_pack("{s:s,s:I}", "ref", reference, "minor", (json_int_t)minor));
    return RV_OK;
}

static enum rv_code entry_decide(const struct erp_context *context, const json_t *args,
                                 const json_t *state, struct erp_outcome *outcome,
                                 struct rv_error *err)
{
    return post(context, args, state, outcome, "entry", "4000", err);
}

static enum rv_code payment_decide(const struct erp_context *context, const json_t *args,
                                   const json_t *state, struct erp_outcome *outcome,
                                   struct rv_error *err)
{
    return post(context, args, state, outcome, "payment", "1200", err);
}

static enum rv_code reverse_decide(const struct erp_context *context, const json_t *args,
                                   const json_t *state, struct erp_outcome *outcome,
                                   struct rv_error *err)
{
    const json_t *posted =
        json_object_get(json_object_get(state, "posted"), rv_json_str(args, "ref", ""));
    if (posted == NULL || rv_json_bool(posted, "reversed", false)) {
        return rv_fail(err, RV_CONFLICT, "there is nothing to take back");
    }
    emit(context, args, state, outcome, "sim.reversed.v1",
         json_pack("{s:s,s:I}", "ref", rv_json_str(args, "ref", ""), "minor",
                   (json_int_t)rv_json_int(posted, "minor", 0)));
    erp_answer(outcome, json_pack("{s:s}", "ref", rv_json_str(args, "ref", "")));
    return RV_OK;
}

static enum rv_code close_decide(const struct erp_context *context, const json_t *args,
                                 const json_t *state, struct erp_outcome *outcome,
                                 struct rv_error *err)
{
    if (!rv_json_bool(state, "open", false)) {
        return rv_fail(err, RV_CONFLICT, "the case is closed already");
    }
    emit(context, args, state, outcome, "sim.closed.v1", json_object());
    erp_answer(outcome, json_pack("{s:b}", "closed", 1));
    return RV_OK;
}

static bool entry_compensate(const json_t *args, const json_t *answer, const char **name,
                             json_t **out_args)
{
    *name = "entry.reverse";
    *out_args = json_pack("{s:O,s:O}", "case", json_object_get(args, "case"), "ref",
                          json_object_get(answer, "ref"));
    return true;
}

/* clang-format off */
static const struct erp_command entry_post = {
    .name = "entry.post", .summary = "Posts an entry.",
    .schema = OBJECT(JSON("case", "ref", "amount"),
                     FIELD("case", NAME) "," FIELD("ref", NAME) "," FIELD("amount", AMOUNT)),
    .tier = ERP_TIER_LEDGER, .risk = ERP_RISK_BOOKS, .money = ERP_MONEY_AMOUNT, .load = &load, .keys = case_keys,
    .decide = entry_decide, .compensate = entry_compensate,
};
static const struct erp_command entry_reverse = {
    .name = "entry.reverse", .summary = "Takes an entry back.",
    .schema = OBJECT(JSON("case", "ref"), FIELD("case", NAME) "," FIELD("ref", NAME)),
    .tier = ERP_TIER_LEDGER, .risk = ERP_RISK_BOOKS, .load = &load, .keys = case_keys,
    .decide = reverse_decide, .compensate = erp_irreversible,
};
static const struct erp_command payment_send = {
    .name = "payment.send", .summary = "Sends a payment.",
    .schema = OBJECT(JSON("case", "ref", "amount"),
                     FIELD("case", NAME) "," FIELD("ref", NAME) "," FIELD("amount", AMOUNT)),
    .tier = ERP_TIER_MONEY, .risk = ERP_RISK_LEAVES, .money = ERP_MONEY_AMOUNT, .load = &load, .keys = case_keys,
    .decide = payment_decide, .compensate = erp_irreversible,
};
static const struct erp_command case_close = {
    .name = "case.close", .summary = "Closes a case.",
    .schema = OBJECT(JSON("case"), FIELD("case", NAME)),
    .tier = ERP_TIER_REVERSIBLE, .risk = ERP_RISK_DRAFT, .load = &load, .keys = case_keys,
    .decide = close_decide, .compensate = erp_irreversible,
};
/* clang-format on */

const struct erp_command *const erp_commands[] = {
    &entry_post,       &entry_reverse, &payment_send,   &case_close,
    &erp_http_request, &erp_mail_send, &erp_file_write, NULL};

static json_t *schemas[COMMANDS]; /* parsed once, for the life of the process */

void books_begin(void)
{
    for (int i = 0; i < COMMANDS; i++) {
        const char *text = erp_commands[i]->schema;
        RV_ASSERT(rv_json_parse(text, strlen(text), erp_commands[i]->name, &schemas[i], NULL) ==
                  RV_OK);
    }
}

const struct erp_command *erp_command_find(const char *name)
{
    for (int i = 0; i < COMMANDS; i++) {
        if (strcmp(erp_commands[i]->name, name) == 0) {
            return erp_commands[i];
        }
    }
    return NULL;
}

enum rv_code erp_command_check(const struct erp_command *command, json_t *args,
                               struct rv_error *err)
{
    int i = 0;
    while (erp_commands[i] != command) {
        i++;
    }
    return erp_schema_check(schemas[i], args, err);
}

const struct erp_event_type erp_event_types[] = {{"sim.posted.v1", &project_posted},
                                                 {"sim.reversed.v1", &project_reversed},
                                                 {"sim.closed.v1", &project_closed},
                                                 {NULL, NULL}};

const struct erp_event_type *erp_event_type_find(const char *name)
{
    for (const struct erp_event_type *type = erp_event_types; type->name != NULL; type++) {
        if (strcmp(type->name, name) == 0) {
            return type;
        }
    }
    return NULL;
}

/* ---- what the statements do ---- */

static json_t *case_state(struct base *base, int32_t tenant, const char *name)
{
    json_t *posted = json_object();
    int version = 0;
    bool open = false;
    BASE_EACH(base, T_EVENT, event_row, event)
    {
        if (event->tenant == tenant && strcmp(event->stream, name) == 0) {
            version = event->version;
        }
    }
    BASE_EACH(base, T_POSTING, posting_row, posting)
    {
        if (posting->tenant == tenant && strcmp(posting->subject, name) == 0) {
            json_object_set_new(posted, posting->reference,
                                json_pack("{s:I,s:b}", "minor", (json_int_t)posting->minor,
                                          "reversed", posting->reversed));
        }
    }
    BASE_EACH(base, T_EXCEPTION, exception_row, exception)
    {
        open = open || (exception->tenant == tenant && base_is(exception->state, "open") &&
                        strcmp(exception->resource, name) == 0);
    }
    return json_pack("{s:{s:i},s:o,s:b}", "facts", "version", version, "posted", posted, "open",
                     open);
}

static void sim_load(struct base_call *call)
{
    for (int i = 0; i < base_count(call, 2); i++) {
        base_row(call);
        base_out_int(call, base_int(call, 2, i));
        base_out_json(call, case_state(call->base, call->tenant,
                                       rv_json_str(base_json(call, 3, i), "case", "")));
    }
}

static void add_line(struct base_call *call, int64_t event, const char *reference,
                     const char *account, int64_t minor)
{
    struct line_row *line = base_insert(call, T_LINE);
    *line = (struct line_row){.tenant = call->tenant,
                              .event = event,
                              .reference = reference,
                              .account = account,
                              .minor = minor};
}

static void sim_posted(struct base_call *call)
{
    for (int i = 0; i < base_count(call, 2); i++) {
        const json_t *body = base_json(call, 5, i);
        const char *reference = rv_json_str(body, "ref", "");
        int64_t minor = rv_json_int(body, "minor", 0);
        struct posting_row *posting = base_insert(call, T_POSTING);
        *posting = (struct posting_row){.tenant = call->tenant,
                                        .subject = base_text(call, 3, i),
                                        .reference = reference,
                                        .kind = rv_json_str(body, "kind", ""),
                                        .minor = minor};
        add_line(call, base_int(call, 2, i), reference, rv_json_str(body, "account", ""), minor);
        add_line(call, base_int(call, 2, i), reference, "1600", -minor);
    }
}

static void sim_reversed(struct base_call *call)
{
    for (int i = 0; i < base_count(call, 2); i++) {
        const json_t *body = base_json(call, 5, i);
        const char *reference = rv_json_str(body, "ref", "");
        const char *subject = base_text(call, 3, i);
        BASE_EACH(call->base, T_POSTING, posting_row, posting)
        {
            if (posting->tenant == call->tenant && strcmp(posting->reference, reference) == 0 &&
                strcmp(posting->subject, subject) == 0) {
                base_touch(call, T_POSTING, posting);
                posting->reversed = true;
            }
        }
        int64_t minor = rv_json_int(body, "minor", 0);
        add_line(call, base_int(call, 2, i), reference, "4000", -minor);
        add_line(call, base_int(call, 2, i), reference, "1600", minor);
    }
}

static void sim_closed(struct base_call *call)
{
    for (int i = 0; i < base_count(call, 2); i++) {
        const char *subject = base_text(call, 3, i);
        BASE_EACH(call->base, T_EXCEPTION, exception_row, exception)
        {
            if (exception->tenant == call->tenant && strcmp(exception->resource, subject) == 0 &&
                base_is(exception->state, "open")) {
                base_touch(call, T_EXCEPTION, exception);
                exception->state = "resolved";
            }
        }
    }
}

/* erp.get, erp.find, erp.history: how many events the case has. */
static void erp_read(struct base_call *call)
{
    int events = 0;
    BASE_EACH(call->base, T_EVENT, event_row, event)
    {
        events += event->tenant == call->tenant;
    }
    base_row(call);
    base_out_json(call, json_pack("{s:i}", "events", events));
}

const struct base_word base_words_books[] = {
    {"sim_load", sim_load},     {"sim_posted", sim_posted}, {"sim_reversed", sim_reversed},
    {"sim_closed", sim_closed}, {"erp_read", erp_read},     {NULL, NULL},
};
