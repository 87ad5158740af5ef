/* answer.h -- is this what was asked for?  A small part of JSON Schema, and the choice among
 * options.
 *
 * Known: type (object, array, string, integer, boolean, also in a list with "null"), properties,
 * required, additionalProperties (false), items, minItems, maxItems, enum, minLength, maxLength,
 * minimum, maximum, description.  An unknown keyword, or a value of one that is not
 * understood, is refused when the question is asked: a rule that nobody checks is no rule.  Lengths
 * are in characters.  Numbers with a fraction are refused: they have no place near money.  Messages
 * name the place and the rule, never what the model wrote. Private to runtime/model.
 */
#ifndef REEVE_RUNTIME_MODEL_ANSWER_H
#define REEVE_RUNTIME_MODEL_ANSWER_H

#include "runtime/base/error.h"
#include "runtime/base/json.h"

RV_MUST enum rv_code rv_answer_schema_known(const json_t *schema, struct rv_error *err);
RV_MUST enum rv_code rv_answer_check(const json_t *schema, const json_t *value,
                                     struct rv_error *err);
/* {choice: one of the options, reason: text}; new reference. */
json_t *rv_answer_options_schema(const json_t *options);

#endif
