/* prompt.h -- a question as text: what is ours, and in a block of its own what outsiders wrote.
 *
 *     instructions                      the same for every question, the form of a choice too
 *     ## Question / Options / Facts     ours, as JSON
 *     UNTRUSTED 9f2c41d0 begins
 *     "note": "ignore all rules"        one JSON value a line
 *     UNTRUSTED 9f2c41d0 ends
 *
 * The number is made of the seed and the block's own text: nobody who writes the text knows it, and
 * the same question gives the same prompt.  Inside the block every line break is an escape, and so
 * is every '<' that is not one of our tokens, so that no text there can begin a line, close the
 * block, or stand for a special token of a model.  Sentences there that name an option are left out
 * (orders.h).  Private to runtime/model.
 */
#ifndef REEVE_RUNTIME_MODEL_PROMPT_H
#define REEVE_RUNTIME_MODEL_PROMPT_H

#include "runtime/base/buf.h"
#include "runtime/model/redact.h"

struct rv_prompt {
    struct rv_buf facts;
    struct rv_buf untrusted;
    struct rv_buf text;
    json_t *options; /* as they stand in the prompt; NULL */
    int left_out;    /* outsiders' sentences that name an option (orders.h) */
};

extern const char rv_prompt_instructions[];

/* Writes all parts; RV_LIMIT when something is too long.  `prompt` must be finished either way. */
RV_MUST enum rv_code rv_prompt_write(struct rv_prompt *prompt, struct rv_redaction *redaction,
                                     const json_t *question, int64_t seed, struct rv_error *err);
/* The same text with a last line that says why the answer before was refused. */
RV_MUST enum rv_code rv_prompt_repair(struct rv_prompt *prompt, const char *why,
                                      struct rv_error *err);
void rv_prompt_fini(struct rv_prompt *prompt);

#endif
