/* chat.h -- messages as the model was taught to read them.
 *
 * The format is recognised in the file's chat template by what only it contains, or named by the
 * user: chatml, qwen3 (qwen3-thinking), llama2 and its -sys variants, llama3, mistral-v1, -v3,
 * -v3-tekken and -v7, deepseek2, deepseek3, deepseek-r1, gemma, phi3.  An unknown one is refused
 * with that list.  No template language is interpreted.  Messages' texts are encoded without
 * special tokens; the format's own marks are tokens by name, and a BOS comes first where the
 * vocabulary wants one.  (llama2 and mistral-v1 have [INST] as plain text: there, and only there, a
 * message can contain what the format itself writes.)
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
enum { KERNEL_CHAT_LIST = 200 };
void kernel_chat_list(char out[KERNEL_CHAT_LIST]); /* the names, for a message */
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
