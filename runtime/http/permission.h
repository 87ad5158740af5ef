/* permission.h -- what the roles of a person allow at the HTTP edge.
 *
 *   admin           people, tokens, hooks; reads everything of the tenant
 *   operator        starts, signals, cancels, retries, forks and revives runs; schedules and
 * calendars; reads auditor         reads any other word  a business role that policies name
 * ("controller", "treasurer" ...): reads, and may vote; the approval itself says which roles it
 * needs (runtime/approval)
 *
 * No role at all: may sign in and see that nothing is there.  Administrators and operators do not
 * vote: who runs the machine does not release the money, unless given a business role beside.
 */
#ifndef REEVE_RUNTIME_HTTP_PERMISSION_H
#define REEVE_RUNTIME_HTTP_PERMISSION_H

enum rv_permission {
    RV_MAY_ANYONE = 0, /* no credential needed */
    RV_MAY_SIGNED_IN = 1,
    RV_MAY_READ = 2,
    RV_MAY_DECIDE = 4,
    RV_MAY_OPERATE = 8,
    RV_MAY_ADMINISTER = 16,
    RV_MAY_OVERSEE = 32 /* beside another, on a route: its caller may also be the operator of the
                           machine, who is nobody of any company (api.h: operator_token) */
};

/* The set of permissions of `roles`, a comma-separated list. */
unsigned rv_permissions_of(const char *roles);
const char *rv_permission_name(enum rv_permission permission);

#endif
