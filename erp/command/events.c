/* events.c -- every kind of event and the statement that projects it, in the order in which a batch
 * writes them: parties before documents, entries before what refers to them. */
#include "erp/command/command.h"
#include "erp_command_sql.h"

#include <string.h>

const struct erp_event_type erp_event_types[] = {
    {"account.registered.v1", &rv_sql_project_account_registered},
    {"party.registered.v1", &rv_sql_project_party_registered},
    {"tolerance.set.v1", &rv_sql_project_tolerance_set},
    {"period.locked.v1", &rv_sql_project_period_locked},
    {"order.registered.v1", &rv_sql_project_order_registered},
    {"order.changed.v1", &rv_sql_project_order_changed},
    {"receipt.registered.v1", &rv_sql_project_receipt_registered},
    {"invoice.registered.v1", &rv_sql_project_invoice_registered},
    {"credit_note.registered.v1", &rv_sql_project_credit_note_registered},
    {"remittance.registered.v1", &rv_sql_project_remittance_registered},
    {"journal.posted.v1", &rv_sql_project_journal_posted},
    {"journal.reversed.v1", &rv_sql_project_journal_reversed},
    {"invoice.held.v1", &rv_sql_project_invoice_held},
    {"invoice.released.v1", &rv_sql_project_invoice_released},
    {"invoice.rejected.v1", &rv_sql_project_invoice_rejected},
    {"invoice.reopened.v1", &rv_sql_project_invoice_reopened},
    {"invoice.linked.v1", &rv_sql_project_invoice_linked},
    {"invoice.variance_accepted.v1", &rv_sql_project_invoice_variance_accepted},
    {"invoice.distinct.v1", &rv_sql_project_invoice_distinct},
    {"invoice.unposted.v1", &rv_sql_project_invoice_unposted},
    {"invoice.posted.v1", &rv_sql_project_invoice_posted},
    {"credit_note.requested.v1", &rv_sql_project_credit_requested},
    {"credit_note.request_cancelled.v1", &rv_sql_project_credit_request_cancelled},
    {"credit_note.unposted.v1", &rv_sql_project_credit_note_unposted},
    {"credit_note.posted.v1", &rv_sql_project_credit_note_posted},
    {"payment.cancelled.v1", &rv_sql_project_payment_cancelled},
    {"payment.proposed.v1", &rv_sql_project_payment_proposed},
    {"payment.released.v1", &rv_sql_project_payment_released},
    {"bank_statement.opened.v1", &rv_sql_project_statement_opened},
    {"bank_statement.lines.v1", &rv_sql_project_statement_lines},
    {"bank_statement.closed.v1", &rv_sql_project_statement_closed},
    {"bank_statement.released.v1", &rv_sql_project_statement_released},
    {"bank_line.unmatched.v1", &rv_sql_project_bank_line_unmatched},
    {"bank_line.matched.v1", &rv_sql_project_bank_line_matched},
    {"bank_line.posted.v1", &rv_sql_project_bank_line_posted},
    {"exceptions.detected.v1", &rv_sql_project_exceptions_detected},
    {"exception.resolved.v1", &rv_sql_project_exception_resolved},
    {"exception.snoozed.v1", &rv_sql_project_exception_snoozed},
    {"exception.reopened.v1", &rv_sql_project_exception_reopened},
    {"exception.noted.v1", &rv_sql_project_exception_noted},
    {NULL, NULL}};

const struct erp_event_type *erp_event_type_find(const char *name)
{
    for (const struct erp_event_type *type = erp_event_types; type->name != NULL; type++) {
        if (strcmp(type->name, name) == 0) {
            return type;
        }
    }
    return NULL;
}
