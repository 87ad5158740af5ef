/* suggest.c -- see suggest.h. */
#include "runtime/config/suggest.h"

#include <stddef.h>
#include <string.h>

static int least(int a, int b)
{
    return a < b ? a : b;
}

int rv_edit_distance(const char *a, const char *b)
{
    size_t rows = strlen(a);
    size_t columns = strlen(b);
    if (rows > RV_SUGGEST_MAX || columns > RV_SUGGEST_MAX) {
        return RV_SUGGEST_MAX;
    }
    int cost[RV_SUGGEST_MAX + 1][RV_SUGGEST_MAX + 1];
    for (size_t i = 0; i <= rows; i++) {
        for (size_t j = 0; j <= columns; j++) {
            if (i == 0 || j == 0) {
                cost[i][j] = (int)(i + j);
                continue;
            }
            int differs = a[i - 1] != b[j - 1];
            int best = least(cost[i - 1][j] + 1, cost[i][j - 1] + 1);
            best = least(best, cost[i - 1][j - 1] + differs);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                best = least(best, cost[i - 2][j - 2] + 1);
            }
            cost[i][j] = best;
        }
    }
    return cost[rows][columns];
}

struct rv_suggestion rv_suggest(const char *typed)
{
    /* up to a third of the letters may be wrong: more would be a guess, not a help */
    int bound = (int)(strlen(typed) + 2) / 3;
    return (struct rv_suggestion){.typed = typed, .best = NULL, .distance = bound + 1};
}

void rv_suggest_try(struct rv_suggestion *suggestion, const char *candidate)
{
    int distance = rv_edit_distance(suggestion->typed, candidate);
    if (distance < suggestion->distance) {
        suggestion->distance = distance;
        suggestion->best = candidate;
    }
}
