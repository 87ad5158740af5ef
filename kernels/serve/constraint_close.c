/* constraint_close.c -- a short way to the end of an answer, byte by byte.
 *
 * Each frame knows a next byte that leads towards its end; the automaton itself takes it, so
 * whatever is written here is as valid as what a model writes.
 *
 *     {"a":[1,2|      ]  array has enough          }  object needs no more
 *     {"a":"x|        "  string may end            ,"b":0}  a required property is missing
 */
#include "kernels/serve/constraint.h"

#include "kernels/base/fail.h"
#include "kernels/serve/constraint_state.h"

#include <stdlib.h>
#include <string.h>

/* ---- objects ---- */

/* The property to write next; UINT32_MAX: some other key. */
static uint32_t next_property(const struct stepper *stepper, const struct frame *frame)
{
    const struct alt *alt = frame->alt;
    uint32_t required = alt->required_at[frame->at];
    if (required < alt->property_count && step_may_name(stepper, frame, required)) {
        return required;
    }
    for (uint32_t p = frame->at; p < alt->property_count && p <= required; p++) {
        if (step_may_name(stepper, frame, p)) {
            return p;
        }
    }
    return UINT32_MAX;
}

/* In the middle of a name: a property that can still be meant, the next required one if possible.
 */
static uint32_t meant_property(const struct stepper *stepper, const struct frame *frame)
{
    const struct alt *alt = frame->alt;
    uint32_t found = UINT32_MAX;
    for (uint32_t i = alt->reach_at[frame->state]; i < alt->reach_at[frame->state + 1]; i++) {
        uint32_t p = alt->reach[i];
        if ((found == UINT32_MAX || p == alt->required_at[frame->at]) &&
            step_may_name(stepper, frame, p)) {
            found = p;
        }
    }
    return found;
}

static bool reaches(const struct alt *alt, uint32_t state, uint32_t property)
{
    for (uint32_t i = alt->reach_at[state]; i < alt->reach_at[state + 1]; i++) {
        if (alt->reach[i] == property) {
            return true;
        }
    }
    return false;
}

static uint8_t name_way(const struct stepper *stepper, const struct frame *frame)
{
    const struct alt *alt = frame->alt;
    const struct machine *names = alt->names;
    uint32_t property = meant_property(stepper, frame);
    uint8_t byte = 0;
    for (uint32_t e = names->edge_at[frame->state]; e < names->edge_at[frame->state + 1]; e++) {
        if (reaches(alt, names->edges[e].to, property)) {
            byte = names->edges[e].low; /* the last one: raw before \u */
        }
    }
    return byte;
}

/* The next byte of a shortest key that is neither used nor named, which is looked for once; '"'
 * where it ends here, 0 where there is none. */
static uint8_t other_way(struct kernel_constraint *state, const struct stepper *stepper,
                         const struct frame *frame)
{
    struct kernel_text typed = {stepper->text + frame->key_at, stepper->length - frame->key_at};
    if (state->way_at == state->way.length) {
        state->way.length = state->way_at = 0;
        if (!key_shortest(stepper->text, frame, frame->state, typed, &state->way)) {
            return 0;
        }
        spell_add(&state->way, "\"", 1);
    }
    return (uint8_t)state->way.at[state->way_at++];
}

/* ---- values ---- */

static const struct alt *best_alt(const struct stepper *stepper, const struct frame *frame,
                                  uint32_t rule)
{
    const struct rule *one = &stepper->grammar->rules[rule];
    const struct alt *best = NULL;
    for (uint32_t i = 0; i < one->count; i++) {
        if (frame->depth + one->alts[i].height <= KERNEL_ANSWER_DEPTH_MAX &&
            (best == NULL || one->alts[i].bytes < best->bytes)) {
            best = &one->alts[i];
        }
    }
    return best;
}

static uint8_t value_way(const struct alt *alt)
{
    switch (alt->kind) {
    case ALT_SCALAR: return key_machine_way(alt->machine, MACHINE_START, false);
    case ALT_STRING: return '"';
    case ALT_ARRAY: return '[';
    case ALT_OBJECT: return '{';
    }
    return 0;
}

static uint8_t string_way(const struct frame *frame)
{
    const struct alt *alt = frame->alt;
    const struct machine *machine = alt->machine;
    if (machine_is(machine, frame->state, MACHINE_BOUNDARY | MACHINE_ACCEPT)) {
        if (frame->count >= alt->least) {
            return '"';
        }
        return 'a'; /* only free strings count their least here */
    }
    return key_machine_way(machine, frame->state, alt->most != UINT32_MAX);
}

/* The byte, and the alternative that it begins where it begins one. */
static uint8_t next_byte(struct kernel_constraint *state, const struct stepper *stepper,
                         const struct frame *frame, const struct alt **alt)
{
    *alt = NULL;
    switch ((enum phase)frame->phase) {
    case PHASE_FINISHED: break;
    case PHASE_SCALAR: return key_machine_way(frame->alt->machine, frame->state, false);
    case PHASE_STRING: return string_way(frame);
    case PHASE_ROOT:
    case PHASE_VALUE: *alt = best_alt(stepper, frame, frame->state); return value_way(*alt);
    case PHASE_ARRAY_FIRST:
    case PHASE_ARRAY_NEXT:
        if (frame->at >= frame->alt->least) {
            return ']';
        }
        if (frame->phase == PHASE_ARRAY_NEXT) {
            return ',';
        } /* fall through */
    case PHASE_ARRAY_COMMA:
        *alt = best_alt(stepper, frame, grammar_item(frame->alt, frame->at));
        return value_way(*alt);
    case PHASE_OBJECT_FIRST:
    case PHASE_OBJECT_NEXT:
        if (step_may_close(frame)) {
            return '}';
        }
        return frame->phase == PHASE_OBJECT_NEXT ? ',' : '"';
    case PHASE_OBJECT_COMMA: return '"';
    case PHASE_KEY_NAMED: return name_way(stepper, frame);
    case PHASE_KEY_OTHER: return other_way(state, stepper, frame);
    case PHASE_COLON: return ':';
    }
    return 0;
}

/* Of what a byte led to, the stack that was meant. */
static const struct frame *choose(const struct stepper *stepper, const struct frame *from,
                                  const struct alt *alt, const struct stacks *out)
{
    bool key = from->phase == PHASE_OBJECT_FIRST || from->phase == PHASE_OBJECT_COMMA;
    bool named = key && next_property(stepper, from) != UINT32_MAX;
    for (uint32_t i = 0; i < out->count; i++) {
        const struct frame *one = out->at[i];
        if (alt != NULL ? one->alt == alt && one->state != MACHINE_DEAD && one->depth >= from->depth
            : key       ? (one->phase == PHASE_KEY_NAMED) == named
                        : true) {
            return one;
        }
    }
    return out->count > 0 ? out->at[0] : NULL;
}

/* Inside of free text: as many characters as it lacks, at once. */
static const struct frame *fill_string(struct kernel_constraint *state, struct stepper *stepper,
                                       const struct frame *frame, size_t begin, size_t most,
                                       struct spell_bytes *out)
{
    if (frame->phase != PHASE_STRING || frame->count >= frame->alt->least ||
        !machine_is(frame->alt->machine, frame->state, MACHINE_BOUNDARY | MACHINE_FREE)) {
        return frame;
    }
    uint32_t lacks = frame->alt->least - frame->count;
    if (out->length + lacks > most) {
        return NULL;
    }
    state_room(state, stepper->length - begin + lacks + 2);
    memset(state->text.at + stepper->length, 'a', lacks);
    spell_add(out, state->text.at + stepper->length, lacks);
    stepper->length += lacks;
    struct frame *next = step_frame(stepper, frame);
    next->count = frame->alt->least;
    return next;
}

bool close_stack(struct kernel_constraint *state, const struct frame *frame, size_t most,
                 struct spell_bytes *out)
{
    struct stepper stepper = state_trial(state);
    size_t begin = state->text.length;
    state->way.length = state->way_at = 0;
    while (!step_may_end(frame)) {
        if (frame->phase == PHASE_SCALAR &&
            machine_is(frame->alt->machine, frame->state, MACHINE_ACCEPT)) {
            frame = frame->up;
            continue;
        }
        frame = fill_string(state, &stepper, frame, begin, most, out);
        if (frame == NULL) {
            return false;
        }
        const struct alt *alt = NULL;
        uint8_t byte = next_byte(state, &stepper, frame, &alt);
        state_room(state, stepper.length - begin + 2);
        stepper.text = state->text.at;
        state->text.at[stepper.length] = (char)byte;
        state->other.count = 0;
        step_byte(&stepper, frame, byte);
        frame = choose(&stepper, frame, alt, &state->other);
        spell_add(out, &byte, 1);
        stepper.length++;
        if (frame == NULL || out->length > most) {
            return false;
        }
    }
    return true;
}
