reeve_test(http_request_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/http_request_test.c
  LINK rv_http_edge LABELS unit)
reeve_test(http_router_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/http_router_test.c
  ${CMAKE_SOURCE_DIR}/runtime/http/router.c ${CMAKE_SOURCE_DIR}/runtime/http/permission.c
  ${CMAKE_SOURCE_DIR}/runtime/http/credential.c ${CMAKE_SOURCE_DIR}/runtime/http/limiter.c
  ${CMAKE_SOURCE_DIR}/runtime/http/sse.c
  LINK rv_http_edge PkgConfig::SODIUM LABELS unit)
reeve_test(http_server_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/http_server_test.c
  LINK rv_http_edge LABELS unit TIMEOUT 120)
reeve_test(openai_function_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/openai_function_test.c
  ${CMAKE_SOURCE_DIR}/runtime/http/openai_function.c
  LINK rv_http_edge LABELS unit)
reeve_test(openai_share_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/openai_share_test.c
  LINK rv_http LABELS unit)
