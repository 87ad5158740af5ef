/* bench_ledger.c -- entries a second through the whole write path, on a private server with fsync
 * on.
 *
 * An entry is the command journal.post with three lines, one of them on the same control account in
 * every entry: schema check, load, decide, event with chain hash, entry, lines, legal number,
 * balances and the zero-sum check, as the service role under row-level security.  Closed loops of
 * one and of many.
 */
#include "tests/bench/bench_erp.h"

#include "runtime/base/random.h"
#include "tests/support/erp_documents.h"
#include "tests/support/postgres.h"

#include <stdio.h>

enum { ACCOUNTS = 200, DEPTH_MAX = 1024 };

struct load {
    struct rv_random random;
    int64_t begun[DEPTH_MAX]; /* ring of submission times: commands complete in order */
    int64_t head;
    int64_t tail;
    int64_t stop_us;
    struct bench_samples samples;
};

static void one_entry(struct erp_world *world, struct load *load)
{
    int64_t net = 100 + (int64_t)rv_random_below(&load->random, 1000000);
    int64_t tax = net * 19 / 100;
    char account[8];
    snprintf(account, sizeof account, "5%03d", (int)rv_random_below(&load->random, ACCOUNTS));
    json_t *args =
        json_pack("{s:s,s:[{s:s,s:I,s:s},{s:s,s:I,s:s},{s:s,s:I,s:s}]}", "memo", "bench", "lines",
                  "account", account, "amount_minor", (json_int_t)net, "currency", "EUR", "account",
                  "1400", "amount_minor", (json_int_t)tax, "currency", "EUR", "account", "1600",
                  "amount_minor", (json_int_t) - (net + tax), "currency", "EUR");
    load->begun[load->head++ % DEPTH_MAX] = rv_mono_us(rv_clock_system());
    erp_queue(world, "journal.post", args, NULL);
}

static void next(struct erp_world *world, void *data)
{
    struct load *load = data;
    int64_t now = rv_mono_us(rv_clock_system());
    bench_sample(&load->samples, now - load->begun[load->tail++ % DEPTH_MAX]);
    if (now < load->stop_us) {
        one_entry(world, load);
    }
}

static void measure(const struct bench_run *run, struct erp_world *world, const char *name,
                    int depth)
{
    if (!bench_wants(run, name)) {
        return;
    }
    struct load load = {.random = {.state = 7}};
    int64_t begin = rv_mono_us(rv_clock_system());
    load.stop_us = begin + (int64_t)(run->seconds * 1000000);
    world->after = next;
    world->after_data = &load;
    for (int i = 0; i < depth; i++) {
        one_entry(world, &load);
    }
    erp_drain(world);
    world->after = NULL;
    double seconds = (double)(rv_mono_us(rv_clock_system()) - begin) / 1e6;
    bench_report(run, "ledger", name, "entries_per_s", (double)load.tail / seconds, "1/s");
    bench_report(run, "ledger", name, "p50_ms", bench_percentile_ms(&load.samples, 50), "ms");
    bench_report(run, "ledger", name, "p99_ms", bench_percentile_ms(&load.samples, 99), "ms");
    bench_samples_free(&load.samples);
}

static void run_ledger(const struct bench_run *run)
{
    test_postgres_start(TEST_PG_FSYNC);
    struct erp_world world;
    erp_world_open(&world);
    make_chart(&world);
    for (int i = 0; i < ACCOUNTS; i++) {
        erp_do(&world, "account.register",
               erp_json("{'number':'5%03d','name':'Cost %d','kind':'expense'}", i, i));
    }
    measure(run, &world, "interactive", 1);
    measure(run, &world, "batched_64", 64);
    measure(run, &world, "batched", 512);
    bench_report(run, "ledger", "check", "entries_unbalanced",
                 (double)erp_number(
                     &world, "SELECT count(*) FROM (SELECT je_id FROM jl GROUP BY je_id, currency"
                             " HAVING sum(amount) <> 0) AS x"),
                 "");
    bench_report(run, "ledger", "check", "entries",
                 (double)erp_number(&world, "SELECT count(*) FROM je"), "");
    erp_world_close(&world);
}

const struct bench bench_ledger = {
    .name = "ledger",
    .summary = "three-line entries with a hot account through commands and group commit",
    .run = run_ledger,
};
