/* run.c -- the run's state table. */
#include "runtime/run/port.h"

#include <string.h>

static const char *const names[] = {
#define X(name, word) word,
    RV_RUN_STATES(X)
#undef X
};

enum { ENDS_BADLY = RV_TO(RV_RUN_FAILED) | RV_TO(RV_RUN_CANCELLED) | RV_TO(RV_RUN_DIVERGED) };

static const uint32_t moves[] = {
    [RV_RUN_CREATED] = RV_TO(RV_RUN_PLANNING) | ENDS_BADLY,
    [RV_RUN_PLANNING] = RV_TO(RV_RUN_WAITING) | RV_TO(RV_RUN_EXECUTING) | ENDS_BADLY,
    [RV_RUN_EXECUTING] = RV_TO(RV_RUN_WAITING) | RV_TO(RV_RUN_REVIEWING) |
                         RV_TO(RV_RUN_COMPENSATING) | RV_TO(RV_RUN_DONE) | ENDS_BADLY,
    [RV_RUN_WAITING] = RV_TO(RV_RUN_WAITING) | RV_TO(RV_RUN_DONE) | RV_TO(RV_RUN_PLANNING) |
                       RV_TO(RV_RUN_EXECUTING) | RV_TO(RV_RUN_REVIEWING) |
                       RV_TO(RV_RUN_COMPENSATING) | RV_TO(RV_RUN_COMPENSATED) | ENDS_BADLY,
    [RV_RUN_REVIEWING] =
        RV_TO(RV_RUN_WAITING) | RV_TO(RV_RUN_DONE) | RV_TO(RV_RUN_COMPENSATED) | ENDS_BADLY,
    [RV_RUN_COMPENSATING] = RV_TO(RV_RUN_WAITING) | RV_TO(RV_RUN_COMPENSATED) | ENDS_BADLY,
    [RV_RUN_DONE] = 0,
    [RV_RUN_FAILED] = 0,
    [RV_RUN_CANCELLED] = 0,
    [RV_RUN_COMPENSATED] = 0,
    [RV_RUN_DIVERGED] = 0,
};
_Static_assert(RV_COUNT(moves) == RV_RUN_STATE_COUNT, "every state has its row");
_Static_assert(RV_COUNT(names) == RV_RUN_STATE_COUNT, "every state has its name");

const struct rv_state_table rv_run_states = {"run", names, moves, RV_RUN_STATE_COUNT};

const char *rv_run_state_name(enum rv_run_state state)
{
    RV_ASSERT(state < RV_RUN_STATE_COUNT);
    return names[state];
}

enum rv_run_state rv_run_state_from_name(const char *name)
{
    for (int i = 0; i < RV_RUN_STATE_COUNT; i++) {
        if (strcmp(names[i], name) == 0) {
            return (enum rv_run_state)i;
        }
    }
    return RV_RUN_STATE_COUNT;
}

bool rv_run_state_final(enum rv_run_state state)
{
    return moves[state] == 0;
}

const char *rv_step_kind_name(int kind)
{
    static const char *const kinds[] = {"?",
                                        "read",
                                        "model",
                                        "memory",
                                        "timer",
                                        "signal",
                                        "plan",
                                        "action",
                                        "approval",
                                        "outcome",
                                        "compensation",
                                        "review",
                                        "note",
                                        "start",
                                        "child",
                                        "effect",
                                        [RV_STEP_CHECKPOINT] = "checkpoint"};
    _Static_assert(RV_COUNT(kinds) == RV_STEP_KIND_LAST + 1, "every kind has its name");
    bool known = kind >= 1 && kind < (int)RV_COUNT(kinds) && kinds[kind] != NULL;
    return known ? kinds[kind] : kinds[0];
}

int rv_step_kind_from_name(const char *name)
{
    for (int kind = RV_STEP_KIND_LAST; kind > 0 && name[0] != '?'; kind--) {
        if (strcmp(rv_step_kind_name(kind), name) == 0) {
            return kind;
        }
    }
    return 0;
}

bool rv_step_digest(const json_t *value, uint8_t out[RV_STEP_DIGEST_BYTES])
{
    struct rv_buf text;
    rv_buf_init(&text, RV_JSON_TEXT_MAX);
    bool ok = rv_json_canonical(value, &text, NULL) == RV_OK;
    if (ok) {
        struct rv_hash hash = rv_sha256(text.data, text.length);
        memcpy(out, hash.bytes, RV_STEP_DIGEST_BYTES);
    }
    rv_buf_fini(&text);
    return ok;
}
