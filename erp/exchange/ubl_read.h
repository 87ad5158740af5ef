/* ubl_read.h -- from nodes to JSON by tables of fields; shared by the ubl_*.c files only. */
#ifndef REEVE_ERP_EXCHANGE_UBL_READ_H
#define REEVE_ERP_EXCHANGE_UBL_READ_H

#include "erp/exchange/number.h"
#include "erp/exchange/ubl.h"

enum { UBL_PATH_MAX = 5 };

enum ubl_kind {
    UBL_TEXT,
    UBL_DATE,
    UBL_AMOUNT,  /* integer, minor units of the document's currency */
    UBL_DECIMAL, /* decimal text */
    UBL_UNIT,    /* attribute unitCode */
};

/* Rows with the same key are alternatives: the first that is present wins. */
struct ubl_field {
    const char *key;
    enum ubl_kind kind;
    enum erp_ubl_name path[UBL_PATH_MAX]; /* ends with UBL_NONE (0) */
};

struct ubl_reading {
    const struct erp_ubl *ubl;
    char currency[4]; /* "" when the document has none */
    int exponent;
    json_t *findings; /* array */
};

/* Finds the document's currency: the first of `codes` that is there, else currencyID of `amount`
 * (may be NULL).  RV_INVALID when unknown. */
RV_MUST enum rv_code ubl_currency(struct ubl_reading *reading, const struct erp_ubl_node *code,
                                  const struct erp_ubl_node *amount, struct rv_error *err);
RV_MUST enum rv_code ubl_put(struct ubl_reading *reading, const struct erp_ubl_node *from,
                             const struct ubl_field *fields, size_t count, json_t *out,
                             struct rv_error *err);
#define UBL_PUT(reading, from, fields, out, err)                                                   \
    ubl_put((reading), (from), (fields), RV_COUNT(fields), (out), (err))
/* A party object from a ...Party element that has ids and a cac:Party. */
RV_MUST enum rv_code ubl_put_party(struct ubl_reading *reading, const struct erp_ubl_node *role,
                                   bool is_buyer, const char *key, json_t *out,
                                   struct rv_error *err);
/* Payment object from the first cac:PaymentMeans, when there is one. */
RV_MUST enum rv_code ubl_put_payment(struct ubl_reading *reading, json_t *out,
                                     struct rv_error *err);
/* The amount of a node in minor units; *given false when there is no node. */
RV_MUST enum rv_code ubl_amount(struct ubl_reading *reading, const struct erp_ubl_node *node,
                                bool *given, int64_t *minor, struct rv_error *err);
/* Line number `count` is still allowed. */
RV_MUST enum rv_code ubl_line_ok(const struct ubl_reading *reading, size_t count,
                                 struct rv_error *err);

/* Adds a finding; expected and found may be NULL. */
void ubl_finding(json_t *findings, const char *rule, bool fatal, const char *expected,
                 const char *found, const char *format, ...) RV_PRINTF(6, 7);
/* Quantity times price per base quantity against the stated net of a line: adds `rule` when they
 * differ by more than one minor unit.  `extra_minor`: charges less allowances of the line. */
void ubl_check_line(struct ubl_reading *reading, const json_t *line, int64_t extra_minor,
                    const char *rule, bool fatal);

/* One per document type. */
RV_MUST enum rv_code ubl_read_invoice(struct ubl_reading *reading, json_t *out,
                                      struct rv_error *err);
RV_MUST enum rv_code ubl_read_order(struct ubl_reading *reading, json_t *out, struct rv_error *err);
RV_MUST enum rv_code ubl_read_delivery(struct ubl_reading *reading, json_t *out,
                                       struct rv_error *err);
RV_MUST enum rv_code ubl_read_remittance(struct ubl_reading *reading, json_t *out,
                                         struct rv_error *err);

#endif
