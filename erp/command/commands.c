/* commands.c -- the catalogue: every command there is, and the check of its arguments.
 *
 * Schemas are written as text beside their command and parsed once per process. */
#include "erp/command/area.h"
#include "erp/command/schema.h"
#include "runtime/base/check.h"

#include <pthread.h>
#include <string.h>

const struct erp_command *const erp_commands[] = {
    /* master data */
    &erp_account_register,
    &erp_party_register,
    &erp_tolerance_set,
    &erp_period_lock,
    /* documents */
    &erp_order_register,
    &erp_order_change,
    &erp_receipt_register,
    &erp_invoice_register,
    &erp_credit_note_register,
    &erp_remittance_register,
    /* invoices */
    &erp_invoice_hold,
    &erp_invoice_release,
    &erp_invoice_reject,
    &erp_invoice_reopen,
    &erp_invoice_link_order,
    &erp_invoice_accept_variance,
    &erp_invoice_confirm_distinct,
    &erp_invoice_post,
    &erp_credit_note_request,
    &erp_credit_note_cancel_request,
    &erp_credit_note_post,
    /* money */
    &erp_payment_propose,
    &erp_payment_release,
    &erp_payment_cancel,
    &erp_bank_statement_import,
    &erp_bank_statement_lines,
    &erp_bank_statement_close,
    &erp_bank_statement_release,
    &erp_bank_line_match,
    &erp_bank_line_post_to,
    &erp_bank_line_unmatch,
    &erp_journal_post,
    &erp_journal_reverse,
    /* exceptions */
    &erp_exception_detect,
    &erp_exception_resolve,
    &erp_exception_snooze,
    &erp_exception_reopen,
    &erp_exception_note,
    /* outside */
    &erp_http_request,
    &erp_mail_send,
    &erp_file_write,
    NULL,
};

static json_t *schemas[sizeof erp_commands / sizeof erp_commands[0]]; /* constant once parsed */
static pthread_once_t schemas_once = PTHREAD_ONCE_INIT;

static void parse_schemas(void)
{
    for (size_t i = 0; erp_commands[i] != NULL; i++) {
        const char *text = erp_commands[i]->schema;
        RV_ASSERT(rv_json_parse(text, strlen(text), erp_commands[i]->name, &schemas[i], NULL) ==
                  RV_OK);
    }
}

const struct erp_command *erp_command_find(const char *name)
{
    for (size_t i = 0; erp_commands[i] != NULL; i++) {
        if (strcmp(erp_commands[i]->name, name) == 0) {
            return erp_commands[i];
        }
    }
    return NULL;
}

enum rv_code erp_command_check(const struct erp_command *command, json_t *args,
                               struct rv_error *err)
{
    pthread_once(&schemas_once, parse_schemas);
    for (size_t i = 0; erp_commands[i] != NULL; i++) {
        if (erp_commands[i] == command) {
            enum rv_code code = erp_schema_check(schemas[i], args, err);
            return code == RV_OK ? RV_OK : rv_wrap(err, code, "%s", command->name);
        }
    }
    RV_UNREACHABLE("a command outside the catalogue");
}
