/* loop.c -- the skin over libuv; what is added: posting of closures and freeing by handle kind.
 *
 * Posts go through one mutex-guarded list and one eventfd per loop.  It is not a uv_async_t: in
 * libuv 1.44 whoever is woken by one spins until the waker has returned from its system call, which
 * is long when the two share a processor; and all of a loop are scanned for each wake.
 */
#include "runtime/loop/loop_uv.h"

#include "runtime/base/check.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    LOOP_CLOSE_ROUNDS_MAX = 1000 /* a handle that opens another when closed is a wrong program */
};

struct post {
    struct post *next;
    void (*run)(void *data);
    void *data;
};

struct rv_loop {
    uv_loop_t uv;
    uv_poll_t wake;
    int bell;        /* the eventfd that it polls */
    uv_timer_t once; /* bounds rv_loop_run_once */
    const struct rv_clock *clock;
    _Atomic pthread_t thread; /* runs the loop; others ask whether they are it */
    bool running;
    pthread_mutex_t lock; /* guards the two below */
    struct post *posts;
    struct post **posts_end;
};

uv_loop_t *rv_loop_uv(struct rv_loop *loop)
{
    return &loop->uv;
}

/* Runs what was posted; true when there was something. */
static bool run_posts(struct rv_loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    struct post *post = loop->posts;
    loop->posts = NULL;
    loop->posts_end = &loop->posts;
    pthread_mutex_unlock(&loop->lock);
    bool any = post != NULL;
    while (post != NULL) {
        struct post *next = post->next;
        post->run(post->data);
        rv_free(post);
        post = next;
    }
    return any;
}

static void on_wake(uv_poll_t *handle, int status, int events)
{
    struct rv_loop *loop = handle->data;
    eventfd_t rings = 0;
    (void)status;
    (void)events;
    (void)eventfd_read(loop->bell, &rings); /* before the posts: who comes later rings again */
    run_posts(loop);
}

struct rv_loop *rv_loop_create(const struct rv_clock *clock)
{
    struct rv_loop *loop = rv_alloc(sizeof *loop);
    loop->clock = clock;
    loop->posts_end = &loop->posts;
    loop->thread = pthread_self();
    RV_ASSERT(pthread_mutex_init(&loop->lock, NULL) == 0);
    RV_ASSERT(uv_loop_init(&loop->uv) == 0);
    loop->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    RV_ASSERT(loop->bell >= 0);
    RV_ASSERT(uv_poll_init(&loop->uv, &loop->wake, loop->bell) == 0);
    RV_ASSERT(uv_poll_start(&loop->wake, UV_READABLE, on_wake) == 0);
    RV_ASSERT(uv_timer_init(&loop->uv, &loop->once) == 0);
    loop->wake.data = loop;
    uv_unref((uv_handle_t *)&loop->wake);
    uv_unref((uv_handle_t *)&loop->once);
    return loop;
}

static void close_any(uv_handle_t *handle, void *data)
{
    (void)data;
    if (!uv_is_closing(handle)) {
        uv_close(handle, NULL);
    }
}

void rv_loop_destroy(struct rv_loop *loop)
{
    if (loop == NULL) {
        return;
    }
    run_posts(loop);
    uv_run(&loop->uv, UV_RUN_NOWAIT); /* owners' own closes first */
    int rounds = 0;
    do {
        RV_ASSERT(rounds++ < LOOP_CLOSE_ROUNDS_MAX);
        run_posts(loop);
        uv_walk(&loop->uv, close_any, NULL);
        uv_run(&loop->uv, UV_RUN_DEFAULT);
    } while (uv_loop_close(&loop->uv) != 0);
    close(loop->bell);
    pthread_mutex_destroy(&loop->lock);
    rv_free(loop);
}

void rv_loop_run(struct rv_loop *loop)
{
    loop->thread = pthread_self();
    loop->running = true;
    do { /* libuv ends when no handle is armed: posts alone must keep us going */
        run_posts(loop);
        if (loop->running) {
            uv_run(&loop->uv, UV_RUN_DEFAULT);
        }
    } while (loop->running && (run_posts(loop) || uv_loop_alive(&loop->uv)));
    loop->running = false;
}

static void on_once(uv_timer_t *timer)
{
    (void)timer; /* its firing ends the wait */
}

void rv_loop_run_once(struct rv_loop *loop, int timeout_ms)
{
    loop->thread = pthread_self();
    if (run_posts(loop) || timeout_ms <= 0) {
        uv_run(&loop->uv, UV_RUN_NOWAIT);
        return;
    }
    uv_update_time(&loop->uv);
    uv_timer_start(&loop->once, on_once, (uint64_t)timeout_ms, 0);
    uv_ref((uv_handle_t *)&loop->once);
    uv_run(&loop->uv, UV_RUN_ONCE);
    uv_timer_stop(&loop->once);
    uv_unref((uv_handle_t *)&loop->once);
}

/* ---- a thread of its own ---- */

enum { THREAD_WAIT_MS = 1000 /* posts and handles wake it at once; this only bounds one round */ };

struct rv_loop_thread {
    struct rv_loop *loop;
    pthread_t thread;
    bool stop; /* the loop's thread only */
};

static void *thread_main(void *data)
{
    struct rv_loop_thread *thread = data;
    while (!thread->stop) {
        rv_loop_run_once(thread->loop, THREAD_WAIT_MS);
    }
    return NULL;
}

struct rv_loop_thread *rv_loop_thread_start(struct rv_loop *loop, const char *name)
{
    struct rv_loop_thread *thread = rv_alloc(sizeof *thread);
    thread->loop = loop;
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    RV_ASSERT(pthread_sigmask(SIG_SETMASK, &all, &before) == 0); /* inherited by the new thread */
    RV_ASSERT(pthread_create(&thread->thread, NULL, thread_main, thread) == 0);
    RV_ASSERT(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    char short_name[16]; /* the kernel keeps 15 characters */
    snprintf(short_name, sizeof short_name, "%s", name);
    pthread_setname_np(thread->thread, short_name);
    return thread;
}

static void thread_stop(void *data)
{
    struct rv_loop_thread *thread = data;
    thread->stop = true;
}

void rv_loop_thread_join(struct rv_loop_thread *thread)
{
    rv_loop_post(thread->loop, thread_stop, thread);
    RV_ASSERT(pthread_join(thread->thread, NULL) == 0);
    thread->loop->thread = pthread_self(); /* the loop is the caller's now */
    rv_free(thread);
}

static void stop_now(void *data)
{
    struct rv_loop *loop = data;
    loop->running = false;
    uv_stop(&loop->uv);
}

void rv_loop_stop(struct rv_loop *loop)
{
    rv_loop_post(loop, stop_now, loop);
}

bool rv_loop_is_current(const struct rv_loop *loop)
{
    return pthread_equal(loop->thread, pthread_self()) != 0;
}

const struct rv_clock *rv_loop_clock(const struct rv_loop *loop)
{
    return loop->clock;
}

void rv_loop_post(struct rv_loop *loop, void (*run)(void *data), void *data)
{
    struct post *post = rv_alloc(sizeof *post);
    *post = (struct post){.run = run, .data = data};
    pthread_mutex_lock(&loop->lock);
    bool first = loop->posts == NULL; /* else whoever was first rings, and all are taken at once */
    *loop->posts_end = post;
    loop->posts_end = &post->next;
    pthread_mutex_unlock(&loop->lock);
    if (first) {
        RV_ASSERT(eventfd_write(loop->bell, 1) == 0);
    }
}

/* ---- timers ---- */

struct rv_timer {
    uv_timer_t uv;
    void (*fire)(void *data);
    void *data;
};

static void free_handle(uv_handle_t *handle)
{
    rv_free(handle->data);
}

static void on_timer(uv_timer_t *handle)
{
    struct rv_timer *timer = handle->data;
    timer->fire(timer->data);
}

struct rv_timer *rv_timer_create(struct rv_loop *loop, void (*fire)(void *data), void *data)
{
    struct rv_timer *timer = rv_alloc(sizeof *timer);
    timer->fire = fire;
    timer->data = data;
    RV_ASSERT(uv_timer_init(&loop->uv, &timer->uv) == 0);
    timer->uv.data = timer;
    return timer;
}

void rv_timer_start(struct rv_timer *timer, int64_t delay_ms)
{
    uv_update_time(timer->uv.loop);
    uv_timer_start(&timer->uv, on_timer, delay_ms > 0 ? (uint64_t)delay_ms : 0, 0);
}

void rv_timer_stop(struct rv_timer *timer)
{
    uv_timer_stop(&timer->uv);
}

void rv_timer_close(struct rv_timer *timer)
{
    if (timer != NULL && !uv_is_closing((uv_handle_t *)&timer->uv)) {
        uv_close((uv_handle_t *)&timer->uv, free_handle);
    }
}

/* ---- work that is not done yet ---- */

struct rv_idle {
    uv_idle_t uv;
    void (*run)(void *data);
    void *data;
};

static void on_idle(uv_idle_t *handle)
{
    struct rv_idle *idle = handle->data;
    idle->run(idle->data);
}

struct rv_idle *rv_idle_create(struct rv_loop *loop, void (*run)(void *data), void *data)
{
    struct rv_idle *idle = rv_alloc(sizeof *idle);
    idle->run = run;
    idle->data = data;
    RV_ASSERT(uv_idle_init(&loop->uv, &idle->uv) == 0);
    idle->uv.data = idle;
    return idle;
}

void rv_idle_start(struct rv_idle *idle)
{
    uv_idle_start(&idle->uv, on_idle);
}

void rv_idle_stop(struct rv_idle *idle)
{
    uv_idle_stop(&idle->uv);
}

void rv_idle_close(struct rv_idle *idle)
{
    if (idle != NULL && !uv_is_closing((uv_handle_t *)&idle->uv)) {
        uv_close((uv_handle_t *)&idle->uv, free_handle);
    }
}

/* ---- foreign file descriptors ---- */

struct rv_poll {
    uv_poll_t uv;
    void (*ready)(void *data, int events);
    void *data;
    void (*closed)(void *data);
    void *closed_data;
};

static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct rv_poll *poll = handle->data;
    if (status < 0) { /* libuv reports EPOLLERR as EBADF and has stopped polling */
        poll->ready(poll->data, RV_POLL_ERROR);
        return;
    }
    poll->ready(poll->data, (events & UV_READABLE ? RV_READABLE : 0) |
                                (events & UV_WRITABLE ? RV_WRITABLE : 0));
}

struct rv_poll *rv_poll_create(struct rv_loop *loop, int fd, void (*ready)(void *data, int events),
                               void *data)
{
    struct rv_poll *poll = rv_alloc(sizeof *poll);
    poll->ready = ready;
    poll->data = data;
    RV_ASSERT(uv_poll_init(&loop->uv, &poll->uv, fd) == 0);
    poll->uv.data = poll;
    return poll;
}

void rv_poll_start(struct rv_poll *poll, int events)
{
    int wanted =
        (events & RV_READABLE ? UV_READABLE : 0) | (events & RV_WRITABLE ? UV_WRITABLE : 0);
    RV_ASSERT(uv_poll_start(&poll->uv, wanted, on_poll) == 0);
}

void rv_poll_stop(struct rv_poll *poll)
{
    uv_poll_stop(&poll->uv);
}

static void on_poll_closed(uv_handle_t *handle)
{
    struct rv_poll *poll = handle->data;
    if (poll->closed != NULL) {
        poll->closed(poll->closed_data);
    }
    rv_free(poll);
}

void rv_poll_close(struct rv_poll *poll, void (*closed)(void *data), void *data)
{
    poll->closed = closed;
    poll->closed_data = data;
    uv_close((uv_handle_t *)&poll->uv, on_poll_closed);
}

/* ---- blocking work ---- */

struct work {
    uv_work_t uv;
    void (*work)(void *data);
    void (*done)(void *data);
    void *data;
};

static void on_work(uv_work_t *request)
{
    struct work *work = request->data;
    work->work(work->data);
}

static void on_work_done(uv_work_t *request, int status)
{
    (void)status; /* reeve never cancels queued work */
    struct work *work = request->data;
    work->done(work->data);
    rv_free(work);
}

void rv_work(struct rv_loop *loop, void (*work)(void *data), void (*done)(void *data), void *data)
{
    struct work *job = rv_alloc(sizeof *job);
    *job = (struct work){.work = work, .done = done, .data = data};
    job->uv.data = job;
    RV_ASSERT(uv_queue_work(&loop->uv, &job->uv, on_work, on_work_done) == 0);
}

/* ---- signals ---- */

struct rv_signal {
    uv_signal_t uv;
    void (*received)(void *data, int number);
    void *data;
};

static void on_signal(uv_signal_t *handle, int number)
{
    struct rv_signal *signal = handle->data;
    signal->received(signal->data, number);
}

struct rv_signal *rv_signal_create(struct rv_loop *loop, int number,
                                   void (*received)(void *data, int number), void *data)
{
    struct rv_signal *signal = rv_alloc(sizeof *signal);
    signal->received = received;
    signal->data = data;
    RV_ASSERT(uv_signal_init(&loop->uv, &signal->uv) == 0);
    signal->uv.data = signal;
    RV_ASSERT(uv_signal_start(&signal->uv, on_signal, number) == 0);
    uv_unref((uv_handle_t *)&signal->uv);
    return signal;
}

void rv_signal_close(struct rv_signal *signal)
{
    if (signal != NULL) {
        uv_close((uv_handle_t *)&signal->uv, free_handle);
    }
}
