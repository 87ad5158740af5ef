/* bench_model_encode.c -- see bench_model_encode.h. */
#include "tests/bench/bench_model_encode.h"

#include "kernels/model/gguf.h"
#include "kernels/model/vocab.h"
#include "runtime/base/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { TEXT_BYTES = 4 << 20, LINE_BYTES = 256, TIMES = 5 };

/* Text such as an engine gets, the same every time. */
static size_t make_text(char *out)
{
    size_t length = 0;
    for (uint32_t i = 0; TEXT_BYTES - length > 4 * LINE_BYTES; i++) {
        uint32_t number = i * UINT32_C(7919) % UINT32_C(1000000);
        length += (size_t)snprintf(
            out + length, 4 * LINE_BYTES,
            "Invoice INV-2025-%06" PRIu32 ": 3 x 12,50 EUR = 37,50 EUR, due 2025-11-21\n"
            "{\"decision\":\"hold\",\"reason\":\"price differs\",\"document\":%" PRIu32 "}\n"
            "Die Lieferung %" PRIu32 " kam zwei Tage sp\xC3\xA4ter; drei Karton fehlten.\n"
            "PO#45%06" PRIu32 " | vendor=4711 | the supplier confirmed half of it\n",
            number, number, number, number);
    }
    return length;
}

static void encode(const struct bench_run *run, const struct kernel_vocab *vocab)
{
    char *text = rv_alloc(TEXT_BYTES);
    size_t length = make_text(text);
    int64_t best = INT64_MAX;
    for (int i = 0; i < TIMES; i++) {
        struct kernel_tokens tokens = {.at = NULL};
        int64_t before = bench_cpu_us(0);
        kernel_vocab_encode(vocab, (struct kernel_text){text, length}, false, &tokens);
        int64_t took = bench_cpu_us(0) - before;
        best = took < best ? took : best;
        free(tokens.at);
    }
    bench_report(run, "model", "encode", "mb_per_s", (double)length / (double)(best + 1), "MB/s");
    rv_free(text);
}

bool bench_model_encode(const struct bench_run *run, const char *path)
{
    struct kernel_gguf *file = NULL;
    struct kernel_vocab *vocab = NULL;
    struct kernel_error error = {.message = ""};
    enum kernel_status status = kernel_gguf_open(path, &file, &error);
    if (status == KERNEL_OK) {
        int64_t before = bench_cpu_us(0);
        status = kernel_vocab_create(file, &vocab, &error);
        double took_ms = (double)(bench_cpu_us(0) - before) / 1000.0;
        if (status == KERNEL_OK) {
            bench_report(run, "model", "encode", "create_ms", took_ms, "ms");
            encode(run, vocab);
        } else {
            fprintf(stderr, "%s: %s\n", path, error.message);
        }
    }
    kernel_vocab_destroy(vocab);
    kernel_gguf_close(file);
    return status == KERNEL_OK;
}
