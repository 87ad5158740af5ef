/* openai.h -- the API that programs already speak: a request read into a question for the engine,
 * and the engine's events written as that API has them.
 *
 *     POST /v1/chat/completions   messages, tools, response_format; stream or whole
 *     POST /v1/completions        up to 64 prompts, a choice for each
 *     POST /v1/embeddings         up to 256 texts
 *     GET  /v1/models, /v1/models/NAME
 *     GET  /v1/answers/ID         ours: what made an answer
 *
 * n choices are n questions: each is computed, recorded and charged for by itself, except that the
 * prompt's tokens are counted once, in the usage and in the company's share of the day.
 * logit_bias and the penalties are the engine's (kernel.h): they choose among the tokens that may
 * come, so an answer under a schema satisfies it whatever they say, and where all that may come are
 * banned alike none is.
 *
 * What is not known is ignored, what is known and cannot be done is refused by name, and a wrong
 * type names its place by a JSON pointer, also of a member that changes nothing here (user, store,
 * a name).  The tenant is the caller's, whatever the body says.  Calls in earlier messages have an
 * id and arguments that are a JSON object, and a tool's message names one of those ids.
 *
 * An answer under a schema (tools, response_format) satisfies it, so stop texts cannot go with one:
 * they would cut it where it is no JSON any more, and the request is refused at /stop.  Of an
 * assistant's message the model sees what its chat template shows it: where that leaves earlier
 * thinking out, everything up to the last </think> is left out, as in the original.
 *
 * Functions through the constraint: with tools the answer is made under a schema whose alternatives
 * are the calls (and, where the model may choose, {"content": text}), so that a call always has
 * arguments that satisfy its parameters.  Arguments are an object; references in parameters are
 * read from the parameters' own root, as whoever wrote them meant them.
 *
 * openai_read.c, openai_types.c and openai_write.c are pure; api_openai.c has the calls.  Private
 * to runtime/http.
 */
#ifndef REEVE_RUNTIME_HTTP_OPENAI_H
#define REEVE_RUNTIME_HTTP_OPENAI_H

#include "runtime/base/buf.h"
#include "runtime/base/json.h"

enum {
    RV_OPENAI_TOOLS_MAX = 128,
    RV_OPENAI_INPUTS_MAX = 256,
    RV_OPENAI_PROMPTS_MAX = 64,
    RV_OPENAI_N_MAX = 16,        /* choices of each prompt ... */
    RV_OPENAI_CHOICES_MAX = 128, /* ... and of a request */
    RV_OPENAI_BIASES_MAX = 300,  /* as the engine has it */
    RV_OPENAI_AT_ONCE = 16, /* questions of one request that are at the engine: it has a share for
                               each company, and the rest of this one's requests want some, too */
    RV_OPENAI_STOPS_MAX = 4,
    RV_OPENAI_STOP_BYTES_MAX = 256, /* as the engine has it */
    RV_OPENAI_LOGPROBS_MAX = 20,
    RV_OPENAI_COMPLETION_DEFAULT = 16, /* tokens: as the original has it for /v1/completions */
    RV_OPENAI_MODEL_MAX = 200,         /* MODEL or MODEL:ADAPTER */
    RV_OPENAI_PLACE_MAX = 320
};
#define RV_OPENAI_SEED_MOST (UINT64_C(1) << 52) /* of a drawn one: JavaScript reads it whole */

enum rv_openai_kind { RV_OPENAI_CHAT, RV_OPENAI_COMPLETION, RV_OPENAI_EMBEDDING };

struct rv_openai_fault {
    char message[256];
    char pointer[128]; /* "/messages/0/role"; "" the whole */
};

struct rv_openai_ask {
    enum rv_openai_kind kind;
    char model[RV_OPENAI_MODEL_MAX + 1];
    json_t *question; /* for rv_engine_ask, without a tenant, and of completions without its
                         messages; NULL for embeddings */
    json_t *inputs;   /* of completions and embeddings: texts, each with a question of its own */
    size_t n;         /* choices of each input, or of the messages: questions of their own, too */
    json_t *adapter;  /* for the engine; NULL none.  Not from the body: the caller's company's */
    bool stream, usage_chunk;
    bool tools;               /* the answer is a call, or {"content"} */
    size_t tool;              /* the index of the only one that may be called */
    bool logprobs;            /* wanted ... */
    int alternatives;         /* ... with so many others a token */
    bool base64;              /* of embeddings */
    int64_t kept;             /* tokens that are kept back for it: openai_share.h */
    const char *length_field; /* which member says how long the answer may be; NULL: none does */
};

/* False: `fault` says what and where.  `out` is finished either way by rv_openai_ask_fini. */
bool rv_openai_read(enum rv_openai_kind kind, const json_t *body, struct rv_openai_ask *out,
                    struct rv_openai_fault *fault);
void rv_openai_ask_fini(struct rv_openai_ask *ask);
/* The first step of it, openai_types.c: types of members, and that what was called before is whole.
 */
bool rv_openai_check_types(enum rv_openai_kind kind, const json_t *body,
                           struct rv_openai_fault *fault);
/* Where in the request the fault is that the engine tells of its input `index`: a pointer into
 * `out`; "" not known. */
void rv_openai_place(const struct rv_openai_ask *ask, size_t index, enum rv_code code,
                     const char *message, char *out, size_t room);

/* ---- answers; new references ---- */

struct rv_openai_head { /* of every object of one answer */
    enum rv_openai_kind kind;
    const char *id;
    const char *model;
    const char *fingerprint; /* of what answered: the same request gives the same bytes under it */
    int64_t created_s;
    int64_t seed;     /* of each prompt's first choice, where one was asked for ... */
    bool seeds_apart; /* ... else of the first of all; the others have the next ones */
    size_t n;         /* choices of each prompt, which stand together */
};

/* Of a choice, which tells it ("seed", ours): with it and n = 1 its prompt gives the same text
 * again.  Where the request has a seed, the k-th choice of every prompt, from 0 on, has seed + k
 * (modulo 2^63); without one the choice `index` has a drawn one + index. */
int64_t rv_openai_seed(const struct rv_openai_head *head, size_t index);

json_t *rv_openai_error(const char *type, const char *code, const char *message,
                        const char *pointer);
json_t *rv_openai_usage(const json_t *usage);
/* One token's entry of "logprobs" from the engine's list, in the form of the chat API. */
json_t *rv_openai_logprob(const json_t *list, int alternatives);
/* Gives an entry of completions its "text_offset": in characters, from the beginning of the prompt
 * on, as the original counts (without an echo the answer's first token stands behind the prompt).
 * `begun`: of prompt and answer, the characters before it; counts on.  A token that goes on with a
 * character has that character's place. */
void rv_openai_place_logprob(json_t *entry, size_t *begun);
size_t rv_openai_characters(const json_t *text);
/* A chunk with a delta ("text" for completions) of the choice `index`; `delta` and `logprobs` are
 * taken, may be NULL. */
json_t *rv_openai_chunk(const struct rv_openai_head *head, size_t index, json_t *delta,
                        json_t *logprobs, const char *finish);
json_t *rv_openai_usage_chunk(const struct rv_openai_head *head, const json_t *usage);
/* One choice of the whole; takes `message` (chat) or a text (completion) and `logprobs`. */
json_t *rv_openai_choice(const struct rv_openai_head *head, size_t index, json_t *message,
                         json_t *logprobs, const char *finish);
/* The whole; takes the list of choices. */
json_t *rv_openai_whole(const struct rv_openai_head *head, json_t *choices, const json_t *usage);
/* A call of a function: the message of a whole answer, and of a stream the delta that begins it and
 * those that follow.  They take `arguments`, a text or a piece of it. */
json_t *rv_openai_call_message(const char *id, const char *name, json_t *arguments);
json_t *rv_openai_call_begin(const char *id, const char *name);
json_t *rv_openai_call_more(json_t *arguments);

#endif
