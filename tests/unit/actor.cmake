reeve_test(actor_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/actor_test.c LINK rv_actor LABELS unit)
reeve_test(actor_more_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/actor_more_test.c LINK rv_actor LABELS unit)
reeve_test(actor_pool_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/actor_pool_test.c LINK rv_actor LABELS unit)
reeve_test(actor_life_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/actor_life_test.c LINK rv_actor LABELS unit)
