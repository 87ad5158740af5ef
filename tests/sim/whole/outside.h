/* outside.h -- what was asked for outside under one key, and what came of it. */
#ifndef REEVE_TESTS_SIM_WHOLE_OUTSIDE_H
#define REEVE_TESTS_SIM_WHOLE_OUTSIDE_H

#include "runtime/effect/effect.h"

struct world;

enum { OUTSIDE_AFTER_US = 1500 * 1000 }; /* what was taken is done by then, or never */

struct deed {
    struct deed *next; /* of all in the world */
    char key[RV_EFFECT_KEY_TEXT];
    int32_t tenant;
    int64_t run;
    int32_t seq;
    int by;                /* incarnation of who began the newest attempt */
    int begun;             /* attempts, as they were committed */
    int sent;              /* ... that have arrived */
    int times;             /* it has happened */
    bool pending;          /* it was taken, and will happen in a moment */
    int64_t busy_until_us; /* until then something may come of an attempt */
    struct deed *undoes;   /* NULL: nothing */
};

/* It happens just now: does it stand already? */
void rules_deed(struct world *world, const struct deed *deed);
/* Made when nobody has asked for it before. */
struct deed *outside_deed(struct world *world, const char *key);

#endif
