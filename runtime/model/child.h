/* child.h -- the engine's process: kernels on one side, frames on the other.
 *
 *     reader (main thread): frames in -> kernel_submit, kernel_cancel
 *     the engine's thread:  events -> frames -> queue
 *     writer thread:        queue -> the connection
 *     pulse thread:         "alive" -> queue, each second from the first on
 *
 * It opens what the first frame names, serves until the connection ends, and never outlives its
 * parent.  runtime/model/child.c, adapters.c, request.c and
 * inspect.c alone see kernels/.
 */
#ifndef REEVE_RUNTIME_MODEL_CHILD_H
#define REEVE_RUNTIME_MODEL_CHILD_H

/* Gives the exit status: 0 the parent closed, 1 the model was refused, 2 no parent. */
int rv_engine_child(int fd);

#endif
