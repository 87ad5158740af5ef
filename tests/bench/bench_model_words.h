/* bench_model_words.h -- made-up texts and models for the cases of the bench `model`. */
#ifndef REEVE_TESTS_BENCH_BENCH_MODEL_WORDS_H
#define REEVE_TESTS_BENCH_BENCH_MODEL_WORDS_H

#include "kernels/kernel.h"

/* Ends the program with the error's message unless it went well. */
void model_must(enum kernel_status status, const struct kernel_error *error);
/* Letters that no other `variant` begins with; the caller frees. */
char *model_text(uint32_t variant, uint32_t bytes);
/* As many bytes of such a text as give that many tokens, nearly. */
uint32_t model_bytes_for(const struct kernel_model *model, uint32_t tokens);

#endif
