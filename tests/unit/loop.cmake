reeve_test(loop_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/loop_test.c LINK rv_loop LABELS unit)
