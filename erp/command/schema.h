/* schema.h -- checks arguments against the subset of JSON Schema that the catalogue uses.
 *
 * Understood: type (object array string integer boolean, data: any JSON), required, properties,
 * additionalProperties false, items, minItems, maxItems, minLength, maxLength, minimum, maximum,
 * enum (of strings), default, format: date, period, currency, decimal, iban, hash (64 hex digits).
 * An unknown keyword in a schema is a wrong program.  Numbers with a point are never taken.
 *
 * Defaults are filled into `value`; a null stands for absence and is removed.
 */
#ifndef REEVE_ERP_COMMAND_SCHEMA_H
#define REEVE_ERP_COMMAND_SCHEMA_H

#include "runtime/base/error.h"
#include "runtime/base/json.h"

enum {
    ERP_SCHEMA_DEPTH_MAX = 8,        /* a document's totals are at depth 3 */
    ERP_SCHEMA_DATA_MAX = 1 << 20,   /* of type data: the body of a request */
    ERP_SCHEMA_LENGTH_DEFAULT = 4000 /* bytes of a string without maxLength: a memo, not a book */
};

/* RV_INVALID naming the place as a JSON pointer, the rule and the remedy. */
RV_MUST enum rv_code erp_schema_check(const json_t *schema, json_t *value, struct rv_error *err);

#endif
