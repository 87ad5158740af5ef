if(TARGET test_erp_world)
  reeve_test(erp_books_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/erp_books_test.c LINK test_erp_world
    LABELS integration)
  reeve_test(erp_detect_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/erp_detect_test.c
    LINK test_erp_world rv_exchange LABELS integration)
endif()
