reeve_test(config_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/config_test.c LINK rv_config LABELS unit)
