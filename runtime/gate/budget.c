/* budget.c -- the first question at the door: may this run still spend?  Checked before the call,
 * so that a limit is never passed and then regretted. */
#include "runtime/gate/gate.h"

#include <inttypes.h>
#include <string.h>

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

/* The limit that `money` counts against; NULL when there is none for its currency. */
static const struct rv_money_limit *limit_for(const struct rv_budget *budget,
                                              const struct rv_money *money)
{
    for (int i = 0; i < budget->money_count; i++) {
        const char *currency = budget->money[i].currency;
        if (currency[0] == '\0' ? money->home : strcmp(currency, money->currency) == 0) {
            return &budget->money[i];
        }
    }
    return NULL;
}

static enum rv_code check_money(const struct rv_budget *budget, const struct rv_money *money,
                                struct rv_error *err)
{
    if (budget->money_count == 0 || money == NULL || money->minor == 0) {
        return RV_OK;
    }
    const struct rv_money_limit *limit = limit_for(budget, money);
    if (limit == NULL) {
        rv_fail(err, RV_LIMIT, "budget \"money\" has no limit for %s: %" PRId64 " asked",
                money->currency[0] != '\0' ? money->currency : "an amount without a currency",
                money->minor);
        rv_hint(err, "Nothing is converted: name the currency in limits.money of the agent's "
                     "manifest, e.g. { EUR = 500000, USD = 100000 }.");
        return RV_LIMIT;
    }
    if (money->minor <= limit->limit_minor &&
        limit->used_minor <= limit->limit_minor - money->minor) {
        return RV_OK;
    }
    rv_fail(err, RV_LIMIT,
            "budget \"money\" is exhausted: %" PRId64 " used, %" PRId64 " asked, limit %" PRId64
            " (minor units of %s)",
            limit->used_minor, money->minor, limit->limit_minor, money->currency);
    rv_hint(err, "Raise limits.money in the agent's manifest, or let the plan do less.");
    return RV_LIMIT;
}

int64_t rv_budget_money_left(const struct rv_budget *budget, const char *currency, bool home)
{
    struct rv_money money = {.home = home};
    snprintf(money.currency, sizeof money.currency, "%s", currency);
    const struct rv_money_limit *limit = limit_for(budget, &money);
    if (budget->money_count == 0) {
        return -1;
    }
    return limit == NULL || limit->used_minor > limit->limit_minor
               ? 0
               : limit->limit_minor - limit->used_minor;
}

void rv_budget_spend(struct rv_budget *budget, const struct rv_money *money)
{
    struct rv_money_limit *limit = (struct rv_money_limit *)(uintptr_t)limit_for(budget, money);
    if (limit != NULL &&
        __builtin_add_overflow(limit->used_minor, money->minor, &limit->used_minor)) {
        limit->used_minor = INT64_MAX;
    }
}

enum rv_code rv_budget_check(const struct rv_budget *budget, int64_t steps, int64_t calls,
                             int64_t tokens, int64_t risk, const struct rv_money *money,
                             int64_t now_us, struct rv_error *err)
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
        {"risk", budget->risk_used, risk, budget->risk_limit},
        {"depth", budget->depth_used, 0, budget->depth_limit},
        {"children", budget->children_used, 0, budget->children_limit},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        enum rv_code code = over(rows[i].name, rows[i].used, rows[i].more, rows[i].limit, err);
        if (code != RV_OK) {
            return code;
        }
    }
    enum rv_code spent = check_money(budget, money, err);
    if (spent != RV_OK) {
        return spent;
    }
    if (budget->wall_deadline_us != 0 && now_us > budget->wall_deadline_us) {
        rv_fail(err, RV_LIMIT, "budget \"wall_ms\" is exhausted: the run is past its deadline");
        rv_hint(err, "Raise limits.wall_ms in the agent's manifest.");
        return RV_LIMIT;
    }
    return RV_OK;
}
