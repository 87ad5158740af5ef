/* model.c -- a model as kernel.h knows it: opened or made, described, written, closed. */
#include "kernels/model/model.h"

#include "kernels/base/fail.h"
#include "kernels/model/chat.h"
#include "kernels/model/forward.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static enum kernel_status read_certainty(const struct kernel_gguf *file,
                                         struct kernel_certainty *out, struct kernel_error *error)
{
    static const char thought[] = "reeve.thought.canonical";
    static const char key[] = "reeve.probability.temperature";
    static const float least = 0.05F; /* beyond these nothing is left of what a model says */
    static const float most = 20;
    float temperature = 1;
    *out = (struct kernel_certainty){.canonical = false, .temperature = 1};
    if (kernel_gguf_has(file, thought) && !kernel_gguf_bool(file, thought, &out->canonical)) {
        return kernel_fail(error, KERNEL_CORRUPT, "key %s: neither true nor false", thought);
    }
    if (kernel_gguf_has(file, key) && (!kernel_gguf_f32(file, key, &temperature) ||
                                       !(temperature >= least && temperature <= most))) {
        return kernel_fail(error, KERNEL_CORRUPT, "key %s: no number from %g to %g", key,
                           (double)least, (double)most);
    }
    out->temperature = (double)temperature;
    return KERNEL_OK;
}

/* What the header says beside what is used: it must not contradict the file.  Only a hint, and not
 * looked at, is general.file_type: every tensor says its own type. */
static enum kernel_status check_hints(const struct kernel_model *model, struct kernel_error *error)
{
    static const char quantised[] = "general.quantization_version";
    enum { QUANTISATION = 2 }; /* of the layouts in quant.c */
    char key[64];
    uint32_t value = 0;
    snprintf(key, sizeof key, "%s.vocab_size", model->arch->name);
    if (kernel_gguf_has(model->file, key) &&
        (!kernel_gguf_u32(model->file, key, &value) || value != model->shape.vocabulary)) {
        return kernel_fail(error, KERNEL_CORRUPT, "key %s: not the %u tokens of the vocabulary",
                           key, model->shape.vocabulary);
    }
    if (kernel_gguf_has(model->file, quantised) &&
        (!kernel_gguf_u32(model->file, quantised, &value) || value != QUANTISATION)) {
        return kernel_fail(error, KERNEL_UNSUPPORTED, "key %s: only version %d is known", quantised,
                           QUANTISATION);
    }
    return KERNEL_OK;
}

/* A model without a known format completes and embeds; a chat with it is refused later. */
static void find_chat(struct kernel_model *model)
{
    struct kernel_error why = {.message = ""};
    if (kernel_chat_find(model->file, model->vocab, "", &model->chat, &why) == KERNEL_OK) {
        return;
    }
    model->chat = NULL;
    if (kernel_gguf_has(model->file, "tokenizer.chat_template")) {
        snprintf(model->chat_fault, sizeof model->chat_fault, "%.127s", why.message);
    }
}

/* Takes over `file` (and, where the model was made, `image`), on failure too. */
static enum kernel_status finish(struct kernel_gguf *file, void *image, size_t image_bytes,
                                 struct kernel_model **out, struct kernel_error *error)
{
    struct kernel_model *model = NULL;
    *out = NULL;
    enum kernel_status status = kernel_model_bare(file, &model, error);
    if (status != KERNEL_OK) {
        if (image != NULL) {
            munmap(image, image_bytes);
        }
        return status;
    }
    model->image = image;
    model->image_bytes = image_bytes;
    status = read_certainty(model->file, &model->certainty, error);
    if (status == KERNEL_OK) {
        status = check_hints(model, error);
    }
    if (status == KERNEL_OK) {
        status = kernel_vocab_create(model->file, &model->vocab, error);
    }
    if (status != KERNEL_OK) {
        kernel_model_bare_close(model);
        return status;
    }
    find_chat(model);
    *out = model;
    return KERNEL_OK;
}

enum kernel_status kernel_model_use_chat(struct kernel_model *model, const char *format,
                                         struct kernel_error *error)
{
    const struct kernel_chat *chat = NULL;
    enum kernel_status status =
        format[0] == '\0' ? kernel_fail(error, KERNEL_INVALID, "a chat format has a name")
                          : kernel_chat_find(model->file, model->vocab, format, &chat, error);
    if (status == KERNEL_OK) {
        model->chat = chat;
        model->chat_fault[0] = '\0';
    }
    return status;
}

enum kernel_status kernel_model_open(const char *path, struct kernel_model **out,
                                     struct kernel_error *error)
{
    struct kernel_gguf *file = NULL;
    *out = NULL;
    enum kernel_status status = kernel_gguf_open(path, &file, error);
    return status != KERNEL_OK ? status : finish(file, NULL, 0, out, error);
}

enum kernel_status kernel_model_make(const char *shape, const char *type, uint64_t seed,
                                     struct kernel_model **out, struct kernel_error *error)
{
    struct kernel_gguf *file = NULL;
    void *image = NULL;
    size_t bytes = 0;
    *out = NULL;
    enum kernel_status status = kernel_make_image(shape, type, seed, &image, &bytes, error);
    if (status != KERNEL_OK) {
        return status;
    }
    status = kernel_gguf_read(image, bytes, &file, error);
    KERNEL_ASSERT(status == KERNEL_OK); /* what is made can be read */
    return finish(file, image, bytes, out, error);
}

void kernel_model_close(struct kernel_model *model)
{
    if (model != NULL) {
        kernel_vocab_destroy(model->vocab);
        kernel_model_bare_close(model);
    }
}

static enum kernel_status write_all(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t written = write(fd, bytes, length);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return KERNEL_IO;
        }
        bytes += written;
        length -= (size_t)written;
    }
    return KERNEL_OK;
}

enum kernel_status kernel_model_write(const struct kernel_model *model, const char *path,
                                      struct kernel_error *error)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) {
        return kernel_fail(error, KERNEL_IO, "%.160s: %s", path, strerrordesc_np(errno));
    }
    enum kernel_status status =
        write_all(fd, kernel_gguf_image(model->file), kernel_gguf_bytes(model->file));
    int why = errno;
    if (close(fd) != 0 && status == KERNEL_OK) {
        status = KERNEL_IO;
        why = errno;
    }
    if (status != KERNEL_OK) {
        unlink(path); /* half a model is none */
        kernel_fail(error, status, "%.160s: %s", path, strerrordesc_np(why));
    }
    return status;
}

/* The type that holds the most weights, and how many weights there are. */
static const char *main_type(const struct kernel_gguf *file, uint64_t *parameters)
{
    const char *name = "?";
    uint64_t most = 0;
    uint64_t count[KERNEL_BF16 + 1] = {0};
    *parameters = 0;
    for (uint64_t i = 0; i < kernel_gguf_tensor_count(file); i++) {
        const struct kernel_tensor *tensor = kernel_gguf_tensor_at(file, i);
        uint64_t elements = (uint64_t)tensor->rows * tensor->columns;
        *parameters += elements;
        count[tensor->type] += elements;
        if (count[tensor->type] > most) {
            most = count[tensor->type];
            name = kernel_type_facts(tensor->type)->name;
        }
    }
    return name;
}

void kernel_model_facts(const struct kernel_model *model, struct kernel_model_facts *out)
{
    struct kernel_text name = {"", 0};
    *out = (struct kernel_model_facts){
        .bytes = kernel_gguf_bytes(model->file),
        .context = model->shape.context,
        .vocabulary = model->shape.vocabulary,
        .layers = model->shape.layers,
        .width = model->shape.width,
    };
    kernel_gguf_text(model->file, "general.name", &name);
    for (size_t i = 0; i < name.length && i < sizeof out->name - 1; i++) {
        out->name[i] = name.bytes[i] >= ' ' && name.bytes[i] <= '~' ? name.bytes[i] : '?';
    }
    snprintf(out->architecture, sizeof out->architecture, "%s", model->arch->name);
    snprintf(out->type, sizeof out->type, "%s", main_type(model->file, &out->parameters));
    if (model->chat != NULL) {
        snprintf(out->chat, sizeof out->chat, "%s", kernel_chat_name(model->chat));
    }
    memcpy(out->chat_fault, model->chat_fault, sizeof out->chat_fault);
    kernel_gguf_hash(model->file, out->hash);
}

uint32_t kernel_count_tokens(const struct kernel_model *model, struct kernel_text text)
{
    struct kernel_tokens tokens = {0};
    kernel_vocab_encode(model->vocab, text, false, &tokens);
    free(tokens.at);
    return tokens.count;
}

struct kernel_text kernel_token_text(const struct kernel_model *model, int32_t token)
{
    return kernel_vocab_bytes(model->vocab, token);
}

struct kernel_certainty kernel_model_certainty(const struct kernel_model *model)
{
    return model->certainty;
}

const struct kernel_vocab *kernel_model_vocab(const struct kernel_model *model)
{
    return model->vocab;
}

const struct kernel_chat *kernel_model_chat(const struct kernel_model *model)
{
    return model->chat;
}
