/* bench_import.c -- a generated camt.053 with 200,000 entries: parsed alone, then imported by the
 * real program into a fresh company with its own PostgreSQL; seconds and resident memory of the
 * importer.
 */
#include "erp/exchange/import.h"

#include "runtime/base/check.h"
#include "runtime/base/clock.h"
#include "runtime/base/random.h"
#include "tests/bench/bench.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define BENCH_IMPORT_IBAN "DE89370400440532013000"

enum { ENTRIES_DEFAULT = 200000, SEED = 20240301 };

static void entry(FILE *file, int64_t number, int64_t minor)
{
    int64_t magnitude = minor < 0 ? -minor : minor;
    fprintf(
        file,
        "<Ntry><NtryRef>%" PRId64 "</NtryRef><Amt Ccy=\"EUR\">%" PRId64 ".%02" PRId64
        "</Amt><CdtDbtInd>%s</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>"
        "<BookgDt><Dt>2024-03-%02d</Dt></BookgDt><ValDt><Dt>2024-03-%02d</Dt></ValDt>"
        "<BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>RCDT</Cd><SubFmlyCd>ESCT</SubFmlyCd></Fmly></Domn>"
        "</BkTxCd><NtryDtls><TxDtls><Refs><EndToEndId>E2E-%010" PRId64 "</EndToEndId></Refs>"
        "<Amt Ccy=\"EUR\">%" PRId64 ".%02" PRId64 "</Amt><RltdPties><Dbtr><Pty>"
        "<Nm>Customer %" PRId64 "</Nm></Pty></Dbtr></RltdPties><RmtInf><Ustrd>payment of invoice "
        "%" PRId64 " as agreed</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>\n",
        number, magnitude / 100, magnitude % 100, minor < 0 ? "DBIT" : "CRDT",
        1 + (int)(number % 28), 1 + (int)(number % 28), number, magnitude / 100, magnitude % 100,
        number % 5000, 100000 + number);
}

/* Writes a balanced camt.053.001.08 with one statement; returns its bytes. Deterministic. */
static int64_t bench_import_generate(FILE *file, int64_t entries)
{
    struct rv_random random = {.state = SEED};
    int64_t sum = 0;
    for (int64_t i = 0; i < entries; i++) {
        sum += (int64_t)rv_random_below(&random, 1000000) + 1;
    }
    fprintf(file,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
            "<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:camt.053.001.08\"><BkToCstmrStmt>"
            "<Stmt><Id>BENCH-1</Id><Acct><Id><IBAN>DE89370400440532013000</IBAN></Id>"
            "<Ccy>EUR</Ccy></Acct>"
            "<Bal><Tp><CdOrPrtry><Cd>OPBD</Cd></CdOrPrtry></Tp><Amt Ccy=\"EUR\">0</Amt>"
            "<CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2024-03-01</Dt></Dt></Bal>"
            "<Bal><Tp><CdOrPrtry><Cd>CLBD</Cd></CdOrPrtry></Tp><Amt Ccy=\"EUR\">%" PRId64
            ".%02" PRId64 "</Amt><CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2024-03-31</Dt></Dt></Bal>\n",
            sum / 100, sum % 100);
    random.state = SEED;
    for (int64_t i = 0; i < entries; i++) {
        entry(file, i, (int64_t)rv_random_below(&random, 1000000) + 1);
    }
    fprintf(file, "</Stmt></BkToCstmrStmt></Document>\n");
    return (int64_t)ftell(file);
}

static enum rv_code drop(void *self, const struct erp_exchange_call *call, struct rv_error *err)
{
    (void)self;
    (void)call;
    (void)err;
    return RV_OK;
}

/* ---- the whole road: the real program imports the file into a fresh company ---- */

static int child(const char *program, const char *const *arguments, int64_t *rss_kib)
{
    const char *argv[16] = {program};
    for (int i = 0; arguments[i] != NULL; i++) {
        argv[i + 1] = arguments[i];
    }
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY);
        dup2(null, 1);
        execv(program, (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    int status = 0;
    struct rusage usage = {0};
    RV_ASSERT(wait4(pid, &status, 0, &usage) == pid);
    if (rss_kib != NULL) {
        *rss_kib = usage.ru_maxrss;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void road(const struct bench_run *run, const char *path, int64_t entries)
{
    char program[1024];
    char state[] = "/tmp/rv-bench-XXXXXX";
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 16);
    RV_ASSERT(n > 0 && mkdtemp(state) != NULL);
    program[n] = '\0';
    snprintf(strrchr(program, '/'), 16, "/reeve");
    setenv("REEVE_STATE", state, 1);
    const char *const company[] = {"company", "create", "bench", NULL};
    const char *const policy[] = {"policy", "load", "policies/default.lua", NULL};
    const char *const account[] = {
        "do", "account.register",
        "{\"number\":\"1200\",\"name\":\"Bank\",\"kind\":\"asset\",\"role\":\"bank\","
        "\"iban\":\"" BENCH_IMPORT_IBAN "\"}",
        NULL};
    const char *const import[] = {"import", path, NULL};
    const char *const stop[] = {"db", "stop", NULL};
    int64_t rss_kib = 0;
    if (child(program, company, NULL) == 0 && child(program, policy, NULL) == 0 &&
        child(program, account, NULL) == 0) {
        int64_t start = rv_mono_us(rv_clock_system());
        int status = child(program, import, &rss_kib);
        double seconds = (double)(rv_mono_us(rv_clock_system()) - start) / 1e6;
        if (status == 0) {
            bench_report(run, "import", "camt053", "entries", (double)entries, "");
            bench_report(run, "import", "camt053", "seconds", seconds, "s");
            bench_report(run, "import", "camt053", "rss_mb", (double)rss_kib / 1024, "MiB");
        } else {
            fprintf(stderr, "import: reeve import ended with %d\n", status);
        }
    }
    child(program, stop, NULL);
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", state);
    if (system(command) != 0) {
        fprintf(stderr, "could not remove %s\n", state);
    }
}

static void import_run(const struct bench_run *run)
{
    char path[] = "/tmp/reeve-bench-XXXXXX";
    int fd = mkstemp(path);
    RV_ASSERT(fd >= 0);
    FILE *file = fdopen(fd, "wb");
    RV_ASSERT(file != NULL);
    int64_t bytes = bench_import_generate(file, ENTRIES_DEFAULT);
    RV_ASSERT(fclose(file) == 0);
    bench_report(run, "import", "camt053", "file_mb", (double)bytes / 1e6, "MB");
    struct rv_error err = {.code = RV_OK};
    struct erp_exchange_sink sink = {.call = drop};
    struct erp_exchange_report report;
    int64_t start = rv_mono_us(rv_clock_system());
    if (erp_exchange_read_file(path, &sink, &report, &err) == RV_OK) {
        bench_report(run, "import", "parse", "seconds",
                     (double)(rv_mono_us(rv_clock_system()) - start) / 1e6, "s");
    }
    road(run, path, ENTRIES_DEFAULT);
    unlink(path);
}

const struct bench bench_import = {"import", "a camt.053 with 200,000 entries into the books",
                                   import_run};
