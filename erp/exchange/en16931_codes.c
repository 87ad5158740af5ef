/* en16931_codes.c -- identifiers, references, attachments and the code lists that are small enough
 * to stand here; see en16931.h.  Lists are of the standards named at them, as of 2024.
 */
#include "erp/exchange/en16931_internal.h"

#include "runtime/base/check.h"

#include <string.h>

/* ---- identity ---- */

static const char countries[] =
    "1A AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ "
    "BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO "
    "DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU "
    "GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW "
    "KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU "
    "MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW "
    "PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF "
    "TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XI YE YT "
    "ZA ZM ZW";

static void vat_prefix_at(struct en_check *check, const struct erp_ubl_node *party)
{
    UBL_EACH(registration, party, UBL_PartyTaxScheme)
    {
        const struct erp_ubl_node *number = erp_ubl_child(registration, UBL_CompanyID);
        char prefix[3] = "";
        if (number == NULL || !en_is_vat(registration)) {
            continue;
        }
        strncpy(prefix, number->text, 2);
        if (!en_in_list(countries, prefix) && strcmp(prefix, "EL") != 0) {
            en_fail(check, number);
        }
    }
}

static void vat_prefix(struct en_check *check)
{
    static const enum erp_ubl_name seller[] = {UBL_AccountingSupplierParty, UBL_Party, UBL_NONE};
    static const enum erp_ubl_name buyer[] = {UBL_AccountingCustomerParty, UBL_Party, UBL_NONE};
    static const enum erp_ubl_name agent[] = {UBL_TaxRepresentativeParty, UBL_NONE};
    en_each(check, check->root, seller, vat_prefix_at);
    en_each(check, check->root, buyer, vat_prefix_at);
    en_each(check, check->root, agent, vat_prefix_at);
}

static void seller_known_at(struct en_check *check, const struct erp_ubl_node *party)
{
    if (EN_AT(party, UBL_PartyTaxScheme, UBL_CompanyID) == NULL &&
        EN_AT(party, UBL_PartyIdentification, UBL_ID) == NULL &&
        EN_AT(party, UBL_PartyLegalEntity, UBL_CompanyID) == NULL) {
        en_fail(check, party);
    }
}

static void seller_known(struct en_check *check)
{
    en_each(check, check->root, check->rule->where, seller_known_at);
}

static void at_most_at(struct en_check *check, const struct erp_ubl_node *party)
{
    bool vat_only = strcmp(check->rule->with, "vat") == 0;
    int count = 0;
    UBL_EACH(registration, party, UBL_PartyTaxScheme)
    {
        count += !vat_only || en_is_vat(registration);
    }
    if (count > (vat_only ? 1 : 2)) {
        en_fail(check, party);
    }
}

static void registrations(struct en_check *check)
{
    en_each(check, check->root, check->rule->where, at_most_at);
}

static void one_means(struct en_check *check)
{
    const struct erp_ubl_node *first = EN_AT(check->root, UBL_PaymentMeans);
    UBL_EACH(means, check->root, UBL_PaymentMeans)
    {
        if (strcmp(EN_TEXT(means, UBL_PaymentMeansCode), EN_TEXT(first, UBL_PaymentMeansCode)) !=
            0) {
            en_fail(check, means);
        }
    }
}

static void reference_type_at(struct en_check *check, const struct erp_ubl_node *node)
{
    const char *type = EN_TEXT(node, UBL_DocumentTypeCode);
    const struct erp_ubl_node *id = erp_ubl_child(node, UBL_ID);
    bool plain = (id == NULL || id->scheme == NULL) && type[0] == '\0';
    if (!plain && strcmp(type, "130") != 0 && !(check->credit_note && strcmp(type, "50") == 0)) {
        en_fail(check, node);
    }
}

static void reference_type(struct en_check *check)
{
    en_each(check, check->root, check->rule->where, reference_type_at);
}

static void attachment_at(struct en_check *check, const struct erp_ubl_node *node)
{
    if ((strcmp(check->rule->with, "mime") == 0 ? node->mime : node->filename) == NULL) {
        en_fail(check, node);
    }
}

static void attachment(struct en_check *check)
{
    en_each(check, check->root, check->rule->where, attachment_at);
}

/* ---- code lists ---- */

static const char currency_extra[] =
    "BOV CHE CHW COU MXV USN UYI XAG XAU XBA XBB XBC XBD XDR XPD XPT XSU XTS XUA XXX";

static bool is_currency(const char *code)
{
    return erp_currency_digits(code) >= 0 || en_in_list(currency_extra, code);
}

static void currency_at(struct en_check *check, const struct erp_ubl_node *node)
{
    if (!is_currency(node->text)) {
        en_fail(check, node);
    }
}

static void currency_code(struct en_check *check)
{
    en_each(check, check->root, check->rule->where, currency_at);
}

static void currency_attributes(struct en_check *check, const struct erp_ubl_node *node)
{
    for (const struct erp_ubl_node *child = node->first; child != NULL; child = child->next) {
        if (child->currency != NULL && !is_currency(child->currency)) {
            en_fail(check, child);
        }
        if (child->first != NULL) {
            currency_attributes(check, child); /* at most ERP_XML_DEPTH_MAX deep */
        }
    }
}

static void currency_ids(struct en_check *check)
{
    currency_attributes(check, check->root);
}

static void listed_at(struct en_check *check, const struct erp_ubl_node *node)
{
    if (node->text[0] != '\0' && !en_in_list(check->rule->with, node->text)) {
        en_fail(check, node);
    }
}

static void listed(struct en_check *check)
{
    en_each(check, check->root, check->rule->where, listed_at);
}

static void country_codes(struct en_check *check, const struct erp_ubl_node *node)
{
    for (const struct erp_ubl_node *child = node->first; child != NULL; child = child->next) {
        if (child->name == UBL_IdentificationCode && child->text[0] != '\0' &&
            !en_in_list(countries, child->text)) {
            en_fail(check, child);
        }
        if (child->first != NULL) {
            country_codes(check, child);
        }
    }
}

static void country(struct en_check *check)
{
    country_codes(check, check->root);
}

/* UNTDID 1001: what may be an invoice, what a credit note. */
static void document_type(struct en_check *check)
{
    static const char invoice[] =
        "71 80 82 84 102 130 202 203 204 211 218 219 295 325 326 331 380 382 383 384 385 386 387 "
        "388 389 390 393 394 395 420 456 457 458 471 472 473 500 501 502 503 527 553 575 623 633 "
        "751 780 817 870 875 876 877 935";
    static const char credit[] = "81 83 261 262 296 308 381 396 420 458 502 503 532";
    const struct erp_ubl_node *a = EN_AT(check->root, UBL_InvoiceTypeCode);
    const struct erp_ubl_node *b = EN_AT(check->root, UBL_CreditNoteTypeCode);
    if (a != NULL && a->text[0] != '\0' && !en_in_list(invoice, a->text)) {
        en_fail(check, a);
    }
    if (b != NULL && b->text[0] != '\0' && !en_in_list(credit, b->text)) {
        en_fail(check, b);
    }
}

/* UNTDID 4461. */
static void payment_means(struct en_check *check, const struct erp_ubl_node *node)
{
    struct erp_number value;
    const char *text = node->text;
    bool number = erp_number_parse(text, strlen(text), "", &value, NULL) == RV_OK &&
                  value.scale == 0 && text[0] != '0';
    int64_t n = number ? value.digits : 0;
    bool known = (n >= 1 && n <= 70) || (n >= 74 && n <= 78) || (n >= 91 && n <= 98) ||
                 strcmp(text, "ZZZ") == 0;
    if (text[0] != '\0' && !known) {
        en_fail(check, node);
    }
}

static void means_code(struct en_check *check)
{
    en_each(check, check->root, check->rule->where, payment_means);
}

static void reason_code_at(struct en_check *check, const struct erp_ubl_node *node)
{
    static const char allowance[] = "41 42 60 62 63 64 65 66 67 68 70 71 88 95 100 102 103 104 105";
    const struct erp_ubl_node *code = erp_ubl_child(node, UBL_AllowanceChargeReasonCode);
    if (en_meant(check, node) && code != NULL && !en_in_list(allowance, code->text)) {
        en_fail(check, code);
    }
}

static void reason_code(struct en_check *check)
{
    static const enum erp_ubl_name in_line[] = {UBL_InvoiceLine, UBL_AllowanceCharge, UBL_NONE};
    en_each(check, check->root, check->rule->where, reason_code_at);
    en_each(check, check->root, in_line, reason_code_at);
}

static void mime_at(struct en_check *check, const struct erp_ubl_node *node)
{
    if (node->mime != NULL && !en_in_list(check->rule->with, node->mime)) {
        en_fail(check, node);
    }
}

static void mime_code(struct en_check *check)
{
    en_each(check, check->root, check->rule->where, mime_at);
}

/* ISO 6523 identifiers are four digits, 0002 up to the last one issued; SEPA where creditors are
 * identified.  `with` "sepa" allows that too. */
static void icd_at(struct en_check *check, const struct erp_ubl_node *node)
{
    const char *scheme = node->scheme;
    enum { ICD_FIRST = 2, ICD_LAST = 240 };
    if (scheme == NULL || (check->rule->with != NULL && strcmp(scheme, "SEPA") == 0)) {
        return;
    }
    struct erp_number value;
    bool known = strlen(scheme) == 4 && strspn(scheme, "0123456789") == 4 &&
                 erp_number_parse(scheme, 4, "", &value, NULL) == RV_OK &&
                 value.digits >= ICD_FIRST && value.digits <= ICD_LAST && value.digits != 181 &&
                 value.digits != 182;
    if (!known) {
        en_fail(check, node);
    }
}

static void icd_party(struct en_check *check)
{
    static const enum erp_ubl_name parties[][EN_PATH] = {
        {UBL_AccountingSupplierParty, UBL_Party, UBL_PartyIdentification, UBL_ID},
        {UBL_AccountingCustomerParty, UBL_Party, UBL_PartyIdentification, UBL_ID},
        {UBL_PayeeParty, UBL_PartyIdentification, UBL_ID},
    };
    for (size_t i = 0; i < RV_COUNT(parties); i++) {
        en_each(check, check->root, parties[i], icd_at);
    }
}

static void icd_legal(struct en_check *check)
{
    static const enum erp_ubl_name parties[][EN_PATH] = {
        {UBL_AccountingSupplierParty, UBL_Party, UBL_PartyLegalEntity, UBL_CompanyID},
        {UBL_AccountingCustomerParty, UBL_Party, UBL_PartyLegalEntity, UBL_CompanyID},
        {UBL_PayeeParty, UBL_PartyLegalEntity, UBL_CompanyID},
    };
    for (size_t i = 0; i < RV_COUNT(parties); i++) {
        en_each(check, check->root, parties[i], icd_at);
    }
}

static void icd_here(struct en_check *check)
{
    en_each(check, check->root, check->rule->where, icd_at);
}

/* ---- the table ---- */

static const char tax_categories[] = "AE B E G K L M O S Z";

const struct en_rule en_code_rules[] = {
    {"BR-CO-09",
     true,
     vat_prefix,
     "a VAT number does not begin with a country code",
     {0},
     {0},
     NULL},
    {"BR-CO-26",
     true,
     seller_known,
     "the seller has no identifier, registration or VAT number to be known by",
     {UBL_AccountingSupplierParty, UBL_Party},
     {0},
     NULL},
    {"BR-CL-01",
     true,
     document_type,
     "the document type is not one of an invoice or credit note",
     {0},
     {0},
     NULL},
    {"BR-CL-03", true, currency_ids, "an amount is in an unknown currency", {0}, {0}, NULL},
    {"BR-CL-04",
     true,
     currency_code,
     "the invoice currency is unknown",
     {UBL_DocumentCurrencyCode},
     {0},
     NULL},
    {"BR-CL-05",
     true,
     currency_code,
     "the tax currency is unknown",
     {UBL_TaxCurrencyCode},
     {0},
     NULL},
    {"BR-CL-06",
     true,
     listed,
     "the tax point code is none of 3, 35, 432",
     {UBL_InvoicePeriod, UBL_DescriptionCode},
     {0},
     "3 35 432"},
    {"BR-CL-10",
     true,
     icd_party,
     "a party identifier's scheme is not in ISO 6523",
     {0},
     {0},
     "sepa"},
    {"BR-CL-11", true, icd_legal, "a registration's scheme is not in ISO 6523", {0}, {0}, NULL},
    {"BR-CL-14", true, country, "a country code is unknown", {0}, {0}, NULL},
    {"BR-CL-16",
     true,
     means_code,
     "the payment means code is unknown",
     {UBL_PaymentMeans, UBL_PaymentMeansCode},
     {0},
     NULL},
    {"BR-CL-18",
     true,
     listed,
     "a line's tax category is unknown",
     {UBL_InvoiceLine, UBL_Item, UBL_ClassifiedTaxCategory, UBL_ID},
     {0},
     tax_categories},
    {"BR-CL-19",
     true,
     reason_code,
     "the reason code of an allowance is unknown",
     {UBL_AllowanceCharge},
     {0},
     "allowance"},
    {"BR-CL-21",
     true,
     icd_here,
     "the scheme of an item's standard identifier is not in ISO 6523",
     {UBL_InvoiceLine, UBL_Item, UBL_StandardItemIdentification, UBL_ID},
     {0},
     NULL},
    {"BR-CL-24",
     true,
     mime_code,
     "an attachment's type is not accepted",
     {UBL_AdditionalDocumentReference, UBL_Attachment, UBL_EmbeddedDocumentBinaryObject},
     {0},
     "application/pdf image/png image/jpeg text/csv "
     "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet "
     "application/vnd.oasis.opendocument.spreadsheet application/xml text/xml"},
    {"BR-CL-26",
     true,
     icd_here,
     "the scheme of a delivery location is not in ISO 6523",
     {UBL_Delivery, UBL_DeliveryLocation, UBL_ID},
     {0},
     NULL},

    {"UBL-DT-06",
     true,
     attachment,
     "an attachment has no type",
     {UBL_AdditionalDocumentReference, UBL_Attachment, UBL_EmbeddedDocumentBinaryObject},
     {0},
     "mime"},
    {"UBL-DT-07",
     true,
     attachment,
     "an attachment has no file name",
     {UBL_AdditionalDocumentReference, UBL_Attachment, UBL_EmbeddedDocumentBinaryObject},
     {0},
     "filename"},
    {"UBL-SR-18",
     true,
     registrations,
     "the buyer has more than one VAT number",
     {UBL_AccountingCustomerParty, UBL_Party},
     {0},
     "vat"},
    {"UBL-SR-42",
     true,
     registrations,
     "the seller has more than two tax registrations",
     {UBL_AccountingSupplierParty, UBL_Party},
     {0},
     "all"},
    {"UBL-SR-43",
     true,
     reference_type,
     "a document reference has a scheme or type but is no invoiced object",
     {UBL_AdditionalDocumentReference},
     {0},
     NULL},
    {"UBL-SR-47", true, one_means, "payment means differ from each other", {0}, {0}, NULL},
};
const int en_code_count = (int)RV_COUNT(en_code_rules);
