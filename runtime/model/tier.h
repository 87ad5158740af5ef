/* tier.h -- whose questions the model answers first: the setting model.tiers.
 *
 *     3=0,7=2     company 3 before everybody, company 7 behind everybody
 *
 * The others have RV_MODEL_TIER_USUAL.  A tier is served before the next one, and whoever waits
 * rises; within a tier companies take turns (kernels/serve/plan.c).
 *
 * Thread: made once, then read by any.
 */
#ifndef REEVE_RUNTIME_MODEL_TIER_H
#define REEVE_RUNTIME_MODEL_TIER_H

#include "runtime/base/error.h"

#include <stdint.h>

enum {
    RV_MODEL_TIER_USUAL = 1,
    RV_MODEL_TIER_MAX = 3,
    RV_MODEL_TIER_EMBED = 4 /* more for embeddings: behind everybody who waits for words */
};

struct rv_model_tiers;

/* NULL and "": all alike. */
RV_MUST enum rv_code rv_model_tiers_read(const char *text, struct rv_model_tiers **out,
                                         struct rv_error *err);
void rv_model_tiers_free(struct rv_model_tiers *tiers);                /* NULL is fine */
int rv_model_tier(const struct rv_model_tiers *tiers, int32_t tenant); /* NULL: all alike */

#endif
