reeve_test(base_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/base_test.c LINK rv_base LABELS unit)
