/* sim_run_test.c -- seeded days in the life of runs: thousands of them, each with its own faults.
 *
 *     sim_run_test                     the suite
 *     sim_run_test --seeds N           N seeds from 1 (or --from SEED) and a summary
 *     sim_run_test --seed N            one seed, with its trace
 *     sim_run_test --seed N --break W  the same with a port that is wrong on purpose
 *
 * A seed that fails prints the line that brings it back.
 */
#include "runtime/base/check.h"
#include "runtime/base/clock.h"
#include "tests/sim/sim_world.h"
#include "tests/support/test.h"

#include <inttypes.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__SANITIZE_THREAD__)
/* one thread, and its shadow of memory that was given back grows with each world: just a look */
enum { SUITE_SEEDS = 60, SAME_SEEDS = 10 };
#elif defined(__SANITIZE_ADDRESS__)
/* ten to thirty times slower: for what they look at, fewer days are enough */
enum { SUITE_SEEDS = 400, SAME_SEEDS = 30 };
#else
enum { SUITE_SEEDS = 2500, SAME_SEEDS = 100 };
#endif
/* of each broken port: until three seeds have caught it */
enum { BROKEN_SEEDS = 240, CAUGHT_ENOUGH = 3 };

/* For the handler of SIGABRT only: an assertion in the code under test must name its seed too. */
static volatile sig_atomic_t seed_high;
static volatile sig_atomic_t seed_low;

static void on_abort(int number)
{
    (void)number;
    char line[96];
    uint64_t seed = ((uint64_t)(uint32_t)seed_high << 32) | (uint32_t)seed_low;
    int length = snprintf(line, sizeof line,
                          "sim: an assertion; again: sim_run_test --seed %" PRIu64 "\n", seed);
    if (write(STDERR_FILENO, line, (size_t)length) < 0) {
        return;
    }
}

static void run_seed(const struct sim_options *options, struct sim_report *report)
{
    seed_high = (sig_atomic_t)(options->seed >> 32);
    seed_low = (sig_atomic_t)(options->seed & UINT32_MAX);
    signal(SIGABRT, on_abort);
    sim_day(options, report);
    signal(SIGABRT, SIG_DFL);
    if (report->violation[0] != '\0' && options->broken == SIM_SOUND) {
        fprintf(stderr, "sim: %s\nsim: again: sim_run_test --seed %" PRIu64 "\n", report->violation,
                options->seed);
    }
}

static void add(struct sim_report *sum, const struct sim_report *one)
{
    sum->turns += one->turns;
    sum->effects += one->effects;
    sum->steps += one->steps;
    sum->kills += one->kills;
    sum->cuts += one->cuts;
    sum->lost += one->lost;
    sum->fenced += one->fenced;
    sum->compared += one->compared;
    sum->doubts += one->doubts;
    for (int i = 0; i < RV_RUN_STATE_COUNT; i++) {
        sum->ends[i] += one->ends[i];
    }
}

/* How many of the seeds failed. */
static int run_seeds(uint64_t from, int count, enum sim_break broken, struct sim_report *sum)
{
    int failed = 0;
    struct rv_agents *agents = rv_agents_create();
    *sum = (struct sim_report){.hash = 0};
    for (int i = 0; i < count; i++) {
        struct sim_options options = {
            .seed = from + (uint64_t)i, .broken = broken, .faults = true, .agents = agents};
        struct sim_report report;
        run_seed(&options, &report);
        add(sum, &report);
        failed += report.violation[0] != '\0';
    }
    rv_agents_destroy(agents);
    return failed;
}

/* ---- days of faults ---- */

TEST(thousands_of_days_of_faults_keep_every_promise)
{
    sim_plans_open();
    struct sim_report sum;
    ck_assert_int_eq(run_seeds(1, SUITE_SEEDS, SIM_SOUND, &sum), 0);
    /* a simulation in which nothing happens proves nothing */
    ck_assert_int_gt(sum.effects, SUITE_SEEDS);
    ck_assert_int_gt(sum.kills, SUITE_SEEDS / 10);
    ck_assert_int_gt(sum.cuts, SUITE_SEEDS / 10);
    ck_assert_int_gt(sum.lost, SUITE_SEEDS / 10);
    ck_assert_int_gt(sum.fenced, SUITE_SEEDS / 10);
    ck_assert_int_gt(sum.doubts, SUITE_SEEDS / 10);
    static const enum rv_run_state ends[] = {RV_RUN_DONE, RV_RUN_FAILED, RV_RUN_CANCELLED,
                                             RV_RUN_COMPENSATED};
    for (size_t i = 0; i < RV_COUNT(ends); i++) {
        ck_assert_int_gt(sum.ends[ends[i]], SUITE_SEEDS / 50);
    }
    sim_plans_close();
}

TEST(the_same_seed_gives_the_same_trace)
{
    sim_plans_open();
    uint64_t before = 0;
    for (uint64_t seed = 1; seed <= SAME_SEEDS; seed++) {
        struct sim_options options = {.seed = seed, .faults = true};
        struct sim_report first;
        struct sim_report second;
        run_seed(&options, &first);
        run_seed(&options, &second);
        ck_assert_uint_eq(first.hash, second.hash);
        ck_assert_uint_ne(first.hash, before);
        before = first.hash;
    }
    sim_plans_close();
}

/* In a process of its own: behind a broken port the actor's own assertions may fail first. */
static bool is_caught(uint64_t seed, enum sim_break broken)
{
    fflush(stdout);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
        struct sim_report sum;
        _exit(run_seeds(seed, 1, broken, &sum) > 0 ? EXIT_FAILURE : EXIT_SUCCESS);
    }
    int status = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return !WIFEXITED(status) || WEXITSTATUS(status) != EXIT_SUCCESS;
}

/* The test of the test: a port that breaks a promise does not come through. */
TEST(every_broken_port_is_caught)
{
    sim_plans_open();
    for (int broken = SIM_SOUND + 1; broken < SIM_BREAK_COUNT; broken++) {
        int caught = 0;
        int seed = 0;
        while (caught < CAUGHT_ENOUGH && seed < BROKEN_SEEDS) {
            caught += is_caught((uint64_t)++seed, (enum sim_break)broken);
        }
        printf("sim: port \"%s\" was caught by %d of the first %d seeds\n", sim_break_names[broken],
               caught, seed);
        ck_assert_int_gt(caught, 0);
    }
    sim_plans_close();
}

/* ---- from the command line ---- */

static int one_seed(const struct sim_options *options)
{
    struct sim_report report;
    run_seed(options, &report);
    printf("seed %" PRIu64 ": %" PRId64 " turns, %" PRId64 " steps, %" PRId64
           " effects, trace %016" PRIx64 "%s%s\n",
           options->seed, report.turns, report.steps, report.effects, report.hash,
           report.violation[0] != '\0' ? ", broken: " : "", report.violation);
    return report.violation[0] != '\0' ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int many_seeds(uint64_t from, int count)
{
    struct sim_report sum;
    int64_t began_us = rv_mono_us(rv_clock_system());
    int failed = run_seeds(from, count, SIM_SOUND, &sum);
    double seconds = (double)(rv_mono_us(rv_clock_system()) - began_us) / 1e6;
    printf("%d seeds in %.1f s: %" PRId64 " turns, %" PRId64 " steps, %" PRId64 " effects, %" PRId64
           " kills, %" PRId64 " cuts, %" PRId64 " lost answers, %" PRId64 " fenced writes, %" PRId64
           " rules looked at\n",
           count, seconds, sum.turns, sum.steps, sum.effects, sum.kills, sum.cuts, sum.lost,
           sum.fenced, sum.compared);
    for (int i = 0; i < RV_RUN_STATE_COUNT; i++) {
        if (sum.ends[i] > 0) {
            printf("  %-12s %d\n", rv_run_state_name((enum rv_run_state)i), sum.ends[i]);
        }
    }
    printf("%d failed\n", failed);
    return failed > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static enum sim_break break_from(const char *name)
{
    for (int i = 0; i < SIM_BREAK_COUNT; i++) {
        if (strcmp(sim_break_names[i], name) == 0) {
            return (enum sim_break)i;
        }
    }
    fprintf(stderr, "sim: no broken port is called \"%s\"\n", name);
    exit(EXIT_FAILURE);
}

int main(int argc, char **argv)
{
    uint64_t from = 1;
    int count = 0;
    bool one = false;
    struct sim_options options = {.faults = true, .trace = true};
    for (int i = 1; i + 1 < argc; i += 2) {
        uint64_t number = strtoull(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--seed") == 0) {
            options.seed = number;
            one = true;
        } else if (strcmp(argv[i], "--seeds") == 0) {
            count = (int)number;
        } else if (strcmp(argv[i], "--from") == 0) {
            from = number;
        } else if (strcmp(argv[i], "--break") == 0) {
            options.broken = break_from(argv[i + 1]);
        }
    }
    if (!one && count == 0) {
        return test_main(argc, argv);
    }
    sim_plans_open();
    int status = one ? one_seed(&options) : many_seeds(from, count);
    sim_plans_close();
    return status;
}
