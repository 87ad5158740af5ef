/* constraint_fuzz.c -- a schema of any bytes: refused with a sentence, or compiled; and what is
 * compiled can be closed at once into JSON that it accepts itself. */
#include "kernels/base/fail.h"
#include "tests/support/words.h"

#include <jansson.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct kernel_trie *trie; /* one for the whole run */
    if (trie == NULL) {
        struct words words;
        words_make(&words, 100, 1);
        trie = words_trie(&words);
        words_free(&words);
    }
    struct kernel_grammar *grammar = NULL;
    struct kernel_error error = {0};
    enum kernel_status status = kernel_grammar_compile(
        trie, (struct kernel_text){(const char *)data, size}, &grammar, &error);
    if (status != KERNEL_OK) {
        KERNEL_ASSERT(error.status == status && error.message[0] != '\0' && grammar == NULL);
        return 0;
    }
    struct kernel_constraint *state = kernel_constraint_start(grammar);
    kernel_constraint_close(state);
    uint32_t length = kernel_constraint_shortest(state, UINT32_MAX - 1);
    char *text = kernel_allocate((size_t)length + 1, 1);
    size_t forced = kernel_constraint_forced(state, text, length);
    KERNEL_ASSERT(forced == length);
    KERNEL_ASSERT(kernel_grammar_accepts(grammar, (struct kernel_text){text, length}));
    json_t *value = json_loadb(text, length, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    KERNEL_ASSERT(value != NULL);
    json_decref(value);
    free(text);
    kernel_constraint_destroy(state);
    kernel_grammar_destroy(grammar);
    return 0;
}
