/* cmd_policy_explain.c -- why a question is allowed, held or denied, for people who answer for it:
 * which rule, on which facts, and what would change the verdict.
 *
 * The question is written like a test of a bundle:
 *
 *   {"agent":"price_variance","action":"invoice.accept_variance","args":{"amount":"80 EUR"},
 *    "res":{"vendor":{"status":"active"}},"labels":{"iban":"external"},"run":{"margin":13},
 *    "used":{"day.variance":"490 EUR"}}
 *
 * with one of agent, person, system (or "me" as the gate sees it), and roles and owner where they
 * matter.
 */
#include "erp/command/command.h"
#include "runtime/base/check.h"
#include "runtime/cli/cli.h"
#include "runtime/gate/policy.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { QUESTION_MAX_BYTES = 1 << 20 };

/* ---- the question ---- */

enum field_type { FIELD_TEXT, FIELD_OBJECT, FIELD_TEXTS, FIELD_ANY };
static const struct {
    const char *name;
    enum field_type type;
} fields[] = {
    {"action", FIELD_TEXT},   {"agent", FIELD_TEXT},  {"person", FIELD_TEXT},
    {"system", FIELD_TEXT},   {"owner", FIELD_TEXT},  {"roles", FIELD_TEXTS},
    {"me", FIELD_OBJECT},     {"args", FIELD_OBJECT}, {"res", FIELD_OBJECT},
    {"labels", FIELD_OBJECT}, {"ctx", FIELD_OBJECT},  {"used", FIELD_ANY},
    {"run", FIELD_OBJECT},
};

static bool fits(enum field_type type, const json_t *value)
{
    switch (type) {
    case FIELD_TEXT: return json_is_string(value) && *json_string_value(value) != '\0';
    case FIELD_OBJECT: return json_is_object(value);
    case FIELD_TEXTS:
        for (size_t i = 0; i < json_array_size(value); i++) {
            if (!json_is_string(json_array_get(value, i))) {
                return false;
            }
        }
        return json_is_array(value);
    case FIELD_ANY: return true;
    }
    RV_UNREACHABLE("four types of field");
}

static enum rv_code check_question(const json_t *question, const char *path, struct rv_error *err)
{
    static const char *const types[] = {"a text", "an object", "a list of texts", "anything"};
    static const char *const principals[] = {"agent", "person", "system", "me"};
    const char *name;
    json_t *value;
    if (!json_is_object(question)) {
        return rv_fail(err, RV_INVALID, "%s: the question is no JSON object", path);
    }
    json_object_foreach((json_t *)(uintptr_t)question, name, value)
    {
        size_t i = 0;
        while (i < RV_COUNT(fields) && strcmp(fields[i].name, name) != 0) {
            i++;
        }
        if (i == RV_COUNT(fields)) {
            rv_fail(err, RV_INVALID, "%s: field \"%s\" is not known in a question", path, name);
            rv_hint(err, "Fields are action, one of agent, person, system, me; roles, owner, args, "
                         "res, labels, run, used.");
            return RV_INVALID;
        }
        if (!fits(fields[i].type, value)) {
            return rv_fail(err, RV_INVALID, "%s: field \"%s\" is not %s", path, name,
                           types[fields[i].type]);
        }
    }
    int given = 0;
    for (size_t i = 0; i < RV_COUNT(principals); i++) {
        given += json_object_get(question, principals[i]) != NULL;
    }
    static const char *const kinds[] = {"agent", "person", "system"};
    const json_t *me = json_object_get(question, "me");
    bool known = me == NULL;
    for (size_t i = 0; i < RV_COUNT(kinds) && me != NULL; i++) {
        known = known || strcmp(rv_json_str(me, "kind", ""), kinds[i]) == 0;
    }
    if (!known) {
        rv_fail(err, RV_INVALID, "%s: field \"me.kind\" is none of agent, person, system", path);
        rv_hint(err, "Write \"me\":{\"kind\":\"agent\",\"id\":\"price_variance\"}.");
        return RV_INVALID;
    }
    if (json_object_get(question, "action") == NULL || given != 1) {
        rv_fail(err, RV_INVALID, "%s: field \"%s\" is missing%s", path,
                json_object_get(question, "action") == NULL ? "action" : "agent",
                given > 1 ? ", or there is more than one principal" : "");
        rv_hint(err,
                "Write {\"agent\":\"price_variance\",\"action\":\"invoice.hold\",\"args\":{…}}; "
                "instead of agent: person, system or me.");
        return RV_INVALID;
    }
    return RV_OK;
}

static json_t *principal_of(const json_t *question)
{
    static const char *const kinds[] = {"agent", "person", "system"};
    json_t *me = json_object_get(question, "me");
    if (me != NULL) {
        return json_incref(me);
    }
    json_t *roles = json_object_get(question, "roles");
    for (size_t i = 0; i < RV_COUNT(kinds); i++) {
        const char *id = rv_json_str(question, kinds[i], NULL);
        if (id != NULL) {
            return json_pack("{s:s,s:s,s:i,s:o,s:s*}", "kind", kinds[i], "id", id, "tenant", 1,
                             "roles", roles != NULL ? json_incref(roles) : json_array(), "owner",
                             rv_json_str(question, "owner", NULL));
        }
    }
    RV_UNREACHABLE("check_question wants a principal");
}

static json_t *data_of(const json_t *question, const char *field)
{
    json_t *data = rv_policy_data(json_object_get(question, field));
    return data != NULL ? data : json_object();
}

/* What each limit that applies has used: by rule, or one number for all; nothing where nothing is
 * said. */
static void take_used(const struct rv_policy *policy, const struct rv_policy_request *request,
                      const json_t *used, struct rv_arena *arena, int64_t out[RV_POLICY_LIMITS_MAX])
{
    struct rv_policy_facts *facts = NULL;
    struct rv_policy_limit limits[RV_POLICY_LIMITS_MAX];
    if (rv_policy_facts_make(policy, request, arena, &facts, NULL) != RV_OK) {
        return; /* the account says so */
    }
    int count = rv_policy_limits(policy, facts, arena, limits);
    bool by_rule = json_is_object(used) && json_object_get(used, "minor") == NULL;
    for (int i = 0; i < count; i++) {
        const json_t *one = by_rule ? json_object_get(used, limits[i].rule) : used;
        out[i] = json_is_object(one) ? rv_json_int(one, "minor", 0) : json_integer_value(one);
    }
}

/* ---- the account, for people ---- */

static void print_conditions(const struct cli_output *output, const json_t *list, const char *only)
{
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)(uintptr_t)list, i, item)
    {
        const char *holds = rv_json_str(item, "holds", NULL);
        bool error =
            holds != NULL ? strcmp(holds, "error") == 0 : rv_json_bool(item, "error", false);
        cli_print(output, "      %s%s; found %s%s", only, rv_json_str(item, "condition", ""),
                  rv_json_str(item, "found", "missing"),
                  error                                       ? " (cannot be compared)"
                  : holds != NULL && strcmp(holds, "no") == 0 ? " (no)"
                                                              : "");
    }
}

static void print_because(const struct cli_output *output, const json_t *account)
{
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(account, "because"), i, item)
    {
        const char *why = rv_json_str(item, "why", "");
        const char *note = rv_json_str(item, "note", NULL);
        if (strcmp(why, "default") == 0) {
            cli_print(
                output,
                "  no rule permits it to this principal, and what is not permitted is denied");
            continue;
        }
        cli_print(output, "  %s (%s, %s:%d)%s%s", rv_json_str(item, "rule", ""),
                  strcmp(why, "error") == 0 ? "a fact is missing or of another type" : why,
                  rv_json_str(account, "file", ""), (int)rv_json_int(item, "line", 0),
                  note != NULL ? ": " : "", note != NULL ? note : "");
        print_conditions(output, json_object_get(item, "conditions"), "");
        if (json_object_get(item, "argument") != NULL) {
            cli_print(output, "      arg.%s is %s and comes from \"%s\"; needed is \"%s\"",
                      rv_json_str(item, "argument", ""), rv_json_str(item, "found", ""),
                      rv_json_str(item, "label", ""), rv_json_str(item, "needs", ""));
            if (json_object_get(item, "record") != NULL) {
                cli_print(output, "      or that it equals %s, which is %s",
                          rv_json_str(item, "record_is", ""), rv_json_str(item, "record", ""));
            }
        }
    }
}

static void print_limits(struct cli *cli, const json_t *account)
{
    size_t i;
    json_t *limit;
    json_array_foreach(json_object_get(account, "limits"), i, limit)
    {
        const char *key = rv_json_str(limit, "key", "");
        bool full = rv_json_int(limit, "used", 0) >
                    rv_json_int(limit, "cap", 0) - rv_json_int(limit, "adds", 0);
        cli_print(&cli->output, "  %s for %s in %" PRId64 " min: %s%s",
                  rv_json_str(limit, "rule", ""), *key != '\0' ? key : "all",
                  rv_json_int(limit, "window_s", 0) / 60, rv_json_str(limit, "text", ""),
                  full ? " (too much)" : "");
    }
}

static void print_hold(struct cli *cli, const json_t *account)
{
    const char *people = "";
    size_t i;
    json_t *stage;
    json_array_foreach(json_object_get(account, "stages"), i, stage)
    {
        people = rv_arena_printf(cli->arena, "%s%s%" PRId64 " of %s", people, i == 0 ? "" : ", ",
                                 rv_json_int(stage, "n", 1), rv_json_str(stage, "role", ""));
    }
    cli_print(&cli->output, "asked: %s; no answer in %" PRId64 " h is a no", people,
              rv_json_int(account, "expires_s", 0) / 3600);
    if (json_object_get(account, "escalate_to") != NULL) {
        cli_print(&cli->output, "       after %" PRId64 " h also %s",
                  rv_json_int(account, "escalate_after_s", 0) / 3600,
                  rv_json_str(account, "escalate_to", ""));
    }
}

/* {"persons":{"roles":["clerk"],"ids":[]}} -> "persons with role clerk". */
static const char *who_words(struct cli *cli, const json_t *who)
{
    static const char *const lists[] = {"roles", "ids"};
    const char *words = "";
    const char *group;
    json_t *one;
    json_object_foreach((json_t *)(uintptr_t)who, group, one)
    {
        const char *comma = *words != '\0' ? ", " : "";
        if (!json_is_object(one)) {
            bool machine = strcmp(group, "system") == 0;
            words = rv_arena_printf(cli->arena, "%s%s%s%s", words, comma,
                                    machine ? "the machine" : "all ", machine ? "" : group);
            continue;
        }
        for (size_t k = 0; k < RV_COUNT(lists); k++) {
            size_t i;
            json_t *name;
            json_array_foreach(json_object_get(one, lists[k]), i, name)
            {
                words =
                    rv_arena_printf(cli->arena, "%s%s%s %s %s", words, *words != '\0' ? ", " : "",
                                    group, k == 0 ? "with role" : "named", json_string_value(name));
            }
        }
    }
    return words;
}

static void print_others(struct cli *cli, const json_t *account)
{
    const json_t *nearest = json_object_get(account, "nearest");
    const json_t *elsewhere = json_object_get(account, "elsewhere");
    size_t i;
    json_t *item;
    if (json_array_size(nearest) > 0) {
        cli_print(&cli->output, "rules that came near, and what they lack:");
    }
    json_array_foreach((json_t *)(uintptr_t)nearest, i, item)
    {
        cli_print(&cli->output, "  %s (%s)", rv_json_str(item, "rule", ""),
                  rv_json_str(item, "kind", ""));
        print_conditions(&cli->output, json_object_get(item, "failed"), "needs ");
    }
    bool allowed = strcmp(rv_json_str(account, "verdict", ""), "allow") == 0;
    if (!allowed && json_array_size(elsewhere) > 0) {
        cli_print(&cli->output, "others may, by their own permits:");
        json_array_foreach((json_t *)(uintptr_t)elsewhere, i, item)
        {
            cli_print(&cli->output, "  %s (%s)", who_words(cli, json_object_get(item, "who")),
                      rv_json_str(item, "rule", ""));
        }
    }
}

static void print_account(struct cli *cli, const json_t *account)
{
    static const struct {
        const char *verdict, *words;
        enum cli_style style;
    } words[] = {{"allow", "allowed", CLI_GOOD},
                 {"hold", "held: people must agree", CLI_WARN},
                 {"deny", "denied", CLI_BAD}};
    for (size_t i = 0; i < RV_COUNT(words); i++) {
        if (strcmp(words[i].verdict, rv_json_str(account, "verdict", "")) == 0) {
            cli_print(&cli->output, "%s is %s%s%s", rv_json_str(account, "action", "it"),
                      cli_style(&cli->output, words[i].style), words[i].words,
                      cli_style(&cli->output, CLI_PLAIN));
        }
    }
    cli_print(&cli->output, "because of:");
    print_because(&cli->output, account);
    if (strcmp(rv_json_str(account, "verdict", ""), "hold") == 0) {
        print_hold(cli, account);
    }
    if (json_array_size(json_object_get(account, "limits")) > 0) {
        cli_print(&cli->output, "limits:");
        print_limits(cli, account);
    }
    const char *flip = rv_json_str(json_object_get(account, "flip"), "text", NULL);
    if (flip != NULL) {
        cli_print(&cli->output, "what would change it: %s", flip);
    } else if (strcmp(rv_json_str(account, "verdict", ""), "allow") != 0) {
        cli_print(&cli->output, "what would change it: no one fact alone");
    }
    print_others(cli, account);
}

/* ---- the command ---- */

static bool is_action(const char *name)
{
    static const char *const passes[] = {"llm.decide", "run.start", "run.cancel",  "run.signal",
                                         "run.update", "run.raise", "policy.load", "agent.publish"};
    bool known = erp_command_find(name) != NULL;
    for (size_t i = 0; i < RV_COUNT(passes); i++) {
        known = known || strcmp(passes[i], name) == 0;
    }
    return known;
}

static json_t *explain(struct cli *cli, const struct rv_policy *policy, const json_t *question)
{
    json_t *me = principal_of(question);
    json_t *args = data_of(question, "args");
    json_t *res = data_of(question, "res");
    json_t *used = data_of(question, "used");
    json_t *labels = json_object_get(question, "labels");
    json_t *run = json_object_get(question, "run");
    json_t *ctx = json_copy(json_object_get(question, "ctx"));
    ctx = ctx != NULL ? ctx : json_object();
    if (labels != NULL) {
        json_object_set(ctx, "labels", labels);
    }
    if (run != NULL) {
        json_object_set(ctx, "run", run);
    }
    struct rv_policy_request request = {.action = rv_json_str(question, "action", ""),
                                        .me = me,
                                        .args = args,
                                        .res = res,
                                        .ctx = ctx};
    int64_t amounts[RV_POLICY_LIMITS_MAX] = {0};
    take_used(policy, &request, used, cli->arena, amounts);
    json_t *account = rv_policy_explain(policy, &request, amounts, RV_POLICY_LIMITS_MAX);
    json_decref(me);
    json_decref(args);
    json_decref(res);
    json_decref(used);
    json_decref(ctx);
    return account;
}

int cmd_policy_explain(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct rv_policy *policy = NULL;
    const char *source = NULL;
    const char *text = NULL;
    size_t length = 0;
    json_t *question = NULL;
    const char *file = cli->argv[0];
    enum rv_code code =
        cli_read_file(file, RV_POLICY_SOURCE_MAX, cli->arena, &source, &length, &err);
    if (code == RV_OK) {
        code = rv_policy_load(source, length, file, &policy, &err);
    }
    if (code == RV_OK) {
        code = cli_read_file(cli->argv[1], QUESTION_MAX_BYTES, cli->arena, &text, &length, &err);
    }
    if (code == RV_OK) {
        code = rv_json_parse(text, length, cli->argv[1], &question, &err);
    }
    if (code == RV_OK) {
        code = check_question(question, cli->argv[1], &err);
    }
    if (code != RV_OK) {
        json_decref(question);
        rv_policy_destroy(policy);
        return cli_fail(cli, &err);
    }
    if (!is_action(rv_json_str(question, "action", ""))) {
        cli_say(&cli->output, "note: the catalogue has no action \"%s\" (reeve help do)",
                rv_json_str(question, "action", ""));
    }
    json_t *account = explain(cli, policy, question);
    bool denied = strcmp(rv_json_str(account, "verdict", ""), "deny") == 0;
    if (cli->json) {
        char *line = rv_json_text(account);
        puts(line);
        rv_free(line);
    } else {
        print_account(cli, account);
    }
    json_decref(account);
    json_decref(question);
    rv_policy_destroy(policy);
    return denied ? 3 : 0;
}
