if(TARGET rv_run)
  reeve_test(run_history_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/run_history_test.c LINK rv_run LABELS unit)
  reeve_test(run_trace_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/run_trace_test.c LINK rv_run LABELS unit)
endif()
