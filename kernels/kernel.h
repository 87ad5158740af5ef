/* kernel.h -- the whole of an embedded language model, as reeve needs it, on one page.
 *
 * Numbers in, numbers out: what is behind this header knows nothing of ERP, runs or policies,
 * includes nothing of reeve, and plain C types go through.  What is before it (runtime/model) asks
 * one kind of question: "which of these options, and why?", under a JSON schema, with a seed,
 * before a deadline. The answer is advice; no permission ever follows from it.
 *
 * This is the boundary only.  No engine is built in yet: without one, runtime/model answers every
 * question with "unavailable" and agents follow their rules.  An engine is a static library or a
 * plug-in that defines these functions; runtime/model wraps them in its `struct rv_model_engine`.
 *
 * What an engine promises:
 *  - the same model, prompt, options, schema and seed give the same answer on the same backend;
 *  - kernel_decide returns only texts that satisfy the schema: they are made that way, token by
 * token;
 *  - memory is bounded by the limits given to kernel_open; reaching one is KERNEL_LIMIT, never a
 * crash;
 *  - nothing is written, no file but the model's is read, no socket is opened.
 *
 * Thread: any, one call at a time per session; sessions of one model may run side by side.
 */
#ifndef REEVE_KERNELS_KERNEL_H
#define REEVE_KERNELS_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum kernel_status {
    KERNEL_OK,
    KERNEL_INVALID,     /* prompt, options or schema break a rule of this header */
    KERNEL_UNSUPPORTED, /* a model format, a schema keyword or a backend that the engine does not
                           know */
    KERNEL_LIMIT,       /* context, answer or memory is full */
    KERNEL_TIMEOUT,     /* the deadline passed */
    KERNEL_CANCELED,    /* kernel_cancel */
    KERNEL_CORRUPT,     /* the model file contradicts itself */
    KERNEL_IO           /* the model file could not be read */
};
const char *kernel_status_name(enum kernel_status status);

/* What went wrong, for people: on the caller's stack, always NUL-terminated. */
struct kernel_error {
    enum kernel_status status;
    char message[256];
};

/* ---- a model: weights and vocabulary, read once, shared by all its sessions ---- */

struct kernel_model;

enum kernel_backend { KERNEL_AUTO, KERNEL_CPU, KERNEL_CUDA }; /* AUTO: CUDA where a device is */

struct kernel_open_options {
    const char *path; /* a GGUF file; mapped, not copied, where the backend can */
    enum kernel_backend backend;
    int threads;          /* 0: one per core */
    uint32_t context_max; /* tokens of prompt and answer together; 0: the model's own */
    uint64_t memory_max;  /* bytes beside the weights; 0: no limit but the machine's */
};
enum kernel_status kernel_open(const struct kernel_open_options *options, struct kernel_model **out,
                               struct kernel_error *error);
void kernel_close(struct kernel_model *model); /* after its sessions; NULL is fine */

struct kernel_model_facts {
    char name[128];   /* as the file says */
    uint8_t hash[32]; /* SHA-256 of the file: what the journal records */
    uint64_t parameters;
    uint32_t context; /* tokens the model was made for */
    uint32_t vocabulary;
    enum kernel_backend backend; /* that was chosen */
};
void kernel_model_facts(const struct kernel_model *model, struct kernel_model_facts *out);

/* How many tokens `text` is; for budgets, before anything is asked. */
enum kernel_status kernel_count_tokens(const struct kernel_model *model, const char *text,
                                       size_t length, uint32_t *out, struct kernel_error *error);

/* ---- a session: one question at a time; keeps what prompts have in common ---- */

struct kernel_session;
enum kernel_status kernel_session_create(struct kernel_model *model, struct kernel_session **out,
                                         struct kernel_error *error);
void kernel_session_destroy(struct kernel_session *session);

struct kernel_text {
    const char *bytes; /* UTF-8, need not be terminated */
    size_t length;
};

struct kernel_question {
    struct kernel_text
        instructions;         /* ours: trusted, the same for many questions (its cache is kept) */
    struct kernel_text facts; /* ours, of this question */
    const struct kernel_text *untrusted; /* others' words: the engine fences each one and lets no
                                            text in it count as a fence, an instruction or a role */
    size_t untrusted_count;
    const struct kernel_text *options; /* the choices; NULL when the schema says all */
    size_t option_count;               /* 2 to 64 where options are given */
    struct kernel_text schema; /* JSON Schema of the answer; empty: {"choice":..,"reason":..} */
    uint64_t seed;
    uint32_t answer_max; /* tokens */
    int64_t timeout_ms;  /* from the call on; 0: none */
};

struct kernel_answer {
    char *json; /* satisfies the schema; owned by the session, valid until its next question */
    size_t length;
    int32_t choice; /* index into options, -1 where none were given */
    double margin; /* log-probability between the best and the second option; sureness, not truth */
    uint32_t prompt_tokens, answer_tokens;
    uint32_t cached_tokens; /* of the prompt, not computed again */
};

/* Blocks until answered, late or canceled.  On failure `out` is untouched. */
enum kernel_status kernel_decide(struct kernel_session *session,
                                 const struct kernel_question *question, struct kernel_answer *out,
                                 struct kernel_error *error);
/* From any thread: the running kernel_decide ends with KERNEL_CANCELED within one token. */
void kernel_cancel(struct kernel_session *session);

/* ---- figures, for /metrics and `reeve doctor` ---- */

struct kernel_stats {
    uint64_t questions, failures;
    uint64_t prompt_tokens, answer_tokens, cached_tokens;
    uint64_t busy_us;
    uint64_t memory_bytes; /* beside the weights, now */
};
void kernel_stats(const struct kernel_model *model, struct kernel_stats *out);

#endif
