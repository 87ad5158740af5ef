/* skip.h -- how a test program says that it cannot run here: it prints why and exits with this
 * status. */
#ifndef REEVE_TESTS_SUPPORT_SKIP_H
#define REEVE_TESTS_SUPPORT_SKIP_H

enum { TEST_SKIP_STATUS = 77 };

#endif
