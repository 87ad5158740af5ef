/* kernel_company.h -- the same sequence gives the same bits in any company.
 *
 * Sequences run alone in one piece; then cut into pieces, mixed at random with each other and with
 * adapters, without intermediate outputs: logits and hidden states must not change.
 */
#ifndef REEVE_TESTS_SUPPORT_KERNEL_COMPANY_H
#define REEVE_TESTS_SUPPORT_KERNEL_COMPANY_H

#include "kernels/backend.h"

/* `model`: a file or "tiny-llama/Q8_0".  Returns the number of complaints, each printed. */
int kernel_company_check(const char *model, const struct kernel_operations *operations,
                         const struct kernel_engine_options *engine, uint64_t seed);

#endif
