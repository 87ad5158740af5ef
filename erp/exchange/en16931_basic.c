/* en16931_basic.c -- presence, dates, totals and decimals; see en16931.h.
 *
 * Most rules are one row: every node at `where` must have `what`.  Texts are our own words.
 */
#include "erp/exchange/en16931_internal.h"

#include "runtime/base/check.h"

#include <string.h>

/* ---- presence ---- */

static void text_at(struct en_check *check, const struct erp_ubl_node *node)
{
    if (erp_ubl_text(en_at(node, check->rule->what))[0] == '\0') {
        en_fail(check, node);
    }
}

static void needs_text(struct en_check *check)
{
    en_each(check, check->root, check->rule->where, text_at);
}

static void node_at(struct en_check *check, const struct erp_ubl_node *node)
{
    if (en_at(node, check->rule->what) == NULL) {
        en_fail(check, node);
    }
}

static void needs_node(struct en_check *check)
{
    en_each(check, check->root, check->rule->where, node_at);
}

static void type_code(struct en_check *check)
{
    if (EN_TEXT(check->root,
                check->credit_note ? UBL_CreditNoteTypeCode : UBL_InvoiceTypeCode)[0] == '\0') {
        en_fail(check, check->root);
    }
}

static void unit_at(struct en_check *check, const struct erp_ubl_node *node)
{
    const struct erp_ubl_node *quantity = EN_AT(node, UBL_InvoicedQuantity);
    if (quantity == NULL || quantity->unit == NULL) {
        en_fail(check, node);
    }
}

static void needs_unit(struct en_check *check)
{
    en_each(check, check->root, check->rule->where, unit_at);
}

static void scheme_at(struct en_check *check, const struct erp_ubl_node *node)
{
    bool list = strcmp(check->rule->with, "list") == 0;
    if ((list ? node->list : node->scheme) == NULL) {
        en_fail(check, node);
    }
}

static void needs_scheme(struct en_check *check)
{
    en_each(check, check->root, check->rule->where, scheme_at);
}

static void allowance_amount_at(struct en_check *check, const struct erp_ubl_node *node)
{
    if (en_meant(check, node) && EN_TEXT(node, UBL_Amount)[0] == '\0') {
        en_fail(check, node);
    }
}

static void allowance_amount(struct en_check *check)
{
    en_each(check, check->root, check->rule->where, allowance_amount_at);
}

static void allowance_category_at(struct en_check *check, const struct erp_ubl_node *node)
{
    const struct erp_ubl_node *category = erp_ubl_child(node, UBL_TaxCategory);
    if (en_meant(check, node) && (!en_is_vat(category) || EN_TEXT(category, UBL_ID)[0] == '\0')) {
        en_fail(check, node);
    }
}

static void allowance_category(struct en_check *check)
{
    en_each(check, check->root, check->rule->where, allowance_category_at);
}

static void allowance_reason_at(struct en_check *check, const struct erp_ubl_node *node)
{
    if (en_meant(check, node) && EN_TEXT(node, UBL_AllowanceChargeReason)[0] == '\0' &&
        EN_TEXT(node, UBL_AllowanceChargeReasonCode)[0] == '\0') {
        en_fail(check, node);
    }
}

static void allowance_reason(struct en_check *check)
{
    en_each(check, check->root, check->rule->where, allowance_reason_at);
}

static void payee_at(struct en_check *check, const struct erp_ubl_node *node)
{
    const struct erp_ubl_node *seller = EN_AT(check->root, UBL_AccountingSupplierParty, UBL_Party);
    const char *name = EN_TEXT(node, UBL_PartyName, UBL_Name);
    const char *id = EN_TEXT(node, UBL_PartyIdentification, UBL_ID);
    if (name[0] == '\0' || strcmp(name, EN_TEXT(seller, UBL_PartyName, UBL_Name)) == 0 ||
        (id[0] != '\0' && strcmp(id, EN_TEXT(seller, UBL_PartyIdentification, UBL_ID)) == 0)) {
        en_fail(check, node);
    }
}

static void payee(struct en_check *check)
{
    en_each(check, check->root, check->rule->where, payee_at);
}

static void vat_number_at(struct en_check *check, const struct erp_ubl_node *node)
{
    UBL_EACH(registration, node, UBL_PartyTaxScheme)
    {
        if (en_is_vat(registration) && EN_TEXT(registration, UBL_CompanyID)[0] != '\0') {
            return;
        }
    }
    en_fail(check, node);
}

static void needs_vat_number(struct en_check *check)
{
    en_each(check, check->root, check->rule->where, vat_number_at);
}

static void category_code_at(struct en_check *check, const struct erp_ubl_node *node)
{
    const struct erp_ubl_node *category = en_at(node, check->rule->what);
    if (!en_is_vat(category) || EN_TEXT(category, UBL_ID)[0] == '\0') {
        en_fail(check, node);
    }
}

static void needs_category_code(struct en_check *check)
{
    en_each(check, check->root, check->rule->where, category_code_at);
}

static void rate_at(struct en_check *check, const struct erp_ubl_node *node)
{
    const struct erp_ubl_node *category = erp_ubl_child(node, UBL_TaxCategory);
    if (!en_is_vat(category) || (EN_TEXT(category, UBL_Percent)[0] == '\0' &&
                                 strcmp(EN_TEXT(category, UBL_ID), "O") != 0)) {
        en_fail(check, node);
    }
}

static void needs_rate(struct en_check *check)
{
    en_each(check, check->root, check->rule->where, rate_at);
}

static bool is_transfer(const struct erp_ubl_node *means)
{
    return en_in_list("30 58", EN_TEXT(means, UBL_PaymentMeansCode));
}

static void account_at(struct en_check *check, const struct erp_ubl_node *node)
{
    const struct erp_ubl_node *account = EN_AT(node, UBL_PayeeFinancialAccount);
    bool strict = strcmp(check->rule->with, "account") == 0;
    if (is_transfer(node) && (account != NULL || strict) && EN_TEXT(account, UBL_ID)[0] == '\0') {
        en_fail(check, node);
    }
}

static void transfer_account(struct en_check *check)
{
    en_each(check, check->root, check->rule->where, account_at);
}

static void card_at(struct en_check *check, const struct erp_ubl_node *node)
{
    if (strlen(node->text) > 10) {
        en_fail(check, node);
    }
}

static void card_digits(struct en_check *check)
{
    en_each(check, check->root, check->rule->where, card_at);
}

static void property_at(struct en_check *check, const struct erp_ubl_node *node)
{
    if (EN_TEXT(node, UBL_Name)[0] == '\0' || EN_TEXT(node, UBL_Value)[0] == '\0') {
        en_fail(check, node);
    }
}

static void property(struct en_check *check)
{
    en_each(check, check->root, check->rule->where, property_at);
}

static void tax_currency(struct en_check *check)
{
    const char *currency = EN_TEXT(check->root, UBL_TaxCurrencyCode);
    if (currency[0] == '\0') {
        return;
    }
    UBL_EACH(total, check->root, UBL_TaxTotal)
    {
        const struct erp_ubl_node *amount = erp_ubl_child(total, UBL_TaxAmount);
        if (amount != NULL && amount->currency != NULL && strcmp(amount->currency, currency) == 0) {
            return;
        }
    }
    en_fail(check, check->root);
}

/* ---- dates ---- */

static void period_at(struct en_check *check, const struct erp_ubl_node *node)
{
    const char *start = EN_TEXT(node, UBL_StartDate);
    const char *end = EN_TEXT(node, UBL_EndDate);
    if (start[0] != '\0' && end[0] != '\0' && strncmp(end, start, 10) < 0) {
        en_fail(check, node);
    }
}

static void period_order(struct en_check *check)
{
    en_each(check, check->root, check->rule->where, period_at);
}

static void period_filled_at(struct en_check *check, const struct erp_ubl_node *node)
{
    bool coded = check->rule->with != NULL && EN_TEXT(node, UBL_DescriptionCode)[0] != '\0';
    if (EN_TEXT(node, UBL_StartDate)[0] == '\0' && EN_TEXT(node, UBL_EndDate)[0] == '\0' &&
        !coded) {
        en_fail(check, node);
    }
}

static void period_filled(struct en_check *check)
{
    en_each(check, check->root, check->rule->where, period_filled_at);
}

static void tax_point(struct en_check *check)
{
    if (EN_AT(check->root, UBL_TaxPointDate) != NULL &&
        EN_AT(check->root, UBL_InvoicePeriod, UBL_DescriptionCode) != NULL) {
        en_fail(check, check->root);
    }
}

static void due_date_at(struct en_check *check, const struct erp_ubl_node *node)
{
    en_number payable = 0;
    if (!check->credit_note && en_number_of(erp_ubl_child(node, UBL_PayableAmount), &payable) &&
        payable > 0 && EN_TEXT(check->root, UBL_DueDate)[0] == '\0' &&
        EN_TEXT(check->root, UBL_PaymentTerms, UBL_Note)[0] == '\0') {
        en_fail(check, node);
    }
}

static void due_date(struct en_check *check)
{
    en_each(check, check->root, check->rule->where, due_date_at);
}

/* ---- numbers ---- */

static void not_negative_at(struct en_check *check, const struct erp_ubl_node *node)
{
    const struct erp_ubl_node *amount = en_at(node, check->rule->what);
    en_number value = 0;
    bool may_lack = check->rule->with != NULL;
    if (en_number_of(amount, &value) ? value < 0 : !(may_lack && amount == NULL)) {
        en_fail_numbers(check, node, 0, value);
    }
}

static void not_negative(struct en_check *check)
{
    en_each(check, check->root, check->rule->where, not_negative_at);
}

static void line_sum_at(struct en_check *check, const struct erp_ubl_node *total)
{
    en_number sum = 0;
    for (const struct erp_ubl_node *line = check->root->first; line != NULL; line = line->next) {
        if (en_same(line->name, UBL_InvoiceLine)) {
            sum += en_number_or_zero(erp_ubl_child(line, UBL_LineExtensionAmount));
        }
    }
    en_number stated = 0;
    if (en_number_of(erp_ubl_child(total, UBL_LineExtensionAmount), &stated) &&
        stated != en_round(sum, 2)) {
        en_fail_numbers(check, total, en_round(sum, 2), stated);
    }
}

static void line_sum(struct en_check *check)
{
    en_each(check, check->root, check->rule->where, line_sum_at);
}

/* BR-CO-11 and -12: the total of allowances (or charges) is their sum; neither without the other.
 */
static void allowance_sum_at(struct en_check *check, const struct erp_ubl_node *total)
{
    bool charge = strcmp(check->rule->with, "charge") == 0;
    en_number sum = 0;
    bool any = false;
    UBL_EACH(item, check->root, UBL_AllowanceCharge)
    {
        if (en_meant(check, item)) {
            any = true;
            sum += en_number_or_zero(erp_ubl_child(item, UBL_Amount));
        }
    }
    const struct erp_ubl_node *node =
        erp_ubl_child(total, charge ? UBL_ChargeTotalAmount : UBL_AllowanceTotalAmount);
    en_number stated = 0;
    bool given = en_number_of(node, &stated);
    if (given ? stated != en_round(sum, 2) : any) {
        en_fail_numbers(check, total, en_round(sum, 2), stated);
    }
}

static void allowance_sum(struct en_check *check)
{
    en_each(check, check->root, check->rule->where, allowance_sum_at);
}

static void net_total_at(struct en_check *check, const struct erp_ubl_node *total)
{
    en_number lines = 0;
    en_number stated = 0;
    if (!en_number_of(erp_ubl_child(total, UBL_LineExtensionAmount), &lines) ||
        !en_number_of(erp_ubl_child(total, UBL_TaxExclusiveAmount), &stated)) {
        return;
    }
    en_number expected =
        en_round(lines + en_number_or_zero(erp_ubl_child(total, UBL_ChargeTotalAmount)) -
                     en_number_or_zero(erp_ubl_child(total, UBL_AllowanceTotalAmount)),
                 2);
    if (expected != stated) {
        en_fail_numbers(check, total, expected, stated);
    }
}

static void net_total(struct en_check *check)
{
    en_each(check, check->root, check->rule->where, net_total_at);
}

static void tax_sum_at(struct en_check *check, const struct erp_ubl_node *total)
{
    if (erp_ubl_child(total, UBL_TaxSubtotal) == NULL) {
        return;
    }
    en_number sum = 0;
    UBL_EACH(item, total, UBL_TaxSubtotal)
    {
        sum += en_number_or_zero(erp_ubl_child(item, UBL_TaxAmount));
    }
    en_number stated = 0;
    if (!en_number_of(erp_ubl_child(total, UBL_TaxAmount), &stated) || stated != en_round(sum, 2)) {
        en_fail_numbers(check, total, en_round(sum, 2), stated);
    }
}

static void tax_sum(struct en_check *check)
{
    en_each(check, check->root, check->rule->where, tax_sum_at);
}

/* Exactly one tax total in the document's currency, and net plus tax is gross. */
static void gross_total(struct en_check *check)
{
    const char *currency = EN_TEXT(check->root, UBL_DocumentCurrencyCode);
    const struct erp_ubl_node *total = EN_AT(check->root, UBL_LegalMonetaryTotal);
    if (currency[0] == '\0') {
        return;
    }
    int count = 0;
    en_number tax = 0;
    UBL_EACH(tax_total, check->root, UBL_TaxTotal)
    {
        const struct erp_ubl_node *amount = erp_ubl_child(tax_total, UBL_TaxAmount);
        if (amount != NULL && amount->currency != NULL && strcmp(amount->currency, currency) == 0) {
            count++;
            tax += en_number_or_zero(amount);
        }
    }
    en_number net = 0;
    en_number gross = 0;
    bool given = en_number_of(EN_AT(total, UBL_TaxExclusiveAmount), &net);
    given = en_number_of(EN_AT(total, UBL_TaxInclusiveAmount), &gross) && given;
    if (count != 1 || !given || gross != en_round(net + tax, 2)) {
        en_fail_numbers(check, total, en_round(net + tax, 2), gross);
    }
}

/* The German extension for third-party payments widens BR-CO-16: what is collected for others is
 * added to the amount due.  A document that claims it is checked by its own rule. */
static en_number third_party(const struct en_check *check)
{
    en_number sum = 0;
    if (strstr(EN_TEXT(check->root, UBL_CustomizationID), "kosit:extension:xrechnung") != NULL) {
        UBL_EACH(payment, check->root, UBL_PrepaidPayment)
        {
            sum += en_number_or_zero(erp_ubl_child(payment, UBL_PaidAmount));
        }
    }
    return sum;
}

static void payable_at(struct en_check *check, const struct erp_ubl_node *total)
{
    en_number gross = 0;
    en_number stated = 0;
    if (!en_number_of(erp_ubl_child(total, UBL_TaxInclusiveAmount), &gross) ||
        !en_number_of(erp_ubl_child(total, UBL_PayableAmount), &stated)) {
        return;
    }
    en_number prepaid = en_number_or_zero(erp_ubl_child(total, UBL_PrepaidAmount));
    en_number rounding = en_number_or_zero(erp_ubl_child(total, UBL_PayableRoundingAmount));
    en_number expected = en_round(gross - prepaid + rounding + third_party(check), 2);
    if (expected != stated) {
        en_fail_numbers(check, total, expected, stated);
    }
}

static void payable(struct en_check *check)
{
    en_each(check, check->root, check->rule->where, payable_at);
}

/* Less than 1.00 away from base times rate; without a rate, no tax. */
static void tax_amount_at(struct en_check *check, const struct erp_ubl_node *item)
{
    const struct erp_ubl_node *percent_node = EN_AT(item, UBL_TaxCategory, UBL_Percent);
    en_number percent = en_number_or_zero(percent_node);
    en_number tax = en_number_or_zero(erp_ubl_child(item, UBL_TaxAmount));
    en_number base = en_number_or_zero(erp_ubl_child(item, UBL_TaxableAmount));
    if (en_round(percent, 0) == 0) {
        if (en_round(tax, 0) != 0) {
            en_fail_numbers(check, item, 0, tax);
        }
        return;
    }
    en_number expected = en_percent(base, percent);
    en_number difference = (tax < 0 ? -tax : tax) - (expected < 0 ? -expected : expected);
    if (difference >= en_whole(1) || difference <= -en_whole(1)) {
        en_fail_numbers(check, item, expected, tax);
    }
}

static void tax_amount(struct en_check *check)
{
    en_each(check, check->root, check->rule->where, tax_amount_at);
}

static void two_decimals_at(struct en_check *check, const struct erp_ubl_node *node)
{
    const char *point = strchr(node->text, '.');
    if (point != NULL && strlen(point + 1) > 2) {
        en_fail(check, node);
    }
}

/* `with` chooses allowances or charges, or the currency of a tax total. */
static void two_decimals_allowance_at(struct en_check *check, const struct erp_ubl_node *node)
{
    const struct erp_ubl_node *amount = en_at(node, check->rule->what);
    if (en_meant(check, node) && amount != NULL) {
        two_decimals_at(check, amount);
    }
}

static void two_decimals(struct en_check *check)
{
    en_each(check, check->root, check->rule->where,
            check->rule->with != NULL ? two_decimals_allowance_at : two_decimals_at);
}

static void two_decimals_tax(struct en_check *check)
{
    bool accounting = strcmp(check->rule->with, "accounting") == 0;
    const char *currency =
        EN_TEXT(check->root, accounting ? UBL_TaxCurrencyCode : UBL_DocumentCurrencyCode);
    UBL_EACH(total, check->root, UBL_TaxTotal)
    {
        const struct erp_ubl_node *amount = erp_ubl_child(total, UBL_TaxAmount);
        if (amount != NULL && amount->currency != NULL && strcmp(amount->currency, currency) == 0) {
            two_decimals_at(check, amount);
        }
    }
}

/* ---- the table ---- */

#define TEXT(id, message, ...)                                                                     \
    {                                                                                              \
        id, true, needs_text, message, __VA_ARGS__, NULL                                           \
    }
#define WHERE(...)                                                                                 \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }
#define WHAT(...)                                                                                  \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }
#define ALLOWANCE(id, fn, message, with, ...)                                                      \
    {                                                                                              \
        id, true, fn, message, {__VA_ARGS__}, {0}, with                                            \
    }
#define DECIMALS(id, what, ...)                                                                    \
    {                                                                                              \
        id, true, two_decimals, what " has more than two decimals", {__VA_ARGS__}, {0}, NULL       \
    }
#define DECIMALS_IN(id, what, with, child, ...)                                                    \
    {                                                                                              \
        id, true, two_decimals, what " has more than two decimals", {__VA_ARGS__}, {child}, with   \
    }

const struct en_rule en_basic_rules[] = {
    TEXT("BR-01", "the document does not say which specification it follows (CustomizationID)",
         WHERE(UBL_NONE), WHAT(UBL_CustomizationID)),
    TEXT("BR-02", "the invoice has no number", WHERE(UBL_NONE), WHAT(UBL_ID)),
    TEXT("BR-03", "the invoice has no issue date", WHERE(UBL_NONE), WHAT(UBL_IssueDate)),
    {"BR-04", true, type_code, "the invoice has no type code", {0}, {0}, NULL},
    TEXT("BR-05", "the invoice has no currency", WHERE(UBL_NONE), WHAT(UBL_DocumentCurrencyCode)),
    TEXT("BR-06", "the seller has no name", WHERE(UBL_NONE),
         WHAT(UBL_AccountingSupplierParty, UBL_Party, UBL_PartyLegalEntity, UBL_RegistrationName)),
    TEXT("BR-07", "the buyer has no name", WHERE(UBL_NONE),
         WHAT(UBL_AccountingCustomerParty, UBL_Party, UBL_PartyLegalEntity, UBL_RegistrationName)),
    {"BR-08",
     true,
     needs_node,
     "the seller has no postal address",
     {0},
     {UBL_AccountingSupplierParty, UBL_Party, UBL_PostalAddress},
     NULL},
    TEXT("BR-09", "the seller's address has no country",
         WHERE(UBL_AccountingSupplierParty, UBL_Party, UBL_PostalAddress),
         WHAT(UBL_Country, UBL_IdentificationCode)),
    {"BR-10",
     true,
     needs_node,
     "the buyer has no postal address",
     {0},
     {UBL_AccountingCustomerParty, UBL_Party, UBL_PostalAddress},
     NULL},
    TEXT("BR-11", "the buyer's address has no country",
         WHERE(UBL_AccountingCustomerParty, UBL_Party, UBL_PostalAddress),
         WHAT(UBL_Country, UBL_IdentificationCode)),
    TEXT("BR-12", "the sum of line amounts is missing", WHERE(UBL_LegalMonetaryTotal),
         WHAT(UBL_LineExtensionAmount)),
    TEXT("BR-13", "the total without tax is missing", WHERE(UBL_LegalMonetaryTotal),
         WHAT(UBL_TaxExclusiveAmount)),
    TEXT("BR-14", "the total with tax is missing", WHERE(UBL_LegalMonetaryTotal),
         WHAT(UBL_TaxInclusiveAmount)),
    TEXT("BR-15", "the amount due is missing", WHERE(UBL_LegalMonetaryTotal),
         WHAT(UBL_PayableAmount)),
    {"BR-16", true, needs_node, "the invoice has no line", {0}, {UBL_InvoiceLine}, NULL},
    {"BR-17", true, payee, "the payee has no name, or is the seller", {UBL_PayeeParty}, {0}, NULL},
    TEXT("BR-18", "the tax representative has no name", WHERE(UBL_TaxRepresentativeParty),
         WHAT(UBL_PartyName, UBL_Name)),
    {"BR-19",
     true,
     needs_node,
     "the tax representative has no postal address",
     {UBL_TaxRepresentativeParty},
     {UBL_PostalAddress},
     NULL},
    TEXT("BR-20", "the tax representative's address has no country",
         WHERE(UBL_TaxRepresentativeParty, UBL_PostalAddress),
         WHAT(UBL_Country, UBL_IdentificationCode)),
    TEXT("BR-21", "a line has no identifier", WHERE(UBL_InvoiceLine), WHAT(UBL_ID)),
    TEXT("BR-22", "a line has no quantity", WHERE(UBL_InvoiceLine), WHAT(UBL_InvoicedQuantity)),
    {"BR-23", true, needs_unit, "a line's quantity has no unit", {UBL_InvoiceLine}, {0}, NULL},
    TEXT("BR-24", "a line has no net amount", WHERE(UBL_InvoiceLine),
         WHAT(UBL_LineExtensionAmount)),
    TEXT("BR-25", "a line's item has no name", WHERE(UBL_InvoiceLine), WHAT(UBL_Item, UBL_Name)),
    TEXT("BR-26", "a line has no price", WHERE(UBL_InvoiceLine), WHAT(UBL_Price, UBL_PriceAmount)),
    {"BR-27",
     true,
     not_negative,
     "a line's price is negative or missing",
     {UBL_InvoiceLine},
     {UBL_Price, UBL_PriceAmount},
     NULL},
    {"BR-28",
     true,
     not_negative,
     "a line's gross price is negative",
     {UBL_InvoiceLine},
     {UBL_Price, UBL_AllowanceCharge, UBL_BaseAmount},
     "optional"},
    {"BR-29",
     true,
     period_order,
     "the invoicing period ends before it begins",
     {UBL_InvoicePeriod},
     {0},
     NULL},
    {"BR-30",
     true,
     period_order,
     "a line's period ends before it begins",
     {UBL_InvoiceLine, UBL_InvoicePeriod},
     {0},
     NULL},
    ALLOWANCE("BR-31", allowance_amount, "a document allowance has no amount", "allowance",
              UBL_AllowanceCharge),
    ALLOWANCE("BR-32", allowance_category, "a document allowance has no tax category", "allowance",
              UBL_AllowanceCharge),
    ALLOWANCE("BR-33", allowance_reason, "a document allowance has no reason", "allowance",
              UBL_AllowanceCharge),
    ALLOWANCE("BR-36", allowance_amount, "a document charge has no amount", "charge",
              UBL_AllowanceCharge),
    ALLOWANCE("BR-37", allowance_category, "a document charge has no tax category", "charge",
              UBL_AllowanceCharge),
    ALLOWANCE("BR-38", allowance_reason, "a document charge has no reason", "charge",
              UBL_AllowanceCharge),
    ALLOWANCE("BR-41", allowance_amount, "a line allowance has no amount", "allowance",
              UBL_InvoiceLine, UBL_AllowanceCharge),
    ALLOWANCE("BR-42", allowance_reason, "a line allowance has no reason", "allowance",
              UBL_InvoiceLine, UBL_AllowanceCharge),
    ALLOWANCE("BR-43", allowance_amount, "a line charge has no amount", "charge", UBL_InvoiceLine,
              UBL_AllowanceCharge),
    ALLOWANCE("BR-44", allowance_reason, "a line charge has no reason", "charge", UBL_InvoiceLine,
              UBL_AllowanceCharge),
    TEXT("BR-45", "a tax breakdown has no base", WHERE(UBL_TaxTotal, UBL_TaxSubtotal),
         WHAT(UBL_TaxableAmount)),
    TEXT("BR-46", "a tax breakdown has no amount", WHERE(UBL_TaxTotal, UBL_TaxSubtotal),
         WHAT(UBL_TaxAmount)),
    {"BR-47",
     true,
     needs_category_code,
     "a tax breakdown has no category",
     {UBL_TaxTotal, UBL_TaxSubtotal},
     {UBL_TaxCategory},
     NULL},
    {"BR-48",
     true,
     needs_rate,
     "a tax breakdown has no rate",
     {UBL_TaxTotal, UBL_TaxSubtotal},
     {0},
     NULL},
    TEXT("BR-49", "payment instructions have no means code", WHERE(UBL_PaymentMeans),
         WHAT(UBL_PaymentMeansCode)),
    {"BR-50",
     true,
     transfer_account,
     "an account to pay to has no identifier",
     {UBL_PaymentMeans},
     {0},
     "optional"},
    {"BR-51",
     false,
     card_digits,
     "more of a card number is shown than its first six and last four "
     "digits",
     {UBL_PaymentMeans, UBL_CardAccount, UBL_PrimaryAccountNumberID},
     {0},
     NULL},
    TEXT("BR-52", "a supporting document has no reference", WHERE(UBL_AdditionalDocumentReference),
         WHAT(UBL_ID)),
    {"BR-53",
     true,
     tax_currency,
     "a tax currency is named but no tax total is given in it",
     {0},
     {0},
     NULL},
    {"BR-54",
     true,
     property,
     "an item attribute lacks its name or its value",
     {UBL_InvoiceLine, UBL_Item, UBL_AdditionalItemProperty},
     {0},
     NULL},
    TEXT("BR-55", "a preceding invoice has no number", WHERE(UBL_BillingReference),
         WHAT(UBL_InvoiceDocumentReference, UBL_ID)),
    {"BR-56",
     true,
     needs_vat_number,
     "the tax representative has no VAT number",
     {UBL_TaxRepresentativeParty},
     {0},
     NULL},
    TEXT("BR-57", "the delivery address has no country",
         WHERE(UBL_Delivery, UBL_DeliveryLocation, UBL_Address),
         WHAT(UBL_Country, UBL_IdentificationCode)),
    {"BR-61",
     true,
     transfer_account,
     "payment is by transfer but no account is given",
     {UBL_PaymentMeans},
     {0},
     "account"},
    {"BR-62",
     true,
     needs_scheme,
     "the seller's electronic address has no scheme",
     {UBL_AccountingSupplierParty, UBL_Party, UBL_EndpointID},
     {0},
     "scheme"},
    {"BR-63",
     true,
     needs_scheme,
     "the buyer's electronic address has no scheme",
     {UBL_AccountingCustomerParty, UBL_Party, UBL_EndpointID},
     {0},
     "scheme"},
    {"BR-64",
     true,
     needs_scheme,
     "an item's standard identifier has no scheme",
     {UBL_InvoiceLine, UBL_Item, UBL_StandardItemIdentification, UBL_ID},
     {0},
     "scheme"},
    {"BR-65",
     true,
     needs_scheme,
     "an item's classification has no scheme",
     {UBL_InvoiceLine, UBL_Item, UBL_CommodityClassification, UBL_ItemClassificationCode},
     {0},
     "list"},

    {"BR-CO-03",
     true,
     tax_point,
     "both a tax point date and a tax point code are given",
     {0},
     {0},
     NULL},
    {"BR-CO-04",
     true,
     needs_category_code,
     "a line has no tax category",
     {UBL_InvoiceLine},
     {UBL_Item, UBL_ClassifiedTaxCategory},
     NULL},
    {"BR-CO-10",
     true,
     line_sum,
     "the sum of line amounts is not what the lines sum to",
     {UBL_LegalMonetaryTotal},
     {0},
     NULL},
    ALLOWANCE("BR-CO-11", allowance_sum, "the total of allowances is not what they sum to",
              "allowance", UBL_LegalMonetaryTotal),
    ALLOWANCE("BR-CO-12", allowance_sum, "the total of charges is not what they sum to", "charge",
              UBL_LegalMonetaryTotal),
    {"BR-CO-13",
     true,
     net_total,
     "the total without tax is not lines less allowances plus charges",
     {UBL_LegalMonetaryTotal},
     {0},
     NULL},
    {"BR-CO-14",
     true,
     tax_sum,
     "the tax total is not what the tax breakdown sums to",
     {UBL_TaxTotal},
     {0},
     NULL},
    {"BR-CO-15",
     true,
     gross_total,
     "the total with tax is not the total without tax plus tax",
     {0},
     {0},
     NULL},
    {"BR-CO-16",
     true,
     payable,
     "the amount due is not total less prepaid plus rounding",
     {UBL_LegalMonetaryTotal},
     {0},
     NULL},
    {"BR-CO-17",
     true,
     tax_amount,
     "a tax amount is not base times rate",
     {UBL_TaxTotal, UBL_TaxSubtotal},
     {0},
     NULL},
    {"BR-CO-18",
     true,
     needs_node,
     "the invoice has no tax breakdown",
     {0},
     {UBL_TaxTotal, UBL_TaxSubtotal},
     NULL},
    {"BR-CO-19",
     true,
     period_filled,
     "the invoicing period has neither begin nor end",
     {UBL_InvoicePeriod},
     {0},
     "code"},
    {"BR-CO-20",
     true,
     period_filled,
     "a line's period has neither begin nor end",
     {UBL_InvoiceLine, UBL_InvoicePeriod},
     {0},
     NULL},
    ALLOWANCE("BR-CO-21", allowance_reason, "a document allowance has neither reason nor code",
              "allowance", UBL_AllowanceCharge),
    ALLOWANCE("BR-CO-22", allowance_reason, "a document charge has neither reason nor code",
              "charge", UBL_AllowanceCharge),
    ALLOWANCE("BR-CO-23", allowance_reason, "a line allowance has neither reason nor code",
              "allowance", UBL_InvoiceLine, UBL_AllowanceCharge),
    ALLOWANCE("BR-CO-24", allowance_reason, "a line charge has neither reason nor code", "charge",
              UBL_InvoiceLine, UBL_AllowanceCharge),
    {"BR-CO-25",
     true,
     due_date,
     "something is due but neither due date nor terms are given",
     {UBL_LegalMonetaryTotal},
     {0},
     NULL},

    DECIMALS_IN("BR-DEC-01", "a document allowance", "allowance", UBL_Amount, UBL_AllowanceCharge),
    DECIMALS_IN("BR-DEC-02", "the base of a document allowance", "allowance", UBL_BaseAmount,
                UBL_AllowanceCharge),
    DECIMALS_IN("BR-DEC-05", "a document charge", "charge", UBL_Amount, UBL_AllowanceCharge),
    DECIMALS_IN("BR-DEC-06", "the base of a document charge", "charge", UBL_BaseAmount,
                UBL_AllowanceCharge),
    DECIMALS("BR-DEC-09", "the sum of line amounts", UBL_LegalMonetaryTotal,
             UBL_LineExtensionAmount),
    DECIMALS("BR-DEC-10", "the total of allowances", UBL_LegalMonetaryTotal,
             UBL_AllowanceTotalAmount),
    DECIMALS("BR-DEC-11", "the total of charges", UBL_LegalMonetaryTotal, UBL_ChargeTotalAmount),
    DECIMALS("BR-DEC-12", "the total without tax", UBL_LegalMonetaryTotal, UBL_TaxExclusiveAmount),
    {"BR-DEC-13",
     true,
     two_decimals_tax,
     "the tax total has more than two decimals",
     {0},
     {0},
     "document"},
    DECIMALS("BR-DEC-14", "the total with tax", UBL_LegalMonetaryTotal, UBL_TaxInclusiveAmount),
    {"BR-DEC-15",
     true,
     two_decimals_tax,
     "the tax total in accounting currency has more than two decimals",
     {0},
     {0},
     "accounting"},
    DECIMALS("BR-DEC-16", "the prepaid amount", UBL_LegalMonetaryTotal, UBL_PrepaidAmount),
    DECIMALS("BR-DEC-17", "the rounding amount", UBL_LegalMonetaryTotal, UBL_PayableRoundingAmount),
    DECIMALS("BR-DEC-18", "the amount due", UBL_LegalMonetaryTotal, UBL_PayableAmount),
    DECIMALS("BR-DEC-19", "a tax base", UBL_TaxTotal, UBL_TaxSubtotal, UBL_TaxableAmount),
    DECIMALS("BR-DEC-20", "a tax amount", UBL_TaxTotal, UBL_TaxSubtotal, UBL_TaxAmount),
    DECIMALS("BR-DEC-23", "a line's net amount", UBL_InvoiceLine, UBL_LineExtensionAmount),
    DECIMALS_IN("BR-DEC-24", "a line allowance", "allowance", UBL_Amount, UBL_InvoiceLine,
                UBL_AllowanceCharge),
    DECIMALS_IN("BR-DEC-25", "the base of a line allowance", "allowance", UBL_BaseAmount,
                UBL_InvoiceLine, UBL_AllowanceCharge),
    DECIMALS_IN("BR-DEC-27", "a line charge", "charge", UBL_Amount, UBL_InvoiceLine,
                UBL_AllowanceCharge),
    DECIMALS_IN("BR-DEC-28", "the base of a line charge", "charge", UBL_BaseAmount, UBL_InvoiceLine,
                UBL_AllowanceCharge),
};
const int en_basic_count = (int)RV_COUNT(en_basic_rules);
