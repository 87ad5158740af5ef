reeve_fuzz(schedule_fuzz SOURCES ${CMAKE_CURRENT_LIST_DIR}/schedule_fuzz.c LINK rv_schedule)
