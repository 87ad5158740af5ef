/* model.h -- the port to a language model: an adviser, treated as untrusted input.
 *
 * A question names legal options; the answer is one of them or "unavailable".  Before anything leaves,
 * personal data is replaced by typed tokens (<IBAN_1>, <NAME_2>) and put back afterwards; supplier
 * text travels only in blocks marked untrusted.  A circuit breaker stops asking a model that fails.
 * The engine itself is behind `struct rv_model_engine` (kernels/ or anything else).
 *
 * Thread: the loop's; the engine may work elsewhere and answers by its callback on the loop.
 */
#ifndef REEVE_RUNTIME_MODEL_MODEL_H
#define REEVE_RUNTIME_MODEL_MODEL_H

#include "runtime/base/error.h"
#include "runtime/base/json.h"
#include "runtime/loop/loop.h"

struct rv_model;

enum {
    RV_MODEL_DEADLINE_MS = 30000,
    RV_MODEL_BREAKER_FAILURES = 5,     /* so many in a row ... */
    RV_MODEL_BREAKER_OPEN_MS = 30000,  /* ... and nobody is asked for this long */
    RV_MODEL_PROMPT_MAX = 64 << 10
};

/* What an engine must do: answer one prompt under a schema.  `answered` exactly once, on the loop. */
struct rv_model_engine {
    void *self;
    const char *name; /* for the journal: model id and content hash */
    const char *hash;
    void (*ask)(void *self, const char *prompt, const json_t *schema, int64_t seed,
                int max_tokens, int64_t deadline_ms,
                void (*answered)(void *data, enum rv_code code, const char *text, int tokens_in,
                                 int tokens_out, const struct rv_error *err),
                void *data);
};

struct rv_model_options {
    struct rv_loop *loop;
    const struct rv_model_engine *engine; /* NULL: every question is answered "unavailable" */
    int64_t deadline_ms;                  /* 0: RV_MODEL_DEADLINE_MS */
};
struct rv_model *rv_model_create(const struct rv_model_options *options);
void rv_model_destroy(struct rv_model *model);

/* `question`: {"question","options":[..],"facts":{..},"untrusted":{..},"schema"?:{..},"max_tokens"?}
 * (borrowed).  `secrets` lists further texts to redact: names of the tenant's parties (array of
 * strings, borrowed, may be NULL).  The answer (new reference) is journaled as it is:
 *   {"ok":true,"value":{"choice":"..","reason":"..","margin":..},"usage":{"tokens":n,"in":n,"out":n},
 *    "model":{"name","hash","seed"},"prompt":"<sha256>"}
 *   {"ok":false,"code":"unavailable|timeout|invalid","message":".."}     (RV_OK too: it is an answer) */
void rv_model_decide(struct rv_model *model, const json_t *question, const json_t *secrets,
                     int64_t seed, void (*done)(void *data, json_t *answer), void *data);

/* {"state":"closed|open|half-open","asked":n,"failed":n,"engine":".."}; new reference. */
json_t *rv_model_status(const struct rv_model *model);

#endif
