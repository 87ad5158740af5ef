/* audit_world.h -- a company whose audit record grows on demand, and an intruder in its database.
 */
#ifndef REEVE_TESTS_SUPPORT_AUDIT_WORLD_H
#define REEVE_TESTS_SUPPORT_AUDIT_WORLD_H

#include "runtime/audit/audit.h"

struct audit_world {
    struct rv_loop *loop;
    struct rv_committer *committer;
    struct rv_audit *audit;
    struct rv_audit_trust *trust;
    char *uri;
    int left;
};

void audit_world_make(struct audit_world *world);
void audit_world_end(struct audit_world *world);
/* Appends `count` records {"number": 0..count-1} as tenant 1. */
void audit_world_append(struct audit_world *world, int count);
/* Runs SQL as superuser, with triggers off. */
void audit_world_sql(const struct audit_world *world, const char *text);

#endif
