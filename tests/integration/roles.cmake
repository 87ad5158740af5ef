if(TARGET rv_cli)
  add_library(rv_test_roles STATIC)
  target_include_directories(rv_test_roles PUBLIC ${CMAKE_SOURCE_DIR} ${CMAKE_CURRENT_BINARY_DIR})
  reeve_sql(test_roles DIR integration/roles_sql)
  reeve_test(roles_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/roles_test.c
    LINK rv_cli test_postgres rv_test_roles LABELS integration)
endif()
if(TARGET reeve)
  add_test(NAME roles_program_test COMMAND sh ${CMAKE_CURRENT_LIST_DIR}/roles.sh $<TARGET_FILE:reeve>
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(roles_program_test PROPERTIES TIMEOUT 180 LABELS integration SKIP_RETURN_CODE 77)
endif()
