reeve_fuzz(http_request_fuzz SOURCES ${CMAKE_CURRENT_LIST_DIR}/http_request_fuzz.c LINK rv_http_edge)
reeve_fuzz(http_text_fuzz SOURCES ${CMAKE_CURRENT_LIST_DIR}/http_text_fuzz.c
  ${CMAKE_SOURCE_DIR}/runtime/http/router.c ${CMAKE_SOURCE_DIR}/runtime/http/credential.c
  ${CMAKE_SOURCE_DIR}/runtime/http/permission.c ${CMAKE_SOURCE_DIR}/runtime/http/sse.c
  ${CMAKE_SOURCE_DIR}/runtime/hooks/sign.c
  LINK rv_http_edge PkgConfig::SODIUM)
