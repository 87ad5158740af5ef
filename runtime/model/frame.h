/* frame.h -- what reeve and its engine's process say to each other: JSON, each with its length.
 *
 *     4 bytes, big endian: length of the JSON text | the text
 *
 *   to the engine     {"op":"open", path, backend, threads, context, cache_bytes}   first, once
 *                     {"op":"ask", "id", what engine.h says of a question}
 *                     {"op":"cancel", "id"}      {"op":"stats"}
 *   from the engine   {"e":"ready", facts}       {"e":"refused", "message"}          first, once
 *                     {"e":"piece", "id", "text", "thinking"?, "logprobs"?}
 *                     {"e":"done", "id", ...}    {"e":"failed", "id", "status", "message", ...}
 *                     {"e":"stats", ...}
 *
 * A frame that breaks these rules ends the connection: one side is broken, and the engine's process
 * is begun anew.  Pure; private to runtime/model.
 */
#ifndef REEVE_RUNTIME_MODEL_FRAME_H
#define REEVE_RUNTIME_MODEL_FRAME_H

#include "runtime/base/buf.h"
#include "runtime/base/json.h"

enum {
    RV_FRAME_MAX = 8 << 20, /* a question with a full context in the longest escapes */
    RV_FRAME_FD = 3         /* the engine's end of the connection, in its process */
};

/* Appends one frame; false when it is longer than RV_FRAME_MAX: then nothing was appended. */
bool rv_frame_put(struct rv_buf *out, const json_t *frame);
/* Takes the first whole frame off `in`; `*out` is NULL while there is none.  RV_PROTOCOL when what
 * is there can never become one. */
RV_MUST enum rv_code rv_frame_take(struct rv_buf *in, json_t **out, struct rv_error *err);

#endif
