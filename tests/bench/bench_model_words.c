/* bench_model_words.c -- see bench_model_words.h. */
#include "tests/bench/bench_model_words.h"

#include <stdio.h>
#include <stdlib.h>

void model_must(enum kernel_status status, const struct kernel_error *error)
{
    if (status != KERNEL_OK) {
        fprintf(stderr, "model: %s\n", error->message);
        exit(EXIT_FAILURE);
    }
}

char *model_text(uint32_t variant, uint32_t bytes)
{
    char *text = malloc(bytes + 1);
    uint32_t state = variant * UINT32_C(2654435761) + 1;
    for (uint32_t i = 0; i < bytes; i++) {
        state = state * UINT32_C(1664525) + UINT32_C(1013904223);
        text[i] = (char)('a' + (state >> 24) % 26);
    }
    text[bytes] = '\0';
    return text;
}

uint32_t model_bytes_for(const struct kernel_model *model, uint32_t tokens)
{
    char *probe = model_text(0, 4096);
    uint32_t counted = kernel_count_tokens(model, (struct kernel_text){probe, 4096});
    free(probe);
    return (uint32_t)((uint64_t)tokens * 4096 / counted);
}
