/* constraint_step.c -- see constraint_step.h. */
#include "kernels/serve/constraint_step.h"

#include "kernels/base/fail.h"

#include <stdlib.h>
#include <string.h>

const struct frame step_finished = {.phase = PHASE_FINISHED};

/* ---- memory ---- */

enum { POOL_BLOCK = 32 << 10 };

void *pool_take(struct pool *pool, size_t size)
{
    size = (size + 15) & ~(size_t)15;
    if (pool->count == 0 || pool->now.used + size > POOL_BLOCK) {
        uint32_t next = pool->count == 0 ? 0 : pool->now.block + 1;
        if (next == pool->count) {
            pool->blocks = kernel_resize(pool->blocks, next + 1, sizeof(char *));
            pool->blocks[next] = kernel_allocate(POOL_BLOCK, 1);
            pool->count++;
            pool->bytes += POOL_BLOCK;
        }
        pool->now = (struct pool_mark){next, 0};
    }
    void *at = pool->blocks[pool->now.block] + pool->now.used;
    pool->now.used += (uint32_t)size;
    return at;
}

void pool_free(struct pool *pool)
{
    for (uint32_t i = 0; i < pool->count; i++) {
        free(pool->blocks[i]);
    }
    free(pool->blocks);
    *pool = (struct pool){0};
}

struct frame *step_frame(struct stepper *stepper, const struct frame *like)
{
    struct frame *frame = pool_take(stepper->pool, sizeof *frame);
    *frame = *like;
    return frame;
}

/* ---- sets of stacks ---- */

static bool same_used(const struct used *a, const struct used *b)
{
    for (; a != b; a = a->up, b = b->up) {
        if (a == NULL || b == NULL || a->at != b->at || a->length != b->length) {
            return false;
        }
    }
    return true;
}

static bool same(const struct frame *a, const struct frame *b)
{
    for (; a != b; a = a->up, b = b->up) {
        if (a == NULL || b == NULL || a->phase != b->phase || a->alt != b->alt ||
            a->state != b->state || a->at != b->at || a->count != b->count ||
            a->key_at != b->key_at || !same_used(a->used, b->used)) {
            return false;
        }
    }
    return true;
}

/* Inside of text that the schema does not list: almost every token may come, so each costs. */
static bool in_text(const struct frame *frame)
{
    return frame->phase == PHASE_STRING || frame->phase == PHASE_KEY_OTHER;
}

void stacks_add(struct stacks *stacks, const struct frame *frame)
{
    uint32_t texts = 0;
    for (uint32_t i = 0; i < stacks->count; i++) {
        if (same(stacks->at[i], frame)) {
            return;
        }
        texts += in_text(stacks->at[i]);
    }
    if (stacks->count == STEP_STACKS_MAX || (texts >= STEP_TEXTS_MAX && in_text(frame))) {
        return;
    }
    if (stacks->count == stacks->room) {
        stacks->room = stacks->room == 0 ? 8 : stacks->room * 2;
        stacks->at = kernel_resize(stacks->at, stacks->room, sizeof(const struct frame *));
    }
    stacks->at[stacks->count++] = frame;
}

/* ---- what may come next in an object or array ---- */

static bool fits_depth(const struct stepper *stepper, const struct frame *frame, uint32_t rule)
{
    return rule != RULE_NONE &&
           frame->depth + stepper->grammar->rules[rule].height <= KERNEL_ANSWER_DEPTH_MAX &&
           stepper->grammar->rules[rule].height <= KERNEL_ANSWER_DEPTH_MAX;
}

uint32_t step_used_count(const struct frame *frame)
{
    uint32_t count = 0;
    for (const struct used *used = frame->used; used != NULL; used = used->up) {
        count++;
    }
    return count;
}

/* Other keys that can still be written, at least. */
static uint64_t others_left(const struct stepper *stepper, const struct frame *frame)
{
    const struct alt *alt = frame->alt;
    if (alt->others == NULL) {
        return 0;
    }
    for (uint32_t i = 0; i < alt->other_count; i++) {
        if (!fits_depth(stepper, frame, alt->other_rules[i].rule)) {
            return 0;
        }
    }
    uint64_t taken = (uint64_t)step_used_count(frame) + alt->property_count;
    return alt->other_capacity == UINT64_MAX ? UINT64_MAX / 2
           : alt->other_capacity > taken     ? alt->other_capacity - taken
                                             : 0;
}

bool step_may_name(const struct stepper *stepper, const struct frame *frame, uint32_t property)
{
    const struct alt *alt = frame->alt;
    const struct property *one = &alt->properties[property];
    if (property < frame->at || property > alt->required_at[frame->at] ||
        !fits_depth(stepper, frame, one->rule)) {
        return false;
    }
    if (!one->required && alt->most != UINT32_MAX &&
        frame->count + 1 + alt->required_left[frame->at] > alt->most) {
        return false;
    }
    if (frame->count + 1 >= alt->least) {
        return true;
    }
    uint64_t left = others_left(stepper, frame);
    for (uint32_t p = property + 1; p < alt->property_count; p++) {
        left += fits_depth(stepper, frame, alt->properties[p].rule);
    }
    return frame->count + 1 + left >= alt->least;
}

bool step_may_other(const struct stepper *stepper, const struct frame *frame)
{
    const struct alt *alt = frame->alt;
    if (alt->others == NULL || alt->required_left[frame->at] > 0 ||
        (alt->most != UINT32_MAX && frame->count + 1 > alt->most)) {
        return false;
    }
    uint64_t left = others_left(stepper, frame);
    return left > 0 && frame->count + left >= alt->least;
}

static bool may_key(const struct stepper *stepper, const struct frame *frame)
{
    const struct alt *alt = frame->alt;
    for (uint32_t p = frame->at; p < alt->property_count && p <= alt->required_at[frame->at]; p++) {
        if (step_may_name(stepper, frame, p)) {
            return true;
        }
    }
    return step_may_other(stepper, frame);
}

bool step_may_close(const struct frame *frame)
{
    return frame->alt->required_left[frame->at] == 0 && frame->count >= frame->alt->least;
}

bool step_may_item(const struct stepper *stepper, const struct frame *frame)
{
    return frame->at < frame->alt->most &&
           fits_depth(stepper, frame, grammar_item(frame->alt, frame->at));
}

/* ---- keys as text ---- */

size_t step_whole_characters(struct kernel_text raw)
{
    size_t at = 0;
    while (at < raw.length) {
        uint8_t byte = (uint8_t)raw.bytes[at];
        size_t size = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
        if (byte == '\\') {
            size = at + 1 < raw.length && raw.bytes[at + 1] == 'u' ? 6 : 2;
            if (size == 6 && at + 3 < raw.length && (raw.bytes[at + 2] | 0x20) == 'd' &&
                memchr("89abAB", raw.bytes[at + 3], 6) != NULL) {
                size = 12;
            }
        }
        if (at + size > raw.length) {
            break;
        }
        at += size;
    }
    return at;
}

static bool begins_with(struct kernel_text key, struct kernel_text prefix, bool whole)
{
    size_t k = 0;
    size_t p = 0;
    while (p < prefix.length) {
        if (k >= key.length || spell_read_json(key, &k) != spell_read_json(prefix, &p)) {
            return false;
        }
    }
    return !whole || k == key.length;
}

/* Names are decoded text: read as such, not as JSON. */
static bool name_begins_with(struct kernel_text name, struct kernel_text prefix)
{
    size_t n = 0;
    size_t p = 0;
    while (p < prefix.length) {
        if (n >= name.length || spell_read_utf8(name, &n) != spell_read_json(prefix, &p)) {
            return false;
        }
    }
    return true;
}

bool step_key_taken(const char *text, const struct frame *frame, struct kernel_text key)
{
    for (const struct used *used = frame->used; used != NULL; used = used->up) {
        if (begins_with((struct kernel_text){text + used->at, used->length}, key, true)) {
            return true;
        }
    }
    if (frame->alt->property_count == 0) {
        return false;
    }
    char small[256];
    char *plain = key.length < sizeof small / 4 ? small : kernel_allocate(key.length + 1, 4);
    struct kernel_text decoded = {plain, 0};
    for (size_t at = 0; at < key.length;) {
        decoded.length += spell_utf8(spell_read_json(key, &at), plain + decoded.length);
    }
    bool taken = grammar_property(frame->alt, decoded) >= 0;
    if (plain != small) {
        free(plain);
    }
    return taken;
}

uint64_t step_keys_with(const char *text, const struct frame *frame, struct kernel_text prefix)
{
    uint64_t count = 0;
    for (const struct used *used = frame->used; used != NULL; used = used->up) {
        count += begins_with((struct kernel_text){text + used->at, used->length}, prefix, false);
    }
    for (uint32_t p = 0; p < frame->alt->property_count; p++) {
        count += name_begins_with(frame->alt->properties[p].name, prefix);
    }
    return count;
}

/* ---- values ---- */

static void begin_value(struct stepper *s, const struct frame *after, uint32_t rule, uint8_t byte)
{
    const struct rule *one = &s->grammar->rules[rule];
    uint32_t depth = after->depth;
    for (uint32_t i = 0; i < one->count; i++) {
        const struct alt *alt = &one->alts[i];
        struct frame frame = {
            .up = after, .alt = alt, .state = MACHINE_START, .depth = (uint16_t)depth};
        if (alt->kind == ALT_SCALAR) {
            frame.phase = PHASE_SCALAR;
            frame.state = machine_step(alt->machine, MACHINE_START, byte);
            if (frame.state != MACHINE_DEAD) {
                stacks_add(s->out, machine_is(alt->machine, frame.state, MACHINE_STUCK)
                                       ? after
                                       : step_frame(s, &frame));
            }
            continue;
        }
        static const char first[] = {[ALT_STRING] = '"', [ALT_ARRAY] = '[', [ALT_OBJECT] = '{'};
        static const uint8_t phases[] = {[ALT_STRING] = PHASE_STRING,
                                         [ALT_ARRAY] = PHASE_ARRAY_FIRST,
                                         [ALT_OBJECT] = PHASE_OBJECT_FIRST};
        if (byte == (uint8_t)first[alt->kind] && depth + alt->height <= KERNEL_ANSWER_DEPTH_MAX) {
            frame.phase = phases[alt->kind];
            frame.depth = (uint16_t)(depth + (alt->kind != ALT_STRING));
            stacks_add(s->out, step_frame(s, &frame));
        }
    }
}

static void in_scalar(struct stepper *s, const struct frame *frame, uint8_t byte)
{
    const struct machine *machine = frame->alt->machine;
    uint32_t to = machine_step(machine, frame->state, byte);
    if (to != MACHINE_DEAD && machine_is(machine, to, MACHINE_STUCK)) {
        stacks_add(s->out, frame->up);
    } else if (to != MACHINE_DEAD) {
        struct frame *next = step_frame(s, frame);
        next->state = to;
        stacks_add(s->out, next);
    }
    if (machine_is(machine, frame->state, MACHINE_ACCEPT)) { /* a number ends by what follows */
        step_byte(s, frame->up, byte);
    }
}

static void in_string(struct stepper *s, const struct frame *frame, uint8_t byte)
{
    const struct alt *alt = frame->alt;
    const struct machine *machine = alt->machine;
    if (byte == '"' && machine_is(machine, frame->state, MACHINE_BOUNDARY)) {
        if (machine_is(machine, frame->state, MACHINE_ACCEPT) && frame->count >= alt->least) {
            stacks_add(s->out, frame->up);
        }
        return;
    }
    uint32_t to = machine_step(machine, frame->state, byte);
    if (to == MACHINE_DEAD) {
        return;
    }
    uint32_t count = frame->count + machine_is(machine, to, MACHINE_BOUNDARY);
    if (step_fits(alt, to, count)) {
        struct frame *next = step_frame(s, frame);
        next->state = to;
        next->count = step_count(alt, count);
        stacks_add(s->out, next);
    }
}

/* ---- arrays ---- */

static void begin_item(struct stepper *s, const struct frame *frame, uint8_t byte)
{
    const struct alt *alt = frame->alt;
    if (!step_may_item(s, frame)) {
        return;
    }
    struct frame *after = step_frame(s, frame);
    uint32_t matters = alt->least > alt->prefix_count ? alt->least : alt->prefix_count;
    after->phase = PHASE_ARRAY_NEXT;
    after->at = alt->most == UINT32_MAX && frame->at >= matters ? matters : frame->at + 1;
    begin_value(s, after, grammar_item(alt, frame->at), byte);
}

static void in_array(struct stepper *s, const struct frame *frame, uint8_t byte)
{
    if (byte == ']' && frame->phase != PHASE_ARRAY_COMMA) {
        if (frame->at >= frame->alt->least) {
            stacks_add(s->out, frame->up);
        }
    } else if (frame->phase != PHASE_ARRAY_NEXT) {
        begin_item(s, frame, byte);
    } else if (byte == ',' && step_may_item(s, frame)) {
        struct frame *next = step_frame(s, frame);
        next->phase = PHASE_ARRAY_COMMA;
        stacks_add(s->out, next);
    }
}

/* ---- objects ---- */

static bool may_reach(const struct stepper *s, const struct frame *frame, uint32_t state)
{
    const struct alt *alt = frame->alt;
    uint32_t low = alt->reach_at[state];
    uint32_t high = alt->reach_at[state + 1];
    while (low < high) { /* the first that is not behind us */
        uint32_t middle = (low + high) / 2;
        if (alt->reach[middle] < frame->at) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    for (high = alt->reach_at[state + 1]; low < high; low++) {
        if (alt->reach[low] > alt->required_at[frame->at]) {
            return false;
        }
        if (step_may_name(s, frame, alt->reach[low])) {
            return true;
        }
    }
    return false;
}

static void begin_key(struct stepper *s, const struct frame *frame)
{
    const struct alt *alt = frame->alt;
    if (alt->names != NULL && may_reach(s, frame, MACHINE_START)) {
        struct frame *next = step_frame(s, frame);
        next->phase = PHASE_KEY_NAMED;
        next->state = MACHINE_START;
        stacks_add(s->out, next);
    }
    if (step_may_other(s, frame)) {
        struct frame *next = step_frame(s, frame);
        next->phase = PHASE_KEY_OTHER;
        next->state = MACHINE_START;
        next->key_at = s->length + 1;
        stacks_add(s->out, next);
    }
}

static void in_named_key(struct stepper *s, const struct frame *frame, uint8_t byte)
{
    const struct alt *alt = frame->alt;
    uint32_t to = machine_step(alt->names, frame->state, byte);
    if (to == MACHINE_DEAD || !may_reach(s, frame, to)) {
        return;
    }
    struct frame *next = step_frame(s, frame);
    next->state = to;
    if (machine_is(alt->names, to, MACHINE_ACCEPT)) {
        uint32_t property = (uint32_t)alt->names->label[to];
        next->phase = PHASE_VALUE;
        next->state = alt->properties[property].rule;
        next->at = property + 1;
        next->count = step_count(alt, frame->count + 1);
    }
    stacks_add(s->out, next);
}

static void end_other_key(struct stepper *s, const struct frame *frame)
{
    const struct alt *alt = frame->alt;
    struct kernel_text key = {s->text + frame->key_at, s->length - frame->key_at};
    if (!machine_is(alt->others, frame->state, MACHINE_ACCEPT) ||
        step_key_taken(s->text, frame, key)) {
        return;
    }
    struct frame *next = step_frame(s, frame);
    struct used *used = pool_take(s->pool, sizeof *used);
    *used = (struct used){frame->used, frame->key_at, (uint32_t)key.length};
    next->phase = PHASE_COLON;
    next->state = grammar_other(alt, alt->others->label[frame->state]);
    next->at = alt->property_count;
    next->count = step_count(alt, frame->count + 1);
    next->used = used;
    next->key_at = 0;
    stacks_add(s->out, next);
}

/* Is there a key that is not taken from here on?  Counted between characters; within one it is
 * looked for, because keys are counted by whole characters. */
static bool key_left(const struct stepper *s, const struct frame *frame, uint32_t to)
{
    const struct machine *others = frame->alt->others;
    struct kernel_text raw = {s->text + frame->key_at, s->length + 1 - frame->key_at};
    if (others->ways == NULL ||
        key_is_open(others, to, (uint64_t)step_used_count(frame) + frame->alt->property_count)) {
        return true;
    }
    if (machine_is(others, to, MACHINE_BOUNDARY)) {
        return key_is_open(others, to, step_keys_with(s->text, frame, raw));
    }
    struct spell_bytes rest = {0};
    bool found = key_shortest(s->text, frame, to, raw, &rest);
    free(rest.at);
    return found;
}

static void in_other_key(struct stepper *s, const struct frame *frame, uint8_t byte)
{
    const struct machine *others = frame->alt->others;
    if (byte == '"' && machine_is(others, frame->state, MACHINE_BOUNDARY)) {
        end_other_key(s, frame);
        return;
    }
    uint32_t to = machine_step(others, frame->state, byte);
    if (to == MACHINE_DEAD) {
        return;
    }
    if (!key_left(s, frame, to)) {
        return;
    }
    struct frame *next = step_frame(s, frame);
    next->state = to;
    stacks_add(s->out, next);
}

static void in_object(struct stepper *s, const struct frame *frame, uint8_t byte)
{
    if (byte == '}' && frame->phase != PHASE_OBJECT_COMMA) {
        if (step_may_close(frame)) {
            stacks_add(s->out, frame->up);
        }
    } else if (byte == '"' && frame->phase != PHASE_OBJECT_NEXT) {
        begin_key(s, frame);
    } else if (byte == ',' && frame->phase == PHASE_OBJECT_NEXT && may_key(s, frame)) {
        struct frame *next = step_frame(s, frame);
        next->phase = PHASE_OBJECT_COMMA;
        stacks_add(s->out, next);
    }
}

void step_byte(struct stepper *s, const struct frame *frame, uint8_t byte)
{
    switch ((enum phase)frame->phase) {
    case PHASE_FINISHED: break;
    case PHASE_ROOT: begin_value(s, &step_finished, frame->state, byte); break;
    case PHASE_SCALAR: in_scalar(s, frame, byte); break;
    case PHASE_STRING: in_string(s, frame, byte); break;
    case PHASE_ARRAY_FIRST:
    case PHASE_ARRAY_NEXT:
    case PHASE_ARRAY_COMMA: in_array(s, frame, byte); break;
    case PHASE_OBJECT_FIRST:
    case PHASE_OBJECT_NEXT:
    case PHASE_OBJECT_COMMA: in_object(s, frame, byte); break;
    case PHASE_KEY_NAMED: in_named_key(s, frame, byte); break;
    case PHASE_KEY_OTHER: in_other_key(s, frame, byte); break;
    case PHASE_COLON:
        if (byte == ':') {
            struct frame *next = step_frame(s, frame);
            next->phase = PHASE_VALUE;
            stacks_add(s->out, next);
        }
        break;
    case PHASE_VALUE: {
        struct frame *after = step_frame(s, frame);
        after->phase = PHASE_OBJECT_NEXT;
        after->state = 0;
        begin_value(s, after, frame->state, byte);
        break;
    }
    }
}

bool step_may_end(const struct frame *frame)
{
    return frame->phase == PHASE_FINISHED ||
           (frame->phase == PHASE_SCALAR && frame->up->phase == PHASE_FINISHED &&
            machine_is(frame->alt->machine, frame->state, MACHINE_ACCEPT));
}
