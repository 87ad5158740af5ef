if(TARGET rv_cli)
  reeve_test(upgrade_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/upgrade_test.c LINK rv_cli test_postgres LABELS integration)
endif()
