/* rebuild.h -- how a log is cut into calls of projection statements, so that replaying it gives
 * what writing it gave.  Pure; runtime/gate/books.c reads the log and runs the statements.
 *
 * A run is a row of consecutive events of one type in which no stream appears twice.  The
 * statements are set-based, so a run is one call; across runs the order of the log is kept.
 */
#ifndef REEVE_ERP_COMMAND_REBUILD_H
#define REEVE_ERP_COMMAND_REBUILD_H

#include "erp/command/command.h"

enum { ERP_REBUILD_RUN_MAX = 256 };

struct erp_rebuild_run {
    const struct erp_event_type *type; /* NULL: empty */
    int count;
    uint64_t streams[ERP_REBUILD_RUN_MAX]; /* hashes of the streams in it */
};

/* True when the next event may join the run (it is then counted in); false: flush, reset to {0},
 * and offer it again. */
bool erp_rebuild_join(struct erp_rebuild_run *run, const struct erp_event_type *type,
                      const char *stream);

#endif
