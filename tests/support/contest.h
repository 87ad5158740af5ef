/* contest.h -- many runs want few business keys, on a real PostgreSQL through the real gate and
 * committers: for the test that nothing is lost, and for the benchmark that says how long it takes.
 *
 * Each run asks until it has its key; then it reads the key's counter, writes one more in a later
 * transaction, and ends: two holders at once would lose an update.  Several committers with a
 * connection each ask for the same company.
 */
#ifndef REEVE_TESTS_SUPPORT_CONTEST_H
#define REEVE_TESTS_SUPPORT_CONTEST_H

#include <stdint.h>

struct contest_wish {
    int runs, keys;
    int at_once; /* runs that ask or work at a time */
    int alone;   /* so often one asks for a held key, with nobody beside it */
    int64_t seed;
};

struct contest_result {
    int64_t won, refused; /* answers to those who asked */
    int64_t counted;      /* the counters of all keys together: won, when nothing is lost */
    int64_t wrong_keys;   /* whose counter is not the number of its runs */
    int64_t second;       /* told that they have a key that another one works on */
    int64_t overlapping;  /* runs that began before the one before them on their key had ended */
    int64_t nameless;     /* refused without a word who has the key */
    int64_t left_open;
    int64_t deadlocks; /* as PostgreSQL counts them */
    double seconds;
    int32_t *answer_us; /* of every request, `won + refused`; caller frees */
    int32_t *alone_us;  /* `alone` of them */
};

/* A mistake in the world itself ends the program with its message. */
void contest_run(const struct contest_wish *wish, struct contest_result *out);

#endif
