/* Any bytes as a model file: never a crash, and an error always has words.
 *
 * Writes its seed, a whole model of a few kilobytes, into the folder gguf_corpus where it is run,
 * and keeps there what it finds. */
#include "kernels/base/fail.h"
#include "kernels/model/make.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

enum { WIDTH = 32, TOKENS = 4 };

static const struct {
    const char *name;
    uint32_t columns, rows;
    enum kernel_type type;
} tensors[] = {
    {"token_embd.weight", WIDTH, TOKENS, KERNEL_Q8_0},
    {"output_norm.weight", WIDTH, 1, KERNEL_F32},
    {"rope_freqs.weight", 8, 1, KERNEL_F32},
    {"blk.0.attn_norm.weight", WIDTH, 1, KERNEL_F32},
    {"blk.0.ffn_norm.weight", WIDTH, 1, KERNEL_F32},
    {"blk.0.attn_q.weight", WIDTH, WIDTH, KERNEL_Q4_0},
    {"blk.0.attn_k.weight", WIDTH, 16, KERNEL_Q4_1},
    {"blk.0.attn_v.weight", WIDTH, 16, KERNEL_Q5_0},
    {"blk.0.attn_output.weight", WIDTH, WIDTH, KERNEL_Q5_1},
    {"blk.0.ffn_gate.weight", WIDTH, WIDTH, KERNEL_F16},
    {"blk.0.ffn_up.weight", WIDTH, WIDTH, KERNEL_BF16},
    {"blk.0.ffn_down.weight", WIDTH, WIDTH, KERNEL_Q8_0},
};
enum { TENSORS = sizeof tensors / sizeof tensors[0] };

static const struct {
    const char *key;
    uint32_t value;
} numbers[] = {
    {"llama.block_count", 1},           {"llama.embedding_length", WIDTH},
    {"llama.feed_forward_length", 32},  {"llama.context_length", 64},
    {"llama.attention.head_count", 2},  {"llama.attention.head_count_kv", 1},
    {"llama.attention.key_length", 16},
};
enum { NUMBERS = sizeof numbers / sizeof numbers[0] };

static void put_keys(struct make_sink *sink)
{
    float epsilon = 1e-5F;
    unsigned char yes = 1;
    int64_t far = -5;
    make_put_key(sink, "general.architecture", GGUF_TEXT);
    make_put_text(sink, "llama", 5);
    for (int i = 0; i < NUMBERS; i++) {
        make_put_key(sink, numbers[i].key, GGUF_U32);
        make_put(sink, &numbers[i].value, sizeof numbers[i].value);
    }
    make_put_key(sink, "llama.attention.layer_norm_rms_epsilon", GGUF_F32);
    make_put(sink, &epsilon, sizeof epsilon);
    make_put_key(sink, "some.flag", GGUF_BOOL);
    make_put(sink, &yes, sizeof yes);
    make_put_key(sink, "some.number", GGUF_I64);
    make_put(sink, &far, sizeof far);
    make_put_array(sink, "tokenizer.ggml.tokens", GGUF_TEXT, TOKENS);
    for (int i = 0; i < TOKENS; i++) {
        make_put_text(sink, "token", (size_t)i + 1);
    }
}

static void put_seed(struct make_sink *sink)
{
    uint32_t version = 3;
    uint64_t count = TENSORS;
    uint64_t keys = NUMBERS + 5;
    uint64_t offset = 0;
    static const unsigned char zeros[32];
    make_put(sink, "GGUF", 4);
    make_put(sink, &version, sizeof version);
    make_put(sink, &count, sizeof count);
    make_put(sink, &keys, sizeof keys);
    put_keys(sink);
    for (int i = 0; i < TENSORS; i++) {
        const struct kernel_type_facts *facts = kernel_type_facts(tensors[i].type);
        uint32_t two = 2;
        uint64_t sizes[] = {tensors[i].columns, tensors[i].rows};
        uint32_t type = tensors[i].type;
        make_put_text(sink, tensors[i].name, strlen(tensors[i].name));
        make_put(sink, &two, sizeof two);
        make_put(sink, sizes, sizeof sizes);
        make_put(sink, &type, sizeof type);
        make_put(sink, &offset, sizeof offset);
        offset += sizes[0] / facts->block * facts->block_bytes * sizes[1];
        offset = (offset + 31) / 32 * 32;
    }
    make_put(sink, zeros, (32 - sink->length % 32) % 32);
    for (float one = 1; offset > 0; offset -= sizeof one) { /* a factor of 1 is one that is read */
        make_put(sink, &one, sizeof one);
    }
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static char *more[64];
    static char folder[] = "gguf_corpus";
    struct make_sink sink = {0};
    put_seed(&sink);
    mkdir(folder, 0755);
    FILE *file = fopen("gguf_corpus/seed", "wb");
    KERNEL_ASSERT(file != NULL && fwrite(sink.at, 1, sink.length, file) == sink.length);
    fclose(file);
    free(sink.at);
    if (*argc + 2 <= 64) {
        memcpy(more, *argv, (size_t)*argc * sizeof *more);
        more[(*argc)++] = folder;
        *argv = more;
    }
    return 0;
}

static void see(void *data, const char *key, const char *type, const char *shown)
{
    (void)data;
    KERNEL_ASSERT(key[0] != '\0' && type[0] != '\0' && strlen(shown) < 200);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct kernel_gguf *file = NULL;
    struct kernel_model *model = NULL;
    struct kernel_error error = {.message = ""};
    enum kernel_status status = kernel_gguf_read(bytes, length, &file, &error);
    if (status == KERNEL_OK) {
        kernel_gguf_keys(file, see, NULL);
        for (uint64_t i = 0; i < kernel_gguf_tensor_count(file); i++) {
            const struct kernel_tensor *tensor = kernel_gguf_tensor_at(file, i);
            const uint8_t *data = tensor->data;
            KERNEL_ASSERT(data >= bytes && data + tensor->bytes <= bytes + length);
        }
        status = kernel_model_bare(file, &model, &error);
    }
    if (status != KERNEL_OK) {
        KERNEL_ASSERT(error.status == status && error.message[0] != '\0' && model == NULL);
    }
    kernel_model_bare_close(model);
    return 0;
}
