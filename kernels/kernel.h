/* kernel.h -- the whole of an embedded language model, as reeve needs it, on one page.
 *
 * Numbers in, numbers out: what is behind this header knows nothing of ERP, runs or policies,
 * includes nothing of reeve, and plain C types go through.
 *
 *     file --kernel_model_open--> model --kernel_engine_create--> engine
 *                                                       submit -> | queue > batch > step > ... | ->
 * events
 *
 * A model is weights and vocabulary, read only.  An engine runs one model on one backend: it owns a
 * key-value cache of a given size and a thread that takes many requests forward together, a token
 * batch at a time.  A request asks for text, for an answer under a JSON schema, for one of several
 * options, or for an embedding.
 *
 * What an engine promises:
 *  - The same request gives the same bytes on the CPU, whatever else is being answered, however its
 * prompt was cut, with or without cached prefixes, on any number of threads.  Randomness depends on
 * (seed, position) alone.
 *  - An answer under a schema satisfies it: it is made that way, token by token, and closed in time
 * where it meets its token limit.  Nothing else may end it: stop texts are refused with one.
 *  - Nothing of one tenant is shared with another: no cached prefix, no batch effect, no count.
 *  - Memory is bounded by the limits given to kernel_engine_create; a full queue, or a tenant with
 * more in it than there are places left, is KERNEL_BUSY with the time after which to try again; a
 * prompt that does not fit is KERNEL_LIMIT with both numbers. Nothing is silently cut.
 *  - No file but the model's is read, none is written unless kernel_model_write is called, no
 * socket is opened.
 *
 *  - Nobody waits for another's schema: one that takes more than a few milliseconds is compiled on
 *    a thread for that, tenants in turn, after its request got a place in the queue; one that was
 *    refused is remembered, for its tenant, like one that was compiled.
 *
 * Thread: any, for every function; events come on the engine's own thread and must not block.
 */
#ifndef REEVE_KERNELS_KERNEL_H
#define REEVE_KERNELS_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum kernel_status {
    KERNEL_OK,
    KERNEL_INVALID,     /* prompt, options or schema break a rule, or a schema one of its limits */
    KERNEL_UNSUPPORTED, /* a model format, a schema keyword or a backend that is not known */
    KERNEL_LIMIT,       /* context, answer or memory is full */
    KERNEL_BUSY,        /* the queue is full, or the tenant's share of it: later again */
    KERNEL_TIMEOUT,     /* the deadline passed */
    KERNEL_CANCELED,    /* kernel_cancel */
    KERNEL_CORRUPT,     /* the model file contradicts itself, or its numbers are not finite */
    KERNEL_IO,          /* the model file could not be read */
    KERNEL_DEVICE       /* the GPU is gone or out of memory */
};
const char *kernel_status_name(enum kernel_status status);

/* What went wrong, for people: on the caller's stack, always NUL-terminated. */
struct kernel_error {
    enum kernel_status status;
    int64_t retry_ms; /* of KERNEL_BUSY; else 0 */
    int64_t needs;    /* of KERNEL_LIMIT for a request's total_max: tokens of its prompt and of the
                         shortest answer; else 0 */
    char message[256];
};

/* UTF-8, need not be terminated. */
struct kernel_text {
    const char *bytes;
    size_t length;
};

/* ---- a model: weights and vocabulary, mapped, read only, shared ---- */

struct kernel_model;
enum kernel_status kernel_model_open(const char *path, struct kernel_model **out,
                                     struct kernel_error *error);
/* A model of that shape with random weights, in memory: for measurements.  `type` is a tensor type
 * (Q8_0, F16 ...) or Q4_K_M, the mix.  The same arguments give the same bytes. */
enum kernel_status kernel_model_make(const char *shape, const char *type, uint64_t seed,
                                     struct kernel_model **out, struct kernel_error *error);
const char *kernel_shape_name(uint32_t i); /* the shapes that can be made; NULL behind the last */
/* How its chats are written, where the file's own template is not to be taken: one of the formats
 * below.  Before its engines. */
enum kernel_status kernel_model_use_chat(struct kernel_model *model, const char *format,
                                         struct kernel_error *error);
const char *kernel_chat_format(uint32_t i); /* those that are known; NULL behind the last */
/* The model's file, whole; KERNEL_IO when `path` exists. */
enum kernel_status kernel_model_write(const struct kernel_model *model, const char *path,
                                      struct kernel_error *error);
void kernel_model_close(struct kernel_model *model); /* after its engines; NULL is fine */

struct kernel_model_facts {
    char name[128];        /* as the file says */
    char architecture[16]; /* llama, qwen2, qwen3 */
    char type[16];         /* of most of its weights: Q8_0 ... */
    char chat[24];         /* the chat format, recognised or named; "" none, then: */
    char chat_fault[128];  /* why its template cannot be used; "" the file has none */
    uint8_t hash[32];      /* SHA-256 of the file: what the journal records */
    uint64_t parameters, bytes;
    uint32_t context; /* tokens the model was made for */
    uint32_t vocabulary;
    uint32_t layers, width;
};
void kernel_model_facts(const struct kernel_model *model, struct kernel_model_facts *out);

/* How many tokens `text` is; for budgets, before anything is asked. */
uint32_t kernel_count_tokens(const struct kernel_model *model, struct kernel_text text);
/* The bytes a token stands for, as long as the model is open; empty for special tokens. */
struct kernel_text kernel_token_text(const struct kernel_model *model, int32_t token);

/* ---- an engine: one model at work ---- */

struct kernel_engine;
enum kernel_backend { KERNEL_AUTO, KERNEL_REF, KERNEL_CPU, KERNEL_CUDA }; /* AUTO: CUDA, else CPU */

struct kernel_engine_options {
    enum kernel_backend backend;
    uint32_t threads;      /* of the CPU backend; 0: one per core */
    uint32_t context_max;  /* tokens of prompt and answer together; 0: the model's own */
    uint64_t cache_bytes;  /* of keys and values; 0: 256 MiB or what one context needs */
    uint32_t running_max;  /* sequences in a batch; 0: 64 */
    uint32_t queue_max;    /* requests that wait; 0: 576 */
    uint32_t step_tokens;  /* of a batch, prompts included; 0: the backend's own */
    bool no_prefix_cache;  /* for comparisons */
    bool no_speculation;   /* for comparisons */
    bool same_bytes;       /* CUDA: no library whose sums depend on the batch; else it is so */
    const char *cuda_path; /* the plug-in; NULL: beside the program */
};
enum kernel_status kernel_engine_create(struct kernel_model *model,
                                        const struct kernel_engine_options *options,
                                        struct kernel_engine **out, struct kernel_error *error);
void kernel_engine_destroy(struct kernel_engine *engine); /* open requests end with CANCELED */

/* A LoRA adapter (GGUF) for this engine's model, by name; its requests share batches with others.
 */
enum kernel_status kernel_adapter_load(struct kernel_engine *engine, const char *name,
                                       const char *path, struct kernel_error *error);
enum kernel_status kernel_adapter_unload(struct kernel_engine *engine, const char *name,
                                         struct kernel_error *error);

/* ---- a request ---- */

/* How probable an option is.  Each of the n options is written out as the answer would have it;
 * p_i is what the model gives its tokens together, over the sum of all n.  Where the model thought
 * before it chose, that holds after this thought: after a wrong one it looks as sure as after a
 * right one.
 *
 * A file may say that its thoughts are canonical: one text is the right one for a question (key
 * reeve.thought.canonical, true; absent: they are not).  Then the thought is measured as well: P is
 * the product of the probabilities of its tokens as they were chosen, over the whole vocabulary,
 * with the mark that ends it, without what was forced (the mark, where the thought reached its
 * limit).  That is how probable the model finds it that this thought is the right one.  If it is,
 * the option follows from it; if it is not, another one would have led somewhere, and nothing is
 * known of where:
 *
 *     probability_i = p(this thought) p(i | this thought) + p(another) p(i | another)
 *                   = P p_i + (1 - P) / n
 *
 * The order of the options stays, they sum to 1, and where nothing was thought P is 1.
 *
 * What a model says of itself may be too sure or too modest on the whole.  A file may name the
 * temperature T at which its probabilities came true on cases that it was not trained on (key
 * reeve.probability.temperature, 0.05 to 20; absent: 1).  The logits of the thought are divided by
 * it for P, and the log-probabilities of whole options for p_i.  What is thought and which option
 * is chosen does not depend on it. */

enum kernel_role { KERNEL_SYSTEM, KERNEL_USER, KERNEL_ASSISTANT, KERNEL_TOOL };
struct kernel_message {
    enum kernel_role role;
    struct kernel_text text; /* never read for special tokens, whatever it looks like */
};

enum kernel_kind {
    KERNEL_CHAT,     /* messages through the model's chat format; without one: UNSUPPORTED */
    KERNEL_COMPLETE, /* messages[0] as it is */
    KERNEL_EMBED     /* messages[0]: a vector */
};

/* What is added to the logit of a token before it is divided by the temperature, -100 to 100. */
struct kernel_bias {
    int32_t token;
    double add;
};

/* A token's logit, where one is chosen, is the model's, plus its bias, minus `frequency` times as
 * often as it stands in the answer so far (thinking and forced tokens included, the prompt not),
 * minus `presence` where it stands there at all; then temperature, top_k, top_p and min_p.  Which
 * tokens may come at all (a schema's, and never padding) is decided before and apart: no bias lets
 * another one come, and where all that may come are lowered alike they are as probable as without.
 * Log-probabilities that are told are the model's own. */
struct kernel_sampling {
    double temperature;  /* 0: the most probable token, the lowest id where equal */
    double top_p, min_p; /* 0: off */
    uint32_t top_k;      /* 0: off */
    uint64_t seed;
    double presence, frequency;     /* -2 to 2; 0: off */
    const struct kernel_bias *bias; /* those of one token add up */
    uint32_t bias_count;            /* at most 300; not, nor a penalty, with options: measured */
};

#define KERNEL_NO_THINKING UINT32_MAX

struct kernel_request {
    enum kernel_kind kind;
    uint32_t tenant; /* prefixes are shared inside one tenant only; from the caller's credential */
    uint32_t tier;   /* 0 is served first; waiting lifts a request */
    const struct kernel_message *messages;
    uint32_t message_count;
    struct kernel_text schema; /* JSON Schema the answer satisfies; empty: free text */
    const struct kernel_text
        *options;          /* the choices: the answer is {"choice":one of them,"reason":..},
                              unless a schema says otherwise; probabilities measured */
    uint32_t option_count; /* 0, or 2 to 64 */
    const struct kernel_text *stop; /* texts that end the answer; not part of it.  None where a
                                       schema or options say what it is: KERNEL_INVALID */
    uint32_t stop_count;            /* at most 8 */
    struct kernel_sampling sampling;
    uint32_t answer_max;   /* tokens; 0: what the context leaves */
    uint32_t total_max;    /* tokens of prompt and answer together, 0: no such bound.  The answer is
                              cut down to what the prompt leaves of it; KERNEL_LIMIT where that is
                              nothing, or less than the shortest answer of a schema or options */
    uint32_t thinking_max; /* tokens of a thinking model before its answer; 0: answer_max / 2 */
    uint32_t logprobs;     /* so many alternatives a token, at most 20 */
    const char *adapter;   /* NULL: none */
    int64_t timeout_ms;    /* from submit on; 0: none */
};

/* LENGTH: it met its limit of tokens; where a schema or options hold, it was closed there in the
 * shortest way. */
enum kernel_finish { KERNEL_STOPPED, KERNEL_LENGTH };

struct kernel_usage {
    uint32_t prompt_tokens, cached_tokens;   /* cached: of the prompt, not computed again */
    uint32_t answer_tokens, thinking_tokens; /* thinking: of the answer */
};

struct kernel_logprob {
    int32_t token;
    float logprob;
    uint32_t others; /* of a token of the answer: so many alternatives follow; else 0 */
};

enum kernel_event_kind { KERNEL_PIECE, KERNEL_DONE, KERNEL_FAILED };
struct kernel_event {
    enum kernel_event_kind kind;
    /* PIECE: whole UTF-8 characters, as soon as they cannot change any more; no text where only
     * log-probabilities were left */
    struct kernel_text text;
    bool thinking;
    const struct kernel_logprob
        *logprobs; /* of each of its tokens: the token itself, then its alternatives.  One that
                      had to come (log-probability 0) has none: nothing was chosen */
    uint32_t logprob_count;
    /* DONE */
    enum kernel_finish finish;
    struct kernel_usage usage; /* FAILED too: what was spent */
    int32_t choice;            /* index into options; -1 where none were given */
    const double *probability; /* [option_count], see above; of the choice and the others */
    const float *vector;       /* EMBED: [width], length 1 */
    /* FAILED */
    const struct kernel_error *error;
};
typedef void (*kernel_listener)(void *data, const struct kernel_event *event);

/* The places are running_max and queue_max together.  A tenant may have as many requests open as
 * there are places left (dynamic thresholds: Choudhury and Hahne 1998): alone it gets half of them;
 * where one has its half, the next gets half of the rest, and so on.  So who piles up meets its own
 * limit, and a tenant with nothing open is admitted while there is any place.
 *
 * Everything in `request` is copied.  After KERNEL_OK exactly one DONE or FAILED comes, after any
 * number of PIECEs; otherwise nothing.  `*id` names it for kernel_cancel.  A schema that is refused
 * is one or the other: at once where that is soon found out, else as FAILED with the same error. */
enum kernel_status kernel_submit(struct kernel_engine *engine, const struct kernel_request *request,
                                 kernel_listener listener, void *data, uint64_t *id,
                                 struct kernel_error *error);
/* Ends it with KERNEL_CANCELED within one step, or as soon as its schema is compiled, where that
 * has begun; nothing when it has ended. */
void kernel_cancel(struct kernel_engine *engine, uint64_t id);

/* ---- figures, for /metrics and `reeve doctor` ---- */

struct kernel_stats {
    enum kernel_backend backend;
    char device[64];    /* "CPU: AMX, 2 threads" */
    char fallback[192]; /* why it is not on the GPU, where one was looked for; "" */
    uint64_t requests, failures, canceled, refused;
    uint64_t prompt_tokens, answer_tokens, cached_tokens;
    uint64_t steps, preemptions, recomputed_tokens, forced_tokens;
    uint64_t busy_us, mask_us, masks;
    uint32_t running, waiting; /* waiting for their schemas, too */
    uint32_t blocks, blocks_used, blocks_cached;
    uint64_t memory_bytes; /* beside the file, now */
    uint32_t context;      /* tokens of prompt and answer together, at most */
};
void kernel_stats(const struct kernel_engine *engine, struct kernel_stats *out);
/* Whether it gets on, for whoever watches its thread: waits for nobody, whatever that does.  Work
 * counts in pieces, an operation over a batch or the row of one sequence; `done` stands still while
 * one is made.  At work: it has requests, and is not loading an adapter or a backend for them. */
struct kernel_progress {
    uint64_t done;
    bool at_work;
    uint64_t piece_flops; /* floating-point operations of the largest piece there can be */
};
void kernel_progress(const struct kernel_engine *engine, struct kernel_progress *out);
/* Of one tenant: sums over its requests that have ended, the failed ones too. */
struct kernel_tenant_usage {
    uint64_t requests, prompt_tokens, cached_tokens, answer_tokens, thinking_tokens;
};
void kernel_tenant_usage(const struct kernel_engine *engine, uint32_t tenant,
                         struct kernel_tenant_usage *out);

#endif
