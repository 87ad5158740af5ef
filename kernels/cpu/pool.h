/* pool.h -- a few threads that take the pieces of one job together.
 *
 * The caller works too.  Pieces are taken one by one from a counter, so that a thread that the
 * system has put aside costs one piece and not its share of the job.  A thread without work looks
 * for some about 20 microseconds (the next job of a step comes sooner) and then sleeps on a futex:
 * beside other busy processes nothing spins.
 *
 * What a piece computes must not depend on who computes it; then nothing depends on the number of
 * threads.
 *
 * Thread: one at a time.  Private to kernels/cpu.
 */
#ifndef REEVE_KERNELS_CPU_POOL_H
#define REEVE_KERNELS_CPU_POOL_H

#include <stdint.h>

enum { CPU_THREADS_MAX = 64, CPU_PIECES_MAX = (1 << 20) - 1 };

struct cpu_pool;
/* `worker` is 0 for the caller, 1 .. threads - 1 for the others. */
typedef void (*cpu_piece)(void *data, uint32_t piece, uint32_t worker);

/* As many threads as could be started: at least the caller. */
struct cpu_pool *cpu_pool_create(uint32_t threads);
void cpu_pool_destroy(struct cpu_pool *pool);
uint32_t cpu_pool_threads(const struct cpu_pool *pool);
/* Returns when all pieces are done. */
void cpu_pool_run(struct cpu_pool *pool, cpu_piece run, void *data, uint32_t pieces);

#endif
