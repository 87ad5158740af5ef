/* sample.h -- one token out of a row of logits.
 *
 * Everything depends on the row, the mask, the settings and (seed, position) alone: who else is in
 * the batch cannot change a choice.  Equal logits: the lowest id.  Sums go in the order of ids.
 *
 * A draw: the weight of a token is exp((logit - best) / temperature).  Of those within min_p
 * (without it e^-40) of the best, top_k leaves the best k, and top_p of these the fewest of the
 * best whose weights reach top_p of the sum; for this a weight is a whole number of 2^-42, rounded,
 * so that the sums are exact.  Then the (seed, position) number in [0, 1) falls on one of those
 * that are left, laid side by side in the order of ids, each as wide as its weight.
 *
 * Sources: top-p (Holtzman et al. 2020), min-p (Nguyen et al. 2024), Philox 4x32-10 (Salmon et al.
 * 2011).  Pure; any thread.  Private to kernels.
 */
#ifndef REEVE_KERNELS_SERVE_SAMPLE_H
#define REEVE_KERNELS_SERVE_SAMPLE_H

#include "kernels/backend.h"

/* In [0, 1): the same for the same seed and position. */
double kernel_uniform(uint64_t seed, uint64_t position);

/* `mask`: one bit a token, NULL all may come.  -1: none may. */
int32_t kernel_sample(const float *logits, uint32_t vocabulary, const uint64_t *mask,
                      const struct kernel_sampling *sampling, uint64_t position);

/* The same question for a backend that answers it where the logits are; row and alternatives are
 * the caller's to add. */
void kernel_pick_make(const struct kernel_sampling *sampling, uint64_t position,
                      const uint64_t *mask, struct kernel_pick *out);

/* log(sum(exp(logits))), in double. */
double kernel_log_sum(const float *logits, uint32_t vocabulary);
/* log p of a token over the whole row, logits divided by `temperature`; with 1 to the bit
 * logit - kernel_log_sum. */
double kernel_log_p(const float *logits, uint32_t vocabulary, int32_t token, double temperature);
/* The most probable tokens, best first, over the whole row. */
void kernel_top(const float *logits, uint32_t vocabulary, uint32_t count,
                struct kernel_logprob *out);

#endif
