reeve_test(db_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/db_test.c LINK test_postgres rv_journal LABELS integration)
reeve_test(commit_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/commit_test.c LINK test_postgres rv_journal LABELS integration)
