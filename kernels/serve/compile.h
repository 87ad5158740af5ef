/* compile.h -- schemas of requests, compiled or remembered, and the thread for those that last.
 *
 * Private to kernels/serve.
 */
#ifndef REEVE_KERNELS_SERVE_COMPILE_H
#define REEVE_KERNELS_SERVE_COMPILE_H

#include "kernels/serve/serve.h"

/* A grammar for the schema, compiled or remembered; the caller's until release; NULL where
 * it takes more than the effort allows. */
enum kernel_status grammars_acquire(struct kernel_engine *engine, uint32_t tenant,
                                    struct kernel_text schema, enum compile_effort effort,
                                    struct grammar_entry **out, struct kernel_error *error);
void grammars_release(struct kernel_engine *engine, struct grammar_entry *entry);
void grammars_free(struct kernel_engine *engine);
/* The thread that compiles what takes longer; stopped before the engine's thread, which gets all
 * that is left. */
void compiler_start(struct kernel_engine *engine);
void compiler_stop(struct kernel_engine *engine);
void compiler_add(struct kernel_engine *engine, struct sequence *sequence); /* with the lock */
/* With the lock: those that are late go on without being compiled.  When the next is; 0: none. */
int64_t compiler_end_late(struct kernel_engine *engine);
/* With the lock: how many wait for it, or are at work. */
uint32_t compiler_count(const struct kernel_engine *engine);
/* With the lock: is it there?  Then it ends as canceled: at once, or after its compiling. */
bool compiler_cancel(struct kernel_engine *engine, uint64_t id);

#endif
