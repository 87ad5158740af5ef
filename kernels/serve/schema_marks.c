/* schema_marks.c -- what is known of a part of the schema, by its address: a hash table of flags.
 */
#include "kernels/serve/schema.h"

#include "kernels/base/fail.h"

#include <stdlib.h>

static uint32_t slot_of(const struct marks *marks, const json_t *one)
{
    uint64_t hash = (uint64_t)(uintptr_t)one * 0x9e3779b97f4a7c15u;
    uint32_t at = (uint32_t)(hash >> 32) & (marks->room - 1);
    while (marks->at[at].one != NULL && marks->at[at].one != one) {
        at = (at + 1) & (marks->room - 1);
    }
    return at;
}

static void grow(struct marks *marks)
{
    struct marks larger = {.count = marks->count, .room = marks->room == 0 ? 256 : marks->room * 2};
    larger.at = kernel_allocate(larger.room, sizeof *larger.at);
    for (uint32_t i = 0; i < marks->room; i++) {
        if (marks->at[i].one != NULL) {
            larger.at[slot_of(&larger, marks->at[i].one)] = marks->at[i];
        }
    }
    free(marks->at);
    *marks = larger;
}

bool schema_marked(const struct schema *schema, const json_t *one, uint32_t flag)
{
    const struct marks *marks = &schema->marks;
    return marks->room > 0 && (marks->at[slot_of(marks, one)].flags & flag) != 0;
}

bool schema_mark(struct schema *schema, const json_t *one, uint32_t flag)
{
    struct marks *marks = &schema->marks;
    if (marks->count * 2 >= marks->room) {
        grow(marks);
    }
    uint32_t at = slot_of(marks, one);
    bool known = (marks->at[at].flags & flag) != 0;
    marks->count += marks->at[at].one == NULL;
    marks->at[at].one = one;
    marks->at[at].flags |= flag;
    return known;
}

void schema_marks_free(struct schema *schema)
{
    free(schema->marks.at);
    schema->marks = (struct marks){0};
}
