/* vocab_split.h -- text into the pieces that byte-level BPE never merges across.
 *
 * Every model was taught with one regular expression for this; each is a scanner here, written by
 * hand from its alternatives, which are tried in order (the first that matches wins, greedy, with
 * what its repetitions give back).  Letters, numbers and white space are Unicode's.  A byte that is
 * no part of valid UTF-8 is a character that is none of them.
 *
 * Sources: the `pre_tokenizer` of the models' published tokenizers (GPT-2; Llama 3; Qwen 2, which
 * the DeepSeek-R1 distills of Qwen use too).  Their normalizers (Qwen 2: NFC) are not applied, nor
 * do the engines do so whose tokens the tests compare with.
 *
 * Private to kernels.
 */
#ifndef REEVE_KERNELS_MODEL_VOCAB_SPLIT_H
#define REEVE_KERNELS_MODEL_VOCAB_SPLIT_H

#include <stddef.h>

enum vocab_split { VOCAB_SPLIT_GPT2, VOCAB_SPLIT_LLAMA3, VOCAB_SPLIT_QWEN2 };

/* Where the piece ends that begins at `at` < length. */
size_t vocab_split_next(enum vocab_split split, const char *text, size_t length, size_t at);

#endif
