/* effect_private.h -- what the files of this room share.
 *
 *   intent.c         rows to structs and back: one intent, its connector
 *   rules.c          what follows from what; pure
 *   perform_*.c      one attempt, or one look, each ends in a struct effect_result
 *   effects.c        the drive: load, decide, write, perform, write
 */
#ifndef REEVE_RUNTIME_EFFECT_EFFECT_PRIVATE_H
#define REEVE_RUNTIME_EFFECT_EFFECT_PRIVATE_H

#include "runtime/effect/effect.h"
#include "runtime/hooks/post.h"
#include "runtime/hooks/vault.h"

/* What became of an attempt, as far as one knows. */
enum effect_verdict {
    EFFECT_HAPPENED,
    EFFECT_REFUSED, /* it did not, and will not another time */
    EFFECT_NOT_YET, /* it did not; another time it may */
    EFFECT_UNKNOWN
};

struct effect_result {
    enum effect_verdict verdict;
    char code[24]; /* a word of rv_code */
    char message[256];
    int64_t wait_ms; /* the receiver asked for so much time */
    json_t *answer;  /* HAPPENED: owned */
};
void effect_result_set(struct effect_result *result, enum effect_verdict verdict, enum rv_code code,
                       const char *format, ...) RV_PRINTF(4, 5);

enum effect_state {
    EFFECT_INTENDED,
    EFFECT_ATTEMPTING,
    EFFECT_RETRY,
    EFFECT_UNCLEAR,
    EFFECT_PERSON,
    EFFECT_DONE,
    EFFECT_FAILED,
    EFFECT_STATE_COUNT
};
const char *effect_state_name(enum effect_state state);

enum effect_rule { EFFECT_ASK_PERSON, EFFECT_REPEAT, EFFECT_STATUS, EFFECT_LOOK };
enum effect_kind { EFFECT_HTTP, EFFECT_MAIL, EFFECT_FILE };

struct effect_intent {
    int32_t tenant;
    int64_t run;
    int32_t seq;
    char *key;
    char *action;
    char *name; /* of the connector */
    json_t *args;
    enum effect_state state;
    int attempt;
    bool doubt; /* one before the attempt that is made now may have happened */
    int looks;
    int64_t until_us; /* 0 none */
    int64_t now_us;   /* of the database, when it was read */
    char *cancel;     /* NULL: nobody wants it to stop */
    json_t *outcome;
    /* its connector as it is now */
    bool has_connector;
    int64_t connector;
    enum effect_kind kind;
    char *target;
    enum effect_rule rule;
    json_t *settings;
    struct rv_buf sealed; /* empty: no secret */
    char trace[33];       /* of its run; "" unknown */
};
/* False when the result has no row. */
bool effect_intent_read(struct effect_intent *out, const struct rv_result *result);
void effect_intent_fini(struct effect_intent *intent);
int64_t effect_setting(const struct effect_intent *intent, const char *name, int64_t otherwise);
/* The opened secret; false with a result when it does not open.  An empty one: there is none. */
bool effect_secret(struct rv_effects *effects, const struct effect_intent *intent,
                   struct rv_buf *out, struct effect_result *result);

/* ---- rules.c ---- */

/* What to do with an intent now. */
enum effect_next {
    NEXT_GIVE,     /* it has its outcome */
    NEXT_WAIT,     /* until intent->until_us, or for a person */
    NEXT_WITHDRAW, /* never sent, and now it shall not be */
    NEXT_ATTEMPT,  /* with the same key as ever */
    NEXT_LOOK,
    NEXT_PERSON,
    NEXT_REFUSE /* its connector is gone: it cannot be sent */
};
enum effect_next effect_next(const struct effect_intent *intent, bool cancel);

/* Where an intent goes after an attempt or a look, and when it is looked at again. */
struct effect_move {
    enum effect_state state;
    int64_t wait_ms;
};
struct effect_move effect_after_attempt(const struct effect_intent *intent,
                                        const struct effect_result *result);
struct effect_move effect_after_look(const struct effect_intent *intent,
                                     const struct effect_result *result);

/* ---- perform_*.c ---- */

/* An attempt or a look on its way, part of what waits for it: whoever cuts it off leaves nothing
 * behind. */
struct effect_call {
    const struct effect_intent *intent; /* unchanged until then */
    bool look;
    int64_t over_us; /* monotonic: an attempt that has not happened by then never does */
    void (*done)(void *data,
                 struct effect_result *result); /* exactly once, maybe inside the call */
    void *data;
};
void effect_http_begin(struct rv_effects *effects, struct effect_call *call);
void effect_mail_begin(struct rv_effects *effects, struct effect_call *call); /* never a look */
void effect_file_begin(struct rv_effects *effects, struct effect_call *call);

/* What an HTTP answer says of an attempt and of a look; pure. */
void effect_http_judge(const struct rv_post_result *post, struct effect_result *result);
void effect_http_judge_look(const struct rv_post_result *post, struct effect_result *result);
void effect_mail_judge(const struct rv_post_result *post, struct effect_result *result);
/* The mail as it goes out, with CRLF. */
void effect_mail_text(const struct effect_intent *intent, int64_t now_us, struct rv_buf *out);

/* ---- effects.c, for the performers ---- */
struct rv_poster *effect_poster(struct rv_effects *effects);
struct rv_loop *effect_loop(struct rv_effects *effects);
RV_MUST enum rv_code effect_vault(struct rv_effects *effects, const struct rv_hook_vault **out,
                                  struct rv_error *err);

#endif
