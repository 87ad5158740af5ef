/* ubl_delivery.c -- DespatchAdvice (what the supplier says was sent) and ReceiptAdvice (what the
 * buyer says came); both become receipt documents, told apart by "kind". */
#include "erp/exchange/ubl_read.h"

#include "runtime/base/check.h"

static const struct ubl_field head_fields[] = {
    {"number", UBL_TEXT, {UBL_ID}},
    {"issue_date", UBL_DATE, {UBL_IssueDate}},
    {"order_ref", UBL_TEXT, {UBL_OrderReference, UBL_ID}},
    {"order_ref", UBL_TEXT, {UBL_ReceiptLine, UBL_OrderLineReference, UBL_OrderReference, UBL_ID}},
    {"order_ref", UBL_TEXT, {UBL_DespatchLine, UBL_OrderLineReference, UBL_OrderReference, UBL_ID}},
};

static const struct ubl_field line_fields[] = {
    {"no", UBL_TEXT, {UBL_ID}},
    {"order_line", UBL_TEXT, {UBL_OrderLineReference, UBL_LineID}},
    {"item", UBL_TEXT, {UBL_Item, UBL_SellersItemIdentification, UBL_ID}},
    {"item", UBL_TEXT, {UBL_Item, UBL_BuyersItemIdentification, UBL_ID}},
    {"qty", UBL_DECIMAL, {UBL_ReceivedQuantity}},
    {"qty", UBL_DECIMAL, {UBL_DeliveredQuantity}},
    {"short_qty", UBL_DECIMAL, {UBL_ShortQuantity}},
    {"short_qty", UBL_DECIMAL, {UBL_BackorderQuantity}},
    {"short_qty", UBL_DECIMAL, {UBL_OutstandingQuantity}},
    {"rejected_qty", UBL_DECIMAL, {UBL_RejectedQuantity}},
    {"unit", UBL_UNIT, {UBL_ReceivedQuantity}},
    {"unit", UBL_UNIT, {UBL_DeliveredQuantity}},
};

enum rv_code ubl_read_delivery(struct ubl_reading *reading, json_t *out, struct rv_error *err)
{
    const struct erp_ubl_node *root = reading->ubl->root;
    enum erp_ubl_name line_name =
        reading->ubl->type == ERP_UBL_RECEIPT ? UBL_ReceiptLine : UBL_DespatchLine;
    const struct erp_ubl_node *supplier = erp_ubl_child(root, UBL_SellerSupplierParty);
    if (supplier == NULL) {
        supplier = erp_ubl_child(root, UBL_DespatchSupplierParty);
    }
    enum rv_code code = UBL_PUT(reading, root, head_fields, out, err);
    if (code == RV_OK) {
        code = ubl_put_party(reading, supplier, false, "supplier", out, err);
    }
    json_t *lines = json_array();
    json_object_set_new(out, "lines", lines);
    UBL_EACH(node, root, line_name)
    {
        json_t *line = json_object();
        json_array_append_new(lines, line);
        if (code == RV_OK) {
            code = ubl_line_ok(reading, json_array_size(lines), err);
        }
        if (code == RV_OK) {
            code = UBL_PUT(reading, node, line_fields, line, err);
        }
    }
    return code;
}
