/* raise.c -- see raise.h. */
#include "runtime/run/raise.h"

#include "erp/domain/money.h"
#include "runtime/base/check.h"

#include <string.h>

enum { REASON_MAX = 1000 };

static const char *const raised_names[] = {"steps",    "calls",   "tokens",     "risk",
                                           "children", "wall_ms", "money_minor"};

static enum rv_code check_amount(const char *name, const json_t *value, struct rv_error *err)
{
    if (!json_is_integer(value) || json_integer_value(value) <= 0 ||
        json_integer_value(value) > RV_RUN_RAISE_MAX) {
        return rv_fail(err, RV_INVALID, "%s must be an integer from 1 to %lld: it is added", name,
                       (long long)RV_RUN_RAISE_MAX);
    }
    return RV_OK;
}

static enum rv_code check_currencies(const json_t *money, struct rv_error *err)
{
    const char *currency;
    json_t *minor;
    if (!json_is_object(money) || json_object_size(money) == 0) {
        return rv_fail(err, RV_INVALID,
                       "money has minor units by currency, e.g. {\"EUR\": 500000}");
    }
    json_object_foreach((json_t *)(uintptr_t)money, currency, minor)
    {
        if (erp_currency_digits(currency) < 0) {
            rv_fail(err, RV_INVALID, "money: \"%.8s\" is no currency such as EUR", currency);
            rv_hint(err, "Give the code of ISO 4217 of a currency that one can pay in.");
            return RV_INVALID;
        }
        if (check_amount(currency, minor, err) != RV_OK) {
            return RV_INVALID;
        }
    }
    return RV_OK;
}

enum rv_code rv_run_check_raise(const json_t *more, const char **field, struct rv_error *err)
{
    int given = 0;
    for (size_t i = 0; i < RV_COUNT(raised_names); i++) {
        const json_t *value = json_object_get(more, raised_names[i]);
        *field = raised_names[i];
        given += value != NULL;
        if (value != NULL && check_amount(raised_names[i], value, err) != RV_OK) {
            return RV_INVALID;
        }
    }
    const json_t *money = json_object_get(more, "money");
    *field = "money";
    given += money != NULL;
    if (money != NULL && check_currencies(money, err) != RV_OK) {
        return RV_INVALID;
    }
    const char *reason = rv_json_str(more, "reason", "");
    *field = "reason";
    if (reason[0] == '\0' || strlen(reason) > REASON_MAX) {
        return rv_fail(err, RV_INVALID, "reason must have 1 to %d bytes: it goes on the record",
                       REASON_MAX);
    }
    *field = "steps";
    if (given == 0) {
        return rv_fail(err, RV_INVALID,
                       "nothing is raised: name steps, calls, tokens, risk, children, wall_ms, "
                       "money or money_minor");
    }
    *field = NULL;
    return RV_OK;
}
