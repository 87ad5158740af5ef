/* words.h -- pieces of argument schemas that many commands share.  JSON(...) turns JSON written
 * plainly into a string; pieces are joined by C's string concatenation.  Private to erp/command. */
#ifndef REEVE_ERP_COMMAND_WORDS_H
#define REEVE_ERP_COMMAND_WORDS_H

#define JSON(...) #__VA_ARGS__

/* clang-format off */
#define ID JSON({"type": "integer", "minimum": 1})
/* A trillion of a currency with two digits: nobody's invoice, and sums of thousands fit in 64 bits. */
#define MINOR JSON({"type": "integer", "minimum": -100000000000000, "maximum": 100000000000000})
#define COUNT JSON({"type": "integer", "minimum": 0})
#define BOOL JSON({"type": "boolean"})
#define DATE JSON({"type": "string", "format": "date"})
#define CURRENCY JSON({"type": "string", "format": "currency"})
#define DECIMAL JSON({"type": "string", "format": "decimal"})
#define NAME JSON({"type": "string", "minLength": 1, "maxLength": 200})
#define TEXT JSON({"type": "string", "maxLength": 4000})
#define REASON JSON({"type": "string", "minLength": 1, "maxLength": 1000})
#define HASH JSON({"type": "string", "format": "hash"})
#define AMOUNT JSON({"type": "object", "additionalProperties": false, \
    "required": ["minor", "currency"], "properties": {"minor":) MINOR JSON(, "currency":) CURRENCY JSON(}})

/* An object whose members are `properties` and nothing else. */
#define OBJECT(required, properties) \
    "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[" required "],\"properties\":{" properties "}}"
#define FIELD(name, rule) "\"" name "\":" rule
#define LIST(most, items) "{\"type\":\"array\",\"maxItems\":" #most ",\"items\":" items "}"
#define LIST1(most, items) "{\"type\":\"array\",\"minItems\":1,\"maxItems\":" #most ",\"items\":" items "}"

/* ---- the document JSON that erp/exchange makes ---- */
#define PARTY OBJECT(JSON("name"), \
    FIELD("name", NAME) "," FIELD("vat_id", NAME) "," FIELD("id", NAME) "," FIELD("legal_id", NAME) "," \
    FIELD("endpoint", NAME) "," FIELD("country", NAME))
#define FINDINGS LIST(1000, OBJECT(JSON("rule"), \
    FIELD("rule", NAME) "," FIELD("fatal", BOOL) "," FIELD("message", TEXT) "," \
    FIELD("expected", TEXT) "," FIELD("found", TEXT)))
#define TOTALS OBJECT("", \
    FIELD("lines_minor", MINOR) "," FIELD("allowances_minor", MINOR) "," FIELD("charges_minor", MINOR) "," \
    FIELD("net_minor", MINOR) "," FIELD("tax_minor", MINOR) "," FIELD("gross_minor", MINOR) "," \
    FIELD("prepaid_minor", MINOR) "," FIELD("rounding_minor", MINOR) "," FIELD("payable_minor", MINOR))
#define PAYMENT_MEANS OBJECT("", \
    FIELD("means", NAME) "," FIELD("iban", NAME) "," FIELD("bic", NAME) "," \
    FIELD("reference", TEXT) "," FIELD("account", NAME))
/* clang-format on */

#endif
