/* request.h -- a question's JSON (engine.h) as kernels take it, and a model's facts as JSON.
 * Private to runtime/model. */
#ifndef REEVE_RUNTIME_MODEL_REQUEST_H
#define REEVE_RUNTIME_MODEL_REQUEST_H

#include "kernels/kernel.h"
#include "runtime/base/json.h"

enum {
    RV_ASK_MESSAGES_MAX = 1024,
    RV_ASK_OPTIONS_MAX = 64,
    RV_ASK_STOPS_MAX = 8,
    RV_ASK_BIASES_MAX = 300
};

/* Everything in it lives until rv_kernel_request_free; texts are borrowed from the JSON. */
struct rv_kernel_request {
    struct kernel_request request;
    struct kernel_message *messages;
    struct kernel_text options[RV_ASK_OPTIONS_MAX], stops[RV_ASK_STOPS_MAX];
    struct kernel_bias biases[RV_ASK_BIASES_MAX];
    char *schema, *joined;
    char *sampler; /* for the journal: "greedy", "temperature 0.7 top_p 0.9 min_p 0 top_k 0", and
                      behind it " presence 0.5", " frequency 1", " bias 17:-100,300:2.5" */
};

/* `built` must be freed, also on failure. */
enum kernel_status rv_kernel_request_read(struct rv_kernel_request *built, const json_t *question,
                                          const struct kernel_model_facts *facts,
                                          struct kernel_error *error);
void rv_kernel_request_free(struct rv_kernel_request *built);

/* Why a chat with it is refused, and what can be done: the key, what is known, the setting. */
void rv_kernel_chat_refusal(const struct kernel_model_facts *facts, char *out, size_t room);

/* {"name","hash","architecture","type","chat","chat_fault"?,"parameters",...}; new reference. */
json_t *rv_kernel_facts(const struct kernel_model_facts *facts);

#endif
