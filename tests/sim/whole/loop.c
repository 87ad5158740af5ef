/* loop.c -- stands in for runtime/loop/loop.c: a loop in virtual time, run by the world.
 *
 * What is ready (closures posted, idle work, timers that are due) is run one by one; which kind
 * comes next is up to the seed, within a kind the order is that of the real loop.  What never
 * happens in the simulation (descriptors, signals, threads) is a wrong program.
 */
#include "tests/sim/whole/world.h"

#include "runtime/loop/loop.h"

enum { TIMERS_MAX = 256, IDLES_MAX = 16 };

struct post {
    struct post *next;
    void (*run)(void *data);
    void *data;
};

struct rv_timer {
    struct rv_loop *loop;
    void (*fire)(void *data);
    void *data;
    int64_t at_us; /* monotonic; INT64_MAX: stopped */
    uint64_t order;
};

struct rv_idle {
    struct rv_loop *loop;
    void (*run)(void *data);
    void *data;
    bool on;
};

struct rv_loop {
    struct node *node;
    struct post *posts;
    struct post **posts_end;
    struct rv_timer *timers[TIMERS_MAX];
    int timer_count;
    struct rv_timer *first; /* of those that run; right while `first_known` */
    bool first_known;
    struct rv_idle *idles[IDLES_MAX];
    int idle_count;
    int idle_next;
    uint64_t order;
};

/* ---- life ---- */

/* `clock` is the machine's where the real composition would give it; here a node has its own. */
struct rv_loop *rv_loop_create(const struct rv_clock *clock)
{
    (void)clock;
    struct rv_loop *loop = rv_alloc(sizeof *loop);
    loop->node = world_current();
    RV_ASSERT(loop->node != NULL);
    loop->posts_end = &loop->posts;
    return loop;
}

void rv_loop_destroy(struct rv_loop *loop)
{
    while (loop->posts != NULL) {
        struct post *post = loop->posts;
        loop->posts = post->next;
        loop->posts_end = loop->posts == NULL ? &loop->posts : loop->posts_end;
        post->run(post->data);
        rv_free(post);
    }
    rv_free(loop);
}

bool rv_loop_is_current(const struct rv_loop *loop)
{
    return loop->node == world_current();
}

const struct rv_clock *rv_loop_clock(const struct rv_loop *loop)
{
    return node_clock(loop->node);
}

struct node *loop_node(const struct rv_loop *loop)
{
    return loop->node;
}

void rv_loop_post(struct rv_loop *loop, void (*run)(void *data), void *data)
{
    struct post *post = rv_alloc(sizeof *post);
    *post = (struct post){.run = run, .data = data};
    *loop->posts_end = post;
    loop->posts_end = &post->next;
}

/* ---- timers ---- */

struct rv_timer *rv_timer_create(struct rv_loop *loop, void (*fire)(void *data), void *data)
{
    struct rv_timer *timer = rv_alloc(sizeof *timer);
    *timer = (struct rv_timer){.loop = loop, .fire = fire, .data = data, .at_us = INT64_MAX};
    RV_ASSERT(loop->timer_count < TIMERS_MAX);
    loop->timers[loop->timer_count++] = timer;
    return timer;
}

void rv_timer_start(struct rv_timer *timer, int64_t delay_ms)
{
    timer->at_us =
        rv_mono_us(rv_loop_clock(timer->loop)) + (delay_ms > 0 ? delay_ms : 0) * INT64_C(1000);
    timer->order = ++timer->loop->order;
    timer->loop->first_known = false;
}

void rv_timer_stop(struct rv_timer *timer)
{
    timer->at_us = INT64_MAX;
    timer->loop->first_known = false;
}

void rv_timer_close(struct rv_timer *timer)
{
    if (timer == NULL) {
        return;
    }
    struct rv_loop *loop = timer->loop;
    for (int i = 0; i < loop->timer_count; i++) {
        if (loop->timers[i] == timer) {
            loop->timers[i] = loop->timers[--loop->timer_count];
            break;
        }
    }
    loop->first_known = false;
    rv_free(timer);
}

static struct rv_timer *first_timer(struct rv_loop *loop)
{
    struct rv_timer *first = NULL;
    if (loop->first_known) {
        return loop->first;
    }
    for (int i = 0; i < loop->timer_count; i++) {
        struct rv_timer *timer = loop->timers[i];
        if (timer->at_us != INT64_MAX &&
            (first == NULL || timer->at_us < first->at_us ||
             (timer->at_us == first->at_us && timer->order < first->order))) {
            first = timer;
        }
    }
    loop->first = first;
    loop->first_known = true;
    return first;
}

/* ---- idle work ---- */

struct rv_idle *rv_idle_create(struct rv_loop *loop, void (*run)(void *data), void *data)
{
    struct rv_idle *idle = rv_alloc(sizeof *idle);
    *idle = (struct rv_idle){.loop = loop, .run = run, .data = data};
    RV_ASSERT(loop->idle_count < IDLES_MAX);
    loop->idles[loop->idle_count++] = idle;
    return idle;
}

void rv_idle_start(struct rv_idle *idle)
{
    idle->on = true;
}

void rv_idle_stop(struct rv_idle *idle)
{
    idle->on = false;
}

void rv_idle_close(struct rv_idle *idle)
{
    if (idle == NULL) {
        return;
    }
    struct rv_loop *loop = idle->loop;
    for (int i = 0; i < loop->idle_count; i++) {
        if (loop->idles[i] == idle) {
            loop->idles[i] = loop->idles[--loop->idle_count];
            break;
        }
    }
    rv_free(idle);
}

static struct rv_idle *next_idle(struct rv_loop *loop)
{
    for (int i = 0; i < loop->idle_count; i++) {
        struct rv_idle *idle = loop->idles[(loop->idle_next + i) % loop->idle_count];
        if (idle->on) {
            loop->idle_next = (loop->idle_next + i + 1) % loop->idle_count;
            return idle;
        }
    }
    return NULL;
}

/* ---- blocking work: it takes no time ---- */

struct work {
    void (*done)(void *data);
    void *data;
};

static void work_done(void *data)
{
    struct work *work = data;
    work->done(work->data);
    rv_free(work);
}

void rv_work(struct rv_loop *loop, void (*work)(void *data), void (*done)(void *data), void *data)
{
    struct work *job = rv_alloc(sizeof *job);
    *job = (struct work){done, data};
    work(data);
    rv_loop_post(loop, work_done, job);
}

/* ---- run by the world ---- */

int64_t loop_ready_us(struct rv_loop *loop)
{
    int64_t now_us = rv_mono_us(rv_loop_clock(loop));
    if (loop->posts != NULL) {
        return now_us;
    }
    for (int i = 0; i < loop->idle_count; i++) {
        if (loop->idles[i]->on) {
            return now_us;
        }
    }
    const struct rv_timer *timer = first_timer(loop);
    return timer == NULL ? INT64_MAX : timer->at_us > now_us ? timer->at_us : now_us;
}

static void run_post(struct rv_loop *loop)
{
    struct post *post = loop->posts;
    loop->posts = post->next;
    if (loop->posts == NULL) {
        loop->posts_end = &loop->posts;
    }
    void (*run)(void *data) = post->run;
    void *data = post->data;
    rv_free(post);
    run(data); /* may be the end of the loop's owner */
}

void loop_turn(struct rv_loop *loop, uint64_t chance)
{
    struct rv_timer *timer = first_timer(loop);
    if (timer != NULL && timer->at_us > rv_mono_us(rv_loop_clock(loop))) {
        timer = NULL;
    }
    struct rv_idle *idle = next_idle(loop);
    int ready = (loop->posts != NULL) + (timer != NULL) + (idle != NULL);
    RV_ASSERT(ready > 0);
    int pick = (int)(chance % (uint64_t)ready);
    if (loop->posts != NULL && pick-- == 0) {
        run_post(loop);
    } else if (timer != NULL && pick-- == 0) {
        rv_timer_stop(timer);
        timer->fire(timer->data);
    } else {
        idle->run(idle->data);
    }
}

/* ---- what does not happen here ---- */

void rv_loop_run(struct rv_loop *loop)
{
    (void)loop;
    RV_UNREACHABLE("the world runs the loops");
}

void rv_loop_run_once(struct rv_loop *loop, int timeout_ms)
{
    (void)loop;
    (void)timeout_ms;
    RV_UNREACHABLE("the world runs the loops");
}

void rv_loop_stop(struct rv_loop *loop)
{
    (void)loop;
    RV_UNREACHABLE("the world runs the loops");
}

struct rv_poll *rv_poll_create(struct rv_loop *loop, int fd, void (*ready)(void *data, int events),
                               void *data)
{
    (void)loop;
    (void)fd;
    (void)ready;
    (void)data;
    RV_UNREACHABLE("the network is simulated: see wire.c");
}

void rv_poll_start(struct rv_poll *poll, int events)
{
    (void)poll;
    (void)events;
    RV_UNREACHABLE("the network is simulated: see wire.c");
}

void rv_poll_stop(struct rv_poll *poll)
{
    (void)poll;
    RV_UNREACHABLE("the network is simulated: see wire.c");
}

void rv_poll_close(struct rv_poll *poll, void (*closed)(void *data), void *data)
{
    (void)poll;
    (void)closed;
    (void)data;
    RV_UNREACHABLE("the network is simulated: see wire.c");
}
