/* area.h -- the commands of every area, gathered by commands.c.  Private to erp/command. */
#ifndef REEVE_ERP_COMMAND_AREA_H
#define REEVE_ERP_COMMAND_AREA_H

#include "erp/command/command.h"

/* master.c */
extern const struct erp_command erp_account_register, erp_party_register, erp_tolerance_set,
    erp_period_lock;
/* order.c */
extern const struct erp_command erp_order_register, erp_order_change, erp_receipt_register;
/* invoice.c */
extern const struct erp_command erp_invoice_register, erp_credit_note_register,
    erp_remittance_register;
/* invoice_state.c */
extern const struct erp_command erp_invoice_hold, erp_invoice_release, erp_invoice_reject,
    erp_invoice_reopen, erp_invoice_link_order, erp_invoice_accept_variance,
    erp_invoice_confirm_distinct, erp_credit_note_request, erp_credit_note_cancel_request;
/* invoice_post.c */
extern const struct erp_command erp_invoice_post, erp_credit_note_post;
/* payment.c */
extern const struct erp_command erp_payment_propose, erp_payment_release, erp_payment_cancel;
/* bank.c */
extern const struct erp_command erp_bank_statement_import, erp_bank_statement_lines,
    erp_bank_statement_close, erp_bank_statement_release;
/* bank_line.c */
extern const struct erp_command erp_bank_line_match, erp_bank_line_post_to, erp_bank_line_unmatch;
/* journal.c */
extern const struct erp_command erp_journal_post, erp_journal_reverse;
/* exception.c */
extern const struct erp_command erp_exception_detect, erp_exception_resolve, erp_exception_snooze,
    erp_exception_reopen, erp_exception_note;
/* external.c */
extern const struct erp_command erp_http_request, erp_mail_send, erp_file_write;

#endif
