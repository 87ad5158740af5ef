# The whole edge over a real database: tables of all rooms, people, approvals, and votes by SQL.
add_library(rv_test_gate STATIC)
target_include_directories(rv_test_gate PUBLIC ${CMAKE_SOURCE_DIR} ${CMAKE_CURRENT_BINARY_DIR})
reeve_sql(test_gate DIR ../runtime/gate/sql)
add_library(rv_test_erp STATIC)
target_include_directories(rv_test_erp PUBLIC ${CMAKE_SOURCE_DIR} ${CMAKE_CURRENT_BINARY_DIR})
reeve_sql(test_erp DIR ../erp/sql/migrations)
reeve_module(test_http SOURCES ${CMAKE_CURRENT_LIST_DIR}/http_fixture.c ${CMAKE_CURRENT_LIST_DIR}/votes.c
          ${CMAKE_CURRENT_LIST_DIR}/http_client.c
  LINK rv_http rv_hooks rv_effect rv_web rv_db rv_journal rv_test_gate rv_test_erp test_postgres)
reeve_sql(test_http DIR support/http_sql)
