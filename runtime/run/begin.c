/* begin.c -- see begin.h. */
#include "runtime/run/begin.h"

#include "runtime/lua/given.h"
#include "runtime/run/claim.h"

#include <string.h>

enum rv_code rv_run_begin_check(const struct rv_run_begin_input *asked, const char **field,
                                struct rv_error *err)
{
    *field = "agent";
    if (asked->agent[0] == '\0' || strlen(asked->agent) > RV_RUN_KEY_MAX) {
        return rv_fail(err, RV_INVALID, "agent must be 1 to %d bytes", RV_RUN_KEY_MAX);
    }
    *field = "input";
    if (asked->input != NULL && !json_is_object(asked->input)) {
        rv_fail(err, RV_INVALID, "input must be an object");
        rv_hint(err, "The plan sees it as its second argument: {\"period\": \"2026-10\"}.");
        return RV_INVALID;
    }
    size_t bytes = asked->input != NULL ? json_dumpb(asked->input, NULL, 0, JSON_COMPACT) : 0;
    if (bytes > RV_RUN_INPUT_BYTES_MAX) {
        rv_fail(err, RV_LIMIT, "input has %zu bytes; at most %d", bytes, RV_RUN_INPUT_BYTES_MAX);
        rv_hint(err, "Keep the large part as a blob (reeve blob put) and give its name.");
        return RV_LIMIT;
    }
    if (rv_plan_may_get("input", asked->input, err) != RV_OK) {
        return RV_INVALID;
    }
    *field = "key";
    if (asked->key != NULL && (asked->key[0] == '\0' || strlen(asked->key) > RV_RUN_KEY_MAX)) {
        return rv_fail(err, RV_INVALID, "key must be 1 to %d bytes", RV_RUN_KEY_MAX);
    }
    if (asked->key != NULL && strncmp(asked->key, "exception:", strlen("exception:")) == 0) {
        rv_fail(err, RV_INVALID, "key: what begins with \"exception:\" is reeve's own");
        rv_hint(err, "For an open exception give its key as exception, without an input.");
        return RV_INVALID;
    }
    *field = "priority";
    if (asked->priority < -1 || asked->priority > RV_CLAIM_PRIORITY_MAX) {
        return rv_fail(err, RV_INVALID, "priority must be a number from 0 to %d",
                       RV_CLAIM_PRIORITY_MAX);
    }
    if (asked->priority >= 0 && asked->key == NULL) {
        rv_fail(err, RV_INVALID, "priority: it is that of a key, and there is none");
        rv_hint(err, "Name the key that the run works on.");
        return RV_INVALID;
    }
    return RV_OK;
}
