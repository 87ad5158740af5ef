/* gate_world.h -- the real door on a private PostgreSQL with fsync on, for benchmarks: one tenant
 * (1), one loop, one committer that seals, and one gate, put together as the program does it.
 *
 * Everything that is not measured waits; a mistake ends the program with its message.
 */
#ifndef REEVE_TESTS_BENCH_GATE_WORLD_H
#define REEVE_TESTS_BENCH_GATE_WORLD_H

#include "runtime/audit/audit.h"
#include "runtime/db/db.h"
#include "runtime/gate/gate.h"
#include "tests/bench/bench.h"

enum { GATE_WORLD_TENANT = 1 };

struct gate_world {
    struct rv_loop *loop;
    struct rv_db *db;
    struct rv_audit *audit;
    struct rv_committer *committer;
    struct rv_gate *gate;
    char *uri;
    char *superuser;
    const struct rv_statement **write_order;
    char key_path[64];
    int64_t commands; /* done by gate_world_do */
};

/* Reports the server's settings as facts of `bench`, fills and recycles the write-ahead log, as it
 * is on a server that has run for a while: otherwise the making of new log files is what is
 * measured. */
void gate_world_open(struct gate_world *world, const struct bench_run *run, const char *bench);
void gate_world_close(struct gate_world *world);

/* Makes a bundle the tenant's active one. */
void gate_world_policy(struct gate_world *world, const char *source);
/* Runs one ERP command through the gate and waits; it must be executed.  Takes args; new reference.
 */
json_t *gate_world_do(struct gate_world *world, const char *action, json_t *args);
/* Lets the loop run for so long. */
void gate_world_run(struct gate_world *world, int64_t ms);

/* Rules as in a company's bundle, to stand beside those that a benchmark is about (bench_gate.c).
 */
void bench_gate_rules(struct rv_buf *out, int rules, bool one_action);

#endif
