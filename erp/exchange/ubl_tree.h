/* ubl_tree.h -- a UBL document as a small tree of known elements.
 *
 * UBL's vocabulary is large and recursive, and the EN 16931 rules look across the whole document,
 * so a document (64 MiB at most) is read into a tree in an arena: element names become numbers from
 * the table below, unknown elements are skipped with everything inside them, texts are trimmed.
 * Names count only in their own namespace: basic (cbc), aggregate (cac), or the document's for the
 * root.  Embedded attachments are noted, not kept.
 *
 * Limits: ERP_UBL_ELEMENTS_MAX elements, ERP_UBL_MEMORY_MAX bytes; RV_LIMIT beyond.
 * Ownership: the tree lives in the caller's arena.
 */
#ifndef REEVE_ERP_EXCHANGE_UBL_TREE_H
#define REEVE_ERP_EXCHANGE_UBL_TREE_H

#include "erp/exchange/xml.h"
#include "runtime/base/arena.h"

enum {
    ERP_UBL_ELEMENTS_MAX = 1500000,  /* 64 MiB of ordinary UBL hold about a million */
    ERP_UBL_MEMORY_MAX = 192 << 20,  /* what the tree of one document may use */
    ERP_UBL_ARENA_BYTES = 224 << 20, /* the arena's own limit: above what is refused */
    ERP_UBL_LINES_MAX = 50000,       /* lines of one document: it becomes one command */
    ERP_UBL_BREAKDOWNS_MAX = 100,    /* category and rate pairs; each is summed over all lines */
    ERP_UBL_LINE_FINDINGS_MAX = 200, /* findings about single lines; rules count their places */
};

/* clang-format off */
/* B: CommonBasicComponents-2, A: CommonAggregateComponents-2 */
#define ERP_UBL_NAMES(X)                                                                           \
    X(B, AccountingCost) X(A, AccountingCustomerParty) X(A, AccountingSupplierParty)               \
    X(B, ActualDeliveryDate) X(A, AdditionalDocumentReference) X(A, AdditionalItemProperty)        \
    X(A, Address) X(A, AllowanceCharge) X(B, AllowanceChargeReason)                                \
    X(B, AllowanceChargeReasonCode) X(B, AllowanceTotalAmount) X(B, Amount)                        \
    X(A, AnticipatedMonetaryTotal) X(A, Attachment) X(B, BackorderQuantity) X(B, BaseAmount)       \
    X(B, BaseQuantity) X(A, BillingReference) X(A, BuyerCustomerParty)                             \
    X(A, BuyersItemIdentification) X(B, BuyerReference) X(A, CardAccount) X(B, ChargeIndicator)    \
    X(B, ChargeTotalAmount) X(A, ClassifiedTaxCategory) X(A, CommodityClassification)              \
    X(B, CompanyID) X(A, ContractDocumentReference) X(A, Country) X(B, CreditedQuantity)           \
    X(B, CreditLineAmount) X(A, CreditNoteDocumentReference) X(A, CreditNoteLine)                  \
    X(B, CreditNoteTypeCode) X(B, CustomerAssignedAccountID) X(B, CustomizationID)                 \
    X(B, DebitLineAmount) X(B, DeliveredQuantity) X(A, Delivery) X(A, DeliveryCustomerParty)       \
    X(A, DeliveryLocation) X(B, Description) X(B, DescriptionCode) X(A, DespatchDocumentReference) \
    X(A, DespatchLine) X(A, DespatchSupplierParty) X(B, DocumentCurrencyCode)                      \
    X(A, DocumentReference) X(B, DocumentTypeCode) X(B, DueDate)                                   \
    X(B, EmbeddedDocumentBinaryObject) X(B, EndDate) X(B, EndpointID) X(A, FinancialInstitution)   \
    X(A, FinancialInstitutionBranch) X(B, ID) X(B, IdentificationCode) X(B, InvoicedQuantity)      \
    X(A, InvoiceDocumentReference) X(A, InvoiceLine) X(A, InvoicePeriod) X(B, InvoiceTypeCode)     \
    X(B, IssueDate) X(A, Item) X(B, ItemClassificationCode) X(A, LegalMonetaryTotal)               \
    X(B, LineExtensionAmount) X(B, LineID) X(A, LineItem) X(B, MultiplierFactorNumeric)            \
    X(B, Name) X(B, Note) X(A, OrderLine) X(A, OrderLineReference) X(A, OrderReference)            \
    X(A, OriginCountry) X(B, OutstandingQuantity) X(A, Party) X(A, PartyIdentification)            \
    X(A, PartyLegalEntity) X(A, PartyName) X(A, PartyTaxScheme) X(B, PayableAmount)                \
    X(B, PayableRoundingAmount) X(A, PayeeFinancialAccount) X(A, PayeeParty)                       \
    X(B, PaymentDueDate) X(B, PaymentID) X(A, PaymentMeans) X(B, PaymentMeansCode)                 \
    X(A, PaymentTerms) X(B, Percent) X(A, PostalAddress) X(B, PaidAmount) X(B, PrepaidAmount)                   \
    X(A, PrepaidPayment) X(A, Price)           \
    X(B, PriceAmount) X(B, PricingCurrencyCode) X(B, PrimaryAccountNumberID) X(B, Quantity)        \
    X(A, ReceiptLine) X(B, ReceivedQuantity) X(A, RegistrationAddress) X(B, RegistrationName)      \
    X(B, RejectedQuantity) X(A, RemittanceAdviceLine) X(A, SellersItemIdentification)              \
    X(A, SellerSupplierParty) X(B, ShortQuantity) X(A, StandardItemIdentification)                 \
    X(B, StartDate) X(B, SupplierAssignedAccountID) X(B, TaxableAmount) X(B, TaxAmount)            \
    X(A, TaxCategory) X(B, TaxCurrencyCode) X(B, TaxExclusiveAmount) X(B, TaxExemptionReason)      \
    X(B, TaxExemptionReasonCode) X(B, TaxInclusiveAmount) X(B, TaxPointDate)                       \
    X(A, TaxRepresentativeParty) X(A, TaxScheme) X(A, TaxSubtotal) X(A, TaxTotal)                  \
    X(B, TaxTypeCode) X(B, TotalCreditAmount) X(B, TotalDebitAmount) X(B, TotalPaymentAmount)      \
    X(B, UBLVersionID) X(B, Value)
/* clang-format on */

enum erp_ubl_name {
    UBL_NONE, /* ends a path */
    UBL_ROOT, /* the document element */
#define X(kind, name) UBL_##name,
    ERP_UBL_NAMES(X)
#undef X
        UBL_NAME_COUNT
};

/* Document types, by the local name of the root and its namespace. */
#define ERP_UBL_TYPES(X)                                                                           \
    X(INVOICE, "Invoice")                                                                          \
    X(CREDIT_NOTE, "CreditNote")                                                                   \
    X(ORDER, "Order")                                                                              \
    X(ORDER_RESPONSE, "OrderResponse")                                                             \
    X(ORDER_RESPONSE_SIMPLE, "OrderResponseSimple")                                                \
    X(DESPATCH, "DespatchAdvice")                                                                  \
    X(RECEIPT, "ReceiptAdvice")                                                                    \
    X(REMITTANCE, "RemittanceAdvice")                                                              \
    X(STATEMENT, "Statement")

enum erp_ubl_type {
    ERP_UBL_UNKNOWN,
#define X(type, name) ERP_UBL_##type,
    ERP_UBL_TYPES(X)
#undef X
};
const char *erp_ubl_type_name(enum erp_ubl_type type);

struct erp_ubl_node {
    enum erp_ubl_name name;
    int line;
    const char *text; /* trimmed, "" when none; "" for discarded attachments */
    struct erp_ubl_node *first;
    struct erp_ubl_node *last;
    struct erp_ubl_node *next;
    const char *currency; /* attributes that matter, NULL when absent */
    const char *unit;     /* unitCode */
    const char *scheme;   /* schemeID */
    const char *list;     /* listID */
    const char *mime;     /* mimeCode */
    const char *filename;
};

struct erp_ubl {
    enum erp_ubl_type type;
    struct erp_ubl_node *root;
    struct rv_hash hash;
    const char *file; /* for messages */
};

/* RV_INVALID when the root is no UBL document of the table. */
RV_MUST enum rv_code erp_ubl_tree_read(struct erp_source *source, struct rv_arena *arena,
                                       struct erp_ubl *out, struct rv_error *err);

/* All of these take NULL for "no such node" and pass it on. */
const struct erp_ubl_node *erp_ubl_child(const struct erp_ubl_node *node, enum erp_ubl_name name);
/* The first node of that name after `node` among its siblings. */
const struct erp_ubl_node *erp_ubl_next(const struct erp_ubl_node *node, enum erp_ubl_name name);
/* First child by first child along names ending in UBL_NONE. */
const struct erp_ubl_node *erp_ubl_at(const struct erp_ubl_node *node,
                                      const enum erp_ubl_name *path);
#define UBL_AT(node, ...) erp_ubl_at((node), (const enum erp_ubl_name[]){__VA_ARGS__, UBL_NONE})
#define UBL_EACH(item, parent, child_name)                                                         \
    for (const struct erp_ubl_node *item = erp_ubl_child((parent), (child_name)); (item) != NULL;  \
         (item) = erp_ubl_next((item), (child_name)))
/* The text, "" when there is no node. */
const char *erp_ubl_text(const struct erp_ubl_node *node);
int erp_ubl_count(const struct erp_ubl_node *parent, enum erp_ubl_name name);
const char *erp_ubl_name_text(enum erp_ubl_name name);

#endif
