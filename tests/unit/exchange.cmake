if(TARGET rv_exchange)
  foreach(part rules documents camt hostile demo)
    if(EXISTS ${CMAKE_CURRENT_LIST_DIR}/exchange_${part}_test.c)
      reeve_test(exchange_${part}_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/exchange_${part}_test.c
        LINK rv_exchange LABELS unit)
    endif()
  endforeach()
endif()
