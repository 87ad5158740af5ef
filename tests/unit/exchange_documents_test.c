/* Real documents become the documents of the books: the OASIS chain, XRechnung, EN 16931 examples,
 * Peppol-shaped invoices; and what is not read is refused with a remedy. */
#include "tests/unit/exchange_support.h"

static void chain_path(char *out, size_t size, const char *root, const char *type)
{
    snprintf(out, size, "%s/chain-oasis20/UBL-%s-2.0-Example.xml", root, type);
}

static json_t *read_chain(const char *root, const char *type, const char *command,
                          struct kept *kept)
{
    char path[700];
    struct erp_exchange_report report;
    struct rv_error err;
    chain_path(path, sizeof path, root, type);
    enum rv_code code = read_path(path, kept, &report, &err);
    ck_assert_msg(code == RV_OK, "%s: %s", type, err.message);
    ck_assert_int_eq(kept->count, 1);
    ck_assert_str_eq(kept->calls[0].command, command);
    return kept->calls[0].args;
}

static const json_t *line(const json_t *document, size_t index)
{
    return json_array_get(json_object_get(document, "lines"), index);
}

TEST(the_chain_invoice_has_one_tax_finding_and_no_other)
{
    char root[300];
    struct kept kept;
    if (shared_erp(root, sizeof root) == NULL) {
        return;
    }
    json_t *invoice = read_chain(root, "Invoice", "invoice.register", &kept);
    const json_t *findings = json_object_get(invoice, "findings");
    ck_assert_uint_eq(json_array_size(findings), 1);
    const json_t *finding = json_array_get(findings, 0);
    ck_assert_str_eq(rv_json_str(finding, "rule", ""), "BR-CO-17");
    ck_assert_str_eq(rv_json_str(finding, "expected", ""), "15.75");
    ck_assert_str_eq(rv_json_str(finding, "found", ""), "17.50");
    ck_assert(rv_json_bool(finding, "fatal", false));
    const json_t *totals = json_object_get(invoice, "totals");
    ck_assert_int_eq(rv_json_int(totals, "payable_minor", 0), 10750);
    ck_assert_int_eq(rv_json_int(totals, "gross_minor", 0), 10750);
    ck_assert_str_eq(rv_json_str(invoice, "number", ""), "A00095678");
    ck_assert_str_eq(rv_json_str(invoice, "currency", ""), "GBP");
    ck_assert_str_eq(rv_json_str(invoice, "due_date", ""), "2005-07-21");
    ck_assert_str_eq(rv_json_str(invoice, "order_ref", ""), "AEG012345");
    ck_assert_str_eq(rv_json_str(invoice, "format", ""), "ubl-2.0");
    const json_t *supplier = json_object_get(invoice, "supplier");
    ck_assert_str_eq(rv_json_str(supplier, "id", ""), "CO001");
    ck_assert_str_eq(rv_json_str(supplier, "vat_id", ""), "175 269 2355");
    const json_t *payment = json_object_get(invoice, "payment");
    ck_assert_str_eq(rv_json_str(payment, "account", ""), "12345678");
    ck_assert_ptr_null(json_object_get(payment, "iban"));
    ck_assert_ptr_null(json_object_get(payment, "bic"));
    ck_assert_str_eq(rv_json_str(line(invoice, 0), "order_line", ""), "1");
    ck_assert_str_eq(rv_json_str(line(invoice, 0), "price", ""), "1.00");
    ck_assert_int_eq(rv_json_int(line(invoice, 0), "net_minor", 0), 10000);
    kept_free(&kept);
}

TEST(the_chain_order_line_is_not_quantity_times_price)
{
    char root[300];
    struct kept kept;
    char rules[200];
    if (shared_erp(root, sizeof root) == NULL) {
        return;
    }
    json_t *order = read_chain(root, "Order", "order.register", &kept);
    ck_assert_str_eq(rules_of(order, rules, sizeof rules), "RV-ORDER-LINE!");
    const json_t *finding = json_array_get(json_object_get(order, "findings"), 0);
    ck_assert_str_eq(rv_json_str(finding, "expected", ""), "10000.00");
    ck_assert_str_eq(rv_json_str(finding, "found", ""), "100.00");
    ck_assert_str_eq(rv_json_str(order, "currency", ""), "GBP");
    ck_assert_str_eq(rv_json_str(line(order, 0), "price", ""), "100.00");
    kept_free(&kept);
}

TEST(the_rest_of_the_chain_tells_its_story)
{
    char root[300];
    char rules[200];
    struct kept kept;
    if (shared_erp(root, sizeof root) == NULL) {
        return;
    }
    json_t *despatch = read_chain(root, "DespatchAdvice", "receipt.register", &kept);
    ck_assert_str_eq(rv_json_str(despatch, "kind", ""), "despatch");
    ck_assert_str_eq(rv_json_str(line(despatch, 0), "qty", ""), "90");
    ck_assert_str_eq(rv_json_str(line(despatch, 0), "short_qty", ""), "10");
    kept_free(&kept);
    json_t *receipt = read_chain(root, "ReceiptAdvice", "receipt.register", &kept);
    ck_assert_str_eq(rv_json_str(receipt, "order_ref", ""), "AEG012345");
    ck_assert_str_eq(rv_json_str(line(receipt, 0), "qty", ""), "90");
    ck_assert_str_eq(rv_json_str(line(receipt, 0), "item", ""), "17589683");
    kept_free(&kept);
    json_t *credit = read_chain(root, "CreditNote", "credit_note.register", &kept);
    ck_assert_str_eq(rv_json_str(credit, "preceding_invoice", ""), "A00095678");
    /* its net total hides the allowance of the invoice: noted, but not as a fatal error */
    ck_assert_str_eq(rules_of(credit, rules, sizeof rules), "BR-CO-13");
    kept_free(&kept);
    json_t *remittance = read_chain(root, "RemittanceAdvice", "remittance.register", &kept);
    ck_assert_str_eq(rv_json_str(remittance, "issue_date", ""), "2005-06-22");
    ck_assert_int_eq(rv_json_int(remittance, "total_minor", 0), 10750);
    ck_assert_str_eq(rv_json_str(line(remittance, 0), "invoice", ""), "A00095678");
    ck_assert_int_eq(rv_json_int(line(remittance, 0), "paid_minor", 0), 10750);
    kept_free(&kept);
}

TEST(documents_without_effect_are_recognised_and_skipped)
{
    static const char *const types[] = {"OrderResponseSimple", "Statement"};
    char root[300];
    if (shared_erp(root, sizeof root) == NULL) {
        return;
    }
    for (size_t i = 0; i < 2; i++) {
        char path[700];
        struct kept kept;
        struct erp_exchange_report report;
        struct rv_error err;
        chain_path(path, sizeof path, root, types[i]);
        ck_assert_int_eq(read_path(path, &kept, &report, &err), RV_OK);
        ck_assert_int_eq(kept.count, 0);
        ck_assert(report.skipped);
        ck_assert_str_eq(report.kind, types[i]);
        ck_assert_str_ne(report.reason, "");
        kept_free(&kept);
    }
}

/* Lines and findings of every file; a new or changed file fails here, on purpose. */
static const struct {
    const char *file;
    int lines;
    const char *rules;
} golden[] = {
    {"xrechnung/01.02a-INVOICE_ubl.xml", 1, ""},
    {"xrechnung/01.04a-INVOICE_ubl.xml", 1, ""},
    {"xrechnung/01.05_minimal_test_ubl.xml", 1, ""},
    {"xrechnung/01.06a-INVOICE_ubl.xml", 7, ""},
    {"xrechnung/01.08a-INVOICE_ubl.xml", 1, ""},
    {"xrechnung/01.10a-INVOICE_ubl.xml", 1, ""},
    {"xrechnung/01.12a-INVOICE_ubl.xml", 5, ""},
    {"xrechnung/01.14a-INVOICE_ubl.xml", 2, ""},
    {"xrechnung/01.18a-INVOICE_ubl.xml", 4, ""},
    {"xrechnung/01.20a-INVOICE_ubl.xml", 2, ""},
    {"xrechnung/02.01a-cvd_INVOICE_ubl.xml", 2, ""},
    {"xrechnung/03.03a-INVOICE_ubl.xml", 4, ""},
    {"xrechnung/04.01a-INVOICE_ubl.xml", 2, ""},
    {"xrechnung/04.03a-INVOICE_ubl.xml", 1, ""},
    {"xrechnung/05.01a-INVOICE_ubl.xml", 2, ""},
    {"en16931/BIS3_Invoice_positive.XML", 1, ""},
    {"en16931/sample-discount-price.xml", 1, ""},
    {"en16931/ubl-tc434-creditnote1.xml", 1, ""},
    /* these examples really state lines that are not quantity times price; EN 16931 lets them */
    {"en16931/ubl-tc434-example1.xml", 20, "RV-LINE-NET"},
    {"en16931/ubl-tc434-example2.xml", 5, "RV-LINE-NET"},
    {"en16931/ubl-tc434-example3.xml", 2, "RV-LINE-NET RV-LINE-NET"},
    {"en16931/ubl-tc434-example4.xml", 3, ""},
    {"en16931/ubl-tc434-example5.xml", 3, ""},
    {"sfti/BIS_Billing_30-DataIT.xml", 3, ""},
    {"sfti/BIS_Billing_30-Elnat.xml", 3, ""},
    {"sfti/BIS_Billing_30-Forskott_ej_moms.xml", 1, ""},
    {"sfti/BIS_Billing_30-Hyrbil.xml", 5, ""},
    {"sfti/BIS_Billing_30-InomstatligFakturering.xml", 1, ""},
    {"sfti/BIS_Billing_30-Kreditering_med_kreditnota.xml", 2, ""},
    {"sfti/BIS_Billing_30-OmvandSkattskyldighet.xml", 2, ""},
    {"sfti/BIS_Billing_30-Rantefaktura_Enkel.xml", 1, ""},
    {"sfti/BIS_Billing_30-Resor_Bokning.xml", 2, ""},
    {"sfti/BIS_Billing_30-Telefoni.xml", 12, ""},
    {"sfti/BIS_Billing_30-Tjanster_Kopiering.xml", 2, ""},
    {"sfti/CreditNote-Max_content.xml", 2, ""},
    {"sfti/CreditNote-Min_content_without_VAT.xml", 1, ""},
    {"sfti/Invoice-Min_content_with_VAT.xml", 1, ""},
    {"sfti/ubl-tc434-test-1.xml", 5, "RV-LINE-NET"},
};

TEST(every_real_invoice_is_read_as_expected)
{
    char root[300];
    if (shared_erp(root, sizeof root) == NULL) {
        return;
    }
    for (size_t i = 0; i < RV_COUNT(golden); i++) {
        char path[700];
        char rules[400];
        struct kept kept;
        struct erp_exchange_report report;
        struct rv_error err;
        snprintf(path, sizeof path, "%s/invoices/%s", root, golden[i].file);
        enum rv_code code = read_path(path, &kept, &report, &err);
        ck_assert_msg(code == RV_OK, "%s: %s", golden[i].file, err.message);
        ck_assert_int_eq(kept.count, 1);
        ck_assert_msg(report.lines == golden[i].lines, "%s: %d lines", golden[i].file,
                      (int)report.lines);
        ck_assert_msg(strcmp(rules_of(kept.calls[0].args, rules, sizeof rules), golden[i].rules) ==
                          0,
                      "%s: %s", golden[i].file, rules);
        kept_free(&kept);
    }
    static const char *const folders[] = {"xrechnung", "en16931", "sfti"};
    int files = 0;
    for (size_t f = 0; f < 3; f++) {
        char folder[400];
        char **names = NULL;
        snprintf(folder, sizeof folder, "%s/invoices/%s", root, folders[f]);
        int count = folder_names(folder, &names);
        files += count;
        names_free(names, count);
    }
    ck_assert_int_eq(files, (int)RV_COUNT(golden));
}

TEST(formats_that_are_not_read_are_named_with_a_remedy)
{
    static const struct {
        const char *file;
        const char *format;
    } others[] = {
        {"invoices/cii/CII_example1.xml", "cii"},
        {"bank/camt/camt052.v6.xml", "camt.052"},
        {"bank/camt/camt054.v4.xml", "camt.054"},
        {"bank/pain/musterfile_pain.001_Nov2020.xml", "pain"},
        {"bank/mt940/jejik-ing.sta", "mt940"},
        {"bank/mt940/mBank-mt940.sta", "mt940"},
        {"bank/bai2/sample1.txt", "bai2"},
        {"bank/ach/ppd-credit.ach", "nacha"},
        {"edi/x12/x12.810a.edi", "x12"},
        {"edi/edifact-invoic/EDIFACT_EXAMPLE1.TXT", "edifact"},
        {"coa/small-business.csv", "unknown"},
    };
    char root[300];
    if (shared_erp(root, sizeof root) == NULL) {
        return;
    }
    for (size_t i = 0; i < RV_COUNT(others); i++) {
        char path[700];
        struct kept kept;
        struct erp_exchange_report report;
        struct rv_error err;
        snprintf(path, sizeof path, "%s/%s", root, others[i].file);
        ck_assert_int_eq(read_path(path, &kept, &report, &err), RV_INVALID);
        ck_assert_str_eq(erp_format_name(report.format), others[i].format);
        ck_assert_str_ne(err.hint, "");
        ck_assert_int_eq(kept.count, 0);
    }
}

/* ---- written here: what the real files do not have ---- */

#define UBL_HEAD(name)                                                                             \
    "<" name " xmlns=\"urn:oasis:names:specification:ubl:schema:xsd:" name "-2\""                  \
    " xmlns:a=\"urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2\""        \
    " xmlns:b=\"urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2\">"

static enum rv_code read_invoice(const char *payable, const char *currency, struct kept *kept,
                                 struct rv_error *err)
{
    char xml[4000];
    struct erp_exchange_report report;
    int n = snprintf(xml, sizeof xml,
                     "<?xml version=\"1.0\"?>" UBL_HEAD(
                         "Invoice") "<b:ID>1</b:ID><b:IssueDate>2024-02-29Z</b:IssueDate>"
                                    "<b:DocumentCurrencyCode>%s</b:DocumentCurrencyCode>"
                                    "<a:AccountingSupplierParty><a:Party><a:PartyName><b:Name>Mill<"
                                    "/b:Name></a:PartyName>"
                                    "</a:Party></a:AccountingSupplierParty>"
                                    "<a:PaymentMeans><a:PayeeFinancialAccount><b:ID>gb82 WEST 1234 "
                                    "5698 7654 32</b:ID>"
                                    "</a:PayeeFinancialAccount></a:PaymentMeans>"
                                    "<a:LegalMonetaryTotal><b:PayableAmount "
                                    "currencyID=\"%s\">%s</b:PayableAmount>"
                                    "</a:LegalMonetaryTotal></Invoice>",
                     currency, currency, payable);
    return read_bytes(xml, (size_t)n, kept, &report, err);
}

TEST(amounts_are_exact_or_refused)
{
    static const struct {
        const char *text;
        const char *currency;
        bool ok;
        int64_t minor;
    } cases[] = {
        {"8.850", "EUR", true, 885},
        {" 8.85 ", "EUR", true, 885},
        {"-0.01", "EUR", true, -1},
        {"+5", "EUR", true, 500},
        {".5", "EUR", true, 50},
        {"1500", "JPY", true, 1500},
        {"1500.00", "JPY", true, 1500},
        {"1.234", "KWD", true, 1234},
        {"9999999999999999.99", "EUR", true, 999999999999999999},
        {"1.005", "EUR", false, 0},
        {"1500.50", "JPY", false, 0},
        {"1e3", "EUR", false, 0},
        {"1E3", "EUR", false, 0},
        {"1,000.00", "EUR", false, 0},
        {"1.000.00", "EUR", false, 0},
        {"1 000", "EUR", false, 0},
        {"1'000", "EUR", false, 0},
        {"0x10", "EUR", false, 0},
        {"INF", "EUR", false, 0},
        {"NaN", "EUR", false, 0},
        {"-", "EUR", false, 0},
        {"", "EUR", false, 0},
        {"99999999999999999999", "EUR", false, 0},
        {"999999999999999999", "EUR", false, 0},
        {"10", "XAU", false, 0},
        {"10", "ABC", false, 0},
        {"10", "eur", false, 0},
    };
    for (size_t i = 0; i < RV_COUNT(cases); i++) {
        struct kept kept;
        struct rv_error err;
        enum rv_code code = read_invoice(cases[i].text, cases[i].currency, &kept, &err);
        ck_assert_msg((code == RV_OK) == cases[i].ok, "%s %s: %s", cases[i].text, cases[i].currency,
                      err.message);
        if (code == RV_OK) {
            const json_t *invoice = kept.calls[0].args;
            ck_assert_int_eq(rv_json_int(json_object_get(invoice, "totals"), "payable_minor", 0),
                             cases[i].minor);
            ck_assert_str_eq(rv_json_str(invoice, "issue_date", ""), "2024-02-29");
            ck_assert_str_eq(rv_json_str(json_object_get(invoice, "payment"), "iban", ""),
                             "GB82WEST12345698765432");
        } else {
            ck_assert_int_eq(kept.count, 0);
        }
        kept_free(&kept);
    }
}

/* A document without a claim, in a currency, with one line, one allowance and its tax. */
static const char *plain_rules(const char *currency, const char *base, const char *tax,
                               const char *payable, char *out, size_t size)
{
    char xml[5000];
    struct kept kept;
    struct erp_exchange_report report;
    struct rv_error err;
    int n = snprintf(
        xml, sizeof xml,
        UBL_HEAD(
            "Invoice") "<b:ID>1</b:ID><b:IssueDate>2024-02-29</b:IssueDate>"
                       "<b:DocumentCurrencyCode>%s</"
                       "b:DocumentCurrencyCode><a:AccountingSupplierParty/>"
                       "<a:AllowanceCharge><b:ChargeIndicator>false</"
                       "b:ChargeIndicator><b:Amount>10</b:Amount>"
                       "</a:AllowanceCharge><a:TaxTotal><b:TaxAmount>%s</"
                       "b:TaxAmount><a:TaxSubtotal>"
                       "<b:TaxableAmount>%s</b:TaxableAmount><b:TaxAmount>%s</"
                       "b:TaxAmount><a:TaxCategory>"
                       "<b:ID>S</b:ID><b:Percent>10</b:Percent></a:TaxCategory></a:TaxSubtotal></"
                       "a:TaxTotal>"
                       "<a:TaxTotal><b:TaxAmount currencyID=\"XOF\">999</b:TaxAmount></a:TaxTotal>"
                       "<a:LegalMonetaryTotal><b:LineExtensionAmount>115</b:LineExtensionAmount>"
                       "<b:TaxExclusiveAmount>105</b:TaxExclusiveAmount><b:PayableAmount>%s</"
                       "b:PayableAmount>"
                       "</a:LegalMonetaryTotal><a:InvoiceLine><b:ID>1</b:ID>"
                       "<b:LineExtensionAmount>115</b:LineExtensionAmount></a:InvoiceLine></"
                       "Invoice>",
        currency, tax, base, tax, payable);
    enum rv_code code = read_bytes(xml, (size_t)n, &kept, &report, &err);
    ck_assert_msg(code == RV_OK, "%s", err.message);
    rules_of(kept.calls[0].args, out, size);
    kept_free(&kept);
    return out;
}

TEST(plain_arithmetic_knows_the_currency)
{
    char out[200];
    ck_assert_str_eq(plain_rules("EUR", "105", "10.50", "115.50", out, sizeof out), "");
    ck_assert_str_eq(plain_rules("EUR", "105", "10.53", "115.53", out, sizeof out), "BR-CO-17!");
    ck_assert_str_eq(plain_rules("EUR", "115", "11.50", "116.50", out, sizeof out), "BR-CO-17!");
    ck_assert_str_eq(plain_rules("EUR", "105", "10.50", "115.60", out, sizeof out), "BR-CO-16!");
    ck_assert_str_eq(plain_rules("JPY", "105", "10", "115", out, sizeof out), "");
    ck_assert_str_eq(plain_rules("KWD", "105", "10.503", "115.503", out, sizeof out), "BR-CO-17!");
}

TEST(prefixes_mean_nothing_and_namespaces_everything)
{
    static const char right[] =
        "<x:Order xmlns:x=\"urn:oasis:names:specification:ubl:schema:xsd:Order-2\""
        " xmlns=\"urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2\">"
        "<ID>7</ID></x:Order>";
    static const char wrong[] =
        "<Order xmlns=\"urn:oasis:names:specification:ubl:schema:xsd:Order\">"
        "</Order>";
    struct kept kept;
    struct erp_exchange_report report;
    struct rv_error err;
    ck_assert_int_eq(read_bytes(right, sizeof right - 1, &kept, &report, &err), RV_INVALID);
    ck_assert_ptr_nonnull(strstr(err.message, "currency")); /* it was read as an order */
    ck_assert_int_eq(read_bytes(wrong, sizeof wrong - 1, &kept, &report, &err), RV_INVALID);
    ck_assert_ptr_nonnull(strstr(err.message, "no known UBL 2 document"));
}

TEST(wide_and_latin_text_are_read_when_declared)
{
    /* "Müller" as UTF-16LE with a byte order mark, and as ISO-8859-1 */
    static const char narrow[] = "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>" UBL_HEAD(
        "Order") "<b:ID>M\xFCller</b:ID><b:IssueDate>2024-01-01</b:IssueDate>"
                 "<b:DocumentCurrencyCode>EUR</b:DocumentCurrencyCode><a:SellerSupplierParty/>"
                 "</Order>";
    struct kept kept;
    struct erp_exchange_report report;
    struct rv_error err;
    ck_assert_int_eq(read_bytes(narrow, sizeof narrow - 1, &kept, &report, &err), RV_OK);
    ck_assert_str_eq(rv_json_str(kept.calls[0].args, "number", ""), "M\xC3\xBCller");
    kept_free(&kept);
    char wide[4000] = "\xFF\xFE";
    size_t n = 2;
    static const char text[] = "<?xml version=\"1.0\" encoding=\"UTF-16\"?>" UBL_HEAD(
        "Order") "<b:ID>7</b:ID><b:IssueDate>2024-01-01</b:IssueDate>"
                 "<b:DocumentCurrencyCode>EUR</b:DocumentCurrencyCode><a:SellerSupplierParty/>"
                 "</Order>";
    for (const char *c = text; *c != '\0'; c++) {
        wide[n++] = *c;
        wide[n++] = '\0';
    }
    enum rv_code code = read_bytes(wide, n, &kept, &report, &err);
    ck_assert_msg(code == RV_OK, "%s %s", err.message, err.detail);
    ck_assert_str_eq(rv_json_str(kept.calls[0].args, "number", ""), "7");
    kept_free(&kept);
}

TEST_MAIN()
