/* say_look.c -- what the orchestrator asks of its company at once: company_look and company_sweep
 * in runtime/run/sql/run.sql, where the kinds of rows are described. */
#include "tests/sim/whole/base.h"

#include "runtime/base/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { /* kinds, as there */
       ACTIVE = 1,
       DUE,
       CANCEL,
       APPROVAL,
       GRANTED,
       NEWEST,
       NEXT_MS,
       UNSEALED,
       ANSWERED,
       FLOW,
       EPOCH
};
enum { FOUND_MAX = 512 };
#define HOUR_US INT64_C(3600000000)

static void say(struct base_call *call, int what, int64_t id)
{
    base_row(call);
    base_out_int(call, what);
    base_out_int(call, id);
    base_out_text(call, "");
}

/* ---- runs ---- */

static bool is_active(const struct run_row *run)
{
    return base_is(run->status, "created") || base_is(run->status, "planning") ||
           base_is(run->status, "executing") || base_is(run->status, "reviewing") ||
           base_is(run->status, "compensating");
}

static bool has_question(struct base *base, const struct run_row *run)
{
    BASE_EACH(base, T_APPROVAL, approval_row, approval)
    {
        if (approval->tenant == run->tenant && approval->run == run->id &&
            base_is(approval->status, "requested")) {
            return true;
        }
    }
    return false;
}

bool base_acts(const struct run_row *run)
{
    return base_is(run->status, "executing") || base_is(run->status, "reviewing") ||
           base_is(run->status, "compensating");
}

bool base_waits_for_word(const struct run_row *run)
{
    return base_is(run->waiting_on, "signal") || base_is(run->waiting_on, "budget");
}

/* The newest step names the signal that is waited for. */
bool base_has_signal(struct base *base, const struct run_row *run)
{
    const struct step_row *step = base_step(base, run->id, run->steps);
    const char *name = step != NULL ? rv_json_str(step->json, "name", NULL) : NULL;
    BASE_EACH(base, T_SIGNAL, signal_row, signal)
    {
        if (signal->tenant == run->tenant && signal->run == run->id && signal->consumed_seq == 0 &&
            !base_is(signal->name, "$cancel") && base_is(name, signal->name)) {
            return true;
        }
    }
    return false;
}

/* Is there any word that the run has not read? */
static bool has_word(struct base *base, const struct run_row *run)
{
    BASE_EACH(base, T_SIGNAL, signal_row, signal)
    {
        if (signal->tenant == run->tenant && signal->run == run->id && signal->consumed_seq == 0 &&
            !base_is(signal->name, "$cancel")) {
            return true;
        }
    }
    return false;
}

static int by_number(const void *a, const void *b)
{
    int64_t left = (*(const struct run_row *const *)a)->id;
    int64_t right = (*(const struct run_row *const *)b)->id;
    return (left > right) - (left < right);
}

static int by_wake(const void *a, const void *b)
{
    int64_t left = (*(const struct run_row *const *)a)->wake_us;
    int64_t right = (*(const struct run_row *const *)b)->wake_us;
    return left != right ? (left > right) - (left < right) : by_number(a, b);
}

static bool is_due(struct base *base, const struct run_row *run)
{
    return base_is(run->status, "waiting") && run->has_wake && run->wake_us <= base_now_us(base);
}

static int due_kind(struct base *base, const struct run_row *run)
{
    bool answered = base_is(run->waiting_on, "approval") || base_is(run->waiting_on, "intent") ||
                    base_is(run->waiting_on, "budget") ||
                    (base_is(run->waiting_on, "signal") && has_word(base, run));
    bool places = base_is(run->waiting_on, "slot") || base_is(run->waiting_on, "rate");
    return places ? FLOW : answered ? ANSWERED : DUE;
}

static void look_at_runs(struct base_call *call, int64_t after)
{
    struct base *base = call->base;
    const struct run_row *active[FOUND_MAX];
    const struct run_row *due[FOUND_MAX];
    size_t active_count = 0;
    size_t due_count = 0;
    BASE_EACH(base, T_RUN, run_row, run)
    {
        RV_ASSERT(active_count < FOUND_MAX && due_count < FOUND_MAX);
        if (run->tenant == call->tenant && run->id > after && is_active(run)) {
            active[active_count++] = run;
        } else if (run->tenant == call->tenant && is_due(base, run)) {
            due[due_count++] = run;
        }
    }
    qsort(active, active_count, sizeof active[0], by_number);
    qsort(due, due_count, sizeof due[0], by_wake);
    for (size_t i = 0; i < active_count; i++) {
        say(call, ACTIVE, active[i]->id);
    }
    for (size_t i = 0; i < due_count; i++) {
        say(call, due_kind(base, due[i]), due[i]->id);
    }
}

/* Those that have got the key of one that has ended. */
static void look_at_keys(struct base_call *call)
{
    struct base *base = call->base;
    for (int i = 0; i < base_count(call, 5); i++) {
        const struct run_row *ended = base_run(base, call->tenant, base_int(call, 5, i));
        BASE_EACH(base, T_RUN, run_row, run)
        {
            if (ended != NULL && ended->key != NULL && run->tenant == call->tenant &&
                base_is(run->key, ended->key) && run->claims && base_is(run->status, "created")) {
                say(call, DUE, run->id);
            }
        }
    }
}

/* ---- runs that somebody wants stopped ---- */

static int by_id(const void *a, const void *b)
{
    const struct signal_row *left = *(const struct signal_row *const *)a;
    const struct signal_row *right = *(const struct signal_row *const *)b;
    return left->id != right->id ? (left->id > right->id) - (left->id < right->id)
                                 : (left->run > right->run) - (left->run < right->run);
}

static void look_at_cancels(struct base_call *call)
{
    struct base *base = call->base;
    const struct signal_row *found[FOUND_MAX];
    size_t count = 0;
    BASE_EACH(base, T_SIGNAL, signal_row, signal)
    {
        if (signal->tenant != call->tenant || signal->consumed_seq != 0 ||
            !base_is(signal->name, "$cancel")) {
            continue;
        }
        const struct run_row *run = base_run(base, call->tenant, signal->run);
        if (run != NULL && !base_run_over(run) && run->error_code == NULL &&
            !base_has_intent(base, run, true)) {
            RV_ASSERT(count < FOUND_MAX);
            found[count++] = signal;
        }
    }
    qsort(found, count, sizeof found[0], by_id);
    for (size_t i = 0; i < count; i++) {
        base_row(call);
        base_out_int(call, CANCEL);
        base_out_int(call, found[i]->run);
        base_out_text(call, rv_json_str(found[i]->body, "reason", NULL));
    }
}

/* ---- approvals ---- */

static bool is_open(const struct approval_row *approval)
{
    return base_is(approval->status, "requested") || base_is(approval->status, "approved");
}

static bool may_escalate(const struct approval_row *approval)
{
    return base_is(approval->status, "requested") && !approval->escalated && approval->has_escalate;
}

static bool run_is_over(struct base *base, const struct approval_row *approval)
{
    const struct run_row *run =
        approval->run != 0 ? base_run(base, approval->tenant, approval->run) : NULL;
    return run != NULL && base_run_over(run);
}

/* Those whose time has come; one that is to expire and to escalate comes twice. */
static void look_at_approvals(struct base_call *call)
{
    struct base *base = call->base;
    int64_t now_us = base_now_us(base);
    BASE_EACH(base, T_APPROVAL, approval_row, approval)
    {
        if (approval->tenant != call->tenant) {
            continue;
        }
        if (is_open(approval) && approval->expires_us <= now_us) {
            say(call, APPROVAL, approval->id);
        }
        if (may_escalate(approval) && approval->escalate_us <= now_us) {
            say(call, APPROVAL, approval->id);
        }
        for (int i = 0; i < base_count(call, 5); i++) {
            if (is_open(approval) && approval->run != 0 && approval->run == base_int(call, 5, i) &&
                run_is_over(base, approval)) {
                say(call, APPROVAL, approval->id);
            }
        }
    }
}

/* Open questions about the key of one that has ended. */
static void look_at_questions(struct base_call *call)
{
    struct base *base = call->base;
    BASE_EACH(base, T_APPROVAL, approval_row, approval)
    {
        bool about = false;
        for (int i = 0; i < base_count(call, 5); i++) {
            const struct run_row *ended = base_run(base, call->tenant, base_int(call, 5, i));
            about = about || (ended != NULL && ended->key != NULL &&
                              base_is(approval->resource, ended->key));
        }
        if (about && approval->tenant == call->tenant && base_is(approval->action, "run.start") &&
            base_is(approval->status, "requested")) {
            say(call, APPROVAL, approval->id);
        }
    }
}

/* A question about a key whose holder has ended. */
static bool is_moot(struct base *base, const struct approval_row *approval)
{
    const struct run_row *run =
        approval->run != 0 ? base_run(base, approval->tenant, approval->run) : NULL;
    if (run == NULL || !base_is(approval->action, "run.start")) {
        return false;
    }
    char name[32];
    BASE_EACH(base, T_RUN, run_row, held)
    {
        snprintf(name, sizeof name, "r_%" PRId64, held->id);
        if (held->tenant == run->tenant && run->key != NULL && base_is(held->key, run->key) &&
            held->claims && !base_run_over(held) &&
            base_is(rv_json_str(approval->args, "holder", NULL), name)) {
            return false;
        }
    }
    return true;
}

static bool has_grant(struct base_call *call)
{
    BASE_EACH(call->base, T_APPROVAL, approval_row, approval)
    {
        if (approval->tenant == call->tenant && base_is(approval->status, "approved") &&
            approval->run == 0 && approval->expires_us > base_now_us(call->base)) {
            return true;
        }
    }
    return false;
}

/* ---- numbers ---- */

static int64_t newest(struct base_call *call)
{
    int64_t seq = 0;
    BASE_EACH(call->base, T_EXCEPTION, exception_row, exception)
    {
        if (exception->tenant == call->tenant && base_is(exception->state, "open") &&
            exception->found_seq > seq) {
            seq = exception->found_seq;
        }
    }
    return seq;
}

static int64_t earlier(int64_t next_us, int64_t now_us, int64_t at_us)
{
    return at_us > now_us && at_us < next_us ? at_us : next_us;
}

static int64_t next_ms(struct base_call *call)
{
    int64_t now_us = base_now_us(call->base);
    int64_t next_us = now_us + HOUR_US;
    BASE_EACH(call->base, T_RUN, run_row, run)
    {
        if (run->tenant == call->tenant && base_is(run->status, "waiting") && run->has_wake) {
            next_us = earlier(next_us, now_us, run->wake_us);
        }
    }
    BASE_EACH(call->base, T_APPROVAL, approval_row, approval)
    {
        if (approval->tenant == call->tenant && is_open(approval)) {
            next_us = earlier(next_us, now_us, approval->expires_us);
        }
        if (approval->tenant == call->tenant && may_escalate(approval)) {
            next_us = earlier(next_us, now_us, approval->escalate_us);
        }
    }
    return (next_us - now_us + 999) / 1000;
}

/* The limit of each branch is the limit of the whole, and there are fewer rows than it. */
static void company_look(struct base_call *call)
{
    const struct head_row *head = base_head(call->base, call->tenant);
    RV_ASSERT(base_int(call, 2, 0) >= 64 && call->base->tables[T_RUN].count < 128);
    look_at_runs(call, base_int(call, 3, 0));
    look_at_questions(call);
    look_at_keys(call);
    look_at_cancels(call);
    look_at_approvals(call);
    say(call, GRANTED, has_grant(call));
    if (base_bool(call, 4, 0)) {
        say(call, NEWEST, newest(call));
    }
    say(call, NEXT_MS, next_ms(call));
    if (head != NULL) {
        say(call, UNSEALED, head->audit_size - head->checkpoint_size);
        say(call, EPOCH, head->epoch);
    }
}

static void company_sweep(struct base_call *call)
{
    struct base *base = call->base;
    BASE_EACH(base, T_RUN, run_row, run)
    {
        bool waits = run->tenant == call->tenant && base_is(run->status, "waiting");
        if (waits && base_is(run->waiting_on, "approval") && !has_question(base, run)) {
            say(call, ANSWERED, run->id);
        }
    }
    BASE_EACH(base, T_RUN, run_row, told)
    {
        bool waits = told->tenant == call->tenant && base_is(told->status, "waiting");
        if (waits && base_waits_for_word(told) && base_has_signal(base, told)) {
            say(call, ANSWERED, told->id);
        }
    }
    BASE_EACH(base, T_APPROVAL, approval_row, approval)
    {
        if (approval->tenant == call->tenant && is_open(approval) &&
            (run_is_over(base, approval) || is_moot(base, approval))) {
            say(call, APPROVAL, approval->id);
        }
    }
}

const struct base_word base_words_look[] = {
    {"company_look", company_look},
    {"company_sweep", company_sweep},
    {NULL, NULL},
};
