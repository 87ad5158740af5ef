/* chat.h -- messages as the model was taught to read them.
 *
 * The format is recognised in the file's chat template by what only it contains (chatml, llama2,
 * llama3, mistral, deepseek-r1, qwen3 thinking), or named by the user; an unknown one is refused
 * with the list of names.  No template language is interpreted.  Messages' texts are encoded
 * without special tokens; the format's own marks are tokens by name.
 *
 * Private to kernels.
 */
#ifndef REEVE_KERNELS_MODEL_CHAT_H
#define REEVE_KERNELS_MODEL_CHAT_H

#include "kernels/model/vocab.h"

struct kernel_chat; /* a row of a constant table */

/* `name` "": recognise it from the file. */
enum kernel_status kernel_chat_find(const struct kernel_gguf *file,
                                    const struct kernel_vocab *vocab, const char *name,
                                    const struct kernel_chat **out, struct kernel_error *error);
const char *kernel_chat_name(const struct kernel_chat *chat);
/* The format's marks and the messages' texts, and the beginning of the assistant's turn. */
enum kernel_status kernel_chat_encode(const struct kernel_chat *chat,
                                      const struct kernel_vocab *vocab,
                                      const struct kernel_message *messages, uint32_t count,
                                      struct kernel_tokens *out, struct kernel_error *error);
/* The same as text, for comparison with other engines' renderings; malloc'd, NUL-terminated. */
char *kernel_chat_render(const struct kernel_chat *chat, const struct kernel_message *messages,
                         uint32_t count, bool generate);
/* Tokens between which a thinking model thinks; NONE: it does not. `begun`: the format itself has
 * begun the thinking. */
void kernel_chat_thinking(const struct kernel_chat *chat, const struct kernel_vocab *vocab,
                          int32_t *begin, int32_t *end, bool *begun);

#endif
