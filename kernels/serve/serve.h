/* serve.h -- an engine from inside: requests on their way, and who does what to them.
 *
 *     submit (caller's thread)        engine's thread, once a step                     worker
 *     request.c  tokens
 *     compile.h  grammar; a thread
 *                for those that last  ->
 *                                     plan.c    who runs, which tokens, which blocks
 *                                     batch.c   forward, then a token for each    <->  masks.c
 *                                     choose.c  which token: the backend or the host
 *                                     decide.c  options scored against each other
 *                                     answer.c  tokens to text to events
 *
 * A sequence is a request and all its tokens: those of the prompt, then those of the answer.  How
 * many of them are computed (their keys and values are in the cache) is a number; prefill,
 * decoding, forced tokens and the return after a preemption are all the same act: compute what is
 * pending, and when nothing is pending, sample the next.
 *
 * Private to kernels/serve.
 */
#ifndef REEVE_KERNELS_SERVE_SERVE_H
#define REEVE_KERNELS_SERVE_SERVE_H

#include "kernels/base/fail.h"
#include "kernels/model/chat.h"
#include "kernels/model/forward.h"
#include "kernels/serve/cache.h"
#include "kernels/serve/constraint.h"
#include "kernels/serve/sample.h"
#include "kernels/serve/spell.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    CONTEXT_DEFAULT = 8192, /* tokens: where the model allows more and nobody asked for it */
    RUNNING_DEFAULT = 64,
    QUEUE_DEFAULT = 576,       /* with those that run 640 places: a tenant alone may have 320 */
    REQUEST_UNKNOWN_MS = 1000, /* how long a request takes, while none was answered */
    STEP_TOKENS_DEFAULT = 256,
    LOGITS_BYTES_MAX = 32 << 20, /* on a GPU: all rows of logits of a step */
    LOGITS_ROWS = 16,            /* on a processor: those that are there at a time */
    OPTIONS_MAX = 64,
    STOPS_MAX = 8,
    BIASES_MAX = 300,
    STOP_BYTES_MAX = 256,
    LOGPROBS_MAX = KERNEL_ALTERNATIVES_MAX,
    PREEMPTIONS_MAX = 3,          /* of one sequence, while another victim can be found */
    AGEING_MS = 2000,             /* of waiting lift a sequence by one tier: plan.c */
    DRAFT_FIRST = 2,              /* tokens guessed ahead, at first ... */
    DRAFT_MAX = 8,                /* ... and at most */
    DRAFT_RUNNING_MAX = 8,        /* with more sequences than this nobody guesses */
    SCORE_ROWS = 8,               /* tokens of an option that are looked at together, at most */
    SCORE_STEP_TOKENS = 64,       /* ... and of all options in one step of the engine, about */
    COMPILE_SOON = 2000000,       /* steps of work (work.h) on the thread that submits: some ms */
    GRAMMARS_KEPT = 16,           /* of one tenant */
    GRAMMARS_BYTES = 8 << 20,     /* of one tenant, unless in use */
    GRAMMARS_IDLE_US = 600000000, /* unused for so long it is forgotten */
    SHORTEST_TOLD = 64 << 10, /* tokens of a schema's shortest answer that are counted, to say it */
    CLOSING_MARGIN = 2        /* tokens more than the shortest end needs, when closing begins */
};

/* A compiled schema, shared by the requests of one tenant that have it; or that it is refused. */
struct grammar_entry {
    struct grammar_entry *next;
    uint32_t tenant;
    size_t bytes;
    int64_t used_us;
    char *schema;
    size_t length;
    struct kernel_grammar *grammar; /* NULL: */
    struct kernel_error refused;
    uint32_t users;
    uint64_t used;
};

struct options {
    uint32_t count, common, longest; /* options; tokens: that all begin with, of the longest */
    struct kernel_tokens *tokens;    /* [count] of the whole beginning of the answer */
    double *score;                   /* log p, as far as it is known; decide.c */
    uint32_t scored, done;           /* of the first so many it is known whole, of the next one of
                                        so many tokens ... */
    enum kernel_backend backend;     /* ... by this one */
    double *probability;
    int32_t choice; /* -1 until decided */
};

enum sequence_state { SEQUENCE_WAITING, SEQUENCE_RUNNING, SEQUENCE_ENDED };

struct sequence {
    struct sequence *next; /* in the inbox or among the waiting */
    /* ---- what was asked ---- */
    uint64_t id;
    enum kernel_kind kind;
    uint32_t tenant, tier;
    struct kernel_sampling sampling;
    struct kernel_bias *biases; /* of its sampling */
    uint32_t answer_max, thinking_max, logprobs;
    uint32_t answer_asked, total_max; /* as the request has them; 0 no bound */
    int32_t adapter;                  /* place in the engine's list, -1 none */
    char *stops[STOPS_MAX];
    uint32_t stop_count;
    int64_t deadline_us; /* monotonic; 0 none */
    kernel_listener listener;
    void *data;
    const struct kernel_vocab *vocab;
    /* ---- where it is ---- */
    enum sequence_state state;
    int64_t submitted_us;
    int64_t waiting_since_us; /* and nothing of its tenant and tier at work */
    uint32_t preemptions;
    struct kernel_tokens tokens;
    uint32_t prompt_count, computed;
    int32_t *blocks; /* [blocks_max of the engine] */
    uint32_t block_count, sealed;
    struct kernel_chain chain; /* of the sealed blocks */
    /* ---- this step ---- */
    uint32_t chunk;     /* tokens of it in the batch, drafts included */
    uint32_t drafts;    /* of them */
    uint32_t first_row; /* of its logits in the step's outputs */
    uint32_t rows;
    bool decides; /* its row is for scoring its options */
    bool scored;  /* that is done for their first tokens */
    int32_t draft[DRAFT_MAX];
    /* ---- how many it guesses: draft.c ---- */
    uint32_t draft_max;       /* tokens */
    uint32_t draft_rest;      /* steps without a guess that are left */
    uint32_t draft_rest_last; /* ... of the rest that was taken last, 0 after a right guess */
    /* ---- the answer ---- */
    struct spell_bytes schema;   /* empty: none */
    struct kernel_error refused; /* its schema, after it was submitted: status not KERNEL_OK */
    bool canceled;               /* before it was compiled */
    bool lasts;                  /* its schema takes more than COMPILE_SOON */
    struct grammar_entry *grammar;
    struct kernel_constraint *constraint; /* NULL: free text */
    bool closing;
    uint64_t *mask;
    bool mask_ready;
    struct options *options;
    bool thinking;
    int32_t think_end; /* NONE: does not think */
    double thought;    /* log p of it, as far as it counts for the options: 0 where it does not */
    uint32_t thinking_tokens, answer_tokens;
    struct kernel_decoder decoder;
    char *held; /* decoded, not handed out: it may be the beginning of a stop text */
    size_t held_count, held_room;
    struct kernel_logprob alternatives[LOGPROBS_MAX + 1]; /* of the token that was chosen last */
    uint32_t alternative_count;
    struct kernel_logprob *told; /* of the tokens whose text was not handed out */
    uint32_t told_count, told_room;
    struct kernel_usage usage;
    double *pooled; /* EMBED: [width] sum of hidden states */
};

struct tenant_usage {
    struct tenant_usage *next;
    uint32_t tenant;
    uint32_t open;     /* its requests that have not ended */
    uint64_t compiled; /* when the compiler took one of it last: engine's grammar_clock */
    struct kernel_tenant_usage sums;
};

struct id_list {
    uint64_t *at;
    uint32_t count, room;
};

/* LOADING and LEAVING: its errand is on its way, the place and the name are taken. */
enum adapter_state { ADAPTER_FREE, ADAPTER_LOADING, ADAPTER_LOADED, ADAPTER_LEAVING };
struct adapter {
    enum adapter_state state;
    char name[64];
    char *path;
    int32_t index;  /* of the runner; -1 none */
    uint32_t users; /* requests that have not ended */
};
enum { ADAPTERS_MAX = 64 };

struct masks; /* masks.c */

/* One step's arrays, of fixed size; struct kernel_batch points into them. */
struct step {
    int32_t *token, *position, *start, *length, *block, *adapter, *output;
    struct kernel_batch batch;
    struct sequence **sequences; /* [S] */
    float *logits;  /* [vocabulary] the row that was fetched last: there are too many for all */
    uint32_t here;  /* which; UINT32_MAX: none */
    float *weighed; /* [vocabulary] a row with a request's biases and penalties */
    uint32_t *seen; /* [vocabulary] how often it stands in an answer; 0 when nobody looks */
    float *hidden;  /* [step_tokens] rows */
    bool *chosen;   /* [step_tokens] the row's token is in `picked` */
    struct kernel_pick *picks;              /* [step_tokens] what the backend is asked, in one go */
    struct kernel_picked *answers, *picked; /* [step_tokens] in the order of picks, of rows */
};

struct kernel_engine {
    struct kernel_model *model;
    const struct kernel_vocab *vocab;
    const struct kernel_chat *chat;
    struct kernel_certainty certainty;
    struct kernel_trie *trie;
    struct kernel_runner *runner;
    struct kernel_cache *cache;
    enum kernel_backend backend;
    struct kernel_engine_options options; /* its texts are not kept */
    uint32_t vocabulary, width, context_max, running_max, queue_max, step_tokens;
    uint32_t outputs_max; /* of a step: device.c */
    uint32_t blocks_max;  /* of one sequence */
    bool no_speculation;
    uint64_t *plain_mask, *thinking_mask;
    _Atomic uint32_t cache_tokens;        /* room of the cache */
    _Atomic uint64_t pieces, piece_flops; /* kernel_progress */
    atomic_bool at_work;
    pthread_t thread;
    bool started;

    /* ---- shared, under the lock ---- */
    pthread_mutex_t lock;
    pthread_cond_t woken, errand_done;
    struct sequence *inbox, **inbox_end;
    struct id_list cancels;
    uint32_t open; /* requests that have not ended */
    uint64_t next_id;
    bool stopping;
    struct grammar_entry *grammars;
    uint64_t grammar_clock;
    pthread_t compiler;
    pthread_cond_t compiler_woken;
    bool compiler_runs, compiler_stops;
    struct sequence *uncompiled, *compiling; /* in the order in which they came; at work on */
    struct adapter adapters[ADAPTERS_MAX];
    struct errand *errand;
    struct kernel_stats stats;
    struct tenant_usage *tenants;
    double mean_request_ms;

    /* ---- the engine's thread only ---- */
    struct id_list taken_cancels;
    bool ending;
    struct sequence *waiting;
    struct sequence **running, **order; /* [running_max] */
    uint32_t running_count;
    struct step step;
    struct masks *masks;
    struct kernel_stats work; /* what this thread counts; copied to `stats` after each step */
};

int64_t serve_now_us(void);
/* Of the runner, for the batch; a sequence's adapter stays while it is used. */
static inline int32_t serve_adapter(const struct kernel_engine *engine,
                                    const struct sequence *sequence)
{
    return sequence->adapter >= 0 ? engine->adapters[sequence->adapter].index : -1;
}

/* answer.c, under the lock: what is known of a tenant, made when it is first heard of. */
struct tenant_usage *tenant_of(struct kernel_engine *engine, uint32_t tenant);

/* request.c: everything that a request can be refused for. */
enum kernel_status sequence_create(struct kernel_engine *engine,
                                   const struct kernel_request *request, struct sequence **out,
                                   struct kernel_error *error);
void sequence_destroy(struct kernel_engine *engine, struct sequence *sequence);
/* Its schema.  KERNEL_OK without a grammar: that takes more than the effort. */
enum compile_effort {
    COMPILE_SUBMITTING, /* COMPILE_SOON; none where the compiler has others of the tenant to do */
    COMPILE_LITTLE,     /* COMPILE_SOON */
    COMPILE_WHOLE
};
enum kernel_status sequence_compile(struct kernel_engine *engine, struct sequence *sequence,
                                    enum compile_effort effort, struct kernel_error *error);

/* engine.c, with the lock: the engine's thread takes it from here. */
void inbox_add(struct kernel_engine *engine, struct sequence *sequence);

/* plan.c: the next batch; false when there is nothing to do. */
bool plan_step(struct kernel_engine *engine);
void plan_leave(struct kernel_engine *engine, struct sequence *sequence); /* running: gives back */
void plan_leave_ended(struct kernel_engine *engine);                      /* and destroys them */
void plan_preempt(struct kernel_engine *engine, struct sequence *sequence); /* running: waits */
/* Blocks for `tokens` tokens in all; false when there are none and nobody can be preempted for it.
 */
bool plan_blocks(struct kernel_engine *engine, struct sequence *sequence, uint32_t tokens);

/* device.c: the runner and its cache on the backend that was asked for, or on a processor where
 * that was left open. */
enum kernel_status device_open(struct kernel_engine *engine,
                               const struct kernel_engine_options *options,
                               struct kernel_error *error);
/* The GPU has failed (`why`).  Where the backend was left open a processor takes over: everybody
 * waits again, nothing that was said is lost.  false: it cannot. */
bool device_replace(struct kernel_engine *engine, struct kernel_error *why);

/* batch.c */
void step_run(struct kernel_engine *engine);

/* Its logits are not the model's alone. */
static inline bool sampling_weighs(const struct kernel_sampling *sampling)
{
    return sampling->bias_count > 0 || sampling->presence != 0 || sampling->frequency != 0;
}

/* choose.c: what came out of the step, as far as it is wanted together. */
enum kernel_status rows_take(struct kernel_engine *engine, bool hidden, struct kernel_error *error);
/* The sequence's next token out of its row `i`, and the alternatives to it.  KERNEL_CORRUPT:
 * numbers of that row are not finite, or no token may come. */
enum kernel_status row_choose(struct kernel_engine *engine, struct sequence *sequence, uint32_t i,
                              int32_t *token, struct kernel_error *error);
/* That row itself, if it is finite, until the next one is asked for; no other step may have begun.
 */
enum kernel_status row_logits(struct kernel_engine *engine, const struct sequence *sequence,
                              uint32_t i, const float **out, struct kernel_error *error);
/* The same of any row of the runner's last step, of the token at `position`. */
enum kernel_status row_at(struct kernel_engine *engine, uint32_t row, int32_t position,
                          const float **out, struct kernel_error *error);

/* decide.c: scores the options after the common beginning: their first tokens out of the last row
 * of that, then the rest, `scored` tokens of all in this step.  The choice stays -1 until the last.
 */
void decide_begin(const struct kernel_engine *engine, struct sequence *sequence,
                  const float *logits);
enum kernel_status decide(struct kernel_engine *engine, struct sequence *sequence, uint32_t *scored,
                          struct kernel_error *error);

/* draft.c: tokens that followed when the last few stood there before; returns how many. */
uint32_t draft_guess(const struct sequence *sequence, uint32_t max, int32_t *out);
/* The step is over, and so many of its guesses were right. */
void draft_learn(struct sequence *sequence, uint32_t right);

/* masks.c: masks of the sequences in this step, made while the forward pass runs. */
struct masks *masks_create(void);
void masks_destroy(struct masks *masks);
void masks_begin(struct masks *masks, struct sequence **sequences, uint32_t count);
void masks_wait(struct masks *masks, uint64_t *us, uint64_t *made);
void mask_make(struct sequence *sequence);

/* answer.c */
bool answer_text(struct sequence *sequence, int32_t token); /* false: a stop text was met */
void answer_flush(struct sequence *sequence);
void answer_logprobs(struct sequence *sequence, int32_t token); /* of the one that was taken */
void answer_done(struct kernel_engine *engine, struct sequence *sequence, enum kernel_finish finish,
                 const float *vector);
void answer_failed(struct kernel_engine *engine, struct sequence *sequence,
                   const struct kernel_error *error);

#endif
