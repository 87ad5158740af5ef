/* number_machine.c -- the automaton of the numbers that satisfy a rule, state by state.
 *
 *            +--0--> ZERO --------.--> POINT --9--> FRACTION (9)
 *     START--+                    |                     |
 *       |-   +-1..9-> WHOLE (9) --+          e, E -------+--> E --+- --> SIGN --> EXPONENT
 *       v                                    (only where nothing bounds the number)
 *     MINUS (as START)
 *
 * Beside its place in that drawing a state knows how the digits so far compare with the bounds (for
 * each: below, equal, above), how many there were, and the rest modulo the step.  Only states that
 * are met are made.  Answers stay within the integers of 64 bits before the point and 20 digits
 * after it; integers are written without a point.
 */
#include "kernels/serve/number.h"

#include "kernels/base/fail.h"

#include <stdlib.h>
#include <string.h>

enum { STATE_WORK = 40 }; /* steps: a state with its edges */

enum place { START, MINUS, ZERO, WHOLE, POINT, FRACTION, EXP, EXP_SIGN, EXP_DIGIT };

struct bound { /* of the size, sign apart */
    bool has, open;
    struct number at;
};
struct counted { /* all that a state knows; compared as bytes */
    uint8_t place, negative;
    uint8_t whole, fraction;  /* digits so far */
    int8_t low, high;         /* the digits so far against the bound's first ones */
    uint8_t exponent, unused; /* unused: no hole between the fields */
    uint64_t rest;
};
struct maker {
    const struct number_rule *rule;
    struct bound low[2], high[2]; /* [negative] */
    bool never[2];                /* no number of that sign */
    uint32_t digits_max;          /* whole and fraction together; 0: no matter */
    bool plain;                   /* nothing bounds it: exponents may be written */
    struct machine_draft draft;
    struct counted *known; /* by state */
    uint32_t known_room;
    uint32_t *slot;
    uint32_t slots;
    bool large;
};

/* ---- bounds by sign ---- */

static void tighten_high(struct bound *bound, const struct number *at, bool open)
{
    int order = -1;
    if (bound->has) {
        struct number a = *at;
        struct number b = bound->at;
        a.negative = b.negative = false;
        order = number_compare(&a, &b);
    }
    if (order < 0) {
        *bound = (struct bound){.has = true, .open = open, .at = *at};
    } else if (order == 0) {
        bound->open = bound->open || open;
    }
}

static void set_bounds(struct maker *m)
{
    const struct number_rule *rule = m->rule;
    struct number most = number_of_integer(INT64_MAX);
    tighten_high(&m->high[0], &most, false);
    struct number least = number_of_integer(INT64_MIN);
    tighten_high(&m->high[1], &least, false);
    bool zero_high = rule->has_high && rule->high.whole + rule->high.fraction == 0;
    bool zero_low = rule->has_low && rule->low.whole + rule->low.fraction == 0;
    if (rule->has_high && !rule->high.negative) {
        tighten_high(&m->high[0], &rule->high, rule->high_open);
        m->never[0] = zero_high && rule->high_open;
        m->low[1] = zero_high ? (struct bound){true, rule->high_open, rule->high}
                              : (struct bound){.has = false};
    } else if (rule->has_high) {
        m->never[0] = true;
        m->low[1] = (struct bound){true, rule->high_open, rule->high};
    }
    if (rule->has_low && (rule->low.negative || zero_low)) {
        tighten_high(&m->high[1], &rule->low, rule->low_open);
        m->never[1] = zero_low && rule->low_open;
        m->low[0] = zero_low ? (struct bound){true, rule->low_open, rule->low}
                             : (struct bound){.has = false};
    } else if (rule->has_low) {
        m->never[1] = true;
        m->low[0] = (struct bound){true, rule->low_open, rule->low};
    }
    m->plain = !rule->has_low && !rule->has_high && rule->step == 0 && !rule->whole;
    m->digits_max =
        rule->low_open || rule->high_open || rule->step_digits > 0 ? NUMBER_EXACT_DIGITS : 0;
}

/* ---- states ---- */

static uint64_t hash_of(const struct counted *counted)
{
    uint64_t words[2];
    memcpy(words, counted, sizeof words);
    uint64_t hash = (words[0] ^ words[1] * 0x9e3779b97f4a7c15u) * 0xbf58476d1ce4e5b9u;
    return hash ^ hash >> 29;
}

static void more_slots(struct maker *m)
{
    m->slots = m->slots == 0 ? 512 : m->slots * 2;
    free(m->slot);
    m->slot = kernel_allocate(m->slots, sizeof *m->slot);
    for (uint32_t s = 1; s < m->draft.states; s++) {
        uint32_t at = (uint32_t)(hash_of(&m->known[s]) % m->slots);
        while (m->slot[at] != 0) {
            at = (at + 1) % m->slots;
        }
        m->slot[at] = s;
    }
}

static uint32_t state_of(struct maker *m, const struct counted *counted)
{
    if (m->draft.states * 2 >= m->slots) {
        more_slots(m);
    }
    uint32_t at = (uint32_t)(hash_of(counted) % m->slots);
    for (; m->slot[at] != 0; at = (at + 1) % m->slots) {
        if (memcmp(&m->known[m->slot[at]], counted, sizeof *counted) == 0) {
            return m->slot[at];
        }
    }
    if (m->draft.states >= NUMBER_STATES_MAX) {
        m->large = true;
        return MACHINE_DEAD;
    }
    uint32_t state = machine_draft_state(&m->draft);
    if (state >= m->known_room) {
        m->known_room = state * 2;
        m->known = kernel_resize(m->known, m->known_room, sizeof *m->known);
    }
    m->known[state] = *counted;
    m->slot[at] = state;
    return state;
}

static bool compares(const struct bound *bound, int order, const struct counted *c, bool high)
{
    if (!bound->has) {
        return true;
    }
    if (order == 0 && c->fraction < bound->at.fraction) {
        order = -1; /* the bound goes on, and ends in no zero */
    }
    return order == 0 ? !bound->open : (order < 0) == high;
}

static int8_t at_whole_end(const struct bound *bound, int8_t digits, uint32_t whole)
{
    return whole == bound->at.whole ? digits : (int8_t)(whole < bound->at.whole ? -1 : 1);
}

static bool accepts(const struct maker *m, const struct counted *from)
{
    struct counted c = *from;
    if (c.place == EXP_DIGIT) {
        return true;
    }
    if (c.place != ZERO && c.place != WHOLE && c.place != FRACTION) {
        return false;
    }
    const struct bound *low = &m->low[c.negative];
    const struct bound *high = &m->high[c.negative];
    if (c.place != FRACTION) {
        c.low = at_whole_end(low, c.low, c.whole);
        c.high = at_whole_end(high, c.high, c.whole);
    }
    uint64_t rest = c.rest;
    for (uint32_t f = c.fraction; m->rule->step != 0 && f < m->rule->step_digits; f++) {
        rest = rest * 10 % m->rule->step;
    }
    return rest == 0 && compares(low, c.low, &c, false) && compares(high, c.high, &c, true);
}

static int8_t compare_digit(const struct bound *bound, int8_t so_far, uint32_t position, char digit)
{
    if (!bound->has || so_far != 0) {
        return so_far;
    }
    uint32_t count = bound->at.whole + bound->at.fraction;
    char other = position < count ? bound->at.digits[position] : '0';
    return (int8_t)((digit > other) - (digit < other));
}

/* The state after one more digit; false: no. */
static bool add_digit(const struct maker *m, struct counted *c, char digit)
{
    const struct bound *low = &m->low[c->negative];
    const struct bound *high = &m->high[c->negative];
    bool whole = c->place <= WHOLE;
    if (whole) {
        if (c->place == ZERO || c->whole >= NUMBER_WHOLE_MAX ||
            (c->place == WHOLE && c->whole >= high->at.whole)) {
            return false;
        }
        if (c->place <= MINUS && digit == '0') {
            c->place = ZERO;
            return true;
        }
        if (c->whole < low->at.whole) {
            c->low = compare_digit(low, c->low, c->whole, digit);
        }
        c->high = compare_digit(high, c->high, c->whole, digit);
        c->place = WHOLE;
        c->whole++;
    } else {
        if (c->fraction >= NUMBER_FRACTION_MAX) {
            return false;
        }
        c->low = compare_digit(low, c->low, low->at.whole + c->fraction, digit);
        c->high = compare_digit(high, c->high, high->at.whole + c->fraction, digit);
        c->place = FRACTION;
        c->fraction++;
    }
    bool inexact = c->fraction > 0 || m->rule->step_digits > 0; /* whole numbers are read exactly */
    if (m->digits_max != 0 && inexact && (uint32_t)c->whole + c->fraction > m->digits_max) {
        return false;
    }
    if (m->rule->step != 0) {
        if (c->fraction > m->rule->step_digits) {
            return digit == '0';
        }
        c->rest = (c->rest * 10 + (uint64_t)(digit - '0')) % m->rule->step;
    }
    return true;
}

static bool add_point(const struct maker *m, struct counted *c)
{
    const struct number_rule *rule = m->rule;
    if (rule->whole || (rule->step != 0 && rule->step_digits == 0)) {
        return false; /* "1.0" is an integer too, but who reads it expects none */
    }
    if ((c->place != ZERO && c->place != WHOLE) || (!m->plain && c->whole > NUMBER_EXACT_DIGITS)) {
        return false; /* who reads 9007199254740993.0 as a double reads another number */
    }
    c->low = at_whole_end(&m->low[c->negative], c->low, c->whole);
    c->high = at_whole_end(&m->high[c->negative], c->high, c->whole);
    c->place = POINT;
    return true;
}

static bool add_exponent(const struct maker *m, struct counted *c, char byte)
{
    if (byte == 'e') {
        if (!m->plain || (c->place != ZERO && c->place != WHOLE && c->place != FRACTION)) {
            return false;
        }
        *c = (struct counted){.place = EXP};
    } else if (byte == '+') {
        if (c->place != EXP) {
            return false;
        }
        c->place = EXP_SIGN;
    } else {
        if (c->exponent >= 2) { /* two digits: a double holds it, whatever stands before */
            return false;
        }
        c->exponent++;
        c->place = EXP_DIGIT;
    }
    return true;
}

static void edges_of(struct maker *m, uint32_t state)
{
    struct counted from = m->known[state];
    for (int value = '0'; value <= '9'; value++) {
        char digit = (char)value;
        struct counted c = from;
        bool good = c.place >= EXP ? add_exponent(m, &c, digit) : add_digit(m, &c, digit);
        if (good) {
            machine_draft_edge(&m->draft, state, (uint8_t)digit, (uint8_t)digit, state_of(m, &c));
        }
    }
    struct counted c = from;
    if (from.place < EXP && add_point(m, &c)) {
        machine_draft_edge(&m->draft, state, '.', '.', state_of(m, &c));
    }
    c = from;
    if (from.place < EXP && add_exponent(m, &c, 'e')) {
        uint32_t to = state_of(m, &c);
        machine_draft_edge(&m->draft, state, 'e', 'e', to);
        machine_draft_edge(&m->draft, state, 'E', 'E', to);
    }
    c = from;
    if (from.place == EXP && add_exponent(m, &c, '+')) {
        uint32_t to = state_of(m, &c);
        machine_draft_edge(&m->draft, state, '+', '+', to);
        machine_draft_edge(&m->draft, state, '-', '-', to);
    }
}

struct machine *number_machine(const struct number_rule *rule, struct work *work, bool *large)
{
    struct maker *m = kernel_allocate(1, sizeof *m);
    m->rule = rule;
    set_bounds(m);
    machine_draft_start(&m->draft);
    m->known_room = 64;
    m->known = kernel_allocate(m->known_room, sizeof *m->known);
    m->known[MACHINE_START] = (struct counted){.place = START};
    for (uint32_t s = MACHINE_START; s < m->draft.states && !m->large; s++) {
        m->large = !work_take(work, STATE_WORK);
        struct counted from = m->known[s];
        if (s == MACHINE_START && !m->never[1]) {
            struct counted minus = {.place = MINUS, .negative = 1};
            machine_draft_edge(&m->draft, s, '-', '-', state_of(m, &minus));
        }
        if (s != MACHINE_START || !m->never[0]) {
            edges_of(m, s);
        }
        if (accepts(m, &from)) {
            m->draft.flags[s] |= MACHINE_ACCEPT;
        }
    }
    *large = m->large;
    struct machine *machine = machine_finish(&m->draft, false, large);
    if (m->large) {
        machine_destroy(machine);
        machine = NULL;
        *large = true;
    }
    free(m->known);
    free(m->slot);
    free(m);
    return machine;
}
