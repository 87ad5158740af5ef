/* read.h -- what can be read of the books, as data: the kinds that erp.find, erp.get and
 * erp.history take, and the fields of which a filter must name at least one.
 *
 * The same list as erp_read_kinds() in erp/sql/migrations/0071_read_bounded.sql (a test compares
 * them); here for those who check a question without a database.  Process lifetime, any thread.
 */
#ifndef REEVE_ERP_COMMAND_READ_H
#define REEVE_ERP_COMMAND_READ_H

#include "runtime/base/error.h"
#include "runtime/base/json.h"

enum { ERP_READ_FIELDS_MAX = 8, ERP_READ_ROWS_MAX = 200 };

struct erp_read_kind {
    const char *name;                            /* NULL ends the table */
    const char *fields[ERP_READ_FIELDS_MAX + 1]; /* indexed; NULL-terminated */
};
extern const struct erp_read_kind erp_read_kinds[];

/* Would this question be answered?  `name` is "erp.find", "erp.get" or "erp.history"; others are
 * RV_OK.  RV_INVALID names the kind or the fields that there are. */
RV_MUST enum rv_code erp_read_check(const char *name, const json_t *args, struct rv_error *err);

#endif
