/* say_step.h -- one entry of a run's journal as a sentence on standard output.
 *
 * What suppliers, models and people have written is one line each: texts come as cli_clean_json
 * made them, values as JSON that is cleaned here.
 */
#ifndef REEVE_RUNTIME_CLI_SAY_STEP_H
#define REEVE_RUNTIME_CLI_SAY_STEP_H

#include "runtime/base/json.h"

#include <stdio.h>

/* `step` is cleaned, `raw` the same as it was journaled; `told`, of an entry of a signal or update,
 * may be NULL: {"name", "sent_by"}, cleaned. */
void say_step(const json_t *step, const json_t *raw, const json_t *told);
/* The names of rules, quoted. */
void say_rules(const json_t *rules);
/* A value as it is, as one line of JSON; a long one is cut. */
void say_json(const json_t *raw);
/* What a run did and could not take back (field effects_standing), and who has dealt with it (field
 * settled), cleaned; nothing where there is nothing. */
void say_effects_standing(FILE *to, const json_t *effects, const json_t *settled);

#endif
