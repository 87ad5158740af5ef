/* bench_history.c -- one long run: what a step costs, and what a history of a million steps costs
 * it.
 *
 *   live_steps_per_s     one lone run, step after step, with checkpoints; fsync on
 *   rss_growth_mib       of the serving process over those steps
 *   bytes_per_step       heap and index of the journal, of trivial steps
 *   resume_short_p50_ms  from a signal being there to the entry that the plan heard it, of a run
 * with a few entries; half of it is the orchestrator's look, twice a second resume_long_p50_ms the
 * same of a run with a million entries and a hundred thousand signals heard before its newest
 * checkpoint
 *
 * The million is laid into the journal in the very rows that a run writes; the checkpoint at its
 * end is what the run goes on from.
 */
#include "tests/bench/served.h"

#include "runtime/base/check.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>

extern const struct bench bench_history;

enum { STEPS = 20000, LAID = 1000000, HEARD = 100000, LIVE = 1, SHORT = 2, LONG = 3, WAKES = 12 };

/* With `rounds` in its exception it works and ends; else it hears one signal after the other. */
static const char agent[] = "local agent = { name = 'long', version = '1', summary = 'long', "
                            "handles = {'F22'}, uses = {},\n"
                            "  limits = { steps = 9000000 } }\n"
                            "function agent.plan(ctx, exception)\n"
                            "  local state = ctx.state or { round = 0 }\n"
                            "  if exception.rounds then\n"
                            "    if state.round == exception.rounds then return ctx:plan() end\n"
                            "    for i = 1, 199 do ctx:note('step ' .. i) end\n"
                            "  else\n"
                            "    ctx:signal('go', 864000)\n"
                            "  end\n"
                            "  ctx:checkpoint({ round = state.round + 1 })\n"
                            "end\n"
                            "return agent\n";

static void lay(struct served *served)
{
    char sql[512];
    snprintf(sql, sizeof sql,
             "INSERT INTO journal (tenant_id, run_id, seq, kind, name, digest, out)"
             " SELECT 1, %d, g, 12, 'note', decode(md5(g::text), 'hex'), convert_to(chr(1) ||"
             " '{\"ok\":true,\"value\":{\"text\":\"step ' || g || '\"}}', 'UTF8')"
             " FROM generate_series(1, %d) g",
             LONG, LAID - 1);
    served_do(served, sql);
    snprintf(
        sql, sizeof sql,
        "INSERT INTO journal (tenant_id, run_id, seq, kind, name, digest, out)"
        " SELECT 1, %d, %d, 20, 'checkpoint', decode(md5(''), 'hex'), convert_to(chr(1) ||"
        " '{\"ok\":true,\"state\":{\"round\":5000},\"used\":{\"steps\":999999},\"children\":[],"
        "\"now_us\":1767225600000000}', 'UTF8')",
        LONG, LAID);
    served_do(served, sql);
    snprintf(sql, sizeof sql,
             "INSERT INTO run_signal (tenant_id, run_id, id, name, body, sent_by, consumed_seq)"
             " SELECT 1, %d, g, 'go', '{}', 'bench', 2 * g FROM generate_series(1, %d) g",
             LONG, HEARD);
    served_do(served, sql);
    snprintf(sql, sizeof sql, "UPDATE run SET status = 'planning', steps = %d WHERE id = %d", LAID,
             LONG);
    served_do(served, sql);
    served_do(served, "VACUUM ANALYZE journal_default, run_signal, run");
}

static bool wakes(struct served *served, int run, struct bench_samples *samples)
{
    char sql[256];
    for (int i = 0; i < WAKES; i++) {
        snprintf(sql, sizeof sql,
                 "SELECT count(*) FROM run WHERE id = %d AND waiting_on = 'signal'", run);
        if (served_until(served, sql, 1, 60) < 0) {
            return false;
        }
        served_nap(700 + 37 * i); /* it has given up its actor; not in step with the looks */
        snprintf(sql, sizeof sql,
                 "INSERT INTO run_signal (tenant_id, run_id, id, name, body, sent_by)"
                 " VALUES (1, %d, %d, 'go', '{}', 'bench')",
                 run, HEARD + 1 + i);
        served_do(served, sql);
        snprintf(
            sql, sizeof sql,
            "SELECT count(*) FROM run_signal WHERE run_id = %d AND id = %d AND consumed_seq > 0",
            run, HEARD + 1 + i);
        int64_t took = served_until(served, sql, 1, 60);
        if (took < 0) {
            return false;
        }
        bench_sample(samples, took);
    }
    return true;
}

static void history_run(const struct bench_run *run)
{
    static const char name[] = "history";
    struct served served;
    struct bench_samples near = {.us = NULL};
    struct bench_samples far = {.us = NULL};
    char sql[256];
    served_open(&served, name);
    served_company(&served, 1, agent);
    served_fresh_runs(&served, 1, LIVE, 3);
    snprintf(sql, sizeof sql,
             "UPDATE run_input SET input = jsonb_set(input, '{exception,rounds}', '%d')"
             " WHERE run_id = %d",
             STEPS / 200, LIVE);
    served_do(&served, sql);
    lay(&served);
    int64_t laid = served_number(&served, "SELECT pg_total_relation_size('journal_default')");
    served_start(&served);
    snprintf(sql, sizeof sql, "SELECT count(*) FROM journal WHERE run_id = %d AND seq > 400", LIVE);
    bool ok = served_until(&served, sql, 1, 60) >= 0;
    int64_t rss = served_rss(&served);
    int64_t begin = served_now_us();
    int64_t from = served_number(&served, "SELECT count(*) FROM journal WHERE run_id = 1");
    ok = ok && served_until(&served, "SELECT count(*) FROM run WHERE id = 1 AND status = 'done'", 1,
                            600) >= 0;
    double seconds = (double)(served_now_us() - begin) / 1e6;
    int64_t grown = served_rss(&served) - rss;
    if (ok && wakes(&served, SHORT, &near) && wakes(&served, LONG, &far)) {
        bench_report(run, name, name, "laid_steps", LAID, "");
        bench_report(run, name, name, "live_steps_per_s", (double)(STEPS - from) / seconds, "/s");
        bench_report(run, name, name, "rss_growth_mib", (double)grown / (1 << 20), "MiB");
        bench_report(run, name, name, "rss_mib", (double)served_rss(&served) / (1 << 20), "MiB");
        bench_report(run, name, name, "bytes_per_step", (double)laid / LAID, "B");
        bench_report(run, name, name, "resume_short_p50_ms", bench_percentile_ms(&near, 50), "ms");
        bench_report(run, name, name, "resume_long_p50_ms", bench_percentile_ms(&far, 50), "ms");
    } else {
        fprintf(stderr, "history: a run does not go on\n");
    }
    bench_samples_free(&near);
    bench_samples_free(&far);
    served_close(&served);
}

const struct bench bench_history = {
    "history", "one run of a million steps: its memory, its disk, how fast it goes on",
    history_run};
