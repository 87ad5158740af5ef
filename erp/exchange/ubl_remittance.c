/* ubl_remittance.c -- RemittanceAdvice: what was paid, by invoice.
 *
 * A line's amount is its debit less its credit.  The date of a line is the advice's own: UBL gives
 * no date of payment on a line, and the due date in the payment means is not when money left.
 */
#include "erp/exchange/ubl_read.h"

#include "runtime/base/check.h"

static const struct ubl_field head_fields[] = {
    {"number", UBL_TEXT, {UBL_ID}},
    {"issue_date", UBL_DATE, {UBL_IssueDate}},
};

static const struct ubl_field invoice_field[] = {
    {"invoice", UBL_TEXT, {UBL_BillingReference, UBL_InvoiceDocumentReference, UBL_ID}},
    {"invoice", UBL_TEXT, {UBL_BillingReference, UBL_CreditNoteDocumentReference, UBL_ID}},
    {"invoice", UBL_TEXT, {UBL_DocumentReference, UBL_ID}},
};

static enum rv_code put_line(struct ubl_reading *reading, const struct erp_ubl_node *node,
                             const char *date, json_t *line, struct rv_error *err)
{
    bool debited = false;
    bool credited = false;
    int64_t debit = 0;
    int64_t credit = 0;
    enum rv_code code = UBL_PUT(reading, node, invoice_field, line, err);
    if (code == RV_OK) {
        code = ubl_amount(reading, erp_ubl_child(node, UBL_DebitLineAmount), &debited, &debit, err);
    }
    if (code == RV_OK) {
        code =
            ubl_amount(reading, erp_ubl_child(node, UBL_CreditLineAmount), &credited, &credit, err);
    }
    if (code != RV_OK) {
        return code;
    }
    if (debited || credited) {
        json_object_set_new(line, "paid_minor", json_integer(debit - credit));
    }
    if (date != NULL) {
        json_object_set_new(line, "date", json_string(date));
    }
    return RV_OK;
}

enum rv_code ubl_read_remittance(struct ubl_reading *reading, json_t *out, struct rv_error *err)
{
    const struct erp_ubl_node *root = reading->ubl->root;
    const struct erp_ubl_node *total = erp_ubl_child(root, UBL_TotalPaymentAmount);
    if (total == NULL) {
        total = erp_ubl_child(root, UBL_TotalDebitAmount);
    }
    enum rv_code code =
        ubl_currency(reading, erp_ubl_child(root, UBL_DocumentCurrencyCode), total, err);
    if (code != RV_OK) {
        return code;
    }
    json_object_set_new(out, "currency", json_string(reading->currency));
    code = UBL_PUT(reading, root, head_fields, out, err);
    if (code == RV_OK) {
        code = ubl_put_party(reading, erp_ubl_child(root, UBL_AccountingSupplierParty), false,
                             "supplier", out, err);
    }
    bool given = false;
    int64_t minor = 0;
    if (code == RV_OK) {
        code = ubl_amount(reading, total, &given, &minor, err);
    }
    if (code == RV_OK && given) {
        json_object_set_new(out, "total_minor", json_integer(minor));
    }
    json_t *lines = json_array();
    json_object_set_new(out, "lines", lines);
    __int128 sum = 0;
    UBL_EACH(node, root, UBL_RemittanceAdviceLine)
    {
        json_t *line = json_object();
        json_array_append_new(lines, line);
        if (code == RV_OK) {
            code = ubl_line_ok(reading, json_array_size(lines), err);
        }
        if (code == RV_OK) {
            code = put_line(reading, node, rv_json_str(out, "issue_date", NULL), line, err);
        }
        sum += rv_json_int(line, "paid_minor", 0);
    }
    if (code == RV_OK && given && sum != minor) {
        return rv_fail(err, RV_INVALID, "%s: the lines of the remittance do not sum to its total",
                       reading->ubl->file);
    }
    return code == RV_OK ? ubl_put_payment(reading, out, err) : code;
}
