/* Every level of the CPU backend that this machine has: operations as the reference computes them,
 * and the same bits whatever else is in the batch, on any number of threads. */
#include "kernels/base/fail.h"
#include "kernels/cpu/cpu.h"
#include "kernels/model/quant.h"
#include "tests/support/kernel_ops.h"
#include "tests/support/kernel_world.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void compare(enum cpu_level level, uint32_t threads)
{
    const struct kernel_engine_options engine = {.threads = threads};
    const struct kernel_ops_options options = {
        .operations = cpu_operations_at(level),
        .engine = &engine,
        .float_precision = KERNEL_PRECISION_F32,
        .half_precision = level == CPU_AMX ? KERNEL_PRECISION_BF16 : KERNEL_PRECISION_F32,
        .block_precision = KERNEL_PRECISION_INT8,
        .attention_precision = KERNEL_PRECISION_F32,
        .same_bits = true,
    };
    ck_assert_int_eq(kernel_ops_compare(&options), 0);
}

TEST(operations_agree_with_the_reference_at_every_level)
{
    for (enum cpu_level level = CPU_PLAIN; level <= cpu_level_best(); level++) {
        compare(level, 1);
    }
}

TEST(operations_agree_with_the_reference_on_threads)
{
    for (enum cpu_level level = CPU_PLAIN; level <= cpu_level_best(); level++) {
        compare(level, level == CPU_PLAIN ? 2 : 3);
    }
}

/* ---- rows alone and in company of 1 to 64, on one thread and two ---- */

enum { COLUMNS = 512, HEIGHT = 73, ROWS = 64, THREADS = 2 };

struct product {
    struct kernel_tensor tensor;
    void *bytes;
    float x[ROWS * COLUMNS];
    struct kernel_backend_state *state[THREADS];
    struct kernel_weight *weight[THREADS];
    const struct kernel_operations *operations;
};

static float number(uint64_t *random)
{
    uint64_t z = *random += 0x9e3779b97f4a7c15; /* SplitMix64 */
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return (float)((double)((z ^ z >> 31) >> 11) * 0x1p-52 - 1);
}

static struct product *product_open(enum cpu_level level, enum kernel_type type)
{
    const struct kernel_type_facts *facts = kernel_type_facts(type);
    struct product *product = kernel_allocate(1, sizeof *product);
    size_t stride = COLUMNS / facts->block * facts->block_bytes;
    uint64_t random = 7 + (uint64_t)type;
    float row[COLUMNS];
    product->bytes = kernel_allocate(HEIGHT, stride);
    for (int r = 0; r < HEIGHT; r++) {
        for (int i = 0; i < COLUMNS; i++) {
            row[i] = number(&random);
        }
        kernel_quantise(type, row, (char *)product->bytes + r * stride, COLUMNS);
    }
    for (int i = 0; i < ROWS * COLUMNS; i++) {
        product->x[i] = number(&random);
    }
    product->tensor = (struct kernel_tensor){.name = "test",
                                             .type = type,
                                             .columns = COLUMNS,
                                             .rows = HEIGHT,
                                             .data = product->bytes,
                                             .bytes = stride * HEIGHT};
    product->operations = cpu_operations_at(level);
    for (uint32_t t = 0; t < THREADS; t++) {
        const struct kernel_engine_options engine = {.threads = t + 1};
        ck_assert_int_eq(product->operations->create(&engine, &product->state[t], NULL), KERNEL_OK);
        ck_assert_int_eq(product->operations->load(product->state[t], &product->tensor,
                                                   KERNEL_USE_MATRIX, &product->weight[t], NULL),
                         KERNEL_OK);
    }
    return product;
}

static void product_close(struct product *product)
{
    for (int t = 0; t < THREADS; t++) {
        product->operations->unload(product->state[t], product->weight[t]);
        product->operations->destroy(product->state[t]);
    }
    free(product->bytes);
    free(product);
}

/* `count` rows from row `first` on. */
static void multiply(struct product *product, int threads, uint32_t first, uint32_t count,
                     float *out)
{
    struct kernel_product one = {product->weight[threads], NULL, out};
    product->operations->linear(product->state[threads], &one, 1,
                                product->x + (size_t)first * COLUMNS, count);
}

TEST(a_row_has_the_same_bits_alone_and_among_1_to_64_on_1_and_2_threads)
{
    static const enum kernel_type types[] = {
        KERNEL_F32,  KERNEL_F16,  KERNEL_BF16, KERNEL_Q8_0, KERNEL_Q4_0, KERNEL_Q4_1,
        KERNEL_Q5_0, KERNEL_Q5_1, KERNEL_Q4_K, KERNEL_Q5_K, KERNEL_Q6_K,
    };
    for (enum cpu_level level = CPU_PLAIN; level <= cpu_level_best(); level++) {
        for (size_t t = 0; t < sizeof types / sizeof types[0]; t++) {
            struct product *product = product_open(level, types[t]);
            float alone[ROWS * HEIGHT];
            float among[ROWS * HEIGHT];
            for (uint32_t r = 0; r < ROWS; r++) {
                multiply(product, 0, r, 1, alone + (size_t)r * HEIGHT);
            }
            for (uint32_t count = 1; count <= ROWS; count++) {
                uint32_t first = (ROWS - count) / 2;
                for (int threads = 0; threads < THREADS; threads++) {
                    multiply(product, threads, first, count, among);
                    ck_assert_msg(memcmp(among, alone + (size_t)first * HEIGHT,
                                         (size_t)count * HEIGHT * sizeof *among) == 0,
                                  "level %d, %s, %u rows, %d threads: other bits", (int)level,
                                  kernel_type_facts(types[t])->name, count, threads + 1);
                }
            }
            product_close(product);
        }
    }
}

/* ---- whole models ---- */

enum { LINES = 7, LENGTH = 45 };

/* Lines in uneven steps together, against each alone, token by token, on another number of
 * threads. */
static void same_in_company(enum cpu_level level, const char *model)
{
    const struct kernel_engine_options one = {.threads = 1};
    const struct kernel_engine_options two = {.threads = 2};
    struct kernel_world together;
    struct kernel_world apart;
    struct kernel_line company[LINES];
    struct kernel_line *lines[LINES];
    int32_t tokens[LINES][LENGTH];
    uint64_t random = 99;
    kernel_world_open(&together, kernel_world_model(model), cpu_operations_at(level), &two);
    kernel_world_open(&apart, kernel_world_model(model), cpu_operations_at(level), &one);
    uint32_t vocabulary = together.shape->vocabulary;
    for (int l = 0; l < LINES; l++) {
        for (int i = 0; i < LENGTH; i++) {
            tokens[l][i] = (int32_t)((number(&random) + 1) / 2 * (float)(vocabulary - 1));
        }
        kernel_line_open(&together, &company[l], tokens[l], LENGTH, -1);
        lines[l] = &company[l];
    }
    for (uint32_t done = 0, step = 0; done < LENGTH; step++) {
        uint32_t take[LINES];
        done = LENGTH;
        for (uint32_t l = 0; l < LINES; l++) {
            uint32_t left = LENGTH - company[l].done;
            uint32_t wanted = (step * 5 + l * 3) % 11;
            take[l] = wanted < left ? wanted : left;
        }
        kernel_world_step(&together, lines, take, LINES, true);
        for (uint32_t l = 0; l < LINES; l++) {
            done = company[l].done < done ? company[l].done : done;
        }
    }
    for (int l = 0; l < LINES; l++) {
        struct kernel_line alone;
        kernel_line_open(&apart, &alone, tokens[l], LENGTH, -1);
        kernel_world_all(&apart, &alone, l == 0 ? LENGTH : (uint32_t)l);
        ck_assert_msg(memcmp(alone.logits, company[l].logits,
                             (size_t)LENGTH * vocabulary * sizeof(float)) == 0,
                      "level %d, %s, line %d: other logits in company", (int)level, model, l);
        kernel_line_close(&apart, &alone);
        kernel_line_close(&together, &company[l]);
    }
    kernel_world_close(&together);
    kernel_world_close(&apart);
}

TEST(a_model_gives_the_same_bits_in_any_company)
{
    for (enum cpu_level level = CPU_PLAIN; level <= cpu_level_best(); level++) {
        same_in_company(level, "tiny-llama/Q8_0");
        same_in_company(level, "tiny-qwen2/Q4_K_M");
        same_in_company(level, "tiny-qwen3/BF16");
        same_in_company(level, "tiny-llama3/F32");
    }
}

/* ---- memory ---- */

static uint64_t resident(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    ck_assert(file != NULL && fscanf(file, "%*u %lu", &pages) == 1);
    fclose(file);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Weights are there once, whoever has read the whole file: resident memory stays below file, cache
 * and 64 MB. */
TEST(a_model_from_a_file_is_resident_once)
{
    enum { CACHE = 8 << 20, MORE = 64 << 20 };
    char path[] = "/tmp/kernels-cpu-XXXXXX";
    struct kernel_error error;
    struct kernel_model_facts facts;
    struct kernel_model *model = NULL;
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    close(fd);
    unlink(path);
    ck_assert_int_eq(kernel_model_make("b125m", "Q8_0", 1, &model, &error), KERNEL_OK);
    ck_assert_int_eq(kernel_model_write(model, path, &error), KERNEL_OK);
    kernel_model_close(model);
    uint64_t before = resident();
    ck_assert_int_eq(kernel_model_open(path, &model, &error), KERNEL_OK);
    const struct kernel_runner_options options = {.operations = kernel_operations_cpu(),
                                                  .cache_bytes = CACHE,
                                                  .step_tokens = 64,
                                                  .outputs_max = 4};
    struct kernel_runner *runner = NULL;
    ck_assert_int_eq(kernel_runner_create(model, &options, &runner, &error), KERNEL_OK);
    kernel_model_facts(model, &facts); /* hashes the file */
    uint64_t now = resident();
    ck_assert_msg(now - before < facts.bytes + CACHE + MORE,
                  "%llu bytes resident for a file of %llu", (unsigned long long)(now - before),
                  (unsigned long long)facts.bytes);
    printf("resident: file of %llu MB, %llu MB\n", (unsigned long long)(facts.bytes >> 20),
           (unsigned long long)((now - before) >> 20));
    kernel_runner_destroy(runner);
    kernel_model_close(model);
    unlink(path);
}

TEST_MAIN()
