/* catalogue.c -- see catalogue.h. */
#include "erp/exception/catalogue.h"

#include <stddef.h>
#include <string.h>

/* Tiers as in erp/command/command.h: 1 reversible, 2 ledger effect, 3 money leaves. */
const struct erp_exception_type erp_exception_types[] = {
    {"F01",
     "price_variance",
     "Price differs from the order",
     "The unit price of an invoice line is over or under that of its order line by more than PP.",
     2,
     "buyer",
     5,
     {"invoice.accept_variance", "order.change", "credit_note.request", "invoice.hold",
      "invoice.reject", NULL}},
    {"F02",
     "quantity_variance",
     "Invoiced above received",
     "More has been invoiced on an order line than was received and not rejected.",
     2,
     "buyer",
     5,
     {"invoice.hold", "credit_note.request", "invoice.accept_variance", "invoice.reject", NULL}},
    {"F04",
     "order_missing",
     "Order missing or wrong",
     "The invoice names no order, or one that is unknown or of another supplier.",
     2,
     "ap.manager",
     5,
     {"invoice.link_order", "invoice.hold", "invoice.reject", NULL}},
    {"F07",
     "duplicate_exact",
     "Duplicate invoice",
     "Supplier, number, currency and amount are those of another invoice.",
     1,
     "clerk",
     2,
     {"invoice.reject", "invoice.confirm_distinct", "invoice.hold", NULL}},
    {"F08",
     "duplicate_probable",
     "Probable duplicate",
     "Same supplier and amount within DUP days; number, order or date are nearly or quite the "
     "same.",
     2,
     "ap.manager",
     3,
     {"invoice.reject", "invoice.confirm_distinct", "invoice.hold", NULL}},
    {"F09",
     "document_sums",
     "Document contradicts itself",
     "Sums of an invoice break an EN 16931 rule, or an order line is not quantity times price.",
     2,
     "clerk",
     5,
     {"invoice.reject", "invoice.hold", "order.change", NULL}},
    {"F10",
     "tax_wrong",
     "Tax is wrong",
     "A tax amount is not base times rate, or the tax bases are not the net total.",
     2,
     "controller",
     5,
     {"invoice.reject", "invoice.hold", "credit_note.request", NULL}},
    {"F12",
     "bank_details",
     "Bank details differ",
     "The invoice names another bank account than the supplier's master data.",
     3,
     "treasurer",
     1,
     {"invoice.hold", "invoice.reject", "party.register", NULL}},
    {"F19",
     "supplier_debit",
     "Supplier owes us",
     "Paid and credited is more than invoiced, for longer than DEBIT days.",
     2,
     "ap.manager",
     10,
     {"credit_note.post", "payment.propose", "bank_line.match", NULL}},
    {"F21",
     "paid_twice",
     "Paid twice",
     "The same invoice, or the same amount to the same account within PAY2 days, was paid again.",
     3,
     "treasurer",
     1,
     {"payment.cancel", "invoice.hold", "credit_note.request", NULL}},
    {"F22",
     "bank_unmatched",
     "Bank line not matched",
     "A line of an imported statement is neither matched nor posted.",
     2,
     "clerk",
     3,
     {"bank_line.match", "bank_line.post_to", NULL}},
    {"F23",
     "bank_difference",
     "Short, over or partial payment",
     "The bank line names an open item, but the amount differs.",
     2,
     "clerk",
     3,
     {"bank_line.match", "bank_line.post_to", NULL}},
    {0}};

const struct erp_exception_type *erp_exception_type_find(const char *code)
{
    for (const struct erp_exception_type *type = erp_exception_types; type->code != NULL; type++) {
        if (strcmp(type->code, code) == 0) {
            return type;
        }
    }
    return NULL;
}

bool erp_exception_allows(const struct erp_exception_type *type, const char *command)
{
    for (int i = 0; i < ERP_RESOLUTIONS_MAX && type->resolutions[i] != NULL; i++) {
        if (strcmp(type->resolutions[i], command) == 0) {
            return true;
        }
    }
    return false;
}
