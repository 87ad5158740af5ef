/* grammar.c -- rules made fit for use: what cannot be satisfied goes, heights stay.
 *
 * A rule's height is the least nesting with which it can be satisfied.  It is the least fixed point
 * of   height(array) = 1 + max over the items it needs, height(rule) = min over its alternatives
 * found by sweeping until nothing changes (Knuth 1977, "A generalization of Dijkstra's algorithm",
 * has the same equations).  What stays infinite needs itself, or something impossible.
 */
#include "kernels/serve/grammar.h"

#include "kernels/base/fail.h"
#include "kernels/serve/spell.h"

#include <stdlib.h>
#include <string.h>

#define ENDLESS UINT32_MAX

enum { SWEEP_WORK = 3, NAME_WORK = 12 }; /* steps: an alternative's height, a byte of a name */

/* ---- memory ---- */

static void alt_free(struct alt *alt)
{
    for (uint32_t i = 0; i < alt->property_count; i++) {
        free((char *)(uintptr_t)alt->properties[i].name.bytes);
    }
    free(alt->prefix);
    free(alt->properties);
    free(alt->reach_at);
    free(alt->reach);
    free(alt->sorted);
    free(alt->required_at);
    free(alt->required_left);
    free(alt->other_rules);
    chars_destroy(alt->other_chars);
}

void kernel_grammar_destroy(struct kernel_grammar *grammar)
{
    if (grammar == NULL) {
        return;
    }
    for (uint32_t r = 0; r < grammar->count; r++) {
        for (uint32_t a = 0; a < grammar->rules[r].count; a++) {
            alt_free(&grammar->rules[r].alts[a]);
        }
        free(grammar->rules[r].alts);
    }
    for (uint32_t i = 0; i < grammar->machine_count; i++) {
        machine_destroy(grammar->machines[i]);
    }
    for (uint32_t i = 0; i < GRAMMAR_CACHE; i++) {
        free(grammar->cache[i].key);
        free(grammar->cache[i].mask);
    }
    free(grammar->rules);
    free(grammar->machines);
    pthread_mutex_destroy(&grammar->lock);
    free(grammar);
}

void grammar_keep(struct kernel_grammar *grammar, struct machine *machine)
{
    if (grammar->machine_count == grammar->machine_room) {
        grammar->machine_room = grammar->machine_room == 0 ? 16 : grammar->machine_room * 2;
        grammar->machines =
            kernel_resize(grammar->machines, grammar->machine_room, sizeof(struct machine *));
    }
    grammar->machines[grammar->machine_count++] = machine;
    grammar->bytes += machine_bytes(machine);
}

/* ---- looking up ---- */

static int compare_names(struct kernel_text a, struct kernel_text b)
{
    int order = memcmp(a.bytes, b.bytes, a.length < b.length ? a.length : b.length);
    return order != 0 ? order : (a.length > b.length) - (a.length < b.length);
}

int32_t grammar_property(const struct alt *object, struct kernel_text name)
{
    uint32_t low = 0;
    uint32_t high = object->property_count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        int order = compare_names(object->properties[object->sorted[middle]].name, name);
        if (order == 0) {
            return (int32_t)object->sorted[middle];
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return -1;
}

uint32_t grammar_other(const struct alt *object, uint64_t label)
{
    for (uint32_t i = 0; i < object->other_count; i++) {
        if (object->other_rules[i].label == label) {
            return object->other_rules[i].rule;
        }
    }
    return object->other_count == 1 && object->other_chars == NULL ? object->other_rules[0].rule
                                                                   : RULE_NONE;
}

uint32_t grammar_item(const struct alt *array, uint32_t index)
{
    return index < array->prefix_count ? array->prefix[index] : array->rest;
}

/* ---- heights ---- */

static uint32_t height_of(const struct kernel_grammar *grammar, uint32_t rule)
{
    return rule == RULE_NONE ? ENDLESS : grammar->rules[rule].height;
}

static uint64_t bytes_of(const struct kernel_grammar *grammar, uint32_t rule)
{
    return rule == RULE_NONE ? UINT32_MAX : grammar->rules[rule].bytes;
}

static uint32_t greater(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static void array_height(const struct kernel_grammar *grammar, struct alt *alt)
{
    uint32_t height = 0;
    uint64_t bytes = 2;
    uint32_t distinct = alt->least < alt->prefix_count + 1 ? alt->least : alt->prefix_count + 1;
    for (uint32_t i = 0; i < distinct; i++) {
        height = greater(height, height_of(grammar, grammar_item(alt, i)));
        bytes += 1 + bytes_of(grammar, grammar_item(alt, i));
    }
    if (alt->least > distinct) {
        bytes += (alt->least - distinct) * (1 + bytes_of(grammar, alt->rest));
    }
    alt->height = alt->least > alt->most || height == ENDLESS ? ENDLESS : height + 1;
    alt->bytes = bytes;
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* The height with which `extra` more keys than the required ones can be written. */
static uint32_t extra_height(const struct kernel_grammar *grammar, const struct alt *alt,
                             uint64_t extra)
{
    uint32_t *heights = kernel_allocate(alt->property_count, sizeof *heights);
    uint32_t count = 0;
    for (uint32_t i = 0; i < alt->property_count; i++) {
        uint32_t height = height_of(grammar, alt->properties[i].rule);
        if (!alt->properties[i].required && height != ENDLESS) {
            heights[count++] = height;
        }
    }
    qsort(heights, count, sizeof *heights, by_value);
    uint32_t named = extra <= count ? heights[extra - 1] : ENDLESS;
    uint32_t other = ENDLESS;
    for (uint32_t i = 0; i < alt->other_count; i++) {
        uint32_t height = height_of(grammar, alt->other_rules[i].rule);
        other = height < other ? height : other;
    }
    bool endless = alt->other_capacity == UINT64_MAX;
    bool alone = endless || alt->other_capacity >= extra + alt->property_count;
    bool with_named = endless || alt->other_capacity + count >= extra + alt->property_count;
    if (other != ENDLESS && !alone && with_named && extra > 0) {
        other = greater(other, count > 0 ? heights[count - 1] : 0);
    } else if (!alone) {
        other = ENDLESS;
    }
    free(heights);
    return named < other ? named : other;
}

static void object_height(const struct kernel_grammar *grammar, struct alt *alt)
{
    uint32_t height = 0;
    uint32_t required = 0;
    uint64_t bytes = 2;
    for (uint32_t i = 0; i < alt->property_count; i++) {
        if (alt->properties[i].required) {
            required++;
            height = greater(height, height_of(grammar, alt->properties[i].rule));
            bytes +=
                4 + alt->properties[i].name.length + bytes_of(grammar, alt->properties[i].rule);
        }
    }
    if (alt->least > required && height != ENDLESS) {
        height = greater(height, extra_height(grammar, alt, alt->least - required));
        bytes += (uint64_t)(alt->least - required) * 8;
    }
    bool fits = alt->least <= alt->most && required <= alt->most;
    alt->height = !fits || height == ENDLESS ? ENDLESS : height + 1;
    alt->bytes = bytes;
}

static bool sweep_rule(const struct kernel_grammar *grammar, struct rule *rule, struct work *work)
{
    bool changed = false;
    for (uint32_t a = 0; a < rule->count; a++) {
        struct alt *alt = &rule->alts[a];
        uint64_t parts = (uint64_t)alt->prefix_count + alt->property_count + alt->other_count;
        if (!work_take(work, SWEEP_WORK + parts * (alt->least > 0 ? 6 : 2))) {
            return false;
        }
        if (alt->kind == ALT_ARRAY) {
            array_height(grammar, alt);
        } else if (alt->kind == ALT_OBJECT) {
            object_height(grammar, alt);
        }
        if (alt->height < rule->height) {
            rule->height = alt->height;
            changed = true;
        }
        if (alt->height != ENDLESS && alt->bytes < rule->bytes) {
            rule->bytes = alt->bytes;
            changed = true;
        }
    }
    return changed;
}

/* From the last rule to the first, or the other way round: what depends on what is next to it is
 * found in one of both. */
static bool sweep(struct kernel_grammar *grammar, bool forwards, struct work *work)
{
    bool changed = false;
    for (uint32_t i = 0; i < grammar->count; i++) {
        uint32_t r = forwards ? i : grammar->count - 1 - i;
        changed = sweep_rule(grammar, &grammar->rules[r], work) || changed;
    }
    return changed && !work->spent;
}

/* ---- what is left ---- */

static void settle_array(const struct kernel_grammar *grammar, struct alt *alt)
{
    for (uint32_t i = 0; i < alt->prefix_count; i++) {
        if (height_of(grammar, alt->prefix[i]) == ENDLESS) {
            alt->prefix_count = i;
            alt->rest = RULE_NONE;
        }
    }
    if (height_of(grammar, alt->rest) == ENDLESS) {
        alt->rest = RULE_NONE;
        alt->most = alt->most < alt->prefix_count ? alt->most : alt->prefix_count;
    }
}

struct name_order {
    struct kernel_text name;
    uint32_t property;
};

static int by_name(const void *a, const void *b)
{
    const struct name_order *x = a;
    const struct name_order *y = b;
    return compare_names(x->name, y->name);
}

static void sort_names(struct alt *alt)
{
    struct name_order *order = kernel_allocate(alt->property_count, sizeof *order);
    for (uint32_t i = 0; i < alt->property_count; i++) {
        order[i] = (struct name_order){alt->properties[i].name, i};
    }
    qsort(order, alt->property_count, sizeof *order, by_name);
    alt->sorted = kernel_allocate(alt->property_count, sizeof *alt->sorted);
    for (uint32_t i = 0; i < alt->property_count; i++) {
        alt->sorted[i] = order[i].property;
    }
    free(order);
}

static void list_required(struct alt *alt)
{
    uint32_t count = alt->property_count;
    alt->required_at = kernel_allocate((size_t)count + 1, sizeof *alt->required_at);
    alt->required_left = kernel_allocate((size_t)count + 1, sizeof *alt->required_left);
    alt->required_at[count] = count;
    for (uint32_t i = count; i-- > 0;) {
        bool required = alt->properties[i].required;
        alt->required_at[i] = required ? i : alt->required_at[i + 1];
        alt->required_left[i] = alt->required_left[i + 1] + required;
    }
}

/* Which properties can still be meant in each state of `names`: backwards from each one's end. */
static void list_reach(struct alt *alt)
{
    const struct machine *m = alt->names;
    uint32_t *back_at = kernel_allocate((size_t)m->states + 2, sizeof *back_at);
    uint32_t *back = kernel_allocate(m->edge_count, sizeof *back);
    for (uint32_t e = 0; e < m->edge_count; e++) {
        back_at[m->edges[e].to + 2]++;
    }
    for (uint32_t s = 0; s < m->states; s++) {
        back_at[s + 1] += back_at[s];
    }
    uint32_t *end_of = kernel_allocate(alt->property_count, sizeof *end_of);
    for (uint32_t s = 0; s < m->states; s++) {
        for (uint32_t e = m->edge_at[s]; e < m->edge_at[s + 1]; e++) {
            back[back_at[m->edges[e].to + 1]++] = s;
        }
        if (machine_is(m, s, MACHINE_ACCEPT)) {
            end_of[m->label[s]] = s;
        }
    }
    uint32_t *seen = kernel_allocate(m->states, sizeof *seen);
    uint32_t *queue = kernel_allocate(m->states, sizeof *queue);
    uint32_t *next = NULL;
    alt->reach_at = kernel_allocate((size_t)m->states + 1, sizeof *alt->reach_at);
    for (int pass = 0; pass < 2; pass++) { /* count, then write */
        memset(seen, 0, m->states * sizeof *seen);
        for (uint32_t p = 0; p < alt->property_count; p++) {
            if (end_of[p] == 0) {
                continue;
            }
            uint32_t count = 0;
            queue[count++] = end_of[p];
            seen[end_of[p]] = p + 1;
            for (uint32_t i = 0; i < count; i++) {
                uint32_t s = queue[i];
                if (pass == 0) {
                    alt->reach_at[s + 1]++;
                } else {
                    alt->reach[next[s]++] = p;
                }
                for (uint32_t e = back_at[s]; e < back_at[s + 1]; e++) {
                    if (seen[back[e]] != p + 1) {
                        seen[back[e]] = p + 1;
                        queue[count++] = back[e];
                    }
                }
            }
        }
        if (pass == 0) {
            for (uint32_t s = 0; s < m->states; s++) {
                alt->reach_at[s + 1] += alt->reach_at[s];
            }
            alt->reach = kernel_allocate(alt->reach_at[m->states], sizeof *alt->reach);
            next = kernel_allocate(m->states, sizeof *next);
            memcpy(next, alt->reach_at, m->states * sizeof *next);
        }
    }
    free(next);
    free(queue);
    free(seen);
    free(end_of);
    free(back);
    free(back_at);
}

static bool settle_names(struct kernel_grammar *grammar, struct alt *alt, struct work *work,
                         bool *large)
{
    uint64_t bytes = alt->property_count;
    for (uint32_t i = 0; i < alt->property_count; i++) {
        bytes += alt->properties[i].name.length;
    }
    if (!work_take(work, bytes * NAME_WORK)) {
        return false;
    }
    struct machine_literals literals;
    bool any = false;
    machine_literals_start(&literals);
    for (uint32_t i = 0; i < alt->property_count; i++) {
        struct property *property = &alt->properties[i];
        if (height_of(grammar, property->rule) == ENDLESS) {
            property->rule = RULE_NONE; /* known, so that nobody else may use the name */
            continue;
        }
        struct spell_bytes key = {0};
        spell_add_quoted(&key, property->name);
        spell_add(&key, ":", 1);
        machine_literals_add(&literals, (struct kernel_text){key.at + 1, key.length - 1}, i);
        free(key.at);
        any = true;
    }
    struct machine *names = machine_literals_finish(&literals, large);
    if (names != NULL && any) {
        grammar_keep(grammar, names);
        alt->names = names;
        list_reach(alt);
    }
    return !*large;
}

static bool settle_others(struct kernel_grammar *grammar, struct alt *alt, struct work *work,
                          bool *large)
{
    uint64_t states = alt->other_chars != NULL ? alt->other_chars->states : 0;
    if (!work_take(work, states * alt->other_count / 4)) {
        return false;
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < alt->other_count; i++) {
        bool endless = height_of(grammar, alt->other_rules[i].rule) == ENDLESS;
        for (uint32_t s = 1; endless && alt->other_chars != NULL && s < alt->other_chars->states;
             s++) {
            if (alt->other_chars->accept[s] == alt->other_rules[i].label) {
                alt->other_chars->accept[s] = 0;
            }
        }
        if (!endless) {
            alt->other_rules[kept++] = alt->other_rules[i];
        }
    }
    alt->other_count = kept;
    if (kept == 0) {
        alt->others = NULL;
        alt->other_capacity = 0;
    } else if (alt->other_chars != NULL && chars_trim(alt->other_chars)) {
        struct machine *others = machine_string(alt->other_chars, true, work, large);
        if (others != NULL) {
            grammar_keep(grammar, others);
            alt->others = others;
            alt->other_capacity = others->ways == NULL ? UINT64_MAX : others->ways[MACHINE_START];
        }
    }
    return !*large;
}

static bool settle_object(struct kernel_grammar *grammar, struct alt *alt, struct work *work,
                          bool *large)
{
    sort_names(alt);
    list_required(alt);
    return settle_names(grammar, alt, work, large) && settle_others(grammar, alt, work, large);
}

bool grammar_settle(struct kernel_grammar *grammar, struct work *work, bool *large)
{
    for (uint32_t r = 0; r < grammar->count; r++) {
        grammar->rules[r].height = ENDLESS;
        grammar->rules[r].bytes = UINT32_MAX;
    }
    for (bool forwards = false; sweep(grammar, forwards, work);) {
        forwards = !forwards;
    }
    if (work->spent || grammar->count == 0 || grammar->rules[0].height > KERNEL_ANSWER_DEPTH_MAX) {
        return false;
    }
    for (uint32_t r = 0; r < grammar->count; r++) {
        struct rule *rule = &grammar->rules[r];
        uint32_t kept = 0;
        for (uint32_t a = 0; a < rule->count; a++) {
            struct alt *alt = &rule->alts[a];
            if (alt->height > KERNEL_ANSWER_DEPTH_MAX) {
                alt_free(alt);
                continue;
            }
            bool good = true;
            if (alt->kind == ALT_ARRAY) {
                settle_array(grammar, alt);
            } else if (alt->kind == ALT_OBJECT) {
                good = settle_object(grammar, alt, work, large);
            }
            rule->alts[kept++] = *alt;
            if (!good) {
                for (uint32_t i = a + 1; i < rule->count; i++) {
                    rule->alts[kept++] = rule->alts[i];
                }
                rule->count = kept;
                return false;
            }
        }
        rule->count = kept;
    }
    return grammar->count > 0 && grammar->rules[0].count > 0;
}
