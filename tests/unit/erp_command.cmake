if(TARGET rv_erp_command)
  reeve_test(erp_command_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/erp_command_test.c LINK rv_erp_command
    LABELS unit)
endif()
