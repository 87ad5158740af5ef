/* loop_test.c -- timers, posts and work arrive on the loop's own thread. */
#include "runtime/loop/loop.h"
#include "runtime/base/check.h"
#include "runtime/loop/tcp.h"
#include "tests/support/test.h"

#include <pthread.h>

struct seen {
    struct rv_loop *loop;
    int posts;
    int fires;
    int works;
    struct rv_timer *timer;
};

static void posted(void *data)
{
    struct seen *seen = data;
    RV_ON_LOOP(seen->loop);
    if (++seen->posts == 1000) {
        rv_loop_stop(seen->loop);
    }
}

static void *post_many(void *data)
{
    struct seen *seen = data;
    for (int i = 0; i < 1000; i++) {
        rv_loop_post(seen->loop, posted, seen);
    }
    return NULL;
}

static void fired(void *data)
{
    struct seen *seen = data;
    if (++seen->fires < 3) {
        rv_timer_start(seen->timer, 1);
    } else {
        rv_timer_close(seen->timer);
    }
}

TEST(a_post_from_another_thread_wakes_the_loop)
{
    struct seen seen = {.loop = rv_loop_create(rv_clock_system())};
    seen.timer = rv_timer_create(seen.loop, fired, &seen);
    rv_timer_start(seen.timer, 30000); /* keeps the loop alive */
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, post_many, &seen), 0);
    rv_loop_run(seen.loop);
    pthread_join(thread, NULL);
    ck_assert_int_eq(seen.posts, 1000);
    rv_timer_close(seen.timer);
    rv_loop_destroy(seen.loop);
}

TEST(a_timer_may_rearm_and_close_itself)
{
    struct seen seen = {.loop = rv_loop_create(rv_clock_system())};
    seen.timer = rv_timer_create(seen.loop, fired, &seen);
    rv_timer_start(seen.timer, 1);
    rv_loop_run(seen.loop);
    ck_assert_int_eq(seen.fires, 3);
    rv_loop_destroy(seen.loop);
}

static void work(void *data)
{
    struct seen *seen = data;
    ck_assert(!rv_loop_is_current(seen->loop));
    seen->works = 1;
}

static void work_done(void *data)
{
    struct seen *seen = data;
    ck_assert(rv_loop_is_current(seen->loop));
    seen->works++;
}

TEST(work_runs_elsewhere_and_ends_here)
{
    struct seen seen = {.loop = rv_loop_create(rv_clock_system())};
    rv_work(seen.loop, work, work_done, &seen);
    rv_loop_run(seen.loop);
    ck_assert_int_eq(seen.works, 2);
    rv_loop_destroy(seen.loop);
}

/* The code is the same whether somebody wants to read why or not. */
TEST(a_listener_that_cannot_be_gives_its_code_without_an_error_too)
{
    struct rv_loop *loop = rv_loop_create(rv_clock_system());
    struct rv_listener *listener = NULL;
    struct rv_error err = {.code = RV_OK};
    ck_assert_int_eq(rv_listener_open(loop, "192.0.2.1", 1, NULL, NULL, &listener, &err),
                     RV_UNAVAILABLE);
    ck_assert_int_eq(rv_listener_open(loop, "192.0.2.1", 1, NULL, NULL, &listener, NULL),
                     RV_UNAVAILABLE);
    rv_loop_destroy(loop);
}

TEST_MAIN()
