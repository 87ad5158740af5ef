/* en16931.c -- runs the tables of rules; and the plain arithmetic of documents that claim nothing.
 * See en16931.h. */
#include "erp/exchange/en16931.h"

#include "erp/exchange/en16931_internal.h"
#include "erp/exchange/ubl_read.h"
#include "runtime/base/check.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

const struct erp_en16931_gap erp_en16931_missing[] = {
    {"BR-CO-05..08", "whether a reason code and a reason text mean the same is for people"},
    {"BR-66, BR-67", "card and mandate rules of later editions"},
    {"BR-CL-07", "object schemes, UNTDID 1153: a list of hundreds"},
    {"BR-CL-08", "note subjects, UNTDID 4451: a list of hundreds"},
    {"BR-CL-13", "item classifications, UNTDID 7143: a list of hundreds"},
    {"BR-CL-15", "item countries are checked under BR-CL-14"},
    {"BR-CL-20", "charge reasons, UNTDID 7161: a list of hundreds"},
    {"BR-CL-22", "exemption codes, VATEX: a list that changes twice a year"},
    {"BR-CL-23", "units, UN/ECE recommendations 20 and 21: a list of two thousand"},
    {"BR-CL-25", "electronic address schemes: a list that changes twice a year"},
    {"BR-B-01, BR-B-02", "split payment, domestic Italian invoices only"},
    {"UBL-CR-*, other UBL-SR-*, UBL-DT-*", "which UBL elements EN 16931 does not use: no harm"},
    {NULL, NULL},
};

/* ---- helpers of the checks ---- */

bool en_same(enum erp_ubl_name have, enum erp_ubl_name want)
{
    return have == want || (want == UBL_InvoiceLine && have == UBL_CreditNoteLine) ||
           (want == UBL_InvoicedQuantity && have == UBL_CreditedQuantity);
}

const struct erp_ubl_node *en_at(const struct erp_ubl_node *node, const enum erp_ubl_name *path)
{
    for (; node != NULL && *path != UBL_NONE; path++) {
        const struct erp_ubl_node *child = node->first;
        while (child != NULL && !en_same(child->name, *path)) {
            child = child->next;
        }
        node = child;
    }
    return node;
}

void en_each(struct en_check *check, const struct erp_ubl_node *node, const enum erp_ubl_name *path,
             void (*call)(struct en_check *check, const struct erp_ubl_node *node))
{
    if (*path == UBL_NONE) {
        call(check, node);
        return;
    }
    for (const struct erp_ubl_node *child = node->first; child != NULL; child = child->next) {
        if (en_same(child->name, *path)) {
            en_each(check, child, path + 1, call); /* at most EN_PATH deep */
        }
    }
}

en_number en_whole(int64_t value)
{
    en_number number = value;
    for (int i = 0; i < EN_SCALE; i++) {
        number *= 10;
    }
    return number;
}

/* 18 digits at most, so 28 with the scale: sums of a million of them stay far below 2^127. */
bool en_number_of(const struct erp_ubl_node *node, en_number *out)
{
    struct erp_number value;
    if (node == NULL ||
        erp_number_parse(node->text, strlen(node->text), "", &value, NULL) != RV_OK) {
        return false;
    }
    en_number number = value.digits;
    for (int i = value.scale; i < EN_SCALE; i++) {
        number *= 10;
    }
    for (int i = value.scale; i > EN_SCALE; i--) {
        number /= 10; /* below 10^-10: no rule looks there */
    }
    *out = number;
    return true;
}

en_number en_number_or_zero(const struct erp_ubl_node *node)
{
    en_number number = 0;
    return en_number_of(node, &number) ? number : 0;
}

en_number en_round(en_number value, int decimals)
{
    en_number unit = 1;
    for (int i = decimals; i < EN_SCALE; i++) {
        unit *= 10;
    }
    en_number half = unit / 2;
    return (value + (value < 0 ? -half : half)) / unit * unit;
}

/* Twelve decimals of the base and of the percentage are more than documents have; beyond 64 bits
 * of whole numbers the answer saturates, and then no stated tax equals it. */
en_number en_percent(en_number base, en_number percent)
{
    return en_percent_to(base, percent, 2);
}

en_number en_percent_to(en_number base, en_number percent, int decimals)
{
    en_number product = 0;
    en_number scale = en_whole(100);
    if (__builtin_mul_overflow(base, percent, &product)) {
        if (__builtin_mul_overflow(base / en_whole(1), percent, &product)) {
            return base;
        }
        return en_round(product / 100, decimals);
    }
    return en_round(product / scale, decimals);
}

bool en_is_vat(const struct erp_ubl_node *node)
{
    return strcasecmp(EN_TEXT(node, UBL_TaxScheme, UBL_ID), "VAT") == 0;
}

bool en_is_charge(const struct erp_ubl_node *allowance)
{
    const char *text = EN_TEXT(allowance, UBL_ChargeIndicator);
    return strcmp(text, "true") == 0 || strcmp(text, "1") == 0;
}

bool en_meant(const struct en_check *check, const struct erp_ubl_node *allowance)
{
    return en_is_charge(allowance) == (strcmp(check->rule->with, "charge") == 0) &&
           erp_ubl_child(allowance, UBL_ChargeIndicator) != NULL;
}

bool en_in_list(const char *list, const char *code)
{
    size_t length = strlen(code);
    if (length == 0) {
        return false;
    }
    while (*list != '\0') {
        size_t n = strcspn(list, " ");
        if (n == length && memcmp(list, code, n) == 0) {
            return true;
        }
        list += n + (list[n] == ' ');
    }
    return false;
}

/* At least two decimals, no zeros beyond. */
const char *en_number_text(en_number value, char out[48])
{
    bool negative = value < 0;
    en_number magnitude = negative ? -value : value;
    en_number unit = en_whole(1);
    char fraction[EN_SCALE + 1];
    en_number rest = magnitude % unit;
    for (int i = EN_SCALE - 1; i >= 0; i--) {
        fraction[i] = (char)('0' + (int)(rest % 10));
        rest /= 10;
    }
    int length = EN_SCALE;
    while (length > 2 && fraction[length - 1] == '0') {
        length--;
    }
    en_number whole = magnitude / unit;
    if (whole > INT64_MAX) {
        snprintf(out, 48, "beyond 64 bits");
    } else {
        snprintf(out, 48, "%s%lld.%.*s", negative ? "-" : "", (long long)whole, length, fraction);
    }
    return out;
}

void en_fail(struct en_check *check, const struct erp_ubl_node *node)
{
    if (check->failures++ == 0 && node != NULL && node != check->root) {
        check->line = node->line;
    }
}

void en_fail_numbers(struct en_check *check, const struct erp_ubl_node *node, en_number expected,
                     en_number found)
{
    if (check->failures == 0) {
        en_number_text(expected, check->expected);
        en_number_text(found, check->found);
    }
    en_fail(check, node);
}

/* ---- running ---- */

void en_run(const struct erp_ubl *ubl, const struct en_rule *rule, json_t *findings)
{
    struct en_check check = {
        .root = ubl->root, .credit_note = ubl->type == ERP_UBL_CREDIT_NOTE, .rule = rule};
    rule->check(&check);
    if (check.failures == 0) {
        return;
    }
    char place[64] = "";
    if (check.line > 0 && check.failures > 1) {
        snprintf(place, sizeof place, " (%d places, first in line %d)", check.failures, check.line);
    } else if (check.line > 0) {
        snprintf(place, sizeof place, " (line %d)", check.line);
    }
    ubl_finding(findings, rule->id, rule->fatal, check.expected[0] != '\0' ? check.expected : NULL,
                check.found[0] != '\0' ? check.found : NULL, "%s%s", rule->message, place);
}

bool erp_en16931_claimed(const struct erp_ubl *ubl)
{
    static const char urn[] = "urn:cen.eu:en16931";
    const char *text = EN_TEXT(ubl->root, UBL_CustomizationID);
    return strncasecmp(text, urn, sizeof urn - 1) == 0;
}

const struct en_rule *en_rule_at(int index)
{
    const struct {
        const struct en_rule *rules;
        int count;
    } tables[] = {{en_basic_rules, en_basic_count},
                  {en_tax_rules, en_tax_count},
                  {en_code_rules, en_code_count}};
    for (size_t i = 0; i < RV_COUNT(tables); i++) {
        if (index < tables[i].count) {
            return &tables[i].rules[index];
        }
        index -= tables[i].count;
    }
    return NULL;
}

void erp_en16931_check(const struct erp_ubl *ubl, json_t *findings)
{
    const struct en_rule *rule = NULL;
    for (int i = 0; (rule = en_rule_at(i)) != NULL; i++) {
        en_run(ubl, rule, findings);
    }
}

/* ---- documents that claim nothing ---- */

struct plain {
    const struct erp_ubl_node *root;
    const struct erp_ubl_node *total;
    json_t *findings;
    const char *currency;
    int exponent;
    en_number tax;
};

static void differ(struct plain *plain, const char *rule, bool fatal, en_number expected,
                   en_number found, const char *message)
{
    char a[48];
    char b[48];
    ubl_finding(plain->findings, rule, fatal, en_number_text(expected, a), en_number_text(found, b),
                "%s", message);
}

static en_number allowances(const struct plain *plain, bool charge)
{
    en_number sum = 0;
    UBL_EACH(node, plain->root, UBL_AllowanceCharge)
    {
        if (en_is_charge(node) == charge) {
            sum += en_number_or_zero(erp_ubl_child(node, UBL_Amount));
        }
    }
    return sum;
}

static en_number line_amounts(const struct plain *plain)
{
    en_number sum = 0;
    for (const struct erp_ubl_node *node = plain->root->first; node != NULL; node = node->next) {
        if (en_same(node->name, UBL_InvoiceLine)) {
            sum += en_number_or_zero(erp_ubl_child(node, UBL_LineExtensionAmount));
        }
    }
    return sum;
}

static void plain_totals(struct plain *plain)
{
    en_number stated = 0;
    en_number lines = line_amounts(plain);
    en_number less = allowances(plain, false);
    en_number more = allowances(plain, true);
    if (en_number_of(erp_ubl_child(plain->total, UBL_LineExtensionAmount), &stated) &&
        stated != lines) {
        differ(plain, "BR-CO-10", true, lines, stated,
               "the sum of line amounts is not what the lines sum to");
    }
    if (en_number_of(erp_ubl_child(plain->total, UBL_AllowanceTotalAmount), &stated) &&
        stated != less) {
        differ(plain, "BR-CO-11", true, less, stated,
               "the total of allowances is not what they sum to");
    }
    if (en_number_of(erp_ubl_child(plain->total, UBL_ChargeTotalAmount), &stated) &&
        stated != more) {
        differ(plain, "BR-CO-12", true, more, stated,
               "the total of charges is not what they sum to");
    }
    en_number net = lines - less + more;
    if (!en_number_of(erp_ubl_child(plain->total, UBL_TaxExclusiveAmount), &stated) ||
        stated == net) {
        return;
    }
    bool silent = erp_ubl_child(plain->root, UBL_AllowanceCharge) == NULL &&
                  erp_ubl_child(plain->total, UBL_AllowanceTotalAmount) == NULL && stated < net;
    differ(plain, "BR-CO-13", !silent, net, stated,
           silent ? "the total without tax is below the lines, but no allowance is listed"
                  : "the total without tax is not lines less allowances plus charges");
}

static void plain_gross(struct plain *plain)
{
    en_number net = 0;
    en_number gross = 0;
    en_number stated = 0;
    bool has_net = en_number_of(erp_ubl_child(plain->total, UBL_TaxExclusiveAmount), &net);
    bool has_gross = en_number_of(erp_ubl_child(plain->total, UBL_TaxInclusiveAmount), &gross);
    if (has_net && has_gross && gross != net + plain->tax) {
        differ(plain, "BR-CO-15", true, net + plain->tax, gross,
               "the total with tax is not the total without tax plus tax");
    }
    if (!has_gross && !has_net) {
        return;
    }
    en_number expected = (has_gross ? gross : net + plain->tax) -
                         en_number_or_zero(erp_ubl_child(plain->total, UBL_PrepaidAmount)) +
                         en_number_or_zero(erp_ubl_child(plain->total, UBL_PayableRoundingAmount));
    if (en_number_of(erp_ubl_child(plain->total, UBL_PayableAmount), &stated) &&
        stated != expected) {
        differ(plain, "BR-CO-16", true, expected, stated,
               "the amount due is not total less prepaid plus rounding");
    }
}

/* A line's category: on its item, or in the line's own tax total. */
static const struct erp_ubl_node *line_category(const struct erp_ubl_node *line)
{
    const struct erp_ubl_node *category = EN_AT(line, UBL_Item, UBL_ClassifiedTaxCategory);
    return category != NULL ? category
                            : EN_AT(line, UBL_TaxTotal, UBL_TaxSubtotal, UBL_TaxCategory);
}

/* The rate of a category: its own, else the one rate that all its lines have. */
static bool rate_of(const struct plain *plain, const struct erp_ubl_node *category, en_number *out)
{
    if (en_number_of(erp_ubl_child(category, UBL_Percent), out)) {
        return true;
    }
    bool any = false;
    for (const struct erp_ubl_node *node = plain->root->first; node != NULL; node = node->next) {
        const struct erp_ubl_node *own =
            en_same(node->name, UBL_InvoiceLine) ? line_category(node) : NULL;
        en_number rate = 0;
        if (own == NULL || strcmp(EN_TEXT(own, UBL_ID), EN_TEXT(category, UBL_ID)) != 0 ||
            !en_number_of(erp_ubl_child(own, UBL_Percent), &rate)) {
            continue;
        }
        if (any && rate != *out) {
            return false;
        }
        *out = rate;
        any = true;
    }
    return any;
}

static bool belongs(const struct erp_ubl_node *category, const struct erp_ubl_node *to, bool only)
{
    if (category == NULL || EN_TEXT(category, UBL_ID)[0] == '\0') {
        return only;
    }
    if (strcmp(EN_TEXT(category, UBL_ID), EN_TEXT(to, UBL_ID)) != 0) {
        return false;
    }
    en_number a = 0;
    en_number b = 0;
    return !en_number_of(erp_ubl_child(category, UBL_Percent), &a) ||
           !en_number_of(erp_ubl_child(to, UBL_Percent), &b) || a == b;
}

static void plain_breakdown(struct plain *plain, const struct erp_ubl_node *item, bool only)
{
    const struct erp_ubl_node *category = erp_ubl_child(item, UBL_TaxCategory);
    en_number expected = 0;
    bool unassigned = false;
    for (const struct erp_ubl_node *node = plain->root->first; node != NULL; node = node->next) {
        bool line = en_same(node->name, UBL_InvoiceLine);
        if (!line && node->name != UBL_AllowanceCharge) {
            continue;
        }
        const struct erp_ubl_node *own =
            line ? line_category(node) : erp_ubl_child(node, UBL_TaxCategory);
        en_number amount =
            en_number_or_zero(erp_ubl_child(node, line ? UBL_LineExtensionAmount : UBL_Amount));
        unassigned = unassigned || (own == NULL && !only);
        if (belongs(own, category, only)) {
            expected += line || en_is_charge(node) ? amount : -amount;
        }
    }
    en_number base = 0;
    en_number rate = 0;
    en_number tax = en_number_or_zero(erp_ubl_child(item, UBL_TaxAmount));
    bool has_base = en_number_of(erp_ubl_child(item, UBL_TaxableAmount), &base);
    bool has_rate = rate_of(plain, category, &rate);
    en_number cent = en_whole(1); /* the smallest unit of the currency */
    for (int i = 0; i < plain->exponent; i++) {
        cent /= 10;
    }
    bool base_wrong = has_base && !unassigned && base != expected;
    char message[300];
    char a[48];
    char b[48];
    char c[48];
    if (base_wrong && has_rate) {
        snprintf(message, sizeof message,
                 "the tax base %s is not lines plus charges less allowances, %s; at %s %% that "
                 "gives another tax",
                 en_number_text(base, a), en_number_text(expected, b), en_number_text(rate, c));
        differ(plain, "BR-CO-17", true, en_percent_to(expected, rate, plain->exponent), tax,
               message);
    } else if (base_wrong) {
        differ(plain, "BR-S-08", true, expected, base,
               "the tax base is not lines plus charges less allowances");
    } else if (has_base && has_rate) {
        en_number right = en_percent_to(base, rate, plain->exponent);
        en_number difference = tax - right;
        if (difference > 2 * cent || difference < -2 * cent) {
            differ(plain, "BR-CO-17", true, right, tax, "a tax amount is not base times rate");
        }
    }
}

/* A second tax total may repeat the tax in the accounting currency. */
static bool foreign(const struct plain *plain, const struct erp_ubl_node *tax_total)
{
    const struct erp_ubl_node *amount = erp_ubl_child(tax_total, UBL_TaxAmount);
    return amount != NULL && amount->currency != NULL &&
           strcmp(amount->currency, plain->currency) != 0;
}

static void plain_tax(struct plain *plain)
{
    int breakdowns = 0;
    UBL_EACH(total, plain->root, UBL_TaxTotal)
    {
        breakdowns += foreign(plain, total) ? 0 : erp_ubl_count(total, UBL_TaxSubtotal);
    }
    UBL_EACH(total, plain->root, UBL_TaxTotal)
    {
        if (foreign(plain, total)) {
            continue;
        }
        en_number sum = 0;
        UBL_EACH(item, total, UBL_TaxSubtotal)
        {
            sum += en_number_or_zero(erp_ubl_child(item, UBL_TaxAmount));
            plain_breakdown(plain, item, breakdowns == 1);
        }
        en_number stated = en_number_or_zero(erp_ubl_child(total, UBL_TaxAmount));
        plain->tax += stated;
        if (erp_ubl_child(total, UBL_TaxSubtotal) != NULL && stated != sum) {
            differ(plain, "BR-CO-14", true, sum, stated,
                   "the tax total is not what the tax breakdown sums to");
        }
    }
}

void erp_en16931_check_arithmetic(const struct erp_ubl *ubl, const char *currency, json_t *findings)
{
    struct plain plain = {.root = ubl->root,
                          .total = erp_ubl_child(ubl->root, UBL_LegalMonetaryTotal),
                          .findings = findings,
                          .currency = currency,
                          .exponent = erp_currency_digits(currency)};
    plain_totals(&plain);
    plain_tax(&plain);
    plain_gross(&plain);
}
