reeve_test(event_log_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/event_log_test.c LINK rv_observe LABELS unit)
reeve_test(run_spans_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/run_spans_test.c LINK rv_observe rv_hooks LABELS unit)
