reeve_test(audit_tree_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/audit_tree_test.c LINK rv_audit LABELS unit)
