reeve_test(http_api_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/http_api_test.c LINK rv_test_http LABELS integration TIMEOUT 240)
reeve_test(hooks_delivery_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/hooks_delivery_test.c LINK rv_test_http LABELS integration TIMEOUT 240)
