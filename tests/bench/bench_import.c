/* bench_import.c -- a camt.053 with 200,000 entries: seconds and resident memory.
 *
 *   bench_import [entries] [file]      default 200000 and a temporary file that is removed
 *
 * Prints one line a measurement: name value unit.  The parsing part is erp/exchange alone, with a
 * sink that drops what it gets; `bench_import_run` takes any sink, so the road through the
 * committer is measured by the same code (see the end of this file).
 * Goal of the design: 200,000 entries (70 MB) imported in 20 s within 32 MB.
 */
#include "tests/bench/bench_import.h"

#include "runtime/base/check.h"
#include "runtime/base/clock.h"
#include "runtime/base/random.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

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

int64_t bench_import_generate(FILE *file, int64_t entries)
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

enum rv_code bench_import_run(const char *path, const char *name,
                              const struct erp_exchange_sink *sink, struct rv_error *err)
{
    struct erp_exchange_report report;
    int64_t start = rv_mono_us(rv_clock_system());
    enum rv_code code = erp_exchange_read_file(path, sink, &report, err);
    double seconds = (double)(rv_mono_us(rv_clock_system()) - start) / 1e6;
    struct rusage usage;
    RV_ASSERT(getrusage(RUSAGE_SELF, &usage) == 0);
    if (code == RV_OK) {
        printf("%s.seconds %.3f s\n", name, seconds);
        printf("%s.lines_per_second %.0f 1/s\n", name, (double)report.lines / seconds);
        printf("%s.rss_mb %.1f MiB\n", name, (double)usage.ru_maxrss / 1024);
        printf("%s.lines %" PRId64 " lines\n", name, report.lines);
        printf("%s.quarantined %d statements\n", name, report.quarantined);
    }
    return code;
}

static enum rv_code drop(void *self, const struct erp_exchange_call *call, struct rv_error *err)
{
    (void)self;
    (void)call;
    (void)err;
    return RV_OK;
}

int main(int argc, char **argv)
{
    int64_t entries = argc > 1 ? strtoll(argv[1], NULL, 10) : ENTRIES_DEFAULT;
    char made[] = "/tmp/reeve-bench-XXXXXX";
    const char *path = argc > 2 ? argv[2] : made;
    if (argc <= 2) {
        int fd = mkstemp(made);
        RV_ASSERT(fd >= 0);
        FILE *file = fdopen(fd, "wb");
        RV_ASSERT(file != NULL);
        printf("import.file_mb %.1f MB\n", (double)bench_import_generate(file, entries) / 1e6);
        RV_ASSERT(fclose(file) == 0);
    }
    struct rv_error err = {.code = RV_OK};
    struct erp_exchange_sink sink = {.call = drop};
    enum rv_code code = bench_import_run(path, "import.parse", &sink, &err);
    /* The road through the committer: the same call with a sink that submits units and waits. */
    if (argc <= 2) {
        unlink(made);
    }
    if (code != RV_OK) {
        fprintf(stderr, "bench_import: %s\n", err.message);
    }
    return rv_code_exit_status(code);
}
