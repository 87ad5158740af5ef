reeve_test(event_log_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/event_log_test.c LINK rv_observe LABELS unit)
