/* lua_replay_test.c -- thousands of random plans, each replayed by other processes from its
 * journal.
 *
 *     lua_replay_test                                     the suite
 *     lua_replay_test --count N [--seed S] [--processes P]  N plans from seed S, P replays of each
 *     lua_replay_test --count 2500 --processes 40         100,000 replays: some minutes
 *     lua_replay_test --show S                            prints the plan of a seed
 *
 * One process runs the plans and writes their journals: every request with its arguments and line,
 * every answer, how it ended.  Others (started anew, so that addresses and Lua's hash seed differ)
 * read it, answer from it, and compare every request and the end byte for byte.  A seed that
 * differs prints the line that brings it back.
 */
#include "runtime/base/check.h"
#include "runtime/base/clock.h"
#include "runtime/base/random.h"
#include "runtime/lua/plan.h"
#include "tests/support/random_plan.h"
#include "tests/support/test.h"

#include <inttypes.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SUITE_PLANS = 150 };
#else
enum { SUITE_PLANS = 800 };
#endif
enum {
    SUITE_PROCESSES = 3,
    BATCH = 250, /* plans that one process runs */
    LINE_MAX_BYTES = 1 << 20,
    REQUESTS_MAX = 3000,
    PAD_MAX = 4096 /* bytes that shift the heap between two replays */
};

/* ---- a journal: a stream of lines, written or compared ---- */

struct journal {
    FILE *file;
    bool replay;
    uint64_t seed;
    char *line; /* LINE_MAX_BYTES: the newest that was read */
    bool differs;
};

static bool read_line(struct journal *journal)
{
    if (fgets(journal->line, LINE_MAX_BYTES, journal->file) == NULL) {
        return false;
    }
    journal->line[strcspn(journal->line, "\n")] = '\0';
    return true;
}

static void say(struct journal *journal, const char *text)
{
    if (!journal->replay) {
        fprintf(journal->file, "%s\n", text);
        return;
    }
    if (!journal->differs && (!read_line(journal) || strcmp(journal->line, text) != 0)) {
        journal->differs = true;
        fprintf(stderr,
                "replay: recorded %.400s\nreplay: now      %.400s\nreplay: again: lua_replay_test "
                "--count 1 --processes 20 --seed %" PRIu64 "; its plan: --show %" PRIu64 "\n",
                journal->line, text, journal->seed, journal->seed);
    }
}

static json_t *answer(struct journal *journal, int number, const char *request)
{
    if (!journal->replay) {
        json_t *value = random_plan_answer(journal->seed, number, request);
        char *text = rv_json_text(value);
        fprintf(journal->file, "%s\n", text);
        rv_free(text);
        return value;
    }
    return !journal->differs && read_line(journal) ? json_loads(journal->line, 0, NULL) : NULL;
}

/* ---- one run ---- */

static void end_run(struct journal *journal, enum rv_plan_status status, const json_t *result,
                    const struct rv_error *err)
{
    char *text = status == RV_PLAN_DONE ? rv_json_text(result) : rv_strdup(err->message);
    for (char *at = text; *at != '\0'; at++) {
        *at = *at == '\n' ? ' ' : *at;
    }
    char *line = rv_alloc(strlen(text) + 32);
    sprintf(line, "%s %s", status == RV_PLAN_DONE ? "done" : "failed", text);
    say(journal, line);
    rv_free(line);
    rv_free(text);
}

static enum rv_plan_status live(struct journal *journal, struct rv_plan *plan, json_t **result,
                                struct rv_error *err)
{
    struct rv_plan_request request;
    enum rv_plan_status status = rv_plan_step(plan, NULL, &request, result, err);
    for (int i = 0; status == RV_PLAN_REQUEST && i < REQUESTS_MAX && !journal->differs; i++) {
        char *args = rv_json_text(request.args);
        char *line = rv_alloc(strlen(args) + 64);
        sprintf(line, "%s %s %d", request.name, args, request.line);
        say(journal, line);
        rv_free(line);
        rv_free(args);
        json_t *value = answer(journal, i, request.name);
        if (value == NULL) {
            break;
        }
        status = rv_plan_step(plan, value, &request, result, err);
        json_decref(value);
    }
    return status;
}

static void run_seed(struct journal *journal)
{
    struct rv_agent *agent = NULL;
    struct rv_plan *plan = NULL;
    struct rv_error err = {.code = RV_OK};
    json_t *result = NULL;
    char *source = random_plan(journal->seed);
    json_t *input = random_plan_input(journal->seed);
    enum rv_code code = rv_agent_load(source, strlen(source), "r.lua", &agent, &err);
    code = code == RV_OK ? rv_plan_start(agent, "plan", input, &plan, &err) : code;
    enum rv_plan_status status = RV_PLAN_FAILED;
    if (code == RV_OK) {
        status = live(journal, plan, &result, &err);
    }
    char work[48];
    snprintf(work, sizeof work, "%" PRId64 " instructions", plan ? rv_plan_instructions(plan) : 0);
    say(journal, work);
    end_run(journal, status, result, &err);
    json_decref(result);
    json_decref(input);
    rv_plan_destroy(plan);
    rv_agent_destroy(agent);
    rv_free(source);
}

/* ---- the processes ---- */

static void record(uint64_t from, int count)
{
    struct journal journal = {.file = stdout};
    for (int i = 0; i < count; i++) {
        journal.seed = from + (uint64_t)i;
        run_seed(&journal);
    }
}

/* The exit status says how many seeds differed, as far as a status can. */
static int replay(uint64_t from, int count)
{
    struct journal journal = {.file = stdin, .replay = true, .line = rv_alloc(LINE_MAX_BYTES)};
    uint64_t pad_bytes = 0;
    rv_random_secret(&pad_bytes, sizeof pad_bytes);
    void *pad = rv_alloc(1 + pad_bytes % PAD_MAX);
    for (int i = 0; i < count && !journal.differs; i++) {
        journal.seed = from + (uint64_t)i;
        run_seed(&journal);
    }
    bool more = !journal.differs && read_line(&journal);
    rv_free(pad);
    rv_free(journal.line);
    return journal.differs || more ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* Starts this program again with stdin or stdout on `file`; whether it went well. */
static bool another_process(const char *mode, uint64_t from, int count, FILE *file)
{
    char from_text[24];
    char count_text[16];
    snprintf(from_text, sizeof from_text, "%" PRIu64, from);
    snprintf(count_text, sizeof count_text, "%d", count);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        lseek(fileno(file), 0, SEEK_SET);
        dup2(fileno(file), strcmp(mode, "--record") == 0 ? STDOUT_FILENO : STDIN_FILENO);
        execl("/proc/self/exe", "lua_replay_test", mode, from_text, count_text, (char *)NULL);
        _exit(127);
    }
    int status = 0;
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
           WEXITSTATUS(status) == EXIT_SUCCESS;
}

/* How many batches differed. */
static int replay_plans(uint64_t from, int count, int processes)
{
    int failed = 0;
    for (int begun = 0; begun < count; begun += BATCH) {
        int batch = count - begun < BATCH ? count - begun : BATCH;
        FILE *file = tmpfile();
        bool same =
            file != NULL && another_process("--record", from + (uint64_t)begun, batch, file);
        for (int i = 0; same && i < processes; i++) {
            same = another_process("--replay", from + (uint64_t)begun, batch, file);
        }
        failed += !same;
        if (file != NULL) {
            fclose(file);
        }
    }
    return failed;
}

TEST(random_plans_replay_the_same_in_every_process)
{
    ck_assert_int_eq(replay_plans(1, SUITE_PLANS, SUITE_PROCESSES), 0);
}

/* A test in which plans fail at once, or ask nothing, proves nothing. */
TEST(random_plans_do_what_they_should)
{
    struct journal journal = {.file = tmpfile()};
    ck_assert_ptr_nonnull(journal.file);
    for (journal.seed = 1; journal.seed <= 100; journal.seed++) {
        run_seed(&journal);
    }
    rewind(journal.file);
    char *line = rv_alloc(LINE_MAX_BYTES);
    int done = 0;
    int notes = 0;
    while (fgets(line, LINE_MAX_BYTES, journal.file) != NULL) {
        done += strncmp(line, "done ", 5) == 0;
        notes += strncmp(line, "note ", 5) == 0;
        ck_assert_msg(strstr(line, "expected near") == NULL, "%s", line);
    }
    rv_free(line);
    fclose(journal.file);
    ck_assert_int_gt(done, 40);
    ck_assert_int_gt(notes, 300);
}

/* ---- from the command line ---- */

static int by_hand(uint64_t from, int count, int processes)
{
    int64_t began_us = rv_mono_us(rv_clock_system());
    int failed = replay_plans(from, count, processes);
    printf("%d plans, %d replays in %d processes, %.1f s: %d batches differ\n", count,
           count * processes, (count + BATCH - 1) / BATCH * processes,
           (double)(rv_mono_us(rv_clock_system()) - began_us) / 1e6, failed);
    return failed > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    uint64_t from = 1;
    int count = 0;
    int processes = SUITE_PROCESSES;
    if (argc == 4 && strcmp(argv[1], "--record") == 0) {
        record(strtoull(argv[2], NULL, 10), atoi(argv[3]));
        return EXIT_SUCCESS;
    }
    if (argc == 4 && strcmp(argv[1], "--replay") == 0) {
        return replay(strtoull(argv[2], NULL, 10), atoi(argv[3]));
    }
    if (argc == 3 && strcmp(argv[1], "--show") == 0) {
        char *source = random_plan(strtoull(argv[2], NULL, 10));
        printf("%s", source);
        rv_free(source);
        return EXIT_SUCCESS;
    }
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--seed") == 0) {
            from = strtoull(argv[i + 1], NULL, 10);
        } else if (strcmp(argv[i], "--count") == 0) {
            count = atoi(argv[i + 1]);
        } else if (strcmp(argv[i], "--processes") == 0) {
            processes = atoi(argv[i + 1]);
        }
    }
    return count > 0 ? by_hand(from, count, processes) : test_main(argc, argv);
}
