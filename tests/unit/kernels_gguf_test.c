/* Model files from nowhere good: an error that names the field, never a crash. */
#include "kernels/base/fail.h"
#include "kernels/model/make.h"
#include "tests/support/kernel_file.h"
#include "tests/support/test.h"

#include <unistd.h>

static struct kernel_error error;

static void refused(const struct kernel_file *file, enum kernel_status status, const char *says)
{
    error.message[0] = '\0';
    ck_assert_int_eq(kernel_file_try(file, &error), status);
    ck_assert_int_eq(error.status, status);
    ck_assert_msg(strstr(error.message, says) != NULL, "\"%s\" does not say \"%s\"", error.message,
                  says);
}

static void set_u32(unsigned char *at, uint32_t value)
{
    memcpy(at, &value, sizeof value);
}

static void set_u64(unsigned char *at, uint64_t value)
{
    memcpy(at, &value, sizeof value);
}

TEST(a_made_model_reads_back)
{
    struct kernel_file file;
    kernel_file_make(&file, "tiny-llama", "Q8_0");
    ck_assert_int_eq(kernel_file_try(&file, &error), KERNEL_OK);
    free(file.at);
}

TEST(every_truncation_is_refused)
{
    struct kernel_file file;
    kernel_file_make(&file, "tiny-llama", "Q8_0");
    struct kernel_file cut = file;
    for (cut.length = 0; cut.length < file.header; cut.length += cut.length < 2048 ? 1 : 7) {
        error.message[0] = '\0';
        ck_assert_int_ne(kernel_file_try(&cut, &error), KERNEL_OK);
        ck_assert_int_ne(error.message[0], '\0');
    }
    cut.length = file.length - 64;
    refused(&cut, KERNEL_CORRUPT, "offset");
    free(file.at);
}

TEST(no_changed_byte_of_a_header_crashes)
{
    struct kernel_file file;
    uint64_t random = 99;
    kernel_file_make(&file, "tiny-qwen3", "Q4_K");
    for (int i = 0; i < 3000; i++) {
        size_t at[3];
        unsigned char kept[3];
        for (int j = 0; j < 3; j++) {
            at[j] = make_random(&random) % (j == 0 ? file.header : 2048);
            kept[j] = file.at[at[j]];
            file.at[at[j]] = (unsigned char)make_random(&random);
        }
        error.message[0] = '\0';
        if (kernel_file_try(&file, &error) != KERNEL_OK) {
            ck_assert_int_ne(error.message[0], '\0');
        }
        for (int j = 2; j >= 0; j--) {
            file.at[at[j]] = kept[j];
        }
    }
    free(file.at);
}

TEST(the_head_of_a_file_is_checked)
{
    struct kernel_file file;
    kernel_file_make(&file, "tiny-llama", "Q8_0");
    file.at[0] = 'X';
    refused(&file, KERNEL_CORRUPT, "magic");
    file.at[0] = 'G';
    set_u32(file.at + 4, 2);
    refused(&file, KERNEL_UNSUPPORTED, "version: 2");
    set_u32(file.at + 4, 0x03000000);
    refused(&file, KERNEL_UNSUPPORTED, "big-endian");
    set_u32(file.at + 4, 3);
    uint64_t tensors = 0;
    memcpy(&tensors, file.at + 8, sizeof tensors);
    set_u64(file.at + 8, UINT64_MAX);
    refused(&file, KERNEL_CORRUPT, "tensor_count");
    set_u64(file.at + 8, tensors);
    set_u64(file.at + 16, 1ULL << 40);
    refused(&file, KERNEL_CORRUPT, "metadata_kv_count");
    free(file.at);
}

TEST(keys_are_checked_by_name)
{
    static const struct {
        const char *key;
        size_t at; /* behind the key */
        uint64_t value;
        enum kernel_status status;
        const char *says;
    } cases[] = {
        {"general.architecture", 0, 99, KERNEL_UNSUPPORTED, "general.architecture: value type 99"},
        {"general.architecture", 4, UINT64_MAX, KERNEL_CORRUPT, "general.architecture"},
        {"tokenizer.ggml.tokens", 4, 9, KERNEL_UNSUPPORTED, "array of arrays"},
        {"tokenizer.ggml.tokens", 8, UINT64_MAX, KERNEL_LIMIT, "tokenizer.ggml.tokens"},
        {"tokenizer.ggml.tokens", 8, 1 << 24, KERNEL_CORRUPT, "tokenizer.ggml.tokens"},
        {"tokenizer.ggml.tokens", 16, UINT64_MAX, KERNEL_CORRUPT, "text 0"},
        {"tokenizer.ggml.token_type", 8, 1 << 23, KERNEL_CORRUPT, "tokenizer.ggml.token_type"},
        {"general.alignment", 4, 48, KERNEL_CORRUPT, "general.alignment: 48"},
        {"general.alignment", 4, 0, KERNEL_CORRUPT, "general.alignment"},
        {"tokenizer.ggml.add_bos_token", 4, 2, KERNEL_CORRUPT, "add_bos_token: a bool"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct kernel_file file;
        kernel_file_make(&file, "tiny-llama", "Q8_0");
        unsigned char *at = kernel_file_behind(&file, cases[i].key) + cases[i].at;
        if (cases[i].at == 0 || strstr(cases[i].key, "alignment") != NULL || cases[i].value == 9) {
            set_u32(at, (uint32_t)cases[i].value);
        } else if (cases[i].value == 2) {
            *at = 2;
        } else {
            set_u64(at, cases[i].value);
        }
        refused(&file, cases[i].status, cases[i].says);
        free(file.at);
    }
}

TEST(a_key_or_a_tensor_that_appears_twice_is_refused)
{
    struct kernel_file file;
    kernel_file_make(&file, "tiny-llama", "Q8_0");
    kernel_file_rename(&file, "blk.1.attn_k.weight", "blk.1.attn_v.weight");
    refused(&file, KERNEL_CORRUPT, "blk.1.attn_v.weight appears twice");
    free(file.at);
    kernel_file_make(&file, "tiny-llama", "Q8_0");
    kernel_file_add_u32(&file, "llama.block_count", 2);
    refused(&file, KERNEL_CORRUPT, "llama.block_count appears twice");
    free(file.at);
}

/* Behind a tensor's name: dimensions (4), each (8), type (4), offset (8). */
TEST(tensors_are_checked_by_name)
{
    static const char name[] = "blk.0.ffn_down.weight";
    struct kernel_file file;
    kernel_file_make(&file, "tiny-llama", "Q8_0");
    unsigned char *at = kernel_file_behind(&file, name);
    uint64_t offset = 0;
    memcpy(&offset, at + 24, sizeof offset);
    set_u32(at, 5);
    refused(&file, KERNEL_CORRUPT, "blk.0.ffn_down.weight: 5 dimensions");
    set_u32(at, 2);
    set_u64(at + 4, 0);
    refused(&file, KERNEL_CORRUPT, "blk.0.ffn_down.weight: dimension 0");
    set_u64(at + 4, UINT64_MAX);
    refused(&file, KERNEL_CORRUPT, "blk.0.ffn_down.weight: dimension 0");
    set_u64(at + 4, 500);
    refused(&file, KERNEL_CORRUPT, "no multiple of Q8_0");
    set_u64(at + 4, 512);
    set_u64(at + 12, 1 << 30);
    refused(&file, KERNEL_CORRUPT, "blk.0.ffn_down.weight: offset");
    set_u64(at + 12, 256);
    set_u32(at + 20, 10);
    refused(&file, KERNEL_UNSUPPORTED, "type 10 (Q2_K)");
    set_u32(at + 20, KERNEL_Q8_0);
    set_u64(at + 24, offset + 1);
    refused(&file, KERNEL_CORRUPT, "blk.0.ffn_down.weight: offset");
    set_u64(at + 24, UINT64_MAX - 63);
    refused(&file, KERNEL_CORRUPT, "blk.0.ffn_down.weight: offset");
    set_u64(at + 24, offset - 64);
    refused(&file, KERNEL_CORRUPT, "overlap");
    set_u64(at + 24, offset);
    ck_assert_int_eq(kernel_file_try(&file, &error), KERNEL_OK);
    at[-1] = '\n';
    refused(&file, KERNEL_CORRUPT, "visible ASCII");
    free(file.at);
}

struct seen {
    int count;
    bool name, tokens;
};

static void see(void *data, const char *key, const char *type, const char *shown)
{
    struct seen *seen = data;
    seen->count++;
    seen->name |= strcmp(key, "test.text") == 0 && strcmp(type, "text") == 0 &&
                  strcmp(shown, "a.b.[31mc") == 0;
    seen->tokens |= strcmp(key, "tokenizer.ggml.token_type") == 0 &&
                    strcmp(type, "i32[512]") == 0 && strcmp(shown, "1, 1, 1, ...") == 0;
}

TEST(keys_are_shown_without_their_control_characters)
{
    struct kernel_file file;
    struct kernel_gguf *read = NULL;
    struct seen seen = {0};
    kernel_file_make(&file, "tiny-llama", "Q8_0");
    kernel_file_add_text(&file, "test.text", "a\nb\033[31mc");
    ck_assert_int_eq(kernel_gguf_read(file.at, file.length, &read, &error), KERNEL_OK);
    kernel_gguf_keys(read, see, &seen);
    ck_assert(seen.name && seen.tokens);
    ck_assert_int_ge(seen.count, 20);
    kernel_gguf_close(read);
    free(file.at);
}

TEST(values_are_read_as_what_they_are)
{
    struct kernel_file file;
    struct kernel_gguf *read = NULL;
    uint32_t number = 7;
    float real = 7;
    bool flag = true;
    uint64_t count = 7;
    int32_t element = 7;
    struct kernel_text text = {"", 0};
    kernel_file_make(&file, "tiny-llama", "Q8_0");
    ck_assert_int_eq(kernel_gguf_read(file.at, file.length, &read, &error), KERNEL_OK);
    ck_assert(kernel_gguf_u32(read, "llama.block_count", &number) && number == 2);
    ck_assert(!kernel_gguf_u32(read, "llama.rope.freq_base", &number) && number == 2);
    ck_assert(kernel_gguf_f32(read, "llama.rope.freq_base", &real) && real == 10000);
    ck_assert(!kernel_gguf_f32(read, "llama.block_count", &real));
    ck_assert(kernel_gguf_bool(read, "tokenizer.ggml.add_bos_token", &flag) && !flag);
    ck_assert(!kernel_gguf_bool(read, "nothing", &flag) && !kernel_gguf_has(read, "nothing"));
    ck_assert(kernel_gguf_array(read, "tokenizer.ggml.tokens", &count) && count == 512);
    ck_assert(!kernel_gguf_text(read, "tokenizer.ggml.tokens", &text));
    ck_assert(kernel_gguf_text_at(read, "tokenizer.ggml.tokens", 65, &text));
    ck_assert(text.length == 1 && text.bytes[0] == 'A');
    ck_assert(!kernel_gguf_text_at(read, "tokenizer.ggml.tokens", 512, &text));
    ck_assert(kernel_gguf_i32_at(read, "tokenizer.ggml.token_type", 511, &element));
    ck_assert_int_eq(element, 3);
    ck_assert(!kernel_gguf_f32_at(read, "tokenizer.ggml.token_type", 0, &real));
    ck_assert_ptr_null(kernel_gguf_tensor(read, "nothing"));
    kernel_gguf_close(read);
    free(file.at);
}

TEST(a_path_that_is_no_model_is_an_error_with_a_reason)
{
    struct kernel_gguf *read = NULL;
    char path[] = "/tmp/reeve-gguf-XXXXXX";
    ck_assert_int_eq(kernel_gguf_open("/nowhere/model.gguf", &read, &error), KERNEL_IO);
    ck_assert_ptr_nonnull(strstr(error.message, "No such file"));
    ck_assert_int_eq(kernel_gguf_open("/tmp", &read, &error), KERNEL_IO);
    ck_assert_ptr_nonnull(strstr(error.message, "regular file"));
    close(mkstemp(path));
    ck_assert_int_eq(kernel_gguf_open(path, &read, &error), KERNEL_CORRUPT);
    ck_assert_ptr_nonnull(strstr(error.message, "empty"));
    ck_assert_ptr_null(read);
    unlink(path);
}

/* Opened as people open it, from a file of its own. */
static enum kernel_status open_with(const char *key, uint32_t value)
{
    char folder[] = "/tmp/reeve-hints-XXXXXX";
    char path[64];
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/model.gguf", folder);
    struct kernel_file file;
    struct kernel_model *model = NULL;
    kernel_file_make(&file, "tiny-llama", "F32");
    kernel_file_add_u32(&file, key, value);
    kernel_file_write(&file, path);
    error.message[0] = '\0';
    enum kernel_status status = kernel_model_open(path, &model, &error);
    ck_assert(status == KERNEL_OK || strstr(error.message, key) != NULL);
    kernel_model_close(model);
    remove(path);
    rmdir(folder);
    free(file.at);
    return status;
}

TEST(hints_that_contradict_the_file_are_refused)
{
    struct kernel_model *model = NULL;
    struct kernel_model_facts facts;
    ck_assert_int_eq(kernel_model_make("tiny-llama", "F32", 7, &model, &error), KERNEL_OK);
    kernel_model_facts(model, &facts);
    kernel_model_close(model);
    ck_assert_int_eq(open_with("llama.vocab_size", facts.vocabulary), KERNEL_OK);
    ck_assert_int_eq(open_with("llama.vocab_size", 0), KERNEL_CORRUPT);
    ck_assert_int_eq(open_with("llama.vocab_size", 7), KERNEL_CORRUPT);
    ck_assert_int_eq(open_with("llama.vocab_size", UINT32_MAX), KERNEL_CORRUPT);
    ck_assert_int_eq(open_with("general.quantization_version", 2), KERNEL_OK);
    ck_assert_int_eq(open_with("general.quantization_version", 1), KERNEL_UNSUPPORTED);
    ck_assert_int_eq(open_with("general.quantization_version", 3), KERNEL_UNSUPPORTED);
    ck_assert_int_eq(open_with("general.file_type", 4711), KERNEL_OK); /* tensors say theirs */
}

TEST_MAIN()
