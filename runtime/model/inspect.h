/* inspect.h -- model files for the command line: what one is, a random one made, text counted.
 *
 * Blocking; not for a loop's thread.  Nothing of a file is run.
 */
#ifndef REEVE_RUNTIME_MODEL_INSPECT_H
#define REEVE_RUNTIME_MODEL_INSPECT_H

#include "runtime/base/error.h"
#include "runtime/base/hash.h"
#include "runtime/base/json.h"

/* {"name","hash","architecture","type","chat","chat_fault"?,"parameters","bytes","context",
 * "vocabulary","layers","width"}; new reference.  RV_INVALID or RV_CORRUPT with what is wrong, by
 * name.  `template`: the chat format that it is to have; NULL: as the file says. */
RV_MUST enum rv_code rv_model_inspect(const char *path, const char *template, json_t **out,
                                      struct rv_error *err);
/* A chat template that is there and not known: RV_INVALID with the remedy. */
RV_MUST enum rv_code rv_model_can_chat(const json_t *facts, struct rv_error *err);
/* Random weights of that shape; the same arguments give the same file.  Never overwrites. */
RV_MUST enum rv_code rv_model_make(const char *shape, const char *type, int64_t seed,
                                   const char *path, json_t **facts, struct rv_error *err);
/* SHA-256 of a whole file, in hex. */
RV_MUST enum rv_code rv_model_file_hash(const char *path, char out[RV_HASH_HEX],
                                        struct rv_error *err);
/* The shapes that can be made; NULL behind the last. */
const char *rv_model_shape(int index);

#endif
