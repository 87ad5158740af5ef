/* tier.c -- see tier.h. */
#include "runtime/model/tier.h"

#include "runtime/base/check.h"

#include <stdio.h>

struct rv_model_tiers {
    struct {
        int32_t tenant;
        int tier;
    } * at;
    size_t count;
};

static bool has(const struct rv_model_tiers *tiers, int32_t tenant)
{
    size_t i = 0;
    while (i < tiers->count && tiers->at[i].tenant != tenant) {
        i++;
    }
    return i < tiers->count;
}

enum rv_code rv_model_tiers_read(const char *text, struct rv_model_tiers **out,
                                 struct rv_error *err)
{
    struct rv_model_tiers *tiers = rv_alloc(sizeof *tiers);
    for (const char *at = text != NULL ? text : ""; *at != '\0';) {
        int tenant = 0;
        int tier = 0;
        int used = 0;
        if (sscanf(at, " %9d = %2d %n", &tenant, &tier, &used) != 2 || tenant < 1 || tier < 0 ||
            tier > RV_MODEL_TIER_MAX || (at[used] != ',' && at[used] != '\0')) {
            rv_fail(err, RV_INVALID, "model.tiers: \"%.40s\" is not NUMBER=TIER", at);
            rv_hint(err, "Write it as in 3=0,7=2: company 3 has tier 0; tiers are 0 to %d.",
                    RV_MODEL_TIER_MAX);
            rv_model_tiers_free(tiers);
            return RV_INVALID;
        }
        if (has(tiers, tenant)) {
            rv_fail(err, RV_INVALID, "model.tiers: company %d has two tiers", tenant);
            rv_hint(err, "Name each company once.");
            rv_model_tiers_free(tiers);
            return RV_INVALID;
        }
        tiers->at = rv_realloc(tiers->at, (tiers->count + 1) * sizeof *tiers->at);
        tiers->at[tiers->count].tenant = tenant;
        tiers->at[tiers->count++].tier = tier;
        at += used + (at[used] == ',');
    }
    *out = tiers;
    return RV_OK;
}

void rv_model_tiers_free(struct rv_model_tiers *tiers)
{
    if (tiers != NULL) {
        rv_free(tiers->at);
        rv_free(tiers);
    }
}

int rv_model_tier(const struct rv_model_tiers *tiers, int32_t tenant)
{
    int tier = RV_MODEL_TIER_USUAL;
    for (size_t i = 0; tiers != NULL && i < tiers->count; i++) {
        tier = tiers->at[i].tenant == tenant ? tiers->at[i].tier : tier;
    }
    return tier;
}
