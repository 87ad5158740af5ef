/* cmd_activate.c -- reeve policy load: what decides from now on; see activate.h.
 *
 * A bundle goes through the gate: the policy that is active permits or forbids it, in the
 * transaction that activates, and the decision is on the audit record with what was activated.
 *
 * The one exception is a company's first bundle, when there is no policy yet that could permit
 * anything: a person with the role admin may load it.  That there is none is looked at in the
 * transaction itself, so that a second "first" bundle is refused.
 */
#include "cli_sql.h"
#include "gate_sql.h"
#include "runtime/base/check.h"
#include "runtime/cli/activate.h"
#include "runtime/cli/bundle.h"
#include "runtime/cli/place.h"

#include <stdio.h>
#include <string.h>

enum { ASK_ARENA_MAX = 1 << 20 };

/* ---- what is written ---- */

static void put_policy(const struct activation *activation, struct rv_batch *batch)
{
    struct rv_args *rows = rv_batch_rows(batch, &rv_sql_policy_bundle_put);
    rv_args_bytes(rows, 2, activation->hash.bytes, RV_HASH_BYTES);
    rv_args_text(rows, 3, activation->name);
    rv_args_text(rows, 4, activation->source);
    rv_args_text(rows, 5, rv_policy_canonical(activation->policy));
    rv_args_text(rows, 6, activation->person->id);
    rows = rv_batch_rows(batch, &rv_sql_policy_activate);
    rv_args_bytes(rows, 2, activation->hash.bytes, RV_HASH_BYTES);
}

static void put(const struct activation *activation, struct rv_batch *batch)
{
    if (activation->policy != NULL) {
        put_policy(activation, batch);
    } else {
        activate_put_agent(activation, batch);
    }
    json_t *body =
        json_pack("{s:s,s:s,s:s,s:s}", "what", activation->action, "name", activation->name, "hash",
                  activation->hex, "person", activation->person->id);
    json_object_update(body, activation->more);
    rv_audit_append(batch, "admin", 0, -1, body);
    json_decref(body);
}

static void finish(struct activation *activation, enum rv_code code, const struct rv_error *err)
{
    activation->done = true;
    activation->code = code;
    if (code != RV_OK && err != NULL) {
        activation->err = *err;
    }
}

/* ---- by the gate ---- */

static enum rv_code pass_append(struct rv_gate_pass *pass, struct rv_batch *batch,
                                struct rv_error *err)
{
    const struct activation *activation = pass->data;
    if (activation->impossible > 0) { /* permitted, but not wise */
        return rv_fail(err, RV_CONFLICT,
                       "%d approval%s of this bundle could never be given by the people there are",
                       activation->impossible, activation->impossible == 1 ? "" : "s");
    }
    put(activation, batch);
    return RV_OK;
}

static void pass_done(struct rv_gate_pass *pass, enum rv_code code, const struct rv_error *err)
{
    finish(pass->data, code, err);
}

enum rv_code activate_ask(struct node *node, struct activation *activation, int32_t tenant,
                          struct rv_error *err)
{
    json_t *args = json_pack("{s:s,s:s}", "name", activation->name, "hash", activation->hex);
    json_object_update(args, activation->more);
    char key[160];
    snprintf(key, sizeof key, "%s:%.120s", activation->action, activation->name);
    activation->pass = (struct rv_gate_pass){.tenant = tenant,
                                             .principal = *activation->person,
                                             .action = activation->action,
                                             .args = args,
                                             .seq = -1, /* no step of a run */
                                             .key = key,
                                             .append = pass_append,
                                             .done = pass_done,
                                             .data = activation};
    activation->done = false;
    rv_gate_pass(node->gate, &activation->pass);
    node_wait(node, &activation->done, 0);
    json_decref(args);
    if (activation->code != RV_OK) {
        *err = activation->err;
    }
    if (activation->code == RV_DENIED) {
        rv_hint(err,
                "The active policy must permit \"%s\" to %s (--as PERSON); a company without one "
                "gets its first with reeve policy load.",
                activation->action, activation->person->id);
    }
    return activation->code;
}

/* ---- the first bundle ---- */

static enum rv_code first_decide(struct rv_unit *unit, struct rv_batch *batch, struct rv_error *err)
{
    if (rv_json_str(unit->loads[0].state, "policy", NULL) != NULL) {
        rv_fail(err, RV_CONFLICT, "somebody else has just activated a first policy");
        rv_hint(err, "Do it again: that policy decides about it.");
        return RV_CONFLICT;
    }
    put((struct activation *)unit, batch);
    return RV_OK;
}

static void first_done(struct rv_unit *unit, enum rv_code code, const struct rv_error *err)
{
    finish((struct activation *)unit, code, err);
}

static enum rv_code activate_first(struct node *node, struct activation *activation, int32_t tenant,
                                   struct rv_error *err)
{
    json_t *nothing = json_object();
    activation->unit = (struct rv_unit){
        .tenant = tenant,
        .needs_head = true,
        .loads = {{.statement = &rv_sql_gate_load, .args = nothing}},
        .load_count = 1,
        .decide = first_decide,
        .done = first_done,
    };
    rv_commit(node->committer, &activation->unit);
    node_wait(node, &activation->done, 0);
    json_decref(nothing);
    if (activation->code != RV_OK) {
        *err = activation->err;
    }
    return activation->code;
}

/* ---- policies ---- */

/* What a bundle must stand before anybody is asked. */
static enum rv_code check_bundle(const struct cli *cli, const char *path,
                                 const struct rv_policy *policy, struct rv_error *err)
{
    int failed = 0;
    json_decref(rv_policy_test(policy, &failed));
    if (failed > 0) {
        rv_fail(err, RV_INVALID, "%d of the bundle's own tests fail", failed);
        rv_hint(err, "See them: reeve policy test %s.", path);
        return RV_INVALID;
    }
    int errors = bundle_findings(cli, path, policy, NULL, true);
    if (errors > 0) {
        rv_fail(err, RV_INVALID, "the bundle has %d error%s, it is not activated", errors,
                errors == 1 ? "" : "s");
        rv_hint(err, "See everything that is doubtful: reeve policy check %s.", path);
        return RV_INVALID;
    }
    return RV_OK;
}

/* How many of the company's people a bundle would let load the next one. */
struct successors {
    const struct rv_policy *policy;
    int32_t tenant;
    int people;
    int allowed;
};

static enum rv_code take_successor(void *data, const struct rv_result *result, int row,
                                   struct rv_error *err)
{
    struct successors *successors = data;
    struct rv_arena *arena = rv_arena_create("policy successors", ASK_ARENA_MAX);
    json_t *nothing = json_object();
    json_t *me =
        json_pack("{s:s,s:s,s:o,s:i}", "kind", "person", "id", rv_result_text(result, row, 0),
                  "roles", rv_result_json(result, row, 1), "tenant", (int)successors->tenant);
    struct rv_policy_request question = {
        .action = "policy.load", .me = me, .args = nothing, .res = nothing, .ctx = nothing};
    struct rv_policy_facts *facts = NULL;
    enum rv_code code = rv_policy_facts_make(successors->policy, &question, arena, &facts, err);
    if (code == RV_OK) {
        static const int64_t unused[RV_POLICY_LIMITS_MAX] = {0};
        struct rv_policy_limit limits[RV_POLICY_LIMITS_MAX];
        struct rv_verdict verdict;
        int count = rv_policy_limits(successors->policy, facts, arena, limits);
        rv_policy_decide(successors->policy, facts, unused, count, arena, &verdict);
        successors->people++;
        successors->allowed += verdict.kind == RV_ALLOW;
    }
    json_decref(me);
    json_decref(nothing);
    rv_arena_destroy(arena);
    return code;
}

/* Columns: hex, name, source of the active policy. */
static enum rv_code take_active(void *data, const struct rv_result *result, int row,
                                struct rv_error *err)
{
    (void)result;
    (void)row;
    (void)err;
    *(bool *)data = true;
    return RV_OK;
}

static enum rv_code look_around(struct admin *admin, const struct rv_policy *policy, bool *active,
                                struct rv_error *err)
{
    struct successors successors = {.policy = policy, .tenant = admin->tenant};
    enum rv_code code = rv_db_session_query(
        admin->session, admin->tenant, &rv_sql_policy_active_get, NULL, take_active, active, err);
    if (code == RV_OK) {
        code = rv_db_session_query(admin->session, admin->tenant, &rv_sql_cli_people_roles, NULL,
                                   take_successor, &successors, err);
    }
    if (code == RV_OK && successors.allowed == 0) {
        cli_say(&admin->cli->output,
                "warning: under this policy none of the %d people here may load the next one "
                "(\"policy.load\"): it could not be changed any more",
                successors.people);
    }
    return code;
}

/* What the bundle asks of people whom the company does not have.  A company that is being made gets
 * its people after its policy: there it is said and no more.  One that works already would lose the
 * power to do something: refused, and the policy that is active stays.  `findings` is a new
 * reference. */
static enum rv_code look_for_people(struct admin *admin, const struct rv_policy *policy,
                                    int *impossible, json_t **findings, struct rv_error *err)
{
    json_t *people = NULL;
    enum rv_code code = bundle_people(admin->session, admin->tenant, &people, err);
    *findings = code == RV_OK ? rv_policy_check(policy, NULL, people) : NULL;
    json_decref(people);
    size_t i;
    json_t *finding;
    json_array_foreach(*findings, i, finding)
    {
        *impossible += strcmp(rv_json_str(finding, "severity", ""), "error") == 0;
    }
    return code;
}

/* One line for all rules with the same trouble. */
static void say_about_people(const struct cli *cli, const json_t *findings, const char *severity)
{
    json_t *said = json_object();
    size_t i;
    json_t *finding;
    json_array_foreach((json_t *)(uintptr_t)findings, i, finding)
    {
        const char *text = rv_json_str(finding, "finding", "");
        const char *witness = rv_json_str(finding, "witness", "");
        char key[200];
        snprintf(key, sizeof key, "%.60s %.100s", text, witness);
        if (strcmp(rv_json_str(finding, "severity", ""), "error") == 0 &&
            json_object_get(said, key) == NULL) {
            json_object_set_new(said, key, json_true());
            cli_say(&cli->output, "%s: rule \"%s\": %s: \"%s\"", severity,
                    rv_json_str(finding, "rule", ""), text, witness);
        }
    }
    if (json_object_size(said) > 0) {
        cli_say(&cli->output, "give somebody the role: reeve person add NAME --roles ROLE");
    }
    json_decref(said);
}

int cmd_policy_load(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct admin admin = {.cli = cli};
    struct activation activation = {.action = "policy.load"};
    struct rv_policy *policy = NULL;
    const char *path = cli->argv[0];
    bool active = false;
    int impossible = 0;
    json_t *findings = NULL;
    enum rv_code code = bundle_read(cli, path, &policy, &activation.source, &err);
    if (code == RV_OK) {
        code = check_bundle(cli, path, policy, &err);
    }
    if (code == RV_OK) {
        code = admin_open(cli, &admin, &err);
    }
    if (code == RV_OK) {
        code = look_around(&admin, policy, &active, &err);
    }
    if (code == RV_OK) {
        code = look_for_people(&admin, policy, &impossible, &findings, &err);
    }
    if (code == RV_OK) {
        activation.policy = policy;
        activation.person = &admin.person;
        activation.name = rv_policy_name(policy);
        activation.hash = rv_policy_hash(policy);
        rv_hash_hex(&activation.hash, activation.hex);
        activation.impossible = impossible;
        if (active) {
            code = activate_ask(admin.node, &activation, admin.tenant, &err);
        } else {
            code = admin_require(&admin, "admin", &err);
            if (code == RV_OK) {
                code = activate_first(admin.node, &activation, admin.tenant, &err);
            }
        }
    }
    admin_close(&admin);
    rv_policy_destroy(policy);
    if (code == RV_CONFLICT && impossible > 0) {
        say_about_people(cli, findings, "error");
        rv_hint(&err,
                "Give the roles first (reeve person add NAME --roles ROLE), or let the bundle "
                "ask other roles; the policy that is active stays.");
    } else if (code == RV_OK) {
        say_about_people(cli, findings, "warning");
    }
    json_decref(findings);
    if (code != RV_OK) {
        return cli_fail(cli, &err);
    }
    if (cli->json) {
        cli_print_json(&cli->output,
                       json_pack("{s:s,s:s}", "policy", path, "hash", activation.hex));
    } else {
        cli_print(&cli->output, "policy %s is active (%.12s)", path, activation.hex);
    }
    return 0;
}
