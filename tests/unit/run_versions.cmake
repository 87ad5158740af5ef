if(TARGET rv_run)
  reeve_test(run_circle_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/run_circle_test.c LINK rv_run LABELS unit)
  reeve_test(run_versions_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/run_versions_test.c LINK rv_run LABELS unit)
endif()
