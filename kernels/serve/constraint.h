/* constraint.h -- answers that satisfy a JSON schema by construction.
 *
 * A schema is compiled once into a grammar over bytes; a state says which tokens may come next.
 *
 *     schema --compile--> grammar --start--> state --mask--> one bit per token
 *                                              ^------advance(token)---'
 *
 * Known (level 1): type (also lists), properties in the schema's order, required,
 * additionalProperties, items, prefixItems, min/maxItems, enum, const, anyOf, $ref/$defs (recursive
 * too), min/maxLength in code points, minimum/maximum/exclusive*, pattern (no look-around), format
 * date, date-time, time, uuid, email, ipv4, ipv6, hostname, uri.  Level 2 where it is provable:
 * oneOf of disjoint alternatives, allOf, patternProperties, propertyNames, min/maxProperties,
 * multipleOf (whole steps, halves, quarters ...: where dividing doubles tells the same as
 * decimals), pattern with lengths.  Everything else is refused by keyword and JSON pointer: an
 * instance that the schema forbids is never accepted.
 *
 * What is written: no white space between tokens; named properties in the schema's order, then
 * required ones without a schema, then others; no key twice; integers within 64 bits and without a
 * point; numbers with bounds without exponents; at most 15 digits (NUMBER_EXACT_DIGITS of number.h:
 * so many a double tells apart) in a number with a point under an exclusive bound, as in
 * {"type":"number","exclusiveMaximum":2.5}, and in every number under a multipleOf with a fraction,
 * as in {"type":"integer","multipleOf":2.5}; no U+0000 inside free text.
 *
 * Ideas: byte-level automata over a token trie (llguidance), precomputed masks of string bodies
 * ("slices", there), pushdown of nested values (XGrammar); JSON Schema 2020-12.
 *
 * Thread: grammar and trie from any thread (a grammar's cache of masks has a lock of its own); a
 * state belongs to one thread at a time.  Trie outlives grammar, grammar outlives state.  Private
 * to kernels.
 */
#ifndef REEVE_KERNELS_SERVE_CONSTRAINT_H
#define REEVE_KERNELS_SERVE_CONSTRAINT_H

#include "kernels/model/vocab.h"

enum { /* as the strict mode of the best-known API has them */
       KERNEL_SCHEMA_BYTES_MAX = 256 << 10,
       KERNEL_SCHEMA_PROPERTIES_MAX = 5000,
       KERNEL_SCHEMA_DEPTH_MAX = 64, /* of the schema's text */
       KERNEL_SCHEMA_ENUM_MAX = 1000,
       KERNEL_ANSWER_DEPTH_MAX = 64, /* of a recursive answer */
       KERNEL_GRAMMAR_BYTES_MAX = 64 << 20
};

/* A vocabulary as a trie with the masks that every schema shares; built once per model. */
struct kernel_trie;
enum kernel_status kernel_trie_create(const struct kernel_vocab *vocab, struct kernel_trie **out,
                                      struct kernel_error *error);
void kernel_trie_destroy(struct kernel_trie *trie);
/* 64-bit words of a mask: bit t of word t/64 is token t. */
uint32_t kernel_trie_words(const struct kernel_trie *trie);

/* Ends in well under a second whatever the schema says: one that needs more work than is allowed
 * (work.h) is KERNEL_INVALID, with where it was being compiled. */
struct kernel_grammar;
enum kernel_status kernel_grammar_compile(const struct kernel_trie *trie, struct kernel_text schema,
                                          struct kernel_grammar **out, struct kernel_error *error);
/* The same with `work` steps of it (0: what is allowed).  `*spent`: refused because those were too
 * few. */
enum kernel_status kernel_grammar_compile_within(const struct kernel_trie *trie,
                                                 struct kernel_text schema, uint64_t work,
                                                 struct kernel_grammar **out, bool *spent,
                                                 struct kernel_error *error);
/* Any JSON value ("json_object" of the API: an object). */
enum kernel_status kernel_grammar_any(const struct kernel_trie *trie, bool object,
                                      struct kernel_grammar **out, struct kernel_error *error);
void kernel_grammar_destroy(struct kernel_grammar *grammar);

struct kernel_constraint; /* a state */
struct kernel_constraint *kernel_constraint_start(const struct kernel_grammar *grammar);
struct kernel_constraint *kernel_constraint_copy(const struct kernel_constraint *state);
void kernel_constraint_destroy(struct kernel_constraint *state);

/* Writes the mask; a token that ends the answer is set only where the answer may end. */
void kernel_constraint_mask(struct kernel_constraint *state, uint64_t *mask);
/* Takes a token's bytes; false, and the state as before, where they may not come.  A token that
 * ends the answer changes nothing: true where the answer may end. */
bool kernel_constraint_advance(struct kernel_constraint *state, int32_t token);
/* The same, unless no end would be within `most` bytes after it: then `*ends` is false, and the
 * state as before. */
bool kernel_constraint_advance_within(struct kernel_constraint *state, int32_t token, uint32_t most,
                                      bool *ends);
/* The same for bytes that are no token: forced ones, a prefix that was already said. */
bool kernel_constraint_accepts_bytes(struct kernel_constraint *state, struct kernel_text bytes);
bool kernel_constraint_may_end(const struct kernel_constraint *state);
/* Nothing but the end may follow. */
bool kernel_constraint_must_end(const struct kernel_constraint *state);
/* The bytes that must come next whatever is chosen; up to `room`; 0 where there is a choice. */
size_t kernel_constraint_forced(const struct kernel_constraint *constant, char *out, size_t room);
/* How many bytes a short way to the end has: closing now takes no more tokens than that.  (Close to
 * the shortest way, not always it.)  `most` + 1 where it has more than `most`: a schema may ask for
 * a text of any length, and nobody looks for the end of that. */
uint32_t kernel_constraint_shortest(const struct kernel_constraint *constant, uint32_t most);
/* Is an end found within `most` bytes?  The same without looking for the shortest. */
bool kernel_constraint_ends_within(const struct kernel_constraint *constant, uint32_t most);
/* From here on only the bytes of that way, which must have been found. */
void kernel_constraint_close(struct kernel_constraint *state);

/* Whole instances, for tests: does the grammar accept exactly these bytes? */
bool kernel_grammar_accepts(const struct kernel_grammar *grammar, struct kernel_text instance);

#endif
