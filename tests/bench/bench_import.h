/* bench_import.h -- the parts of the import benchmark that take another sink. */
#ifndef REEVE_TESTS_BENCH_BENCH_IMPORT_H
#define REEVE_TESTS_BENCH_BENCH_IMPORT_H

#include "erp/exchange/import.h"

#include <stdio.h>

/* Writes a balanced camt.053.001.08 with one statement; returns its bytes.  Deterministic. */
int64_t bench_import_generate(FILE *file, int64_t entries);
/* Imports `path` into `sink` and prints "<name>.seconds", ".lines_per_second", ".rss_mb". */
RV_MUST enum rv_code bench_import_run(const char *path, const char *name,
                                      const struct erp_exchange_sink *sink, struct rv_error *err);

#endif
