/* trie.c -- see trie.h. */
#include "kernels/serve/trie.h"

#include "kernels/base/fail.h"
#include "kernels/serve/number.h"
#include "kernels/serve/spell.h"

#include <stdlib.h>
#include <string.h>

struct entry { /* bytes and what is at their end */
    struct kernel_text bytes;
    int32_t value;
};

static int by_bytes(const void *a, const void *b)
{
    const struct entry *x = a;
    const struct entry *y = b;
    size_t least = x->bytes.length < y->bytes.length ? x->bytes.length : y->bytes.length;
    int order = memcmp(x->bytes.bytes, y->bytes.bytes, least);
    if (order != 0 || x->bytes.length != y->bytes.length) {
        return order != 0 ? order : (x->bytes.length < y->bytes.length ? -1 : 1);
    }
    return (x->value > y->value) - (x->value < y->value);
}

static bool equal(struct kernel_text a, struct kernel_text b)
{
    return a.length == b.length && memcmp(a.bytes, b.bytes, a.length) == 0;
}

/* Sorted entries to a tree; equal bytes end at one node, with the first of their values. */
static struct trie_tree plant(const struct entry *entries, uint32_t count)
{
    size_t room = 1;
    struct kernel_text last = {"", 0};
    uint32_t longest = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct kernel_text now = entries[i].bytes;
        size_t shared = 0;
        while (shared < now.length && shared < last.length &&
               now.bytes[shared] == last.bytes[shared]) {
            shared++;
        }
        room += now.length - shared;
        longest = now.length > longest ? (uint32_t)now.length : longest;
        last = now;
    }
    struct trie_tree tree = {.nodes = kernel_allocate(room, sizeof *tree.nodes), .depth = longest};
    uint32_t *open = kernel_allocate((size_t)longest + 2, sizeof *open); /* node at each depth */
    tree.nodes[0].token = -1;
    tree.count = 1;
    last = (struct kernel_text){"", 0};
    for (uint32_t i = 0; i < count; i++) {
        struct kernel_text now = entries[i].bytes;
        size_t shared = 0;
        while (shared < now.length && shared < last.length &&
               now.bytes[shared] == last.bytes[shared]) {
            shared++;
        }
        for (size_t d = last.length; d > shared; d--) {
            tree.nodes[open[d]].skip = tree.count;
        }
        for (size_t d = shared; d < now.length; d++) {
            open[d + 1] = tree.count;
            tree.nodes[tree.count++] = (struct trie_node){
                .token = -1, .depth = (uint16_t)(d + 1), .byte = (uint8_t)now.bytes[d]};
        }
        if (tree.nodes[open[now.length]].token < 0) {
            tree.nodes[open[now.length]].token = entries[i].value;
        }
        last = now;
    }
    for (size_t d = last.length; d > 0; d--) {
        tree.nodes[open[d]].skip = tree.count;
    }
    tree.nodes[0].skip = tree.count;
    free(open);
    return tree;
}

/* ---- what a token does inside a string ---- */

enum token_kind { PLAIN, CLOSING, ODD };

static enum token_kind kind_of(struct kernel_text bytes, uint32_t *characters, uint32_t *before)
{
    *characters = 0;
    for (size_t at = 0; at < bytes.length;) {
        uint8_t byte = (uint8_t)bytes.bytes[at];
        size_t begin = at;
        if (byte == '"') {
            *before = (uint32_t)at;
            return CLOSING;
        }
        uint32_t point = spell_read_utf8(bytes, &at);
        bool broken = point == 0xfffd && at - begin == 1;
        if (byte < 0x20 || byte == '\\' || broken || point == 0x2028 || point == 0x2029) {
            return ODD; /* the two separators: "." in a pattern does not take them */
        }
        ++*characters;
    }
    return PLAIN;
}

struct sorter {
    struct entry *odd, *closing;
    uint32_t *characters; /* of every token */
    uint32_t *before;
    uint32_t odd_count, closing_count;
};

static void sort_rests(struct kernel_trie *trie, struct sorter *s)
{
    /* entries of `closing` are the rests; the value is the token */
    qsort(s->closing, s->closing_count, sizeof *s->closing, by_bytes);
    trie->closing = kernel_allocate(s->closing_count, sizeof *trie->closing);
    trie->closing_at = kernel_allocate((size_t)s->closing_count + 1, sizeof *trie->closing_at);
    struct entry *rests = kernel_allocate(s->closing_count, sizeof *rests);
    for (uint32_t i = 0; i < s->closing_count; i++) {
        if (i == 0 || !equal(s->closing[i].bytes, s->closing[i - 1].bytes)) {
            rests[trie->rest_count] =
                (struct entry){s->closing[i].bytes, (int32_t)trie->rest_count};
            trie->closing_at[trie->rest_count++] = i;
        }
        int32_t token = s->closing[i].value;
        trie->closing[i] = (struct trie_closing){token, s->characters[token], s->before[token]};
    }
    trie->closing_at[trie->rest_count] = s->closing_count;
    trie->rests = plant(rests, trie->rest_count);
    free(rests);
}

static void sort_plain(struct kernel_trie *trie, const int32_t *plain, uint32_t count,
                       const uint32_t *characters)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t n = characters[plain[i]];
        trie->plain_longest = n > trie->plain_longest ? n : trie->plain_longest;
    }
    trie->plain_at = kernel_allocate((size_t)trie->plain_longest + 2, sizeof *trie->plain_at);
    trie->plain = kernel_allocate(count, sizeof *trie->plain);
    uint32_t *next = kernel_allocate((size_t)trie->plain_longest + 2, sizeof *next);
    for (uint32_t i = 0; i < count; i++) {
        next[characters[plain[i]] + 1]++;
    }
    for (uint32_t n = 0; n <= trie->plain_longest; n++) {
        next[n + 1] += next[n];
        trie->plain_at[n + 1] = next[n + 1];
    }
    for (uint32_t i = 0; i < count; i++) {
        trie->plain[next[characters[plain[i]]]++] = plain[i];
    }
    free(next);
    for (uint32_t k = 0; k <= TRIE_SLICES; k++) {
        trie->slice[k] = kernel_allocate(trie->words, sizeof *trie->slice[k]);
        for (uint32_t i = 0; i < count; i++) {
            if (k == 0 || characters[plain[i]] <= k) {
                trie->slice[k][plain[i] / 64] |= UINT64_C(1) << (plain[i] % 64);
            }
        }
    }
}

static void sort_tokens(struct kernel_trie *trie, const struct trie_token *tokens)
{
    struct entry *all = kernel_allocate(trie->tokens, sizeof *all);
    int32_t *plain = kernel_allocate(trie->tokens, sizeof *plain);
    struct sorter s = {
        .odd = kernel_allocate(trie->tokens, sizeof *s.odd),
        .closing = kernel_allocate(trie->tokens, sizeof *s.closing),
        .characters = kernel_allocate(trie->tokens, sizeof *s.characters),
        .before = kernel_allocate(trie->tokens, sizeof *s.before),
    };
    uint32_t all_count = 0;
    uint32_t plain_count = 0;
    for (uint32_t t = 0; t < trie->tokens; t++) {
        struct kernel_text bytes = trie->bytes[t];
        if (tokens[t].special || tokens[t].end || bytes.length == 0 ||
            bytes.length > TRIE_TOKEN_BYTES_MAX) {
            continue;
        }
        trie->usable[t] = true;
        all[all_count++] = (struct entry){bytes, (int32_t)t};
        switch (kind_of(bytes, &s.characters[t], &s.before[t])) {
        case PLAIN: plain[plain_count++] = (int32_t)t; break;
        case ODD: s.odd[s.odd_count++] = (struct entry){bytes, (int32_t)t}; break;
        case CLOSING:
            bytes.bytes += s.before[t] + 1;
            bytes.length -= s.before[t] + 1;
            s.closing[s.closing_count++] = (struct entry){bytes, (int32_t)t};
            break;
        }
    }
    qsort(all, all_count, sizeof *all, by_bytes);
    for (uint32_t i = 1; i < all_count; i++) {
        if (equal(all[i].bytes, all[i - 1].bytes)) {
            trie->same[all[i - 1].value] = all[i].value;
        }
    }
    trie->all = plant(all, all_count);
    qsort(s.odd, s.odd_count, sizeof *s.odd, by_bytes);
    trie->odd = plant(s.odd, s.odd_count);
    sort_rests(trie, &s);
    sort_plain(trie, plain, plain_count, s.characters);
    free(all);
    free(plain);
    free(s.odd);
    free(s.closing);
    free(s.characters);
    free(s.before);
}

void trie_plain(const struct kernel_trie *trie, uint32_t characters, uint64_t *mask)
{
    uint32_t slice = characters >= trie->plain_longest ? 0
                     : characters > TRIE_SLICES        ? TRIE_SLICES
                                                       : characters;
    if (characters == 0) {
        return;
    }
    for (uint32_t i = 0; i < trie->words; i++) {
        mask[i] |= trie->slice[slice][i];
    }
    if (slice != 0 && characters > TRIE_SLICES) {
        for (uint32_t i = trie->plain_at[TRIE_SLICES + 1]; i < trie->plain_at[characters + 1];
             i++) {
            mask[trie->plain[i] / 64] |= UINT64_C(1) << (trie->plain[i] % 64);
        }
    }
}

/* ---- creation ---- */

static void share_machines(struct kernel_trie *trie)
{
    bool large = false;
    struct work work = {.left = WORK_MAX};
    struct chars *any = chars_any();
    trie->string = machine_string(any, false, &work, &large);
    chars_destroy(any);
    struct number_rule *rule = kernel_allocate(1, sizeof *rule);
    trie->number = number_machine(rule, &work, &large);
    rule->whole = true;
    trie->integer = number_machine(rule, &work, &large);
    free(rule);
    KERNEL_ASSERT(trie->string != NULL && trie->number != NULL && trie->integer != NULL);
}

enum kernel_status trie_create(const struct trie_token *tokens, uint32_t count,
                               struct kernel_trie **out, struct kernel_error *error)
{
    *out = NULL;
    bool byte[256] = {false};
    size_t length = 0;
    for (uint32_t t = 0; t < count; t++) {
        length += tokens[t].bytes.length;
        if (tokens[t].bytes.length == 1 && !tokens[t].special && !tokens[t].end) {
            byte[(uint8_t)tokens[t].bytes.bytes[0]] = true;
        }
    }
    for (uint32_t c = ' '; c < 0x7f; c++) {
        if (!byte[c]) {
            return kernel_fail(error, KERNEL_UNSUPPORTED,
                               "the vocabulary has no token for \"%c\" alone: an answer under a "
                               "schema could not always be finished",
                               (int)c);
        }
    }
    struct kernel_trie *trie = kernel_allocate(1, sizeof *trie);
    trie->tokens = count;
    trie->words = (count + 63) / 64;
    trie->bytes = kernel_allocate(count, sizeof *trie->bytes);
    trie->text = kernel_allocate(length, 1);
    trie->usable = kernel_allocate(count, sizeof *trie->usable);
    trie->same = kernel_allocate(count, sizeof *trie->same);
    trie->ends = kernel_allocate(trie->words, sizeof *trie->ends);
    size_t used = 0;
    for (uint32_t t = 0; t < count; t++) {
        trie->same[t] = -1;
        trie->bytes[t] = (struct kernel_text){trie->text + used, tokens[t].bytes.length};
        if (tokens[t].bytes.length > 0) {
            memcpy(trie->text + used, tokens[t].bytes.bytes, tokens[t].bytes.length);
        }
        used += tokens[t].bytes.length;
        if (tokens[t].end) {
            trie->ends[t / 64] |= UINT64_C(1) << (t % 64);
        }
    }
    sort_tokens(trie, tokens);
    share_machines(trie);
    *out = trie;
    return KERNEL_OK;
}

enum kernel_status kernel_trie_create(const struct kernel_vocab *vocab, struct kernel_trie **out,
                                      struct kernel_error *error)
{
    uint32_t count = kernel_vocab_size(vocab);
    struct trie_token *tokens = kernel_allocate(count, sizeof *tokens);
    for (uint32_t t = 0; t < count; t++) {
        tokens[t] = (struct trie_token){
            .bytes = kernel_vocab_bytes(vocab, (int32_t)t),
            .special = kernel_vocab_is_special(vocab, (int32_t)t),
            .end = kernel_vocab_is_end(vocab, (int32_t)t),
        };
    }
    enum kernel_status status = trie_create(tokens, count, out, error);
    free(tokens);
    return status;
}

void kernel_trie_destroy(struct kernel_trie *trie)
{
    if (trie == NULL) {
        return;
    }
    free(trie->bytes);
    free(trie->text);
    free(trie->usable);
    free(trie->all.nodes);
    free(trie->odd.nodes);
    free(trie->rests.nodes);
    free(trie->closing_at);
    free(trie->closing);
    free(trie->same);
    for (uint32_t k = 0; k <= TRIE_SLICES; k++) {
        free(trie->slice[k]);
    }
    free(trie->plain_at);
    free(trie->plain);
    free(trie->ends);
    machine_destroy(trie->string);
    machine_destroy(trie->number);
    machine_destroy(trie->integer);
    free(trie);
}

uint32_t kernel_trie_words(const struct kernel_trie *trie)
{
    return trie->words;
}
