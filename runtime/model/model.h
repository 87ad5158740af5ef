/* model.h -- the port to a language model: an adviser, treated as untrusted input.
 *
 * A question offers options (or a schema); the answer is one of them or "unavailable".
 *
 *     question --redact--> prompt --engine--> text --schema, options--> restore --> answer
 *                                     ^-- at most twice more, told why --'
 *
 *  - Personal data never leaves: IBANs, cards, e-mail addresses, telephone numbers by their form,
 * names by the caller's list; each becomes a token (<IBAN_1>) and is put back in what comes out
 * (redact.h).
 *  - What outsiders wrote stands in one block between two lines that carry a number nobody outside
 * can know, one JSON value a line: no text in it can end the block or begin a line (prompt.h).
 *  - The answer is checked here, whatever the engine promises: against the schema, and that the
 * choice was offered.  Only then it is restored and handed on.
 *  - One deadline for a question with all its tries; one allowance of answer tokens too.
 *  - A circuit breaker: an engine that does not answer several times in a row is given a pause,
 * then one trial.  Wrong answers do not count: no document can talk the company out of its adviser.
 *
 * The engine is behind `struct rv_model_engine`; port.h makes one of kernels in a process of its
 * own.
 *
 * Thread: the loop's; the engine may work elsewhere and answers by its callback on the loop.
 */
#ifndef REEVE_RUNTIME_MODEL_MODEL_H
#define REEVE_RUNTIME_MODEL_MODEL_H

#include "runtime/base/error.h"
#include "runtime/base/json.h"
#include "runtime/loop/loop.h"
#include "runtime/model/tier.h"

struct rv_model;

enum {
    RV_MODEL_DEADLINE_MS = 30000,
    RV_MODEL_BREAKER_FAILURES = 5,    /* so many in a row ... */
    RV_MODEL_BREAKER_OPEN_MS = 30000, /* ... and nobody is asked for this long */
    RV_MODEL_SETTLE_MS = 1000, /* after the deadline, for the engine to say what it took already */
    RV_MODEL_PROMPT_MAX = 64 << 10,
    RV_MODEL_ANSWER_MAX = 64 << 10, /* bytes of an answer that are looked at */
    RV_MODEL_TOKENS_DEFAULT = 256,
    RV_MODEL_TRIES_MAX = 3,       /* the first and two repairs */
    RV_MODEL_TRY_TOKENS_MIN = 16, /* no repair with fewer answer tokens left */
    RV_MODEL_REASON_MAX = 1000,
    RV_MODEL_ADAPTER_MAX = 32 /* bytes of an adapter's name */
};
#define RV_MODEL_ADAPTER_NONE "none" /* instead of a name */

/* For whom a question is: whose memory and quota it uses, and what accounts name. */
struct rv_model_asker {
    int32_t tenant;    /* from the run, never from a plan */
    const char *agent; /* "" nobody's; borrowed for the call */
    int64_t run;       /* 0: none */
    /* tokens, prompts and answers of all tries together, that the question may take; 0: no bound */
    int64_t tokens_left;
};

/* What an engine is asked; borrowed until it has answered. */
struct rv_model_request {
    int32_t tenant;
    int tier; /* the company's: 0 is served first */
    const char *agent;
    int64_t run;
    const char *instructions; /* ours, the same for every question: its cache may be kept */
    const char *facts;        /* ours: question, options, facts */
    const char *untrusted;    /* the block with its fence; "" when there is none.  An engine with
                                 special tokens must not read any in here */
    const char *text;         /* the three together, for engines that take one text */
    const json_t
        *options; /* the choices as they stand in the prompt; NULL where a schema says all */
    const json_t *schema; /* of the answer */
    const char *adapter;  /* of this company, by name; "": the one that its agents use, if any;
                             RV_MODEL_ADAPTER_NONE, NULL: without */
    int64_t seed;
    int max_tokens;
    int64_t tokens_left; /* that prompt and answer together may take, 0: no bound.  The answer is
                            cut down to what the prompt leaves of it */
    int64_t deadline_ms; /* what is left */
};

struct rv_model_reply {
    const char *text; /* JSON */
    int choice;       /* index into options, or -1 when the text alone says it */
    int margin;       /* 1 to 100: percent points between the probability of the best option and the
                         second; 0 not measured.  What the text says of its own margin counts nothing */
    const double *probability; /* of each option, measured; NULL: not */
    bool cut; /* the answer met its limit and was closed there: it is valid, and says less than it
                 would */
    int tokens_in, tokens_out;
    int tokens_cached;     /* of tokens_in: not computed again */
    int tokens_thinking;   /* of tokens_out */
    int64_t tokens_needed; /* of RV_LIMIT: at least so many are needed, more than tokens_left */
    const json_t *model;   /* what answered: {"name","hash","template","sampler"}, for the journal;
                              borrowed.  NULL: the engine's name and hash */
};
typedef void (*rv_model_answered)(void *data, enum rv_code code, const struct rv_model_reply *reply,
                                  const struct rv_error *err);

struct rv_model_engine {
    void *self;
    const char *name; /* for the journal: model id and content hash */
    const char *hash;
    /* `answered` exactly once, on the loop; also inside ask.  RV_LIMIT: the prompt is too long, or
     * the company has used its share, or (tokens_needed) tokens_left is not enough; RV_INVALID: the
     * schema is none that it can promise.  A failure may have a reply too, with what it took. */
    void (*ask)(void *self, const struct rv_model_request *request, rv_model_answered answered,
                void *data);
    /* Whether it has a model for that company; NULL: always. */
    bool (*serves)(void *self, int32_t tenant);
    /* Why it has none, where that is not as it was set up; false: it is.  NULL: always is. */
    bool (*lacks)(void *self, struct rv_error *err);
    /* The model that answers that company, as people know it; NULL: the engine's name says it. */
    const char *(*model)(void *self, int32_t tenant);
    /* Nobody waits for `data` any more; `answered` is still owed.  NULL: cannot. */
    void (*cancel)(void *self, void *data);
};

struct rv_model_options {
    struct rv_loop *loop;
    const struct rv_model_engine *engine; /* NULL: every question is answered "unavailable" */
    int64_t deadline_ms;                  /* 0: RV_MODEL_DEADLINE_MS */
    const struct rv_model_tiers *tiers;   /* of the companies; NULL: all alike; borrowed */
};
struct rv_model *rv_model_create(const struct rv_model_options *options);
/* Questions that are still open are never answered. */
void rv_model_destroy(struct rv_model *model);

/* The tokens that the answer to a question may take: a budget keeps them back before it is asked.
 */
static inline int64_t rv_model_tokens_most(const json_t *question)
{
    return rv_json_int(question, "max_tokens", RV_MODEL_TOKENS_DEFAULT);
}

/* `question`: {"question","options":[..] |
 * "schema":{..},"facts":{..},"untrusted":{..},"max_tokens"?,"adapter"?} (borrowed for the call).
 * `names` lists texts to hide beside what is found by form: names of the company's parties (array
 * of strings, borrowed for the call, may be NULL).  `done` is called exactly once, on the loop,
 * never inside the call.  The answer (new reference) is journaled as it is:
 *   {"ok":true,"value":{"choice":"..","reason":"..","margin":..,"probability"?:{option:"0.8731"},
 *                       "tokens":{"prompt":n,"cached":n,"answer":n,"thinking":n}} |
 *           what the schema says,
 *    "usage":{"tokens":n,"in":n,"out":n,"cached":n,"tries":n,"ms":n},
 *    "model":{"name","hash","template","sampler","seed"},"prompt":"<sha256>"}
 *   {"ok":false,"code":"unavailable|limit|invalid","message":"..","usage":{..}?,"needs":n?}
 * code "unavailable": no engine, engine failed, breaker open, or the message begins with
 * "deadline"; "limit": the prompt is too long, or the company's share is used up, or (with "needs")
 * the asker's tokens_left are fewer than prompt and shortest answer: nothing was computed then;
 * "invalid": the question is wrong, or so was every answer, or there was no room for another. */
void rv_model_decide(struct rv_model *model, const struct rv_model_asker *asker,
                     const json_t *question, const json_t *names, int64_t seed,
                     void (*done)(void *data, json_t *answer), void *data);

/* Whether that company has a model at all. */
bool rv_model_has_engine(const struct rv_model *model, int32_t tenant);
/* The name of that model, "" without one; valid until the next call of the loop. */
const char *rv_model_name(const struct rv_model *model, int32_t tenant);
/* {"state":"closed|open|half-open","asked":n,"failed":n,"refused":n,"late":n,"tokens_in":n,
 * "tokens_out":n,"engine":".."}; new reference.  refused: answers that broke the schema. */
json_t *rv_model_status(const struct rv_model *model);

#endif
