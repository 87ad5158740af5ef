/* loop.h -- one event loop, one thread; a thin, typed skin over libuv.
 *
 * runtime/loop is the only includer of <uv.h>.  Everything of a loop belongs to its thread; the one
 * cross-thread call is rv_loop_post (and rv_loop_stop).  Callbacks never run inside the call that
 * armed them.  Handles are freed by their own close function, which is safe inside callbacks.
 */
#ifndef REEVE_RUNTIME_LOOP_LOOP_H
#define REEVE_RUNTIME_LOOP_LOOP_H

#include "runtime/base/clock.h"
#include "runtime/base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct rv_loop;

/* `clock` is borrowed and must outlive the loop. */
struct rv_loop *rv_loop_create(const struct rv_clock *clock);
void rv_loop_destroy(struct rv_loop *loop); /* closes what is still open, runs close callbacks */
/* Runs until rv_loop_stop, or until nothing is armed any more. */
void rv_loop_run(struct rv_loop *loop);
/* Runs ready callbacks; waits at most `timeout_ms` for the first. For tests and the scheduler. */
void rv_loop_run_once(struct rv_loop *loop, int timeout_ms);
void rv_loop_stop(struct rv_loop *loop);             /* any thread */
bool rv_loop_is_current(const struct rv_loop *loop); /* is this the loop's thread? */
const struct rv_clock *rv_loop_clock(const struct rv_loop *loop);

#define RV_ON_LOOP(loop) RV_ASSERT(rv_loop_is_current(loop))

/* Any thread: `run(data)` is called on the loop's thread, in order of posting per thread. */
void rv_loop_post(struct rv_loop *loop, void (*run)(void *data), void *data);

/* ---- a thread of its own ---- */
struct rv_loop_thread;
/* Runs the loop on a new thread until rv_loop_thread_join; signals go to other threads. */
struct rv_loop_thread *rv_loop_thread_start(struct rv_loop *loop, const char *name);
/* From another thread: what was posted before still runs, then the thread ends. */
void rv_loop_thread_join(struct rv_loop_thread *thread);

/* ---- timers: one-shot; re-arm as you like ---- */
struct rv_timer;
struct rv_timer *rv_timer_create(struct rv_loop *loop, void (*fire)(void *data), void *data);
void rv_timer_start(struct rv_timer *timer, int64_t delay_ms); /* restarts when armed */
void rv_timer_stop(struct rv_timer *timer);
void rv_timer_close(struct rv_timer *timer); /* NULL is fine */

/* ---- work that is not done yet: called once each round of the loop, which does not wait ---- */
struct rv_idle;
struct rv_idle *rv_idle_create(struct rv_loop *loop, void (*run)(void *data), void *data);
void rv_idle_start(struct rv_idle *idle);
void rv_idle_stop(struct rv_idle *idle);
void rv_idle_close(struct rv_idle *idle); /* NULL is fine */

/* ---- file descriptors that belong to somebody else (libpq, curl) ---- */
enum { RV_READABLE = 1, RV_WRITABLE = 2, RV_POLL_ERROR = 4 };
struct rv_poll;
/* `ready` gets a set of the above; on RV_POLL_ERROR polling has stopped. */
struct rv_poll *rv_poll_create(struct rv_loop *loop, int fd, void (*ready)(void *data, int events),
                               void *data);
void rv_poll_start(struct rv_poll *poll, int events); /* replaces the set */
void rv_poll_stop(struct rv_poll *poll);
/* Frees; `closed(data)` (may be NULL) runs when the fd may be closed. */
void rv_poll_close(struct rv_poll *poll, void (*closed)(void *data), void *data);

/* ---- blocking work on the pool ---- */
/* `work` runs on a pool thread, then `done` on the loop. */
void rv_work(struct rv_loop *loop, void (*work)(void *data), void (*done)(void *data), void *data);

/* ---- signals ---- */
struct rv_signal;
struct rv_signal *rv_signal_create(struct rv_loop *loop, int number,
                                   void (*received)(void *data, int number), void *data);
void rv_signal_close(struct rv_signal *signal);

#endif
