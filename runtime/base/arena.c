/* arena.c -- a list of blocks, each double the last up to a cap. */
#include "runtime/base/arena.h"

#include "runtime/base/check.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { ARENA_FIRST_BLOCK = 4096, ARENA_MAX_BLOCK = 1 << 20, ARENA_ALIGN = 16 };

struct block {
    struct block *next;
    size_t size;
    size_t used;
    _Alignas(ARENA_ALIGN) unsigned char bytes[];
};

struct cleanup {
    struct cleanup *next;
    void (*run)(void *data);
    void *data;
};

struct rv_arena {
    const char *name;
    size_t limit_bytes;
    size_t used_bytes;
    struct block *blocks; /* newest first */
    struct cleanup *cleanups;
};

struct rv_arena *rv_arena_create(const char *name, size_t limit_bytes)
{
    struct rv_arena *arena = rv_alloc(sizeof *arena);
    arena->name = name;
    arena->limit_bytes = limit_bytes;
    return arena;
}

static void release(struct rv_arena *arena)
{
    while (arena->cleanups != NULL) {
        struct cleanup *cleanup = arena->cleanups;
        arena->cleanups = cleanup->next;
        cleanup->run(cleanup->data);
    }
    while (arena->blocks != NULL) {
        struct block *block = arena->blocks;
        arena->blocks = block->next;
        rv_free(block);
    }
    arena->used_bytes = 0;
}

void rv_arena_destroy(struct rv_arena *arena)
{
    if (arena != NULL) {
        release(arena);
        rv_free(arena);
    }
}

void rv_arena_reset(struct rv_arena *arena)
{
    release(arena);
}

void *rv_arena_alloc(struct rv_arena *arena, size_t size_bytes)
{
    RV_ASSERT(size_bytes <= SIZE_MAX / 2);
    size_t size = (size_bytes + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
    if (size > arena->limit_bytes - arena->used_bytes) {
        fprintf(stderr, "reeve: arena \"%s\" is over its limit of %zu bytes\n", arena->name,
                arena->limit_bytes);
        RV_UNREACHABLE("an arena limit is above every budget");
    }
    struct block *block = arena->blocks;
    if (block == NULL || size > block->size - block->used) {
        size_t wanted = block == NULL ? ARENA_FIRST_BLOCK : block->size * 2;
        wanted = wanted > ARENA_MAX_BLOCK ? ARENA_MAX_BLOCK : wanted;
        wanted = wanted < size ? size : wanted;
        block = rv_alloc(sizeof *block + wanted);
        block->size = wanted;
        block->next = arena->blocks;
        arena->blocks = block;
    }
    void *memory = block->bytes + block->used;
    block->used += size;
    arena->used_bytes += size;
    return memory;
}

char *rv_arena_strndup(struct rv_arena *arena, const char *text, size_t length)
{
    char *copy = rv_arena_alloc(arena, length + 1);
    memcpy(copy, text, length);
    return copy;
}

char *rv_arena_strdup(struct rv_arena *arena, const char *text)
{
    return text == NULL ? NULL : rv_arena_strndup(arena, text, strlen(text));
}

char *rv_arena_printf(struct rv_arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    RV_ASSERT(n >= 0);
    char *text = rv_arena_alloc(arena, (size_t)n + 1);
    vsnprintf(text, (size_t)n + 1, format, again);
    va_end(again);
    return text;
}

void rv_arena_cleanup(struct rv_arena *arena, void (*cleanup)(void *data), void *data)
{
    struct cleanup *entry = rv_arena_alloc(arena, sizeof *entry);
    *entry = (struct cleanup){.next = arena->cleanups, .run = cleanup, .data = data};
    arena->cleanups = entry;
}

size_t rv_arena_used_bytes(const struct rv_arena *arena)
{
    return arena->used_bytes;
}
