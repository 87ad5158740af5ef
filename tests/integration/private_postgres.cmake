reeve_test(private_postgres_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/private_postgres_test.c LINK rv_db
  LABELS integration TIMEOUT 240)
