/* ubl_read.c -- fields, amounts, parties and line arithmetic; see ubl_read.h. */
#include "erp/exchange/ubl_read.h"

#include "erp/domain/date.h"
#include "erp/domain/iban.h"
#include "runtime/base/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* ---- findings and refusals ---- */

void ubl_finding(json_t *findings, const char *rule, bool fatal, const char *expected,
                 const char *found, const char *format, ...)
{
    char text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    json_t *finding = json_object();
    json_object_set_new(finding, "rule", json_string(rule));
    json_object_set_new(finding, "fatal", json_boolean(fatal));
    json_t *message = json_string(text);
    if (message == NULL) { /* cut inside a character: text of the document was quoted */
        size_t n = strlen(text);
        while (n > 0 && ((unsigned char)text[n - 1] & 0xC0) == 0x80) {
            n--;
        }
        message = json_stringn(text, n > 0 ? n - 1 : 0);
    }
    json_object_set_new(finding, "message", message);
    if (expected != NULL) {
        json_object_set_new(finding, "expected", json_string(expected));
    }
    if (found != NULL) {
        json_object_set_new(finding, "found", json_string(found));
    }
    json_array_append_new(findings, finding);
}

static enum rv_code refuse(const struct ubl_reading *reading, const struct erp_ubl_node *node,
                           const char *what, struct rv_error *err)
{
    return rv_fail(err, RV_INVALID, "%s line %d: %s \"%.40s\" %s", reading->ubl->file, node->line,
                   erp_ubl_name_text(node->name), node->text, what);
}

enum rv_code ubl_line_ok(const struct ubl_reading *reading, size_t count, struct rv_error *err)
{
    if (count <= ERP_UBL_LINES_MAX) {
        return RV_OK;
    }
    return rv_fail(err, RV_LIMIT, "%s has more than %d lines", reading->ubl->file,
                   ERP_UBL_LINES_MAX);
}

/* A document where every line is wrong says so two hundred times; that is enough. */
static bool room(const struct ubl_reading *reading)
{
    return json_array_size(reading->findings) < ERP_UBL_LINE_FINDINGS_MAX;
}

/* ---- values ---- */

static enum rv_code number(const struct ubl_reading *reading, const struct erp_ubl_node *node,
                           struct erp_number *out, struct rv_error *err)
{
    enum rv_code code =
        erp_number_parse(node->text, strlen(node->text), erp_ubl_name_text(node->name), out, err);
    return code == RV_OK ? RV_OK : rv_wrap(err, code, "%s line %d", reading->ubl->file, node->line);
}

enum rv_code ubl_currency(struct ubl_reading *reading, const struct erp_ubl_node *code,
                          const struct erp_ubl_node *amount, struct rv_error *err)
{
    const char *text = erp_ubl_text(code);
    if (text[0] == '\0' && amount != NULL && amount->currency != NULL) {
        text = amount->currency;
    }
    reading->exponent = erp_currency_digits(text);
    if (reading->exponent < 0) {
        return rv_fail(err, RV_INVALID,
                       "%s: document currency \"%.10s\" is missing, unknown or cannot be posted",
                       reading->ubl->file, text);
    }
    snprintf(reading->currency, sizeof reading->currency, "%s", text);
    return RV_OK;
}

enum rv_code ubl_amount(struct ubl_reading *reading, const struct erp_ubl_node *node, bool *given,
                        int64_t *minor, struct rv_error *err)
{
    *given = false;
    if (node == NULL || node->text[0] == '\0') {
        return RV_OK;
    }
    struct erp_number value;
    enum rv_code code = number(reading, node, &value, err);
    if (code != RV_OK) {
        return code;
    }
    if (node->currency != NULL && strcmp(node->currency, reading->currency) != 0) {
        if (room(reading)) {
            ubl_finding(reading->findings, "RV-CURRENCY", true, reading->currency, node->currency,
                        "line %d: %s %s is in %.10s, the document in %s", node->line,
                        erp_ubl_name_text(node->name), node->text, node->currency,
                        reading->currency);
        }
        return RV_OK;
    }
    if (!erp_number_minor(value, reading->exponent, minor)) {
        if (room(reading)) {
            ubl_finding(reading->findings, "RV-MINOR-UNIT", true, NULL, node->text,
                        "line %d: %s %s has digits beyond the %d decimals of %s, or is too large",
                        node->line, erp_ubl_name_text(node->name), node->text, reading->exponent,
                        reading->currency);
        }
        return RV_OK;
    }
    *given = true;
    return RV_OK;
}

/* The text as written, without white space, plus sign and decimals beyond the sixth when zero. */
static enum rv_code put_decimal(const struct ubl_reading *reading, const struct erp_ubl_node *node,
                                const char *key, json_t *out, struct rv_error *err)
{
    struct erp_number value;
    const char *text = node->text;
    enum rv_code code = number(reading, node, &value, err);
    if (code != RV_OK) {
        return code;
    }
    if (value.scale > ERP_UBL_DECIMALS_MAX) {
        return refuse(reading, node, "has more than 6 decimals", err);
    }
    text += text[0] == '+';
    size_t length = strlen(text);
    const char *point = strchr(text, '.');
    if (point != NULL && length > (size_t)(point - text) + 1 + ERP_UBL_DECIMALS_MAX) {
        length = (size_t)(point - text) + 1 + ERP_UBL_DECIMALS_MAX;
    }
    if (point == text + length - 1) {
        length--;
    }
    bool bare = text[0] == '.' || (text[0] == '-' && text[1] == '.');
    char copy[128];
    snprintf(copy, sizeof copy, "%s%s%.*s", text[0] == '-' ? "-" : "", bare ? "0" : "",
             (int)(length < 100 ? length - (text[0] == '-') : 100), text + (text[0] == '-'));
    json_object_set_new(out, key, json_string(copy));
    return RV_OK;
}

/* XML Schema lets a date carry its zone: 2024-05-01+02:00, 2024-05-01Z. */
static enum rv_code put_date(const struct ubl_reading *reading, const struct erp_ubl_node *node,
                             const char *key, json_t *out, struct rv_error *err)
{
    char copy[ERP_DATE_TEXT];
    snprintf(copy, sizeof copy, "%s", node->text);
    bool zone_ok = strlen(node->text) <= 10 || strchr("Z+-", node->text[10]) != NULL;
    if (!zone_ok || !erp_date_valid(copy)) {
        return refuse(reading, node, "is not a date YYYY-MM-DD", err);
    }
    json_object_set_new(out, key, json_string(copy));
    return RV_OK;
}

static enum rv_code put_one(struct ubl_reading *reading, const struct erp_ubl_node *node,
                            const struct ubl_field *field, json_t *out, struct rv_error *err)
{
    switch (field->kind) {
    case UBL_TEXT: json_object_set_new(out, field->key, json_string(node->text)); return RV_OK;
    case UBL_UNIT:
        if (node->unit != NULL && node->unit[0] != '\0') {
            json_object_set_new(out, field->key, json_string(node->unit));
        }
        return RV_OK;
    case UBL_DATE: return put_date(reading, node, field->key, out, err);
    case UBL_DECIMAL: return put_decimal(reading, node, field->key, out, err);
    case UBL_AMOUNT: {
        bool given = false;
        int64_t minor = 0;
        enum rv_code code = ubl_amount(reading, node, &given, &minor, err);
        if (code == RV_OK && given) {
            json_object_set_new(out, field->key, json_integer(minor));
        }
        return code;
    }
    }
    RV_UNREACHABLE("five kinds of field");
}

enum rv_code ubl_put(struct ubl_reading *reading, const struct erp_ubl_node *from,
                     const struct ubl_field *fields, size_t count, json_t *out,
                     struct rv_error *err)
{
    for (size_t i = 0; i < count; i++) {
        const struct erp_ubl_node *node = erp_ubl_at(from, fields[i].path);
        if (node == NULL || (node->text[0] == '\0' && fields[i].kind != UBL_UNIT) ||
            json_object_get(out, fields[i].key) != NULL) {
            continue;
        }
        enum rv_code code = put_one(reading, node, &fields[i], out, err);
        if (code != RV_OK) {
            return code;
        }
    }
    return RV_OK;
}

/* ---- parties and payment ---- */

static const struct ubl_field party_fields[] = {
    {"name", UBL_TEXT, {UBL_Party, UBL_PartyName, UBL_Name}},
    {"name", UBL_TEXT, {UBL_Party, UBL_PartyLegalEntity, UBL_RegistrationName}},
    {"name", UBL_TEXT, {UBL_Party, UBL_PartyTaxScheme, UBL_RegistrationName}},
    {"legal_id", UBL_TEXT, {UBL_Party, UBL_PartyLegalEntity, UBL_CompanyID}},
    {"endpoint", UBL_TEXT, {UBL_Party, UBL_EndpointID}},
    {"country", UBL_TEXT, {UBL_Party, UBL_PostalAddress, UBL_Country, UBL_IdentificationCode}},
};
static const struct ubl_field supplier_id[] = {
    {"id", UBL_TEXT, {UBL_CustomerAssignedAccountID}},
    {"id", UBL_TEXT, {UBL_Party, UBL_PartyIdentification, UBL_ID}},
};
static const struct ubl_field buyer_id[] = {
    {"id", UBL_TEXT, {UBL_CustomerAssignedAccountID}},
    {"id", UBL_TEXT, {UBL_SupplierAssignedAccountID}},
    {"id", UBL_TEXT, {UBL_Party, UBL_PartyIdentification, UBL_ID}},
};

/* The registration under the VAT scheme; older documents name it "UK VAT" and the like. */
static const struct erp_ubl_node *vat_registration(const struct erp_ubl_node *party)
{
    const struct erp_ubl_node *likely = NULL;
    UBL_EACH(scheme, party, UBL_PartyTaxScheme)
    {
        const char *id = erp_ubl_text(UBL_AT(scheme, UBL_TaxScheme, UBL_ID));
        const struct erp_ubl_node *number = erp_ubl_child(scheme, UBL_CompanyID);
        if (strcasecmp(id, "VAT") == 0 && number != NULL) {
            return number;
        }
        if (likely == NULL && strcasestr(id, "VAT") != NULL) {
            likely = number;
        }
    }
    return likely;
}

enum rv_code ubl_put_party(struct ubl_reading *reading, const struct erp_ubl_node *role,
                           bool is_buyer, const char *key, json_t *out, struct rv_error *err)
{
    if (role == NULL) {
        return RV_OK;
    }
    json_t *party = json_object();
    json_object_set_new(out, key, party);
    enum rv_code code = UBL_PUT(reading, role, party_fields, party, err);
    if (code == RV_OK) {
        code = is_buyer ? UBL_PUT(reading, role, buyer_id, party, err)
                        : UBL_PUT(reading, role, supplier_id, party, err);
    }
    const struct erp_ubl_node *vat = vat_registration(erp_ubl_child(role, UBL_Party));
    if (erp_ubl_text(vat)[0] != '\0') {
        json_object_set_new(party, "vat_id", json_string(vat->text));
    }
    return code;
}

/* ISO 9362: four letters or digits, country, two, and perhaps three for the branch; a national
 * sort code is none. */
static bool is_bic(const char *text)
{
    size_t n = strlen(text);
    size_t good = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");
    bool country = n >= 6 && text[4] >= 'A' && text[4] <= 'Z' && text[5] >= 'A' && text[5] <= 'Z';
    return (n == 8 || n == 11) && good == n && country;
}

enum rv_code ubl_put_payment(struct ubl_reading *reading, json_t *out, struct rv_error *err)
{
    static const struct ubl_field fields[] = {
        {"means", UBL_TEXT, {UBL_PaymentMeansCode}},
        {"reference", UBL_TEXT, {UBL_PaymentID}},
    };
    const struct erp_ubl_node *means = erp_ubl_child(reading->ubl->root, UBL_PaymentMeans);
    if (means == NULL) {
        return RV_OK;
    }
    json_t *payment = json_object();
    json_object_set_new(out, "payment", payment);
    enum rv_code code = UBL_PUT(reading, means, fields, payment, err);
    const struct erp_ubl_node *branch =
        UBL_AT(means, UBL_PayeeFinancialAccount, UBL_FinancialInstitutionBranch);
    const char *bic = erp_ubl_text(UBL_AT(branch, UBL_FinancialInstitution, UBL_ID));
    bic = is_bic(bic) ? bic : erp_ubl_text(erp_ubl_child(branch, UBL_ID));
    if (is_bic(bic)) {
        json_object_set_new(payment, "bic", json_string(bic));
    }
    const char *account = erp_ubl_text(UBL_AT(means, UBL_PayeeFinancialAccount, UBL_ID));
    char iban[ERP_IBAN_TEXT];
    if (erp_iban_normalise(account, iban)) {
        json_object_set_new(payment, "iban", json_string(iban));
    } else if (account[0] != '\0') {
        json_object_set_new(payment, "account", json_string(account));
    }
    return code;
}

/* ---- line arithmetic ---- */

static bool decimal_of(const json_t *line, const char *key, int64_t otherwise,
                       struct erp_number *out)
{
    const char *text = rv_json_str(line, key, NULL);
    if (text == NULL) {
        *out = (struct erp_number){.digits = otherwise, .scale = 0};
        return otherwise != 0;
    }
    return erp_number_parse(text, strlen(text), key, out, NULL) == RV_OK;
}

void ubl_check_line(struct ubl_reading *reading, const json_t *line, int64_t extra_minor,
                    const char *rule, bool fatal)
{
    struct erp_number quantity;
    struct erp_number price;
    struct erp_number base;
    const json_t *net = json_object_get(line, "net_minor");
    if (!json_is_integer(net) || !decimal_of(line, "qty", 0, &quantity) ||
        !decimal_of(line, "price", 0, &price) || !decimal_of(line, "price_base_qty", 1, &base) ||
        base.digits <= 0) {
        return;
    }
    /* gross = quantity * price * 10^(exponent + base.scale) / (base * 10^(q.scale + p.scale)) */
    __int128 numerator = (__int128)quantity.digits * price.digits;
    __int128 denominator = base.digits;
    int power = reading->exponent + base.scale - quantity.scale - price.scale;
    for (; power > 0; power--) {
        if (__builtin_mul_overflow(numerator, (__int128)10, &numerator)) {
            return; /* beyond any amount that was accepted */
        }
    }
    for (; power < 0; power++) {
        if (__builtin_mul_overflow(denominator, (__int128)10, &denominator)) {
            return;
        }
    }
    __int128 half = denominator / 2;
    __int128 expected = (numerator + (numerator < 0 ? -half : half)) / denominator + extra_minor;
    int64_t found = json_integer_value(net);
    __int128 difference = expected - found;
    if ((difference >= -1 && difference <= 1) || !room(reading)) {
        return;
    }
    char a[ERP_SCALED_TEXT] = "beyond 64 bits";
    char b[ERP_SCALED_TEXT];
    if (expected <= INT64_MAX && expected >= INT64_MIN) {
        erp_scaled_format((int64_t)expected, reading->exponent, a);
    }
    erp_scaled_format(found, reading->exponent, b);
    ubl_finding(reading->findings, rule, fatal, a, b,
                "line %.40s: quantity %s times price %s%s%s gives %s, the document states %s",
                rv_json_str(line, "no", "?"), rv_json_str(line, "qty", ""),
                rv_json_str(line, "price", ""),
                rv_json_str(line, "price_base_qty", NULL) != NULL ? " per " : "",
                rv_json_str(line, "price_base_qty", ""), a, b);
}
