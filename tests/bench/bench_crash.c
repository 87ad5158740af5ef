/* bench_crash.c -- kill -9 at random moments of the demonstration run, then count: every effect
 * exactly once, none missing, none without its audit record, and how long until the rest is done.
 *
 * The work is tests/integration/road.sh (part "crash"): the real program, its own PostgreSQL, every
 * fourth kill hits the database.  $REEVE_BENCH_KILLS sets the number of kills (default 20).
 */
#include "tests/bench/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void crash_run(const struct bench_run *run)
{
    static const char name[] = "crash";
    const char *kills = getenv("REEVE_BENCH_KILLS");
    char program[1024];
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 16);
    if (n <= 0) {
        return;
    }
    program[n] = '\0';
    snprintf(strrchr(program, '/'), 16, "/reeve");
    char command[1400];
    snprintf(command, sizeof command,
             "ROAD_FIGURES=1 ROAD_KILLS=%d sh tests/integration/road.sh '%s' crash 2>/dev/null",
             kills != NULL ? atoi(kills) : 20, program);
    FILE *pipe = popen(command, "r");
    char line[256];
    double values[4] = {-1, -1, -1, -1};
    while (pipe != NULL && fgets(line, sizeof line, pipe) != NULL) {
        if (strncmp(line, "figures ", 8) == 0) {
            sscanf(line + 8, "%lf %lf %lf %lf", &values[0], &values[1], &values[2], &values[3]);
        }
    }
    if (pipe != NULL) {
        pclose(pipe);
    }
    if (values[0] < 0) {
        fprintf(stderr, "crash: no figures; run from the repository root, with psql installed\n");
        return;
    }
    bench_report(run, name, name, "kills", kills != NULL ? atoi(kills) : 20, "");
    bench_report(run, name, name, "duplicate_effects", values[0], "");
    bench_report(run, name, name, "missing_effects", values[1], "");
    bench_report(run, name, name, "unaudited_effects", values[2], "");
    bench_report(run, name, name, "recover_s", values[3] / 1000, "s");
}

const struct bench bench_crash = {"crash", "kill -9 during the demonstration run, effects counted",
                                  crash_run};
