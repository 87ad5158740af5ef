/* run_history_test.c -- exported runs that somebody tampered with: an error or a difference, never
 * more.
 */
#include "runtime/base/check.h"
#include "runtime/run/compare.h"
#include "runtime/run/replay.h"
#include "tests/support/test.h"

#include <string.h>

static const char source[] =
    "local agent = { name = 'noter', version = '1', summary = 'notes', handles = {'F22'},\n"
    "  uses = { 'exception.note' } }\n"
    "function agent.plan(ctx, exception)\n"
    "  local found = erp.get('invoice', 1)\n"
    "  ctx:note('of ' .. tostring(found and found.name))\n"
    "  ctx:sleep(60)\n"
    "  return ctx:plan()\n"
    "end\n"
    "return agent\n";

static json_t *step(int seq, int kind, const char *name, const char *args, const char *out)
{
    uint8_t digest[RV_STEP_DIGEST_BYTES];
    json_t *value = json_loads(args, 0, NULL);
    RV_ASSERT(value != NULL && rv_step_digest(value, digest));
    json_decref(value);
    return rv_history_step(seq, kind, name, digest, json_loads(out, JSON_DECODE_ANY, NULL));
}

/* An open run that sleeps. */
static json_t *make(void)
{
    char hex[RV_HASH_HEX];
    struct rv_hash hash = rv_sha256(source, strlen(source));
    rv_hash_hex(&hash, hex);
    json_t *history = json_pack(
        "{s:s,s:s,s:s,s:s,s:s,s:s,s:{s:{s:s}},s:I,s:i,s:s,s:b,s:[]}", "format", "reeve-run/1",
        "run", "r_7", "agent", "noter", "owner", "console", "plan", hex, "source", source, "input",
        "exception", "counterparty", "Muster Handel", "created_us", (json_int_t)1795255700135751,
        "depth", 0, "status", "waiting", "redacted", 0, "journal");
    json_t *journal = json_object_get(history, "journal");
    json_array_append_new(journal,
                          step(1, RV_STEP_READ, "erp.get", "{\"id\":1,\"kind\":\"invoice\"}",
                               "{\"ok\":true,\"value\":{\"name\":\"Muster Handel\"}}"));
    json_array_append_new(journal, step(2, RV_STEP_NOTE, "note", "{\"text\":\"of Muster Handel\"}",
                                        "{\"ok\":true,\"value\":{\"text\":\"of Muster Handel\"}}"));
    json_array_append_new(journal,
                          step(3, RV_STEP_TIMER, "sleep", "{\"seconds\":60}",
                               "{\"ok\":true,\"value\":true,\"until_us\":1795255760135751}"));
    rv_history_seal(history);
    return history;
}

static enum rv_replay_verdict replay(const json_t *history)
{
    struct rv_replay_report report;
    struct rv_error err = {.code = RV_OK};
    ck_assert(rv_replay(history, NULL, &report, &err) == RV_OK);
    enum rv_replay_verdict verdict = report.verdict;
    rv_replay_report_fini(&report);
    return verdict;
}

TEST(an_open_run_is_the_same_so_far)
{
    json_t *history = make();
    struct rv_error err = {.code = RV_OK};
    ck_assert(rv_history_check(history, &err) == RV_OK);
    ck_assert(replay(history) == RV_REPLAY_OPEN);
    json_decref(history);
}

TEST(a_redacted_one_has_no_names_and_replays)
{
    json_t *history = make();
    json_t *hidden = NULL;
    struct rv_error err = {.code = RV_OK};
    ck_assert(rv_history_redact(history, &hidden, &err) == RV_OK);
    char *text = rv_json_text(hidden);
    ck_assert(strstr(text, "Muster") == NULL && strstr(text, "of <NAME_1>") != NULL);
    ck_assert(rv_history_check(hidden, &err) == RV_OK);
    ck_assert(replay(hidden) == RV_REPLAY_OPEN);
    rv_free(text);
    json_decref(hidden);
    json_decref(history);
}

TEST(damage_is_found_by_the_seal)
{
    json_t *history = make();
    struct rv_error err = {.code = RV_OK};
    json_object_set_new(history, "agent", json_string("other"));
    ck_assert(rv_history_check(history, &err) == RV_CORRUPT);
    rv_history_seal(history);
    err.code = RV_OK;
    ck_assert(rv_history_check(history, &err) == RV_OK);
    json_decref(history);
}

TEST(every_field_is_needed)
{
    static const char *const fields[] = {"format", "run",        "agent",  "owner",   "plan",
                                         "source", "created_us", "status", "journal", "input"};
    for (size_t i = 0; i < RV_COUNT(fields); i++) {
        static const char *const values[] = {"null", "[]", "-1", "\"x\"", "{\"a\":1.5}"};
        for (size_t k = 0; k < RV_COUNT(values); k++) {
            json_t *history = make();
            struct rv_error err = {.code = RV_OK};
            json_object_set_new(history, fields[i], json_loads(values[k], JSON_DECODE_ANY, NULL));
            rv_history_seal(history);
            if (rv_history_check(history, &err) == RV_OK) {
                replay(history); /* a legal value of that field: any verdict */
            }
            json_decref(history);
        }
    }
}

TEST(answers_of_any_form_crash_nothing)
{
    static const char *const outs[] = {"null",
                                       "1",
                                       "\"x\"",
                                       "[]",
                                       "{}",
                                       "{\"ok\":1}",
                                       "{\"ok\":true,\"value\":1.5}",
                                       "{\"until_us\":-1}",
                                       "{\"ok\":false}"};
    for (size_t at = 0; at < 3; at++) {
        for (size_t k = 0; k < RV_COUNT(outs); k++) {
            json_t *history = make();
            json_object_set_new(json_array_get(json_object_get(history, "journal"), at), "out",
                                json_loads(outs[k], JSON_DECODE_ANY, NULL));
            rv_history_seal(history);
            replay(history);
            json_decref(history);
        }
    }
    json_t *history = make();
    json_object_set_new(history, "created_us", json_integer(INT64_MAX));
    rv_history_seal(history);
    replay(history);
    json_decref(history);
}

TEST(a_shorter_or_longer_journal_of_a_run_that_is_over_differs)
{
    json_t *history = make();
    json_object_set_new(history, "status", json_string("done"));
    rv_history_seal(history);
    ck_assert(replay(history) == RV_REPLAY_DIFFERS);
    json_decref(history);
}

TEST(comparing_names_places)
{
    json_t *left = json_loads("{\"a\":[1,{\"b\":2}],\"c\":3}", 0, NULL);
    json_t *right = json_loads("{\"a\":[1,{\"b\":4}],\"d\":3}", 0, NULL);
    json_t *out = json_array();
    ck_assert(!rv_json_compare(left, right, "", out));
    ck_assert(json_array_size(out) == 3);
    ck_assert(strcmp(rv_json_str(json_array_get(out, 0), "path", ""), "a[1].b") == 0);
    ck_assert(json_object_get(json_array_get(out, 1), "right") == NULL);
    ck_assert(rv_json_compare(left, left, "", out));
    json_decref(out);
    json_decref(right);
    json_decref(left);
}

TEST_MAIN()
