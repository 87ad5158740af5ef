/* arena.h -- memory by lifetime: allocate freely, free once.
 *
 * Three lifetimes in reeve: process (boot to exit), entity (run, actor, connection) and step (reset
 * at the end of every turn).  A pointer may only point to an equal or longer lifetime.
 */
#ifndef REEVE_RUNTIME_BASE_ARENA_H
#define REEVE_RUNTIME_BASE_ARENA_H

#include "runtime/base/error.h"

#include <stddef.h>

struct rv_arena;

/* `limit_bytes` bounds the sum of all allocations; reaching it aborts with the arena's name (a
 * budget above it must have refused first).  `name` is borrowed for the arena's life. */
struct rv_arena *rv_arena_create(const char *name, size_t limit_bytes);
void rv_arena_destroy(struct rv_arena *arena); /* runs cleanups in reverse order; NULL is fine */
void rv_arena_reset(struct rv_arena *arena);   /* the same, but the arena stays usable */

void *rv_arena_alloc(struct rv_arena *arena, size_t size_bytes); /* zeroed, 16-byte aligned */
char *rv_arena_strdup(struct rv_arena *arena, const char *text); /* NULL gives NULL */
char *rv_arena_strndup(struct rv_arena *arena, const char *text, size_t length);
char *rv_arena_printf(struct rv_arena *arena, const char *format, ...) RV_PRINTF(2, 3);
/* `cleanup(data)` runs at reset or destroy, last registered first. */
void rv_arena_cleanup(struct rv_arena *arena, void (*cleanup)(void *data), void *data);
size_t rv_arena_used_bytes(const struct rv_arena *arena);

#endif
