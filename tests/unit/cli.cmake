if(TARGET rv_cli)
  reeve_test(cli_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/cli_test.c LINK rv_cli LABELS unit)
endif()
