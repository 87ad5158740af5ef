add_library(rv_test_schedule STATIC)
target_include_directories(rv_test_schedule PUBLIC ${CMAKE_SOURCE_DIR} ${CMAKE_CURRENT_BINARY_DIR})
reeve_sql(test_schedule DIR integration/schedule_sql)
reeve_test(schedule_golden_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/schedule_golden_test.c
  LINK test_postgres rv_schedule rv_test_schedule LABELS integration)
reeve_test(schedule_service_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/schedule_service_test.c
  LINK test_postgres rv_schedule rv_journal rv_gate rv_audit rv_http rv_test_schedule LABELS integration)
reeve_test(schedule_lost_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/schedule_lost_test.c
  LINK test_postgres rv_schedule rv_journal rv_gate rv_audit rv_http rv_test_schedule LABELS integration)
reeve_test(schedule_kept_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/schedule_kept_test.c
  LINK test_postgres rv_schedule rv_journal rv_gate rv_audit rv_http rv_test_schedule LABELS integration)
