/* openai_call.h -- one request to the model on its way: asked, streamed or gathered, accounted.
 * Of several prompts, and of n choices, each is a question of its own, RV_OPENAI_AT_ONCE of them at
 * a time; the first that fails ends the request.
 *
 *     quota --> engine --> first event: head of a stream | gathered --> the one answer
 *                 ^-- cancelled when the client goes, is too slow, or the server stops
 *
 * It outlives its HTTP exchange until the engine has said its last word.  Private to runtime/http.
 */
#ifndef REEVE_RUNTIME_HTTP_OPENAI_CALL_H
#define REEVE_RUNTIME_HTTP_OPENAI_CALL_H

#include "runtime/http/call.h"
#include "runtime/http/openai.h"

/* Asks; takes `ask`.  The call is answered later. */
void rv_openai_begin(struct rv_call *call, struct rv_openai_ask *ask, struct rv_engine *engine);
/* The same for embeddings, all inputs at once. */
void rv_openai_embed(struct rv_call *call, struct rv_openai_ask *ask, struct rv_engine *engine);

struct rv_openai_made {
    const char *id;      /* as the client has it ... */
    int32_t choice;      /* ... and the index in it */
    const char *outcome; /* stop, length, or the code of what ended it early */
    int64_t seed, prompt_tokens, cached_tokens;
    bool has_seed;
};
/* Records what made an answer; `body` is of the engine's last event.  Nothing where it never began.
 */
void rv_openai_record(struct rv_api *api, int32_t tenant, const struct rv_openai_made *made,
                      const json_t *body);

/* Answers with the error in the API's shape. */
void rv_openai_refuse(struct rv_call *call, int status, const char *type, const char *code,
                      const char *message, const char *pointer);
/* What the engine said of the input `index`, likewise. */
void rv_openai_refuse_event(struct rv_call *call, const struct rv_openai_ask *ask, size_t index,
                            const struct rv_engine_event *event);
/* Adds one answer, the engine's last event, to the company's sums of the day: under the model that
 * answered, or the one that was asked for where the event does not say.  `kept` tokens were kept
 * back for it: given back when that is done, at once where nothing was used (`body` NULL, or no
 * usage in it). */
void rv_openai_account(struct rv_api *api, int32_t tenant, const char *person, const char *asked,
                       const json_t *body, int64_t kept);

#endif
