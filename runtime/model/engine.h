/* engine.h -- the language model at work in a process of its own, so that its crash costs a retry.
 *
 *     any loop: ask --post--> supervisor's loop --frames--> engine process (child.h)
 *        listener <--post--   (one per model)   <--------
 *
 *   DOWN --start--> STARTING --ready--> READY
 *     ^                |                  |      ended, broken, silent or stuck (then it is
 * killed);
 *     '----pause-------+------------------'      a late answer alone costs nobody else his
 *
 * The process is this program again, opened with the model's file; it ends when we do.  When it
 * goes, open questions are asked once more within their deadline: the same question gives the same
 * bytes, so a stream goes on where it was.  Those that lose it twice end with RV_UNAVAILABLE
 * "engine restarted".  A model that cannot be opened ends every question at once, with the reason.
 *
 * A question is a JSON object (taken):
 *   "kind"      "chat" (default), "complete", "embed"
 *   "messages"  [{"role":"system|user|assistant|tool","text":".."}, ...]
 *   "tenant", "tier"                        numbers; the tenant as the credential says
 *   "schema"    JSON Schema of the answer;  or "options" [texts];  or neither
 *   "stop" [texts], "temperature", "top_p", "min_p", "top_k", "seed" (integer), "max" (tokens),
 *   "presence", "frequency" (penalties), "bias" [[token, what is added to its logit], ...],
 *   "max_total" (tokens of prompt and answer together, 0 no bound; the answer is cut down to it),
 *   "thinking_max" (tokens, -1 none), "logprobs" (alternatives per token)
 *   "plain"     true: where the file has no chat template, its messages as one text.  (One that is
 *               there and not known is refused: nobody knows how a chat with it is written.)
 *   "stream"    true: PIECE events as they come; else the whole text is in DONE
 *   "adapter"   {"name","path","sha256"}: a LoRA adapter of this tenant, loaded when first asked
 * for
 *
 * Thread: start, close, rest and status on the supervisor's loop; ask and cancel on any loop's
 * thread.
 */
#ifndef REEVE_RUNTIME_MODEL_ENGINE_H
#define REEVE_RUNTIME_MODEL_ENGINE_H

#include "runtime/base/error.h"
#include "runtime/base/json.h"
#include "runtime/loop/loop.h"

enum {
    RV_ENGINE_ADAPTER_MAX = 32,  /* bytes of an adapter's name: tenant and hash go with it
                                    (RV_MODEL_ADAPTER_MAX) */
    RV_ENGINE_OPEN_MAX = 1024,   /* questions on their way; more are RV_LIMIT.  As in the engine
                                    itself a company has at most as many as are left */
    RV_ENGINE_TRIES = 2,         /* of one question, over a restart */
    RV_ENGINE_GRACE_MS = 5000,   /* after a deadline, for the process to say so itself, with what
                                    was spent; then the question ends without its word */
    RV_ENGINE_SILENT_MS = 10000, /* without a word, before it counts as hung: it says each second
                                    that it lives, while it opens a model or is in a step too */
    RV_ENGINE_STUCK_MS = 20000,  /* with work in hand and no piece of it done, before it counts as
                                    hung though it says that it lives; and what the largest piece
                                    takes at 1 GFLOP/s besides (a layer's products over a step of
                                    256 tokens: 60 s with an 8B model, nothing with nano) */
    RV_ENGINE_START_MS = 120000, /* to open a model: a large one is read and repacked */
    RV_ENGINE_PAUSE_MS = 100,    /* before the first restart; doubles up to ... */
    RV_ENGINE_PAUSE_MAX_MS = 30000, /* ... this, while it does not stay up */
    RV_ENGINE_REST_MS = 60000       /* a resting engine without questions keeps its process so long:
                                       whoever is rolled back to at once is still warm */
};

struct rv_engine;

struct rv_engine_options {
    struct rv_loop *loop;
    const char *program;  /* the reeve program; NULL: this one */
    const char *path;     /* of the model's file */
    const char *sha256;   /* what the file must be, in hex; NULL: whatever it is */
    const char *label;    /* NAME@VERSION, the name its answers carry; NULL: as the file says */
    const char *template; /* its chat format; NULL: as the file's own template says */
    const char *backend;  /* auto, ref, cpu, cuda; NULL: auto */
    int threads;          /* 0: the engine's own choice, as the next two */
    int64_t context, cache_bytes;
    bool lazy; /* begins with the first question: for commands that may never ask */
};

/* Never fails: what goes wrong is in the status and in the answers. */
struct rv_engine *rv_engine_start(const struct rv_engine_options *options);
/* Ends the process; open questions end with RV_CANCELED, on the calling thread where their loop is
 * the caller's, else by post. */
void rv_engine_close(struct rv_engine *engine); /* NULL is fine */

enum rv_engine_event_kind { RV_ENGINE_PIECE, RV_ENGINE_DONE, RV_ENGINE_FAILED };
struct rv_engine_event {
    enum rv_engine_event_kind kind;
    const json_t *body; /* of the frame: PIECE text, thinking, logprobs; DONE text, finish, usage,
                           choice, probability, vector, model; FAILED usage, needs (tokens: more
                           than "max_total"); may be NULL then */
    enum rv_code code;  /* of FAILED */
    int64_t retry_ms;   /* of RV_LIMIT because the engine is full; else 0 */
    const struct rv_error *err;
};
typedef void (*rv_engine_listener)(void *data, const struct rv_engine_event *event);

/* `listener` runs on `loop`, never inside the call: any number of PIECE, then one DONE or FAILED.
 * Gives the question's number, for cancel. */
uint64_t rv_engine_ask(struct rv_engine *engine, struct rv_loop *loop, json_t *question,
                       int64_t timeout_ms, rv_engine_listener listener, void *data);
/* Asks for its end; FAILED with RV_CANCELED comes unless it has ended. */
void rv_engine_cancel(struct rv_engine *engine, uint64_t id);

/* {"state":"ready","path","pid","restarts","open","error"?,"facts":{name, hash, ...}?,
 * "stats":{...}?}; new reference.  Facts: name, hash, architecture, type, chat, parameters, bytes,
 * context, vocabulary, layers, width, device, room (tokens of prompt and answer together). */
json_t *rv_engine_status(const struct rv_engine *engine);
/* Those facts alone; NULL before it was ready; new reference. */
json_t *rv_engine_facts(const struct rv_engine *engine);
bool rv_engine_is_ready(const struct rv_engine *engine);
/* Its file cannot be opened, or was lost; it is tried again now and then, and is ready if it can.
 */
bool rv_engine_is_refused(const struct rv_engine *engine);
/* NAME@VERSION; NULL where it was begun without.  Any thread. */
const char *rv_engine_label(const struct rv_engine *engine);
/* The file that it was begun with.  Any thread. */
const char *rv_engine_path(const struct rv_engine *engine);

/* True: another engine has taken its place.  What was asked is answered; RV_ENGINE_REST_MS after
 * the last answer the process ends.  A question that comes late begins it once more.  False: it is
 * wanted again, and begins at once. */
void rv_engine_rest(struct rv_engine *engine, bool rest);

#endif
