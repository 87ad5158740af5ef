if(TARGET test_erp_world)
  reeve_test(erp_books_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/erp_books_test.c LINK test_erp_world
    LABELS integration)
  reeve_test(erp_read_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/erp_read_test.c LINK test_erp_world
    LABELS integration)
  reeve_test(erp_detect_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/erp_detect_test.c
    LINK test_erp_world rv_exchange LABELS integration)
endif()
if(TARGET rv_cli)
  reeve_test(gate_look_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/gate_look_test.c
    LINK rv_cli test_postgres LABELS integration)
endif()
