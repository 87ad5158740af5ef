/* vocab_merge.c -- see vocab_merge.h. */
#include "kernels/model/vocab_merge.h"

#include "kernels/base/fail.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Up to here looking at every pair for every merge is quicker than a heap. */
enum { SHORT_WORD = 48, FIRST_ROOM = 64 };

void vocab_word_push(struct vocab_word *word, uint32_t token, uint32_t at)
{
    if (word->count == word->room) {
        word->room = word->room == 0 ? FIRST_ROOM : word->room * 2;
        word->symbol = kernel_resize(word->symbol, word->room, sizeof *word->symbol);
    }
    word->symbol[word->count++] = (struct vocab_symbol){token, at};
}

/* ---- short words ---- */

struct neighbours { /* what symbol i and i + 1 become */
    uint32_t order, merged;
};

static struct neighbours look_up(const struct vocab_pairs *pairs, uint32_t left, uint32_t right)
{
    const struct vocab_pair *pair = vocab_pairs_get(pairs, left, right);
    return pair != NULL ? (struct neighbours){pair->order, pair->merged}
                        : (struct neighbours){UINT32_MAX, VOCAB_NONE};
}

static void merge_short(struct vocab_word *word, const struct vocab_pairs *pairs)
{
    struct vocab_symbol *symbol = word->symbol;
    struct neighbours pair[SHORT_WORD];
    uint32_t count = word->count;
    for (uint32_t i = 0; i + 1 < count; i++) {
        pair[i] = look_up(pairs, symbol[i].token, symbol[i + 1].token);
    }
    while (count > 1) {
        uint32_t best = 0;
        for (uint32_t i = 1; i + 1 < count; i++) {
            best = pair[i].order < pair[best].order ? i : best;
        }
        if (pair[best].merged == VOCAB_NONE) {
            break;
        }
        symbol[best].token = pair[best].merged;
        count--;
        for (uint32_t i = best + 1; i < count; i++) {
            symbol[i] = symbol[i + 1];
            pair[i - 1] = pair[i];
        }
        if (best > 0) {
            pair[best - 1] = look_up(pairs, symbol[best - 1].token, symbol[best].token);
        }
        if (best + 1 < count) {
            pair[best] = look_up(pairs, symbol[best].token, symbol[best + 1].token);
        }
    }
    word->count = count;
}

/* ---- long words: a linked list, and a heap of candidates of which some are out of date ---- */

static bool goes_first(const struct vocab_candidate *a, const struct vocab_candidate *b)
{
    return a->order != b->order ? a->order < b->order : a->at < b->at;
}

static void heap_push(struct vocab_word *word, struct vocab_candidate candidate)
{
    if (word->heap_count == word->heap_room) {
        word->heap_room = word->heap_room == 0 ? FIRST_ROOM : word->heap_room * 2;
        word->heap = kernel_resize(word->heap, word->heap_room, sizeof *word->heap);
    }
    uint32_t i = word->heap_count++;
    while (i > 0 && goes_first(&candidate, &word->heap[(i - 1) / 2])) {
        word->heap[i] = word->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    word->heap[i] = candidate;
}

static struct vocab_candidate heap_pop(struct vocab_word *word)
{
    struct vocab_candidate first = word->heap[0];
    struct vocab_candidate last = word->heap[--word->heap_count];
    uint32_t i = 0;
    for (;;) {
        uint32_t child = 2 * i + 1;
        if (child >= word->heap_count) {
            break;
        }
        if (child + 1 < word->heap_count &&
            goes_first(&word->heap[child + 1], &word->heap[child])) {
            child++;
        }
        if (!goes_first(&word->heap[child], &last)) {
            break;
        }
        word->heap[i] = word->heap[child];
        i = child;
    }
    word->heap[i] = last;
    return first;
}

static void consider(struct vocab_word *word, const struct vocab_pairs *pairs, uint32_t at)
{
    uint32_t after = word->link[at].after;
    if (after == VOCAB_NONE) {
        return;
    }
    uint32_t left = word->symbol[at].token;
    uint32_t right = word->symbol[after].token;
    const struct vocab_pair *pair = vocab_pairs_get(pairs, left, right);
    if (pair != NULL) {
        heap_push(word, (struct vocab_candidate){pair->order, at, left, right, pair->merged});
    }
}

static void merge_long(struct vocab_word *word, const struct vocab_pairs *pairs)
{
    struct vocab_symbol *symbol = word->symbol;
    uint32_t count = word->count;
    if (word->links_room < count) {
        word->link = kernel_resize(word->link, count, sizeof *word->link);
        word->links_room = count;
    }
    word->heap_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        word->link[i] = (struct vocab_link){i - 1, i + 1 < count ? i + 1 : VOCAB_NONE};
    }
    for (uint32_t i = 0; i < count; i++) {
        consider(word, pairs, i);
    }
    struct vocab_link *link = word->link; /* link[0].before is VOCAB_NONE: 0 - 1 */
    while (word->heap_count > 0) {
        struct vocab_candidate next = heap_pop(word);
        uint32_t after = link[next.at].after;
        if (symbol[next.at].token != next.left || after == VOCAB_NONE ||
            symbol[after].token != next.right) {
            continue; /* one of the two has been merged since */
        }
        symbol[next.at].token = next.merged;
        symbol[after].token = VOCAB_NONE;
        link[next.at].after = link[after].after;
        link[after].after = VOCAB_NONE;
        if (link[next.at].after != VOCAB_NONE) {
            link[link[next.at].after].before = next.at;
        }
        if (link[next.at].before != VOCAB_NONE) {
            consider(word, pairs, link[next.at].before);
        }
        consider(word, pairs, next.at);
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i != VOCAB_NONE;) {
        uint32_t after = link[i].after;
        symbol[kept++] = symbol[i];
        i = after;
    }
    word->count = kept;
}

void vocab_word_merge(struct vocab_word *word, const struct vocab_pairs *pairs)
{
    if (word->count <= SHORT_WORD) {
        merge_short(word, pairs);
    } else {
        merge_long(word, pairs);
    }
}

void vocab_word_free(struct vocab_word *word)
{
    free(word->symbol);
    free(word->link);
    free(word->heap);
    *word = (struct vocab_word){.symbol = NULL};
}
