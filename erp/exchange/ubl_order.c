/* ubl_order.c -- Order: lines, totals and whether they agree; see ubl.h. */
#include "erp/exchange/ubl_read.h"

#include "runtime/base/check.h"

static const struct ubl_field head_fields[] = {
    {"number", UBL_TEXT, {UBL_ID}},
    {"issue_date", UBL_DATE, {UBL_IssueDate}},
};

static const struct ubl_field line_fields[] = {
    {"no", UBL_TEXT, {UBL_ID}},
    {"item", UBL_TEXT, {UBL_Item, UBL_SellersItemIdentification, UBL_ID}},
    {"buyer_item", UBL_TEXT, {UBL_Item, UBL_BuyersItemIdentification, UBL_ID}},
    {"description", UBL_TEXT, {UBL_Item, UBL_Name}},
    {"description", UBL_TEXT, {UBL_Item, UBL_Description}},
    {"qty", UBL_DECIMAL, {UBL_Quantity}},
    {"unit", UBL_UNIT, {UBL_Quantity}},
    {"price", UBL_DECIMAL, {UBL_Price, UBL_PriceAmount}},
    {"price_base_qty", UBL_DECIMAL, {UBL_Price, UBL_BaseQuantity}},
    {"net_minor", UBL_AMOUNT, {UBL_LineExtensionAmount}},
    {"tax_rate", UBL_DECIMAL, {UBL_Item, UBL_ClassifiedTaxCategory, UBL_Percent}},
    {"tax_rate", UBL_DECIMAL, {UBL_TaxTotal, UBL_TaxSubtotal, UBL_TaxCategory, UBL_Percent}},
};

static const struct ubl_field total_fields[] = {
    {"lines_minor", UBL_AMOUNT, {UBL_LineExtensionAmount}},
    {"allowances_minor", UBL_AMOUNT, {UBL_AllowanceTotalAmount}},
    {"charges_minor", UBL_AMOUNT, {UBL_ChargeTotalAmount}},
    {"net_minor", UBL_AMOUNT, {UBL_TaxExclusiveAmount}},
    {"gross_minor", UBL_AMOUNT, {UBL_TaxInclusiveAmount}},
    {"payable_minor", UBL_AMOUNT, {UBL_PayableAmount}},
};

static enum rv_code put_lines(struct ubl_reading *reading, json_t *lines, __int128 *sum,
                              struct rv_error *err)
{
    UBL_EACH(order_line, reading->ubl->root, UBL_OrderLine)
    {
        const struct erp_ubl_node *node = erp_ubl_child(order_line, UBL_LineItem);
        if (node == NULL) {
            return rv_fail(err, RV_INVALID, "%s line %d: order line without LineItem",
                           reading->ubl->file, order_line->line);
        }
        json_t *line = json_object();
        json_array_append_new(lines, line);
        enum rv_code code = ubl_line_ok(reading, json_array_size(lines), err);
        if (code == RV_OK) {
            code = UBL_PUT(reading, node, line_fields, line, err);
        }
        if (code != RV_OK) {
            return code;
        }
        *sum += rv_json_int(line, "net_minor", 0);
        if (erp_ubl_child(node, UBL_AllowanceCharge) == NULL) {
            ubl_check_line(reading, line, 0, "RV-ORDER-LINE", true);
        }
    }
    return RV_OK;
}

static void check_sum(struct ubl_reading *reading, const json_t *totals, __int128 sum)
{
    const json_t *stated = json_object_get(totals, "lines_minor");
    if (stated == NULL || json_integer_value(stated) == sum) {
        return;
    }
    char a[ERP_SCALED_TEXT];
    char b[ERP_SCALED_TEXT];
    erp_scaled_format((int64_t)sum, reading->exponent, a);
    erp_scaled_format(json_integer_value(stated), reading->exponent, b);
    ubl_finding(reading->findings, "RV-ORDER-SUM", true, a, b,
                "the order lines sum to %s, the document states %s", a, b);
}

enum rv_code ubl_read_order(struct ubl_reading *reading, json_t *out, struct rv_error *err)
{
    const struct erp_ubl_node *root = reading->ubl->root;
    const struct erp_ubl_node *total = erp_ubl_child(root, UBL_AnticipatedMonetaryTotal);
    const struct erp_ubl_node *amount = erp_ubl_child(total, UBL_PayableAmount);
    if (amount == NULL) {
        amount = UBL_AT(root, UBL_OrderLine, UBL_LineItem, UBL_LineExtensionAmount);
    }
    if (amount == NULL) {
        amount = UBL_AT(root, UBL_OrderLine, UBL_LineItem, UBL_Price, UBL_PriceAmount);
    }
    const struct erp_ubl_node *code_node = erp_ubl_child(root, UBL_DocumentCurrencyCode);
    if (code_node == NULL && (amount == NULL || amount->currency == NULL)) {
        code_node = erp_ubl_child(root, UBL_PricingCurrencyCode);
    }
    enum rv_code code = ubl_currency(reading, code_node, amount, err);
    if (code != RV_OK) {
        return code;
    }
    code = UBL_PUT(reading, root, head_fields, out, err);
    json_object_set_new(out, "currency", json_string(reading->currency));
    if (code == RV_OK) {
        code = ubl_put_party(reading, erp_ubl_child(root, UBL_SellerSupplierParty), false,
                             "supplier", out, err);
    }
    if (code == RV_OK) {
        code = ubl_put_party(reading, erp_ubl_child(root, UBL_BuyerCustomerParty), true, "buyer",
                             out, err);
    }
    json_t *lines = json_array();
    json_t *totals = json_object();
    json_object_set_new(out, "lines", lines);
    json_object_set_new(out, "totals", totals);
    __int128 sum = 0;
    if (code == RV_OK) {
        code = put_lines(reading, lines, &sum, err);
    }
    if (code == RV_OK) {
        code = UBL_PUT(reading, total, total_fields, totals, err);
    }
    if (code == RV_OK) {
        check_sum(reading, totals, sum);
    }
    return code;
}
