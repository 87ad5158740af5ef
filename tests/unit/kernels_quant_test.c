/* Stored types: exact against vectors made elsewhere, near themselves after a round trip. */
#include "kernels/model/quant.h"
#include "runtime/base/json.h"
#include "tests/support/kernel_truth.h"
#include "tests/support/test.h"

#include <math.h>

enum { ROW = 256 };

static const enum kernel_type all_types[] = {
    KERNEL_F32,  KERNEL_F16,  KERNEL_BF16, KERNEL_Q8_0, KERNEL_Q4_0, KERNEL_Q4_1,
    KERNEL_Q5_0, KERNEL_Q5_1, KERNEL_Q4_K, KERNEL_Q5_K, KERNEL_Q6_K,
};
enum { TYPES = sizeof all_types / sizeof all_types[0] };

static unsigned digit(char hex)
{
    return (unsigned)(hex <= '9' ? hex - '0' : (hex | 32) - 'a' + 10);
}

/* A value of the vectors has nine digits: enough to name one float. */
static int compare_row(const char *name, enum kernel_type type, const char *hex,
                       const json_t *values)
{
    unsigned char bytes[4 * ROW];
    float row[ROW];
    int wrong = 0;
    size_t count = json_array_size(values);
    ck_assert_uint_le(count, ROW);
    for (size_t i = 0; i < strlen(hex) / 2; i++) {
        bytes[i] = (unsigned char)(digit(hex[2 * i]) << 4 | digit(hex[2 * i + 1]));
    }
    kernel_dequantise(type, bytes, row, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        float truth = (float)json_number_value(json_array_get(values, i));
        if (memcmp(&truth, &row[i], sizeof truth) != 0 && !(truth == 0 && row[i] == 0)) {
            printf("%s[%zu]: %.9g, not %.9g\n", name, i, (double)row[i], (double)truth);
            wrong++;
        }
    }
    return wrong;
}

TEST(every_stored_type_is_read_to_the_last_bit)
{
    json_t *vectors = json_load_file(KERNEL_TRUTH_FOLDER "/truth/dequant-vectors.json", 0, NULL);
    const char *name = NULL;
    json_t *type = NULL;
    int seen = 0;
    int wrong = 0;
    if (vectors == NULL) {
        printf("not compared: %s/truth is not there\n", KERNEL_TRUTH_FOLDER);
        return;
    }
    json_object_foreach(json_object_get(vectors, "types"), name, type)
    {
        const struct kernel_type_facts *facts = kernel_type_named(name);
        const json_t *rows = json_object_get(type, "rows_hex");
        if (facts == NULL) { /* the vectors have more types than are read */
            continue;
        }
        ck_assert_int_eq(facts->type, json_integer_value(json_object_get(type, "type_id")));
        ck_assert_int_eq(facts->block, json_integer_value(json_object_get(type, "block_size")));
        ck_assert_int_eq(facts->block_bytes,
                         json_integer_value(json_object_get(type, "type_size")));
        for (size_t r = 0; r < json_array_size(rows); r++) {
            wrong += compare_row(name, facts->type, json_string_value(json_array_get(rows, r)),
                                 json_array_get(json_object_get(type, "values"), r));
        }
        seen++;
    }
    ck_assert_int_eq(wrong, 0);
    ck_assert_int_ge(seen, TYPES - 1); /* F32 needs no vectors */
    json_decref(vectors);
}

static float test_value(int i)
{
    return (float)sin(i * 12.9898) * (i % 32 == 7 ? 3.0F : 1.0F) + (i % 64 < 32 ? 0.5F : -0.25F);
}

/* Half a step between the extremes of 32 values, with room for the rounding of scales. */
TEST(every_stored_type_comes_back_near)
{
    static const struct {
        enum kernel_type type;
        double worst;
    } bounds[] = {
        {KERNEL_F32, 0},     {KERNEL_F16, 0.002}, {KERNEL_BF16, 0.016}, {KERNEL_Q8_0, 0.02},
        {KERNEL_Q4_0, 0.52}, {KERNEL_Q4_1, 0.25}, {KERNEL_Q5_0, 0.26},  {KERNEL_Q5_1, 0.12},
        {KERNEL_Q4_K, 0.30}, {KERNEL_Q5_K, 0.17}, {KERNEL_Q6_K, 0.13},
    };
    float row[2 * ROW];
    float back[2 * ROW];
    unsigned char bytes[2 * ROW * sizeof(float)];
    for (int i = 0; i < 2 * ROW; i++) {
        row[i] = test_value(i);
    }
    for (size_t t = 0; t < sizeof bounds / sizeof bounds[0]; t++) {
        double worst = 0;
        kernel_quantise(bounds[t].type, row, bytes, 2 * ROW);
        kernel_dequantise(bounds[t].type, bytes, back, 2 * ROW);
        for (int i = 0; i < 2 * ROW; i++) {
            worst = fmax(worst, fabs((double)row[i] - (double)back[i]));
        }
        printf("%s: worst %.4f\n", kernel_type_facts(bounds[t].type)->name, worst);
        ck_assert_msg(worst <= bounds[t].worst, "%s: %f", kernel_type_facts(bounds[t].type)->name,
                      worst);
    }
}

TEST(rows_of_zeros_and_of_one_value_come_back)
{
    float row[ROW] = {0};
    float back[ROW];
    unsigned char bytes[ROW * sizeof(float)];
    for (int t = 0; t < TYPES; t++) {
        memset(row, 0, sizeof row);
        kernel_quantise(all_types[t], row, bytes, ROW);
        kernel_dequantise(all_types[t], bytes, back, ROW);
        for (int i = 0; i < ROW; i++) {
            ck_assert(back[i] == 0);
        }
        for (int i = 0; i < ROW; i++) {
            row[i] = -2;
        }
        kernel_quantise(all_types[t], row, bytes, ROW);
        kernel_dequantise(all_types[t], bytes, back, ROW);
        for (int i = 0; i < ROW; i++) {
            ck_assert_msg(fabsf(back[i] + 2) <= 0.03F, "%s: %f",
                          kernel_type_facts(all_types[t])->name, (double)back[i]);
        }
    }
}

TEST(all_half_floats_survive_a_round_trip)
{
    for (uint32_t half = 0; half <= UINT16_MAX; half++) {
        float value = kernel_half_to_float((uint16_t)half);
        if (isnan(value)) {
            ck_assert(isnan(kernel_half_to_float(kernel_float_to_half(value))));
        } else {
            ck_assert_uint_eq(kernel_float_to_half(value), half);
        }
        float brain = kernel_bf16_to_float((uint16_t)half);
        if (isnan(brain)) {
            ck_assert(isnan(kernel_bf16_to_float(kernel_float_to_bf16(brain))));
        } else {
            ck_assert_uint_eq(kernel_float_to_bf16(brain), half);
        }
    }
}

TEST(floats_round_to_the_nearest_half_and_ties_to_even)
{
    ck_assert_uint_eq(kernel_float_to_half(1 + 0x1p-11F), 0x3c00);     /* a tie: down */
    ck_assert_uint_eq(kernel_float_to_half(1 + 3 * 0x1p-11F), 0x3c02); /* a tie: up */
    ck_assert_uint_eq(kernel_float_to_half(1 + 0x1.1p-11F), 0x3c01);
    ck_assert_uint_eq(kernel_float_to_half(65504), 0x7bff);
    ck_assert_uint_eq(kernel_float_to_half(65519.9F), 0x7bff);
    ck_assert_uint_eq(kernel_float_to_half(65520), 0x7c00);
    ck_assert_uint_eq(kernel_float_to_half(-INFINITY), 0xfc00);
    ck_assert_uint_eq(kernel_float_to_half(0x1p-25F), 0); /* a tie: to zero */
    ck_assert_uint_eq(kernel_float_to_half(0x1.01p-25F), 1);
    ck_assert_uint_eq(kernel_float_to_half(-0x1p-24F), 0x8001);
    ck_assert_uint_eq(kernel_float_to_bf16(1 + 0x1p-8F), 0x3f80);
    ck_assert_uint_eq(kernel_float_to_bf16(1 + 3 * 0x1p-8F), 0x3f82);
}

TEST_MAIN()
