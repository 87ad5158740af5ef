/* whole_test.c -- the whole runtime under seeded faults: ten thousand days of small companies.
 *
 *     whole_test                                      a few
 *     whole_test --suite JOBS                         all seeds of the suite, side by side
 *     whole_test --seeds N [--from SEED] [--jobs J]   N seeds and a summary
 *     whole_test --seed N [--trace 1]                 one seed, with its story
 *
 * A seed that breaks a promise prints the line that brings it back.
 */
#include "tests/sim/whole/world.h"
#include "tests/support/test.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__SANITIZE_THREAD__)
enum { SUITE_SEEDS = 60, SAME_SEEDS = 5 };
#elif defined(__SANITIZE_ADDRESS__)
enum { SUITE_SEEDS = 400, SAME_SEEDS = 10 };
#else
enum { SUITE_SEEDS = 10000, SAME_SEEDS = 40 };
#endif

enum { JOBS = 2, PORTION = 100 /* seeds of one process: what it leaks ends with it */ };

enum { SEED_LIMIT_S = 120 }; /* a seed takes hundredths of a second; one that hangs says so */

static const char *program = "whole_test"; /* as it was called: for the line that brings it back */
/* For the handler of signals only: an assertion in the code under test must name its seed, too. */
static volatile sig_atomic_t seed_high;
static volatile sig_atomic_t seed_low;

static void on_abort(int number)
{
    char line[512];
    uint64_t seed = ((uint64_t)(uint32_t)seed_high << 32) | (uint32_t)seed_low;
    int length =
        snprintf(line, sizeof line, "sim: it %s\nsim: again: %.400s --trace 1 --seed %" PRIu64 "\n",
                 number == SIGALRM ? "hangs" : "aborted", program, seed);
    if (write(STDERR_FILENO, line, (size_t)length) < 0) {
        return;
    }
    signal(number, SIG_DFL);
    raise(number);
}

static bool live_one(uint64_t seed, bool faults, bool trace, struct world_tally *tally,
                     uint64_t *hash)
{
    seed_high = (sig_atomic_t)(seed >> 32);
    seed_low = (sig_atomic_t)(seed & UINT32_MAX);
    signal(SIGABRT, on_abort);
    signal(SIGSEGV, on_abort);
    signal(SIGALRM, on_abort);
    alarm(SEED_LIMIT_S);
    struct world_options options = {.seed = seed, .faults = faults, .trace = trace};
    struct world *world = world_create(&options);
    bool well = world_live(world);
    *tally = world->tally;
    *hash = world->hash;
    if (!well) {
        fprintf(stderr, "sim: %s\nsim: again: %s --trace 1 --seed %" PRIu64 "%s\n",
                world->violation, program, seed, faults ? "" : " --calm 1");
    }
    world_destroy(world);
    alarm(0);
    signal(SIGALRM, SIG_DFL);
    signal(SIGABRT, SIG_DFL);
    signal(SIGSEGV, SIG_DFL);
    return well;
}

static void add(struct world_tally *sum, const struct world_tally *one)
{
    int64_t *to = (int64_t *)sum;
    const int64_t *from = (const int64_t *)one;
    for (size_t i = 0; i < sizeof *sum / sizeof *to; i++) {
        to[i] += from[i];
    }
}

struct result {
    struct world_tally sum;
    int64_t ran, failed;
};

/* A portion of seeds in a process of its own, answered through a pipe. */
static pid_t start_portion(uint64_t from, int count, int *answer)
{
    int ends[2];
    RV_ASSERT(pipe(ends) == 0);
    fflush(NULL);
    pid_t child = fork();
    RV_ASSERT(child >= 0);
    if (child == 0) {
        close(ends[0]);
        struct result result = {.ran = 0};
        for (int i = 0; i < count; i++) {
            struct world_tally tally;
            uint64_t hash = 0;
            result.failed += !live_one(from + (uint64_t)i, true, false, &tally, &hash);
            result.ran++;
            add(&result.sum, &tally);
        }
        ssize_t written = write(ends[1], &result, sizeof result);
        _exit(written == (ssize_t)sizeof result ? EXIT_SUCCESS : EXIT_FAILURE);
    }
    close(ends[1]);
    *answer = ends[0];
    return child;
}

/* Seeds side by side; whoever dies counts as failed for the whole portion. */
static struct result run_seeds(uint64_t from, int count, int jobs)
{
    enum { JOBS_MAX = 64 };
    struct result all = {.ran = 0};
    struct {
        pid_t pid;
        int answer, seeds;
    } running[JOBS_MAX];
    int live = 0;
    int given = 0;
    while (given < count || live > 0) {
        while (live < jobs && live < JOBS_MAX && given < count) {
            int seeds = count - given < PORTION ? count - given : PORTION;
            running[live].pid = start_portion(from + (uint64_t)given, seeds, &running[live].answer);
            running[live++].seeds = seeds;
            given += seeds;
        }
        struct result one = {.ran = 0};
        pid_t ended = wait(NULL);
        for (int i = 0; i < live; i++) {
            if (running[i].pid == ended) {
                if (read(running[i].answer, &one, sizeof one) != (ssize_t)sizeof one) {
                    one = (struct result){.failed = 1};
                }
                close(running[i].answer);
                running[i] = running[--live];
                break;
            }
        }
        add(&all.sum, &one.sum);
        all.ran += one.ran;
        all.failed += one.failed;
    }
    return all;
}

static void report(const struct result *all, int64_t began_us)
{
    const struct world_tally *sum = &all->sum;
    double seconds = (double)(rv_mono_us(rv_clock_system()) - began_us) / 1e6;
    printf("sim: %" PRId64 " seeds ran in %.1f s, %" PRId64 " failed\n", all->ran, seconds,
           all->failed);
    printf("  lived %.1f h: %" PRId64 " steps, %" PRId64 " commits, %" PRId64 " runs (%" PRId64
           " ended), %" PRId64 " effects, %" PRId64 " approvals, %" PRId64 " votes, %" PRId64
           " deliveries, %" PRId64 " fires\n",
           (double)sum->lived_us / 3.6e9, sum->steps, sum->commits, sum->runs, sum->ended,
           sum->effects, sum->approvals, sum->votes, sum->deliveries, sum->fires);
    printf("  asked: %" PRId64 " updates (%" PRId64 " answered by plans), %" PRId64
           " refused, %" PRId64 " values, %" PRId64 " dead runs went on, %" PRId64
           " keys given to another run\n",
           sum->updates, sum->replies, sum->refused, sum->values, sum->revived, sum->keys_given);
    printf("  faults: %" PRId64 " kills, %" PRId64 " stops, %" PRId64 " pauses, %" PRId64
           " connections, %" PRId64 " crashes of the database, %" PRId64 " clocks, %" PRId64
           " answers lost; %" PRId64 " takeovers (%" PRId64 " leases ended early, %" PRId64
           " of nodes that live), %" PRId64 " moves; %" PRId64 " wake-ups, %" PRId64
           " runs changed their version; %" PRId64 " crowds, %" PRId64
           " questions to the model, %" PRId64 " entries after an unsure answer; %" PRId64
           " rules looked at\n"
           "  inside a batch: %" PRId64 " stops, %" PRId64 " ended by the server, %" PRId64
           " companies taken meanwhile\n",
           sum->kills, sum->stops, sum->pauses, sum->drops, sum->crashes, sum->jumps,
           sum->lost_answers, sum->takeovers, sum->ended_early, sum->ended_alive, sum->moves,
           sum->wakes, sum->migrated, sum->crowds, sum->asked, sum->unsure, sum->rules, sum->inside,
           sum->idle_ended, sum->taken_inside);
    printf("  between nodes: %" PRId64 " messages, %" PRId64 " late, %" PRId64 " twice, %" PRId64
           " questions, %" PRId64 " answers; commits: %" PRId64 " of seconds, %" PRId64
           " cut off by a crash\n",
           sum->words, sum->late, sum->twice, sum->questions, sum->answers, sum->slow_commits,
           sum->cut_commits);
    printf("  outside: %" PRId64 " attempts arrived, %" PRId64 " things done (%" PRId64
           " unheard of), %" PRId64 " repeats dropped, %" PRId64 " said by people, %" PRId64
           " withdrawn, %" PRId64 " taken back, %" PRId64 " faults on the way\n",
           sum->letters, sum->deeds, sum->unheard, sum->repeats, sum->said, sum->withdrawn,
           sum->undone, sum->troubles);
}

/* The suite: all its seeds ran, none failed, and enough has happened. */
static bool live_suite(int jobs)
{
    int64_t began_us = rv_mono_us(rv_clock_system());
    struct result all = run_seeds(1, SUITE_SEEDS, jobs);
    report(&all, began_us);
    bool enough = all.sum.effects > SUITE_SEEDS && all.sum.kills > SUITE_SEEDS / 4 &&
                  all.sum.lost_answers > SUITE_SEEDS / 4 && all.sum.takeovers > SUITE_SEEDS &&
                  all.sum.ended_early > SUITE_SEEDS / 4 && all.sum.ended_alive > SUITE_SEEDS / 50 &&
                  all.sum.wakes > SUITE_SEEDS / 4 && all.sum.migrated > SUITE_SEEDS / 4 &&
                  all.sum.unsure > SUITE_SEEDS / 40 && all.sum.taken_inside > SUITE_SEEDS / 100 &&
                  all.sum.replies > SUITE_SEEDS / 4 && all.sum.refused > SUITE_SEEDS / 4 &&
                  all.sum.values > SUITE_SEEDS / 4 && all.sum.revived > SUITE_SEEDS / 4 &&
                  all.sum.crowds > SUITE_SEEDS / 40 && all.sum.late > SUITE_SEEDS / 4 &&
                  all.sum.twice > SUITE_SEEDS / 4 && all.sum.answers > SUITE_SEEDS &&
                  all.sum.slow_commits > SUITE_SEEDS / 20 &&
                  all.sum.cut_commits > SUITE_SEEDS / 1000 && all.sum.deeds > SUITE_SEEDS &&
                  all.sum.unheard > SUITE_SEEDS / 20 && all.sum.repeats > SUITE_SEEDS / 100 &&
                  all.sum.said > SUITE_SEEDS / 20 && all.sum.withdrawn > SUITE_SEEDS / 200 &&
                  all.sum.undone > SUITE_SEEDS / 10 && all.sum.troubles > SUITE_SEEDS / 20;
    if (all.ran != SUITE_SEEDS || !enough) {
        fprintf(stderr, "sim: %" PRId64 " of %d seeds ran%s\n", all.ran, SUITE_SEEDS,
                enough ? "" : ", and too little happened in them to prove anything");
    }
    return all.failed == 0 && all.ran == SUITE_SEEDS && enough;
}

/* Mistakes that the code had, put back into it, showed on these days.  A change of the simulation
 * itself makes other days of them. */
TEST(days_that_showed_a_mistake_are_well)
{
    static const uint64_t seeds[] = {
        149,  187, 395, 419, 450, 504, /* waits by the node's own clock */
        664,                           /* an answer of a claim that came late is believed */
        56,   157, 219, 254, 313,      /* the signal was there before the wait for it */
        90,   744,                     /* a look that failed is the last one */
        48,   205, 226, 290, 301,      /* a beat that was refused is not heard */
        6869, 9185                     /* a node that was missing for a while is a stranger again */
    };
    worlds_begin();
    for (size_t i = 0; i < RV_COUNT(seeds); i++) {
        struct world_tally tally;
        uint64_t hash = 0;
        ck_assert(live_one(seeds[i], true, false, &tally, &hash));
    }
}

TEST(the_same_seed_is_the_same_story)
{
    worlds_begin();
    for (uint64_t seed = 1; seed <= SAME_SEEDS; seed++) {
        struct world_tally tally;
        uint64_t first = 0;
        uint64_t second = 0;
        ck_assert(live_one(seed, true, false, &tally, &first));
        ck_assert(live_one(seed, true, false, &tally, &second));
        ck_assert_uint_eq(first, second);
    }
}

TEST(a_calm_day_ends_in_order)
{
    worlds_begin();
    struct world_tally tally;
    uint64_t hash = 0;
    for (uint64_t seed = 1; seed <= SAME_SEEDS; seed++) {
        ck_assert(live_one(seed, false, false, &tally, &hash));
    }
}

/* As a core that was busy finds it: both are said before the orchestrator has ended. */
static void lose_and_gain(struct world *world, void *data)
{
    struct node *node = &world->nodes[0];
    int64_t epoch = node->alive ? rv_lease_epoch(node->lease, 1) : 0;
    if (epoch == 0) {
        world_at(world, world->now_us + 10 * WORLD_MS, lose_and_gain, data);
        return;
    }
    world_enter(node);
    rv_lease_drop(node->lease, 1, epoch);
    rv_lease_adopt(node->lease, 1, epoch);
    world_leave();
    ++*(int *)data;
}

TEST(a_company_that_comes_back_at_once_is_driven)
{
    int times = 0;
    worlds_begin();
    for (uint64_t seed = 1; seed <= SAME_SEEDS; seed++) {
        struct world *world =
            world_create(&(struct world_options){.seed = seed, .faults = false, .nodes = 1});
        world_at(world, world->now_us + WORLD_SECOND, lose_and_gain, &times);
        bool well = world_live(world);
        ck_assert_msg(well, "%s", world->violation);
        world_destroy(world);
    }
    ck_assert_int_eq(times, SAME_SEEDS);
}

int main(int argc, char **argv)
{
    program = argv[0];
    uint64_t from = 1;
    uint64_t seed = 0;
    int count = 0;
    int jobs = JOBS;
    int suite = 0;
    bool one = false;
    bool trace = false;
    bool faults = true;
    for (int i = 1; i + 1 < argc; i += 2) {
        uint64_t number = strtoull(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--seed") == 0) {
            seed = number;
            one = true;
        } else if (strcmp(argv[i], "--seeds") == 0) {
            count = (int)number;
        } else if (strcmp(argv[i], "--from") == 0) {
            from = number;
        } else if (strcmp(argv[i], "--jobs") == 0) {
            jobs = (int)number;
        } else if (strcmp(argv[i], "--suite") == 0) {
            suite = (int)number;
        } else if (strcmp(argv[i], "--trace") == 0) {
            trace = number != 0;
        } else if (strcmp(argv[i], "--calm") == 0) {
            faults = number == 0;
        }
    }
    if (!one && count == 0 && suite == 0) {
        return test_main(argc, argv);
    }
    worlds_begin();
    if (suite > 0) {
        return live_suite(suite) ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    if (one) {
        struct world_tally tally;
        uint64_t hash = 0;
        int64_t began_us = rv_mono_us(rv_clock_system());
        bool well = live_one(seed, faults, trace, &tally, &hash);
        struct result all = {.sum = tally, .ran = 1, .failed = !well};
        report(&all, began_us);
        printf("  story %016" PRIx64 "\n", hash);
        return well ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    int64_t began_us = rv_mono_us(rv_clock_system());
    struct result all = run_seeds(from, count, jobs);
    report(&all, began_us);
    return all.failed > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
