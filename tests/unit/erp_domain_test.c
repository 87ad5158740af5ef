/* erp_domain_test.c -- numbers, dates, account numbers: edges, and properties over many seeds. */
#include "erp/domain/date.h"
#include "erp/domain/iban.h"
#include "erp/domain/money.h"
#include "erp/domain/norm.h"
#include "runtime/base/check.h"
#include "runtime/base/random.h"
#include "tests/support/test.h"

#include <inttypes.h>

/* As the exchange and the commands read an amount: the currency says how many digits it has. */
static enum rv_code read_amount(const char *text, const char *currency, int64_t *minor,
                                struct rv_error *err)
{
    return erp_scaled_parse(text, "amount", erp_currency_digits(currency), minor, err);
}

static int64_t parsed(const char *text, const char *currency)
{
    int64_t minor = INT64_MIN;
    struct rv_error err = {.code = RV_OK};
    enum rv_code code = read_amount(text, currency, &minor, &err);
    ck_assert_msg(code == RV_OK, "%s %s: %s", text, currency, err.message);
    return minor;
}

TEST(amounts_have_the_minor_units_of_their_currency)
{
    ck_assert_int_eq(parsed("107.50", "GBP"), 10750);
    ck_assert_int_eq(parsed("-0.01", "EUR"), -1);
    ck_assert_int_eq(parsed("8.850", "EUR"), 885);
    ck_assert_int_eq(parsed("8", "EUR"), 800);
    ck_assert_int_eq(parsed("1200", "JPY"), 1200);
    ck_assert_int_eq(parsed("1200.000", "JPY"), 1200);
    ck_assert_int_eq(parsed("1.234", "KWD"), 1234);
    ck_assert_int_eq(parsed("0.0001", "CLF"), 1);
    ck_assert_int_eq(parsed("0000000000000000000001.00", "EUR"), 100);
    ck_assert_int_eq(parsed("9999999999999999.99", "EUR"), INT64_C(999999999999999999));
    ck_assert_int_eq(erp_currency_digits("XAU"), -1);
    ck_assert_int_eq(erp_currency_digits("eur"), -1);
    ck_assert_int_eq(erp_currency_digits("EUR "), -1);
    ck_assert_int_eq(erp_currency_digits("D A"), -1);
    ck_assert_int_eq(erp_currency_digits(NULL), -1);
}

TEST(what_is_not_a_plain_decimal_is_refused)
{
    static const char *const bad[] = {"",    "-",     "1e3", "1,000.00", "+1",      " 1",
                                      "1 ",  ".5",    "1.",  "1..2",     "0x10",    "1.2.3",
                                      "--1", "1.005", "NaN", "1.001",    "\xd9\xa1"};
    for (size_t i = 0; i < RV_COUNT(bad); i++) {
        int64_t minor = 7;
        struct rv_error err = {.code = RV_OK};
        ck_assert_msg(read_amount(bad[i], "EUR", &minor, &err) == RV_INVALID, "\"%s\" was taken",
                      bad[i]);
        ck_assert_int_eq(minor, 7);
    }
    int64_t minor = 0;
    ck_assert_int_eq(read_amount("12345678901234567.00", "EUR", &minor, NULL), RV_LIMIT);
    ck_assert_int_eq(read_amount("99999999999999999999999999", "JPY", &minor, NULL), RV_LIMIT);
}

TEST(text_and_number_go_there_and_back)
{
    struct rv_random random;
    random.state = 11;
    for (int i = 0; i < 20000; i++) {
        int64_t value = (int64_t)(rv_random_next(&random) % UINT64_C(1999999999999999999)) -
                        INT64_C(999999999999999999);
        char text[ERP_SCALED_TEXT];
        int64_t back = 0;
        erp_decimal_format(value, text);
        ck_assert_int_eq(erp_decimal_read(text, "number", &back, NULL), RV_OK);
        ck_assert_int_eq(back, value);
        char money[ERP_MONEY_TEXT];
        erp_money_format(value, "KWD", money);
        *strchr(money, ' ') = '\0';
        ck_assert_int_eq(parsed(money, "KWD"), value);
    }
    char text[ERP_SCALED_TEXT];
    erp_decimal_format(100000000, text);
    ck_assert_str_eq(text, "100");
    erp_decimal_format(-100, text);
    ck_assert_str_eq(text, "-0.0001");
    erp_decimal_format(0, text);
    ck_assert_str_eq(text, "0");
    char money[ERP_MONEY_TEXT];
    erp_money_format(-5, "EUR", money);
    ck_assert_str_eq(money, "-0.05 EUR");
    erp_money_format(1234, "JPY", money);
    ck_assert_str_eq(money, "1234 JPY");
}

TEST(rounding_happens_once_and_as_named)
{
    int64_t out = 0;
    ck_assert(erp_mul_div(5, 1, 2, ERP_ROUND_HALF_UP, &out) && out == 3);
    ck_assert(erp_mul_div(-5, 1, 2, ERP_ROUND_HALF_UP, &out) && out == -3);
    ck_assert(erp_mul_div(5, 1, 2, ERP_ROUND_HALF_EVEN, &out) && out == 2);
    ck_assert(erp_mul_div(7, 1, 2, ERP_ROUND_HALF_EVEN, &out) && out == 4);
    ck_assert(!erp_mul_div(INT64_MAX, 2, 1, ERP_ROUND_HALF_UP, &out));
    ck_assert_int_eq(
        erp_line_amount(100000000, 1000000, 1000000, "GBP", ERP_ROUND_HALF_UP, &out, NULL), RV_OK);
    ck_assert_int_eq(out, 10000);
    /* 3 at 0.335 = 1.005: half a cent goes up */
    ck_assert_int_eq(
        erp_line_amount(3000000, 335000, 1000000, "EUR", ERP_ROUND_HALF_UP, &out, NULL), RV_OK);
    ck_assert_int_eq(out, 101);
    ck_assert_int_eq(erp_line_amount(INT64_MAX, INT64_MAX, 1, "EUR", ERP_ROUND_HALF_UP, &out, NULL),
                     RV_LIMIT);
    struct rv_random random;
    random.state = 5;
    for (int i = 0; i < 20000; i++) { /* never further than one half from the exact quotient */
        int64_t a = (int64_t)(rv_random_next(&random) % 2000001) - 1000000;
        int64_t b = (int64_t)(rv_random_next(&random) % 2000001) - 1000000;
        int64_t d = (int64_t)(rv_random_next(&random) % 9999) + 1;
        int64_t q = 0;
        ck_assert(erp_mul_div(a, b, d, (enum erp_rounding)(i & 1), &q));
        ck_assert_int_le(llabs(2 * (a * b - q * d)), d);
    }
    ck_assert_int_eq(erp_money_add(INT64_MAX, 1, "the total", &out, NULL), RV_LIMIT);
}

TEST(only_days_of_the_calendar_are_dates)
{
    static const char *const good[] = {"2024-02-29", "0001-01-01", "9999-12-31", "2000-02-29"};
    static const char *const bad[] = {"2025-02-29", "1900-02-29", "2025-13-01", "2025-00-01",
                                      "2025-04-31", "2025-1-1",   "20250101",   "2025-01-01T00",
                                      "0000-01-01", "",           "2025/01/01"};
    for (size_t i = 0; i < RV_COUNT(good); i++) {
        int64_t days = 0;
        char text[ERP_DATE_TEXT];
        ck_assert_int_eq(erp_date_parse(good[i], "date", &days, NULL), RV_OK);
        erp_date_text(days, text);
        ck_assert_str_eq(text, good[i]);
    }
    for (size_t i = 0; i < RV_COUNT(bad); i++) {
        ck_assert_msg(!erp_date_valid(bad[i]), "\"%s\" was taken", bad[i]);
    }
    char period[ERP_PERIOD_TEXT];
    erp_period_text(0, period);
    ck_assert_str_eq(period, "1970-01");
}

TEST(an_iban_has_its_country_length_and_check_digits)
{
    char out[ERP_IBAN_TEXT];
    ck_assert(erp_iban_normalise("gb82 west 1234 5698 7654 32", out));
    ck_assert_str_eq(out, "GB82WEST12345698765432");
    ck_assert(erp_iban_normalise("DE89370400440532013000", out));
    ck_assert(erp_iban_normalise("NO9386011117947", out));
    ck_assert(!erp_iban_normalise("DE89370400440532013001", out));
    ck_assert_str_eq(out, "");
    ck_assert(!erp_iban_normalise("DE8937040044053201300", out));
    ck_assert(!erp_iban_normalise("ZZ89370400440532013000", out));
    ck_assert(!erp_iban_normalise("12345678", out));
    ck_assert(!erp_iban_normalise("", out));
    ck_assert(!erp_iban_normalise(NULL, out));
    ck_assert(!erp_iban_normalise("DE89370400440532013000DE89370400440532013000", out));
    /* every single wrong digit is found */
    char iban[] = "DE89370400440532013000";
    for (size_t i = 4; iban[i] != '\0'; i++) {
        char right = iban[i];
        iban[i] = (char)('0' + (right - '0' + 1) % 10);
        ck_assert(!erp_iban_normalise(iban, out));
        iban[i] = right;
    }
}

TEST(document_numbers_are_compared_as_people_mean_them)
{
    struct rv_arena *arena = rv_arena_create("test", 1 << 16);
    ck_assert_str_eq(erp_norm_number(arena, "00-inv/0012"), "INV0012");
    ck_assert_str_eq(erp_norm_number(arena, "A00095678"), "A00095678");
    ck_assert_str_eq(erp_norm_number(arena, "000"), "0");
    ck_assert_str_eq(erp_norm_number(arena, "-/-"), "");
    ck_assert_str_eq(erp_norm(arena, "Gr\xc3\xbc"
                                     "n & Co."),
                     "GR\xc3\xbcNCO");
    ck_assert_ptr_null(erp_norm_number(arena, NULL));
    rv_arena_destroy(arena);
}

TEST_MAIN()
