/* bench.h -- what a benchmark of `reeve-bench` gives and gets.
 *
 * A benchmark is one file that fills in a `struct bench`; the table in bench_main.c lists it.  It
 * reports each figure with bench_report and nothing else; figures never gate a test.
 */
#ifndef REEVE_TESTS_BENCH_BENCH_H
#define REEVE_TESTS_BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bench_run {
    bool json;
    double seconds;   /* of measuring per case */
    double outage_s;  /* bench_outage: as --seconds said; 0: as it likes */
    const char *only; /* a case name, or NULL for all */
    int kills, stops; /* bench_crash, bench_budgets; -1: as it likes */
    int64_t seed;     /* 0: from the clock */
    int64_t steps;    /* bench_history: of the one run; 0: as many as it says */
    int64_t runs; /* bench_search: in the database; bench_park, bench_activate: open; bench_claims,
                     bench_budgets: in all; 0: as many as it says */
    unsigned versus; /* bench_actors: the same programs in other runtimes, see peers.h */
    bool gpu;        /* bench_model: the cases of the CUDA plug-in, and only these */
    int *reported;   /* figures so far */
};

struct bench {
    const char *name;
    const char *summary;
    void (*run)(const struct bench_run *run);
};

/* One figure: a line of the table, or with --json one object
 * {"bench":…,"case":…,"metric":…,"value":…,"unit":…}. */
void bench_report(const struct bench_run *run, const char *bench, const char *name,
                  const char *metric, double value, const char *unit);
/* The same for a fact of the machine or the configuration. */
void bench_fact(const struct bench_run *run, const char *bench, const char *metric,
                const char *value);
bool bench_wants(const struct bench_run *run, const char *name);

/* CPU time of this process and of `server` (a process id, 0 for none) with all its children, those
 * that ended included; microseconds. */
int64_t bench_cpu_us(int server);

/* Latencies: kept all, sorted once. */
struct bench_samples {
    int32_t *us;
    size_t count;
    size_t capacity;
};
void bench_sample(struct bench_samples *samples, int64_t us);
double bench_percentile_ms(struct bench_samples *samples, double percent);
void bench_samples_free(struct bench_samples *samples);

#endif
