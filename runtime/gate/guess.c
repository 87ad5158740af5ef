/* guess.c -- see guess.h. */
#include "runtime/gate/guess.h"

#include "runtime/base/check.h"

enum { PLACES = 256 }; /* power of two; kinds of requests at one time */

struct place {
    json_t *args; /* what applied last; NULL: nothing yet */
    bool again;   /* and the time before */
};

struct rv_guesses {
    struct place places[PLACES];
};

struct rv_guesses *rv_guesses_create(void)
{
    return rv_alloc(sizeof(struct rv_guesses));
}

void rv_guesses_destroy(struct rv_guesses *guesses)
{
    for (int i = 0; i < PLACES; i++) {
        json_decref(guesses->places[i].args);
    }
    rv_free(guesses);
}

static uint32_t add_text(uint32_t hash, const char *text)
{
    for (; *text != '\0'; text++) {
        hash = (hash ^ (unsigned char)*text) * 16777619u; /* FNV-1a */
    }
    return hash * 16777619u; /* and the end of the text */
}

static uint32_t place_of(int32_t tenant, const char *action, const char *principal)
{
    uint32_t hash = add_text(2166136261u ^ (uint32_t)tenant, action);
    hash = add_text(hash, principal);
    return (hash ^ hash >> 16) & (PLACES - 1);
}

json_t *rv_guess_limits(const struct rv_guesses *guesses, int32_t tenant, const char *action,
                        const char *principal)
{
    const struct place *place = &guesses->places[place_of(tenant, action, principal)];
    bool some = place->again && json_array_size(place->args) > 0;
    return some ? json_incref(place->args) : NULL;
}

void rv_guess_learn(struct rv_guesses *guesses, int32_t tenant, const char *action,
                    const char *principal, json_t *args)
{
    struct place *place = &guesses->places[place_of(tenant, action, principal)];
    place->again = place->args != NULL && json_equal(place->args, args);
    if (!place->again) {
        json_decref(place->args);
        place->args = json_incref(args);
    }
}
