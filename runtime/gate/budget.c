/* budget.c -- the first question at the door: may this run still spend?  Checked before the call,
 * so that a limit is never passed and then regretted. */
#include "runtime/gate/gate.h"

#include <inttypes.h>

static enum rv_code over(const char *what, int64_t used, int64_t more, int64_t limit,
                         struct rv_error *err)
{
    if (limit < 0 || (more <= limit && used <= limit - more)) {
        return RV_OK;
    }
    rv_fail(err, RV_LIMIT,
            "budget \"%s\" is exhausted: %" PRId64 " used, %" PRId64 " asked, limit %" PRId64, what,
            used, more, limit);
    rv_hint(err, "Raise limits.%s in the agent's manifest, or let the plan do less.", what);
    return RV_LIMIT;
}

enum rv_code rv_budget_check(const struct rv_budget *budget, int64_t steps, int64_t calls,
                             int64_t tokens, int64_t money_minor, int64_t now_us,
                             struct rv_error *err)
{
    if (budget == NULL) {
        return RV_OK;
    }
    const struct {
        const char *name;
        int64_t used, more, limit;
    } rows[] = {
        {"steps", budget->steps_used, steps, budget->steps_limit},
        {"calls", budget->calls_used, calls, budget->calls_limit},
        {"tokens", budget->tokens_used, tokens, budget->tokens_limit},
        {"money_minor", budget->money_used_minor, money_minor, budget->money_limit_minor},
        {"depth", budget->depth_used, 0, budget->depth_limit},
        {"children", budget->children_used, 0, budget->children_limit},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        enum rv_code code = over(rows[i].name, rows[i].used, rows[i].more, rows[i].limit, err);
        if (code != RV_OK) {
            return code;
        }
    }
    if (budget->wall_deadline_us != 0 && now_us > budget->wall_deadline_us) {
        rv_fail(err, RV_LIMIT, "budget \"wall_ms\" is exhausted: the run is past its deadline");
        rv_hint(err, "Raise limits.wall_ms in the agent's manifest.");
        return RV_LIMIT;
    }
    return RV_OK;
}
