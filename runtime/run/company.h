/* company.h -- the companies that a core drives: an orchestrator for each, found by its name.
 *
 * A company may be lost and gained again faster than its old orchestrator ends (a core that was
 * busy finds both said at once).  Two of them are never there together: the new one begins when the
 * old one is gone, unless the company was lost again by then.
 *
 * Thread: the core's, but for rv_company_orchestrator.
 */
#ifndef REEVE_RUNTIME_RUN_COMPANY_H
#define REEVE_RUNTIME_RUN_COMPANY_H

#include "runtime/run/orchestrator.h"

struct rv_companies;

struct rv_companies_options {
    struct rv_loop *loop; /* of the core */
    struct rv_actors *actors;
    int core;
    const struct rv_orchestrator_options *orchestrator; /* outlives the actors */
};

struct rv_companies *rv_companies_create(const struct rv_companies_options *options);
void rv_companies_destroy(struct rv_companies *companies); /* after the actors; NULL is fine */

/* The company is driven from now on, with this epoch. */
void rv_company_begin(struct rv_companies *companies, int32_t tenant, int64_t epoch);
/* It is not any more: its orchestrator and runs are told to stop. */
void rv_company_end(struct rv_companies *companies, int32_t tenant);

/* id 0: this process does not drive it.  Any thread. */
struct rv_ref rv_company_orchestrator(struct rv_actors *actors, int32_t tenant);

#endif
