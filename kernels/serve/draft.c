/* draft.c -- guesses for free: what followed the last few tokens when they stood there before.
 *
 * An answer about a document repeats pieces of it.  Guessed tokens go through the model together
 * with the last known one, and count only as far as sampling, which looks at (seed, position)
 * alone, would have chosen them: the answer is the same with guesses and without.
 *
 * Source: prompt lookup decoding (Saxena 2023), speculative decoding (Leviathan et al. 2022).
 */
#include "kernels/serve/serve.h"

#include <string.h>

enum { GRAM_MAX = 4, GRAM_MIN = 2, LOOK_BACK_MAX = 4096 };

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
            uint32_t found = count - at - gram;
            found = found < max ? found : max;
            memcpy(out, tokens + at + gram, found * sizeof *out);
            return found;
        }
    }
    return 0;
}
