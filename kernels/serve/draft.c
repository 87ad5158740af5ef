/* draft.c -- guesses for free: what followed the last few tokens when they stood there before.
 *
 * An answer about a document repeats pieces of it.  Guessed tokens go through the model together
 * with the last known one, and count only as far as sampling, which looks at (seed, position)
 * alone, would have chosen them: the answer is the same with guesses and without.
 *
 * A guess that is wrong costs its row in the step, so a sequence guesses as many as lately came
 * true: twice as many after a step in which all were right, one more than were right after any
 * other, and none for a while after a step in which none was.
 *
 * Source: prompt lookup decoding (Saxena 2023), speculative decoding (Leviathan et al. 2022).
 */
#include "kernels/serve/serve.h"

#include <string.h>

enum { GRAM_MAX = 4, GRAM_MIN = 2, LOOK_BACK_MAX = 4096, REST_MAX = 32 /* steps */ };

uint32_t draft_guess(const struct sequence *sequence, uint32_t max, int32_t *out)
{
    const int32_t *tokens = sequence->tokens.at;
    uint32_t count = sequence->tokens.count;
    uint32_t first = count > LOOK_BACK_MAX ? count - LOOK_BACK_MAX : 0;
    for (uint32_t gram = GRAM_MAX; gram >= GRAM_MIN; gram--) {
        if (count < first + gram + 1) {
            continue;
        }
        const int32_t *last = tokens + count - gram;
        for (uint32_t at = count - gram; at-- > first;) { /* the newest first */
            if (memcmp(tokens + at, last, gram * sizeof *tokens) != 0) {
                continue;
            }
            for (uint32_t i = 0; i < max; i++) { /* beyond the end it goes on as it came: a table */
                uint32_t next = at + gram + i;
                out[i] = next < count ? tokens[next] : out[next - count];
            }
            return max;
        }
    }
    return 0;
}

void draft_learn(struct sequence *sequence, uint32_t right)
{
    if (sequence->drafts == 0) {
        return;
    }
    if (right == 0) {
        uint32_t rest = sequence->draft_rest_last * 2;
        sequence->draft_rest_last = rest < 1 ? 1 : rest > REST_MAX ? REST_MAX : rest;
        sequence->draft_rest = sequence->draft_rest_last;
    } else {
        sequence->draft_rest_last = 0;
    }
    uint32_t next = right == sequence->drafts ? 2 * sequence->draft_max : right + 1;
    sequence->draft_max = next < DRAFT_MAX ? next : DRAFT_MAX;
}
