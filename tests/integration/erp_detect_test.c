/* erp_detect_test.c -- planted discrepancies are found, once, explained, and close with their cause. */
#include "tests/support/erp_documents.h"
#include "tests/support/postgres.h"
#include "tests/support/test.h"
TEST_MAIN_WITH(test_postgres_start(TEST_PG_FAST))
