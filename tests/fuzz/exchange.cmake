if(TARGET rv_exchange)
  reeve_fuzz(ubl_fuzz SOURCES ${CMAKE_CURRENT_LIST_DIR}/ubl_fuzz.c LINK rv_exchange)
  reeve_fuzz(camt_fuzz SOURCES ${CMAKE_CURRENT_LIST_DIR}/camt_fuzz.c LINK rv_exchange)
endif()
