/* room.c -- see room.h. */
#include "runtime/run/room.h"

#include "runtime/base/check.h"

enum { SCALE = 1 << 20 };

/* Those that wait, and the guest: the heaviest, and how many starts by weight the last has had. */
struct rivals {
    int heaviest;
    int64_t least, most;
};

static struct rivals rivals_of(const struct rv_run_room *room, const struct rv_run_guest *guest)
{
    struct rivals all = {guest->weight, guest->had, guest->had};
    for (const struct rv_run_guest *at = room->waiting; at != NULL; at = at->next) {
        all.heaviest = at->weight > all.heaviest ? at->weight : all.heaviest;
        all.least = at->had < all.least ? at->had : all.least;
        all.most = at->had > all.most ? at->had : all.most;
    }
    return all;
}

static int company_max(const struct rv_run_room *room)
{
    return room->limits.company_max > 0 ? room->limits.company_max : RV_RUNS_COMPANY_MAX;
}

static int active_max(const struct rv_run_room *room)
{
    return room->limits.active_max > 0 ? room->limits.active_max : RV_RUNS_ACTIVE_MAX;
}

static int share(const struct rv_run_room *room)
{
    return room != NULL && room->limits.share > 0 ? room->limits.share : RV_RUNS_SHARE;
}

/* What each has beside whom ever. */
static int least(const struct rv_run_room *room)
{
    return company_max(room) < RV_RUNS_LEAST ? company_max(room) : RV_RUNS_LEAST;
}

/* As many starts by weight as make one round of the heaviest's actors. */
static int64_t round_of(const struct rv_run_room *room, const struct rivals *all)
{
    return (int64_t)company_max(room) * SCALE / all->heaviest;
}

bool rv_run_room_has(const struct rv_run_room *room, const struct rv_run_guest *guest)
{
    if (room == NULL) {
        return guest->has < share(room);
    }
    struct rivals all = rivals_of(room, guest);
    int64_t most = (int64_t)company_max(room) * guest->weight / all.heaviest;
    int64_t ahead = guest->had - all.least;
    int64_t round = round_of(room, &all);
    most -= most * (ahead < round ? ahead : round) / round / 2;
    most = most < least(room) ? least(room) : most;
    return guest->has < most && (guest->has < share(room) || room->active < active_max(room));
}

void rv_run_room_enter(struct rv_run_room *room, struct rv_run_guest *guest)
{
    guest->has++;
    if (room == NULL) {
        return;
    }
    room->active++;
    if (room->waiting == NULL || (room->waiting == guest && guest->next == NULL)) {
        guest->had = 0; /* it is alone: nothing to count */
        return;
    }
    guest->had += SCALE / guest->weight;
    struct rivals all = rivals_of(room, guest);
    for (struct rv_run_guest *at = room->waiting; at != NULL; at = at->next) {
        int64_t behind = all.most - round_of(room, &all);
        at->had = at->had < behind ? behind : at->had;
    }
}

void rv_run_room_leave(struct rv_run_room *room, struct rv_run_guest *guest, int actors)
{
    RV_ASSERT(actors <= guest->has);
    guest->has -= actors;
    if (room != NULL) {
        room->active -= actors;
    }
}

void rv_run_room_wait(struct rv_run_room *room, struct rv_run_guest *guest, bool waits)
{
    if (room == NULL || waits == guest->waits) {
        return;
    }
    guest->waits = waits;
    if (waits) { /* like the others that wait; whoever had a little more keeps that */
        struct rivals all = rivals_of(room, guest);
        int64_t behind = all.most - round_of(room, &all);
        guest->had = room->waiting == NULL ? 0 : guest->had < behind ? behind : guest->had;
        guest->next = room->waiting;
        room->waiting = guest;
        return;
    }
    struct rv_run_guest **link = &room->waiting;
    while (*link != guest) {
        link = &(*link)->next;
    }
    *link = guest->next;
}

bool rv_run_room_short(const struct rv_run_room *room)
{
    return room != NULL && room->waiting != NULL && room->active >= active_max(room);
}
