/* claim.c -- see claim.h. */
#include "runtime/run/claim.h"

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
        return RV_CLAIM_WAIT;
    }
    return RV_CLAIM_REFUSE;
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
    return strcmp(claims, "priority") == 0 ? outrank(priority, look, why) : RV_CLAIM_REFUSE;
}

/* ---- for people ---- */

json_t *rv_claim_holder(const struct rv_result *result)
{
    if (result == NULL || rv_result_rows(result) == 0) {
        return NULL; /* it has ended meanwhile */
    }
    char run[32];
    snprintf(run, sizeof run, "r_%" PRId64, rv_result_i64(result, 0, 0));
    return json_pack("{s:s,s:s,s:s,s:s,s:s*,s:s*,s:I}", "run", run, "agent",
                     rv_result_text(result, 0, 1), "since", rv_result_text(result, 0, 2), "status",
                     rv_result_text(result, 0, 3), "waiting_on",
                     rv_result_is_null(result, 0, 4) ? NULL : rv_result_text(result, 0, 4), "waits",
                     rv_result_is_null(result, 0, 5) ? NULL : rv_result_text(result, 0, 5),
                     "priority", (json_int_t)rv_result_i64(result, 0, 6));
}

void rv_claim_say(const json_t *holder, char *out, size_t size)
{
    out[0] = '\0';
    if (holder != NULL) {
        const char *waits = rv_json_str(holder, "waits", NULL);
        snprintf(out, size, ": %s of agent %.60s since %s, which %s %.70s",
                 rv_json_str(holder, "run", ""), rv_json_str(holder, "agent", ""),
                 rv_json_str(holder, "since", ""), waits != NULL ? "waits for" : "is",
                 waits != NULL ? waits : rv_json_str(holder, "status", ""));
    }
}
