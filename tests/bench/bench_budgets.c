/* bench_budgets.c -- 100,000 runs that want more than they may have, and one family of 1,000
 * children open at once on what their parent has: the real program, fsync on, killed now and then.
 *
 *   calls_past_limit      beyond any limit of steps, calls, tokens, money, children or depth, of
 * the run or of one above it; counted from the journal by SQL.  Must be 0 NAME_past, _spent,
 * _refused   the same for each budget, what was spent in all (depth: the deepest run), and how many
 * requests were refused for it children_at_once      of the family that were open at the same time,
 * as far as was looked
 *
 * --runs N, --kills K (5), --seed S.  Run it from the repository's root.
 */
#include "tests/bench/bench.h"
#include "tests/support/spenders.h"

#include "runtime/base/check.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

extern const struct bench bench_budgets;

enum { RUNS = 100000, CHILDREN = 1000, KILLS = 5, SEED = 7 };

static const char name[] = "budgets";

static void report_each(const struct bench_run *run, const struct spenders_result *got)
{
    char metric[32];
    for (int i = 0; i < SPENDER_BUDGETS; i++) {
        snprintf(metric, sizeof metric, "%s_past", spender_budgets[i]);
        bench_report(run, name, name, metric, (double)got->past[i], "");
        snprintf(metric, sizeof metric, "%s_spent", spender_budgets[i]);
        bench_report(run, name, name, metric, (double)got->spent[i], "");
        snprintf(metric, sizeof metric, "%s_refused", spender_budgets[i]);
        bench_report(run, name, name, metric, (double)got->wanted[i], "");
    }
}

static void budgets_run(const struct bench_run *run)
{
    char program[1024];
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 16);
    RV_ASSERT(n > 0);
    program[n] = '\0';
    snprintf(strrchr(program, '/'), 16, "/reeve");
    struct spenders_wish wish = {.program = program,
                                 .runs = run->runs > 0 ? run->runs : RUNS,
                                 .children = CHILDREN,
                                 .kills = run->kills >= 0 ? run->kills : KILLS,
                                 .seed = run->seed > 0 ? run->seed : SEED,
                                 .quiet = true};
    struct spenders_result got;
    spenders_run(&wish, &got);
    int64_t past = 0;
    for (int i = 0; i < SPENDER_BUDGETS; i++) {
        past += got.past[i];
    }
    bench_report(run, name, name, "calls_past_limit", (double)past, "");
    bench_report(run, name, name, "runs", (double)got.runs, "runs");
    bench_report(run, name, name, "runs_open", (double)got.open, "runs");
    bench_report(run, name, name, "calls", (double)got.calls, "");
    bench_report(run, name, name, "children", (double)got.family, "runs");
    bench_report(run, name, name, "children_at_once", (double)got.family_at_once, "runs");
    bench_report(run, name, name, "kills", (double)got.kills, "");
    bench_report(run, name, name, "seconds", got.seconds, "s");
    report_each(run, &got);
}

const struct bench bench_budgets = {
    "budgets", "100,000 runs that want more than they may have: calls past a limit", budgets_run};
