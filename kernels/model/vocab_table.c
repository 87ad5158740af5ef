/* vocab_table.c -- see vocab_table.h. */
#include "kernels/model/vocab_table.h"

#include "kernels/base/fail.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_SLOTS = 64, FIRST_SHIFT = 64 - 6 };

/* FNV-1a with a last mix, so that the lower bits are good too. */
static uint32_t text_hash(const char *text, size_t length)
{
    uint64_t hash = 0xCBF29CE484222325u;
    for (size_t i = 0; i < length; i++) {
        hash = (hash ^ (unsigned char)text[i]) * 0x100000001B3u;
    }
    return (uint32_t)((hash * 0x9E3779B97F4A7C15u) >> 32);
}

static struct vocab_name *name_slot(const struct vocab_names *names, const char *text,
                                    size_t length)
{
    for (uint32_t i = text_hash(text, length) & names->mask;; i = (i + 1) & names->mask) {
        struct vocab_name *slot = &names->slot[i];
        if (slot->text == NULL ||
            (slot->length == length && memcmp(slot->text, text, length) == 0)) {
            return slot;
        }
    }
}

static void names_grow(struct vocab_names *names)
{
    struct vocab_names before = *names;
    names->mask = before.slot == NULL ? FIRST_SLOTS - 1 : before.mask * 2 + 1;
    names->slot = kernel_allocate((size_t)names->mask + 1, sizeof *names->slot);
    for (uint32_t i = 0; before.slot != NULL && i <= before.mask; i++) {
        if (before.slot[i].text != NULL) {
            *name_slot(names, before.slot[i].text, before.slot[i].length) = before.slot[i];
        }
    }
    free(before.slot);
}

void vocab_names_put(struct vocab_names *names, const char *text, size_t length, uint32_t token)
{
    if (names->slot == NULL || names->count > names->mask / 2) {
        names_grow(names);
    }
    struct vocab_name *slot = name_slot(names, text, length);
    names->count += slot->text == NULL;
    *slot = (struct vocab_name){text, (uint32_t)length, token};
}

uint32_t vocab_names_get(const struct vocab_names *names, const char *text, size_t length)
{
    if (names->slot == NULL) {
        return VOCAB_NONE;
    }
    const struct vocab_name *slot = name_slot(names, text, length);
    return slot->text != NULL ? slot->token : VOCAB_NONE;
}

void vocab_names_free(struct vocab_names *names)
{
    free(names->slot);
    *names = (struct vocab_names){.slot = NULL};
}

static uint32_t pair_place(const struct vocab_pairs *pairs, uint32_t left, uint32_t right)
{
    uint64_t both = (uint64_t)left << 32 | right;
    both ^= both >> 29;
    return (uint32_t)((both * 0x9E3779B97F4A7C15u) >> pairs->shift);
}

static struct vocab_pair *pair_slot(const struct vocab_pairs *pairs, uint32_t left, uint32_t right)
{
    for (uint32_t i = pair_place(pairs, left, right);; i = (i + 1) & pairs->mask) {
        struct vocab_pair *slot = &pairs->slot[i];
        if (slot->left == VOCAB_NONE || (slot->left == left && slot->right == right)) {
            return slot;
        }
    }
}

static void pairs_grow(struct vocab_pairs *pairs)
{
    struct vocab_pairs before = *pairs;
    pairs->mask = before.slot == NULL ? FIRST_SLOTS - 1 : before.mask * 2 + 1;
    pairs->shift = before.slot == NULL ? FIRST_SHIFT : before.shift - 1;
    pairs->slot = kernel_allocate((size_t)pairs->mask + 1, sizeof *pairs->slot);
    for (uint32_t i = 0; i <= pairs->mask; i++) {
        pairs->slot[i].left = VOCAB_NONE;
    }
    for (uint32_t i = 0; before.slot != NULL && i <= before.mask; i++) {
        if (before.slot[i].left != VOCAB_NONE) {
            *pair_slot(pairs, before.slot[i].left, before.slot[i].right) = before.slot[i];
        }
    }
    free(before.slot);
}

void vocab_pairs_put(struct vocab_pairs *pairs, const struct vocab_pair *pair)
{
    if (pairs->slot == NULL || pairs->count > pairs->mask / 2) {
        pairs_grow(pairs);
    }
    struct vocab_pair *slot = pair_slot(pairs, pair->left, pair->right);
    if (slot->left == VOCAB_NONE) {
        *slot = *pair;
        pairs->count++;
    }
}

const struct vocab_pair *vocab_pairs_get(const struct vocab_pairs *pairs, uint32_t left,
                                         uint32_t right)
{
    if (pairs->slot == NULL || left == VOCAB_NONE) {
        return NULL;
    }
    const struct vocab_pair *slot = pair_slot(pairs, left, right);
    return slot->left != VOCAB_NONE ? slot : NULL;
}

void vocab_pairs_free(struct vocab_pairs *pairs)
{
    free(pairs->slot);
    *pairs = (struct vocab_pairs){.slot = NULL};
}
