/* frame.h -- what reeve and its engine's process say to each other: JSON, each with its length.
 *
 *     4 bytes, big endian: length of the JSON text | the text
 *
 * The first member of a frame about a question is its number, so that it can be read where the rest
 * cannot: {"id":7,...
 *
 *   to the engine     {"op":"open", path, backend, threads, context, cache_bytes}   first, once
 *                     {"id", "op":"ask", what engine.h says of a question}
 *                     {"op":"cancel", "id"}      {"op":"stats"}
 *   from the engine   {"e":"ready", facts}       {"e":"refused", "message"}          first, once
 *                     {"e":"piece", "id", "text", "thinking"?, "logprobs"?}
 *                     {"e":"done", "id", ...}    {"e":"failed", "id", "status", "message", ...}
 *                     {"e":"stats", ...}
 *                     {"e":"alive", "pieces", "at_work"}   each second, before "ready" too: how
 *                         many pieces of work are done, and whether there is work in hand
 *
 * Whoever sends sees to it that the other can read: rv_frame_put refuses what is too long or too
 * deep, and nothing is sent.  A frame whose text is none that can be read is taken off, and fails
 * the question whose number it begins with; a length over the limit ends the connection, since
 * nobody knows where the next frame begins: the engine's process is begun anew then.  Pure; private
 * to runtime/model.
 */
#ifndef REEVE_RUNTIME_MODEL_FRAME_H
#define REEVE_RUNTIME_MODEL_FRAME_H

#include "runtime/base/buf.h"
#include "runtime/base/json.h"

enum {
    RV_FRAME_MAX = 16 << 20, /* a body of the API: its tools stand in it twice, and escaped */
    RV_FRAME_DEPTH_MAX = RV_JSON_DEPTH_MAX + 16, /* what stands around a body's schema */
    RV_FRAME_FD = 3 /* the engine's end of the connection, in its process */
};

/* Appends one frame.  RV_LIMIT: it is longer than RV_FRAME_MAX or deeper than RV_FRAME_DEPTH_MAX,
 * for ever; RV_UNAVAILABLE: `out` has no room now.  Then nothing was appended. */
RV_MUST enum rv_code rv_frame_put(struct rv_buf *out, const json_t *frame, struct rv_error *err);
/* Takes the first whole frame off `in`; `*out` is NULL while there is none.  RV_INVALID: it is
 * taken off, and is no JSON object that can be read; `*id` is the number it begins with, 0 none.
 * RV_PROTOCOL: what is there can never become one. */
RV_MUST enum rv_code rv_frame_take(struct rv_buf *in, json_t **out, int64_t *id,
                                   struct rv_error *err);

#endif
