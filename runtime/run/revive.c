/* revive.c -- see revive.h. */
#include "runtime/run/revive.h"

#include "run_sql.h"
#include "runtime/base/check.h"
#include "runtime/run/history_read.h"
#include "runtime/run/replay.h"

#include <inttypes.h>
#include <string.h>

enum { BACK_MAX = 64 /* steps that are tried from the last good one backwards */ };

static void mark(const char **field, const char *name)
{
    if (field != NULL) {
        *field = name;
    }
}

/* ---- which ---- */

static enum rv_code take_dead(void *data, const struct rv_result *result, int row,
                              struct rv_error *err)
{
    (void)err;
    json_t *one = rv_result_json(result, row, 1);
    json_object_set_new(one, "id", json_integer(rv_result_i64(result, row, 0)));
    json_array_append_new(data, one);
    return RV_OK;
}

enum rv_code rv_dead_read(struct rv_db_session *session, int32_t tenant, int64_t run, json_t *dead,
                          struct rv_error *err)
{
    size_t before = json_array_size(dead);
    struct rv_args *args = rv_args_create(&rv_sql_run_dead);
    rv_args_text(args, 2, NULL);
    rv_args_null(args, 3);
    rv_args_i32(args, 4, 1);
    rv_args_text(args, 5, NULL);
    rv_args_text(args, 6, NULL);
    rv_args_bool(args, 7, true);
    rv_args_i64(args, 8, run);
    enum rv_code code =
        rv_db_session_query(session, tenant, &rv_sql_run_dead, args, take_dead, dead, err);
    if (code == RV_OK && json_array_size(dead) == before) {
        code = rv_fail(err, RV_NOT_FOUND, "r_%" PRId64 " is not among the dead letters", run);
        rv_hint(err, "See them: reeve run dead --revived.  A run that is over, whichever way, may "
                     "be forked: reeve run fork.");
    }
    return code;
}

enum rv_code rv_revive_check(const struct rv_run_fork *wish, const char **field,
                             struct rv_error *err)
{
    mark(field, "reason");
    if (wish->reason != NULL &&
        (wish->reason[0] == '\0' || strlen(wish->reason) > RV_REVIVE_REASON_MAX)) {
        return rv_fail(err, RV_INVALID, "reason must be 1 to %d bytes", RV_REVIVE_REASON_MAX);
    }
    if (wish->message.body != NULL && wish->reason == NULL) {
        rv_fail(err, RV_INVALID, "reason: another message needs one");
        rv_hint(err, "The record says who replaced what, and why.");
        return RV_INVALID;
    }
    mark(field, NULL);
    return RV_OK;
}

/* ---- the last good step ---- */

static const char *kind_of(const json_t *step)
{
    return rv_json_str(step, "kind", "");
}

static bool is_kind(const json_t *step, const char *kind)
{
    return strcmp(kind_of(step), kind) == 0;
}

static const char *result_of(const json_t *step)
{
    return rv_json_str(json_object_get(step, "out"), "result", "");
}

/* From here on it did not go well. */
static bool is_end(const json_t *step)
{
    const char *result = result_of(step);
    bool no = strcmp(result, "denied") == 0 || strcmp(result, "refused") == 0;
    return (is_kind(step, "note") && strcmp(rv_json_str(step, "name", ""), "end") == 0) ||
           is_kind(step, "outcome") || is_kind(step, "compensation") ||
           (is_kind(step, "action") && no) ||
           (is_kind(step, "effect") && !rv_json_bool(json_object_get(step, "out"), "ok", false));
}

/* It is not where a run may begin: half of something, or an answer that was none. */
static bool is_half(const json_t *step)
{
    const json_t *ok = json_object_get(json_object_get(step, "out"), "ok");
    return is_kind(step, "timer") || is_kind(step, "approval") ||
           (is_kind(step, "action") && strcmp(result_of(step), "executed") != 0 &&
            strcmp(result_of(step), "repeated") != 0) ||
           (ok != NULL && json_is_false(ok));
}

/* What the run did after step `from` that cannot be done twice, and was not taken back. */
static int count_standing(const json_t *journal, int32_t from)
{
    int standing = 0;
    bool back = false;
    size_t i;
    json_t *step;
    json_array_foreach((json_t *)(uintptr_t)journal, i, step)
    {
        if ((int32_t)i < from) {
            continue;
        }
        bool child =
            is_kind(step, "start") && rv_json_bool(json_object_get(step, "out"), "ok", false);
        bool done = is_kind(step, "action") && (strcmp(result_of(step), "executed") == 0 ||
                                                strcmp(result_of(step), "repeated") == 0);
        standing += child || done;
        back = back || is_kind(step, "compensation");
    }
    return back ? 0 : standing;
}

static int32_t last_good(const json_t *journal)
{
    size_t at = 0;
    size_t first_action = 0; /* its number */
    bool back = false;
    size_t count = json_array_size(journal);
    while (at < count && !is_end(json_array_get(journal, at))) {
        at++;
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *step = json_array_get(journal, i);
        first_action = first_action == 0 && is_kind(step, "action") ? i + 1 : first_action;
        back = back || is_kind(step, "compensation");
    }
    if (back && first_action > 0 && at >= first_action) {
        at = first_action - 1; /* the answers from there on are not true any more */
    }
    while (at > 0 && is_half(json_array_get(journal, at - 1))) {
        at--;
    }
    return (int32_t)at;
}

/* ---- the message that is another ---- */

static enum rv_code take_message(void *data, const struct rv_result *result, int row,
                                 struct rv_error *err)
{
    struct rv_run_fork *fork = data;
    fork->message.id = rv_result_i64(result, row, 0);
    if (rv_result_bool(result, row, 1)) {
        rv_fail(err, RV_CONFLICT,
                "step %d took an update, whose sender was told that the run ended",
                (int)fork->message.step);
        rv_hint(err, "Revive the run, then ask the new one: reeve run update.");
        return RV_CONFLICT;
    }
    return RV_OK;
}

/* The signal that the run took at that step. */
static enum rv_code find_message(struct rv_db_session *session, int32_t tenant,
                                 struct rv_run_fork *fork, struct rv_error *err)
{
    struct rv_args *args = rv_args_create(&rv_sql_run_dead_message);
    rv_args_i64(args, 2, fork->run);
    rv_args_i32(args, 3, fork->message.step);
    fork->message.id = 0;
    enum rv_code code = rv_db_session_query(session, tenant, &rv_sql_run_dead_message, args,
                                            take_message, fork, err);
    if (code == RV_OK && fork->message.id == 0) {
        code = rv_fail(err, RV_NOT_FOUND, "r_%" PRId64 " took no message at step %d", fork->run,
                       (int)fork->message.step);
        rv_hint(err, "Which it took last: reeve run dead r_%" PRId64 ", field message.step.",
                fork->run);
    }
    return code;
}

/* ---- where to begin ---- */

static enum rv_code take_facts(void *data, const struct rv_result *result, int row,
                               struct rv_error *err)
{
    (void)err;
    *(json_t **)data = rv_result_json(result, row, 0);
    return RV_OK;
}

static enum rv_code look(struct rv_db_session *session, int32_t tenant,
                         const struct rv_run_fork *fork, json_t **facts, struct rv_error *err)
{
    struct rv_args *args = rv_args_create(&rv_sql_run_fork_look);
    rv_args_i64(args, 2, fork->run);
    rv_args_i32(args, 3, fork->at);
    rv_args_text(args, 4, fork->version);
    json_decref(*facts);
    *facts = NULL;
    enum rv_code code =
        rv_db_session_query(session, tenant, &rv_sql_run_fork_look, args, take_facts, facts, err);
    return code == RV_OK ? rv_fork_check(*facts, fork, err) : code;
}

/* Goes the way up to there again: does it lead there, and does it lead on? */
static enum rv_code try_it(const json_t *history, const json_t *facts,
                           const struct rv_run_fork *fork, struct rv_error *err)
{
    json_t *copy = json_deep_copy(history);
    json_t *journal = json_object_get(copy, "journal");
    while (json_array_size(journal) > (size_t)fork->at) {
        json_array_remove(journal, json_array_size(journal) - 1);
    }
    json_object_set_new(copy, "status", json_string("planning"));
    json_object_del(copy, "result");
    json_object_set_new(copy, "input", rv_fork_input(facts, fork));
    struct rv_replay_report report;
    enum rv_code code = rv_replay(copy, rv_json_str(facts, "new_source", NULL), &report, err);
    bool ends = strcmp(rv_json_str(report.next, "kind", ""), "note") == 0 &&
                strcmp(rv_json_str(report.next, "name", ""), "end") == 0;
    if (code == RV_OK && report.verdict == RV_REPLAY_DIFFERS) {
        code = rv_fail(err, RV_CONFLICT,
                       "up to step %d, which stands, it would do something else: "
                       "%.300s",
                       fork->at, report.text);
        rv_hint(err, "What the first run did must not be done twice: change less.");
    } else if (code == RV_OK && ends) {
        const json_t *said = json_object_get(report.next, "args");
        code = rv_fail(err, RV_CONFLICT, "it would fail again after step %d: %.300s", fork->at,
                       rv_json_str(said, "message", ""));
        rv_hint(err,
                "Publish a better plan and give it with --agent-version, give another --input or "
                "--message, or begin earlier: reeve run fork --at-step.");
    }
    rv_replay_report_fini(&report);
    json_decref(copy);
    return code;
}

/* Before what did not go well, before the message that shall be another, and before what another
 * version would not do. */
static enum rv_code guess_start(const json_t *history, struct rv_run_fork *fork,
                                struct rv_error *err)
{
    const json_t *journal = json_object_get(history, "journal");
    bool from_start = fork->input != NULL && count_standing(journal, 0) == 0;
    int32_t before = fork->message.step - 1;
    fork->at = from_start ? 0 : last_good(journal);
    if (fork->message.body != NULL && fork->at > before) {
        fork->at = before;
    }
    if (fork->message.body != NULL && count_standing(journal, before) > 0) {
        rv_fail(err, RV_CONFLICT,
                "what r_%" PRId64 " did after the message of step %d stands, and would be done "
                "twice",
                fork->run, (int)fork->message.step);
        rv_hint(err, "Revive it as it is, and send the new run another message.");
        return RV_CONFLICT;
    }
    if (strcmp(rv_json_str(history, "status", ""), "diverged") != 0) {
        return RV_OK;
    }
    struct rv_replay_report report;
    enum rv_code code = rv_replay(history, NULL, &report, err);
    const json_t *differs = code == RV_OK ? report.difference : NULL;
    int64_t step = rv_json_int(differs, "step", fork->at + 1);
    fork->at = step - 1 < fork->at ? (int32_t)step - 1 : fork->at;
    rv_replay_report_fini(&report);
    return code;
}

static enum rv_code find_start(struct rv_db_session *session, int32_t tenant,
                               struct rv_run_fork *fork, struct rv_error *err)
{
    json_t *history = NULL;
    json_t *facts = NULL;
    enum rv_code code = rv_history_read(session, tenant, fork->run, &history, err);
    if (code == RV_OK) {
        code = guess_start(history, fork, err);
    }
    code = code == RV_OK ? look(session, tenant, fork, &facts, err) : code;
    for (int back = 0; code != RV_OK && fork->at > 0 && facts != NULL && back < BACK_MAX &&
                       (err->code == RV_INVALID || err->code == RV_CONFLICT);
         back++) {
        fork->at--;
        rv_error_clear(err);
        code = look(session, tenant, fork, &facts, err);
    }
    if (code == RV_OK) {
        code = try_it(history, facts, fork, err);
    }
    json_decref(facts);
    json_decref(history);
    return code;
}

enum rv_code rv_revive_find(struct rv_db_session *session, int32_t tenant, const json_t *dead,
                            struct rv_run_fork *fork, const char **field, struct rv_error *err)
{
    const char *name = rv_json_str(dead, "run", "");
    const char *before = rv_json_str(dead, "revived", NULL);
    fork->run = rv_json_int(dead, "id", 0);
    if (rv_revive_check(fork, field, err) != RV_OK) {
        return RV_INVALID;
    }
    if (strcmp(rv_json_str(dead, "class", ""), "unread") == 0) {
        rv_fail(err, RV_CONFLICT, "%s ended well; it is its message that nobody has read", name);
        rv_hint(err, "See it: reeve run dead %s.  Send it to a run that is open.", name);
        return RV_CONFLICT;
    }
    if (before != NULL) {
        rv_fail(err, RV_CONFLICT, "%s goes on for %s already", before, name);
        rv_hint(err, "Should that one have failed, revive it: reeve run revive %s.", before);
        return RV_CONFLICT;
    }
    if (fork->message.body != NULL) {
        enum rv_code code = find_message(session, tenant, fork, err);
        if (code != RV_OK) {
            mark(field, code == RV_NOT_FOUND ? "message" : NULL);
            return code;
        }
    }
    return find_start(session, tenant, fork, err);
}
