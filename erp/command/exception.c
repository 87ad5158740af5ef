/* exception.c -- finding discrepancies and answering for them.
 *
 *   detect   the look compares what the detectors find with what is raised, outside the
 * transaction; the load asks again, for one portion of the difference, what is still so; this file
 * turns it into an event.  A second run finds no difference and says nothing.
 *
 *   open <==> snoozed       resolved: by a person or agent, never raised again under this key
 *     |  \--> resolved      auto_closed: the cause is gone; raised again when it comes back
 *     +-----> auto_closed
 */
#include "erp/command/area.h"
#include "erp/command/effect.h"
#include "erp/command/words.h"
#include "erp/exception/catalogue.h"
#include "erp_command_sql.h"
#include "erp_exception_sql.h"
#include "runtime/base/check.h"

#include <string.h>

/* ---- exception.detect ---- */

static int detect_keys(const json_t *args, struct rv_arena *arena, const char *out[ERP_KEYS_MAX])
{
    (void)args;
    (void)arena;
    out[0] = "detection"; /* one at a time: the second must see what the first raised */
    return 1;
}

static enum rv_code detect_decide(const struct erp_context *context, const json_t *args,
                                  const json_t *state, struct erp_outcome *outcome,
                                  struct rv_error *err)
{
    (void)args;
    (void)err;
    const json_t *raised = json_object_get(state, "raised");
    const json_t *closed = json_object_get(state, "closed");
    int64_t raise_count = 0;
    int64_t renew_count = 0;
    int64_t close_count = (int64_t)json_array_size(closed);
    json_t *rows = json_array();
    json_t *by_type = json_object();
    size_t i;
    json_t *from;
    json_array_foreach((json_t *)(uintptr_t)raised, i, from)
    {
        const char *code = rv_json_str(from, "type", "");
        const struct erp_exception_type *type = erp_exception_type_find(code);
        RV_ASSERT(type != NULL); /* a detector without a row in the catalogue */
        json_t *row = json_deep_copy(from);
        erp_set_int(row, "tier", type->tier);
        erp_set_int(row, "sla_days", type->sla_days);
        json_array_append_new(rows, row);
        if (rv_json_bool(from, "renewed", false)) {
            renew_count++;
            continue;
        }
        raise_count++;
        erp_set_int(by_type, code, rv_json_int(by_type, code, 0) + 1);
    }
    erp_answer(outcome,
               json_pack("{s:I,s:I,s:I,s:I,s:b,s:I,s:o}", "raised", (json_int_t)raise_count,
                         "renewed", (json_int_t)renew_count, "closed", (json_int_t)close_count,
                         "changed", (json_int_t)rv_json_int(state, "changed", 0), "more",
                         (int)rv_json_bool(state, "more", false), "found",
                         (json_int_t)rv_json_int(state, "found", 0), "by_type", by_type));
    if (raise_count + renew_count + close_count == 0) {
        json_decref(rows);
        return RV_OK;
    }
    erp_emit(outcome, erp_stream(context->arena, "detection", context->first_id), 1,
             "exceptions.detected.v1", context->today,
             json_pack("{s:o,s:o}", "raised", rows, "closed", json_deep_copy(closed)));
    return RV_OK;
}

/* `found` and `more` are of the whole look, the same in every portion. */
static void detect_join(json_t *sum, const json_t *answer)
{
    static const char *const counts[] = {"raised", "renewed", "closed", "changed"};
    for (size_t i = 0; i < RV_COUNT(counts); i++) {
        erp_set_int(sum, counts[i],
                    rv_json_int(sum, counts[i], 0) + rv_json_int(answer, counts[i], 0));
    }
    json_t *by_type = json_object_get(sum, "by_type");
    const char *code;
    json_t *count;
    json_object_foreach(json_object_get(answer, "by_type"), code, count)
    {
        erp_set_int(by_type, code, rv_json_int(by_type, code, 0) + json_integer_value(count));
    }
}

/* clang-format off */
const struct erp_command erp_exception_detect = {
    .name = "exception.detect",
    .summary = "Looks for discrepancies: raises, renews evidence, closes what is gone; repeat while \"more\".",
    .schema = OBJECT("",
        FIELD("types", JSON({"type": "array", "minItems": 1, "maxItems": 40, "items": {"type": "string",
            "enum": ["F01", "F02", "F04", "F07", "F08", "F09", "F10", "F12", "F19", "F21", "F22", "F23"]},
            "default": ["F01", "F02", "F04", "F07", "F08", "F09", "F10", "F12", "F19", "F21", "F22", "F23"]})) ","
        FIELD("limit", JSON({"type": "integer", "minimum": 1, "maximum": 10000, "default": 5000})) ","
        FIELD("as_of", DATE)),
    .tier = ERP_TIER_NOTE,
    .risk = ERP_RISK_NONE,
    .look = &rv_sql_exception_detect_look,
    .join = detect_join,
    .load = &rv_sql_exception_detect_load,
    .keys = detect_keys,
    .decide = detect_decide,
    .compensate = erp_irreversible,
};
/* clang-format on */

/* ---- one exception ---- */

static int exception_keys(const json_t *args, struct rv_arena *arena, const char *out[ERP_KEYS_MAX])
{
    out[0] = rv_arena_printf(arena, "exception:%s", rv_json_str(args, "key", ""));
    return 1;
}

static enum rv_code need(const json_t *exception, const char *verb, const char *word,
                         const char *other, struct rv_error *err)
{
    const char *state = rv_json_str(exception, "state", "");
    if (strcmp(state, word) == 0 || (other != NULL && strcmp(state, other) == 0)) {
        return RV_OK;
    }
    rv_fail(err, RV_CONFLICT, "exception %.8s is %s and cannot be %s",
            rv_json_str(exception, "key", ""), state, verb);
    rv_hint(err, "Read it again: somebody, or its cause, was faster.");
    return RV_CONFLICT;
}

/* Emits `type` on the exception's stream; takes `body`. */
static void emit_exception(const struct erp_context *context, const json_t *exception,
                           const char *type, json_t *body, struct erp_outcome *outcome)
{
    const char *key = rv_json_str(exception, "key", "");
    int64_t version = rv_json_int(exception, "version", 0) + 1;
    erp_set_str(body, "key", key);
    erp_set_str(body, "by", context->actor);
    erp_emit(outcome, rv_arena_printf(context->arena, "exception:%s", key), version, type,
             context->today, body);
    erp_answer(outcome, json_pack("{s:s,s:I,s:O}", "key", key, "version", (json_int_t)version,
                                  "was", json_object_get(exception, "state")));
}

static bool back_open(const json_t *args, const json_t *answer, const char **name,
                      json_t **out_args)
{
    (void)answer;
    *name = "exception.reopen";
    *out_args = json_pack("{s:O,s:s}", "key", json_object_get(args, "key"), "reason", "taken back");
    return true;
}

static enum rv_code resolve_decide(const struct erp_context *context, const json_t *args,
                                   const json_t *state, struct erp_outcome *outcome,
                                   struct rv_error *err)
{
    const json_t *exception = json_object_get(state, "exception");
    const struct erp_exception_type *type =
        erp_exception_type_find(rv_json_str(exception, "type", ""));
    const char *resolution = rv_json_str(args, "resolution", "");
    enum rv_code code = need(exception, "resolved", "open", "snoozed", err);
    if (code != RV_OK) {
        return code;
    }
    if (strcmp(resolution, "no_action") != 0 &&
        (type == NULL || !erp_exception_allows(type, resolution))) {
        rv_fail(err, RV_INVALID, "\"%s\" does not resolve exceptions of type %s", resolution,
                rv_json_str(exception, "type", ""));
        rv_hint(err, "Name one of the type's resolutions, or \"no_action\" with a reason.");
        return RV_INVALID;
    }
    json_t *body = json_pack("{s:s}", "resolution", resolution);
    erp_copy(body, "reason", args, "reason");
    emit_exception(context, exception, "exception.resolved.v1", body, outcome);
    return RV_OK;
}

#define KEY FIELD("key", HASH)

const struct erp_command erp_exception_resolve = {
    .name = "exception.resolve",
    .summary = "Closes an exception by saying what was done about it.",
    .schema = OBJECT(JSON("key", "resolution", "reason"),
                     KEY "," FIELD("resolution", NAME) "," FIELD("reason", REASON)),
    .tier = ERP_TIER_REVERSIBLE,
    .risk = ERP_RISK_DRAFT,
    .load = &rv_sql_load_exception,
    .keys = exception_keys,
    .decide = resolve_decide,
    .compensate = back_open,
};

static enum rv_code snooze_decide(const struct erp_context *context, const json_t *args,
                                  const json_t *state, struct erp_outcome *outcome,
                                  struct rv_error *err)
{
    const json_t *exception = json_object_get(state, "exception");
    enum rv_code code = need(exception, "put off", "open", "snoozed", err);
    if (code == RV_OK && erp_day(context, args, "until") <= context->today) {
        code =
            rv_fail(err, RV_INVALID, "\"%s\" is not in the future", rv_json_str(args, "until", ""));
        rv_hint(err, "An exception is put off until a later day.");
    }
    if (code == RV_OK) {
        json_t *body = json_object();
        erp_copy(body, "until", args, "until");
        erp_copy(body, "reason", args, "reason");
        emit_exception(context, exception, "exception.snoozed.v1", body, outcome);
    }
    return code;
}

const struct erp_command erp_exception_snooze = {
    .name = "exception.snooze",
    .summary = "Puts an exception off until a day; it opens again by itself.",
    .schema = OBJECT(JSON("key", "until", "reason"),
                     KEY "," FIELD("until", DATE) "," FIELD("reason", REASON)),
    .tier = ERP_TIER_NOTE,
    .risk = ERP_RISK_NONE,
    .load = &rv_sql_load_exception,
    .keys = exception_keys,
    .decide = snooze_decide,
    .compensate = back_open,
};

static enum rv_code reopen_decide(const struct erp_context *context, const json_t *args,
                                  const json_t *state, struct erp_outcome *outcome,
                                  struct rv_error *err)
{
    const json_t *exception = json_object_get(state, "exception");
    enum rv_code code = need(exception, "opened again", "resolved", "snoozed", err);
    if (code == RV_OK) {
        json_t *body = json_object();
        erp_copy(body, "reason", args, "reason");
        emit_exception(context, exception, "exception.reopened.v1", body, outcome);
    }
    return code;
}

const struct erp_command erp_exception_reopen = {
    .name = "exception.reopen",
    .summary = "Opens an exception again that was resolved or put off.",
    .schema = OBJECT(JSON("key", "reason"), KEY "," FIELD("reason", REASON)),
    .tier = ERP_TIER_REVERSIBLE,
    .risk = ERP_RISK_DRAFT,
    .load = &rv_sql_load_exception,
    .keys = exception_keys,
    .decide = reopen_decide,
    .compensate = erp_irreversible, /* resolve it again */
};

static enum rv_code note_decide(const struct erp_context *context, const json_t *args,
                                const json_t *state, struct erp_outcome *outcome,
                                struct rv_error *err)
{
    (void)err;
    json_t *body = json_object();
    erp_copy(body, "text", args, "text");
    emit_exception(context, json_object_get(state, "exception"), "exception.noted.v1", body,
                   outcome);
    return RV_OK;
}

const struct erp_command erp_exception_note = {
    .name = "exception.note",
    .summary = "Writes a note on an exception; it changes nothing else.",
    .schema = OBJECT(JSON("key", "text"), KEY "," FIELD("text", REASON)),
    .tier = ERP_TIER_NOTE,
    .risk = ERP_RISK_NONE,
    .load = &rv_sql_load_exception,
    .keys = exception_keys,
    .decide = note_decide,
    .compensate = erp_irreversible,
};
