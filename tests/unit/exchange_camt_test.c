/* Bank statements: balances, batches, signs, fingerprints, and that nothing of a bad file is
 * handed on. */
#include "tests/unit/exchange_support.h"

static const char head[] =
    "<?xml version=\"1.0\"?><Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:camt.053.001.08\">"
    "<BkToCstmrStmt>";
static const char tail[] = "</BkToCstmrStmt></Document>";

#define BALANCE(code, amount, sign)                                                                \
    "<Bal><Tp><CdOrPrtry><Cd>" code "</Cd></CdOrPrtry></Tp><Amt Ccy=\"EUR\">" amount               \
    "</Amt><CdtDbtInd>" sign "</CdtDbtInd><Dt><Dt>2024-03-01</Dt></Dt></Bal>"
#define ACCOUNT "<Acct><Id><IBAN>DE89370400440532013000</IBAN></Id><Ccy>EUR</Ccy></Acct>"
#define ENTRY(amount, sign, inside)                                                                \
    "<Ntry><Amt Ccy=\"EUR\">" amount "</Amt><CdtDbtInd>" sign                                      \
    "</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>"                                                         \
    "<BookgDt><Dt>2024-03-01</Dt></BookgDt>" inside "</Ntry>"
#define TX(amount, inside) "<TxDtls><Amt Ccy=\"EUR\">" amount "</Amt>" inside "</TxDtls>"

static enum rv_code read_statement(const char *inside, struct kept *kept,
                                   struct erp_exchange_report *report, struct rv_error *err)
{
    char xml[30000];
    int n = snprintf(xml, sizeof xml, "%s%s%s", head, inside, tail);
    ck_assert_int_lt(n, (int)sizeof xml);
    return read_bytes(xml, (size_t)n, kept, report, err);
}

static const json_t *bank_line(const struct kept *kept, int call, size_t index)
{
    return json_array_get(json_object_get(kept->calls[call].args, "lines"), index);
}

TEST(a_balanced_statement_is_imported_in_order)
{
    struct kept kept;
    struct erp_exchange_report report;
    struct rv_error err;
    enum rv_code code = read_statement(
        "<Stmt><Id>S1</Id><ElctrncSeqNb>7</ElctrncSeqNb>" ACCOUNT BALANCE("OPBD", "10.00", "CRDT")
            BALANCE("CLBD", "2.50", "DBIT") ENTRY(
                "7.50", "CRDT",
                "<NtryDtls><TxDtls><Refs><EndToEndId>NOTPROVIDED</EndToEndId></Refs>"
                "<RltdPties><Dbtr><Pty><Nm>Mill</Nm></Pty></Dbtr><DbtrAcct><Id><IBAN>X1</IBAN>"
                "</Id></DbtrAcct><Cdtr><Pty><Nm>We</Nm></Pty></Cdtr></RltdPties><RmtInf>"
                "<Ustrd>invoice  4711\n of March</Ustrd></RmtInf></TxDtls></NtryDtls>")
                ENTRY("20.00", "DBIT", "<RvslInd>true</RvslInd>") "</Stmt>",
        &kept, &report, &err);
    ck_assert_msg(code == RV_OK, "%s", err.message);
    ck_assert_int_eq(kept.count, 3);
    const json_t *header = kept.calls[0].args;
    ck_assert_str_eq(kept.calls[0].command, "bank_statement.import");
    ck_assert_int_eq(rv_json_int(header, "opening_minor", 0), 1000);
    ck_assert_int_eq(rv_json_int(header, "closing_minor", 0), -250);
    ck_assert_int_eq(rv_json_int(header, "sum_minor", 0), -1250);
    ck_assert_int_eq(rv_json_int(header, "entry_count", 0), 2);
    ck_assert_int_eq(rv_json_int(header, "sequence", 0), 7);
    ck_assert(rv_json_bool(header, "balanced", false));
    const json_t *first = bank_line(&kept, 1, 0);
    ck_assert_int_eq(rv_json_int(first, "amount_minor", 0), 750);
    ck_assert_str_eq(rv_json_str(first, "counterparty", ""), "Mill");
    ck_assert_str_eq(rv_json_str(first, "counterparty_iban", ""), "X1");
    ck_assert_str_eq(rv_json_str(first, "remittance", ""), "invoice 4711 of March");
    ck_assert_ptr_null(json_object_get(first, "end_to_end_id"));
    const json_t *second = bank_line(&kept, 1, 1);
    ck_assert_int_eq(rv_json_int(second, "amount_minor", 0), -2000);
    ck_assert(rv_json_bool(second, "reversal", false));
    ck_assert_str_eq(kept.calls[2].command, "bank_statement.close");
    ck_assert_str_eq(rv_json_str(kept.calls[2].args, "state", ""), "imported");
    kept_free(&kept);
}

TEST(a_difference_is_named_and_quarantined)
{
    struct kept kept;
    struct erp_exchange_report report;
    struct rv_error err;
    enum rv_code code =
        read_statement("<Stmt><Id>S1</Id>" ACCOUNT BALANCE("OPBD", "10", "CRDT")
                           BALANCE("CLBD", "12", "CRDT") ENTRY("3.00", "CRDT", "") "</Stmt>",
                       &kept, &report, &err);
    ck_assert_int_eq(code, RV_OK);
    ck_assert_int_eq(report.quarantined, 1);
    ck_assert_int_eq(rv_json_int(kept.calls[0].args, "difference_minor", 0), -100);
    ck_assert_str_eq(rv_json_str(kept.calls[2].args, "state", ""), "quarantined");
    ck_assert_ptr_nonnull(strstr(rv_json_str(kept.calls[2].args, "reason", ""), "-1.00 EUR"));
    kept_free(&kept);
}

TEST(a_batch_becomes_lines_only_when_they_sum_to_the_entry)
{
    struct kept kept;
    struct erp_exchange_report report;
    struct rv_error err;
    enum rv_code code = read_statement(
        "<Stmt><Id>S1</Id>" ACCOUNT BALANCE("OPBD", "0", "CRDT") BALANCE("CLBD", "70", "DBIT")
            ENTRY("30.00", "DBIT",
                  "<NtryDtls>" TX("10.00", "<Refs><EndToEndId>A</EndToEndId></Refs>")
                      TX("20.00", "") "</NtryDtls>")
                ENTRY("25.00", "DBIT",
                      "<NtryDtls>" TX("30.00", "<CdtDbtInd>DBIT</CdtDbtInd>")
                          TX("5.00", "<CdtDbtInd>CRDT</CdtDbtInd>") "</NtryDtls>")
                    ENTRY("15.00", "DBIT",
                          "<NtryDtls>" TX("9.00", "") TX("9.00", "") "</NtryDtls>") "</Stmt>",
        &kept, &report, &err);
    ck_assert_msg(code == RV_OK, "%s", err.message);
    static const int64_t amounts[] = {-1000, -2000, -3000, 500, -1500};
    ck_assert_int_eq(report.lines, 5);
    ck_assert_int_eq(report.unsplit_batches, 1);
    for (size_t i = 0; i < 5; i++) {
        ck_assert_int_eq(rv_json_int(bank_line(&kept, 1, i), "amount_minor", 0), amounts[i]);
        ck_assert_int_eq(rv_json_int(bank_line(&kept, 1, i), "no", 0), (int)i + 1);
    }
    ck_assert_str_eq(rv_json_str(bank_line(&kept, 1, 0), "end_to_end_id", ""), "A");
    ck_assert_int_eq(report.quarantined, 0);
    kept_free(&kept);
}

TEST(equal_lines_are_both_kept_and_found_again)
{
    static const char statement[] =
        "<Stmt><Id>S1</Id>" ACCOUNT BALANCE("OPBD", "0", "CRDT") BALANCE("CLBD", "12", "CRDT")
            ENTRY("4.00", "CRDT", "<AddtlNtryInf>card  fee</AddtlNtryInf>")
                ENTRY("4.00", "CRDT", "<AddtlNtryInf>Card fee</AddtlNtryInf>")
                    ENTRY("4.00", "CRDT", "<AddtlNtryInf>other</AddtlNtryInf>") "</Stmt>";
    struct kept a;
    struct kept b;
    struct erp_exchange_report report;
    struct rv_error err;
    ck_assert_int_eq(read_statement(statement, &a, &report, &err), RV_OK);
    ck_assert_int_eq(read_statement(statement, &b, &report, &err), RV_OK);
    ck_assert_str_eq(rv_json_str(bank_line(&a, 1, 0), "fingerprint", "a"),
                     rv_json_str(bank_line(&a, 1, 1), "fingerprint", "b"));
    ck_assert_str_ne(rv_json_str(bank_line(&a, 1, 0), "fingerprint", ""),
                     rv_json_str(bank_line(&a, 1, 2), "fingerprint", ""));
    ck_assert_int_eq(rv_json_int(bank_line(&a, 1, 0), "occurrence", 0), 1);
    ck_assert_int_eq(rv_json_int(bank_line(&a, 1, 1), "occurrence", 0), 2);
    for (int i = 0; i < a.count; i++) {
        ck_assert(json_equal(a.calls[i].args, b.calls[i].args));
    }
    kept_free(&a);
    kept_free(&b);
}

TEST(pending_entries_are_counted_and_left_out)
{
    struct kept kept;
    struct erp_exchange_report report;
    struct rv_error err;
    enum rv_code code = read_statement(
        "<Stmt><Id>S1</Id>" ACCOUNT BALANCE("PRCD", "1", "CRDT") BALANCE(
            "CLBD", "1",
            "CRDT") "<Ntry><Amt "
                    "Ccy=\"EUR\">5</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>PDNG</Sts></Ntry></Stmt>",
        &kept, &report, &err);
    ck_assert_int_eq(code, RV_OK);
    ck_assert_int_eq(report.skipped_entries, 1);
    ck_assert_int_eq(report.lines, 0);
    ck_assert_int_eq(report.quarantined, 0);
    ck_assert_int_eq(kept.count, 2);
    kept_free(&kept);
}

TEST(nothing_of_a_file_with_one_bad_entry_is_handed_on)
{
    static const char *const bad[] = {
        ENTRY("1e3", "CRDT", ""),
        ENTRY("-3.00", "CRDT", ""),
        ENTRY("3.005", "CRDT", ""),
        ENTRY("3.00", "CREDIT", ""),
        ENTRY("1,000", "CRDT", ""),
        ENTRY("99999999999999999999", "CRDT", ""),
        "<Ntry><Amt Ccy=\"XAU\">1</Amt><CdtDbtInd>CRDT</CdtDbtInd></Ntry>",
        "<Ntry><Amt>1</Amt><CdtDbtInd>CRDT</CdtDbtInd></Ntry>",
        "<Ntry><CdtDbtInd>CRDT</CdtDbtInd></Ntry>",
        "<Ntry><Amt Ccy=\"EUR\">1</Amt><CdtDbtInd>CRDT</CdtDbtInd><BookgDt><Dt>2024-02-30</Dt>"
        "</BookgDt></Ntry>",
        "<Ntry><Amt Ccy=\"EUR\">1</Amt></Ntry>",
    };
    for (size_t i = 0; i < RV_COUNT(bad); i++) {
        char inside[4000];
        struct kept kept;
        struct erp_exchange_report report;
        struct rv_error err;
        snprintf(inside, sizeof inside, "<Stmt><Id>S1</Id>" ACCOUNT "%s%s</Stmt>",
                 ENTRY("1.00", "CRDT", ""), bad[i]);
        ck_assert_msg(read_statement(inside, &kept, &report, &err) == RV_INVALID, "%s", bad[i]);
        ck_assert_int_eq(kept.count, 0);
        ck_assert_ptr_nonnull(strstr(err.message, "line "));
    }
}

TEST(a_sum_beyond_64_bits_is_refused)
{
    char inside[20000] = "<Stmt><Id>S1</Id>" ACCOUNT;
    size_t n = strlen(inside);
    for (int i = 0; i < 40; i++) {
        n += (size_t)snprintf(inside + n, sizeof inside - n, "%s",
                              ENTRY("9999999999999999.99", "CRDT", ""));
    }
    snprintf(inside + n, sizeof inside - n, "</Stmt>");
    struct kept kept;
    struct erp_exchange_report report;
    struct rv_error err;
    ck_assert_int_eq(read_statement(inside, &kept, &report, &err), RV_INVALID);
    ck_assert_ptr_nonnull(strstr(err.message, "64 bits"));
    ck_assert_int_eq(kept.count, 0);
}

TEST(lines_come_in_chunks_of_a_thousand)
{
    size_t size = 3 << 20;
    char *xml = rv_alloc(size);
    size_t n = (size_t)snprintf(xml, size, "%s<Stmt><Id>S</Id>%s", head, ACCOUNT);
    for (int i = 0; i < 2500; i++) {
        n += (size_t)snprintf(xml + n, size - n, ENTRY("1.00", "CRDT", "<NtryRef>%d</NtryRef>"), i);
    }
    n += (size_t)snprintf(xml + n, size - n, "</Stmt>%s", tail);
    struct kept kept;
    struct erp_exchange_report report;
    struct rv_error err;
    ck_assert_int_eq(read_bytes(xml, n, &kept, &report, &err), RV_OK);
    ck_assert_int_eq(kept.count, 5);
    ck_assert_uint_eq(json_array_size(json_object_get(kept.calls[1].args, "lines")), 1000);
    ck_assert_uint_eq(json_array_size(json_object_get(kept.calls[3].args, "lines")), 500);
    ck_assert_int_eq(rv_json_int(bank_line(&kept, 3, 499), "no", 0), 2500);
    kept_free(&kept);
    rv_free(xml);
}

/* The sink tampers with the file between the passes: the import must not claim success. */
struct tamper {
    char *xml;
    int calls;
};

static enum rv_code tamper_call(void *self, const struct erp_exchange_call *call,
                                struct rv_error *err)
{
    (void)call;
    (void)err;
    struct tamper *tamper = self;
    if (tamper->calls++ == 0) {
        char *amount = strstr(tamper->xml, ">4.00<");
        amount[1] = '5';
    }
    return RV_OK;
}

TEST(a_file_that_changes_between_the_passes_is_noticed)
{
    char xml[60000];
    /* the padding puts the entry behind the bytes that are read at once */
    int n = snprintf(xml, sizeof xml, "%s<Stmt><Id>S</Id>%s%40000s%s</Stmt>%s", head, ACCOUNT, "",
                     ENTRY("4.00", "CRDT", ""), tail);
    struct tamper tamper = {.xml = xml};
    struct erp_exchange_sink sink = {.call = tamper_call, .self = &tamper};
    struct erp_exchange_report report;
    struct rv_error err = {.code = RV_OK};
    struct memory_source memory;
    struct erp_source *source = memory_source(&memory, "test", xml, (size_t)n);
    ck_assert_int_eq(erp_exchange_read(source, &sink, &report, &err), RV_CONFLICT);
}

static enum rv_code full(void *self, const struct erp_exchange_call *call, struct rv_error *err)
{
    (void)self;
    return rv_fail(err, RV_UNAVAILABLE, "no room for %s", call->command);
}

TEST(a_sink_that_fails_ends_the_import_with_its_code)
{
    char xml[3000];
    int n = snprintf(xml, sizeof xml, "%s<Stmt><Id>S</Id>%s%s</Stmt>%s", head, ACCOUNT,
                     ENTRY("4.00", "CRDT", ""), tail);
    struct erp_exchange_sink sink = {.call = full};
    struct erp_exchange_report report;
    struct rv_error err = {.code = RV_OK};
    struct memory_source memory;
    struct erp_source *source = memory_source(&memory, "test", xml, (size_t)n);
    ck_assert_int_eq(erp_exchange_read(source, &sink, &report, &err), RV_UNAVAILABLE);
    ck_assert_str_eq(err.message, "no room for bank_statement.import");
}

TEST(every_real_statement_is_read_as_expected)
{
    static const struct {
        const char *file;
        int statements;
        int lines;
        int quarantined;
        const char *reason; /* part of it */
    } golden[] = {
        {"camt.053_P_CH2909000000250094239_1110092698_0_2020112503071366.xml", 1, 5, 1,
         "difference -1537.00 CHF"},
        {"camt053.v2.minimal.xml", 1, 1, 1, "closing balance in SEK"},
        {"camt053.v2.multi.statement.xml", 2, 2, 0, ""},
        {"camt053.v2.with-account-name.xml", 1, 1, 1, "no opening balance"},
        {"camt053.v3.xml", 1, 1, 1, "closing balance in SEK"},
        {"camt053.v8.xml", 1, 1, 1, "closing balance in SEK"},
    };
    char root[300];
    if (shared_erp(root, sizeof root) == NULL) {
        return;
    }
    for (size_t i = 0; i < RV_COUNT(golden); i++) {
        char path[700];
        struct kept kept;
        struct erp_exchange_report report;
        struct rv_error err;
        snprintf(path, sizeof path, "%s/bank/camt/%s", root, golden[i].file);
        enum rv_code code = read_path(path, &kept, &report, &err);
        ck_assert_msg(code == RV_OK, "%s: %s", golden[i].file, err.message);
        ck_assert_int_eq(report.statements, golden[i].statements);
        ck_assert_int_eq(report.lines, golden[i].lines);
        ck_assert_int_eq(report.quarantined, golden[i].quarantined);
        ck_assert_msg(strstr(report.reason, golden[i].reason) != NULL, "%s: %s", golden[i].file,
                      report.reason);
        kept_free(&kept);
    }
    /* a new file of this kind fails here, on purpose */
    char folder[400];
    char **names = NULL;
    snprintf(folder, sizeof folder, "%s/bank/camt", root);
    int count = folder_names(folder, &names);
    int found = 0;
    for (int i = 0; i < count; i++) {
        found += strncmp(names[i], "camt.053", 8) == 0 || strncmp(names[i], "camt053", 7) == 0;
    }
    names_free(names, count);
    ck_assert_int_eq(found, (int)RV_COUNT(golden));
}

TEST_MAIN()
