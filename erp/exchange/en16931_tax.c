/* en16931_tax.c -- the tax categories: ten rules each, written once and tabled nine times.
 *
 *   S standard rated   Z zero rated   E exempt   AE reverse charge   K intra-community (IC)
 *   G export   O not subject to VAT   L Canary Islands (AF)   M Ceuta and Melilla (AG)
 *
 * A rule's `with` is its category code.  Only categories under the scheme VAT count.
 */
#include "erp/exchange/en16931_internal.h"

#include "runtime/base/check.h"

#include <string.h>

/* ---- helpers ---- */

static const char *wanted(const struct en_check *check)
{
    return check->rule->with;
}

static bool is(const struct erp_ubl_node *category, const char *code)
{
    return en_is_vat(category) && strcmp(EN_TEXT(category, UBL_ID), code) == 0;
}

/* S, L and M are rated: their breakdowns are one for each rate. */
static bool rated(const char *code)
{
    return en_in_list("S L M", code);
}

/* The first category of a line, or the category of an allowance or a breakdown. */
static const struct erp_ubl_node *category_of(const struct erp_ubl_node *node)
{
    return en_same(node->name, UBL_InvoiceLine) ? EN_AT(node, UBL_Item, UBL_ClassifiedTaxCategory)
                                                : erp_ubl_child(node, UBL_TaxCategory);
}

static int lines_of(const struct erp_ubl_node *root, const char *code)
{
    int count = 0;
    for (const struct erp_ubl_node *node = root->first; node != NULL; node = node->next) {
        count += en_same(node->name, UBL_InvoiceLine) && is(category_of(node), code);
    }
    return count;
}

static int allowances_of(const struct erp_ubl_node *root, const char *code)
{
    int count = 0;
    UBL_EACH(node, root, UBL_AllowanceCharge)
    {
        count += is(category_of(node), code);
    }
    return count;
}

static int breakdowns_of(const struct erp_ubl_node *root, const char *code)
{
    int count = 0;
    UBL_EACH(total, root, UBL_TaxTotal)
    {
        UBL_EACH(item, total, UBL_TaxSubtotal)
        {
            count += is(category_of(item), code);
        }
    }
    return count;
}

/* Calls for every breakdown of the rule's category. */
static void each_breakdown(struct en_check *check,
                           void (*call)(struct en_check *check, const struct erp_ubl_node *item))
{
    UBL_EACH(total, check->root, UBL_TaxTotal)
    {
        UBL_EACH(item, total, UBL_TaxSubtotal)
        {
            if (is(category_of(item), wanted(check))) {
                call(check, item);
            }
        }
    }
}

/* ---- 01: lines and allowances of a category need its breakdown ---- */

static void one_breakdown(struct en_check *check)
{
    const char *code = wanted(check);
    int uses = lines_of(check->root, code) + allowances_of(check->root, code);
    int breakdowns = breakdowns_of(check->root, code);
    bool holds = rated(code) ? (uses > 0) == (breakdowns > 0)
                             : (uses == 0 && breakdowns == 0) || breakdowns == 1;
    if (!holds) {
        en_fail(check, check->root);
    }
}

/* ---- 02, 03, 04: who must be registered ---- */

static bool registered(const struct erp_ubl_node *party, bool vat_only)
{
    UBL_EACH(registration, party, UBL_PartyTaxScheme)
    {
        if (EN_TEXT(registration, UBL_CompanyID)[0] != '\0' &&
            (!vat_only || en_is_vat(registration))) {
            return true;
        }
    }
    return false;
}

static void parties_registered(struct en_check *check)
{
    const char *code = wanted(check);
    const struct erp_ubl_node *seller = EN_AT(check->root, UBL_AccountingSupplierParty, UBL_Party);
    const struct erp_ubl_node *buyer = EN_AT(check->root, UBL_AccountingCustomerParty, UBL_Party);
    const struct erp_ubl_node *agent = EN_AT(check->root, UBL_TaxRepresentativeParty);
    bool strict = en_in_list("K G", code); /* a local tax number does not do across borders */
    bool sells = registered(seller, strict) || registered(agent, true);
    bool holds = sells;
    if (strcmp(code, "AE") == 0) {
        holds = sells && (registered(buyer, true) ||
                          EN_TEXT(buyer, UBL_PartyLegalEntity, UBL_CompanyID)[0] != '\0');
    } else if (strcmp(code, "K") == 0) {
        holds = sells && registered(buyer, true);
    } else if (strcmp(code, "O") == 0) {
        holds = !registered(seller, true) && !registered(agent, true) && !registered(buyer, true);
    }
    if (!holds) {
        en_fail(check, check->root);
    }
}

static void line_parties(struct en_check *check)
{
    if (lines_of(check->root, wanted(check)) > 0) {
        parties_registered(check);
    }
}

static void allowance_parties_if(struct en_check *check, bool charge)
{
    UBL_EACH(node, check->root, UBL_AllowanceCharge)
    {
        if (en_is_charge(node) == charge && is(category_of(node), wanted(check))) {
            parties_registered(check);
            return;
        }
    }
}

static void allowance_parties(struct en_check *check)
{
    allowance_parties_if(check, false);
}

static void charge_parties(struct en_check *check)
{
    allowance_parties_if(check, true);
}

/* ---- 05, 06, 07: which rate a category may have ---- */

static void rate_fits(struct en_check *check, const struct erp_ubl_node *node)
{
    const struct erp_ubl_node *category = category_of(node);
    const char *code = wanted(check);
    if (!is(category, code)) {
        return;
    }
    en_number rate = 0;
    bool given = en_number_of(erp_ubl_child(category, UBL_Percent), &rate);
    bool holds = strcmp(code, "S") == 0   ? given && rate > 0
                 : strcmp(code, "O") == 0 ? erp_ubl_child(category, UBL_Percent) == NULL
                 : rated(code)            ? given && rate >= 0
                                          : given && rate == 0;
    if (!holds) {
        en_fail(check, node);
    }
}

static void line_rate(struct en_check *check)
{
    static const enum erp_ubl_name lines[] = {UBL_InvoiceLine, UBL_NONE};
    en_each(check, check->root, lines, rate_fits);
}

static void allowance_rate_if(struct en_check *check, bool charge)
{
    UBL_EACH(node, check->root, UBL_AllowanceCharge)
    {
        if (en_is_charge(node) == charge) {
            rate_fits(check, node);
        }
    }
}

static void allowance_rate(struct en_check *check)
{
    allowance_rate_if(check, false);
}

static void charge_rate(struct en_check *check)
{
    allowance_rate_if(check, true);
}

/* ---- 08: the base of a breakdown is what lines, charges and allowances sum to ---- */

/* By code alone: the public artefacts do not ask for the scheme in these sums. */
static bool counts(const struct erp_ubl_node *node, const char *code, bool by_rate, en_number rate)
{
    const struct erp_ubl_node *category = category_of(node);
    en_number own = 0;
    return strcmp(EN_TEXT(category, UBL_ID), code) == 0 &&
           (!by_rate || (en_number_of(erp_ubl_child(category, UBL_Percent), &own) && own == rate));
}

static void base_fits(struct en_check *check, const struct erp_ubl_node *item)
{
    const char *code = wanted(check);
    en_number rate = 0;
    bool by_rate = rated(code);
    if (by_rate && !en_number_of(EN_AT(item, UBL_TaxCategory, UBL_Percent), &rate)) {
        return; /* BR-48 says that the rate is missing */
    }
    en_number sum = 0;
    for (const struct erp_ubl_node *node = check->root->first; node != NULL; node = node->next) {
        if (en_same(node->name, UBL_InvoiceLine) && counts(node, code, by_rate, rate)) {
            sum += en_number_or_zero(erp_ubl_child(node, UBL_LineExtensionAmount));
        } else if (node->name == UBL_AllowanceCharge && counts(node, code, by_rate, rate)) {
            en_number amount = en_number_or_zero(erp_ubl_child(node, UBL_Amount));
            sum += en_is_charge(node) ? amount : -amount;
        }
    }
    en_number base = en_number_or_zero(erp_ubl_child(item, UBL_TaxableAmount));
    en_number difference = base - sum;
    bool holds = by_rate ? difference < en_whole(1) && difference > -en_whole(1) : difference == 0;
    if (!holds) {
        en_fail_numbers(check, item, sum, base);
    }
}

static void base(struct en_check *check)
{
    each_breakdown(check, base_fits);
}

/* ---- 09: the tax of a breakdown ---- */

static void amount_fits(struct en_check *check, const struct erp_ubl_node *item)
{
    en_number tax = en_number_or_zero(erp_ubl_child(item, UBL_TaxAmount));
    en_number expected = 0;
    en_number tolerance = 0;
    if (rated(wanted(check))) {
        expected = en_percent(en_number_or_zero(erp_ubl_child(item, UBL_TaxableAmount)),
                              en_number_or_zero(EN_AT(item, UBL_TaxCategory, UBL_Percent)));
        tolerance = en_whole(1) - 1;
    }
    en_number difference = (tax < 0 ? -tax : tax) - (expected < 0 ? -expected : expected);
    if (difference > tolerance || difference < -tolerance) {
        en_fail_numbers(check, item, expected, tax);
    }
}

static void amount(struct en_check *check)
{
    each_breakdown(check, amount_fits);
}

/* ---- 10: who must give a reason for taking no tax ---- */

static void reason_fits(struct en_check *check, const struct erp_ubl_node *item)
{
    const struct erp_ubl_node *category = category_of(item);
    bool given = EN_TEXT(category, UBL_TaxExemptionReason)[0] != '\0' ||
                 EN_TEXT(category, UBL_TaxExemptionReasonCode)[0] != '\0';
    if (given == en_in_list("S Z L M", wanted(check))) {
        en_fail(check, item);
    }
}

static void reason(struct en_check *check)
{
    each_breakdown(check, reason_fits);
}

/* ---- rules of single categories ---- */

static void delivery_date(struct en_check *check)
{
    const struct erp_ubl_node *period = EN_AT(check->root, UBL_InvoicePeriod);
    if (breakdowns_of(check->root, "K") > 0 &&
        strlen(EN_TEXT(check->root, UBL_Delivery, UBL_ActualDeliveryDate)) < 2 &&
        (period == NULL || period->first == NULL)) {
        en_fail(check, check->root);
    }
}

static void delivery_country(struct en_check *check)
{
    if (breakdowns_of(check->root, "K") > 0 &&
        strlen(EN_TEXT(check->root, UBL_Delivery, UBL_DeliveryLocation, UBL_Address, UBL_Country,
                       UBL_IdentificationCode)) < 2) {
        en_fail(check, check->root);
    }
}

/* Where one breakdown is "not subject", everything must be. */
static void only_breakdown(struct en_check *check)
{
    if (breakdowns_of(check->root, "O") == 0) {
        return;
    }
    UBL_EACH(total, check->root, UBL_TaxTotal)
    {
        UBL_EACH(item, total, UBL_TaxSubtotal)
        {
            if (!is(category_of(item), "O")) {
                en_fail(check, item);
            }
        }
    }
}

static void only_lines(struct en_check *check)
{
    if (breakdowns_of(check->root, "O") == 0) {
        return;
    }
    for (const struct erp_ubl_node *node = check->root->first; node != NULL; node = node->next) {
        if (en_same(node->name, UBL_InvoiceLine) && !is(category_of(node), "O")) {
            en_fail(check, node);
        }
    }
}

static void only_allowances_if(struct en_check *check, bool charge)
{
    if (breakdowns_of(check->root, "O") == 0) {
        return;
    }
    UBL_EACH(node, check->root, UBL_AllowanceCharge)
    {
        if (en_is_charge(node) == charge && !is(category_of(node), "O")) {
            en_fail(check, node);
        }
    }
}

static void only_allowances(struct en_check *check)
{
    only_allowances_if(check, false);
}

static void only_charges(struct en_check *check)
{
    only_allowances_if(check, true);
}

static void category_listed(struct en_check *check, const struct erp_ubl_node *node)
{
    const char *code = EN_TEXT(node, UBL_TaxCategory, UBL_ID);
    if (code[0] != '\0' && !en_in_list(check->rule->with, code)) {
        en_fail(check, node);
    }
}

static void category_codes(struct en_check *check)
{
    static const enum erp_ubl_name allowances[] = {UBL_AllowanceCharge, UBL_NONE};
    static const enum erp_ubl_name breakdowns[] = {UBL_TaxTotal, UBL_TaxSubtotal, UBL_NONE};
    en_each(check, check->root, allowances, category_listed);
    en_each(check, check->root, breakdowns, category_listed);
}

/* ---- the table ---- */

#define RULE(id, fn, text, code)                                                                   \
    {                                                                                              \
        id, true, fn, text, {0}, {0}, code                                                         \
    }
#define FAMILY(p, code, name)                                                                      \
    RULE(p "-01", one_breakdown, name ": lines or allowances and the tax breakdown do not agree",  \
         code),                                                                                    \
        RULE(p "-02", line_parties, name " on a line: a party's tax registration does not fit",    \
             code),                                                                                \
        RULE(p "-03", allowance_parties,                                                           \
             name " on an allowance: a party's tax registration does not fit", code),              \
        RULE(p "-04", charge_parties,                                                              \
             name " on a charge: a party's tax registration does not fit", code),                  \
        RULE(p "-05", line_rate, name ": a line's rate does not fit the category", code),          \
        RULE(p "-06", allowance_rate, name ": an allowance's rate does not fit the category",      \
             code),                                                                                \
        RULE(p "-07", charge_rate, name ": a charge's rate does not fit the category", code),      \
        RULE(p "-08", base,                                                                        \
             name ": the tax base is not lines plus charges less allowances of the category",      \
             code),                                                                                \
        RULE(p "-09", amount, name ": the tax amount does not fit base and rate", code),           \
        RULE(p "-10", reason, name ": an exemption reason is missing, or given without need",      \
             code)

const struct en_rule en_tax_rules[] = {
    FAMILY("BR-S", "S", "standard rate"),
    FAMILY("BR-Z", "Z", "zero rate"),
    FAMILY("BR-E", "E", "exempt"),
    FAMILY("BR-AE", "AE", "reverse charge"),
    FAMILY("BR-IC", "K", "intra-community supply"),
    FAMILY("BR-G", "G", "export"),
    FAMILY("BR-O", "O", "not subject to VAT"),
    FAMILY("BR-AF", "L", "Canary Islands tax"),
    FAMILY("BR-AG", "M", "Ceuta and Melilla tax"),
    RULE("BR-IC-11", delivery_date,
         "intra-community supply without delivery date or invoicing period", NULL),
    RULE("BR-IC-12", delivery_country, "intra-community supply without country of delivery", NULL),
    RULE("BR-O-11", only_breakdown, "not subject to VAT beside another tax breakdown", NULL),
    RULE("BR-O-12", only_lines, "not subject to VAT, but a line has another category", NULL),
    RULE("BR-O-13", only_allowances, "not subject to VAT, but an allowance has another category",
         NULL),
    RULE("BR-O-14", only_charges, "not subject to VAT, but a charge has another category", NULL),
    RULE("BR-CL-17", category_codes, "a tax category of a breakdown or allowance is unknown",
         "AE B E G K L M O S Z"),
};
const int en_tax_count = (int)RV_COUNT(en_tax_rules);
