/* effect_file_test.c -- a file appears whole, once, and not when its attempt is over: whoever was
 * stopped before it got its name must not give it one later, when others have looked for it. */
#include "runtime/base/check.h"
#include "runtime/base/clock.h"
#include "runtime/effect/effect_private.h"
#include "tests/support/test.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SECOND_US = 1000 * 1000, TURN_MS = 10, TURNS_MAX = 500 };

struct place {
    struct rv_loop *loop;
    struct rv_effects *effects;
    char folder[32];
    char key[32];
    struct effect_intent intent;
    struct effect_result result;
    bool done;
};

static void on_done(void *data, struct effect_result *result)
{
    struct place *place = data;
    place->result = *result;
    place->done = true;
}

static void place_open(struct place *place)
{
    *place = (struct place){.loop = rv_loop_create(rv_clock_system())};
    place->effects = rv_effects_create(
        &(struct rv_effects_options){.loop = place->loop, .hook_key = "/nowhere"});
    snprintf(place->folder, sizeof place->folder, "/tmp/rv-effect-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(place->folder));
    snprintf(place->key, sizeof place->key, "reeve-1-r1-2");
    place->intent =
        (struct effect_intent){.key = place->key,
                               .target = place->folder,
                               .args = json_pack("{s:s,s:s}", "name", "pay.xml", "text", "<pay/>")};
}

static void place_close(struct place *place)
{
    rv_effects_close(place->effects, NULL, NULL);
    rv_loop_run_once(place->loop, 0);
    rv_loop_destroy(place->loop);
    json_decref(place->intent.args);
    ck_assert_int_eq(rmdir(place->folder), 0);
}

static enum effect_verdict perform(struct place *place, bool look, int64_t left_us)
{
    struct effect_call call = {.intent = &place->intent,
                               .look = look,
                               .over_us = rv_mono_us(rv_clock_system()) + left_us,
                               .done = on_done,
                               .data = place};
    place->done = false;
    effect_file_begin(place->effects, &call);
    for (int i = 0; i < TURNS_MAX && !place->done; i++) {
        rv_loop_run_once(place->loop, TURN_MS);
    }
    ck_assert(place->done);
    json_decref(place->result.answer);
    return place->result.verdict;
}

static void remove_file(const struct place *place)
{
    char path[64];
    snprintf(path, sizeof path, "%s/pay.xml", place->folder);
    ck_assert_int_eq(unlink(path), 0);
}

TEST(a_file_appears_once)
{
    struct place place;
    place_open(&place);
    ck_assert_int_eq(perform(&place, true, SECOND_US), EFFECT_NOT_YET);
    ck_assert_int_eq(perform(&place, false, 60 * SECOND_US), EFFECT_HAPPENED);
    ck_assert_int_eq(perform(&place, true, SECOND_US), EFFECT_HAPPENED);
    ck_assert_int_eq(perform(&place, false, 60 * SECOND_US), EFFECT_REFUSED);
    remove_file(&place);
    place_close(&place);
}

TEST(a_file_does_not_appear_after_its_attempt_is_over)
{
    struct place place;
    place_open(&place);
    ck_assert_int_eq(perform(&place, false, 0), EFFECT_NOT_YET);
    ck_assert_str_eq(place.result.code, "timeout");
    ck_assert_int_eq(perform(&place, true, 0), EFFECT_NOT_YET); /* one may always look */
    place_close(&place);                                        /* nothing is left beside it */
}

TEST_MAIN()
