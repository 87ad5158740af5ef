/* read.c -- see read.h. */
#include "erp/command/read.h"

#include "runtime/base/buf.h"

#include <string.h>

/* clang-format off */
const struct erp_read_kind erp_read_kinds[] = {
    {"account", {"number", "role", "kind", "iban", "active", NULL}},
    {"bank_line", {"id", "statement_id", "state", "counterparty_iban", NULL}},
    {"credit_note", {"id", "number", "number_norm", "party", "invoice_id", NULL}},
    {"credit_request", {"id", "invoice_id", "party", NULL}},
    {"exception", {"key", "type", "resource", "party", "state", NULL}},
    {"invoice", {"id", "number", "number_norm", "party", "order_id", "state", NULL}},
    {"open_item", {"id", "party", "doc_id", "ref", "ref_norm", NULL}},
    {"order", {"id", "number", "number_norm", "party", NULL}},
    {"payment", {"id", "party", "state", NULL}},
    {"receipt", {"id", "number", "number_norm", "party", "order_id", NULL}},
    {"remittance", {"remittance_id", "party", "invoice_ref", "invoice_ref_norm", NULL}},
    {"statement", {"id", "account", NULL}},
    {"supplier", {"id", "name", "name_norm", "vat_id", "vat_norm", "ext_id", "iban", NULL}},
    {NULL, {NULL}},
};
/* clang-format on */

enum { LIST_BYTES = 400 };

static enum rv_code unknown_kind(const char *name, const char *kind, struct rv_error *err)
{
    struct rv_buf list;
    rv_buf_init(&list, LIST_BYTES);
    for (const struct erp_read_kind *at = erp_read_kinds; at->name != NULL; at++) {
        rv_buf_printf(&list, "%s%s", at == erp_read_kinds ? "" : ", ", at->name);
    }
    rv_fail(err, RV_INVALID, "%s: nothing of kind \"%.60s\" can be read", name, kind);
    rv_hint(err, "Kinds are: %.*s.", (int)list.length, list.data);
    rv_buf_fini(&list);
    return RV_INVALID;
}

static enum rv_code check_filter(const struct erp_read_kind *kind, const json_t *filter,
                                 struct rv_error *err)
{
    if (filter == NULL || json_object_size(filter) == 0) {
        return RV_OK; /* the first rows; an empty table of Lua may be a list */
    }
    struct rv_buf list;
    rv_buf_init(&list, LIST_BYTES);
    bool named = false;
    for (int i = 0; kind->fields[i] != NULL; i++) {
        named = named || json_object_get(filter, kind->fields[i]) != NULL;
        rv_buf_printf(&list, "%s%s", i == 0 ? "" : ", ", kind->fields[i]);
    }
    if (!named) {
        rv_fail(err, RV_INVALID, "erp.find: a filter for %s names none of its indexed fields",
                kind->name);
        rv_hint(err, "Name one of: %.*s.", (int)list.length, list.data);
    }
    rv_buf_fini(&list);
    return named ? RV_OK : RV_INVALID;
}

enum rv_code erp_read_check(const char *name, const json_t *args, struct rv_error *err)
{
    const char *kind = rv_json_str(args, "kind", "");
    if (strncmp(name, "erp.", 4) != 0) {
        return RV_OK;
    }
    for (const struct erp_read_kind *at = erp_read_kinds; at->name != NULL; at++) {
        if (strcmp(at->name, kind) == 0) {
            return strcmp(name, "erp.find") == 0
                       ? check_filter(at, json_object_get(args, "filter"), err)
                       : RV_OK;
        }
    }
    return unknown_kind(name, kind, err);
}
