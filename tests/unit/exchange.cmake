if(TARGET rv_exchange)
  reeve_test(exchange_rules_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/exchange_rules_test.c
    LINK rv_exchange LABELS unit)
endif()
