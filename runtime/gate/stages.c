/* stages.c -- bipartite matching of people to approval slots; see stages.h. */
#include "runtime/gate/stages.h"

#include "runtime/base/check.h"

#include <stdint.h>
#include <string.h>

struct slots {
    const char *role[RV_APPROVAL_SLOTS_MAX];
    int vote[RV_APPROVAL_SLOTS_MAX]; /* index of the vote that fills it, or -1 */
    int count;
    bool impossible;
};

static bool holds(const json_t *roles, const char *role)
{
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)(uintptr_t)roles, i, item)
    {
        const char *name = json_string_value(item);
        if (name != NULL && strcmp(name, role) == 0) {
            return true;
        }
    }
    return false;
}

static void open_slots(const json_t *stages, struct slots *slots)
{
    size_t i;
    json_t *stage;
    *slots = (struct slots){.count = 0};
    if (json_array_size(stages) == 0) {
        slots->impossible = true; /* nobody was asked: nobody can have agreed */
    }
    json_array_foreach((json_t *)(uintptr_t)stages, i, stage)
    {
        const char *role = rv_json_str(stage, "role", NULL);
        int64_t n = rv_json_int(stage, "n", 1);
        if (role == NULL || n < 1 || n > RV_APPROVAL_SLOTS_MAX - slots->count) {
            slots->impossible = true;
            return;
        }
        for (int64_t k = 0; k < n; k++) {
            slots->role[slots->count] = role;
            slots->vote[slots->count++] = -1;
        }
    }
}

static bool fits(const char *role, const json_t *roles, const char *also)
{
    return holds(roles, role) || (also != NULL && holds(roles, also));
}

/* Seats `vote`, moving others where that helps. */
static bool seat(struct slots *slots, const json_t *votes, int vote, const char *also, bool *tried)
{
    const json_t *roles = json_object_get(json_array_get(votes, (size_t)vote), "roles");
    for (int i = 0; i < slots->count; i++) {
        if (tried[i] || !fits(slots->role[i], roles, also)) {
            continue;
        }
        tried[i] = true;
        if (slots->vote[i] < 0 || seat(slots, votes, slots->vote[i], also, tried)) {
            slots->vote[i] = vote;
            return true;
        }
    }
    return false;
}

static void match(const json_t *stages, const json_t *votes, size_t most, const char *also,
                  const char *without, struct slots *slots)
{
    open_slots(stages, slots);
    size_t count = json_array_size(votes);
    for (size_t i = 0; i < count && i < most && !slots->impossible; i++) {
        bool tried[RV_APPROVAL_SLOTS_MAX] = {false};
        const char *person = rv_json_str(json_array_get(votes, i), "person", "");
        if (without == NULL || strcmp(person, without) != 0) {
            seat(slots, votes, (int)i, also, tried);
        }
    }
}

static json_t *missing_of(const struct slots *slots)
{
    json_t *missing = json_array();
    if (slots->impossible) {
        json_array_append_new(missing, json_pack("{s:s,s:i}", "role", "nobody", "n", 1));
        return missing;
    }
    for (int i = 0; i < slots->count; i++) {
        if (slots->vote[i] >= 0) {
            continue;
        }
        json_t *last = json_array_get(missing, json_array_size(missing) - 1);
        if (last != NULL && strcmp(rv_json_str(last, "role", ""), slots->role[i]) == 0) {
            json_object_set_new(last, "n", json_integer(rv_json_int(last, "n", 0) + 1));
        } else {
            json_array_append_new(missing, json_pack("{s:s,s:i}", "role", slots->role[i], "n", 1));
        }
    }
    return missing;
}

json_t *rv_stages_missing(const json_t *stages, const json_t *votes, const char *also)
{
    struct slots slots;
    match(stages, votes, RV_APPROVAL_VOTES_MAX, also, NULL, &slots);
    return missing_of(&slots);
}

json_t *rv_stages_unfilled(const json_t *stages, const json_t *people, const char *also,
                           const char *without)
{
    struct slots slots;
    match(stages, people, SIZE_MAX, also, without, &slots);
    return missing_of(&slots);
}

bool rv_stages_complete(const json_t *stages, const json_t *votes, const char *also)
{
    struct slots slots;
    match(stages, votes, RV_APPROVAL_VOTES_MAX, also, NULL, &slots);
    bool complete = !slots.impossible;
    for (int i = 0; i < slots.count; i++) {
        complete = complete && slots.vote[i] >= 0;
    }
    return complete;
}

bool rv_stages_eligible(const json_t *stages, const json_t *roles, const char *also)
{
    struct slots slots;
    open_slots(stages, &slots);
    for (int i = 0; i < slots.count && !slots.impossible; i++) {
        if (fits(slots.role[i], roles, also)) {
            return true;
        }
    }
    return false;
}
