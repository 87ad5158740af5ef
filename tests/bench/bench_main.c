/* bench_main.c -- reeve-bench NAME [--json] [--seconds S] [--case CASE]: the table of benchmarks.
 *
 * Without a name it lists them; "all" runs every one.  Figures are printed with the machine they
 * were taken on, because they mean nothing without it.
 */
#include "tests/bench/bench.h"
#include "tests/bench/bench_erp.h"
#include "tests/bench/peers.h"

#include "runtime/base/check.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

extern const struct bench bench_journal;
extern const struct bench bench_gate;
extern const struct bench bench_crash;
extern const struct bench bench_import;
extern const struct bench bench_lua;
extern const struct bench bench_actors;
extern const struct bench bench_recover;
extern const struct bench bench_park;
extern const struct bench bench_history;
extern const struct bench bench_fair;
extern const struct bench bench_claims;
extern const struct bench bench_budgets;
extern const struct bench bench_schedules;
extern const struct bench bench_search;
extern const struct bench bench_replay;
extern const struct bench bench_activate;
extern const struct bench bench_start;
extern const struct bench bench_model;

static const struct bench *const benches[] = {
    &bench_journal, &bench_gate,   &bench_crash,  &bench_import, &bench_lua,       &bench_actors,
    &bench_recover, &bench_park,   &bench_fair,   &bench_model,  &bench_schedules, &bench_history,
    &bench_claims,  &bench_search, &bench_replay, &bench_start,  &bench_activate,  &bench_budgets,
#ifdef REEVE_BENCH_ERP /* the books are built */
    &bench_ledger,  &bench_detect,
#endif
};

/* ---- reporting ---- */

bool bench_wants(const struct bench_run *run, const char *name)
{
    return run->only == NULL || strcmp(run->only, name) == 0;
}

void bench_report(const struct bench_run *run, const char *bench, const char *name,
                  const char *metric, double value, const char *unit)
{
    ++*run->reported;
    if (run->json) {
        printf(
            "{\"bench\":\"%s\",\"case\":\"%s\",\"metric\":\"%s\",\"value\":%.6g,\"unit\":\"%s\"}\n",
            bench, name, metric, value, unit);
    } else {
        printf("%-10s %-12s %-20s %14.3f %s\n", bench, name, metric, value, unit);
    }
    fflush(stdout);
}

void bench_fact(const struct bench_run *run, const char *bench, const char *metric,
                const char *value)
{
    if (run->json) {
        printf("{\"bench\":\"%s\",\"case\":\"machine\",\"metric\":\"%s\",\"value\":\"", bench,
               metric);
        for (const char *at = value; *at != '\0'; at++) {
            printf(*at == '"' || *at == '\\' ? "\\%c" : "%c", *at);
        }
        printf("\",\"unit\":\"\"}\n");
    } else {
        printf("%-10s %-12s %-20s %s\n", bench, "machine", metric, value);
    }
    fflush(stdout);
}

static void machine(const struct bench_run *run, const char *bench)
{
    char model[256] = "unknown";
    FILE *file = fopen("/proc/cpuinfo", "r");
    char line[512];
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) == 0 && colon != NULL) {
            snprintf(model, sizeof model, "%s", colon + 2);
            model[strcspn(model, "\n")] = '\0';
            break;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    struct utsname name;
    RV_ASSERT(uname(&name) == 0);
    char cores[16];
    snprintf(cores, sizeof cores, "%ld", sysconf(_SC_NPROCESSORS_ONLN));
    bench_fact(run, bench, "cpu", model);
    bench_fact(run, bench, "cores", cores);
    bench_fact(run, bench, "kernel", name.release);
}

/* ---- CPU time ---- */

/* utime + stime + cutime + cstime of one process when it is `server` or a child of it (each backend
 * makes its own session, so the parent is what holds them together). */
static int64_t process_ticks(const char *pid, int server)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return 0;
    }
    char text[1024];
    size_t length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[length] = '\0';
    const char *after = strrchr(text, ')');
    int parent = 0;
    unsigned long long times[4] = {0};
    if (after == NULL ||
        sscanf(after + 1, " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %llu %llu",
               &parent, &times[0], &times[1], &times[2], &times[3]) != 5 ||
        (parent != server && atoi(pid) != server)) {
        return 0;
    }
    return (int64_t)(times[0] + times[1] + times[2] + times[3]);
}

int64_t bench_cpu_us(int server)
{
    struct rusage usage;
    RV_ASSERT(getrusage(RUSAGE_SELF, &usage) == 0);
    int64_t us = (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * INT64_C(1000000) +
                 usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
    int64_t ticks = 0;
    DIR *proc = opendir("/proc");
    RV_ASSERT(proc != NULL);
    const struct dirent *entry;
    while (server > 0 && (entry = readdir(proc)) != NULL) {
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9') {
            ticks += process_ticks(entry->d_name, server);
        }
    }
    closedir(proc);
    return us + ticks * 1000000 / sysconf(_SC_CLK_TCK);
}

/* ---- latencies ---- */

void bench_sample(struct bench_samples *samples, int64_t us)
{
    if (samples->count == samples->capacity) {
        samples->capacity = samples->capacity == 0 ? 65536 : samples->capacity * 2;
        samples->us = rv_realloc(samples->us, samples->capacity * sizeof *samples->us);
    }
    samples->us[samples->count++] = us > INT32_MAX ? INT32_MAX : (int32_t)us;
}

static int by_value(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a;
    int32_t y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

double bench_percentile_ms(struct bench_samples *samples, double percent)
{
    if (samples->count == 0) {
        return 0;
    }
    qsort(samples->us, samples->count, sizeof *samples->us, by_value);
    size_t at = (size_t)((double)(samples->count - 1) * percent / 100);
    return samples->us[at] / 1000.0;
}

void bench_samples_free(struct bench_samples *samples)
{
    rv_free(samples->us);
    *samples = (struct bench_samples){.us = NULL};
}

/* ---- main ---- */

static int usage(void)
{
    printf("usage: reeve-bench NAME|all [--json] [--seconds S] [--case CASE]\n"
           "                           [--kills N] [--stops N] [--seed N]     (crash, recover, "
           "budgets)\n"
           "                           [--seconds S] of the outage            (recover)\n"
           "                           [--vs-erlang] [--vs-go] [--vs-tokio] [--vs-caf] (actors)\n"
           "                           [--steps N]           (history)\n"
           "                           [--runs N]            (search, park, activate, claims, "
           "budgets)\n"
           "                           [--gpu]                                (model)\n\n");
    for (size_t i = 0; i < RV_COUNT(benches); i++) {
        printf("  %-12s %s\n", benches[i]->name, benches[i]->summary);
    }
    return 2;
}

static int64_t whole_number(const char *text, int64_t most)
{
    char *end = NULL;
    long long number = strtoll(text, &end, 10);
    if (*text == '\0' || *end != '\0' || number < 0 || number > most) {
        fprintf(stderr, "\"%s\" is no whole number from 0 to %lld\n", text, (long long)most);
        exit(2);
    }
    return number;
}

int main(int argc, char **argv)
{
    int reported = 0;
    struct bench_run run = {.seconds = 3, .kills = -1, .stops = -1, .reported = &reported};
    const char *name = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            run.json = true;
        } else if (strcmp(argv[i], "--seconds") == 0 && i + 1 < argc) {
            run.seconds = strtod(argv[++i], NULL);
            run.outage_s = run.seconds;
        } else if (strcmp(argv[i], "--case") == 0 && i + 1 < argc) {
            run.only = argv[++i];
        } else if (strncmp(argv[i], "--vs-", 5) == 0 && peer_named(argv[i] + 5) >= 0) {
            run.versus |= 1U << peer_named(argv[i] + 5);
        } else if (strcmp(argv[i], "--gpu") == 0) {
            run.gpu = true;
        } else if (strcmp(argv[i], "--kills") == 0 && i + 1 < argc) {
            run.kills = (int)whole_number(argv[++i], 100000);
        } else if (strcmp(argv[i], "--stops") == 0 && i + 1 < argc) {
            run.stops = (int)whole_number(argv[++i], 100000);
        } else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
            run.seed = whole_number(argv[++i], INT64_MAX);
        } else if (strcmp(argv[i], "--steps") == 0 && i + 1 < argc) {
            run.steps = whole_number(argv[++i], 1000000000);
        } else if (strcmp(argv[i], "--runs") == 0 && i + 1 < argc) {
            run.runs = whole_number(argv[++i], 100000000);
        } else if (argv[i][0] != '-' && name == NULL) {
            name = argv[i];
        } else {
            return usage();
        }
    }
    if (name == NULL || run.seconds <= 0) {
        return usage();
    }
    bool found = false;
    for (size_t i = 0; i < RV_COUNT(benches); i++) {
        if (strcmp(name, "all") == 0 || strcmp(name, benches[i]->name) == 0) {
            found = true;
            machine(&run, benches[i]->name);
            benches[i]->run(&run);
        }
    }
    if (found && run.only != NULL && reported == 0) {
        fprintf(stderr, "\"%s\" has no case \"%s\" here: without --case all are measured\n", name,
                run.only);
        return 2;
    }
    return found ? 0 : usage();
}
