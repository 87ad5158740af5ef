/* ubl.h -- UBL 2.0 and 2.1 documents become the documents that the ERP's commands take.
 *
 * Invoice, CreditNote, Order, DespatchAdvice, ReceiptAdvice and RemittanceAdvice are read;
 * OrderResponse, OrderResponseSimple and Statement are recognised and skipped with a reason.
 *
 * Amounts become integers in minor units of the document's currency and are never rounded: digits
 * beyond the minor unit leave the key out and make a fatal finding (RV-MINOR-UNIT), as does an
 * amount in another currency (RV-CURRENCY).  Prices, quantities and rates stay decimal text with at
 * most ERP_UBL_DECIMALS_MAX decimals (trailing zeros beyond are dropped).  An exponent, a thousands
 * mark, more than 18 digits, a date that is none, or more lines than ERP_UBL_LINES_MAX refuse the
 * file, naming line and field.
 *
 * Findings of invoices and credit notes: en16931.h.  Findings of orders: RV-ORDER-LINE (quantity
 * times price is not the stated net) and RV-ORDER-SUM (the lines do not sum to the total).
 * Invoices too are checked line by line (RV-LINE-NET), never fatally: EN 16931 has no such rule.
 */
#ifndef REEVE_ERP_EXCHANGE_UBL_H
#define REEVE_ERP_EXCHANGE_UBL_H

#include "erp/exchange/ubl_tree.h"
#include "runtime/base/json.h"

enum { ERP_UBL_DECIMALS_MAX = 6 }; /* numeric(20,6) in the books */

struct erp_ubl_result {
    enum erp_ubl_type type;
    json_t *document;    /* new reference; NULL when there is nothing to import */
    const char *skipped; /* why there is nothing to import, else NULL; static text */
    char sha256[RV_HASH_HEX];
};

RV_MUST enum rv_code erp_ubl_read(struct erp_source *source, struct erp_ubl_result *out,
                                  struct rv_error *err);

#endif
