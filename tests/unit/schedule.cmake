reeve_test(schedule_zone_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/schedule_zone_test.c LINK rv_schedule LABELS unit)
reeve_test(schedule_cron_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/schedule_cron_test.c LINK rv_schedule LABELS unit)
reeve_test(schedule_time_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/schedule_time_test.c LINK rv_schedule LABELS unit)
