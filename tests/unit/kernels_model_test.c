/* Models: what is made opens, what is not understood is refused by name. */
#include "kernels/model/forward.h"
#include "tests/support/kernel_file.h"
#include "tests/support/test.h"

#include <math.h>
#include <unistd.h>

static struct kernel_error error;

static void refused(struct kernel_file *file, enum kernel_status status, const char *says)
{
    error.message[0] = '\0';
    ck_assert_int_eq(kernel_file_try(file, &error), status);
    ck_assert_msg(strstr(error.message, says) != NULL, "\"%s\" does not say \"%s\"", error.message,
                  says);
    free(file->at);
}

TEST(tiny_shapes_of_every_type_open)
{
    static const char *const types[] = {"F32",  "f16",  "BF16", "Q8_0", "Q4_0", "Q4_1",
                                        "Q5_0", "Q5_1", "Q4_K", "Q5_K", "Q6_K", "Q4_K_M"};
    for (uint32_t s = 0; kernel_shape_name(s) != NULL; s++) {
        for (size_t t = 0; t < 12 && strncmp(kernel_shape_name(s), "tiny", 4) == 0; t++) {
            struct kernel_model *model = NULL;
            struct kernel_model_facts facts;
            ck_assert_int_eq(kernel_model_make(kernel_shape_name(s), types[t], 3, &model, &error),
                             KERNEL_OK);
            kernel_model_facts(model, &facts);
            ck_assert_uint_eq(facts.width, 256);
            ck_assert_uint_eq(facts.layers, 2);
            ck_assert_uint_eq(facts.vocabulary, 512);
            ck_assert_str_eq(facts.chat, "chatml");
            ck_assert_int_eq(strncasecmp(facts.type, types[t], 4), 0);
            kernel_model_close(model);
        }
    }
}

TEST(a_shape_whose_rows_do_not_fit_a_type_uses_another)
{
    struct kernel_model *model = NULL;
    struct kernel_model_facts facts;
    ck_assert_int_eq(kernel_model_make("nano", "Q4_K", 3, &model, &error), KERNEL_OK);
    kernel_model_facts(model, &facts);
    ck_assert_str_eq(facts.type, "Q8_0"); /* 384 is no multiple of 256 */
    ck_assert_uint_gt(facts.parameters, 14000000);
    ck_assert_uint_lt(facts.parameters, 14400000);
    kernel_model_close(model);
}

TEST(the_same_recipe_makes_the_same_bytes_and_writes_them)
{
    char path[] = "/tmp/reeve-model-XXXXXX";
    struct kernel_model *models[3] = {NULL};
    struct kernel_model *opened = NULL;
    struct kernel_model_facts facts[4];
    struct kernel_text text = {"purchase order 4711", 19};
    close(mkstemp(path));
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(kernel_model_make("nano-small", "Q8_0", i < 2 ? 5 : 6, &models[i], &error),
                         KERNEL_OK);
        kernel_model_facts(models[i], &facts[i]);
    }
    ck_assert_mem_eq(facts[0].hash, facts[1].hash, 32);
    ck_assert_mem_ne(facts[0].hash, facts[2].hash, 32);
    ck_assert_int_eq(kernel_model_write(models[0], path, &error), KERNEL_IO);
    ck_assert_ptr_nonnull(strstr(error.message, "exists"));
    unlink(path);
    ck_assert_int_eq(kernel_model_write(models[0], path, &error), KERNEL_OK);
    ck_assert_int_eq(kernel_model_open(path, &opened, &error), KERNEL_OK);
    unlink(path);
    kernel_model_facts(opened, &facts[3]);
    ck_assert_mem_eq(facts[0].hash, facts[3].hash, 32);
    ck_assert_uint_eq(facts[0].bytes, facts[3].bytes);
    ck_assert_str_eq(facts[3].architecture, "llama");
    ck_assert_ptr_nonnull(strstr(facts[3].name, "nano-small with random weights"));
    ck_assert_uint_eq(kernel_count_tokens(opened, text), kernel_count_tokens(models[0], text));
    ck_assert_uint_gt(kernel_count_tokens(opened, text), 4);
    ck_assert_ptr_nonnull(kernel_model_vocab(opened));
    ck_assert_ptr_nonnull(kernel_model_chat(opened));
    kernel_model_close(opened);
    for (int i = 0; i < 3; i++) {
        kernel_model_close(models[i]);
    }
}

TEST(an_unknown_shape_or_type_is_refused_with_the_known_ones)
{
    struct kernel_model *model = NULL;
    ck_assert_int_eq(kernel_model_make("huge", "Q8_0", 1, &model, &error), KERNEL_INVALID);
    ck_assert_ptr_nonnull(strstr(error.message, "llama-3.1-8b"));
    ck_assert_int_eq(kernel_model_make("nano", "Q2_K", 1, &model, &error), KERNEL_INVALID);
    ck_assert_ptr_nonnull(strstr(error.message, "Q4_K_M"));
    ck_assert_ptr_null(model);
}

/* What the facts say of a made model whose chat template was spoilt, before and after a format was
 * named. */
static void facts_of_spoilt(bool gone, const char *format, enum kernel_status status,
                            struct kernel_model_facts *before, struct kernel_model_facts *after)
{
    char path[] = "/tmp/reeve-model-XXXXXX";
    struct kernel_file file;
    struct kernel_model *model = NULL;
    close(mkstemp(path));
    unlink(path);
    kernel_file_make(&file, "tiny-llama", "Q8_0");
    kernel_file_spoil_chat(&file, gone);
    kernel_file_write(&file, path);
    free(file.at);
    ck_assert_int_eq(kernel_model_open(path, &model, &error), KERNEL_OK);
    unlink(path);
    kernel_model_facts(model, before);
    ck_assert_int_eq(kernel_model_use_chat(model, format, &error), status);
    kernel_model_facts(model, after);
    kernel_model_close(model);
}

TEST(a_chat_format_is_recognised_named_or_missing)
{
    struct kernel_model_facts before;
    struct kernel_model_facts after;
    facts_of_spoilt(false, "chatml", KERNEL_OK, &before, &after);
    ck_assert_str_eq(before.chat, "");
    ck_assert_str_eq(before.chat_fault, "key tokenizer.chat_template: unknown");
    ck_assert_str_eq(after.chat, "chatml");
    ck_assert_str_eq(after.chat_fault, "");
    facts_of_spoilt(true, "alpaca", KERNEL_UNSUPPORTED, &before, &after);
    ck_assert_str_eq(before.chat, "");
    ck_assert_str_eq(before.chat_fault, ""); /* there is none: that is no fault */
    ck_assert_str_eq(after.chat, "");
    ck_assert_ptr_nonnull(strstr(error.message, "alpaca: unknown; name one: chatml"));
    facts_of_spoilt(true, "gemma", KERNEL_UNSUPPORTED, &before, &after);
    ck_assert_ptr_nonnull(strstr(error.message, "<start_of_turn>"));
    facts_of_spoilt(true, "", KERNEL_INVALID, &before, &after);
    ck_assert_str_eq(kernel_chat_format(0), "chatml");
}

TEST(an_unknown_architecture_is_refused_by_name)
{
    struct kernel_file file;
    kernel_file_make(&file, "tiny-llama", "Q8_0");
    memcpy(kernel_file_behind(&file, "general.architecture") + 12, "gemma", 5);
    refused(&file, KERNEL_UNSUPPORTED, "gemma");
    kernel_file_make(&file, "tiny-llama", "Q8_0");
    kernel_file_add_text(&file, "general.type", "adapter");
    refused(&file, KERNEL_UNSUPPORTED, "adapter");
}

static void refused_with(struct kernel_file *file, const char *key, uint32_t value,
                         const char *says)
{
    kernel_file_make(file, "tiny-llama", "Q8_0");
    kernel_file_add_u32(file, key, value);
    refused(file, KERNEL_UNSUPPORTED, says);
}

TEST(arithmetic_that_is_not_known_is_refused_by_name)
{
    struct kernel_file file;
    kernel_file_make(&file, "tiny-llama", "Q8_0");
    kernel_file_add_text(&file, "llama.rope.scaling.type", "yarn");
    refused(&file, KERNEL_UNSUPPORTED, "yarn");
    refused_with(&file, "llama.expert_count", 8, "llama.expert_count");
    refused_with(&file, "llama.attention.sliding_window", 512, "sliding_window");
    kernel_file_make(&file, "tiny-llama", "Q8_0");
    kernel_file_add_f32(&file, "llama.final_logit_softcapping", 30);
    refused(&file, KERNEL_UNSUPPORTED, "final_logit_softcapping");
    refused_with(&file, "llama.attention.causal", 0, "llama.attention.causal");
    refused_with(&file, "llama.pooling_type", 3, "llama.pooling_type: 3");
    refused_with(&file, "llama.attention.temperature_scale", 2,
                 "llama.attention.temperature_scale");
    refused_with(&file, "llama.nextn_predict_layers", 1, "llama.nextn_predict_layers");
    kernel_file_make(&file, "tiny-llama", "Q8_0");
    kernel_file_add_u32(&file, "llama.expert_count", 0);
    kernel_file_add_u32(&file, "llama.nextn_predict_layers", 0);
    kernel_file_add_u32(&file, "llama.rope.scaling.original_context_length", 4096);
    kernel_file_add_u32(&file, "somebody.else", 1);
    kernel_file_add_u32(&file, "llama.pooling_type", 1);
    kernel_file_add_u32(&file, "llama.attention.causal", 1);
    kernel_file_add_text(&file, "llama.rope.scaling.type", "none");
    ck_assert_int_eq(kernel_file_try(&file, &error), KERNEL_OK);
    free(file.at);
}

TEST(linear_scaling_divides_the_frequencies)
{
    struct kernel_file file;
    struct kernel_gguf *read = NULL;
    struct kernel_model *model = NULL;
    kernel_file_make(&file, "tiny-llama3", "Q8_0");
    kernel_file_add_text(&file, "llama.rope.scaling.type", "linear");
    kernel_file_add_f32(&file, "llama.rope.scaling.factor", 4);
    ck_assert_int_eq(kernel_gguf_read(file.at, file.length, &read, &error), KERNEL_OK);
    ck_assert_int_eq(kernel_model_bare(read, &model, &error), KERNEL_OK);
    ck_assert(model->shape.rope_factors[0] == 4);   /* the fast turns: 1 of the file's own */
    ck_assert(model->shape.rope_factors[15] == 32); /* the slow ones: 8 */
    kernel_model_bare_close(model);
    free(file.at);
    kernel_file_make(&file, "tiny-llama3", "Q8_0");
    kernel_file_add_text(&file, "llama.rope.scaling.type", "linear");
    refused(&file, KERNEL_CORRUPT, "llama.rope.scaling.factor is missing");
}

TEST(a_factor_that_stands_alone_scales_and_is_checked)
{
    struct kernel_file file;
    struct kernel_gguf *read = NULL;
    struct kernel_model *model = NULL;
    kernel_file_make(&file, "tiny-llama3", "Q8_0");
    kernel_file_add_f32(&file, "llama.rope.scaling.factor", 4);
    ck_assert_int_eq(kernel_gguf_read(file.at, file.length, &read, &error), KERNEL_OK);
    ck_assert_int_eq(kernel_model_bare(read, &model, &error), KERNEL_OK);
    ck_assert(model->shape.rope_factors[0] == 4);
    kernel_model_bare_close(model);
    free(file.at);
    static const float wrong[] = {0, NAN, -1, 1e9F};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        kernel_file_make(&file, "tiny-llama3", "Q8_0");
        kernel_file_add_f32(&file, "llama.rope.scaling.factor", wrong[i]);
        refused(&file, KERNEL_CORRUPT, "llama.rope.scaling.factor");
    }
}

TEST(numbers_that_contradict_each_other_are_refused_by_name)
{
    static const struct {
        const char *key;
        uint32_t value;
        const char *says;
    } cases[] = {
        {"llama.block_count", 3, "blk.2."},
        {"llama.block_count", 0, "llama.block_count"},
        {"llama.block_count", 999999, "llama.block_count"},
        {"llama.attention.head_count_kv", 3, "head_count_kv"},
        {"llama.attention.head_count", 16, "blk.0.attn_q.weight"},
        {"llama.embedding_length", 512, "token_embd.weight"},
        {"llama.feed_forward_length", 768, "blk.0.ffn_gate.weight"},
        {"llama.rope.dimension_count", 33, "rope.dimension_count"},
        {"llama.rope.dimension_count", 64, "rope.dimension_count"},
        {"llama.attention.key_length", 64, "value_length"},
        {"llama.context_length", 0, "llama.context_length"},
        {"llama.attention.layer_norm_rms_epsilon", 0x7fc00000, "rms_epsilon"},
        {"llama.rope.freq_base", 0xff800000, "rope.freq_base"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct kernel_file file;
        kernel_file_make(&file, "tiny-llama", "Q8_0");
        /* the type is checked too: "head_count" is found before "head_count_kv" */
        memcpy(kernel_file_behind(&file, cases[i].key) + 4, &cases[i].value, 4);
        error.message[0] = '\0';
        ck_assert_int_ne(kernel_file_try(&file, &error), KERNEL_OK);
        ck_assert_msg(strstr(error.message, cases[i].says) != NULL, "%s = %u: %s", cases[i].key,
                      cases[i].value, error.message);
        free(file.at);
    }
}

TEST(missing_and_strange_tensors_are_refused_by_name)
{
    struct kernel_file file;
    kernel_file_make(&file, "tiny-llama3", "Q8_0");
    kernel_file_rename(&file, "rope_freqs.weight", "rope_fraqs.weight");
    refused(&file, KERNEL_UNSUPPORTED, "rope_fraqs.weight");
    kernel_file_make(&file, "tiny-qwen2", "Q8_0");
    kernel_file_rename(&file, "blk.1.attn_v.bias", "blk.1.attn_w.bias");
    refused(&file, KERNEL_CORRUPT, "blk.1.attn_v.bias is missing");
    kernel_file_make(&file, "tiny-qwen3", "Q8_0");
    kernel_file_rename(&file, "blk.0.attn_k_norm.weight", "blk.0.attn_w_norm.weight");
    refused(&file, KERNEL_CORRUPT, "blk.0.attn_k_norm.weight is missing");
    kernel_file_make(&file, "tiny-llama", "Q8_0");
    uint32_t half = KERNEL_F16; /* behind the name: one dimension, its size, the type */
    memcpy(kernel_file_behind(&file, "blk.1.ffn_norm.weight") + 12, &half, sizeof half);
    refused(&file, KERNEL_UNSUPPORTED, "blk.1.ffn_norm.weight is F16");
}

TEST_MAIN()
