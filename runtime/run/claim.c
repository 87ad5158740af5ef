/* claim.c -- see claim.h. */
#include "runtime/run/claim.h"
#include "runtime/base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

int rv_claim_priority(const json_t *manifest, int asked)
{
    return asked >= 0 ? asked : (int)rv_json_int(manifest, "priority", 0);
}

static enum rv_claim_way merge(const char *agent, const json_t *look, const char **why)
{
    if (strcmp(rv_json_str(look, "agent", ""), agent) != 0) {
        *why = "an agent merges only into its own runs";
    } else if (rv_json_bool(look, "stopping", false)) {
        *why = "it is stopping and takes nothing more";
    } else {
        return RV_CLAIM_MERGE;
    }
    return RV_CLAIM_REFUSE;
}

static enum rv_claim_way outrank(int priority, const json_t *look, const char **why)
{
    if (priority <= rv_json_int(look, "priority", 0)) {
        *why = "its priority is as high or higher";
    } else if (priority <= rv_json_int(look, "next", -1)) {
        *why = "one of as high a priority or higher waits for it";
    } else {
        return RV_CLAIM_OUTRANK;
    }
    return RV_CLAIM_REFUSE;
}

static enum rv_claim_way ask(const json_t *look, const char **why)
{
    if (rv_json_int(look, "next", -1) >= 0) {
        *why = "another run waits for it already";
        return RV_CLAIM_REFUSE;
    }
    return rv_json_bool(look, "ending", false) ? RV_CLAIM_WAIT : RV_CLAIM_ASK;
}

enum rv_claim_way rv_claim_decide(const char *agent, const json_t *manifest, int priority,
                                  const json_t *look, const char **why)
{
    const char *claims = rv_json_str(manifest, "claims", "first");
    *why = NULL;
    if (look == NULL) {
        return RV_CLAIM_BEGIN;
    }
    if (strcmp(claims, "merge") == 0) {
        return merge(agent, look, why);
    }
    if (strcmp(claims, "ask") == 0) {
        return ask(look, why);
    }
    return strcmp(claims, "priority") == 0 ? outrank(priority, look, why) : RV_CLAIM_REFUSE;
}

/* ---- what people are asked ---- */

static json_t *small(const json_t *input)
{
    enum { SHOWN_MAX = 2000 }; /* as in run_claim_look: a page of an inbox */
    bool shown = json_dumpb(input, NULL, 0, JSON_COMPACT) <= SHOWN_MAX;
    return shown ? json_incref((json_t *)(uintptr_t)input) : NULL;
}

void rv_claim_question(const json_t *look, const char *agent, int64_t run, const char *who,
                       const char *key, const json_t *input, struct rv_gate_question *out)
{
    enum { SAID = 400 };
    const json_t *holder = json_object_get(json_object_get(look, "facts"), "holder");
    const char *held = rv_json_str(holder, "run", "");
    char name[32];
    char yes[SAID];
    char no[SAID];
    snprintf(name, sizeof name, "r_%" PRId64, run);
    snprintf(yes, sizeof yes,
             "%s of agent %.60s is asked to stop, as by reeve run cancel; when it has ended, %s of "
             "agent %.60s has the key and begins",
             held, rv_json_str(holder, "agent", ""), name, agent);
    rv_text_mend(yes);
    snprintf(no, sizeof no, "%s keeps the key and goes on; %s does not begin", held, name);
    *out = (struct rv_gate_question){
        .args = json_pack("{s:s,s:s,s:s,s:s,s:s}", "key", key, "run", name, "agent", agent,
                          "holder", held, "holder_agent", rv_json_str(holder, "agent", "")),
        .facts = json_pack("{s:O,s:{s:s,s:s,s:s,s:o*}}", "holder", holder, "wants", "run", name,
                           "agent", agent, "begun_by", who, "input", small(input)),
        .effect = json_pack("{s:s,s:s,s:s}", "approve", yes, "reject", no, "expire", no),
        .agent = agent,
    };
}

/* ---- for people ---- */

json_t *rv_claim_holder(const struct rv_result *result)
{
    if (result == NULL || rv_result_rows(result) == 0) {
        return NULL; /* it has ended meanwhile */
    }
    char run[32];
    snprintf(run, sizeof run, "r_%" PRId64, rv_result_i64(result, 0, 0));
    return json_pack("{s:s,s:s,s:s,s:s,s:s*,s:s*,s:I,s:s*}", "run", run, "agent",
                     rv_result_text(result, 0, 1), "since", rv_result_text(result, 0, 2), "status",
                     rv_result_text(result, 0, 3), "waiting_on",
                     rv_result_is_null(result, 0, 4) ? NULL : rv_result_text(result, 0, 4), "waits",
                     rv_result_is_null(result, 0, 5) ? NULL : rv_result_text(result, 0, 5),
                     "priority", (json_int_t)rv_result_i64(result, 0, 6), "begun_by",
                     rv_result_is_null(result, 0, 7) ? NULL : rv_result_text(result, 0, 7));
}

static void say_begun(const json_t *holder, char *out, size_t size)
{
    const char *by = rv_json_str(holder, "begun_by", NULL);
    out[0] = '\0';
    if (by != NULL) {
        bool found = strcmp(by, "exception") == 0;
        snprintf(out, size, " (begun by %.60s)", found ? "the exception that was found" : by);
    }
}

void rv_claim_say(const json_t *holder, char *out, size_t size)
{
    out[0] = '\0';
    if (holder != NULL) {
        const char *waits = rv_json_str(holder, "waits", NULL);
        char begun[80];
        say_begun(holder, begun, sizeof begun);
        snprintf(out, size, ": %s of agent %.60s since %s%s, which %s %.70s",
                 rv_json_str(holder, "run", ""), rv_json_str(holder, "agent", ""),
                 rv_json_str(holder, "since", ""), begun, waits != NULL ? "waits for" : "is",
                 waits != NULL ? waits : rv_json_str(holder, "status", ""));
        rv_text_mend(out);
    }
}
