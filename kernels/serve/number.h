/* number.h -- decimal numbers, exactly: bounds, multiples, and the automaton of what satisfies
 * them.  Private to kernels/serve. */
#ifndef REEVE_KERNELS_SERVE_NUMBER_H
#define REEVE_KERNELS_SERVE_NUMBER_H

#include "kernels/serve/machine.h"

enum {
    NUMBER_DIGITS_MAX = 400,  /* of a schema's number, written out */
    NUMBER_FRACTION_MAX = 20, /* digits after the point of an answer */
    NUMBER_WHOLE_MAX = 19,    /* before it: what 64 bits hold */
    NUMBER_EXACT_DIGITS = 15, /* so many a double tells apart: beside a step or an open bound */
    NUMBER_STATES_MAX = 60000
};

struct number { /* without needless zeros; zero has no digits at all */
    bool negative;
    uint32_t whole, fraction;       /* digits */
    char digits[NUMBER_DIGITS_MAX]; /* whole, then fraction */
};
struct number number_of_integer(int64_t value);
struct number number_of_real(double value); /* the shortest decimals that mean it */
int number_compare(const struct number *a, const struct number *b);
bool number_is_whole(const struct number *number);
/* As an answer writes it; returns the length. */
size_t number_write(const struct number *number, char *out, size_t room);

struct number_rule {
    bool whole; /* integer */
    bool has_low, has_high, low_open, high_open;
    struct number low, high;
    /* a multiple of step / 10^step_digits; 0: of nothing */
    uint64_t step;
    uint32_t step_digits;
};
void number_at_least(struct number_rule *rule, const struct number *low, bool open);
void number_at_most(struct number_rule *rule, const struct number *high, bool open);
/* false: too large to count with. */
bool number_multiple(struct number_rule *rule, const struct number *step);
/* Are all numbers that satisfy it such as answers write (64 bits, so many digits)?  Then nothing
 * satisfies it where there is no machine. */
bool number_written(const struct number_rule *rule);
/* Is no number at all between the bounds? */
bool number_empty(const struct number_rule *rule);
bool number_fits(const struct number_rule *rule, const struct number *number);
/* NULL: nothing fits, or too large. */
struct machine *number_machine(const struct number_rule *rule, struct work *work, bool *large);

#endif
