/* health.h -- whether a model really answers: its engine is begun, asked a fixed small question
 * twice, and must give the same bytes both times within a time limit.
 *
 * The question has options, so that constraint, probabilities and text are all exercised; what is
 * chosen does not matter.  Blocking, with a loop of its own; not for a loop's thread.
 */
#ifndef REEVE_RUNTIME_MODEL_HEALTH_H
#define REEVE_RUNTIME_MODEL_HEALTH_H

#include "runtime/model/engine.h"

enum { RV_MODEL_HEALTH_MS = 120000 /* opening a large model from a slow disk included */ };

/* `options` as an engine takes them (loop and lazy are set here); `adapter` as a question has it,
 * with the company it is of, or NULL.  `facts`: of the engine, with "health_ms"; new reference.
 * RV_CORRUPT: two answers differ.  Else what the engine said: RV_UNAVAILABLE it cannot be opened,
 * RV_TIMEOUT no answer in time, RV_INVALID the adapter does not fit. */
RV_MUST enum rv_code rv_model_health(const struct rv_engine_options *options, int32_t tenant,
                                     const json_t *adapter, int64_t timeout_ms, json_t **facts,
                                     struct rv_error *err);

#endif
