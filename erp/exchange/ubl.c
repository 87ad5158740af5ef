/* ubl.c -- reads a UBL document and hands it to the reader of its type; see ubl.h. */
#include "erp/exchange/ubl.h"

#include "erp/exchange/ubl_read.h"
#include "runtime/base/check.h"

#include <string.h>

static const struct {
    enum erp_ubl_type type;
    const char *kind;    /* of the document JSON, NULL when it is not imported */
    const char *skipped; /* why not */
    enum rv_code (*read)(struct ubl_reading *reading, json_t *out, struct rv_error *err);
} readers[] = {
    {ERP_UBL_INVOICE, "invoice", NULL, ubl_read_invoice},
    {ERP_UBL_CREDIT_NOTE, "credit_note", NULL, ubl_read_invoice},
    {ERP_UBL_ORDER, "order", NULL, ubl_read_order},
    {ERP_UBL_DESPATCH, "despatch", NULL, ubl_read_delivery},
    {ERP_UBL_RECEIPT, "receipt", NULL, ubl_read_delivery},
    {ERP_UBL_REMITTANCE, "remittance", NULL, ubl_read_remittance},
    {ERP_UBL_ORDER_RESPONSE, NULL,
     "an order response changes nothing in the books: the order, the receipt and the invoice count",
     NULL},
    {ERP_UBL_ORDER_RESPONSE_SIMPLE, NULL,
     "an order response changes nothing in the books: the order, the receipt and the invoice count",
     NULL},
    {ERP_UBL_STATEMENT, NULL,
     "a supplier's statement of account repeats documents; import the invoices themselves", NULL},
};

static enum rv_code read_document(struct erp_source *source, struct rv_arena *arena,
                                  struct erp_ubl_result *out, struct rv_error *err)
{
    struct erp_ubl ubl;
    enum rv_code code = erp_ubl_tree_read(source, arena, &ubl, err);
    if (code != RV_OK) {
        return code;
    }
    out->type = ubl.type;
    rv_hash_hex(&ubl.hash, out->sha256);
    size_t i = 0;
    while (readers[i].type != ubl.type) {
        i++;
        RV_ASSERT(i < RV_COUNT(readers));
    }
    if (readers[i].read == NULL) {
        out->skipped = readers[i].skipped;
        return RV_OK;
    }
    struct ubl_reading reading = {.ubl = &ubl, .findings = json_array()};
    json_t *document = json_object();
    json_object_set_new(document, "kind", json_string(readers[i].kind));
    code = readers[i].read(&reading, document, err);
    bool has_findings = ubl.type == ERP_UBL_INVOICE || ubl.type == ERP_UBL_CREDIT_NOTE ||
                        ubl.type == ERP_UBL_ORDER || json_array_size(reading.findings) > 0;
    if (has_findings) {
        json_object_set(document, "findings", reading.findings);
    }
    json_decref(reading.findings);
    if (code != RV_OK) {
        json_decref(document);
        return code;
    }
    out->document = document;
    return RV_OK;
}

enum rv_code erp_ubl_read(struct erp_source *source, struct erp_ubl_result *out,
                          struct rv_error *err)
{
    *out = (struct erp_ubl_result){.document = NULL};
    struct rv_arena *arena = rv_arena_create("ubl document", ERP_UBL_ARENA_BYTES);
    enum rv_code code = read_document(source, arena, out, err);
    rv_arena_destroy(arena);
    return code;
}
