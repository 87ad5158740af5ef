/* source.h -- what is read over before a plan's text is compiled.  Private to runtime/lua.
 *
 * Two operators of Lua do not give the same everywhere, and neither can be overridden:
 *   #   of a list with holes (see length.h): written as `LENGTH ^ x`, where LENGTH is a local of
 *       the chunk that no plan can name
 *   ^   is the C library's pow, whose last bit differs by machine: refused, with its line
 * Comments and texts are left alone; lines stay where they were.
 */
#ifndef REEVE_RUNTIME_LUA_SOURCE_H
#define REEVE_RUNTIME_LUA_SOURCE_H

#include "runtime/base/buf.h"
#include "runtime/base/error.h"

/* The name that stands for the length operator; a plan that uses it is refused. */
#define SOURCE_LENGTH "_LENGTH"

/* Appends the chunk to compile, whose first argument must be what length_push pushes.  RV_INVALID
 * with "agent.lua:12: …".  What is no Lua at all passes: the compiler says so better. */
RV_MUST enum rv_code source_read(const char *text, size_t length, const char *name,
                                 struct rv_buf *out, struct rv_error *err);

#endif
