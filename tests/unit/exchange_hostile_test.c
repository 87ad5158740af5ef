/* Files made to hurt: each is refused with a reason, within a second, and with memory that its size
 * does not explain away.  Every case is generated; none is a file of somebody. */
#include "tests/unit/exchange_support.h"

#include "erp/exchange/xml.h"
#include "runtime/base/buf.h"
#include "runtime/base/clock.h"

#include <sys/resource.h>

enum { BIG = 300 << 20, SECOND_US = 1000000 };

#define CAMT "<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:camt.053.001.08\">"
#define ORDER                                                                                      \
    "<Order xmlns=\"urn:oasis:names:specification:ubl:schema:xsd:Order-2\""                        \
    " xmlns:b=\"urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2\">"

static long peak_kib(void)
{
    struct rusage usage;
    ck_assert_int_eq(getrusage(RUSAGE_SELF, &usage), 0);
    return usage.ru_maxrss;
}

/* Sanitizers need memory and time of their own. */
static void grew_at_most(long before_kib, long mib)
{
#ifdef __SANITIZE_ADDRESS__
    mib += 1024;
#endif
    long grown = (peak_kib() - before_kib) / 1024;
    ck_assert_msg(grown <= mib, "grew by %ld MiB, %ld are allowed", grown, mib);
}

static int64_t allowed_us(void)
{
#ifdef __SANITIZE_ADDRESS__
    return 20 * SECOND_US;
#else
    return SECOND_US;
#endif
}

/* Refused with `reason` in message or detail; fast; growing by at most `mib`. */
static void refused(const struct rv_buf *xml, const char *reason, long mib)
{
    struct kept kept;
    struct erp_exchange_report report;
    struct rv_error err;
    long before = peak_kib();
    int64_t start = rv_mono_us(rv_clock_system());
    enum rv_code code = read_bytes(xml->data, xml->length, &kept, &report, &err);
    int64_t took = rv_mono_us(rv_clock_system()) - start;
    ck_assert_msg(code == RV_INVALID || code == RV_LIMIT, "\"%s\" was not refused", reason);
    ck_assert_msg(strstr(err.message, reason) != NULL || strstr(err.detail, reason) != NULL,
                  "want \"%s\", have \"%s\" \"%s\"", reason, err.message, err.detail);
    ck_assert_int_eq(kept.count, 0);
    ck_assert_msg(took < allowed_us(), "\"%s\" took %lld us", reason, (long long)took);
    grew_at_most(before, mib);
}

static void text(struct rv_buf *xml, const char *text)
{
    rv_buf_str(xml, text);
}

static void times(struct rv_buf *xml, const char *text, int count)
{
    for (int i = 0; i < count; i++) {
        rv_buf_str(xml, text);
    }
}

#define HOSTILE(id, reason, mib, build)                                                            \
    TEST(id)                                                                                       \
    {                                                                                              \
        struct rv_buf xml;                                                                         \
        rv_buf_init(&xml, BIG);                                                                    \
        build;                                                                                     \
        refused(&xml, reason, mib);                                                                \
        rv_buf_fini(&xml);                                                                         \
    }

HOSTILE(billion_laughs, "DOCTYPE", 4,
        text(&xml, "<?xml version=\"1.0\"?><!DOCTYPE Order [<!ENTITY a \"ha\">");
        text(&xml, "<!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;\">");
        text(&xml, "<!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;\">");
        text(&xml,
             "<!ENTITY d \"&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;\">]>" ORDER "<b:ID>&d;</b:ID></Order>"))

HOSTILE(an_external_entity, "DOCTYPE", 4,
        text(&xml, "<?xml version=\"1.0\"?><!DOCTYPE Order [<!ENTITY x SYSTEM "
                   "\"file:///etc/passwd\">]>" ORDER "<b:ID>&x;</b:ID></Order>"))

HOSTILE(an_external_subset, "DOCTYPE", 4,
        text(&xml,
             "<?xml version=\"1.0\"?><!DOCTYPE Document SYSTEM \"http://x.invalid/a.dtd\">" CAMT
             "</Document>"))

HOSTILE(an_entity_nobody_declared, "well-formed", 4,
        text(&xml, ORDER "<b:ID>&nbsp;</b:ID></Order>"))

HOSTILE(nesting_of_a_hundred_thousand, "nested deeper", 4, text(&xml, CAMT);
        times(&xml, "<a>", 100000))

HOSTILE(nesting_where_nobody_looks, "nested deeper", 4, text(&xml, ORDER);
        times(&xml, "<zz>", 100000))

HOSTILE(an_end_that_is_missing, "well-formed", 4,
        text(&xml, CAMT "<BkToCstmrStmt><Stmt><Id>1</Id>"))

HOSTILE(a_tag_cut_in_half, "well-formed", 4, text(&xml, CAMT "<BkToCstmrStmt><Stm"))

HOSTILE(bytes_that_are_no_utf_8, "well-formed", 4,
        text(&xml,
             "<?xml version=\"1.0\" encoding=\"UTF-8\"?>" ORDER "<b:ID>M\xFCller</b:ID></Order>"))

HOSTILE(wide_that_says_narrow, "bytes are UTF-16", 4, {
    static const char t[] = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>" ORDER "</Order>";
    rv_buf_add(&xml, "\xFF\xFE", 2);
    for (size_t i = 0; i < sizeof t - 1; i++) {
        rv_buf_add(&xml, &t[i], 1);
        rv_buf_add(&xml, "", 1);
    }
})

HOSTILE(narrow_that_says_wide, "UTF-16", 4,
        text(&xml, "<?xml version=\"1.0\" encoding=\"UTF-16\"?>" ORDER "</Order>"))

HOSTILE(bytes_that_the_declared_encoding_lacks, "do not fit", 8,
        text(&xml, "<?xml version=\"1.0\" encoding=\"windows-1252\"?>" ORDER
                   "<b:ID>a\x81z</b:ID></Order>"))

HOSTILE(half_a_surrogate, "do not fit", 8, {
    static const char t[] = "<?xml version=\"1.0\" encoding=\"UTF-16\"?>" ORDER "</Order>";
    rv_buf_add(&xml, "\xFF\xFE", 2);
    for (size_t i = 0; i < sizeof t - 1; i++) {
        rv_buf_add(&xml, &t[i], 1);
        rv_buf_add(&xml, "", 1);
    }
    rv_buf_add(&xml, "\x00\xD8 \x00", 4);
})

HOSTILE(an_encoding_that_hides_markup, "encoding", 4,
        text(&xml, "<?xml version=\"1.0\" encoding=\"UTF-7\"?>" ORDER "</Order>"))

HOSTILE(an_encoding_that_is_none, "ncoding", 8,
        text(&xml, "<?xml version=\"1.0\" encoding=\"x-unknown\"?>" ORDER "</Order>"))

HOSTILE(a_nul_byte_in_text, "well-formed", 4, text(&xml, ORDER "<b:ID>1");
        rv_buf_add(&xml, "\0", 1); text(&xml, "2</b:ID></Order>"))

HOSTILE(a_control_character, "well-formed", 4, text(&xml, ORDER "<b:ID>1&#1;2</b:ID></Order>"))

HOSTILE(text_of_ten_megabytes, "longer than", 12, text(&xml, ORDER "<b:ID>");
        times(&xml, "0123456789", 1 << 20); text(&xml, "</b:ID></Order>"))

HOSTILE(a_cdata_of_ten_megabytes, "longer than", 12, text(&xml, ORDER "<b:ID><![CDATA[");
        times(&xml, "0123456789", 1 << 20); text(&xml, "]]></b:ID></Order>"))

HOSTILE(an_attribute_of_a_megabyte, "longer than", 8, text(&xml, ORDER "<b:ID schemeID=\"");
        times(&xml, "0123456789", 100 << 10); text(&xml, "\">1</b:ID></Order>"))

HOSTILE(an_attribute_of_five_thousand, "longer than", 8, text(&xml, ORDER "<b:ID schemeID=\"");
        times(&xml, "0123456789", 500); text(&xml, "\">1</b:ID></Order>"))

HOSTILE(a_hundred_thousand_attributes, "longer than", 12, {
    text(&xml, ORDER "<b:ID");
    for (int i = 0; i < 100000; i++) {
        rv_buf_printf(&xml, " a%d=\"\"", i);
    }
    text(&xml, ">1</b:ID></Order>");
})

HOSTILE(a_hundred_attributes, "attributes", 4, {
    text(&xml, ORDER "<b:ID");
    for (int i = 0; i < 100; i++) {
        rv_buf_printf(&xml, " a%d=\"\"", i);
    }
    text(&xml, ">1</b:ID></Order>");
})

HOSTILE(a_comment_of_a_megabyte, "longer than", 8, text(&xml, ORDER "<!--");
        times(&xml, "0123456789", 100 << 10); text(&xml, "--></Order>"))

HOSTILE(a_name_of_a_thousand_letters, "name is longer", 4, text(&xml, ORDER "<");
        times(&xml, "abcdefghij", 100); text(&xml, "/></Order>"))

HOSTILE(a_prefix_nobody_declared, "well-formed", 4, text(&xml, ORDER "<q:ID>1</q:ID></Order>"))

HOSTILE(two_roots, "well-formed", 4, text(&xml, ORDER "</Order>" ORDER "</Order>"))

HOSTILE(the_same_attribute_twice, "well-formed", 4,
        text(&xml, ORDER "<b:ID schemeID=\"a\" schemeID=\"b\">1</b:ID></Order>"))

HOSTILE(
    an_exponent_in_a_price, "1e400", 4,
    text(&xml,
         "<Order xmlns=\"urn:oasis:names:specification:ubl:schema:xsd:Order-2\""
         " xmlns:b=\"urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2\""
         " xmlns:a=\"urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2\">"
         "<b:DocumentCurrencyCode>EUR</b:DocumentCurrencyCode><a:OrderLine><a:LineItem>"
         "<a:Price><b:PriceAmount>1e400</b:PriceAmount></a:Price></a:LineItem>"
         "</a:OrderLine></Order>"))

HOSTILE(
    a_quantity_with_seven_decimals, "6 decimals", 4,
    text(&xml,
         "<Order xmlns=\"urn:oasis:names:specification:ubl:schema:xsd:Order-2\""
         " xmlns:b=\"urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2\""
         " xmlns:a=\"urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2\">"
         "<b:DocumentCurrencyCode>EUR</b:DocumentCurrencyCode><a:OrderLine><a:LineItem>"
         "<b:Quantity>0.0000001</b:Quantity></a:LineItem></a:OrderLine></Order>"))

HOSTILE(an_empty_file, "is unknown", 4, (void)0)
HOSTILE(three_bytes, "is unknown", 4, text(&xml, "<Or"))
HOSTILE(a_million_brackets, "is unknown", 4, times(&xml, "<<<<<<<<<<", 100000))
HOSTILE(
    only_zeros, "is unknown", 4, for (int i = 0; i < 1000000; i++) { rv_buf_add(&xml, "", 1); })

/* These are large on purpose: more than a second is fair, memory beyond the limits is not. */
TEST(a_document_of_seventy_megabytes_is_refused_by_its_size)
{
    struct rv_buf xml;
    struct kept kept;
    struct erp_exchange_report report;
    struct rv_error err;
    rv_buf_init(&xml, BIG);
    text(&xml, ORDER);
    times(&xml, "<unknown>0123456789012345678901234567890123456789</unknown>\n", 1200000);
    text(&xml, "</Order>");
    long before = peak_kib();
    ck_assert_int_eq(read_bytes(xml.data, xml.length, &kept, &report, &err), RV_LIMIT);
    ck_assert_ptr_nonnull(strstr(err.message, "larger than"));
    grew_at_most(before, 16);
    rv_buf_fini(&xml);
}

TEST(a_document_of_millions_of_elements_is_refused_by_their_number)
{
    struct rv_buf xml;
    struct kept kept;
    struct erp_exchange_report report;
    struct rv_error err;
    rv_buf_init(&xml, BIG);
    text(&xml, ORDER);
    times(&xml, "<b:ID/>", 5000000);
    text(&xml, "</Order>");
    long before = peak_kib();
    ck_assert_int_eq(read_bytes(xml.data, xml.length, &kept, &report, &err), RV_LIMIT);
    ck_assert_ptr_nonnull(strstr(err.message, "elements"));
    grew_at_most(before, 256);
    rv_buf_fini(&xml);
}

/* Cutting a good file anywhere never imports anything, and never crashes. */
TEST(a_statement_cut_anywhere_is_refused)
{
    static const char whole[] =
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>" CAMT
        "<BkToCstmrStmt><Stmt><Id>S</Id><Acct><Id><IBAN>X</IBAN></Id></Acct><Ntry>"
        "<Amt "
        "Ccy=\"EUR\">1.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><BookgDt><Dt>2024-01-01</Dt></BookgDt>"
        "<AddtlNtryInf>M\xC3\xBCller &amp; "
        "S\xC3\xB6hne</AddtlNtryInf></Ntry></Stmt></BkToCstmrStmt>"
        "</Document>";
    struct kept kept;
    struct erp_exchange_report report;
    struct rv_error err;
    for (size_t n = 0; n < sizeof whole - 1; n++) {
        enum rv_code code = read_bytes(whole, n, &kept, &report, &err);
        ck_assert_msg(code == RV_INVALID, "cut at %zu", n);
        ck_assert_int_eq(kept.count, 0);
    }
    ck_assert_int_eq(read_bytes(whole, sizeof whole - 1, &kept, &report, &err), RV_OK);
    const json_t *line = json_array_get(json_object_get(kept.calls[1].args, "lines"), 0);
    ck_assert_str_eq(rv_json_str(line, "remittance", ""), "M\xC3\xBCller & S\xC3\xB6hne");
    kept_free(&kept);
}

TEST(an_attachment_may_be_large_and_is_not_kept)
{
    struct rv_buf xml;
    struct kept kept;
    struct erp_exchange_report report;
    struct rv_error err;
    rv_buf_init(&xml, BIG);
    text(&xml,
         "<Invoice xmlns=\"urn:oasis:names:specification:ubl:schema:xsd:Invoice-2\""
         " xmlns:b=\"urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2\""
         " xmlns:a=\"urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2\">"
         "<b:ID>1</b:ID><b:IssueDate>2024-01-01</b:IssueDate>"
         "<b:DocumentCurrencyCode>EUR</b:DocumentCurrencyCode><a:AdditionalDocumentReference>"
         "<a:Attachment><b:EmbeddedDocumentBinaryObject mimeCode=\"application/pdf\">");
    times(&xml, "QUJDRUZHSElKS0xNTk9QUVJTVFVWV1hZWg==\n", 400000);
    text(&xml,
         "</b:EmbeddedDocumentBinaryObject></a:Attachment></a:AdditionalDocumentReference>"
         "<a:AccountingSupplierParty/><a:LegalMonetaryTotal><b:PayableAmount>1</b:PayableAmount>"
         "</a:LegalMonetaryTotal></Invoice>");
    long before = peak_kib();
    enum rv_code code = read_bytes(xml.data, xml.length, &kept, &report, &err);
    ck_assert_msg(code == RV_OK, "%s %s", err.message, err.detail);
    grew_at_most(before, 8);
    kept_free(&kept);
    rv_buf_fini(&xml);
}

TEST(what_is_no_file_is_refused)
{
    struct kept kept;
    struct erp_exchange_report report;
    struct rv_error err;
    ck_assert_int_eq(read_path("/nonexistent/file.xml", &kept, &report, &err), RV_NOT_FOUND);
    ck_assert_int_eq(read_path("/tmp", &kept, &report, &err), RV_INVALID);
    ck_assert_int_eq(read_path("/dev/zero", &kept, &report, &err), RV_INVALID);
}

TEST_MAIN()
