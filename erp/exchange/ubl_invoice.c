/* ubl_invoice.c -- Invoice and CreditNote, which differ in names only.
 *
 * UBL 2.0 documents say some things elsewhere: the currency only on amounts, the due date in the
 * payment means, a line's tax in its own TaxTotal, the invoice a credit note corrects on the line.
 * The tables below have both places.  What a 2.0 document leaves out and arithmetic gives (the
 * gross total) is filled in; nothing else is.
 */
#include "erp/exchange/en16931.h"
#include "erp/exchange/ubl_read.h"
#include "runtime/base/check.h"

#include <string.h>
#include <strings.h>

static const struct ubl_field head_fields[] = {
    {"number", UBL_TEXT, {UBL_ID}},
    {"issue_date", UBL_DATE, {UBL_IssueDate}},
    {"due_date", UBL_DATE, {UBL_DueDate}},
    {"due_date", UBL_DATE, {UBL_PaymentMeans, UBL_PaymentDueDate}},
    {"due_date", UBL_DATE, {UBL_PaymentTerms, UBL_PaymentDueDate}},
    {"order_ref", UBL_TEXT, {UBL_OrderReference, UBL_ID}},
    {"order_ref", UBL_TEXT, {UBL_InvoiceLine, UBL_OrderLineReference, UBL_OrderReference, UBL_ID}},
    {"order_ref",
     UBL_TEXT,
     {UBL_CreditNoteLine, UBL_OrderLineReference, UBL_OrderReference, UBL_ID}},
    {"contract_ref", UBL_TEXT, {UBL_ContractDocumentReference, UBL_ID}},
    {"note", UBL_TEXT, {UBL_Note}},
    {"preceding_invoice", UBL_TEXT, {UBL_BillingReference, UBL_InvoiceDocumentReference, UBL_ID}},
    {"preceding_invoice",
     UBL_TEXT,
     {UBL_CreditNoteLine, UBL_BillingReference, UBL_InvoiceDocumentReference, UBL_ID}},
};

static const struct ubl_field line_fields[] = {
    {"no", UBL_TEXT, {UBL_ID}},
    {"order_line", UBL_TEXT, {UBL_OrderLineReference, UBL_LineID}},
    {"item", UBL_TEXT, {UBL_Item, UBL_SellersItemIdentification, UBL_ID}},
    {"buyer_item", UBL_TEXT, {UBL_Item, UBL_BuyersItemIdentification, UBL_ID}},
    {"description", UBL_TEXT, {UBL_Item, UBL_Name}},
    {"description", UBL_TEXT, {UBL_Item, UBL_Description}},
    {"qty", UBL_DECIMAL, {UBL_InvoicedQuantity}},
    {"qty", UBL_DECIMAL, {UBL_CreditedQuantity}},
    {"unit", UBL_UNIT, {UBL_InvoicedQuantity}},
    {"unit", UBL_UNIT, {UBL_CreditedQuantity}},
    {"price", UBL_DECIMAL, {UBL_Price, UBL_PriceAmount}},
    {"price_base_qty", UBL_DECIMAL, {UBL_Price, UBL_BaseQuantity}},
    {"net_minor", UBL_AMOUNT, {UBL_LineExtensionAmount}},
    {"tax_category", UBL_TEXT, {UBL_Item, UBL_ClassifiedTaxCategory, UBL_ID}},
    {"tax_category", UBL_TEXT, {UBL_TaxTotal, UBL_TaxSubtotal, UBL_TaxCategory, UBL_ID}},
    {"tax_rate", UBL_DECIMAL, {UBL_Item, UBL_ClassifiedTaxCategory, UBL_Percent}},
    {"tax_rate", UBL_DECIMAL, {UBL_TaxTotal, UBL_TaxSubtotal, UBL_TaxCategory, UBL_Percent}},
    {"note", UBL_TEXT, {UBL_Note}},
};

static const struct ubl_field allowance_fields[] = {
    {"amount_minor", UBL_AMOUNT, {UBL_Amount}},
    {"base_minor", UBL_AMOUNT, {UBL_BaseAmount}},
    {"percent", UBL_DECIMAL, {UBL_MultiplierFactorNumeric}},
    {"reason", UBL_TEXT, {UBL_AllowanceChargeReason}},
    {"reason", UBL_TEXT, {UBL_AllowanceChargeReasonCode}},
    {"tax_category", UBL_TEXT, {UBL_TaxCategory, UBL_ID}},
    {"tax_rate", UBL_DECIMAL, {UBL_TaxCategory, UBL_Percent}},
};

static const struct ubl_field tax_fields[] = {
    {"category", UBL_TEXT, {UBL_TaxCategory, UBL_ID}},
    {"rate", UBL_DECIMAL, {UBL_TaxCategory, UBL_Percent}},
    {"base_minor", UBL_AMOUNT, {UBL_TaxableAmount}},
    {"tax_minor", UBL_AMOUNT, {UBL_TaxAmount}},
    {"exemption", UBL_TEXT, {UBL_TaxCategory, UBL_TaxExemptionReason}},
    {"exemption", UBL_TEXT, {UBL_TaxCategory, UBL_TaxExemptionReasonCode}},
};

static const struct ubl_field total_fields[] = {
    {"lines_minor", UBL_AMOUNT, {UBL_LineExtensionAmount}},
    {"allowances_minor", UBL_AMOUNT, {UBL_AllowanceTotalAmount}},
    {"charges_minor", UBL_AMOUNT, {UBL_ChargeTotalAmount}},
    {"net_minor", UBL_AMOUNT, {UBL_TaxExclusiveAmount}},
    {"gross_minor", UBL_AMOUNT, {UBL_TaxInclusiveAmount}},
    {"prepaid_minor", UBL_AMOUNT, {UBL_PrepaidAmount}},
    {"rounding_minor", UBL_AMOUNT, {UBL_PayableRoundingAmount}},
    {"payable_minor", UBL_AMOUNT, {UBL_PayableAmount}},
};

static bool is_charge(const struct erp_ubl_node *allowance)
{
    const char *text = erp_ubl_text(erp_ubl_child(allowance, UBL_ChargeIndicator));
    return strcmp(text, "true") == 0 || strcmp(text, "1") == 0;
}

/* Charges less allowances of one line. */
static enum rv_code line_extra(struct ubl_reading *reading, const struct erp_ubl_node *node,
                               int64_t *out, struct rv_error *err)
{
    *out = 0;
    UBL_EACH(allowance, node, UBL_AllowanceCharge)
    {
        bool given = false;
        int64_t minor = 0;
        enum rv_code code =
            ubl_amount(reading, erp_ubl_child(allowance, UBL_Amount), &given, &minor, err);
        if (code != RV_OK) {
            return code;
        }
        if (given && __builtin_add_overflow(*out, is_charge(allowance) ? minor : -minor, out)) {
            return rv_fail(err, RV_INVALID, "%s line %d: allowances are too large",
                           reading->ubl->file, allowance->line);
        }
    }
    return RV_OK;
}

static enum rv_code put_lines(struct ubl_reading *reading, enum erp_ubl_name line_name, json_t *out,
                              struct rv_error *err)
{
    json_t *lines = json_array();
    json_object_set_new(out, "lines", lines);
    UBL_EACH(node, reading->ubl->root, line_name)
    {
        json_t *line = json_object();
        json_array_append_new(lines, line);
        enum rv_code code = ubl_line_ok(reading, json_array_size(lines), err);
        if (code == RV_OK) {
            code = UBL_PUT(reading, node, line_fields, line, err);
        }
        int64_t extra = 0;
        if (code == RV_OK) {
            code = line_extra(reading, node, &extra, err);
        }
        if (code != RV_OK) {
            return code;
        }
        ubl_check_line(reading, line, extra, "RV-LINE-NET", false);
    }
    return RV_OK;
}

static enum rv_code put_allowances(struct ubl_reading *reading, json_t *out, struct rv_error *err)
{
    json_t *list = json_array();
    json_object_set_new(out, "allowances", list);
    UBL_EACH(node, reading->ubl->root, UBL_AllowanceCharge)
    {
        json_t *item = json_object();
        json_array_append_new(list, item);
        json_object_set_new(item, "charge", json_boolean(is_charge(node)));
        enum rv_code code = ubl_line_ok(reading, json_array_size(list), err);
        if (code == RV_OK) {
            code = UBL_PUT(reading, node, allowance_fields, item, err);
        }
        if (code != RV_OK) {
            return code;
        }
    }
    return RV_OK;
}

/* A second TaxTotal may repeat the tax in the accounting currency: only the document's counts. */
static bool own_currency(const struct ubl_reading *reading, const struct erp_ubl_node *tax_total)
{
    const struct erp_ubl_node *amount = erp_ubl_child(tax_total, UBL_TaxAmount);
    return amount == NULL || amount->currency == NULL ||
           strcmp(amount->currency, reading->currency) == 0;
}

static enum rv_code put_tax(struct ubl_reading *reading, json_t *out, json_t *totals,
                            struct rv_error *err)
{
    json_t *list = json_array();
    json_object_set_new(out, "tax", list);
    int seen = 0; /* in all tax totals: the rules look at every one */
    UBL_EACH(tax_total, reading->ubl->root, UBL_TaxTotal)
    {
        seen += 1 + erp_ubl_count(tax_total, UBL_TaxSubtotal);
        if (seen > ERP_UBL_BREAKDOWNS_MAX) {
            return rv_fail(err, RV_LIMIT, "%s has more than %d tax breakdowns", reading->ubl->file,
                           ERP_UBL_BREAKDOWNS_MAX);
        }
        if (!own_currency(reading, tax_total)) {
            continue;
        }
        bool given = false;
        int64_t minor = 0;
        enum rv_code code =
            ubl_amount(reading, erp_ubl_child(tax_total, UBL_TaxAmount), &given, &minor, err);
        int64_t before = rv_json_int(totals, "tax_minor", 0);
        if (code == RV_OK && given) {
            if (__builtin_add_overflow(before, minor, &minor)) {
                return rv_fail(err, RV_INVALID, "%s line %d: tax amounts are too large",
                               reading->ubl->file, tax_total->line);
            }
            json_object_set_new(totals, "tax_minor", json_integer(minor));
        }
        UBL_EACH(node, tax_total, UBL_TaxSubtotal)
        {
            json_t *item = json_object();
            json_array_append_new(list, item);
            if (code == RV_OK) {
                code = UBL_PUT(reading, node, tax_fields, item, err);
            }
        }
        if (code != RV_OK) {
            return code;
        }
    }
    return RV_OK;
}

static enum rv_code put_totals(struct ubl_reading *reading, json_t *out, struct rv_error *err)
{
    json_t *totals = json_object();
    json_object_set_new(out, "totals", totals);
    enum rv_code code = UBL_PUT(reading, erp_ubl_child(reading->ubl->root, UBL_LegalMonetaryTotal),
                                total_fields, totals, err);
    if (code == RV_OK) {
        code = put_tax(reading, out, totals, err);
    }
    int64_t gross = 0;
    if (code == RV_OK && json_object_get(totals, "gross_minor") == NULL &&
        json_object_get(totals, "net_minor") != NULL &&
        !__builtin_add_overflow(rv_json_int(totals, "net_minor", 0),
                                rv_json_int(totals, "tax_minor", 0), &gross)) {
        json_object_set_new(totals, "gross_minor", json_integer(gross));
    }
    return code;
}

enum rv_code ubl_read_invoice(struct ubl_reading *reading, json_t *out, struct rv_error *err)
{
    const struct erp_ubl_node *root = reading->ubl->root;
    bool credit = reading->ubl->type == ERP_UBL_CREDIT_NOTE;
    const struct erp_ubl_node *total = erp_ubl_child(root, UBL_LegalMonetaryTotal);
    enum rv_code code = ubl_currency(reading, erp_ubl_child(root, UBL_DocumentCurrencyCode),
                                     erp_ubl_child(total, UBL_PayableAmount), err);
    if (code == RV_OK) {
        json_object_set_new(out, "currency", json_string(reading->currency));
        code = UBL_PUT(reading, root, head_fields, out, err);
    }
    if (code == RV_OK) {
        code = ubl_put_party(reading, erp_ubl_child(root, UBL_AccountingSupplierParty), false,
                             "supplier", out, err);
    }
    if (code == RV_OK) {
        code = ubl_put_party(reading, erp_ubl_child(root, UBL_AccountingCustomerParty), true,
                             "buyer", out, err);
    }
    if (code == RV_OK) {
        code = ubl_put_payment(reading, out, err);
    }
    if (code == RV_OK) {
        code = put_lines(reading, credit ? UBL_CreditNoteLine : UBL_InvoiceLine, out, err);
    }
    if (code == RV_OK) {
        code = put_allowances(reading, out, err);
    }
    if (code == RV_OK) {
        code = put_totals(reading, out, err);
    }
    if (code != RV_OK) {
        return code;
    }
    char hex[RV_HASH_HEX];
    rv_hash_hex(&reading->ubl->hash, hex);
    bool old = strcmp(erp_ubl_text(erp_ubl_child(root, UBL_UBLVersionID)), "2.0") == 0;
    json_object_set_new(out, "format", json_string(old ? "ubl-2.0" : "ubl-2.1"));
    json_object_set_new(out, "file_sha256", json_string(hex));
    if (erp_en16931_claimed(reading->ubl)) {
        erp_en16931_check(reading->ubl, reading->findings);
    } else {
        erp_en16931_check_arithmetic(reading->ubl, reading->currency, reading->findings);
    }
    return RV_OK;
}
