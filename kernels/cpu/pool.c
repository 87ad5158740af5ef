/* pool.c -- see pool.h.
 *
 * One 64-bit word says what there is to take:
 *
 *     | job number: 24 bits | pieces: 20 bits | next: 20 bits |
 *
 * Taking is an addition of 1; whoever got a `next` below `pieces` of the word it was added to owns
 * that piece, and the job cannot end before the piece is done, so the job's fields stand still
 * while he works.  A late thread that adds to a word with nothing left does no harm: it looks, sees
 * nothing to take, and does not add again before the word changes.
 */
#include "kernels/cpu/pool.h"

#include "kernels/base/fail.h"

#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    SPINS = 600, /* pauses of 30 to 50 ns: about 20 microseconds */
    PIECE_BITS = 20,
    PIECE_MASK = (1 << PIECE_BITS) - 1
};

struct worker {
    struct cpu_pool *pool;
    uint32_t index;
    pthread_t thread;
};

struct cpu_pool {
    /* apart from each other: all threads write to them */
    _Alignas(64) _Atomic uint64_t word;
    _Alignas(64) _Atomic uint32_t done;   /* pieces of this job */
    _Alignas(64) _Atomic uint32_t signal; /* job number: what sleeping workers wait on */
    _Atomic uint32_t sleepers;
    _Atomic uint32_t caller_sleeps;
    _Atomic bool stop;
    /* the job */
    cpu_piece run;
    void *data;
    uint32_t pieces;
    uint32_t threads;
    struct worker workers[CPU_THREADS_MAX];
};

static void futex_wait(_Atomic uint32_t *at, uint32_t while_it_is)
{
    syscall(SYS_futex, at, FUTEX_WAIT_PRIVATE, while_it_is, NULL, NULL, 0);
}

static void futex_wake(_Atomic uint32_t *at, int count)
{
    syscall(SYS_futex, at, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

static inline void pause_briefly(void)
{
#ifdef __x86_64__
    __builtin_ia32_pause();
#else
    atomic_signal_fence(memory_order_seq_cst);
#endif
}

static uint32_t next_of(uint64_t word)
{
    return (uint32_t)(word & PIECE_MASK);
}

static uint32_t pieces_of(uint64_t word)
{
    return (uint32_t)(word >> PIECE_BITS & PIECE_MASK);
}

static void finish_piece(struct cpu_pool *pool)
{
    uint32_t pieces = pool->pieces; /* before the last piece is done: then it may change */
    if (atomic_fetch_add(&pool->done, 1) + 1 == pieces && atomic_load(&pool->caller_sleeps) != 0) {
        futex_wake(&pool->done, 1);
    }
}

/* All that can be taken. */
static void take_pieces(struct cpu_pool *pool, uint32_t worker)
{
    while (next_of(atomic_load(&pool->word)) < pieces_of(atomic_load(&pool->word))) {
        uint64_t word = atomic_fetch_add(&pool->word, 1);
        if (next_of(word) < pieces_of(word)) {
            pool->run(pool->data, next_of(word), worker);
            finish_piece(pool);
        }
    }
}

static bool anything(struct cpu_pool *pool)
{
    uint64_t word = atomic_load_explicit(&pool->word, memory_order_relaxed);
    return next_of(word) < pieces_of(word) || atomic_load(&pool->stop);
}

static void *work(void *data)
{
    struct worker *worker = data;
    struct cpu_pool *pool = worker->pool;
    while (!atomic_load(&pool->stop)) {
        take_pieces(pool, worker->index);
        for (int i = 0; i < SPINS && !anything(pool); i++) {
            pause_briefly();
        }
        uint32_t signal = atomic_load(&pool->signal);
        atomic_fetch_add(&pool->sleepers, 1);
        if (!anything(pool)) {
            futex_wait(&pool->signal, signal);
        }
        atomic_fetch_sub(&pool->sleepers, 1);
    }
    return NULL;
}

struct cpu_pool *cpu_pool_create(uint32_t threads)
{
    struct cpu_pool *pool = aligned_alloc(64, (sizeof *pool + 63) / 64 * 64);
    KERNEL_ASSERT(pool != NULL);
    *pool = (struct cpu_pool){.threads = 1};
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the program's, not ours */
    while (pool->threads < threads && pool->threads < CPU_THREADS_MAX) {
        struct worker *worker = &pool->workers[pool->threads];
        *worker = (struct worker){.pool = pool, .index = pool->threads};
        if (pthread_create(&worker->thread, NULL, work, worker) != 0) {
            break;
        }
        pool->threads++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return pool;
}

void cpu_pool_destroy(struct cpu_pool *pool)
{
    if (pool == NULL) {
        return;
    }
    atomic_store(&pool->stop, true);
    atomic_fetch_add(&pool->signal, 1);
    futex_wake(&pool->signal, CPU_THREADS_MAX);
    for (uint32_t i = 1; i < pool->threads; i++) {
        pthread_join(pool->workers[i].thread, NULL);
    }
    free(pool);
}

uint32_t cpu_pool_threads(const struct cpu_pool *pool)
{
    return pool->threads;
}

static void wait_for_the_others(struct cpu_pool *pool)
{
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load(&pool->done) == pool->pieces) {
            return;
        }
        pause_briefly();
    }
    atomic_store(&pool->caller_sleeps, 1);
    for (uint32_t done = atomic_load(&pool->done); done != pool->pieces;
         done = atomic_load(&pool->done)) {
        futex_wait(&pool->done, done);
    }
    atomic_store(&pool->caller_sleeps, 0);
}

void cpu_pool_run(struct cpu_pool *pool, cpu_piece run, void *data, uint32_t pieces)
{
    KERNEL_ASSERT(pieces <= CPU_PIECES_MAX);
    if (pool->threads == 1 || pieces <= 1) {
        for (uint32_t i = 0; i < pieces; i++) {
            run(data, i, 0);
        }
        return;
    }
    pool->run = run;
    pool->data = data;
    pool->pieces = pieces;
    atomic_store(&pool->done, 0);
    uint32_t number = atomic_fetch_add(&pool->signal, 1) + 1;
    atomic_store(&pool->word, (uint64_t)number << 2 * PIECE_BITS | (uint64_t)pieces << PIECE_BITS);
    if (atomic_load(&pool->sleepers) != 0) {
        futex_wake(&pool->signal, CPU_THREADS_MAX);
    }
    take_pieces(pool, 0);
    wait_for_the_others(pool);
}
