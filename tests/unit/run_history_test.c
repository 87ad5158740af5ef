/* run_history_test.c -- exported runs that somebody tampered with: an error or a difference, never
 * more.
 */
#include "runtime/base/check.h"
#include "runtime/run/compare.h"
#include "runtime/run/replay.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* Before reeve refused them, plans waited for names that nobody can send: such journals replay, the
 * wait that is over as well as the one that is not. */
TEST(waits_of_before_for_names_that_are_refused_now_replay)
{
    static const char waiter[] =
        "local agent = { name = 'noter', version = '1', handles = {}, uses = {} }\n"
        "function agent.plan(ctx, exception)\n"
        "  ctx:signal('$budget', 60)\n"
        "  ctx:signal(('\\195\\188'):rep(100), 60)\n"
        "  return ctx:plan()\n"
        "end\n"
        "return agent\n";
    char hex[RV_HASH_HEX];
    struct rv_hash hash = rv_sha256(waiter, strlen(waiter));
    rv_hash_hex(&hash, hex);
    char args[300] = "{\"timeout_s\":60,\"name\":\"";
    for (int i = 0; i < 100; i++) {
        strcat(args, "\xC3\xBC");
    }
    strcat(args, "\"}");
    json_t *history = make();
    json_object_set_new(history, "source", json_string(waiter));
    json_object_set_new(history, "plan", json_string(hex));
    json_t *journal = json_object_get(history, "journal");
    json_array_clear(journal);
    json_array_append_new(journal, step(1, RV_STEP_TIMER, "signal.wait",
                                        "{\"timeout_s\":60,\"name\":\"$budget\"}",
                                        "{\"until_us\":1795255760135751,\"name\":\"$budget\"}"));
    static const uint8_t none[RV_STEP_DIGEST_BYTES];
    json_t *out = json_pack("{s:b,s:s,s:s}", "ok", 0, "code", "timeout", "message", "nothing came");
    json_array_append_new(journal, rv_history_step(2, RV_STEP_SIGNAL, "signal", none, out));
    json_array_append_new(journal, step(3, RV_STEP_TIMER, "signal.wait", args,
                                        "{\"until_us\":1795255860135751,\"name\":\"cut\"}"));
    rv_history_seal(history);
    ck_assert(replay(history) == RV_REPLAY_OPEN);
    json_decref(history);
}

TEST(a_redacted_one_has_no_names_and_replays)
{
    json_t *history = make();
    json_t *hidden = NULL;
    struct rv_error err = {.code = RV_OK};
    ck_assert(rv_history_redact(history, NULL, &hidden, &err) == RV_OK);
    char *text = rv_json_text(hidden);
    ck_assert(strstr(text, "Muster") == NULL && strstr(text, "of <NAME_1>") != NULL);
    ck_assert(rv_history_check(hidden, &err) == RV_OK);
    ck_assert(replay(hidden) == RV_REPLAY_OPEN);
    rv_free(text);
    json_decref(hidden);
    json_decref(history);
}

/* ---- what people send ---- */

static const char desk[] =
    "local agent = { name = 'noter', version = '1', summary = 'answers', handles = {'F22'},\n"
    "  uses = {}, updates = { ask = { type = 'object' } } }\n"
    "function agent.plan(ctx, exception)\n"
    "  local signal = ctx:signal('go')\n"
    "  local update = ctx:update('ask')\n"
    "  ctx:publish('asked.' .. update.by, { [update.by] = 1 })\n"
    "  ctx:reply(update, { by = update.by, word = signal.word })\n"
    "  ctx:sleep(60)\n"
    "  return ctx:plan()\n"
    "end\n"
    "return agent\n";

static const char owner[] = "max.mustermann";

/* As the run would have written it: the digests are those of what the plan does. */
static json_t *make_desk(const char *id, const char *word)
{
    char hex[RV_HASH_HEX];
    char name[80];
    struct rv_hash hash = rv_sha256(desk, strlen(desk));
    rv_hash_hex(&hash, hex);
    json_t *history = make();
    json_t *journal = json_array();
    const struct {
        int kind;
        const char *name;
        json_t *out;
    } steps[] = {
        {RV_STEP_TIMER, "signal.wait", json_pack("{s:s}", "name", "go")},
        {RV_STEP_SIGNAL, "signal", json_pack("{s:b,s:{s:s}}", "ok", 1, "value", "word", word)},
        {RV_STEP_TIMER, "update.wait", json_pack("{s:s}", "name", "$update.ask")},
        {RV_STEP_SIGNAL, "update",
         json_pack("{s:b,s:{s:s,s:{s:s},s:s}}", "ok", 1, "value", "id", id, "body", "text",
                   "Max Mustermann, 4111 1111 1111 1111, u_4111111111111111", "by", owner)},
        {RV_STEP_PUBLISH, "publish.asked.max.mustermann",
         json_pack("{s:b,s:b,s:{s:i}}", "ok", 1, "value", 1, "published", owner, 1)},
        {RV_STEP_REPLY, name,
         json_pack("{s:b,s:b,s:s,s:{s:s,s:s}}", "ok", 1, "value", 1, "state", "answered", "result",
                   "by", owner, "word", word)},
        {RV_STEP_TIMER, "sleep",
         json_pack("{s:b,s:b,s:I}", "ok", 1, "value", 1, "until_us",
                   (json_int_t)1795255760135751)}};
    snprintf(name, sizeof name, "reply.%s", id);
    uint8_t none[RV_STEP_DIGEST_BYTES] = {0};
    for (size_t i = 0; i < RV_COUNT(steps); i++) {
        json_array_append_new(
            journal, rv_history_step((int)i + 1, steps[i].kind, steps[i].name, none, steps[i].out));
    }
    json_object_set_new(history, "journal", journal);
    json_object_set_new(history, "owner", json_string(owner));
    json_object_set_new(history, "plan", json_string(hex));
    json_object_set_new(history, "source", json_string(desk));
    struct rv_replay_report report;
    struct rv_error err = {.code = RV_OK};
    ck_assert_msg(rv_replay_rebase(history, &report, &err) == RV_OK, "%s", err.message);
    ck_assert_msg(report.verdict == RV_REPLAY_OPEN, "%s", report.text);
    rv_replay_report_fini(&report);
    rv_history_seal(history);
    return history;
}

/* The redacted text, which replays and has no trace of the person; rv_free. */
static char *redacted_text(const json_t *history, const json_t *known)
{
    json_t *hidden = NULL;
    struct rv_error err = {.code = RV_OK};
    ck_assert_msg(rv_history_redact(history, known, &hidden, &err) == RV_OK, "%s", err.message);
    ck_assert(rv_history_check(hidden, &err) == RV_OK);
    ck_assert(replay(hidden) == RV_REPLAY_OPEN);
    char *text = rv_json_text(hidden);
    ck_assert_msg(strcasestr(text, "mustermann") == NULL, "%s", text);
    ck_assert_msg(strstr(text, "4111") == NULL, "%s", text);
    json_decref(hidden);
    return text;
}

TEST(nobody_who_sent_or_answers_for_it_is_named)
{
    json_t *history = make_desk("first", "go");
    rv_free(redacted_text(history, NULL));
    json_decref(history);
}

TEST(people_that_only_the_company_knows_of_are_hidden)
{
    json_t *history = make_desk("erika-1", "says Erika");
    json_t *known = json_pack("{s:[s,s]}", "people", "erika", "console");
    char *text = redacted_text(history, known);
    ck_assert_msg(strcasestr(text, "erika") == NULL, "%s", text);
    rv_free(text);
    json_decref(known);
    json_decref(history);
}

/* Both numbers pass the check of a payment card. */
TEST(an_id_that_reeve_made_is_no_card)
{
    static const char made[] = "u_911902230237808209";
    json_t *history = make_desk(made, "r_7");
    json_t *known = json_pack("{s:[s]}", "ids", made);
    char *text = redacted_text(history, known);
    ck_assert_msg(strstr(text, made) != NULL, "%s", text);
    rv_free(text);
    json_decref(known);
    json_decref(history);
}

/* Whoever asks may choose the id: nothing says that it is none. */
TEST(an_id_of_the_asker_is_hidden_and_the_run_replays)
{
    static const char *const ids[] = {"u_4111111111111111", "4111111111111111", "max.mustermann-1",
                                      "0211-4111411"};
    json_t *known = json_pack("{s:[s]}", "ids", "u_911902230237808209");
    for (size_t i = 0; i < RV_COUNT(ids); i++) {
        json_t *history = make_desk(ids[i], "u_911902230237808209-4111111111111111");
        rv_free(redacted_text(history, known));
        json_decref(history);
    }
    json_decref(known);
}

/* An account is the same account as a number. */
TEST(a_number_that_a_text_has_is_hidden_and_the_run_replays)
{
    json_t *history = make_desk("first", "go");
    json_t *journal = json_object_get(history, "journal");
    json_t *signal = json_object_get(json_object_get(json_array_get(journal, 1), "out"), "value");
    json_object_set_new(signal, "word",
                        json_pack("[I,{s:I},i]", (json_int_t)4111111111111111, "card",
                                  (json_int_t)4111111111111111, 4000));
    struct rv_replay_report report;
    struct rv_error err = {.code = RV_OK};
    ck_assert_msg(rv_replay_rebase(history, &report, &err) == RV_OK, "%s", err.message);
    rv_replay_report_fini(&report);
    rv_history_seal(history);
    char *text = redacted_text(history, NULL);
    ck_assert_msg(strstr(text, ",4000]") != NULL, "%s", text); /* no text has that one */
    rv_free(text);
    json_decref(history);
}

TEST(what_the_source_shows_is_said)
{
    json_t *history = make_desk("first", "go");
    json_t *known = json_pack("{s:[s]}", "people", "Exception");
    struct rv_error err = {.code = RV_OK};
    int lines = 7;
    int first = 7;
    ck_assert(rv_history_source_shows(history, NULL, &lines, &first, &err) == RV_OK);
    ck_assert_int_eq(lines, 0);
    ck_assert_int_eq(first, 0);
    ck_assert(rv_history_source_shows(history, known, &lines, &first, &err) == RV_OK);
    ck_assert_int_eq(lines, 1);
    ck_assert_int_eq(first, 3);
    json_decref(known);
    json_decref(history);
}

/* The whole run does what a part of its number would not. */
TEST(a_run_of_which_the_number_looks_like_a_card_keeps_its_name)
{
    json_t *history = make_desk("first", "r_4000000000000002 of r_40000000000000021");
    json_object_set_new(history, "run", json_string("r_4000000000000002"));
    rv_history_seal(history);
    char *text = redacted_text(history, NULL);
    ck_assert_msg(strstr(text, "\"word\":\"r_4000000000000002 of ") != NULL, "%s", text);
    rv_free(text);
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

TEST(numbers_have_a_range)
{
    char nines[3003] = "r_";
    memset(nines + 2, '9', sizeof nines - 3);
    const char *const runs[] = {nines, "r_9223372036854775808", "r_0", "r_-1", "r_+1", "r_ 1",
                                "r_"};
    const int depths[] = {-1, 1001};
    for (size_t i = 0; i < RV_COUNT(runs) + RV_COUNT(depths); i++) {
        json_t *history = make();
        struct rv_error err = {.code = RV_OK};
        if (i < RV_COUNT(runs)) {
            json_object_set_new(history, "run", json_string(runs[i]));
        } else {
            json_object_set_new(history, "depth", json_integer(depths[i - RV_COUNT(runs)]));
        }
        rv_history_seal(history);
        ck_assert(rv_history_check(history, &err) == RV_INVALID);
        json_decref(history);
    }
    json_t *history = make();
    struct rv_error err = {.code = RV_OK};
    json_object_set_new(history, "run", json_string("r_9223372036854775807"));
    rv_history_seal(history);
    ck_assert(rv_history_check(history, &err) == RV_OK);
    json_decref(history);
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

/* ---- by pages ---- */

static const char rounds[] =
    "local agent = { name = 'noter', version = '1', summary = 'rounds', handles = {'F22'},\n"
    "  uses = {} }\n"
    "function agent.plan(ctx, exception)\n"
    "  local state = ctx.state or { n = 0 }\n"
    "  if state.n < 3 then\n"
    "    state.n = state.n + 1\n"
    "    ctx:note('round ' .. state.n)\n"
    "    ctx:checkpoint(state)\n"
    "  end\n"
    "  ctx:sleep(60)\n"
    "  return ctx:plan()\n"
    "end\n"
    "return agent\n";

static json_t *make_rounds(void)
{
    char hex[RV_HASH_HEX];
    struct rv_hash hash = rv_sha256(rounds, strlen(rounds));
    rv_hash_hex(&hash, hex);
    json_t *history = make();
    json_t *journal = json_array();
    for (int n = 1; n <= 3; n++) {
        char args[80];
        char out[160];
        snprintf(args, sizeof args, "{\"text\":\"round %d\"}", n);
        snprintf(out, sizeof out, "{\"ok\":true,\"value\":%s}", args);
        json_array_append_new(journal, step(2 * n - 1, RV_STEP_NOTE, "note", args, out));
        snprintf(args, sizeof args, "{\"state\":{\"n\":%d}}", n);
        snprintf(out, sizeof out,
                 "{\"ok\":true,\"state\":{\"n\":%d},\"used\":{\"steps\":%d},\"children\":[],"
                 "\"now_us\":1795255700135751}",
                 n, 2 * n - 1);
        json_array_append_new(journal, step(2 * n, RV_STEP_CHECKPOINT, "checkpoint", args, out));
    }
    json_array_append_new(journal,
                          step(7, RV_STEP_TIMER, "sleep", "{\"seconds\":60}",
                               "{\"ok\":true,\"value\":true,\"until_us\":1795255760135751}"));
    json_object_set_new(history, "journal", journal);
    json_object_set_new(history, "plan", json_string(hex));
    json_object_set_new(history, "source", json_string(rounds));
    rv_history_seal(history);
    return history;
}

static void replay_pages(const json_t *history, struct rv_replay_report *report)
{
    struct rv_error err = {.code = RV_OK};
    struct rv_history_list list = {json_object_get(history, "journal"), 0};
    struct rv_history_pages pages = rv_history_list_pages(&list);
    json_t *head = json_copy((json_t *)(uintptr_t)history);
    json_object_del(head, "journal");
    ck_assert_msg(rv_replay_pages(head, &pages, NULL, report, &err) == RV_OK, "%s", err.message);
    json_decref(head);
}

TEST(a_journal_read_by_pages_gives_the_same_transcript)
{
    json_t *both[] = {make(), make_rounds()};
    for (size_t i = 0; i < RV_COUNT(both); i++) {
        struct rv_replay_report whole;
        struct rv_replay_report pages;
        struct rv_error err = {.code = RV_OK};
        ck_assert(rv_replay(both[i], NULL, &whole, &err) == RV_OK);
        replay_pages(both[i], &pages);
        ck_assert_msg(whole.verdict == RV_REPLAY_OPEN, "%s", whole.text);
        ck_assert_msg(pages.verdict == RV_REPLAY_OPEN, "%s", pages.text);
        ck_assert_int_eq(pages.steps, whole.steps);
        ck_assert(rv_hash_equal(&pages.hash, &whole.hash));
        ck_assert((pages.next == NULL && whole.next == NULL) || json_equal(pages.next, whole.next));
        rv_replay_report_fini(&whole);
        rv_replay_report_fini(&pages);
        json_decref(both[i]);
    }
}

TEST(by_pages_a_difference_is_where_it_is)
{
    json_t *history = make_rounds();
    json_t *entry = json_array_get(json_object_get(history, "journal"), 4);
    json_object_set_new(entry, "digest", json_string("00000000000000000000000000000000"));
    struct rv_replay_report report;
    replay_pages(history, &report);
    ck_assert(report.verdict == RV_REPLAY_DIFFERS);
    ck_assert_int_eq(rv_json_int(report.difference, "step", 0), 5);
    rv_replay_report_fini(&report);
    json_decref(history);
}

/* Writes it, cuts `less` bytes off its end, and opens it. */
static enum rv_code write_and_open(const json_t *history, int less, struct rv_history_file **out,
                                   char hex[RV_HASH_HEX])
{
    char path[] = "/tmp/rv-run-history-XXXXXX";
    int fd = mkstemp(path);
    FILE *file = fdopen(fd, "w");
    struct rv_error err = {.code = RV_OK};
    struct rv_history_list list = {json_object_get(history, "journal"), 0};
    struct rv_history_pages pages = rv_history_list_pages(&list);
    int64_t steps = 0;
    ck_assert(file != NULL);
    ck_assert(rv_history_write(file, history, &pages, &steps, hex, &err) == RV_OK);
    ck_assert_int_eq(steps, (int64_t)json_array_size(json_object_get(history, "journal")));
    ck_assert(fflush(file) == 0 && ftruncate(fd, ftello(file) - less) == 0);
    fclose(file);
    enum rv_code code = rv_history_file_open(path, out, &err);
    unlink(path);
    return code;
}

TEST(a_file_has_the_seal_of_the_document)
{
    json_t *history = make_rounds();
    char hex[RV_HASH_HEX];
    struct rv_history_file *file = NULL;
    ck_assert(write_and_open(history, 0, &file, hex) == RV_OK);
    ck_assert(file != NULL);
    ck_assert_str_eq(hex, rv_json_str(history, "sha256", ""));
    ck_assert_str_eq(hex, rv_json_str(rv_history_file_head(file), "sha256", ""));
    struct rv_history_list list = {json_object_get(history, "journal"), 0};
    struct rv_history_pages left = rv_history_list_pages(&list);
    struct rv_history_pages right = rv_history_file_pages(file);
    struct rv_error err = {.code = RV_OK};
    json_t *out = NULL;
    int64_t steps = 0;
    ck_assert(rv_history_compare_pages(history, &left, rv_history_file_head(file), &right, &steps,
                                       &out, &err) == RV_OK);
    ck_assert(rv_json_bool(out, "same", false));
    ck_assert_int_eq(steps, 7);
    json_decref(out);
    rv_history_file_close(file);
    ck_assert(write_and_open(history, 1, &file, hex) == RV_OK); /* the last end of line */
    rv_history_file_close(file);
    const int cuts[] = {40, 79, 2, -1}; /* within the seal, all of it, after it; something behind */
    for (size_t i = 0; i < RV_COUNT(cuts); i++) {
        ck_assert(write_and_open(history, cuts[i], &file, hex) == RV_CORRUPT);
        ck_assert(file == NULL);
    }
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
