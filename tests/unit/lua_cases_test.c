/* lua_cases_test.c -- every shipped agent: its manifest, its cases, and that what it proposes is
 * legal.
 *
 * For each agents/<name>: the file loads, is called what its folder is called, uses only commands
 * of the catalogue, and has cases.  Every proposed action must pass its command's schema, so that
 * an agent and the catalogue cannot drift apart unnoticed.
 */
#include "erp/command/command.h"
#include "erp/exception/catalogue.h"
#include "runtime/base/check.h"
#include "runtime/lua/cases.h"
#include "tests/support/test.h"

#include <dirent.h>

enum { FILE_MAX = 1 << 20, AGENTS_MAX = 64 };

static char *read_file(const char *path, size_t *length)
{
    FILE *file = fopen(path, "rb");
    ck_assert_msg(file != NULL, "cannot open %s", path);
    char *bytes = rv_alloc(FILE_MAX + 1);
    *length = fread(bytes, 1, FILE_MAX, file);
    fclose(file);
    return bytes;
}

/* Entries of a folder, sorted; without those that begin with a dot. */
static int list(const char *folder, char names[AGENTS_MAX][64])
{
    struct dirent **entries = NULL;
    int found = scandir(folder, &entries, NULL, alphasort);
    int count = 0;
    for (int i = 0; i < found; i++) {
        if (entries[i]->d_name[0] != '.' && count < AGENTS_MAX) {
            snprintf(names[count++], 64, "%s", entries[i]->d_name);
        }
        free(entries[i]);
    }
    free(entries);
    return count;
}

static enum rv_code check_plan(void *data, const char *name, const json_t *plan,
                               struct rv_error *err)
{
    (void)data;
    size_t i;
    json_t *action;
    json_array_foreach(json_object_get(plan, "actions"), i, action)
    {
        const char *command_name = rv_json_str(action, "action", "");
        const struct erp_command *command = erp_command_find(command_name);
        if (command == NULL) {
            return rv_fail(err, RV_INVALID, "case \"%s\": no command \"%s\"", name, command_name);
        }
        json_t *args = json_deep_copy(json_object_get(action, "args"));
        enum rv_code code = erp_command_check(command, args, err);
        json_decref(args);
        if (code != RV_OK) {
            return rv_wrap(err, code, "case \"%s\": %s", name, command_name);
        }
    }
    return RV_OK;
}

struct sum {
    int passed;
    enum rv_code code; /* of the first that failed */
    struct rv_error err;
};

static void add_up(void *data, const char *name, enum rv_code code, const json_t *plan,
                   const struct rv_error *err)
{
    (void)name;
    (void)plan;
    struct sum *sum = data;
    sum->passed += code == RV_OK;
    if (code != RV_OK && sum->code == RV_OK) {
        sum->code = code;
        sum->err = *err;
    }
}

/* All cases of a text; the error is that of the file or of the first case that failed. */
static enum rv_code run_cases(struct rv_agent *agent, const char *source, size_t length,
                              const char *file, rv_case_done plan, int *passed,
                              struct rv_error *err)
{
    struct sum sum = {.code = RV_OK};
    struct rv_case_checks checks = {.plan = plan};
    enum rv_code code = rv_agent_cases(agent, source, length, file, &checks, add_up, &sum, err);
    *passed = sum.passed;
    if (code == RV_OK && sum.code != RV_OK) {
        *err = sum.err;
        code = sum.code;
    }
    return code;
}

static void check_manifest(const char *folder, const json_t *manifest)
{
    size_t i;
    json_t *entry;
    ck_assert_str_eq(rv_json_str(manifest, "name", ""), folder);
    ck_assert_msg(*rv_json_str(manifest, "summary", "") != '\0', "%s has no summary", folder);
    json_array_foreach(json_object_get(manifest, "uses"), i, entry)
    {
        ck_assert_msg(erp_command_find(json_string_value(entry)) != NULL, "%s uses \"%s\": unknown",
                      folder, json_string_value(entry));
    }
    json_array_foreach(json_object_get(manifest, "handles"), i, entry)
    {
        ck_assert_msg(erp_exception_type_find(json_string_value(entry)) != NULL,
                      "%s handles \"%s\": unknown", folder, json_string_value(entry));
    }
}

static int run_agent(const char *folder)
{
    char path[256];
    char files[AGENTS_MAX][64];
    struct rv_error err = {.code = RV_OK};
    struct rv_agent *agent = NULL;
    size_t length = 0;
    int passed_all = 0;
    snprintf(path, sizeof path, "agents/%s/agent.lua", folder);
    char *source = read_file(path, &length);
    ck_assert_msg(rv_agent_load(source, length, path, &agent, &err) == RV_OK, "%s", err.message);
    check_manifest(folder, rv_agent_manifest(agent));
    snprintf(path, sizeof path, "agents/%s/cases", folder);
    int count = list(path, files);
    for (int i = 0; i < count; i++) {
        int passed = 0;
        snprintf(path, sizeof path, "agents/%s/cases/%s", folder, files[i]);
        char *cases = read_file(path, &length);
        enum rv_code code = run_cases(agent, cases, length, path, check_plan, &passed, &err);
        ck_assert_msg(code == RV_OK, "%s\n%s", err.message, err.detail);
        passed_all += passed;
        rv_free(cases);
    }
    rv_agent_destroy(agent);
    rv_free(source);
    return passed_all;
}

TEST(every_agent_passes_its_cases)
{
    char folders[AGENTS_MAX][64];
    int agents = 0;
    int count = list("agents", folders);
    for (int i = 0; i < count; i++) {
        char path[128];
        snprintf(path, sizeof path, "agents/%s/agent.lua", folders[i]);
        FILE *file = fopen(path, "rb");
        if (file != NULL) {
            fclose(file);
            int passed = run_agent(folders[i]);
            ck_assert_msg(passed >= 3, "%s has %d cases, three at least are wanted", folders[i],
                          passed);
            agents++;
        }
    }
    ck_assert_int_ge(agents, 8);
}

TEST(every_exception_that_is_detected_has_one_agent)
{
    char folders[AGENTS_MAX][64];
    int count = list("agents", folders);
    for (const struct erp_exception_type *type = erp_exception_types; type->code != NULL; type++) {
        int handlers = 0;
        for (int i = 0; i < count; i++) {
            char path[128];
            size_t length = 0;
            struct rv_agent *agent = NULL;
            snprintf(path, sizeof path, "agents/%s/agent.lua", folders[i]);
            FILE *file = fopen(path, "rb");
            if (file == NULL) {
                continue;
            }
            fclose(file);
            char *source = read_file(path, &length);
            ck_assert_int_eq(rv_agent_load(source, length, path, &agent, NULL), RV_OK);
            size_t j;
            json_t *code;
            json_array_foreach(json_object_get(rv_agent_manifest(agent), "handles"), j, code)
            {
                handlers += strcmp(json_string_value(code), type->code) == 0;
            }
            rv_agent_destroy(agent);
            rv_free(source);
        }
        ck_assert_msg(handlers == 1, "%s has %d agents", type->code, handlers);
    }
}

/* ---- the runner itself ---- */

static const char agent_text[] =
    "local agent = { name = 'a', version = '1', handles = {}, uses = { 'invoice.hold' } }\n"
    "function agent.plan(ctx, exception)\n"
    "  local invoice = erp.get('invoice', exception.id)\n"
    "  if not invoice then error('no invoice') end\n"
    "  return ctx:plan():add('invoice.hold', { invoice = invoice.id, note = invoice.note },\n"
    "    { reason = 'r', evidence = { 'e' } })\n"
    "end\n"
    "return agent\n";

static void case_says(const char *cases, const char *words)
{
    struct rv_agent *agent = NULL;
    struct rv_error err = {.code = RV_OK};
    int passed = 0;
    ck_assert_int_eq(rv_agent_load(agent_text, strlen(agent_text), "a.lua", &agent, &err), RV_OK);
    enum rv_code code = run_cases(agent, cases, strlen(cases), "c.lua", NULL, &passed, &err);
    if (words == NULL) {
        ck_assert_msg(code == RV_OK && passed == 1, "%s", err.message);
    } else {
        ck_assert_int_ne(code, RV_OK);
        ck_assert_msg(strstr(err.message, words) != NULL, "\"%s\" does not say \"%s\"", err.message,
                      words);
    }
    rv_agent_destroy(agent);
}

#define CASE(rest) "return { { name = 'n', exception = { id = 7 }, " rest " } }"
#define GET                                                                                        \
    "answers = { { ask = 'erp.get', args = { id = 7 }, value = { id = 7, note = 'OBEY' } } }, "

TEST(a_case_passes_or_says_what_differs)
{
    case_says(CASE(GET "actions = { { action = 'invoice.hold', args = { invoice = 7 } } }"), NULL);
    case_says(CASE("answers = { { ask = 'erp.get' } }, fails = 'no invoice'"), NULL);
    case_says(CASE(GET "actions = { { action = 'invoice.hold', args = { invoice = 8 } } }"),
              "action 1: expected {\"invoice\":8}");
    case_says(CASE(GET "actions = {}"), "action 1: expected nothing more");
    case_says(CASE(GET "actions = { { action = 'invoice.hold' }, { action = 'invoice.hold' } }"),
              "action 2: expected invoice.hold, found nothing");
    case_says(CASE("answers = {}, actions = {}"), "request 1, line 3: expected nothing more");
    case_says(CASE("answers = { { ask = 'erp.find' } }, actions = {}"), "expected erp.find");
    case_says(CASE(GET "actions = { { action = 'invoice.hold' } }, hostile = 'OBEY'"),
              "the plan: expected no hostile text");
    case_says(CASE("answers = { { ask = 'erp.get' } }, actions = {}"), "no invoice");
    case_says("return 5", "list of cases");
    case_says("erp.get('invoice', 1) return {}", "nothing can be asked");
    case_says("x = 1", "c.lua:1: global \"x\"");
    case_says("return { { name = 'n', exeption = {} } }", "there is no field \"exeption\"");
    case_says("return { { actions = {} } }", "a case is a table with a name");
}

struct told {
    int passed, failed;
    char said[400];
};

static void on_told(void *data, const char *name, enum rv_code code, const json_t *plan,
                    const struct rv_error *error)
{
    struct told *told = data;
    ck_assert_ptr_nonnull(name);
    told->passed += code == RV_OK;
    told->failed += code != RV_OK;
    if (code != RV_OK) {
        snprintf(told->said, sizeof told->said, "%s", error->message);
    } else {
        ck_assert_int_eq(json_array_size(json_object_get(plan, "actions")), 1);
    }
}

static enum rv_code no_order(void *data, const char *name, const json_t *args, struct rv_error *err)
{
    (void)data;
    return strcmp(name, "erp.get") == 0 && rv_json_int(args, "id", 0) == 8
               ? rv_fail(err, RV_INVALID, "nobody answers that")
               : RV_OK;
}

TEST(all_cases_are_told_also_after_one_that_fails)
{
    static const char cases[] =
        "return {\n"
        "  { name = 'a', exception = { id = 7 }, answers = {}, actions = {} },\n"
        "  { name = 'b', exception = { id = 7 }, answers = { { ask = 'erp.get', value = { id = 7 } "
        "} },"
        " actions = { { action = 'invoice.hold' } } },\n"
        "  { name = 'c', exception = { id = 8 }, answers = { { ask = 'erp.get', value = { id = 8 } "
        "} },"
        " actions = { { action = 'invoice.hold' } } },\n"
        "}\n";
    struct rv_agent *agent = NULL;
    struct rv_error err = {.code = RV_OK};
    struct told told = {.passed = 0};
    struct rv_case_checks checks = {.ask = no_order};
    ck_assert_int_eq(rv_agent_load(agent_text, strlen(agent_text), "a.lua", &agent, &err), RV_OK);
    ck_assert_int_eq(
        rv_agent_cases(agent, cases, strlen(cases), "c.lua", &checks, on_told, &told, &err), RV_OK);
    ck_assert_int_eq(told.passed, 1);
    ck_assert_int_eq(told.failed, 2);
    ck_assert_ptr_nonnull(strstr(told.said, "case \"c\": request 1"));
    ck_assert_ptr_nonnull(strstr(told.said, "nobody answers that"));
    ck_assert_int_ne(rv_agent_cases(agent, "return 5", 8, "c.lua", &checks, on_told, &told, &err),
                     RV_OK);
    rv_agent_destroy(agent);
}

TEST_MAIN()
