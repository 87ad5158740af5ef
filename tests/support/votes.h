/* votes.h -- rv_approval_vote as one SQL statement, for tests of what stands in front of approvals.
 */
#ifndef REEVE_TESTS_SUPPORT_VOTES_H
#define REEVE_TESTS_SUPPORT_VOTES_H

#include "runtime/approval/approval.h"
#include "runtime/db/db.h"

struct rv_approvals *test_votes_create(struct rv_db *db);
void test_votes_destroy(struct rv_approvals *approvals);

#endif
