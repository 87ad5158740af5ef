/* A model on the reference backend: same bits in any company, adapters, damaged weights. */
#include "kernels/base/fail.h"
#include "tests/support/kernel_company.h"
#include "tests/support/kernel_file.h"
#include "tests/support/kernel_world.h"
#include "tests/support/test.h"

#include <math.h>
#include <unistd.h>

static void same_in_any_company(const char *model)
{
    ck_assert_int_eq(kernel_company_check(model, &kernel_operations_ref, NULL, 11), 0);
}

TEST(a_llama_answers_the_same_in_any_company)
{
    same_in_any_company("tiny-llama3/Q4_K_M");
}

TEST(a_qwen2_answers_the_same_in_any_company)
{
    same_in_any_company("tiny-qwen2/Q8_0");
}

TEST(a_qwen3_answers_the_same_in_any_company)
{
    same_in_any_company("tiny-qwen3/F16");
}

static void fill_tokens(int32_t *tokens, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        tokens[i] = (int32_t)(i * 37 % 512);
    }
}

TEST(an_embedding_has_length_one_and_its_pieces_do_not_matter)
{
    struct kernel_world world;
    struct kernel_line line;
    int32_t tokens[50];
    double sums[2][256] = {0};
    float vectors[2][256];
    double square = 0;
    fill_tokens(tokens, 50);
    kernel_world_open(&world, kernel_world_model("tiny-qwen3/Q8_0"), &kernel_operations_ref, NULL);
    kernel_line_open(&world, &line, tokens, 50, -1);
    kernel_world_all(&world, &line, 50);
    kernel_pool_add(sums[0], line.hidden, 50, 256);
    for (int i = 0; i < 10; i++) {
        kernel_pool_add(sums[1], line.hidden + (size_t)i * 5 * 256, 5, 256);
    }
    kernel_pool_finish(sums[0], 256, vectors[0]);
    kernel_pool_finish(sums[1], 256, vectors[1]);
    ck_assert(memcmp(vectors[0], vectors[1], sizeof vectors[0]) == 0);
    for (int i = 0; i < 256; i++) {
        square += (double)vectors[0][i] * (double)vectors[0][i];
    }
    ck_assert(fabs(square - 1) < 1e-6);
    kernel_line_close(&world, &line);
    kernel_world_close(&world);
}

/* ---- rows of logits, a few at a time ---- */

enum { OUTPUTS = 40, FEW = 16, VOCABULARY = 512 };

static struct kernel_runner *runner_with(const struct kernel_model *model,
                                         const struct kernel_operations *operations,
                                         uint32_t logits_max)
{
    struct kernel_error error;
    const struct kernel_runner_options options = {.operations = operations,
                                                  .cache_bytes = 1 << 20,
                                                  .step_tokens = OUTPUTS,
                                                  .outputs_max = OUTPUTS,
                                                  .logits_max = logits_max};
    struct kernel_runner *runner = NULL;
    ck_assert_msg(kernel_runner_create(model, &options, &runner, &error) == KERNEL_OK, "%s",
                  error.message);
    ck_assert_uint_eq(kernel_runner_shape(runner)->vocabulary, VOCABULARY);
    return runner;
}

static void assert_row(struct kernel_runner *runner, uint32_t row, const float *all)
{
    struct kernel_error error;
    const float *at = NULL;
    ck_assert_int_eq(kernel_runner_row(runner, row, NULL, &at, &error), KERNEL_OK);
    ck_assert_mem_eq(at, all + (size_t)row * VOCABULARY, VOCABULARY * sizeof *at);
}

static void few_rows_at_a_time(const struct kernel_operations *operations)
{
    static float all[OUTPUTS * VOCABULARY];
    static float again[OUTPUTS * VOCABULARY];
    static float hidden[2][OUTPUTS * 256];
    struct kernel_model *model = kernel_world_model("tiny-llama/Q8_0");
    struct kernel_runner *whole = runner_with(model, operations, 0);
    struct kernel_runner *few = runner_with(model, operations, FEW);
    struct kernel_error error;
    int32_t token[OUTPUTS];
    int32_t place[OUTPUTS]; /* of tokens, of blocks, of outputs: all alike */
    fill_tokens(token, OUTPUTS);
    for (int32_t i = 0; i < OUTPUTS; i++) {
        place[i] = i;
    }
    const struct kernel_batch batch = {.tokens = OUTPUTS,
                                       .sequences = 1,
                                       .token = token,
                                       .position = place,
                                       .start = (const int32_t[]){0, OUTPUTS},
                                       .length = (const int32_t[]){OUTPUTS},
                                       .block = place,
                                       .blocks_max = 3,
                                       .adapter = (const int32_t[]){-1},
                                       .outputs = OUTPUTS,
                                       .output = place};
    ck_assert_int_eq(kernel_runner_step(whole, &batch, all, hidden[0], &error), KERNEL_OK);
    ck_assert_int_eq(kernel_runner_step(few, &batch, again, hidden[1], &error), KERNEL_OK);
    ck_assert_mem_eq(all, again, sizeof all);
    ck_assert_mem_eq(hidden[0], hidden[1], sizeof hidden[0]);
    kernel_runner_queue(few, &batch, true);
    for (uint32_t row = 0; row < OUTPUTS; row++) {
        assert_row(few, row, all);
    }
    for (uint32_t row = OUTPUTS; row-- > 0;) { /* also backwards */
        assert_row(few, row, all);
    }
    for (uint32_t i = 0; i < OUTPUTS; i++) { /* and leaping */
        assert_row(few, i * 17 % OUTPUTS, all);
    }
    ck_assert_uint_lt(kernel_runner_memory(few), kernel_runner_memory(whole));
    kernel_runner_destroy(whole);
    kernel_runner_destroy(few);
    kernel_model_bare_close(model);
}

TEST(rows_of_logits_are_the_same_all_at_once_and_a_few_at_a_time)
{
    few_rows_at_a_time(&kernel_operations_ref);
    few_rows_at_a_time(kernel_operations_cpu());
}

TEST(weights_that_are_not_finite_make_no_answer)
{
    struct kernel_file file;
    struct kernel_error error = {.message = ""};
    struct kernel_gguf *read = NULL;
    struct kernel_model *model = NULL;
    struct kernel_runner *runner = NULL;
    struct kernel_runner_options options = {.operations = &kernel_operations_ref,
                                            .cache_bytes = 1 << 20,
                                            .step_tokens = 4,
                                            .outputs_max = 1};
    const int32_t zero[] = {0, 1};
    struct kernel_batch batch = {.tokens = 1,
                                 .sequences = 1,
                                 .token = zero,
                                 .position = zero,
                                 .start = zero,
                                 .length = zero + 1,
                                 .block = zero,
                                 .blocks_max = 1,
                                 .adapter = (const int32_t[]){-1},
                                 .outputs = 1,
                                 .output = zero};
    float logits[512];
    float bad = NAN;
    kernel_file_make(&file, "tiny-llama", "F32");
    ck_assert_int_eq(kernel_gguf_read(file.at, file.length, &read, &error), KERNEL_OK);
    size_t at =
        (size_t)((const unsigned char *)kernel_gguf_tensor(read, "blk.1.ffn_up.weight")->data -
                 file.at);
    memcpy(file.at + at, &bad, sizeof bad);
    ck_assert_int_eq(kernel_model_bare(read, &model, &error), KERNEL_OK);
    ck_assert_int_eq(kernel_runner_create(model, &options, &runner, &error), KERNEL_OK);
    ck_assert_int_eq(kernel_runner_step(runner, &batch, logits, NULL, &error), KERNEL_CORRUPT);
    ck_assert_ptr_nonnull(strstr(error.message, "not finite"));
    kernel_runner_destroy(runner);
    kernel_model_bare_close(model);
    free(file.at);
}

TEST(a_cache_too_small_for_a_block_is_refused_with_numbers)
{
    struct kernel_model *model = kernel_world_model("tiny-llama/Q8_0");
    struct kernel_error error = {.message = ""};
    struct kernel_runner *runner = NULL;
    struct kernel_runner_options options = {.operations = &kernel_operations_ref,
                                            .cache_bytes = 1000,
                                            .step_tokens = 4,
                                            .outputs_max = 1};
    ck_assert_int_eq(kernel_runner_create(model, &options, &runner, &error), KERNEL_LIMIT);
    ck_assert_ptr_nonnull(strstr(error.message, "32768"));
    ck_assert_ptr_null(runner);
    kernel_model_bare_close(model);
}

/* ---- adapters ---- */

static enum kernel_status try_adapter(struct kernel_world *world, const char *arch,
                                      const struct kernel_shape *shape, const char *from,
                                      const char *to, int32_t *index, struct kernel_error *error)
{
    char path[] = "/tmp/reeve-adapter-XXXXXX";
    char bytes[4096];
    close(mkstemp(path));
    kernel_file_write_adapter(path, arch, shape, 4, 1 << KERNEL_PART_Q | 1 << KERNEL_PART_DOWN, 3);
    if (from != NULL) {
        FILE *file = fopen(path, "r+b");
        size_t length = fread(bytes, 1, sizeof bytes, file);
        char *found = memmem(bytes, length, from, strlen(from));
        ck_assert_ptr_nonnull(found);
        ck_assert_uint_eq(strlen(from), strlen(to));
        memcpy(found, to, strlen(to));
        rewind(file);
        ck_assert_uint_eq(fwrite(bytes, 1, length, file), length);
        fclose(file);
    }
    enum kernel_status status = kernel_runner_adapter(world->runner, path, index, error);
    unlink(path);
    return status;
}

TEST(an_adapter_that_does_not_fit_is_refused_by_name)
{
    struct kernel_world world;
    struct kernel_error error = {.message = ""};
    int32_t index = -1;
    kernel_world_open(&world, kernel_world_model("tiny-llama/Q8_0"), &kernel_operations_ref, NULL);
    struct kernel_shape wide = *world.shape;
    wide.width = 512;
    static const struct {
        const char *arch, *from, *to, *says;
    } cases[] = {
        {"qwen2", NULL, NULL, "qwen2"},
        {"llama", "adapter.lora.alpha", "adapter.lora.alpho", "adapter.lora.alpha"},
        {"llama", "attn_q.weight.lora_b", "attn_q.weight.lora_c", "attn_q.weight.lora_"},
        {"llama", "blk.1.attn_q", "blk.7.attn_q", "blk.7.attn_q"},
        {"llama", "blk.1.attn_q.weight.lora_b", "blk.1.attn_k.weight.lora_b",
         "blk.1.attn_q.weight.lora_b"},
        {"llama", "lora", "loha", "loha"},
        {"llama", "adapter", "adopted", "general.type"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ck_assert_int_ne(try_adapter(&world, cases[i].arch, world.shape, cases[i].from, cases[i].to,
                                     &index, &error),
                         KERNEL_OK);
        ck_assert_msg(strstr(error.message, cases[i].says) != NULL, "%s", error.message);
    }
    ck_assert_int_eq(try_adapter(&world, "llama", &wide, NULL, NULL, &index, &error),
                     KERNEL_INVALID);
    ck_assert_ptr_nonnull(strstr(error.message, "blk.0.attn_q.weight.lora_a"));
    ck_assert_int_eq(kernel_runner_adapter(world.runner, "/nowhere", &index, &error), KERNEL_IO);
    kernel_world_close(&world);
}

TEST(a_dropped_adapter_leaves_its_place_to_the_next)
{
    struct kernel_world world;
    struct kernel_error error = {.message = ""};
    int32_t index[3] = {-1, -1, -1};
    kernel_world_open(&world, kernel_world_model("tiny-llama/Q8_0"), &kernel_operations_ref, NULL);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(try_adapter(&world, "llama", world.shape, NULL, NULL, &index[i], &error),
                         KERNEL_OK);
    }
    kernel_runner_adapter_drop(world.runner, index[0]);
    ck_assert_int_eq(try_adapter(&world, "llama", world.shape, NULL, NULL, &index[2], &error),
                     KERNEL_OK);
    ck_assert_int_eq(index[2], index[0]);
    ck_assert_int_ne(index[2], index[1]);
    kernel_world_close(&world);
}

TEST_MAIN()
