/* firing.h -- what a schedule's fire does: the main job, or one run of an agent.
 *
 *   action "exceptions.run"   job.h: discrepancies are found and handled
 *   action AGENT              a run of that agent with the schedule's input, and
 *                             {"schedule": {"name", "at": the instant that was due}} in it
 *
 * A run has the fire's own number: handed over again after a crash, the fire finds its run and only
 * watches it.  The fire is over when the run is; it failed when the run did not end well, which is
 * what "pause after failures" counts.  A fire that is to stop asks its run to cancel, with the
 * reason.
 *
 * Thread: the main core's.
 */
#ifndef REEVE_RUNTIME_CLI_FIRING_H
#define REEVE_RUNTIME_CLI_FIRING_H

#include "runtime/cli/node.h"
#include "runtime/schedule/service.h"

enum {
    FIRING_LOOK_MS = 500,   /* between two looks at the runs that are watched */
    FIRING_LOOK_MAX = 1000, /* runs of one look; with more they take turns */
};

struct firings;

struct firings *firings_create(struct node *node);
/* Who is told of ends; before the first fire. */
void firings_report_to(struct firings *firings, struct rv_schedule_service *service);
/* `fire`, `stop` and `lost` of rv_schedule_options; data is the firings.  A job of a fire that is
 * lost ends; a run goes on, for the node that watches it now. */
void firings_fire(void *data, int32_t tenant, const char *name, const char *action,
                  const json_t *input, int64_t fire_id);
void firings_stop(void *data, int32_t tenant, int64_t fire_id, const char *why);
void firings_lost(void *data, int32_t tenant, int64_t fire_id);
/* reeve ends: jobs stop where they can and nothing is reported any more, so that the leases of the
 * fires run out and another node hands them over again. */
void firings_leave(struct firings *firings);
/* After the node's database is closed. */
void firings_destroy(struct firings *firings);

#endif
