/* room.h -- how many run actors a company may have at once on its core.
 *
 * Runs at work share everything on their way: the processor, the commits, the connections that
 * read. So what a company gets done beside others follows from how many of its runs are at work,
 * and that is where a weight is honoured.  Among companies whose runs wait for room the heaviest
 * has a commit's worth of run actors, and each other one that part of it which its weight is.
 *
 * Runs of a light company are through sooner, as less of its own is in their way.  So starts are
 * counted, divided by the weight, and whoever is ahead gives room back, up to half of what it has:
 * the lead stays what it is then, and the shares are those of the weights.  Nobody is further
 * behind than one such round, so an idle time gives no claim on all that others did meanwhile.
 *
 * A company that nobody else waits beside has a commit's worth, and no more: more only end later,
 * all together.
 *
 * Room is for work.  A run that sleeps for a short time keeps its actor, and so its place, only
 * while nobody needs that: as soon as a run of its company waits for room, or the core is full and
 * another company's does, it gives its place and stands still in the database, as long sleepers do
 * at once (orchestrator.c).  So does one that has waited for the model's answer for a while: who
 * asked is the store, which journals what comes, and the run is brought back when it has
 * (roster.h).
 *
 * Thread: the core's.
 */
#ifndef REEVE_RUNTIME_RUN_ROOM_H
#define REEVE_RUNTIME_RUN_ROOM_H

#include <stdbool.h>
#include <stdint.h>

enum {
    RV_RUNS_SHARE = 64,        /* run actors that a company has though the core is full ... */
    RV_RUNS_COMPANY_MAX = 256, /* ... that it may have: a commit's worth ... */
    RV_RUNS_LEAST = 4,         /* ... and has beside whom ever */
    RV_RUNS_ACTIVE_MAX = 1024  /* of a core for all companies, in some 110 MiB */
};

/* Fewer, where memory is short or a test wants a crowd; 0: as above. */
struct rv_run_limits {
    int share, company_max, active_max;
};

/* One company. */
struct rv_run_guest {
    int weight;                /* from 1; the caller's, the rest is not */
    int has;                   /* run actors */
    bool waits;                /* it has runs that have none */
    int64_t had;               /* starts by weight */
    struct rv_run_guest *next; /* those that wait */
};

/* Of one core; all zero in the beginning, but for the limits. */
struct rv_run_room {
    struct rv_run_limits limits;
    int active; /* run actors of all */
    struct rv_run_guest *waiting;
};

/* May it have one more?  `room` may be NULL in all of these: then each has its share only. */
bool rv_run_room_has(const struct rv_run_room *room, const struct rv_run_guest *guest);
void rv_run_room_enter(struct rv_run_room *room, struct rv_run_guest *guest);
void rv_run_room_leave(struct rv_run_room *room, struct rv_run_guest *guest, int actors);
/* Has it runs that found no room?  A guest that goes says no. */
void rv_run_room_wait(struct rv_run_room *room, struct rv_run_guest *guest, bool waits);
/* Is the core full while somebody waits?  Then whoever can leaves, also of those that do not. */
bool rv_run_room_short(const struct rv_run_room *room);

#endif
