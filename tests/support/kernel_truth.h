/* kernel_truth.h -- a backend against reference values that were computed in float64 elsewhere.
 *
 * Data: ../shared/data/llm (its SOURCES.md says where each file is from).  Where the folder is
 * absent kernel_truth_there is false and programs end with TEST_SKIP_STATUS.
 */
#ifndef REEVE_TESTS_SUPPORT_KERNEL_TRUTH_H
#define REEVE_TESTS_SUPPORT_KERNEL_TRUTH_H

#include "tests/support/kernel_ops.h"

#define KERNEL_TRUTH_FOLDER "../shared/data/llm"

bool kernel_truth_there(void); /* says why not */

/* Logits, greedy continuation and embedding of every case of truth/<name>.json within the bands of
 * that precision; returns the number of complaints, each printed, and prints the worst figures. */
int kernel_truth_check(const char *name, const struct kernel_operations *operations,
                       const struct kernel_engine_options *engine, enum kernel_precision precision);

#endif
