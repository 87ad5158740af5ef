reeve_test(actor_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/actor_test.c LINK rv_actor LABELS unit)
