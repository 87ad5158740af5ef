/* settle.c -- see settle.h. */
#include "runtime/run/settle.h"

#include "run_sql.h"
#include "runtime/run/revive.h"

#include <inttypes.h>
#include <string.h>

enum rv_code rv_settle_check(const char *reason, struct rv_error *err)
{
    if (reason == NULL || reason[0] == '\0' || strlen(reason) > RV_SETTLE_REASON_MAX) {
        return rv_fail(err, RV_INVALID, "reason must say how you dealt with it, in 1 to %d bytes",
                       RV_SETTLE_REASON_MAX);
    }
    return RV_OK;
}

/* Why there was nothing to settle. */
static enum rv_code why_not(struct rv_db_session *session, int32_t tenant, int64_t run,
                            struct rv_error *err)
{
    json_t *dead = json_array();
    enum rv_code code = rv_dead_read(session, tenant, run, dead, err);
    const json_t *one = json_array_get(dead, 0);
    const char *by = rv_json_str(json_object_get(one, "settled"), "by", NULL);
    const char *revived = rv_json_str(one, "revived", NULL);
    if (code == RV_OK && by != NULL) {
        code = rv_fail(err, RV_CONFLICT, "r_%" PRId64 " is settled already, by %s", run, by);
        rv_hint(err, "See how: reeve run dead r_%" PRId64 ".", run);
    } else if (code == RV_OK && revived != NULL) {
        code = rv_fail(err, RV_CONFLICT, "r_%" PRId64 ": another run goes on for it, %s", run,
                       revived);
        rv_hint(err, "What still stands is that run's.");
    } else if (code == RV_OK) {
        code =
            rv_fail(err, RV_CONFLICT,
                    "r_%" PRId64 " has nothing to settle: nothing that it did still stands", run);
        rv_hint(err, "Those that have: reeve run dead --class standing.");
    }
    json_decref(dead);
    return code;
}

enum rv_code rv_settle(struct rv_db_session *session, int32_t tenant, int64_t run,
                       const char *person, const char *reason, struct rv_error *err)
{
    int rows = 0;
    if (rv_settle_check(reason, err) != RV_OK) {
        return RV_INVALID;
    }
    struct rv_args *args = rv_args_create(&rv_sql_run_settle);
    rv_args_i32(args, 1, tenant);
    rv_args_i64(args, 2, run);
    rv_args_text(args, 3, person);
    rv_args_text(args, 4, reason);
    enum rv_code code =
        rv_db_session_change_rows(session, tenant, &rv_sql_run_settle, args, &rows, err);
    return code == RV_OK && rows == 0 ? why_not(session, tenant, run, err) : code;
}
