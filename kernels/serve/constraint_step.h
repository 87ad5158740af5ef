/* constraint_step.h -- inside of a state: stacks of frames, and how a byte changes them.
 *
 *     {"a":[1,   ->   number in 3rd item        A state is a set of such stacks: more than one
 * where array, after item 1       alternatives have begun alike.  Frames are never object, after
 * "a"         changed, so stacks share what they have in common finished                  and going
 * back is forgetting.
 *
 * Private to kernels/serve.
 */
#ifndef REEVE_KERNELS_SERVE_CONSTRAINT_STEP_H
#define REEVE_KERNELS_SERVE_CONSTRAINT_STEP_H

#include "kernels/serve/grammar.h"
#include "kernels/serve/spell.h"

/* Side by side; more are forgotten, each alone is good: what is written then satisfies the schema,
 * though not everything that does is written.  Few where they are inside of free text, where each
 * costs a mask of its own; many where a literal tells them apart ("kind":"invoice"). */
enum { STEP_STACKS_MAX = 1024, STEP_TEXTS_MAX = 16 };

enum phase {
    PHASE_FINISHED,
    PHASE_ROOT,
    PHASE_SCALAR,
    PHASE_STRING,
    PHASE_ARRAY_FIRST, /* after [ */
    PHASE_ARRAY_NEXT,  /* after an item */
    PHASE_ARRAY_COMMA,
    PHASE_OBJECT_FIRST, /* after { */
    PHASE_OBJECT_NEXT,  /* after a value */
    PHASE_OBJECT_COMMA,
    PHASE_KEY_NAMED,
    PHASE_KEY_OTHER,
    PHASE_COLON,
    PHASE_VALUE
};

struct used { /* another key of the object, as it stands in the answer */
    const struct used *up;
    uint32_t at, length;
};
struct frame {
    const struct frame *up;
    const struct alt *alt;
    const struct used *used;
    uint32_t state;  /* of the machine; COLON and VALUE: the rule of what comes */
    uint32_t at;     /* object: the next property; array: items so far */
    uint32_t count;  /* string: characters; object: properties so far */
    uint32_t key_at; /* KEY_OTHER: where the key begins in the answer */
    uint16_t depth;  /* containers that are open */
    uint8_t phase;
};
extern const struct frame step_finished;

/* Memory that is given back to a mark, all at once. */
struct pool_mark {
    uint32_t block;
    uint32_t used;
};
struct pool {
    char **blocks;
    uint32_t count; /* blocks there are */
    struct pool_mark now;
    size_t bytes;
};
void *pool_take(struct pool *pool, size_t size);
void pool_free(struct pool *pool);

struct stacks {
    const struct frame **at;
    uint32_t count, room;
};
void stacks_add(struct stacks *stacks, const struct frame *frame); /* once */

struct stepper {
    const struct kernel_grammar *grammar;
    struct pool *pool;
    const char *text; /* the answer so far, the byte itself included */
    uint32_t length;  /* without the byte */
    struct stacks *out;
};
void step_byte(struct stepper *stepper, const struct frame *frame, uint8_t byte);

struct frame *step_frame(struct stepper *stepper, const struct frame *like);
bool step_may_end(const struct frame *frame);
/* Objects: may this property, any other key, any key at all come next? */
bool step_may_name(const struct stepper *stepper, const struct frame *frame, uint32_t property);
bool step_may_other(const struct stepper *stepper, const struct frame *frame);
bool step_may_close(const struct frame *frame);
bool step_may_item(const struct stepper *stepper, const struct frame *frame);
/* Is that text, as it is spelled in JSON, a key of the object already or one with a name? */
bool step_key_taken(const char *text, const struct frame *frame, struct kernel_text key);
/* How many keys of the object, named or used, begin with it. */
uint64_t step_keys_with(const char *text, const struct frame *frame, struct kernel_text prefix);
size_t step_whole_characters(struct kernel_text raw);
uint32_t step_used_count(const struct frame *frame);

/* ---- constraint_key.c ---- */

/* Has the state of `others` more keys than `taken`?  Then one of them is free. */
static inline bool key_is_open(const struct machine *others, uint32_t state, uint64_t taken)
{
    return others->ways == NULL || others->ways[state] == UINT64_MAX || others->ways[state] > taken;
}
/* Adds the rest of a shortest key that is neither named nor used, from `state` on, where `typed` is
 * what it begins with; false: there is none. */
bool key_shortest(const char *text, const struct frame *frame, uint32_t state,
                  struct kernel_text typed, struct spell_bytes *out);
/* The byte on a way with the fewest bytes to an end; with `characters` the fewest of them first. */
uint8_t key_machine_way(const struct machine *machine, uint32_t state, bool characters);

/* The string may be here with so many characters. */
static inline bool step_fits(const struct alt *alt, uint32_t state, uint32_t characters)
{
    return alt->most == UINT32_MAX || characters + alt->machine->least[state] <= alt->most;
}
static inline uint32_t step_count(const struct alt *alt, uint32_t characters)
{
    return alt->most == UINT32_MAX && characters > alt->least ? alt->least : characters;
}

#endif
