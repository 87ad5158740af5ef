/* suggest.h -- "did you mean ...?": the nearest of some names to what was typed. */
#ifndef REEVE_RUNTIME_CONFIG_SUGGEST_H
#define REEVE_RUNTIME_CONFIG_SUGGEST_H

enum { RV_SUGGEST_MAX = 64 }; /* longer names are never suggested */

/* Edits (insert, delete, replace, swap of neighbours) between two texts; Damerau's optimal string
 * alignment.  Texts above RV_SUGGEST_MAX are at distance RV_SUGGEST_MAX. */
int rv_edit_distance(const char *a, const char *b);

/* Feed candidates one by one; `best` stays NULL when none is near enough to be helpful. */
struct rv_suggestion {
    const char *typed;
    const char *best; /* borrowed */
    int distance;
};
struct rv_suggestion rv_suggest(const char *typed);
void rv_suggest_try(struct rv_suggestion *suggestion, const char *candidate);

#endif
