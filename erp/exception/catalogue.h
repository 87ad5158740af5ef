/* catalogue.h -- the kinds of exceptions as data: what each means, who owns it, and the commands
 * that may resolve it.  An agent chooses among these and cannot invent one.
 *
 * The rules themselves are SQL (erp/exception/sql/migrations); to add a kind: a detector there, a
 * row here.  Process lifetime, any thread.
 */
#ifndef REEVE_ERP_EXCEPTION_CATALOGUE_H
#define REEVE_ERP_EXCEPTION_CATALOGUE_H

#include <stdbool.h>

enum { ERP_RESOLUTIONS_MAX = 8 };

struct erp_exception_type {
    const char *code;  /* "F01" */
    const char *word;  /* "price_variance": what agents handle */
    const char *title; /* "Price differs from the order" */
    const char *rule;  /* one sentence for people */
    int tier;          /* highest tier of its resolutions, see enum erp_tier */
    const char *owner; /* role that answers for it */
    int sla_days;      /* working answer within */
    const char *resolutions[ERP_RESOLUTIONS_MAX]; /* commands, NULL-terminated */
};

extern const struct erp_exception_type erp_exception_types[];               /* code NULL ends */
const struct erp_exception_type *erp_exception_type_find(const char *code); /* NULL: unknown */
bool erp_exception_allows(const struct erp_exception_type *type, const char *command);

#endif
