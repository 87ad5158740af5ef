/* schedule_state.c -- pausing, resuming, removing, running at once; see schedule.h. */
#include "runtime/base/hash.h"
#include "runtime/base/random.h"
#include "runtime/schedule/row.h"

#include "schedule_sql.h"

#include <stdio.h>
#include <string.h>

enum rv_code rv_schedule_pause(struct rv_db_session *session, int32_t tenant, const char *name,
                               const struct rv_schedule_rest *rest, int64_t now_us,
                               struct rv_error *err)
{
    struct rv_schedule_whole whole;
    const char *reason = rest->reason != NULL ? rest->reason : "paused by hand";
    int64_t until_us = rest->until_us;
    char version[RV_ZONE_VERSION_TEXT];
    int64_t next_s = 0;
    bool happened = false;
    rv_schedule_mark(rest->wrong, "reason");
    if (reason[0] == '\0' || strlen(reason) > RV_SCHEDULE_REASON_MAX) {
        rv_fail(err, RV_INVALID, "reason must have 1 to %d bytes", RV_SCHEDULE_REASON_MAX);
        rv_hint(err, "Say in a sentence why it rests; without any it says \"paused by hand\".");
        return RV_INVALID;
    }
    rv_schedule_mark(rest->wrong, "until");
    if (until_us != 0 && until_us <= now_us) {
        char now[RV_TIME_TEXT], until[RV_TIME_TEXT];
        rv_time_text(now_us, now);
        rv_time_text(until_us, until);
        rv_fail(err, RV_INVALID, "until: a pause must end in the future, and %.19sZ is past",
                until);
        rv_hint(err, "It is %.19sZ now; without an end it rests until somebody resumes it.", now);
        return RV_INVALID;
    }
    rv_schedule_mark(rest->wrong, NULL);
    enum rv_code code = rv_schedule_load(session, tenant, name, &whole, err);
    bool has_next =
        code == RV_OK && until_us != 0 && rv_schedule_after_rest(&whole, until_us, &next_s);
    rv_schedule_whole_fini(&whole);
    if (code != RV_OK) {
        return code;
    }
    if (until_us != 0 && !has_next) {
        rv_schedule_mark(rest->wrong, "until");
        rv_fail(err, RV_INVALID, "until: schedule \"%s\" never fires after that pause", name);
        rv_hint(err, "Choose an earlier end, or remove the schedule.");
        return RV_INVALID;
    }
    rv_zone_version(NULL, version);
    struct rv_args *args = rv_schedule_args(&rv_sql_schedule_pause, tenant, name);
    if (until_us != 0) {
        rv_args_time(args, 3, until_us);
    } else {
        rv_args_null(args, 3);
    }
    rv_args_text(args, 4, reason);
    rv_schedule_put_times(args, 5, has_next, next_s,
                          rv_due_delay(tenant, name, whole.row.jitter_s));
    rv_args_text(args, 7, version);
    rv_args_text(args, 8, rest->person);
    code = rv_schedule_change_row(session, tenant, &rv_sql_schedule_pause, args, &happened, err);
    if (code == RV_OK && !happened) {
        code = rv_fail(err, RV_CONFLICT, "schedule \"%s\" has ended or is broken", name);
        rv_hint(err, "It does not fire as it is; `reeve schedule show` says why.");
    }
    return code;
}

enum rv_code rv_schedule_resume(struct rv_db_session *session, int32_t tenant, const char *name,
                                int64_t now_us, struct rv_error *err)
{
    struct rv_schedule_whole whole;
    char version[RV_ZONE_VERSION_TEXT];
    int64_t next_s = 0;
    bool happened = false;
    enum rv_code code = rv_schedule_load(session, tenant, name, &whole, err);
    if (code == RV_OK && !rv_schedule_after(&whole, now_us, &next_s)) {
        code = rv_cron_never(whole.cron, &whole.row.cron, err);
    }
    rv_schedule_whole_fini(&whole);
    if (code != RV_OK) {
        return code;
    }
    rv_zone_version(NULL, version);
    struct rv_args *args = rv_schedule_args(&rv_sql_schedule_resume, tenant, name);
    rv_schedule_put_times(args, 3, true, next_s, rv_due_delay(tenant, name, whole.row.jitter_s));
    rv_args_text(args, 5, version);
    code = rv_schedule_change_row(session, tenant, &rv_sql_schedule_resume, args, &happened, err);
    if (code == RV_OK && !happened) {
        code = rv_fail(err, RV_CONFLICT, "schedule \"%s\" is active already", name);
    }
    return code;
}

static enum rv_code take_running(void *data, const struct rv_result *result, int row,
                                 struct rv_error *err)
{
    (void)err;
    *(int64_t *)data = rv_result_i64(result, row, 0);
    return RV_OK;
}

enum rv_code rv_schedule_remove(struct rv_db_session *session, int32_t tenant, const char *name,
                                int64_t *running, struct rv_error *err)
{
    *running = -1;
    enum rv_code code = rv_db_session_change(
        session, tenant, &rv_sql_schedule_remove,
        rv_schedule_args(&rv_sql_schedule_remove, tenant, name), take_running, running, err);
    return code == RV_OK && *running < 0 ? rv_schedule_no_such(name, err) : code;
}

/* Positive, and the same for the same request of the same company's schedule. */
static int64_t fire_of(int32_t tenant, const char *name, const char *id)
{
    char text[RV_SCHEDULE_NAME_MAX + RV_SCHEDULE_ID_MAX + 32];
    int length = snprintf(text, sizeof text, "%d %s %s", (int)tenant, name, id);
    struct rv_hash hash = rv_sha256(text, (size_t)length);
    int64_t number = 0;
    memcpy(&number, hash.bytes, sizeof number);
    number &= INT64_MAX;
    return number != 0 ? number : 1;
}

static enum rv_code was_asked(struct rv_db_session *session, int32_t tenant, const char *name,
                              int64_t fire_id, bool *known, struct rv_error *err)
{
    int rows = 0;
    struct rv_args *args = rv_schedule_args(&rv_sql_schedule_fire_known, tenant, name);
    rv_args_i64(args, 3, fire_id);
    enum rv_code code = rv_db_session_query(session, tenant, &rv_sql_schedule_fire_known, args,
                                            rv_schedule_count_row, &rows, err);
    *known = rows > 0;
    return code;
}

enum rv_code rv_schedule_run_now(struct rv_db_session *session, int32_t tenant, const char *name,
                                 const char *id, int64_t now_us, int64_t *fire_id,
                                 struct rv_error *err)
{
    struct rv_schedule_whole whole;
    bool happened = false;
    if (id != NULL && (id[0] == '\0' || strlen(id) > RV_SCHEDULE_ID_MAX)) {
        rv_fail(err, RV_INVALID, "id must have 1 to %d bytes", RV_SCHEDULE_ID_MAX);
        rv_hint(err, "It is your own name of this request; leave it away to have none.");
        return RV_INVALID;
    }
    enum rv_code code = rv_schedule_load(session, tenant, name, &whole, err);
    rv_schedule_whole_fini(&whole);
    if (code == RV_OK) { /* so that the name has a name's length */
        *fire_id = id != NULL ? fire_of(tenant, name, id) : rv_id_make(now_us);
    }
    if (code == RV_OK && id != NULL) {
        code = was_asked(session, tenant, name, *fire_id, &happened, err);
    }
    if (code != RV_OK || happened) {
        return code;
    }
    struct rv_args *args = rv_schedule_args(&rv_sql_schedule_run_now, tenant, name);
    rv_args_i64(args, 3, *fire_id);
    rv_args_time(args, 4, now_us);
    code = rv_schedule_change_row(session, tenant, &rv_sql_schedule_run_now, args, &happened, err);
    if (code == RV_OK && !happened && id != NULL) { /* asked twice at the same moment */
        code = was_asked(session, tenant, name, *fire_id, &happened, err);
    }
    if (code == RV_OK && !happened) {
        code = rv_fail(err, RV_CONFLICT, "schedule \"%s\" is running already", name);
        rv_hint(err, "Wait for it, or choose another overlap policy than skip.");
    }
    return code;
}
