/* loop_uv.h -- libuv itself, for the other files of runtime/loop only. */
#ifndef REEVE_RUNTIME_LOOP_LOOP_UV_H
#define REEVE_RUNTIME_LOOP_LOOP_UV_H

#include "runtime/loop/loop.h"

#include <uv.h>

uv_loop_t *rv_loop_uv(struct rv_loop *loop);

#endif
