/* erp_documents.h -- small documents for tests, in the JSON that erp/exchange makes. */
#ifndef REEVE_TESTS_SUPPORT_ERP_DOCUMENTS_H
#define REEVE_TESTS_SUPPORT_ERP_DOCUMENTS_H

#include "tests/support/erp_world.h"

#define SUPPLIER "{'name':'Northwind Paper','vat_id':'DE 123 456 789','id':'S-17','country':'DE'}"

/* The accounts every posting needs, and a bank account. */
static inline void make_chart(struct erp_world *world)
{
    static const char *const rows[][4] = {
        {"1200", "Bank", "asset", "bank"},
        {"1290", "Payments under way", "asset", "bank_clearing"},
        {"1400", "Input tax", "asset", "vat_input"},
        {"1600", "Payables", "liability", "ap_control"},
        {"1700", "Goods received", "liability", "grir"},
        {"4900", "Other costs", "expense", "expense"},
        {"4970", "Bank fees", "expense", "bank_fee"},
        {"4980", "Rounding", "expense", "rounding"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        json_t *args = erp_json("{'number':'%s','name':'%s','kind':'%s','role':'%s'}", rows[i][0],
                                rows[i][1], rows[i][2], rows[i][3]);
        if (i == 0) {
            json_object_set_new(args, "iban", json_string("DE89370400440532013000"));
            json_object_set_new(args, "currency", json_string("EUR"));
        }
        erp_do(world, "account.register", args);
    }
}

/* The supplier of the documents below as verified master data; gives its id. */
static inline int64_t make_supplier(struct erp_world *world)
{
    const json_t *answer = erp_do(
        world, "party.register",
        erp_json(
            "{'name':'Northwind Paper','vat_id':'DE 123 456 789','ext_id':'S-17','country':'DE',"
            "'iban':'GB82WEST12345698765432'}"));
    return rv_json_int(answer, "party", 0);
}

/* An order of one line: `qty` at `price`, stated amount in minor units. */
static inline json_t *an_order(const char *number, const char *qty, const char *price, int64_t net)
{
    return erp_json(
        "{'kind':'order','number':'%s','issue_date':'2025-11-03','currency':'EUR',"
        "'supplier':" SUPPLIER ",'lines':[{'no':'1','item':'P-80','description':'paper',"
        "'qty':'%s','unit':'BX','price':'%s','net_minor':%lld}],'totals':{'net_minor':%lld}}",
        number, qty, price, (long long)net, (long long)net);
}

static inline json_t *a_receipt(const char *number, const char *order, const char *qty)
{
    return erp_json("{'kind':'receipt','number':'%s','issue_date':'2025-11-20','order_ref':'%s',"
                    "'supplier':" SUPPLIER ",'lines':[{'no':'1','item':'P-80','qty':'%s'}]}",
                    number, order, qty);
}

/* An invoice of one line with 19 % tax; `order` NULL: names none. */
static inline json_t *an_invoice(const char *number, const char *order, const char *qty,
                                 const char *price, int64_t net)
{
    int64_t tax = (net * 19 + 50) / 100;
    json_t *doc = erp_json(
        "{'kind':'invoice','number':'%s','issue_date':'2025-11-25','due_date':'2025-12-25','"
        "currency':'EUR',"
        "'supplier':" SUPPLIER ",'payment':{'iban':'GB82WEST12345698765432','reference':'%s'},"
        "'lines':[{'no':'1','order_line':'1','item':'P-80','qty':'%s','unit':'BX','price':'%s','"
        "net_minor':%lld,"
        "'tax_category':'S','tax_rate':'19'}],"
        "'tax':[{'category':'S','rate':'19','base_minor':%lld,'tax_minor':%lld}],"
        "'totals':{'lines_minor':%lld,'net_minor':%lld,'tax_minor':%lld,'gross_minor':%lld,'"
        "payable_minor':%lld}}",
        number, number, qty, price, (long long)net, (long long)net, (long long)tax, (long long)net,
        (long long)net, (long long)tax, (long long)(net + tax), (long long)(net + tax));
    if (order != NULL) {
        json_object_set_new(doc, "order_ref", json_string(order));
    }
    return doc;
}

static inline json_t *a_credit_note(const char *number, const char *invoice, int64_t net)
{
    int64_t tax = (net * 19 + 50) / 100;
    return erp_json(
        "{'kind':'credit_note','number':'%s','issue_date':'2025-12-05','currency':'EUR','supplier'"
        ":" SUPPLIER
        ",'preceding_invoice':'%s','lines':[],'totals':{'net_minor':%lld,'tax_minor':%lld,"
        "'gross_minor':%lld,'payable_minor':%lld}}",
        number, invoice, (long long)net, (long long)tax, (long long)(net + tax),
        (long long)(net + tax));
}

#endif
