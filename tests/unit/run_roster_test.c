/* run_roster_test.c -- the roster against a plain list, in random order. */
#include "runtime/base/random.h"
#include "runtime/run/roster.h"
#include "tests/support/test.h"

#include <string.h>

enum { RUNS = 400, STEPS = 200000 };

struct model {
    struct {
        bool known, live, first, sleeps;
        uint64_t ref;
        int64_t since; /* order of coming, while it waits; of falling asleep */
    } runs[RUNS];
    int64_t clock;
};

static int64_t oldest(const struct model *model)
{
    int found = -1;
    for (int i = 0; i < RUNS; i++) {
        if (model->runs[i].known && !model->runs[i].live &&
            (found < 0 || (model->runs[i].first != model->runs[found].first
                               ? model->runs[i].first
                               : model->runs[i].since < model->runs[found].since))) {
            found = i;
        }
    }
    return found < 0 ? 0 : found + 1;
}

static uint64_t longest_asleep(struct model *model)
{
    int found = -1;
    for (int i = 0; i < RUNS; i++) {
        if (model->runs[i].sleeps &&
            (found < 0 || model->runs[i].since < model->runs[found].since)) {
            found = i;
        }
    }
    if (found < 0) {
        return 0;
    }
    model->runs[found].sleeps = false;
    return model->runs[found].ref;
}

static void compare(struct rv_roster *roster, const struct model *model)
{
    int live = 0;
    int waiting = 0;
    for (int i = 0; i < RUNS; i++) {
        const struct rv_roster_run *entry = rv_roster_find(roster, i + 1);
        ck_assert_int_eq(entry != NULL, model->runs[i].known);
        if (entry != NULL) {
            ck_assert_int_eq(entry->run, i + 1);
            ck_assert_uint_eq(entry->ref.id, model->runs[i].live ? model->runs[i].ref : 0);
            live += model->runs[i].live;
            waiting += !model->runs[i].live;
        }
    }
    ck_assert_int_eq(rv_roster_lives(roster), live);
    ck_assert_int_eq(rv_roster_waiting(roster), waiting);
    ck_assert_int_eq(rv_roster_next(roster), oldest(model));
}

TEST(the_roster_is_what_a_plain_list_is)
{
    static struct model model;
    struct rv_roster *roster = rv_roster_create();
    struct rv_random random = {20260101};
    uint64_t refs = 1000;
    for (int step = 0; step < STEPS; step++) {
        /* it grows, and shrinks, and grows again */
        bool growing = step / 5000 % 2 == 0;
        int i = (int)rv_random_below(&random, RUNS);
        int what = (int)rv_random_below(&random, 12);
        if (what < (growing ? 6 : 2)) {
            bool first = rv_random_below(&random, 4) == 0;
            enum rv_class class = first                              ? RV_CLASS_INTERACTIVE
                                  : rv_random_below(&random, 2) == 0 ? RV_CLASS_NORMAL
                                                                     : RV_CLASS_BATCH;
            ck_assert_int_eq(rv_roster_add(roster, i + 1, class), !model.runs[i].known);
            if (!model.runs[i].known) {
                model.runs[i].first = first;
                model.runs[i].known = true;
                model.runs[i].live = false;
                model.runs[i].since = model.clock++;
            } else if (first && !model.runs[i].live && !model.runs[i].first) {
                model.runs[i].first = true;
                model.runs[i].since = model.clock++;
            }
        } else if (what < 7 && model.runs[i].known && !model.runs[i].live) {
            model.runs[i].live = true;
            model.runs[i].ref = refs++ << 8;
            rv_roster_live(roster, i + 1, (struct rv_ref){model.runs[i].ref});
        } else if (what < 8 && model.runs[i].known && !model.runs[i].live) {
            model.runs[i].known = false;
            rv_roster_forget(roster, i + 1);
        } else if (what == 10) {
            rv_roster_sleeps(roster, i + 1); /* also of those that have no actor, and twice */
            if (model.runs[i].live && !model.runs[i].sleeps) {
                model.runs[i].sleeps = true;
                model.runs[i].since = model.clock++;
            }
        } else if (what == 11) {
            if (i < RUNS / 4) { /* fewer than fall asleep */
                const struct rv_roster_run *sleeper = rv_roster_sleeper(roster);
                ck_assert_uint_eq(sleeper != NULL ? sleeper->ref.id : 0, longest_asleep(&model));
            }
        } else if (model.runs[i].known && model.runs[i].live) {
            struct rv_roster_run gone = {.run = 0};
            struct rv_ref ref = {model.runs[i].ref};
            ck_assert(rv_roster_gone(roster, ref, &gone));
            ck_assert_int_eq(gone.run, i + 1);
            ck_assert(!rv_roster_gone(roster, ref, &gone));
            model.runs[i].known = model.runs[i].live = model.runs[i].sleeps = false;
        }
        if (step % 997 == 0) {
            compare(roster, &model);
        }
    }
    compare(roster, &model);
    rv_roster_destroy(roster);
}

TEST_MAIN()
