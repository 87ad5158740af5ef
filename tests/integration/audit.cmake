reeve_test(audit_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/audit_test.c LINK test_postgres rv_audit rv_gate LABELS integration)
